// SPDX-License-Identifier: MIT
#include "support/device.hpp"

#include <fcntl.h>
#include <stdexcept>
#include <sys/ioctl.h>
#include <unistd.h>

namespace support {

void unique_fd::reset(int fd) {
  if (fd_ >= 0)
    ::close(fd_);
  fd_ = fd;
}

outcome call(int fd, unsigned long request, void* argument) {
  return outcome{::ioctl(fd, request, argument) < 0 ? errno : 0};
}

std::string device_path(std::string_view name) {
  constexpr int most_devices = 32;

  for (int minor = 0; minor < most_devices; ++minor) {
    const auto path = "/dev/pinring" + std::to_string(minor);
    const unique_fd fd{::open(path.c_str(), O_RDWR | O_CLOEXEC)};
    pinring_info info{};

    info.size = sizeof(info);
    if (fd && call(fd, PINRING_IOC_INFO, &info).good() && name == info.name)
      return path;
  }
  return {};
}

unique_fd open_device(std::string_view name) {
  const auto path = device_path(name);
  if (path.empty())
    throw std::runtime_error("no device that is called " + std::string(name));

  unique_fd fd{::open(path.c_str(), O_RDWR | O_CLOEXEC)};
  if (!fd)
    throw std::runtime_error("can't open " + path + ": " + std::strerror(errno));
  return fd;
}

pinring_info info_of(int fd) {
  pinring_info info{};
  info.size = sizeof(info);

  if (const auto result = call(fd, PINRING_IOC_INFO, &info); !result.good())
    throw std::runtime_error(std::string("INFO failed: ") + std::strerror(result.error()));
  return info;
}

pinring_info info_of(std::string_view name) {
  return info_of(open_device(name).get());
}

} // namespace support
