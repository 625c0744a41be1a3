// SPDX-License-Identifier: MIT
#include "rounds.hpp"

#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <stdexcept>
#include <string_view>
#include <sys/resource.h>
#include <unistd.h>

#include "support/board.hpp"
#include "support/child.hpp"
#include "support/device.hpp"
#include "support/guarded_memory.hpp"
#include "support/proof.hpp"
#include "support/raw_ring.hpp"
#include "support/vmstat.hpp"
#include "support/wait.hpp"

namespace sweep {
namespace {

using namespace support;

constexpr std::uint64_t default_rounds = 50;
constexpr std::uint64_t default_seed = 1;
constexpr auto progress_period = 5s;
constexpr uid_t user = 1000;
constexpr rlim_t memlock_bytes = 8U << 20;

void say(const std::string& line) {
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

struct options {
  std::uint64_t rounds = default_rounds;
  std::uint64_t seed = default_seed;
};

std::uint64_t number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size())
    throw std::invalid_argument(std::string(text) + " is no number");
  return value;
}

options parse(int argc, char** argv) {
  options found;
  for (int i = 1; i < argc; i += 2) {
    const std::string_view word = argv[i];
    if (i + 1 == argc || (word != "--rounds" && word != "--seed"))
      throw std::invalid_argument("[--rounds N] [--seed X]");
    (word == "--rounds" ? found.rounds : found.seed) = number(argv[i + 1]);
  }
  return found;
}

/// What must be the same after a round as it was before all of them.
class balance {
public:
  explicit balance(const std::vector<std::string>& devices)
      : devices_(devices), pins_(read_pins().outstanding()) {
    for (const auto& name : devices_) {
      if (board::is_model(name))
        boards_.emplace_back(name).enforce_grants();
    }
    intrusions_ = intrusions();
  }

  void check() const {
    if (!wait_until([&] { return read_pins().outstanding() == pins_; }))
      throw std::runtime_error(std::to_string(read_pins().outstanding() - pins_) +
                               " pages are pinned that were not before");
    for (const auto& name : devices_) {
      if (driver_counter(name, "quarantined_pages") != 0)
        throw std::runtime_error(name + " has pages in quarantine");
      try {
        prove_survived(name);
      } catch (const std::exception& e) {
        throw std::runtime_error(name + " does not work any more: " + e.what());
      }
    }
    if (intrusions() != intrusions_)
      throw std::runtime_error("an engine has used memory that was not mapped for it");
  }

private:
  [[nodiscard]] std::uint64_t intrusions() const {
    std::uint64_t sum = 0;
    for (const auto& each : boards_)
      sum += each.read("v_memory_not_granted");
    return sum;
  }

  const std::vector<std::string>& devices_;
  std::int64_t pins_;
  std::vector<board> boards_;
  std::uint64_t intrusions_ = 0;
};

/// A page too many that stays charged would be one too few here.
void check_charges(const std::string& device) {
  child owner([&] {
    auto ring = raw_ring::open(device);
    become_user();
    if (!ring.setup({}).good())
      return 1;
    const guarded_memory memory(memlock_bytes - guarded_memory::guard_bytes, 0);
    auto all = make_buffer(0, memory.mapping());
    return ring.add(all) == success ? 0 : 2;
  });
  if (owner.wait() != 0)
    throw std::runtime_error("the user can't pin as much as before");
}

void all_rounds(const options& how, const programme& what) {
  const balance before(what.devices);
  auto told = clock::now();

  for (std::uint64_t i = 0; i < how.rounds; ++i) {
    const auto seed = how.seed + i;
    if (clock::now() - told > progress_period) {
      told = clock::now();
      say(std::to_string(i) + " of " + std::to_string(how.rounds) + " rounds");
    }
    try {
      what.round(seed);
      before.check();
    } catch (const std::exception& e) {
      throw std::runtime_error("round " + std::to_string(i + 1) + ", seed " + std::to_string(seed) +
                               ": " + e.what());
    }
  }
  check_charges(what.devices.front());
}

} // namespace

void become_user() {
  const rlimit limit{memlock_bytes, memlock_bytes};
  if (::setrlimit(RLIMIT_MEMLOCK, &limit) != 0 || ::setresgid(user, user, user) != 0 ||
      ::setresuid(user, user, user) != 0)
    throw std::runtime_error(std::string("can't become uid 1000: ") + std::strerror(errno));
}

int run(int argc, char** argv, const programme& what) {
  try {
    const auto how = parse(argc, argv);
    say("seed " + std::to_string(how.seed));
    all_rounds(how, what);
    say(std::string(what.name) + ": " + std::to_string(how.rounds) + " rounds, " + what.counts());
    return 0;
  } catch (const std::invalid_argument& e) {
    say(std::string(what.name) + ": " + e.what());
    return 2;
  } catch (const std::exception& e) {
    say(std::string("FAILED ") + e.what());
    return 1;
  }
}

} // namespace sweep
