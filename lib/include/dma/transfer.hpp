// SPDX-License-Identifier: MIT
/// @file
/// Synchronous transfers from and to the program's own memory, in one line:
///
///     dma::device device;
///     auto result = dma::transfer(device, out, in);   // send out, receive into in
///     if (!result)
///       std::cerr << dma::explain(result.error(), {.bytes = result.received.bytes}) << '\n';
///
/// They are always safe: whatever happens (error, deadline, signal, stop), none returns before the
/// hardware has let go of the memory. One thing alone can keep it from that, an engine that can't
/// be stopped: errc::device_gone, and the kernel keeps the pages pinned.
///
/// **Length.** Any. What is longer than `device_info::chunk` travels as packets of that length
/// (TLAST at each); of a pair, both sides do as soon as either is longer, so that a peer that
/// answers packet for packet, such as a loopback, fits at any size.
///
/// **Claims.** A call claims the directions it uses (send, receive, or both) from the device and
/// gives them back when it returns; while another ring, in this or another program, has claimed
/// them, it fails with errc::busy. Claiming costs some system calls: with `keep` the claim and its
/// ring stay with the device object for further calls, until device::release() or its end, and a
/// `dma::ring` of one's own on the same directions gets errc::busy meanwhile.
///
/// **Threads.** Calls on one device object take turns for each direction; a send and a receive of
/// two threads run at the same time. Waiting for the turn counts against the deadline.
///
/// **Errors** come back in the result; nothing is thrown but std::bad_alloc, and std::logic_error
/// for an empty device.
#ifndef DMA_TRANSFER_HPP
#define DMA_TRANSFER_HPP

#include <cstdint>
#include <stop_token>
#include <system_error>

#include <dma/device.hpp>
#include <dma/export.hpp>
#include <dma/job.hpp>
#include <dma/memory.hpp>

namespace dma {

/// How a job's bytes become packets.
enum class framing : std::uint8_t {
  automatic, ///< packet where everything fits device_info::chunk, otherwise split
  packet,    ///< one packet each; what is longer fails with errc::message_too_long
  split,     ///< packets of device_info::chunk bytes
};

/// What a synchronous call may ask for.
struct transfer_options {
  /// For the whole call, both sides. By default a send has device_info::send_deadline and a receive
  /// waits for ever. When it passes while the hardware is at work, both channels are reset.
  dma::deadline deadline{};
  /// The peer may end the stream before the receive's memory is full; `received.bytes` tells.
  /// Otherwise the length of the memory is a promise, and less is errc::ended_early. Of a receive
  /// that is split only the last packet may be short, so memory longer than device_info::chunk has
  /// to be filled that far; less is errc::ended_early here too, and `bytes` still tells how much.
  /// See receive_options::may_be_short for what this costs.
  bool may_be_short = false;
  dma::framing framing = framing::automatic;
  /// Lists of too many pieces may be copied together, flagged as bounced, instead of refused.
  bool gather = false;
  /// Fail with errc::bad_argument rather than copy.
  bool zero_copy = false;
  /// Claim shared: others may claim the same directions, if they do so too.
  bool shared = false;
  /// Keep the claim for further calls, see above.
  bool keep = false;
  /// Requesting a stop withdraws what has not started (errc::withdrawn); what has goes on.
  std::stop_token stop{};
  /// Requesting a stop ends what has started as well, which resets both channels: with
  /// errc::withdrawn, or errc::collateral_reset for the side that the other one's end has reset.
  bool abort_on_stop = false;
};

/// What became of one side.
struct [[nodiscard]] outcome {
  std::error_code error{};  ///< none, or a dma::errc
  std::uint64_t bytes = 0;  ///< bytes known to have moved
  completion_flags flags{}; ///< bounced, short_packet, …

  /// True if it succeeded.
  explicit operator bool() const noexcept { return !error; }
};

/// What became of both.
struct [[nodiscard]] transfer_result {
  outcome sent;
  outcome received;

  /// True if both succeeded.
  explicit operator bool() const noexcept { return !sent.error && !received.error; }
  /// The error that explains the failure: of the side that failed by itself, rather than of the one
  /// that was withdrawn or reset on the other's account.
  [[nodiscard]] PINRING_API std::error_code error() const noexcept;
};

/// Sends `data` and receives the answer into `into`, at the same time.
///
/// The receive is armed before the send starts. If one side fails, the other is withdrawn or, where
/// it has started, ended by a reset of both channels, so that the call returns; it then has
/// errc::withdrawn or errc::collateral_reset. Nothing is sent when the receive is refused.
///
/// @param data what to send: borrowed until the call returns; may be read-only
/// @param into where to receive; its whole length is expected unless options.may_be_short
[[nodiscard]] PINRING_API transfer_result transfer(device& device, const source& data,
                                                   const target& into,
                                                   const transfer_options& options = {});

/// Sends `data`. Returns when the hardware has taken all of it, which does not tell that a peer
/// has.
[[nodiscard]] PINRING_API outcome send(device& device, const source& data,
                                       const transfer_options& options = {});

/// Receives into `into`.
[[nodiscard]] PINRING_API outcome receive(device& device, const target& into,
                                          const transfer_options& options = {});

} // namespace dma

#endif
