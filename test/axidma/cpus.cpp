// SPDX-License-Identifier: MIT
#include "cpus.hpp"

#include <fstream>
#include <stdexcept>
#include <string>

namespace support {

on_cpu::on_cpu(unsigned cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  if (::sched_getaffinity(0, sizeof(before_), &before_) != 0 ||
      ::sched_setaffinity(0, sizeof(set), &set) != 0)
    throw std::runtime_error("can't run on CPU " + std::to_string(cpu));
}

on_cpu::~on_cpu() {
  (void)::sched_setaffinity(0, sizeof(before_), &before_);
}

void give_interrupts_to(unsigned cpu) {
  std::ifstream table("/proc/interrupts");
  for (std::string line; std::getline(table, line);)
    if (line.find("xilinx-dma-controller") != std::string::npos) {
      const auto file = "/proc/irq/" + std::to_string(std::stoul(line)) + "/smp_affinity_list";
      std::ofstream(file) << cpu << std::flush;
    }
}

} // namespace support
