// SPDX-License-Identifier: MIT
//
// Many jobs at once: their order, DRAIN, and CANCEL of what has not started.
#include "catch.hpp"

#include <algorithm>
#include <chrono>
#include <vector>

#include "support/board.hpp"
#include "support/guarded_memory.hpp"
#include "support/loop.hpp"
#include "support/needs.hpp"
#include "support/pace.hpp"
#include "support/pattern.hpp"
#include "support/raw_ring.hpp"

using namespace support;

namespace {

const auto needed = support::needs{{"loop0", "batch0", "tiny0", "sink0"}}.switches();

constexpr std::uint64_t send_base = 1ULL << 32;
constexpr std::uint64_t recv_base = 2ULL << 32;
constexpr std::uint64_t control = 3ULL << 32;

ring_options sized(std::uint32_t entries) {
  ring_options options;
  options.sq_entries = entries;
  return options;
}

/// n packets out and n memories for them, each with guard bytes of its own between it and the next.
class packets {
public:
  packets(std::size_t n, std::size_t bytes, std::uint64_t seed = 1)
      : n_(n), bytes_(bytes), seed_(seed), out_(n * stride()), in_(n * stride()) {
    for (std::size_t i = 0; i < n; ++i)
      fill_pattern(out(i), seed_ + i);
  }

  std::size_t count() const { return n_; }
  std::span<std::byte> out(std::size_t i) const {
    return out_.data().subspan(i * stride(), bytes_);
  }
  std::span<std::byte> in(std::size_t i) const { return in_.data().subspan(i * stride(), bytes_); }
  pinring_sqe send(std::size_t i) const { return make_send(out(i), send_base + i); }
  pinring_sqe recv(std::size_t i) const { return make_recv(in(i), recv_base + i); }

  bool arrived(std::size_t i) const { return !pattern_mismatch(in(i), seed_ + i); }
  bool all_arrived() const {
    for (std::size_t i = 0; i < n_; ++i)
      if (!arrived(i))
        return false;
    return true;
  }
  bool gaps_intact() const {
    for (std::size_t i = 0; i < n_; ++i)
      for (const auto b : in_.data().subspan(i * stride() + bytes_, gap))
        if (b != std::byte{0xEE})
          return false;
    return in_.guards_intact();
  }

private:
  // More than a cache line, so that no two receives share one: not every port could stand that.
  static constexpr std::size_t gap = 137;
  std::size_t stride() const { return bytes_ + gap; }

  std::size_t n_;
  std::size_t bytes_;
  std::uint64_t seed_;
  guarded_memory out_;
  guarded_memory in_;
};

/// The user_data of one direction's completions, in the order they came in.
std::vector<std::uint64_t> order_of(std::span<const pinring_cqe> cqes, std::uint64_t base) {
  std::vector<std::uint64_t> result;
  for (const auto& cqe : cqes)
    if (cqe.user_data >> 32 == base >> 32)
      result.push_back(cqe.user_data - base);
  return result;
}

std::vector<std::uint64_t> counting(std::size_t n) {
  std::vector<std::uint64_t> result(n);
  for (std::size_t i = 0; i < n; ++i)
    result[i] = i;
  return result;
}

void check_batch(const char* device, std::size_t n, std::size_t bytes) {
  CAPTURE(device, n, bytes);
  raw_ring ring(device, sized(static_cast<std::uint32_t>(2 * n)));
  const packets batch(n, bytes);
  for (std::size_t i = 0; i < n; ++i)
    ring.push(batch.recv(i));
  for (std::size_t i = 0; i < n; ++i)
    ring.push(batch.send(i));
  REQUIRE(ring.submit().submitted == 2 * n);

  const auto cqes = ring.wait(2 * n);
  CHECK(std::ranges::all_of(
      cqes, [&](const pinring_cqe& c) { return c.result == 0 && c.bytes == bytes; }));
  CHECK(order_of(cqes, send_base) == counting(n));
  CHECK(order_of(cqes, recv_base) == counting(n));
  CHECK(batch.all_arrived());
  CHECK(batch.gaps_intact());
}

/// Takes exactly n completions of receives, sends' left aside.
std::vector<pinring_cqe> wait_for_receives(raw_ring& ring, std::size_t n) {
  std::vector<pinring_cqe> result;
  while (result.size() < n)
    for (const auto& cqe : ring.wait(1))
      if (cqe.user_data >> 32 == recv_base >> 32)
        result.push_back(cqe);
  return result;
}

} // namespace

