// SPDX-License-Identifier: MIT
//
// Completions that wait in the kernel for room in the CQ: they are late, but they hold nothing. And
// thousands that come at once: they hold up nobody.
#include "catch.hpp"

#include <algorithm>
#include <fstream>
#include <functional>
#include <numeric>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <sys/eventfd.h>
#include <unistd.h>
#include <vector>

#include "support/board.hpp"
#include "support/guarded_memory.hpp"
#include "support/loop.hpp"
#include "support/needs.hpp"
#include "support/raw_ring.hpp"
#include "support/vmstat.hpp"
#include "support/wait.hpp"

using namespace support;

namespace {

const auto needed = support::needs{{"sink0", "loop0"}}.switches();

/// A ring on sink0 whose CQ of one is full, so that whatever completes next has to wait.
class full_ring {
public:
  full_ring() : ring_("sink0", options()) {
    pinring_sqe nop{};
    nop.opcode = PINRING_OP_NOP;
    ring_.push(nop);
    REQUIRE(ring_.submit().submitted == 1);
  }

  /// A send that completes, and whose completion does not fit.
  void overflow(const pinring_sqe& send) {
    const board sink{"sink0"};
    const auto before = sink.read("sent_packets");
    ring_.push(send);
    REQUIRE(ring_.submit().submitted == 1);
    REQUIRE(wait_until([&] { return sink.read("sent_packets") > before; }));
    REQUIRE(wait_until([&] { return (ring_.cq_flags() & PINRING_CQ_OVERFLOW) != 0; }));
  }

  raw_ring& operator*() { return ring_; }

private:
  static ring_options options() {
    ring_options o;
    o.directions = PINRING_DIR_SEND;
    o.sq_entries = 1;
    o.cq_entries = 1;
    return o;
  }

  raw_ring ring_;
};

/// As many jobs as a ring may have, numbered from 0 on: a receive, and DRAINs that wait for it.
class receive_and_drains {
public:
  explicit receive_and_drains(std::uint32_t cq_entries)
      : ring_("loop0", options(cq_entries)), jobs_(ring_.info().max_jobs) {}

  void submit() {
    for (std::uint64_t n = 0; n < jobs_; ++n) {
      ring_.push(n == 0 ? make_recv(in_.data(), 0) : make_drain(n));
      if ((n + 1) % entries == 0)
        REQUIRE(ring_.submit().submitted == entries);
    }
  }

  /// The packet that the receive waits for.
  void answer() {
    raw_ring sender("loop0", {.directions = PINRING_DIR_SEND, .flags = PINRING_SETUP_SHARED});
    REQUIRE(outcome_of(sender.run(make_send(out_.data(), 0))) == success);
  }

  std::size_t jobs() const { return jobs_; }
  raw_ring* operator->() { return &ring_; }

  static constexpr std::uint32_t entries = 4096;

private:
  static ring_options options(std::uint32_t cq_entries) {
    ring_options o;
    o.directions = PINRING_DIR_RECV;
    o.flags = PINRING_SETUP_SHARED;
    o.sq_entries = entries;
    o.cq_entries = cq_entries;
    return o;
  }

  const guarded_memory out_{1000};
  const guarded_memory in_{1000};
  raw_ring ring_;
  std::size_t jobs_;
};

std::vector<std::uint64_t> numbers(std::span<const pinring_cqe> cqes) {
  std::vector<std::uint64_t> result;
  for (const auto& cqe : cqes)
    result.push_back(cqe.user_data);
  return result;
}

std::vector<std::uint64_t> counting(std::size_t n) {
  std::vector<std::uint64_t> result(n);
  std::iota(result.begin(), result.end(), 0);
  return result;
}

bool all_good(std::span<const pinring_cqe> cqes) {
  return std::ranges::all_of(cqes, [](const auto& cqe) { return outcome_of(cqe) == success; });
}

constexpr std::int64_t MiB = 1 << 20;

/// Bytes that the machine could give to programs.
std::int64_t available_bytes() {
  std::ifstream in("/proc/meminfo");
  for (std::string key, rest; in >> key; std::getline(in, rest))
    if (std::int64_t kib = 0; key == "MemAvailable:" && in >> kib)
      return kib << 10;
  throw std::runtime_error("/proc/meminfo does not tell what is available");
}

/// Lists of as many pieces as there may be, all of the same byte.
class longest_lists {
public:
  explicit longest_lists(raw_ring& ring)
      : ring_(ring), pieces_(ring.info().max_iov, make_piece(byte_.data())) {}

