// SPDX-License-Identifier: MIT
//
// Traps 6 and 11: stopping an engine takes its time, says nothing, and has to be done twice.
#include "catch.hpp"

#include <algorithm>
#include <fstream>
#include <thread>
#include <vector>

#include "raw_client.hpp"
#include "support/binding.hpp"
#include "support/board.hpp"
#include "support/guarded_memory.hpp"
#include "support/loop.hpp"
#include "support/needs.hpp"
#include "support/pattern.hpp"
#include "support/scattered_pages.hpp"
#include "support/vmstat.hpp"
#include "violations.hpp"

using namespace support;

namespace {

const auto needed = support::needs{{"loop0", "loop1", "reset0", "source0"}}
                        .model()
                        .module(raw_client::module)
                        .root();

constexpr std::size_t bytes = 1000;

pinring_sqe within(pinring_sqe sqe, std::chrono::nanoseconds deadline) {
  sqe.deadline_ns = static_cast<std::uint64_t>(deadline.count());
  return sqe;
}

bool untouched(std::span<const std::byte> memory) {
  return std::ranges::all_of(memory, [](std::byte b) { return b == std::byte{0xEE}; });
}

} // namespace

// ---------------------------------------------------------------------------- the provider alone

TEST_CASE("terminate_all of an engine that does not halt takes its full second, and returns 0") {
  const raw_client raw("loop1");
  board loop1("loop1");
  REQUIRE(raw.prep_recv(1, bytes) == success);
  raw.issue_recv();
  loop1.stuck_halt_recv();

  const auto stopped = raw.terminate_recv();
  CHECK(stopped.result == success);
  CHECK(stopped.took > 900ms);
}

TEST_CASE(
    "terminate_all of an engine that stays in its reset takes its full second, and returns 0") {
  const raw_client raw("loop1");
  board loop1("loop1");
  REQUIRE(raw.prep_recv(1, bytes) == success);
  raw.issue_recv();
  loop1.stuck_reset();

  const auto stopped = raw.terminate_recv();
  CHECK(stopped.result == success);
  CHECK(stopped.took > 900ms);
  loop1.stuck_reset(false);
  CHECK(raw.terminate_recv().took < 900ms);
}

TEST_CASE("xilinx_dma's terminate of one direction ends the other one's work, and tells nobody") {
  const raw_client raw("loop1");
  REQUIRE(raw.prep_recv(1, bytes) == success);
  raw.issue_recv();
  REQUIRE(raw.terminate_send().result == success);

  raw.send(bytes);
  std::this_thread::sleep_for(500ms);
  CHECK(raw.job_at(0).called == 0);
  CHECK(raw.job_at(0).status == raw_client::in_progress);
  CHECK(raw.blank(0, bytes));
}

// ---------------------------------------------------------------------------- the guard

TEST_CASE("A channel that does not halt in the middle of a packet is ended by the reset") {
  raw_ring ring("loop0");
  board loop0("loop0");
  loop0.enforce_grants();
  const violations watch("loop0");
  const scattered_pages in(3 * page_bytes());
  const guarded_memory out(bytes);
  loop0.stuck_halt_recv();
  const auto start = clock::now();

  const auto cqe = ring.run(within(make_recv(in.data(), 1), 200ms));
  CHECK(outcome_of(cqe) == outcome{ETIMEDOUT});
  CHECK(clock::now() - start < 10s);
  CHECK((ring.info().flags & PINRING_INFO_DEAD) == 0);
  loop0.stuck_halt_recv(false);
  CHECK_NOTHROW(prove_usable(ring));
  CHECK(pins_become_balanced());
  CHECK(watch.news() == "");
}

