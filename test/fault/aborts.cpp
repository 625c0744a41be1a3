// SPDX-License-Identifier: MIT
//
// Jobs that have started are ended by their own ring, which takes a reset of both channels.
#include "catch.hpp"

#include <algorithm>
#include <vector>

#include "support/board.hpp"
#include "support/guarded_memory.hpp"
#include "support/loop.hpp"
#include "support/needs.hpp"
#include "support/pattern.hpp"
#include "support/raw_ring.hpp"

using namespace support;

namespace {

const auto needed = support::needs{{"loop0", "batch0", "sink0"}}.switches();

constexpr std::size_t bytes = 1000;
constexpr std::uint64_t the_abort = 77;
constexpr auto both = PINRING_DIR_SEND | PINRING_DIR_RECV;

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

/// Submits the receive and waits until the provider has it.
void arm(raw_ring& ring, const board& device, const pinring_sqe& recv) {
  const auto before = device.bds_in_use_recv();
  ring.push(recv);
  REQUIRE(ring.submit().submitted == 1);
  REQUIRE(wait_until([&] { return device.bds_in_use_recv() > before; }));
}

} // namespace

// ---------------------------------------------------------------------------- what is aborted

TEST_CASE("INFO says that jobs can be aborted") {
  CHECK((raw_ring("loop0").info().features & PINRING_FEAT_ABORT) != 0);
}

TEST_CASE("An abort ends a receive that nobody answers, and completes after it") {
  raw_ring ring("loop0");
  const board loop0("loop0");
  const guarded_memory in(bytes);
  arm(ring, loop0, make_recv(in.data(), 1));

  ring.push(make_abort(1, the_abort));
  REQUIRE(ring.submit().submitted == 1);
  const auto cqes = ring.reap(); // ENTER has done it all
  REQUIRE(cqes.size() == 2);
  CHECK(cqes[0].user_data == 1);
  CHECK(outcome_of(cqes[0]) == outcome{ECANCELED});
  CHECK(cqes[0].flags == 0);
  CHECK(cqes[0].bytes == 0);
  CHECK(outcome_of(cqes[1]) == success);
  CHECK(cqes[1].bytes == 1);
  CHECK_NOTHROW(prove_usable(ring));
  CHECK(untouched(in));
}

TEST_CASE("An abort ends a send that does not come to an end") {
  raw_ring ring("sink0", claiming(PINRING_DIR_SEND));
  board sink0("sink0");
  const guarded_memory out(bytes);
  sink0.hold_send();
  ring.push(without_deadline(make_send(out.data(), 1)));
  REQUIRE(ring.submit().submitted == 1);
  REQUIRE(wait_until([&] { return sink0.bds_in_use_send() > 0; }));

  ring.push(make_abort(1, the_abort));
  REQUIRE(ring.submit().submitted == 1);
  const auto cqes = ring.wait(2);
  CHECK(outcome_of(completion_of(cqes, 1)) == outcome{ECANCELED});
  CHECK(outcome_of(completion_of(cqes, the_abort)) == success);
  sink0.hold_send(false);
  CHECK_NOTHROW(prove_usable(ring));
}

TEST_CASE("An abort of all ends what has started and what has not, and says how many") {
  const auto* const device = shallow_loopback();
  raw_ring ring(device);
  board shallow(device);
  shallow.hold();
  const std::uint64_t jobs = ring.info().recv_depth + 2;
  const guarded_memory out(bytes);
  std::vector<guarded_memory> in;
  for (std::uint64_t i = 0; i < jobs; ++i)
    ring.push(make_recv(in.emplace_back(bytes).data(), i));
  ring.push(without_deadline(make_send(out.data(), jobs)));
  REQUIRE(ring.submit().submitted == jobs + 1);

  ring.push(make_abort_all(the_abort));
  REQUIRE(ring.submit().submitted == 1);
  const auto cqes = ring.wait(jobs + 2);
  for (std::uint64_t i = 0; i <= jobs; ++i) {
    CHECK(outcome_of(completion_of(cqes, i)) == outcome{ECANCELED});
    CHECK(completion_of(cqes, i).flags == 0);
  }
  CHECK(cqes.back().user_data == the_abort);
  CHECK(outcome_of(cqes.back()) == success);
  CHECK(cqes.back().bytes == jobs + 1);
  shallow.hold(false);
  CHECK_NOTHROW(prove_usable(ring));
  for (const auto& memory : in)
    CHECK(untouched(memory));
}

