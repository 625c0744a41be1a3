// SPDX-License-Identifier: MIT
#include "counters.hpp"

#include <filesystem>
#include <fstream>

namespace tools {
namespace {

bool read_number(const std::string& path, std::uint64_t& into) {
  std::ifstream file{path};
  return static_cast<bool>(file >> into);
}

bool read_channel(const std::string& folder, channel_counters& into) {
  return read_number(folder + "/jobs", into.jobs) &&
         read_number(folder + "/packets", into.packets) &&
         read_number(folder + "/bytes", into.bytes) &&
         read_number(folder + "/bounced", into.bounced) && read_number(folder + "/bds", into.bds) &&
         read_number(folder + "/pages", into.pages) && read_number(folder + "/errors", into.errors);
}

channel_counters difference(const channel_counters& after,
                            const channel_counters& before) noexcept {
  return {.jobs = after.jobs - before.jobs,
          .packets = after.packets - before.packets,
          .bytes = after.bytes - before.bytes,
          .bounced = after.bounced - before.bounced,
          .bds = after.bds - before.bds,
          .pages = after.pages - before.pages,
          .errors = after.errors - before.errors};
}

} // namespace

device_counters operator-(const device_counters& after, const device_counters& before) noexcept {
  return {.send = difference(after.send, before.send),
          .recv = difference(after.recv, before.recv),
          .recoveries = after.recoveries - before.recoveries};
}

// The device may have been named by a link that udev made.
std::string counters_folder(const std::string& device_path) {
  std::error_code error;
  std::filesystem::path node = std::filesystem::canonical(device_path, error);
  if (error)
    node = device_path;
  return "/sys/class/misc/" + node.filename().string();
}

std::optional<device_counters> read_counters(const std::string& folder) {
  device_counters found;
  if (!read_channel(folder + "/send", found.send) || !read_channel(folder + "/recv", found.recv) ||
      !read_number(folder + "/recoveries", found.recoveries))
    return std::nullopt;
  return found;
}

std::optional<std::uint64_t> read_packets(const std::string& folder, dma::direction directions) {
  std::uint64_t sum = 0;
  for (const auto& [direction, name] : {std::pair{dma::direction::send, "/send/packets"},
                                        std::pair{dma::direction::receive, "/recv/packets"}}) {
    std::uint64_t packets = 0;
    if (!dma::has(directions, direction))
      continue;
    if (!read_number(folder + name, packets))
      return std::nullopt;
    sum += packets;
  }
  return sum;
}

} // namespace tools
