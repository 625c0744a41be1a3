// SPDX-License-Identifier: MIT
//
// ENTER's wait: when it ends, with what, and what signals and other threads do to it.
#include "catch.hpp"

#include <atomic>
#include <csignal>
#include <random>
#include <sys/time.h>
#include <thread>
#include <vector>

#include "pending_receive.hpp"
#include "support/loop.hpp"
#include "support/needs.hpp"
#include "support/pace.hpp"
#include "support/raw_ring.hpp"

using namespace support;

namespace {

const auto needed = support::needs{{"loop0", "sink0"}};

constexpr auto short_wait = 30ms; // long enough to be a wait, and always spent in full

pinring_enter valid_enter() {
  pinring_enter argument{};
  argument.size = sizeof(argument);
  return argument;
}

std::uint64_t now_ns() {
  return static_cast<std::uint64_t>(clock::now().time_since_epoch().count());
}

} // namespace

// ---------------------------------------------------------------------------- the wait

TEST_CASE("A wait with nothing outstanding ends at once, with success") {
  const raw_ring ring("loop0");

  CHECK(ring.enter(0, 1).result == success);
}

TEST_CASE("A wait for more than is outstanding ends when all that is has completed") {
  raw_ring ring("loop0");
  ring.push(make_nop(1));

  CHECK(ring.submit(5).result == success);
  CHECK(ring.reap().size() == 1);
}

TEST_CASE("A wait is for CQEs that are in the CQ, those of earlier calls included") {
  raw_ring ring("loop0");
  ring.push(make_nop(1));
  REQUIRE(ring.submit().result == success);
  pending_receive pending(ring);

  CHECK(ring.enter(0, 1).result == success);
  CHECK(ring.reap().size() == 1);
  pending.finish();
}

TEST_CASE("A relative deadline ends the wait with ETIME and no job is touched") {
  raw_ring ring("loop0");
  pending_receive pending(ring);
  const auto start = clock::now();

  CHECK(ring.enter(0, 1, short_wait).result == outcome{ETIME});
  CHECK(clock::now() - start >= short_wait);
  CHECK(ring.cq_ready() == 0);
  pending.finish();
}

TEST_CASE("An absolute deadline ends the wait with ETIME, not before that time") {
  raw_ring ring("loop0");
  pending_receive pending(ring);
  auto argument = valid_enter();
  argument.flags = PINRING_ENTER_ABS_DEADLINE;
  argument.min_complete = 1;
  argument.deadline_ns =
      now_ns() + static_cast<std::uint64_t>(std::chrono::nanoseconds(short_wait).count());

  CHECK(ring.enter(argument) == outcome{ETIME});
  CHECK(now_ns() >= argument.deadline_ns);
  pending.finish();
}

TEST_CASE("An absolute deadline that has passed ends the wait at once") {
  raw_ring ring("loop0");
  pending_receive pending(ring);
  auto argument = valid_enter();
  argument.flags = PINRING_ENTER_ABS_DEADLINE;
  argument.min_complete = 1;
  argument.deadline_ns = 1;

  CHECK(ring.enter(argument) == outcome{ETIME});
  pending.finish();
}

TEST_CASE("A deadline that has passed does not matter when nothing is waited for") {
  raw_ring ring("loop0");
  ring.push(make_nop(1)).publish();
  auto argument = valid_enter();
  argument.flags = PINRING_ENTER_ABS_DEADLINE;
  argument.to_submit = 1;
  argument.min_complete = 1;
  argument.deadline_ns = 1;

  CHECK(ring.enter(argument) == success);
  CHECK(argument.submitted == 1);
}

TEST_CASE("A call whose wait runs into its deadline has submitted all the same, and says so") {
  raw_ring ring("loop0");
  const guarded_memory in(1000);
  const guarded_memory out(1000);
  ring.push(make_recv(in.data(), 1));

  const auto entered = ring.submit(1, short_wait);
  CHECK(entered.result == outcome{ETIME});
  CHECK(entered.submitted == 1);
  REQUIRE(outcome_of(ring.run(make_send(out.data(), 2))) == success);
}

TEST_CASE("Deadlines beyond the end of time do not wrap around") {
  raw_ring ring("loop0");
  pending_receive pending(ring);
  auto argument = valid_enter();
  argument.min_complete = 1;
  argument.deadline_ns =
      GENERATE(std::uint64_t{1} << 63, PINRING_DEADLINE_NONE - 1, PINRING_DEADLINE_NONE);

  std::thread finisher([&] {
    // A second thread may submit while the first one waits: ENTER is anybody's.
    static const guarded_memory out(1000);
    std::this_thread::sleep_for(short_wait);
    ring.push(make_send(out.data(), pending_receive::send_tag));
    (void)ring.submit();
  });
  CHECK(ring.enter(argument) == success);
  finisher.join();
  CHECK(ring.wait(2).size() == 2);
}

TEST_CASE("A completion wakes a thread that waits for it") {
  raw_ring ring("loop0");
  const guarded_memory in(1000);
  const guarded_memory out(1000);
  ring.push(make_recv(in.data(), 1));
  REQUIRE(ring.submit().result == success);

  enter_result woken;
  std::thread waiter([&] { woken = ring.enter(0, 2); });
  ring.push(make_send(out.data(), 2));
  CHECK(ring.submit().result == success);
  waiter.join();
  CHECK(woken.result == success);
  CHECK(ring.reap().size() == 2);
}

// ---------------------------------------------------------------------------- signals

