// SPDX-License-Identifier: MIT
#include <dma/device.hpp>

#include <cerrno>
#include <stdexcept>
#include <utility>

#include "device_state.hpp"
#include "explain.hpp"
#include "kernel.hpp"

namespace dma {
namespace {

using detail::device_state;

// A failure, and what to call the thing that failed.
struct failure {
  std::error_code error;
  std::string what;
};

std::error_code read_info(detail::kernel& calls, int fd, const std::string& path,
                          device_info& into) {
  pinring_info info{};
  info.size = sizeof info;
  if (const int rc = calls.ioctl(fd, PINRING_IOC_INFO, &info); rc < 0)
    return error_from_errno(-rc);
  into = detail::decode(info, path);
  return info.abi == PINRING_ABI_VERSION ? std::error_code{} : errc::incompatible_driver;
}

std::shared_ptr<device_state> open_path(const std::string& path, failure& f) {
  auto state = std::make_shared<device_state>();
  state->calls = &detail::system_calls();
  f = {.error = {}, .what = path};
  const int fd = state->calls->open(path.c_str());
  if (fd < 0) {
    f.error = error_from_errno(-fd);
    if (fd == -ENOENT)
      f.error = state->calls->module_loaded() ? errc::no_such_device : errc::module_not_loaded;
    if (fd == -ENXIO)
      f.error = errc::device_gone; // a node whose device has left
    return nullptr;
  }
  state->fd = fd;
  f.error = read_info(*state->calls, fd, path, state->info);
  return f.error ? nullptr : state;
}

failure nothing_there(detail::kernel& calls) {
  if (!calls.module_loaded())
    return {.error = errc::module_not_loaded, .what = "/dev/pinring*"};
  return {.error = errc::no_such_device,
          .what = "the module is loaded but has found no device (pinring doctor, dmesg)"};
}

std::shared_ptr<device_state> open_first(failure& f) {
  detail::kernel& calls = detail::system_calls();
  failure first;
  for (const std::string& path : calls.nodes()) {
    if (auto state = open_path(path, f))
      return state;
    if (!first.error)
      first = f;
  }
  f = first.error ? first : nothing_there(calls);
  return nullptr;
}

std::shared_ptr<device_state> open_name(std::string_view name, failure& f) {
  detail::kernel& calls = detail::system_calls();
  std::string others;
  failure refused;
  const std::vector<std::string> nodes = calls.nodes();
  for (const std::string& path : nodes) {
    auto state = open_path(path, f);
    if (!state) {
      if (!refused.error)
        refused = f;
      continue;
    }
    if (state->info.name == name)
      return state;
    others += (others.empty() ? "" : ", ") + state->info.name;
  }
  if (nodes.empty())
    f = nothing_there(calls);
  else if (refused.error) // it may be the one that can't be asked
    f = refused;
  else
    f = {.error = errc::no_such_device,
         .what = '"' + std::string{name} + "\" (there are: " + others + ")"};
  return nullptr;
}

std::shared_ptr<device_state> open_any(std::string_view name, std::error_code* error) {
  failure f;
  auto state = name.find('/') != std::string_view::npos ? open_path(std::string{name}, f)
                                                        : open_name(name, f);
  detail::report(state ? std::error_code{} : f.error, {.device = f.what}, error);
  return state;
}

std::shared_ptr<device_state> open_any(std::error_code* error) {
  failure f;
  auto state = open_first(f);
  detail::report(state ? std::error_code{} : f.error, {.device = f.what}, error);
  return state;
}

} // namespace

detail::device_state::~device_state() {
  rings.release();
  if (fd >= 0)
    calls->close(fd);
}

detail::device_state& detail::access::state(const device& d) {
  if (!d.state_)
    throw std::logic_error{"dma::device: used while empty (moved from, or never opened)"};
  return *d.state_;
}

device::device() : state_{open_any(nullptr)} {}
device::device(std::string_view name_or_path) : state_{open_any(name_or_path, nullptr)} {}
device::device(std::error_code& error) : state_{open_any(&error)} {}
device::device(std::string_view name_or_path, std::error_code& error)
    : state_{open_any(name_or_path, &error)} {}

device::device(device&&) noexcept = default;
device& device::operator=(device&&) noexcept = default;
device::~device() = default;

const device_info& device::info() const {
  return detail::access::state(*this).info;
}

device_info device::refresh() const {
  std::error_code error;
  device_info info = refresh(error);
  detail::report(error, {.device = this->info().path}, nullptr);
  return info;
}

device_info device::refresh(std::error_code& error) const {
  const device_state& state = detail::access::state(*this);
  device_info info;
  error = read_info(*state.calls, state.fd, state.info.path, info);
  return info;
}

void device::release() noexcept {
  if (state_)
    state_->rings.release();
}

std::vector<device_entry> list_devices() {
  std::vector<device_entry> found;
  for (const std::string& path : detail::system_calls().nodes()) {
    failure f;
    device_entry entry;
    if (auto state = open_path(path, f))
      entry.info = std::move(state->info);
    else
      entry = {.info = {}, .error = f.error};
    entry.info.path = path;
    found.push_back(std::move(entry));
  }
  return found;
}

} // namespace dma
