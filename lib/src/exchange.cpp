// SPDX-License-Identifier: MIT
#include "exchange.hpp"

#include <cerrno>
#include <utility>

#include <sys/eventfd.h>
#include <unistd.h>

#include "kernel.hpp"

namespace dma::detail {
namespace {

// user_data of the jobs is the side's number, of their cancels and aborts this more.
constexpr std::uint64_t cancel_offset = 2;
constexpr std::uint64_t abort_offset = 4;

// Most transfers are over within this time, and then one system call does for both sides; when it
// passes, the sides are waited for one by one, so that one's failure is seen while the other waits.
constexpr std::chrono::milliseconds joint_wait{10};

// After an error on the stream the driver resets both channels and settles the other side itself,
// which may take the engine a second to halt and one to reset, for each channel.
constexpr std::chrono::seconds recovery_time{5};
constexpr std::chrono::milliseconds last_words{100};

// How long a side that has started may still take when the other has failed with this.
std::chrono::milliseconds time_to_settle(std::error_code partner) {
  if (partner == errc::deadline_passed || partner == errc::transfer_failed ||
      partner == errc::collateral_reset || partner == errc::device_gone)
    return recovery_time;
  if (partner == errc::ended_early) // the packet came: its send is about to complete
    return last_words;
  return {}; // refused: nobody will answer
}

} // namespace

/// Wakes a poll() when a stop is requested.
class stop_signal {
public:
  explicit stop_signal(const std::stop_token& token) : token_{token} {
    if (!token.stop_possible())
      return;
    fd_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd_ < 0)
      error_ = error_from_errno(errno);
    else
      callback_.emplace(token, wake{fd_});
  }
  stop_signal(const stop_signal&) = delete;
  stop_signal& operator=(const stop_signal&) = delete;
  ~stop_signal() {
    callback_.reset(); // waits for a callback that runs just now
    if (fd_ >= 0)
      ::close(fd_);
  }

  /// Why a stop that is possible can't be listened for.
  [[nodiscard]] std::error_code error() const noexcept { return error_; }
  [[nodiscard]] bool possible() const noexcept { return fd_ >= 0; }
  [[nodiscard]] bool requested() const noexcept { return token_.stop_requested(); }
  [[nodiscard]] int fd() const noexcept { return fd_; }

private:
  struct wake {
    int fd;
    void operator()() const noexcept {
      const std::uint64_t one = 1;
      static_cast<void>(!::write(fd, &one, sizeof one));
    }
  };
  const std::stop_token& token_;
  int fd_ = -1;
  std::error_code error_{};
  std::optional<std::stop_callback<wake>> callback_;
};

bool must_split(framing f, std::uint64_t chunk, std::uint64_t send_bytes,
                std::uint64_t receive_bytes) noexcept {
  switch (f) {
  case framing::packet:
    return false;
  case framing::split:
    return true;
  case framing::automatic:
    break;
  }
  return send_bytes > chunk || receive_bytes > chunk;
}

bool exchange::run(const source* data, const target* into, transfer_result& result) {
  if (data)
    sides_[sending].result = &result.sent;
  if (into)
    sides_[receiving].result = &result.received;
  stop_signal stop{options_.stop};
  std::error_code error = stop.requested() ? errc::withdrawn : stop.error();
  if (!error)
    error = start(data, into);
  if (error)
    return give_up(error);

  unsigned awaited = 0;
  for (const side& s : sides_)
    awaited += s.result && !s.settled ? 1 : 0;
  const deadline within = awaited > 1 ? deadline{joint_wait} : deadline{};
  error = ring_.enter(true, stop.possible() ? 0 : awaited, within).error;
  for (;;) {
    collect();
    if (all_settled() && ring_.outstanding() == 0)
      return true;
    if (error && error != errc::wait_expired)
      return give_up(error);
    if (stop.requested())
      stopping_ = true;
    decide();
    if (limit_ && clock::now() >= *limit_)
      return give_up({});
    error = wait_for_more(stop);
  }
}

