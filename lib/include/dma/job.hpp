// SPDX-License-Identifier: MIT
/// @file
/// What is asked of a job, and what it answers: shared by `dma::ring` and `dma::transfer`.
#ifndef DMA_JOB_HPP
#define DMA_JOB_HPP

#include <chrono>
#include <cstdint>
#include <system_error>

#include <dma/error.hpp>
#include <dma/export.hpp>

namespace dma {

/// When a job or a wait ends by itself: a duration from the call on, a point of `steady_clock`
/// (which is CLOCK_MONOTONIC), never, or, by default, what is usual for the thing at hand: a send
/// has `device_info::send_deadline`, everything else waits for ever.
class deadline final {
public:
  enum class kind : std::uint8_t { standard, relative, absolute, never };

  constexpr deadline() noexcept = default;

  /// From the call on (a job's: from its submission on). Negative is as good as passed.
  template <class Rep, class Period>
  constexpr deadline(std::chrono::duration<Rep, Period> d) noexcept {
    set(kind::relative, d);
  }
  template <class Duration>
  constexpr deadline(std::chrono::time_point<std::chrono::steady_clock, Duration> t) noexcept {
    set(kind::absolute, t.time_since_epoch());
  }

  [[nodiscard]] static constexpr deadline never() noexcept {
    deadline d;
    d.kind_ = kind::never;
    return d;
  }

  [[nodiscard]] constexpr kind what() const noexcept { return kind_; }
  /// The duration or, since the clock's epoch, the point; at least 1. 0 for the other two kinds.
  [[nodiscard]] constexpr std::uint64_t count_ns() const noexcept { return ns_; }

  /// The same deadline as a point in time, so that it can be used for several steps.
  [[nodiscard]] constexpr deadline
  starting(std::chrono::steady_clock::time_point now) const noexcept {
    if (kind_ != kind::relative)
      return *this;
    const auto since = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(now.time_since_epoch()).count());
    deadline d;
    if (ns_ > limit - since)
      return never();
    d.kind_ = kind::absolute;
    d.ns_ = since + ns_;
    return d;
  }

private:
  static constexpr std::uint64_t limit = 0x7fff'ffff'ffff'ffff;

  template <class Rep, class Period>
  constexpr void set(kind k, std::chrono::duration<Rep, Period> d) noexcept {
    // hours::max() does not fit nanoseconds: compare in floating point, where nothing overflows.
    const double approx = std::chrono::duration<double, std::nano>{d}.count();
    if (approx >= 9.2e18) {
      kind_ = kind::never;
      return;
    }
    kind_ = k;
    const auto ns =
        approx < 1 ? 0 : std::chrono::duration_cast<std::chrono::nanoseconds>(d).count();
    // 0 would mean the default to the driver; a deadline that has passed is 1 ns.
    ns_ = ns < 1 ? 1 : static_cast<std::uint64_t>(ns);
  }

  kind kind_ = kind::standard;
  std::uint64_t ns_ = 0;
};

/// What a send may ask for.
struct send_options {
  /// When the job is ended with errc::deadline_passed; resets both channels if it had started.
  dma::deadline deadline{};
  /// As packets of `device_info::chunk` bytes, TLAST at each, instead of as one packet.
  bool split = false;
  /// A list of too many pieces may be gathered by a copy, which the completion then flags. Without
  /// this it is errc::message_too_long.
  bool gather = false;
  /// Fail with errc::bad_argument where the driver would have to copy: memory that the hardware
  /// can't take as it is (device_info::send_alignment), too many pieces to gather. Without this it
  /// does so, and flags the completion.
  bool zero_copy = false;
};

/// What a receive may ask for.
struct receive_options {
  /// When the job is ended with errc::deadline_passed; resets both channels if it had started.
  dma::deadline deadline{};
  /// From packets of `device_info::chunk` bytes (every one but the last is full).
  bool split = false;
  /// TLAST may come before the end of the memory; `bytes` then tells how much arrived, exactly.
  /// Without this a shorter packet ends the job with errc::ended_early, and so does with it any
  /// packet of a split receive but the last. Where device_info::exact_short is false the memory is
  /// received into through a copy, unless it is one piece for the device (a page, a huge page), and
  /// a last packet longer than device_info::max_bd_bytes is errc::message_too_long.
  bool may_be_short = false;
  /// The peer sends the whole batch of receives unasked, so they may be queued deep.
  bool batch = false;
  /// A list of too many pieces may be received through a copy, which the completion then flags.
  bool gather = false;
  /// Fail with errc::bad_argument where the driver would have to copy: as for a send, and where the
  /// memory does not begin and end on cache lines (device_info::cache_line), or may_be_short asks
  /// for a copy.
  bool zero_copy = false;
};

/// What a completion has to say besides its error.
enum class completion_flags : std::uint32_t {
  none = 0,
  bounced = 1U << 0,      ///< pinring copied some or all of the data
  short_packet = 1U << 1, ///< TLAST came before the end of the memory
  truncated = 1U << 2,    ///< the packet was longer than the memory
  collateral = 1U << 3,   ///< ended by a reset on another job's account
  more = 1U << 4,         ///< further completions of this job follow
};

[[nodiscard]] constexpr completion_flags operator|(completion_flags a,
                                                   completion_flags b) noexcept {
  return static_cast<completion_flags>(static_cast<std::uint32_t>(a) |
                                       static_cast<std::uint32_t>(b));
}
[[nodiscard]] constexpr completion_flags operator&(completion_flags a,
                                                   completion_flags b) noexcept {
  return static_cast<completion_flags>(static_cast<std::uint32_t>(a) &
                                       static_cast<std::uint32_t>(b));
}
/// Whether any of `wanted` is among `flags`.
[[nodiscard]] constexpr bool has(completion_flags flags, completion_flags wanted) noexcept {
  return (flags & wanted) != completion_flags::none;
}

/// What the dmaengine provider said of a job's last packet.
enum class provider_result : std::uint32_t { none, ok, read_failed, write_failed, aborted };

/// The one and only outcome of a job. When it is there, the memory is the caller's again: the
/// hardware can no longer touch it, and what it wrote can be read.
struct completion {
  std::uint64_t user_data = 0; ///< as given when the job was prepared
  std::error_code error{};     ///< none, or a dma::errc
  std::uint64_t bytes = 0;     ///< bytes known to have moved; of a cancel: jobs ended
  completion_flags flags{};    ///< see there
  provider_result provider{};  ///< see there

  /// True if the job succeeded.
  explicit operator bool() const noexcept { return !error; }
};

} // namespace dma

#endif
