// SPDX-License-Identifier: MIT
// Numbers as people read them.
#ifndef PINRING_TOOLS_TEXT_HPP
#define PINRING_TOOLS_TEXT_HPP

#include <chrono>
#include <cstdint>
#include <string>

#include <dma/device.hpp>

namespace tools {

/// A size in binary units, exact: "64 KiB", "1012 KiB", "100 B".
[[nodiscard]] std::string size_text(std::uint64_t bytes);
/// With separated thousands: "41,943,040".
[[nodiscard]] std::string count_text(std::uint64_t n);
/// Decimal megabytes a second: "68.5 MB/s".
[[nodiscard]] std::string rate_text(std::uint64_t bytes, std::chrono::duration<double> time);
/// "send", "receive" or "send, receive".
[[nodiscard]] std::string directions_text(dma::direction directions);
/// "loop0 (/dev/pinring0)".
[[nodiscard]] std::string device_text(const dma::device_info& info);
/// "provider pinring_sim: a simulator, no hardware", or only the provider.
[[nodiscard]] std::string provider_text(const dma::device_info& info);

} // namespace tools

#endif
