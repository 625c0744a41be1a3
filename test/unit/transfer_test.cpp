// SPDX-License-Identifier: MIT
#include "catch.hpp"

#include <dma/dma.hpp>

#include <cerrno>
#include <chrono>
#include <numeric>
#include <stdexcept>
#include <stop_token>
#include <vector>

#include "exchange.hpp"
#include "fake_kernel.hpp"

using namespace std::chrono_literals;
using dma::errc;

namespace {

// user_data that the library gives its jobs.
constexpr std::uint64_t send_job = 0;
constexpr std::uint64_t receive_job = 1;

struct fixture {
  struct one_device : test::fake_kernel {
    one_device() {
      add_device("loop0");
      on_job = test::loop_back;
    }
  };

  void start_only() {
    kernel.on_job = [](test::fake_ring&, test::fake_job& job) { job.started = true; };
  }
  void leave_queued() { kernel.on_job = nullptr; }

  one_device kernel;
  dma::device device;
  std::vector<int> out = std::vector<int>(1000, 7);
  std::vector<int> in = std::vector<int>(1000);
};

const pinring_sqe& sqe_of(const std::vector<pinring_sqe>& all, std::uint8_t opcode) {
  for (const pinring_sqe& sqe : all)
    if (sqe.opcode == opcode)
      return sqe;
  throw std::logic_error{"no such SQE"};
}

} // namespace

TEST_CASE("framing is decided for the pair, by length") {
  using dma::framing;
  using dma::detail::must_split;
  CHECK_FALSE(must_split(framing::automatic, 100, 100, 100));
  CHECK(must_split(framing::automatic, 100, 101, 10));
  CHECK(must_split(framing::automatic, 100, 10, 101));
  CHECK_FALSE(must_split(framing::packet, 100, 1000, 1000));
  CHECK(must_split(framing::split, 100, 1, 1));
}

TEST_CASE_METHOD(fixture, "what goes out comes back, and the claim is given up") {
  const auto result = dma::transfer(device, out, in);
  CHECK(result);
  CHECK_FALSE(result.error());
  CHECK(result.sent.bytes == 4000);
  CHECK(result.received.bytes == 4000);
  CHECK(in == out);
  CHECK(kernel.open_files() == 1);
  CHECK(kernel.setups.back().directions == (PINRING_DIR_SEND | PINRING_DIR_RECV));
  CHECK(kernel.setups.back().flags == 0);
  CHECK(kernel.calls[PINRING_IOC_ENTER] == 2);
}

TEST_CASE_METHOD(fixture, "the receive is submitted first") {
  std::vector<std::uint8_t> order;
  kernel.on_job = [&](test::fake_ring& r, test::fake_job& job) {
    order.push_back(job.sqe.opcode);
    test::loop_back(r, job);
  };
  CHECK(dma::transfer(device, out, in));
  CHECK(order == std::vector<std::uint8_t>{PINRING_OP_RECV, PINRING_OP_SEND});
}

TEST_CASE_METHOD(fixture, "a side that the driver copied says so, and only that one") {
  kernel.on_job = [&](test::fake_ring& r, test::fake_job& job) {
    const bool receives = job.sqe.opcode == PINRING_OP_RECV;
    r.finish(job.sqe.user_data, 0, job.sqe.len,
             receives ? PINRING_CQE_BOUNCED | PINRING_CQE_SHORT : 0);
  };
  const auto result = dma::transfer(device, out, in, {.may_be_short = true});
  CHECK(result);
  CHECK(result.sent.flags == dma::completion_flags::none);
  CHECK(result.received.flags ==
        (dma::completion_flags::bounced | dma::completion_flags::short_packet));
}

TEST_CASE_METHOD(fixture, "what is demanded of the copies reaches the driver on either side") {
  std::uint32_t flags[2] = {};
  kernel.on_job = [&](test::fake_ring& r, test::fake_job& job) {
    flags[job.sqe.user_data] = job.sqe.flags;
    test::loop_back(r, job);
  };
  CHECK(dma::transfer(device, out, in, {.may_be_short = true, .zero_copy = true}));
  CHECK(flags[send_job] == PINRING_SQE_ZERO_COPY);
  CHECK(flags[receive_job] == (PINRING_SQE_MAY_BE_SHORT | PINRING_SQE_ZERO_COPY));

  // There is no list: nothing to gather.
  CHECK(dma::transfer(device, out, in, {.gather = true}));
  CHECK((flags[send_job] == 0 && flags[receive_job] == 0));
}

