// SPDX-License-Identifier: MIT
// pinring-bench: what a device that loops back carries, how long that takes, and what it costs.
#include <exception>
#include <string>
#include <system_error>
#include <vector>

#include <unistd.h>

#include <fmt/core.h>

#include "config.hpp"
#include "environment.hpp"
#include "errors.hpp"
#include "failure.hpp"
#include "interrupt.hpp"
#include "report.hpp"
#include "runner.hpp"
#include "text.hpp"

namespace {

/// One line that overwrites itself; nothing where stderr is no terminal.
class progress final {
public:
  void show(std::size_t number, std::size_t of, const bench::case_config& c) {
    if (!terminal_)
      return;
    std::string line = fmt::format("{}/{}: {} {}, depth {}", number, of, tools::size_text(c.bytes),
                                   bench::name_of(c.memory), c.depth);
    const std::size_t length = line.size();
    if (length < shown_)
      line.append(shown_ - length, ' ');
    fmt::print(stderr, "\r{}", line);
    static_cast<void>(std::fflush(stderr));
    shown_ = length;
  }
  ~progress() {
    if (shown_)
      fmt::print(stderr, "\r{:{}}\r", "", shown_);
    static_cast<void>(std::fflush(stderr));
  }

private:
  bool terminal_ = ::isatty(STDERR_FILENO) == 1;
  std::size_t shown_ = 0;
};

std::vector<bench::case_result> run_all(const dma::device& device, const bench::config& all) {
  const std::vector<bench::case_config> cases = bench::cases(all);
  std::vector<bench::case_result> results;
  progress shown;
  for (const bench::case_config& one : cases) {
    if (bench::interrupted())
      break;
    shown.show(results.size() + 1, cases.size(), one);
    try {
      results.push_back(bench::run_case(device, all, one));
    } catch (const std::system_error& error) {
      throw tools::failure{
          tools::explain(error.code(), device.info(), one.bytes, dma::direction::both)};
    }
  }
  return results;
}

int run(bench::config& all) {
  bench::complete(all);
  const dma::device device = tools::open_device(all.device);
  if (!dma::has(device.info().directions, dma::direction::both))
    throw tools::failure{fmt::format(
        "{}: this device can only {}; the benchmark needs one that loops back (pinring info)",
        device.info().name, tools::directions_text(device.info().directions))};
  const bench::environment where = bench::look_around();
  bench::catch_interrupts();
  const std::vector<bench::case_result> results = run_all(device, all);
  const bench::report report{.all = all,
                             .where = where,
                             .device = device.info(),
                             .results = results,
                             .interrupted = bench::interrupted()};
  if (all.as_json)
    bench::print_json(report);
  else
    bench::print_table(report);
  tools::close_output();
  if (report.interrupted && !report.bad())
    return tools::exit_interrupted;
  return report.good() ? tools::exit_success : tools::exit_failure;
}

} // namespace

int main(int argc, char** argv) {
  CLI::App app{"Measures a pinring device that loops back: throughput, latency and cost of sizes x "
               "{one-shot, registered} x depths, beside what memcpy does with the same memory."};
  app.name("pinring-bench");
  app.set_version_flag("--version", "pinring-bench " PINRING_BENCH_VERSION);
  app.footer(
      "Sizes take K, M and G: 64K is 65536 bytes. docs/performance.md says what the numbers mean.\n"
      "Exit code: 0 done, 1 a job failed or data came back wrong, 2 wrong usage, 130 Ctrl-C\n"
      "(what there is gets printed).");
  bench::config all;
  bench::add_options(app, all);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? tools::exit_success : tools::exit_usage;
  }
  try {
    return run(all);
  } catch (const tools::failure& error) {
    fmt::print(stderr, "pinring-bench: {}\n", error.what());
    return error.code();
  } catch (const std::exception& error) {
    fmt::print(stderr, "pinring-bench: {}\n", error.what());
    return tools::exit_failure;
  }
}
