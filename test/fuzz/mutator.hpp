// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>

#include "arena.hpp"
#include "job_ring.hpp"
#include "support/random_stream.hpp"
#include "tally.hpp"

namespace fuzz {

/// A thread that writes all over a ring's memory while others are in ENTER: indices, flags, entries
/// of both queues, single bits and whole stretches. It runs in bursts, so that the ring makes sense
/// in between and jobs get somewhere.
class mutator {
public:
  mutator(job_ring& ring, const arena& memory, std::uint64_t seed, tally& counts);
  mutator(const mutator&) = delete;
  mutator& operator=(const mutator&) = delete;
  ~mutator();

private:
  void run();
  void scribble();
  void scribble_index();
  void scribble_sqe();

  job_ring& ring_;
  const arena& memory_;
  support::random_stream random_;
  tally& counts_;
  std::atomic<bool> stop_ = false;
  std::thread thread_; // last: it uses all the others
};

} // namespace fuzz
