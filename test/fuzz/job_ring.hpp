// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <pinring.h>

#include "ledger.hpp"
#include "support/random_stream.hpp"
#include "tally.hpp"

namespace fuzz {

/// One ring, driven from user space by a program that does not trust what it finds in it: somebody
/// else may write there.
class job_ring {
public:
  job_ring(int fd, tally& counts, slot& mine) : counts_(counts), slot_(mine), fd_(fd) {}
  job_ring(const job_ring&) = delete;
  job_ring& operator=(const job_ring&) = delete;
  ~job_ring() { unmap(); }

  /// SETUP of any size, and the mapping; where `at` says, if it does. False when there is none.
  [[nodiscard]] bool set_up(support::random_stream& random, std::uint32_t directions,
                            std::byte* at);
  void unmap();

  [[nodiscard]] std::span<std::byte> mapping() const { return map_; }
  [[nodiscard]] const pinring_setup& layout() const { return layout_; }
  [[nodiscard]] ledger& book() { return book_; }
  /// Completions are compared with what was submitted. Not when somebody scribbles.
  void trust(bool on) { trusted_ = on; }

  [[nodiscard]] std::uint32_t* sq_head() const { return word(layout_.sq_offset); }
  [[nodiscard]] std::uint32_t* sq_tail() const { return word(layout_.sq_offset + 64); }
  [[nodiscard]] std::uint32_t* cq_head() const { return word(layout_.cq_offset); }
  [[nodiscard]] std::uint32_t* cq_tail() const { return word(layout_.cq_offset + 64); }
  [[nodiscard]] pinring_sqe& sqe_at(std::uint32_t index) const;

  /// Fills up to `most` free entries and publishes them.
  void push(support::random_stream& random, grammar& of, std::uint32_t most);
  /// ENTER for what was published, with these bounds. @return the errno.
  int enter(std::uint32_t to_submit, std::uint32_t min_complete, std::uint64_t deadline_ns);
  /// Takes up to `most` completions.
  void reap(std::uint32_t most);
  /// Puts our own indices back, after somebody wrote others.
  void repair();
  /// Waits until all that was submitted has completed; every job must have a near deadline.
  void settle();

  [[nodiscard]] std::uint32_t unsubmitted() const;
  /// Some descriptor of the file was closed by this process: that was the ring's end.
  [[nodiscard]] bool ended() const { return ended_; }

private:
  [[nodiscard]] std::uint32_t* word(std::size_t offset) const {
    return reinterpret_cast<std::uint32_t*>(map_.data() + offset);
  }

  tally& counts_;
  slot& slot_;
  int fd_;
  bool trusted_ = true;
  bool ended_ = false;
  pinring_setup layout_{};
  std::span<std::byte> map_;
  ledger book_;
  std::uint32_t tail_ = 0; // of the SQ, ours
  std::uint32_t head_ = 0; // of the CQ, ours
};

} // namespace fuzz
