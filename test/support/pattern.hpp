// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace support {

/// Fills bytes with numbers of which none comes twice within a seed, so that a page in the wrong
/// place, or of another job, is seen. The same seed gives the same bytes, wherever they lie.
void fill_pattern(std::span<std::byte> bytes, std::uint64_t seed);

/// Position of the first byte that is not the pattern's, nothing when all are.
[[nodiscard]] std::optional<std::size_t> pattern_mismatch(std::span<const std::byte> bytes,
                                                          std::uint64_t seed);

[[nodiscard]] bool same_bytes(std::span<const std::byte> a, std::span<const std::byte> b);

} // namespace support
