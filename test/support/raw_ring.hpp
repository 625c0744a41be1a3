// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <pinring.h>

#include "support/device.hpp"
#include "support/outcome.hpp"
#include "support/sqe.hpp"
#include "support/wait.hpp"

namespace support {

struct ring_options {
  std::uint32_t directions = PINRING_DIR_SEND | PINRING_DIR_RECV;
  std::uint32_t flags = 0;
  std::uint32_t sq_entries = 64;
  std::uint32_t cq_entries = 0;
};

struct enter_result {
  outcome result;
  std::uint32_t submitted = 0;
};

/// The ABI by hand: ioctls and the mapping, with nothing between a test and the driver.
///
/// Errors that a test may expect come back as values. A ring that does not do what every test
/// relies on (set up, complete in time) throws std::runtime_error, which says what was missing.
class raw_ring {
public:
  /// Opens the device and makes no ring.
  [[nodiscard]] static raw_ring open(std::string_view device);
  /// Opens the device and sets the ring up.
  explicit raw_ring(std::string_view device, const ring_options& options = {});
  raw_ring(raw_ring&& other) noexcept;
  raw_ring& operator=(raw_ring&&) = delete;
  ~raw_ring() { close(); }

  /// SETUP and mmap. Once it said EEXIST or the like, the ring is as it was.
  [[nodiscard]] outcome setup(const ring_options& options);
  /// Unmaps and closes, ahead of the destructor.
  void close();

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] const pinring_setup& layout() const { return setup_; }
  [[nodiscard]] std::span<std::byte> mapping() const { return map_; }
  [[nodiscard]] pinring_info info() const { return info_of(fd()); }

  [[nodiscard]] pinring_sq& sq() const { return at<pinring_sq>(setup_.sq_offset); }
  [[nodiscard]] pinring_cq& cq() const { return at<pinring_cq>(setup_.cq_offset); }
  /// Entry of the SQ with this free-running index.
  [[nodiscard]] pinring_sqe& sqe_at(std::uint32_t index) const;
  [[nodiscard]] std::uint32_t cq_ready() const;
  [[nodiscard]] std::uint32_t cq_flags() const;

  /// The next free entry, zeroed; seen by the kernel from the next publish() or submit() on.
  [[nodiscard]] pinring_sqe& sqe();
  raw_ring& push(const pinring_sqe& sqe) {
    this->sqe() = sqe;
    return *this;
  }
  void publish();

  /// Publishes what was pushed and enters for all of it. @param min_complete CQEs to wait for.
  enter_result submit(std::uint32_t min_complete = 0, std::chrono::nanoseconds deadline = patience);
  /// One ENTER, as given. A deadline of nothing is 0 in the ABI: for ever.
  enter_result enter(std::uint32_t to_submit, std::uint32_t min_complete,
                     std::optional<std::chrono::nanoseconds> deadline = patience) const;
  [[nodiscard]] outcome enter(pinring_enter& argument) const;

  /// Takes what is in the CQ now.
  [[nodiscard]] std::vector<pinring_cqe> reap(std::uint32_t most = ~0U);
  /// Takes exactly n completions, entering as needed. Throws when they don't come in time.
  [[nodiscard]] std::vector<pinring_cqe> wait(std::size_t n,
                                              std::chrono::nanoseconds deadline = patience);
  /// Submits one SQE and returns the one completion there is.
  [[nodiscard]] pinring_cqe run(const pinring_sqe& sqe);

  [[nodiscard]] outcome add(pinring_buffer& buffer) const;
  [[nodiscard]] outcome update(pinring_buffer& buffer) const;
  [[nodiscard]] outcome remove(pinring_buffer& buffer) const;
  /// Registers memory at the index; throws when that fails.
  void register_at(std::uint32_t index, std::span<std::byte> bytes,
                   std::uint32_t flags = PINRING_DIR_SEND | PINRING_DIR_RECV) const;
  [[nodiscard]] outcome remove_at(std::uint32_t index, std::uint32_t flags = 0,
                                  std::chrono::nanoseconds deadline = {}) const;
  [[nodiscard]] outcome eventfd(int fd) const;

private:
  raw_ring() = default;

  template <typename T>
  [[nodiscard]] T& at(std::uint32_t offset) const {
    return *reinterpret_cast<T*>(map_.data() + offset);
  }

  unique_fd fd_;
  pinring_setup setup_{};
  std::span<std::byte> map_;
  std::uint32_t tail_ = 0; // ours, ahead of sq.tail until it is published
};

/// A buffer structure that ADD and UPDATE accept.
[[nodiscard]] pinring_buffer make_buffer(std::uint32_t index, std::span<std::byte> bytes,
                                         std::uint32_t flags = PINRING_DIR_SEND | PINRING_DIR_RECV);

/// The completion with this user_data; throws when there is none.
[[nodiscard]] const pinring_cqe& completion_of(std::span<const pinring_cqe> cqes,
                                               std::uint64_t user_data);

} // namespace support
