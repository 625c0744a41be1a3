// SPDX-License-Identifier: MIT
#include "catch.hpp"

#include <dma/dma.hpp>

#include <array>
#include <cerrno>
#include <chrono>
#include <span>
#include <vector>

#include "fake_kernel.hpp"

using namespace std::chrono_literals;

namespace {

struct fixture {
  fixture() { kernel.add_device("loop0"); }
  test::fake_kernel kernel;
};

void check(std::error_code error) {
  INFO(error.message());
  REQUIRE_FALSE(error);
}

} // namespace

TEST_CASE_METHOD(fixture, "a ring claims what it was told to, or what there is") {
  const dma::device device;
  { const dma::ring ring{device}; }
  CHECK(kernel.setups.back().directions == (PINRING_DIR_SEND | PINRING_DIR_RECV));
  CHECK(kernel.setups.back().flags == 0);
  {
    const dma::ring ring{device, {.directions = dma::direction::send, .shared = true}};
    CHECK(ring.directions() == dma::direction::send);
  }
  CHECK(kernel.setups.back().directions == PINRING_DIR_SEND);
  CHECK(kernel.setups.back().flags == PINRING_SETUP_SHARED);
}

TEST_CASE_METHOD(fixture, "a claim is exclusive until the ring is closed") {
  const dma::device device;
  dma::ring first{device};
  std::error_code error;
  const dma::ring second{device, {}, error};
  CHECK(error == dma::errc::busy);
  CHECK_FALSE(second);
  CHECK_THROWS_AS((dma::ring{device}), std::system_error);
  first.close();
  CHECK_FALSE(first);
  const dma::ring third{device};
  CHECK(third);
}

TEST_CASE_METHOD(fixture, "closing unmaps, then closes") {
  const dma::device device;
  { const dma::ring ring{device}; }
  CHECK(kernel.unmaps == 1);
  CHECK(kernel.closed_while_mapped == 0);
  CHECK(kernel.open_files() == 1);
}

TEST_CASE_METHOD(fixture, "a failed setup leaves no file behind") {
  const dma::device device;
  std::error_code error;
  kernel.errors[PINRING_IOC_SETUP] = {ENODEV};
  CHECK_FALSE(dma::ring{device, {}, error});
  CHECK(error == dma::errc::device_gone);
  CHECK(kernel.open_files() == 1);
}

TEST_CASE_METHOD(fixture, "a batch is one system call, and reaping none") {
  kernel.on_job = test::loop_back;
  const dma::device device;
  dma::ring ring{device};
  const std::vector<int> out{1, 2, 3};
  std::vector<int> in(3);
  check(ring.receive(in, 10));
  check(ring.send(out, 11));
  CHECK(ring.prepared() == 2);
  CHECK(kernel.calls[PINRING_IOC_ENTER] == 0);

  const dma::submit_result result = ring.submit_and_wait(2);
  check(result.error);
  CHECK(result.submitted == 2);
  CHECK(ring.prepared() == 0);
  CHECK(ring.outstanding() == 2);
  std::array<dma::completion, 8> done;
  REQUIRE(ring.reap(done) == 2);
  CHECK((done[0].user_data == 10 && done[0].bytes == 12 && !done[0].error));
  CHECK((done[1].user_data == 11 && done[1].bytes == 12 && !done[1].error));
  CHECK(in == out);
  CHECK(ring.outstanding() == 0);
  CHECK_FALSE(ring.reap());
  CHECK(kernel.calls[PINRING_IOC_ENTER] == 1);
}

TEST_CASE_METHOD(fixture, "nothing to submit and nothing to wait for is no system call") {
  const dma::device device;
  dma::ring ring{device};
  check(ring.submit().error);
  check(ring.wait(0));
  CHECK(ring.poll() == 0);
  check(ring.nop(1));
  check(ring.submit().error);
  check(ring.wait(1)); // it is there already
  CHECK(kernel.calls[PINRING_IOC_ENTER] == 1);
}

TEST_CASE_METHOD(fixture, "a full submission queue is an error value, and nothing is lost") {
  const dma::device device;
  dma::ring ring{device, {.sq_entries = 4}};
  CHECK(ring.sq_entries() == 4);
  CHECK(ring.space() == 4);
  for (std::uint64_t i = 0; i < 4; ++i)
    check(ring.nop(i));
  CHECK(ring.space() == 0);
  char byte = 0;
  CHECK(ring.nop(4) == dma::errc::queue_full);
  CHECK(ring.send(std::span{&byte, 1}, 4) == dma::errc::queue_full);
  CHECK(ring.send({std::span{&byte, 1}, std::span{&byte, 1}}, 4) == dma::errc::queue_full);
  CHECK(ring.submit().submitted == 4);
  check(ring.nop(4));
  CHECK(ring.submit().submitted == 1);
  std::array<dma::completion, 8> done;
  REQUIRE(ring.reap(done) == 5);
  for (std::uint64_t i = 0; i < 5; ++i)
    CHECK(done[i].user_data == i);
}