namespace {

volatile std::sig_atomic_t alarms;

/// SIGALRM again and again, as long as this lives; so no test depends on hitting one moment.
class alarm_storm {
public:
  alarm_storm(std::chrono::microseconds every, int action_flags) {
    struct sigaction action {};
    action.sa_handler = [](int) { alarms = alarms + 1; };
    action.sa_flags = action_flags;
    ::sigaction(SIGALRM, &action, &before_);
    const timeval interval{0, static_cast<suseconds_t>(every.count())};
    const itimerval timer{interval, interval};
    ::setitimer(ITIMER_REAL, &timer, nullptr);
  }
  alarm_storm(const alarm_storm&) = delete;
  alarm_storm& operator=(const alarm_storm&) = delete;
  ~alarm_storm() {
    const itimerval off{};
    ::setitimer(ITIMER_REAL, &off, nullptr);
    ::sigaction(SIGALRM, &before_, nullptr);
  }

private:
  struct sigaction before_ {};
};

} // namespace

TEST_CASE("A signal ends the wait with EINTR, also where system calls are restarted") {
  const auto action_flags = GENERATE(0, SA_RESTART);
  raw_ring ring("loop0");
  pending_receive pending(ring);

  {
    const alarm_storm storm(20ms, action_flags);
    CHECK(ring.enter(0, 1).result == outcome{EINTR});
  }
  CHECK(ring.cq_ready() == 0);
  pending.finish();
}

TEST_CASE("A call that a signal ends says what it has submitted, and that goes on") {
  raw_ring ring("loop0");
  const guarded_memory first(1000);
  const guarded_memory second(1000);
  const guarded_memory out(1000);
  ring.push(make_recv(first.data(), 1)).push(make_recv(second.data(), 2));

  enter_result entered;
  {
    const alarm_storm storm(20ms, 0);
    entered = ring.submit(1);
  }
  CHECK(entered.result == outcome{EINTR});
  CHECK(entered.submitted == 2);
  CHECK(ring.sq().head == 2);

  ring.push(make_send(out.data(), 3)).push(make_send(out.data(), 4));
  REQUIRE(ring.submit().submitted == 2);
  for (const auto& cqe : ring.wait(4))
    CHECK(outcome_of(cqe) == success);
}

TEST_CASE("Transfers in a storm of signals lose nothing") {
  raw_ring ring("loop0");
  const guarded_memory out(3000);
  const guarded_memory in(3000);
  const alarm_storm storm(3ms, 0);

  for (std::uint64_t round = 0; round < paced(100); ++round) {
    fill_pattern(out.data(), round);
    REQUIRE(loop(ring, out.data(), in.data()).moved(3000));
    REQUIRE(pattern_mismatch(in.data(), round) == std::nullopt);
  }
}

// ---------------------------------------------------------------------------- races

TEST_CASE("SQEs that change while they are read harm nobody, and each gets one completion") {
  ring_options options;
  options.directions = PINRING_DIR_SEND; // into a sink: whatever is sent leaves nothing behind
  raw_ring ring("sink0", options);
  guarded_memory memory(5000);
  const auto good = memory.address();

  std::atomic<bool> stop = false;
  std::thread mutator([&] {
    const std::uint64_t addresses[] = {good, 0, good + 1, 0xffff888000000000ULL, ~0ULL};
    const std::uint64_t lengths[] = {1, 0, 5000, 1ULL << 40, ~0ULL};
    const std::uint8_t opcodes[] = {PINRING_OP_SEND, PINRING_OP_NOP, PINRING_OP_RECV, 77,
                                    PINRING_OP_SEND};
    std::minstd_rand random(1);
    while (!stop) {
      auto& sqe = ring.sqe_at(static_cast<std::uint32_t>(random()));
      sqe.opcode = opcodes[random() % 5];
      sqe.flags = static_cast<std::uint32_t>(random() % 16);
      sqe.addr = addresses[random() % 5];
      sqe.len = lengths[random() % 5];
      sqe.buffer = static_cast<std::uint32_t>(random() % 3);
      std::this_thread::yield();
    }
  });

  std::uint64_t submitted = 0;
  std::uint64_t completed = 0;
  for (std::size_t round = 0; round < paced(200); ++round) {
    for (std::uint32_t i = 0; i < ring.layout().sq_entries / 2; ++i)
      ring.push(make_send(memory.data(), 0));
    submitted += ring.submit().submitted;
    completed += ring.wait(submitted - completed).size();
  }
  stop = true;
  mutator.join();

  CHECK(completed == submitted);
  CHECK(ring.enter(0, 1).result == success); // nothing is outstanding, nothing comes
  CHECK(ring.cq_ready() == 0);
  CHECK_NOTHROW(prove_usable(ring));
}

TEST_CASE("Several threads that enter at once consume each SQE once") {
  raw_ring ring("loop0");
  const std::uint64_t rounds = paced(50);
  std::atomic<std::uint64_t> consumed = 0;

  for (std::uint64_t round = 0; round < rounds; ++round) {
    for (std::uint64_t i = 0; i < 64; ++i)
      ring.push(make_nop(round * 64 + i));
    ring.publish();
    const auto enter_all = [&] { consumed += ring.enter(64, 0).submitted; };
    std::thread other(enter_all);
    enter_all();
    other.join();

    REQUIRE(consumed == (round + 1) * 64);
    const auto cqes = ring.wait(64);
    for (std::uint64_t i = 0; i < 64; ++i)
      REQUIRE(completion_of(cqes, round * 64 + i).result == 0);
  }
}

TEST_CASE("The channel works at the end of all this") {
  CHECK_NOTHROW(prove_usable("loop0"));
  CHECK_NOTHROW(prove_usable("sink0"));
}
