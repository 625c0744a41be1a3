// SPDX-License-Identifier: MIT
#include "support/pace.hpp"

#include <unistd.h>

namespace support {
namespace {

constexpr std::size_t slower = 4;

bool kernel_looks_for_bugs() {
  static const bool found = ::access("/sys/kernel/debug/kmemleak", F_OK) == 0;
  return found;
}

} // namespace

std::size_t paced(std::size_t n) {
  return kernel_looks_for_bugs() ? n / slower : n;
}

} // namespace support
