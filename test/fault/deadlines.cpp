// SPDX-License-Identifier: MIT
//
// Jobs that the hardware does not end: their deadlines, and the recovery that follows.
#include "catch.hpp"

#include <algorithm>
#include <thread>
#include <vector>

#include "support/board.hpp"
#include "support/guarded_memory.hpp"
#include "support/loop.hpp"
#include "support/needs.hpp"
#include "support/pattern.hpp"
#include "support/raw_ring.hpp"

using namespace support;

namespace {

const auto needed = support::needs{{"loop0", "batch0", "tiny0", "sink0"}}.switches();

constexpr auto soon = 100ms;
constexpr std::size_t bytes = 1000;

std::uint64_t ns(std::chrono::nanoseconds duration) {
  return static_cast<std::uint64_t>(duration.count());
}

pinring_sqe within(pinring_sqe sqe, std::chrono::nanoseconds deadline) {
  sqe.deadline_ns = ns(deadline);
  return sqe;
}

pinring_sqe without_deadline(pinring_sqe sqe) {
  sqe.deadline_ns = PINRING_DEADLINE_NONE;
  return sqe;
}

ring_options claiming(std::uint32_t directions, std::uint32_t flags = 0) {
  ring_options options;
  options.directions = directions;
  options.flags = flags;
  return options;
}

bool untouched(const guarded_memory& memory) {
  return std::ranges::all_of(memory.data(), [](std::byte b) { return b == std::byte{0xEE}; }) &&
         memory.guards_intact();
}

} // namespace

// ---------------------------------------------------------------------------- deadlines

TEST_CASE("A send whose completion is dropped ends with ETIMEDOUT at its deadline") {
  raw_ring ring("sink0", claiming(PINRING_DIR_SEND));
  board sink0("sink0");
  const guarded_memory memory(bytes);
  sink0.drop_send_completions(1);
  const auto start = clock::now();

  const auto cqe = ring.run(within(make_send(memory.data(), 1), soon));
  CHECK(outcome_of(cqe) == outcome{ETIMEDOUT});
  CHECK(clock::now() - start >= soon);
  CHECK(cqe.bytes == 0);
  CHECK(cqe.flags == 0);
  CHECK(cqe.provider_result == PINRING_PROVIDER_NONE);
  CHECK_NOTHROW(prove_usable(ring));
}

TEST_CASE("A send that names a deadline ends at it, though it moves on") {
  raw_ring ring("sink0", claiming(PINRING_DIR_SEND));
  board sink0("sink0");
  const auto chunk = ring.info().chunk;
  const guarded_memory memory(8 * chunk);
  sink0.rate_bytes_per_s(5 * chunk);
  const auto start = clock::now();

  CHECK(outcome_of(ring.run(within(make_send(memory.data(), 1, PINRING_SQE_SPLIT), 500ms))) ==
        outcome{ETIMEDOUT});
  CHECK(clock::now() - start >= 500ms);
  sink0.rate_bytes_per_s(0);
  CHECK_NOTHROW(prove_usable(ring));
}

TEST_CASE("A receive that nothing answers ends with ETIMEDOUT at its deadline") {
  raw_ring ring("loop0");
  const guarded_memory in(bytes);

  CHECK(outcome_of(ring.run(within(make_recv(in.data(), 1), soon))) == outcome{ETIMEDOUT});
  CHECK(untouched(in));
  CHECK_NOTHROW(prove_usable(ring));
}

TEST_CASE("A receive whose completion is dropped ends with ETIMEDOUT too") {
  raw_ring ring("loop0");
  board loop0("loop0");
  const guarded_memory out(bytes);
  const guarded_memory in(bytes);
  loop0.drop_recv_completions(1);
  ring.push(within(make_recv(in.data(), 1), soon)).push(make_send(out.data(), 2));
  REQUIRE(ring.submit().submitted == 2);

  const auto cqes = ring.wait(2);
  CHECK(outcome_of(completion_of(cqes, 1)) == outcome{ETIMEDOUT});
  CHECK(outcome_of(completion_of(cqes, 2)) == success);
  CHECK_NOTHROW(prove_usable(ring));
}

