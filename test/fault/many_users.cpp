// SPDX-License-Identifier: MIT
//
// What one user may take from the others: workers, rings of a device, and time with interrupts off.
// Root, who becomes others.
#include "catch.hpp"

#include <algorithm>
#include <grp.h>
#include <memory>
#include <sched.h>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "support/board.hpp"
#include "support/child.hpp"
#include "support/guarded_memory.hpp"
#include "support/loop.hpp"
#include "support/needs.hpp"
#include "support/pattern.hpp"
#include "support/raw_ring.hpp"
#include "support/stalling_memory.hpp"
#include "support/vmstat.hpp"

using namespace support;

namespace {

const auto needed = support::needs{{"loop0", "sink0"}}.switches().root();

constexpr std::size_t MiB = 1U << 20;
constexpr uid_t first_user = 1000;

ring_options shared(std::uint32_t directions, std::uint32_t sq_entries = 8) {
  ring_options options;
  options.directions = directions;
  options.flags = PINRING_SETUP_SHARED;
  options.sq_entries = sq_entries;
  return options;
}

/// Becomes an ordinary user, for good.
void become(uid_t user) {
  const rlimit memlock{8 * MiB, 8 * MiB};
  if (::setrlimit(RLIMIT_MEMLOCK, &memlock) != 0 || ::setgroups(0, nullptr) != 0 ||
      ::setresgid(user, user, user) != 0 || ::setresuid(user, user, user) != 0)
    throw std::runtime_error("can't become another user");
}

/// Parts that a lane prepares ahead: what is behind them is left to its worker.
constexpr std::uint64_t ahead = 64;
/// Of one user's lanes, 16 are prepared at a time. One that is kicked again just as its worker
/// begins takes two, so at least so many are seen to stall.
constexpr int workers_of_a_user = 16 / 2;

/// As an ordinary user: as many rings as one may have, each with a send that its worker will run
/// into as soon as the sends before it are through.
int stall_all(shared_flag& queued, shared_flag& stalled, shared_flag& done) {
  const stalling_memory trap(100);
  std::vector<raw_ring> rings;
  for (std::uint32_t i = 0; i < info_of("sink0").max_user_rings; ++i)
    rings.push_back(raw_ring::open("sink0"));
  become(first_user);

  const guarded_memory page(1, 0);
  for (auto& ring : rings) {
    if (!ring.setup(shared(PINRING_DIR_SEND, 128)).good())
      return 1;
    ring.register_at(0, page.data(), PINRING_DIR_SEND);
    for (std::uint64_t n = 0; n < ahead; ++n)
      ring.push(make_registered(PINRING_OP_SEND, 0, 0, 1, n));
    ring.push(make_send(trap.data(), ahead));
    if (ring.submit().submitted != ahead + 1)
      return 2;
  }
  queued.set();
  for (int i = 1; i <= workers_of_a_user; ++i) {
    if (!trap.await_fault())
      return 3;
    stalled.set(i);
  }
  return done.await() ? 0 : 4;
}

/// Through a ring of one's own or a shared one: far more than the window, so that workers prepare
/// most of it.
void check_big_loop(const char* device) {
  constexpr std::size_t bytes = 16 * MiB;
  raw_ring ring(device);
  const guarded_memory out(bytes);
  const guarded_memory in(bytes);
  fill_pattern(out.data(), 3);
  REQUIRE(loop(ring, out.data(), in.data(), PINRING_SQE_SPLIT).moved(bytes));
  CHECK(same_bytes(in.data(), out.data()));
}

/// Microseconds that one in four exceeds.
int usual(std::vector<clock::duration> times) {
  const auto at = times.end() - static_cast<std::ptrdiff_t>(times.size() / 4) - 1;
  std::ranges::nth_element(times, at);
  return static_cast<int>(*at / 1us);
}

/// On one CPU, so that whoever keeps its interrupts off is seen to.
void stay_on_first_cpu() {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(0, &set);
  if (::sched_setaffinity(0, sizeof(set), &set) != 0)
    throw std::runtime_error("can't stay on a CPU");
}

/// Microseconds, and not much more but now and then.
struct cancel_times {
  shared_flag cancel; // one that finds nothing
  shared_flag late;   // a thread that is to wake up on the same CPU
};

/// As an ordinary user: a receive, thousands of DRAINs behind it, and CANCELs that find nothing
/// among them, one after the other.
int cancel_in_vain(cancel_times& of, shared_flag& started, const shared_flag& done) {
  constexpr std::uint32_t batch = 4096;
  constexpr std::uint64_t nobody = ~0ULL;
  stay_on_first_cpu();
  auto ring = raw_ring::open("loop0");
  become(first_user);
  if (!ring.setup(shared(PINRING_DIR_RECV, batch)).good())
    return 1;
  const guarded_memory in(100);
  for (std::uint32_t n = 0; n < 2 * batch - 1; ++n) {
    ring.push(n == 0 ? make_recv(in.data(), n) : make_drain(n));
    if ((n + 1) % (batch / 2) == 0 && ring.submit().submitted != batch / 2)
      return 2;
  }
  if (!ring.submit().result.good())
    return 2;

  std::vector<clock::duration> times;
  for (bool all = false; !done.get(); all = !all) {
    const auto begin = clock::now();
    ring.push(all ? make_cancel_all(nobody) : make_cancel(nobody, nobody));
    if (ring.submit().submitted != 1 || ring.reap().size() != 1)
      return 3;
    times.push_back(clock::now() - begin);
    started.set();
  }
  of.cancel.set(usual(std::move(times)));
  return 0;
}

/// Goes before all others of its CPU, but not before an interrupt that is kept waiting.
int wake_up_often(cancel_times& of) {
  const sched_param first{.sched_priority = 1};
  stay_on_first_cpu();
  if (::sched_setscheduler(0, SCHED_FIFO, &first) != 0)
    return 1;
  std::vector<clock::duration> times(300);
  for (auto& late : times) {
    const auto begin = clock::now();
    std::this_thread::sleep_for(1ms);
    late = clock::now() - begin - 1ms;
  }
  of.late.set(usual(std::move(times)));
  return 0;
}

void measure_cancels(cancel_times& of) {
  shared_flag started;
  shared_flag done;
  child canceller([&] { return cancel_in_vain(of, started, done); });
  if (!started.await())
    FAIL("no CANCEL; the child ended with " << canceller.wait());
  child sleeper([&] { return wake_up_often(of); });
  CHECK(sleeper.wait() == 0);
  done.set();
  CHECK(canceller.wait() == 0);
}

} // namespace

