// SPDX-License-Identifier: MIT
// What a dma::device holds: its file for questions, and the rings of the synchronous calls.
#ifndef PINRING_SRC_DEVICE_STATE_HPP
#define PINRING_SRC_DEVICE_STATE_HPP

#include <array>
#include <chrono>
#include <memory>
#include <mutex>
#include <system_error>

#include <dma/device.hpp>
#include <dma/job.hpp>

#include "ring_core.hpp"

namespace dma::detail {

/// The rings of the synchronous calls on one device object.
///
/// Calls take turns for each direction. Whoever has the turn for a direction may touch the kept
/// ring of that direction; the one that claims both may be seen with either turn, but is used and
/// changed with both.
class synchronous_rings {
public:
  /// A ring for one call: lent for as long as this lives.
  class lease {
  public:
    lease() = default;
    lease(lease&&) = default;
    lease& operator=(lease&&) = delete;
    ~lease();

    [[nodiscard]] ring_core* operator->() const noexcept { return core_.get(); }
    [[nodiscard]] ring_core& operator*() const noexcept { return *core_; }
    [[nodiscard]] explicit operator bool() const noexcept { return core_ != nullptr; }
    /// Leaves the ring, claim and all, for later calls; it must be idle.
    void keep() noexcept { keep_ = true; }

  private:
    friend class synchronous_rings;
    synchronous_rings* rings_ = nullptr;
    std::unique_lock<std::timed_mutex> send_turn_;
    std::unique_lock<std::timed_mutex> receive_turn_;
    std::shared_ptr<ring_core> core_;
    bool was_kept_ = false;
    bool keep_ = false;
  };

  /// Waits for the turn until `until`, then finds or makes a ring that has claimed `directions`.
  [[nodiscard]] lease acquire(const device_info& info, direction directions, bool shared,
                              deadline until, std::error_code& error);
  /// Gives up what is kept.
  void release() noexcept;

private:
  [[nodiscard]] std::shared_ptr<ring_core>& kept(direction d) noexcept {
    return kept_[static_cast<std::uint32_t>(d)];
  }

  std::timed_mutex send_turn_;
  std::timed_mutex receive_turn_;
  std::array<std::shared_ptr<ring_core>, 4> kept_; // by direction
};

struct device_state {
  device_state() = default;
  device_state(const device_state&) = delete;
  device_state& operator=(const device_state&) = delete;
  ~device_state();

  kernel* calls = nullptr;
  int fd = -1;
  device_info info;
  synchronous_rings rings;
};

} // namespace dma::detail

#endif
