// SPDX-License-Identifier: MIT
// What the CPU does by itself, with the same memory, in the same run: the one rate that a rate of
// the device can be held against on any machine.
#ifndef PINRING_BENCH_MEMCPY_BASELINE_HPP
#define PINRING_BENCH_MEMCPY_BASELINE_HPP

#include "result.hpp"
#include "workload.hpp"

namespace bench {

/// Copies each slot's outgoing memory to its incoming one, round and round, for `seconds`.
[[nodiscard]] baseline measure_memcpy(workload& work, double seconds);

} // namespace bench

#endif