// ---------------------------------------------------------------------------- batches

TEST_CASE("Batches complete in order, each packet in its own memory") {
  const auto* const device = GENERATE("loop0", "batch0");
  for (const std::size_t n : {1U, 7U, 32U})
    check_batch(device, n, 1001);
}

TEST_CASE("The largest ring can be filled in one go") {
  check_batch("loop0", info_of("loop0").max_sq_entries / 2, 100);
}

TEST_CASE("More than the BD pool holds is handed over little by little") {
  check_batch("tiny0", paced(100), 3001);
  check_batch("tiny0", paced(40), info_of("tiny0").chunk);
}

TEST_CASE("Jobs that together are far more than the memlock limit take turns") {
  check_batch("loop0", 16, info_of("loop0").chunk);
}

TEST_CASE("Sends that come before their receives wait in the stream") {
  raw_ring ring("loop0");
  const packets batch(20, 10'001);
  for (std::size_t i = 0; i < batch.count(); ++i)
    ring.push(batch.send(i));
  REQUIRE(ring.submit().result == success);
  for (std::size_t i = 0; i < batch.count(); ++i)
    ring.push(batch.recv(i));
  REQUIRE(ring.submit().result == success);

  CHECK(ring.wait(2 * batch.count()).size() == 2 * batch.count());
  CHECK(batch.all_arrived());
}

TEST_CASE("Submitting and reaping overlap for a long time") {
  raw_ring ring("loop0");
  const std::size_t total = paced(2000);
  const packets batch(total, 301);
  std::size_t pushed = 0;
  std::size_t reaped = 0;
  std::vector<pinring_cqe> cqes;

  while (reaped < 2 * total) {
    for (; pushed < total && 2 * pushed - reaped < 60; ++pushed)
      ring.push(batch.recv(pushed)).push(batch.send(pushed));
    REQUIRE(ring.submit(1).result == success);
    for (const auto& cqe : ring.reap()) {
      REQUIRE(outcome_of(cqe) == success);
      cqes.push_back(cqe);
      ++reaped;
    }
  }
  CHECK(order_of(cqes, send_base) == counting(total));
  CHECK(order_of(cqes, recv_base) == counting(total));
  CHECK(batch.all_arrived());
}

TEST_CASE("A receive is reported when it is answered, while others are queued behind it") {
  const auto* const device = GENERATE("batch0", "loop0");
  CAPTURE(device);
  raw_ring ring(device);
  const packets batch(8, 1001);
  for (std::size_t i = 0; i < batch.count(); ++i)
    ring.push(batch.recv(i));
  REQUIRE(ring.submit().submitted == batch.count());

  // A service that answers each request before the next one is sent to it.
  for (std::size_t i = 0; i < batch.count(); ++i) {
    ring.push(batch.send(i));
    REQUIRE(ring.submit().submitted == 1);
    const auto answered = wait_for_receives(ring, 1);
    REQUIRE(answered[0].user_data == recv_base + i);
    REQUIRE(batch.arrived(i));
  }
}

TEST_CASE("Receives that are queued again as they are answered never run dry") {
  const auto* const device = GENERATE("batch0", "loop0");
  CAPTURE(device);
  raw_ring ring(device);
  const packets batch(100, 501);
  for (std::size_t i = 0; i < 4; ++i)
    ring.push(batch.recv(i));
  REQUIRE(ring.submit().submitted == 4);

  for (std::size_t i = 0; i < batch.count(); ++i) {
    if (i + 4 < batch.count())
      ring.push(batch.recv(i + 4));
    ring.push(batch.send(i));
    REQUIRE(ring.submit().result == success);
    REQUIRE(wait_for_receives(ring, 1)[0].user_data == recv_base + i);
  }
  CHECK(batch.all_arrived());
}

TEST_CASE("A receive into a registered buffer is reported when it is answered, too") {
  const auto* const device = GENERATE("batch0", "loop0");
  CAPTURE(device);
  raw_ring ring(device);
  constexpr std::size_t n = 8;
  constexpr std::size_t stride = 1024;
  const guarded_memory in(n * stride);
  const guarded_memory out(1001);
  ring.register_at(0, in.data(), PINRING_DIR_RECV);
  // Nothing has to be pinned for these: they are ready for the channel all at once.
  for (std::size_t i = 0; i < n; ++i)
    ring.push(make_registered(PINRING_OP_RECV, 0, i * stride, out.size(), recv_base + i));
  REQUIRE(ring.submit().submitted == n);

  for (std::size_t i = 0; i < n; ++i) {
    fill_pattern(out.data(), i);
    ring.push(make_send(out.data(), send_base + i));
    REQUIRE(ring.submit().submitted == 1);
    REQUIRE(wait_for_receives(ring, 1)[0].user_data == recv_base + i); // so the send has moved, too
    REQUIRE(pattern_mismatch(in.data().subspan(i * stride, out.size()), i) == std::nullopt);
  }
}

TEST_CASE("A batch that the peer sends unasked is received as one") {
  raw_ring ring("batch0");
  if (!(ring.info().features & PINRING_FEAT_BATCH))
    return skip("this driver has no batches");
  const packets batch(8, 1001);
  for (std::size_t i = 0; i < batch.count(); ++i) {
    auto recv = batch.recv(i);
    recv.flags |= PINRING_SQE_BATCH;
    ring.push(recv);
  }
  for (std::size_t i = 0; i < batch.count(); ++i)
    ring.push(batch.send(i));
  REQUIRE(ring.submit().submitted == 2 * batch.count());

  CHECK(order_of(ring.wait(2 * batch.count()), recv_base) == counting(batch.count()));
  CHECK(batch.all_arrived());
}

// ---------------------------------------------------------------------------- DRAIN

TEST_CASE("DRAIN of an idle ring completes at once") {
  raw_ring ring("loop0");

  CHECK(outcome_of(ring.run(make_drain(1))) == success);
}

TEST_CASE("DRAIN completes after all that was submitted before it") {
  raw_ring ring("loop0");
  const packets batch(10, 5001);
  for (std::size_t i = 0; i < batch.count(); ++i)
    ring.push(batch.recv(i)).push(batch.send(i));
  ring.push(make_drain(control));
  REQUIRE(ring.submit().submitted == 21);

  CHECK(ring.wait(21).back().user_data == control);
}

TEST_CASE("DRAIN waits for a job that is held") {
  raw_ring ring("loop0");
  const packets one(1, 1000);
  ring.push(one.recv(0)).push(make_drain(control));
  REQUIRE(ring.submit().submitted == 2);
  CHECK(ring.enter(0, 1, 30ms).result == outcome{ETIME});

  ring.push(one.send(0));
  REQUIRE(ring.submit().submitted == 1);
  const auto cqes = ring.wait(3);
  const auto at = [&](std::uint64_t user_data) {
    return std::ranges::find(cqes, user_data, &pinring_cqe::user_data);
  };
  CHECK(at(recv_base) < at(control));
}

TEST_CASE("DRAIN does not hold up what is submitted behind it") {
  raw_ring ring("loop0");
  const packets one(1, 1000);
  ring.push(one.recv(0)).push(make_drain(control)).push(make_nop(control + 1));
  REQUIRE(ring.submit().submitted == 3);

  CHECK(ring.wait(1)[0].user_data == control + 1);
  ring.push(one.send(0));
  REQUIRE(ring.submit().submitted == 1);
  CHECK(ring.wait(3).size() == 3);
}

TEST_CASE("DRAIN waits for a rejected job too, and for an earlier DRAIN") {
  raw_ring ring("loop0");
  const packets one(1, 1000);
  ring.push(one.recv(0))
      .push(make_sqe(200, 1))
      .push(make_drain(control))
      .push(make_drain(control + 1));
  REQUIRE(ring.submit().submitted == 4);
  CHECK(outcome_of(ring.wait(1)[0]) == outcome{EINVAL});

  ring.push(one.send(0));
  REQUIRE(ring.submit().submitted == 1);
  const auto cqes = ring.wait(4);
  CHECK(order_of(cqes, control) == counting(2));
}

// ---------------------------------------------------------------------------- CANCEL

namespace {

/// A ring whose receives are handed over a few at a time, so that some have not started.
class queued_receives {
public:
  static constexpr std::size_t spare = 3;

  queued_receives() : depth_(ring_.info().recv_depth), batch_(depth_ + spare, 1000) {
    for (std::size_t i = 0; i < batch_.count(); ++i)
      ring_.push(batch_.recv(i));
    if (ring_.submit().submitted != batch_.count())
      throw std::runtime_error("can't submit receives");
    if (!wait_until([&] { return switches_.bds_in_use_recv() >= depth_; }))
      throw std::runtime_error("the receives were not handed over");
  }

  raw_ring& ring() { return ring_; }
  const packets& batch() const { return batch_; }
  std::size_t depth() const { return depth_; }
  std::uint64_t started() const { return recv_base; }
  std::uint64_t unstarted(std::size_t i = 0) const { return recv_base + depth_ + i; }

  /// Sends one packet for each receive that is left, and takes all completions.
  std::vector<pinring_cqe> answer(std::size_t receives) {
    for (std::size_t i = 0; i < receives; ++i)
      ring_.push(batch_.send(i));
    REQUIRE(ring_.submit().submitted == receives);
    return ring_.wait(2 * receives);
  }

private:
  const char* device_ = shallow_loopback();
  raw_ring ring_{device_};
  board switches_{device_};
  std::size_t depth_;
  packets batch_;
};

} // namespace

TEST_CASE("CANCEL of a job that has not started ends it with ECANCELED") {
  queued_receives queued;
  queued.ring().push(make_cancel(queued.unstarted(), control));
  REQUIRE(queued.ring().submit().submitted == 1);

  const auto cqes = queued.ring().wait(2);
  CHECK(outcome_of(completion_of(cqes, queued.unstarted())) == outcome{ECANCELED});
  CHECK(completion_of(cqes, queued.unstarted()).bytes == 0);
  CHECK(outcome_of(completion_of(cqes, control)) == success);
  CHECK(completion_of(cqes, control).bytes == 1);

  for (const auto& cqe : queued.answer(queued.depth() + queued_receives::spare - 1))
    CHECK(outcome_of(cqe) == success);
}

TEST_CASE("The memory of a job that was withdrawn is not written to") {
  queued_receives queued;
  queued.ring().push(make_cancel(queued.unstarted(), control));
  REQUIRE(queued.ring().submit().submitted == 1);
  REQUIRE(queued.ring().wait(2).size() == 2);
  (void)queued.answer(queued.depth() + queued_receives::spare - 1);

  const auto untouched = queued.batch().in(queued.depth());
  CHECK(std::ranges::all_of(untouched, [](std::byte b) { return b == std::byte{0xEE}; }));
}

TEST_CASE("CANCEL of a job that has started is EALREADY and does it no harm") {
  queued_receives queued;
  const auto cqe = queued.ring().run(make_cancel(queued.started(), control));

  CHECK(outcome_of(cqe) == outcome{EALREADY});
  CHECK(cqe.bytes == 0);
  for (const auto& answered : queued.answer(queued.batch().count()))
    CHECK(outcome_of(answered) == success);
}

TEST_CASE("CANCEL of a job that was withdrawn already is ENOENT") {
  queued_receives queued;
  queued.ring().push(make_cancel(queued.unstarted(), control));
  REQUIRE(queued.ring().submit().submitted == 1);
  REQUIRE(queued.ring().wait(2).size() == 2);

  CHECK(outcome_of(queued.ring().run(make_cancel(queued.unstarted(), control + 1))) ==
        outcome{ENOENT});
}

TEST_CASE("CANCEL of a job that has completed is ENOENT") {
  raw_ring ring("loop0");
  const packets one(1, 1000);
  REQUIRE(loop(ring, one.send(0), one.recv(0)).moved(1000));

  CHECK(outcome_of(ring.run(make_cancel(recv_base, control))) == outcome{ENOENT});
}

TEST_CASE("CANCEL knows no jobs of another ring") {
  ring_options options;
  options.flags = PINRING_SETUP_SHARED;
  raw_ring owner("loop0", options);
  raw_ring other("loop0", options);
  const packets one(1, 1000);
  owner.push(one.recv(0));
  REQUIRE(owner.submit().submitted == 1);

  CHECK(outcome_of(other.run(make_cancel(recv_base, control))) == outcome{ENOENT});
  owner.push(one.send(0));
  REQUIRE(owner.submit().submitted == 1);
  CHECK(owner.wait(2).size() == 2);
}

TEST_CASE("CANCEL of all ends what has not started, says how many, and leaves the rest") {
  queued_receives queued;
  queued.ring().push(make_cancel_all(control));
  REQUIRE(queued.ring().submit().submitted == 1);

  const auto cqes = queued.ring().wait(queued_receives::spare + 1);
  for (std::size_t i = 0; i < queued_receives::spare; ++i)
    CHECK(outcome_of(completion_of(cqes, queued.unstarted(i))) == outcome{ECANCELED});
  CHECK(completion_of(cqes, control).bytes == queued_receives::spare);
  for (const auto& cqe : queued.answer(queued.depth()))
    CHECK(outcome_of(cqe) == success);
}

TEST_CASE("CANCEL of all of nothing ends nothing, with success") {
  raw_ring ring("loop0");
  const auto cqe = ring.run(make_cancel_all(control));

  CHECK(outcome_of(cqe) == success);
  CHECK(cqe.bytes == 0);
}

TEST_CASE("A send that waits for BDs can be withdrawn") {
  raw_ring ring("tiny0");
  board tiny0("tiny0");
  tiny0.hold_send();
  const auto bds = ring.info().send_bds;
  // As many pieces as BDs: the first send takes the whole pool.
  const guarded_memory memory(bds * apart_bytes);
  const auto pieces = pieces_apart(memory.data());
  const guarded_memory in(bds);
  for (std::uint64_t i = 0; i < 3; ++i)
    ring.push(make_iovec(PINRING_OP_SEND, pieces, send_base + i));
  REQUIRE(ring.submit().submitted == 3);
  REQUIRE(wait_until([&] { return tiny0.bds_in_use_send() == bds; }));

  ring.push(make_cancel(send_base, control)).push(make_cancel(send_base + 1, control + 1));
  REQUIRE(ring.submit().submitted == 2);
  const auto cancelled = ring.wait(3);
  CHECK(outcome_of(completion_of(cancelled, control)) == outcome{EALREADY});
  CHECK(outcome_of(completion_of(cancelled, control + 1)) == success);
  CHECK(outcome_of(completion_of(cancelled, send_base + 1)) == outcome{ECANCELED});

  tiny0.hold_send(false);
  ring.push(make_recv(in.data(), recv_base)).push(make_recv(in.data(), recv_base + 1));
  REQUIRE(ring.submit().submitted == 2);
  for (const auto& cqe : ring.wait(4))
    CHECK(outcome_of(cqe) == success);
}

TEST_CASE("A packet waits for BDs as long as it takes, and is not given up") {
  raw_ring ring("sink0", {.directions = PINRING_DIR_SEND});
  board sink0("sink0");
  sink0.hold_send();
  const auto bds = ring.info().send_bds;
  const guarded_memory memory(bds * apart_bytes);
  const auto pieces = pieces_apart(memory.data());
  for (std::uint64_t i = 0; i < 3; ++i)
    ring.push(make_iovec(PINRING_OP_SEND, pieces, send_base + i));

  // A provider that is asked for more BDs than it has refuses. That is tried again for a second or
  // two.
  CHECK(ring.submit(1, std::chrono::milliseconds(2500)).result == outcome{ETIME});
  CHECK(ring.cq_ready() == 0);
  sink0.hold_send(false);
  for (const auto& cqe : ring.wait(3))
    CHECK(outcome_of(cqe) == success);
}

TEST_CASE("The channel works at the end of all this") {
  for (const auto* device : {"loop0", "batch0", "tiny0"}) {
    CAPTURE(device);
    CHECK_NOTHROW(prove_usable(device));
  }
}