  /// Receives into them, numbered from 0 on. @return how many ENTER has consumed.
  std::uint32_t receive(std::uint32_t n) {
    std::uint32_t consumed = 0;
    while (consumed < n) {
      const auto batch = std::min(n - consumed, ring_.layout().sq_entries);
      for (std::uint32_t i = 0; i < batch; ++i)
        ring_.push(make_iovec(PINRING_OP_RECV, pieces_, consumed + i, PINRING_SQE_GATHER));
      const auto entered = ring_.submit().submitted;
      consumed += entered;
      if (entered < batch)
        break;
    }
    return consumed;
  }

  /// From here on they can't be right.
  void spoil() { pieces_.back().len = 0; }

private:
  raw_ring& ring_;
  const guarded_memory byte_{1, 0};
  std::vector<pinring_iovec> pieces_;
};

/// The lists of one ring's jobs that are not through hold so many pieces in all, as docs/uapi.md
/// says.
constexpr std::uint32_t outstanding_lists = 256;

std::ptrdiff_t count_of(std::span<const pinring_cqe> cqes, outcome what) {
  return std::ranges::count_if(cqes, [&](const auto& cqe) { return outcome_of(cqe) == what; });
}

} // namespace

TEST_CASE("A completion that waits for room in the CQ does not keep a buffer from its removal") {
  full_ring full;
  const guarded_memory memory(5000);
  (*full).register_at(0, memory.data(), PINRING_DIR_SEND);
  full.overflow(make_registered(PINRING_OP_SEND, 0, 0, 5000, 1));

  CHECK((*full).remove_at(0, PINRING_BUFFER_WAIT, patience) == success);
  CHECK(pins_become_balanced());
  CHECK((*full).wait(2).back().user_data == 1);
}

TEST_CASE("A completion that waits for room in the CQ keeps no page of a plain job") {
  full_ring full;
  const guarded_memory memory(5000);
  full.overflow(make_send(memory.data(), 1));

  CHECK(pins_become_balanced());
  CHECK((*full).wait(2).back().user_data == 1);
}

TEST_CASE("A refused list whose completion waits for room in the CQ keeps none of its pieces") {
  raw_ring ring("loop0", {.cq_entries = 1});
  const auto jobs = ring.info().max_jobs;
  longest_lists lists(ring);
  lists.spoil();

  const auto before = available_bytes();
  REQUIRE(lists.receive(jobs) == jobs);
  REQUIRE((ring.cq_flags() & PINRING_CQ_OVERFLOW) != 0);
  // Of 8192 lists of 1024 pieces it would be 128 MiB; the jobs themselves are below 10.
  CHECK(before - available_bytes() < 48 * MiB);
  CHECK(count_of(ring.wait(jobs), outcome{EINVAL}) == jobs);
}

TEST_CASE("The lists of a ring's outstanding jobs hold so many pieces, then EDQUOT, and again when "
          "they are through") {
  raw_ring ring("loop0");
  longest_lists lists(ring);

  for (int round = 0; round < 2; ++round) {
    REQUIRE(lists.receive(outstanding_lists + 3) == outstanding_lists + 3);
    const auto refused = ring.reap();
    CHECK(refused.size() == 3);
    CHECK(count_of(refused, outcome{EDQUOT}) == 3);

    // That they are through is enough: they need not have been reaped.
    REQUIRE(ring.push(make_abort_all(0)).submit().submitted == 1);
    REQUIRE(lists.receive(1) == 1);
    REQUIRE(ring.push(make_abort_all(0)).submit().submitted == 1);
    CHECK(count_of(ring.wait(outstanding_lists + 3), outcome{ECANCELED}) == outstanding_lists + 1);
  }
}

