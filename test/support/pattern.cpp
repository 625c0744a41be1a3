// SPDX-License-Identifier: MIT
#include "support/pattern.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace support {
namespace {

constexpr std::size_t word_bytes = sizeof(std::uint64_t);

// One multiplication by an odd number is a bijection: every index gives another word. The shift
// brings the high bits, which vary most, into the low bytes.
constexpr std::uint64_t word(std::uint64_t seed, std::uint64_t index) {
  const auto mixed = (index + (seed << 40)) * 0x9E3779B97F4A7C15ULL;
  return mixed ^ (mixed >> 29);
}

} // namespace

void fill_pattern(std::span<std::byte> bytes, std::uint64_t seed) {
  std::uint64_t index = 0;

  for (; bytes.size() >= word_bytes; bytes = bytes.subspan(word_bytes)) {
    const auto value = word(seed, index++);
    std::memcpy(bytes.data(), &value, word_bytes);
  }
  const auto rest = word(seed, index);
  std::memcpy(bytes.data(), &rest, bytes.size());
}

std::optional<std::size_t> pattern_mismatch(std::span<const std::byte> bytes, std::uint64_t seed) {
  for (std::size_t at = 0; at < bytes.size(); at += word_bytes) {
    const auto value = word(seed, at / word_bytes);
    const auto length = std::min(word_bytes, bytes.size() - at);
    if (std::memcmp(bytes.data() + at, &value, length) == 0)
      continue;

    std::array<std::byte, word_bytes> expected;
    std::memcpy(expected.data(), &value, word_bytes);
    const auto part = bytes.subspan(at, length);
    return at + static_cast<std::size_t>(std::ranges::mismatch(part, expected).in1 - part.begin());
  }
  return std::nullopt;
}

bool same_bytes(std::span<const std::byte> a, std::span<const std::byte> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size()) == 0;
}

} // namespace support
