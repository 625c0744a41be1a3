// SPDX-License-Identifier: MIT
//
// ENTER: how much it consumes, indices that make no sense, and a CQ that is full.
#include "catch.hpp"

#include <algorithm>
#include <vector>

#include "pending_receive.hpp"
#include "support/board.hpp"
#include "support/loop.hpp"
#include "support/needs.hpp"
#include "support/raw_ring.hpp"

using namespace support;

namespace {

const auto needed = support::needs{{"loop0"}}.switches();

ring_options sized(std::uint32_t sq, std::uint32_t cq = 0) {
  ring_options options;
  options.sq_entries = sq;
  options.cq_entries = cq;
  return options;
}

pinring_enter valid_enter() {
  pinring_enter argument{};
  argument.size = sizeof(argument);
  return argument;
}

} // namespace

// ---------------------------------------------------------------------------- rejections

TEST_CASE("ENTER refuses each flag that does not exist") {
  const raw_ring ring("loop0");
  for (unsigned bit = 1; bit < 32; ++bit) {
    auto argument = valid_enter();
    argument.flags = 1U << bit;
    CAPTURE(bit);
    CHECK(ring.enter(argument) == outcome{EINVAL});
  }
}

TEST_CASE("ENTER refuses a reserved field that is not zero") {
  const raw_ring ring("loop0");
  auto argument = valid_enter();
  argument.reserved = 1;

  CHECK(ring.enter(argument) == outcome{EINVAL});
}

TEST_CASE("ENTER refuses to wait for more than the CQ can hold") {
  const raw_ring ring("loop0", sized(4, 8));

  CHECK(ring.enter(0, 9).result == outcome{EINVAL});
  CHECK(ring.enter(0, ~0U).result == outcome{EINVAL});
  CHECK(ring.enter(0, 8).result == success);
}

TEST_CASE("A refused ENTER consumes nothing") {
  raw_ring ring("loop0", sized(4, 8));
  ring.push(make_nop(1));

  CHECK(ring.submit(9).result == outcome{EINVAL});
  CHECK(ring.sq().head == 0);
  CHECK(ring.submit(1).submitted == 1);
}

// ---------------------------------------------------------------------------- consuming

TEST_CASE("ENTER consumes no more than it was told to") {
  raw_ring ring("loop0");
  ring.push(make_nop(1)).push(make_nop(2)).push(make_nop(3)).publish();

  CHECK(ring.enter(2, 0).submitted == 2);
  CHECK(ring.sq().head == 2);
  CHECK(ring.reap().size() == 2);
}

TEST_CASE("ENTER consumes no more than there is") {
  raw_ring ring("loop0");
  ring.push(make_nop(1)).push(make_nop(2)).publish();

  const auto entered = ring.enter(~0U, 0);
  CHECK(entered.result == success);
  CHECK(entered.submitted == 2);
}

TEST_CASE("ENTER of an empty ring consumes nothing and succeeds") {
  const raw_ring ring("loop0");

  const auto entered = ring.enter(5, 0);
  CHECK(entered.result == success);
  CHECK(entered.submitted == 0);
}

TEST_CASE("What the caller wrote into submitted is not read") {
  const raw_ring ring("loop0");
  auto argument = valid_enter();
  argument.submitted = 77;

  REQUIRE(ring.enter(argument) == success);
  CHECK(argument.submitted == 0);
}

TEST_CASE("Once consumed, an SQE may be overwritten") {
  const board switches("loop0");
  raw_ring ring("loop0");
  pending_receive pending(ring);
  for (std::uint32_t i = 0; i < ring.layout().sq_entries; ++i)
    std::memset(&ring.sqe_at(i), 0xFF, sizeof(pinring_sqe));

  pending.finish();
}

