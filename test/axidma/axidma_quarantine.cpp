// SPDX-License-Identifier: MIT
//
// Trap 6, at its worst: an engine that can't be shown to have stopped keeps its memory, for good.
// Until a reset by hand shows that it has. Should that fail, what is pinned here stays pinned: so
// nothing comes after this program.
#include "catch.hpp"

#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "delays.hpp"
#include "support/binding.hpp"
#include "support/board.hpp"
#include "support/guarded_memory.hpp"
#include "support/loop.hpp"
#include "support/needs.hpp"
#include "support/pattern.hpp"
#include "support/raw_ring.hpp"
#include "support/vmstat.hpp"
#include "violations.hpp"

using namespace support;

namespace {

const auto needed = support::needs{{"loop0", "loop1", "reset0"}}.model().root();

constexpr std::size_t bytes = 3000;

pinring_sqe within(pinring_sqe sqe, std::chrono::nanoseconds deadline) {
  sqe.deadline_ns = static_cast<std::uint64_t>(deadline.count());
  return sqe;
}

bool reset(const char* device) {
  const auto node = std::filesystem::path(device_path(device)).filename();
  std::ofstream out("/sys/class/misc" / node / "reset");
  return static_cast<bool>(out << 1 << std::flush);
}

/// Receives, of which the first has a deadline: the engine does not stop when that has come, and
/// all that it was given is in quarantine when this returns.
void lose_to_engine(raw_ring& ring, std::vector<pinring_sqe> receives) {
  board model(ring.info().name);
  model.hold_recv().stuck_reset().stuck_halt_recv();
  receives.front() = within(receives.front(), 200ms);
  for (const auto& sqe : receives)
    ring.push(sqe);
  REQUIRE(ring.submit().submitted == receives.size());
  for (const auto& cqe : ring.wait(receives.size(), 60s))
    REQUIRE(outcome_of(cqe) == outcome{ENODEV});
  REQUIRE((ring.info().flags & PINRING_INFO_DEAD) != 0);
}

} // namespace

TEST_CASE("An engine that never comes out of its reset keeps its memory, and its device is dead") {
  board loop1("loop1");
  loop1.enforce_grants();
  const violations watch("loop1");
  const auto pinned = read_pins().outstanding();
  const guarded_memory in(bytes, 0);
  const guarded_memory queued(bytes, 0);
  const guarded_memory out(bytes, 0);
  raw_ring ring("loop1");
  loop1.hold_recv().stuck_reset().stuck_halt_recv();
  const auto start = clock::now();
  ring.register_at(0, in.data());
  ring.push(within(make_registered(PINRING_OP_RECV, 0, 0, bytes, 1), 200ms));
  for (std::uint64_t i = 0; i < 4; ++i)
    ring.push(make_recv(queued.data(), 2 + i));
  REQUIRE(ring.submit().submitted == 5);

  const auto cqes = ring.wait(5, 60s);
  CHECK(clock::now() - start < 30s);
  CHECK_FALSE(outcome_of(completion_of(cqes, 1)).good());
  for (std::uint64_t i = 0; i < 4; ++i)
    CHECK_FALSE(outcome_of(completion_of(cqes, 2 + i)).good());
  CHECK((ring.info().flags & PINRING_INFO_DEAD) != 0);

  // Nobody says of memory that is not given back that it was.
  CHECK(ring.remove_at(0, PINRING_BUFFER_WAIT, patience) == outcome{ENODEV});

  // Refused from now on, at once: as a call, or as a completion.
  ring.push(make_send(out.data(), 10));
  const auto entered = ring.submit();
  CHECK((entered.result == outcome{ENODEV} || outcome_of(ring.wait(1).front()) == outcome{ENODEV}));
  CHECK(raw_ring::open("loop1").setup({}) == outcome{ENODEV});

  // What the engine had is still pinned and mapped, and counted; what it never had was given back.
  const auto quarantined = driver_counter("loop1", "quarantined_pages");
  CHECK(quarantined >= 1);
  CHECK(quarantined <= info_of("loop1").recv_depth);
  CHECK(wait_until([&] {
    return read_pins().outstanding() - pinned == static_cast<std::int64_t>(quarantined);
  }));
  CHECK(loop1.read("granted") >= quarantined);
  CHECK(watch.of("v_memory_not_granted") == 0);

  // A reset by hand helps only where the engine then stops.
  CHECK_FALSE(reset("loop1"));
  CHECK((ring.info().flags & PINRING_INFO_DEAD) != 0);
  CHECK(driver_counter("loop1", "quarantined_pages") == quarantined);
  CHECK(raw_ring::open("loop1").setup({}) == outcome{ENODEV});

  loop1.hold_recv(false).stuck_reset(false).stuck_halt_recv(false);
  CHECK(reset("loop1"));
  CHECK((ring.info().flags & PINRING_INFO_DEAD) == 0);
  CHECK(driver_counter("loop1", "quarantined_pages") == 0);
  CHECK(wait_until([&] { return read_pins().outstanding() == pinned; }));
  CHECK_NOTHROW(prove_usable("loop1"));

  // The ring of before is still there, holds no claim, and stays ended.
  ring.push(make_send(out.data(), 11));
  CHECK(ring.submit().result == outcome{ENODEV});
  CHECK(watch.of("v_memory_not_granted") == 0);
}

