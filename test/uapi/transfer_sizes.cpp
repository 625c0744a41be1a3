// SPDX-License-Identifier: MIT
//
// Every length and every offset: what was sent is what arrives, and not a byte beside it is
// touched.
#include "catch.hpp"

#include <cstddef>
#include <vector>

#include "support/board.hpp"
#include "support/guarded_memory.hpp"
#include "support/loop.hpp"
#include "support/needs.hpp"
#include "support/pace.hpp"
#include "support/pattern.hpp"
#include "support/raw_ring.hpp"

using namespace support;

namespace {

const auto needed = support::needs{{"loop0", "align8", "tiny0"}}.switches();

constexpr std::size_t KiB = 1024;
constexpr std::size_t MiB = 1024 * KiB;

/// There and back through the loopback, from and to memory at these offsets within a page.
void check_trip(raw_ring& ring, std::size_t bytes, std::size_t from, std::size_t to,
                std::uint32_t flags = 0) {
  CAPTURE(bytes, from, to);
  const guarded_memory out(bytes, from);
  const guarded_memory in(bytes, to);
  fill_pattern(out.data(), bytes);

  const auto result = loop(ring, out.data(), in.data(), flags);
  REQUIRE(outcome_of(result.sent) == success);
  REQUIRE(outcome_of(result.received) == success);
  CHECK(result.sent.bytes == bytes);
  CHECK(result.received.bytes == bytes);
  CHECK(result.sent.flags == 0);
  CHECK(result.received.flags == 0);
  CHECK(result.sent.provider_result == PINRING_PROVIDER_OK);
  CHECK(result.received.provider_result == PINRING_PROVIDER_OK);
  CHECK(same_bytes(in.data(), out.data()));
  CHECK(in.guards_intact());
  // The send's own memory is only read.
  CHECK(pattern_mismatch(out.data(), bytes) == std::nullopt);
  CHECK(out.guards_intact());
}

std::uint64_t packets_for(std::uint64_t bytes, std::uint64_t chunk) {
  return (bytes + chunk - 1) / chunk;
}

} // namespace

TEST_CASE("Packets of every small length arrive whole") {
  raw_ring ring("loop0");
  for (std::size_t bytes = 1; bytes <= 130; ++bytes)
    check_trip(ring, bytes, odd_offset, odd_offset + 1);
}

TEST_CASE("Packets around a page's length arrive whole, wherever in a page they begin") {
  raw_ring ring("loop0");
  const auto page = page_bytes();

  for (const auto bytes : {page - 1, page, page + 1, 2 * page - 1, 2 * page, 2 * page + 1})
    for (const auto from : {std::size_t{0}, std::size_t{1}, odd_offset, page - 1})
      for (const auto to : {std::size_t{0}, std::size_t{3}, page - 1})
        check_trip(ring, bytes, from, to);
}

TEST_CASE("Packets around a segment's length and the FIFO's depth arrive whole") {
  raw_ring ring("loop0");
  for (const auto bytes : {64 * KiB - 1, 64 * KiB, 64 * KiB + 1, 128 * KiB + 5, 500 * KiB + 1})
    check_trip(ring, bytes, odd_offset, 1);
}

TEST_CASE("The longest packet arrives whole from the worst offset") {
  const auto* const device = GENERATE("loop0", "tiny0");
  CAPTURE(device);
  raw_ring ring(device);
  const auto chunk = ring.info().chunk;

  for (const auto bytes : {chunk - 1, chunk})
    for (const auto offset : {std::size_t{0}, std::size_t{1}, page_bytes() - 1})
      check_trip(ring, bytes, offset, page_bytes() - 1 - offset);
}

TEST_CASE("A split job around the chunk's length arrives whole") {
  const auto* const device = GENERATE("loop0", "tiny0");
  CAPTURE(device);
  raw_ring ring(device);
  const auto chunk = ring.info().chunk;

  for (const auto bytes : {__u64{1}, chunk - 1, chunk, chunk + 1, 2 * chunk - 1, 2 * chunk,
                           2 * chunk + 1, 5 * chunk + 7})
    check_trip(ring, bytes, odd_offset, page_bytes() - 1, PINRING_SQE_SPLIT);
}

TEST_CASE("A split job is as many packets as its length says, however its memory lies") {
  raw_ring ring("loop0");
  const board loop0("loop0");
  const auto chunk = ring.info().chunk;
  const auto bytes = GENERATE_COPY(chunk - 1, chunk, chunk + 1, 3 * chunk + 1);
  const auto before = loop0.read("sent_packets");

  check_trip(ring, bytes, odd_offset, 1, PINRING_SQE_SPLIT);
  CHECK(loop0.read("sent_packets") - before == packets_for(bytes, chunk));
}

TEST_CASE("Jobs of odd megabytes arrive whole, both directions as one SQE each") {
  raw_ring ring("loop0");
  for (const auto bytes : {MiB + 1, 3 * MiB + 17, paced(36) * MiB - 1})
    check_trip(ring, bytes, odd_offset, page_bytes() - 3, PINRING_SQE_SPLIT);
}

TEST_CASE("Many megabytes arrive whole under a memlock limit of 8 MiB") {
  raw_ring ring("loop0");
  check_trip(ring, paced(64) * MiB, odd_offset, 1, PINRING_SQE_SPLIT);
}

TEST_CASE("A device that wants its addresses aligned gets every length") {
  raw_ring ring("align8");
  for (const auto bytes :
       {std::size_t{1}, std::size_t{7}, std::size_t{8}, page_bytes() + 1, 100 * KiB + 3})
    check_trip(ring, bytes, 8, page_bytes() - 8);
  check_trip(ring, 3 * MiB + 5, 64, page_bytes() - 8, PINRING_SQE_SPLIT);
}

TEST_CASE("The chunk of a device that wants its addresses aligned keeps them aligned") {
  CHECK(info_of("align8").chunk % info_of("align8").send_align == 0);
}

TEST_CASE("A split job and a list of packets mean the same on the stream") {
  raw_ring ring("loop0");
  const auto chunk = ring.info().chunk;
  const auto bytes = 2 * chunk + 100;
  const guarded_memory out(bytes);
  const guarded_memory in(bytes);
  fill_pattern(out.data(), 77);

  ring.push(make_recv(in.data().subspan(0, chunk), 1));
  ring.push(make_recv(in.data().subspan(chunk, chunk), 2));
  ring.push(make_recv(in.data().subspan(2 * chunk), 3));
  ring.push(make_send(out.data(), 4, PINRING_SQE_SPLIT));
  REQUIRE(ring.submit().submitted == 4);
  for (const auto& cqe : ring.wait(4))
    CHECK(outcome_of(cqe) == success);
  CHECK(pattern_mismatch(in.data(), 77) == std::nullopt);
}

TEST_CASE("A FIFO of one byte only makes it slow") {
  raw_ring ring("loop0");
  board loop0("loop0");
  loop0.fifo_bytes(1);

  check_trip(ring, 2000, odd_offset, 1);
}

TEST_CASE("A limited rate only makes it slow") {
  raw_ring ring("loop0");
  board loop0("loop0");
  loop0.rate_bytes_per_s(4 * MiB);

  check_trip(ring, 300 * KiB + 1, odd_offset, 1);
}

TEST_CASE("The channel works at the end of all this") {
  CHECK_NOTHROW(prove_usable("loop0"));
  CHECK_NOTHROW(prove_usable("align8"));
  CHECK_NOTHROW(prove_usable("tiny0"));
}
