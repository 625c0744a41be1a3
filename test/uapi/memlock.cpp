// SPDX-License-Identifier: MIT
//
// RLIMIT_MEMLOCK: what is pinned is charged, what is let go is given back, and a job of any length
// gets by with little.
#include "catch.hpp"

#include <sys/mman.h>
#include <sys/resource.h>
#include <vector>

#include "support/board.hpp"
#include "support/child.hpp"
#include "support/guarded_memory.hpp"
#include "support/loop.hpp"
#include "support/needs.hpp"
#include "support/pace.hpp"
#include "support/pattern.hpp"
#include "support/raw_ring.hpp"
#include "support/vmstat.hpp"

using namespace support;

namespace {

const auto needed = support::needs{{"loop0", "sink0"}}.switches().ordinary_user();

constexpr std::size_t KiB = 1024;
constexpr std::size_t MiB = 1024 * KiB;

constexpr auto longest_wait = 1s; // of a job, for pages that others have
constexpr auto a_while = 300ms;   // for what must not happen

/// RLIMIT_MEMLOCK as long as this lives. The hard limit stays, so that it can be raised again.
class memlock_limit {
public:
  explicit memlock_limit(std::size_t bytes) {
    ::getrlimit(RLIMIT_MEMLOCK, &before_);
    auto changed = before_;
    changed.rlim_cur = bytes;
    REQUIRE(::setrlimit(RLIMIT_MEMLOCK, &changed) == 0);
  }
  memlock_limit(const memlock_limit&) = delete;
  memlock_limit& operator=(const memlock_limit&) = delete;
  ~memlock_limit() { ::setrlimit(RLIMIT_MEMLOCK, &before_); }

private:
  rlimit before_{};
};

ring_options send_only() {
  ring_options options;
  options.directions = PINRING_DIR_SEND;
  return options;
}

outcome try_to_register(const raw_ring& ring, std::uint32_t index, const guarded_memory& memory) {
  auto buffer = make_buffer(index, memory.data(), PINRING_DIR_SEND);
  return ring.add(buffer);
}

void check_big_loop(std::size_t bytes) {
  raw_ring ring("loop0");
  const guarded_memory out(bytes);
  const guarded_memory in(bytes);
  fill_pattern(out.data(), bytes);
  REQUIRE(loop(ring, out.data(), in.data(), PINRING_SQE_SPLIT).moved(bytes));
  CHECK(same_bytes(in.data(), out.data()));
  CHECK(in.guards_intact());
}

} // namespace

TEST_CASE("The limit is the usual one of 8 MiB") {
  rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_MEMLOCK, &limit) == 0);
  CHECK(limit.rlim_cur == 8 * MiB);
}

TEST_CASE("A buffer that is larger than the limit is EDQUOT") {
  const memlock_limit low(64 * KiB);
  const raw_ring ring("loop0");
  const guarded_memory large(100 * KiB);

  CHECK(try_to_register(ring, 0, large) == outcome{EDQUOT});
}

TEST_CASE("A refused buffer costs nothing") {
  const memlock_limit low(64 * KiB);
  const raw_ring ring("loop0");
  const guarded_memory large(100 * KiB);
  const guarded_memory small(50 * KiB);

  for (int i = 0; i < 20; ++i)
    REQUIRE(try_to_register(ring, 0, large) == outcome{EDQUOT});
  CHECK(try_to_register(ring, 0, small) == success);
}

TEST_CASE("A buffer that can't be pinned costs nothing") {
  const memlock_limit low(64 * KiB);
  const raw_ring ring("loop0");
  const guarded_memory small(50 * KiB);
  const guarded_memory none(50 * KiB);
  none.protect(PROT_NONE);

  for (int i = 0; i < 20; ++i)
    REQUIRE(try_to_register(ring, 0, none) == outcome{EFAULT});
  CHECK(try_to_register(ring, 0, small) == success);
}

