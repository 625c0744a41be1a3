// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "support/board.hpp"

namespace support {

/// The model's counters of what a driver must not do to the IP (PG021), from here on.
class violations {
public:
  explicit violations(std::string_view device);

  /// What was counted since, such as "v_zero_length 2"; empty when nothing was.
  [[nodiscard]] std::string news() const;
  /// How many of one kind there were since.
  [[nodiscard]] std::uint64_t of(const std::string& kind) const;

private:
  [[nodiscard]] std::map<std::string, std::uint64_t> read() const;

  board board_;
  std::map<std::string, std::uint64_t> before_;
};

} // namespace support
