// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "support/board.hpp"

namespace support {

/// Turns the switches of what is behind the devices at random moments: engines that are held, BDs
/// that fail, interrupts that are lost, packets of other lengths. Nothing that is not over soon,
/// and nothing that kills a device for good.
class meddler {
public:
  /// @param devices those among these that have switches are meddled with.
  explicit meddler(const std::vector<std::string>& devices);

  static constexpr std::chrono::microseconds usual_pause{500'000};

  /// Until it is told to stop, with pauses of at most this.
  void run(std::uint64_t seed, const std::atomic<bool>& stop,
           std::chrono::microseconds longest_pause = usual_pause);
  /// For one that is run in a process of its own: this one will turn back what that has turned.
  void remember();
  /// What was turned, as it was before, or as it is remembered.
  void turn_back() { boards_.clear(); }

  /// Bytes that an engine has moved from or to memory that was not mapped for it, on boards that
  /// can tell.
  [[nodiscard]] std::uint64_t memory_violations() const;

private:
  std::vector<board> boards_;
};

} // namespace support
