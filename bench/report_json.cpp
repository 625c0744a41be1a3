// SPDX-License-Identifier: MIT
// The same for programs, with units in the keys and the histograms' bins. schema_version rises when
// a key changes its meaning or goes; new keys do not count.
#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "report.hpp"

namespace bench {
namespace {

using json = nlohmann::ordered_json;

constexpr int schema_version = 1;

json channel_json(const tools::channel_counters& c) {
  return {{"jobs", c.jobs}, {"packets", c.packets},    {"bytes", c.bytes},
          {"bds", c.bds},   {"pages_pinned", c.pages}, {"errors", c.errors}};
}

json times_json(const histogram& h) {
  json bins = json::array();
  h.for_each_bin([&](std::uint64_t lowest, std::uint64_t highest, std::uint64_t count) {
    bins.push_back({lowest, highest, count});
  });
  return {{"samples", h.count()},
          {"min", h.min()},
          {"mean", h.mean()},
          {"p50", h.percentile(0.5)},
          {"p90", h.percentile(0.9)},
          {"p99", h.percentile(0.99)},
          {"p99.9", h.percentile(0.999)},
          {"p99.99", h.percentile(0.9999)},
          {"max", h.max()},
          {"bins_lowest_highest_count", bins}};
}

json throughput_json(const case_result& r) {
  const double rate = bytes_per_s(r);
  const double copy = memcpy_bytes_per_s(r);
  return {{"round_trips", r.speed.round_trips},
          {"time_s", r.speed.time_s},
          {"bytes_per_s_each_way", rate},
          {"gb_per_s_each_way", rate / 1e9},
          {"gib_per_s_each_way", rate / (1024.0 * 1024.0 * 1024.0)},
          {"jobs_per_s_each_way", rate / static_cast<double>(r.config.bytes)},
          {"memcpy_bytes_per_s", copy},
          {"ratio_to_memcpy", copy > 0 ? rate / copy : 0}};
}

json cost_json(const case_result& r) {
  const throughput& t = r.speed;
  const double trips = t.round_trips ? static_cast<double>(t.round_trips) : 1;
  json j{{"syscalls", t.syscalls},
         {"syscalls_per_round_trip", static_cast<double>(t.syscalls) / trips},
         {"user_s", t.user_s},
         {"system_s", t.system_s},
         {"user_percent", t.time_s > 0 ? 100 * t.user_s / t.time_s : 0},
         {"system_percent", t.time_s > 0 ? 100 * t.system_s / t.time_s : 0},
         {"user_ns_per_round_trip", t.user_s * 1e9 / trips},
         {"system_ns_per_round_trip", t.system_s * 1e9 / trips}};
  if (t.counted)
    j["counters"] = {{"send", channel_json(t.counted->send)},
                     {"receive", channel_json(t.counted->recv)},
                     {"recoveries", t.counted->recoveries}};
  return j;
}

json case_json(const case_result& r) {
  json j{{"size_bytes", r.config.bytes},
         {"memory", name_of(r.config.memory)},
         {"depth", r.config.depth},
         {"split", r.split},
         {"complete", r.complete},
         {"errors", r.errors},
         {"error", r.error.empty() ? json() : json(r.error)},
         {"skipped", r.skipped.empty() ? json() : json(r.skipped)}};
  if (!r.skipped.empty())
    return j;
  j["throughput"] = throughput_json(r);
  j["latency"] = {{"submit_ns", times_json(r.times->submit_ns)},
                  {"complete_ns", times_json(r.times->complete_ns)},
                  {"total_ns", times_json(r.times->total_ns)}};
  j["cost"] = cost_json(r);
  j["verified"] = {{"round_trips", r.verified.round_trips}, {"wrong", r.verified.wrong}};
  return j;
}

json config_json(const report& r) {
  json memories = json::array();
  for (const memory_kind kind : r.all.memories)
    memories.push_back(name_of(kind));
  return {{"sizes_bytes", r.all.sizes}, {"memories", memories},
          {"depths", r.all.depths},     {"pass_s", r.all.pass_s},
          {"memcpy_s", r.all.memcpy_s}, {"timeout_s", r.all.timeout_s},
          {"quick", r.all.quick},       {"loop", "closed"}};
}

json device_json(const dma::device_info& d) {
  return {{"name", d.name},
          {"path", d.path},
          {"packet_bytes_max", d.chunk},
          {"bd_bytes_max", d.max_bd_bytes},
          {"send_bds", d.send_bds},
          {"receive_bds", d.receive_bds},
          {"receive_depth", d.receive_depth},
          {"coherent", d.coherent},
          {"may_bounce", d.may_bounce}};
}

} // namespace

void print_json(const report& r) {
  const char* const note = caution(r);
  json j{{"schema_version", schema_version},
         {"tool", "pinring-bench"},
         {"tool_version", PINRING_BENCH_VERSION},
         {"library_version", PINRING_BENCH_VERSION},
         {"driver_version", r.device.driver_version},
         {"abi", r.device.abi},
         {"kernel", r.where.kernel},
         {"machine", r.where.machine},
         {"cpu", r.where.cpu},
         {"cpus", r.where.cpus},
         {"clock_source", r.where.clock_source},
         {"memlock_limit_bytes",
          r.where.memlock_limit_bytes == UINT64_MAX ? json() : json(r.where.memlock_limit_bytes)},
         {"provider", r.device.provider},
         {"simulator", r.device.simulator},
         {"emulated_board", r.where.emulated_board},
         {"note", note ? json(note) : json()},
         {"device", device_json(r.device)},
         {"config", config_json(r)},
         {"interrupted", r.interrupted},
         {"ok", r.good()},
         {"results", json::array()}};
  for (const case_result& one : r.results)
    j["results"].push_back(case_json(one));
  fmt::print("{}\n", j.dump(1, ' ', false, json::error_handler_t::replace));
}

} // namespace bench
