// SPDX-License-Identifier: MIT
//
// A provider that takes no descriptors: xilinx_dma refuses them after a reset that failed. Root, to
// bind the device anew that died of it.
#include "catch.hpp"

#include "support/binding.hpp"
#include "support/board.hpp"
#include "support/guarded_memory.hpp"
#include "support/loop.hpp"
#include "support/needs.hpp"
#include "support/proof.hpp"
#include "support/raw_ring.hpp"
#include "support/vmstat.hpp"

using namespace support;

namespace {

const auto needed =
    support::needs{{"loop0", "loop1", "sink0"}}.switches().simulator("refused submits").root();

constexpr std::size_t bytes = 1000;
constexpr std::uint64_t for_ever = 1'000'000;

} // namespace

TEST_CASE("What the provider refuses is handed over again after a recovery") {
  ring_options options;
  options.directions = PINRING_DIR_SEND;
  raw_ring ring("sink0", options);
  board sink0("sink0");
  const auto recoveries = driver_counter("sink0", "recoveries");
  const guarded_memory out(bytes);
  sink0.refuse_submits(3);

  CHECK(outcome_of(ring.run(make_send(out.data(), 1))) == success);
  CHECK(sink0.read("refuse_submits") == 0);
  CHECK(driver_counter("sink0", "recoveries") == recoveries + 3);
}

TEST_CASE("What the provider refuses has not started, and can be withdrawn") {
  raw_ring ring("loop0");
  board loop0("loop0");
  const auto recoveries = driver_counter("loop0", "recoveries");
  const guarded_memory in(bytes);
  loop0.refuse_submits(6); // for more than half a second
  ring.push(make_recv(in.data(), 1));
  REQUIRE(ring.submit().submitted == 1);
  ring.push(make_cancel(1, 2));
  REQUIRE(ring.submit().submitted == 1);

  const auto cqes = ring.wait(2);
  CHECK(outcome_of(completion_of(cqes, 1)) == outcome{ECANCELED});
  CHECK(outcome_of(completion_of(cqes, 2)) == success);
  loop0.refuse_submits(0);
  // What is sent before it is lost in it.
  REQUIRE(wait_until([&] { return driver_counter("loop0", "recoveries") > recoveries; }));
  CHECK_NOTHROW(prove_usable(ring));
}

TEST_CASE(
    "Rings that are closed while the provider refuses do not make the device dead any sooner") {
  board loop0("loop0");
  const guarded_memory out(bytes);
  loop0.refuse_submits(10); // a device is given up for eight, if each has had its time
  while (loop0.read("refuse_submits") != 0) {
    raw_ring ring("loop0");
    ring.push(make_send(out.data(), 1));
    REQUIRE(ring.submit().submitted == 1);
  }

  CHECK((info_of("loop0").flags & PINRING_INFO_DEAD) == 0);
  CHECK_NOTHROW(prove_survived("loop0"));
}

TEST_CASE("A provider that can't be stopped for sure gets no memory") {
  board loop1("loop1");
  binding device("loop1");
  device.unbind();
  loop1.no_synchronize();
  CHECK_THROWS(device.bind());
  loop1.no_synchronize(false);
  CHECK_NOTHROW(device.bind());
  CHECK_NOTHROW(prove_usable("loop1"));
}

TEST_CASE("A provider that refuses for ever makes its device dead, and no other one") {
  binding device("loop1");
  {
    raw_ring ring("loop1");
    board loop1("loop1");
    const guarded_memory out(bytes);
    const guarded_memory in(bytes);
    const auto recoveries = driver_counter("loop1", "recoveries");
    auto send = make_send(out.data(), 2);
    send.deadline_ns = PINRING_DEADLINE_NONE;
    loop1.refuse_submits(for_ever);
    ring.push(make_recv(in.data(), 1)).push(send);
    REQUIRE(ring.submit().submitted == 2);

    for (const auto& cqe : ring.wait(2))
      CHECK(outcome_of(cqe) == outcome{ENODEV});
    CHECK((ring.info().flags & PINRING_INFO_DEAD) != 0);
    CHECK(driver_counter("loop1", "quarantined_pages") == 0); // the engine has nothing
    CHECK(for_ever - loop1.read("refuse_submits") < 50);
    CHECK(driver_counter("loop1", "recoveries") - recoveries < 50);
  }
  CHECK(pins_become_balanced());
  CHECK_NOTHROW(prove_usable("loop0"));

  device.unbind();
  device.bind();
  CHECK_NOTHROW(prove_usable("loop1"));
}
