// SPDX-License-Identifier: MIT
#include "ring_core.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

namespace dma::detail {

std::shared_ptr<ring_core> ring_core::open(const std::string& path, direction directions,
                                           const ring_options& options, std::error_code& error) {
  std::shared_ptr<ring_core> core{new ring_core};
  error = core->set_up(path, directions, options);
  if (error)
    core.reset();
  return core;
}

std::error_code ring_core::set_up(const std::string& path, direction directions,
                                  const ring_options& options) {
  kernel_ = &system_calls();
  path_ = path;
  const int fd = kernel_->open(path.c_str());
  if (fd < 0)
    return fd == -ENOENT ? make_error_code(errc::device_gone) : error_from_errno(-fd);
  fd_ = fd;

  pinring_setup setup{};
  setup.size = sizeof setup;
  setup.flags = options.shared ? PINRING_SETUP_SHARED : 0;
  setup.directions = static_cast<std::uint32_t>(directions);
  setup.sq_entries = options.sq_entries;
  setup.cq_entries = options.cq_entries;
  if (const int rc = kernel_->ioctl(fd_, PINRING_IOC_SETUP, &setup); rc < 0)
    return error_from_errno(-rc);
  if (const int rc = kernel_->map(fd_, setup.ring_bytes, &mapping_); rc < 0)
    return error_from_errno(-rc);

  owner_ = kernel_->process();
  directions_ = directions;
  interruptible_ = options.interruptible;
  mapping_bytes_ = setup.ring_bytes;
  auto* const base = static_cast<std::byte*>(mapping_);
  sq_ = {reinterpret_cast<pinring_sq*>(base + setup.sq_offset),
         reinterpret_cast<pinring_sqe*>(base + setup.sqes_offset), setup.sq_entries};
  cq_ = {reinterpret_cast<pinring_cq*>(base + setup.cq_offset),
         reinterpret_cast<const pinring_cqe*>(base + setup.cqes_offset), setup.cq_entries};
  return {};
}

bool ring_core::is_ours() const noexcept {
  return kernel_->process() == owner_;
}

// Closing the file is what ends the jobs and waits for the hardware. The mapping holds the file
// too, so it goes first. A child of fork() has neither mapping nor claim, and what is at the
// mapping's address there may be something else by now.
void ring_core::close() noexcept {
  const std::lock_guard lock{buffers_};
  if (fd_ < 0)
    return;
  if (mapping_ && is_ours()) {
    if (outstanding())
      withdraw_all();
    kernel_->unmap(mapping_, mapping_bytes_);
  }
  mapping_ = nullptr;
  sq_ = {};
  cq_ = {};
  kernel_->close(std::exchange(fd_, -1));
  generations_.clear();
  while (leaving_)
    leaving_ = std::move(leaving_->next);
}

// What has not started need not cost the channel a reset when the file closes.
void ring_core::withdraw_all() noexcept {
  sq_.retract();
  sq_.push(make_cancel_all(0, false));
  sq_.publish();
  pinring_enter enter{};
  enter.size = sizeof enter;
  enter.to_submit = 1;
  // The result does not matter: closing the file ends what is left.
  static_cast<void>(kernel_->ioctl(fd_, PINRING_IOC_ENTER, &enter));
}

std::error_code ring_core::prepare(const pinring_sqe& sqe) noexcept {
  if (!is_open())
    return errc::no_ring;
  if (sq_.space() == 0)
    return errc::queue_full;
  sq_.push(sqe);
  return {};
}

submit_result ring_core::enter(bool submission, unsigned completions, deadline within) noexcept {
  submit_result result;
  if (!is_open()) {
    result.error = errc::no_ring;
    return result;
  }
  if (submission)
    sq_.publish();
  // A point in time, so that the wait does not begin anew after every signal.
  const encoded_deadline until = encode(within.starting(std::chrono::steady_clock::now()));
  const unsigned wanted = std::min(completions, cq_.size());
  for (;;) {
    // The kernel moves the head as it consumes: what a signal left behind is all that is left.
    const std::uint32_t to_submit = submission ? sq_.filled() : 0;
    // Without a wait the completion queue is not looked at: it may be another thread's.
    if (to_submit == 0 && (wanted == 0 || cq_.ready() >= wanted))
      return result;
    pinring_enter enter{};
    enter.size = sizeof enter;
    enter.flags = until.absolute ? PINRING_ENTER_ABS_DEADLINE : 0;
    enter.to_submit = to_submit;
    enter.min_complete = wanted;
    enter.deadline_ns = until.ns;
    const int rc = kernel_->ioctl(fd_, PINRING_IOC_ENTER, &enter);
    result.submitted += enter.submitted;
    submitted_.fetch_add(enter.submitted, std::memory_order_relaxed);
    if (rc == -EINTR && !interruptible_)
      continue;
    result.error = error_from_errno(-rc);
    return result;
  }
}

unsigned ring_core::ready() noexcept {
  if (!is_open())
    return 0;
  if (cq_.overflown() && cq_.ready() < cq_.size())
    flush();
  return cq_.ready();
}

// Any ENTER moves what the kernel holds back to where there is room for it.
void ring_core::flush() noexcept {
  pinring_enter enter{};
  enter.size = sizeof enter;
  static_cast<void>(kernel_->ioctl(fd_, PINRING_IOC_ENTER, &enter));
}

std::size_t ring_core::reap(std::span<completion> into) noexcept {
  std::size_t n = 0;
  while (is_open()) {
    cq_.consume(into.size() - n, [&](const pinring_cqe& cqe) { into[n++] = decode(cqe); });
    if (n == into.size() || !cq_.overflown())
      break;
    flush();
    if (cq_.ready() == 0)
      break;
  }
  const auto last =
      std::count_if(into.begin(), into.begin() + static_cast<std::ptrdiff_t>(n),
                    [](const completion& c) { return !has(c.flags, completion_flags::more); });
  reaped_.fetch_add(static_cast<std::uint64_t>(last), std::memory_order_relaxed);
  return n;
}

std::error_code ring_core::set_eventfd(int eventfd) noexcept {
  pinring_eventfd e{};
  e.size = sizeof e;
  e.fd = eventfd;
  return buffer_call(PINRING_IOC_EVENTFD, &e);
}

} // namespace dma::detail
