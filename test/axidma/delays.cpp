// SPDX-License-Identifier: MIT
#include "delays.hpp"

#include <fstream>
#include <stdexcept>

#include "support/board.hpp"

namespace support {
namespace {

std::string path_of(const char* file) {
  return std::string(board::models) + "/" + file;
}

bool write(const char* file, const std::string& text) {
  std::ofstream out(path_of(file));
  return static_cast<bool>(out << text << std::flush);
}

constexpr const char* stall = "stall";
constexpr const char* late = "late_handler_ms";

} // namespace

stalled_call::stalled_call(const std::string& function) {
  if (!write(stall, function))
    throw std::runtime_error("can't stall calls of " + function);
}

stalled_call::~stalled_call() {
  if (armed_)
    (void)write(stall, "\n");
}

bool stalled_call::reached() const {
  std::ifstream in(path_of(stall));
  int sleeps = 0;
  return in >> sleeps && sleeps;
}

void stalled_call::let_go() {
  armed_ = false;
  if (!write(stall, "\n"))
    throw std::runtime_error("can't let go of a stalled call");
}

late_handler::late_handler(std::chrono::milliseconds by) {
  if (!write(late, std::to_string(by.count())))
    throw std::runtime_error("can't delay the provider's handler");
}

late_handler::~late_handler() {
  (void)write(late, "0");
}

} // namespace support
