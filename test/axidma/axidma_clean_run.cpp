// SPDX-License-Identifier: MIT
//
// A long mixed run on every board, after which the model must not have seen anything that PG021
// forbids, nor a byte moved from or to memory that is not mapped. Traps 12 and 13 are things that
// never reach an engine: they are part of the mix.
#include "catch.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "raw_client.hpp"
#include "support/board.hpp"
#include "support/guarded_memory.hpp"
#include "support/loop.hpp"
#include "support/needs.hpp"
#include "support/pace.hpp"
#include "support/pattern.hpp"
#include "support/scattered_pages.hpp"
#include "support/vmstat.hpp"
#include "violations.hpp"

using namespace support;

namespace {

const auto needed = support::needs{{"loop0", "loop1", "batch0", "align8", "tiny0", "sink0",
                                    "source0", "accel0", "noncoh0", "addr32"}}
                        .model()
                        .module(raw_client::module)
                        .root();

pinring_sqe within(pinring_sqe sqe, std::chrono::nanoseconds deadline) {
  sqe.deadline_ns = static_cast<std::uint64_t>(deadline.count());
  return sqe;
}

ring_options claiming(std::uint32_t directions) {
  ring_options options;
  options.directions = directions;
  return options;
}

/// Lengths and offsets that every board takes: whole lines on one that is not coherent, aligned
/// addresses on one that can't realign.
struct shape {
  std::size_t bytes;
  std::size_t offset;
};

std::vector<shape> shapes(const pinring_info& info) {
  const std::size_t unit = std::max({info.cacheline, info.send_align, info.recv_align});
  if (info.cacheline > 1)
    return {{unit, 0},
            {unit, unit},
            {5 * unit, 3 * unit},
            {20'000 / unit * unit, unit},
            {300'000 / unit * unit, 2 * unit}};
  if (unit > 1)
    return {{1, 0}, {unit + 1, unit}, {4097, 8 * unit}, {20'001, unit}, {300'007, 3 * unit}};
  return {{1, 1}, {2, 4095}, {4096, 137}, {20'001, 3}, {300'007, odd_offset}};
}

void loop_all(raw_ring& ring) {
  for (const auto& [bytes, offset] : shapes(ring.info())) {
    CAPTURE(bytes, offset);
    const guarded_memory out(bytes, offset);
    const guarded_memory in(bytes, offset);
    fill_pattern(out.data(), bytes);
    REQUIRE(loop(ring, out.data(), in.data()).moved(bytes));
    CHECK(same_bytes(in.data(), out.data()));
    CHECK(in.guards_intact());

    ring.register_at(0, out.data(), PINRING_DIR_SEND);
    ring.register_at(1, in.data(), PINRING_DIR_RECV);
    in.clear();
    REQUIRE(loop(ring, make_registered(PINRING_OP_SEND, 0, 0, bytes, 0),
                 make_registered(PINRING_OP_RECV, 1, 0, bytes, 0))
                .moved(bytes));
    CHECK(same_bytes(in.data(), out.data()));
    REQUIRE(ring.remove_at(0, PINRING_BUFFER_WAIT, patience) == success);
    REQUIRE(ring.remove_at(1, PINRING_BUFFER_WAIT, patience) == success);
  }
}

void split_job(raw_ring& ring) {
  const auto bytes = 3 * ring.info().chunk + 4096;
  const scattered_pages out(bytes, 0);
  const scattered_pages in(bytes, 0);
  fill_pattern(out.data(), 1);
  REQUIRE(loop(ring, out.data(), in.data(), PINRING_SQE_SPLIT).moved(bytes));
  CHECK(pattern_mismatch(in.data(), 1) == std::nullopt);
}

void list_of_pieces(raw_ring& ring) {
  const auto page = page_bytes();
  const guarded_memory out(40 * page, 0);
  const guarded_memory in(40 * page, 0);
  std::vector<pinring_iovec> from;
  std::vector<pinring_iovec> to;
  for (std::size_t i = 0; i < 20; ++i) {
    from.push_back(make_piece(out.data().subspan(2 * i * page, 1024)));
    to.push_back(make_piece(in.data().subspan(2 * i * page, 1024)));
  }
  REQUIRE(loop(ring, make_iovec(PINRING_OP_SEND, from, 0), make_iovec(PINRING_OP_RECV, to, 0))
              .moved(20 * 1024));
}

/// Traps 12 and 13, and the like: refused, with packets before and behind.
void refused_jobs(raw_ring& ring) {
  const guarded_memory memory(page_bytes(), 0);
  const auto nothing = make_piece(memory.data().first(0));
  std::uint32_t words[5]{};
  auto with_words = make_send(memory.data(), 3, PINRING_SQE_APP_WORDS);
  with_words.app_words = reinterpret_cast<std::uint64_t>(words);

  CHECK(outcome_of(ring.run(make_send(memory.data().first(0), 1))) == outcome{EINVAL});
  CHECK(outcome_of(ring.run(make_recv(memory.data().first(0), 1))) == outcome{EINVAL});
  for (const auto opcode : {PINRING_OP_SEND, PINRING_OP_RECV}) {
    const auto op = static_cast<std::uint8_t>(opcode);
    CHECK(outcome_of(ring.run(make_iovec(op, {&nothing, 1}, 2))) == outcome{EINVAL});
    CHECK(outcome_of(ring.run(make_iovec(op, {&nothing, 0}, 2))) == outcome{EINVAL});
  }
  if (!(ring.info().features & PINRING_FEAT_APP_WORDS))
    CHECK(outcome_of(ring.run(with_words)) == outcome{EOPNOTSUPP});
}

void deadlines_and_batches(raw_ring& ring) {
  const auto page = page_bytes();
  constexpr std::size_t n = 12;
  const guarded_memory out(n * page, 0);
  const guarded_memory in(n * page, 0);
  REQUIRE(outcome_of(ring.run(within(make_recv(in.data(), 1), 50ms))) == outcome{ETIMEDOUT});
  for (std::size_t i = 0; i < n; ++i)
    ring.push(make_recv(in.data().subspan(i * page, page), i))
        .push(make_send(out.data().subspan(i * page, page), 100 + i));
  REQUIRE(ring.submit().submitted == 2 * n);
  for (const auto& cqe : ring.wait(2 * n))
    REQUIRE(outcome_of(cqe) == success);
}

} // namespace

TEST_CASE("The model counts what an engine does to memory that nobody has mapped for it") {
  // Without this, a clean run would mean nothing: the raw client's memory is mapped by nobody.
  board loop1("loop1");
  loop1.enforce_grants();
  const violations watch("loop1");
  const raw_client raw("loop1");
  REQUIRE(raw.prep_recv(1, 1000) == success);
  raw.issue_recv();
  raw.send(1000);

  REQUIRE(wait_until([&] { return raw.called_recv() == 1 && raw.called_send() == 1; }));
  CHECK(watch.of("v_memory_not_granted") >= 2);
}

TEST_CASE("A mixed run breaks no rule of the IP, and touches no memory that is not mapped") {
  const auto* const device =
      GENERATE("loop0", "loop1", "batch0", "delay0", "align8", "tiny0", "noncoh0", "addr32");
  CAPTURE(device);
  if (device_path(device).empty() && std::string(device) == "delay0")
    return; // where the provider can't stand a delay interrupt
  board model(device);
  model.enforce_grants();
  const violations watch(device);
  {
    raw_ring ring(device);
    for (std::size_t round = 0; round < paced(4); ++round) {
      loop_all(ring);
      list_of_pieces(ring);
      refused_jobs(ring);
      deadlines_and_batches(ring);
    }
    split_job(ring);
  }
  CHECK(watch.news() == "");
  CHECK(pins_become_balanced());
}

TEST_CASE("A run of a device with one direction breaks no rule either") {
  SECTION("a sink") {
    board sink0("sink0");
    sink0.enforce_grants();
    const violations watch("sink0");
    raw_ring ring("sink0", claiming(PINRING_DIR_SEND));
    const guarded_memory memory(3 * ring.info().chunk);
    CHECK(outcome_of(ring.run(make_send(memory.data(), 1, PINRING_SQE_SPLIT))) == success);
    CHECK(watch.news() == "");
  }
  SECTION("a source") {
    board source0("source0");
    source0.enforce_grants();
    const violations watch("source0");
    raw_ring ring("source0", claiming(PINRING_DIR_RECV));
    const guarded_memory memory(page_bytes(), 0);
    std::optional<unsigned> last;
    for (int i = 0; i < 50; ++i) {
      const auto cqe = ring.run(make_recv(memory.data(), 1, PINRING_SQE_MAY_BE_SHORT));
      REQUIRE(outcome_of(cqe) == success);
      for (const auto b : memory.data().first(cqe.bytes)) {
        const auto value = std::to_integer<unsigned>(b);
        REQUIRE((!last || value == (*last + 1) % 256));
        last = value;
      }
    }
    CHECK(watch.news() == "");
  }
}

TEST_CASE("An accelerator answers each packet with one of its own") {
  board accel0("accel0");
  accel0.enforce_grants();
  const violations watch("accel0");
  raw_ring ring("accel0");
  for (const std::size_t bytes : {1U, 1000U, 4097U, 100'001U}) {
    CAPTURE(bytes);
    const guarded_memory out(bytes);
    const guarded_memory in(bytes);
    fill_pattern(out.data(), bytes);
    REQUIRE(loop(ring, out.data(), in.data()).moved(bytes));
    for (std::size_t i = 0; i < bytes; ++i)
      REQUIRE(in.data()[i] == (out.data()[i] ^ std::byte{0x5A}));
  }
  CHECK(watch.news() == "");
}

TEST_CASE("The channel works at the end of all this") {
  CHECK_NOTHROW(prove_usable("loop1"));
}
