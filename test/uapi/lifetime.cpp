// SPDX-License-Identifier: MIT
//
// Memory, mappings and descriptors that go away, and a fork, while jobs are under way.
#include "catch.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <string>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>

#include "support/board.hpp"
#include "support/child.hpp"
#include "support/guarded_memory.hpp"
#include "support/loop.hpp"
#include "support/needs.hpp"
#include "support/pattern.hpp"
#include "support/raw_ring.hpp"
#include "support/vmstat.hpp"

using namespace support;

namespace {

const auto needed = support::needs{{"loop0"}}.switches();

constexpr std::uint64_t send_tag = 1;
constexpr std::uint64_t recv_tag = 2;
constexpr std::size_t bytes = 50'000;

/// A loop whose engine is held in both directions: pinned, handed over, and not moving.
class held_loop {
public:
  held_loop() {
    fill_pattern(out_.data(), seed);
    switches_.hold();
    ring_.push(make_recv(in_.data(), recv_tag)).push(make_send(out_.data(), send_tag));
    if (ring_.submit().submitted != 2)
      throw std::runtime_error("can't submit a loop");
    if (!wait_until([&] { return switches_.bds_in_use_recv() && switches_.bds_in_use_send(); }))
      throw std::runtime_error("the loop was not handed over");
  }

  raw_ring& ring() { return ring_; }
  guarded_memory& out() { return out_; }
  guarded_memory& in() { return in_; }

  /// Lets the engine go; both jobs succeed.
  void finish() {
    switches_.hold(false);
    const auto cqes = ring_.wait(2);
    CHECK(outcome_of(completion_of(cqes, send_tag)) == success);
    CHECK(outcome_of(completion_of(cqes, recv_tag)) == success);
  }

  static constexpr std::uint64_t seed = 61;

private:
  raw_ring ring_{"loop0"};
  guarded_memory out_{bytes};
  guarded_memory in_{bytes};
  board switches_{"loop0"};
};

/// Whether any of this range is mapped in the calling process.
bool mapped(std::span<std::byte> range) {
  return ::msync(range.data(), range.size(), MS_ASYNC) == 0;
}

} // namespace

// ---------------------------------------------------------------------------- memory

TEST_CASE("Memory that is unmapped while it is sent from is sent as it was") {
  held_loop held;
  held.out().unmap();

  held.finish();
  CHECK(pattern_mismatch(held.in().data(), held_loop::seed) == std::nullopt);
}

TEST_CASE("Memory that is unmapped while it is received into harms nobody") {
  held_loop held;
  held.in().unmap();
  const guarded_memory neighbour(bytes); // most likely in the same place

  held.finish();
  CHECK(std::ranges::all_of(neighbour.data(), [](std::byte b) { return b == std::byte{0xEE}; }));
}

TEST_CASE("Memory that is dropped by MADV_DONTNEED while it is received into stays dropped") {
  held_loop held;
  const auto map = held.in().mapping();
  REQUIRE(::madvise(map.data(), map.size(), MADV_DONTNEED) == 0);

  held.finish();
  CHECK(std::ranges::all_of(map, [](std::byte b) { return b == std::byte{0}; }));
}

