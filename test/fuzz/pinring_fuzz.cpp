// SPDX-License-Identifier: MIT
//
// Random calls, random SQEs, and a ring that is written over while the kernel reads it: the driver
// must survive all of it, end every job with a sensible outcome, and give back every page. A seed
// determines what is done; not in which order several processes do it.
//
//   pinring_fuzz [--seconds S] [--operations N] [--seed X] [--device NAME]... [--workers N]
//                [--kept] [--episode E]
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <fcntl.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "run.hpp"
#include "support/device.hpp"

namespace {

constexpr std::uint64_t default_seed = 1;
constexpr std::chrono::seconds kept_duration{2};
constexpr int exit_skipped = 77;

constexpr std::uint64_t kept_seeds[] = {
#include "seeds"
    default_seed, // an array has to have something
};

struct options {
  fuzz::plan plan;
  std::vector<std::string> names;
  bool kept = false;
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
  found.plan.seed = default_seed;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--kept") {
      found.kept = true;
      continue;
    }
    if (i + 1 == argc)
      throw std::invalid_argument(std::string(word) + " is no option, or wants a value");
    const std::string_view value = argv[++i];
    if (word == "--seconds")
      found.plan.duration = std::chrono::seconds(number(value));
    else if (word == "--operations")
      found.plan.operations = number(value);
    else if (word == "--seed")
      found.plan.seed = number(value);
    else if (word == "--device")
      found.names.emplace_back(value);
    else if (word == "--workers")
      found.plan.workers =
          static_cast<unsigned>(std::min<std::uint64_t>(number(value), fuzz::most_workers));
    else if (word == "--episode")
      found.plan.episode = number(value);
    else
      throw std::invalid_argument(std::string(word) + " is no option");
  }
  return found;
}

std::vector<fuzz::device> all_devices(const std::vector<std::string>& wanted) {
  constexpr int most_devices = 32;
  std::vector<fuzz::device> found;
  for (int minor = 0; minor < most_devices; ++minor) {
    const auto path = "/dev/pinring" + std::to_string(minor);
    const support::unique_fd fd{::open(path.c_str(), O_RDWR | O_CLOEXEC)};
    if (!fd)
      continue;
    const std::string name = support::info_of(fd.get()).name;
    if (wanted.empty() || std::ranges::find(wanted, name) != wanted.end())
      found.push_back({path, name});
  }
  return found;
}

int play(options& how) {
  how.plan.devices = all_devices(how.names);
  if (how.plan.devices.empty()) {
    fuzz::say("skipped: no device, or none of that name");
    return exit_skipped;
  }

  std::vector<fuzz::plan> plans;
  if (how.kept)
    for (const auto seed : kept_seeds)
      if (seed != default_seed) {
        plans.push_back(how.plan);
        plans.back().seed = seed;
        plans.back().duration = kept_duration;
      }
  plans.push_back(how.plan);

  std::uint64_t operations = 0;
  for (const auto& plan : plans) {
    const auto& counts = fuzz::run(plan);
    operations += counts.operations;
    fuzz::say(counts.table() + std::to_string(counts.episodes) + " episodes to their end, " +
              std::to_string(counts.kills) + " killed, " + std::to_string(counts.crashes) +
              " crashed by what they did to themselves; " + std::to_string(counts.scribbles) +
              " scribbles");
    fuzz::say(std::to_string(operations) + " operations, seed " + std::to_string(plan.seed));
    if (counts.failures)
      return 1;
  }
  return 0;
}

} // namespace

int main(int argc, char** argv) {
  try {
    auto how = parse(argc, argv);
    return play(how);
  } catch (const std::exception& e) {
    fuzz::say(std::string("pinring_fuzz: ") + e.what());
    return 2;
  }
}
