// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <concepts>
#include <thread>

namespace support {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock; // CLOCK_MONOTONIC, as the ABI's deadlines

/// How long a test waits for something that must happen. Generous, because an emulated guest on a
/// busy host stalls for seconds; it is only ever spent by a test that fails.
inline constexpr std::chrono::nanoseconds patience = 30s;

/// Polls until the condition holds. @return false when the deadline passed first.
template <std::predicate Condition>
[[nodiscard]] bool wait_until(Condition&& condition, std::chrono::nanoseconds deadline = patience) {
  for (const auto end = clock::now() + deadline; !condition(); std::this_thread::sleep_for(1ms))
    if (clock::now() > end)
      return condition();
  return true;
}

} // namespace support
