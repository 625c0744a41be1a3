// SPDX-License-Identifier: MIT
//
// Registered buffers: what ADD, UPDATE and REMOVE refuse, and how a buffer in use is let go.
#include "catch.hpp"

#include <algorithm>
#include <atomic>
#include <sys/mman.h>
#include <thread>
#include <vector>

#include "support/board.hpp"
#include "support/guarded_memory.hpp"
#include "support/loop.hpp"
#include "support/needs.hpp"
#include "support/pattern.hpp"
#include "support/raw_ring.hpp"

using namespace support;

namespace {

const auto needed = support::needs{{"loop0", "sink0"}}.switches();

constexpr auto short_wait = 30ms;
constexpr std::uint32_t both = PINRING_DIR_SEND | PINRING_DIR_RECV;

pinring_buffer valid_remove(std::uint32_t index, std::uint32_t flags = 0) {
  pinring_buffer buffer{};
  buffer.size = sizeof(buffer);
  buffer.index = index;
  buffer.flags = flags;
  return buffer;
}

/// ADD, or UPDATE of an index that is taken, with one thing changed. Both have to obey the same
/// rules.
template <typename Spoil>
void check_refused(outcome expected, Spoil&& spoil) {
  const raw_ring ring("loop0");
  const guarded_memory memory(1000);
  ring.register_at(1, memory.data());

  auto fresh = make_buffer(0, memory.data());
  spoil(fresh);
  CHECK(ring.add(fresh) == expected);

  auto replacement = make_buffer(1, memory.data());
  spoil(replacement);
  CHECK(ring.update(replacement) == expected);
}

/// A sink whose engine holds a send of the buffer at index 0: the buffer is in use until let_go().
class busy_buffer {
public:
  busy_buffer() : ring_("sink0", options()) {
    fill_pattern(memory_.data(), 5);
    ring_.register_at(0, memory_.data(), PINRING_DIR_SEND);
    switches_.hold_send();
    auto send = make_registered(PINRING_OP_SEND, 0, 0, memory_.size(), tag);
    send.deadline_ns = PINRING_DEADLINE_NONE;
    ring_.push(send);
    if (ring_.submit().submitted != 1)
      throw std::runtime_error("can't submit a send");
  }

  raw_ring& ring() { return ring_; }
  const guarded_memory& memory() const { return memory_; }
  void let_go() { switches_.hold_send(false); }

  static constexpr std::uint64_t tag = 50;

private:
  static ring_options options() {
    ring_options result;
    result.directions = PINRING_DIR_SEND;
    return result;
  }

  raw_ring ring_;
  guarded_memory memory_{3000};
  board switches_{"sink0"};
};

} // namespace

// ---------------------------------------------------------------------------- rejections

TEST_CASE("ADD and UPDATE refuse each flag that does not exist") {
  for (unsigned bit = 2; bit < 32; ++bit) {
    const auto flag = 1U << bit;
    if (flag & (PINRING_BUFFER_ANY_INDEX | PINRING_BUFFER_WAIT | PINRING_BUFFER_ABS_DEADLINE))
      continue;
    CAPTURE(bit);
    check_refused(outcome{EINVAL}, [&](pinring_buffer& b) { b.flags |= flag; });
  }
}

TEST_CASE("ADD and UPDATE refuse a buffer for no direction") {
  check_refused(outcome{EINVAL}, [](pinring_buffer& b) { b.flags = 0; });
}

TEST_CASE("ADD and UPDATE refuse a reserved field that is not zero") {
  check_refused(outcome{EINVAL}, [](pinring_buffer& b) { b.reserved = 1; });
}

TEST_CASE("ADD and UPDATE refuse an index that can't be") {
  const auto beyond = info_of("loop0").max_buffers;

  check_refused(outcome{EINVAL}, [&](pinring_buffer& b) { b.index = beyond; });
  check_refused(outcome{EINVAL}, [](pinring_buffer& b) { b.index = ~0U; });
}

TEST_CASE("ADD and UPDATE refuse no bytes and more than INFO allows") {
  const auto longest = info_of("loop0").max_buffer_bytes;

  check_refused(outcome{EINVAL}, [](pinring_buffer& b) { b.len = 0; });
  check_refused(outcome{EINVAL}, [&](pinring_buffer& b) { b.len = longest + 1; });
  check_refused(outcome{EINVAL}, [](pinring_buffer& b) { b.len = ~0ULL; });
}

