// SPDX-License-Identifier: MIT
//
// What the hardware can't take as it is goes by way of a copy, and says so: addresses without a
// data realignment engine (align8), lists of more pieces than there are BDs.
#include "catch.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "support/board.hpp"
#include "support/guarded_memory.hpp"
#include "support/loop.hpp"
#include "support/needs.hpp"
#include "support/pattern.hpp"
#include "support/raw_ring.hpp"

using namespace support;

namespace {

const auto needed = support::needs{{"align8", "loop0", "tiny0"}}.switches().ordinary_user();

constexpr std::size_t MiB = 1U << 20;

/// Pieces of these lengths in turn, of odd bounds, with room between them.
std::vector<pinring_iovec> odd_pieces(std::span<const std::byte> bytes, std::size_t n,
                                      std::span<const std::size_t> lengths) {
  std::vector<pinring_iovec> list;
  for (std::size_t at = 1; list.size() < n; at += lengths[(list.size() - 1) % lengths.size()] + 62)
    list.push_back(make_piece(bytes.subspan(at, lengths[list.size() % lengths.size()])));
  return list;
}

std::size_t length_of(std::span<const pinring_iovec> list) {
  std::size_t sum = 0;
  for (const auto& piece : list)
    sum += piece.len;
  return sum;
}

/// Whether these bytes are in the pieces, one after the other.
bool holds(std::span<const pinring_iovec> list, std::span<const std::byte> bytes) {
  for (const auto& piece : list) {
    const std::span part(reinterpret_cast<const std::byte*>(piece.addr), piece.len);
    if (!same_bytes(part, bytes.first(part.size())))
      return false;
    bytes = bytes.subspan(part.size());
  }
  return true;
}

/// Whether nothing but the pieces was written.
bool rest_is_blank(std::span<const std::byte> memory, std::span<const pinring_iovec> list) {
  auto at = reinterpret_cast<std::uint64_t>(memory.data());
  const auto blank = [](std::uint64_t from, std::uint64_t to) {
    return std::all_of(reinterpret_cast<const std::byte*>(from),
                       reinterpret_cast<const std::byte*>(to),
                       [](std::byte b) { return b == std::byte{0xEE}; });
  };
  for (const auto& piece : list) {
    if (!blank(at, piece.addr))
      return false;
    at = piece.addr + piece.len;
  }
  return blank(at, reinterpret_cast<std::uint64_t>(memory.data()) + memory.size());
}

constexpr std::uint32_t bounced = PINRING_CQE_BOUNCED;

} // namespace

TEST_CASE("INFO says that memory is bounced and lists are gathered") {
  const auto features = info_of("align8").features;
  CHECK((features & PINRING_FEAT_BOUNCE) != 0);
  CHECK((features & PINRING_FEAT_GATHER) != 0);
}

// ---------------------------------------------------------------------------- no realignment

TEST_CASE("Without a realignment engine memory at any address travels, and says it was copied") {
  raw_ring ring("align8");
  const std::size_t chunk = ring.info().chunk;
  const auto out_off = GENERATE(std::size_t{1}, std::size_t{4}, std::size_t{7});
  const auto in_off = GENERATE(std::size_t{2}, std::size_t{3}, std::size_t{5});
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{7}, std::size_t{64},
                                  std::size_t{4095}, std::size_t{32'769}, chunk}) {
    CAPTURE(bytes, out_off, in_off);
    const guarded_memory out(bytes, 64 + out_off);
    const guarded_memory in(bytes, page_bytes() - 8 + in_off);
    fill_pattern(out.data(), bytes);
    const auto result = loop(ring, out.data(), in.data());
    REQUIRE(result.moved(bytes));
    CHECK(result.sent.flags == bounced);
    CHECK(result.received.flags == bounced);
    CHECK(pattern_mismatch(in.data(), bytes) == std::nullopt);
    CHECK(in.guards_intact());
  }
}

TEST_CASE("Only the side that is not aligned is copied") {
  raw_ring ring("align8");
  const guarded_memory aligned(5000, 8);
  const guarded_memory odd(5000, 9);

  const auto send = loop(ring, odd.data(), aligned.data());
  REQUIRE(send.moved(5000));
  CHECK(send.sent.flags == bounced);
  CHECK(send.received.flags == 0);
  const auto recv = loop(ring, aligned.data(), odd.data());
  REQUIRE(recv.moved(5000));
  CHECK(recv.sent.flags == 0);
  CHECK(recv.received.flags == bounced);
}

TEST_CASE("A split job of many chunks travels from one odd address to another under 8 MiB") {
  raw_ring ring("align8");
  const std::size_t bytes = 8 * MiB + 3;
  const guarded_memory out(bytes, 5);
  const guarded_memory in(bytes, 11);
  fill_pattern(out.data(), 1);
  const auto copied = driver_counter("align8", "send/bounced");

  const auto result = loop(ring, out.data(), in.data(), PINRING_SQE_SPLIT);
  REQUIRE(result.moved(bytes));
  CHECK(result.sent.flags == bounced);
  CHECK(result.received.flags == bounced);
  CHECK(pattern_mismatch(in.data(), 1) == std::nullopt);
  CHECK(in.guards_intact());
  CHECK(driver_counter("align8", "send/bounced") == copied + bytes);
}

