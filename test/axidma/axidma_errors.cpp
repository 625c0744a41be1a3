// SPDX-License-Identifier: MIT
//
// Traps 5 and 7: errors of the engine call nobody back, and what is called back need not have
// moved.
#include "catch.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <vector>

#include "raw_client.hpp"
#include "support/board.hpp"
#include "support/guarded_memory.hpp"
#include "support/loop.hpp"
#include "support/needs.hpp"
#include "support/pattern.hpp"
#include "support/scattered_pages.hpp"
#include "violations.hpp"

using namespace support;

namespace {

const auto needed = support::needs{{"loop0", "loop1", "sink0", "source0"}}
                        .model()
                        .module(raw_client::module)
                        .root();

constexpr auto a_while = 500ms; // for what must not happen
constexpr auto soon = 5s;       // for what has to happen by itself, on a busy machine
constexpr std::size_t bytes = 1000;

pinring_sqe without_deadline(pinring_sqe sqe) {
  sqe.deadline_ns = PINRING_DEADLINE_NONE;
  return sqe;
}

ring_options claiming(std::uint32_t directions) {
  ring_options options;
  options.directions = directions;
  return options;
}

bool is_collateral(const pinring_cqe& cqe) {
  return outcome_of(cqe) == outcome{ECONNRESET} && cqe.flags == PINRING_CQE_COLLATERAL;
}

} // namespace

// ---------------------------------------------------------------------------- the provider alone

TEST_CASE("xilinx_dma calls nobody back after an error, and tx_status never speaks of one") {
  const raw_client raw("loop1");
  board loop1("loop1");
  const auto receive = GENERATE(false, true);
  CAPTURE(receive);
  const auto errors = loop1.read("errors");
  if (receive) {
    loop1.fail_recv(1);
    REQUIRE(raw.prep_recv(1, bytes) == success);
    raw.issue_recv();
    raw.send(bytes); // the one that is called back
  } else {
    loop1.fail_send(1);
    raw.send(bytes);
  }

  REQUIRE(wait_until([&] { return loop1.read("errors") > errors; }));
  std::this_thread::sleep_for(a_while);
  CHECK(raw.job_at(0).called == 0);
  CHECK(raw.job_at(0).status == raw_client::in_progress);
}

TEST_CASE("After an error xilinx_dma calls a dead receive a success (6.1), or is stuck behind it") {
  const raw_client raw("loop1");
  board loop1("loop1");
  const auto errors = loop1.read("errors");
  loop1.error_at_bd_recv(1);
  REQUIRE(raw.prep_recv(1, bytes) == success);
  raw.issue_recv();
  raw.send(bytes);
  REQUIRE(wait_until([&] { return loop1.read("errors") > errors; }));
  REQUIRE(wait_until([&] { return raw.job_at(1).called == 1; }));

  // The next submission resets the hardware, and leaves the dead one on the list of active ones.
  REQUIRE(raw.prep_recv(1, bytes, 0, 4096) == success);
  raw.issue_recv();
  const auto before = loop1.read("received_packets");
  raw.send(bytes);
  REQUIRE(wait_until([&] { return loop1.read("received_packets") > before; }));
  std::this_thread::sleep_for(a_while);

  const auto dead = raw.job_at(0);
  const auto answered = raw.job_at(2);
  if (kernel_at_least(6, 12)) {
    CHECK(dead.called == 0);
    CHECK(answered.called == 0);
  } else {
    CHECK(dead.called == 1);
    CHECK(dead.result == raw_client::no_error);
    CHECK(answered.called == 1);
  }
}

// ---------------------------------------------------------------------------- the guard

TEST_CASE("A send that meets an error of any kind is EIO by itself, and takes receives with it") {
  const auto kind = GENERATE(0U, 1U, 2U);
  CAPTURE(kind);
  raw_ring ring("loop0");
  board loop0("loop0");
  loop0.enforce_grants();
  const violations watch("loop0");
  const auto recoveries = driver_counter("loop0", "recoveries");
  const guarded_memory out(bytes);
  const guarded_memory in(bytes);
  const guarded_memory unanswered(bytes);
  loop0.error_kind(kind).fail_send(1);
  ring.push(make_recv(in.data(), 1))
      .push(make_recv(unanswered.data(), 3))
      .push(without_deadline(make_send(out.data(), 2)));
  REQUIRE(ring.submit().submitted == 3);

  const auto cqes = ring.wait(3, soon);
  const auto& received = completion_of(cqes, 1);
  CHECK(outcome_of(completion_of(cqes, 2)) == outcome{EIO});
  CHECK(completion_of(cqes, 2).bytes == 0);
  // The packet has left all the same: its receive may have been reported before the recovery.
  CHECK((outcome_of(received) == success || is_collateral(received)));
  CHECK(is_collateral(completion_of(cqes, 3)));
  CHECK(driver_counter("loop0", "recoveries") == recoveries + 1);
  CHECK_NOTHROW(prove_usable(ring));
  CHECK(watch.news() == "");
}

