// SPDX-License-Identifier: MIT
//
// The device is unbound from its driver while programs have it open. Root, for the sake of sysfs.
#include "catch.hpp"

#include <algorithm>
#include <poll.h>
#include <thread>

#include "support/binding.hpp"
#include "support/board.hpp"
#include "support/guarded_memory.hpp"
#include "support/loop.hpp"
#include "support/needs.hpp"
#include "support/pattern.hpp"
#include "support/raw_ring.hpp"
#include "support/vmstat.hpp"

using namespace support;

namespace {

const auto needed = support::needs{{"loop1"}}.switches().root();

constexpr const char* device = "loop1";
constexpr std::size_t bytes = 1000;

} // namespace

TEST_CASE("A device that is unbound and bound again works") {
  binding loop1(device);
  loop1.unbind();
  CHECK(device_path(device).empty());

  loop1.bind();
  CHECK_NOTHROW(prove_usable(device));
}

TEST_CASE("Jobs in flight end with ENODEV when their device goes") {
  binding loop1(device);
  raw_ring ring(device);
  board switches(device);
  switches.hold();
  const guarded_memory out(bytes);
  const guarded_memory in(bytes);
  ring.register_at(0, in.data());
  ring.push(make_recv(in.data(), 1)).push(make_send(out.data(), 2));
  ring.push(make_registered(PINRING_OP_RECV, 0, 0, bytes, 3));
  REQUIRE(ring.submit().submitted == 3);

  loop1.unbind();
  const auto cqes = ring.reap();
  REQUIRE(cqes.size() == 3);
  for (const auto& cqe : cqes)
    CHECK(outcome_of(cqe) == outcome{ENODEV});
  CHECK(std::ranges::all_of(in.data(), [](std::byte b) { return b == std::byte{0xEE}; }));
}

TEST_CASE("A ring whose device is gone says ENODEV, and INFO says that it is dead") {
  binding loop1(device);
  raw_ring ring(device);
  const guarded_memory memory(bytes);
  loop1.unbind();

  ring.push(make_nop(1));
  CHECK(ring.submit().result == outcome{ENODEV});
  auto buffer = make_buffer(0, memory.data());
  CHECK(ring.add(buffer) == outcome{ENODEV});
  CHECK((ring.info().flags & PINRING_INFO_DEAD) != 0);
}

TEST_CASE("A file without a ring can't be set up once its device is gone") {
  binding loop1(device);
  auto file = raw_ring::open(device);
  loop1.unbind();

  CHECK(file.setup({}) == outcome{ENODEV});
}

TEST_CASE("A wait ends when the device goes") {
  binding loop1(device);
  raw_ring ring(device);
  const guarded_memory in(bytes);
  ring.push(make_recv(in.data(), 1));
  REQUIRE(ring.submit().submitted == 1);

  enter_result woken;
  std::thread waiter([&] { woken = ring.enter(0, 2); });
  loop1.unbind();
  waiter.join();
  CHECK((woken.result == success || woken.result == outcome{ENODEV}));
  CHECK(outcome_of(ring.reap().at(0)) == outcome{ENODEV});
}

TEST_CASE("poll tells that the device is gone") {
  binding loop1(device);
  const raw_ring ring(device);
  loop1.unbind();

  pollfd watched{ring.fd(), POLLIN, 0};
  CHECK(::poll(&watched, 1, 0) == 1);
  CHECK((watched.revents & (POLLERR | POLLHUP)) != 0);
}

TEST_CASE("A ring whose device is gone lets go of all pages when it is closed") {
  binding loop1(device);
  {
    raw_ring ring(device);
    const guarded_memory memory(100'000);
    ring.register_at(0, memory.data());
    ring.push(make_recv(memory.data(), 1));
    REQUIRE(ring.submit().submitted == 1);
    loop1.unbind();
  }
  CHECK(pins_become_balanced());
}

TEST_CASE("The device that comes back has nothing to do with the rings of before") {
  binding loop1(device);
  raw_ring old(device);
  loop1.unbind();
  loop1.bind();

  CHECK_NOTHROW(prove_usable(device));
  CHECK(old.enter(0, 0).result == outcome{ENODEV});
}

TEST_CASE("A device comes and goes many times under transfers") {
  for (int round = 0; round < 10; ++round) {
    CAPTURE(round);
    binding loop1(device);
    raw_ring ring(device);
    const guarded_memory out(3U << 20);
    const guarded_memory in(3U << 20);
    ring.push(make_recv(in.data(), 1, PINRING_SQE_SPLIT))
        .push(make_send(out.data(), 2, PINRING_SQE_SPLIT));
    REQUIRE(ring.submit().submitted == 2);
    std::this_thread::sleep_for(std::chrono::milliseconds(3 * round));
    loop1.unbind();
    CHECK(ring.wait(2).size() == 2);
  }
  CHECK(pins_become_balanced());
  CHECK_NOTHROW(prove_usable(device));
}

TEST_CASE("The channel works at the end of all this") {
  CHECK_NOTHROW(prove_usable(device));
}
