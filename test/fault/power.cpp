// SPDX-License-Identifier: MIT
//
// The system goes to sleep with jobs in flight. Root, who may send it there; the kernel's own test
// mode suspends the devices and resumes them at once.
#include "catch.hpp"

#include <algorithm>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/board.hpp"
#include "support/guarded_memory.hpp"
#include "support/loop.hpp"
#include "support/needs.hpp"
#include "support/pattern.hpp"
#include "support/raw_ring.hpp"
#include "support/vmstat.hpp"

using namespace support;

namespace {

const auto needed = support::needs{{"loop0", "batch0", "sink0"}}.switches().root();

constexpr std::size_t bytes = 1000;

pinring_sqe within(pinring_sqe sqe, std::chrono::nanoseconds deadline) {
  sqe.deadline_ns = static_cast<std::uint64_t>(deadline.count());
  return sqe;
}

bool write(const std::string& file, const char* text) {
  std::ofstream out(file);
  return static_cast<bool>(out << text << std::flush);
}

std::string read(const std::string& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

bool can_sleep() {
  if (read("/sys/power/pm_test").find("devices") != std::string::npos &&
      read("/sys/power/state").find("freeze") != std::string::npos)
    return true;
  skip("this kernel can't suspend devices and resume them at once (CONFIG_PM_DEBUG, "
       "CONFIG_SUSPEND)");
  return false;
}

/// Every device is suspended and, a second later, resumed; this process alone runs meanwhile.
void sleep_and_wake() {
  (void)write("/sys/module/suspend/parameters/pm_test_delay", "1");
  if (!write("/sys/power/pm_test", "devices"))
    throw std::runtime_error("can't choose the test mode of the suspend");
  const bool slept = write("/sys/power/state", "freeze");
  (void)write("/sys/power/pm_test", "none");
  if (!slept)
    throw std::runtime_error("the system does not go to sleep");
}

bool untouched(const guarded_memory& memory) {
  return std::ranges::all_of(memory.data(), [](std::byte b) { return b == std::byte{0xEE}; }) &&
         memory.guards_intact();
}

bool is_collateral(const pinring_cqe& cqe) {
  return outcome_of(cqe) == outcome{ECONNRESET} && cqe.flags == PINRING_CQE_COLLATERAL;
}

} // namespace

TEST_CASE("What the engine has when the system sleeps is reset, the rest is handed over after it") {
  if (!can_sleep())
    return;
  const auto* const device = shallow_loopback();
  raw_ring ring(device);
  const board shallow(device);
  const std::uint64_t depth = ring.info().recv_depth;
  const guarded_memory out(bytes);
  fill_pattern(out.data(), 1);
  std::vector<guarded_memory> in;
  for (std::uint64_t i = 0; i <= depth; ++i)
    ring.push(make_recv(in.emplace_back(bytes).data(), i));
  REQUIRE(ring.submit().submitted == depth + 1);
  REQUIRE(wait_until([&] { return shallow.bds_in_use_recv() == depth; }));
  const auto stops = shallow.stops();

  sleep_and_wake();
  CHECK(shallow.stops() > stops);
  const auto cqes = ring.wait(depth);
  for (std::uint64_t i = 0; i < depth; ++i) {
    CHECK(is_collateral(completion_of(cqes, i)));
    CHECK(untouched(in[i]));
  }

  ring.push(make_send(out.data(), 100));
  REQUIRE(ring.submit().submitted == 1);
  const auto rest = ring.wait(2);
  CHECK(outcome_of(completion_of(rest, depth)) == success);
  CHECK(pattern_mismatch(in[depth].data(), 1) == std::nullopt);
}

TEST_CASE("A send that is under way when the system sleeps is reset") {
  if (!can_sleep())
    return;
  ring_options options;
  options.directions = PINRING_DIR_SEND;
  raw_ring ring("sink0", options);
  board sink0("sink0");
  const guarded_memory out(bytes);
  sink0.hold_send();
  ring.push(within(make_send(out.data(), 1), patience));
  REQUIRE(ring.submit().submitted == 1);
  REQUIRE(wait_until([&] { return sink0.bds_in_use_send() > 0; }));

  sleep_and_wake();
  CHECK(is_collateral(ring.wait(1).front()));
  sink0.hold_send(false);
  CHECK_NOTHROW(prove_usable(ring));
}

TEST_CASE("A ring and its registered buffers go on being of use after a sleep") {
  if (!can_sleep())
    return;
  raw_ring ring("loop0");
  const guarded_memory memory(2 * bytes);
  ring.register_at(0, memory.data());
  sleep_and_wake();

  fill_pattern(memory.data().first(bytes), 2);
  CHECK(loop(ring, make_registered(PINRING_OP_SEND, 0, 0, bytes, 0),
             make_registered(PINRING_OP_RECV, 0, bytes, bytes, 0))
            .moved(bytes));
  CHECK(pattern_mismatch(memory.data().subspan(bytes), 2) == std::nullopt);
  CHECK_NOTHROW(prove_usable(ring));
}

TEST_CASE("A sleep in the middle of traffic ends what was under way, and nothing else") {
  if (!can_sleep())
    return;
  raw_ring ring("loop0");
  const auto size = 8 * ring.info().chunk;
  const guarded_memory out(size);
  const guarded_memory in(size);
  for (int round = 0; round < 3; ++round) {
    CAPTURE(round);
    // Which of the two ends first is chance, and a receive whose send was ended has no answer.
    ring.push(within(make_recv(in.data(), 1, PINRING_SQE_SPLIT), 5s))
        .push(within(make_send(out.data(), 2, PINRING_SQE_SPLIT), 5s));
    REQUIRE(ring.submit().submitted == 2);
    sleep_and_wake();
    for (const auto& cqe : ring.wait(2)) {
      CAPTURE(cqe.user_data, cqe.result);
      CHECK((cqe.result == 0 || is_collateral(cqe) || outcome_of(cqe) == outcome{ETIMEDOUT}));
    }
    in.clear();
    empty_the_stream(ring);
    REQUIRE_NOTHROW(prove_usable(ring));
    REQUIRE(untouched(in));
  }
  ring.close();
  CHECK(pins_become_balanced());
}

TEST_CASE("The channel works at the end of all this") {
  for (const auto* device : {"loop0", "batch0", "sink0"}) {
    CAPTURE(device);
    CHECK_NOTHROW(prove_usable(device));
  }
}