TEST_CASE("Thousands of DRAINs complete once each and in order, also where the CQ has no room") {
  for (const std::uint32_t cq_entries :
       {2 * receive_and_drains::entries, receive_and_drains::entries}) {
    receive_and_drains all(cq_entries);
    for (int round = 0; round < 2; ++round) {
      all.submit();
      all.answer();
      const auto cqes = all->wait(all.jobs());
      CHECK(numbers(cqes) == counting(all.jobs()));
      CHECK(all_good(cqes));
      CHECK(all->enter(0, 1).result == success);
      CHECK(all->cq_ready() == 0);
      CHECK(all->cq_flags() == 0);
    }
  }
}

TEST_CASE("The eventfd tells of the last of thousands of DRAINs") {
  receive_and_drains all(2 * receive_and_drains::entries);
  const unique_fd event(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  REQUIRE(all->eventfd(event.get()) == success);
  all.submit();
  all.answer();

  std::size_t seen = 0;
  while (seen < all.jobs()) {
    pollfd waits{event.get(), POLLIN, 0};
    REQUIRE(::poll(&waits, 1, static_cast<int>(patience / 1ms)) == 1);
    std::uint64_t told = 0;
    REQUIRE(::read(event.get(), &told, sizeof(told)) == sizeof(told));
    seen += all->reap().size();
  }
  CHECK(seen == all.jobs());
}

TEST_CASE("A ring that is closed while thousands of its DRAINs complete lets go of all of them") {
  for (int round = 0; round < 4; ++round) {
    receive_and_drains all(receive_and_drains::entries << (round % 2));
    all.submit();
    all.answer();
  }
  CHECK(pins_become_balanced());
  CHECK_NOTHROW(prove_usable("loop0"));
}

TEST_CASE("What thousands of DRAINs wait for ends before the last of them has completed") {
  constexpr std::uint64_t drains = receive_and_drains::entries - 2;
  constexpr std::uint64_t cancel = drains + 1;
  const guarded_memory memory(1000);
  raw_ring ring("loop0", {.sq_entries = receive_and_drains::entries});
  bool before = false;

  // Whoever completes the rest may be very fast, once. If all were one step, it always would be.
  for (int round = 0; round < 20 && !before; ++round) {
    ring.push(make_recv(memory.data(), 0));
    for (std::uint64_t n = 1; n <= drains; ++n)
      ring.push(make_drain(n));
    ring.push(make_cancel(0, cancel));
    REQUIRE(ring.submit().submitted == receive_and_drains::entries);

    auto order = numbers(ring.wait(receive_and_drains::entries));
    before = order.back() != cancel;
    std::erase(order, cancel);
    CHECK(order == counting(drains + 1));
  }
  CHECK(before);
}

TEST_CASE("DRAINs behind each of many jobs that end at once complete after theirs, in order") {
  constexpr std::uint64_t receives = 30;
  constexpr std::uint64_t step = 101;
  constexpr std::uint64_t jobs = receives * step;
  const guarded_memory memory(1000);
  raw_ring ring("loop0", {.sq_entries = receive_and_drains::entries});

  for (std::uint64_t n = 0; n < jobs; ++n)
    ring.push(n % step == 0 ? make_recv(memory.data(), n) : make_drain(n));
  ring.push(make_cancel_all(jobs));
  REQUIRE(ring.submit().submitted == jobs + 1);

  const auto cqes = ring.wait(jobs + 1);
  CHECK(completion_of(cqes, jobs).bytes == receives);
  std::vector<std::uint64_t> drains;
  std::uint64_t received = 0;
  bool too_early = false;
  for (const auto n : numbers(cqes)) {
    if (n == jobs)
      continue;
    if (n % step == 0) {
      CHECK(n == received++ * step);
    } else {
      too_early |= n / step >= received;
      drains.push_back(n);
    }
  }
  CHECK(received == receives);
  CHECK_FALSE(too_early);
  CHECK(drains.size() == jobs - receives);
  CHECK(std::ranges::adjacent_find(drains, std::ranges::greater_equal{}) == drains.end());
}

TEST_CASE("The channel works at the end of all this") {
  CHECK_NOTHROW(prove_usable("loop0"));
}
