// SPDX-License-Identifier: MIT
//
// eventfd, poll and epoll: who waits for completions without ENTER.
#include "catch.hpp"

#include <algorithm>
#include <array>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "pending_receive.hpp"
#include "support/loop.hpp"
#include "support/needs.hpp"
#include "support/raw_ring.hpp"

using namespace support;

namespace {

const auto needed = support::needs{{"loop0"}};

constexpr int patience_ms = 30'000;

class event {
public:
  event() : fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) { REQUIRE(fd_); }
  int fd() const { return fd_.get(); }
  /// What was signalled since it was last taken.
  std::uint64_t take() const {
    std::uint64_t value = 0;
    return ::read(fd_.get(), &value, sizeof(value)) == sizeof(value) ? value : 0;
  }
  /// Waits until it is signalled, and takes that; false when the patience ran out first.
  bool told() const {
    pollfd watched{fd_.get(), POLLIN, 0};
    return ::poll(&watched, 1, patience_ms) == 1 && take() > 0;
  }

private:
  unique_fd fd_;
};

class epoll {
public:
  epoll(int watched, std::uint32_t events) : fd_(::epoll_create1(EPOLL_CLOEXEC)) {
    epoll_event event{};
    event.events = events;
    REQUIRE(::epoll_ctl(fd_.get(), EPOLL_CTL_ADD, watched, &event) == 0);
  }
  bool ready(int timeout_ms) const {
    epoll_event event{};
    return ::epoll_wait(fd_.get(), &event, 1, timeout_ms) == 1 && (event.events & EPOLLIN);
  }

private:
  unique_fd fd_;
};

bool readable(const raw_ring& ring, int timeout_ms = 0) {
  pollfd watched{ring.fd(), POLLIN, 0};
  return ::poll(&watched, 1, timeout_ms) == 1 && (watched.revents & POLLIN);
}

void submit_nops(raw_ring& ring, std::uint64_t n) {
  for (std::uint64_t i = 0; i < n; ++i)
    ring.push(make_nop(i));
  REQUIRE(ring.submit().submitted == n);
}

outcome set_eventfd(const raw_ring& ring, pinring_eventfd argument) {
  argument.size = sizeof(argument);
  return call(ring.fd(), PINRING_IOC_EVENTFD, &argument);
}

} // namespace

// ---------------------------------------------------------------------------- eventfd

TEST_CASE("EVENTFD refuses flags and a reserved field that is not zero") {
  const raw_ring ring("loop0");
  const event e;

  CHECK(set_eventfd(ring, {0, 1, e.fd(), 0}) == outcome{EINVAL});
  CHECK(set_eventfd(ring, {0, 0, e.fd(), 1}) == outcome{EINVAL});
  CHECK(set_eventfd(ring, {0, 0, e.fd(), 0}) == success);
}

TEST_CASE("EVENTFD refuses what is not an eventfd") {
  const raw_ring ring("loop0");
  std::array<int, 2> pipe{};
  REQUIRE(::pipe(pipe.data()) == 0);
  const unique_fd in(pipe[0]);
  const unique_fd out(pipe[1]);

  CHECK(ring.eventfd(in.get()) == outcome{EINVAL});
  CHECK(ring.eventfd(ring.fd()) == outcome{EINVAL});
}

TEST_CASE("EVENTFD refuses a descriptor that is not open, and a negative one but -1") {
  const raw_ring ring("loop0");

  CHECK(ring.eventfd(9999) == outcome{EINVAL});
  CHECK(ring.eventfd(-2) == outcome{EINVAL});
}

TEST_CASE("The eventfd is signalled for completions") {
  raw_ring ring("loop0");
  const event e;
  REQUIRE(ring.eventfd(e.fd()) == success);
  CHECK(e.take() == 0);

  submit_nops(ring, 3);
  CHECK(e.told());
}

TEST_CASE("The eventfd is signalled for a rejected SQE's completion") {
  raw_ring ring("loop0");
  const event e;
  REQUIRE(ring.eventfd(e.fd()) == success);

  ring.push(make_sqe(200, 1));
  REQUIRE(ring.submit().submitted == 1);
  CHECK(e.told());
}

