// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <pinring.h>

#include "support/outcome.hpp"

namespace support {

/// Owns a file descriptor.
class unique_fd {
public:
  unique_fd() = default;
  explicit unique_fd(int fd) : fd_(fd) {}
  unique_fd(unique_fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  unique_fd& operator=(unique_fd&& other) noexcept {
    if (this != &other)
      reset(std::exchange(other.fd_, -1));
    return *this;
  }
  ~unique_fd() { reset(); }

  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] explicit operator bool() const { return fd_ >= 0; }
  void reset(int fd = -1);

private:
  int fd_ = -1;
};

/// ioctl() whose result is a value.
[[nodiscard]] outcome call(int fd, unsigned long request, void* argument);

template <typename T>
[[nodiscard]] outcome call(const unique_fd& fd, unsigned long request, T* argument) {
  return call(fd.get(), request, static_cast<void*>(argument));
}

/// "/dev/pinringN" of the device whose stable name this is; empty when there is none.
[[nodiscard]] std::string device_path(std::string_view name);

/// Opens a device by its stable name; throws std::runtime_error when it can't.
[[nodiscard]] unique_fd open_device(std::string_view name);

/// The device's facts, by an INFO of the full structure; throws when the call fails.
[[nodiscard]] pinring_info info_of(int fd);
[[nodiscard]] pinring_info info_of(std::string_view name);

} // namespace support
