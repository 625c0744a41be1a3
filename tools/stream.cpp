// SPDX-License-Identifier: MIT
#include "stream.hpp"

#include <algorithm>

#include <fmt/format.h>

#include <dma/error.hpp>

#include "errors.hpp"
#include "text.hpp"
#include "validators.hpp"

namespace tools {
namespace {

// Long enough that the system calls do not count, short enough to be memory that nobody misses.
constexpr std::uint64_t default_piece = std::uint64_t{8} << 20;

std::string missing_peer(dma::direction directions, const cutting& c) {
  if (directions == dma::direction::send)
    return "takes the data";
  if (directions == dma::direction::receive)
    return fmt::format("sends, in packets of no more than {} bytes (--packet)", c.packet);
  return "sends back what it gets";
}

} // namespace

void add_device_option(CLI::App& command, std::string& device) {
  command.add_option("-d,--device", device, "device, by name or path (default: the first)")
      ->type_name("NAME");
}

void add_piece_option(CLI::App& command, std::uint64_t& piece, const std::string& dflt) {
  command
      .add_option("--piece", piece,
                  "hand over so much at a time; rounded down to whole packets (default: " + dflt +
                      ")")
      ->transform(size_value())
      ->check(positive())
      ->type_name("SIZE");
}

void add_packet_option(CLI::App& command, std::uint64_t& packet, const std::string& text) {
  command.add_option("--packet", packet, text)
      ->transform(size_value())
      ->check(positive())
      ->type_name("SIZE");
}

void add_timeout_option(CLI::App& command, double& seconds) {
  command
      .add_option("--timeout", seconds,
                  "give up when no packet has moved for so long; 0: wait for ever")
      ->check(not_negative())
      ->capture_default_str()
      ->type_name("SECONDS");
}

cutting cut(const dma::device_info& info, const stream_options& options) {
  cutting c;
  if (options.packet) {
    if (options.packet > info.chunk)
      throw failure{fmt::format("{}: --packet {}: the longest packet here has {} bytes ({})",
                                info.name, options.packet, info.chunk, size_text(info.chunk))};
    c.framing = dma::framing::packet;
    c.packet = c.piece = options.packet;
    return c;
  }
  const std::uint64_t wanted = options.piece ? options.piece : default_piece;
  if (wanted < info.chunk) {
    c.packet = c.piece = options.piece ? wanted : info.chunk;
  } else {
    c.packet = info.chunk;
    c.piece = wanted / info.chunk * info.chunk;
  }
  return c;
}

void need_directions(const dma::device_info& info, dma::direction wanted, const std::string& why) {
  if (!dma::has(info.directions, wanted))
    throw failure{fmt::format("{}: this device can only {}; {} (pinring info lists them)",
                              info.name, directions_text(info.directions), why)};
}

failure ended(const watch& watched, std::error_code error, const dma::device_info& info,
              const cutting& c, dma::direction directions, const std::string& so_far) {
  switch (watched.why()) {
  case watch::ending::interrupted:
    return failure{fmt::format("interrupted; {}", so_far), exit_interrupted};
  case watch::ending::stalled:
    return failure{
        fmt::format("{}: no packet has moved for {:.3g} s (--timeout); {}. Is there a peer "
                    "that {}, and is the FPGA loaded? dmesg may know more",
                    info.name, watched.patience().count(), so_far, missing_peer(directions, c))};
  case watch::ending::none:
    break;
  }
  return failure{fmt::format("{} ({})", explain(error, info, c.piece, directions), so_far)};
}

} // namespace tools
