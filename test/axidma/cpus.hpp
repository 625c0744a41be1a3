// SPDX-License-Identifier: MIT
#pragma once

#include <sched.h>

namespace support {

/// The calling thread runs on one CPU only, as long as this lives.
class on_cpu {
public:
  explicit on_cpu(unsigned cpu);
  on_cpu(const on_cpu&) = delete;
  on_cpu& operator=(const on_cpu&) = delete;
  ~on_cpu();

private:
  cpu_set_t before_{};
};

/// All interrupts of the engines come to this CPU from now on.
void give_interrupts_to(unsigned cpu);

} // namespace support
