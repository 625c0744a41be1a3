// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <pinring.h>

#include "grammar.hpp"
#include "tally.hpp"

namespace fuzz {

/// What a ring was given, against what it says became of it. For rings that nobody scribbles over.
class ledger {
public:
  /// No address, and of no other bit pattern that is written anywhere: a CANCEL whose opcode is
  /// spoiled names no memory.
  static constexpr std::uint64_t tag = 0x5EED'0000'0000'0000;

  [[nodiscard]] std::uint64_t next_user_data() const { return tag | entries_.size(); }
  [[nodiscard]] std::uint64_t some_user_data(support::random_stream& random) const;
  void published(const sentence& what);

  /// Empty, or what is wrong with this completion.
  [[nodiscard]] std::string completed(const pinring_cqe& cqe);
  /// What it is to be counted as.
  [[nodiscard]] kind kind_of(const pinring_cqe& cqe) const;

  [[nodiscard]] std::size_t open() const { return entries_.size() - done_; }

private:
  struct entry {
    std::uint64_t bytes;
    std::uint32_t flags;
    std::uint8_t opcode;
    bool well_formed;
    bool done;
  };

  [[nodiscard]] std::string check(std::size_t index, const pinring_cqe& cqe) const;
  [[nodiscard]] std::string check_moved(const entry& of, const pinring_cqe& cqe) const;

  std::vector<entry> entries_;
  std::size_t done_ = 0;
  std::size_t all_done_ = 0; // every entry before it is done
};

} // namespace fuzz
