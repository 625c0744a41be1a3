// SPDX-License-Identifier: MIT
// Times, counted in bins: recording one costs a few instructions and no memory, however many there
// are, and percentiles of any depth can be asked for afterwards.
#ifndef PINRING_BENCH_LATENCY_HPP
#define PINRING_BENCH_LATENCY_HPP

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace bench {

/// A histogram of 64-bit values whose bins grow with the value: exact below 128, and never wider
/// than 1/64 of the value from there on.
class histogram final {
public:
  void record(std::uint64_t value) noexcept {
    ++bins_[bin_of(value)];
    ++count_;
    sum_ += static_cast<double>(value);
    min_ = count_ == 1 ? value : std::min(min_, value);
    max_ = std::max(max_, value);
  }

  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
  /// Exact; 0 if there is none.
  [[nodiscard]] std::uint64_t min() const noexcept { return min_; }
  [[nodiscard]] std::uint64_t max() const noexcept { return max_; }
  [[nodiscard]] double mean() const noexcept {
    return count_ ? sum_ / static_cast<double>(count_) : 0;
  }

  /// The least value that `share` (0 to 1) of all are not above; at most 1/64 too high, never above
  /// the maximum. 0 if there is none.
  [[nodiscard]] std::uint64_t percentile(double share) const noexcept {
    if (!count_)
      return 0;
    const double wanted = std::ceil(std::clamp(share, 0.0, 1.0) * static_cast<double>(count_));
    const auto rank = std::clamp<std::uint64_t>(static_cast<std::uint64_t>(wanted), 1, count_);
    std::uint64_t seen = 0;
    for (std::size_t bin = 0; bin < bins_.size(); ++bin) {
      seen += bins_[bin];
      if (seen >= rank)
        return std::min(highest(bin), max_);
    }
    return max_;
  }

  /// Calls visit(lowest value, highest value, count) for every bin that is not empty, in order.
  template <class Visit>
  void for_each_bin(Visit visit) const {
    for (std::size_t bin = 0; bin < bins_.size(); ++bin)
      if (bins_[bin])
        visit(lowest(bin), highest(bin), bins_[bin]);
  }

private:
  static constexpr unsigned per_octave_bits = 6;
  static constexpr std::size_t per_octave = std::size_t{1} << per_octave_bits;

  // A value is kept to its seven highest bits; `shift` is how many are lost.
  static constexpr std::size_t bin_of(std::uint64_t value) noexcept {
    const auto bits = static_cast<unsigned>(std::bit_width(value));
    const unsigned shift = bits > per_octave_bits + 1 ? bits - per_octave_bits - 1 : 0;
    return shift * per_octave + static_cast<std::size_t>(value >> shift);
  }
  static constexpr unsigned shift_of(std::size_t bin) noexcept {
    return bin < 2 * per_octave ? 0 : static_cast<unsigned>(bin / per_octave) - 1;
  }
  static constexpr std::uint64_t lowest(std::size_t bin) noexcept {
    const unsigned shift = shift_of(bin);
    return static_cast<std::uint64_t>(bin - shift * per_octave) << shift;
  }
  static constexpr std::uint64_t highest(std::size_t bin) noexcept {
    return lowest(bin) + ((std::uint64_t{1} << shift_of(bin)) - 1);
  }

  static constexpr std::size_t bin_count = (64 - per_octave_bits - 1) * per_octave + 2 * per_octave;

  std::array<std::uint64_t, bin_count> bins_{};
  std::uint64_t count_ = 0;
  std::uint64_t min_ = 0;
  std::uint64_t max_ = 0;
  double sum_ = 0;
};

} // namespace bench

#endif
