// SPDX-License-Identifier: MIT
// One synchronous call on a ring: a send, a receive, or both, until the memory is the caller's.
#ifndef PINRING_SRC_EXCHANGE_HPP
#define PINRING_SRC_EXCHANGE_HPP

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <system_error>

#include <dma/transfer.hpp>

#include "ring_core.hpp"

namespace dma::detail {

/// Whether the jobs travel as packets of chunk bytes. Decided for the pair, as a peer that answers
/// packet for packet needs both sides to agree.
[[nodiscard]] bool must_split(framing f, std::uint64_t chunk, std::uint64_t send_bytes,
                              std::uint64_t receive_bytes) noexcept;

class stop_signal;

class exchange {
public:
  exchange(ring_core& ring, const device_info& info, const transfer_options& options,
           deadline until) noexcept
      : ring_{ring}, info_{info}, options_{options}, until_{until} {}

  /// Either of `data` and `into` may be missing. When it returns true, every job and cancel is over
  /// and the ring is idle. False: the ring must be closed before the memory is the caller's, and
  /// then is.
  [[nodiscard]] bool run(const source* data, const target* into, transfer_result& result);

private:
  using clock = std::chrono::steady_clock;

  struct side {
    outcome* result = nullptr; // nullptr: not part of this call
    bool settled = false;
    bool cancelled = false; // a cancel was prepared
    bool started = false;   // … and answered that it is too late
    bool aborted = false;   // an abort was prepared
    bool refused = false;   // … and answered that it can't be
  };
  static constexpr std::size_t sending = 0;
  static constexpr std::size_t receiving = 1;

  [[nodiscard]] std::error_code start(const source* data, const target* into);
  void collect() noexcept;
  [[nodiscard]] bool all_settled() const noexcept;
  void decide() noexcept;
  [[nodiscard]] std::error_code wait_for_more(stop_signal& stop) noexcept;
  [[nodiscard]] bool give_up(std::error_code error) noexcept;

  ring_core& ring_;
  const device_info& info_;
  const transfer_options& options_;
  deadline until_;
  std::array<side, 2> sides_;
  bool stopping_ = false;
  std::optional<clock::time_point> limit_; // when to end by force what has started
};

} // namespace dma::detail

#endif