TEST_CASE("A receive that meets an error of any kind is EIO by itself") {
  const auto kind = GENERATE(0U, 1U, 2U);
  CAPTURE(kind);
  raw_ring ring("loop0");
  board loop0("loop0");
  loop0.enforce_grants();
  const violations watch("loop0");
  const auto recoveries = driver_counter("loop0", "recoveries");
  const guarded_memory out(bytes);
  const guarded_memory in(bytes);
  loop0.error_kind(kind).fail_recv(1);
  ring.push(make_recv(in.data(), 1)).push(without_deadline(make_send(out.data(), 2)));
  REQUIRE(ring.submit().submitted == 2);

  const auto cqes = ring.wait(2, soon);
  const auto& sent = completion_of(cqes, 2);
  CHECK(outcome_of(completion_of(cqes, 1)) == outcome{EIO});
  CHECK((outcome_of(sent) == success || is_collateral(sent)));
  CHECK(driver_counter("loop0", "recoveries") == recoveries + 1);
  CHECK_NOTHROW(prove_usable(ring));
  CHECK(watch.news() == "");
}

TEST_CASE("After an error of any kind, of either direction, the device works within two seconds") {
  const auto kind = GENERATE(0U, 1U, 2U);
  const auto receive = GENERATE(false, true);
  CAPTURE(kind, receive);
  raw_ring ring("loop0");
  board loop0("loop0");
  const guarded_memory out(bytes);
  const guarded_memory in(bytes);
  loop0.error_kind(kind);
  receive ? loop0.fail_recv(1) : loop0.fail_send(1);
  const auto fault = clock::now();
  ring.push(make_recv(in.data(), 1)).push(without_deadline(make_send(out.data(), 2)));
  REQUIRE(ring.submit().submitted == 2);
  const auto cqes = ring.wait(2, soon);
  REQUIRE(outcome_of(completion_of(cqes, receive ? 1 : 2)) == outcome{EIO});

  const auto told = clock::now();
  REQUIRE(loop(ring, out.data(), in.data()).moved(bytes));
  CHECK(clock::now() - told < 2s);
  INFO("from the error on " << std::chrono::duration<double>(clock::now() - fault).count() << " s");
  CHECK(clock::now() - fault < soon);
}

TEST_CASE("An error in the middle of a packet of many BDs is never a success") {
  const auto at = GENERATE(1U, 3U, 10U);
  CAPTURE(at);
  raw_ring ring("loop0");
  board loop0("loop0");
  loop0.enforce_grants();
  const violations watch("loop0");
  const scattered_pages out(20 * page_bytes() - 200);
  const scattered_pages in(20 * page_bytes() - 200);
  REQUIRE(out.pieces() > at);
  REQUIRE(in.pieces() > at);

  SECTION("of the send") {
    loop0.error_at_bd_send(at);
    const auto result =
        loop(ring, without_deadline(make_send(out.data(), 0)), make_recv(in.data(), 0));
    CHECK(outcome_of(result.sent) == outcome{EIO});
    CHECK(is_collateral(result.received));
  }
  SECTION("of the receive") {
    loop0.error_at_bd_recv(at);
    const auto result =
        loop(ring, without_deadline(make_send(out.data(), 0)), make_recv(in.data(), 0));
    CHECK(outcome_of(result.received) == outcome{EIO});
  }
  CHECK_NOTHROW(prove_usable(ring));
  CHECK(watch.news() == "");
}

TEST_CASE("Of many sends that one error ends, no more are successes than packets have left") {
  raw_ring ring("sink0", claiming(PINRING_DIR_SEND));
  board sink0("sink0");
  const guarded_memory out(bytes);
  const auto before = sink0.read("sent_packets");
  sink0.error_at_bd_send(8);
  for (std::uint64_t i = 0; i < 20; ++i)
    ring.push(make_send(out.data(), i));
  REQUIRE(ring.submit().submitted == 20);

  const auto cqes = ring.wait(20, 30s);
  const auto successes = std::ranges::count_if(cqes, [](const auto& c) { return c.result == 0; });
  const auto faults =
      std::ranges::count_if(cqes, [](const auto& c) { return outcome_of(c) == outcome{EIO}; });
  CHECK(faults == 1);
  CHECK(static_cast<std::uint64_t>(successes) <= sink0.read("sent_packets") - before);
  CHECK(std::ranges::count_if(cqes, is_collateral) + successes + faults == 20);
  CHECK_NOTHROW(prove_usable(ring));
}

