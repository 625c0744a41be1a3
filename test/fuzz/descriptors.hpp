// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <string>

#include "support/device.hpp"
#include "support/random_stream.hpp"
#include "tally.hpp"

namespace fuzz {

/// Passes descriptors between the processes of a run, and holds them while they are on their way:
/// some only die with it.
class exchange {
public:
  exchange();

  void give(int fd) const;
  /// -1 when there is none.
  [[nodiscard]] int take() const;

private:
  support::unique_fd in_;
  support::unique_fd out_;
};

/// What an episode's calls are made on: the file with the ring and duplicates of it, files without
/// a ring, another process's, an eventfd, a pipe, and a number that is nobody's.
class descriptors {
public:
  static constexpr std::size_t most = 12;

  descriptors(std::string path, const exchange& others, tally& counts);
  descriptors(const descriptors&) = delete;
  descriptors& operator=(const descriptors&) = delete;
  ~descriptors();

  /// The file whose ring the episode uses.
  [[nodiscard]] int main() const { return main_; }
  void close_main();
  [[nodiscard]] int event() const { return event_.get(); }
  [[nodiscard]] int epoll() const { return epoll_.get(); }

  [[nodiscard]] int some(support::random_stream& random) const;
  /// Opens, duplicates, gives away, takes over or closes one. Not from two threads at once.
  void meddle(support::random_stream& random);

private:
  void put(std::size_t where, int fd);

  std::string path_;
  const exchange& others_;
  tally& counts_;
  std::atomic<int> main_; // closed by one thread while others use it
  support::unique_fd event_;
  support::unique_fd epoll_;
  std::array<std::atomic<int>, most> fds_;
};

} // namespace fuzz
