// SPDX-License-Identifier: MIT
// From what the library says to what the user of this tool can do about it.
#ifndef PINRING_TOOLS_ERRORS_HPP
#define PINRING_TOOLS_ERRORS_HPP

#include <cstdint>
#include <string>
#include <system_error>

#include <dma/device.hpp>

namespace tools {

/// By name, by path or, if empty, the first.
/// @throws failure
[[nodiscard]] dma::device open_device(const std::string& name);

/// Locked memory without which a transfer of `bytes` gets nowhere: one packet for each direction,
/// however long the transfer is, as the driver pins a moving window.
[[nodiscard]] std::uint64_t locked_bytes_needed(const dma::device_info& info, std::uint64_t bytes,
                                                dma::direction directions);

/// One sentence about a failed transfer, beginning with the device.
[[nodiscard]] std::string explain(std::error_code error, const dma::device_info& info,
                                  std::uint64_t bytes, dma::direction directions);

} // namespace tools

#endif
