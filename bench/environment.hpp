// SPDX-License-Identifier: MIT
// What a number means nothing without: where it was measured.
#ifndef PINRING_BENCH_ENVIRONMENT_HPP
#define PINRING_BENCH_ENVIRONMENT_HPP

#include <cstdint>
#include <string>

namespace bench {

struct environment {
  std::string kernel;          ///< uname -r
  std::string machine;         ///< uname -m
  std::string cpu;             ///< as /proc/cpuinfo names it; an emulator says so there
  std::string clock_source;    ///< a slow one shows in every latency
  bool emulated_board = false; ///< QEMU's virt machine: what looks like hardware is a model
  unsigned cpus = 0;
  std::uint64_t memlock_limit_bytes = 0; ///< UINT64_MAX: none
};

[[nodiscard]] environment look_around();

} // namespace bench

#endif
