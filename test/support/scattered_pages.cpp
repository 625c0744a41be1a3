// SPDX-License-Identifier: MIT
#include "support/scattered_pages.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sys/mman.h>
#include <system_error>
#include <unistd.h>
#include <vector>

#include "support/device.hpp"
#include "support/guarded_memory.hpp"

namespace support {
namespace {

std::span<std::byte> map_untouched(std::size_t bytes) {
  void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED)
    throw std::system_error(errno, std::generic_category(), "mmap");
  ::madvise(at, bytes, MADV_NOHUGEPAGE);
  return {static_cast<std::byte*>(at), bytes};
}

} // namespace

scattered_pages::scattered_pages(std::size_t bytes, std::size_t offset) {
  const auto page = page_bytes();
  const auto mapped = (offset + bytes + page - 1) / page * page;
  map_ = map_untouched(mapped);
  between_ = map_untouched(mapped);
  for (std::size_t at = 0; at < mapped; at += page) {
    map_[at] = std::byte{0};
    between_[at] = std::byte{0};
  }
  data_ = map_.subspan(offset, bytes);
}

scattered_pages::~scattered_pages() {
  ::munmap(map_.data(), map_.size());
  ::munmap(between_.data(), between_.size());
}

std::size_t scattered_pages::pieces() const {
  // Documentation/admin-guide/mm/pagemap.rst: a word per page, the frame in its low 55 bits.
  constexpr std::uint64_t frame_mask = (1ULL << 55) - 1;
  const unique_fd pagemap(::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
  std::vector<std::uint64_t> words(map_.size() / page_bytes());
  const auto bytes = words.size() * sizeof(words[0]);
  const auto at = reinterpret_cast<std::uintptr_t>(map_.data()) / page_bytes() * sizeof(words[0]);
  if (::pread(pagemap.get(), words.data(), bytes, static_cast<off_t>(at)) !=
      static_cast<ssize_t>(bytes))
    return 0;

  std::size_t result = 0;
  std::uint64_t last = 0;
  for (const auto word : words) {
    const auto frame = word & frame_mask;
    if (!frame)
      return 0;
    result += frame != last + 1;
    last = frame;
  }
  return result;
}

} // namespace support
