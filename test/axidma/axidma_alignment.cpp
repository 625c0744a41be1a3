// SPDX-License-Identifier: MIT
//
// Trap 10: xilinx_dma hands any address to an engine that can't take it.
#include "catch.hpp"

#include <vector>

#include "raw_client.hpp"
#include "support/board.hpp"
#include "support/guarded_memory.hpp"
#include "support/loop.hpp"
#include "support/needs.hpp"
#include "support/pattern.hpp"
#include "violations.hpp"

using namespace support;

namespace {

// align8 has no data realignment engine, and a data width of 64 bits.
const auto needed = support::needs{{"align8", "loop0"}}.model().module(raw_client::module).root();

} // namespace

TEST_CASE("xilinx_dma hands an unaligned address to an engine without DRE") {
  const raw_client raw("align8");
  const board align8("align8");
  const violations watch("align8");
  const auto before = align8.read("bds_send");
  REQUIRE(raw.prep_send(1, 64, 64, 1) == success);
  raw.issue_send();

  REQUIRE(wait_until([&] { return align8.read("bds_send") > before; }));
  CHECK(wait_until([&] { return watch.of("v_unaligned_no_dre") == 1; }));
}

TEST_CASE("INFO says the alignment of an engine without DRE, and none of one with it") {
  const auto align8 = info_of("align8");
  CHECK(align8.send_align == 8);
  CHECK(align8.recv_align == 8);
  CHECK(align8.max_bd_bytes % 8 == 0); // or the second BD of a long piece would break it
  CHECK(align8.chunk % 8 == 0);
  CHECK(info_of("loop0").send_align == 1);
  CHECK(info_of("loop0").recv_align == 1);
}

TEST_CASE("No address and no length that breaks the alignment reaches the engine") {
  raw_ring ring("align8");
  board align8("align8");
  align8.enforce_grants();
  const violations watch("align8");
  const guarded_memory from(3 * page_bytes(), 0);
  const guarded_memory to(3 * page_bytes(), 0);
  const auto out = from.address();
  const auto in = to.address();
  fill_pattern(from.data(), 1);

  for (std::uint64_t off = 1; off < 8; ++off) {
    CAPTURE(off);
    to.clear();
    const auto one = loop(ring, make_send(from.data().subspan(off, 64), 1),
                          make_recv(to.data().subspan(8 - off, 64), 2));
    REQUIRE(one.moved(64));
    CHECK(one.sent.flags == PINRING_CQE_BOUNCED);
    CHECK(one.received.flags == PINRING_CQE_BOUNCED);
    CHECK(same_bytes(to.data().subspan(8 - off, 64), from.data().subspan(off, 64)));
    CHECK(to.data()[8 - off - 1] == std::byte{0xEE});
    CHECK(to.data()[8 - off + 64] == std::byte{0xEE});

    // A piece that is not the last has to end on the alignment as well.
    const pinring_iovec out_pieces[] = {{out, 64 + off}, {out + 128, 64}};
    const pinring_iovec in_pieces[] = {{in, 64}, {in + 1000, 64 + off}};
    const auto list = loop(ring, make_iovec(PINRING_OP_SEND, out_pieces, 3),
                           make_iovec(PINRING_OP_RECV, in_pieces, 4));
    REQUIRE(list.moved(128 + off));
    CHECK(list.sent.flags == PINRING_CQE_BOUNCED);
    CHECK(list.received.flags == 0);
  }
  CHECK(watch.news() == "");
}

TEST_CASE("Aligned memory of any length travels, in one packet and in many") {
  raw_ring ring("align8");
  const violations watch("align8");
  const std::size_t chunk = ring.info().chunk;
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{7}, std::size_t{4097},
                                  std::size_t{70'001}, chunk, 2 * chunk + 3}) {
    CAPTURE(bytes);
    const guarded_memory out(bytes, 8);
    const guarded_memory in(bytes, page_bytes() - 8);
    fill_pattern(out.data(), bytes);
    const auto flags = PINRING_SQE_ZERO_COPY | (bytes > chunk ? PINRING_SQE_SPLIT : 0);
    REQUIRE(loop(ring, out.data(), in.data(), flags).moved(bytes));
    CHECK(pattern_mismatch(in.data(), bytes) == std::nullopt);
    CHECK(in.guards_intact());
  }
  CHECK(watch.news() == "");
}

TEST_CASE("A promise that is broken frees no copy under DMA, and the packet after it is intact") {
  raw_ring ring("align8");
  board align8("align8");
  align8.enforce_grants();
  const violations watch("align8");
  const guarded_memory out(1000, 0);
  const guarded_memory in(100'000, 1); // several BDs of the copy
  fill_pattern(out.data(), 6);
  for (int round = 0; round < 3; ++round) {
    CAPTURE(round);
    in.clear();
    auto recv = make_recv(in.data(), 1);
    recv.deadline_ns = std::chrono::nanoseconds(300ms).count();
    ring.push(recv).push(make_send(out.data(), 2));
    REQUIRE(ring.submit().submitted == 2);
    const auto cqes = ring.wait(2);
    const auto received = completion_of(cqes, 1);
    if (kernel_at_least(6, 12)) {
      CHECK(outcome_of(received) == outcome{ETIMEDOUT});
    } else {
      CHECK(outcome_of(received) == outcome{EBADMSG});
      CHECK(received.bytes == 1000);
      CHECK(received.flags == (PINRING_CQE_SHORT | PINRING_CQE_BOUNCED));
      CHECK(pattern_mismatch(in.data().first(1000), 6) == std::nullopt);
    }
    for (const auto b : in.data().subspan(1000))
      REQUIRE(b == std::byte{0xEE});
    CHECK_NOTHROW(prove_usable(ring));
  }
  CHECK(watch.news() == "");
}

TEST_CASE("The channel works at the end of all this") {
  CHECK_NOTHROW(prove_usable("align8"));
}