TEST_CASE_METHOD(fixture, "both sides split as soon as one is longer than the chunk") {
  std::vector<char> large((1 << 20) + 1);
  std::uint32_t flags[2] = {};
  kernel.on_job = [&](test::fake_ring& r, test::fake_job& job) {
    flags[job.sqe.user_data] = job.sqe.flags;
    test::loop_back(r, job);
  };
  CHECK(dma::transfer(device, out, large, {.may_be_short = true}));
  CHECK((flags[send_job] & PINRING_SQE_SPLIT));
  CHECK(flags[receive_job] == (PINRING_SQE_SPLIT | PINRING_SQE_MAY_BE_SHORT));

  large.pop_back();
  CHECK(dma::transfer(device, large, large));
  CHECK((flags[send_job] == 0 && flags[receive_job] == 0));
}

TEST_CASE_METHOD(fixture, "lists travel as one stream") {
  std::vector<int> a{1, 2}, b{3}, c(1);
  std::array<int, 2> d{};
  CHECK(dma::transfer(device, {a, b}, {c, d}));
  CHECK(c[0] == 1);
  CHECK(d == std::array{2, 3});
}

TEST_CASE_METHOD(fixture, "one deadline serves both sides, as a point in time") {
  std::vector<pinring_sqe> seen;
  kernel.on_job = [&](test::fake_ring& r, test::fake_job& job) {
    seen.push_back(job.sqe);
    test::loop_back(r, job);
  };
  CHECK(dma::transfer(device, out, in, {.deadline = 5s}));
  REQUIRE(seen.size() == 2);
  CHECK((seen[0].flags & seen[1].flags & PINRING_SQE_ABS_DEADLINE));
  CHECK(seen[0].deadline_ns == seen[1].deadline_ns);
  seen.clear();
  CHECK(dma::transfer(device, out, in));
  CHECK((seen[0].deadline_ns == 0 && seen[1].deadline_ns == 0));
}

TEST_CASE_METHOD(fixture, "one direction claims one direction") {
  kernel.on_job = [](test::fake_ring& r, test::fake_job& job) {
    r.finish(job.sqe.user_data, 0, job.sqe.len);
  };
  CHECK(dma::send(device, out).bytes == 4000);
  CHECK(kernel.setups.back().directions == PINRING_DIR_SEND);
  CHECK(dma::receive(device, in, {.shared = true}).bytes == 4000);
  CHECK(kernel.setups.back().directions == PINRING_DIR_RECV);
  CHECK(kernel.setups.back().flags == PINRING_SETUP_SHARED);
}

TEST_CASE_METHOD(fixture, "a claimed device is told in the result") {
  const dma::ring ring{device};
  const auto result = dma::transfer(device, out, in);
  CHECK(result.sent.error == errc::busy);
  CHECK(result.received.error == errc::busy);
  CHECK(result.error() == errc::busy);
}

TEST_CASE_METHOD(fixture, "an empty device is misuse") {
  const dma::device taken = std::move(device);
  CHECK_THROWS_AS((void)dma::transfer(device, out, in), std::logic_error);
}

TEST_CASE_METHOD(fixture, "nothing to send or no room starts nothing") {
  std::vector<int> empty;
  const auto result = dma::transfer(device, empty, in);
  CHECK(result.sent.error == errc::bad_argument);
  CHECK(result.received.error == errc::withdrawn);
  CHECK(result.error() == errc::bad_argument);
  CHECK(dma::transfer(device, out, empty).error() == errc::bad_argument);
  CHECK(dma::receive(device, empty).error == errc::bad_argument);
  CHECK(kernel.setups.empty());
}

