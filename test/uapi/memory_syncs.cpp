// SPDX-License-Identifier: MIT
//
// What the CPU wrote before a job is what the device reads; what the device wrote is what the CPU
// reads after it; and nothing else changes. On loop0 of a machine that is cache coherent this holds
// by itself. Where every mapping is a bounce buffer (swiotlb=force), and on noncoh0, it holds only
// if the driver syncs all that it must, and no more.
#include "catch.hpp"

#include <algorithm>
#include <cstddef>
#include <span>

#include "support/board.hpp"
#include "support/guarded_memory.hpp"
#include "support/loop.hpp"
#include "support/needs.hpp"
#include "support/pattern.hpp"
#include "support/raw_ring.hpp"

using namespace support;

namespace {

const auto needed = support::needs{{"loop0", "noncoh0"}}.switches();

// Whole cache lines, whatever the machine.
constexpr std::size_t unit = 256;

const char* any_board() {
  return GENERATE("loop0", "noncoh0");
}

bool all_are(std::span<const std::byte> bytes, std::byte value) {
  return std::ranges::all_of(bytes, [&](std::byte b) { return b == value; });
}

/// Submits a receive and returns when the provider has it: the memory is the device's.
void arm(raw_ring& ring, const board& behind, const pinring_sqe& recv) {
  const auto before = behind.bds_in_use_recv();
  ring.push(recv);
  REQUIRE(ring.submit().submitted == 1);
  REQUIRE(wait_until([&] { return behind.bds_in_use_recv() > before; }));
}

/// Sends a packet to a receive that is armed, and takes both completions.
pinring_cqe answer(raw_ring& ring, std::span<const std::byte> packet, std::uint64_t recv_tag) {
  ring.push(make_send(packet, ~recv_tag));
  REQUIRE(ring.submit().submitted == 1);
  const auto cqes = ring.wait(2);
  REQUIRE(outcome_of(completion_of(cqes, ~recv_tag)) == success);
  return completion_of(cqes, recv_tag);
}

} // namespace

TEST_CASE("What is sent is what was written just before, however often") {
  const auto* const device = any_board();
  CAPTURE(device);
  raw_ring ring(device);
  const guarded_memory out(3 * page_bytes() + unit);
  const guarded_memory in(out.size(), unit);

  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    fill_pattern(out.data(), seed);
    in.clear();
    REQUIRE(loop(ring, out.data(), in.data()).moved(out.size()));
    CHECK(pattern_mismatch(in.data(), seed) == std::nullopt);
    CHECK(in.guards_intact());
  }
}

TEST_CASE("A part of a registered buffer that was written again is sent as it is now") {
  const auto* const device = any_board();
  CAPTURE(device);
  raw_ring ring(device);
  const guarded_memory out(64 * unit);
  const guarded_memory in(64 * unit, 0);
  ring.register_at(0, out.data(), PINRING_DIR_SEND);
  ring.register_at(1, in.data(), PINRING_DIR_RECV);

  std::uint64_t seed = 1;
  for (const std::size_t offset : {0U, 1U, 15U, 16U, 40U}) {
    for (const std::size_t units : {1U, 17U, 24U}) {
      CAPTURE(offset, units);
      const auto bytes = units * unit;
      fill_pattern(out.data().subspan(offset * unit, bytes), ++seed);
      in.clear();
      const auto result = loop(ring, make_registered(PINRING_OP_SEND, 0, offset * unit, bytes, 0),
                               make_registered(PINRING_OP_RECV, 1, (40 - offset) * unit, bytes, 0));
      REQUIRE(result.moved(bytes));
      const auto there = in.data().subspan((40 - offset) * unit, bytes);
      CHECK(pattern_mismatch(there, seed) == std::nullopt);
    }
  }
}

TEST_CASE("A send from an odd place of a registered buffer takes what is there now") {
  const auto* const device = any_board();
  CAPTURE(device);
  raw_ring ring(device);
  const guarded_memory out(16 * unit);
  const guarded_memory in(unit, 0);
  ring.register_at(0, out.data(), PINRING_DIR_SEND);

  for (std::size_t offset = 1; offset < 3 * unit; offset += 61) {
    CAPTURE(offset);
    fill_pattern(out.data().subspan(offset, unit), offset);
    REQUIRE(
        loop(ring, make_registered(PINRING_OP_SEND, 0, offset, unit, 0), make_recv(in.data(), 0))
            .moved(unit));
    CHECK(pattern_mismatch(in.data(), offset) == std::nullopt);
  }
}