TEST_CASE("ADD and UPDATE of memory that nobody may use are EFAULT") {
  guarded_memory none(1000);
  none.protect(PROT_NONE);

  check_refused(outcome{EFAULT}, [](pinring_buffer& b) { b.addr = 0; });
  check_refused(outcome{EFAULT}, [&](pinring_buffer& b) { b.addr = none.address(); });
  check_refused(outcome{EFAULT}, [](pinring_buffer& b) { b.addr = 0xffff888000000000ULL; });
  check_refused(outcome{EFAULT}, [](pinring_buffer& b) { b.addr = ~0ULL - 10; });
}

TEST_CASE("ADD and UPDATE of read-only memory for receives are EFAULT") {
  const guarded_memory constant(1000);
  constant.protect(PROT_READ);

  check_refused(outcome{EFAULT}, [&](pinring_buffer& b) { b.addr = constant.address(); });
  check_refused(outcome{EFAULT}, [&](pinring_buffer& b) {
    b.addr = constant.address();
    b.flags = PINRING_DIR_RECV;
  });
}

TEST_CASE("Read-only memory can be registered for sends") {
  raw_ring ring("loop0");
  const guarded_memory constant(1000);
  const guarded_memory in(1000);
  fill_pattern(constant.data(), 3);
  constant.protect(PROT_READ);
  ring.register_at(0, constant.data(), PINRING_DIR_SEND);

  REQUIRE(loop(ring, make_registered(PINRING_OP_SEND, 0, 0, 1000, 0), make_recv(in.data(), 0))
              .moved(1000));
  CHECK(pattern_mismatch(in.data(), 3) == std::nullopt);
}

TEST_CASE("A direction that the ring has not claimed is EOPNOTSUPP") {
  ring_options options;
  options.directions = PINRING_DIR_SEND;
  const raw_ring ring("loop0", options);
  const guarded_memory memory(1000);
  auto recv = make_buffer(0, memory.data(), PINRING_DIR_RECV);
  auto send_and_recv = make_buffer(0, memory.data(), both);

  CHECK(ring.add(recv) == outcome{EOPNOTSUPP});
  CHECK(ring.add(send_and_recv) == outcome{EOPNOTSUPP});
}

TEST_CASE("ADD does not wait, and UPDATE does not pick") {
  const raw_ring ring("loop0");
  const guarded_memory memory(1000);
  auto waiting = make_buffer(0, memory.data(), both | PINRING_BUFFER_WAIT);
  auto absolute = make_buffer(0, memory.data(), both | PINRING_BUFFER_ABS_DEADLINE);
  CHECK(ring.add(waiting) == outcome{EINVAL});
  CHECK(ring.add(absolute) == outcome{EINVAL});

  ring.register_at(0, memory.data());
  auto picking = make_buffer(0, memory.data(), both | PINRING_BUFFER_ANY_INDEX);
  CHECK(ring.update(picking) == outcome{EINVAL});
}

TEST_CASE("REMOVE takes an index, and nothing of what describes a buffer") {
  const raw_ring ring("loop0");
  const guarded_memory memory(1000);
  ring.register_at(0, memory.data());
  const auto refused = [&](auto&& spoil) {
    auto buffer = valid_remove(0);
    spoil(buffer);
    return ring.remove(buffer);
  };

  CHECK(refused([](pinring_buffer& b) { b.addr = 1; }) == outcome{EINVAL});
  CHECK(refused([](pinring_buffer& b) { b.len = 1; }) == outcome{EINVAL});
  CHECK(refused([](pinring_buffer& b) { b.reserved = 1; }) == outcome{EINVAL});
  CHECK(refused([](pinring_buffer& b) { b.flags = PINRING_DIR_SEND; }) == outcome{EINVAL});
  CHECK(refused([](pinring_buffer& b) { b.flags = PINRING_BUFFER_ANY_INDEX; }) == outcome{EINVAL});
  CHECK(refused([](pinring_buffer& b) { b.flags = 1U << 31; }) == outcome{EINVAL});
  CHECK(refused([](pinring_buffer& b) { b.index = ~0U; }) == outcome{EINVAL});
  CHECK(refused([](pinring_buffer&) {}) == success);
}

