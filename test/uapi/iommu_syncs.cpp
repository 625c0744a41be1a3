// SPDX-License-Identifier: MIT
//
// Behind an IOMMU pages that lie apart are one piece for the device, but not for the CPU's caches:
// the kernel's sync of such a piece takes the memory behind its first byte for all of it. Here are
// the cases of memory_syncs that need more than a page, on a board of that kind.
#include "catch.hpp"

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "support/board.hpp"
#include "support/guarded_memory.hpp"
#include "support/loop.hpp"
#include "support/needs.hpp"
#include "support/pattern.hpp"
#include "support/raw_ring.hpp"
#include "support/scattered_pages.hpp"

using namespace support;

namespace {

const auto needed = support::needs{{"iommu0"}}.switches().root();

constexpr std::size_t pages = 64;

struct place {
  std::size_t offset;
  std::size_t bytes;
};

/// Parts of a buffer of that many pages: most begin and end anywhere, and reach over several of
/// the IOMMU's pieces.
std::vector<place> places() {
  const auto page = page_bytes();
  return {{0, pages * page},
          {0, page / 2},
          {1, page},
          {3 * page - 10, 20},
          {page + 100, 7 * page},
          {17 * page - 1, 33 * page + 333},
          {60 * page, 4 * page},
          {pages * page - 100, 100}};
}

scattered_pages scattered(std::size_t offset = 137) {
  return scattered_pages(pages * page_bytes(), offset);
}

void fill(std::span<std::byte> bytes, std::byte value) {
  std::ranges::fill(bytes, value);
}

bool all_are(std::span<const std::byte> bytes, std::byte value) {
  return std::ranges::all_of(bytes, [&](std::byte b) { return b == value; });
}

} // namespace

TEST_CASE("An IOMMU makes few pieces of many pages, and a job takes a BD for each") {
  raw_ring ring("iommu0");
  const board behind("iommu0");
  const auto in = scattered();
  const auto out = scattered();
  const bool registered = GENERATE(false, true);
  CAPTURE(registered);
  // Without that nothing here shows what it is to show.
  REQUIRE(in.pieces() > pages / 2);
  REQUIRE(out.pieces() > pages / 2);

  ring.register_at(0, in.data(), PINRING_DIR_RECV);
  ring.push(registered ? make_registered(PINRING_OP_RECV, 0, 0, in.size(), 1)
                       : make_recv(in.data(), 1));
  REQUIRE(ring.submit().submitted == 1);
  REQUIRE(wait_until([&] { return behind.bds_in_use_recv() > 0; }));
  // Of 64 KiB each; both ends are staged.
  CHECK(behind.bds_in_use_recv() <= in.size() / (64U << 10) + 3);

  ring.push(make_send(out.data(), 2));
  REQUIRE(ring.submit().submitted == 1);
  CHECK(outcome_of(completion_of(ring.wait(2), 1)) == success);
}

TEST_CASE("Scattered memory comes back as it was written just before, however often") {
  raw_ring ring("iommu0");
  const auto out = scattered();
  const auto in = scattered(0);

  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    fill_pattern(out.data(), seed);
    fill(in.data(), std::byte{0xEE});
    REQUIRE(loop(ring, out.data(), in.data()).moved(out.size()));
    CHECK(pattern_mismatch(in.data(), seed) == std::nullopt);
  }
}

TEST_CASE("A list of pieces of scattered memory comes back as it was written") {
  raw_ring ring("iommu0");
  const auto page = page_bytes();
  const auto out = scattered();
  const auto in = scattered(0);
  std::vector<pinring_iovec> sent;
  std::vector<pinring_iovec> received;
  for (std::size_t at = 0; at + 5 * page <= out.size(); at += 7 * page) {
    sent.push_back(make_piece(out.data().subspan(at, 5 * page - 11)));
    received.push_back(make_piece(in.data().subspan(at, 5 * page - 11)));
  }
  fill_pattern(out.data(), 7);
  fill(in.data(), std::byte{0xEE});

  const auto result =
      loop(ring, make_iovec(PINRING_OP_SEND, sent, 0), make_iovec(PINRING_OP_RECV, received, 0));
  REQUIRE(result.moved(sent.size() * (5 * page - 11)));
  for (std::size_t at = 0; at + 5 * page <= out.size(); at += 7 * page) {
    CAPTURE(at);
    CHECK(same_bytes(in.data().subspan(at, 5 * page - 11), out.data().subspan(at, 5 * page - 11)));
  }
}

