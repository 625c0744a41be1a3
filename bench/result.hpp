// SPDX-License-Identifier: MIT
// What a case has found; the reports print it.
#ifndef PINRING_BENCH_RESULT_HPP
#define PINRING_BENCH_RESULT_HPP

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "config.hpp"
#include "counters.hpp"
#include "latency.hpp"

namespace bench {

/// The first timed pass: as fast as it goes, one system call to submit and wait.
struct throughput {
  std::uint64_t round_trips = 0;
  double time_s = 0;
  std::uint64_t syscalls = 0; ///< of the ring, by the program's own count
  double user_s = 0;          ///< CPU time of this process, without the kernel's workers
  double system_s = 0;
  std::optional<tools::device_counters> counted; ///< by the driver, during the pass
};

/// The second timed pass: submit and wait in two calls, so that they can be told apart.
struct latency {
  histogram submit_ns; ///< from preparing a round trip until the call that handed it over returned
  histogram complete_ns; ///< from there until both its completions were reaped
  histogram total_ns;
};

/// CPU memcpy between the same memory.
struct baseline {
  std::uint64_t copies = 0;
  double time_s = 0;
};

struct verification {
  std::uint64_t round_trips = 0; ///< compared byte for byte, outside the timed passes
  std::uint64_t wrong = 0;
};

struct case_result {
  case_config config;
  bool split = false;       ///< longer than a packet, so each job is several
  std::string skipped;      ///< why it was not run, if it was not
  std::string error;        ///< what ended it early, if something did
  bool complete = false;    ///< ran to its end
  std::uint64_t errors = 0; ///< jobs that failed, in all passes
  throughput speed;
  // Some hundred KiB.
  std::unique_ptr<latency> times = std::make_unique<latency>();
  baseline copy;
  verification verified;

  [[nodiscard]] bool bad() const noexcept {
    return !error.empty() || errors != 0 || verified.wrong != 0;
  }
};

/// Bytes of one direction in a second; 0 if it was not measured.
[[nodiscard]] inline double bytes_per_s(const case_result& r) noexcept {
  const throughput& t = r.speed;
  return t.time_s > 0 ? static_cast<double>(t.round_trips * r.config.bytes) / t.time_s : 0;
}
[[nodiscard]] inline double memcpy_bytes_per_s(const case_result& r) noexcept {
  const baseline& b = r.copy;
  return b.time_s > 0 ? static_cast<double>(b.copies * r.config.bytes) / b.time_s : 0;
}

} // namespace bench

#endif
