// SPDX-License-Identifier: MIT
#include "memcpy_baseline.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>

namespace bench {
namespace {

// A look at the clock costs more than copying a small buffer.
constexpr std::uint64_t bytes_between_looks = std::uint64_t{1} << 20;

} // namespace

baseline measure_memcpy(workload& work, double seconds) {
  using clock = std::chrono::steady_clock;
  const std::size_t bytes = work.bytes();
  const std::uint64_t burst = std::max<std::uint64_t>(1, bytes_between_looks / bytes);
  baseline result;
  std::size_t next = 0;
  const clock::time_point started = clock::now();
  std::chrono::duration<double> time{};
  do {
    for (std::uint64_t i = 0; i < burst; ++i) {
      const slot& s = work.slots()[next];
      next = (next + 1) % work.slots().size();
      std::memcpy(s.in, s.out, bytes);
      // As far as the compiler knows, somebody reads what was copied.
      asm volatile("" : : "r"(s.in) : "memory");
    }
    result.copies += burst;
    time = clock::now() - started;
  } while (time.count() < seconds);
  result.time_s = time.count();
  return result;
}

} // namespace bench