TEST_CASE_METHOD(fixture, "indices wrap at 2^32 in the middle of the work") {
  kernel.first_index = 0xffff'fff0;
  const dma::device device;
  dma::ring ring{device, {.sq_entries = 8}};
  std::uint64_t submitted = 0, reaped = 0;
  for (int round = 0; round < 20; ++round) {
    while (!ring.nop(submitted))
      ++submitted;
    check(ring.submit_and_wait(8).error);
    while (const auto c = ring.reap())
      CHECK(c->user_data == reaped++);
  }
  CHECK(submitted == 160);
  CHECK(reaped == 160);
}

TEST_CASE_METHOD(fixture, "completions that did not fit the queue are not lost") {
  const dma::device device;
  dma::ring ring{device, {.sq_entries = 4, .cq_entries = 4}};
  for (std::uint64_t i = 0; i < 11; ++i) {
    check(ring.nop(i));
    check(ring.submit().error);
  }
  CHECK(ring.outstanding() == 11);
  std::array<dma::completion, 3> some;
  std::uint64_t next = 0;
  while (const std::size_t n = ring.reap(some))
    for (std::size_t i = 0; i < n; ++i)
      CHECK(some[i].user_data == next++);
  CHECK(next == 11);
  CHECK(ring.outstanding() == 0);
}

TEST_CASE_METHOD(fixture, "after a signal only the rest is submitted") {
  kernel.signals = {2, 1, 0};
  const dma::device device;
  dma::ring ring{device};
  for (std::uint64_t i = 0; i < 5; ++i)
    check(ring.nop(i));
  const dma::submit_result result = ring.submit_and_wait(5, 1s);
  check(result.error);
  CHECK(result.submitted == 5);
  CHECK(kernel.ring().consumed.size() == 5);
  REQUIRE(kernel.enters.size() == 4);
  CHECK(kernel.enters[0].to_submit == 5);
  CHECK(kernel.enters[1].to_submit == 3);
  CHECK(kernel.enters[3].to_submit == 2);
  // One deadline for all of them.
  for (const pinring_enter& e : kernel.enters) {
    CHECK(e.flags == PINRING_ENTER_ABS_DEADLINE);
    CHECK(e.deadline_ns == kernel.enters[0].deadline_ns);
  }
}

TEST_CASE_METHOD(fixture, "an interruptible ring tells of the signal and what was submitted") {
  kernel.signals = {2};
  const dma::device device;
  dma::ring ring{device, {.interruptible = true}};
  for (std::uint64_t i = 0; i < 3; ++i)
    check(ring.nop(i));
  const dma::submit_result first = ring.submit_and_wait(3);
  CHECK(first.error == dma::errc::interrupted);
  CHECK(first.submitted == 2);
  CHECK(ring.prepared() == 1);
  CHECK(ring.submit_and_wait(3).submitted == 1);
  CHECK(kernel.ring().consumed.size() == 3);
}

TEST_CASE_METHOD(fixture, "a wait that expires touches no job") {
  const dma::device device;
  dma::ring ring{device};
  std::vector<int> in(3);
  check(ring.receive(in, 1));
  const dma::submit_result result = ring.submit_and_wait(1, 1ms);
  CHECK(result.error == dma::errc::wait_expired);
  CHECK(result.submitted == 1);
  CHECK(ring.outstanding() == 1);
  CHECK(ring.wait(1, 1ms) == dma::errc::wait_expired);
  kernel.ring().finish(1, 0, 12);
  check(ring.wait(1));
  CHECK(ring.reap()->bytes == 12);
}

TEST_CASE_METHOD(fixture, "a wait asks for no more than the queue holds") {
  const dma::device device;
  dma::ring ring{device, {.sq_entries = 4}};
  check(ring.nop(1));
  check(ring.submit_and_wait(1000).error);
  CHECK(kernel.enters[0].min_complete == 8);
}

TEST_CASE_METHOD(fixture, "a limit of jobs is told, and the rest stays prepared") {
  kernel.errors[PINRING_IOC_ENTER] = {EAGAIN};
  const dma::device device;
  dma::ring ring{device};
  check(ring.nop(1));
  const dma::submit_result result = ring.submit();
  CHECK(result.error == dma::errc::reap_first);
  CHECK(result.submitted == 0);
  CHECK(ring.prepared() == 1);
  CHECK(ring.submit().submitted == 1);
}

