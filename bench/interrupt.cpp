// SPDX-License-Identifier: MIT
#include "interrupt.hpp"

#include <csignal>
#include <initializer_list>

namespace bench {
namespace {

volatile std::sig_atomic_t seen = 0;

void note(int) {
  seen = 1;
}

} // namespace

void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = note;
  // No SA_RESTART, so that a wait ends; and the second one finds the default action.
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  for (const int signal : {SIGINT, SIGTERM})
    ::sigaction(signal, &action, nullptr);
}

bool interrupted() noexcept {
  return seen != 0;
}

} // namespace bench
