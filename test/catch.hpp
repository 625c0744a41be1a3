// SPDX-License-Identifier: MIT
//
// Catch2 under one name: Debian 12 ships version 2, whose one header has another place than
// version 3's, which Debian 13 ships. Tests include this and nothing of Catch2 itself.
#ifndef PINRING_TEST_CATCH_HPP
#define PINRING_TEST_CATCH_HPP

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
// Version 2 has these everywhere.
using Catch::Approx;
#else
#include <catch2/catch.hpp>
// Version 3 moved these into its namespace's top level.
namespace Catch::Matchers {
using Catch::Contains;
using Catch::EndsWith;
using Catch::StartsWith;
inline auto ContainsSubstring(const std::string& text) {
  return Catch::Contains(text);
}
} // namespace Catch::Matchers
#endif

#endif
