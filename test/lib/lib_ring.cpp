// SPDX-License-Identifier: MIT
// dma::ring: batches, full queues, waits, and what the end of a ring means.
#include "../catch.hpp"

#include <dma/dma.hpp>

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "support/board.hpp"
#include "support/needs.hpp"
#include "support/pattern.hpp"
#include "support/wait.hpp"

using namespace std::chrono_literals;

static const auto needed = support::needs{{"loop0"}}.switches();

namespace {

constexpr std::uint64_t receive_bit = 1U << 20;

std::vector<dma::completion> reap(dma::ring& ring, std::size_t n) {
  std::vector<dma::completion> done(n);
  done.resize(ring.reap(done));
  return done;
}

} // namespace

TEST_CASE("a full ring of packets goes out and comes back in one system call") {
  const dma::device device{"loop0"};
  dma::ring ring{device, {.sq_entries = 64}};
  constexpr std::size_t packets = 32, bytes = 1000;
  std::vector<std::byte> out(packets * bytes), in(packets * bytes);
  support::fill_pattern(out, 1);
  for (std::size_t i = 0; i < packets; ++i) {
    REQUIRE_FALSE(ring.receive(std::span{in}.subspan(i * bytes, bytes), i | receive_bit));
    REQUIRE_FALSE(ring.send(std::span{out}.subspan(i * bytes, bytes), i));
  }
  const dma::submit_result result = ring.submit_and_wait(2 * packets, 30s);
  REQUIRE(result);
  CHECK(result.submitted == 2 * packets);
  const std::vector<dma::completion> done = reap(ring, 2 * packets);
  REQUIRE(done.size() == 2 * packets);
  for (const dma::completion& c : done) {
    CHECK_FALSE(c.error);
    CHECK(c.bytes == bytes);
  }
  CHECK(in == out);
}

TEST_CASE("a full queue is an error value, and takes jobs again after a submission") {
  const dma::device device{"loop0"};
  dma::ring ring{device, {.sq_entries = 4}};
  for (std::uint64_t i = 0; i < 4; ++i)
    REQUIRE_FALSE(ring.nop(i));
  CHECK(ring.nop(4) == dma::errc::queue_full);
  CHECK(ring.submit().submitted == 4);
  CHECK_FALSE(ring.nop(4));
}

TEST_CASE("a wait that expires leaves the job alone, which then completes") {
  const dma::device device{"loop0"};
  dma::ring ring{device};
  std::vector<std::byte> out(500), in(500);
  support::fill_pattern(out, 2);
  REQUIRE_FALSE(ring.receive(in, 1));
  CHECK(ring.submit_and_wait(1, 20ms).error == dma::errc::wait_expired);
  REQUIRE_FALSE(ring.send(out, 2));
  REQUIRE(ring.submit_and_wait(2, 30s));
  CHECK(reap(ring, 2).size() == 2);
  CHECK(in == out);
}

TEST_CASE("the descriptor is readable when a completion waits, and only then") {
  const dma::device device{"loop0"};
  dma::ring ring{device};
  ::pollfd watched{.fd = ring.fd(), .events = POLLIN, .revents = 0};
  CHECK(::poll(&watched, 1, 0) == 0);
  REQUIRE_FALSE(ring.nop(1));
  REQUIRE(ring.submit());
  CHECK(::poll(&watched, 1, 0) == 1);
  CHECK(reap(ring, 4).size() == 1);
  CHECK(::poll(&watched, 1, 0) == 0);
}

TEST_CASE("an eventfd is signalled when there are completions") {
  const dma::device device{"loop0"};
  dma::ring ring{device};
  const int fd = ::eventfd(0, EFD_CLOEXEC);
  REQUIRE_FALSE(ring.set_eventfd(fd));
  for (std::uint64_t i = 0; i < 3; ++i)
    REQUIRE_FALSE(ring.nop(i));
  REQUIRE(ring.submit());
  std::uint64_t count = 0;
  REQUIRE(::read(fd, &count, sizeof count) == sizeof count);
  // Once for several that come together, or once for each.
  CHECK(count >= 1);
  CHECK(count <= 3);
  REQUIRE_FALSE(ring.set_eventfd(-1));
  ::close(fd);
}

TEST_CASE("completions that do not fit the queue are all reaped in the end") {
  const dma::device device{"loop0"};
  dma::ring ring{device, {.sq_entries = 4, .cq_entries = 4}};
  for (std::uint64_t round = 0; round < 5; ++round) {
    for (std::uint64_t i = 0; i < 4; ++i)
      REQUIRE_FALSE(ring.nop(4 * round + i));
    REQUIRE(ring.submit());
  }
  const std::vector<dma::completion> done = reap(ring, 20);
  REQUIRE(done.size() == 20);
  for (std::uint64_t i = 0; i < 20; ++i)
    CHECK(done[i].user_data == i);
}

TEST_CASE("a job that has not started is withdrawn, one that has is not") {
  const dma::device device{"tiny0"};
  support::board board{"tiny0"};
  board.hold();
  // The device has so many BDs, and the packets behind as many can't have started.
  const std::size_t packets = device.info().send_bds + 4;
  constexpr std::size_t bytes = 64;
  dma::ring ring{device, {.sq_entries = 1024}};
  std::vector<std::byte> out(packets * bytes);
  for (std::size_t i = 0; i < packets; ++i)
    REQUIRE_FALSE(ring.send(std::span{out}.subspan(i * bytes, bytes), i));
  REQUIRE(ring.submit());
  REQUIRE_FALSE(ring.cancel(packets - 1, 10'000));
  REQUIRE_FALSE(ring.cancel(0, 10'001));
  REQUIRE(ring.submit_and_wait(3, 30s));
  std::map<std::uint64_t, std::error_code> error;
  for (const dma::completion& c : reap(ring, 3))
    error.emplace(c.user_data, c.error);
  CHECK(error.at(packets - 1) == dma::errc::withdrawn);
  CHECK_FALSE(error.at(10'000));
  CHECK(error.at(10'001) == dma::errc::already_started);
}

TEST_CASE("a ring that goes with work in flight leaves no memory with the hardware") {
  const dma::device device{"loop0"};
  support::board board{"loop0"};
  {
    std::vector<std::byte> in(100'000);
    dma::ring ring{device};
    REQUIRE_FALSE(ring.receive(in, 1));
    REQUIRE_FALSE(ring.receive(in, 2));
    REQUIRE(ring.submit());
    REQUIRE(support::wait_until([&] { return board.bds_in_use_recv() > 0; }));
  }
  CHECK(board.bds_in_use_recv() == 0);
  dma::ring again{device};
  std::vector<std::byte> out(64), in(64);
  support::fill_pattern(out, 3);
  REQUIRE_FALSE(again.receive(in, 1));
  REQUIRE_FALSE(again.send(out, 2));
  REQUIRE(again.submit_and_wait(2, 30s));
  CHECK(in == out);
}

TEST_CASE("a closed ring answers everything with an error") {
  const dma::device device{"loop0"};
  dma::ring ring{device};
  ring.close();
  CHECK_FALSE(ring);
  CHECK(ring.nop(1) == dma::errc::no_ring);
  CHECK(ring.submit().error == dma::errc::no_ring);
}
