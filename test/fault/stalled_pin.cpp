// SPDX-License-Identifier: MIT
//
// A page fault that takes as long as it likes (userfaultfd here, FUSE elsewhere) while memory is
// pinned: whoever waits for it waits alone. Root, as others may not stall the kernel.
#include "catch.hpp"

#include <algorithm>
#include <atomic>
#include <fcntl.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

#include "support/child.hpp"
#include "support/guarded_memory.hpp"
#include "support/loop.hpp"
#include "support/needs.hpp"
#include "support/raw_ring.hpp"
#include "support/stalling_memory.hpp"
#include "support/vmstat.hpp"

using namespace support;

namespace {

const auto needed = support::needs{{"loop0", "loop1", "sink0"}}.root();

constexpr std::size_t bytes = 3000;

ring_options shared() {
  ring_options options;
  options.flags = PINRING_SETUP_SHARED;
  return options;
}

/// A thread whose ENTER is stuck in the pin of a send, until the end of this.
class stuck_send {
public:
  explicit stuck_send(raw_ring& ring) : ring_(ring) {
    ring_.push(make_send(memory_.data(), tag));
    ring_.publish();
    submitter_ = std::thread([this] { result_ = ring_.enter(1, 0); });
    REQUIRE(memory_.await_fault());
  }
  ~stuck_send() {
    if (submitter_.joinable())
      let_go();
  }

  void let_go() {
    memory_.let_go();
    submitter_.join();
    CHECK(result_.result == success);
    CHECK(result_.submitted == 1);
  }

  static constexpr std::uint64_t tag = 1;

private:
  raw_ring& ring_;
  stalling_memory memory_{bytes};
  enter_result result_;
  std::thread submitter_;
};

} // namespace

TEST_CASE("A send whose pin stalls is sent when the page is there") {
  if (!stalling_memory::available())
    return skip("no userfaultfd");
  raw_ring ring("loop0");
  const guarded_memory in(bytes);
  stuck_send stuck(ring);

  stuck.let_go();
  ring.push(make_recv(in.data(), 2));
  REQUIRE(ring.submit().submitted == 1);
  const auto cqes = ring.wait(2);
  CHECK(outcome_of(completion_of(cqes, stuck_send::tag)) == success);
  CHECK(outcome_of(completion_of(cqes, 2)) == success);
  CHECK(std::ranges::all_of(in.data(), [](std::byte b) { return b == std::byte{0}; }));
}

TEST_CASE("An abort of a job whose pin stalls waits for it, and its ENTER does not") {
  if (!stalling_memory::available())
    return skip("no userfaultfd");
  raw_ring ring("loop0");
  stuck_send stuck(ring);

  ring.push(make_abort_all(2));
  REQUIRE(ring.submit().submitted == 1);
  CHECK(ring.reap().empty());

  stuck.let_go();
  const auto cqes = ring.wait(2);
  CHECK(cqes[0].user_data == stuck_send::tag);
  CHECK(outcome_of(cqes[0]) == outcome{ECANCELED});
  CHECK(cqes[1].user_data == 2);
  CHECK(outcome_of(cqes[1]) == success);
  CHECK(cqes[1].bytes == 1);
}

TEST_CASE("While a pin stalls, other devices and other rings of the same device go on") {
  if (!stalling_memory::available())
    return skip("no userfaultfd");
  raw_ring ring("loop0", shared());
  raw_ring other("loop0", shared());
  const guarded_memory in(bytes);
  {
    const stuck_send stuck(ring);
    CHECK_NOTHROW(prove_usable("loop1"));
    CHECK_NOTHROW(prove_usable(other));
  }
  CHECK(outcome_of(other.run(make_recv(in.data(), 2))) == success);
  CHECK(outcome_of(ring.wait(1).front()) == success);
}

