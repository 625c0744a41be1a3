// SPDX-License-Identifier: MIT
//
// Traps 1 and 8: a channel has few BDs, prep fails without them, and too many descriptors at once
// lose their last interrupt.
#include "catch.hpp"

#include <memory>
#include <thread>
#include <vector>

#include "raw_client.hpp"
#include "support/board.hpp"
#include "support/guarded_memory.hpp"
#include "support/loop.hpp"
#include "support/needs.hpp"
#include "support/pattern.hpp"
#include "support/scattered_pages.hpp"
#include "violations.hpp"

using namespace support;

namespace {

const auto needed =
    support::needs{{"loop0", "loop1", "sink0", "tiny0"}}.model().module(raw_client::module).root();

constexpr std::size_t MiB = 1U << 20;

/// XILINX_DMA_NUM_DESCS of the provider.
std::size_t pool() {
  return kernel_at_least(6, 12) ? 512 : 255;
}

ring_options send_only() {
  ring_options options;
  options.directions = PINRING_DIR_SEND;
  options.sq_entries = 1024;
  return options;
}

} // namespace

// ---------------------------------------------------------------------------- the provider alone

TEST_CASE("xilinx_dma prepares as many BDs as its pool has, and not one more") {
  const raw_client raw("loop1");
  REQUIRE(raw.prep_send(pool(), 64) == success);
  CHECK(raw.prep_send(1, 64) == outcome{ENOMEM});
  raw.clear();

  CHECK(raw.prep_send(pool() + 1, 64) == outcome{ENOMEM});
}

