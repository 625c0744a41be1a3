// SPDX-License-Identifier: MIT
// What send, recv and loop have in common: the options, the cutting into pieces, and the end.
#ifndef PINRING_TOOLS_STREAM_HPP
#define PINRING_TOOLS_STREAM_HPP

#include <cstdint>
#include <string>
#include <system_error>

#include <CLI/CLI.hpp>

#include <dma/device.hpp>
#include <dma/transfer.hpp>

#include "failure.hpp"
#include "watch.hpp"

namespace tools {

struct stream_options {
  std::string device;
  std::uint64_t piece = 0;  // 0: the command's default
  std::uint64_t packet = 0; // 0: the device's chunk
  double timeout_s = 0;
};

void add_device_option(CLI::App& command, std::string& device);
void add_piece_option(CLI::App& command, std::uint64_t& piece, const std::string& dflt);
void add_packet_option(CLI::App& command, std::uint64_t& packet, const std::string& text);
void add_timeout_option(CLI::App& command, double& seconds);

/// How a stream of any length is cut.
struct cutting {
  std::uint64_t packet = 0; // bytes of a full packet
  std::uint64_t piece = 0;  // bytes handed to the library at a time, a multiple of it
  dma::framing framing = dma::framing::automatic;
};

/// Pieces that are whole packets, so that the packets do not depend on the pieces.
/// @throws failure if the packet is longer than the device takes
[[nodiscard]] cutting cut(const dma::device_info& info, const stream_options& options);

/// @throws failure if the device lacks a direction
void need_directions(const dma::device_info& info, dma::direction wanted, const std::string& why);

/// Why a transfer did not succeed. `so_far` says what is done, "3 of 10 bytes were sent".
[[nodiscard]] failure ended(const watch& watched, std::error_code error,
                            const dma::device_info& info, const cutting& c,
                            dma::direction directions, const std::string& so_far);

} // namespace tools

#endif
