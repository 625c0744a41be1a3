// SPDX-License-Identifier: MIT
/// @file
/// A vector whose memory suits DMA, and the preparing of memory that is there already.
#ifndef DMA_BUFFER_HPP
#define DMA_BUFFER_HPP

#include <cstddef>
#include <ranges>
#include <vector>

#include <dma/allocator.hpp>
#include <dma/export.hpp>
#include <dma/memory.hpp>

namespace dma {

/// A std::vector with dma::allocator: the first choice for what is to be sent and received. It
/// grows, moves and frees like any vector, and `dma::buffer<float> in(n)` leaves its elements
/// uninitialised.
///
/// Any other container works as well; this one saves the hardware descriptors.
template <class T>
using buffer = std::vector<T, allocator<T>>;

namespace detail {
PINRING_API bool prefault_bytes(const void* memory, std::size_t bytes, bool for_writing) noexcept;
} // namespace detail

/// Prepares existing memory for DMA, so that the first transfer does not pay for its page faults:
/// asks for huge pages (MADV_HUGEPAGE), makes every page present, for writing if the range can be
/// written (MADV_POPULATE_WRITE), and has what lies in whole 2 MiB steps gathered into huge pages
/// (MADV_COLLAPSE, Linux 6.1). What the memory holds is kept.
///
/// Worth it for memory that is used more than once. Nothing depends on it.
///
/// @param range any contiguous range; the memory stays the caller's.
/// @returns true if the whole range is present now; false, and no other harm, where the kernel
///          lacks a step or the memory can't be had.
/// @threads Any; the range may be in use by others, or under DMA.
template <memory_range R>
requires(!temporary_container<R>) bool prefault(R&& range) noexcept {
  return detail::prefault_bytes(std::ranges::data(range),
                                std::ranges::size(range) * sizeof(std::ranges::range_value_t<R>),
                                writable_memory_range<R>);
}

} // namespace dma

#endif
