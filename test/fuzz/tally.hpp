// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

namespace fuzz {

/// What is counted, with its outcome: first calls, then completions.
enum class kind : std::uint8_t {
  info,
  setup,
  enter,
  add,
  update,
  remove,
  eventfd,
  other_ioctl,
  map,
  ready,
  file,
  memory,
  nop,
  send,
  recv,
  cancel,
  drain,
  malformed,
  unknown, // completions of a ring that somebody scribbles over
};

inline constexpr std::size_t kinds = static_cast<std::size_t>(kind::unknown) + 1;
inline constexpr std::size_t errnos = 256; // what is above has no name, and is counted as the last
inline constexpr unsigned most_workers = 16;

/// What one worker is at; read by the watchdog.
struct slot {
  std::atomic<std::uint64_t> episode_seed;
  std::atomic<int> pid;
  std::atomic<std::uint64_t> beats;
  std::atomic<const char*> where;
  /// Whether memory of the process itself may be overwritten: it may crash then, and no completion
  /// has to make sense.
  std::atomic<bool> wild;
};

/// Memory that all processes of a run share.
struct tally {
  [[nodiscard]] static tally& make();

  /// An operation: one call into the kernel that is about the device or a job's memory, or one SQE
  /// that the kernel has consumed.
  void count(kind what, int error) {
    operations.fetch_add(1, std::memory_order_relaxed);
    outcome(what, error);
  }
  void outcome(kind what, int error) {
    const auto column = static_cast<std::size_t>(error < 0 ? -error : error);
    outcomes[static_cast<std::size_t>(what)][column < errnos ? column : errnos - 1].fetch_add(
        1, std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t successes(kind what) const {
    return outcomes[static_cast<std::size_t>(what)][0].load();
  }

  /// Says at once what is wrong, and with which seeds; ends the run.
  void fail(const slot& of, const std::string& what);

  /// One line for each kind: how often it ended how.
  [[nodiscard]] std::string table() const;

  std::uint64_t seed;
  std::atomic<bool> stop;
  std::atomic<unsigned> failures;
  std::atomic<std::uint64_t> operations;
  std::atomic<std::uint64_t> scribbles;
  std::atomic<std::uint64_t> episodes;
  std::atomic<std::uint64_t> kills;
  std::atomic<std::uint64_t> crashes;
  std::array<std::array<std::atomic<std::uint64_t>, errnos>, kinds> outcomes;
  std::array<slot, most_workers> slots;
};

/// A line to stdout in one write, so that processes don't mix theirs.
void say(const std::string& line);

} // namespace fuzz
