// SPDX-License-Identifier: MIT
//
// Devices go and come back under load: their driver is unbound, or their provider's. What had been
// submitted ends with an outcome, nobody waits for ever, and the device that comes back works.
#include <cerrno>
#include <string>
#include <thread>

#include "load.hpp"
#include "rounds.hpp"
#include "support/binding.hpp"
#include "support/needs.hpp"
#include "support/random_stream.hpp"
#include "support/wait.hpp"

namespace {

using namespace support;

const auto needed = support::needs{{"loop1"}}.switches().root();

constexpr std::uint64_t most_jobs = 60;
constexpr std::uint64_t longest_moment_us = 3000;

struct counted {
  std::uint64_t devices = 0;
  std::uint64_t providers = 0;
  std::uint64_t jobs = 0;
} counts;

void start_some(sweep::loads& loads, random_stream& random) {
  const bool shared = random.chance(30);
  sweep::load how{"loop1", 0, shared, {}, {ENODEV, ECONNRESET}};
  if (shared) {
    how.deadline = 500ms;
    how.allowed = {ENODEV, EIO, EBADMSG, ECONNRESET, ETIMEDOUT, EDQUOT};
  }
  for (int i = shared ? 3 : 1; i > 0; --i) {
    how.seed = random.next();
    loads.start(how);
  }
}

void round(std::uint64_t seed) {
  random_stream random(seed);
  binding loop1("loop1");
  sweep::loads loads;
  start_some(loads, random);
  loads.await_jobs(random.small(most_jobs));
  std::this_thread::sleep_for(std::chrono::microseconds(random.below(longest_moment_us)));

  const bool provider = random.chance(50);
  if (provider)
    loop1.unbind_provider();
  else
    loop1.unbind();
  ++(provider ? counts.providers : counts.devices);
  // Rings of the device that has gone outlive it now and then.
  const bool closed_before = random.chance(70);
  if (closed_before)
    loads.end();
  if (provider)
    loop1.bind_provider();
  else
    loop1.bind();
  if (!closed_before)
    loads.end();
  counts.jobs += loads.jobs();
}

} // namespace

int main(int argc, char** argv) {
  return sweep::run(argc, argv, {"unbind_devices", {"loop1"}, round, [] {
                                   return std::to_string(counts.devices) + " devices and " +
                                          std::to_string(counts.providers) +
                                          " providers unbound, " + std::to_string(counts.jobs) +
                                          " jobs";
                                 }});
}
