// SPDX-License-Identifier: MIT
/// @file
/// Asynchronous jobs through a ring that is shared with the kernel: one system call submits and
/// waits for many jobs, and reaping needs none.
///
///     dma::device device{"loop0"};
///     dma::ring ring{device};
///     check(ring.receive(in, 1));             // prepare …
///     check(ring.send(out, 2));
///     check(ring.submit_and_wait(2).error);   // … one system call
///     std::array<dma::completion, 2> done;
///     for (const dma::completion& c : std::span{done}.first(ring.reap(done)))
///       std::cout << c.user_data << ": " << c.bytes << " bytes " << c.error.message() << '\n';
///
/// A job's memory is the hardware's from its submission until its completion, cancelled or not.
/// Preparing borrows it; it must live, and a receive's must not be looked at, until then.
///
/// Threads: one thread at a time may prepare and submit, and one, which may be another, may wait
/// and reap. Registered buffers are added, updated and removed by any thread, one after the other.
/// Closing, destroying and moving a ring need it to be idle: no other thread in any call of it.
/// After fork() the ring is the parent's; the child may only destroy it. A child that lives on
/// without exec holds the ring's file, not the ring: close() in the parent ends it all the same.
#ifndef DMA_RING_HPP
#define DMA_RING_HPP

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <system_error>
#include <utility>

#include <dma/device.hpp>
#include <dma/export.hpp>
#include <dma/job.hpp>
#include <dma/memory.hpp>

namespace dma {

namespace detail {
class ring_core;
struct held_memory;
} // namespace detail

class registered_buffer;

/// How a ring is set up.
struct ring_options {
  /// What to claim; none: whatever the device has.
  direction directions = direction::none;
  /// Jobs that can be prepared before submit(): rounded up to a power of two.
  unsigned sq_entries = 64;
  /// Completions that can wait to be reaped in shared memory (more are kept by the kernel, none is
  /// lost); 0: twice the above.
  unsigned cq_entries = 0;
  /// Let others claim the same directions, if they say so too. Otherwise the claim is exclusive.
  bool shared = false;
  /// Let a signal end a wait with errc::interrupted, instead of waiting on after its handler.
  bool interruptible = false;
};

/// Part of a registered buffer.
struct registered_range {
  std::uint32_t index = 0;  ///< registered_buffer::index()
  std::uint64_t offset = 0; ///< bytes into it
  std::uint64_t length = 0; ///< bytes
};

/// What a submission did.
struct [[nodiscard]] submit_result {
  unsigned submitted = 0;  ///< jobs that the kernel has taken, also where there is an error
  std::error_code error{}; ///< of the call or the wait; a job's own error is in its completion

  explicit operator bool() const noexcept { return !error; }
};

/// A ring: claims directions of a device, takes jobs, gives completions.
///
/// Move-only. A moved-from or closed ring answers errc::no_ring to everything.
class PINRING_API ring final {
public:
  /// Opens the device anew, claims the directions and maps the queues.
  /// @throws std::system_error errc::busy (claimed by another ring), not_available (no such
  ///         direction), bad_argument (too many entries), device_gone, not_permitted, …
  /// @throws std::logic_error if the device is empty
  explicit ring(const device& device, const ring_options& options = {});
  /// The same without std::system_error: a closed ring and the error.
  ring(const device& device, const ring_options& options, std::error_code& error);

  ring(ring&&) noexcept;
  ring& operator=(ring&&) noexcept;
  ring(const ring&) = delete;
  ring& operator=(const ring&) = delete;
  /// As close().
  ~ring();

  /// Ends everything and waits for it: what has not started is withdrawn, what has is stopped
  /// together with its channel. When it returns no hardware touches any memory of the ring's jobs
  /// and buffers, unless its engine can't be stopped (device_info::dead): then the pages stay
  /// pinned. Completions that were not reaped are gone.
  void close() noexcept;

  /// False if closed or moved from.
  [[nodiscard]] explicit operator bool() const noexcept;

  /// @name Preparing jobs
  /// Each fills one place of the submission queue, without a system call; nothing starts before
  /// submit(). `user_data` comes back in the completion. What is wrong with a job itself (length,
  /// alignment, address) is told by its completion.
  /// @returns no error, or errc::queue_full (submit(), then try again), errc::no_ring; or
  ///          errc::out_of_memory for the copy of a list.
  /// @{

  /// Memory to stream. The memory may be read-only.
  [[nodiscard]] std::error_code send(const source& data, std::uint64_t user_data,
                                     const send_options& options = {}) noexcept;
  [[nodiscard]] std::error_code send(registered_range range, std::uint64_t user_data,
                                     const send_options& options = {}) noexcept;
  /// The container would be gone before the job has run.
  template <temporary_container R>
  std::error_code send(R&&, std::uint64_t, const send_options& = {}) = delete;

