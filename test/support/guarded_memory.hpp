// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace support {

[[nodiscard]] std::size_t page_bytes();
inline constexpr std::size_t huge_page_bytes = 2U << 20;

/// An offset that is aligned to nothing, as a malloc of a large block plus a header would give.
inline constexpr std::size_t odd_offset = 137;

enum class memory_kind {
  anonymous, ///< small pages, transparent huge pages refused
  shared,    ///< shmem
  thp,       ///< MADV_HUGEPAGE, on a huge page's bound
  hugetlb,   ///< MAP_HUGETLB
};

/// Bytes at an odd place inside a mapping of their own, with guard bytes in front and behind:
/// whoever writes one byte too far is found out.
///
/// The mapping reaches from a page's bound to a page's bound and holds the data at `offset` with at
/// least `guard_bytes` behind it. All pages are present after construction.
class guarded_memory {
public:
  static constexpr std::size_t guard_bytes = 64;

  explicit guarded_memory(std::size_t bytes, std::size_t offset = odd_offset,
                          memory_kind kind = memory_kind::anonymous);
  guarded_memory(guarded_memory&& other) noexcept
      : map_(std::exchange(other.map_, {})), data_(std::exchange(other.data_, {})) {}
  guarded_memory& operator=(guarded_memory&&) = delete;
  ~guarded_memory() { unmap(); }

  /// Whether the machine has as many huge pages set aside as a hugetlb mapping of this size needs.
  [[nodiscard]] static bool hugetlb_available(std::size_t bytes);

  [[nodiscard]] std::span<std::byte> data() const { return data_; }
  [[nodiscard]] std::span<std::byte> mapping() const { return map_; }
  [[nodiscard]] std::uint64_t address() const {
    return reinterpret_cast<std::uint64_t>(data_.data());
  }
  [[nodiscard]] std::size_t size() const { return data_.size(); }

  [[nodiscard]] bool guards_intact() const;
  /// Sets every byte of the data, so that stale contents never pass for received ones.
  void clear(std::byte value = std::byte{0xEE}) const;
  /// mprotect of the whole mapping.
  void protect(int prot) const;
  /// munmap ahead of the destructor, for tests of memory that goes away.
  void unmap();

private:
  std::span<std::byte> map_;
  std::span<std::byte> data_;
};

} // namespace support
