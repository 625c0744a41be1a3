// SPDX-License-Identifier: MIT
#include "runner.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <span>
#include <string>
#include <vector>

#include <sys/resource.h>

#include <fmt/format.h>

#include <dma/error.hpp>
#include <dma/ring.hpp>

#include "interrupt.hpp"
#include "memcpy_baseline.hpp"
#include "workload.hpp"

namespace bench {
namespace {

using clock = std::chrono::steady_clock;
using seconds = std::chrono::duration<double>;

// Nobody's link is slower: what a job may take besides the timeout.
constexpr double slowest_bytes_per_s = 1e6;
// Long enough not to show, short enough for Ctrl-C.
constexpr std::chrono::milliseconds longest_wait{250};
constexpr std::uint64_t enough_samples = 100; // for a p99
constexpr std::chrono::seconds patience_when_interrupted{2};

std::uint64_t ns_between(clock::time_point from, clock::time_point to) noexcept {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(to - from).count());
}

struct cpu_time {
  double user_s = 0;
  double system_s = 0;
};

cpu_time cpu_now() noexcept {
  ::rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto in_s = [](const ::timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return {in_s(usage.ru_utime), in_s(usage.ru_stime)};
}

/// The loop of all passes.
class loop final {
public:
  loop(dma::ring& ring, workload& work, const case_config& one, const config& all, bool split,
       case_result& result)
      : ring_{ring}, work_{work}, result_{result}, under_way_(one.depth),
        reaped_(std::size_t{2} * one.depth) {
    const seconds patience{all.timeout_s +
                           static_cast<double>(one.depth * one.bytes) / slowest_bytes_per_s};
    send_ = {.deadline = patience, .split = split};
    receive_ = {.deadline = patience, .split = split};
  }

  enum class calls : std::uint8_t {
    one, ///< submit and wait in one system call
    two, ///< in two, and every round trip is timed
  };

  /// Keeps every slot busy until `until`, or for one round where that is in the past.
  /// @returns round trips
  std::uint64_t run(calls how, clock::time_point until) {
    std::uint64_t done = 0;
    failed_ = false;
    for (std::size_t slot = 0; slot < under_way_.size(); ++slot)
      start(slot);
    while (busy_ && !given_up_) {
      if (!patient())
        break;
      if (how == calls::one)
        hand_over_and_wait();
      else
        hand_over_then_wait();
      done += collect(how, until);
    }
    return done;
  }

  [[nodiscard]] bool failed() const noexcept { return failed_ || given_up_; }
  [[nodiscard]] std::uint64_t syscalls() const noexcept { return syscalls_; }

private:
  struct round_trip {
    clock::time_point prepared;
    clock::time_point submitted;
    unsigned missing = 0; // completions
  };

  void start(std::size_t slot) {
    round_trip& trip = under_way_[slot];
    trip = {.prepared = clock::now(), .submitted = {}, .missing = 2};
    if (const std::error_code error = work_.prepare(ring_, slot, send_, receive_))
      return give_up(error);
    fresh_.push_back(slot);
    ++busy_;
  }

  // Both completions of a round trip are worth one wait; at the end there may be fewer to come.
  [[nodiscard]] unsigned wanted() const noexcept {
    return static_cast<unsigned>(
        std::min<std::uint64_t>(2, ring_.outstanding() + ring_.prepared()));
  }

  void hand_over_and_wait() {
    const unsigned n = wanted();
    syscalls_ += ring_.prepared() > 0 || ring_.poll() < n;
    check(ring_.submit_and_wait(n, longest_wait).error);
    fresh_.clear();
  }

  void hand_over_then_wait() {
    syscalls_ += ring_.prepared() > 0;
    const dma::submit_result result = ring_.submit();
    const clock::time_point now = clock::now();
    for (const std::size_t slot : fresh_)
      under_way_[slot].submitted = now;
    fresh_.clear();
    check(result.error);
    const unsigned n = wanted();
    syscalls_ += ring_.poll() < n;
    check(ring_.wait(n, longest_wait));
  }

  std::uint64_t collect(calls how, clock::time_point until) {
    const std::size_t n = ring_.reap(reaped_);
    const clock::time_point now = clock::now();
    std::uint64_t done = 0;
    for (const dma::completion& c : std::span{reaped_}.first(n)) {
      const std::size_t slot = workload::slot_of(c.user_data);
      round_trip& trip = under_way_[slot];
      judge(c);
      if (--trip.missing)
        continue;
      --busy_;
      ++done;
      if (how == calls::two && !failed_) {
        result_.times->submit_ns.record(ns_between(trip.prepared, trip.submitted));
        result_.times->complete_ns.record(ns_between(trip.submitted, now));
        result_.times->total_ns.record(ns_between(trip.prepared, now));
      }
      if (now < until && !failed_ && !interrupted())
        start(slot);
    }
    return done;
  }

  void judge(const dma::completion& c) {
    if (!c.error && c.bytes == work_.bytes())
      return;
    ++result_.errors;
    failed_ = true;
    if (!result_.error.empty())
      return;
    const char* const what = c.user_data % 2 ? "a send" : "a receive";
    result_.error =
        c.error ? fmt::format("{} failed: {}", what, c.error.message())
                : fmt::format("{} moved {} bytes instead of {}", what, c.bytes, work_.bytes());
  }

  void check(std::error_code error) {
    if (error && error != dma::errc::wait_expired && error != dma::errc::interrupted)
      give_up(error);
  }

  // After Ctrl-C what is under way may come back; a peer that is silent is not waited for.
  bool patient() {
    if (!interrupted())
      return true;
    if (interrupted_at_ == clock::time_point{})
      interrupted_at_ = clock::now();
    given_up_ = clock::now() - interrupted_at_ > patience_when_interrupted;
    return !given_up_;
  }

  // The ring itself is of no more use.
  void give_up(std::error_code error) {
    given_up_ = true;
    if (result_.error.empty())
      result_.error = error.message();
  }

  dma::ring& ring_;
  workload& work_;
  case_result& result_;
  dma::send_options send_;
  dma::receive_options receive_;
  std::vector<round_trip> under_way_;
  std::vector<dma::completion> reaped_;
  std::vector<std::size_t> fresh_; // prepared, not handed over
  std::size_t busy_ = 0;
  std::uint64_t syscalls_ = 0;
  clock::time_point interrupted_at_{};
  bool failed_ = false;
  bool given_up_ = false;
};

class case_run final {
public:
  case_run(const dma::device& device, const config& all, const case_config& one,
           case_result& result)
      : all_{all}, result_{result}, counters_{tools::counters_folder(device.info().path)},
        ring_{device, {.sq_entries = 2 * one.depth, .interruptible = true}}, work_{ring_, one,
                                                                                   registering_},
        loop_{ring_, work_, one, all, one.bytes > device.info().chunk, result} {}

  case_run(const case_run&) = delete;
  case_run& operator=(const case_run&) = delete;
  // Before the memory goes: closing ends what may still be under way.
  ~case_run() { ring_.close(); }

  [[nodiscard]] std::error_code registering() const noexcept { return registering_; }

  void run() {
    result_.copy = measure_memcpy(work_, all_.memcpy_s);
    if (!verify())
      return;
    work_.renew();
    if (!measure_throughput() || !check_leftovers())
      return;
    work_.renew();
    if (!measure_latency() || !check_leftovers())
      return;
    result_.complete = verify();
  }

private:
  [[nodiscard]] bool goes_on() const noexcept { return !loop_.failed() && !interrupted(); }

  /// One round trip of every slot with content of its own; a warm-up, too.
  bool verify() {
    work_.renew();
    const std::uint64_t done = loop_.run(loop::calls::one, clock::time_point::min());
    if (loop_.failed())
      return false;
    result_.verified.round_trips += done;
    result_.verified.wrong += work_.count_wrong();
    return goes_on();
  }

  bool measure_throughput() {
    throughput& t = result_.speed;
    const auto counted_before = tools::read_counters(counters_);
    const std::uint64_t syscalls_before = loop_.syscalls();
    const cpu_time cpu_before = cpu_now();
    const clock::time_point started = clock::now();
    t.round_trips = loop_.run(loop::calls::one, started + pass());
    t.time_s = seconds{clock::now() - started}.count();
    const cpu_time cpu_after = cpu_now();
    t.user_s = cpu_after.user_s - cpu_before.user_s;
    t.system_s = cpu_after.system_s - cpu_before.system_s;
    t.syscalls = loop_.syscalls() - syscalls_before;
    const auto counted_after = tools::read_counters(counters_);
    if (counted_before && counted_after)
      t.counted = *counted_after - *counted_before;
    return !loop_.failed();
  }

  /// Goes on for a while where a percentile would rest on too few round trips.
  bool measure_latency() {
    const clock::time_point latest = clock::now() + 3 * pass();
    do
      loop_.run(loop::calls::two, std::min(clock::now() + pass(), latest));
    while (goes_on() && result_.times->total_ns.count() < enough_samples && clock::now() < latest);
    return !loop_.failed();
  }

  /// The last round trip of every slot is still in the memory.
  bool check_leftovers() {
    result_.verified.round_trips += work_.slots().size();
    result_.verified.wrong += work_.count_wrong();
    return goes_on();
  }

  [[nodiscard]] clock::duration pass() const {
    return std::chrono::duration_cast<clock::duration>(seconds{all_.pass_s});
  }

  const config& all_;
  case_result& result_;
  std::string counters_;
  std::error_code registering_;
  dma::ring ring_;
  workload work_;
  loop loop_;
};

} // namespace

case_result run_case(const dma::device& device, const config& all, const case_config& one) {
  case_result result;
  result.config = one;
  result.split = one.bytes > device.info().chunk;
  case_run run{device, all, one, result};
  if (run.registering() == dma::errc::memlock_exceeded)
    result.skipped = dma::explain(run.registering(), {.bytes = registered_bytes(one)});
  else if (run.registering())
    result.error = dma::explain(run.registering(), {.device = device.info().name});
  else
    run.run();
  return result;
}

} // namespace bench