// The receive first, so that a loopback's send finds it armed. And by itself: if it is refused, the
// send must not start, as what it leaves in the stream would be received by the next call. The send
// is prepared for the caller to submit.
std::error_code exchange::start(const source* data, const target* into) {
  const bool split =
      must_split(options_.framing, info_.chunk, data ? data->bytes() : 0, into ? into->bytes() : 0);
  if (into) {
    const receive_options o{.deadline = until_,
                            .split = split,
                            .may_be_short = options_.may_be_short,
                            .batch = false,
                            .gather = options_.gather,
                            .zero_copy = options_.zero_copy};
    if (const std::error_code error = ring_.prepare(make_receive(receiving, o), into->pieces()))
      return error;
  }
  if (!data)
    return {};
  if (into) {
    if (const std::error_code error = ring_.enter(true, 0, {}).error)
      return error;
    collect();
    const side& receive = sides_[receiving];
    if (receive.settled && receive.result->error)
      return errc::withdrawn; // the send: the receive has an error of its own
  }
  const send_options o{.deadline = until_,
                       .split = split,
                       .gather = options_.gather,
                       .zero_copy = options_.zero_copy};
  return ring_.prepare(make_send(sending, o), data->pieces());
}

void exchange::collect() noexcept {
  std::array<completion, 4> done;
  const std::size_t n = ring_.reap(done);
  for (const completion& c : std::span{done}.first(n)) {
    if (c.user_data < cancel_offset) {
      side& s = sides_[c.user_data];
      *s.result = {.error = c.error, .bytes = c.bytes, .flags = c.flags};
      s.settled = !has(c.flags, completion_flags::more);
    } else if (c.user_data < abort_offset) {
      sides_[c.user_data - cancel_offset].started = c.error == errc::already_started;
    } else {
      sides_[c.user_data - abort_offset].refused = c.error == errc::not_available;
    }
  }
}

bool exchange::all_settled() const noexcept {
  for (const side& s : sides_)
    if (s.result && !s.settled)
      return false;
  return true;
}

// A side whose partner has failed would wait for ever: it is withdrawn or, where it has started,
// ended together with its channel. A requested stop withdraws, and aborts only where asked to;
// where the kernel refuses that, as others have claims on the device, closing the ring does the
// same.
void exchange::decide() noexcept {
  for (std::size_t i = 0; i < sides_.size(); ++i) {
    side& s = sides_[i];
    const side& partner = sides_[1 - i];
    if (!s.result || s.settled)
      continue;
    const bool alone = partner.result && partner.settled && partner.result->error;
    const bool abort = stopping_ && options_.abort_on_stop;
    // There is room: the ring has a place for each job, and what was prepared before has left.
    if (abort && !s.aborted) {
      s.cancelled = s.aborted = true;
      static_cast<void>(ring_.prepare(make_cancel(i, i + abort_offset, true)));
    } else if ((alone || stopping_) && !s.cancelled) {
      s.cancelled = true;
      static_cast<void>(ring_.prepare(make_cancel(i, i + cancel_offset, false)));
    }
    if (limit_)
      continue;
    if (abort && s.refused)
      limit_ = clock::now();
    else if (!abort && alone && s.started)
      limit_ = clock::now() + time_to_settle(partner.result->error);
  }
}

std::error_code exchange::wait_for_more(stop_signal& stop) noexcept {
  if (ring_.prepared() == 0 && stop.possible() && !stopping_ && !limit_) {
    std::array<::pollfd, 2> watched{{{.fd = ring_.fd(), .events = POLLIN, .revents = 0},
                                     {.fd = stop.fd(), .events = POLLIN, .revents = 0}}};
    const int n = system_calls().poll(watched.data(), watched.size());
    if (n < 0 && n != -EINTR)
      return error_from_errno(-n);
    // The device may be gone, which ENTER tells; there is nothing to wait for otherwise.
    const bool broken = n > 0 && (watched[0].revents & (POLLERR | POLLHUP));
    if (!broken || ring_.ready() > 0)
      return {};
  }
  return ring_.enter(true, 1, limit_ ? deadline{*limit_} : deadline{}).error;
}

// Nothing more is to be learned from the ring: closing it, which the caller does, gives the memory
// back. What is not known to have settled was reset with the channel.
bool exchange::give_up(std::error_code error) noexcept {
  collect();
  for (side& s : sides_) {
    if (!s.result || s.settled)
      continue;
    if (error)
      *s.result = {.error = error, .bytes = 0, .flags = {}};
    else
      *s.result = {
          .error = errc::collateral_reset, .bytes = 0, .flags = completion_flags::collateral};
  }
  return false;
}

} // namespace dma::detail