TEST_CASE("A deadline may be a point in time") {
  raw_ring ring("loop0");
  const guarded_memory in(bytes);
  auto recv = make_recv(in.data(), 1, PINRING_SQE_ABS_DEADLINE);
  recv.deadline_ns = ns(clock::now().time_since_epoch() + soon);

  CHECK(outcome_of(ring.run(recv)) == outcome{ETIMEDOUT});
  CHECK(ns(clock::now().time_since_epoch()) >= recv.deadline_ns);
}

TEST_CASE("A job whose deadline has passed when it is submitted is never handed over") {
  raw_ring ring("sink0", claiming(PINRING_DIR_SEND));
  const board sink0("sink0");
  const guarded_memory memory(bytes);
  const auto before = sink0.taken_send();
  auto send = make_send(memory.data(), 1, PINRING_SQE_ABS_DEADLINE);
  send.deadline_ns = 1;

  CHECK(outcome_of(ring.run(send)) == outcome{ETIMEDOUT});
  CHECK(sink0.taken_send() == before);
}

TEST_CASE("A deadline that is not reached changes nothing") {
  raw_ring ring("loop0");
  const guarded_memory out(bytes);
  const guarded_memory in(bytes);
  const auto deadline =
      GENERATE(ns(20s), PINRING_DEADLINE_NONE, PINRING_DEADLINE_NONE - 1, std::uint64_t{1} << 63);
  auto send = make_send(out.data(), 0);
  auto recv = make_recv(in.data(), 0);
  send.deadline_ns = deadline;
  recv.deadline_ns = deadline;

  CHECK(loop(ring, send, recv).moved(bytes));
}

TEST_CASE("A deadline that is not reached leaves the engine alone") {
  raw_ring ring("loop0");
  const board loop0("loop0");
  const guarded_memory out(bytes);
  const guarded_memory in(bytes);
  const auto stops = loop0.stops();

  REQUIRE(
      loop(ring, within(make_send(out.data(), 0), 300ms), within(make_recv(in.data(), 0), 300ms))
          .moved(bytes));
  // A receive that outlives the deadlines of the jobs before it.
  CHECK(outcome_of(ring.run(within(make_recv(in.data(), 1), 600ms))) == outcome{ETIMEDOUT});
  CHECK(loop0.stops() - stops <= 4); // the one recovery, both channels, twice
}

TEST_CASE("When the deadline's completion is seen, the memory is not written to any more") {
  raw_ring ring("loop0");
  const guarded_memory first(bytes);
  const guarded_memory second(bytes);
  const guarded_memory out(bytes);
  fill_pattern(out.data(), 1);
  REQUIRE(outcome_of(ring.run(within(make_recv(first.data(), 1), soon))) == outcome{ETIMEDOUT});

  CHECK(loop(ring, out.data(), second.data()).moved(bytes));
  CHECK(untouched(first));
  CHECK(pattern_mismatch(second.data(), 1) == std::nullopt);
}

TEST_CASE("A split job that is too slow for its deadline says how far it is known to have come") {
  raw_ring ring("sink0", claiming(PINRING_DIR_SEND));
  board sink0("sink0");
  const auto chunk = ring.info().chunk;
  const guarded_memory memory(8 * chunk);
  sink0.rate_bytes_per_s(5 * chunk);

  const auto cqe = ring.run(within(make_send(memory.data(), 1, PINRING_SQE_SPLIT), 800ms));
  sink0.rate_bytes_per_s(0);
  CHECK(outcome_of(cqe) == outcome{ETIMEDOUT});
  CHECK(cqe.bytes < memory.size());
  CHECK(cqe.bytes % chunk == 0);
  CHECK_NOTHROW(prove_usable(ring));
}

// ---------------------------------------------------------------------------- jobs not started

