// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>

#include "support/device.hpp"

namespace support {

/// Memory whose first touch stalls until let_go(), by userfaultfd: for the kernel's touches as
/// well, which takes root when it is made.
class stalling_memory {
public:
  explicit stalling_memory(std::size_t bytes);
  stalling_memory(const stalling_memory&) = delete;
  stalling_memory& operator=(const stalling_memory&) = delete;
  ~stalling_memory();

  [[nodiscard]] std::span<std::byte> data() const { return {at_, bytes_}; }

  /// Whether somebody has run into it whom await_fault() has not seen yet.
  [[nodiscard]] bool fault_pending() const;
  /// Waits until somebody has run into it; false when the patience ran out first.
  [[nodiscard]] bool await_fault() const;
  /// Whoever is stalled goes on; the memory is zeroes.
  void let_go() const;
  /// The same for one page: whoever comes to another one stalls there.
  void let_go(std::size_t page) const;

  /// Whether this kernel, set up as it is, has such a thing.
  [[nodiscard]] static bool available();

private:
  void let_go(std::byte* from, std::size_t bytes) const;

  unique_fd fd_;
  std::size_t bytes_;
  std::size_t mapped_;
  std::byte* at_ = nullptr;
};

} // namespace support
