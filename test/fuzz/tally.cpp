// SPDX-License-Identifier: MIT
#include "tally.hpp"

#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <new>
#include <sys/mman.h>
#include <system_error>
#include <unistd.h>

namespace fuzz {
namespace {

constexpr std::array<const char*, kinds> kind_names = {"INFO",
                                                       "SETUP",
                                                       "ENTER",
                                                       "BUFFER_ADD",
                                                       "BUFFER_UPDATE",
                                                       "BUFFER_REMOVE",
                                                       "EVENTFD",
                                                       "ioctl",
                                                       "mmap",
                                                       "poll",
                                                       "file",
                                                       "memory",
                                                       "cqe NOP",
                                                       "cqe SEND",
                                                       "cqe RECV",
                                                       "cqe CANCEL",
                                                       "cqe DRAIN",
                                                       "cqe malformed",
                                                       "cqe of scribbled rings"};

} // namespace

tally& tally::make() {
  void* at =
      ::mmap(nullptr, sizeof(tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED)
    throw std::system_error(errno, std::generic_category(), "mmap of the tally");
  return *new (at) tally{};
}

void tally::fail(const slot& of, const std::string& what) {
  char seeds[96];
  std::snprintf(seeds, sizeof(seeds), "seed %" PRIu64 ", episode %" PRIu64 ": ", seed,
                of.episode_seed.load());
  // A broken invariant tends to be broken many times; the first ones say it all.
  constexpr unsigned told = 5;
  if (failures.fetch_add(1) < told)
    say("FAILED, " + std::string(seeds) + what);
  stop = true;
}

std::string tally::table() const {
  std::string text;
  for (std::size_t row = 0; row < kinds; ++row) {
    std::string line;
    for (std::size_t error = 0; error < errnos; ++error) {
      const auto n = outcomes[row][error].load();
      if (n == 0)
        continue;
      const char* name = error == 0 ? "ok" : strerrorname_np(static_cast<int>(error));
      line += std::string(" ") + (name ? name : std::to_string(error).c_str()) + " " +
              std::to_string(n);
    }
    if (!line.empty())
      text += std::string(kind_names[row]) + ":" + line + "\n";
  }
  return text;
}

void say(const std::string& line) {
  const auto text = line + "\n";
  for (std::size_t done = 0; done < text.size();) {
    const auto n = ::write(STDOUT_FILENO, text.data() + done, text.size() - done);
    if (n <= 0)
      return;
    done += static_cast<std::size_t>(n);
  }
}

} // namespace fuzz