TEST_CASE("While a send's pin stalls, the ring's other direction goes on") {
  if (!stalling_memory::available())
    return skip("no userfaultfd");
  raw_ring ring("loop0", shared());
  raw_ring other("loop0", shared());
  const guarded_memory in(bytes);
  const guarded_memory out(bytes);
  {
    const stuck_send stuck(ring);
    ring.push(make_recv(in.data(), 2));
    REQUIRE(ring.submit().submitted == 1);
    REQUIRE(outcome_of(other.run(make_send(out.data(), 3))) == success);
    CHECK(outcome_of(ring.wait(1).front()) == success);
  }
  CHECK(outcome_of(other.run(make_recv(in.data(), 4))) == success);
  CHECK(outcome_of(ring.wait(1).front()) == success);
}

TEST_CASE("While a receive's pin stalls, a send of the same ENTER goes on") {
  if (!stalling_memory::available())
    return skip("no userfaultfd");
  raw_ring ring("loop0", shared());
  raw_ring other("loop0", shared());
  const stalling_memory memory(bytes);
  const guarded_memory in(bytes);
  const guarded_memory out(bytes);
  other.push(make_recv(in.data(), 1));
  REQUIRE(other.submit().submitted == 1);
  ring.push(make_recv(memory.data(), 2)).push(make_send(out.data(), 3));
  ring.publish();
  enter_result entered;
  std::thread submitter([&] { entered = ring.enter(2, 0); });

  CHECK(wait_until([&] { return other.cq_ready() == 1; }));
  // Linux 6.1 pins for the long term with the mmap lock held, and can't stall there: it fails.
  const bool stalls = memory.fault_pending();
  memory.let_go();
  submitter.join();
  CHECK(outcome_of(other.wait(1).front()) == success);
  CHECK(entered.submitted == 2);
  if (stalls)
    CHECK(outcome_of(other.run(make_send(out.data(), 4))) == success);
  const auto cqes = ring.wait(2);
  CHECK(outcome_of(completion_of(cqes, 2)) == (stalls ? success : outcome{EFAULT}));
  CHECK(outcome_of(completion_of(cqes, 3)) == success);
}

TEST_CASE("A send from a registered buffer does not wait for the pin of the one behind it") {
  if (!stalling_memory::available())
    return skip("no userfaultfd");
  raw_ring ring("loop0", shared());
  raw_ring other("loop0", shared());
  const stalling_memory memory(bytes);
  const guarded_memory in(bytes);
  const guarded_memory out(bytes);
  ring.register_at(0, out.data(), PINRING_DIR_SEND);
  other.push(make_recv(in.data(), 1));
  REQUIRE(other.submit().submitted == 1);
  ring.push(make_registered(PINRING_OP_SEND, 0, 0, bytes, 2)).push(make_send(memory.data(), 3));
  ring.publish();
  enter_result entered;
  std::thread submitter([&] { entered = ring.enter(2, 0); });

  CHECK(wait_until([&] { return other.cq_ready() == 1; }));
  memory.let_go();
  submitter.join();
  CHECK(outcome_of(other.wait(1).front()) == success);
  CHECK(entered.submitted == 2);
  CHECK(outcome_of(other.run(make_recv(in.data(), 4))) == success);
  const auto cqes = ring.wait(2);
  CHECK(outcome_of(completion_of(cqes, 2)) == success);
  CHECK(outcome_of(completion_of(cqes, 3)) == success);
}

TEST_CASE(
    "ENTER that waits for nothing comes back, though each part is done before the next is there") {
  if (!stalling_memory::available())
    return skip("no userfaultfd");
  constexpr std::uint32_t jobs = 512;
  ring_options options;
  options.directions = PINRING_DIR_SEND;
  options.sq_entries = jobs;
  raw_ring ring("sink0", options);
  const stalling_memory memory(jobs * page_bytes());
  for (std::uint32_t i = 0; i < jobs; ++i)
    ring.push(make_send(memory.data().subspan(i * page_bytes(), page_bytes()), i));
  ring.publish();
  std::atomic<bool> back = false;
  std::thread submitter([&] {
    (void)ring.enter(jobs, 0);
    back = true;
  });

  std::uint32_t stalls = 0; // of the task in ENTER; the rest are a worker's
  for (std::uint32_t i = 0; i < jobs; ++i) {
    if (!memory.await_fault())
      break;
    stalls += back ? 0 : 1;
    memory.let_go(i);
  }
  submitter.join();
  CHECK(stalls < jobs / 2);
  for (const auto& cqe : ring.wait(jobs))
    REQUIRE(outcome_of(cqe) == success);
}