TEST_CASE_METHOD(fixture, "a send that is refused withdraws the receive") {
  kernel.on_job = [](test::fake_ring& r, test::fake_job& job) {
    if (job.sqe.opcode == PINRING_OP_SEND)
      r.finish(job.sqe.user_data, -EFAULT);
  };
  const auto result = dma::transfer(device, out, in);
  CHECK(result.sent.error == errc::bad_address);
  CHECK(result.received.error == errc::withdrawn);
  CHECK(result.error() == errc::bad_address);
  CHECK(kernel.open_files() == 1);
}

TEST_CASE_METHOD(fixture, "a send that is refused ends a receive that has started") {
  kernel.on_job = [](test::fake_ring& r, test::fake_job& job) {
    job.started = true;
    if (job.sqe.opcode == PINRING_OP_SEND)
      r.finish(job.sqe.user_data, -EINVAL);
  };
  const auto begin = std::chrono::steady_clock::now();
  const auto result = dma::transfer(device, out, in, {.keep = true});
  CHECK(std::chrono::steady_clock::now() - begin < 2s);
  CHECK(result.sent.error == errc::bad_argument);
  CHECK(result.received.error == errc::collateral_reset);
  CHECK(has(result.received.flags, dma::completion_flags::collateral));
  CHECK(result.error() == errc::bad_argument);
  CHECK(kernel.open_files() == 1); // the ring was closed, keep or not
}

TEST_CASE_METHOD(fixture, "a receive that is refused lets no send start") {
  kernel.on_job = [](test::fake_ring& r, test::fake_job& job) {
    if (job.sqe.opcode == PINRING_OP_SEND)
      FAIL("sent into a stream that nobody reads");
    r.finish(job.sqe.user_data, -EFAULT);
  };
  const auto result = dma::transfer(device, out, in);
  CHECK(result.received.error == errc::bad_address);
  CHECK(result.sent.error == errc::withdrawn);
  CHECK(result.error() == errc::bad_address);
  CHECK(kernel.open_files() == 1);
}

TEST_CASE_METHOD(fixture, "a receive that fails on the way ends the send") {
  kernel.on_job = [](test::fake_ring& r, test::fake_job& job) {
    job.started = true;
    if (job.sqe.opcode == PINRING_OP_SEND)
      r.finish(receive_job, -EFAULT, 100);
  };
  const auto result = dma::transfer(device, out, in);
  CHECK(result.received.error == errc::bad_address);
  CHECK(result.received.bytes == 100);
  CHECK(result.sent.error == errc::collateral_reset);
  CHECK(result.error() == errc::bad_address);
  CHECK(kernel.open_files() == 1);
}

TEST_CASE_METHOD(fixture, "a send is given the time to complete when its packet came short") {
  bool late = false;
  kernel.on_job = [](test::fake_ring& r, test::fake_job& job) {
    job.started = true;
    if (job.sqe.opcode == PINRING_OP_SEND)
      r.finish(receive_job, -EBADMSG, 400, PINRING_CQE_SHORT);
  };
  kernel.on_wait = [&](test::fake_ring& r) {
    // Not before the library has asked for the send's withdrawal.
    if (r.consumed.back().opcode != PINRING_OP_CANCEL || late)
      return false;
    late = true;
    r.finish(send_job, 0, 400);
    return true;
  };
  const auto result = dma::transfer(device, std::span{out}.first(100), in);
  CHECK(result.received.error == errc::ended_early);
  CHECK(result.received.bytes == 400);
  CHECK_FALSE(result.sent.error);
  CHECK(result.sent.bytes == 400);
}

TEST_CASE_METHOD(fixture, "a deadline lets the driver settle both sides") {
  start_only();
  int waits = 0;
  kernel.on_wait = [&](test::fake_ring& r) {
    switch (waits++) {
    case 0:
      return false; // the joint wait expires
    case 1:
      r.finish(send_job, -ETIMEDOUT, 512);
      return true;
    case 2: // by then the receive's cancel was answered with EALREADY
      r.finish(receive_job, -ECONNRESET, 256, PINRING_CQE_COLLATERAL);
      return true;
    default:
      return false;
    }
  };
  const auto result = dma::transfer(device, out, in, {.deadline = 1s});
  CHECK(result.sent.error == errc::deadline_passed);
  CHECK(result.sent.bytes == 512);
  CHECK(result.received.error == errc::collateral_reset);
  CHECK(result.received.bytes == 256);
  CHECK(result.error() == errc::deadline_passed);
}

