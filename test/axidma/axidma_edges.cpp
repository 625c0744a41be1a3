// SPDX-License-Identifier: MIT
//
// A port that is not cache coherent: a receive that begins or ends within a cache line gets those
// fragments by way of a copy, and only those. The emulated machine has no caches: what is shown
// here is which bytes go where; driver/sim shows what a cache would make of it.
#include "catch.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <thread>
#include <vector>

#include "support/board.hpp"
#include "support/guarded_memory.hpp"
#include "support/loop.hpp"
#include "support/needs.hpp"
#include "support/pattern.hpp"
#include "support/scattered_pages.hpp"
#include "violations.hpp"

using namespace support;

namespace {

const auto needed = support::needs{{"noncoh0"}}.model().root();

constexpr std::size_t piece = 5 * 4096;

std::uint64_t copied() {
  return driver_counter("noncoh0", "recv/bounced");
}

bool blank(std::span<const std::byte> bytes) {
  return std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{0xEE}; });
}

/// What of [offset, offset + bytes) shares a line of memory that begins on one.
std::size_t edges_of(std::size_t offset, std::size_t bytes, std::size_t line) {
  const auto head = (line - offset % line) % line;
  const auto tail = (offset + bytes) % line;
  return std::min(head + tail, bytes);
}

struct noncoherent {
  noncoherent() { model.enforce_grants(); }

  board model{"noncoh0"};
  violations watch{"noncoh0"};
  raw_ring ring{"noncoh0"};
  std::size_t line = ring.info().cacheline;
};

} // namespace

TEST_CASE("INFO says how long a line of a port is that is not coherent") {
  const auto info = info_of("noncoh0");
  CHECK((info.flags & PINRING_INFO_COHERENT) == 0);
  CHECK(info.cacheline >= 16);
  CHECK((info.cacheline & (info.cacheline - 1)) == 0);
}