TEST_CASE("An index that is taken is EEXIST to ADD, and its buffer stays") {
  raw_ring ring("loop0");
  const guarded_memory memory(1000);
  const guarded_memory other(10);
  ring.register_at(0, memory.data());

  auto again = make_buffer(0, other.data());
  CHECK(ring.add(again) == outcome{EEXIST});
  CHECK(loop(ring, make_registered(PINRING_OP_SEND, 0, 0, 500, 0),
             make_registered(PINRING_OP_RECV, 0, 500, 500, 0))
            .moved(500));
}

TEST_CASE("An index without a buffer is ENOENT to UPDATE and REMOVE") {
  const raw_ring ring("loop0");
  const guarded_memory memory(1000);
  auto buffer = make_buffer(3, memory.data());

  CHECK(ring.update(buffer) == outcome{ENOENT});
  CHECK(ring.remove_at(3) == outcome{ENOENT});
  CHECK(ring.remove_at(3, PINRING_BUFFER_WAIT, 1s) == outcome{ENOENT});
}

TEST_CASE("An index that was freed is ENOENT to REMOVE and free for ADD") {
  const raw_ring ring("loop0");
  const guarded_memory memory(1000);
  ring.register_at(0, memory.data());

  REQUIRE(ring.remove_at(0, PINRING_BUFFER_WAIT) == success);
  CHECK(ring.remove_at(0) == outcome{ENOENT});
  CHECK_NOTHROW(ring.register_at(0, memory.data()));
}

// ---------------------------------------------------------------------------- the table

TEST_CASE("The kernel picks free indices until there is none") {
  const raw_ring ring("loop0");
  const auto n = ring.info().max_buffers;
  const guarded_memory memory(1);
  std::vector<bool> taken(n);

  for (std::uint32_t i = 0; i < n; ++i) {
    auto buffer = make_buffer(0, memory.data(), PINRING_DIR_SEND | PINRING_BUFFER_ANY_INDEX);
    REQUIRE(ring.add(buffer) == success);
    REQUIRE(buffer.index < n);
    REQUIRE_FALSE(taken[buffer.index]);
    taken[buffer.index] = true;
  }
  auto one_more = make_buffer(0, memory.data(), PINRING_DIR_SEND | PINRING_BUFFER_ANY_INDEX);
  CHECK(ring.add(one_more) == outcome{EEXIST});

  REQUIRE(ring.remove_at(n / 2, PINRING_BUFFER_WAIT) == success);
  auto last = make_buffer(0, memory.data(), PINRING_DIR_SEND | PINRING_BUFFER_ANY_INDEX);
  REQUIRE(ring.add(last) == success);
  CHECK(last.index == n / 2);
}

TEST_CASE("The first and the last index both work") {
  raw_ring ring("loop0");
  const auto last = ring.info().max_buffers - 1;
  const guarded_memory out(1000);
  const guarded_memory in(1000);
  fill_pattern(out.data(), 4);
  ring.register_at(0, out.data(), PINRING_DIR_SEND);
  ring.register_at(last, in.data(), PINRING_DIR_RECV);

  REQUIRE(loop(ring, make_registered(PINRING_OP_SEND, 0, 0, 1000, 0),
               make_registered(PINRING_OP_RECV, last, 0, 1000, 0))
              .moved(1000));
  CHECK(pattern_mismatch(in.data(), 4) == std::nullopt);
}

TEST_CASE("Parts of a registered buffer travel, and nothing beside them is touched") {
  raw_ring ring("loop0");
  constexpr std::size_t whole = 100'000;
  const guarded_memory out(whole);
  const guarded_memory in(whole);
  fill_pattern(out.data(), 6);
  ring.register_at(0, out.data(), PINRING_DIR_SEND);
  ring.register_at(1, in.data(), PINRING_DIR_RECV);

  struct part {
    std::size_t from, to, bytes;
  };
  const auto p = GENERATE(part{0, 0, 1}, part{0, 0, whole}, part{4095, 1, 2}, part{1, 4095, 4097},
                          part{whole - 1, whole - 1, 1}, part{33'333, 7, 50'001},
                          part{8192 - 137, 4096 - 137, 4096});
  CAPTURE(p.from, p.to, p.bytes);

  REQUIRE(loop(ring, make_registered(PINRING_OP_SEND, 0, p.from, p.bytes, 0),
               make_registered(PINRING_OP_RECV, 1, p.to, p.bytes, 0))
              .moved(p.bytes));
  CHECK(same_bytes(in.data().subspan(p.to, p.bytes), out.data().subspan(p.from, p.bytes)));
  const auto untouched = [](std::byte b) { return b == std::byte{0xEE}; };
  CHECK(std::ranges::all_of(in.data().first(p.to), untouched));
  CHECK(std::ranges::all_of(in.data().subspan(p.to + p.bytes), untouched));
  CHECK(in.guards_intact());
}

