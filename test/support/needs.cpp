// SPDX-License-Identifier: MIT
#include "support/needs.hpp"

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <sys/utsname.h>
#include <unistd.h>
#include <utility>

#include "support/board.hpp"
#include "support/device.hpp"

namespace support {
namespace {

constexpr int exit_skipped = 77; // as automake, Meson and liburing's runtests have it

std::vector<std::string>& skipped() {
  static std::vector<std::string> reasons;
  return reasons;
}

void flush_all() {
  // A program's needs may be looked at before the stream was made.
  const std::ios_base::Init made;
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
            "; is its provider loaded, and may this user open it?");
}

needs& needs::switches() {
  for (const auto& name : devices_)
    if (!board::available(name))
      leave("no writable switches of " + name + " in " + board::simulators + " or " +
            board::models);
  return *this;
}

needs& needs::provider(const std::string& name) {
  for (const auto& device : devices_)
    if (const std::string found = info_of(device).provider; found != name)
      leave("the provider of " + device + " is " + found + ", and this is about " + name);
  return *this;
}

needs& needs::simulator(const std::string& what_for) {
  for (const auto& device : devices_)
    if (!(info_of(device).flags & PINRING_INFO_SIMULATOR))
      leave(device + " is not a simulator's: " + what_for);
  return *this;
}

needs& needs::model() {
  for (const auto& device : devices_)
    if (!board::is_model(device))
      leave("no model of the IP behind " + device);
  return switches();
}

needs& needs::module(const std::string& name) {
  if (::access(("/sys/module/" + name).c_str(), F_OK) != 0)
    leave("the module " + name + " is not loaded");
  return *this;
}

needs& needs::fault_injection() {
  for (const auto* const of : {"failslab", "fail_page_alloc", "fail_usercopy", "pinring/fail_pin"})
    if (::access((std::string("/sys/kernel/debug/") + of).c_str(), F_OK) != 0)
      leave(std::string("no ") + of + " in /sys/kernel/debug");
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

bool kernel_at_least(unsigned major, unsigned minor) {
  utsname name{};
  unsigned our_major = 0;
  unsigned our_minor = 0;

  ::uname(&name);
  if (std::sscanf(name.release, "%u.%u", &our_major, &our_minor) != 2)
    throw std::runtime_error(std::string("no version in ") + name.release);
  return std::pair(our_major, our_minor) >= std::pair(major, minor);
}

} // namespace support
