// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace sweep {

/// What a program of rounds does: something random to devices under load, again and again. Each
/// round has a seed, the first that of the command line and the next ones counted from it, so that
/// a round that failed can be done by itself: --seed X --rounds 1.
struct programme {
  const char* name;
  std::vector<std::string> devices;
  std::function<void(std::uint64_t seed)> round;
  /// What was counted, for the last line.
  std::function<std::string()> counts;
};

/// Does as many rounds as --rounds says (default 50), from --seed on. After each of them no page is
/// pinned, none was put into quarantine, no engine has touched memory that was not mapped for it
/// (a model of the IP can tell), and every device moves data. In the end the ordinary user whom the
/// loads ran as can pin all that RLIMIT_MEMLOCK allows.
///
/// @return the exit code; stdout says how far it is, and with which seed it failed.
[[nodiscard]] int run(int argc, char** argv, const programme& what);

/// Gives up root for uid 1000 with 8 MiB of locked memory; for a process of its own.
void become_user();

} // namespace sweep
