// SPDX-License-Identifier: MIT
#pragma once

#include <ctime>

namespace fuzz {

/// Interrupts whatever the calling thread waits in, again and again: no call of the ABI may keep a
/// thread for longer than until the next signal, whatever deadline it was given.
class alarm {
public:
  /// Once per process, before the first thread.
  static void prepare();

  explicit alarm(long period_us);
  alarm(const alarm&) = delete;
  alarm& operator=(const alarm&) = delete;
  ~alarm();

private:
  timer_t timer_{};
};

} // namespace fuzz