  /// Stream to memory.
  [[nodiscard]] std::error_code receive(const target& data, std::uint64_t user_data,
                                        const receive_options& options = {}) noexcept;
  [[nodiscard]] std::error_code receive(registered_range range, std::uint64_t user_data,
                                        const receive_options& options = {}) noexcept;
  /// The container would be gone before the job has run.
  template <temporary_container R>
  std::error_code receive(R&&, std::uint64_t, const receive_options& = {}) = delete;

  /// Withdraws the oldest job of that user_data which has not started; it completes with
  /// errc::withdrawn. The cancel itself completes with `bytes` jobs ended, or with errc::not_found,
  /// or errc::already_started.
  /// @param abort also end one that has started, with errc::withdrawn and the bytes that are known
  ///        to have moved. This resets both channels of the device: what else of this ring has
  ///        started ends with errc::collateral_reset. It completes with errc::not_available, and
  ///        nothing is ended, where another ring has claimed a direction of the device or this one
  ///        has claimed shared. submit() returns after the reset, and the cancel completes after
  ///        the jobs that it ended.
  [[nodiscard]] std::error_code cancel(std::uint64_t job, std::uint64_t user_data,
                                       bool abort = false) noexcept;
  /// The same for every job of this ring, of which those are ended that can be.
  [[nodiscard]] std::error_code cancel_all(std::uint64_t user_data, bool abort = false) noexcept;
  /// Completes when everything that was submitted before it has.
  [[nodiscard]] std::error_code drain(std::uint64_t user_data) noexcept;
  /// Completes at once.
  [[nodiscard]] std::error_code nop(std::uint64_t user_data) noexcept;
  /// @}

  /// Hands what was prepared to the kernel: one system call, or none if nothing is prepared.
  /// Does not wait.
  /// @returns how many it took. Fewer than prepared, or errc::reap_first with none, if the limit
  ///          of unreaped jobs is reached: the rest stays prepared. Never submits one twice.
  submit_result submit() noexcept;

  /// submit(), and wait until `completions` can be reaped or nothing is outstanding any more, all
  /// in one system call. Signals do not end the wait, unless ring_options::interruptible.
  /// @param completions at most cq_entries() are waited for
  /// @param within when to give up waiting, with errc::wait_expired; the jobs go on.
  submit_result submit_and_wait(unsigned completions, deadline within = {}) noexcept;

  /// Waits without submitting; returns at once where enough completions are there, or where nothing
  /// is outstanding.
  /// @returns no error, errc::wait_expired, errc::interrupted, errc::device_gone, …
  [[nodiscard]] std::error_code wait(unsigned completions = 1, deadline within = {}) noexcept;

  /// Completions that can be reaped now, without waiting. Makes a system call only where the kernel
  /// holds completions back that did not fit the queue.
  [[nodiscard]] unsigned poll() noexcept;

  /// Takes completions, oldest first, without waiting.
  /// @returns how many of `into` were filled.
  [[nodiscard]] std::size_t reap(std::span<completion> into) noexcept;
  /// One of them, if there is one.
  [[nodiscard]] std::optional<completion> reap() noexcept;

  /// Jobs prepared and not yet submitted.
  [[nodiscard]] unsigned prepared() const noexcept;
  /// Places that are free in the submission queue.
  [[nodiscard]] unsigned space() const noexcept;
  /// Jobs submitted (cancels, drains and nops included) and not yet reaped.
  [[nodiscard]] std::uint64_t outstanding() const noexcept;

  [[nodiscard]] unsigned sq_entries() const noexcept;
  [[nodiscard]] unsigned cq_entries() const noexcept;
  [[nodiscard]] direction directions() const noexcept;

  /// Readable (POLLIN) while completions wait: for poll, epoll and asio. Belongs to the ring; -1 if
  /// closed.
  [[nodiscard]] int fd() const noexcept;

  /// Signals an eventfd when there are completions: at least once for those since the last time, so
  /// its count says nothing. -1 stops it. The caller keeps its descriptor.
  [[nodiscard]] std::error_code set_eventfd(int eventfd) noexcept;

private:
  friend class registered_buffer;
  friend struct detail::access;
  std::shared_ptr<detail::ring_core> core_;
};

/// Memory that is pinned and mapped once and used by many jobs of one ring.
///
///     dma::registered_buffer in{ring, 1 << 20};         // owns a megabyte
///     dma::registered_buffer out{ring, samples};        // borrows a vector
///     check(ring.receive(in.range(), 1));
///     check(ring.send(out.range(0, 4096), 2));
///
/// Freed memory is never under DMA. Destroying one with jobs in flight:
/// - memory that it owns goes to the ring, which frees it when the last job is done;
/// - for memory that it borrows it waits until the kernel has let go, as the owner may free it
/// right
///   after. A job without a deadline that nobody answers would make that for ever; so after the
///   patience of a second the ring is closed, which ends all its jobs. Cancel such jobs before.
///
/// It counts in full against RLIMIT_MEMLOCK. May outlive its ring: closing lets go of everything.
/// Move-only.
class PINRING_API registered_buffer final {
public:
  /// Names no memory.
  registered_buffer() noexcept;
  /// Owns `bytes` of memory, made by dma::allocator, present, and zero at first.
  /// @param use what it will be used for; none: what the ring has claimed.
  /// @throws std::system_error errc::memlock_exceeded (what() tells the limit needed), exists (all
  ///         indices are taken), bad_argument, not_available, no_ring, …
  /// @throws std::bad_alloc
  registered_buffer(ring& ring, std::size_t bytes, direction use = direction::none);
  /// The same without std::system_error: an empty one and the error.
  registered_buffer(ring& ring, std::size_t bytes, direction use, std::error_code& error);

