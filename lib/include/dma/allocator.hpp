// SPDX-License-Identifier: MIT
/// @file
/// Memory that suits DMA: aligned so that it costs no partial cache line and as few buffer
/// descriptors as possible, and not zeroed first.
#ifndef DMA_ALLOCATOR_HPP
#define DMA_ALLOCATOR_HPP

#include <cstddef>
#include <limits>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include <dma/export.hpp>

namespace dma {

/// Every allocation starts on a multiple of this and has the rest of its last one to itself.
inline constexpr std::size_t cache_line_bytes = 64;
/// Allocations of at least this size are mapped on a multiple of it and advised to be backed by
/// huge pages, so that one buffer descriptor reaches as far as the hardware allows.
inline constexpr std::size_t huge_page_bytes = std::size_t{2} << 20;

namespace detail {
/// @throws std::bad_alloc
[[nodiscard]] PINRING_API void* allocate_bytes(std::size_t bytes);
PINRING_API void deallocate_bytes(void* memory, std::size_t bytes) noexcept;
} // namespace detail

/// A standard allocator, for any container.
///
/// - up to a page: aligned to a cache line; up to 2 MiB: to a page; from 2 MiB on: mapped, aligned
///   to 2 MiB and advised to be backed by huge pages. (malloc's large blocks start 16 bytes into a
///   page, which costs a descriptor and an odd edge.)
/// - Elements that are made without a value are default-initialised: `dma::buffer<float>(n)` does
///   not touch its memory, where `std::vector<float>(n)` writes all of it.
///
/// Stateless: every two compare equal, any may free what another allocated.
/// @threads Any.
template <class T>
class allocator {
public:
  static_assert(alignof(T) <= cache_line_bytes, "dma::allocator aligns to a cache line");

  using value_type = T;
  using is_always_equal = std::true_type;
  using propagate_on_container_move_assignment = std::true_type;

  constexpr allocator() noexcept = default;
  template <class U>
  constexpr allocator(const allocator<U>&) noexcept {}

  /// @throws std::bad_array_new_length, std::bad_alloc
  [[nodiscard]] T* allocate(std::size_t n) {
    if (n > std::numeric_limits<std::size_t>::max() / sizeof(T))
      throw std::bad_array_new_length{};
    return static_cast<T*>(detail::allocate_bytes(n * sizeof(T)));
  }

  void deallocate(T* memory, std::size_t n) noexcept {
    detail::deallocate_bytes(memory, n * sizeof(T));
  }

  /// Default-initialises where no value is given.
  template <class U>
  void construct(U* place) noexcept(std::is_nothrow_default_constructible_v<U>) {
    ::new (static_cast<void*>(place)) U;
  }
  template <class U, class... Args>
  requires(sizeof...(Args) > 0) void construct(U* place, Args&&... args) {
    std::construct_at(place, std::forward<Args>(args)...);
  }

  template <class U>
  friend constexpr bool operator==(const allocator&, const allocator<U>&) noexcept {
    return true;
  }
};

} // namespace dma

#endif
