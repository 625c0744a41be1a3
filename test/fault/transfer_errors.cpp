// SPDX-License-Identifier: MIT
//
// What the provider reports as failed, packets that can't be had, and packets that are not as long
// as was promised.
#include "catch.hpp"

#include <algorithm>
#include <optional>
#include <sys/mman.h>
#include <vector>

#include "support/board.hpp"
#include "support/guarded_memory.hpp"
#include "support/loop.hpp"
#include "support/needs.hpp"
#include "support/pattern.hpp"
#include "support/raw_ring.hpp"

using namespace support;

namespace {

const auto needed = support::needs{{"loop0", "batch0", "sink0", "source0"}}.switches();

constexpr std::size_t bytes = 1000;
constexpr auto both = PINRING_DIR_SEND | PINRING_DIR_RECV;

ring_options claiming(std::uint32_t directions, std::uint32_t flags = 0) {
  ring_options options;
  options.directions = directions;
  options.flags = flags;
  return options;
}

pinring_sqe within(pinring_sqe sqe, std::chrono::nanoseconds deadline) {
  sqe.deadline_ns = static_cast<std::uint64_t>(deadline.count());
  return sqe;
}

/// The flags of a short receive: where only receives of one BD can tell how much came, scattered
/// memory is received into by way of a copy.
bool is_short(const pinring_cqe& cqe) {
  return (cqe.flags & ~PINRING_CQE_BOUNCED) == PINRING_CQE_SHORT;
}

/// Whether this ended by no fault of its own.
bool is_collateral(const pinring_cqe& cqe) {
  return outcome_of(cqe) == outcome{ECONNRESET} && cqe.flags == PINRING_CQE_COLLATERAL;
}

/// Two packets of a split job, of which the second can't be pinned.
guarded_memory half_missing(std::size_t chunk) {
  guarded_memory memory(2 * chunk, 0);
  REQUIRE(::mprotect(memory.data().subspan(chunk).data(), chunk, PROT_NONE) == 0);
  return memory;
}

/// Submits the job and waits until the provider has its first packet.
void start(raw_ring& ring, const board& device, const pinring_sqe& job) {
  const auto in_use = [&] {
    return job.opcode == PINRING_OP_SEND ? device.bds_in_use_send() : device.bds_in_use_recv();
  };
  const auto before = in_use();
  ring.push(job);
  REQUIRE(ring.submit().submitted == 1);
  REQUIRE(wait_until([&] { return in_use() > before; }));
}

/// A recovery that was asked for is over afterwards: a ring that is closed waits for it.
void let_recover(const char* device) {
  raw_ring(device, claiming(both, PINRING_SETUP_SHARED)).close();
}

/// Whether the first n bytes are these and the rest is as guarded_memory made it.
bool holds_exactly(const guarded_memory& memory, std::span<const std::byte> first) {
  return same_bytes(memory.data().first(first.size()), first) &&
         std::ranges::all_of(memory.data().subspan(first.size()),
                             [](std::byte b) { return b == std::byte{0xEE}; }) &&
         memory.guards_intact();
}

} // namespace

// ---------------------------------------------------------------------------- errors of the
// provider

// The data of what fails has moved. A simulator reports the failure. A model's engine halts, and
// xilinx_dma tells nobody: the driver finds out by itself, and starts both directions anew.

TEST_CASE("A send that fails is EIO, with the provider's word where it has one") {
  raw_ring ring("loop0");
  board loop0("loop0");
  const guarded_memory out(bytes);
  const guarded_memory in(bytes);
  loop0.fail_send(1);

  const auto result = loop(ring, out.data(), in.data());
  CHECK(outcome_of(result.sent) == outcome{EIO});
  CHECK(result.sent.bytes == 0);
  if (loop0.is_model()) {
    CHECK(result.sent.provider_result == PINRING_PROVIDER_NONE);
    CHECK((outcome_of(result.received) == success || is_collateral(result.received)));
  } else {
    CHECK(result.sent.provider_result == PINRING_PROVIDER_READ_FAILED);
    CHECK(outcome_of(result.received) == success);
  }
  CHECK_NOTHROW(prove_usable(ring));
}

