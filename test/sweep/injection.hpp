// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <sys/types.h>
#include <vector>

#include "support/device.hpp"

namespace sweep {

/// The kernel's fault injection, told to spare nothing: allocations of every size, also those that
/// might have waited, copies from and to programs, and the driver's own points (driver/inject.c).
/// Nothing fails by this alone: see fail_nth. As it was before when the object goes.
class injection {
public:
  injection();
  injection(const injection&) = delete;
  injection& operator=(const injection&) = delete;
  ~injection();

  /// A control of one of them, such as "pinring/short_pin", "times".
  void set(const std::string& of, const std::string& file, const std::string& value);

private:
  struct before {
    std::string path;
    std::string value;
  };
  std::vector<before> before_;
};

/// Makes the n-th thing fail that a task asks the kernel for.
class fail_nth {
public:
  /// The task that makes the object.
  fail_nth();
  explicit fail_nth(pid_t task);

  void arm(unsigned n) const;
  /// Whether it has come to that; nothing fails any more.
  [[nodiscard]] bool disarm() const;

private:
  support::unique_fd fd_;
};

/// The same for whoever does the kernel's work in the background: the n-th thing fails that each of
/// its unbound workers asks for, as those of the driver are.
class fail_workers {
public:
  void arm(unsigned n);
  /// Whether it has come to that with any of them; nothing fails any more.
  [[nodiscard]] bool disarm();

private:
  std::vector<fail_nth> workers_;
};

} // namespace sweep