TEST_CASE("A queued job's deadline ends it and does not disturb the ones that are active") {
  const auto* const device = shallow_loopback();
  raw_ring ring(device);
  const board shallow(device);
  const std::size_t depth = ring.info().recv_depth;
  const guarded_memory out(bytes);
  std::vector<guarded_memory> in;
  for (std::size_t i = 0; i <= depth; ++i)
    in.emplace_back(bytes);
  for (std::size_t i = 0; i < depth; ++i)
    ring.push(make_recv(in[i].data(), i));
  REQUIRE(ring.submit().submitted == depth);
  REQUIRE(wait_until([&] { return shallow.bds_in_use_recv() == depth; }));
  const auto stops = shallow.stops();

  CHECK(outcome_of(ring.run(within(make_recv(in[depth].data(), depth), soon))) ==
        outcome{ETIMEDOUT});
  CHECK(shallow.stops() == stops);
  CHECK(untouched(in[depth]));

  for (std::size_t i = 0; i < depth; ++i)
    ring.push(make_send(out.data(), 100 + i));
  REQUIRE(ring.submit().submitted == depth);
  for (const auto& cqe : ring.wait(2 * depth))
    CHECK(outcome_of(cqe) == success);
}

TEST_CASE(
    "Thousands of queued jobs end at their deadlines, once each, in whatever order these are") {
  constexpr std::uint64_t jobs = 2003; // a prime, so that the steps below meet each of them
  raw_ring ring("loop0", [] {
    ring_options options = claiming(PINRING_DIR_RECV);
    options.sq_entries = 4096;
    return options;
  }());
  const guarded_memory memory(bytes);
  const auto first = ring.info().recv_depth;
  for (std::uint64_t n = 0; n < first; ++n)
    ring.push(make_recv(memory.data(), jobs + n));
  const auto begin = clock::now() + 300ms;
  const auto deadline = [&](std::uint64_t n) { return begin + n * 700 % jobs * 100us; };
  for (std::uint64_t n = 0; n < jobs; ++n) {
    auto sqe = within(make_recv(memory.data(), n, PINRING_SQE_ABS_DEADLINE),
                      deadline(n).time_since_epoch());
    ring.push(sqe);
  }
  REQUIRE(ring.submit().submitted == first + jobs);

  std::vector<int> seen(jobs + first);
  bool early = false;
  for (std::uint64_t n = 0; n < jobs; ++n) {
    const auto cqe = ring.wait(1).front();
    early |= clock::now() < deadline(cqe.user_data % jobs);
    CHECK(outcome_of(cqe) == outcome{ETIMEDOUT});
    ++seen.at(cqe.user_data);
  }
  CHECK(std::ranges::count(seen, 1) == jobs);
  CHECK(std::ranges::count(std::span(seen).last(first), 0) == first);
  CHECK_FALSE(early);
  CHECK(ring.cq_ready() == 0);
}

TEST_CASE("Sends that were never handed over are handed over after the recovery, in order") {
  raw_ring ring("tiny0");
  board tiny0("tiny0");
  const auto bds = ring.info().send_bds;
  // As many pieces as BDs: the first send takes the whole pool.
  const guarded_memory memory(bds * apart_bytes);
  fill_pattern(memory.data(), 1);
  const auto pieces = pieces_apart(memory.data());
  const guarded_memory large(bytes);
  fill_pattern(large.data(), 2);
  tiny0.hold_send();
  ring.push(within(make_iovec(PINRING_OP_SEND, pieces, 1), soon));
  ring.push(without_deadline(make_iovec(PINRING_OP_SEND, pieces, 2)));
  ring.push(without_deadline(make_send(large.data(), 3)));
  REQUIRE(ring.submit().submitted == 3);

  const auto late = ring.wait(1).front();
  CHECK(late.user_data == 1);
  CHECK(outcome_of(late) == outcome{ETIMEDOUT});

  tiny0.hold_send(false);
  const guarded_memory first(bds);
  const guarded_memory second(bytes);
  ring.push(make_recv(first.data(), 4)).push(make_recv(second.data(), 5));
  REQUIRE(ring.submit().submitted == 2);
  for (const auto& cqe : ring.wait(4))
    CHECK(outcome_of(cqe) == success);
  for (std::size_t i = 0; i < bds; ++i)
    CHECK(first.data()[i] == memory.data()[i * apart_bytes]);
  CHECK(pattern_mismatch(second.data(), 2) == std::nullopt);
}