TEST_CASE("A registered buffer is used many times") {
  raw_ring ring("loop0");
  const guarded_memory out(5000);
  const guarded_memory in(5000);
  ring.register_at(0, out.data(), PINRING_DIR_SEND);
  ring.register_at(1, in.data(), PINRING_DIR_RECV);

  for (std::uint64_t round = 0; round < 200; ++round) {
    fill_pattern(out.data(), round);
    REQUIRE(loop(ring, make_registered(PINRING_OP_SEND, 0, 0, 5000, 0),
                 make_registered(PINRING_OP_RECV, 1, 0, 5000, 0))
                .moved(5000));
    REQUIRE(pattern_mismatch(in.data(), round) == std::nullopt);
  }
}

TEST_CASE("UPDATE replaces the memory behind an index") {
  raw_ring ring("loop0");
  const guarded_memory first(1000);
  const guarded_memory second(2000);
  const guarded_memory in(2000);
  fill_pattern(second.data(), 8);
  ring.register_at(0, first.data());

  auto replacement = make_buffer(0, second.data());
  REQUIRE(ring.update(replacement) == success);
  REQUIRE(loop(ring, make_registered(PINRING_OP_SEND, 0, 0, 2000, 0), make_recv(in.data(), 0))
              .moved(2000));
  CHECK(pattern_mismatch(in.data(), 8) == std::nullopt);
}

TEST_CASE("A refused UPDATE leaves the buffer that was there") {
  raw_ring ring("loop0");
  const guarded_memory memory(1000);
  const guarded_memory in(1000);
  ring.register_at(0, memory.data());
  fill_pattern(memory.data(), 9);
  auto bad = make_buffer(0, memory.data());
  bad.addr = 0;

  REQUIRE(ring.update(bad) == outcome{EFAULT});
  REQUIRE(loop(ring, make_registered(PINRING_OP_SEND, 0, 0, 1000, 0), make_recv(in.data(), 0))
              .moved(1000));
  CHECK(pattern_mismatch(in.data(), 9) == std::nullopt);
}

// ---------------------------------------------------------------------------- removal while in use

TEST_CASE("REMOVE of a buffer in use returns at once, and the job still sends all of it") {
  busy_buffer busy;

  CHECK(busy.ring().remove_at(0) == success);
  busy.let_go();
  const auto cqe = busy.ring().wait(1).front();
  CHECK(outcome_of(cqe) == success);
  CHECK(cqe.bytes == busy.memory().size());
}

TEST_CASE("An index whose buffer is still in use is EBUSY to ADD and UPDATE, and ENOENT to jobs") {
  busy_buffer busy;
  const guarded_memory other(1000);
  REQUIRE(busy.ring().remove_at(0) == success);

  auto buffer = make_buffer(0, other.data(), PINRING_DIR_SEND);
  CHECK(busy.ring().add(buffer) == outcome{EBUSY});
  CHECK(busy.ring().update(buffer) == outcome{EBUSY});
  CHECK(outcome_of(busy.ring().run(make_registered(PINRING_OP_SEND, 0, 0, 10, 1))) ==
        outcome{ENOENT});
}

TEST_CASE("A wait for a buffer in use ends with ETIME, and its removal goes on") {
  busy_buffer busy;

  CHECK(busy.ring().remove_at(0, PINRING_BUFFER_WAIT, short_wait) == outcome{ETIME});
  busy.let_go();
  CHECK(outcome_of(busy.ring().wait(1).front()) == success);

  const guarded_memory other(1000);
  auto buffer = make_buffer(0, other.data(), PINRING_DIR_SEND);
  CHECK(wait_until([&] { return busy.ring().add(buffer) == success; }));
}

TEST_CASE("A deadline of the wait may be a point in time") {
  busy_buffer busy;
  auto buffer = valid_remove(0, PINRING_BUFFER_WAIT | PINRING_BUFFER_ABS_DEADLINE);
  buffer.deadline_ns = 1;

  CHECK(busy.ring().remove(buffer) == outcome{ETIME});
}

