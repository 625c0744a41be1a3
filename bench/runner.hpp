// SPDX-License-Identifier: MIT
// Runs one case, in a closed loop: as soon as a round trip is back, its slot goes out again.
#ifndef PINRING_BENCH_RUNNER_HPP
#define PINRING_BENCH_RUNNER_HPP

#include <dma/device.hpp>

#include "config.hpp"
#include "result.hpp"

namespace bench {

/// A round trip is one send and one receive of the case's size.
///
/// In this order: memcpy of the same memory; round trips that are compared byte for byte; the pass
/// for throughput; the pass for latency; compared round trips again. What either pass left in the
/// memory is compared too.
///
/// @throws std::system_error if there can be no ring at all: busy, device_gone, …
[[nodiscard]] case_result run_case(const dma::device& device, const config& all,
                                   const case_config& one);

} // namespace bench

#endif
