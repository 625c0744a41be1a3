// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <string>

namespace support {

/// The next task that calls a function of the kernel sleeps at its beginning, until let_go() or the
/// end of this: what another task does meanwhile comes before all that the function does.
///
///   stalled_call call{"pinring_quarantine_end"};
class stalled_call {
public:
  explicit stalled_call(const std::string& function);
  stalled_call(const stalled_call&) = delete;
  stalled_call& operator=(const stalled_call&) = delete;
  ~stalled_call();

  /// Whether one sleeps there now.
  [[nodiscard]] bool reached() const;
  /// When this returns, so has the function.
  void let_go();

private:
  bool armed_ = true;
};

/// The provider's next interrupt is acknowledged, and what its handler does then comes so much
/// later. The CPU that runs it does nothing else meanwhile.
class late_handler {
public:
  explicit late_handler(std::chrono::milliseconds by);
  late_handler(const late_handler&) = delete;
  late_handler& operator=(const late_handler&) = delete;
  ~late_handler();
};

} // namespace support
