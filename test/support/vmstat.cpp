// SPDX-License-Identifier: MIT
#include "support/vmstat.hpp"

#include <fstream>
#include <stdexcept>
#include <string>

#include "support/wait.hpp"

namespace support {

pins read_pins() {
  std::ifstream{"/proc/sys/vm/stat_refresh"}.get(); // fails silently for all but root

  std::ifstream in("/proc/vmstat");
  pins result;
  int found = 0;

  for (std::string key; in >> key;) {
    std::int64_t value = 0;
    in >> value;
    if (key == "nr_foll_pin_acquired")
      result.acquired = value, ++found;
    else if (key == "nr_foll_pin_released")
      result.released = value, ++found;
  }
  if (found != 2)
    throw std::runtime_error("/proc/vmstat does not count pins");
  return result;
}

bool pins_become_balanced() {
  return wait_until([] { return read_pins().outstanding() == 0; });
}

} // namespace support
