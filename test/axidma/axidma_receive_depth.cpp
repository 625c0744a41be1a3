// SPDX-License-Identifier: MIT
//
// Trap 4: xilinx_dma reports what was pending when the channel was idle all at once, and a delay
// interrupt changes that, for better and for worse.
#include "catch.hpp"

#include <algorithm>
#include <vector>

#include "raw_client.hpp"
#include "support/board.hpp"
#include "support/guarded_memory.hpp"
#include "support/loop.hpp"
#include "support/needs.hpp"
#include "support/pattern.hpp"
#include "violations.hpp"

using namespace support;

namespace {

const auto needed = support::needs{{"loop0", "loop1"}}.model().module(raw_client::module).root();

constexpr auto a_while = 500ms; // for what must not happen
constexpr std::size_t bytes = 1000;

/// The board whose channels have xlnx,irq-delay.
constexpr const char* delayed = "delay0";

/// Those that pinring has: it may refuse a delay of a provider that can't stand it.
std::vector<const char*> devices() {
  std::vector<const char*> result{"loop0"};
  if (!device_path(delayed).empty())
    result.push_back(delayed);
  return result;
}

/// Posts receives, sends one packet for each and wants each reported before the next is sent.
void check_request_and_response(const char* device, std::size_t posted) {
  CAPTURE(device, posted);
  raw_ring ring(device);
  const violations watch(device);
  const guarded_memory out(bytes);
  std::vector<guarded_memory> in;
  for (std::size_t i = 0; i < posted; ++i)
    ring.push(make_recv(in.emplace_back(bytes).data(), i));
  REQUIRE(ring.submit().submitted == posted);

  for (std::size_t i = 0; i < posted; ++i) {
    fill_pattern(out.data(), i);
    ring.push(make_send(out.data(), 1000 + i));
    REQUIRE(ring.submit().submitted == 1);
    const auto cqes = ring.wait(2);
    REQUIRE(outcome_of(completion_of(cqes, i)) == success);
    REQUIRE(pattern_mismatch(in[i].data(), i) == std::nullopt);
  }
  CHECK(watch.news() == "");
}

} // namespace

// ---------------------------------------------------------------------------- the provider alone

TEST_CASE(
    "xilinx_dma reports receives that waited for an idle channel only when all are answered") {
  const raw_client raw("loop1");
  REQUIRE(raw.prep_recv(1, bytes) == success);
  raw.issue_recv(); // active by itself
  for (std::size_t i = 1; i <= 4; ++i) {
    REQUIRE(raw.prep_recv(1, bytes, 0, i * 4096) == success);
    raw.issue_recv(); // wait for idle
  }

  raw.send(bytes);
  REQUIRE(wait_until([&] { return raw.called_recv() == 1; }));
  for (int i = 0; i < 3; ++i)
    raw.send(bytes);
  std::this_thread::sleep_for(a_while);
  CHECK(raw.called_recv() == 1); // four packets are in memory, one is known
  raw.send(bytes);
  CHECK(wait_until([&] { return raw.called_recv() == 5; }));
}

TEST_CASE(
    "A delay interrupt makes xilinx_dma report what is answered; on 6.1 it reports all there is") {
  const raw_client raw(delayed);
  for (std::size_t i = 0; i < 4; ++i)
    REQUIRE(raw.prep_recv(1, bytes, 0, i * 4096) == success);
  raw.issue_recv();
  raw.send(bytes);

  if (kernel_at_least(6, 12)) {
    REQUIRE(wait_until([&] { return raw.called_recv() == 1; }));
    std::this_thread::sleep_for(a_while);
    CHECK(raw.called_recv() == 1);
    return;
  }
  // Three of these have not received anything, and their memory is still armed.
  REQUIRE(wait_until([&] { return raw.called_recv() == 4; }));
  CHECK(raw.job_at(3).result == raw_client::no_error);
  CHECK(raw.job_at(3).residue == bytes);
}

// ---------------------------------------------------------------------------- the guard

TEST_CASE("INFO promises deep receives only where the provider reports them one by one") {
  CHECK((info_of("loop0").flags & PINRING_INFO_DEEP_RECV) == 0);
  CHECK(info_of("loop0").recv_depth == 2);
  if (kernel_at_least(6, 12)) {
    CHECK((info_of(delayed).flags & PINRING_INFO_DEEP_RECV) != 0);
    CHECK(info_of(delayed).recv_depth > 2);
  } else if (!device_path(delayed).empty()) {
    // There a delay interrupt ends whatever is active: nothing may be but what it is about.
    CHECK((info_of(delayed).flags & PINRING_INFO_DEEP_RECV) == 0);
    CHECK(info_of(delayed).recv_depth == 1);
  }
}

