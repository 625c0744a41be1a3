// SPDX-License-Identifier: MIT
#include <dma/allocator.hpp>

#include <cstdint>

#include <sys/mman.h>
#include <unistd.h>

namespace dma::detail {
namespace {

std::size_t page_bytes() noexcept {
  static const auto bytes = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return bytes;
}

constexpr std::size_t round_up(std::size_t n, std::size_t to) noexcept {
  return (n + to - 1) / to * to;
}

// Below a page only the cache line matters. A page or more starts on a page, as every page that is
// touched costs a pin and may cost a descriptor.
std::align_val_t small_alignment(std::size_t bytes) noexcept {
  return std::align_val_t{bytes < page_bytes() ? cache_line_bytes : page_bytes()};
}

void* map_huge(std::size_t bytes) {
  if (bytes > SIZE_MAX / 2)
    throw std::bad_alloc{};
  const std::size_t whole = round_up(bytes, huge_page_bytes);
  // Anonymous memory comes aligned to a page: map more, then give back what surrounds the
  // aligned part.
  const std::size_t mapped = whole + huge_page_bytes;
  void* const at =
      ::mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED)
    throw std::bad_alloc{};
  auto* const begin = static_cast<std::byte*>(at);
  const auto address = reinterpret_cast<std::uintptr_t>(at);
  const std::size_t before = round_up(address, huge_page_bytes) - address;
  const std::size_t after = mapped - before - whole;
  if (before)
    ::munmap(begin, before);
  if (after)
    ::munmap(begin + before + whole, after);
  // Advice: a kernel without huge pages refuses it, and small pages serve as well.
  ::madvise(begin + before, whole, MADV_HUGEPAGE);
  return begin + before;
}

} // namespace

void* allocate_bytes(std::size_t bytes) {
  if (bytes >= huge_page_bytes)
    return map_huge(bytes);
  // Rounded up, so that nothing else shares the last cache line.
  return ::operator new(round_up(bytes ? bytes : 1, cache_line_bytes), small_alignment(bytes));
}

void deallocate_bytes(void* memory, std::size_t bytes) noexcept {
  if (bytes >= huge_page_bytes)
    ::munmap(memory, round_up(bytes, huge_page_bytes));
  else
    ::operator delete(memory, small_alignment(bytes));
}

} // namespace dma::detail
