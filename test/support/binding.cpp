// SPDX-License-Identifier: MIT
#include "support/binding.hpp"

#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "support/device.hpp"

namespace support {
namespace {

namespace fs = std::filesystem;

constexpr const char* pinring = "/sys/bus/platform/drivers/pinring";

bool write(const fs::path& file, const std::string& name) {
  std::ofstream out(file);
  return static_cast<bool>(out << name << std::flush);
}

bool is_bound(const std::string& device) {
  return fs::exists(fs::path(pinring) / device);
}

/// The device whose channel this one has asked for first.
fs::path engine_of(const fs::path& device) {
  for (const auto* const channel : {"dma:tx", "dma:rx"})
    if (const auto link = device / channel; fs::exists(link))
      return fs::canonical(link / "device");
  throw std::runtime_error("no channel of " + device.string() + " is known");
}

} // namespace

binding::binding(std::string_view device) {
  const auto node = fs::path(device_path(device)).filename();
  const auto folder = fs::canonical("/sys/class/misc" / node / "device");
  const auto engine = engine_of(folder);
  device_ = folder.filename();
  engine_ = engine.filename();
  provider_ = fs::canonical(engine / "driver");
}

binding::~binding() {
  try {
    if (provider_unbound_)
      bind_provider();
    if (unbound_)
      bind();
  } catch (const std::exception&) {
    // The test has said why already; whoever comes next finds the device missing.
  }
}

void binding::unbind() {
  unbound_ = true;
  if (!write(fs::path(pinring) / "unbind", device_))
    throw std::runtime_error("can't unbind " + device_);
}

void binding::bind() {
  unbound_ = false;
  if (!write(fs::path(pinring) / "bind", device_))
    throw std::runtime_error("can't bind " + device_);
}

void binding::unbind_provider() {
  provider_unbound_ = true;
  if (!write(fs::path(provider_) / "unbind", engine_))
    throw std::runtime_error("can't unbind " + engine_);
  if (is_bound(device_))
    throw std::runtime_error(device_ + " does without its provider");
}

void binding::bind_provider() {
  provider_unbound_ = false;
  if (!write(fs::path(provider_) / "bind", engine_))
    throw std::runtime_error("can't bind " + engine_);
  // Where the firmware names the provider, the kernel brings the device back by itself.
  if (!write(fs::path(pinring) / "bind", device_) && !is_bound(device_))
    throw std::runtime_error("can't bind " + device_);
}

} // namespace support
