// SPDX-License-Identifier: MIT
#include "episode.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <functional>
#include <memory>
#include <optional>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "alarm.hpp"
#include "arena.hpp"
#include "calls.hpp"
#include "grammar.hpp"
#include "job_ring.hpp"
#include "mutator.hpp"
#include "support/device.hpp"

namespace fuzz {
namespace {

constexpr long alarm_period_us = 50'000;
constexpr unsigned wild_percent = 45;

/// A second thread that makes calls on the same descriptors at the same time.
class companion {
public:
  companion(descriptors& files, arena& memory, std::uint64_t seed, tally& counts, slot& mine)
      : random_(seed), calls_(files, memory, counts, mine), thread_([this] { run(); }) {}
  companion(const companion&) = delete;
  companion& operator=(const companion&) = delete;
  ~companion() {
    stop_ = true;
    thread_.join();
  }

private:
  void run() {
    const alarm interrupts(alarm_period_us);
    while (!stop_) {
      const auto way = random_.below(100);
      if (way < 60)
        calls_.ioctl(random_);
      else if (way < 75)
        calls_.buffer(random_);
      else if (way < 90)
        calls_.readiness(random_);
      else
        calls_.file(random_);
    }
  }

  support::random_stream random_;
  calls calls_;
  std::atomic<bool> stop_ = false;
  std::thread thread_; // last: it uses all the others
};

/// The episode's own thread.
class player {
public:
  player(std::uint64_t seed, const device& on, const exchange& others, tally& counts, slot& mine)
      : random_(seed), counts_(counts), slot_(mine), files_(on.path, others, counts),
        memory_(random_), calls_(files_, memory_, counts, mine), ring_(files_.main(), counts, mine),
        wild_(is_wild(seed)) {}
  player(const player&) = delete;
  player& operator=(const player&) = delete;
  ~player() { reap_child(true); }

  void play();

private:
  struct way {
    const char* name;
    unsigned weight;
    void (player::*step)();
  };
  static const std::array<way, 9> ways;

  void prepare();
  void start_company();
  void step();
  void finish();
  [[nodiscard]] bool over() const { return counts_.stop.load(std::memory_order_relaxed); }
  void at(const char* where) { slot_.where.store(where, std::memory_order_relaxed); }

  void submit();
  void reap();
  void any_ioctl();
  void any_buffer() { calls_.buffer(random_); }
  void any_readiness() { calls_.readiness(random_); }
  void any_file() { calls_.file(random_); }
  void any_memory() { memory_.meddle(random_, counts_); }
  void any_descriptor() { files_.meddle(random_); }
  void inherit();
  void reap_child(bool now);

