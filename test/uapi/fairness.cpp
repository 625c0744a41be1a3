// SPDX-License-Identifier: MIT
//
// Rings that share a channel: whoever has much to send does not starve who has little. The stream
// itself tells the order: what a loopback gives back is what was handed over, in order.
#include "catch.hpp"

#include "support/child.hpp"
#include "support/guarded_memory.hpp"
#include "support/loop.hpp"
#include "support/needs.hpp"
#include "support/pattern.hpp"
#include "support/raw_ring.hpp"
#include "support/scattered_pages.hpp"

using namespace support;

namespace {

const auto needed = support::needs{{"loop0"}};

ring_options sharing(std::uint32_t directions) {
  ring_options options;
  options.directions = directions;
  options.flags = PINRING_SETUP_SHARED;
  return options;
}

} // namespace

TEST_CASE(
    "A queue of sixty packets that take all BDs delays another ring's packet by two or three") {
  constexpr int queued = 60;
  raw_ring busy("loop0", sharing(PINRING_DIR_SEND));
  raw_ring modest("loop0", sharing(PINRING_DIR_SEND));
  raw_ring receiver("loop0", sharing(PINRING_DIR_RECV));
  const auto chunk = busy.info().chunk;
  // A BD for each page: not two of them fit the provider's BDs at a time.
  const scattered_pages theirs(chunk);
  const scattered_pages ours(chunk);
  const guarded_memory in(chunk);
  fill_pattern(theirs.data(), 1);
  fill_pattern(ours.data(), 2);
  busy.register_at(0, theirs.data(), PINRING_DIR_SEND);
  modest.register_at(0, ours.data(), PINRING_DIR_SEND);
  for (std::uint64_t n = 0; n < queued; ++n)
    busy.push(make_registered(PINRING_OP_SEND, 0, 0, chunk, n));
  REQUIRE(busy.submit().submitted == queued);
  modest.push(make_registered(PINRING_OP_SEND, 0, 0, chunk, 100));
  REQUIRE(modest.submit().submitted == 1);

  int place = 0;
  for (int n = 1; n <= queued + 1; ++n) {
    REQUIRE(outcome_of(receiver.run(make_recv(in.data(), 0))) == success);
    const auto front = std::span<const std::byte>(in.data()).first(page_bytes());
    if (!pattern_mismatch(front, 2))
      place = n;
    else
      REQUIRE(pattern_mismatch(front, 1) == std::nullopt);
  }
  CHECK(place > 0);
  CHECK(place <= 4);
  CHECK(busy.wait(queued).size() == queued);
  CHECK(modest.wait(1).size() == 1);
}

TEST_CASE("While a process sends 256 MiB in one job, another one's small packets go on") {
  constexpr std::size_t huge_bytes = 256U << 20;
  constexpr std::size_t small_bytes = 100;
  if (!guarded_memory::hugetlb_available(huge_page_bytes))
    return skip("no huge pages are set aside (vm.nr_hugepages)");
  // In one BD, so that a receive of a packet of any length tells its bytes with every provider.
  const guarded_memory in(info_of("loop0").chunk, 0, memory_kind::hugetlb);
  shared_flag started;
  child other([&] {
    const guarded_memory out(huge_bytes);
    raw_ring ring("loop0", sharing(PINRING_DIR_SEND));
    ring.push(make_send(out.data(), 1, PINRING_SQE_SPLIT));
    if (ring.submit().submitted != 1)
      return 1;
    started.set();
    return outcome_of(ring.wait(1, 3 * patience).front()) == success ? 0 : 2;
  });
  raw_ring ring("loop0", sharing(PINRING_DIR_SEND));
  raw_ring receiver("loop0", sharing(PINRING_DIR_RECV));
  const guarded_memory out(small_bytes);
  REQUIRE(started.await());

  std::size_t received = 0;
  for (std::uint64_t n = 0; n < 20; ++n) {
    CAPTURE(n, received);
    ring.push(make_send(out.data(), n));
    REQUIRE(ring.submit().submitted == 1);
    // In front of it are two parts of the job that were ready before, and what was in the stream
    // already. xilinx_dma reports it together with what it was handed with it: two parts more.
    bool arrived = false;
    for (int packets = 0; !arrived || !ring.cq_ready(); ++packets) {
      REQUIRE(packets < (arrived ? 9 : 5));
      const auto cqe = receiver.run(make_recv(in.data(), 0, PINRING_SQE_MAY_BE_SHORT));
      REQUIRE(outcome_of(cqe) == success);
      if (cqe.bytes == small_bytes)
        arrived = true;
      else
        received += cqe.bytes;
    }
    CHECK(outcome_of(ring.reap(1).at(0)) == success);
  }
  CHECK(received < huge_bytes / 2);
  while (received < huge_bytes) {
    const auto cqe = receiver.run(make_recv(in.data(), 0, PINRING_SQE_MAY_BE_SHORT));
    REQUIRE(outcome_of(cqe) == success);
    received += cqe.bytes;
  }
  CHECK(received == huge_bytes);
  CHECK(other.wait() == 0);
}

TEST_CASE("The channel works at the end of all this") {
  CHECK_NOTHROW(prove_usable("loop0"));
}
