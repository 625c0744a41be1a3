// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace support {

/// Pins of the whole machine, from /proc/vmstat. The kernel gathers these from its CPUs about once
/// a second, and only root may ask for it at once (stat_refresh): so wait for a value, don't
/// compare.
struct pins {
  std::int64_t acquired = 0;
  std::int64_t released = 0;

  [[nodiscard]] std::int64_t outstanding() const { return acquired - released; }
};

[[nodiscard]] pins read_pins();

/// True once as many pins were released as acquired; false when the deadline passed first.
[[nodiscard]] bool pins_become_balanced();

} // namespace support