TEST_CASE("REMOVE with WAIT returns once the buffer is let go, not before") {
  busy_buffer busy;
  std::atomic<bool> let_go = false;
  bool was_let_go = false;
  outcome result;

  std::thread waiter([&] {
    result = busy.ring().remove_at(0, PINRING_BUFFER_WAIT, patience);
    was_let_go = let_go;
  });
  std::this_thread::sleep_for(short_wait); // gives a wrong driver the time to return too early
  let_go = true;
  busy.let_go();
  waiter.join();
  CHECK(result == success);
  CHECK(was_let_go);
}

TEST_CASE("A buffer that is being removed can be waited for later") {
  busy_buffer busy;
  REQUIRE(busy.ring().remove_at(0) == success);
  outcome result;

  REQUIRE(busy.ring().remove_at(0, PINRING_BUFFER_WAIT, short_wait) == outcome{ETIME});
  std::thread waiter([&] { result = busy.ring().remove_at(0, PINRING_BUFFER_WAIT, patience); });
  std::this_thread::sleep_for(short_wait);
  busy.let_go();
  waiter.join();
  CHECK(result == success);
}

TEST_CASE("UPDATE replaces at once while the old memory is still in use") {
  busy_buffer busy;
  const guarded_memory second(2000);
  auto replacement = make_buffer(0, second.data(), PINRING_DIR_SEND);
  REQUIRE(busy.ring().update(replacement) == success);

  auto send = make_registered(PINRING_OP_SEND, 0, 0, second.size(), 51);
  busy.ring().push(send);
  REQUIRE(busy.ring().submit().submitted == 1);
  busy.let_go();
  const auto cqes = busy.ring().wait(2);
  CHECK(completion_of(cqes, busy_buffer::tag).bytes == busy.memory().size());
  CHECK(completion_of(cqes, 51).bytes == second.size());
}

TEST_CASE("UPDATE with WAIT that ends with ETIME has replaced the memory; a DRAIN tells the rest") {
  busy_buffer busy;
  const guarded_memory second(2000);
  auto replacement = make_buffer(0, second.data(), PINRING_DIR_SEND | PINRING_BUFFER_WAIT);
  replacement.deadline_ns =
      static_cast<std::uint64_t>(std::chrono::nanoseconds(short_wait).count());

  REQUIRE(busy.ring().update(replacement) == outcome{ETIME});
  busy.ring().push(make_drain(60));
  REQUIRE(busy.ring().submit().submitted == 1);
  CHECK(busy.ring().reap().empty());
  busy.let_go();
  CHECK(busy.ring().wait(2).back().user_data == 60);
  CHECK(busy.ring().run(make_registered(PINRING_OP_SEND, 0, 0, second.size(), 1)).bytes ==
        second.size());
}

TEST_CASE("The old memory of an UPDATE is not let go under DMA") {
  raw_ring ring("loop0");
  const guarded_memory first(3000);
  const guarded_memory second(3000);
  const guarded_memory in(3000);
  fill_pattern(first.data(), 21);
  fill_pattern(second.data(), 22);
  ring.register_at(0, first.data());
  board loop0("loop0");
  loop0.hold();
  ring.push(make_recv(in.data(), 1)).push(make_registered(PINRING_OP_SEND, 0, 0, 3000, 2));
  REQUIRE(ring.submit().submitted == 2);

  auto replacement = make_buffer(0, second.data());
  REQUIRE(ring.update(replacement) == success);
  loop0.hold(false);
  for (const auto& cqe : ring.wait(2))
    CHECK(outcome_of(cqe) == success);
  CHECK(pattern_mismatch(in.data(), 21) == std::nullopt);
}

TEST_CASE("Memory that was unmapped after it was registered still travels") {
  raw_ring ring("loop0");
  guarded_memory out(3000);
  const guarded_memory in(3000);
  fill_pattern(out.data(), 23);
  ring.register_at(0, out.data());
  out.unmap();

  REQUIRE(loop(ring, make_registered(PINRING_OP_SEND, 0, 0, 3000, 0), make_recv(in.data(), 0))
              .moved(3000));
  CHECK(pattern_mismatch(in.data(), 23) == std::nullopt);
}

TEST_CASE("A ring is closed with buffers registered and in use") {
  {
    busy_buffer busy;
    const guarded_memory other(100'000);
    busy.ring().register_at(1, other.data(), PINRING_DIR_SEND);
    busy.ring().close();
  }
  CHECK_NOTHROW(prove_usable("sink0"));
}

TEST_CASE("The channel works at the end of all this") {
  CHECK_NOTHROW(prove_usable("loop0"));
  CHECK_NOTHROW(prove_usable("sink0"));
}
