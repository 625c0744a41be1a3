// SPDX-License-Identifier: MIT
#include "watch.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <fmt/core.h>

#include "counters.hpp"
#include "failure.hpp"
#include "text.hpp"

namespace tools {
namespace {

constexpr std::chrono::milliseconds look_every{200};
// Short work is over before a line about it could be read.
constexpr std::chrono::seconds quiet_at_first{1};

int checked(int fd, const char* what) {
  if (fd < 0)
    throw std::system_error{errno, std::generic_category(), what};
  return fd;
}

void raise_event(int fd) noexcept {
  const std::uint64_t one = 1;
  static_cast<void>(!::write(fd, &one, sizeof one));
}

} // namespace

watch::watch(plan p)
    : plan_{std::move(p)}, counters_{counters_folder(plan_.device_path)},
      terminal_{::isatty(STDERR_FILENO) == 1}, started_{clock::now()}, moved_{started_} {
  ::sigset_t taken;
  ::sigemptyset(&taken);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP})
    ::sigaddset(&taken, signal);
  signals_ = checked(::signalfd(-1, &taken, SFD_CLOEXEC), "signalfd");
  ended_ = checked(::eventfd(0, EFD_CLOEXEC), "eventfd");
  leave_ = checked(::eventfd(0, EFD_CLOEXEC), "eventfd");
  // The thread inherits the mask: a signal finds nobody but the signalfd.
  ::pthread_sigmask(SIG_BLOCK, &taken, &former_);
  thread_ = std::thread{&watch::run, this};
}

watch::~watch() {
  raise_event(leave_);
  thread_.join();
  clear();
  ::pthread_sigmask(SIG_SETMASK, &former_, nullptr);
  for (const int fd : {signals_, ended_, leave_})
    ::close(fd);
}

// Without counters nobody sees that nothing moves: then only a deadline ends it, with time for the
// slowest of links.
dma::transfer_options watch::options() const {
  dma::transfer_options options;
  options.stop = stop_.get_token();
  options.abort_on_stop = true;
  options.deadline = dma::deadline::never();
  if (plan_.patience.count() > 0 && !read_packets(counters_, plan_.counted)) {
    const double slowest = 1e6;
    options.deadline = plan_.patience + std::chrono::duration<double>{
                                            static_cast<double>(under_way_.load()) / slowest};
  }
  return options;
}

void watch::begin(std::uint64_t bytes) noexcept {
  base_ = read_packets(counters_, plan_.counted).value_or(0);
  under_way_ = bytes;
}

void watch::done(std::uint64_t bytes) noexcept {
  under_way_ = 0;
  before_ += bytes;
}

bool watch::wait_for(int fd, short events) const noexcept {
  std::array<::pollfd, 2> watched{
      {{.fd = fd, .events = events, .revents = 0}, {.fd = ended_, .events = POLLIN, .revents = 0}}};
  while (::poll(watched.data(), watched.size(), -1) < 0 && errno == EINTR)
    ;
  return why_ == ending::none;
}

void watch::end(ending why) noexcept {
  if (why_ != ending::none)
    return;
  why_ = why;
  raise_event(ended_);
  stop_.request_stop();
}

void watch::run() noexcept {
  std::array<::pollfd, 2> watched{{{.fd = signals_, .events = POLLIN, .revents = 0},
                                   {.fd = leave_, .events = POLLIN, .revents = 0}}};
  for (;;) {
    const int timeout = static_cast<int>(look_every.count());
    const int n = ::poll(watched.data(), watched.size(), timeout);
    if (n > 0 && watched[1].revents)
      return;
    if (n > 0 && watched[0].revents) {
      ::signalfd_siginfo info{};
      static_cast<void>(!::read(signals_, &info, sizeof info));
      if (why_ == ending::interrupted)
        ::_exit(exit_interrupted);
      end(ending::interrupted);
    }
    look(clock::now());
  }
}

void watch::look(clock::time_point now) {
  const std::optional<std::uint64_t> packets = read_packets(counters_, plan_.counted);
  if (!packets)
    return;
  // While no transfer is under way (a pipe is slow, say) there is nothing to wait for.
  if (*packets != last_packets_ || under_way_ == 0)
    moved_ = now;
  last_packets_ = *packets;
  if (plan_.patience.count() > 0 && now - moved_ > plan_.patience)
    end(ending::stalled);
  if (terminal_ && now - started_ > quiet_at_first)
    show(now, *packets);
}

void watch::show(clock::time_point now, std::uint64_t packets) {
  const std::uint64_t through = (packets - base_) * plan_.packet_bytes;
  const std::uint64_t bytes = before_ + std::min<std::uint64_t>(through, under_way_);
  std::string line = fmt::format("{}: {:.1f}", plan_.name, static_cast<double>(bytes) / 1e6);
  if (plan_.total && *plan_.total)
    line += fmt::format(" of {:.1f} MB, {:.0f} %", static_cast<double>(*plan_.total) / 1e6,
                        100.0 * static_cast<double>(bytes) / static_cast<double>(*plan_.total));
  else
    line += " MB";
  line += fmt::format(", {}", rate_text(bytes, now - started_));
  const std::size_t length = line.size();
  // Overwrites what a longer line left: not every terminal can erase.
  if (length < shown_)
    line.append(shown_ - length, ' ');
  fmt::print(stderr, "\r{}", line);
  static_cast<void>(std::fflush(stderr));
  shown_ = length;
}

void watch::clear() noexcept {
  if (!shown_)
    return;
  fmt::print(stderr, "\r{:{}}\r", "", shown_);
  static_cast<void>(std::fflush(stderr));
}

} // namespace tools