TEST_CASE("A split job that is aborted says how far it is known to have come") {
  raw_ring ring("sink0", claiming(PINRING_DIR_SEND));
  board sink0("sink0");
  const auto chunk = ring.info().chunk;
  const guarded_memory memory(16 * chunk);
  sink0.rate_bytes_per_s(5 * chunk);
  const auto before = driver_counter("sink0", "send/packets");
  ring.push(without_deadline(make_send(memory.data(), 1, PINRING_SQE_SPLIT)));
  REQUIRE(ring.submit().submitted == 1);
  REQUIRE(wait_until([&] { return driver_counter("sink0", "send/packets") > before; }));

  ring.push(make_abort(1, the_abort));
  REQUIRE(ring.submit().submitted == 1);
  const auto cqes = ring.wait(2);
  sink0.rate_bytes_per_s(0);
  CHECK(outcome_of(completion_of(cqes, 1)) == outcome{ECANCELED});
  CHECK(completion_of(cqes, 1).bytes >= chunk);
  CHECK(completion_of(cqes, 1).bytes < memory.size());
  CHECK(completion_of(cqes, 1).bytes % chunk == 0);
  CHECK_NOTHROW(prove_usable(ring));
}

TEST_CASE("An abort of a job that has not started resets nothing") {
  const auto* const device = shallow_loopback();
  raw_ring ring(device);
  const board shallow(device);
  const std::uint64_t depth = ring.info().recv_depth;
  const guarded_memory out(bytes);
  std::vector<guarded_memory> in;
  for (std::uint64_t i = 0; i <= depth; ++i)
    ring.push(make_recv(in.emplace_back(bytes).data(), i));
  REQUIRE(ring.submit().submitted == depth + 1);
  REQUIRE(wait_until([&] { return shallow.bds_in_use_recv() == depth; }));
  const auto stops = shallow.stops();

  ring.push(make_abort(depth, the_abort));
  REQUIRE(ring.submit().submitted == 1);
  const auto cqes = ring.wait(2);
  CHECK(outcome_of(completion_of(cqes, depth)) == outcome{ECANCELED});
  CHECK(outcome_of(completion_of(cqes, the_abort)) == success);
  CHECK(shallow.stops() == stops);

  for (std::uint64_t i = 0; i < depth; ++i)
    ring.push(make_send(out.data(), 100 + i));
  REQUIRE(ring.submit().submitted == depth);
  for (const auto& cqe : ring.wait(2 * depth))
    CHECK(outcome_of(cqe) == success);
}

TEST_CASE("An abort of a job that is not there is ENOENT, and resets nothing") {
  raw_ring ring("loop0");
  const board loop0("loop0");
  const guarded_memory in(bytes);
  arm(ring, loop0, make_recv(in.data(), 1));
  const auto stops = loop0.stops();

  CHECK(outcome_of(ring.run(make_abort(2, the_abort))) == outcome{ENOENT});
  CHECK(loop0.stops() == stops);
}

TEST_CASE("An abort of all where there is nothing succeeds, and resets nothing") {
  raw_ring ring("loop0");
  const board loop0("loop0");
  const auto stops = loop0.stops();

  const auto cqe = ring.run(make_abort_all(the_abort));
  CHECK(outcome_of(cqe) == success);
  CHECK(cqe.bytes == 0);
  CHECK(loop0.stops() == stops);
}

// ---------------------------------------------------------------------------- the others

TEST_CASE("An abort resets what has started in the other direction, and says so") {
  raw_ring ring("loop0");
  board loop0("loop0");
  loop0.hold();
  const guarded_memory out(bytes);
  const guarded_memory in(bytes);
  arm(ring, loop0, make_recv(in.data(), 1));
  ring.push(without_deadline(make_send(out.data(), 2)));
  REQUIRE(ring.submit().submitted == 1);
  REQUIRE(wait_until([&] { return loop0.bds_in_use_send() > 0; }));

  ring.push(make_abort(2, the_abort));
  REQUIRE(ring.submit().submitted == 1);
  const auto cqes = ring.wait(3);
  CHECK(outcome_of(completion_of(cqes, 2)) == outcome{ECANCELED});
  CHECK(outcome_of(completion_of(cqes, 1)) == outcome{ECONNRESET});
  CHECK(completion_of(cqes, 1).flags == PINRING_CQE_COLLATERAL);
  CHECK(completion_of(cqes, the_abort).bytes == 1);
  loop0.hold(false);
  CHECK(untouched(in));
  CHECK_NOTHROW(prove_usable(ring));
}

