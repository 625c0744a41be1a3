// SPDX-License-Identifier: MIT
//
// A device is unbound while memory of its rings can't be given back. An unpin may take as long as
// the program's own file system likes: nobody else waits for that.
#include "catch.hpp"

#include <atomic>
#include <optional>
#include <thread>
#include <vector>

#include "delays.hpp"
#include "support/binding.hpp"
#include "support/guarded_memory.hpp"
#include "support/loop.hpp"
#include "support/needs.hpp"
#include "support/raw_ring.hpp"
#include "support/vmstat.hpp"
#include "support/wait.hpp"

using namespace support;

namespace {

const auto needed = support::needs{{"loop0"}}.model().root();

constexpr const char* device = "loop0";
constexpr std::size_t bytes = 3000;
constexpr std::uint32_t jobs = 40; // more than the provider is given: the stop ends those

ring_options shared() {
  ring_options options;
  options.flags = PINRING_SETUP_SHARED;
  return options;
}

/// Takes the device away; not in this thread, as that may never end.
std::jthread unbind(binding& from, std::atomic<bool>& unbound) {
  return std::jthread([&] {
    from.unbind();
    unbound = true;
  });
}

} // namespace

TEST_CASE("While an unpin stalls a device can be unbound, and others hear of it and close") {
  binding loop0(device);
  raw_ring stalled(device, shared());
  raw_ring other(device, shared());
  const guarded_memory first(bytes);
  const guarded_memory behind(bytes);
  const guarded_memory registered(bytes);
  other.register_at(0, registered.data());
  const auto send = make_registered(PINRING_OP_SEND, 0, 0, bytes, 1);

  enter_result woken;
  std::vector<pinring_cqe> ended;
  std::atomic<bool> awake = false;
  std::atomic<bool> closed = false;
  std::atomic<bool> unbound = false;
  std::jthread neighbour;
  std::jthread unbinder;
  stalled_call unpin("pinring_unpin");
  // One that is stalled, and one that is done when it is.
  stalled.push(make_recv(first.data(), 1));
  REQUIRE(stalled.submit().submitted == 1);
  REQUIRE(outcome_of(other.run(send)) == success);
  REQUIRE(wait_until([&] { return unpin.reached(); }));
  stalled.push(make_recv(behind.data(), 2));
  REQUIRE(stalled.submit().submitted == 1);
  REQUIRE(outcome_of(other.run(send)) == success);
  REQUIRE(stalled.enter(0, 2).result == success);

  for (std::uint64_t id = 10; id < 10 + jobs; ++id)
    other.push(make_registered(PINRING_OP_RECV, 0, 0, bytes, id));
  REQUIRE(other.submit().submitted == jobs);
  neighbour = std::jthread([&] {
    woken = other.enter(0, jobs, std::nullopt);
    awake = true;
    ended = other.reap();
    other.close();
    closed = true;
  });
  unbinder = unbind(loop0, unbound);
  (void)wait_until([&] { return awake && closed && unbound; });
  CHECK(awake);
  CHECK(closed);
  CHECK(unbound);
  CHECK(unpin.reached());
  unpin.let_go();
  neighbour.join();
  unbinder.join();

  CHECK(woken.result == success);
  CHECK(ended.size() == jobs);
  for (const auto& cqe : ended)
    CHECK(outcome_of(cqe) == outcome{ENODEV});
  for (const auto& cqe : stalled.reap())
    CHECK(outcome_of(cqe) == success);
  stalled.close();
  CHECK(pins_become_balanced());
}

TEST_CASE("A replaced buffer that is yet to be given back keeps no device from being unbound") {
  binding loop0(device);
  raw_ring ring(device);
  const guarded_memory before(bytes);
  const guarded_memory after(bytes);
  ring.register_at(0, before.data());

  std::atomic<bool> unbound = false;
  std::jthread unbinder;
  stalled_call release("pinring_buffer_release_work");
  auto buffer = make_buffer(0, after.data());
  REQUIRE(ring.update(buffer) == success);
  REQUIRE(wait_until([&] { return release.reached(); }));
  unbinder = unbind(loop0, unbound);
  CHECK(wait_until([&] { return unbound.load(); }));
  CHECK(release.reached());
}

TEST_CASE("A close that waits for a buffer keeps no device from being unbound") {
  binding loop0(device);
  raw_ring ring(device);
  const guarded_memory memory(bytes);
  ring.register_at(0, memory.data());

  std::atomic<bool> unbound = false;
  std::jthread closer;
  std::jthread unbinder;
  stalled_call release("pinring_buffer_release_work");
  closer = std::jthread([&] { ring.close(); });
  REQUIRE(wait_until([&] { return release.reached(); }));
  unbinder = unbind(loop0, unbound);
  CHECK(wait_until([&] { return unbound.load(); }));
  CHECK(release.reached());
}

TEST_CASE("A close that waits for a buffer keeps nobody from having the device") {
  raw_ring ring(device);
  const guarded_memory memory(bytes);
  ring.register_at(0, memory.data());

  std::jthread closer;
  stalled_call release("pinring_buffer_release_work");
  closer = std::jthread([&] { ring.close(); });
  REQUIRE(wait_until([&] { return release.reached(); }));
  auto other = raw_ring::open(device);
  CHECK(wait_until([&] { return other.setup({}) == success; }));
  CHECK(release.reached());
}

TEST_CASE("The channel works at the end of all this") {
  CHECK(pins_become_balanced());
  CHECK_NOTHROW(prove_usable(device));
}
