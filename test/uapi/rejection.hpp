// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <string>
#include <vector>

#include "catch.hpp"
#include "support/guarded_memory.hpp"
#include "support/pattern.hpp"
#include "support/raw_ring.hpp"

/// An SQE with one thing wrong, and the errno that the header gives for it.
struct rejection {
  std::string what;
  pinring_sqe sqe;
  int error;
};

/// Packets that travel in the same ENTER as a bad SQE, in front of it and behind it. Each has its
/// own contents: had the bad SQE moved anything, the loop behind it would receive that instead.
class companions {
public:
  static constexpr std::size_t bytes = 1000;
  static constexpr std::uint64_t bad_tag = 0xBAD;

  explicit companions(std::size_t offset = support::odd_offset)
      : out_{support::guarded_memory(bytes, offset), support::guarded_memory(bytes, offset)},
        in_{support::guarded_memory(bytes, offset), support::guarded_memory(bytes, offset)} {
    support::fill_pattern(out_[0].data(), 1001);
    support::fill_pattern(out_[1].data(), 1002);
  }

  /// One ENTER with a loop, the bad SQE and another loop. The bad one is refused with its errno and
  /// nothing else; the loops arrive.
  void check(support::raw_ring& ring, const rejection& row) const {
    auto bad = row.sqe;
    bad.user_data = bad_tag;
    CAPTURE(row.what);

    push_loop(ring, 0);
    ring.push(bad);
    push_loop(ring, 1);
    const auto entered = ring.submit();
    REQUIRE(entered.result == support::success);
    REQUIRE(entered.submitted == 5);

    const auto cqes = ring.wait(5);
    const auto& refused = support::completion_of(cqes, bad_tag);
    CHECK(support::outcome_of(refused) == support::outcome{row.error});
    CHECK(refused.bytes == 0);
    CHECK(refused.flags == 0);
    CHECK(refused.provider_result == PINRING_PROVIDER_NONE);
    for (const auto i : {0U, 1U}) {
      CHECK(support::outcome_of(support::completion_of(cqes, send_tag(i))) == support::success);
      CHECK(support::outcome_of(support::completion_of(cqes, recv_tag(i))) == support::success);
      CHECK(support::same_bytes(in_[i].data(), out_[i].data()));
      CHECK(in_[i].guards_intact());
    }
  }

private:
  static std::uint64_t send_tag(unsigned i) { return 2 * i; }
  static std::uint64_t recv_tag(unsigned i) { return 2 * i + 1; }

  void push_loop(support::raw_ring& ring, unsigned i) const {
    in_[i].clear();
    ring.push(support::make_recv(in_[i].data(), recv_tag(i)));
    ring.push(support::make_send(out_[i].data(), send_tag(i)));
  }

  std::array<support::guarded_memory, 2> out_;
  std::array<support::guarded_memory, 2> in_;
};

/// A copy of a valid SQE with one thing changed.
template <typename Spoil>
rejection spoiled(std::string what, pinring_sqe sqe, Spoil&& spoil, int error = EINVAL) {
  spoil(sqe);
  return {std::move(what), sqe, error};
}

inline void check_all(support::raw_ring& ring, const std::vector<rejection>& rows,
                      std::size_t offset = support::odd_offset) {
  const companions around(offset);
  for (const auto& row : rows)
    around.check(ring, row);
}
