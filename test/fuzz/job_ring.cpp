// SPDX-License-Identifier: MIT
#include "job_ring.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <sys/mman.h>

#include "support/device.hpp"
#include "support/wait.hpp"

namespace fuzz {
namespace {

std::uint32_t load(std::uint32_t* from) {
  return std::atomic_ref(*from).load(std::memory_order_acquire);
}

void store(std::uint32_t* to, std::uint32_t value) {
  std::atomic_ref(*to).store(value, std::memory_order_release);
}

} // namespace

bool job_ring::set_up(support::random_stream& random, std::uint32_t directions, std::byte* at) {
  layout_ = {};
  layout_.size = sizeof(layout_);
  layout_.flags = random.chance(85) ? PINRING_SETUP_SHARED : 0;
  layout_.directions = random.chance(90) ? directions : 1U << random.below(2);
  layout_.sq_entries = 1 + static_cast<std::uint32_t>(random.small(random.chance(95) ? 63 : 4095));
  layout_.cq_entries = static_cast<std::uint32_t>(random.small(random.chance(95) ? 64 : 8192));
  const auto result = support::call(fd_, PINRING_IOC_SETUP, &layout_);
  counts_.count(kind::setup, result.error());
  if (!result.good())
    return false;

  void* mapped = ::mmap(at, layout_.ring_bytes, PROT_READ | PROT_WRITE,
                        MAP_SHARED | (at ? MAP_FIXED : 0), fd_, 0);
  counts_.count(kind::map, mapped == MAP_FAILED ? errno : 0);
  if (mapped == MAP_FAILED) {
    counts_.fail(slot_, "a ring that was set up can't be mapped");
    return false;
  }
  map_ = {static_cast<std::byte*>(mapped), layout_.ring_bytes};
  return true;
}

void job_ring::unmap() {
  if (!map_.empty())
    ::munmap(map_.data(), map_.size());
  map_ = {};
}

pinring_sqe& job_ring::sqe_at(std::uint32_t index) const {
  return reinterpret_cast<pinring_sqe*>(map_.data() +
                                        layout_.sqes_offset)[index & (layout_.sq_entries - 1)];
}

std::uint32_t job_ring::unsubmitted() const {
  return tail_ - load(sq_head());
}

void job_ring::push(support::random_stream& random, grammar& of, std::uint32_t most) {
  auto used = unsubmitted();
  if (used > layout_.sq_entries) // only a scribbler makes it so
    used = 0;
  for (auto room = std::min(most, layout_.sq_entries - used); room > 0; --room) {
    const auto what = of.make(random, tail_, book_.next_user_data(), book_.some_user_data(random));
    sqe_at(tail_++) = what.sqe;
    book_.published(what);
  }
  store(sq_tail(), tail_);
}

int job_ring::enter(std::uint32_t to_submit, std::uint32_t min_complete,
                    std::uint64_t deadline_ns) {
  pinring_enter argument{};
  argument.size = sizeof(argument);
  argument.to_submit = to_submit;
  argument.min_complete = std::min(min_complete, layout_.cq_entries);
  argument.deadline_ns = deadline_ns;
  const int error = support::call(fd_, PINRING_IOC_ENTER, &argument).error();
  counts_.count(kind::enter, error);
  ended_ = error == ENXIO || error == EBADF;
  counts_.operations.fetch_add(argument.submitted, std::memory_order_relaxed);
  if (argument.submitted > to_submit || argument.submitted > layout_.sq_entries)
    counts_.fail(slot_, "ENTER consumed " + std::to_string(argument.submitted) + " of " +
                            std::to_string(to_submit) + " SQEs");
  return error;
}

void job_ring::reap(std::uint32_t most) {
  const auto ready = load(cq_tail()) - head_;
  if (ready > layout_.cq_entries) {
    if (trusted_)
      counts_.fail(slot_, std::to_string(ready) + " completions in a CQ of " +
                              std::to_string(layout_.cq_entries));
    head_ = load(cq_tail());
    return;
  }
  const auto* cqes = reinterpret_cast<const pinring_cqe*>(map_.data() + layout_.cqes_offset);
  for (auto n = std::min(most, ready); n > 0; --n) {
    const auto cqe = cqes[head_++ & (layout_.cq_entries - 1)];
    if (!trusted_) {
      counts_.outcome(kind::unknown, cqe.result);
      continue;
    }
    counts_.outcome(book_.kind_of(cqe), cqe.result);
    if (const auto wrong = book_.completed(cqe); !wrong.empty())
      counts_.fail(slot_, wrong);
  }
  store(cq_head(), head_);
}

void job_ring::repair() {
  // The kernel's index is its own, and can't be known from a word that others write: what it has
  // moved on to is at most as far as we have published.
  store(sq_tail(), tail_);
  const auto tail = load(cq_tail());
  if (tail - head_ > layout_.cq_entries)
    head_ = tail;
  store(cq_head(), head_);
}

void job_ring::settle() {
  const auto end = support::clock::now() + support::patience;
  while (book_.open()) {
    (void)enter(layout_.sq_entries, 1, 20'000'000);
    reap(layout_.cq_entries);
    if (ended_)
      return;
    slot_.beats.fetch_add(1, std::memory_order_relaxed);
    if (counts_.failures)
      return;
    if (support::clock::now() > end) {
      counts_.fail(slot_, std::to_string(book_.open()) +
                              " jobs with deadlines have no completion after 30 s");
      return;
    }
  }
  reap(layout_.cq_entries);
}

} // namespace fuzz
