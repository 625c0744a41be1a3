// SPDX-License-Identifier: MIT
#include "raw_client.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <unistd.h>

#include "support/device.hpp"
#include "support/wait.hpp"

namespace support {
namespace {

namespace fs = std::filesystem;

const fs::path devices = "/sys/bus/platform/devices";
const fs::path drivers = "/sys/bus/platform/drivers";

/// 0, or an errno: what a single write() of this text says.
int write_once(const fs::path& path, const std::string& text) {
  const unique_fd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd)
    return errno;
  return ::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()) ? 0
                                                                                          : errno;
}

void must_write(const fs::path& path, const std::string& text) {
  if (const int error = write_once(path, text))
    throw std::runtime_error("can't write " + path.string() + ": " + std::strerror(error));
}

/// A device tree's string, without the NUL that ends it.
std::string tree_string(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  return text.substr(0, text.find('\0'));
}

void hand_over(const std::string& node, const std::string& driver, const std::string& override_by) {
  if (const auto before = driver_of(node); !before.empty())
    must_write(drivers / before / "unbind", node);
  must_write(devices / node / "driver_override", override_by);
  must_write(drivers / driver / "bind", node);
}

} // namespace

std::string platform_node(std::string_view device) {
  for (const auto& entry : fs::directory_iterator(devices)) {
    const auto tree = entry.path() / "of_node";
    if (tree_string(tree / "compatible") == "pinring,stream" &&
        tree_string(tree / "label") == device)
      return entry.path().filename();
  }
  return {};
}

std::string driver_of(const std::string& node) {
  std::error_code error;
  const auto link = fs::read_symlink(devices / node / "driver", error);
  return error ? std::string{} : link.filename().string();
}

raw_client::raw_client(std::string_view device)
    : device_(device), node_(platform_node(device)),
      folder_("/sys/kernel/debug/pinring_client/" + device_) {
  if (node_.empty())
    throw std::runtime_error("no platform device is labelled " + device_);
  hand_over(node_, module, module);
  clear();
}

raw_client::~raw_client() {
  try {
    hand_over(node_, "pinring", "\n");
  } catch (const std::exception& e) {
    // direct0 is none that pinring takes; of any other, the next test misses it.
    std::fprintf(stderr, "%s stays without pinring: %s\n", device_.c_str(), e.what());
  }
}

outcome raw_client::command(const std::string& text) const {
  return outcome{write_once(folder_ + "/command", text)};
}

void raw_client::must(const std::string& text) const {
  if (const auto result = command(text); !result.good())
    throw std::runtime_error(text + ": " + std::strerror(result.error()));
}

outcome raw_client::prep(const char* direction, std::size_t pieces, std::size_t bytes,
                         std::size_t stride, std::size_t offset) const {
  const auto step = stride ? stride : (bytes + apart - 1) / apart * apart;
  return command(std::string("prep ") + direction + ' ' + std::to_string(pieces) + ' ' +
                 std::to_string(bytes) + ' ' + std::to_string(step) + ' ' + std::to_string(offset));
}

void raw_client::send(std::size_t bytes, std::size_t offset) const {
  if (const auto result = prep_send(1, bytes, 0, offset); !result.good())
    throw std::runtime_error(std::string("can't prepare a send: ") + std::strerror(result.error()));
  issue_send();
}

raw_client::termination raw_client::terminate(const char* text) const {
  const auto start = clock::now();
  const auto result = command(text);
  return {result, clock::now() - start};
}

void raw_client::synchronize() const {
  must("synchronize send");
  must("synchronize recv");
}

std::vector<raw_client::job> raw_client::jobs() const {
  std::ifstream in(folder_ + "/jobs");
  std::vector<job> result;
  for (job j;
       in >> j.receives >> j.called >> j.result >> j.residue >> j.status >> j.status_residue;)
    result.push_back(j);
  return result;
}

std::size_t raw_client::called(unsigned receives) const {
  return static_cast<std::size_t>(std::ranges::count_if(
      jobs(), [&](const job& j) { return j.receives == receives && j.called > 0; }));
}

bool raw_client::blank(std::size_t offset, std::size_t bytes) const {
  std::ifstream in(folder_ + "/recv", std::ios::binary);
  std::string text(bytes, '\0');
  in.seekg(static_cast<std::streamoff>(offset));
  if (!in.read(text.data(), static_cast<std::streamsize>(bytes)))
    throw std::runtime_error("can't read what " + device_ + " has received");
  return std::ranges::all_of(text, [](char c) { return c == '\xEE'; });
}

} // namespace support