TEST_CASE("The eventfd is signalled for what a DRAIN waited for and for the DRAIN") {
  raw_ring ring("loop0");
  const event e;
  pending_receive pending(ring);
  ring.push(make_drain(1));
  REQUIRE(ring.submit().submitted == 1);
  REQUIRE(ring.eventfd(e.fd()) == success);

  const guarded_memory out(1000);
  ring.push(make_send(out.data(), 2));
  REQUIRE(ring.submit().submitted == 1);
  REQUIRE(ring.wait(3).size() == 3);
  CHECK(e.told());
}

TEST_CASE("The eventfd is signalled when a transfer completes, not before") {
  raw_ring ring("loop0");
  const event e;
  REQUIRE(ring.eventfd(e.fd()) == success);
  pending_receive pending(ring);
  CHECK(e.take() == 0);

  pending.finish();
  CHECK(e.told());
}

TEST_CASE("The eventfd is signalled for completions that the CQ can't hold, too") {
  ring_options options;
  options.sq_entries = 4;
  options.cq_entries = 4;
  raw_ring ring("loop0", options);
  const event e;
  REQUIRE(ring.eventfd(e.fd()) == success);

  submit_nops(ring, 4);
  CHECK(e.told());
  submit_nops(ring, 4);
  CHECK(e.told());
  REQUIRE(ring.wait(8).size() == 8);
}

TEST_CASE("A second eventfd replaces the first") {
  raw_ring ring("loop0");
  const event first;
  const event second;
  REQUIRE(ring.eventfd(first.fd()) == success);
  REQUIRE(ring.eventfd(second.fd()) == success);

  submit_nops(ring, 1);
  CHECK(second.told());
  CHECK(first.take() == 0);
}

TEST_CASE("A refused eventfd leaves the one that was set") {
  raw_ring ring("loop0");
  const event e;
  REQUIRE(ring.eventfd(e.fd()) == success);
  REQUIRE(ring.eventfd(9999) == outcome{EINVAL});

  submit_nops(ring, 1);
  CHECK(e.told());
}

TEST_CASE("-1 ends the signalling, and may be said twice") {
  raw_ring ring("loop0");
  const event e;
  REQUIRE(ring.eventfd(e.fd()) == success);
  REQUIRE(ring.eventfd(-1) == success);
  REQUIRE(ring.eventfd(-1) == success);

  submit_nops(ring, 1);
  CHECK(e.take() == 0);
}

TEST_CASE("An eventfd may be closed while it is set") {
  raw_ring ring("loop0");
  {
    const event e;
    REQUIRE(ring.eventfd(e.fd()) == success);
  }
  submit_nops(ring, 1);
  CHECK_NOTHROW(ring.wait(1));
}

TEST_CASE("One eventfd may serve two rings") {
  ring_options options;
  options.flags = PINRING_SETUP_SHARED;
  raw_ring one("loop0", options);
  raw_ring other("loop0", options);
  const event e;
  REQUIRE(one.eventfd(e.fd()) == success);
  REQUIRE(other.eventfd(e.fd()) == success);

  submit_nops(one, 1);
  CHECK(e.told());
  submit_nops(other, 1);
  CHECK(e.told());
}

// ---------------------------------------------------------------------------- poll

TEST_CASE("A ring without completions is not readable") {
  raw_ring ring("loop0");
  CHECK_FALSE(readable(ring));

  pending_receive pending(ring);
  CHECK_FALSE(readable(ring));
  pending.finish();
}

TEST_CASE("A ring is readable from the completion on until it is reaped") {
  raw_ring ring("loop0");
  submit_nops(ring, 2);

  CHECK(readable(ring));
  REQUIRE(ring.reap(1).size() == 1);
  CHECK(readable(ring));
  REQUIRE(ring.reap(1).size() == 1);
  CHECK_FALSE(readable(ring));
}

TEST_CASE("poll wakes when a transfer completes") {
  raw_ring ring("loop0");
  pending_receive pending(ring);
  const guarded_memory out(1000);
  bool woken = false;

  std::thread waiter([&] { woken = readable(ring, patience_ms); });
  ring.push(make_send(out.data(), pending_receive::send_tag));
  REQUIRE(ring.submit().submitted == 1);
  waiter.join();
  CHECK(woken);
  CHECK(ring.wait(2).size() == 2);
}

