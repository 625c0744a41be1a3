// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include <pinring.h>

#include "support/raw_ring.hpp"

namespace support {

/// Both completions of one trip through a loopback.
struct loop_result {
  pinring_cqe sent{};
  pinring_cqe received{};

  /// Success, and this many bytes, on both sides.
  [[nodiscard]] bool moved(std::uint64_t bytes) const;
};

/// Submits a receive and a send together and takes their completions; nothing else may be
/// outstanding.
[[nodiscard]] loop_result loop(raw_ring& ring, const pinring_sqe& send, const pinring_sqe& recv);
[[nodiscard]] loop_result loop(raw_ring& ring, std::span<const std::byte> out,
                               std::span<std::byte> in, std::uint32_t flags = 0);

/// Takes packets that nobody waits for any more, until a receive runs into its deadline; the
/// recovery that follows empties what is left. Who comes after a program that was killed needs it:
/// what that one had sent may still be in a loopback.
void empty_the_stream(raw_ring& ring);

/// Sends small packets of several sizes through the channel and compares what returns, guard bytes
/// included (a device of one direction is only sent to, or only received from). Throws
/// std::runtime_error, which says what was wrong, when the channel is not usable.
void prove_usable(raw_ring& ring);
/// The same with a new ring of its own.
void prove_usable(std::string_view device);

} // namespace support
