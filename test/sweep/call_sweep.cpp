// SPDX-License-Identifier: MIT
#include "call_sweep.hpp"

#include "catch.hpp"

#include <algorithm>
#include <cstdint>
#include <ostream>
#include <utility>

#include "injection.hpp"
#include "support/loop.hpp"

namespace sweep {

using support::outcome;
using support::success;

namespace {

constexpr unsigned far_too_many = 1000;

unsigned total = 0;

} // namespace

bool seen::only(const std::set<int>& allowed) const {
  return std::ranges::includes(allowed, calls) && std::ranges::includes(allowed, jobs);
}

std::ostream& operator<<(std::ostream& out, const seen& what) {
  out << what.failures << " failures; the call said";
  for (const auto error : what.calls)
    out << ' ' << outcome{error};
  out << "; its jobs";
  for (const auto error : what.jobs)
    out << ' ' << outcome{error};
  return out;
}

seen sweep_call(const std::function<void()>& prepare, const std::function<outcome()>& call,
                const std::function<void(outcome, seen&)>& check) {
  const injection everything;
  const fail_nth here;
  seen result;

  for (unsigned n = 1, quiet = 0; quiet < 2;) {
    CAPTURE(n);
    REQUIRE(n < far_too_many);
    prepare();
    here.arm(n);
    const auto said = call();
    const bool failed = here.disarm();
    if (failed)
      result.calls.insert(said.error());
    else
      REQUIRE(said == success);
    check(said, result);
    result.failures += failed;
    n += failed;
    quiet = failed ? 0 : quiet + 1;
  }
  total += result.failures;
  return result;
}

unsigned failures_so_far() {
  return total;
}

enter_sweep::enter_sweep(const char* device, std::function<jobs()> make,
                         std::function<bool()> verify)
    : make_(std::move(make)), verify_(std::move(verify)), ring_(device) {}

enter_sweep& enter_sweep::of_several_packets() {
  several_packets_ = true;
  return *this;
}

seen enter_sweep::run() {
  return sweep_call([&] { fill(); }, [&] { return ring_.enter(argument_); },
                    [&](outcome, seen& result) {
                      settle(result);
                      REQUIRE(verify_());
                    });
}

seen enter_sweep::run_until(int error) {
  constexpr int most = 5;
  auto result = run();
  for (int sweeps = 1; sweeps < most && !result.jobs.contains(error); ++sweeps) {
    auto more = run();
    result.failures = std::min(result.failures, more.failures);
    result.calls.merge(more.calls);
    result.jobs.merge(more.jobs);
  }
  return result;
}

void enter_sweep::fill() {
  jobs_ = make_();
  for (std::size_t i = 0; i < jobs_.size(); ++i)
    jobs_[i].user_data = i;
  for (const auto& job : jobs_)
    ring_.push(job);
  ring_.publish();
  argument_ = {};
  argument_.size = sizeof(argument_);
  argument_.to_submit = static_cast<std::uint32_t>(jobs_.size());
}

void enter_sweep::settle(seen& result) {
  // What the call did not get to is still in the queue.
  REQUIRE(ring_.submit().result == success);
  if (several_packets_)
    settle_together(result);
  else
    settle_each(result);
}

void enter_sweep::settle_each(seen& result) {
  for (auto left = jobs_.size(); left > 0;) {
    const auto cqe = ring_.wait(1).front();
    if (cqe.result == 0) {
      --left;
      continue;
    }
    result.jobs.insert(-cqe.result);
    ring_.push(jobs_.at(cqe.user_data));
    REQUIRE(ring_.submit().submitted == 1);
  }
}

void enter_sweep::settle_together(seen& result) {
  bool failed = false;
  for (const auto& cqe : ring_.wait(jobs_.size())) {
    failed = failed || cqe.result != 0;
    if (cqe.result != 0)
      result.jobs.insert(-cqe.result);
  }
  if (!failed)
    return;
  support::empty_the_stream(ring_);
  for (auto job : jobs_) {
    job.deadline_ns = 0;
    ring_.push(job);
  }
  REQUIRE(ring_.submit().submitted == jobs_.size());
  for (const auto& cqe : ring_.wait(jobs_.size()))
    REQUIRE(support::outcome_of(cqe) == success);
}

} // namespace sweep