TEST_CASE("Each of many posted receives is reported when its packet comes") {
  for (const auto* device : devices())
    for (const std::size_t posted : {1U, 2U, 3U, 4U, 12U})
      check_request_and_response(device, posted);
}

TEST_CASE("One packet for four posted receives is exactly one completion") {
  const auto* const device = GENERATE(from_range(devices()));
  CAPTURE(device);
  raw_ring ring(device);
  const guarded_memory out(bytes);
  std::vector<guarded_memory> in;
  for (std::uint64_t i = 0; i < 4; ++i)
    ring.push(make_recv(in.emplace_back(bytes).data(), i));
  ring.push(make_send(out.data(), 100));
  REQUIRE(ring.submit().submitted == 5);

  REQUIRE(ring.wait(2).size() == 2);
  CHECK(ring.enter(0, 1, a_while).result == outcome{ETIME});
  CHECK(ring.cq_ready() == 0);
}

TEST_CASE("A send that has not left is not reported, though packets before it were") {
  const auto* const device = GENERATE(from_range(devices()));
  CAPTURE(device);
  raw_ring ring(device);
  board model(device);
  model.enforce_grants().fifo_bytes(4096).hold_recv();
  const violations watch(device);
  const guarded_memory small(bytes);
  const guarded_memory large(60'000);
  const guarded_memory in_small(bytes);
  const guarded_memory in_large(60'000);
  fill_pattern(large.data(), 1);
  ring.push(make_send(small.data(), 1))
      .push(make_send(large.data(), 2))
      .push(make_send(small.data(), 3));
  REQUIRE(ring.submit().submitted == 3);

  // On one provider the first is told at once, on another with the others: but not more than it.
  std::this_thread::sleep_for(a_while);
  for (const auto& cqe : ring.reap())
    CHECK(cqe.user_data == 1);

  model.hold_recv(false);
  ring.push(make_recv(in_small.data(), 4))
      .push(make_recv(in_large.data(), 5))
      .push(make_recv(in_small.data(), 6));
  REQUIRE(ring.submit().submitted == 3);
  REQUIRE(wait_until([&] {
    ring.enter(0, 0);
    return ring.cq_ready() >= 5;
  }));
  for (const auto& cqe : ring.reap())
    CHECK(outcome_of(cqe) == success);
  CHECK(pattern_mismatch(in_large.data(), 1) == std::nullopt);
  CHECK(watch.news() == "");
}

TEST_CASE("A batch that was promised is reported with fewer interrupts than packets") {
  raw_ring ring("loop0");
  if (!(ring.info().features & PINRING_FEAT_BATCH))
    return skip("this driver has no batches");
  const board loop0("loop0");
  constexpr std::size_t n = 16;
  const guarded_memory out(bytes);
  std::vector<guarded_memory> in;
  const auto irqs = loop0.read("irqs_recv");
  for (std::uint64_t i = 0; i < n; ++i)
    ring.push(make_recv(in.emplace_back(bytes).data(), i, PINRING_SQE_BATCH));
  REQUIRE(ring.submit().submitted == n);
  for (std::uint64_t i = 0; i < n; ++i)
    ring.push(make_send(out.data(), 100 + i));
  REQUIRE(ring.submit().submitted == n);

  for (const auto& cqe : ring.wait(2 * n))
    CHECK(outcome_of(cqe) == success);
  CHECK(loop0.read("irqs_recv") - irqs < n);
}

TEST_CASE("A packet that is longer than its receive is an error in a batch, too") {
  raw_ring ring("loop0");
  const guarded_memory out(1500);
  const guarded_memory in(2 * bytes);
  ring.register_at(0, in.data(), PINRING_DIR_RECV); // so that both are handed over together
  constexpr auto flags = PINRING_SQE_BATCH | PINRING_SQE_MAY_BE_SHORT;
  ring.push(make_registered(PINRING_OP_RECV, 0, 0, bytes, 1, flags))
      .push(make_registered(PINRING_OP_RECV, 0, bytes, bytes, 2, flags));
  ring.push(make_send(out.data(), 3));
  REQUIRE(ring.submit().submitted == 3);

  // One packet less than was promised has come, so that no interrupt does.
  const auto cqes = ring.wait(3);
  CHECK(outcome_of(completion_of(cqes, 1)) == outcome{EIO});
  CHECK(outcome_of(completion_of(cqes, 2)) == outcome{ECONNRESET});
  CHECK_NOTHROW(prove_usable(ring));
}

TEST_CASE("The channel works at the end of all this") {
  CHECK_NOTHROW(prove_usable("loop1"));
  for (const auto* device : devices()) {
    CAPTURE(device);
    CHECK_NOTHROW(prove_usable(device));
  }
}