TEST_CASE("Buffers count together, and count no more once they are removed") {
  const memlock_limit low(64 * KiB);
  const raw_ring ring("loop0");
  const guarded_memory one(30 * KiB, 0);
  const guarded_memory two(30 * KiB, 0);
  const guarded_memory three(30 * KiB, 0);

  REQUIRE(try_to_register(ring, 0, one) == success);
  REQUIRE(try_to_register(ring, 1, two) == success);
  CHECK(try_to_register(ring, 2, three) == outcome{EDQUOT});
  REQUIRE(ring.remove_at(0, PINRING_BUFFER_WAIT) == success);
  CHECK(try_to_register(ring, 2, three) == success);
}

TEST_CASE("Rings of one user count together") {
  const memlock_limit low(64 * KiB);
  const raw_ring one("loop0");
  const raw_ring other("sink0", send_only());
  const guarded_memory memory(40 * KiB);

  REQUIRE(try_to_register(one, 0, memory) == success);
  CHECK(try_to_register(other, 0, memory) == outcome{EDQUOT});
}

TEST_CASE("Processes of one user count together") {
  const memlock_limit low(64 * KiB);
  const raw_ring mine("sink0", send_only());
  const guarded_memory memory(40 * KiB);
  REQUIRE(try_to_register(mine, 0, memory) == success);

  child other([&] {
    const raw_ring ring("loop0");
    return try_to_register(ring, 0, memory).error();
  });
  CHECK(outcome{other.wait()} == outcome{EDQUOT});
}

TEST_CASE("What a closed ring had is given back") {
  const memlock_limit low(64 * KiB);
  const guarded_memory memory(40 * KiB);

  for (int i = 0; i < 20; ++i) {
    const raw_ring ring("loop0");
    REQUIRE(try_to_register(ring, 0, memory) == success);
  }
}

TEST_CASE("What a killed process had is given back") {
  const memlock_limit low(64 * KiB);
  const guarded_memory memory(40 * KiB);
  shared_flag registered;
  child victim([&] {
    const raw_ring ring("loop0");
    registered.set(try_to_register(ring, 0, memory).good() ? 1 : 2);
    return registered.await(3) ? 0 : 1;
  });
  REQUIRE(registered.await());
  victim.kill();
  REQUIRE(victim.wait() == child::killed);

  const raw_ring ring("sink0", send_only());
  CHECK(wait_until([&] { return try_to_register(ring, 0, memory).good(); }));
}

TEST_CASE("A packet that is larger than the limit is EDQUOT, and costs nothing") {
  const memlock_limit low(64 * KiB);
  raw_ring ring("sink0", send_only());
  const guarded_memory large(500 * KiB);
  const guarded_memory small(50 * KiB);

  for (int i = 0; i < 20; ++i) {
    const auto cqe = ring.run(make_send(large.data(), 1));
    REQUIRE(outcome_of(cqe) == outcome{EDQUOT});
    REQUIRE(cqe.bytes == 0);
  }
  CHECK(outcome_of(ring.run(make_send(small.data(), 2))) == success);
}

TEST_CASE("A packet that is too large stops nothing that is submitted with it") {
  const memlock_limit low(64 * KiB);
  raw_ring ring("sink0", send_only());
  const guarded_memory large(500 * KiB);
  const guarded_memory small(5 * KiB);
  ring.push(make_send(small.data(), 1))
      .push(make_send(large.data(), 2))
      .push(make_send(small.data(), 3));
  REQUIRE(ring.submit().submitted == 3);

  const auto cqes = ring.wait(3);
  CHECK(outcome_of(completion_of(cqes, 1)) == success);
  CHECK(outcome_of(completion_of(cqes, 2)) == outcome{EDQUOT});
  CHECK(outcome_of(completion_of(cqes, 3)) == success);
}

TEST_CASE("A job on a registered buffer is not charged again") {
  const memlock_limit low(64 * KiB);
  raw_ring ring("sink0", send_only());
  const guarded_memory memory(55 * KiB, 0);
  REQUIRE(try_to_register(ring, 0, memory) == success);

  CHECK(outcome_of(ring.run(make_registered(PINRING_OP_SEND, 0, 0, memory.size(), 1))) == success);
}