TEST_CASE("A receive into a part of a registered buffer leaves the rest to the program") {
  const auto* const device = any_board();
  CAPTURE(device);
  raw_ring ring(device);
  const board behind(device);
  const guarded_memory in(32 * unit, 0);
  const guarded_memory out(4 * unit);
  ring.register_at(0, in.data(), PINRING_DIR_RECV);
  fill_pattern(out.data(), 5);

  for (const std::size_t first : {0U, 7U, 28U}) {
    CAPTURE(first);
    in.clear(std::byte{0x11});
    arm(ring, behind, make_registered(PINRING_OP_RECV, 0, first * unit, out.size(), 1));
    const auto front = in.data().first(first * unit);
    const auto back = in.data().subspan(first * unit + out.size());
    std::ranges::fill(front, std::byte{0x22});
    std::ranges::fill(back, std::byte{0x33});

    CHECK(outcome_of(answer(ring, out.data(), 1)) == success);
    CHECK(pattern_mismatch(in.data().subspan(first * unit, out.size()), 5) == std::nullopt);
    CHECK(all_are(front, std::byte{0x22}));
    CHECK(all_are(back, std::byte{0x33}));
  }
}

TEST_CASE("What came into a buffer of both directions is changed and sent on") {
  const auto* const device = any_board();
  CAPTURE(device);
  raw_ring ring(device);
  const std::size_t half = 20 * unit;
  const guarded_memory memory(2 * half, 0);
  const auto first = memory.data().first(half);
  const auto second = memory.data().subspan(half);
  ring.register_at(0, memory.data());

  fill_pattern(first, 1);
  REQUIRE(loop(ring, make_registered(PINRING_OP_SEND, 0, 0, half, 0),
               make_registered(PINRING_OP_RECV, 0, half, half, 0))
              .moved(half));
  REQUIRE(pattern_mismatch(second, 1) == std::nullopt);

  fill_pattern(second.subspan(unit, 3 * unit), 2);
  REQUIRE(loop(ring, make_registered(PINRING_OP_SEND, 0, half, half, 0),
               make_registered(PINRING_OP_RECV, 0, 0, half, 0))
              .moved(half));
  CHECK(same_bytes(first, second));
  CHECK(pattern_mismatch(first.subspan(unit, 3 * unit), 2) == std::nullopt);
}

TEST_CASE("Letting go of a buffer leaves what the program has written since it received") {
  const auto* const device = any_board();
  CAPTURE(device);
  raw_ring ring(device);
  const guarded_memory out(10 * unit);
  const guarded_memory in(10 * unit, 0);
  ring.register_at(0, in.data());
  REQUIRE(loop(ring, make_send(out.data(), 0), make_registered(PINRING_OP_RECV, 0, 0, in.size(), 0))
              .moved(in.size()));

  fill_pattern(in.data(), 3);
  REQUIRE(ring.remove_at(0, PINRING_BUFFER_WAIT, patience) == success);
  CHECK(pattern_mismatch(in.data(), 3) == std::nullopt);
}

TEST_CASE("Behind the end of a short packet the memory is as it was") {
  const auto* const device = any_board();
  const bool registered = GENERATE(false, true);
  CAPTURE(device, registered);
  raw_ring ring(device);
  const guarded_memory out(3 * unit);
  // In one page: a short receive of several BDs is not exact everywhere.
  const guarded_memory in(8 * unit, 0);
  if (registered)
    ring.register_at(0, in.data(), PINRING_DIR_RECV);

  for (const std::size_t bytes : {std::size_t{1}, unit - 1, unit, unit + 100, 3 * unit}) {
    CAPTURE(bytes);
    fill_pattern(out.data().first(bytes), bytes);
    in.clear(std::byte{0x44});
    auto recv = make_recv(in.data(), 0, PINRING_SQE_MAY_BE_SHORT);
    if (registered)
      recv = make_registered(PINRING_OP_RECV, 0, 0, in.size(), 0, PINRING_SQE_MAY_BE_SHORT);
    REQUIRE(loop(ring, make_send(out.data().first(bytes), 0), recv).moved(bytes));
    CHECK(pattern_mismatch(in.data().first(bytes), bytes) == std::nullopt);
    CHECK(all_are(in.data().subspan(bytes), std::byte{0x44}));
  }
}

