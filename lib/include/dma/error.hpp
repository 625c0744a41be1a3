// SPDX-License-Identifier: MIT
/// @file
/// What can go wrong, in the user's terms.
///
/// Completions, results and the `error_code` overloads carry a `std::error_code` of the category
/// "pinring"; what throws throws `std::system_error` with such a code. A code compares equal to a
/// `dma::errc` (one meaning each) and, where there is one, to the matching `std::errc`:
/// `error == dma::errc::deadline_passed` and `error == std::errc::timed_out` are both right.
/// Wrong use of an object (a moved-from device, say) is a `std::logic_error` instead.
#ifndef DMA_ERROR_HPP
#define DMA_ERROR_HPP

#include <cerrno>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

#include <dma/export.hpp>

namespace dma {

/// The outcomes that have a meaning of their own. The value of most is the errno of pinring.h, so
/// that a completion's result travels unchanged; those from 4096 on are the library's.
enum class errc : int {
  not_permitted = EACCES,     ///< the user may not open the device
  bad_argument = EINVAL,      ///< can never be right, or breaks the device's alignment
  unknown_field = E2BIG,      ///< the driver is older than what was asked of it
  bad_address = EFAULT,       ///< the memory can't be read, written or pinned
  unknown_call = ENOTTY,      ///< not a pinring device, or a driver that lacks the call
  not_available = EOPNOTSUPP, ///< this device, driver or ring can't do it
  no_ring = ENXIO,            ///< the ring was closed, or never set up
  exists = EEXIST,            ///< that buffer index is taken
  busy = EBUSY,            ///< the direction is claimed by another ring, or the index still in use
  too_many_rings = EMFILE, ///< of this user, on the device
  device_full = ENFILE,    ///< the device has as many rings as it can have
  wrong_process = EXDEV,   ///< the ring belongs to the process that made it (fork)
  corrupt_ring = EPROTO,   ///< the shared indices make no sense
  reap_first = EAGAIN,     ///< too many completions unreaped: reap, then submit again
  interrupted = EINTR,     ///< a signal ended the wait; jobs are under way
  wait_expired = ETIME,    ///< the deadline of the wait passed; no job is touched
  device_gone = ENODEV,    ///< unbound, removed, or its engine can't be stopped
  out_of_memory = ENOMEM,  ///< the kernel has none left
  memlock_exceeded = EDQUOT,     ///< RLIMIT_MEMLOCK or the ring's own limit does not allow it
  message_too_long = EMSGSIZE,   ///< longer than one packet can be
  not_found = ENOENT,            ///< no job with that user_data, or no buffer at that index
  already_started = EALREADY,    ///< the job can't be withdrawn any more
  withdrawn = ECANCELED,         ///< the job was withdrawn or aborted
  deadline_passed = ETIMEDOUT,   ///< the job's own deadline passed
  transfer_failed = EIO,         ///< the DMA engine reported an error
  ended_early = EBADMSG,         ///< TLAST came before the promised length
  collateral_reset = ECONNRESET, ///< the channel was reset on another job's account
  queue_full = ENOBUFS,          ///< the submission queue is full: submit, then prepare again

  module_not_loaded = 4096, ///< there is no /dev/pinring* at all
  no_such_device,           ///< there are devices, but none of that name
  incompatible_driver,      ///< the driver speaks another version of the ABI
};

/// The category "pinring". Its messages say what is wrong and what to do next.
/// @threads Any.
[[nodiscard]] PINRING_API const std::error_category& error_category() noexcept;

/// Lets a `dma::errc` be assigned to and compared with a `std::error_code`.
[[nodiscard]] inline std::error_code make_error_code(errc e) noexcept {
  return {static_cast<int>(e), error_category()};
}

/// A code of category "pinring" from an errno (positive), or no error from 0.
[[nodiscard]] inline std::error_code error_from_errno(int value) noexcept {
  return {value, error_category()};
}

/// What is known about a failure, for explain(). Leave out what is not.
struct error_context {
  std::string_view device{};    ///< its path or name
  std::uint64_t bytes = 0;      ///< length of the transfer or buffer
  std::uint64_t max_packet = 0; ///< device_info::chunk
};

/// One sentence for a person: what failed, with the values that matter (the memlock limit that
/// was found and the one needed, the path that could not be opened), and what to do next.
///
///     std::cerr << dma::explain(result.received.error, {.bytes = data.size()}) << '\n';
///
/// @threads Any.
/// @throws std::bad_alloc
[[nodiscard]] PINRING_API std::string explain(std::error_code error,
                                              const error_context& context = {});

} // namespace dma

template <>
struct std::is_error_code_enum<dma::errc> : std::true_type {};

#endif
