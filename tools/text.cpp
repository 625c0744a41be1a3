// SPDX-License-Identifier: MIT
#include "text.hpp"

#include <array>

#include <fmt/format.h>

namespace tools {

std::string size_text(std::uint64_t bytes) {
  static constexpr std::array units{"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  while (bytes && bytes % 1024 == 0 && unit + 1 < units.size()) {
    bytes /= 1024;
    ++unit;
  }
  return fmt::format("{} {}", bytes, units[unit]);
}

std::string count_text(std::uint64_t n) {
  std::string text = std::to_string(n);
  for (std::size_t at = text.size(); at > 3; at -= 3)
    text.insert(at - 3, 1, ',');
  return text;
}

std::string rate_text(std::uint64_t bytes, std::chrono::duration<double> time) {
  if (time.count() <= 0)
    return "- MB/s";
  const double rate = static_cast<double>(bytes) / time.count() / 1e6;
  return fmt::format("{:.{}f} MB/s", rate, rate < 100 ? 1 : 0);
}

std::string directions_text(dma::direction directions) {
  if (dma::has(directions, dma::direction::both))
    return "send, receive";
  return dma::has(directions, dma::direction::send) ? "send" : "receive";
}

std::string device_text(const dma::device_info& info) {
  return fmt::format("{} ({})", info.name, info.path);
}

std::string provider_text(const dma::device_info& info) {
  return fmt::format("provider {}{}", info.provider,
                     info.simulator ? ": a simulator, no hardware" : "");
}

} // namespace tools