TEST_CASE("A process that is killed while its pin stalls ends, and the device is free") {
  if (!stalling_memory::available())
    return skip("no userfaultfd");
  shared_flag stalled;
  child victim([&] {
    raw_ring ring("loop0");
    const stalling_memory memory(bytes);
    std::thread witness([&] {
      if (memory.await_fault())
        stalled.set();
    });
    ring.push(make_send(memory.data(), 1));
    (void)ring.submit();
    witness.join();
    return 0;
  });
  REQUIRE(stalled.await());
  victim.kill();
  REQUIRE(victim.wait() == child::killed);

  CHECK_NOTHROW(prove_usable("loop0"));
  CHECK(pins_become_balanced());
}

TEST_CASE("While a worker's pin stalls, also after close, rmmod fails rather than waits") {
  if (!stalling_memory::available())
    return skip("no userfaultfd");
  const stalling_memory memory(bytes);
  std::atomic<bool> over = false;
  outcome removed;
  {
    raw_ring ring("loop0", shared());
    raw_ring other("loop0", shared());
    // Two packets of a job are prepared at a time, so what is behind three is left to a worker.
    const guarded_memory out(3 * ring.info().chunk);
    const guarded_memory in(out.data().size());
    ring.push(make_send(out.data(), 1, PINRING_SQE_SPLIT)).push(make_send(memory.data(), 2));
    REQUIRE(ring.submit().submitted == 2);
    other.push(make_recv(in.data(), 3, PINRING_SQE_SPLIT));
    REQUIRE(other.submit().submitted == 1);
    REQUIRE(memory.await_fault());
    REQUIRE(outcome_of(other.wait(1).front()) == success);
  }

  std::thread remover([&] {
    removed = outcome{::syscall(SYS_delete_module, "pinring", O_NONBLOCK) == 0 ? 0 : errno};
    over = true;
  });
  CHECK(wait_until([&] { return over.load(); }));
  memory.let_go();
  remover.join();
  CHECK(removed == outcome{EAGAIN});
  CHECK_NOTHROW(prove_usable("loop0"));
  CHECK(pins_become_balanced());
}

TEST_CASE("A registration that stalls harms nobody, and succeeds in the end") {
  if (!stalling_memory::available())
    return skip("no userfaultfd");
  raw_ring ring("loop0");
  const stalling_memory memory(bytes);
  auto buffer = make_buffer(0, memory.data(), PINRING_DIR_SEND);
  std::atomic<bool> done = false;
  outcome result;
  std::thread registrar([&] {
    result = ring.add(buffer);
    done = true;
  });

  REQUIRE(wait_until([&] { return done || memory.fault_pending(); }));
  if (done) {
    // Linux 6.1 pins for the long term with the mmap lock held, and can't stall there: it fails.
    registrar.join();
    CHECK(result == outcome{EFAULT});
    return;
  }
  REQUIRE(memory.await_fault());
  const guarded_memory ours(bytes);
  CHECK_NOTHROW(ring.register_at(1, ours.data(), PINRING_DIR_SEND));
  CHECK_NOTHROW(prove_usable("loop1"));
  memory.let_go();
  registrar.join();
  CHECK(result == success);
}

TEST_CASE("The channel works at the end of all this") {
  CHECK_NOTHROW(prove_usable("loop0"));
  CHECK_NOTHROW(prove_usable("loop1"));
}