TEST_CASE("A recovery in the middle of a packet leaves no half of it behind") {
  raw_ring ring("loop0");
  board loop0("loop0");
  loop0.enforce_grants();
  const violations watch("loop0");
  const guarded_memory out(200'000); // more than the FIFO holds: it stalls half-way
  const guarded_memory in(200'000);
  fill_pattern(out.data(), 1);
  loop0.hold_recv();
  ring.push(within(make_recv(in.data(), 1), 300ms)).push(within(make_send(out.data(), 2), 300ms));
  REQUIRE(ring.submit().submitted == 2);

  for (const auto& cqe : ring.wait(2))
    CHECK_FALSE(outcome_of(cqe).good());
  loop0.hold_recv(false);
  CHECK(untouched(in.data()));
  fill_pattern(out.data(), 2);
  REQUIRE(loop(ring, out.data(), in.data()).moved(200'000));
  CHECK(pattern_mismatch(in.data(), 2) == std::nullopt);
  CHECK(watch.news() == "");
}

TEST_CASE("What a recovery leaves in a stream that it can't empty begins the next receive") {
  raw_ring ring("loop0");
  board loop0("loop0");
  // The FIFO is the design's, not the DMA's: a reset of the DMA need not reach it (PG021).
  loop0.reset_flushes_stream(false);
  const guarded_memory stale(bytes);
  const guarded_memory in(bytes);
  fill_pattern(stale.data(), 1);
  loop0.hold_recv();
  ring.push(within(make_recv(in.data(), 1), 300ms)).push(make_send(stale.data(), 2));
  REQUIRE(ring.submit().submitted == 2);
  REQUIRE(ring.wait(2).size() == 2);
  loop0.hold_recv(false);

  REQUIRE(outcome_of(ring.run(make_recv(in.data(), 3))) == success);
  CHECK(pattern_mismatch(in.data(), 1) == std::nullopt);
  CHECK_NOTHROW(prove_usable(ring));
}

TEST_CASE("The stream's own reset line empties in a recovery what the DMA's reset can't reach") {
  raw_ring ring("reset0");
  board reset0("reset0");
  reset0.reset_flushes_stream(false);
  const guarded_memory stale(bytes);
  const guarded_memory in(bytes);
  fill_pattern(stale.data(), 1);
  reset0.hold_recv();
  ring.push(within(make_recv(in.data(), 1), 300ms)).push(make_send(stale.data(), 2));
  REQUIRE(ring.submit().submitted == 2);
  REQUIRE(ring.wait(2).size() == 2);
  reset0.hold_recv(false);

  CHECK(outcome_of(ring.run(within(make_recv(in.data(), 3), 300ms))) == outcome{ETIMEDOUT});
  CHECK(untouched(in.data()));
  CHECK_NOTHROW(prove_usable(ring));
}

TEST_CASE(
    "Deadlines in the middle of traffic never let the engine into memory that was given back") {
  board loop0("loop0");
  loop0.enforce_grants();
  const violations watch("loop0");
  raw_ring ring("loop0");
  const auto chunk = ring.info().chunk;
  const scattered_pages out(3 * chunk);
  const scattered_pages in(3 * chunk);
  for (int round = 0; round < 15; ++round) {
    CAPTURE(round);
    const auto deadline = std::chrono::milliseconds(1 + 3 * round);
    ring.push(within(make_recv(in.data(), 1, PINRING_SQE_SPLIT), deadline))
        .push(within(make_send(out.data(), 2, PINRING_SQE_SPLIT), deadline));
    REQUIRE(ring.submit().submitted == 2);
    REQUIRE(ring.wait(2).size() == 2);
  }
  // The BDs are still chained in the order in which they are used.
  const auto sent = out.data().first(chunk);
  const auto received = in.data().first(chunk);
  fill_pattern(sent, 9);
  REQUIRE(loop(ring, sent, received).moved(chunk));
  CHECK(pattern_mismatch(received, 9) == std::nullopt);
  CHECK(watch.news() == "");
}

TEST_CASE("Rings that are closed in the middle of traffic leave memory that nobody writes to") {
  board loop0("loop0");
  loop0.enforce_grants();
  const violations watch("loop0");
  for (int round = 0; round < 15; ++round) {
    CAPTURE(round);
    const guarded_memory out(600'000);
    const guarded_memory in(600'000);
    {
      raw_ring ring("loop0");
      for (std::uint64_t i = 0; i < 6; ++i)
        ring.push(make_recv(in.data().subspan(i * 100'000, 100'000), i))
            .push(make_send(out.data().subspan(i * 100'000, 100'000), 10 + i));
      REQUIRE(ring.submit().submitted == 12);
      std::this_thread::sleep_for(std::chrono::microseconds(300 * round));
    }
    in.clear();
    REQUIRE_NOTHROW(prove_usable("loop0"));
    REQUIRE(untouched(in.data()));
  }
  CHECK(pins_become_balanced());
  CHECK(watch.news() == "");
}

TEST_CASE("Memory that answers slowly makes a recovery slow, and nothing else") {
  raw_ring ring("loop0");
  board loop0("loop0");
  loop0.enforce_grants().slow_memory_ns(20'000);
  const violations watch("loop0");
  const guarded_memory out(300'000);
  const guarded_memory in(300'000);
  for (const auto deadline : {2ms, 10ms, 30ms}) {
    ring.push(within(make_recv(in.data(), 1), deadline))
        .push(within(make_send(out.data(), 2), deadline));
    REQUIRE(ring.submit().submitted == 2);
    REQUIRE(ring.wait(2).size() == 2);
  }
  loop0.slow_memory_ns(0);
  CHECK_NOTHROW(prove_usable(ring));
  CHECK(watch.news() == "");
}

TEST_CASE("On the way to a reboot the engine is stopped: an armed receive is not written to") {
  binding device("source0");
  const guarded_memory in(page_bytes(), 0);
  {
    ring_options options;
    options.directions = PINRING_DIR_RECV;
    raw_ring ring("source0", options);
    board source0("source0");
    source0.hold_recv();
    ring.push(make_recv(in.data(), 1, PINRING_SQE_MAY_BE_SHORT))
        .push(make_recv(in.data(), 2, PINRING_SQE_MAY_BE_SHORT));
    REQUIRE(ring.submit().submitted == 2);
    REQUIRE(wait_until([&] { return source0.bds_in_use_recv() == 2; }));

    // What the kernel calls for each device before it reboots, or starts another one by kexec.
    REQUIRE(std::ofstream(source0.folder() + "/shutdown") << 1 << std::flush);
    source0.hold_recv(false);
    std::this_thread::sleep_for(500ms);
    CHECK(untouched(in.data()));
    for (const auto& cqe : ring.wait(2))
      CHECK(outcome_of(cqe) == outcome{ENODEV});
    CHECK((ring.info().flags & PINRING_INFO_DEAD) != 0);
  }
  device.unbind();
  device.bind();
  CHECK_NOTHROW(prove_usable("source0"));
}

TEST_CASE("The channel works at the end of all this") {
  for (const auto* device : {"loop0", "loop1", "reset0", "source0"}) {
    CAPTURE(device);
    CHECK_NOTHROW(prove_usable(device));
  }
}