TEST_CASE("What is sent of a scattered buffer is what is there now") {
  raw_ring ring("iommu0");
  const auto out = scattered();
  const guarded_memory in(out.size(), 0);
  ring.register_at(0, out.data(), PINRING_DIR_SEND);

  std::uint64_t seed = 0;
  for (const auto& [offset, bytes] : places()) {
    CAPTURE(offset, bytes);
    fill_pattern(out.data().subspan(offset, bytes), ++seed);
    in.clear();
    const auto there = in.data().first(bytes);
    REQUIRE(loop(ring, make_registered(PINRING_OP_SEND, 0, offset, bytes, 0), make_recv(there, 0))
                .moved(bytes));
    CHECK(pattern_mismatch(there, seed) == std::nullopt);
  }
}

TEST_CASE("What is received into a scattered buffer is there, and the rest is the program's") {
  raw_ring ring("iommu0");
  const board behind("iommu0");
  const auto in = scattered();
  const guarded_memory out(in.size(), 0);
  ring.register_at(0, in.data(), PINRING_DIR_RECV);

  std::uint64_t seed = 0;
  for (const auto& [offset, bytes] : places()) {
    CAPTURE(offset, bytes);
    const auto packet = out.data().first(bytes);
    const auto front = in.data().first(offset);
    const auto back = in.data().subspan(offset + bytes);
    fill_pattern(packet, ++seed);
    fill(in.data(), std::byte{0x11});

    ring.push(make_registered(PINRING_OP_RECV, 0, offset, bytes, 1));
    REQUIRE(ring.submit().submitted == 1);
    REQUIRE(wait_until([&] { return behind.bds_in_use_recv() > 0; }));
    fill(front, std::byte{0x22});
    fill(back, std::byte{0x33});
    ring.push(make_send(packet, 2));
    REQUIRE(ring.submit().submitted == 1);
    REQUIRE(outcome_of(completion_of(ring.wait(2), 1)) == success);

    CHECK(pattern_mismatch(in.data().subspan(offset, bytes), seed) == std::nullopt);
    CHECK(all_are(front, std::byte{0x22}));
    CHECK(all_are(back, std::byte{0x33}));
  }
}

TEST_CASE("Behind the end of a short packet a scattered buffer is as it was") {
  raw_ring ring("iommu0");
  const auto page = page_bytes();
  const auto in = scattered(0);
  const guarded_memory out(in.size(), 0);
  ring.register_at(0, in.data(), PINRING_DIR_RECV);

  for (const std::size_t bytes : {std::size_t{1}, page + 1, 16 * page, 40 * page + 99}) {
    CAPTURE(bytes);
    const auto packet = out.data().first(bytes);
    fill_pattern(packet, bytes);
    fill(in.data(), std::byte{0x44});
    REQUIRE(loop(ring, make_send(packet, 0),
                 make_registered(PINRING_OP_RECV, 0, 0, in.size(), 0, PINRING_SQE_MAY_BE_SHORT))
                .moved(bytes));
    CHECK(pattern_mismatch(in.data().first(bytes), bytes) == std::nullopt);
    CHECK(all_are(in.data().subspan(bytes), std::byte{0x44}));
  }
}

TEST_CASE("What came into a scattered buffer of both directions is changed and sent on") {
  raw_ring ring("iommu0");
  const auto memory = scattered(0);
  const auto half = memory.size() / 2;
  const auto first = memory.data().first(half);
  const auto second = memory.data().last(half);
  ring.register_at(0, memory.data());

  fill_pattern(first, 1);
  REQUIRE(loop(ring, make_registered(PINRING_OP_SEND, 0, 0, half, 0),
               make_registered(PINRING_OP_RECV, 0, half, half, 0))
              .moved(half));
  REQUIRE(pattern_mismatch(second, 1) == std::nullopt);

  fill_pattern(second.subspan(half / 3, half / 2), 2);
  REQUIRE(loop(ring, make_registered(PINRING_OP_SEND, 0, half, half, 0),
               make_registered(PINRING_OP_RECV, 0, 0, half, 0))
              .moved(half));
  CHECK(same_bytes(first, second));
  CHECK(pattern_mismatch(first.subspan(half / 3, half / 2), 2) == std::nullopt);
}

TEST_CASE("The channel works at the end of all this") {
  CHECK_NOTHROW(prove_usable("iommu0"));
}