TEST_CASE("A list is copied when a piece that is not the last ends where the engine can't go on") {
  raw_ring ring("align8");
  const guarded_memory out(30'000, 0);
  const guarded_memory in(30'000, 0);
  fill_pattern(out.data(), 2);
  constexpr std::array<std::size_t, 3> lengths{1, 3, 4095};
  for (const auto n : {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{17}}) {
    CAPTURE(n);
    in.clear();
    const auto list = odd_pieces(in.data(), n, lengths);
    const auto bytes = length_of(list);
    const auto result =
        loop(ring, make_send(out.data().first(bytes), 0), make_iovec(PINRING_OP_RECV, list, 0));
    REQUIRE(result.moved(bytes));
    CHECK(result.sent.flags == 0);
    CHECK(result.received.flags == bounced);
    CHECK(holds(list, out.data().first(bytes)));
    CHECK(rest_is_blank(in.data(), list));

    // And back, from the pieces.
    const guarded_memory back(bytes, 0);
    const auto again = loop(ring, make_iovec(PINRING_OP_SEND, list, 0), make_recv(back.data(), 0));
    REQUIRE(again.moved(bytes));
    CHECK(again.sent.flags == bounced);
    CHECK(same_bytes(back.data(), out.data().first(bytes)));
  }
}

TEST_CASE("A registered buffer is copied where its offset is not aligned, and only there") {
  raw_ring ring("align8");
  const guarded_memory out(3 * page_bytes(), 0);
  const guarded_memory in(3 * page_bytes(), 0);
  fill_pattern(out.data(), 3);
  ring.register_at(0, out.data());
  ring.register_at(1, in.data());
  for (const auto offset : {std::size_t{0}, std::size_t{1}, std::size_t{8}, std::size_t{4093}}) {
    CAPTURE(offset);
    in.clear();
    const auto result = loop(ring, make_registered(PINRING_OP_SEND, 0, offset, 7000, 0),
                             make_registered(PINRING_OP_RECV, 1, offset + 8, 7000, 0));
    REQUIRE(result.moved(7000));
    CHECK(result.sent.flags == (offset % 8 ? bounced : 0));
    CHECK(result.received.flags == (offset % 8 ? bounced : 0));
    CHECK(same_bytes(in.data().subspan(offset + 8, 7000), out.data().subspan(offset, 7000)));
    CHECK(in.data()[offset + 7] == std::byte{0xEE});
    CHECK(in.data()[offset + 7008] == std::byte{0xEE});
  }
}

TEST_CASE("A copy is no longer than a chunk: what is longer is split or EMSGSIZE") {
  raw_ring ring("align8");
  const auto bytes = ring.info().chunk + 8;
  const guarded_memory out(bytes + 8, 0);
  const guarded_memory in(bytes);
  fill_pattern(out.data(), 4);
  ring.register_at(0, out.data());

  CHECK(outcome_of(ring.run(make_registered(PINRING_OP_SEND, 0, 1, bytes, 0))) ==
        outcome{EMSGSIZE});
  REQUIRE(loop(ring, make_registered(PINRING_OP_SEND, 0, 1, bytes, 0, PINRING_SQE_SPLIT),
               make_recv(in.data(), 0, PINRING_SQE_SPLIT))
              .moved(bytes));
  CHECK(same_bytes(in.data(), out.data().subspan(1, bytes)));
}

TEST_CASE("More jobs than may be copied at a time take turns, on a registered buffer too") {
  raw_ring ring("align8");
  board align8("align8");
  const std::size_t bytes = std::min<std::size_t>(ring.info().chunk, 500'000);
  constexpr std::size_t n = 10;
  const guarded_memory out(bytes + n, 0);
  fill_pattern(out.data(), 5);
  ring.register_at(0, out.data());
  std::vector<guarded_memory> in;
  align8.hold();
  for (std::uint64_t i = 0; i < n; ++i)
    ring.push(make_registered(PINRING_OP_SEND, 0, 1 + i % 7, bytes, 100 + i))
        .push(make_recv(in.emplace_back(bytes, 1).data(), i));
  REQUIRE(ring.submit().submitted == 2 * n);
  align8.hold(false);

  const auto cqes = ring.wait(2 * n);
  for (std::uint64_t i = 0; i < n; ++i) {
    CAPTURE(i);
    CHECK(outcome_of(completion_of(cqes, 100 + i)) == success);
    REQUIRE(outcome_of(completion_of(cqes, i)) == success);
    CHECK(same_bytes(in[i].data(), out.data().subspan(1 + i % 7, bytes)));
    CHECK(in[i].guards_intact());
  }
  // Each turn that was waited for has let go of the buffer.
  CHECK(ring.remove_at(0, PINRING_BUFFER_WAIT, patience) == success);
}

TEST_CASE("What is copied counts as locked memory while it is under way") {
  raw_ring ring("align8");
  // All of the limit but 64 pages.
  const guarded_memory all(8 * MiB - 64 * page_bytes(), 0);
  ring.register_at(0, all.data(), PINRING_DIR_SEND);
  auto sqe = make_registered(PINRING_OP_SEND, 0, 1, 65 * page_bytes(), 0);
  CHECK(outcome_of(ring.run(sqe)) == outcome{EDQUOT});

  const guarded_memory in(20 * page_bytes(), 0);
  sqe.len = in.size();
  REQUIRE(loop(ring, sqe, make_recv(in.data(), 0)).moved(in.size()));
}

// ---------------------------------------------------------------------------- too many pieces

TEST_CASE("A list of 1 to 1024 odd pieces is gathered if it may be and must be") {
  raw_ring ring("loop0");
  const auto info = ring.info();
  const auto length = GENERATE(std::size_t{1}, std::size_t{3});
  const std::array lengths{length};
  const guarded_memory out(info.max_iov * (length + 62) + 64, 0);
  const guarded_memory in(out.size(), 0);
  fill_pattern(out.data(), 6);
  for (const std::size_t n : {1U, 2U, 100U, 255U, 256U, 512U, 513U, 1000U, 1024U}) {
    CAPTURE(n, length);
    in.clear();
    const auto from = odd_pieces(out.data(), n, lengths);
    const auto to = odd_pieces(in.data(), n, lengths);
    const guarded_memory flat(n * length);
    // A piece over the bound of two pages counts twice at worst.
    const bool fits = n <= info.send_bds;
    const auto send = loop(ring, make_iovec(PINRING_OP_SEND, from, 0, PINRING_SQE_GATHER),
                           make_recv(flat.data(), 0));
    REQUIRE(send.moved(n * length));
    if (n < 100 || n >= 513)
      CHECK(send.sent.flags == (fits ? 0 : bounced));
    REQUIRE(holds(from, flat.data()));

    const auto recv = loop(ring, make_send(flat.data(), 0),
                           make_iovec(PINRING_OP_RECV, to, 0, PINRING_SQE_GATHER));
    REQUIRE(recv.moved(n * length));
    REQUIRE(holds(to, flat.data()));
    REQUIRE(rest_is_blank(in.data(), to));

    if (fits)
      continue;
    CHECK(recv.received.flags == bounced);
    CHECK(outcome_of(ring.run(make_iovec(PINRING_OP_SEND, from, 0))) == outcome{EMSGSIZE});
    CHECK(outcome_of(ring.run(make_iovec(PINRING_OP_RECV, to, 0))) == outcome{EMSGSIZE});
  }
}

TEST_CASE("Long lists of odd pieces are gathered packet by packet when split") {
  const auto* const device = GENERATE("loop0", "tiny0");
  CAPTURE(device);
  raw_ring ring(device);
  constexpr std::array<std::size_t, 4> lengths{4095, 1, 3, 1};
  constexpr std::size_t n = 1024;
  constexpr std::size_t bytes = n / 4 * (4095 + 5);
  const guarded_memory out(bytes);
  const guarded_memory in(bytes + n * 62 + 64, 0);
  fill_pattern(out.data(), 7);
  const auto list = odd_pieces(in.data(), n, lengths);
  REQUIRE(length_of(list) == bytes);

  constexpr auto flags = PINRING_SQE_SPLIT | PINRING_SQE_GATHER;
  const auto recv = loop(ring, make_send(out.data(), 0, PINRING_SQE_SPLIT),
                         make_iovec(PINRING_OP_RECV, list, 0, flags));
  REQUIRE(recv.moved(bytes));
  CHECK(recv.received.flags == bounced);
  REQUIRE(holds(list, out.data()));
  REQUIRE(rest_is_blank(in.data(), list));

  const guarded_memory back(bytes);
  const auto send = loop(ring, make_iovec(PINRING_OP_SEND, list, 0, flags),
                         make_recv(back.data(), 0, PINRING_SQE_SPLIT));
  REQUIRE(send.moved(bytes));
  CHECK(send.sent.flags == bounced);
  CHECK(same_bytes(back.data(), out.data()));
  CHECK(outcome_of(ring.run(make_iovec(PINRING_OP_RECV, list, 0, PINRING_SQE_SPLIT))) ==
        outcome{EMSGSIZE});
}

TEST_CASE("Pieces in one page cost one locked page") {
  raw_ring ring("loop0");
  const guarded_memory memory(1024, 0);
  const guarded_memory in(512);
  std::vector<pinring_iovec> list;
  for (std::size_t at = 0; at < 1024; at += 2)
    list.push_back(make_piece(memory.data().subspan(at, 1)));
  // As many as the pieces are: nothing would be left for a second list.
  const guarded_memory rest(8 * MiB - 8 * page_bytes(), 0);
  ring.register_at(0, rest.data(), PINRING_DIR_SEND);

  CHECK(
      loop(ring, make_iovec(PINRING_OP_SEND, list, 0, PINRING_SQE_GATHER), make_recv(in.data(), 0))
          .moved(512));
}

TEST_CASE("The channel works at the end of all this") {
  for (const auto* device : {"align8", "loop0", "tiny0"}) {
    CAPTURE(device);
    CHECK_NOTHROW(prove_usable(device));
  }
}
