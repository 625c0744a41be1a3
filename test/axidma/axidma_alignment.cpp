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
  const board align8("align8");
  const violations watch("align8");
  const guarded_memory memory(3 * page_bytes(), 0);
  const auto base = memory.address();
  const auto before = align8.read("bds_send") + align8.read("bds_recv");

  for (std::uint64_t off = 1; off < 8; ++off) {
    CAPTURE(off);
    const auto part = memory.data().subspan(off, 64);
    CHECK(outcome_of(ring.run(make_send(part, 1))) == outcome{EINVAL});
    CHECK(outcome_of(ring.run(make_recv(part, 2))) == outcome{EINVAL});
    // A piece that is not the last has to end on the alignment as well.
    const pinring_iovec pieces[] = {{base, 64 + off}, {base + 128, 64}};
    CHECK(outcome_of(ring.run(make_iovec(PINRING_OP_SEND, pieces, 3))) == outcome{EINVAL});
    CHECK(outcome_of(ring.run(make_iovec(PINRING_OP_RECV, pieces, 4))) == outcome{EINVAL});
  }
  CHECK(align8.read("bds_send") + align8.read("bds_recv") == before);
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
    REQUIRE(loop(ring, out.data(), in.data(), bytes > chunk ? PINRING_SQE_SPLIT : 0).moved(bytes));
    CHECK(pattern_mismatch(in.data(), bytes) == std::nullopt);
    CHECK(in.guards_intact());
  }
  CHECK(watch.news() == "");
}

TEST_CASE("The channel works at the end of all this") {
  CHECK_NOTHROW(prove_usable("align8"));
}
