// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <functional>
#include <iosfwd>
#include <set>
#include <vector>

#include "support/raw_ring.hpp"

namespace sweep {

/// What a sweep over one call has seen.
struct seen {
  unsigned failures = 0;
  std::set<int> calls; ///< what the call said, when something had failed
  std::set<int> jobs;  ///< what its jobs ended with

  [[nodiscard]] bool only(const std::set<int>& allowed) const;
};

std::ostream& operator<<(std::ostream& out, const seen& what);

/// Fails one thing after the other within the call. Each time `prepare` is called before it, and
/// `check` after it with what it said; twice at the end with nothing that has failed.
[[nodiscard]] seen sweep_call(const std::function<void()>& prepare,
                              const std::function<support::outcome()>& call,
                              const std::function<void(support::outcome, seen&)>& check);

/// How many things have failed in all sweeps of this program.
[[nodiscard]] unsigned failures_so_far();

using jobs = std::vector<pinring_sqe>;

/// Submits, in one ENTER that is armed, jobs whose user_data are their places; then sees that those
/// that failed can be done again. @param device names the one that they go to, @param make is asked
/// for them each time, @param verify afterwards whether they have done what they are for.
class enter_sweep {
public:
  enter_sweep(const char* device, std::function<jobs()> make, std::function<bool()> verify);

  /// One that failed half-way has moved something: begin again with an empty stream.
  enter_sweep& of_several_packets();

  [[nodiscard]] seen run();

  /// Until jobs have ended with this. A cache that has to be refilled puts one thing more in front
  /// of what comes after it, so that a single sweep may step over it.
  [[nodiscard]] seen run_until(int error);

  [[nodiscard]] support::raw_ring& ring() { return ring_; }

private:
  void fill();
  void settle(seen& result);
  void settle_each(seen& result);
  void settle_together(seen& result);

  std::function<jobs()> make_;
  std::function<bool()> verify_;
  bool several_packets_ = false;
  support::raw_ring ring_;
  jobs jobs_;
  pinring_enter argument_{};
};

} // namespace sweep
