// SPDX-License-Identifier: MIT
#include <dma/ring.hpp>

#include <chrono>
#include <new>
#include <optional>
#include <utility>

#include "explain.hpp"
#include "ring_core.hpp"

namespace dma {
namespace {

// How long a destructor waits for jobs to end by themselves before it ends them.
constexpr std::chrono::seconds patience{1};

std::unique_ptr<detail::held_memory> make_memory(std::size_t bytes) {
  auto memory = std::make_unique<detail::held_memory>();
  // Written, so that it is present and nothing of former contents goes out with it.
  memory->bytes.resize(bytes, std::byte{});
  return memory;
}

} // namespace

registered_buffer::registered_buffer() noexcept = default;

registered_buffer::registered_buffer(ring& ring, const_piece memory, bool writable, direction use,
                                     std::error_code* error) {
  if (!ring) {
    detail::report(errc::no_ring, {}, error);
    return;
  }
  const direction wanted = use == direction::none ? ring.directions() : use;
  if (!writable && has(wanted, direction::receive)) {
    detail::report(errc::bad_argument, {.device = "read-only memory can't be received into"},
                   error);
    return;
  }
  detail::ring_core::registration r;
  const std::error_code code = ring.core_->add(memory, wanted, std::nullopt, r);
  detail::report(code, {.device = ring.core_->path(), .bytes = memory.size()}, error);
  if (code)
    return;
  core_ = ring.core_;
  // Only for reading where it was const: data() says so.
  data_ = static_cast<std::byte*>(const_cast<void*>(memory.data()));
  bytes_ = memory.size();
  index_ = r.index;
  generation_ = r.generation;
  use_ = wanted;
}

registered_buffer::registered_buffer(ring& ring, std::size_t bytes, direction use) {
  auto memory = make_memory(bytes);
  *this = registered_buffer{ring, const_piece{memory->bytes}, true, use, nullptr};
  owned_ = std::move(memory);
}

registered_buffer::registered_buffer(ring& ring, std::size_t bytes, direction use,
                                     std::error_code& error) {
  auto memory = make_memory(bytes);
  *this = registered_buffer{ring, const_piece{memory->bytes}, true, use, &error};
  if (core_)
    owned_ = std::move(memory);
}

registered_buffer::registered_buffer(registered_buffer&& other) noexcept
    : core_{std::move(other.core_)}, owned_{std::move(other.owned_)},
      data_{std::exchange(other.data_, nullptr)}, bytes_{std::exchange(other.bytes_, 0)},
      index_{other.index_}, generation_{other.generation_}, use_{other.use_} {}

registered_buffer& registered_buffer::operator=(registered_buffer&& other) noexcept {
  if (this != &other) {
    registered_buffer former{std::move(*this)};
    core_ = std::move(other.core_);
    owned_ = std::move(other.owned_);
    data_ = std::exchange(other.data_, nullptr);
    bytes_ = std::exchange(other.bytes_, 0);
    index_ = other.index_;
    generation_ = other.generation_;
    use_ = other.use_;
  }
  return *this;
}

registered_buffer::~registered_buffer() {
  if (!core_)
    return;
  const detail::ring_core::registration r{.index = index_, .generation = generation_};
  if (owned_) {
    core_->remove_later(r, std::move(owned_));
    return;
  }
  // A signal must not cut the waiting short: the memory may be freed right after this.
  const auto until = std::chrono::steady_clock::now() + patience;
  std::error_code error;
  do
    error = core_->remove(r, until);
  while (error == errc::interrupted);
  if (error)
    core_->close();
}

std::error_code registered_buffer::remove(deadline within) noexcept {
  if (!core_)
    return {};
  const std::error_code error = core_->remove({.index = index_, .generation = generation_}, within);
  if (error)
    return error;
  core_.reset();
  owned_.reset();
  data_ = nullptr;
  bytes_ = 0;
  return {};
}

// Not by the kernel's UPDATE, which lets the new memory in before the old is out: when a signal or
// the deadline ends that wait, nobody can tell any more when the old memory may be freed.
std::error_code registered_buffer::update_memory(piece memory, deadline within) noexcept {
  if (!core_)
    return errc::no_ring;
  const std::shared_ptr<detail::ring_core> core = core_;
  if (const std::error_code error = remove(within))
    return error;
  detail::ring_core::registration r;
  try {
    if (const std::error_code error = core->add(memory, use_, index_, r))
      return error;
  } catch (const std::bad_alloc&) {
    return errc::out_of_memory;
  }
  core_ = core;
  data_ = static_cast<std::byte*>(memory.data());
  bytes_ = memory.size();
  generation_ = r.generation;
  return {};
}

} // namespace dma
