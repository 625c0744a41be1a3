// SPDX-License-Identifier: MIT
//
// What the driver does in the background meets failures, too: each thing that a worker asks the
// kernel for fails once, the first, then the second, until nothing more is asked for. Workers pin
// and map what is behind the window, hand over what found no free BDs, end what has failed and make
// the channels anew. Nobody returns an error from there: the jobs have to tell.
#include "catch.hpp"

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <functional>
#include <set>
#include <vector>

#include "injection.hpp"
#include "support/board.hpp"
#include "support/guarded_memory.hpp"
#include "support/loop.hpp"
#include "support/needs.hpp"
#include "support/pattern.hpp"
#include "support/raw_ring.hpp"
#include "support/vmstat.hpp"

using namespace support;

namespace {

const auto needed = support::needs{{"loop0"}}.switches().root().fault_injection();

constexpr const char* device = "loop0";
constexpr unsigned far_too_many = 1000;
constexpr auto lone = 300ms;         // a job that has lost its other side ends then
constexpr unsigned enough_quiet = 3; // not each time it is the same worker that has most to do

unsigned total = 0;

/// Fails one thing after the other in the workers, while the work is done, until for some rounds
/// none of them has come so far. After each no page is pinned and the ring works.
/// @return how many things have failed.
unsigned sweep_workers(raw_ring& ring, const std::function<void()>& work) {
  const sweep::injection everything;
  sweep::fail_workers workers;
  unsigned failures = 0;

  for (unsigned n = 1, quiet = 0; quiet < enough_quiet;) {
    CAPTURE(n);
    REQUIRE(n < far_too_many);
    workers.arm(n);
    work();
    const bool failed = workers.disarm();
    REQUIRE(pins_become_balanced());
    empty_the_stream(ring);
    REQUIRE_NOTHROW(prove_usable(ring));
    failures += failed;
    n += failed;
    quiet = failed ? 0 : quiet + 1;
  }
  total += failures;
  return failures;
}

std::uint64_t count_of(std::chrono::nanoseconds time) {
  return static_cast<std::uint64_t>(time.count());
}

/// Jobs end well, or for want of memory, or on another job's account.
void check_outcomes(const std::vector<pinring_cqe>& cqes, std::set<int> allowed) {
  for (const auto& cqe : cqes) {
    CAPTURE(outcome_of(cqe));
    REQUIRE(allowed.contains(-cqe.result));
  }
}

const std::set<int> usual = {0, ENOMEM, ECONNRESET, ETIMEDOUT};

} // namespace

TEST_CASE(
    "A job longer than its window ends well or with ENOMEM, whatever fails behind the window") {
  raw_ring ring(device);
  const auto bytes = static_cast<std::size_t>(3 * ring.info().chunk + 5 * page_bytes());
  const guarded_memory out(bytes);
  const guarded_memory in(bytes);
  fill_pattern(out.data(), bytes);

  const auto failures = sweep_workers(ring, [&] {
    in.clear();
    auto recv = make_recv(in.data(), 1, PINRING_SQE_SPLIT);
    auto send = make_send(out.data(), 2, PINRING_SQE_SPLIT);
    recv.deadline_ns = send.deadline_ns = count_of(lone);
    ring.push(recv).push(send);
    REQUIRE(ring.submit().submitted == 2);
    const auto cqes = ring.wait(2);
    check_outcomes(cqes, usual);
    if (cqes[0].result == 0 && cqes[1].result == 0)
      REQUIRE(!pattern_mismatch(in.data(), bytes));
    REQUIRE(in.guards_intact());
  });
  CAPTURE(failures);
  CHECK(failures >= 10);
}

TEST_CASE(
    "Jobs that wait for free BDs end well or with ENOMEM, whatever fails in handing them over") {
  constexpr std::size_t each = 32;
  constexpr std::uint64_t jobs = 10;
  raw_ring ring(device);
  const guarded_memory out(each * page_bytes());
  const guarded_memory in(each * page_bytes());

  const auto failures = sweep_workers(ring, [&] {
    for (std::uint64_t i = 0; i < jobs; ++i) {
      auto recv = make_recv(in.data(), i);
      auto send = make_send(out.data(), jobs + i);
      recv.deadline_ns = send.deadline_ns = count_of(lone);
      ring.push(recv).push(send);
    }
    REQUIRE(ring.submit().submitted == 2 * jobs);
    check_outcomes(ring.wait(2 * jobs), usual);
  });
  CAPTURE(failures);
  CHECK(failures >= 1);
}

TEST_CASE("A recovery in which something fails leaves a device that works") {
  raw_ring ring(device);
  const guarded_memory in(3 * page_bytes());

  const auto failures = sweep_workers(ring, [&] {
    auto late = make_recv(in.data(), 1);
    late.deadline_ns = count_of(10ms);
    REQUIRE(outcome_of(ring.run(late)) == outcome{ETIMEDOUT});
  });
  CAPTURE(failures);
  CHECK(failures >= 4);
}

TEST_CASE(
    "A recovery from an error of the hardware leaves a device that works, whatever fails in it") {
  raw_ring ring(device);
  const guarded_memory out(3 * page_bytes());
  const guarded_memory in(3 * page_bytes());

  const auto failures = sweep_workers(ring, [&] {
    board switches(device);
    switches.fail_send(1);
    auto recv = make_recv(in.data(), 1);
    recv.deadline_ns = count_of(lone);
    ring.push(recv).push(make_send(out.data(), 2));
    REQUIRE(ring.submit().submitted == 2);
    check_outcomes(ring.wait(2), {0, EIO, ECONNRESET, ETIMEDOUT, ENOMEM});
  });
  CAPTURE(failures);
  CHECK(failures >= 4);
}

TEST_CASE("A registered buffer is let go of, whatever fails in that") {
  raw_ring ring(device);
  const guarded_memory memory(9 * page_bytes());

  sweep_workers(ring, [&] {
    ring.register_at(0, memory.data());
    REQUIRE(ring.remove_at(0) == success);
    const auto gone = ring.remove_at(0, PINRING_BUFFER_WAIT);
    REQUIRE((gone == success || gone == outcome{ENOENT}));
  });
  CHECK(ring.remove_at(0) == outcome{ENOENT});
}

TEST_CASE("At the end of all this the device is not dead, and no page is in quarantine") {
  CHECK((info_of(device).flags & PINRING_INFO_DEAD) == 0);
  CHECK(driver_counter(device, "quarantined_pages") == 0);
  CHECK_NOTHROW(prove_usable(device));
  std::printf("fail_background: %u things failed, each by itself\n", total);
}
