// SPDX-License-Identifier: MIT
#include <dma/ring.hpp>

#include <utility>

#include "explain.hpp"
#include "ring_core.hpp"

namespace dma {
namespace {

std::shared_ptr<detail::ring_core> open_core(const device& device, const ring_options& options,
                                             std::error_code* error) {
  const device_info& info = device.info();
  const direction wanted =
      options.directions == direction::none ? info.directions : options.directions;
  std::error_code code;
  auto core = detail::ring_core::open(info.path, wanted, options, code);
  detail::report(code, {.device = info.path}, error);
  return core;
}

} // namespace

ring::ring(const device& device, const ring_options& options)
    : core_{open_core(device, options, nullptr)} {}

ring::ring(const device& device, const ring_options& options, std::error_code& error)
    : core_{open_core(device, options, &error)} {}

ring::ring(ring&&) noexcept = default;

ring& ring::operator=(ring&& other) noexcept {
  if (this != &other) {
    close();
    core_ = std::move(other.core_);
  }
  return *this;
}

ring::~ring() {
  close();
}

void ring::close() noexcept {
  // Registered buffers may share the core: it is closed now, not when the last of them goes.
  if (core_)
    core_->close();
}

ring::operator bool() const noexcept {
  return core_ && core_->is_open();
}

std::error_code ring::send(const source& data, std::uint64_t user_data,
                           const send_options& options) noexcept {
  if (!core_)
    return errc::no_ring;
  return core_->prepare(detail::make_send(user_data, options), data.pieces());
}

std::error_code ring::send(registered_range range, std::uint64_t user_data,
                           const send_options& options) noexcept {
  if (!core_)
    return errc::no_ring;
  pinring_sqe sqe = detail::make_send(user_data, options);
  detail::set_memory(sqe, range);
  return core_->prepare(sqe);
}

std::error_code ring::receive(const target& data, std::uint64_t user_data,
                              const receive_options& options) noexcept {
  if (!core_)
    return errc::no_ring;
  return core_->prepare(detail::make_receive(user_data, options), data.pieces());
}

std::error_code ring::receive(registered_range range, std::uint64_t user_data,
                              const receive_options& options) noexcept {
  if (!core_)
    return errc::no_ring;
  pinring_sqe sqe = detail::make_receive(user_data, options);
  detail::set_memory(sqe, range);
  return core_->prepare(sqe);
}

std::error_code ring::cancel(std::uint64_t job, std::uint64_t user_data, bool abort) noexcept {
  return core_ ? core_->prepare(detail::make_cancel(job, user_data, abort))
               : make_error_code(errc::no_ring);
}

std::error_code ring::cancel_all(std::uint64_t user_data, bool abort) noexcept {
  return core_ ? core_->prepare(detail::make_cancel_all(user_data, abort))
               : make_error_code(errc::no_ring);
}

std::error_code ring::drain(std::uint64_t user_data) noexcept {
  return core_ ? core_->prepare(detail::make_plain(PINRING_OP_DRAIN, user_data))
               : make_error_code(errc::no_ring);
}

std::error_code ring::nop(std::uint64_t user_data) noexcept {
  return core_ ? core_->prepare(detail::make_plain(PINRING_OP_NOP, user_data))
               : make_error_code(errc::no_ring);
}

submit_result ring::submit() noexcept {
  return core_ ? core_->enter(true, 0, {}) : submit_result{0, errc::no_ring};
}

submit_result ring::submit_and_wait(unsigned completions, deadline within) noexcept {
  return core_ ? core_->enter(true, completions, within) : submit_result{0, errc::no_ring};
}

std::error_code ring::wait(unsigned completions, deadline within) noexcept {
  return core_ ? core_->enter(false, completions, within).error : make_error_code(errc::no_ring);
}

unsigned ring::poll() noexcept {
  return core_ ? core_->ready() : 0;
}

std::size_t ring::reap(std::span<completion> into) noexcept {
  return core_ ? core_->reap(into) : 0;
}

std::optional<completion> ring::reap() noexcept {
  completion one;
  if (reap(std::span{&one, 1}) == 0)
    return std::nullopt;
  return one;
}

unsigned ring::prepared() const noexcept {
  return core_ ? core_->prepared() : 0;
}
unsigned ring::space() const noexcept {
  return core_ ? core_->space() : 0;
}
std::uint64_t ring::outstanding() const noexcept {
  return core_ ? core_->outstanding() : 0;
}
unsigned ring::sq_entries() const noexcept {
  return core_ ? core_->sq_entries() : 0;
}
unsigned ring::cq_entries() const noexcept {
  return core_ ? core_->cq_entries() : 0;
}
direction ring::directions() const noexcept {
  return core_ ? core_->directions() : direction::none;
}
int ring::fd() const noexcept {
  return core_ ? core_->fd() : -1;
}

std::error_code ring::set_eventfd(int eventfd) noexcept {
  return core_ ? core_->set_eventfd(eventfd) : make_error_code(errc::no_ring);
}

} // namespace dma