  /// Borrows memory, which must live until this is destroyed or remove() succeeded. Memory that
  /// can't be written is for sending only.
  /// @throws as above
  template <memory_range R>
  requires(!temporary_container<R>)
      registered_buffer(ring& ring, R&& range, direction use = default_use<R>)
      : registered_buffer{ring, const_piece{range}, writable_memory_range<R>, use, nullptr} {}
  template <memory_range R>
  requires(!temporary_container<R>)
      registered_buffer(ring& ring, R&& range, direction use, std::error_code& error)
      : registered_buffer{ring, const_piece{range}, writable_memory_range<R>, use, &error} {}
  /// The memory would be gone before it was used.
  template <temporary_container R>
  registered_buffer(ring&, R&&, direction = direction::none) = delete;
  template <temporary_container R>
  registered_buffer(ring&, R&&, direction, std::error_code&) = delete;

  registered_buffer(registered_buffer&&) noexcept;
  registered_buffer& operator=(registered_buffer&&) noexcept;
  registered_buffer(const registered_buffer&) = delete;
  registered_buffer& operator=(const registered_buffer&) = delete;
  ~registered_buffer();

  /// False if it names no memory: default-made, moved from, removed or not registered.
  [[nodiscard]] explicit operator bool() const noexcept { return core_ != nullptr; }

  /// Its place in the ring's table, which the kernel chose.
  [[nodiscard]] std::uint32_t index() const noexcept { return index_; }
  /// Its length in bytes.
  [[nodiscard]] std::size_t size() const noexcept { return bytes_; }
  /// The memory. Whoever borrowed memory that can't be written must not write it through this.
  [[nodiscard]] std::byte* data() const noexcept { return data_; }
  /// The memory as whole elements of T.
  template <class T>
  requires std::is_trivially_copyable_v<T>
  [[nodiscard]] std::span<T> as() const noexcept {
    return {reinterpret_cast<T*>(data_), bytes_ / sizeof(T)};
  }

  /// Part of it, for ring::send and ring::receive: `length` bytes from `offset` on, by default all.
  [[nodiscard]] registered_range range(std::uint64_t offset = 0) const noexcept {
    return {index_, offset, offset < bytes_ ? bytes_ - offset : 0};
  }
  [[nodiscard]] registered_range range(std::uint64_t offset, std::uint64_t length) const noexcept {
    return {index_, offset, length};
  }

  /// Waits until the kernel has let go of the memory, frees it if it was owned, and puts other,
  /// borrowed memory at the same index. Jobs submitted meanwhile fail with errc::not_found.
  /// @returns no error; errc::wait_expired or errc::interrupted: as from remove(); errc::exists:
  ///          another thread has taken the index meanwhile; errc::memlock_exceeded, …: the new
  ///          memory could not be registered. After all but the first two of these errors this is
  ///          empty.
  template <writable_memory_range R>
  requires(!temporary_container<R>) [[nodiscard]] std::error_code
      update(R&& range, deadline within = {}) noexcept {
    return update_memory(piece{range}, within);
  }
  template <temporary_container R>
  std::error_code update(R&&, deadline = {}) = delete;

  /// Ends the registration and waits until the kernel has let go. Afterwards this is empty, and
  /// memory that it owned is freed.
  /// @returns no error; or errc::wait_expired or errc::interrupted (ring_options::interruptible):
  ///          it is still in use, but takes no further jobs; call again, or leave it to the
  ///          destructor; or errc::device_gone: an engine that could not be stopped may still use
  ///          the memory, which the kernel keeps pinned.
  [[nodiscard]] std::error_code remove(deadline within = {}) noexcept;

private:
  template <class R>
  static constexpr direction default_use =
      writable_memory_range<R> ? direction::none : direction::send;

  registered_buffer(ring& ring, const_piece memory, bool writable, direction use,
                    std::error_code* error);
  std::error_code update_memory(piece memory, deadline within) noexcept;

  std::shared_ptr<detail::ring_core> core_;
  std::unique_ptr<detail::held_memory> owned_;
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
  std::uint32_t index_ = 0;
  std::uint64_t generation_ = 0;
  direction use_ = direction::none;
};

} // namespace dma

#endif