TEST_CASE("Of a receive that is not on lines the edges are copied, and nothing else") {
  noncoherent on;
  const auto line = on.line;
  const guarded_memory out(4 * page_bytes(), 0);
  const guarded_memory in(6 * page_bytes(), 0);
  fill_pattern(out.data(), 1);

  for (const std::size_t offset : {std::size_t{0}, std::size_t{1}, line - 1, line, line + 1,
                                   std::size_t{137}, std::size_t{4095}})
    for (const std::size_t bytes :
         {std::size_t{1}, line - 1, line, line + 1, 2 * line, 2 * line + 1, std::size_t{1000},
          std::size_t{4096}, std::size_t{12'345}}) {
      CAPTURE(offset, bytes, line);
      in.clear();
      const auto before = copied();
      const auto edges = edges_of(offset, bytes, line);
      const auto result = loop(on.ring, out.data().first(bytes), in.data().subspan(offset, bytes));
      REQUIRE(result.moved(bytes));
      CHECK(result.sent.flags == 0);
      CHECK(result.received.flags == (edges ? PINRING_CQE_BOUNCED : 0));
      CHECK(copied() - before == edges);
      CHECK(same_bytes(in.data().subspan(offset, bytes), out.data().first(bytes)));
      CHECK(blank(in.data().first(offset)));
      CHECK(blank(in.data().subspan(offset + bytes)));
    }
  CHECK(on.watch.news() == "");
}

TEST_CASE("The same of a slice of a registered buffer, which is off its own lines") {
  noncoherent on;
  const auto line = on.line;
  const guarded_memory out(4 * page_bytes(), 0);
  const guarded_memory in(6 * page_bytes(), 8);
  fill_pattern(out.data(), 2);
  on.ring.register_at(0, in.data());

  for (const std::size_t offset : {std::size_t{0}, line - 8, line, std::size_t{4000}})
    for (const std::size_t bytes : {std::size_t{1}, line, line + 3, std::size_t{9000}}) {
      CAPTURE(offset, bytes, line);
      in.clear();
      const auto before = copied();
      const auto edges = edges_of(offset + 8, bytes, line);
      const auto result = loop(on.ring, make_send(out.data().first(bytes), 0),
                               make_registered(PINRING_OP_RECV, 0, offset, bytes, 0));
      REQUIRE(result.moved(bytes));
      CHECK(result.received.flags == (edges ? PINRING_CQE_BOUNCED : 0));
      CHECK(copied() - before == edges);
      CHECK(same_bytes(in.data().subspan(offset, bytes), out.data().first(bytes)));
      CHECK(blank(in.data().first(offset)));
      CHECK(blank(in.data().subspan(offset + bytes)));
      CHECK(in.guards_intact());
    }
  CHECK(on.watch.news() == "");
}

TEST_CASE("Where nothing may be copied a receive has to be on lines, and a send may be anywhere") {
  noncoherent on;
  const guarded_memory memory(piece, 0);
  const guarded_memory in(piece, 0);
  on.ring.register_at(0, memory.data());
  constexpr auto flag = PINRING_SQE_ZERO_COPY;
  const auto refused = [&](const pinring_sqe& sqe) {
    return outcome_of(on.ring.run(sqe)) == outcome{EINVAL};
  };
  CHECK(refused(make_recv(memory.data().subspan(8, 4096), 0, flag)));
  CHECK(refused(make_recv(memory.data().first(4097), 0, flag)));
  CHECK(refused(make_registered(PINRING_OP_RECV, 0, 8, 4096, 0, flag)));
  CHECK(refused(make_registered(PINRING_OP_RECV, 0, 0, 4097, 0, flag)));
  const pinring_iovec pieces[] = {make_piece(memory.data().first(4104)),
                                  make_piece(memory.data().subspan(8192, 4096))};
  CHECK(refused(make_iovec(PINRING_OP_RECV, pieces, 0, flag)));

  const auto result = loop(on.ring, make_send(memory.data().subspan(3, 4096), 0, flag),
                           make_recv(in.data().first(4096), 0, flag));
  REQUIRE(result.moved(4096));
  CHECK(result.sent.flags == 0);
  CHECK(result.received.flags == 0);
}

TEST_CASE("Of a list only what is off lines at its ends is copied; within it, all of it") {
  noncoherent on;
  const auto line = on.line;
  const guarded_memory out(piece, 0);
  const guarded_memory in(piece, 0);
  fill_pattern(out.data(), 3);
  const auto before = copied();
  SECTION("at its ends") {
    const pinring_iovec list[] = {make_piece(in.data().subspan(line + 5, 3 * line - 5)),
                                  make_piece(in.data().subspan(8192, 2 * line + 9))};
    const auto bytes = 5 * line + 4;
    const auto result =
        loop(on.ring, make_send(out.data().first(bytes), 0), make_iovec(PINRING_OP_RECV, list, 0));
    REQUIRE(result.moved(bytes));
    CHECK(result.received.flags == PINRING_CQE_BOUNCED);
    CHECK(copied() - before == line - 5 + 9);
    CHECK(same_bytes(in.data().subspan(line + 5, 3 * line - 5), out.data().first(3 * line - 5)));
    CHECK(same_bytes(in.data().subspan(8192, 2 * line + 9),
                     out.data().subspan(3 * line - 5, 2 * line + 9)));
  }
  SECTION("the first piece is a head and nothing else") {
    const pinring_iovec list[] = {make_piece(in.data().subspan(page_bytes() - 5, 5)),
                                  make_piece(in.data().subspan(8192, 2 * line))};
    const auto bytes = 2 * line + 5;
    const auto result =
        loop(on.ring, make_send(out.data().first(bytes), 0), make_iovec(PINRING_OP_RECV, list, 0));
    REQUIRE(result.moved(bytes));
    CHECK(copied() - before == 5);
    CHECK(same_bytes(in.data().subspan(page_bytes() - 5, 5), out.data().first(5)));
    CHECK(same_bytes(in.data().subspan(8192, 2 * line), out.data().subspan(5, 2 * line)));
  }
  SECTION("within it") {
    const pinring_iovec list[] = {make_piece(in.data().first(line + 1)),
                                  make_piece(in.data().subspan(8192, line))};
    const auto bytes = 2 * line + 1;
    const auto result =
        loop(on.ring, make_send(out.data().first(bytes), 0), make_iovec(PINRING_OP_RECV, list, 0));
    REQUIRE(result.moved(bytes));
    CHECK(result.received.flags == PINRING_CQE_BOUNCED);
    CHECK(copied() - before == bytes);
    CHECK(same_bytes(in.data().first(line + 1), out.data().first(line + 1)));
    CHECK(same_bytes(in.data().subspan(8192, line), out.data().subspan(line + 1, line)));
    CHECK(blank(in.data().subspan(line + 1, 8192 - line - 1)));
  }
  CHECK(on.watch.news() == "");
}

TEST_CASE("What another thread writes beside a receive, in the same lines, stays") {
  noncoherent on;
  const std::size_t begin = 1000;
  const std::size_t bytes = 9001;
  const guarded_memory out(bytes, 0);
  const guarded_memory in(piece, 0);
  auto* const left = reinterpret_cast<unsigned char*>(in.data().data() + begin - 1);
  auto* const right = reinterpret_cast<unsigned char*>(in.data().data() + begin + bytes);
  std::atomic<bool> stop{false};
  std::atomic<bool> lost{false};
  // Nobody else writes there: each byte is what was written last.
  std::jthread neighbour([&] {
    for (unsigned char value = 0; !stop; ++value) {
      std::atomic_ref(*left).store(value);
      std::atomic_ref(*right).store(value);
      std::this_thread::yield();
      if (std::atomic_ref(*left) != value || std::atomic_ref(*right) != value)
        lost = true;
    }
  });

  for (std::uint64_t round = 0; round < 50; ++round) {
    CAPTURE(round);
    fill_pattern(out.data(), round);
    const auto result = loop(on.ring, out.data(), in.data().subspan(begin, bytes));
    REQUIRE(result.moved(bytes));
    REQUIRE(pattern_mismatch(in.data().subspan(begin, bytes), round) == std::nullopt);
  }
  stop = true;
  neighbour.join();
  CHECK_FALSE(lost);
}

TEST_CASE("A receive off lines that may be short tells how much came, to the byte") {
  noncoherent on;
  const guarded_memory out(piece, 0);
  const guarded_memory in(piece, 0);
  fill_pattern(out.data(), 4);
  constexpr std::size_t begin = 100;
  constexpr std::size_t most = 10'000;
  for (const std::size_t bytes : {1U, 27U, 28U, 29U, 1000U, 9999U, 10'000U}) {
    CAPTURE(bytes);
    in.clear();
    const auto result =
        loop(on.ring, make_send(out.data().first(bytes), 0),
             make_recv(in.data().subspan(begin, most), 0, PINRING_SQE_MAY_BE_SHORT));
    REQUIRE(outcome_of(result.received) == success);
    CHECK(result.received.bytes == bytes);
    CHECK(result.received.flags == (PINRING_CQE_BOUNCED | (bytes < most ? PINRING_CQE_SHORT : 0U)));
    CHECK(same_bytes(in.data().subspan(begin, bytes), out.data().first(bytes)));
    CHECK(blank(in.data().first(begin)));
    CHECK(blank(in.data().subspan(begin + bytes)));
  }
  CHECK(on.watch.news() == "");
}

TEST_CASE("A promise that is broken in the middle of a receive off lines harms nobody") {
  noncoherent on;
  const guarded_memory out(1000, 0);
  const guarded_memory in(piece, 0);
  fill_pattern(out.data(), 5);
  auto recv = make_recv(in.data().subspan(100, 10'000), 1);
  recv.deadline_ns = std::chrono::nanoseconds(300ms).count();
  on.ring.push(recv).push(make_send(out.data(), 2));
  REQUIRE(on.ring.submit().submitted == 2);
  const auto cqes = on.ring.wait(2);
  const auto received = outcome_of(completion_of(cqes, 1));
  CHECK((received == outcome{EBADMSG} || received == outcome{ETIMEDOUT}));
  CHECK(blank(in.data().first(100)));
  CHECK(blank(in.data().subspan(10'100)));
  CHECK_NOTHROW(prove_usable(on.ring));
  CHECK(on.watch.news() == "");
}

TEST_CASE("The longest packet of the most scattered memory fits the BDs with both its edges") {
  noncoherent on;
  const auto chunk = on.ring.info().chunk;
  const scattered_pages out(chunk, page_bytes() - 1);
  const scattered_pages in(chunk, 1);
  fill_pattern(out.data(), 6);
  const auto before = on.model.read("bds_recv");
  REQUIRE(loop(on.ring, out.data(), in.data()).moved(chunk));
  CHECK(pattern_mismatch(in.data(), 6) == std::nullopt);
  CHECK(on.model.read("bds_recv") - before > on.ring.info().recv_bds / 2);

  const scattered_pages longer(3 * chunk + 77, 50);
  const scattered_pages back(3 * chunk + 77, 51);
  fill_pattern(longer.data(), 7);
  REQUIRE(loop(on.ring, longer.data(), back.data(), PINRING_SQE_SPLIT).moved(longer.size()));
  CHECK(pattern_mismatch(back.data(), 7) == std::nullopt);
  CHECK(on.watch.news() == "");
}

TEST_CASE("The channel works at the end of all this") {
  CHECK_NOTHROW(prove_usable("noncoh0"));
}
