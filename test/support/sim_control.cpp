// SPDX-License-Identifier: MIT
#include "support/sim_control.hpp"

#include <fstream>
#include <stdexcept>
#include <unistd.h>

namespace support {

sim::~sim() {
  for (const auto& [file, value] : before_) {
    try {
      write(file, value);
    } catch (const std::exception&) {
      // The device may have been removed by the test; what matters is caught by the next program.
    }
  }
}

bool sim::available(std::string_view device) {
  const auto file = std::string(root) + "/" + std::string(device) + "/drop_completions";
  return ::access(file.c_str(), R_OK | W_OK) == 0;
}

std::uint64_t sim::read(std::string_view file) const {
  const auto path = folder_ + "/" + std::string(file);
  std::ifstream in(path);
  std::uint64_t value = 0;

  if (!(in >> value))
    throw std::runtime_error("can't read " + path);
  return value;
}

void sim::write(const std::string& file, std::uint64_t value) const {
  const auto path = folder_ + "/" + file;
  std::ofstream out(path);

  if (!(out << value << std::flush))
    throw std::runtime_error("can't write " + path);
}

sim& sim::set(const std::string& file, std::uint64_t value) {
  // Only the first turn of a switch says where it stood: the later ones find what this object
  // wrote.
  before_.try_emplace(file, read(file));
  write(file, value);
  return *this;
}

} // namespace support
