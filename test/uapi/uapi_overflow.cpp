// SPDX-License-Identifier: MIT
//
// Completions that wait in the kernel for room in the CQ: they are late, but they hold nothing.
#include "catch.hpp"

#include "support/board.hpp"
#include "support/guarded_memory.hpp"
#include "support/loop.hpp"
#include "support/needs.hpp"
#include "support/raw_ring.hpp"
#include "support/vmstat.hpp"
#include "support/wait.hpp"

using namespace support;

namespace {

const auto needed = support::needs{{"sink0", "loop0"}}.switches();

/// A ring on sink0 whose CQ of one is full, so that whatever completes next has to wait.
class full_ring {
public:
  full_ring() : ring_("sink0", options()) {
    pinring_sqe nop{};
    nop.opcode = PINRING_OP_NOP;
    ring_.push(nop);
    REQUIRE(ring_.submit().submitted == 1);
  }

  /// A send that completes, and whose completion does not fit.
  void overflow(const pinring_sqe& send) {
    const board sink{"sink0"};
    const auto before = sink.read("sent_packets");
    ring_.push(send);
    REQUIRE(ring_.submit().submitted == 1);
    REQUIRE(wait_until([&] { return sink.read("sent_packets") > before; }));
    REQUIRE(wait_until([&] { return (ring_.cq_flags() & PINRING_CQ_OVERFLOW) != 0; }));
  }

  raw_ring& operator*() { return ring_; }

private:
  static ring_options options() {
    ring_options o;
    o.directions = PINRING_DIR_SEND;
    o.sq_entries = 1;
    o.cq_entries = 1;
    return o;
  }

  raw_ring ring_;
};

} // namespace

TEST_CASE("A completion that waits for room in the CQ does not keep a buffer from its removal") {
  full_ring full;
  const guarded_memory memory(5000);
  (*full).register_at(0, memory.data(), PINRING_DIR_SEND);
  full.overflow(make_registered(PINRING_OP_SEND, 0, 0, 5000, 1));

  CHECK((*full).remove_at(0, PINRING_BUFFER_WAIT, patience) == success);
  CHECK(pins_become_balanced());
  CHECK((*full).wait(2).back().user_data == 1);
}

TEST_CASE("A completion that waits for room in the CQ keeps no page of a plain job") {
  full_ring full;
  const guarded_memory memory(5000);
  full.overflow(make_send(memory.data(), 1));

  CHECK(pins_become_balanced());
  CHECK((*full).wait(2).back().user_data == 1);
}

TEST_CASE("The channel works at the end of all this") {
  CHECK_NOTHROW(prove_usable("loop0"));
}
