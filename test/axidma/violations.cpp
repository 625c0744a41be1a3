// SPDX-License-Identifier: MIT
#include "violations.hpp"

#include <filesystem>

namespace support {

violations::violations(std::string_view device) : board_(device), before_(read()) {}

std::map<std::string, std::uint64_t> violations::read() const {
  std::map<std::string, std::uint64_t> result;
  for (const auto& entry : std::filesystem::directory_iterator(board_.folder())) {
    const auto name = entry.path().filename().string();
    // xilinx_dma writes CURDESC each time it starts an idle channel, which PG021 does not allow
    // while RS is set. Nothing that its client does changes that; the model counts it apart.
    if (name == "violations" || (name.starts_with("v_") && !name.ends_with("_idle")))
      result[name] = board_.read(name);
  }
  return result;
}

std::string violations::news() const {
  std::string result;
  for (const auto& [name, value] : read())
    if (const auto more = value - before_.at(name))
      result += (result.empty() ? "" : ", ") + name + ' ' + std::to_string(more);
  return result;
}

std::uint64_t violations::of(const std::string& kind) const {
  return read().at(kind) - before_.at(kind);
}

} // namespace support
