// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

namespace support {

/// A device that can be taken from its driver, or its provider from its own; given back by the
/// destructor. Root, for the sake of sysfs.
class binding {
public:
  explicit binding(std::string_view device);
  binding(const binding&) = delete;
  binding& operator=(const binding&) = delete;
  ~binding();

  /// Of the device on its bus.
  [[nodiscard]] const std::string& name() const { return device_; }

  void unbind();
  void bind();
  /// The provider of the device's channels; the device goes with it, as it can't do without.
  void unbind_provider();
  /// Brings back both.
  void bind_provider();

private:
  std::string device_;   // in pinring's folder of drivers
  std::string provider_; // the folder of its driver
  std::string engine_;   // in there
  bool unbound_ = false;
  bool provider_unbound_ = false;
};

} // namespace support
