// SPDX-License-Identifier: MIT
//
// kill -9 at random moments: several processes have jobs of every kind in flight, in both
// directions, and end without a chance to say so. The driver has to take the hardware off their
// memory before it is another's, and leave devices that work.
#include <cerrno>
#include <numeric>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "load.hpp"
#include "rounds.hpp"
#include "support/needs.hpp"
#include "support/random_stream.hpp"
#include "support/wait.hpp"

namespace {

using namespace support;

const auto needed = support::needs{{"loop0", "loop1"}}.switches().root();

constexpr std::uint64_t most_jobs = 60;
constexpr std::uint64_t longest_moment_us = 3000;
constexpr std::uint64_t longest_gap_us = 500;

struct counted {
  std::uint64_t killed = 0;
  std::uint64_t jobs = 0;
} counts;

/// In which order the processes are killed.
std::vector<std::size_t> any_order(random_stream& random, std::size_t n) {
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), 0U);
  for (auto i = n; i > 1; --i)
    std::swap(order[i - 1], order[random.below(i)]);
  return order;
}

void wait_us(std::uint64_t us) {
  std::this_thread::sleep_for(std::chrono::microseconds(us));
}

void start_some(sweep::loads& loads, random_stream& random) {
  const bool shared = random.chance(50);
  sweep::load how{"loop1", 0, false, {}, {}};
  if (shared) {
    // Packets find their way to the wrong one; and together they pin what a user may.
    how.deadline = 500ms;
    how.allowed = {EIO, EBADMSG, ECONNRESET, ETIMEDOUT, EDQUOT};
  }
  how.seed = random.next();
  loads.start(how);
  how.device = "loop0";
  how.shared = shared;
  for (int i = shared ? 3 : 1; i > 0; --i) {
    how.seed = random.next();
    loads.start(how);
  }
}

void round(std::uint64_t seed) {
  random_stream random(seed);
  sweep::loads loads;
  start_some(loads, random);
  loads.await_jobs(random.small(most_jobs));
  wait_us(random.below(longest_moment_us));
  for (const auto each : any_order(random, loads.count())) {
    loads.kill(each);
    ++counts.killed;
    wait_us(random.small(longest_gap_us));
  }
  counts.jobs += loads.jobs();
  loads.end();
}

} // namespace

int main(int argc, char** argv) {
  return sweep::run(argc, argv, {"kill_processes", {"loop0", "loop1"}, round, [] {
                                   return std::to_string(counts.killed) + " processes killed, " +
                                          std::to_string(counts.jobs) + " jobs";
                                 }});
}
