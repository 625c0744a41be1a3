// SPDX-License-Identifier: MIT
// What to measure: the command line, and the cases it amounts to.
#ifndef PINRING_BENCH_CONFIG_HPP
#define PINRING_BENCH_CONFIG_HPP

#include <cstdint>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace bench {

/// How the memory is handed to the driver.
enum class memory_kind : std::uint8_t {
  one_shot,   ///< an ordinary std::vector, pinned and mapped anew for every job
  registered, ///< an ordinary std::vector, registered once
};

[[nodiscard]] const char* name_of(memory_kind kind) noexcept;

struct case_config {
  std::uint64_t bytes = 0; ///< of each job
  memory_kind memory = memory_kind::one_shot;
  unsigned depth = 1; ///< round trips under way at a time
};

struct config {
  std::string device;
  std::vector<std::uint64_t> sizes;
  std::vector<memory_kind> memories;
  std::vector<unsigned> depths;
  double pass_s = 0;    ///< each of the two timed passes of a case
  double memcpy_s = 0;  ///< the baseline of a case
  double timeout_s = 0; ///< of a job, besides the time that its data may take
  bool quick = false;
  bool as_json = false;
};

/// Adds the options; the caller parses.
void add_options(CLI::App& app, config& c);
/// Fills in what was not given.
void complete(config& c);
/// In the order in which they are run and reported.
[[nodiscard]] std::vector<case_config> cases(const config& c);

} // namespace bench

#endif