TEST_CASE("A receive that fails is EIO, with the provider's word where it has one") {
  raw_ring ring("loop0");
  board loop0("loop0");
  const guarded_memory out(bytes);
  const guarded_memory in(bytes);
  loop0.fail_recv(1);

  const auto result = loop(ring, out.data(), in.data());
  CHECK(outcome_of(result.received) == outcome{EIO});
  CHECK(result.received.bytes == 0);
  if (loop0.is_model()) {
    CHECK(result.received.provider_result == PINRING_PROVIDER_NONE);
    CHECK((outcome_of(result.sent) == success || is_collateral(result.sent)));
  } else {
    CHECK(result.received.provider_result == PINRING_PROVIDER_WRITE_FAILED);
    CHECK(outcome_of(result.sent) == success);
  }
  CHECK_NOTHROW(prove_usable(ring));
}

TEST_CASE("One failed job among many is the only one that fails") {
  raw_ring ring("sink0", claiming(PINRING_DIR_SEND));
  board sink0("sink0");
  const guarded_memory out(bytes);
  for (std::uint64_t i = 0; i < 10; ++i)
    ring.push(make_send(out.data(), i));
  sink0.fail_send(1);
  REQUIRE(ring.submit().submitted == 10);

  const auto cqes = ring.wait(10);
  CHECK(std::ranges::count_if(cqes, [](const auto& c) { return outcome_of(c) == outcome{EIO}; }) ==
        1);
  // Those that were handed over with it go down with it where the engine has to be started anew.
  CHECK(std::ranges::count_if(cqes, [&](const auto& c) {
          return c.result == 0 || (sink0.is_model() && is_collateral(c));
        }) == 9);
}

TEST_CASE("A split job of which a packet fails is EIO and does not hang") {
  raw_ring ring("sink0", claiming(PINRING_DIR_SEND));
  board sink0("sink0");
  const guarded_memory memory(5 * ring.info().chunk);
  sink0.fail_send(1);

  const auto cqe = ring.run(make_send(memory.data(), 1, PINRING_SQE_SPLIT));
  CHECK(outcome_of(cqe) == outcome{EIO});
  CHECK(cqe.bytes < memory.size());
  CHECK_NOTHROW(prove_usable(ring));
}

TEST_CASE("A failed job on a registered buffer leaves the buffer of use") {
  raw_ring ring("loop0");
  board loop0("loop0");
  const guarded_memory out(bytes);
  const guarded_memory in(bytes);
  ring.register_at(0, in.data());
  loop0.fail_recv(1);
  REQUIRE(outcome_of(
              loop(ring, make_send(out.data(), 0), make_registered(PINRING_OP_RECV, 0, 0, bytes, 0))
                  .received) == outcome{EIO});

  CHECK(loop(ring, make_send(out.data(), 0), make_registered(PINRING_OP_RECV, 0, 0, bytes, 0))
            .moved(bytes));
  CHECK(ring.remove_at(0, PINRING_BUFFER_WAIT, patience) == success);
}

TEST_CASE("A success says that the provider said so") {
  raw_ring ring("loop0");
  const guarded_memory out(bytes);
  const guarded_memory in(bytes);

  const auto result = loop(ring, out.data(), in.data());
  CHECK(result.sent.provider_result == PINRING_PROVIDER_OK);
  CHECK(result.received.provider_result == PINRING_PROVIDER_OK);
}

// ---------------------------------------------------------------------------- memory behind the
// first packet

TEST_CASE(
    "A split send that can't pin a later packet ends when the first is out, and resets nobody") {
  raw_ring ring("loop0", claiming(both, PINRING_SETUP_SHARED));
  raw_ring bystander("loop0", claiming(both, PINRING_SETUP_SHARED));
  board loop0("loop0");
  const auto chunk = ring.info().chunk;
  const auto recoveries = driver_counter("loop0", "recoveries");
  const auto out = half_missing(chunk);
  const guarded_memory in(chunk);
  fill_pattern(out.data().first(chunk), 7);
  loop0.hold_send();
  start(bystander, loop0, make_recv(in.data(), 1));

  ring.push(make_send(out.data(), 2, PINRING_SQE_SPLIT));
  REQUIRE(ring.submit().submitted == 1);
  let_recover("loop0");
  CHECK(ring.cq_ready() == 0);
  loop0.hold_send(false);
  const auto cqe = ring.wait(1).front();
  CHECK(outcome_of(cqe) == outcome{EFAULT});
  CHECK(cqe.bytes == chunk);
  CHECK(cqe.flags == 0);

  CHECK(outcome_of(bystander.wait(1).front()) == success);
  CHECK(pattern_mismatch(in.data(), 7) == std::nullopt);
  CHECK(driver_counter("loop0", "recoveries") == recoveries);
  CHECK_NOTHROW(prove_usable(ring));
}

