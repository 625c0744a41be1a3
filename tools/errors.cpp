// SPDX-License-Identifier: MIT
#include "errors.hpp"

#include <algorithm>

#include <unistd.h>

#include <fmt/format.h>

#include <dma/error.hpp>

#include "failure.hpp"

namespace tools {
namespace {

// Where the library speaks of objects that a user of this tool does not see.
std::string in_own_words(std::error_code error, const dma::device_info& info,
                         dma::direction directions) {
  if (error == dma::errc::busy)
    return fmt::format(
        "another program has claimed it: wait, or end that program; `fuser -v {}` tells "
        "which it is",
        info.path);
  if (error == dma::errc::ended_early)
    return directions == dma::direction::receive
               ? "a packet ended before its expected length: say how long the peer's packets are "
                 "(--packet), or that they end where they end (--short)"
               : "a packet came back shorter than it went out: a loop needs a peer that returns "
                 "every "
                 "packet as it was";
  return {};
}

} // namespace

dma::device open_device(const std::string& name) {
  try {
    return name.empty() ? dma::device{} : dma::device{name};
  } catch (const std::system_error& error) {
    std::string text = error.what();
    if (error.code() == dma::errc::module_not_loaded)
      text += ", or, for devices without hardware, sudo modprobe pinring_sim";
    throw failure{text};
  }
}

std::uint64_t locked_bytes_needed(const dma::device_info& info, std::uint64_t bytes,
                                  dma::direction directions) {
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  // One page more, as memory seldom starts on one.
  const std::uint64_t packet = (std::min(bytes, info.chunk) + page - 1) / page * page + page;
  return packet * (dma::has(directions, dma::direction::both) ? 2 : 1);
}

std::string explain(std::error_code error, const dma::device_info& info, std::uint64_t bytes,
                    dma::direction directions) {
  dma::error_context context{.device = info.name, .bytes = 0, .max_packet = info.chunk};
  if (error == dma::errc::memlock_exceeded)
    context.bytes = locked_bytes_needed(info, bytes, directions);
  else if (error == dma::errc::message_too_long)
    context.bytes = bytes;
  const std::string own = in_own_words(error, info, directions);
  return own.empty() ? dma::explain(error, context) : info.name + ": " + own;
}

} // namespace tools
