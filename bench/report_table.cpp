// SPDX-License-Identifier: MIT
// Three tables that are never mixed: throughput, latency, cost.
#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "report.hpp"
#include "text.hpp"

namespace bench {
namespace {

constexpr double mb = 1e6;
constexpr double mib = 1024.0 * 1024.0;

/// Three significant digits, without an exponent.
std::string number(double value) {
  if (value >= 100)
    return fmt::format("{:.0f}", value);
  return fmt::format("{:.{}f}", value, value >= 10 ? 1 : 2);
}

std::string us(std::uint64_t ns) {
  return number(static_cast<double>(ns) / 1e3);
}

std::string case_text(const case_config& c) {
  return fmt::format("{:>8}  {:<10} {:>5}", tools::size_text(c.bytes), name_of(c.memory), c.depth);
}

constexpr const char* case_head = "    size  memory     depth";

/// Not shown where too few were measured for it to be more than the maximum.
std::string us_at(const histogram& h, double share) {
  const bool enough = (1 - share) * static_cast<double>(h.count()) >= 1;
  return enough ? us(h.percentile(share)) : "-";
}

bool any_rate(const report& r) {
  return std::ranges::any_of(r.results,
                             [](const case_result& one) { return one.speed.time_s > 0; });
}

bool any_time(const report& r) {
  return std::ranges::any_of(
      r.results, [](const case_result& one) { return one.times->total_ns.count() > 0; });
}

double per_trip(double value, const case_result& r) {
  return r.speed.round_trips ? value / static_cast<double>(r.speed.round_trips) : 0;
}

void print_head(const report& r) {
  const dma::device_info& d = r.device;
  fmt::print("pinring-bench {}: {}, provider {}, driver {}\n", PINRING_BENCH_VERSION,
             tools::device_text(d), d.provider, d.driver_version);
  fmt::print("Linux {} {}, {} CPUs ({}), clock {}\n", r.where.kernel, r.where.machine, r.where.cpus,
             r.where.cpu, r.where.clock_source);
  if (const char* const note = caution(r))
    fmt::print("{}\n", note);
  fmt::print("Closed loop of round trips, each one send job and one receive job of the size; depth "
             "is how\n"
             "many are under way. {:.3g} s each pass.\n",
             r.all.pass_s);
}

void print_throughput(const report& r) {
  fmt::print(
      "\nThroughput, of one direction: the other carries as much (MB = 10^6, MiB = 2^20 bytes)\n");
  fmt::print("{} {:>9} {:>9} {:>9}   {:>11} {:>9}\n", case_head, "MB/s", "MiB/s", "jobs/s",
             "memcpy MB/s", "of memcpy");
  for (const case_result& one : r.results) {
    if (one.speed.time_s <= 0)
      continue;
    const double rate = bytes_per_s(one);
    const double copy = memcpy_bytes_per_s(one);
    fmt::print("{} {:>9} {:>9} {:>9}   {:>11} {:>8}%\n", case_text(one.config), number(rate / mb),
               number(rate / mib), number(rate / static_cast<double>(one.config.bytes)),
               number(copy / mb), number(copy > 0 ? 100 * rate / copy : 0));
  }
}

void print_latency(const report& r) {
  fmt::print("\nLatency of a round trip in us: total = submit (preparing it, and the call that "
             "hands it over)\n"
             "+ complete (from there until both completions are reaped); - where there are too few "
             "samples\n");
  fmt::print("{} {:>7} {:>7} {:>7} {:>7} {:>7}  {:>7} {:>7}  {:>7} {:>7} {:>7}\n", case_head, "p50",
             "p90", "p99", "p99.9", "max", "sub p50", "sub p99", "cpl p50", "cpl p99", "samples");
  for (const case_result& one : r.results) {
    const latency& t = *one.times;
    if (!t.total_ns.count())
      continue;
    fmt::print("{} {:>7} {:>7} {:>7} {:>7} {:>7}  {:>7} {:>7}  {:>7} {:>7} {:>7}\n",
               case_text(one.config), us_at(t.total_ns, 0.5), us_at(t.total_ns, 0.9),
               us_at(t.total_ns, 0.99), us_at(t.total_ns, 0.999), us(t.total_ns.max()),
               us_at(t.submit_ns, 0.5), us_at(t.submit_ns, 0.99), us_at(t.complete_ns, 0.5),
               us_at(t.complete_ns, 0.99), t.total_ns.count());
  }
}

void print_cost(const report& r) {
  fmt::print(
      "\nCost of a round trip (CPU time of this process only, not of the kernel's workers)\n");
  fmt::print("{} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}\n", case_head, "syscalls", "packets",
             "BDs out", "BDs back", "pages", "user us", "sys us");
  for (const case_result& one : r.results) {
    if (one.speed.time_s <= 0)
      continue;
    const throughput& t = one.speed;
    fmt::print("{} {:>9}", case_text(one.config),
               number(per_trip(static_cast<double>(t.syscalls), one)));
    if (t.counted)
      fmt::print(" {:>9} {:>9} {:>9} {:>9}",
                 number(per_trip(
                     static_cast<double>(t.counted->send.packets + t.counted->recv.packets), one)),
                 number(per_trip(static_cast<double>(t.counted->send.bds), one)),
                 number(per_trip(static_cast<double>(t.counted->recv.bds), one)),
                 number(per_trip(static_cast<double>(t.counted->send.pages + t.counted->recv.pages),
                                 one)));
    else
      fmt::print(" {:>9} {:>9} {:>9} {:>9}", "-", "-", "-", "-");
    fmt::print(" {:>9} {:>9}\n", number(per_trip(t.user_s * 1e6, one)),
               number(per_trip(t.system_s * 1e6, one)));
  }
}

void print_verdict(const report& r) {
  verification all;
  std::uint64_t errors = 0, recoveries = 0, trips = 0;
  for (const case_result& one : r.results) {
    all.round_trips += one.verified.round_trips;
    all.wrong += one.verified.wrong;
    errors += one.errors;
    trips += one.speed.round_trips + one.times->total_ns.count();
    recoveries += one.speed.counted ? one.speed.counted->recoveries : 0;
  }
  fmt::print("\n");
  for (const case_result& one : r.results)
    if (!one.skipped.empty())
      fmt::print("skipped: {}: {}\n", case_text(one.config), one.skipped);
  for (const case_result& one : r.results)
    if (!one.error.empty())
      fmt::print("FAILED:  {}: {}\n", case_text(one.config), one.error);
  fmt::print("{} round trips timed; {} compared byte for byte outside the timing, {} wrong; "
             "failed jobs: {}; recoveries: {}\n",
             tools::count_text(trips), tools::count_text(all.round_trips),
             tools::count_text(all.wrong), tools::count_text(errors),
             tools::count_text(recoveries));
  if (r.interrupted)
    fmt::print("INTERRUPTED: this is what there was\n");
}

} // namespace

void print_table(const report& r) {
  print_head(r);
  if (any_rate(r))
    print_throughput(r);
  if (any_time(r))
    print_latency(r);
  if (any_rate(r))
    print_cost(r);
  print_verdict(r);
}

} // namespace bench
