// SPDX-License-Identifier: MIT
// The ring's table of registered buffers. Memory is only ever given up when the kernel has said, by
// an answer to REMOVE or by closing the file, that it has let go.
#include "ring_core.hpp"

#include <cerrno>
#include <chrono>
#include <optional>
#include <utility>

namespace dma::detail {
namespace {

void set_deadline(pinring_buffer& b, deadline within) noexcept {
  const encoded_deadline until = encode(within);
  b.deadline_ns = until.ns;
  b.flags |= PINRING_BUFFER_WAIT | (until.absolute ? PINRING_BUFFER_ABS_DEADLINE : 0);
}

} // namespace

std::error_code ring_core::buffer_call(unsigned long request, void* argument) noexcept {
  if (!is_open())
    return errc::no_ring;
  for (;;) {
    const int rc = kernel_->ioctl(fd_, request, argument);
    if (rc != -EINTR || interruptible_)
      return error_from_errno(-rc);
  }
}

std::error_code ring_core::add(const_piece memory, direction use,
                               std::optional<std::uint32_t> index, registration& into) {
  const std::lock_guard lock{buffers_};
  sweep_locked();
  pinring_buffer b{};
  b.size = sizeof b;
  b.flags = static_cast<std::uint32_t>(use) | (index ? 0 : PINRING_BUFFER_ANY_INDEX);
  b.index = index.value_or(0);
  b.addr = reinterpret_cast<std::uintptr_t>(memory.data());
  b.len = memory.size();
  if (const std::error_code error = buffer_call(PINRING_IOC_BUFFER_ADD, &b))
    return error;
  try {
    into = {.index = b.index, .generation = ++last_generation_};
    generations_[into.index] = into.generation;
  } catch (...) {
    pinring_buffer undo{};
    undo.size = sizeof undo;
    undo.flags = PINRING_BUFFER_WAIT;
    undo.index = b.index;
    static_cast<void>(buffer_call(PINRING_IOC_BUFFER_REMOVE, &undo));
    throw;
  }
  return {};
}

std::error_code ring_core::remove(registration r, deadline within) noexcept {
  const std::lock_guard lock{buffers_};
  return remove_locked(r, within);
}

std::error_code ring_core::remove_locked(registration r, deadline within) noexcept {
  const auto known = generations_.find(r.index);
  if (!is_open() || known == generations_.end() || known->second != r.generation)
    return {}; // let go long ago: the ring is closed, or the index has another holder
  pinring_buffer b{};
  b.size = sizeof b;
  b.index = r.index;
  set_deadline(b, within.starting(std::chrono::steady_clock::now()));
  std::error_code error = buffer_call(PINRING_IOC_BUFFER_REMOVE, &b);
  if (error == errc::not_found || error == errc::wrong_process)
    error = {};
  if (!error)
    generations_.erase(known);
  return error;
}

void ring_core::remove_later(registration r, std::unique_ptr<held_memory> memory) noexcept {
  const std::lock_guard lock{buffers_};
  if (!remove_locked(r, std::chrono::nanoseconds{1}))
    return;
  memory->index = r.index;
  memory->generation = r.generation;
  memory->next = std::move(leaving_);
  leaving_ = std::move(memory);
}

// Frees what the kernel has let go since.
void ring_core::sweep_locked() noexcept {
  for (std::unique_ptr<held_memory>* place = &leaving_; *place;) {
    held_memory& memory = **place;
    if (remove_locked({.index = memory.index, .generation = memory.generation},
                      std::chrono::nanoseconds{1}))
      place = &memory.next;
    else
      *place = std::move(memory.next);
  }
}

} // namespace dma::detail