TEST_CASE("poll moves completions that the CQ could not hold") {
  ring_options options;
  options.sq_entries = 4;
  options.cq_entries = 4;
  raw_ring ring("loop0", options);
  submit_nops(ring, 4);
  submit_nops(ring, 4);
  REQUIRE(ring.reap().size() == 4);
  REQUIRE((ring.cq_flags() & PINRING_CQ_OVERFLOW) != 0);

  CHECK(readable(ring));
  CHECK(ring.cq_ready() == 4);
  CHECK((ring.cq_flags() & PINRING_CQ_OVERFLOW) == 0);
}

TEST_CASE("epoll, level-triggered, reports as long as there is something") {
  raw_ring ring("loop0");
  const epoll watch(ring.fd(), EPOLLIN);
  CHECK_FALSE(watch.ready(0));

  submit_nops(ring, 1);
  CHECK(watch.ready(patience_ms));
  CHECK(watch.ready(0));
  REQUIRE(ring.reap().size() == 1);
  CHECK_FALSE(watch.ready(0));
}

TEST_CASE("epoll, edge-triggered, reports each new completion once") {
  raw_ring ring("loop0");
  const epoll watch(ring.fd(), EPOLLIN | EPOLLET);

  submit_nops(ring, 1);
  CHECK(watch.ready(patience_ms));
  CHECK_FALSE(watch.ready(0));
  // Not reaped in between: an edge is a new completion, whatever is still there.
  submit_nops(ring, 1);
  CHECK(watch.ready(patience_ms));
  CHECK_FALSE(watch.ready(0));
}

TEST_CASE("epoll drives transfers without a single wait in ENTER") {
  raw_ring ring("loop0");
  const epoll watch(ring.fd(), EPOLLIN);
  const guarded_memory out(5000);
  const guarded_memory in(5000);

  for (std::uint64_t round = 0; round < 50; ++round) {
    fill_pattern(out.data(), round);
    ring.push(make_recv(in.data(), 1)).push(make_send(out.data(), 2));
    REQUIRE(ring.submit().submitted == 2);
    for (std::size_t done = 0; done < 2;) {
      REQUIRE(watch.ready(patience_ms));
      for (const auto& cqe : ring.reap()) {
        REQUIRE(outcome_of(cqe) == success);
        ++done;
      }
    }
    REQUIRE(pattern_mismatch(in.data(), round) == std::nullopt);
  }
}

TEST_CASE("A ring that thousands watch tells all of them, each time, and others go on beside it") {
  constexpr std::size_t watchers = 3000;
  rlimit files{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &files) == 0);
  files.rlim_cur = std::min<rlim_t>(files.rlim_max, watchers + 100);
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &files) == 0);
  REQUIRE(files.rlim_cur == watchers + 100);
  ring_options options;
  options.flags = PINRING_SETUP_SHARED;
  raw_ring ring("loop0", options);
  raw_ring beside("loop0", options);
  // Each duplicate is watched by itself.
  const unique_fd watch(::epoll_create1(EPOLL_CLOEXEC));
  std::vector<unique_fd> duplicates(watchers);
  for (auto& duplicate : duplicates) {
    duplicate.reset(::dup(ring.fd()));
    epoll_event event{};
    event.events = EPOLLIN;
    REQUIRE(::epoll_ctl(watch.get(), EPOLL_CTL_ADD, duplicate.get(), &event) == 0);
  }

  std::vector<epoll_event> events(watchers);
  for (std::uint64_t round = 0; round < 10; ++round) {
    submit_nops(ring, 1);
    CHECK_NOTHROW(prove_usable(beside));
    CHECK(wait_until([&] {
      return ::epoll_wait(watch.get(), events.data(), static_cast<int>(watchers), 0) ==
             static_cast<int>(watchers);
    }));
    REQUIRE(ring.reap().size() == 1);
    REQUIRE(::epoll_wait(watch.get(), events.data(), static_cast<int>(watchers), 0) == 0);
  }
}

TEST_CASE("The channel works at the end of all this") {
  CHECK_NOTHROW(prove_usable("loop0"));
}
