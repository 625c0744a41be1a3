// SPDX-License-Identifier: MIT
// pinring info: which devices there are and what they can do, for people and for programs.
#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include <dma/device.hpp>
#include <dma/error.hpp>

#include "command.hpp"
#include "counters.hpp"
#include "errors.hpp"
#include "failure.hpp"
#include "text.hpp"

namespace tools {
namespace {

using json = nlohmann::ordered_json;

struct info_options {
  std::string device;
  bool as_json = false;
};

struct feature_name {
  dma::feature feature;
  const char* name;
  const char* text;
};

constexpr std::array features{
    feature_name{dma::feature::split, "split", "transfers longer than a packet"},
    feature_name{dma::feature::window, "window", "transfers larger than RLIMIT_MEMLOCK"},
    feature_name{dma::feature::list, "list", "lists of pieces as one job"},
    feature_name{dma::feature::buffers, "buffers", "registered buffers"},
    feature_name{dma::feature::eventfd, "eventfd", "completions signal an eventfd"},
    feature_name{dma::feature::withdraw, "withdraw", "cancel jobs that have not started"},
    feature_name{dma::feature::drain, "drain", "wait for all that was submitted before"},
    feature_name{dma::feature::batch, "batch", "receives queued deep, for an unasked batch"},
    feature_name{dma::feature::abort, "abort", "cancel jobs that have started"},
    feature_name{dma::feature::bounce, "bounce", "what the hardware can't take, by way of a copy"},
    feature_name{dma::feature::gather, "gather", "lists of very many pieces by way of a copy"},
    feature_name{dma::feature::app_words, "app_words", "AXI APP words"},
    feature_name{dma::feature::timestamp, "timestamp", "completions carry a time"},
    feature_name{dma::feature::sequence, "sequence", "completions carry a sequence number"},
    feature_name{dma::feature::uring_cmd, "uring_cmd", "jobs by io_uring"},
};

std::vector<dma::device_entry> find(const std::string& device) {
  if (!device.empty())
    return {{.info = open_device(device).info(), .error = {}}};
  std::vector<dma::device_entry> found = dma::list_devices();
  if (found.empty())
    static_cast<void>(open_device("")); // says why there is none
  return found;
}

std::string state_text(const dma::device_entry& entry) {
  if (entry.error == dma::errc::not_permitted)
    return "no permission";
  if (entry.error)
    return entry.error.message();
  if (entry.info.dead)
    return "dead";
  return entry.info.simulator ? "simulator" : "ready";
}

void print_table(const std::vector<dma::device_entry>& found) {
  fmt::print("{:<15} {:<12} {:<14} {:<14} {:>11} {:>11}  {}\n", "DEVICE", "NAME", "PROVIDER",
             "DIRECTIONS", "PACKET", "BDS", "STATE");
  for (const dma::device_entry& entry : found) {
    const dma::device_info& i = entry.info;
    if (entry.error) {
      fmt::print("{:<15} {:<12} {:<14} {:<14} {:>11} {:>11}  {}\n", i.path, "-", "-", "-", "-", "-",
                 state_text(entry));
      continue;
    }
    fmt::print("{:<15} {:<12} {:<14} {:<14} {:>11} {:>11}  {}\n", i.path, i.name, i.provider,
               directions_text(i.directions), size_text(i.chunk),
               fmt::format("{}/{}", i.send_bds, i.receive_bds), state_text(entry));
  }
  fmt::print("\nPACKET: longest packet that always fits. BDS: buffer descriptors, send/receive.\n"
             "pinring info NAME tells all of one device.\n");
}

void print_line(std::string_view label, const std::string& text) {
  fmt::print("  {:<20}{}\n", label, text);
}

void print_counters(std::string_view label, const channel_counters& c) {
  print_line(label, fmt::format("{} jobs, {} packets, {} bytes ({} bounced), {} BDs, {} pages "
                                "pinned, {} errors",
                                count_text(c.jobs), count_text(c.packets), count_text(c.bytes),
                                count_text(c.bounced), count_text(c.bds), count_text(c.pages),
                                count_text(c.errors)));
}

std::string yes_no(bool yes) {
  return yes ? "yes" : "no";
}

void print_facts(const dma::device_info& i) {
  print_line("provider",
             i.provider + (i.simulator ? " (a simulator, there is no hardware behind it)" : ""));
  print_line("driver", fmt::format("{}, ABI {}", i.driver_version, i.abi));
  print_line("state", i.dead ? "dead: it is gone, or could not be recovered (dmesg)" : "ready");
  print_line("directions", directions_text(i.directions));
  print_line("longest packet", fmt::format("{} bytes ({}); longer transfers are split into these",
                                           i.chunk, size_text(i.chunk)));
  print_line("BDs", fmt::format("{} send, {} receive, of up to {} bytes each", i.send_bds,
                                i.receive_bds, i.max_bd_bytes));
  print_line("alignment",
             fmt::format("{} bytes send, {} bytes receive{}", i.send_alignment, i.receive_alignment,
                         i.send_alignment == 1 && i.receive_alignment == 1
                             ? ": any address will do"
                             : ": what is not is copied"));
  print_line("cache", i.coherent ? "coherent"
                                 : fmt::format("not coherent: what receives share with others of "
                                               "{} bytes is copied",
                                               i.cache_line));
  print_line("may bounce", i.may_bounce ? "yes: the kernel may copy (swiotlb)" : "no");
  print_line("receive depth", fmt::format("{} at a time{}", i.receive_depth,
                                          i.deep_receives ? ", reported one by one" : ""));
  print_line("short receives", i.exact_short ? "exact, over several BDs too"
                                             : "exact, in one BD or by way of a copy");
  print_line("patience",
             i.send_deadline == std::chrono::nanoseconds::max()
                 ? "a send that names no deadline is waited for, however long it takes"
                 : fmt::format("a send that names no deadline ends after {:.3g} s without progress",
                               std::chrono::duration<double>{i.send_deadline}.count()));
}

void print_limits(const dma::device_info& i) {
  print_line("longest job", size_text(i.max_job_bytes));
  print_line("registered buffers",
             fmt::format("{} of up to {}", i.max_buffers, size_text(i.max_buffer_bytes)));
  print_line("pieces of a list", fmt::format("{}", i.max_pieces));
  print_line("ring", fmt::format("up to {} submissions, {} completions, {} jobs unreaped",
                                 i.max_sq_entries, i.max_cq_entries, i.max_jobs));
  print_line("rings", fmt::format("up to {}, {} of them one user's; each pins up to {}",
                                  i.max_rings, i.max_user_rings, size_text(i.max_pinned_bytes)));
}

void print_device(const dma::device_info& i) {
  fmt::print("{}\n", device_text(i));
  print_facts(i);
  print_limits(i);
  fmt::print("\n  features\n");
  for (const feature_name& f : features)
    fmt::print("    {:<3} {:<10} {}\n", yes_no(i.has(f.feature)), f.name, f.text);
  if (const auto counted = read_counters(counters_folder(i.path))) {
    fmt::print("\n  since the device was probed\n");
    print_counters("send", counted->send);
    print_counters("receive", counted->recv);
    print_line("recoveries", count_text(counted->recoveries));
  }
}

json counters_json(const channel_counters& c) {
  return {{"jobs", c.jobs},    {"packets", c.packets},
          {"bytes", c.bytes},  {"bounced_bytes", c.bounced},
          {"bds", c.bds},      {"pages_pinned", c.pages},
          {"errors", c.errors}};
}

json device_json(const dma::device_entry& entry) {
  const dma::device_info& i = entry.info;
  json j;
  j["path"] = i.path;
  if (entry.error) {
    j["error"] = dma::explain(entry.error, {.device = i.path});
    return j;
  }
  j["name"] = i.name;
  j["provider"] = i.provider;
  j["driver_version"] = i.driver_version;
  j["abi"] = i.abi;
  j["simulator"] = i.simulator;
  j["dead"] = i.dead;
  j["send"] = dma::has(i.directions, dma::direction::send);
  j["receive"] = dma::has(i.directions, dma::direction::receive);
  j["packet_bytes_max"] = i.chunk;
  j["bd_bytes_max"] = i.max_bd_bytes;
  j["send_bds"] = i.send_bds;
  j["receive_bds"] = i.receive_bds;
  j["send_alignment_bytes"] = i.send_alignment;
  j["receive_alignment_bytes"] = i.receive_alignment;
  j["cache_line_bytes"] = i.cache_line;
  j["coherent"] = i.coherent;
  j["may_bounce"] = i.may_bounce;
  j["exact_short"] = i.exact_short;
  j["deep_receives"] = i.deep_receives;
  j["receive_depth"] = i.receive_depth;
  j["send_deadline_ns"] = i.send_deadline.count();
  j["job_bytes_max"] = i.max_job_bytes;
  j["buffer_bytes_max"] = i.max_buffer_bytes;
  j["buffers_max"] = i.max_buffers;
  j["pieces_max"] = i.max_pieces;
  j["sq_entries_max"] = i.max_sq_entries;
  j["cq_entries_max"] = i.max_cq_entries;
  j["jobs_max"] = i.max_jobs;
  j["rings_max"] = i.max_rings;
  j["user_rings_max"] = i.max_user_rings;
  j["pinned_bytes_max"] = i.max_pinned_bytes;
  for (const feature_name& f : features)
    j["features"][f.name] = i.has(f.feature);
  if (const auto counted = read_counters(counters_folder(i.path)))
    j["counters"] = {{"send", counters_json(counted->send)},
                     {"receive", counters_json(counted->recv)},
                     {"recoveries", counted->recoveries}};
  return j;
}

void print_json(const std::vector<dma::device_entry>& found) {
  json j = {{"schema_version", 1}, {"devices", json::array()}};
  for (const dma::device_entry& entry : found)
    j["devices"].push_back(device_json(entry));
  fmt::print("{}\n", j.dump(2, ' ', false, json::error_handler_t::replace));
}

int run(const info_options& options) {
  const std::vector<dma::device_entry> found = find(options.device);
  if (options.as_json)
    print_json(found);
  else if (found.size() == 1 && !found.front().error)
    print_device(found.front().info);
  else
    print_table(found);

  for (const dma::device_entry& entry : found)
    if (!entry.error)
      return exit_success;
  throw failure{dma::explain(found.front().error, {.device = found.front().info.path})};
}

} // namespace

void add_info(CLI::App& app, action& chosen) {
  auto options = std::make_shared<info_options>();
  CLI::App* const command =
      app.add_subcommand("info", "list the devices, or tell what one of them can do");
  command->add_option("DEVICE", options->device, "name or path; without it, all of them")
      ->type_name("");
  command->add_flag("--json", options->as_json, "as JSON, with units in the keys");
  command->callback([options, &chosen] { chosen = [options] { return run(*options); }; });
}

} // namespace tools
