// SPDX-License-Identifier: MIT
#pragma once

#include <stdexcept>

#include "catch.hpp"
#include "support/guarded_memory.hpp"
#include "support/pattern.hpp"
#include "support/raw_ring.hpp"

/// A receive that nothing answers, until this sends what it waits for.
class pending_receive {
public:
  explicit pending_receive(support::raw_ring& ring) : ring_(ring) {
    ring_.push(support::make_recv(in_.data(), recv_tag));
    if (const auto entered = ring_.submit(); !entered.result.good() || entered.submitted != 1)
      throw std::runtime_error("can't submit a receive");
  }

  /// The receive completes with what was sent: nothing that happened in between did it any harm.
  void finish() {
    support::fill_pattern(out_.data(), 11);
    ring_.push(support::make_send(out_.data(), send_tag));
    REQUIRE(ring_.submit().result == support::success);
    const auto cqes = ring_.wait(2);
    CHECK(support::outcome_of(support::completion_of(cqes, recv_tag)) == support::success);
    CHECK(support::completion_of(cqes, recv_tag).bytes == in_.size());
    CHECK(support::pattern_mismatch(in_.data(), 11) == std::nullopt);
  }

  static constexpr std::uint64_t recv_tag = 900;
  static constexpr std::uint64_t send_tag = 901;

private:
  support::raw_ring& ring_;
  support::guarded_memory out_{1000};
  support::guarded_memory in_{1000};
};
