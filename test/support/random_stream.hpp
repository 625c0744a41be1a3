// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <iterator>

namespace support {

/// Numbers that a seed determines, on every machine: what a run did can be done again. The
/// generator is Vigna's SplitMix64, small enough that each thread has its own.
class random_stream {
public:
  explicit random_stream(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    state_ += 0x9E3779B97F4A7C15ULL;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
  }

  /// 0 to bound - 1.
  std::uint64_t below(std::uint64_t bound) { return bound ? next() % bound : 0; }
  std::uint64_t between(std::uint64_t first, std::uint64_t last) {
    return first + below(last - first + 1);
  }
  bool chance(unsigned percent) { return below(100) < percent; }

  template <typename Container>
  auto& pick(Container& from) {
    return from[below(std::size(from))];
  }

  /// A number at which something may change: zero, all ones, around a power of two.
  std::uint64_t edge() {
    switch (below(6)) {
    case 0:
      return below(4);
    case 1:
      return ~below(4);
    case 2:
      return next();
    case 3:
      return next() & 0xFFFFFFFF;
    default:
      return (std::uint64_t{1} << below(64)) + below(3) - 1;
    }
  }

  /// Mostly small, and now and then as large as `most`: each power of two is as likely.
  std::uint64_t small(std::uint64_t most) {
    const auto bits = below(static_cast<std::uint64_t>(std::bit_width(most)) + 1);
    const auto value = bits == 0 ? 0 : next() >> (64 - bits);
    return value > most ? most : value;
  }

private:
  std::uint64_t state_;
};

/// A seed of its own for the n-th of something that `seed` determines.
[[nodiscard]] inline std::uint64_t seed_of(std::uint64_t seed, std::uint64_t n) {
  random_stream mixed(seed ^ (n * 0xD1342543DE82EF95ULL));
  return mixed.next();
}

} // namespace support
