// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include <pinring.h>

#include "arena.hpp"
#include "descriptors.hpp"
#include "grammar.hpp"
#include "support/random_stream.hpp"
#include "tally.hpp"

namespace fuzz {

/// Random calls on random descriptors. Each thread has its own.
class calls {
public:
  calls(descriptors& files, arena& memory, tally& counts, slot& mine);
  calls(const calls&) = delete;
  calls& operator=(const calls&) = delete;
  ~calls();

  /// There is a ring with these directions; what ADD says of its buffers is told to the grammar.
  void tell(grammar& of, std::uint32_t directions) {
    grammar_ = &of;
    directions_ = directions;
  }

  /// An ioctl: a structure as it should be, spoiled in up to three places, somewhere in memory of
  /// some kind; or a number that is none of ours.
  void ioctl(support::random_stream& random);
  /// BUFFER_ADD, _UPDATE or _REMOVE as a program would do it.
  void buffer(support::random_stream& random);
  /// poll, epoll, eventfd.
  void readiness(support::random_stream& random);
  /// Whatever else a file may be asked: read, mmap, fcntl.
  void file(support::random_stream& random);

private:
  struct argument {
    unsigned long request;
    kind counted;
    std::size_t size;
    std::uint64_t words[sizeof(pinring_info) / sizeof(std::uint64_t)];
  };

  [[nodiscard]] argument proper(support::random_stream& random);
  void spoil(support::random_stream& random, argument& what) const;
  /// Copies the argument to a place that fits, or does not fit, or is none.
  [[nodiscard]] void* place(support::random_stream& random, const argument& what);
  void check(kind counted, int error);

  descriptors& files_;
  arena& memory_;
  tally& counts_;
  slot& slot_;
  grammar* grammar_ = nullptr;
  std::uint32_t directions_ = PINRING_DIR_SEND | PINRING_DIR_RECV;
  std::byte* pages_ = nullptr; // writable, read only, nothing
};

} // namespace fuzz
