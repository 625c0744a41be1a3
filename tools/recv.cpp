// SPDX-License-Identifier: MIT
// pinring recv: from the stream to a file or a pipe.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include <fmt/core.h>

#include <dma/buffer.hpp>
#include <dma/transfer.hpp>

#include "command.hpp"
#include "errors.hpp"
#include "files.hpp"
#include "stream.hpp"
#include "text.hpp"
#include "validators.hpp"
#include "watch.hpp"

namespace tools {
namespace {

using clock = std::chrono::steady_clock;

struct recv_options {
  std::string file;
  std::uint64_t bytes = 0;
  bool may_be_short = false;
  bool quiet = false;
  stream_options stream{.device = {}, .piece = 0, .packet = 0, .timeout_s = 0};
};

int run(const recv_options& options) {
  dma::device device = open_device(options.stream.device);
  const dma::device_info& info = device.info();
  need_directions(info, dma::direction::receive, "it has nothing to receive from");
  cutting c = cut(info, options.stream);
  if (options.may_be_short) {
    // One packet at a time: only its own job can tell where it ended.
    // Some can tell of one BD only.
    c.piece = info.exact_short || options.stream.packet
                  ? c.packet
                  : std::min<std::uint64_t>(c.packet, info.max_bd_bytes);
    c.framing = dma::framing::packet;
  }
  output file{options.file};

  // Room for a whole packet, also for the last one: it ends where it ends.
  dma::buffer<std::byte> memory(options.may_be_short ? c.piece : std::min(c.piece, options.bytes));
  const clock::time_point started = clock::now();
  std::uint64_t received = 0;
  std::uint64_t dropped = 0;
  bool bounced = false;
  const auto so_far = [&] {
    return fmt::format("{} of {} bytes were received and are in {}", count_text(received),
                       count_text(options.bytes), file.name());
  };
  {
    watch watched{{.device_path = info.path,
                   .name = info.name,
                   .counted = dma::direction::receive,
                   .packet_bytes = c.packet,
                   .total = options.bytes,
                   .patience = std::chrono::duration<double>{options.stream.timeout_s}}};
    while (received < options.bytes) {
      const std::uint64_t missing = options.bytes - received;
      const auto length =
          options.may_be_short
              ? memory.size()
              : static_cast<std::size_t>(std::min<std::uint64_t>(memory.size(), missing));
      watched.begin(length);
      dma::transfer_options how = watched.options();
      how.framing = c.framing;
      how.may_be_short = options.may_be_short;
      how.keep = true;
      const dma::outcome result = dma::receive(device, std::span{memory}.first(length), how);
      if (!result)
        throw ended(watched, result.error, info, c, dma::direction::receive, so_far());
      bounced = bounced || dma::has(result.flags, dma::completion_flags::bounced);
      const auto wanted = static_cast<std::size_t>(std::min(result.bytes, missing));
      watched.done(wanted);
      if (!file.write(std::span{memory}.first(wanted), watched))
        throw ended(watched, {}, info, c, dma::direction::receive, so_far());
      received += wanted;
      dropped += result.bytes - wanted;
    }
  }
  if (!options.quiet) {
    const clock::duration time = clock::now() - started;
    fmt::print(stderr, "{}: received {} bytes in {:.3f} s, {}{}\n", info.name, count_text(received),
               std::chrono::duration<double>{time}.count(), rate_text(received, time),
               bounced ? ", bounced" : "");
  }
  if (dropped)
    fmt::print(stderr,
               "{}: {} bytes at the end of the last packet were more than --bytes, and are gone\n",
               info.name, count_text(dropped));
  return exit_success;
}

} // namespace

void add_recv(CLI::App& app, action& chosen) {
  auto options = std::make_shared<recv_options>();
  CLI::App* const command =
      app.add_subcommand("recv", "receive a number of bytes from the stream into a file");
  command->footer(
      "Receives a number of bytes from the stream into FILE. It expects the packets that `pinring\n"
      "send` makes: the longest that the device takes, the last one shorter. For other peers say\n"
      "how long theirs are (--packet), or that they end where they end (--short).");
  command->add_option("FILE", options->file, "where to put it; - for standard output")
      ->type_name("")
      ->required();
  command->add_option("-n,--bytes", options->bytes, "how much to receive")
      ->required()
      ->transform(size_value())
      ->check(positive())
      ->type_name("SIZE");
  add_device_option(*command, options->stream.device);
  add_packet_option(*command, options->stream.packet,
                    "bytes of the peer's packets (default: the longest)");
  command->add_flag("--short", options->may_be_short,
                    "packets may end early; whole ones are received until there is enough");
  add_piece_option(*command, options->stream.piece, "8M");
  command->get_option("--piece")->excludes("--packet")->excludes("--short");
  add_timeout_option(*command, options->stream.timeout_s);
  command->add_flag("-q,--quiet", options->quiet, "say nothing when it went well");
  command->callback([options, &chosen] { chosen = [options] { return run(*options); }; });
}

} // namespace tools