// ---------------------------------------------------------------------------- the others

TEST_CASE(
    "A recovery ends the other active jobs as collateral and hands over what had not started") {
  const auto* const device = shallow_loopback();
  raw_ring ring(device);
  board shallow(device);
  const std::size_t depth = ring.info().recv_depth;
  // Receive 0 is answered; then 1 to depth are active, and the last one is not.
  const std::size_t last = depth + 1;
  const guarded_memory out(bytes);
  fill_pattern(out.data(), 5);
  std::vector<guarded_memory> in;
  for (std::size_t i = 0; i <= last; ++i) {
    in.emplace_back(bytes);
    ring.push(make_recv(in[i].data(), i));
  }
  shallow.drop_send_completions(1);
  ring.push(within(make_send(out.data(), 100), 300ms));
  REQUIRE(ring.submit().submitted == last + 2);

  const auto cqes = ring.wait(last + 1);
  // On a slow machine an idle engine may be found before the deadline.
  CHECK((outcome_of(completion_of(cqes, 100)) == outcome{ETIMEDOUT} ||
         (shallow.is_model() && outcome_of(completion_of(cqes, 100)) == outcome{EIO})));
  CHECK((completion_of(cqes, 100).flags & PINRING_CQE_COLLATERAL) == 0);
  CHECK(outcome_of(completion_of(cqes, 0)) == success);
  for (std::size_t i = 1; i <= depth; ++i) {
    CHECK(outcome_of(completion_of(cqes, i)) == outcome{ECONNRESET});
    CHECK((completion_of(cqes, i).flags & PINRING_CQE_COLLATERAL) != 0);
    CHECK(completion_of(cqes, i).bytes == 0);
    CHECK(untouched(in[i]));
  }

  fill_pattern(out.data(), 6);
  ring.push(make_send(out.data(), 101));
  REQUIRE(ring.submit().submitted == 1);
  const auto rest = ring.wait(2);
  CHECK(outcome_of(completion_of(rest, last)) == success);
  CHECK(pattern_mismatch(in[last].data(), 6) == std::nullopt);
  CHECK_NOTHROW(prove_usable(ring));
}

TEST_CASE("A receive's deadline ends an active send as collateral") {
  raw_ring ring("loop0");
  board loop0("loop0");
  loop0.hold();
  const guarded_memory out(bytes);
  const guarded_memory in(bytes);
  ring.push(within(make_recv(in.data(), 1), soon)).push(without_deadline(make_send(out.data(), 2)));
  REQUIRE(ring.submit().submitted == 2);

  const auto cqes = ring.wait(2);
  CHECK(outcome_of(completion_of(cqes, 1)) == outcome{ETIMEDOUT});
  CHECK(outcome_of(completion_of(cqes, 2)) == outcome{ECONNRESET});
  CHECK(completion_of(cqes, 2).flags == PINRING_CQE_COLLATERAL);
  loop0.hold(false);
  CHECK_NOTHROW(prove_usable(ring));
}

TEST_CASE("Jobs that expire together are each told their own fault") {
  raw_ring ring("loop0");
  board loop0("loop0");
  loop0.hold();
  const guarded_memory memory(bytes);
  const auto deadline = ns(clock::now().time_since_epoch() + soon);
  auto send = make_send(memory.data(), 1, PINRING_SQE_ABS_DEADLINE);
  auto recv = make_recv(memory.data(), 2, PINRING_SQE_ABS_DEADLINE);
  send.deadline_ns = deadline;
  recv.deadline_ns = deadline;
  ring.push(recv).push(send);
  REQUIRE(ring.submit().submitted == 2);

  for (const auto& cqe : ring.wait(2)) {
    CHECK(outcome_of(cqe) == outcome{ETIMEDOUT});
    CHECK(cqe.flags == 0);
  }
  loop0.hold(false);
  CHECK_NOTHROW(prove_usable(ring));
}

