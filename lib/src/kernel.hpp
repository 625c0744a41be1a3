// SPDX-License-Identifier: MIT
// The system calls of the library, behind one internal interface, so that unit tests can stand in
// for the kernel. Nothing of it is in the ABI.
#ifndef PINRING_SRC_KERNEL_HPP
#define PINRING_SRC_KERNEL_HPP

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <poll.h>
#include <sys/types.h>

namespace dma::detail {

/// Calls answer 0 (or a descriptor, or a count) or -errno, as in the kernel.
class kernel {
public:
  virtual ~kernel() = default;

  virtual int open(const char* path) = 0;
  virtual void close(int fd) = 0;
  virtual int ioctl(int fd, unsigned long request, void* argument) = 0;
  virtual int map(int fd, std::size_t bytes, void** where) = 0;
  virtual void unmap(void* where, std::size_t bytes) = 0;
  /// Without a limit of time.
  virtual int poll(::pollfd* fds, unsigned count) = 0;
  virtual pid_t process() = 0;

  /// Paths of the device nodes, by number.
  virtual std::vector<std::string> nodes() = 0;
  virtual bool module_loaded() = 0;
  /// RLIMIT_MEMLOCK in bytes, UINT64_MAX if there is none.
  virtual std::uint64_t memlock_limit() = 0;
};

/// The one in use.
[[nodiscard]] kernel& system_calls() noexcept;

/// Puts another in its place, for tests; nullptr brings the real one back.
void replace_system_calls(kernel* other) noexcept;

/// CLOCK_MONOTONIC in nanoseconds.
[[nodiscard]] std::uint64_t now_ns() noexcept;

} // namespace dma::detail

#endif
