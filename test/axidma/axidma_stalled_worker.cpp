// SPDX-License-Identifier: MIT
//
// A ring's worker that takes long over letting go of what has completed, and calls that meet it.
#include "catch.hpp"

#include <csignal>
#include <thread>

#include "delays.hpp"
#include "support/guarded_memory.hpp"
#include "support/loop.hpp"
#include "support/needs.hpp"
#include "support/raw_ring.hpp"
#include "support/vmstat.hpp"
#include "support/wait.hpp"

using namespace support;

namespace {

const auto needed = support::needs{{"loop0"}}.model().root();

constexpr std::size_t bytes = 3000;

ring_options sharing(std::uint32_t directions) {
  ring_options options;
  options.directions = directions;
  options.flags = PINRING_SETUP_SHARED;
  return options;
}

/// What a call says that this thread makes and signals end, one after the other until it returns.
template <typename Call>
auto interrupted(Call&& call) {
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = [](int) {};
  REQUIRE(::sigaction(SIGUSR1, &action, &before) == 0);
  const auto caller = ::pthread_self();
  std::jthread sender([caller](const std::stop_token& over) {
    while (!over.stop_requested()) {
      ::pthread_kill(caller, SIGUSR1);
      std::this_thread::yield();
    }
  });
  const auto said = call();
  sender.request_stop();
  sender.join();
  REQUIRE(::sigaction(SIGUSR1, &before, nullptr) == 0);
  return said;
}

} // namespace

TEST_CASE("A submission that waits for the worker ends with a signal, and has consumed nothing") {
  raw_ring ring("loop0", sharing(PINRING_DIR_SEND | PINRING_DIR_RECV));
  raw_ring other("loop0", sharing(PINRING_DIR_SEND));
  const guarded_memory out(bytes);
  const guarded_memory first(bytes);
  const guarded_memory second(bytes);
  enter_result entered;
  {
    stalled_call release("pinring_part_let_go");
    ring.push(make_recv(first.data(), 1)).push(make_recv(second.data(), 2));
    ring.push(make_send(out.data(), 3));
    REQUIRE(ring.submit().submitted == 3);
    REQUIRE(wait_until([&] { return release.reached(); }));
    // The worker has what had completed then. What completes now is left for the next call.
    other.push(make_send(out.data(), 1));
    REQUIRE(other.submit().submitted == 1);
    REQUIRE(ring.enter(0, 3).result == success);
    ring.push(make_nop(4));
    entered = interrupted([&] { return ring.submit(); });
  }
  CHECK(entered.result == outcome{EINTR});
  CHECK(entered.submitted == 0);
  CHECK(ring.sq().head == 3);

  CHECK(ring.submit().submitted == 1);
  for (const auto& cqe : ring.wait(4))
    CHECK(outcome_of(cqe) == success);
}

TEST_CASE("The channel works at the end of all this") {
  CHECK(pins_become_balanced());
  CHECK_NOTHROW(prove_usable("loop0"));
}
