// SPDX-License-Identifier: MIT
// Watches synchronous transfers from the side: shows how far they are, ends them on Ctrl-C and when
// nothing moves any more.
#ifndef PINRING_TOOLS_WATCH_HPP
#define PINRING_TOOLS_WATCH_HPP

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include <dma/device.hpp>
#include <dma/transfer.hpp>

namespace tools {

/// From its construction to its end SIGINT, SIGTERM and SIGHUP are taken by a thread of this; the
/// transfer that is given options() is then ended, and so is wait_for(). A second signal ends the
/// program at once.
///
/// How far a transfer is, is told by the driver's count of packets that are through; so nothing is
/// shown of a packet that is still on its way.
class watch final {
public:
  struct plan {
    std::string device_path;
    std::string name;                         ///< shown with the progress
    dma::direction counted{};                 ///< whose packets tell how far it is
    std::uint64_t packet_bytes = 1;           ///< a full packet
    std::optional<std::uint64_t> total{};     ///< bytes; unknown of a pipe
    std::chrono::duration<double> patience{}; ///< without any packet; 0: any time
  };
  enum class ending { none, interrupted, stalled };

  explicit watch(plan p);
  watch(const watch&) = delete;
  watch& operator=(const watch&) = delete;
  ~watch();

  /// What a transfer needs to be watched.
  [[nodiscard]] dma::transfer_options options() const;

  /// A transfer of so many bytes begins …
  void begin(std::uint64_t bytes) noexcept;
  /// … and is over.
  void done(std::uint64_t bytes) noexcept;

  /// Waits until a file can be read or written (POLLIN, POLLOUT). False if a signal came first.
  [[nodiscard]] bool wait_for(int fd, short events) const noexcept;

  [[nodiscard]] std::chrono::duration<double> patience() const noexcept { return plan_.patience; }
  /// Why the watch ended the transfer, if it did.
  [[nodiscard]] ending why() const noexcept { return why_; }

private:
  using clock = std::chrono::steady_clock;

  void run() noexcept;
  void look(clock::time_point now);
  void end(ending why) noexcept;
  void show(clock::time_point now, std::uint64_t packets);
  void clear() noexcept;

  plan plan_;
  std::string counters_;
  bool terminal_ = false;
  ::sigset_t former_{};
  int signals_ = -1; // signalfd
  int ended_ = -1;   // eventfd: readable once ended
  int leave_ = -1;   // eventfd: the thread shall return
  std::stop_source stop_;
  std::atomic<ending> why_ = ending::none;
  std::atomic<std::uint64_t> before_ = 0;    // bytes of the transfers that are over
  std::atomic<std::uint64_t> under_way_ = 0; // bytes of the one that is not
  std::atomic<std::uint64_t> base_ = 0;      // the packets when it began

  // The thread's own.
  clock::time_point started_;
  clock::time_point moved_;
  std::uint64_t last_packets_ = 0;
  std::size_t shown_ = 0; // characters on the line
  std::thread thread_;
};

} // namespace tools

#endif
