// SPDX-License-Identifier: MIT
// Checks of the command line. CLI11's own describe themselves at length where the help names the
// type of an option, and print limits with 300 digits.
#ifndef PINRING_TOOLS_VALIDATORS_HPP
#define PINRING_TOOLS_VALIDATORS_HPP

#include <string>

#include <CLI/CLI.hpp>

namespace tools {

/// "64K" becomes 65536.
[[nodiscard]] inline CLI::Validator size_value() {
  return CLI::AsSizeValue(false).description("");
}

/// More than 0.
[[nodiscard]] inline CLI::Validator positive() {
  return {[](std::string& text) {
            double value = 0;
            const bool good = CLI::detail::lexical_cast(text, value) && value > 0;
            return good ? std::string{} : "must be a number above 0, not " + text;
          },
          "", "POSITIVE"};
}

/// Not less than 0.
[[nodiscard]] inline CLI::Validator not_negative() {
  return {[](std::string& text) {
            double value = 0;
            const bool good = CLI::detail::lexical_cast(text, value) && value >= 0;
            return good ? std::string{} : "must be a number not below 0, not " + text;
          },
          "", "NOT_NEGATIVE"};
}

} // namespace tools

#endif
