// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "support/child.hpp"

namespace sweep {

inline constexpr std::size_t errnos = 256;

/// What the processes of a round tell each other, in memory that they share.
struct shared_state {
  std::atomic<bool> stop;
  std::atomic<unsigned> running;
  std::atomic<std::uint64_t> jobs;                       ///< that have completed
  std::array<std::atomic<std::uint64_t>, errnos> errors; ///< of jobs, by number
};

/// How one process loads a device.
struct load {
  std::string device;
  std::uint64_t seed = 0;
  /// Others load it too, so that what comes back may be another's.
  bool shared = false;
  /// Each job's own; none: it has to end by itself.
  std::chrono::nanoseconds deadline{};
  /// Errors that jobs may end with. ENODEV among them: the device may go, and the load ends then.
  std::vector<int> allowed;
};

/// Processes that send and receive without a pause, as uid 1000: one packet and several, lists of
/// pieces, registered buffers, receives that may be short. What one of them gets back on a device
/// of its own is what it sent.
class loads {
public:
  loads();
  loads(const loads&) = delete;
  loads& operator=(const loads&) = delete;
  ~loads();

  void start(const load& how);
  /// Throws when not all of them have a ring, and this many more jobs and errors behind them, in
  /// time.
  void await_jobs(std::uint64_t more, std::uint64_t more_errors = 0) const;

  /// kill -9 of the n-th.
  void kill(std::size_t n);
  [[nodiscard]] std::size_t count() const { return processes_.size(); }
  void stop() { state_->stop = true; }
  /// Waits until all of them have ended, because they were killed or told to stop, or because their
  /// device has gone; throws when one of them has found something wrong, or does not end.
  void end();

  [[nodiscard]] std::uint64_t jobs() const { return state_->jobs; }
  [[nodiscard]] std::uint64_t errors() const;
  /// Adds how often jobs ended with which error.
  void add_errors_to(std::map<int, std::uint64_t>& sums) const;

private:
  struct process {
    std::unique_ptr<support::child> body;
    bool killed = false;
  };

  shared_state* state_;
  std::vector<process> processes_;
};

} // namespace sweep
