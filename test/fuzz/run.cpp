// SPDX-License-Identifier: MIT
#include "run.hpp"

#include <array>
#include <cerrno>
#include <cinttypes>
#include <csignal>
#include <cstdio>
#include <exception>
#include <fstream>
#include <functional>
#include <string>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <system_error>
#include <thread>
#include <unistd.h>

#include "support/meddler.hpp"
#include "support/proof.hpp"
#include "support/vmstat.hpp"
#include "support/wait.hpp"

namespace fuzz {
namespace {

using namespace std::chrono_literals;

// Each step of an episode is done within milliseconds, or a second while the engine is stopped.
constexpr auto longest_step = 60s;
constexpr auto progress_period = 10s;

pid_t start(const std::function<void()>& body) {
  const pid_t pid = ::fork();
  if (pid < 0)
    throw std::system_error(errno, std::generic_category(), "fork");
  if (pid > 0)
    return pid;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  body();
  ::_exit(0);
}

void judge(int status, bool killed, tally& counts, slot& mine) {
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
    return;
  const int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  if (signal == SIGKILL && killed)
    return;
  // The engine was told to write to the ring that this process reads, among others.
  if (mine.wild && signal) {
    ++counts.crashes;
    return;
  }
  counts.fail(mine, signal ? "the process ended by signal " + std::to_string(signal)
                           : "the process ended with " + std::to_string(WEXITSTATUS(status)));
}

void work(const plan& how, std::uint64_t seed, const exchange& others, tally& counts, slot& mine) {
  constexpr unsigned killed_percent = 12;
  constexpr std::uint64_t longest_life_us = 400'000;
  support::random_stream random(seed);

  while (!counts.stop) {
    const auto episode = how.episode.value_or(random.next());
    const bool doomed = random.chance(killed_percent);
    const auto life_us = random.small(longest_life_us);
    mine.episode_seed = episode;
    mine.wild = is_wild(episode);
    mine.where = "beginning";
    const pid_t pid = start([&] {
      try {
        run_episode(episode, how.devices, others, counts, mine);
      } catch (const std::exception& e) {
        counts.fail(mine, e.what());
      }
    });
    mine.pid = pid;
    if (doomed) {
      ::usleep(static_cast<useconds_t>(life_us));
      ::kill(pid, SIGKILL);
      ++counts.kills;
    }
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR)
      ;
    ++mine.beats;
    judge(status, doomed, counts, mine);
  }
}

std::string first_line_of(const std::string& path) {
  std::string line;
  std::getline(std::ifstream(path), line);
  return line;
}

/// Who has not moved for too long, and where.
class watchdog {
public:
  explicit watchdog(tally& counts) : counts_(counts) { moved_.fill(support::clock::now()); }

  void look(unsigned workers) {
    for (unsigned i = 0; i < workers; ++i) {
      auto& each = counts_.slots[i];
      const auto beats = each.beats.load();
      if (beats != beats_[i]) {
        beats_[i] = beats;
        moved_[i] = support::clock::now();
      } else if (support::clock::now() - moved_[i] > longest_step) {
        tell(each);
        moved_[i] = support::clock::now();
      }
    }
  }

private:
  void tell(slot& of) {
    const char* const where = of.where.load();
    counts_.fail(of, std::string("nothing has moved for a minute at \"") +
                         (where ? where : "the beginning") + "\"");
    const auto process = "/proc/" + std::to_string(of.pid.load());
    say("  " + first_line_of(process + "/stat"));
    say("  waits in " + first_line_of(process + "/wchan"));
  }

  tally& counts_;
  std::array<std::uint64_t, most_workers> beats_{};
  std::array<support::clock::time_point, most_workers> moved_{};
};

void watch(const plan& how, tally& counts) {
  const auto begin = support::clock::now();
  auto told = begin;
  watchdog dog(counts);

  while (!counts.stop) {
    std::this_thread::sleep_for(50ms);
    dog.look(how.workers);
    const auto now = support::clock::now();
    if (now - begin > how.duration || counts.operations >= how.operations)
      counts.stop = true;
    if (now - told > progress_period) {
      told = now;
      const auto seconds = std::chrono::duration<double>(now - begin).count();
      char text[96];
      std::snprintf(text, sizeof(text), "%6.0f s  %" PRIu64 " operations, %.0f/s", seconds,
                    counts.operations.load(),
                    static_cast<double>(counts.operations.load()) / seconds);
      say(text);
    }
  }
}

void await_end(std::vector<pid_t>& processes, tally& counts) {
  const bool ended = support::wait_until(
      [&] {
        std::erase_if(processes, [](pid_t pid) { return ::waitpid(pid, nullptr, WNOHANG) == pid; });
        return processes.empty();
      },
      longest_step);
  if (ended)
    return;
  for (const auto& each : counts.slots)
    if (each.pid)
      counts.fail(each, std::string("does not end; was last at \"") + each.where.load() + "\"");
  for (const auto pid : processes)
    ::kill(pid, SIGKILL);
}

void prove_all(const plan& how, tally& counts) {
  for (const auto& each : how.devices) {
    try {
      support::prove_survived(each.name);
    } catch (const std::exception& e) {
      counts.fail(counts.slots[0], each.name + " does not work any more: " + e.what());
    }
  }
}

// A fuzzer that never got past the checks of arguments has shown nothing.
void check_reach(tally& counts) {
  constexpr std::uint64_t enough = 100'000;
  if (counts.operations < enough || counts.failures)
    return;
  for (const auto what : {kind::send, kind::recv, kind::cancel, kind::drain, kind::add})
    if (counts.successes(what) == 0)
      counts.fail(counts.slots[0], "of some kind of job none succeeded, see the table");
}

} // namespace

const tally& run(const plan& how) {
  auto& counts = tally::make();
  counts.seed = how.seed;
  say("seed " + std::to_string(how.seed));

  const auto pins_before = support::read_pins().outstanding();
  std::vector<std::string> names;
  for (const auto& each : how.devices)
    names.push_back(each.name);
  support::meddler switches(names);
  switches.remember();
  const auto violations_before = switches.memory_violations();
  {
    const exchange others;
    std::vector<pid_t> processes;
    processes.push_back(
        start([&] { switches.run(support::seed_of(how.seed, most_workers), counts.stop); }));
    for (unsigned i = 0; i < how.workers; ++i)
      processes.push_back(start(
          [&, i] { work(how, support::seed_of(how.seed, i), others, counts, counts.slots[i]); }));
    watch(how, counts);
    await_end(processes, counts);
  }
  const auto violations = switches.memory_violations() - violations_before;
  switches.turn_back();
  prove_all(how, counts);
  if (violations)
    counts.fail(counts.slots[0], std::to_string(violations) +
                                     " accesses of an engine to memory that was not its own");
  if (!support::wait_until([&] { return support::read_pins().outstanding() == pins_before; }))
    counts.fail(counts.slots[0], std::to_string(support::read_pins().outstanding() - pins_before) +
                                     " pages are pinned that were not before");
  check_reach(counts);
  return counts;
}

} // namespace fuzz
