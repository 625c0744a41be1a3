// SPDX-License-Identifier: MIT
//
// The provider's interrupts, and what follows them, are on a CPU that goes away.
#include "catch.hpp"

#include <atomic>
#include <fstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <unistd.h>

#include "cpus.hpp"
#include "support/board.hpp"
#include "support/guarded_memory.hpp"
#include "support/loop.hpp"
#include "support/needs.hpp"
#include "support/raw_ring.hpp"

using namespace support;

namespace {

const auto needed = support::needs{{"sink0"}}.model().root();

constexpr const char* switch_of_cpu1 = "/sys/devices/system/cpu/cpu1/online";
constexpr std::uint64_t in_flight = 4;
constexpr std::size_t pieces = 250; // nearly the pool of 6.1, and half of that of 6.12

bool write(const std::string& file, const char* text) {
  std::ofstream out(file);
  return static_cast<bool>(out << text << std::flush);
}

/// CPU 1, which is there again at the end.
class cpu1 {
public:
  cpu1() = default;
  cpu1(const cpu1&) = delete;
  cpu1& operator=(const cpu1&) = delete;
  ~cpu1() { (void)write(switch_of_cpu1, "1"); }

  void set_online(bool online) const {
    if (!write(switch_of_cpu1, online ? "1" : "0"))
      throw std::runtime_error("can't switch CPU 1");
  }
};

} // namespace

TEST_CASE("A CPU that goes offline takes no BDs with it") {
  if (::access(switch_of_cpu1, W_OK) != 0)
    return skip("there is no second CPU that can be switched off");
  ring_options options;
  options.directions = PINRING_DIR_SEND;
  raw_ring ring("sink0", options);
  const guarded_memory memory(pieces * apart_bytes);
  const auto list = pieces_apart(memory.data());
  const cpu1 other;
  const on_cpu first(0);

  std::atomic<std::uint64_t> sent = 0;
  std::atomic<std::uint64_t> failed = 0;
  std::atomic<bool> enough = false;
  std::thread sender([&] {
    std::uint64_t started = 0;
    while (!enough || sent + failed < started) {
      for (; !enough && started - sent - failed < in_flight; ++started)
        ring.push(make_iovec(PINRING_OP_SEND, list, started));
      (void)ring.submit();
      (void)ring.enter(0, 1, 200ms);
      for (const auto& cqe : ring.reap())
        ++(cqe.result == 0 ? sent : failed);
    }
  });

  bool moves = true;
  for (int round = 0; round < 40 && moves; ++round) {
    // A CPU that comes back does not get its interrupts back.
    give_interrupts_to(1);
    const auto before = sent.load();
    moves = wait_until([&] { return sent > before + 2; });
    other.set_online(false);
    other.set_online(true);
  }
  enough = true;
  sender.join();
  CHECK(moves);
  CHECK(failed == 0);
  CHECK(wait_until([] { return driver_counter("sink0", "send/bds_in_use") == 0; }, 5s));
  CHECK_NOTHROW(prove_usable(ring));
}
