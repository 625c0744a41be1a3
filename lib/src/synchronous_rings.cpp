// SPDX-License-Identifier: MIT
#include "device_state.hpp"

#include <utility>

namespace dma::detail {
namespace {

// A receive, a send, and a cancel of each.
constexpr unsigned entries = 4;

bool take_turn(std::unique_lock<std::timed_mutex>& turn, std::timed_mutex& mutex, deadline until) {
  turn = std::unique_lock{mutex, std::defer_lock};
  if (until.what() != deadline::kind::absolute) {
    turn.lock();
    return true;
  }
  const std::chrono::nanoseconds since_epoch{until.count_ns()};
  return turn.try_lock_until(std::chrono::steady_clock::time_point{since_epoch});
}

} // namespace

synchronous_rings::lease::~lease() {
  if (!core_)
    return;
  std::shared_ptr<ring_core>& kept = rings_->kept(core_->directions());
  if (keep_ && core_->is_open())
    kept = std::move(core_);
  else if (was_kept_ && !core_->is_open())
    kept.reset();
  else if (!was_kept_)
    core_->close(); // before the turn is given away, so that the next one finds no claim
}

synchronous_rings::lease synchronous_rings::acquire(const device_info& info, direction directions,
                                                    bool shared, deadline until,
                                                    std::error_code& error) {
  lease l;
  l.rings_ = this;
  direction turns = directions;
  for (;;) {
    // Always in this order, or two calls could wait for each other.
    if ((has(turns, direction::send) && !take_turn(l.send_turn_, send_turn_, until)) ||
        (has(turns, direction::receive) && !take_turn(l.receive_turn_, receive_turn_, until))) {
      error = errc::deadline_passed;
      return lease{};
    }
    if (turns == direction::both || !kept(direction::both))
      break;
    // The only ring with our claim is that for both directions: it takes both turns to use it.
    l.send_turn_ = {};
    l.receive_turn_ = {};
    turns = direction::both;
  }

  for (const direction d : {directions, direction::both}) {
    std::shared_ptr<ring_core>& found = kept(d);
    if (!found)
      continue;
    if (found->is_open() && found->is_ours()) {
      l.core_ = found;
      l.was_kept_ = true;
      return l;
    }
    found.reset(); // broken, or a parent process's
  }
  // A claim of our own on one of the directions would be in the way.
  if (turns == direction::both) {
    kept(direction::send).reset();
    kept(direction::receive).reset();
  }
  ring_options options;
  options.sq_entries = entries;
  options.shared = shared;
  l.core_ = ring_core::open(info.path, directions, options, error);
  return l;
}

void synchronous_rings::release() noexcept {
  const std::lock_guard send{send_turn_};
  const std::lock_guard receive{receive_turn_};
  for (std::shared_ptr<ring_core>& core : kept_)
    core.reset();
}

} // namespace dma::detail
