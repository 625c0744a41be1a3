// SPDX-License-Identifier: MIT
// How a command ends early: with a sentence for the user and an exit code.
#ifndef PINRING_TOOLS_FAILURE_HPP
#define PINRING_TOOLS_FAILURE_HPP

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <string>

namespace tools {

enum exit_code : int {
  exit_success = 0,
  exit_failure = 1,       ///< it did not work, or the data differ
  exit_usage = 2,         ///< the command line makes no sense
  exit_interrupted = 130, ///< as a shell says of a program that Ctrl-C ended
};

/// what() is what the user reads: what failed, and what to do next.
class failure : public std::runtime_error {
public:
  explicit failure(const std::string& text, int code = exit_failure)
      : std::runtime_error{text}, code_{code} {}
  [[nodiscard]] int code() const noexcept { return code_; }

private:
  int code_;
};

/// A full disk or a reader that has gone is told, instead of a report that ends in the middle.
inline void close_output() {
  if (std::fflush(stdout) != 0)
    throw failure{std::string{"standard output: "} + std::strerror(errno)};
}

} // namespace tools

#endif
