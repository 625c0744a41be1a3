// SPDX-License-Identifier: MIT
// A ring as such: one file, its mapping, its queues and its table of buffers. dma::ring,
// dma::registered_buffer and the synchronous calls are built on it.
#ifndef PINRING_SRC_RING_CORE_HPP
#define PINRING_SRC_RING_CORE_HPP

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <unordered_map>
#include <vector>

#include <dma/buffer.hpp>
#include <dma/ring.hpp>

#include "kernel.hpp"
#include "queue.hpp"
#include "sqe.hpp"

namespace dma::detail {

/// Memory that a registered_buffer owns. While the kernel uses it, it may outlive that in the ring.
struct held_memory {
  buffer<std::byte> bytes;
  std::uint32_t index = 0;
  std::uint64_t generation = 0;
  std::unique_ptr<held_memory> next;
};

class ring_core {
public:
  /// nullptr and an error, or a ring.
  static std::shared_ptr<ring_core> open(const std::string& path, direction directions,
                                         const ring_options& options, std::error_code& error);
  ring_core(const ring_core&) = delete;
  ring_core& operator=(const ring_core&) = delete;
  ~ring_core() { close(); }

  void close() noexcept;
  [[nodiscard]] bool is_open() const noexcept { return fd_ >= 0; }
  /// False in a child of the process that made the ring: there is no mapping in it.
  [[nodiscard]] bool is_ours() const noexcept;

  [[nodiscard]] std::error_code prepare(const pinring_sqe& sqe) noexcept;
  /// With the memory filled in; a list is copied, as the kernel reads it at submission only.
  template <class Piece>
  [[nodiscard]] std::error_code prepare(pinring_sqe sqe, std::span<const Piece> pieces) noexcept;

  /// `submission` false leaves the submission queue alone, so that it may be another thread's.
  [[nodiscard]] submit_result enter(bool submission, unsigned completions,
                                    deadline within) noexcept;
  [[nodiscard]] unsigned ready() noexcept;
  [[nodiscard]] std::size_t reap(std::span<completion> into) noexcept;

  [[nodiscard]] unsigned prepared() const noexcept { return sq_.filled(); }
  [[nodiscard]] unsigned space() const noexcept { return is_open() ? sq_.space() : 0; }
  [[nodiscard]] std::uint64_t outstanding() const noexcept {
    // The reaping thread may see a completion before the submitting one has counted its job.
    const std::uint64_t reaped = reaped_.load(std::memory_order_relaxed);
    const std::uint64_t submitted = submitted_.load(std::memory_order_relaxed);
    return submitted > reaped ? submitted - reaped : 0;
  }
  [[nodiscard]] unsigned sq_entries() const noexcept { return sq_.size(); }
  [[nodiscard]] unsigned cq_entries() const noexcept { return cq_.size(); }
  [[nodiscard]] direction directions() const noexcept { return directions_; }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[nodiscard]] int fd() const noexcept { return fd_; }
  [[nodiscard]] std::error_code set_eventfd(int eventfd) noexcept;

  /// A registration is named by its index and a generation, since an index that the kernel has let
  /// go may be somebody else's by the time its former holder gives it back.
  struct registration {
    std::uint32_t index = 0;
    std::uint64_t generation = 0;
  };
  /// At `index`, or where the kernel likes.
  [[nodiscard]] std::error_code add(const_piece memory, direction use,
                                    std::optional<std::uint32_t> index, registration& into);
  [[nodiscard]] std::error_code remove(registration r, deadline within) noexcept;
  /// Removes without waiting, and keeps the memory until the kernel has let go.
  void remove_later(registration r, std::unique_ptr<held_memory> memory) noexcept;

private:
  ring_core() = default;
  [[nodiscard]] std::error_code set_up(const std::string& path, direction directions,
                                       const ring_options& options);
  [[nodiscard]] std::error_code buffer_call(unsigned long request, void* argument) noexcept;
  [[nodiscard]] std::error_code remove_locked(registration r, deadline within) noexcept;
  void sweep_locked() noexcept;
  void withdraw_all() noexcept;
  void flush() noexcept;

  kernel* kernel_ = nullptr;
  int fd_ = -1;
  pid_t owner_ = 0;
  std::string path_;
  direction directions_ = direction::none;
  bool interruptible_ = false;
  void* mapping_ = nullptr;
  std::size_t mapping_bytes_ = 0;

  submission_queue sq_;
  std::vector<std::vector<::iovec>> lists_; // by place in the submission queue
  std::atomic<std::uint64_t> submitted_{0};
  completion_queue cq_;
  std::atomic<std::uint64_t> reaped_{0};

  std::mutex buffers_;
  std::unordered_map<std::uint32_t, std::uint64_t> generations_;
  std::uint64_t last_generation_ = 0;
  std::unique_ptr<held_memory> leaving_; // removed, and not yet let go by the kernel
};

/// One step to the private parts of the public classes.
struct access {
  static const std::shared_ptr<ring_core>& core(const ring& r) noexcept { return r.core_; }
  static device_state& state(const device& d);
};

template <class Piece>
std::error_code ring_core::prepare(pinring_sqe sqe, std::span<const Piece> pieces) noexcept {
  if (!is_open())
    return errc::no_ring;
  if (sq_.space() == 0)
    return errc::queue_full;
  if (pieces.size() > 1) {
    try {
      if (lists_.empty())
        lists_.resize(sq_.size());
      std::vector<::iovec>& list = lists_[sq_.next_slot()];
      list.clear();
      for (const Piece& p : pieces)
        list.push_back({.iov_base = const_cast<void*>(p.data()), .iov_len = p.size()});
      set_list(sqe, list.data(), list.size());
    } catch (const std::bad_alloc&) {
      return errc::out_of_memory;
    }
  } else if (pieces.empty()) {
    set_memory(sqe, nullptr, 0); // the kernel's to refuse, by a completion
  } else {
    set_memory(sqe, pieces.front().data(), pieces.front().size());
  }
  sq_.push(sqe);
  return {};
}

} // namespace dma::detail

#endif