  support::random_stream random_;
  tally& counts_;
  slot& slot_;
  descriptors files_;
  arena memory_;
  calls calls_;
  job_ring ring_;
  std::unique_ptr<grammar> grammar_;
  bool wild_;
  bool endless_ = false;
  bool has_ring_ = false;
  pid_t child_ = -1;
  std::optional<companion> companion_;
  std::optional<mutator> mutator_;
};

const std::array<player::way, 9> player::ways = {{
    {"submit", 340, &player::submit},
    {"reap", 150, &player::reap},
    {"ioctl", 330, &player::any_ioctl},
    {"buffer", 40, &player::any_buffer},
    {"readiness", 100, &player::any_readiness},
    {"file", 30, &player::any_file},
    {"memory", 15, &player::any_memory},
    {"descriptors", 18, &player::any_descriptor},
    {"a child", 1, &player::inherit},
}};

void player::prepare() {
  at("SETUP");
  pinring_info info{};
  info.size = sizeof(info);
  if (!support::call(files_.main(), PINRING_IOC_INFO, &info).good())
    return counts_.fail(slot_, "INFO of a whole structure fails");

  grammar::temper temper;
  temper.spoiled_percent = static_cast<unsigned>(random_.small(30));
  // Each page costs time, which is that of other operations: so only some have many.
  static constexpr std::array<std::uint64_t, 8> longest = {512,  512,   2048,  2048,
                                                           2048, 16384, 16384, 512 * 1024};
  temper.longest_job = random_.pick(longest);
  // A deadline that ends a job which has started stops both engines, and xilinx_dma waits for that
  // with a processor: so in most episodes they are far away.
  temper.shortest_deadline_ns = random_.chance(75) ? 200'000'000 : 1'000'000;
  temper.longest_deadline_ns = random_.chance(75) ? 1'000'000'000 : 300'000'000;
  endless_ = random_.chance(25);
  temper.endless_percent = endless_ ? 50 : 0;

  has_ring_ = ring_.set_up(random_, info.directions,
                           wild_ && random_.chance(50) ? memory_.own_place() : nullptr);
  if (!has_ring_)
    return;
  grammar_ = std::make_unique<grammar>(info, memory_, temper, ring_.layout().sq_entries);
  calls_.tell(*grammar_, ring_.layout().directions);
  ring_.trust(!wild_);
}

void player::start_company() {
  at("threads");
  const auto companions_seed = random_.next();
  const auto mutators_seed = random_.next();
  if (random_.chance(30))
    companion_.emplace(files_, memory_, companions_seed, counts_, slot_);
  if (!wild_ || !has_ring_)
    return;
  if (random_.chance(30))
    grammar_->also_name(ring_.mapping());
  if (random_.chance(90))
    mutator_.emplace(ring_, memory_, mutators_seed, counts_);
}

void player::submit() {
  if (!has_ring_)
    return calls_.ioctl(random_);
  if (wild_ && random_.chance(50))
    ring_.repair();
  ring_.push(random_, *grammar_, 1 + static_cast<std::uint32_t>(random_.small(31)));
  const auto pending = std::min(ring_.unsubmitted(), ring_.layout().sq_entries);
  const bool wait = random_.chance(15);
  (void)ring_.enter(random_.chance(90) ? pending
                                       : static_cast<std::uint32_t>(random_.small(pending)),
                    wait ? 1 + static_cast<std::uint32_t>(random_.small(3)) : 0,
                    wait ? 1 + random_.small(8'000'000) : 0);
}

// Several at a time: they cost little next to a job.
void player::any_ioctl() {
  constexpr std::uint64_t most = 8;
  for (auto n = random_.between(1, most); n > 0; --n)
    calls_.ioctl(random_);
}

void player::reap() {
  if (!has_ring_)
    return calls_.readiness(random_);
  ring_.reap(random_.chance(70) ? ~0U : static_cast<std::uint32_t>(random_.small(16)));
  // Makes room for what waits in the kernel.
  if (random_.chance(20))
    (void)ring_.enter(0, 0, 0);
}

// A child has the descriptors and no mapping of the ring.
void player::inherit() {
  reap_child(true);
  const auto seed = random_.next();
  child_ = ::fork();
  if (child_ != 0)
    return;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const alarm interrupts(alarm_period_us);
  support::random_stream random(seed);
  constexpr unsigned steps = 40;
  for (unsigned i = 0; i < steps; ++i) {
    if (random.chance(70))
      calls_.ioctl(random);
    else if (random.chance(50))
      calls_.file(random);
    else
      calls_.readiness(random);
  }
  if (random.chance(50))
    files_.close_main();
  if (random.chance(30))
    ::usleep(static_cast<unsigned>(random.below(50'000)));
  ::_exit(0);
}

void player::reap_child(bool now) {
  if (child_ <= 0)
    return;
  if (now)
    ::kill(child_, SIGKILL);
  pid_t ended;
  do
    ended = ::waitpid(child_, nullptr, now ? 0 : WNOHANG);
  while (ended < 0 && errno == EINTR);
  if (ended == child_)
    child_ = -1;
}

void player::step() {
  static const auto total = [] {
    unsigned sum = 0;
    for (const auto& each : ways)
      sum += each.weight;
    return sum;
  }();
  auto point = random_.below(total);
  for (const auto& each : ways) {
    if (point < each.weight) {
      at(each.name);
      return (this->*each.step)();
    }
    point -= each.weight;
  }
}

void player::finish() {
  if (!has_ring_ || over())
    return;
  const auto way = random_.below(10);
  if (!wild_ && !endless_ && way < 6) {
    at("settle");
    companion_.reset();
    ring_.settle();
    return;
  }
  switch (way) {
  case 6:
    at("close, with jobs under way, in company");
    files_.close_main();
    break;
  case 7:
    at("munmap, then exit");
    mutator_.reset();
    ring_.unmap();
    break;
  case 8:
    at("a call after the ring's file was closed");
    mutator_.reset();
    companion_.reset();
    files_.close_main();
    calls_.ioctl(random_);
    break;
  default:
    break; // the process ends as it is
  }
  // No destructors: their threads are at work, and what they use must not go before them.
  if (random_.chance(50))
    ::_exit(0);
}

void player::play() {
  prepare();
  start_company();
  const auto steps = 100 + random_.small(1500);
  for (std::uint64_t i = 0; i < steps && !over(); ++i) {
    step();
    if (ring_.ended() && random_.chance(5))
      break;
    slot_.beats.fetch_add(1, std::memory_order_relaxed);
    reap_child(false);
  }
  finish();
  at("end of the episode");
  mutator_.reset();
  companion_.reset();
}

} // namespace

bool is_wild(std::uint64_t seed) {
  return support::random_stream(support::seed_of(seed, 1)).chance(wild_percent);
}

void run_episode(std::uint64_t seed, std::span<const device> devices, const exchange& others,
                 tally& counts, slot& mine) {
  alarm::prepare();
  const alarm interrupts(alarm_period_us);
  support::random_stream random(support::seed_of(seed, 2));
  player(seed, devices[random.below(devices.size())], others, counts, mine).play();
  counts.episodes.fetch_add(1);
}

} // namespace fuzz
