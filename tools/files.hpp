// SPDX-License-Identifier: MIT
// Files and pipes: "-" is standard input or output.
#ifndef PINRING_TOOLS_FILES_HPP
#define PINRING_TOOLS_FILES_HPP

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace tools {

class watch;

class input final {
public:
  /// @throws failure
  explicit input(const std::string& path);
  input(const input&) = delete;
  input& operator=(const input&) = delete;
  ~input();

  /// Of an ordinary file; nothing is known of a pipe.
  [[nodiscard]] std::optional<std::uint64_t> size() const noexcept { return size_; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }

  /// Fills as much of `into` as there is; less only at the end of the file, or where the watch has
  /// ended the work.
  /// @throws failure
  [[nodiscard]] std::size_t read(std::span<std::byte> into, const watch* watched = nullptr);
  /// All of it.
  [[nodiscard]] std::vector<std::byte> read_all();

private:
  std::string name_;
  int fd_ = -1;
  std::optional<std::uint64_t> size_;
};

class output final {
public:
  /// Truncates what is there.
  /// @throws failure
  explicit output(const std::string& path);
  output(const output&) = delete;
  output& operator=(const output&) = delete;
  ~output();

  [[nodiscard]] const std::string& name() const noexcept { return name_; }

  /// Writes all of it, unless the watch has ended the work: then false.
  /// @throws failure
  [[nodiscard]] bool write(std::span<const std::byte> data, const watch& watched);

private:
  std::string name_;
  int fd_ = -1;
};

} // namespace tools

#endif
