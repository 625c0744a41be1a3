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

  /// The debugfs switches of each of these devices' boards.
  needs& switches();
  /// A provider by the name that INFO has.
  needs& provider(const std::string& name);
  /// Devices without hardware behind them: what for is part of the reason.
  needs& simulator(const std::string& what_for);
  /// A model of the IP behind each device, with its switches.
  needs& model();
  /// That module is loaded, or was built into the kernel.
  needs& module(const std::string& name);
  /// The kernel's fault injection, and the driver's.
  needs& fault_injection();
  /// A user for whom RLIMIT_MEMLOCK counts.
  needs& ordinary_user();
  needs& root();

private:
  std::vector<std::string> devices_;
};

/// Called by a test that finds something missing, which then returns. A program with a skipped test
/// and no failed one exits with 77: part of it was not seen to work.
void skip(const std::string& reason);

/// Whether the running kernel is of this series or a later one.
[[nodiscard]] bool kernel_at_least(unsigned major, unsigned minor);

} // namespace support