TEST_CASE_METHOD(fixture, "a slow transfer is waited for without a limit") {
  start_only();
  int waits = 0;
  kernel.on_wait = [&](test::fake_ring& r) {
    switch (waits++) {
    case 0:
      return false;
    case 1:
      r.finish(send_job, 0, 4000);
      return true;
    case 2:
      r.finish(receive_job, 0, 4000);
      return true;
    default:
      return false;
    }
  };
  CHECK(dma::transfer(device, out, in));
  REQUIRE(kernel.enters.size() == 4);
  CHECK(kernel.enters[0].min_complete == 0);
  CHECK(kernel.enters[1].min_complete == 2);
  CHECK(kernel.enters[1].deadline_ns != 0);
  CHECK(kernel.enters[2].min_complete == 1);
  CHECK(kernel.enters[2].deadline_ns == 0);
  CHECK(kernel.enters[3].deadline_ns == 0);
}

TEST_CASE_METHOD(fixture, "signals are waited through") {
  kernel.signals = {0, 1, 0};
  CHECK(dma::transfer(device, out, in));
  CHECK(in == out);
}

TEST_CASE_METHOD(fixture, "a device that goes away in the middle is told, and the ring closed") {
  start_only();
  kernel.errors[PINRING_IOC_ENTER] = {0, 0, ENODEV};
  const auto result = dma::transfer(device, out, in);
  CHECK(result.sent.error == errc::device_gone);
  CHECK(result.received.error == errc::device_gone);
  CHECK(kernel.open_files() == 1);
}

TEST_CASE_METHOD(fixture, "a stop that was requested before starts nothing") {
  std::stop_source stop;
  stop.request_stop();
  const auto result = dma::transfer(device, out, in, {.stop = stop.get_token()});
  CHECK(result.error() == errc::withdrawn);
  CHECK(kernel.calls[PINRING_IOC_ENTER] == 0);
}

TEST_CASE_METHOD(fixture, "a stop withdraws what has not started") {
  leave_queued();
  std::stop_source stop;
  kernel.on_wait = [&](test::fake_ring&) {
    stop.request_stop();
    return false;
  };
  const auto result = dma::transfer(device, out, in, {.stop = stop.get_token()});
  CHECK(result.sent.error == errc::withdrawn);
  CHECK(result.received.error == errc::withdrawn);
}

TEST_CASE_METHOD(fixture, "a stop lets what has started go on") {
  start_only();
  std::stop_source stop;
  int waits = 0;
  kernel.on_wait = [&](test::fake_ring& r) {
    if (waits++ == 0) {
      stop.request_stop();
      return false;
    }
    if (!r.find(receive_job))
      return false;
    r.finish(receive_job, 0, 4000);
    return true;
  };
  const auto result = dma::receive(device, in, {.stop = stop.get_token()});
  CHECK_FALSE(result.error);
  CHECK(result.bytes == 4000);
}

TEST_CASE_METHOD(fixture, "a stop aborts what has started where that was asked for") {
  start_only();
  std::stop_source stop;
  kernel.on_wait = [&](test::fake_ring&) {
    stop.request_stop();
    return false;
  };
  const auto result =
      dma::receive(device, in, {.keep = true, .stop = stop.get_token(), .abort_on_stop = true});
  CHECK(result.error == errc::withdrawn);
  CHECK(kernel.ring().consumed.back().flags == PINRING_SQE_ABORT);
  CHECK(kernel.open_files() == 2); // the claim is kept: nothing had to be closed
}

TEST_CASE_METHOD(fixture, "an abort of both sides ends one, and resets the other or ends it too") {
  start_only();
  std::stop_source stop;
  kernel.on_wait = [&](test::fake_ring&) {
    stop.request_stop();
    return false;
  };
  const auto result =
      dma::transfer(device, out, in, {.stop = stop.get_token(), .abort_on_stop = true});
  CHECK(result.sent.error == errc::withdrawn);
  CHECK(result.received.error == errc::collateral_reset);
  CHECK(kernel.open_files() == 1);
}

