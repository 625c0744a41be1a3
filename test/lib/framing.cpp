// SPDX-License-Identifier: MIT
//
// Framing at scale: a gigabyte of a plain vector in scattered pages, as an ordinary user, and lists
// of every number of pieces.
#include "../catch.hpp"

#include <dma/dma.hpp>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <span>
#include <string>
#include <vector>

#include <sys/prctl.h>
#include <sys/resource.h>

#include "support/board.hpp"
#include "support/guarded_memory.hpp"
#include "support/loop.hpp"
#include "support/needs.hpp"
#include "support/pattern.hpp"
#include "support/raw_ring.hpp"

using namespace support;

namespace {

const auto needed = support::needs{{"loop0"}}.ordinary_user();

constexpr std::size_t MiB = 1U << 20;

/// A vector whose pages lie apart in physical memory, as those of a program that has run for long
/// do. Frames are handed out in the order in which pages are touched: so neighbours are touched at
/// very different times, before the vector fills itself.
std::vector<std::byte> scattered_vector(std::size_t bytes) {
  constexpr std::size_t stride = 64;
  REQUIRE(::prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0);
  std::vector<std::byte> result;
  result.reserve(bytes);
  volatile std::byte* const at = result.data();
  for (std::size_t first = 0; first < stride; ++first)
    for (auto page = first * page_bytes(); page < bytes; page += stride * page_bytes())
      at[page] = std::byte{0};
  result.resize(bytes);
  return result;
}

/// Where it is, in each page's worth of a stream. Whole patterns are other programs' business: over
/// a gigabyte they would take longer than the transfer.
void stamp(std::span<std::byte> stream) {
  for (std::uint64_t at = 0; at + sizeof at <= stream.size(); at += page_bytes())
    std::memcpy(&stream[at], &at, sizeof at);
}

std::size_t misplaced_pages(std::span<const std::byte> stream) {
  std::size_t misplaced = 0;
  for (std::uint64_t at = 0; at + sizeof at <= stream.size(); at += page_bytes())
    misplaced += std::memcmp(&stream[at], &at, sizeof at) != 0 ? 1 : 0;
  return misplaced;
}

/// What the driver has counted of one device since.
class counters {
public:
  std::uint64_t operator()(const std::string& file) const {
    return driver_counter("loop0", file) - before_.at(file);
  }

private:
  static std::uint64_t now(const std::string& file) { return driver_counter("loop0", file); }

  std::map<std::string, std::uint64_t> before_{{"send/packets", now("send/packets")},
                                               {"recv/packets", now("recv/packets")},
                                               {"send/pages", now("send/pages")},
                                               {"send/bds", now("send/bds")},
                                               {"recoveries", now("recoveries")}};
};

/// Moves the bytes of a vector one packet towards its beginning, by way of the loopback. What a
/// packet is received over was sent with the packet before it.
void check_move(std::size_t bytes) {
  dma::device device{"loop0"};
  const auto chunk = device.info().chunk;
  const auto packets = (bytes + chunk - 1) / chunk;
  auto vector = scattered_vector(bytes + chunk);
  const std::span all{vector};
  stamp(all.subspan(chunk));
  const counters since;

  const auto result = dma::transfer(device, all.subspan(chunk), all.first(bytes));
  INFO("sent " << result.sent.bytes << " bytes: " << result.sent.error.message());
  INFO("received " << result.received.bytes << " bytes: " << result.received.error.message());
  REQUIRE(result);
  CHECK(result.sent.bytes == bytes);
  CHECK(result.received.bytes == bytes);
  CHECK(misplaced_pages(all.first(bytes)) == 0);
  CHECK(since("send/packets") == packets);
  CHECK(since("recv/packets") == packets);
  CHECK(since("recoveries") == 0);
  // They were scattered indeed: nearly every page was a BD of its own.
  CHECK(since("send/bds") > since("send/pages") / 10 * 9);
}

/// Every other page of these, each a piece: no two merge, and a chunk of them fits the BDs.
std::vector<pinring_iovec> every_other_page(std::span<const std::byte> bytes) {
  std::vector<pinring_iovec> list;
  for (std::size_t at = 0; at < bytes.size(); at += 2 * page_bytes())
    list.push_back(make_piece(bytes.subspan(at, page_bytes())));
  return list;
}

/// Numbers of pieces worth trying: small ones, and those around each power of two.
std::vector<std::size_t> piece_counts(std::size_t most) {
  std::vector<std::size_t> counts;
  for (std::size_t n = 1; n <= 16; ++n)
    counts.push_back(n);
  for (std::size_t power = 32; power < most; power *= 2)
    counts.insert(counts.end(), {power - 1, power, power + 1});
  counts.insert(counts.end(), {most - 1, most});
  return counts;
}

} // namespace

TEST_CASE("A gigabyte of a plain vector in scattered pages loops under 8 MiB of locked memory") {
  ::rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_MEMLOCK, &limit) == 0);
  REQUIRE(limit.rlim_cur <= 8 * MiB);
  check_move(1024 * MiB);
}

TEST_CASE("A list of 1 to 1024 pieces of a page each arrives whole, split into packets") {
  raw_ring ring("loop0");
  const auto most = ring.info().max_iov;
  REQUIRE(most == 1024);
  const guarded_memory out(2 * most * page_bytes(), 0);
  const guarded_memory in(2 * most * page_bytes(), 0);
  fill_pattern(out.data(), 1);
  const auto from = every_other_page(out.data());
  const auto to = every_other_page(in.data());

  for (const auto n : piece_counts(most)) {
    CAPTURE(n);
    in.clear();
    REQUIRE(loop(ring, make_iovec(PINRING_OP_SEND, std::span(from).first(n), 0, PINRING_SQE_SPLIT),
                 make_iovec(PINRING_OP_RECV, std::span(to).first(n), 0, PINRING_SQE_SPLIT))
                .moved(n * page_bytes()));
    for (std::size_t i = 0; i < n; ++i) {
      const auto at = 2 * i * page_bytes();
      REQUIRE(
          same_bytes(in.data().subspan(at, page_bytes()), out.data().subspan(at, page_bytes())));
    }
    REQUIRE(std::ranges::all_of(in.data().subspan((2 * n - 1) * page_bytes()),
                                [](std::byte b) { return b == std::byte{0xEE}; }));
    REQUIRE(in.guards_intact());
  }
}

TEST_CASE("A list of 1 to 1024 small pieces is one packet, or is refused where the BDs do not do") {
  raw_ring ring("loop0");
  const auto info = ring.info();
  const guarded_memory out(info.max_iov * apart_bytes);
  const guarded_memory in(info.max_iov);
  fill_pattern(out.data(), 2);
  const auto from = pieces_apart(out.data());

  for (const auto n : piece_counts(info.max_iov)) {
    CAPTURE(n);
    const auto send = make_iovec(PINRING_OP_SEND, std::span(from).first(n), 7);
    if (n > info.send_bds) {
      CHECK(outcome_of(ring.run(send)) == outcome{EMSGSIZE});
      continue;
    }
    REQUIRE(loop(ring, send, make_recv(in.data().first(n), 0)).moved(n));
    for (std::size_t i = 0; i < n; ++i)
      REQUIRE(in.data()[i] == out.data()[i * apart_bytes]);
  }
}

TEST_CASE("The channel works at the end of all this") {
  CHECK_NOTHROW(prove_usable("loop0"));
}
