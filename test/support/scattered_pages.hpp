// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace support {

/// Memory whose pages lie apart in physical memory, as those of a program that has run for long do:
/// each was touched in turn with one of another mapping.
class scattered_pages {
public:
  explicit scattered_pages(std::size_t bytes, std::size_t offset = 137);
  scattered_pages(const scattered_pages&) = delete;
  scattered_pages& operator=(const scattered_pages&) = delete;
  ~scattered_pages();

  [[nodiscard]] std::span<std::byte> data() const { return data_; }
  [[nodiscard]] std::size_t size() const { return data_.size(); }
  /// Physically contiguous pieces: what a DMA needs a BD each for. 0 for all but root.
  [[nodiscard]] std::size_t pieces() const;

private:
  std::span<std::byte> map_;
  std::span<std::byte> between_;
  std::span<std::byte> data_;
};

} // namespace support
