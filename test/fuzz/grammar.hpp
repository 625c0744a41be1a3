// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <pinring.h>

#include "arena.hpp"
#include "support/random_stream.hpp"

namespace fuzz {

/// An SQE, and what is known about it.
struct sentence {
  pinring_sqe sqe{};
  /// Nothing was spoiled: of its length and opcode the completion has to be.
  bool well_formed = true;
  std::uint64_t bytes = 0;
};

/// Makes SQEs: mostly such as a program would write, so that jobs get as far as the engine; some
/// with one thing wrong with them.
class grammar {
public:
  static constexpr std::size_t most_pieces = 12;
  static constexpr std::uint32_t buffers = 6; // indices that are used

  /// How an episode's jobs are, on the whole.
  struct temper {
    unsigned spoiled_percent = 5;
    std::uint64_t longest_job = 8192;
    std::uint64_t shortest_deadline_ns = 1'000'000;
    std::uint64_t longest_deadline_ns = 100'000'000;
    unsigned endless_percent = 0; // jobs without a deadline
  };

  grammar(const pinring_info& info, arena& memory, const temper& kind, std::uint32_t sq_entries);

  /// The one for the SQ's entry `index`, with this user_data. A send that was announced by a
  /// receive comes next.
  [[nodiscard]] sentence make(support::random_stream& random, std::uint32_t index,
                              std::uint64_t user_data, std::uint64_t some_other);

  /// What is known of a registered buffer; nobody promises that it is still there.
  void registered(std::uint32_t index, std::uint64_t bytes) { registered_[index] = bytes; }

  /// Named as memory now and then: the ring's own mapping.
  void also_name(std::span<std::byte> bytes) { extra_ = bytes; }

private:
  [[nodiscard]] sentence transfer(support::random_stream& random, std::uint8_t opcode,
                                  std::uint32_t index, std::uint64_t length);
  [[nodiscard]] std::uint64_t deadline(support::random_stream& random, std::uint32_t& flags) const;
  void pieces(support::random_stream& random, sentence& of, std::uint32_t index,
              std::uint64_t length);
  void spoil(support::random_stream& random, sentence& what) const;

  pinring_info info_;
  arena& memory_;
  temper temper_;
  std::size_t align_;
  std::span<std::byte> extra_;
  std::uint64_t announced_ = 0; // bytes of the send that the last receive waits for
  std::array<std::uint64_t, buffers> registered_{};
  /// An array for each entry of the SQ: it is not used again before the kernel has copied it.
  std::vector<std::array<pinring_iovec, most_pieces>> arrays_;
};

} // namespace fuzz
