// SPDX-License-Identifier: MIT
#include "workload.hpp"

#include <cstring>

#include <unistd.h>

namespace bench {
namespace {

// splitmix64: every word of every slot and round differs, so that no stale byte looks right.
std::uint64_t next_word(std::uint64_t& state) noexcept {
  std::uint64_t z = state += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

void fill(std::vector<std::byte>& out, std::vector<std::byte>& in, std::uint64_t& seed) {
  for (std::size_t at = 0; at < out.size(); at += sizeof(std::uint64_t)) {
    const std::uint64_t word = next_word(seed);
    const std::uint64_t other = ~word;
    const std::size_t length = std::min(sizeof word, out.size() - at);
    std::memcpy(out.data() + at, &word, length);
    std::memcpy(in.data() + at, &other, length);
  }
}

} // namespace

workload::workload(dma::ring& ring, const case_config& config, std::error_code& error)
    : bytes_{static_cast<std::size_t>(config.bytes)},
      out_(config.depth, std::vector<std::byte>(bytes_)),
      in_(config.depth, std::vector<std::byte>(bytes_)) {
  for (std::size_t i = 0; i < config.depth; ++i)
    slots_.push_back({.out = out_[i].data(), .in = in_[i].data()});
  renew();
  if (config.memory != memory_kind::registered)
    return;
  for (std::size_t i = 0; i < config.depth && !error; ++i) {
    registered_out_.emplace_back(ring, out_[i], dma::direction::send, error);
    if (!error)
      registered_in_.emplace_back(ring, in_[i], dma::direction::receive, error);
  }
}

std::error_code workload::prepare(dma::ring& ring, std::size_t slot, const dma::send_options& send,
                                  const dma::receive_options& receive) {
  if (registered_in_.empty()) {
    if (const std::error_code error = ring.receive(in_[slot], receive_tag(slot), receive))
      return error;
    return ring.send(out_[slot], send_tag(slot), send);
  }
  if (const std::error_code error =
          ring.receive(registered_in_[slot].range(), receive_tag(slot), receive))
    return error;
  return ring.send(registered_out_[slot].range(), send_tag(slot), send);
}

void workload::renew() {
  for (std::size_t i = 0; i < slots_.size(); ++i)
    fill(out_[i], in_[i], seed_);
}

std::uint64_t workload::count_wrong() const noexcept {
  std::uint64_t wrong = 0;
  for (const slot& s : slots_)
    wrong += std::memcmp(s.in, s.out, bytes_) != 0;
  return wrong;
}

std::uint64_t registered_bytes(const case_config& config) {
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return std::uint64_t{2} * config.depth * ((config.bytes + page - 1) / page * page + page);
}

} // namespace bench