TEST_CASE(
    "Memory that is moved by mremap while it is received into has the data in its new place") {
  held_loop held;
  const auto map = held.in().mapping();
  const auto offset = static_cast<std::size_t>(held.in().data().data() - map.data());
  auto* elsewhere = ::mmap(nullptr, map.size(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(elsewhere != MAP_FAILED);
  REQUIRE(::mremap(map.data(), map.size(), map.size(), MREMAP_MAYMOVE | MREMAP_FIXED, elsewhere) ==
          elsewhere);

  held.finish();
  const std::span moved(static_cast<std::byte*>(elsewhere) + offset, bytes);
  CHECK(pattern_mismatch(moved, held_loop::seed) == std::nullopt);
  ::munmap(elsewhere, map.size());
}

TEST_CASE("Memory that is protected while it is received into is received into all the same") {
  held_loop held;
  held.in().protect(PROT_NONE);

  held.finish();
  held.in().protect(PROT_READ);
  CHECK(pattern_mismatch(held.in().data(), held_loop::seed) == std::nullopt);
}

// ---------------------------------------------------------------------------- close

TEST_CASE("A ring that is closed with jobs in both directions lets go of all pages") {
  {
    held_loop held;
    held.ring().close();
    CHECK(held.in().guards_intact());
  }
  CHECK(pins_become_balanced());
  CHECK_NOTHROW(prove_usable("loop0"));
}

TEST_CASE("After close nothing is written into the memory any more") {
  board loop0("loop0");
  const guarded_memory in(bytes);
  const guarded_memory out(bytes);
  {
    raw_ring ring("loop0");
    loop0.hold();
    out.clear(std::byte{0x11});
    ring.push(make_recv(in.data(), 1)).push(make_send(out.data(), 2));
    REQUIRE(ring.submit().submitted == 2);
  }
  loop0.hold(false);
  CHECK_NOTHROW(prove_usable("loop0"));
  CHECK(std::ranges::all_of(in.data(), [](std::byte b) { return b == std::byte{0xEE}; }));
}

TEST_CASE("A ring that is closed with a whole queue of jobs lets go of all pages") {
  {
    board loop0("loop0");
    loop0.hold();
    raw_ring ring("loop0");
    const guarded_memory memory(300'000);
    ring.register_at(0, memory.data());
    for (std::size_t i = 0; i < 20; ++i) {
      ring.push(make_recv(memory.data(), i));
      ring.push(make_send(memory.data(), i));
      ring.push(make_registered(PINRING_OP_SEND, 0, 0, 300'000, i));
    }
    REQUIRE(ring.submit().submitted == 60);
  }
  CHECK(pins_become_balanced());
  CHECK_NOTHROW(prove_usable("loop0"));
}

TEST_CASE("A ring that is closed with DRAINs between its jobs ends each of them once") {
  {
    board loop0("loop0");
    loop0.hold();
    const guarded_memory memory(10'000);
    raw_ring first("loop0", {.flags = PINRING_SETUP_SHARED});
    for (std::uint64_t i = 0; i < first.info().recv_depth; ++i)
      first.push(make_recv(memory.data(), i));
    REQUIRE(first.submit().result == success);

    // Its jobs wait behind those: they are withdrawn, the first of them first.
    raw_ring second("loop0", {.flags = PINRING_SETUP_SHARED});
    for (std::uint64_t i = 0; i < 10; ++i)
      second.push(make_recv(memory.data(), 2 * i)).push(make_drain(2 * i + 1));
    REQUIRE(second.submit().submitted == 20);
  }
  // The end of a job takes the DRAIN behind it along: it must not be ended again.
  CHECK(pins_become_balanced());
  CHECK_NOTHROW(prove_usable("loop0"));
}

TEST_CASE("A ring that is closed in the middle of a long job lets go of all pages") {
  {
    const guarded_memory out(40U << 20);
    const guarded_memory in(40U << 20);
    raw_ring ring("loop0");
    const board loop0("loop0");
    const auto before = loop0.read("received_bytes");
    ring.push(make_recv(in.data(), 1, PINRING_SQE_SPLIT))
        .push(make_send(out.data(), 2, PINRING_SQE_SPLIT));
    REQUIRE(ring.submit().submitted == 2);
    REQUIRE(wait_until([&] { return loop0.read("received_bytes") > before + (2U << 20); }));
  }
  CHECK(pins_become_balanced());
  CHECK_NOTHROW(prove_usable("loop0"));
}

TEST_CASE("close() ends the ring, though it is still mapped") {
  raw_ring ring("loop0");
  const auto length = ring.layout().ring_bytes;
  void* const second = ::mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd(), 0);
  REQUIRE(second != MAP_FAILED);
  ring.close();

  auto other = raw_ring::open("loop0");
  CHECK(other.setup({}) == success);
  // What is left of it is memory, no more.
  std::memset(second, 0, length);
  CHECK(::munmap(second, length) == 0);
}

TEST_CASE("close() of one descriptor ends the ring for its duplicates, which say ENXIO") {
  raw_ring ring("loop0");
  const guarded_memory memory(1000);
  const unique_fd duplicate(::dup(ring.fd()));
  ring.close();

  pinring_enter enter{};
  enter.size = sizeof(enter);
  auto buffer = make_buffer(0, memory.data());
  CHECK(call(duplicate, PINRING_IOC_ENTER, &enter) == outcome{ENXIO});
  CHECK(call(duplicate, PINRING_IOC_BUFFER_ADD, &buffer) == outcome{ENXIO});
  CHECK(std::string(info_of(duplicate.get()).name) == "loop0");
  auto other = raw_ring::open("loop0");
  CHECK(other.setup({}) == success);
}

TEST_CASE("close() ends the jobs at once, though a child still has the descriptor") {
  board loop0("loop0");
  loop0.hold();
  const guarded_memory in(bytes);
  const guarded_memory out(bytes);
  shared_flag done;
  raw_ring ring("loop0");
  ring.push(make_recv(in.data(), recv_tag)).push(make_send(out.data(), send_tag));
  REQUIRE(ring.submit().submitted == 2);
  child other([&] { return done.await() ? 0 : 1; });

  ring.close();
  loop0.hold(false);
  CHECK_NOTHROW(prove_usable("loop0"));
  CHECK(std::ranges::all_of(in.data(), [](std::byte b) { return b == std::byte{0xEE}; }));
  CHECK(pins_become_balanced());
  done.set();
  CHECK(other.wait() == 0);
}

TEST_CASE("A close that stops a channel tells those who share it that they are collateral") {
  ring_options options;
  options.flags = PINRING_SETUP_SHARED;
  raw_ring leaving("loop0", options);
  raw_ring staying("loop0", options);
  board loop0("loop0");
  loop0.hold();
  const guarded_memory in(bytes);
  const guarded_memory out(bytes);
  staying.push(make_recv(in.data(), recv_tag));
  REQUIRE(staying.submit().submitted == 1);
  leaving.push(make_send(out.data(), send_tag));
  REQUIRE(leaving.submit().submitted == 1);
  REQUIRE(wait_until([&] { return loop0.bds_in_use_recv() && loop0.bds_in_use_send(); }));

  leaving.close();
  const auto cqe = staying.wait(1).front();
  CHECK(outcome_of(cqe) == outcome{ECONNRESET});
  CHECK(cqe.flags == PINRING_CQE_COLLATERAL);
  loop0.hold(false);
  CHECK_NOTHROW(prove_usable(staying));
}

TEST_CASE("A child's close() of its descriptor does not end the parent's ring") {
  held_loop held;
  child other([&] { return ::close(held.ring().fd()); });
  REQUIRE(other.wait() == 0);

  held.finish();
  CHECK(pattern_mismatch(held.in().data(), held_loop::seed) == std::nullopt);
}

TEST_CASE("munmap() of the ring ends nothing") {
  held_loop held;
  const auto map = held.ring().mapping();
  REQUIRE(::munmap(map.data(), map.size()) == 0);
  REQUIRE(::mmap(map.data(), map.size(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
                 held.ring().fd(), 0) == map.data());

  held.finish();
  CHECK(pattern_mismatch(held.in().data(), held_loop::seed) == std::nullopt);
}

TEST_CASE("A thread that waits is woken when another one closes the descriptor") {
  raw_ring ring("loop0");
  const guarded_memory in(bytes);
  ring.push(make_recv(in.data(), recv_tag));
  REQUIRE(ring.submit().submitted == 1);
  const unique_fd duplicate(::dup(ring.fd()));
  std::atomic<bool> waiting = false;
  outcome woken{EAGAIN};
  std::thread waiter([&] {
    pinring_enter enter{};
    enter.size = sizeof(enter);
    enter.min_complete = 1;
    enter.deadline_ns = static_cast<std::uint64_t>(patience.count());
    waiting = true;
    woken = call(duplicate, PINRING_IOC_ENTER, &enter);
  });

  REQUIRE(wait_until([&] { return waiting.load(); }));
  ring.close();
  waiter.join();
  // Nothing is outstanding any more, or there is no ring any more: whichever it sees first.
  CHECK((woken == success || woken == outcome{ENXIO}));
}

TEST_CASE("Rings come and go many times") {
  for (int i = 0; i < 100; ++i) {
    raw_ring ring("loop0");
    const guarded_memory memory(5000);
    ring.register_at(0, memory.data());
    ring.push(make_recv(memory.data(), 1));
    REQUIRE(ring.submit().submitted == 1);
  }
  CHECK(pins_become_balanced());
  CHECK_NOTHROW(prove_usable("loop0"));
}

// ---------------------------------------------------------------------------- fork

TEST_CASE("After a fork the parent receives into its own memory, whatever the child does") {
  held_loop held;
  child other([&] {
    fill_pattern(held.in().data(), 70); // into the child's copy
    fill_pattern(held.out().data(), 71);
    return 0;
  });
  REQUIRE(other.wait() == 0);

  held.finish();
  CHECK(pattern_mismatch(held.in().data(), held_loop::seed) == std::nullopt);
  CHECK(held.in().guards_intact());
}

TEST_CASE("After a fork the parent still sees what is received, though it writes beside it first") {
  held_loop held;
  shared_flag done;
  child other([&] { return done.await() ? 0 : 1; });
  // Copy-on-write on a page that is under DMA would take the page away from the parent.
  held.in().mapping()[0] = std::byte{0xA5};
  held.in().data()[0] = std::byte{1};

  held.finish();
  done.set();
  CHECK(other.wait() == 0);
  CHECK(pattern_mismatch(held.in().data(), held_loop::seed) == std::nullopt);
}

TEST_CASE("A child sees nothing of what its parent receives") {
  held_loop held;
  shared_flag received;
  child other([&] {
    const auto blank = [](std::byte b) { return b == std::byte{0xEE}; };
    return received.await() && std::ranges::all_of(held.in().data(), blank) ? 0 : 1;
  });

  held.finish();
  received.set();
  CHECK(other.wait() == 0);
}

TEST_CASE("A child gets EXDEV from everything but INFO") {
  const raw_ring ring("loop0");
  const guarded_memory memory(1000);
  ring.register_at(1, memory.data());
  const auto in_child = [&](auto&& attempt) {
    child other([&] { return attempt().error(); });
    return outcome{other.wait()};
  };

  CHECK(in_child([&] { return ring.enter(0, 0).result; }) == outcome{EXDEV});
  CHECK(in_child([&] { return ring.enter(1, 1).result; }) == outcome{EXDEV});
  CHECK(in_child([&] { return ring.eventfd(-1); }) == outcome{EXDEV});
  CHECK(in_child([&] {
          auto buffer = make_buffer(0, memory.data());
          return ring.add(buffer);
        }) == outcome{EXDEV});
  CHECK(in_child([&] {
          auto buffer = make_buffer(1, memory.data());
          return ring.update(buffer);
        }) == outcome{EXDEV});
  CHECK(in_child([&] { return ring.remove_at(1); }) == outcome{EXDEV});
  CHECK(in_child([&] {
          void* at = ::mmap(nullptr, ring.layout().ring_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
                            ring.fd(), 0);
          return outcome{at == MAP_FAILED ? errno : 0};
        }) == outcome{EXDEV});
  CHECK(in_child([&] {
          pinring_setup setup{};
          setup.size = sizeof(setup);
          setup.directions = PINRING_DIR_SEND;
          setup.sq_entries = 1;
          return call(ring.fd(), PINRING_IOC_SETUP, &setup);
        }) == outcome{EXDEV});
  CHECK(in_child([&] {
          pinring_info info{};
          info.size = sizeof(info);
          return call(ring.fd(), PINRING_IOC_INFO, &info);
        }) == success);
}

TEST_CASE("A child has no mapping of the ring") {
  const raw_ring ring("loop0");
  REQUIRE(mapped(ring.mapping()));

  child other([&] { return mapped(ring.mapping()) ? 1 : 0; });
  CHECK(other.wait() == 0);
}

TEST_CASE("A child's end leaves the parent's ring and buffers alone") {
  raw_ring ring("loop0");
  const guarded_memory memory(5000);
  ring.register_at(0, memory.data());
  {
    child other([] { return 0; });
    REQUIRE(other.wait() == 0);
  }
  const guarded_memory in(5000);
  CHECK(loop(ring, make_registered(PINRING_OP_SEND, 0, 0, 5000, 0), make_recv(in.data(), 0))
            .moved(5000));
  CHECK_NOTHROW(prove_usable(ring));
}

TEST_CASE("A ring belongs to the process that set it up, not to the one that opened the file") {
  auto file = raw_ring::open("loop0");
  shared_flag ready;
  shared_flag done;
  child owner([&] {
    if (file.setup({}) != success)
      return 1;
    prove_usable(file);
    ready.set();
    return done.await() ? 0 : 2;
  });
  REQUIRE(ready.await());

  CHECK(file.enter(0, 0).result == outcome{EXDEV});
  done.set();
  CHECK(owner.wait() == 0);
}

TEST_CASE("The channel works at the end of all this") {
  CHECK(pins_become_balanced());
  CHECK_NOTHROW(prove_usable("loop0"));
}