TEST_CASE_METHOD(fixture, "where others have claims, a stop that is to abort closes the ring") {
  start_only();
  kernel.may_abort = false;
  std::stop_source stop;
  kernel.on_wait = [&](test::fake_ring&) {
    stop.request_stop();
    return false;
  };
  const auto result =
      dma::receive(device, in, {.keep = true, .stop = stop.get_token(), .abort_on_stop = true});
  CHECK(result.error == errc::collateral_reset);
  CHECK(kernel.open_files() == 1);
}

TEST_CASE_METHOD(fixture, "a transfer that may be stopped and is not, succeeds") {
  std::stop_source stop;
  CHECK(dma::transfer(device, out, in, {.stop = stop.get_token()}));
  start_only();
  kernel.on_wait = [&](test::fake_ring& r) {
    if (!r.find(receive_job))
      return false;
    r.finish(receive_job, 0, 4000);
    return true;
  };
  CHECK(dma::receive(device, in, {.stop = stop.get_token()}));
}

TEST_CASE_METHOD(fixture, "a kept claim serves later calls with one system call for each job") {
  CHECK(dma::transfer(device, out, in, {.keep = true}));
  CHECK(kernel.open_files() == 2);
  CHECK(dma::transfer(device, out, in));
  CHECK(dma::transfer(device, out, in));
  CHECK(kernel.setups.size() == 1);
  CHECK(kernel.calls[PINRING_IOC_ENTER] == 6);

  std::error_code error;
  CHECK_FALSE(dma::ring{device, {}, error});
  CHECK(error == errc::busy);
  device.release();
  CHECK(kernel.open_files() == 1);
  CHECK(dma::ring{device});
}

TEST_CASE_METHOD(fixture, "a kept claim of both directions serves one") {
  CHECK(dma::transfer(device, out, in, {.keep = true}));
  kernel.on_job = [](test::fake_ring& r, test::fake_job& job) {
    r.finish(job.sqe.user_data, 0, job.sqe.len);
  };
  CHECK(dma::send(device, out));
  CHECK(dma::receive(device, in));
  CHECK(kernel.setups.size() == 1);
}

TEST_CASE_METHOD(fixture, "kept claims of single directions make way for both") {
  kernel.on_job = [](test::fake_ring& r, test::fake_job& job) {
    r.finish(job.sqe.user_data, 0, job.sqe.len);
  };
  CHECK(dma::send(device, out, {.keep = true}));
  CHECK(dma::receive(device, in, {.keep = true}));
  CHECK(kernel.open_files() == 3);
  CHECK(dma::transfer(device, out, in));
  CHECK(kernel.open_files() == 1);
}

TEST_CASE_METHOD(fixture, "a kept ring of a parent process is not used") {
  CHECK(dma::transfer(device, out, in, {.keep = true}));
  kernel.pid = 101;
  const auto result = dma::transfer(device, out, in);
  CHECK(result);
  CHECK(kernel.setups.size() == 2);
  CHECK(kernel.unmaps == 1); // that of the second ring
}

TEST_CASE_METHOD(fixture, "the device gives up its claims at its end") {
  {
    dma::device other = std::move(device);
    CHECK(dma::transfer(other, out, in, {.keep = true}));
  }
  CHECK(kernel.open_files() == 0);
}

TEST_CASE_METHOD(fixture, "options travel to both sides") {
  std::vector<pinring_sqe> seen;
  kernel.on_job = [&](test::fake_ring& r, test::fake_job& job) {
    seen.push_back(job.sqe);
    test::loop_back(r, job);
  };
  std::vector<int> a(1), b(2);
  CHECK(dma::transfer(device, {a, b}, {b, a}, {.gather = true, .zero_copy = true}));
  constexpr std::uint32_t wanted = PINRING_SQE_IOVEC | PINRING_SQE_GATHER | PINRING_SQE_ZERO_COPY;
  CHECK(sqe_of(seen, PINRING_OP_SEND).flags == wanted);
  CHECK(sqe_of(seen, PINRING_OP_RECV).flags == wanted);
}
