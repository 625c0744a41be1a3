// SPDX-License-Identifier: MIT
#include "arena.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>

#include "support/guarded_memory.hpp"

namespace fuzz {
namespace {

constexpr std::size_t guard_bytes = arena::bytes; // and so the arena can be put on a multiple of it
constexpr std::size_t reserved_bytes = 4 * guard_bytes;

// Not in every libc's header that this is built with.
#ifndef MADV_COLD
#define MADV_COLD 20
#endif
#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

void* reserve(void* at, std::size_t bytes, int flags) {
  return ::mmap(at, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);
}

} // namespace

arena::arena(support::random_stream& random) {
  void* at = reserve(nullptr, reserved_bytes, 0);
  if (at == MAP_FAILED)
    throw std::system_error(errno, std::generic_category(), "mmap of the arena");
  reserved_ = static_cast<std::byte*>(at);
  const auto start = reinterpret_cast<std::uintptr_t>(reserved_) + guard_bytes;
  base_ = reserved_ + guard_bytes + (bytes - start % bytes) % bytes;
  for (std::size_t i = 0; i < places; ++i)
    if (random.chance(80))
      map(i, random);
}

arena::~arena() {
  for (auto& each : places_)
    if (each.file >= 0)
      ::close(each.file);
  ::munmap(reserved_, reserved_bytes);
}

std::span<std::byte> arena::some(support::random_stream& random, std::size_t most,
                                 std::size_t align) {
  auto index = static_cast<std::size_t>(random.below(places));
  // One that can't be used is named, too: EFAULT is an outcome. But not the usual one.
  constexpr unsigned tries = 3;
  for (unsigned i = 0; i < tries && !places_[index].usable; ++i)
    index = static_cast<std::size_t>(random.below(places));
  const auto size = places_[index].mapped ? places_[index].mapped : support::page_bytes();
  auto length = static_cast<std::size_t>(random.small(std::min(most, size)));
  if (align > 1)
    length = length / align * align;
  if (length == 0)
    length = align > 1 ? align : 1;
  auto offset = static_cast<std::size_t>(random.below(size - length + 1));
  if (align > 1 || random.chance(50))
    offset = offset / std::max<std::size_t>(align, 64) * std::max<std::size_t>(align, 64);
  return {at(index) + offset, length};
}

std::uint64_t arena::address(support::random_stream& random) const {
  auto offset = random.below(bytes);
  if (random.chance(50))
    offset = offset / support::page_bytes() * support::page_bytes();
  return reinterpret_cast<std::uint64_t>(base_) + offset;
}

void arena::clear(std::size_t index) {
  auto& here = places_[index];
  // The same as munmap to whoever looks at the old mapping, but nobody else gets the addresses.
  reserve(at(index), place_bytes, MAP_FIXED);
  if (here.file >= 0)
    ::close(here.file);
  here = {};
}

void arena::map(std::size_t index, support::random_stream& random) {
  clear(index);
  auto& here = places_[index];
  const auto page = support::page_bytes();
  const auto most_pages = random.chance(90) ? 16 : place_bytes / page;
  const auto size = (1 + static_cast<std::size_t>(random.small(most_pages - 1))) * page;
  int flags = MAP_FIXED | (random.chance(30) ? MAP_POPULATE : 0);
  int protection = PROT_READ | PROT_WRITE;
  bool whole = true;

  switch (random.below(8)) {
  case 0:
  case 1:
    here.file = ::memfd_create("fuzz", MFD_CLOEXEC);
    break;
  case 2:
#ifdef SYS_memfd_secret
    here.file = static_cast<int>(::syscall(SYS_memfd_secret, O_CLOEXEC)); // can't be pinned
#endif
    whole = false;
    break;
  case 3:
    protection = PROT_READ;
    break;
  default:
    break;
  }
  if (here.file >= 0) {
    flags |= random.chance(70) ? MAP_SHARED : MAP_PRIVATE;
    // Sometimes the mapping reaches beyond the file's end: SIGBUS, or EFAULT for a pin.
    whole = whole && random.chance(80);
    if (::ftruncate(here.file, static_cast<off_t>(whole ? size : size / 2)) != 0)
      flags &= ~MAP_POPULATE;
  } else {
    flags |= MAP_ANONYMOUS | (random.chance(80) ? MAP_PRIVATE : MAP_SHARED);
  }
  if (::mmap(at(index), size, protection, flags, here.file, 0) != MAP_FAILED)
    here.mapped = size;
  here.usable = here.mapped && whole && (protection & PROT_WRITE);
}

// What was moved away leaves a hole, which must not become anybody's.
void arena::move(std::size_t from, std::size_t to) {
  auto& source = places_[from];
  if (from == to || source.mapped == 0)
    return;
  clear(to);
  if (::mremap(at(from), source.mapped, source.mapped, MREMAP_MAYMOVE | MREMAP_FIXED, at(to)) ==
      MAP_FAILED)
    return;
  places_[to] = source;
  void* hole = reserve(at(from), source.mapped, MAP_FIXED_NOREPLACE);
  source = {};
  if (hole != MAP_FAILED && hole != at(from))
    ::munmap(hole, places_[to].mapped);
}

int arena::advise(std::size_t index, support::random_stream& random) {
  static constexpr std::array advice = {
      MADV_DONTNEED, MADV_DONTNEED,  MADV_DONTNEED, MADV_FREE,       MADV_REMOVE,
      MADV_COLD,     MADV_PAGEOUT,   MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_DONTFORK,
      MADV_DOFORK,   MADV_MERGEABLE, MADV_WILLNEED};
  const auto pages = places_[index].mapped / support::page_bytes();
  const auto first = random.below(pages);
  const auto count = 1 + random.below(pages - first);
  return ::madvise(at(index) + first * support::page_bytes(), count * support::page_bytes(),
                   random.pick(advice));
}

void arena::meddle(support::random_stream& random, tally& counts) {
  static constexpr std::array protections = {PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE,
                                             PROT_READ | PROT_WRITE, PROT_WRITE};
  const auto index = static_cast<std::size_t>(random.below(places));
  auto& here = places_[index];
  int result = 0;

  errno = 0;
  if (here.mapped == 0) {
    map(index, random);
  } else {
    switch (random.below(10)) {
    case 0:
      clear(index);
      break;
    case 1:
      map(index, random);
      break;
    case 2:
      move(index, static_cast<std::size_t>(random.below(places)));
      break;
    case 3: {
      const int protection = random.pick(protections);
      result = ::mprotect(at(index), here.mapped, protection);
      here.usable = protection == (PROT_READ | PROT_WRITE);
      break;
    }
    case 4:
      result = here.file >= 0 ? ::fallocate(here.file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                            0, static_cast<off_t>(here.mapped / 2 + 1))
                              : ::mlock(at(index), support::page_bytes());
      break;
    case 5:
      here.usable = here.usable && here.file < 0;
      result = here.file >= 0
                   ? ::ftruncate(here.file, static_cast<off_t>(random.below(here.mapped + 1)))
                   : ::munlock(at(index), here.mapped);
      break;
    default:
      result = advise(index, random);
      break;
    }
  }
  counts.count(kind::memory, result < 0 ? errno : 0);
}

} // namespace fuzz
