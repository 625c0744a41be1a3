// SPDX-License-Identifier: MIT
// The memory of a case: one pair of buffers for each round trip that is under way at a time.
#ifndef PINRING_BENCH_WORKLOAD_HPP
#define PINRING_BENCH_WORKLOAD_HPP

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <system_error>
#include <vector>

#include <dma/ring.hpp>

#include "config.hpp"

namespace bench {

struct slot {
  const std::byte* out = nullptr;
  std::byte* in = nullptr;
};

class workload final {
public:
  /// Ordinary vectors; registered with the ring where the case says so.
  /// @param error why the memory could not be registered
  workload(dma::ring& ring, const case_config& config, std::error_code& error);

  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::span<const slot> slots() const noexcept { return slots_; }

  /// Prepares one round trip of a slot: the receive first, so that it is armed when the data come.
  /// @returns the ring's, if it has no place
  [[nodiscard]] std::error_code prepare(dma::ring& ring, std::size_t slot,
                                        const dma::send_options& send,
                                        const dma::receive_options& receive);
  /// user_data of the two jobs.
  [[nodiscard]] static std::uint64_t receive_tag(std::size_t slot) noexcept { return 2 * slot; }
  [[nodiscard]] static std::uint64_t send_tag(std::size_t slot) noexcept { return 2 * slot + 1; }
  [[nodiscard]] static std::size_t slot_of(std::uint64_t tag) noexcept {
    return static_cast<std::size_t>(tag / 2);
  }

  /// New content to send, and something else in every byte of what is to be received.
  void renew();
  /// Slots whose content did not arrive.
  [[nodiscard]] std::uint64_t count_wrong() const noexcept;

private:
  std::size_t bytes_;
  std::vector<std::vector<std::byte>> out_;
  std::vector<std::vector<std::byte>> in_;
  std::vector<slot> slots_;
  std::uint64_t seed_ = 0;
  // Last, as they borrow the vectors.
  std::vector<dma::registered_buffer> registered_out_;
  std::vector<dma::registered_buffer> registered_in_;
};

/// Locked memory that registering takes, as vectors seldom start on a page.
[[nodiscard]] std::uint64_t registered_bytes(const case_config& config);

} // namespace bench

#endif