TEST_CASE_METHOD(fixture, "a list is copied when it is prepared") {
  kernel.on_job = test::loop_back;
  const dma::device device;
  dma::ring ring{device, {.sq_entries = 2}};
  const std::vector<int> a{1, 2}, b{3};
  for (int round = 0; round < 3; ++round) {
    std::array<int, 3> in{};
    check(ring.receive(in, 1));
    {
      std::vector<std::span<const int>> list{a, b};
      check(ring.send(list, 2));
      list.assign(2, {}); // the ring has its own
    }
    check(ring.submit_and_wait(2).error);
    CHECK(in == std::array{1, 2, 3});
    while (ring.reap())
      ;
  }
  CHECK(kernel.ring().consumed.back().flags == PINRING_SQE_IOVEC);
  CHECK(kernel.ring().consumed.back().len == 2);
}

TEST_CASE_METHOD(fixture, "an abort ends what has started, and completes after it") {
  kernel.on_job = [](test::fake_ring&, test::fake_job& job) { job.started = true; };
  const dma::device device;
  dma::ring ring{device};
  std::vector<int> in(3), other(3);
  check(ring.receive(in, 1));
  check(ring.receive(other, 2));
  check(ring.cancel(1, 3, true));
  check(ring.submit_and_wait(3).error);
  std::array<dma::completion, 4> done;
  REQUIRE(ring.reap(done) == 3);
  CHECK((done[0].user_data == 1 && done[0].error == dma::errc::withdrawn));
  CHECK((done[1].user_data == 2 && done[1].error == dma::errc::collateral_reset));
  CHECK((done[2].user_data == 3 && !done[2].error && done[2].bytes == 1));
}

TEST_CASE_METHOD(fixture, "an abort on a shared claim is not available, and ends nothing") {
  kernel.on_job = [](test::fake_ring&, test::fake_job& job) { job.started = true; };
  const dma::device device;
  dma::ring ring{device, {.shared = true}};
  std::vector<int> in(3);
  check(ring.receive(in, 1));
  check(ring.cancel_all(2, true));
  check(ring.submit_and_wait(1).error);
  CHECK(ring.reap()->error == dma::errc::not_available);
  CHECK(ring.outstanding() == 1);
}

TEST_CASE_METHOD(fixture, "closing with work in flight withdraws it, and what was not submitted") {
  const dma::device device;
  std::vector<int> in(3), never(3);
  {
    dma::ring ring{device, {.sq_entries = 2}};
    check(ring.receive(in, 1));
    check(ring.submit().error);
    check(ring.receive(never, 2));
    check(ring.receive(never, 3)); // the queue is full, and there is room for the cancel
    kernel.calls.clear();
    kernel.on_job = [](auto&, auto&) { FAIL("submitted while closing"); };
  }
  CHECK(kernel.calls[PINRING_IOC_ENTER] == 1);
  CHECK(kernel.enters.back().to_submit == 1);
  CHECK(kernel.closed_while_mapped == 0);
}

TEST_CASE_METHOD(fixture, "a closed ring answers everything with an error") {
  const dma::device device;
  dma::ring ring{device};
  ring.close();
  std::vector<int> v(1);
  CHECK(ring.send(v, 1) == dma::errc::no_ring);
  CHECK(ring.receive(v, 1) == dma::errc::no_ring);
  CHECK(ring.send({v, v}, 1) == dma::errc::no_ring);
  CHECK(ring.send(dma::registered_range{}, 1) == dma::errc::no_ring);
  CHECK(ring.cancel(1, 2) == dma::errc::no_ring);
  CHECK(ring.cancel_all(2) == dma::errc::no_ring);
  CHECK(ring.nop(2) == dma::errc::no_ring);
  CHECK(ring.drain(2) == dma::errc::no_ring);
  CHECK(ring.submit().error == dma::errc::no_ring);
  CHECK(ring.wait() == dma::errc::no_ring);
  CHECK(ring.set_eventfd(-1) == dma::errc::no_ring);
  CHECK(ring.poll() == 0);
  CHECK(ring.space() == 0);
  CHECK(ring.fd() == -1);
  CHECK_FALSE(ring.reap());

  dma::ring moved = std::move(ring);
  CHECK(ring.nop(1) == dma::errc::no_ring);
  CHECK(moved.nop(1) == dma::errc::no_ring);
}

TEST_CASE_METHOD(fixture, "moving a ring moves its work, and closes what was there before") {
  kernel.add_device("loop1");
  const dma::device device, other{"loop1"};
  dma::ring a{device}, b{other};
  check(a.nop(5));
  b = std::move(a);
  CHECK(kernel.open_files() == 3);
  check(b.submit().error);
  CHECK(b.reap()->user_data == 5);
}

TEST_CASE_METHOD(fixture, "a child of fork leaves the mapping alone") {
  const dma::device device;
  {
    dma::ring ring{device};
    std::vector<int> in(3);
    check(ring.receive(in, 1));
    check(ring.submit().error);
    kernel.calls.clear();
    kernel.pid = 101;
  }
  CHECK(kernel.unmaps == 0);
  CHECK(kernel.calls[PINRING_IOC_ENTER] == 0);
  CHECK(kernel.open_files() == 1);
}