TEST_CASE("A pin that other buffers leave no room for is EDQUOT in the end, and nothing hangs") {
  const memlock_limit low(64 * KiB);
  raw_ring ring("sink0", send_only());
  const guarded_memory registered(50 * KiB, 0);
  const guarded_memory packet(30 * KiB, 0);
  REQUIRE(try_to_register(ring, 0, registered) == success);

  CHECK(outcome_of(ring.run(make_send(packet.data(), 1))) == outcome{EDQUOT});
  REQUIRE(ring.remove_at(0, PINRING_BUFFER_WAIT) == success);
  CHECK(outcome_of(ring.run(make_send(packet.data(), 2))) == success);
}

TEST_CASE("Many megabytes travel in both directions under 8 MiB") {
  check_big_loop(paced(64) * MiB);
}

TEST_CASE("Many chunks travel in both directions under hardly more than two of them") {
  const memlock_limit low(2 * info_of("loop0").chunk + 4 * page_bytes());
  check_big_loop(paced(32) * MiB);
}

TEST_CASE("Jobs that are queued beyond the limit take turns") {
  const memlock_limit low(1 * MiB);
  raw_ring ring("sink0", send_only());
  std::vector<guarded_memory> memory;
  for (int i = 0; i < 30; ++i)
    ring.push(make_send(memory.emplace_back(200 * KiB).data(), static_cast<std::uint64_t>(i)));
  REQUIRE(ring.submit().submitted == 30);

  for (const auto& cqe : ring.wait(30))
    CHECK(outcome_of(cqe) == success);
}

TEST_CASE("A job that has to wait for its pages a second time waits as long as it may once more") {
  // To the page: with what the other ring keeps there is room for the first packet, and not for the
  // second, which begins within a page and so has one more.
  const auto chunk = static_cast<std::size_t>(info_of("sink0").chunk);
  const memlock_limit low(2 * chunk);
  const raw_ring other("loop0");
  raw_ring ring("sink0", send_only());
  const guarded_memory kept(chunk, 0);
  const guarded_memory in_the_way(page_bytes(), 0);
  const guarded_memory first(chunk, 0);
  const guarded_memory second(chunk);
  const pinring_iovec packets[] = {make_piece(first.data()), make_piece(second.data())};
  board sink0("sink0");
  sink0.hold_send();
  REQUIRE(try_to_register(other, 0, kept) == success);
  REQUIRE(try_to_register(other, 1, in_the_way) == success);

  ring.push(make_iovec(PINRING_OP_SEND, packets, 1, PINRING_SQE_SPLIT));
  REQUIRE(ring.submit().submitted == 1);
  const auto since = clock::now();
  REQUIRE(other.remove_at(1, PINRING_BUFFER_WAIT) == success);
  REQUIRE(wait_until([&] { return sink0.bds_in_use_send() > 0; }));
  // Its first wait is over, and its first packet takes longer than any wait may.
  REQUIRE(wait_until([&] { return clock::now() > since + longest_wait; }));
  sink0.hold_send(false);
  REQUIRE(
      wait_until([&] { return ring.cq_ready() || try_to_register(other, 1, in_the_way).good(); }));
  // The first packet's pages are given back; the second one waits.
  CHECK_FALSE(wait_until([&] { return ring.cq_ready() > 0; }, a_while));
  REQUIRE(other.remove_at(0, PINRING_BUFFER_WAIT) == success);

  const auto cqe = ring.wait(1).front();
  CHECK(outcome_of(cqe) == success);
  CHECK(cqe.bytes == 2 * chunk);
}

TEST_CASE("Huge pages are charged by their size, once") {
  if (!guarded_memory::hugetlb_available(6 * MiB))
    return skip("no huge pages are set aside (vm.nr_hugepages)");
  const raw_ring ring("loop0");
  const guarded_memory memory(6 * MiB - odd_offset - guarded_memory::guard_bytes, odd_offset,
                              memory_kind::hugetlb);

  CHECK(try_to_register(ring, 0, memory) == success);
}

TEST_CASE("The channel works at the end of all this") {
  CHECK(pins_become_balanced());
  CHECK_NOTHROW(prove_usable("loop0"));
  CHECK_NOTHROW(prove_usable("sink0"));
}
