// SPDX-License-Identifier: MIT
#include "support/guarded_memory.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <string>
#include <sys/mman.h>
#include <system_error>
#include <unistd.h>

namespace support {
namespace {

constexpr std::byte guard{0xA5};

std::size_t round_up(std::size_t bytes, std::size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

std::span<std::byte> map(std::size_t bytes, int flags) {
  void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (at == MAP_FAILED)
    throw std::system_error(errno, std::generic_category(), "mmap of " + std::to_string(bytes));
  return {static_cast<std::byte*>(at), bytes};
}

// mmap promises a page's bound only: take too much, and give back what is around the huge pages.
std::span<std::byte> map_on_huge_bound(std::size_t bytes) {
  const auto wide = map(bytes + huge_page_bytes, MAP_PRIVATE | MAP_ANONYMOUS);
  const auto start = reinterpret_cast<std::uintptr_t>(wide.data());
  const auto skip = round_up(start, huge_page_bytes) - start;

  if (skip)
    ::munmap(wide.data(), skip);
  ::munmap(wide.data() + skip + bytes, huge_page_bytes - skip);
  return wide.subspan(skip, bytes);
}

std::span<std::byte> map_kind(std::size_t bytes, memory_kind kind) {
  switch (kind) {
  case memory_kind::shared:
    return map(round_up(bytes, page_bytes()), MAP_SHARED | MAP_ANONYMOUS);
  case memory_kind::hugetlb:
    return map(round_up(bytes, huge_page_bytes), MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB);
  case memory_kind::thp: {
    const auto result = map_on_huge_bound(round_up(bytes, huge_page_bytes));
    ::madvise(result.data(), result.size(), MADV_HUGEPAGE);
    return result;
  }
  case memory_kind::anonymous:
    break;
  }

  const auto result = map(round_up(bytes, page_bytes()), MAP_PRIVATE | MAP_ANONYMOUS);
  ::madvise(result.data(), result.size(), MADV_NOHUGEPAGE);
  // All of it is written to at once: one call is cheaper than a fault a page.
  ::madvise(result.data(), result.size(), MADV_POPULATE_WRITE);
  return result;
}

bool all_guard(std::span<const std::byte> bytes) {
  return std::ranges::all_of(bytes, [](std::byte b) { return b == guard; });
}

} // namespace

std::size_t page_bytes() {
  static const auto bytes = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return bytes;
}

guarded_memory::guarded_memory(std::size_t bytes, std::size_t offset, memory_kind kind)
    : map_(map_kind(offset + bytes + guard_bytes, kind)), data_(map_.subspan(offset, bytes)) {
  std::ranges::fill(map_.first(offset), guard);
  std::ranges::fill(map_.subspan(offset + bytes), guard);
  clear();
}

bool guarded_memory::hugetlb_available(std::size_t bytes) {
  std::ifstream in("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages");
  std::size_t free_pages = 0;

  in >> free_pages;
  return free_pages >=
         round_up(odd_offset + bytes + guard_bytes, huge_page_bytes) / huge_page_bytes;
}

bool guarded_memory::guards_intact() const {
  const auto front = static_cast<std::size_t>(data_.data() - map_.data());
  return all_guard(map_.first(front)) && all_guard(map_.subspan(front + data_.size()));
}

void guarded_memory::clear(std::byte value) const {
  std::memset(data_.data(), std::to_integer<int>(value), data_.size());
}

void guarded_memory::protect(int prot) const {
  if (::mprotect(map_.data(), map_.size(), prot) != 0)
    throw std::system_error(errno, std::generic_category(), "mprotect");
}

void guarded_memory::unmap() {
  if (!map_.empty())
    ::munmap(map_.data(), map_.size());
  map_ = {};
  data_ = {};
}

} // namespace support