TEST_CASE("xilinx_dma strands the last completions when more than 255 descriptors wait") {
  if (!kernel_at_least(6, 12)) {
    // A pool of 255 BDs can't hold 256 descriptors.
    const raw_client raw("sink0");
    for (std::size_t i = 0; i < 255; ++i)
      REQUIRE(raw.prep_send(1, 64) == success);
    CHECK(raw.prep_send(1, 64) == outcome{ENOMEM});
    return;
  }
  const raw_client raw("sink0");
  board sink0("sink0");
  sink0.rate_bytes_per_s(10'000); // so that the last ones end after the last interrupt
  // Seven at a time set the interrupt threshold to seven; more than it can say leave it there.
  for (std::size_t i = 0; i < 7; ++i)
    REQUIRE(raw.prep_send(1, 64) == success);
  raw.issue_send();
  REQUIRE(wait_until([&] { return raw.called_send() == 7; }));
  const auto before = sink0.read("sent_packets");
  for (std::size_t i = 0; i < 300; ++i)
    REQUIRE(raw.prep_send(1, 64) == success);
  raw.issue_send();
  REQUIRE(wait_until([&] { return sink0.read("sent_packets") == before + 300; }));
  REQUIRE(wait_until([&] { return raw.called_send() >= 7 + 294; }));

  std::this_thread::sleep_for(1s);
  // All 300 have left, and a multiple of seven was told by an interrupt, with what had ended by the
  // time it was handled: the last ones never are.
  CHECK(raw.called_send() < 7 + 300);
}

// ---------------------------------------------------------------------------- the guard

TEST_CASE(
    "1 MiB of scattered pages at an odd offset is up to 257 BDs, as one packet or as several") {
  raw_ring ring("loop0");
  const board loop0("loop0");
  const scattered_pages out(1 * MiB);
  const scattered_pages in(1 * MiB);
  fill_pattern(out.data(), 1);
  const auto pieces = out.pieces();
  REQUIRE(pieces > 200);
  REQUIRE(pieces <= 257);
  const auto before = loop0.read("bds_send");

  const bool fits = 1 * MiB <= ring.info().chunk;
  CHECK(fits == kernel_at_least(6, 12));
  const auto result = loop(ring, out.data(), in.data(), fits ? 0 : PINRING_SQE_SPLIT);
  REQUIRE(result.moved(1 * MiB));
  CHECK(pattern_mismatch(in.data(), 1) == std::nullopt);
  // A split cuts one more piece in two, unless it falls between two pages.
  const auto bds = loop0.read("bds_send") - before;
  CHECK((bds == pieces || (!fits && bds == pieces + 1)));
}

TEST_CASE("A packet that could need more BDs than there are is EMSGSIZE before anything moves") {
  raw_ring ring("loop0");
  const board loop0("loop0");
  const scattered_pages out(ring.info().chunk + 1);
  const auto before = loop0.read("bds_send");

  CHECK(outcome_of(ring.run(make_send(out.data(), 1))) == outcome{EMSGSIZE});
  CHECK(loop0.read("bds_send") == before);
}

TEST_CASE("The longest packet of the most scattered memory fits the pool in both directions") {
  const auto* const device = GENERATE("loop0", "tiny0");
  CAPTURE(device);
  raw_ring ring(device);
  const violations watch(device);
  const auto chunk = ring.info().chunk;
  const scattered_pages out(chunk, page_bytes() - 1);
  const scattered_pages in(chunk, 1);
  fill_pattern(out.data(), 2);

  for (int round = 0; round < 5; ++round)
    REQUIRE(loop(ring, out.data(), in.data()).moved(chunk));
  CHECK(pattern_mismatch(in.data(), 2) == std::nullopt);
  CHECK(watch.news() == "");
}

TEST_CASE(
    "Jobs that together need many times the pool complete, in order and with their own data") {
  raw_ring ring("loop0");
  const violations watch("loop0");
  constexpr std::size_t n = 12;
  const auto chunk = ring.info().chunk;
  const scattered_pages in(chunk);
  std::vector<std::unique_ptr<scattered_pages>> out;
  std::vector<std::unique_ptr<scattered_pages>> back;
  for (std::uint64_t i = 0; i < n; ++i) {
    // Each another length: so the BDs that a job takes begin anywhere in the ring of them.
    const auto bytes = chunk - i * 3 * page_bytes() - i;
    fill_pattern(out.emplace_back(std::make_unique<scattered_pages>(bytes))->data(), i);
    back.emplace_back(std::make_unique<scattered_pages>(bytes, 1 + i));
  }
  for (std::uint64_t i = 0; i < n; ++i)
    ring.push(make_recv(back[i]->data(), i)).push(make_send(out[i]->data(), 100 + i));
  REQUIRE(ring.submit().submitted == 2 * n);

  std::uint64_t next = 0;
  for (const auto& cqe : ring.wait(2 * n)) {
    REQUIRE(outcome_of(cqe) == success);
    if (cqe.user_data < 100)
      CHECK(cqe.user_data == next++);
  }
  for (std::uint64_t i = 0; i < n; ++i)
    CHECK(pattern_mismatch(back[i]->data(), i) == std::nullopt);
  CHECK(watch.news() == "");
}

TEST_CASE("What a job takes of the BD budget is what the provider makes of it") {
  // Of a 14-bit length field a BD is shorter than a merged piece of pages.
  const auto* const device = GENERATE("loop0", "tiny0", "align8");
  CAPTURE(device);
  raw_ring ring(device);
  const board model(device);
  const guarded_memory out(700'000, 64);
  const guarded_memory in(700'000, 64);
  const auto budget = driver_counter(device, "send/bds") + driver_counter(device, "recv/bds");
  const auto taken = model.read("bds_send") + model.read("bds_recv");

  REQUIRE(loop(ring, out.data(), in.data()).moved(700'000));
  CHECK(driver_counter(device, "send/bds") + driver_counter(device, "recv/bds") - budget ==
        model.read("bds_send") + model.read("bds_recv") - taken);
}

TEST_CASE("A thousand small sends at once are all reported") {
  raw_ring ring("sink0", send_only());
  const violations watch("sink0");
  constexpr std::size_t n = 1000;
  const guarded_memory memory(n);
  for (std::size_t i = 0; i < n; ++i)
    ring.push(make_send(memory.data().subspan(i, 1), i));
  REQUIRE(ring.submit().submitted == n);

  const auto cqes = ring.wait(n);
  for (std::size_t i = 0; i < n; ++i) {
    REQUIRE(outcome_of(cqes[i]) == success);
    REQUIRE(cqes[i].user_data == i);
  }
  CHECK(watch.news() == "");
}

TEST_CASE("The channel works at the end of all this") {
  for (const auto* device : {"loop0", "loop1", "sink0", "tiny0", "align8"}) {
    CAPTURE(device);
    CHECK_NOTHROW(prove_usable(device));
  }
}
