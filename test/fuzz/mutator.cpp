// SPDX-License-Identifier: MIT
#include "mutator.hpp"

#include <atomic>
#include <chrono>
#include <cstring>

namespace fuzz {
namespace {

constexpr unsigned longest_burst = 256;
constexpr std::uint64_t longest_rest_us = 20'000;

template <typename T>
void put(T* where, T value) {
  std::atomic_ref(*where).store(value, std::memory_order_relaxed);
}

} // namespace

mutator::mutator(job_ring& ring, const arena& memory, std::uint64_t seed, tally& counts)
    : ring_(ring), memory_(memory), random_(seed), counts_(counts), thread_([this] { run(); }) {}

mutator::~mutator() {
  stop_ = true;
  thread_.join();
}

void mutator::run() {
  while (!stop_) {
    const auto burst = 1 + random_.small(longest_burst);
    for (std::uint64_t i = 0; i < burst; ++i)
      scribble();
    counts_.scribbles.fetch_add(burst, std::memory_order_relaxed);
    std::this_thread::sleep_for(std::chrono::microseconds(random_.small(longest_rest_us)));
  }
}

void mutator::scribble_index() {
  const std::array indices = {ring_.sq_head(), ring_.sq_tail(), ring_.cq_head(), ring_.cq_tail(),
                              ring_.cq_tail() + 1}; // the last: cq.flags
  auto* const index = random_.pick(indices);
  const auto is = std::atomic_ref(*index).load(std::memory_order_relaxed);
  const auto entries = ring_.layout().sq_entries;

  switch (random_.below(5)) {
  case 0:
    return put(index, is + 1);
  case 1:
    return put(index, is - 1);
  case 2:
    return put(index, is + entries + static_cast<std::uint32_t>(random_.below(3)) - 1);
  case 3:
    return put(index, static_cast<std::uint32_t>(random_.edge()));
  default:
    return put(index, is + static_cast<std::uint32_t>(random_.small(entries)));
  }
}

// Word by word, as the kernel reads it: so an address is always a whole one, and of the arena.
void mutator::scribble_sqe() {
  constexpr std::size_t words = sizeof(pinring_sqe) / sizeof(std::uint64_t);
  constexpr std::size_t addr_word = offsetof(pinring_sqe, addr) / sizeof(std::uint64_t);
  auto* const sqe =
      reinterpret_cast<std::uint64_t*>(&ring_.sqe_at(static_cast<std::uint32_t>(random_.next())));
  const auto which = random_.below(words);

  if (random_.chance(20)) {
    const auto* const other = reinterpret_cast<const std::uint64_t*>(
        &ring_.sqe_at(static_cast<std::uint32_t>(random_.next())));
    return put(&sqe[which], other[which]);
  }
  if (which == addr_word)
    return put(&sqe[which], random_.chance(80) ? memory_.address(random_)
                                               : std::uint64_t{1} << (48 + random_.below(16)));
  if (random_.chance(50))
    return put(&sqe[which], sqe[which] ^ (std::uint64_t{1} << random_.below(64)));
  put(&sqe[which], random_.edge());
}

void mutator::scribble() {
  const auto way = random_.below(100);
  if (way < 45)
    return scribble_index();
  if (way < 95)
    return scribble_sqe();

  // A stretch of one value: the whole mapping, now and then. No byte of it makes an address.
  const auto map = ring_.mapping();
  const auto first = random_.below(map.size());
  const auto length = way == 99 ? map.size() - first : random_.small(map.size() - first);
  std::memset(map.data() + first, random_.chance(50) ? 0 : 0xFF, length);
}

} // namespace fuzz
