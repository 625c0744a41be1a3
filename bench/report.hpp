// SPDX-License-Identifier: MIT
// What all reports are made from.
#ifndef PINRING_BENCH_REPORT_HPP
#define PINRING_BENCH_REPORT_HPP

#include <algorithm>
#include <vector>

#include <dma/device.hpp>

#include "config.hpp"
#include "environment.hpp"
#include "result.hpp"

namespace bench {

struct report {
  const config& all;
  const environment& where;
  const dma::device_info& device;
  const std::vector<case_result>& results;
  bool interrupted = false;

  [[nodiscard]] bool bad() const noexcept {
    return std::ranges::any_of(results, [](const case_result& r) { return r.bad(); });
  }
  /// Something was measured, all of what was asked for, and nothing was wrong.
  [[nodiscard]] bool good() const noexcept {
    return !bad() && !interrupted &&
           std::ranges::any_of(results, [](const case_result& r) { return r.complete; });
  }
};

/// Why the numbers are to be read with care; nullptr on hardware.
[[nodiscard]] inline const char* caution(const report& r) noexcept {
  if (r.device.simulator)
    return "SIMULATOR: no hardware behind this device, a driver copies with the CPU. Wall time "
           "says "
           "little about hardware, and less still in an emulated guest; compare counts, and ratios "
           "of one run.";
  if (r.where.emulated_board)
    return "MODEL: the machine is emulated, and so is the DMA. Wall time says nothing about "
           "hardware; compare counts, and ratios of one run.";
  return nullptr;
}

void print_table(const report& r);
void print_json(const report& r);

} // namespace bench

#endif