TEST_CASE("A split receive that can't pin a later packet ends when the first came, and resets "
          "nobody") {
  raw_ring ring("loop0", claiming(both, PINRING_SETUP_SHARED));
  raw_ring bystander("loop0", claiming(both, PINRING_SETUP_SHARED));
  board loop0("loop0");
  const auto chunk = ring.info().chunk;
  const auto recoveries = driver_counter("loop0", "recoveries");
  const guarded_memory out(chunk);
  const auto in = half_missing(chunk);
  fill_pattern(out.data(), 8);
  loop0.hold_send();
  start(bystander, loop0, make_send(out.data(), 1));

  ring.push(make_recv(in.data(), 2, PINRING_SQE_SPLIT)); // for ever, as receives usually are
  REQUIRE(ring.submit().submitted == 1);
  let_recover("loop0");
  CHECK(ring.cq_ready() == 0);
  loop0.hold_send(false);
  const auto cqe = ring.wait(1).front();
  CHECK(outcome_of(cqe) == outcome{EFAULT});
  CHECK(cqe.bytes == chunk);
  CHECK(cqe.flags == 0);
  CHECK(pattern_mismatch(in.data().first(chunk), 8) == std::nullopt);

  CHECK(outcome_of(bystander.wait(1).front()) == success);
  CHECK(driver_counter("loop0", "recoveries") == recoveries);
  CHECK_NOTHROW(prove_usable(ring));
}

TEST_CASE("A split job that can't pin a later packet can be ended while its first is under way") {
  raw_ring ring("loop0");
  const board loop0("loop0");
  const auto in = half_missing(ring.info().chunk);

  SECTION("by its deadline") {
    CHECK(outcome_of(ring.run(within(make_recv(in.data(), 1, PINRING_SQE_SPLIT), 200ms))) ==
          outcome{ETIMEDOUT});
  }
  SECTION("by an abort") {
    start(ring, loop0, make_recv(in.data(), 1, PINRING_SQE_SPLIT));
    CHECK(outcome_of(ring.run(make_cancel(1, 2))) == outcome{EALREADY});
    ring.push(make_abort(1, 3)).push(make_drain(4));
    REQUIRE(ring.submit().submitted == 2);
    const auto cqes = ring.wait(3);
    CHECK(cqes[0].user_data == 1);
    CHECK(outcome_of(cqes[0]) == outcome{ECANCELED});
    CHECK(outcome_of(completion_of(cqes, 3)) == success);
    CHECK(completion_of(cqes, 3).bytes == 1);
  }
  SECTION("by close") {
    start(ring, loop0, make_recv(in.data(), 1, PINRING_SQE_SPLIT));
  }
  ring.close();
  CHECK_NOTHROW(prove_usable("loop0"));
}

// ---------------------------------------------------------------------------- short packets

