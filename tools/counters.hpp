// SPDX-License-Identifier: MIT
// The driver's counters of a device, from sysfs.
#ifndef PINRING_TOOLS_COUNTERS_HPP
#define PINRING_TOOLS_COUNTERS_HPP

#include <cstdint>
#include <optional>
#include <string>

#include <dma/device.hpp>

namespace tools {

/// Of one channel, since the device was probed.
struct channel_counters {
  std::uint64_t jobs = 0;
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
  std::uint64_t bounced = 0; ///< bytes that the driver copied
  std::uint64_t bds = 0;
  std::uint64_t pages = 0;
  std::uint64_t errors = 0;
};

struct device_counters {
  channel_counters send;
  channel_counters recv;
  std::uint64_t recoveries = 0;
};

/// What was counted between two readings.
[[nodiscard]] device_counters operator-(const device_counters& after,
                                        const device_counters& before) noexcept;

/// Where the counters of a device are: /sys/class/misc/pinringN.
[[nodiscard]] std::string counters_folder(const std::string& device_path);

/// nullopt where sysfs is not there or not readable.
[[nodiscard]] std::optional<device_counters> read_counters(const std::string& folder);

/// Only the packets of those directions, all together: cheap enough to look at while they move.
[[nodiscard]] std::optional<std::uint64_t> read_packets(const std::string& folder,
                                                        dma::direction directions);

} // namespace tools

#endif