TEST_CASE("A receive of a source that meets an error is EIO, and the next one works") {
  raw_ring ring("source0", claiming(PINRING_DIR_RECV));
  board source0("source0");
  const guarded_memory in(page_bytes(), 0);
  source0.fail_recv(1);

  ring.push(make_recv(in.data(), 1));
  REQUIRE(ring.submit().submitted == 1);
  CHECK(outcome_of(ring.wait(1, soon).front()) == outcome{EIO});
  CHECK_NOTHROW(prove_usable(ring));
}

TEST_CASE("A receive that the provider never got when the engine halted is handed over again") {
  // More than one behind what is active: only where deep receives report one by one.
  if (device_path("delay0").empty())
    return;
  raw_ring ring("delay0");
  board delay0("delay0");
  const guarded_memory out(bytes);
  const std::array<guarded_memory, 3> in{guarded_memory(bytes), guarded_memory(bytes),
                                         guarded_memory(bytes)};
  int seen = 0;
  for (int round = 0; round < 20 && seen < 3; ++round) {
    CAPTURE(round);
    fill_pattern(out.data(), static_cast<std::uint64_t>(round));
    const auto errors = delay0.read("errors");
    delay0.error_at_bd_recv(1);
    ring.push(make_recv(in[0].data(), 0)).push(make_send(out.data(), 10));
    REQUIRE(ring.submit().submitted == 2);
    REQUIRE(wait_until([&] { return delay0.read("errors") > errors; }));
    // Before the watch looks: the submit of the second finds out, and the third is in hand then.
    ring.push(make_recv(in[1].data(), 1, PINRING_SQE_BATCH)).push(make_recv(in[2].data(), 2));
    REQUIRE(ring.submit().submitted == 2);
    auto first = ring.wait(2);
    std::ranges::copy(ring.reap(), std::back_inserter(first)); // all of a recovery comes at once
    CHECK(outcome_of(completion_of(first, 0)) == outcome{EIO});
    const bool second_was_issued = first.size() == 3;
    if (second_was_issued) {
      ++seen;
      CHECK(is_collateral(completion_of(first, 1)));
    } else {
      ring.push(make_send(out.data(), 11)); // the watch was faster: it is waiting, too
    }

    fill_pattern(out.data(), 100);
    ring.push(make_send(out.data(), 12));
    (void)ring.submit();
    const auto rest = ring.wait(second_was_issued ? 2 : 4);
    CHECK(outcome_of(completion_of(rest, 2)) == success);
    CHECK(pattern_mismatch(in[2].data(), 100) == std::nullopt);
  }
  CHECK(seen > 0);
}

TEST_CASE("Errors under load, one after the other, leave a device that works") {
  board loop0("loop0");
  loop0.enforce_grants();
  const violations watch("loop0");
  for (std::uint64_t round = 0; round < 12; ++round) {
    CAPTURE(round);
    {
      const guarded_memory out(30'000);
      const guarded_memory in(30'000);
      raw_ring ring("loop0");
      if (round % 2)
        loop0.error_at_bd_send(1 + round % 7);
      else
        loop0.error_at_bd_recv(1 + round % 7);
      for (std::uint64_t i = 0; i < 4; ++i)
        ring.push(make_recv(in.data(), i)).push(make_send(out.data(), 10 + i));
      REQUIRE(ring.submit().submitted == 8);
      // Which of them survive is chance, and one whose peer was ended waits for ever.
      (void)ring.enter(0, 8, 500ms);
    }
    // An error that was not met, and packets whose receives were ended, are not the next one's.
    loop0.error_at_bd_send(0).error_at_bd_recv(0);
    raw_ring ring("loop0");
    empty_the_stream(ring);
    REQUIRE_NOTHROW(prove_usable(ring));
  }
  CHECK(watch.news() == "");
}

TEST_CASE("The channel works at the end of all this") {
  for (const auto* device : {"loop0", "loop1", "sink0", "source0"}) {
    CAPTURE(device);
    CHECK_NOTHROW(prove_usable(device));
  }
}
