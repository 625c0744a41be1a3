// SPDX-License-Identifier: MIT
#include "../latency.hpp"

#include <cstdint>
#include <limits>
#include <vector>

#include <catch.hpp>

using bench::histogram;

namespace {

constexpr std::uint64_t largest = std::numeric_limits<std::uint64_t>::max();

} // namespace

TEST_CASE("an empty histogram answers 0 to everything") {
  const histogram h;
  CHECK(h.count() == 0);
  CHECK(h.min() == 0);
  CHECK(h.max() == 0);
  CHECK(h.mean() == 0.0);
  CHECK(h.percentile(0.5) == 0);
}

TEST_CASE("one value is every percentile, exactly") {
  for (const std::uint64_t value : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{127},
                                    std::uint64_t{128}, std::uint64_t{1234567}, largest}) {
    histogram h;
    h.record(value);
    CAPTURE(value);
    CHECK(h.min() == value);
    CHECK(h.max() == value);
    CHECK(h.percentile(0) == value);
    CHECK(h.percentile(0.5) == value);
    CHECK(h.percentile(1) == value);
  }
}

TEST_CASE("small values are counted exactly") {
  histogram h;
  for (std::uint64_t value = 1; value <= 100; ++value)
    h.record(value);
  CHECK(h.percentile(0.01) == 1);
  CHECK(h.percentile(0.50) == 50);
  CHECK(h.percentile(0.90) == 90);
  CHECK(h.percentile(0.99) == 99);
  CHECK(h.percentile(0.999) == 100);
  CHECK(h.percentile(1.00) == 100);
  CHECK(h.mean() == 50.5); // a sum of small integers is exact
}

TEST_CASE("a percentile is never too low and at most 1/64 too high") {
  for (std::uint64_t value = 1; value < largest / 3; value = value * 3 + 1) {
    histogram h;
    h.record(value);
    h.record(largest); // so that the maximum does not mend the bin's upper end
    const std::uint64_t found = h.percentile(0.5);
    CAPTURE(value, found);
    CHECK(found >= value);
    CHECK(found - value <= value / 64);
  }
}

TEST_CASE("the order of the values does not matter") {
  histogram up, down;
  for (std::uint64_t i = 0; i < 5000; ++i) {
    up.record(i * i);
    down.record((4999 - i) * (4999 - i));
  }
  for (const double share : {0.1, 0.5, 0.9, 0.99, 0.999})
    CHECK(up.percentile(share) == down.percentile(share));
  CHECK(up.min() == down.min());
  CHECK(up.max() == down.max());
}

TEST_CASE("a rare large value shows in the high percentiles only") {
  histogram h;
  for (int i = 0; i < 999; ++i)
    h.record(100);
  h.record(1'000'000);
  CHECK(h.percentile(0.99) == 100);
  CHECK(h.percentile(0.999) == 100);
  CHECK(h.percentile(0.9999) == 1'000'000);
}

TEST_CASE("the bins hold every value once, in order and without overlap") {
  histogram h;
  const std::vector<std::uint64_t> values{0,   1,    127,  128,   129,    255,
                                          256, 1000, 1001, 99999, largest};
  for (const std::uint64_t value : values)
    h.record(value);
  std::uint64_t total = 0;
  std::uint64_t next = 0;
  h.for_each_bin([&](std::uint64_t lowest, std::uint64_t highest, std::uint64_t count) {
    CHECK(lowest >= next);
    CHECK(highest >= lowest);
    std::uint64_t inside = 0;
    for (const std::uint64_t value : values)
      inside += value >= lowest && value <= highest;
    CHECK(inside == count);
    total += count;
    next = highest == largest ? largest : highest + 1;
  });
  CHECK(total == values.size());
}
