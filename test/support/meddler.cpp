// SPDX-License-Identifier: MIT
#include "support/meddler.hpp"

#include <array>
#include <chrono>
#include <thread>

#include "support/random_stream.hpp"

namespace support {
namespace {

struct board_switch {
  const char* file;
  void (*set)(board&, std::uint64_t);
  /// Values from 1 to here, small ones more often.
  std::uint64_t most;
  /// Turned back after a moment; else it wears off by itself.
  bool back;
};

// Without stuck_*: what does not stop keeps its memory, and its device is dead.
constexpr std::array switches = {
    board_switch{"hold_send", [](board& b, std::uint64_t n) { b.hold_send(n != 0); }, 1, true},
    board_switch{"hold_recv", [](board& b, std::uint64_t n) { b.hold_recv(n != 0); }, 1, true},
    board_switch{"hold_stream", [](board& b, std::uint64_t n) { b.hold_stream(n != 0); }, 1, true},
    board_switch{"drop_completions", [](board& b, std::uint64_t n) { b.drop_completions(n); }, 2,
                 false},
    board_switch{"drop_send_completions",
                 [](board& b, std::uint64_t n) { b.drop_send_completions(n); }, 2, false},
    board_switch{"drop_recv_completions",
                 [](board& b, std::uint64_t n) { b.drop_recv_completions(n); }, 2, false},
    board_switch{"fail_send", [](board& b, std::uint64_t n) { b.fail_send(n); }, 2, false},
    board_switch{"fail_recv", [](board& b, std::uint64_t n) { b.fail_recv(n); }, 2, false},
    board_switch{"error_kind", [](board& b, std::uint64_t n) { b.error_kind(n); }, 2, false},
    board_switch{"error_at_bd_send", [](board& b, std::uint64_t n) { b.error_at_bd_send(n); }, 40,
                 false},
    board_switch{"error_at_bd_recv", [](board& b, std::uint64_t n) { b.error_at_bd_recv(n); }, 40,
                 false},
    board_switch{"short_packet", [](board& b, std::uint64_t n) { b.short_packet(n); }, 4096, false},
    board_switch{"long_packet", [](board& b, std::uint64_t n) { b.long_packet(n); }, 4096, false},
    board_switch{"rate_bytes_per_s", [](board& b, std::uint64_t n) { b.rate_bytes_per_s(n); },
                 1U << 24, true},
    board_switch{"fifo_bytes", [](board& b, std::uint64_t n) { b.fifo_bytes(n); }, 65536, true},
    board_switch{"packet_bytes", [](board& b, std::uint64_t n) { b.packet_bytes(n); }, 65536, true},
    board_switch{"slow_memory_ns", [](board& b, std::uint64_t n) { b.slow_memory_ns(n); }, 100'000,
                 true},
};

constexpr std::uint64_t longest_moment_us = 20'000;

void wait_us(std::uint64_t us) {
  std::this_thread::sleep_for(std::chrono::microseconds(us));
}

} // namespace

meddler::meddler(const std::vector<std::string>& devices) {
  for (const auto& name : devices) {
    if (!board::available(name))
      continue;
    auto& made = boards_.emplace_back(name);
    if (made.has("enforce_grants"))
      made.enforce_grants();
  }
}

void meddler::remember() {
  for (auto& each : boards_)
    for (const auto& what : switches)
      if (each.has(what.file))
        each.remember(what.file);
}

void meddler::run(std::uint64_t seed, const std::atomic<bool>& stop,
                  std::chrono::microseconds longest_pause) {
  random_stream random(seed);
  while (!stop && !boards_.empty()) {
    auto& which = random.pick(boards_);
    const auto& what = random.pick(switches);
    if (!which.has(what.file))
      continue;
    const auto before = which.read(what.file);
    what.set(which, what.most == 1 ? 1 : 1 + random.small(what.most - 1));
    if (what.back) {
      wait_us(random.small(longest_moment_us));
      what.set(which, before);
    }
    wait_us(random.small(static_cast<std::uint64_t>(longest_pause.count())));
  }
}

std::uint64_t meddler::memory_violations() const {
  std::uint64_t sum = 0;
  for (const auto& each : boards_)
    if (each.has("v_memory_not_granted"))
      sum += each.read("v_memory_not_granted");
  return sum;
}

} // namespace support
