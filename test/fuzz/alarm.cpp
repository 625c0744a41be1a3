// SPDX-License-Identifier: MIT
#include "alarm.hpp"

#include <cerrno>
#include <csignal>
#include <system_error>
#include <unistd.h>

namespace fuzz {
namespace {

void interrupted(int) {}

} // namespace

void alarm::prepare() {
  struct sigaction action {};
  action.sa_handler = interrupted; // without SA_RESTART: calls end with EINTR
  if (::sigaction(SIGALRM, &action, nullptr) != 0)
    throw std::system_error(errno, std::generic_category(), "sigaction");
}

alarm::alarm(long period_us) {
  sigevent event{};
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = SIGALRM;
  event._sigev_un._tid = ::gettid(); // glibc 2.36 has no other name for it
  if (::timer_create(CLOCK_MONOTONIC, &event, &timer_) != 0)
    throw std::system_error(errno, std::generic_category(), "timer_create");
  itimerspec period{};
  period.it_interval.tv_nsec = period_us * 1000;
  period.it_value = period.it_interval;
  ::timer_settime(timer_, 0, &period, nullptr);
}

alarm::~alarm() {
  ::timer_delete(timer_);
}

} // namespace fuzz
