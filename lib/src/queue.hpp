// SPDX-License-Identifier: MIT
// The two queues in shared memory: free-running 32-bit indices, one writer for each.
#ifndef PINRING_SRC_QUEUE_HPP
#define PINRING_SRC_QUEUE_HPP

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include <pinring.h>

namespace dma::detail {

inline std::uint32_t load_acquire(__u32& shared) noexcept {
  return std::atomic_ref<__u32>{shared}.load(std::memory_order_acquire);
}

inline void store_release(__u32& shared, std::uint32_t value) noexcept {
  std::atomic_ref<__u32>{shared}.store(value, std::memory_order_release);
}

/// Filled here, emptied by the kernel. An entry is the caller's alone until publish().
class submission_queue {
public:
  submission_queue() noexcept = default;
  submission_queue(pinring_sq* shared, pinring_sqe* entries, std::uint32_t count) noexcept
      : shared_{shared}, entries_{entries}, count_{count}, tail_{load_acquire(shared->tail)} {}

  [[nodiscard]] std::uint32_t size() const noexcept { return count_; }

  /// Entries filled and not consumed by the kernel. Differences of indices are right across 2^32.
  [[nodiscard]] std::uint32_t filled() const noexcept {
    return shared_ ? tail_ - load_acquire(shared_->head) : 0;
  }
  [[nodiscard]] std::uint32_t space() const noexcept { return count_ - filled(); }

  /// Which entry push() will fill.
  [[nodiscard]] std::uint32_t next_slot() const noexcept { return tail_ & (count_ - 1); }

  /// Fills the next entry. There must be space().
  void push(const pinring_sqe& sqe) noexcept {
    entries_[next_slot()] = sqe;
    ++tail_;
  }

  /// Lets the kernel see what was pushed.
  void publish() noexcept { store_release(shared_->tail, tail_); }

  /// Takes back what the kernel has not consumed, published or not.
  void retract() noexcept {
    tail_ = load_acquire(shared_->head);
    publish();
  }

private:
  pinring_sq* shared_ = nullptr;
  pinring_sqe* entries_ = nullptr;
  std::uint32_t count_ = 0;
  std::uint32_t tail_ = 0;
};

/// Filled by the kernel, emptied here.
class completion_queue {
public:
  completion_queue() noexcept = default;
  completion_queue(pinring_cq* shared, const pinring_cqe* entries, std::uint32_t count) noexcept
      : shared_{shared}, entries_{entries}, count_{count}, head_{load_acquire(shared->head)} {}

  [[nodiscard]] std::uint32_t size() const noexcept { return count_; }

  [[nodiscard]] std::uint32_t ready() const noexcept {
    return shared_ ? load_acquire(shared_->tail) - head_ : 0;
  }

  /// Whether the kernel holds completions back that did not fit.
  [[nodiscard]] bool overflown() const noexcept {
    return shared_ && (load_acquire(shared_->flags) & PINRING_CQ_OVERFLOW);
  }

  /// Hands up to `limit` entries to `take`, oldest first, then gives their places back.
  template <class Take>
  std::size_t consume(std::size_t limit, Take take) {
    const std::size_t n = std::min<std::size_t>(limit, ready());
    for (std::size_t i = 0; i < n; ++i)
      take(entries_[(head_ + static_cast<std::uint32_t>(i)) & (count_ - 1)]);
    if (n) {
      head_ += static_cast<std::uint32_t>(n);
      store_release(shared_->head, head_);
    }
    return n;
  }

private:
  pinring_cq* shared_ = nullptr;
  const pinring_cqe* entries_ = nullptr;
  std::uint32_t count_ = 0;
  std::uint32_t head_ = 0;
};

} // namespace dma::detail

#endif
