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
          .cpus = static_cast<unsigned>(::sysconf(_SC_NPROCESSORS_ONLN)),
          .memlock_limit_bytes = memlock_limit()};
}

} // namespace bench
