// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "descriptors.hpp"
#include "tally.hpp"

namespace fuzz {

struct device {
  std::string path;
  std::string name;
};

/// One process's life with a ring, from open to whatever its end is: some hundred random steps that
/// `seed` determines, in company of further threads and children. Returns when it is over; a caller
/// that kills the process at any moment is part of the plan.
void run_episode(std::uint64_t seed, std::span<const device> devices, const exchange& others,
                 tally& counts, slot& mine);

/// Whether the episode of this seed leaves memory of the process itself open to the engine.
[[nodiscard]] bool is_wild(std::uint64_t seed);

} // namespace fuzz
