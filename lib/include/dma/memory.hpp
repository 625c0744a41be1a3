// SPDX-License-Identifier: MIT
/// @file
/// How a program's own memory is named: one contiguous range, or a list of them.
///
/// Nothing here owns memory. A `piece` is what one contiguous range boils down to; `source` and
/// `target` are what functions take, so that each of these works, for any trivially copyable
/// element type:
///
///     std::vector<float> v(1000);  std::array<int, 8> a{};  short c[16];
///     dma::send(device, v);                        // one range
///     dma::send(device, std::span{v}.first(10));   // part of one
///     dma::send(device, {v, a, c});                // a list: one job, one stream of bytes
///     dma::send(device, list_of_spans);            // the same, of any length
///     dma::receive(device, std::vector<int>(8));   // does not compile: the data would be lost
#ifndef DMA_MEMORY_HPP
#define DMA_MEMORY_HPP

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <ranges>
#include <span>
#include <type_traits>
#include <vector>

#include <sys/uio.h>

#include <dma/export.hpp>

namespace dma {

class piece;
class const_piece;

namespace detail {

// A span or an iovec is trivially copyable too, but sending its pointers is never meant: a range
// of those is a list of pieces.
template <class T>
inline constexpr bool names_memory =
    std::ranges::borrowed_range<T> || std::same_as<T, ::iovec> || std::same_as<T, piece> ||
    std::same_as<T, const_piece> || std::is_pointer_v<T>;

} // namespace detail

/// A contiguous range of trivially copyable elements.
template <class R>
concept memory_range = std::ranges::contiguous_range<R> && std::ranges::sized_range<R> &&
    std::is_trivially_copyable_v<std::ranges::range_value_t<R>> &&
    !detail::names_memory<std::remove_cv_t<std::ranges::range_value_t<R>>>;

/// A memory_range that may be written to.
template <class R>
concept writable_memory_range =
    memory_range<R> && !std::is_const_v<std::remove_reference_t<std::ranges::range_reference_t<R>>>;

/// A container that ends with the expression it stands in: its memory must not be borrowed for
/// longer than that. A temporary span is none, as it does not own what it names.
template <class R>
concept temporary_container = memory_range<R> && !std::ranges::borrowed_range<R>;

// The constraints keep copies and moves out of the constructors that take any range.
// NOLINTBEGIN(bugprone-forwarding-reference-overload)

/// Borrowed memory to read from. The memory, not this, must live as long as the job.
class const_piece final {
public:
  constexpr const_piece() noexcept = default;
  constexpr const_piece(const void* data, std::size_t bytes) noexcept
      : data_{data}, bytes_{bytes} {}
  constexpr const_piece(const ::iovec& v) noexcept : data_{v.iov_base}, bytes_{v.iov_len} {}
  template <memory_range R>
  requires(!temporary_container<R>) constexpr const_piece(R&& range) noexcept
      : data_{std::ranges::data(range)}, bytes_{std::ranges::size(range) *
                                                sizeof(std::ranges::range_value_t<R>)} {}
  template <temporary_container R>
  const_piece(R&&) = delete;

  [[nodiscard]] constexpr const void* data() const noexcept { return data_; }
  /// Its length in bytes.
  [[nodiscard]] constexpr std::size_t size() const noexcept { return bytes_; }

private:
  const void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

/// Borrowed memory to write to. The memory, not this, must live as long as the job.
class piece final {
public:
  constexpr piece() noexcept = default;
  constexpr piece(void* data, std::size_t bytes) noexcept : data_{data}, bytes_{bytes} {}
  constexpr piece(const ::iovec& v) noexcept : data_{v.iov_base}, bytes_{v.iov_len} {}
  template <writable_memory_range R>
  requires(!temporary_container<R>) constexpr piece(R&& range) noexcept
      : data_{std::ranges::data(range)}, bytes_{std::ranges::size(range) *
                                                sizeof(std::ranges::range_value_t<R>)} {}
  template <temporary_container R>
  piece(R&&) = delete;

  [[nodiscard]] constexpr void* data() const noexcept { return data_; }
  /// Its length in bytes.
  [[nodiscard]] constexpr std::size_t size() const noexcept { return bytes_; }
  constexpr operator const_piece() const noexcept { return {data_, bytes_}; }

private:
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

/// A range whose elements each name memory: spans, iovecs, pieces, or containers that live on.
template <class R, class Piece>
concept piece_list = std::ranges::input_range<R> && !memory_range<R> &&
                     std::convertible_to<std::ranges::range_reference_t<R>, Piece> &&
                     (std::ranges::borrowed_range<R> ||
                      detail::names_memory<std::remove_cv_t<std::ranges::range_value_t<R>>>);

namespace detail {

/// One piece, or a list of them. The common case of one costs no allocation.
template <class Piece>
class piece_set {
public:
  /// The pieces, in stream order; empty ones are left out.
  [[nodiscard]] std::span<const Piece> pieces() const noexcept {
    if (!many_.empty())
      return many_;
    return {&one_, one_.size() ? std::size_t{1} : std::size_t{0}};
  }
  /// All pieces together, in bytes.
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }

protected:
  piece_set() noexcept = default;
  explicit piece_set(Piece one) noexcept : one_{one}, bytes_{one.size()} {}

  void add(Piece p) {
    if (p.size() == 0)
      return;
    if (bytes_ == 0) {
      one_ = p;
    } else {
      if (many_.empty())
        many_.push_back(one_);
      many_.push_back(p);
    }
    bytes_ += p.size();
  }

private:
  Piece one_{};
  std::vector<Piece> many_;
  std::uint64_t bytes_ = 0;
};

} // namespace detail

/// What a job sends: one contiguous range or a list of them. Borrows the memory, copies the list.
///
/// A temporary container is taken here, since it outlives a synchronous call; `ring::send`
/// refuses it.
class source final : public detail::piece_set<const_piece> {
public:
  template <memory_range R>
  source(R&& range) noexcept
      : piece_set{const_piece{std::ranges::data(range),
                              std::ranges::size(range) * sizeof(std::ranges::range_value_t<R>)}} {}
  source(const_piece one) noexcept : piece_set{one} {}
  source(piece one) noexcept : piece_set{const_piece{one}} {}
  source(std::initializer_list<const_piece> list) {
    for (const const_piece& p : list)
      add(p);
  }
  template <piece_list<const_piece> R>
  source(R&& list) {
    for (auto&& p : list)
      add(p);
  }
};

/// What a job receives into: one contiguous range or a list of them. Borrows the memory, copies
/// the list.
class target final : public detail::piece_set<piece> {
public:
  template <writable_memory_range R>
  requires(!temporary_container<R>) target(R&& range)
  noexcept : piece_set{piece{range}} {}
  /// The received data would be destroyed together with the container.
  template <temporary_container R>
  target(R&&) = delete;
  target(piece one) noexcept : piece_set{one} {}
  target(std::initializer_list<piece> list) {
    for (const piece& p : list)
      add(p);
  }
  template <piece_list<piece> R>
  target(R&& list) {
    for (auto&& p : list)
      add(p);
  }
};

// NOLINTEND(bugprone-forwarding-reference-overload)

} // namespace dma

#endif
