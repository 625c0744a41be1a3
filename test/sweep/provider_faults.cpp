// SPDX-License-Identifier: MIT
//
// What is behind the devices does at random what hardware does on a bad day, in both directions and
// under load: errors, lost interrupts, packets too short or too long, engines that stand still.
// Every job ends with an outcome that the ABI has for it.
#include <atomic>
#include <cerrno>
#include <cstring>
#include <map>
#include <string>
#include <thread>

#include "load.hpp"
#include "rounds.hpp"
#include "support/meddler.hpp"
#include "support/needs.hpp"
#include "support/random_stream.hpp"
#include "support/wait.hpp"

namespace {

using namespace support;

const auto needed = support::needs{{"loop0", "loop1"}}.switches().root();

constexpr std::uint64_t most_jobs = 100;
constexpr std::uint64_t most_errors = 4;
constexpr auto longest_pause = 10ms;

struct counted {
  std::uint64_t jobs = 0;
  std::map<int, std::uint64_t> errors;
} counts;

std::string told() {
  std::string errors;
  for (const auto& [error, n] : counts.errors)
    errors +=
        std::string(errors.empty() ? "" : ", ") + std::to_string(n) + ' ' + strerrorname_np(error);
  return std::to_string(counts.jobs) + " jobs, of which ended with errors: " + errors;
}

/// A thread that meddles until the end of its scope.
class meddling {
public:
  explicit meddling(std::uint64_t seed) {
    thread_ = std::thread([this, seed] { meddler_.run(seed, stop_, longest_pause); });
  }
  meddling(const meddling&) = delete;
  meddling& operator=(const meddling&) = delete;
  ~meddling() {
    stop_ = true;
    thread_.join();
  }

private:
  meddler meddler_{{"loop0", "loop1"}};
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

void round(std::uint64_t seed) {
  random_stream random(seed);
  sweep::loads loads;
  sweep::load how{"loop0",
                  random.next(),
                  random.chance(30),
                  100ms,
                  {EIO, EBADMSG, ECONNRESET, ETIMEDOUT, EDQUOT}};
  for (int i = how.shared ? 2 : 1; i > 0; --i) {
    loads.start(how);
    how.seed = random.next();
  }
  how.device = "loop1";
  how.shared = false;
  loads.start(how);
  loads.await_jobs(1);
  {
    const meddling faults(random.next());
    loads.await_jobs(random.small(most_jobs), 1 + random.below(most_errors));
  }
  counts.jobs += loads.jobs();
  loads.add_errors_to(counts.errors);
  loads.stop();
  loads.end();
}

} // namespace

int main(int argc, char** argv) {
  return sweep::run(argc, argv, {"provider_faults", {"loop0", "loop1"}, round, told});
}
