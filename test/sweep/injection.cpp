// SPDX-License-Identifier: MIT
#include "injection.hpp"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <ranges>
#include <stdexcept>
#include <string_view>
#include <unistd.h>
#include <utility>

namespace sweep {
namespace {

constexpr const char* debugfs = "/sys/kernel/debug/";

std::string path_of(pid_t task) {
  return "/proc/" + std::to_string(task) + "/task/" + std::to_string(task) + "/fail-nth";
}

} // namespace

injection::injection() {
  for (const std::string of : {"failslab", "fail_page_alloc", "fail_usercopy", "pinring/fail_pin",
                               "pinring/short_pin", "pinring/fail_map"})
    // A stack for each failure would take longer than all the rest.
    set(of, "verbose", "0");
  set("failslab", "ignore-gfp-wait", "N");
  set("fail_page_alloc", "ignore-gfp-wait", "N");
  set("fail_page_alloc", "ignore-gfp-highmem", "N");
  set("fail_page_alloc", "min-order", "0");
}

injection::~injection() {
  for (const auto& each : std::views::reverse(before_))
    std::ofstream(each.path) << each.value;
}

void injection::set(const std::string& of, const std::string& file, const std::string& value) {
  const auto path = debugfs + of + '/' + file;
  std::string was;
  if (!(std::ifstream(path) >> was))
    throw std::runtime_error("can't read " + path);
  before_.push_back({path, was});
  if (!(std::ofstream(path) << value << std::flush))
    throw std::runtime_error("can't write " + path);
}

fail_nth::fail_nth() : fail_nth(::gettid()) {}

fail_nth::fail_nth(pid_t task) : fd_(::open(path_of(task).c_str(), O_RDWR | O_CLOEXEC)) {
  if (!fd_)
    throw std::runtime_error(path_of(task) + ": " + std::strerror(errno));
}

void fail_nth::arm(unsigned n) const {
  const auto text = std::to_string(n);
  if (::pwrite(fd_.get(), text.data(), text.size(), 0) < 0)
    throw std::runtime_error(std::string("can't arm fail-nth: ") + std::strerror(errno));
}

bool fail_nth::disarm() const {
  std::array<char, 16> text{};
  // Reading and writing may be the n-th thing themselves; the call before was not, then.
  const bool fired =
      ::pread(fd_.get(), text.data(), text.size() - 1, 0) > 0 && std::atoi(text.data()) == 0;
  while (::pwrite(fd_.get(), "0", 1, 0) < 0 && errno == EFAULT)
    ;
  return fired;
}

void fail_workers::arm(unsigned n) {
  workers_.clear();
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::string name;
    if (!std::getline(std::ifstream(entry.path() / "comm"), name) || !name.starts_with("kworker/u"))
      continue;
    try {
      fail_nth worker(std::stoi(entry.path().filename()));
      worker.arm(n);
      workers_.push_back(std::move(worker));
    } catch (const std::runtime_error&) {
      // It has just ended: workers come and go.
    }
  }
}

bool fail_workers::disarm() {
  bool fired = false;
  for (const auto& worker : workers_)
    fired |= worker.disarm();
  workers_.clear();
  return fired;
}

} // namespace sweep
