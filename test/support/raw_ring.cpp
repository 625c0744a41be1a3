// SPDX-License-Identifier: MIT
#include "support/raw_ring.hpp"

#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <string>
#include <sys/mman.h>
#include <utility>

namespace support {
namespace {

template <typename T>
T acquire(T& value) {
  return std::atomic_ref<T>(value).load(std::memory_order_acquire);
}

template <typename T>
void release(T& place, T value) {
  std::atomic_ref<T>(place).store(value, std::memory_order_release);
}

[[noreturn]] void fail(const std::string& what, outcome why) {
  throw std::runtime_error(what + ": " + std::strerror(why.error()));
}

} // namespace

raw_ring raw_ring::open(std::string_view device) {
  raw_ring ring;
  ring.fd_ = open_device(device);
  return ring;
}

raw_ring::raw_ring(std::string_view device, const ring_options& options)
    : fd_(open_device(device)) {
  if (const auto result = setup(options); !result.good())
    fail("can't set up a ring on " + std::string(device), result);
}

raw_ring::raw_ring(raw_ring&& other) noexcept
    : fd_(std::move(other.fd_)), setup_(other.setup_), map_(std::exchange(other.map_, {})),
      tail_(other.tail_) {}

outcome raw_ring::setup(const ring_options& options) {
  pinring_setup setup{};
  setup.size = sizeof(setup);
  setup.flags = options.flags;
  setup.directions = options.directions;
  setup.sq_entries = options.sq_entries;
  setup.cq_entries = options.cq_entries;

  if (const auto result = call(fd_, PINRING_IOC_SETUP, &setup); !result.good())
    return result;

  void* at = ::mmap(nullptr, setup.ring_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd(), 0);
  if (at == MAP_FAILED)
    fail("can't map the ring", outcome{errno});
  setup_ = setup;
  map_ = {static_cast<std::byte*>(at), setup.ring_bytes};
  tail_ = 0;
  return success;
}

void raw_ring::close() {
  if (!map_.empty())
    ::munmap(map_.data(), map_.size());
  map_ = {};
  fd_.reset();
}

pinring_sqe& raw_ring::sqe_at(std::uint32_t index) const {
  return (&at<pinring_sqe>(setup_.sqes_offset))[index & (setup_.sq_entries - 1)];
}

std::uint32_t raw_ring::cq_ready() const {
  return acquire(cq().tail) - cq().head;
}

std::uint32_t raw_ring::cq_flags() const {
  return acquire(cq().flags);
}

pinring_sqe& raw_ring::sqe() {
  if (tail_ - acquire(sq().head) >= setup_.sq_entries)
    throw std::logic_error("the test fills its SQ with more than it holds");
  return sqe_at(tail_++) = pinring_sqe{};
}

void raw_ring::publish() {
  release(sq().tail, tail_);
}

enter_result raw_ring::submit(std::uint32_t min_complete, std::chrono::nanoseconds deadline) {
  publish();
  return enter(tail_ - acquire(sq().head), min_complete, deadline);
}

enter_result raw_ring::enter(std::uint32_t to_submit, std::uint32_t min_complete,
                             std::optional<std::chrono::nanoseconds> deadline) const {
  pinring_enter argument{};
  argument.size = sizeof(argument);
  argument.to_submit = to_submit;
  argument.min_complete = min_complete;
  argument.deadline_ns = deadline ? static_cast<std::uint64_t>(deadline->count()) : 0;

  const auto result = enter(argument);
  return {result, argument.submitted};
}

outcome raw_ring::enter(pinring_enter& argument) const {
  return call(fd_, PINRING_IOC_ENTER, &argument);
}

std::vector<pinring_cqe> raw_ring::reap(std::uint32_t most) {
  const auto* entries = &at<pinring_cqe>(setup_.cqes_offset);
  const auto tail = acquire(cq().tail);
  auto head = cq().head;
  std::vector<pinring_cqe> result;

  for (; head != tail && result.size() < most; ++head)
    result.push_back(entries[head & (setup_.cq_entries - 1)]);
  release(cq().head, head);
  return result;
}

std::vector<pinring_cqe> raw_ring::wait(std::size_t n, std::chrono::nanoseconds deadline) {
  const auto end = clock::now() + deadline;
  std::vector<pinring_cqe> result;
  std::optional<outcome> entered;

  while (true) {
    const auto more = reap(static_cast<std::uint32_t>(n - result.size()));
    result.insert(result.end(), more.begin(), more.end());
    if (result.size() == n)
      return result;

    const auto count = std::to_string(result.size()) + " of " + std::to_string(n) + " completions";
    if (entered && !entered->good() && *entered != outcome{EINTR})
      fail(count, *entered);
    if (entered == success && more.empty())
      throw std::runtime_error(count + ", and nothing is outstanding");

    const auto left = std::max<std::chrono::nanoseconds>(end - clock::now(), 1ns);
    const auto missing = static_cast<std::uint32_t>(n - result.size());
    entered = enter(0, std::min(missing, setup_.cq_entries), left).result;
  }
}

pinring_cqe raw_ring::run(const pinring_sqe& sqe) {
  push(sqe);
  if (const auto entered = submit(); !entered.result.good() || entered.submitted != 1)
    fail("can't submit", entered.result);
  return wait(1).front();
}

outcome raw_ring::add(pinring_buffer& buffer) const {
  return call(fd_, PINRING_IOC_BUFFER_ADD, &buffer);
}

outcome raw_ring::update(pinring_buffer& buffer) const {
  return call(fd_, PINRING_IOC_BUFFER_UPDATE, &buffer);
}

outcome raw_ring::remove(pinring_buffer& buffer) const {
  return call(fd_, PINRING_IOC_BUFFER_REMOVE, &buffer);
}

void raw_ring::register_at(std::uint32_t index, std::span<std::byte> bytes,
                           std::uint32_t flags) const {
  auto buffer = make_buffer(index, bytes, flags);
  if (const auto result = add(buffer); !result.good())
    fail("can't register a buffer", result);
}

outcome raw_ring::remove_at(std::uint32_t index, std::uint32_t flags,
                            std::chrono::nanoseconds deadline) const {
  pinring_buffer buffer{};
  buffer.size = sizeof(buffer);
  buffer.index = index;
  buffer.flags = flags;
  buffer.deadline_ns = static_cast<std::uint64_t>(deadline.count());
  return remove(buffer);
}

outcome raw_ring::eventfd(int fd) const {
  pinring_eventfd argument{};
  argument.size = sizeof(argument);
  argument.fd = fd;
  return call(fd_, PINRING_IOC_EVENTFD, &argument);
}

pinring_buffer make_buffer(std::uint32_t index, std::span<std::byte> bytes, std::uint32_t flags) {
  pinring_buffer buffer{};
  buffer.size = sizeof(buffer);
  buffer.flags = flags;
  buffer.index = index;
  buffer.addr = reinterpret_cast<std::uint64_t>(bytes.data());
  buffer.len = bytes.size();
  return buffer;
}

const pinring_cqe& completion_of(std::span<const pinring_cqe> cqes, std::uint64_t user_data) {
  const auto found = std::ranges::find(cqes, user_data, &pinring_cqe::user_data);
  if (found == cqes.end())
    throw std::runtime_error("no completion of job " + std::to_string(user_data));
  return *found;
}

} // namespace support