TEST_CASE("What was never handed over is handed over after an abort") {
  const auto* const device = shallow_loopback();
  raw_ring ring(device);
  const board shallow(device);
  const std::uint64_t depth = ring.info().recv_depth;
  const guarded_memory out(bytes);
  fill_pattern(out.data(), 3);
  std::vector<guarded_memory> in;
  for (std::uint64_t i = 0; i <= depth; ++i)
    ring.push(make_recv(in.emplace_back(bytes).data(), i));
  REQUIRE(ring.submit().submitted == depth + 1);
  REQUIRE(wait_until([&] { return shallow.bds_in_use_recv() == depth; }));

  ring.push(make_abort(0, the_abort));
  REQUIRE(ring.submit().submitted == 1);
  const auto cqes = ring.wait(depth + 1);
  CHECK(outcome_of(completion_of(cqes, 0)) == outcome{ECANCELED});
  for (std::uint64_t i = 1; i < depth; ++i)
    CHECK(outcome_of(completion_of(cqes, i)) == outcome{ECONNRESET});

  ring.push(make_send(out.data(), 100));
  REQUIRE(ring.submit().submitted == 1);
  const auto rest = ring.wait(2);
  CHECK(outcome_of(completion_of(rest, depth)) == success);
  CHECK(pattern_mismatch(in[depth].data(), 3) == std::nullopt);
}

TEST_CASE("A ring that shares its claim may not abort, and nothing ends") {
  raw_ring ring("loop0", claiming(both, PINRING_SETUP_SHARED));
  const board loop0("loop0");
  const guarded_memory out(bytes);
  const guarded_memory in(bytes);
  arm(ring, loop0, make_recv(in.data(), 1));

  CHECK(outcome_of(ring.run(make_abort(1, the_abort))) == outcome{EOPNOTSUPP});
  CHECK(outcome_of(ring.run(make_abort_all(the_abort))) == outcome{EOPNOTSUPP});
  ring.push(make_send(out.data(), 2));
  REQUIRE(ring.submit().submitted == 1);
  for (const auto& cqe : ring.wait(2))
    CHECK(outcome_of(cqe) == success);
}

TEST_CASE("A ring may not abort while another one has the other direction") {
  raw_ring ring("loop0", claiming(PINRING_DIR_RECV));
  const board loop0("loop0");
  const guarded_memory in(bytes);
  arm(ring, loop0, make_recv(in.data(), 1));
  {
    const raw_ring other("loop0", claiming(PINRING_DIR_SEND));
    CHECK(outcome_of(ring.run(make_abort(1, the_abort))) == outcome{EOPNOTSUPP});
  }

  // Nobody would be reset but itself.
  ring.push(make_abort(1, the_abort));
  REQUIRE(ring.submit().submitted == 1);
  const auto cqes = ring.wait(2);
  CHECK(outcome_of(completion_of(cqes, 1)) == outcome{ECANCELED});
  CHECK(outcome_of(completion_of(cqes, the_abort)) == success);
}

// ---------------------------------------------------------------------------- memory

TEST_CASE("The memory of an aborted job can be let go of at once") {
  raw_ring ring("loop0");
  const board loop0("loop0");
  const guarded_memory memory(bytes);
  ring.register_at(0, memory.data());
  arm(ring, loop0, make_registered(PINRING_OP_RECV, 0, 0, bytes, 1));

  ring.push(make_abort_all(the_abort));
  REQUIRE(ring.submit().submitted == 1);
  CHECK(ring.remove_at(0, PINRING_BUFFER_WAIT, patience) == success);
  CHECK(ring.reap().size() == 2);
}

TEST_CASE("Aborts in the middle of traffic leave memory that nobody writes to") {
  raw_ring ring("loop0");
  const auto chunk = ring.info().chunk;
  const guarded_memory out(3 * chunk);
  const guarded_memory in(3 * chunk);
  for (int round = 0; round < 12; ++round) {
    CAPTURE(round);
    ring.push(without_deadline(make_recv(in.data(), 1, PINRING_SQE_SPLIT)))
        .push(without_deadline(make_send(out.data(), 2, PINRING_SQE_SPLIT)));
    REQUIRE(ring.submit().submitted == 2);
    (void)ring.enter(0, 2, std::chrono::milliseconds(2 * round));
    ring.push(make_abort_all(the_abort));
    REQUIRE(ring.submit().submitted == 1);
    REQUIRE(ring.wait(3).back().user_data == the_abort);
    in.clear();
    // What had been sent when the receive was ended is not the next one's.
    empty_the_stream(ring);
    REQUIRE_NOTHROW(prove_usable(ring));
    REQUIRE(untouched(in));
  }
}

TEST_CASE("The channel works at the end of all this") {
  for (const auto* device : {"loop0", "batch0", "sink0"}) {
    CAPTURE(device);
    CHECK_NOTHROW(prove_usable(device));
  }
}
