// SPDX-License-Identifier: MIT
#include "environment.hpp"

#include <fstream>

#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

namespace bench {
namespace {

// arm64 has no name there, only numbers.
std::string cpu_name() {
  std::ifstream file{"/proc/cpuinfo"};
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name"))
      if (const std::size_t at = line.find(": "); at != std::string::npos)
        return line.substr(at + 2);
  return "unknown";
}

std::string clock_source() {
  std::ifstream file{"/sys/devices/system/clocksource/clocksource0/current_clocksource"};
  std::string name = "unknown";
  file >> name;
  return name;
}

// The compatible string of QEMU's virt machine.
bool emulated_board() {
  std::ifstream file{"/sys/firmware/devicetree/base/compatible"};
  std::string first;
  std::getline(file, first, '\0');
  return first == "linux,dummy-virt";
}

std::uint64_t memlock_limit() {
  ::rlimit limit{};
  if (::getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
    return UINT64_MAX;
  return limit.rlim_cur;
}

} // namespace

environment look_around() {
  ::utsname name{};
  ::uname(&name);
  return {.kernel = name.release,
          .machine = name.machine,
          .cpu = cpu_name(),
          .clock_source = clock_source(),
          .emulated_board = emulated_board(),
          .cpus = static_cast<unsigned>(::sysconf(_SC_NPROCESSORS_ONLN)),
          .memlock_limit_bytes = memlock_limit()};
}

} // namespace bench
