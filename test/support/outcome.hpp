// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <cstring>
#include <ostream>

#include <pinring.h>

namespace support {

/// What a call or a completion said: 0 or an errno, printed by name when a test fails.
class outcome {
public:
  constexpr explicit outcome(int error = 0) : error_(error < 0 ? -error : error) {}

  [[nodiscard]] constexpr int error() const { return error_; }
  [[nodiscard]] constexpr bool good() const { return error_ == 0; }

  friend constexpr bool operator==(outcome, outcome) = default;
  friend std::ostream& operator<<(std::ostream& out, outcome what) {
    if (what.good())
      return out << "success";
    const char* name = strerrorname_np(what.error_);
    return out << (name ? name : "unknown") << " (" << what.error_ << ')';
  }

private:
  int error_;
};

inline constexpr outcome success{0};

[[nodiscard]] inline outcome outcome_of(const pinring_cqe& cqe) {
  return outcome{cqe.result};
}

} // namespace support