TEST_CASE("A reset gives back what was in quarantine when the engine had stopped, and no more") {
  const board loop1("loop1");
  const auto granted = loop1.read("granted");
  const guarded_memory before(bytes, 0);
  const guarded_memory kept(bytes, 0);
  const guarded_memory after(bytes, 0);
  {
    raw_ring owner("loop1");
    owner.register_at(0, kept.data());
    lose_to_engine(owner,
                   {make_recv(before.data(), 1), make_registered(PINRING_OP_RECV, 0, 0, bytes, 2)});

    // It has stopped after all, and nothing is given back yet, when it fails to stop once more.
    bool good = false;
    std::jthread resetter;
    stalled_call give_back("pinring_quarantine_end");
    resetter = std::jthread([&] { good = reset("loop1"); });
    REQUIRE(wait_until([&] { return give_back.reached(); }));
    raw_ring other("loop1");
    lose_to_engine(other, {make_recv(after.data(), 1)});
    give_back.let_go();
    resetter.join();
    REQUIRE(good);
    REQUIRE(driver_counter("loop1", "quarantined_pages") == 1);
    // What the owner has registered stays so until it is removed or its ring is closed.
    CHECK(loop1.read("granted") == granted + 2);
  }
  // The engine fails to stop for the second ring only: that of the first one was reset.
  CHECK(wait_until([&] { return loop1.read("granted") == granted + 1; }));

  CHECK(reset("loop1"));
  CHECK(loop1.read("granted") == granted);
  CHECK(pins_become_balanced());
  CHECK_NOTHROW(prove_usable("loop1"));
}

TEST_CASE("A device that is not dead is left alone by a reset") {
  raw_ring ring("loop1");
  const board loop1("loop1");
  const guarded_memory in(bytes);
  ring.push(make_recv(in.data(), 1));
  REQUIRE(ring.submit().submitted == 1);
  REQUIRE(wait_until([&] { return loop1.bds_in_use_recv() == 1; }));
  const auto stops = loop1.stops();

  CHECK(reset("loop1"));
  CHECK(loop1.stops() == stops);
  CHECK(ring.reap().empty());
}

TEST_CASE("Other devices go on when one is dead") {
  CHECK_NOTHROW(prove_usable("loop0"));
}

// Last, as what is in quarantine when its device leaves stays there: nobody is left to ask.

TEST_CASE("A device that leaves tries once more to stop an engine that did not stop") {
  const guarded_memory in(bytes, 0);
  {
    raw_ring ring("loop1");
    lose_to_engine(ring, {make_recv(in.data(), 1)});
  }
  const board loop1("loop1");
  const auto stops = loop1.stops();
  binding device("loop1");
  device.unbind();
  CHECK(loop1.stops() > stops);
}

TEST_CASE("A ring whose device left with pages in quarantine is closed, and stops nothing") {
  const guarded_memory in(bytes, 0);
  raw_ring ring("reset0");
  lose_to_engine(ring, {make_recv(in.data(), 1)});
  const board reset0("reset0");
  binding device("reset0");
  device.unbind();
  const auto stops = reset0.stops();
  ring.close();
  CHECK(reset0.stops() == stops);
}