TEST_CASE("NOPs complete in the order of submission") {
  raw_ring ring("loop0");
  for (std::uint64_t i = 0; i < 64; ++i)
    ring.push(make_nop(i));
  REQUIRE(ring.submit().submitted == 64);

  const auto cqes = ring.wait(64);
  for (std::uint64_t i = 0; i < 64; ++i)
    CHECK(cqes[i].user_data == i);
}

TEST_CASE("Small rings go round many times without losing or repeating anything") {
  const auto entries = GENERATE(1U, 2U, 4U);
  raw_ring ring("loop0", sized(entries, entries));
  std::uint64_t pushed = 0;

  for (std::uint64_t reaped = 0; reaped < 3000;) {
    for (std::uint32_t i = 0; i <= pushed % entries; ++i)
      ring.push(make_nop(pushed++));
    REQUIRE(ring.submit().result == success);
    for (const auto& cqe : ring.reap())
      REQUIRE(cqe.user_data == reaped++);
    REQUIRE(reaped == pushed);
  }
}

TEST_CASE("Transfers go round a ring of two entries many times") {
  raw_ring ring("loop0", sized(2, 2));
  const guarded_memory out(100);
  const guarded_memory in(100);

  for (std::uint64_t lap = 0; lap < 200; ++lap) {
    fill_pattern(out.data(), lap);
    REQUIRE(loop(ring, out.data(), in.data()).moved(100));
    REQUIRE(pattern_mismatch(in.data(), lap) == std::nullopt);
  }
}

TEST_CASE("At the limit of jobs not yet reaped ENTER consumes in part, then says EAGAIN") {
  raw_ring ring("loop0");
  const auto most = ring.info().max_jobs;
  const auto entries = ring.layout().sq_entries;
  std::uint32_t accepted = 0;
  enter_result entered;

  do {
    for (std::uint32_t i = 0; i < entries; ++i)
      ring.push(make_nop(accepted + i));
    entered = ring.submit();
    accepted += entered.submitted;
  } while (entered.submitted == entries && accepted <= most);

  // The call that met the limit took what still went in, or nothing and said so.
  REQUIRE(entered.result == (entered.submitted ? success : outcome{EAGAIN}));
  REQUIRE(accepted == most);
  const auto left_over = entries - entered.submitted;

  SECTION("Nothing more goes in") {
    const auto again = ring.enter(1, 0);
    CHECK(again.result == outcome{EAGAIN});
    CHECK(again.submitted == 0);
  }
  SECTION("Reaping makes room for as many") {
    REQUIRE(ring.reap(3).size() == 3);
    CHECK(ring.enter(entries, 0).submitted == std::min(3U, left_over));
  }
  SECTION("All that was accepted completes, in order") {
    const auto cqes = ring.wait(most);
    for (std::uint32_t i = 0; i < most; ++i)
      REQUIRE(cqes[i].user_data == i);
  }
}

// ---------------------------------------------------------------------------- senseless indices

TEST_CASE("An sq.tail beyond the ring is EPROTO, and the ring works once it is mended") {
  raw_ring ring("loop0");
  const auto entries = ring.layout().sq_entries;
  const auto beyond = GENERATE_COPY(entries + 1, entries * 2, 0x80000000U, ~0U);
  const auto good = ring.sq().tail;

  ring.sq().tail = good + beyond;
  const auto entered = ring.enter(1, 0);
  CHECK(entered.result == outcome{EPROTO});
  CHECK(entered.submitted == 0);

  ring.sq().tail = good;
  CHECK_NOTHROW(prove_usable(ring));
}

TEST_CASE("A cq.head past cq.tail is EPROTO, and nothing is lost once it is mended") {
  raw_ring ring("loop0");
  ring.push(make_nop(1)).push(make_nop(2));
  REQUIRE(ring.submit().result == success);
  const auto past = GENERATE(3U, 100U, 0x80000000U);

  ring.cq().head = past;
  CHECK(ring.enter(0, 0).result == outcome{EPROTO});

  ring.cq().head = 0;
  CHECK(ring.wait(2).size() == 2);
  CHECK_NOTHROW(prove_usable(ring));
}

