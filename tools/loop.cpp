// SPDX-License-Identifier: MIT
// pinring loop: a file goes out through the device and comes back, compared by hash.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <fmt/core.h>

#include <dma/transfer.hpp>

#include "command.hpp"
#include "counters.hpp"
#include "errors.hpp"
#include "files.hpp"
#include "sha256.hpp"
#include "stream.hpp"
#include "text.hpp"
#include "watch.hpp"

namespace tools {
namespace {

using bytes = std::vector<std::byte>;
using clock = std::chrono::steady_clock;

struct loop_options {
  std::string file;
  stream_options stream{.device = {}, .piece = 0, .packet = 0, .timeout_s = 10};
};

/// What is not what was sent, in every byte: so that no byte that did not arrive can look right.
bytes unlike(const bytes& data) {
  bytes other(data.size());
  std::ranges::transform(data, other.begin(), [](std::byte b) { return ~b; });
  return other;
}

/// @throws failure
void exchange(dma::device& device, const cutting& c, const bytes& out, bytes& in, watch& watched) {
  const std::string counters = counters_folder(device.info().path);
  const auto before = read_counters(counters);
  for (std::size_t at = 0; at < out.size();) {
    const std::size_t length = std::min<std::size_t>(c.piece, out.size() - at);
    watched.begin(length);
    dma::transfer_options options = watched.options();
    options.keep = true; // one claim for all pieces
    const dma::transfer_result result = dma::transfer(device, std::span{out}.subspan(at, length),
                                                      std::span{in}.subspan(at, length), options);
    if (!result) {
      // The driver counts also what a transfer that was ended from here had moved.
      std::uint64_t sent = at + result.sent.bytes;
      std::uint64_t received = at + result.received.bytes;
      if (const auto now = read_counters(counters); now && before) {
        sent = (*now - *before).send.bytes;
        received = (*now - *before).recv.bytes;
      }
      throw ended(watched, result.error(), device.info(), c, dma::direction::both,
                  fmt::format("of {} bytes {} went out and {} came back", count_text(out.size()),
                              count_text(sent), count_text(received)));
    }
    watched.done(length);
    at += length;
  }
}

void report(const bytes& out, clock::duration time, const std::optional<device_counters>& before,
            const std::optional<device_counters>& after) {
  fmt::print("back     {} bytes in {:.3f} s, {} each way", count_text(out.size()),
             std::chrono::duration<double>{time}.count(), rate_text(out.size(), time));
  if (before && after) {
    const device_counters d = *after - *before;
    fmt::print(", {} packets and {} descriptors out, {} and {} back", count_text(d.send.packets),
               count_text(d.send.bds), count_text(d.recv.packets), count_text(d.recv.bds));
    if (d.send.bounced || d.recv.bounced)
      fmt::print(", {} bytes bounced out and {} back", count_text(d.send.bounced),
                 count_text(d.recv.bounced));
  }
  fmt::print("\n");
  static_cast<void>(std::fflush(stdout));
}

int run(const loop_options& options) {
  dma::device device = open_device(options.stream.device);
  const dma::device_info& info = device.info();
  need_directions(info, dma::direction::both, "a loop needs both directions");

  input file{options.file};
  const bytes out = file.read_all();
  if (out.empty())
    throw failure{fmt::format("{}: it is empty, there is nothing to send", file.name())};
  cutting c = cut(info, options.stream);
  if (!options.stream.piece)
    c.piece = out.size();

  fmt::print("device   {}, {}\n", device_text(info), provider_text(info));
  fmt::print("file     {}, {} bytes, in an ordinary std::vector\n", file.name(),
             count_text(out.size()));
  fmt::print("before   sha256 {}\n", sha256(out));
  static_cast<void>(std::fflush(stdout));

  bytes in = unlike(out);
  const std::string counters = counters_folder(info.path);
  const auto counted_before = read_counters(counters);
  clock::duration time{};
  {
    watch watched{{.device_path = info.path,
                   .name = info.name,
                   .counted = dma::direction::receive,
                   .packet_bytes = c.packet,
                   .total = out.size(),
                   .patience = std::chrono::duration<double>{options.stream.timeout_s}}};
    const clock::time_point started = clock::now();
    exchange(device, c, out, in, watched);
    time = clock::now() - started;
  }
  report(out, time, counted_before, read_counters(counters));

  fmt::print("after    sha256 {}\n", sha256(in));
  const auto [differs, ignored] = std::ranges::mismatch(in, out);
  if (differs == in.end()) {
    fmt::print("result   equal\n");
    return exit_success;
  }
  fmt::print("result   DIFFERENT, first at byte {} of {}\n",
             count_text(static_cast<std::uint64_t>(differs - in.begin())), count_text(in.size()));
  return exit_failure;
}

} // namespace

void add_loop(CLI::App& app, action& chosen) {
  auto options = std::make_shared<loop_options>();
  CLI::App* const command =
      app.add_subcommand("loop", "send a file out and receive it back, and compare it by SHA-256");
  command->footer(
      "Reads FILE into an ordinary std::vector, sends it through a device that loops back, and\n"
      "receives it into another one. Prints the SHA-256 of both. Exit code 0 only if they are\n"
      "equal.");
  command->add_option("FILE", options->file, "what to send; - for standard input")
      ->type_name("")
      ->required();
  add_device_option(*command, options->stream.device);
  add_piece_option(*command, options->stream.piece, "the whole file");
  add_timeout_option(*command, options->stream.timeout_s);
  command->callback([options, &chosen] { chosen = [options] { return run(*options); }; });
}

} // namespace tools
