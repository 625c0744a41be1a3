// SPDX-License-Identifier: MIT
#include "support/board.hpp"

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <unistd.h>

#include "support/device.hpp"

namespace support {
namespace {

std::string folder_of(std::string_view device, bool model) {
  return std::string(model ? board::models : board::simulators) + "/" + std::string(device);
}

std::uint64_t read_number(const std::string& path) {
  std::ifstream in(path);
  std::uint64_t value = 0;

  if (!(in >> value))
    throw std::runtime_error("can't read " + path);
  return value;
}

} // namespace

board::board(std::string_view device)
    : name_(device), model_(is_model(device)), folder_(folder_of(device, model_)) {}

board::~board() {
  for (const auto& [file, value] : before_) {
    try {
      write(file, value);
    } catch (const std::exception&) {
      // The device may have been removed by the test; what matters is caught by the next program.
    }
  }
}

bool board::available(std::string_view device) {
  const auto file = folder_of(device, is_model(device)) + "/drop_completions";
  return ::access(file.c_str(), R_OK | W_OK) == 0;
}

bool board::is_model(std::string_view device) {
  return ::access(folder_of(device, true).c_str(), F_OK) == 0;
}

bool board::has(std::string_view file) const {
  return ::access((folder_ + "/" + std::string(file)).c_str(), F_OK) == 0;
}

std::uint64_t board::read(std::string_view file) const {
  return read_number(folder_ + "/" + std::string(file));
}

std::uint64_t board::taken_send() const {
  return read(model_ ? "bds_send" : "descriptors_send");
}

std::uint64_t board::stops() const {
  return read(model_ ? "resets" : "terminates");
}

std::uint64_t board::bds_in_use(const std::string& direction) const {
  return model_ ? driver_counter(name_, direction + "/bds_in_use")
                : read("bds_in_use_" + direction);
}

void board::write(const std::string& file, std::uint64_t value) const {
  const auto path = folder_ + "/" + file;
  std::ofstream out(path);

  if (!(out << value << std::flush))
    throw std::runtime_error("can't write " + path);
}

board& board::set(const std::string& file, std::uint64_t value) {
  // Only the first turn of a switch says where it stood: the later ones find what this object
  // wrote.
  remember(file);
  write(file, value);
  return *this;
}

const char* shallow_loopback() {
  // What is a model's usual way is one board's of the simulator.
  return board::is_model("loop0") ? "loop0" : "batch0";
}

std::uint64_t driver_counter(std::string_view device, const std::string& file) {
  const auto path = device_path(device);
  if (path.empty())
    throw std::runtime_error("no device that is called " + std::string(device));
  const auto node = std::filesystem::path(path).filename();
  return read_number("/sys/class/misc/" + node.string() + "/" + file);
}

} // namespace support
