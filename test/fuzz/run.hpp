// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "episode.hpp"
#include "tally.hpp"

namespace fuzz {

struct plan {
  std::uint64_t seed = 0;
  /// Whichever comes first.
  std::chrono::seconds duration{20};
  std::uint64_t operations = ~std::uint64_t{0};
  unsigned workers = 4;
  std::vector<device> devices;
  /// Only this episode, again and again.
  std::optional<std::uint64_t> episode;
};

/// Workers that live one episode after the other, each in a process of its own, and somebody who
/// turns switches meanwhile; then everything is put back, and has to work. What was wrong has been
/// printed when it returns, and is counted in the tally.
const tally& run(const plan& how);

} // namespace fuzz
