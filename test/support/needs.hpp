// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

namespace support {

/// Says at the head of a program what it can't do without. Whatever is missing ends the program
/// with exit code 77 and the reason, before any test has run:
///
///   static const auto needed = support::needs{{"loop0", "sink0"}}.switches();
class needs {
public:
  explicit needs(std::vector<std::string> devices);

  /// The simulator's debugfs switches of each of these devices.
  needs& switches();
  /// A user for whom RLIMIT_MEMLOCK counts.
  needs& ordinary_user();
  needs& root();

private:
  std::vector<std::string> devices_;
};

/// Called by a test that finds something missing, which then returns. A program with a skipped test
/// and no failed one exits with 77: part of it was not seen to work.
void skip(const std::string& reason);

} // namespace support
