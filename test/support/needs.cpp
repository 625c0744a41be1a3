// SPDX-License-Identifier: MIT
#include "support/needs.hpp"

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <unistd.h>

#include "support/device.hpp"
#include "support/sim_control.hpp"

namespace support {
namespace {

constexpr int exit_skipped = 77; // as automake, Meson and liburing's runtests have it

std::vector<std::string>& skipped() {
  static std::vector<std::string> reasons;
  return reasons;
}

void flush_all() {
  std::cout.flush();
  std::fflush(nullptr);
}

[[noreturn]] void leave(const std::string& reason) {
  std::printf("skipped: %s\n", reason.c_str());
  flush_all();
  ::_exit(exit_skipped);
}

// Catch knows no skipping in version 2, and its main belongs to the library: so the exit code is
// changed on the way out.
void report(int status, void*) {
  for (const auto& reason : skipped())
    std::printf("skipped: %s\n", reason.c_str());
  flush_all();
  if (status == EXIT_SUCCESS && !skipped().empty())
    ::_exit(exit_skipped);
}

} // namespace

needs::needs(std::vector<std::string> devices) : devices_(std::move(devices)) {
  for (const auto& name : devices_)
    if (device_path(name).empty())
      leave("no device that is called " + name +
            "; is pinring_sim loaded, and may this user open it?");
}

needs& needs::switches() {
  for (const auto& name : devices_)
    if (!sim::available(name))
      leave("no writable switches of " + name + " in " + sim::root);
  return *this;
}

needs& needs::ordinary_user() {
  if (::geteuid() == 0)
    leave("this is about the limits of an ordinary user, and root has none");
  return *this;
}

needs& needs::root() {
  if (::geteuid() != 0)
    leave("this needs root");
  return *this;
}

void skip(const std::string& reason) {
  if (skipped().empty())
    ::on_exit(report, nullptr);
  skipped().push_back(reason);
}

} // namespace support
