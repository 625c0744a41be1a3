// SPDX-License-Identifier: MIT
//
// Traps 14 and 15: how long a BD may be, and whose mapping it is in.
#include "catch.hpp"

#include "support/board.hpp"
#include "support/guarded_memory.hpp"
#include "support/loop.hpp"
#include "support/needs.hpp"
#include "support/pattern.hpp"
#include "support/scattered_pages.hpp"
#include "violations.hpp"

using namespace support;

namespace {

const auto needed = support::needs{{"loop0", "tiny0"}}.model();

} // namespace

TEST_CASE("A huge page is one BD where the length field is wide enough, and not one per 64 KiB") {
  if (!guarded_memory::hugetlb_available(2 * huge_page_bytes))
    return skip("no huge pages are set aside (vm.nr_hugepages)");
  raw_ring ring("loop0");
  const board loop0("loop0");
  const violations watch("loop0");
  const auto bytes = huge_page_bytes - guarded_memory::guard_bytes;
  const guarded_memory out(bytes, 0, memory_kind::hugetlb);
  const guarded_memory in(bytes, 0, memory_kind::hugetlb);
  fill_pattern(out.data(), 1);

  SECTION("registered") {
    ring.register_at(0, out.data(), PINRING_DIR_SEND);
    ring.register_at(1, in.data(), PINRING_DIR_RECV);
    const auto sent = loop0.read("bds_send");
    const auto received = loop0.read("bds_recv");
    REQUIRE(loop(ring, make_registered(PINRING_OP_SEND, 0, 0, bytes, 0),
                 make_registered(PINRING_OP_RECV, 1, 0, bytes, 0))
                .moved(bytes));
    CHECK(loop0.read("bds_send") - sent == 1);
    CHECK(loop0.read("bds_recv") - received == 1);
  }
  SECTION("one-shot, split into chunks") {
    const auto chunk = ring.info().chunk;
    const auto sent = loop0.read("bds_send");
    REQUIRE(loop(ring, out.data(), in.data(), PINRING_SQE_SPLIT).moved(bytes));
    CHECK(loop0.read("bds_send") - sent == (bytes + chunk - 1) / chunk);
  }
  CHECK(pattern_mismatch(in.data(), 1) == std::nullopt);
  CHECK(watch.news() == "");
}

TEST_CASE("Where the length field is narrow, a long piece is as many BDs as it has to be") {
  if (!guarded_memory::hugetlb_available(2 * huge_page_bytes))
    return skip("no huge pages are set aside (vm.nr_hugepages)");
  raw_ring ring("tiny0");
  const board tiny0("tiny0");
  const violations watch("tiny0");
  constexpr std::size_t bytes = 1'000'000;
  const auto longest = ring.info().max_bd_bytes;
  REQUIRE(longest == (1U << 14) - 1);
  const guarded_memory out(bytes, 0, memory_kind::hugetlb);
  const guarded_memory in(bytes, 0, memory_kind::hugetlb);
  fill_pattern(out.data(), 2);
  const auto sent = tiny0.read("bds_send");
  const auto budget = driver_counter("tiny0", "send/bds");

  REQUIRE(loop(ring, out.data(), in.data()).moved(bytes));
  const auto taken = tiny0.read("bds_send") - sent;
  CHECK(taken >= (bytes + longest - 1) / longest);
  // At worst each piece that the mapping makes ends in a short BD.
  CHECK(taken <= 2 * ((bytes + longest - 1) / longest));
  CHECK(driver_counter("tiny0", "send/bds") - budget == taken);
  CHECK(pattern_mismatch(in.data(), 2) == std::nullopt);
  CHECK(watch.news() == "");
}

TEST_CASE(
    "What is mapped is what the engine is let at: each direction's memory, by its own engine") {
  raw_ring ring("loop0");
  board loop0("loop0");
  loop0.enforce_grants();
  const violations watch("loop0");
  const scattered_pages out(300'000);
  const scattered_pages in(300'000);
  const auto granted = loop0.read("granted");

  ring.register_at(0, out.data(), PINRING_DIR_SEND);
  CHECK(loop0.read("granted") > granted);
  REQUIRE(loop(ring, make_registered(PINRING_OP_SEND, 0, 0, 300'000, 0), make_recv(in.data(), 0))
              .moved(300'000));
  REQUIRE(ring.remove_at(0, PINRING_BUFFER_WAIT, patience) == success);
  CHECK(wait_until([&] { return loop0.read("granted") == granted; }));
  CHECK(watch.news() == "");
}

TEST_CASE("The channel works at the end of all this") {
  CHECK_NOTHROW(prove_usable("loop0"));
  CHECK_NOTHROW(prove_usable("tiny0"));
}