TEST_CASE("A deadline of one ring is collateral to another one that shares the device") {
  constexpr auto both = PINRING_DIR_SEND | PINRING_DIR_RECV;
  raw_ring late("loop0", claiming(both, PINRING_SETUP_SHARED));
  raw_ring bystander("loop0", claiming(both, PINRING_SETUP_SHARED));
  board loop0("loop0");
  loop0.hold_send();
  const guarded_memory out(bytes);
  const guarded_memory in(bytes);
  bystander.push(make_recv(in.data(), 1));
  REQUIRE(bystander.submit().submitted == 1);
  REQUIRE(wait_until([&] { return loop0.bds_in_use_recv() == 1; }));

  CHECK(outcome_of(late.run(within(make_send(out.data(), 2), soon))) == outcome{ETIMEDOUT});
  const auto cqe = bystander.wait(1).front();
  CHECK(outcome_of(cqe) == outcome{ECONNRESET});
  CHECK(cqe.flags == PINRING_CQE_COLLATERAL);
  loop0.hold_send(false);
  CHECK_NOTHROW(prove_usable(bystander));
  CHECK_NOTHROW(prove_usable(late));
}

TEST_CASE("A job on a registered buffer times out, and the buffer goes on being of use") {
  raw_ring ring("loop0");
  const guarded_memory memory(2 * bytes);
  ring.register_at(0, memory.data());

  REQUIRE(outcome_of(ring.run(within(make_registered(PINRING_OP_RECV, 0, 0, bytes, 1), soon))) ==
          outcome{ETIMEDOUT});
  CHECK(loop(ring, make_registered(PINRING_OP_SEND, 0, 0, bytes, 0),
             make_registered(PINRING_OP_RECV, 0, bytes, bytes, 0))
            .moved(bytes));
  CHECK(ring.remove_at(0, PINRING_BUFFER_WAIT, patience) == success);
}

TEST_CASE("DRAIN waits for the recovery, too") {
  raw_ring ring("loop0");
  const guarded_memory in(bytes);
  ring.push(within(make_recv(in.data(), 1), soon)).push(make_drain(2));
  REQUIRE(ring.submit().submitted == 2);

  const auto cqes = ring.wait(2);
  CHECK(outcome_of(cqes[0]) == outcome{ETIMEDOUT});
  CHECK(cqes[1].user_data == 2);
}

TEST_CASE("The device recovers again and again, without being opened anew") {
  raw_ring ring("loop0");
  board loop0("loop0");
  const guarded_memory out(bytes);
  const guarded_memory in(bytes);

  for (int round = 0; round < 10; ++round) {
    CAPTURE(round);
    loop0.drop_completions(1); // whichever comes first
    ring.push(within(make_recv(in.data(), 1), 50ms)).push(within(make_send(out.data(), 2), 50ms));
    REQUIRE(ring.submit().submitted == 2);
    const auto cqes = ring.wait(2);
    CHECK(std::ranges::count_if(
              cqes, [](const auto& c) { return outcome_of(c) == outcome{ETIMEDOUT}; }) >= 1);
    loop0.drop_completions(0); // a slow machine's deadline came before anything was complete
    REQUIRE_NOTHROW(prove_usable(ring));
  }
}

TEST_CASE(
    "A ring that is closed while its device recovers lets go, and the next one finds it working") {
  for (int round = 0; round < 10; ++round) {
    board loop0("loop0");
    loop0.hold();
    raw_ring ring("loop0");
    const guarded_memory memory(bytes);
    ring.push(within(make_recv(memory.data(), 1), 5ms))
        .push(within(make_send(memory.data(), 2), 6ms));
    REQUIRE(ring.submit().submitted == 2);
    std::this_thread::sleep_for(std::chrono::milliseconds(round));
  }
  CHECK_NOTHROW(prove_usable("loop0"));
}

TEST_CASE("The channel works at the end of all this") {
  for (const auto* device : {"loop0", "batch0", "tiny0", "sink0"}) {
    CAPTURE(device);
    CHECK_NOTHROW(prove_usable(device));
  }
}