TEST_CASE("A job that completes while cq.head makes no sense is not lost") {
  raw_ring ring("loop0");
  const guarded_memory in(1000);
  const guarded_memory out(1000);
  ring.push(make_recv(in.data(), 1)).push(make_send(out.data(), 2));
  board loop0("loop0");
  loop0.hold();
  REQUIRE(ring.submit().submitted == 2);

  ring.cq().head = 1000;
  const auto before = loop0.read("received_packets");
  loop0.hold(false);
  REQUIRE(wait_until([&] { return loop0.read("received_packets") == before + 1; }));

  ring.cq().head = 0;
  CHECK(ring.wait(2).size() == 2);
}

TEST_CASE("Writing sq.head changes nothing") {
  raw_ring ring("loop0");
  ring.push(make_nop(1)).publish();
  ring.sq().head = 12345;

  CHECK(ring.enter(1, 0).submitted == 1);
  CHECK(ring.sq().head == 1);
  CHECK(ring.reap().size() == 1);
}

TEST_CASE("Writing cq.tail changes nothing for long") {
  raw_ring ring("loop0");
  ring.cq().tail = 5000;

  ring.push(make_nop(1));
  CHECK(ring.submit().submitted == 1);
  CHECK(ring.cq().tail == 1);
}

// ---------------------------------------------------------------------------- a CQ that is full

TEST_CASE("Completions that the CQ can't hold are kept in order, and said to be") {
  raw_ring ring("loop0", sized(8, 8));
  for (std::uint64_t round = 0; round < 3; ++round) {
    for (std::uint64_t i = 0; i < 8; ++i)
      ring.push(make_nop(8 * round + i));
    REQUIRE(ring.submit().submitted == 8);
  }
  CHECK(ring.cq_ready() == 8);
  CHECK((ring.cq_flags() & PINRING_CQ_OVERFLOW) != 0);

  const auto cqes = ring.wait(24);
  for (std::uint64_t i = 0; i < 24; ++i)
    CHECK(cqes[i].user_data == i);
  CHECK((ring.cq_flags() & PINRING_CQ_OVERFLOW) == 0);
  CHECK(ring.reap().empty());
}

TEST_CASE("ENTER moves as many kept completions into the CQ as there is room for") {
  raw_ring ring("loop0", sized(4, 4));
  for (std::uint64_t round = 0; round < 2; ++round) {
    for (std::uint64_t i = 0; i < 4; ++i)
      ring.push(make_nop(4 * round + i));
    REQUIRE(ring.submit().submitted == 4);
  }

  REQUIRE(ring.reap(1).size() == 1);
  REQUIRE(ring.enter(0, 0).result == success);
  CHECK(ring.cq_ready() == 4);
  CHECK((ring.cq_flags() & PINRING_CQ_OVERFLOW) != 0);
}

TEST_CASE("Transfers that complete into a full CQ are kept too") {
  raw_ring ring("loop0", sized(8, 8));
  const guarded_memory out(100);
  std::vector<guarded_memory> in;
  for (int i = 0; i < 8; ++i)
    in.emplace_back(100);
  for (std::uint64_t i = 0; i < 8; ++i)
    ring.push(make_nop(i));
  REQUIRE(ring.submit().submitted == 8);

  for (std::uint64_t i = 0; i < 4; ++i)
    ring.push(make_recv(in[i].data(), 100 + i)).push(make_send(out.data(), 200 + i));
  REQUIRE(ring.submit().submitted == 8);

  const auto cqes = ring.wait(16);
  for (std::uint64_t i = 0; i < 4; ++i) {
    CHECK(outcome_of(completion_of(cqes, 100 + i)) == success);
    CHECK(outcome_of(completion_of(cqes, 200 + i)) == success);
  }
}

TEST_CASE("The channel works at the end of all this") {
  CHECK_NOTHROW(prove_usable("loop0"));
}