TEST_CASE("What came is the program's while the receive behind it waits in the same page") {
  const auto* const device = any_board();
  CAPTURE(device);
  raw_ring ring(device);
  const board behind(device);
  const guarded_memory in(2 * unit, 0);
  const auto first = in.data().first(unit);
  const auto second = in.data().subspan(unit);
  const guarded_memory out(unit);
  fill_pattern(out.data(), 8);

  ring.push(make_recv(first, 1)).push(make_recv(second, 2));
  REQUIRE(ring.submit().submitted == 2);
  REQUIRE(wait_until([&] { return behind.bds_in_use_recv() == 2; }));
  REQUIRE(outcome_of(answer(ring, out.data(), 1)) == success);
  REQUIRE(pattern_mismatch(first, 8) == std::nullopt);
  fill_pattern(first, 9);

  REQUIRE(outcome_of(answer(ring, out.data(), 2)) == success);
  CHECK(pattern_mismatch(second, 8) == std::nullopt);
  CHECK(pattern_mismatch(first, 9) == std::nullopt);
}

TEST_CASE("Between the pieces of a list the memory is the program's") {
  const auto* const device = any_board();
  CAPTURE(device);
  raw_ring ring(device);
  const board behind(device);
  const guarded_memory in(9 * unit, 0);
  const guarded_memory out(4 * unit);
  fill_pattern(out.data(), 6);
  in.clear(std::byte{0x55});
  std::vector<pinring_iovec> pieces;
  for (std::size_t at = unit; at < in.size(); at += 2 * unit)
    pieces.push_back(make_piece(in.data().subspan(at, unit)));

  arm(ring, behind, make_iovec(PINRING_OP_RECV, pieces, 1));
  for (std::size_t at = 0; at < in.size(); at += 2 * unit)
    std::ranges::fill(in.data().subspan(at, unit), std::byte{0x66});
  REQUIRE(outcome_of(answer(ring, out.data(), 1)) == success);

  for (std::size_t i = 0; i < pieces.size(); ++i) {
    CAPTURE(i);
    CHECK(same_bytes(in.data().subspan((2 * i + 1) * unit, unit),
                     out.data().subspan(i * unit, unit)));
    CHECK(all_are(in.data().subspan(2 * i * unit, unit), std::byte{0x66}));
  }
  CHECK(all_are(in.data().last(unit), std::byte{0x66}));
}

TEST_CASE("A receive that ran into its deadline leaves the memory as it was") {
  const auto* const device = any_board();
  const bool registered = GENERATE(false, true);
  CAPTURE(device, registered);
  raw_ring ring(device);
  const guarded_memory in(2 * page_bytes(), 0);
  fill_pattern(in.data(), 4);
  auto recv = make_recv(in.data(), 1);
  if (registered) {
    ring.register_at(0, in.data(), PINRING_DIR_RECV);
    recv = make_registered(PINRING_OP_RECV, 0, 0, in.size(), 1);
  }
  recv.deadline_ns = std::chrono::nanoseconds(30ms).count();

  REQUIRE(outcome_of(ring.run(recv)) == outcome{ETIMEDOUT});
  CHECK(pattern_mismatch(in.data(), 4) == std::nullopt);
}

TEST_CASE("A job of many packets arrives as it was written") {
  const auto* const device = any_board();
  CAPTURE(device);
  raw_ring ring(device);
  const auto bytes = 5 * ring.info().chunk + 3 * unit;
  const guarded_memory out(bytes);
  const guarded_memory in(bytes, unit);

  for (std::uint64_t seed = 1; seed <= 2; ++seed) {
    fill_pattern(out.data(), seed);
    REQUIRE(loop(ring, out.data(), in.data(), PINRING_SQE_SPLIT).moved(bytes));
    CHECK(pattern_mismatch(in.data(), seed) == std::nullopt);
    CHECK(in.guards_intact());
  }
}

TEST_CASE("The channel works at the end of all this") {
  CHECK_NOTHROW(prove_usable("loop0"));
  CHECK_NOTHROW(prove_usable("noncoh0"));
}