TEST_CASE("A user whose CANCELs look at thousands of jobs keeps no interrupt waiting meanwhile") {
  // A busy host makes everything late, once. If a CANCEL were one step, one interrupt in four would
  // wait for three quarters of it or more, always.
  bool soon = false;
  for (int round = 0; round < 5 && !soon; ++round) {
    cancel_times of;
    measure_cancels(of);
    soon = of.late.get() < of.cancel.get() / 2;
    if (!soon)
      WARN("late by " << of.late.get() << " us, of " << of.cancel.get());
  }
  CHECK(soon);
}

TEST_CASE("A user who stalls the pins of all rings that one may have stalls no other user's") {
  if (!stalling_memory::available())
    return skip("no userfaultfd");
  shared_flag queued;
  shared_flag stalled;
  shared_flag done;
  raw_ring beside("sink0", shared(PINRING_DIR_SEND));
  board sink0("sink0");
  sink0.hold_send();
  child other([&] { return stall_all(queued, stalled, done); });
  REQUIRE(queued.await());
  sink0.hold_send(false);
  if (!stalled.await(workers_of_a_user))
    FAIL("only " << stalled.get() << " workers have run into it; the child ended with "
                 << other.wait());

  check_big_loop("loop0");
  const guarded_memory out(16 * MiB);
  CHECK(outcome_of(beside.run(make_send(out.data(), 1, PINRING_SQE_SPLIT))) == success);

  done.set();
  CHECK(other.wait() == 0);
  CHECK(pins_become_balanced());
}

TEST_CASE("A user has so many rings of a device, then EMFILE, and again when one is closed") {
  const auto most = info_of("loop0").max_user_rings;
  std::vector<raw_ring> rings;
  while (rings.size() < most)
    rings.emplace_back("loop0", shared(PINRING_DIR_SEND));

  auto further = raw_ring::open("loop0");
  CHECK(further.setup(shared(PINRING_DIR_SEND)) == outcome{EMFILE});
  CHECK_NOTHROW(raw_ring("sink0", shared(PINRING_DIR_SEND)));
  rings.pop_back();
  CHECK(further.setup(shared(PINRING_DIR_SEND)) == success);
}

TEST_CASE("A device has so many rings of all its users, then ENFILE") {
  const auto info = info_of("loop0");
  const auto users = info.max_rings / info.max_user_rings;
  shared_flag set_up;
  shared_flag done;
  std::vector<std::unique_ptr<child>> children;
  for (uid_t i = 0; i < users; ++i) {
    children.push_back(std::make_unique<child>([&, i] {
      std::vector<raw_ring> rings;
      for (std::uint32_t n = 0; n < info.max_user_rings; ++n)
        rings.push_back(raw_ring::open("loop0"));
      become(first_user + i);
      for (auto& ring : rings)
        if (!ring.setup(shared(PINRING_DIR_SEND, 1)).good())
          return 1;
      set_up.set(static_cast<int>(i + 1));
      return done.await() ? 0 : 2;
    }));
    REQUIRE(set_up.await(static_cast<int>(i + 1)));
  }

  auto further = raw_ring::open("loop0");
  CHECK(further.setup(shared(PINRING_DIR_SEND)) == outcome{ENFILE});
  done.set();
  for (auto& user : children)
    CHECK(user->wait() == 0);
  CHECK(further.setup(shared(PINRING_DIR_SEND)) == success);
}

TEST_CASE(
    "A ring of a user without a limit pins so much, then EDQUOT, and again when some is let go") {
  raw_ring ring("loop0");
  const auto most = ring.info().max_pinned_bytes;
  // The same memory over and over: each registration counts.
  const guarded_memory memory(64 * MiB - guarded_memory::guard_bytes, 0, memory_kind::thp);
  std::uint32_t n = 0;
  outcome result;
  for (; n <= most / (64 * MiB); ++n) {
    auto buffer = make_buffer(n, memory.data(), PINRING_DIR_SEND);
    result = ring.add(buffer);
    if (!result.good())
      break;
  }
  CHECK(result == outcome{EDQUOT});
  CHECK(n == most / (64 * MiB));

  REQUIRE(ring.remove_at(0, PINRING_BUFFER_WAIT, patience) == success);
  CHECK_NOTHROW(ring.register_at(n, memory.data(), PINRING_DIR_SEND));
  CHECK_NOTHROW(prove_usable("sink0"));
}

TEST_CASE("The channel works at the end of all this") {
  CHECK_NOTHROW(prove_usable("loop0"));
  CHECK_NOTHROW(prove_usable("sink0"));
}
