// SPDX-License-Identifier: MIT
#include <dma/buffer.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdint>

#include <sys/mman.h>
#include <unistd.h>

namespace dma::detail {
namespace {

// Headers older than the kernel lack these.
#ifdef MADV_POPULATE_READ
constexpr int populate_read = MADV_POPULATE_READ;
constexpr int populate_write = MADV_POPULATE_WRITE;
#else
constexpr int populate_read = 22;
constexpr int populate_write = 23;
#endif
#ifdef MADV_COLLAPSE
constexpr int collapse = MADV_COLLAPSE;
#else
constexpr int collapse = 25;
#endif

// A range by its distance from an address inside of it or next to it.
int advise(const void* base, std::ptrdiff_t from, std::ptrdiff_t to, int advice) noexcept {
  auto* const at = const_cast<std::byte*>(static_cast<const std::byte*>(base)) + from;
  for (;;) {
    if (::madvise(at, static_cast<std::size_t>(to - from), advice) == 0)
      return 0;
    if (errno != EINTR)
      return errno;
  }
}

// The first multiple of `step` at or after address + offset, as a distance from the address.
std::ptrdiff_t round_up(std::uintptr_t address, std::uintptr_t offset, std::uintptr_t step) {
  const std::uintptr_t rounded = (address + offset + step - 1) / step * step;
  return static_cast<std::ptrdiff_t>(rounded - address);
}

std::ptrdiff_t round_down(std::uintptr_t address, std::uintptr_t offset, std::uintptr_t step) {
  const std::uintptr_t rounded = (address + offset) / step * step;
  return static_cast<std::ptrdiff_t>(rounded - address);
}

} // namespace

bool prefault_bytes(const void* memory, std::size_t bytes, bool for_writing) noexcept {
  if (bytes == 0)
    return true;
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto address = reinterpret_cast<std::uintptr_t>(memory);

  // Only whole huge pages of the range: its neighbours keep the policy that they have.
  const std::ptrdiff_t huge_from = round_up(address, 0, huge_page_bytes);
  const std::ptrdiff_t huge_to = round_down(address, bytes, huge_page_bytes);
  const bool huge = huge_from < huge_to;

  if (huge)
    advise(memory, huge_from, huge_to, MADV_HUGEPAGE);
  const bool present = advise(memory, round_down(address, 0, page), round_up(address, bytes, page),
                              for_writing ? populate_write : populate_read) == 0;
  // After populating: what was there before in small pages is gathered, what is huge stays.
  if (huge && present)
    advise(memory, huge_from, huge_to, collapse);
  return present;
}

} // namespace dma::detail