TEST_CASE("A receive that may be short says exactly how much came") {
  const auto* const device = GENERATE("loop0", "batch0");
  const auto n = GENERATE(std::size_t{1}, std::size_t{999}, std::size_t{4095}, std::size_t{4096},
                          std::size_t{4097}, std::size_t{65'537}, std::size_t{299'999});
  CAPTURE(device, n);
  raw_ring ring(device);
  const guarded_memory out(n);
  const guarded_memory in(300'000);
  fill_pattern(out.data(), n);

  const auto result =
      loop(ring, make_send(out.data(), 0), make_recv(in.data(), 0, PINRING_SQE_MAY_BE_SHORT));
  CHECK(outcome_of(result.sent) == success);
  CHECK(outcome_of(result.received) == success);
  CHECK(result.received.bytes == n);
  CHECK(is_short(result.received));
  CHECK(holds_exactly(in, out.data()));
}

TEST_CASE("A receive that may be short and is not carries no such flag") {
  raw_ring ring("loop0");
  const guarded_memory out(bytes);
  const guarded_memory in(bytes);

  const auto result =
      loop(ring, make_send(out.data(), 0), make_recv(in.data(), 0, PINRING_SQE_MAY_BE_SHORT));
  CHECK(result.moved(bytes));
  CHECK(result.received.flags == 0);
}

TEST_CASE("A receive that was promised a length is EBADMSG when TLAST comes early") {
  raw_ring ring("loop0");
  const guarded_memory out(600);
  const guarded_memory in(bytes);
  fill_pattern(out.data(), 1);

  const auto result = loop(ring, out.data(), in.data());
  CHECK(outcome_of(result.received) == outcome{EBADMSG});
  CHECK(result.received.bytes == 600);
  CHECK((result.received.flags & PINRING_CQE_SHORT) != 0);
  CHECK(holds_exactly(in, out.data()));
  CHECK_NOTHROW(prove_usable(ring));
}

TEST_CASE("A packet that the stream cuts is short for who allows it and EBADMSG for who does not") {
  raw_ring ring("loop0");
  board loop0("loop0");
  const guarded_memory out(bytes);
  const guarded_memory in(bytes);
  fill_pattern(out.data(), 2);
  loop0.short_packet(123);

  SECTION("allowed") {
    const auto result =
        loop(ring, make_send(out.data(), 0), make_recv(in.data(), 0, PINRING_SQE_MAY_BE_SHORT));
    CHECK(outcome_of(result.received) == success);
    CHECK(result.received.bytes == 123);
    CHECK(outcome_of(result.sent) == success);
  }
  SECTION("not allowed") {
    const auto result = loop(ring, out.data(), in.data());
    CHECK(outcome_of(result.received) == outcome{EBADMSG});
    CHECK(result.received.bytes == 123);
    CHECK(outcome_of(result.sent) == success);
  }
  CHECK(holds_exactly(in, out.data().first(123)));
  CHECK_NOTHROW(prove_usable(ring));
}

TEST_CASE("Packets of any length one after the other into receives of one length") {
  raw_ring ring("batch0");
  constexpr std::size_t n = 20;
  constexpr std::size_t length = 5000;
  constexpr auto step = length / n - 1;
  const guarded_memory out(length);
  fill_pattern(out.data(), 3);
  std::vector<guarded_memory> in;
  for (std::uint64_t i = 0; i < n; ++i)
    ring.push(make_recv(in.emplace_back(length).data(), i, PINRING_SQE_MAY_BE_SHORT));
  for (std::uint64_t i = 0; i < n; ++i)
    ring.push(make_send(out.data().first(1 + step * i), 100 + i));
  REQUIRE(ring.submit().submitted == 2 * n);

  const auto cqes = ring.wait(2 * n);
  for (std::uint64_t i = 0; i < n; ++i) {
    CHECK(completion_of(cqes, i).bytes == 1 + step * i);
    CHECK(holds_exactly(in[i], out.data().first(1 + step * i)));
  }
}

TEST_CASE("Of a split receive that may be short the last packet may be") {
  raw_ring ring("loop0");
  const auto chunk = ring.info().chunk;
  const auto n = chunk + GENERATE(std::size_t{1}, std::size_t{5000});
  const guarded_memory out(n);
  const guarded_memory in(chunk + 10'000);
  fill_pattern(out.data(), 4);

  const auto result = loop(ring, make_send(out.data(), 0, PINRING_SQE_SPLIT),
                           make_recv(in.data(), 0, PINRING_SQE_SPLIT | PINRING_SQE_MAY_BE_SHORT));
  CHECK(outcome_of(result.received) == success);
  CHECK(result.received.bytes == n);
  CHECK(is_short(result.received));
  CHECK(holds_exactly(in, out.data()));
}

TEST_CASE("A split receive that gets a short packet too early never succeeds, and nobody hangs") {
  const auto flags = GENERATE(PINRING_SQE_SPLIT, PINRING_SQE_SPLIT | PINRING_SQE_MAY_BE_SHORT);
  raw_ring ring("loop0");
  board loop0("loop0");
  const auto info = ring.info();
  const auto chunk = info.chunk;
  const guarded_memory out(4 * chunk);
  const guarded_memory in(4 * chunk);
  fill_pattern(out.data(), 5);
  loop0.short_packet(5000);

  const auto result = loop(ring, within(make_send(out.data(), 0, PINRING_SQE_SPLIT), 2s),
                           make_recv(in.data(), 0, flags));
  const auto received = outcome_of(result.received);
  if (info.flags & PINRING_INFO_EXACT_SHORT || received == outcome{EBADMSG}) {
    CHECK(received == outcome{EBADMSG});
    CHECK((result.received.flags & PINRING_CQE_SHORT) != 0);
    CHECK(same_bytes(in.data().first(5000), out.data().first(5000)));
  } else {
    // The provider does not tell. Later packets fill it until the last one has no room, which the
    // watch sees; or the send's deadline ends both.
    CHECK((is_collateral(result.received) || received == outcome{EIO}));
  }
  CHECK(in.guards_intact());
  // Its peer has nobody left to send to: it is collateral, or its own deadline ends it.
  const auto sent = outcome_of(result.sent);
  CHECK((sent == outcome{ECONNRESET} || sent == outcome{ETIMEDOUT}));
  CHECK_NOTHROW(prove_usable(ring));
}

TEST_CASE("A packet that is longer than its receive never looks like a success") {
  raw_ring ring("loop0");
  const guarded_memory out(bytes);
  const guarded_memory in(bytes / 2);
  fill_pattern(out.data(), 6);

  const auto result = loop(ring, make_send(out.data(), 0), within(make_recv(in.data(), 0), 200ms));
  CHECK_FALSE(outcome_of(result.received).good());
  CHECK(in.guards_intact());
  CHECK_NOTHROW(prove_usable(ring));
}

// ---------------------------------------------------------------------------- a source

TEST_CASE("A source's packets are received as long as they are") {
  raw_ring ring("source0", claiming(PINRING_DIR_RECV));
  board source0("source0");
  // The packet that is under way when the length is set is of the length before.
  const guarded_memory in(20'000);
  source0.packet_bytes(777);
  REQUIRE(outcome_of(ring.run(make_recv(in.data(), 1, PINRING_SQE_MAY_BE_SHORT))) == success);

  for (int i = 0; i < 20; ++i) {
    const auto cqe = ring.run(make_recv(in.data(), 2, PINRING_SQE_MAY_BE_SHORT));
    REQUIRE(outcome_of(cqe) == success);
    REQUIRE(cqe.bytes == 777);
    for (std::size_t at = 1; at < cqe.bytes; ++at)
      REQUIRE(in.data()[at] == std::byte(std::to_integer<unsigned>(in.data()[at - 1]) + 1));
  }
}

TEST_CASE("Nothing is lost between two receives of a source") {
  raw_ring ring("source0", claiming(PINRING_DIR_RECV));
  constexpr std::size_t n = 30;
  std::vector<guarded_memory> in;
  for (std::uint64_t i = 0; i < n; ++i) {
    in.emplace_back(10'000);
    ring.push(make_recv(in.back().data(), i, PINRING_SQE_MAY_BE_SHORT));
  }
  REQUIRE(ring.submit().submitted == n);

  std::optional<std::byte> expected;
  for (const auto& cqe : ring.wait(n)) {
    REQUIRE(outcome_of(cqe) == success);
    for (const auto b : in[cqe.user_data].data().first(cqe.bytes)) {
      REQUIRE(b == expected.value_or(b));
      expected = std::byte(std::to_integer<unsigned>(b) + 1);
    }
  }
}

TEST_CASE("The channel works at the end of all this") {
  for (const auto* device : {"loop0", "batch0", "sink0", "source0"}) {
    CAPTURE(device);
    CHECK_NOTHROW(prove_usable(device));
  }
}
