// SPDX-License-Identifier: MIT
// pinring send: a file, or what a pipe brings, to the stream.
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
#include "watch.hpp"

namespace tools {
namespace {

using clock = std::chrono::steady_clock;

struct send_options {
  std::string file;
  bool quiet = false;
  stream_options stream{.device = {}, .piece = 0, .packet = 0, .timeout_s = 10};
};

int run(const send_options& options) {
  dma::device device = open_device(options.stream.device);
  const dma::device_info& info = device.info();
  need_directions(info, dma::direction::send, "it has nothing to send to");
  const cutting c = cut(info, options.stream);
  input file{options.file};

  dma::buffer<std::byte> memory(file.size() ? std::min<std::uint64_t>(c.piece, *file.size())
                                            : c.piece);
  const clock::time_point started = clock::now();
  std::uint64_t sent = 0;
  bool bounced = false;
  {
    watch watched{{.device_path = info.path,
                   .name = info.name,
                   .counted = dma::direction::send,
                   .packet_bytes = c.packet,
                   .total = file.size(),
                   .patience = std::chrono::duration<double>{options.stream.timeout_s}}};
    while (const std::size_t length = file.read(memory, &watched)) {
      if (watched.why() != watch::ending::none)
        break;
      watched.begin(length);
      dma::transfer_options how = watched.options();
      how.framing = c.framing;
      how.keep = true;
      const dma::outcome result = dma::send(device, std::span{memory}.first(length), how);
      if (!result)
        throw ended(watched, result.error, info, c, dma::direction::send,
                    fmt::format("{} bytes were sent", count_text(sent + result.bytes)));
      bounced = bounced || dma::has(result.flags, dma::completion_flags::bounced);
      sent += length;
      watched.done(length);
    }
    if (watched.why() != watch::ending::none)
      throw ended(watched, {}, info, c, dma::direction::send,
                  fmt::format("{} bytes were sent", count_text(sent)));
  }
  if (sent == 0)
    throw failure{fmt::format("{}: it is empty, there is nothing to send", file.name())};
  if (!options.quiet) {
    const clock::duration time = clock::now() - started;
    fmt::print(stderr, "{}: sent {} bytes in {:.3f} s, {}{}\n", info.name, count_text(sent),
               std::chrono::duration<double>{time}.count(), rate_text(sent, time),
               bounced ? ", bounced" : "");
  }
  return exit_success;
}

} // namespace

void add_send(CLI::App& app, action& chosen) {
  auto options = std::make_shared<send_options>();
  CLI::App* const command = app.add_subcommand("send", "send a file to the stream");
  command->footer(
      "Sends FILE to the stream. Its bytes travel as packets (TLAST at the end of each) of the\n"
      "longest length that the device takes, the last one shorter, unless --packet says\n"
      "otherwise.");
  command->add_option("FILE", options->file, "what to send; - for standard input")
      ->type_name("")
      ->required();
  add_device_option(*command, options->stream.device);
  add_packet_option(*command, options->stream.packet, "bytes of a packet (default: the longest)");
  add_piece_option(*command, options->stream.piece, "8M");
  command->get_option("--piece")->excludes("--packet");
  add_timeout_option(*command, options->stream.timeout_s);
  command->add_flag("-q,--quiet", options->quiet, "say nothing when it went well");
  command->callback([options, &chosen] { chosen = [options] { return run(*options); }; });
}

} // namespace tools
