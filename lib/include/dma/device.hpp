// SPDX-License-Identifier: MIT
/// @file
/// Devices: how they are found and opened, and what they can do.
#ifndef DMA_DEVICE_HPP
#define DMA_DEVICE_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <dma/error.hpp>
#include <dma/export.hpp>

namespace dma {

namespace detail {
struct device_state;
struct access;
} // namespace detail

/// Ways of a stream, seen from memory.
enum class direction : std::uint32_t {
  none = 0,
  send = 1U << 0,    ///< memory to stream, MM2S
  receive = 1U << 1, ///< stream to memory, S2MM
  both = send | receive,
};

[[nodiscard]] constexpr direction operator|(direction a, direction b) noexcept {
  return static_cast<direction>(static_cast<std::uint32_t>(a) | static_cast<std::uint32_t>(b));
}
[[nodiscard]] constexpr direction operator&(direction a, direction b) noexcept {
  return static_cast<direction>(static_cast<std::uint32_t>(a) & static_cast<std::uint32_t>(b));
}
/// Whether all of `wanted` is among `directions`.
[[nodiscard]] constexpr bool has(direction directions, direction wanted) noexcept {
  return (directions & wanted) == wanted;
}

/// What a device, or its driver, may or may not be able to do. Bits of device_info::features.
enum class feature : std::uint64_t {
  split = 1ULL << 0,      ///< jobs longer than device_info::chunk, as several packets
  window = 1ULL << 1,     ///< large jobs pin a moving window, so that memlock may be small
  list = 1ULL << 2,       ///< jobs of several pieces
  buffers = 1ULL << 3,    ///< registered buffers
  eventfd = 1ULL << 4,    ///< ring::set_eventfd
  withdraw = 1ULL << 5,   ///< cancelling jobs that have not started
  abort = 1ULL << 6,      ///< cancelling jobs that have
  drain = 1ULL << 7,      ///< ring::drain
  batch = 1ULL << 8,      ///< receive_options::batch
  bounce = 1ULL << 9,     ///< unaligned memory is copied, not refused
  gather = 1ULL << 10,    ///< send_options::gather, receive_options::gather
  app_words = 1ULL << 11, ///< AXI APP words
  timestamp = 1ULL << 12, ///< completions carry a time
  sequence = 1ULL << 13,  ///< completions carry a sequence number
  uring_cmd = 1ULL << 14, ///< jobs by io_uring
};

/// What a device can do, and how it wants its memory. Read once, when the device was opened.
struct device_info {
  std::string path;           ///< such as "/dev/pinring0"
  std::string name;           ///< stable name, from the device tree
  std::string provider;       ///< dmaengine driver behind it
  std::string driver_version; ///< of pinring.ko
  std::uint32_t abi = 0;      ///< version of the ABI it speaks
  std::uint64_t features = 0; ///< see has()
  direction directions = direction::none;

  bool simulator = false;     ///< no hardware behind it
  bool coherent = false;      ///< DMA is cache coherent
  bool may_bounce = false;    ///< the kernel's mapping may copy (swiotlb)
  bool exact_short = false;   ///< short receives of several descriptors are exact
  bool deep_receives = false; ///< receives queue deep and still report one by one
  bool dead = false;          ///< gone, or could not be recovered

  std::uint32_t send_alignment = 1;    ///< bytes; of the address of every piece of a send
  std::uint32_t receive_alignment = 1; ///< bytes; the same for receives
  std::uint32_t cache_line = 1;        ///< bytes; receives should start and end on multiples of it
  std::uint32_t max_bd_bytes = 0;      ///< bytes that one hardware descriptor carries at most
  std::uint32_t send_bds = 0;          ///< descriptors of the send channel, all jobs together
  std::uint32_t receive_bds = 0;       ///< descriptors of the receive channel
  /// Bytes; the longest packet that always fits, whatever pages are behind it. Longer jobs are
  /// split into packets of this length.
  std::uint64_t chunk = 0;
  std::chrono::nanoseconds
      send_deadline{}; ///< patience with a send that names none: without progress; max(): for ever
  std::uint64_t max_job_bytes = 0;    ///< longest job
  std::uint64_t max_buffer_bytes = 0; ///< longest registered buffer
  std::uint32_t max_pieces = 0;       ///< most pieces of one job
  std::uint32_t max_buffers = 0;      ///< registered buffers of one ring
  std::uint32_t max_sq_entries = 0;   ///< largest submission queue
  std::uint32_t max_cq_entries = 0;   ///< largest completion queue
  std::uint32_t max_jobs = 0;         ///< jobs of one ring, submitted and not yet reaped
  std::uint32_t max_rings = 0;        ///< rings of the device, all users together
  std::uint32_t max_user_rings = 0;   ///< rings of the device that are one user's
  std::uint64_t max_pinned_bytes = 0; ///< memory that one ring has pinned at a time
  std::uint32_t receive_depth = 0;    ///< receives handed to the hardware at a time

  /// Whether the device, with the driver it has, can do `wanted`.
  [[nodiscard]] bool has(feature wanted) const noexcept {
    return (features & static_cast<std::uint64_t>(wanted)) != 0;
  }
};

/// One open device: what rings are made on and what the synchronous calls take.
///
/// It claims nothing by itself, so any number of programs may hold the same device; a `dma::ring`
/// and a running synchronous call claim the directions they use.
///
/// Move-only; a moved-from device is empty and using it is a std::logic_error.
/// @threads info(), name(), path() and the synchronous calls: any. Moving and destroying: one,
///          while no other thread uses it.
class PINRING_API device final {
public:
  /// Opens the first device: that of the lowest number which this user may open.
  /// @throws std::system_error errc::module_not_loaded, not_permitted, incompatible_driver, …;
  ///         what() says what to do next.
  device();
  /// Opens by stable name ("adc0") or, if it contains a slash, by path ("/dev/pinring0").
  /// @throws std::system_error as above, and errc::no_such_device: what() lists the names there
  /// are.
  explicit device(std::string_view name_or_path);
  /// The same without exceptions: an empty device and the error.
  explicit device(std::error_code& error);
  device(std::string_view name_or_path, std::error_code& error);

  device(device&&) noexcept;
  device& operator=(device&&) noexcept;
  device(const device&) = delete;
  device& operator=(const device&) = delete;
  /// Waits for nothing: synchronous calls must have returned. Gives up what they kept.
  ~device();

  /// False if empty: moved from, or not opened.
  [[nodiscard]] explicit operator bool() const noexcept { return state_ != nullptr; }

  /// What it can do, as read when it was opened.
  /// @throws std::logic_error if empty
  [[nodiscard]] const device_info& info() const;
  /// The same, read now; tells by `dead` whether the device is still there.
  /// @throws std::logic_error if empty, std::system_error
  [[nodiscard]] device_info refresh() const;
  [[nodiscard]] device_info refresh(std::error_code& error) const;

  [[nodiscard]] const std::string& name() const { return info().name; }
  [[nodiscard]] const std::string& path() const { return info().path; }

  /// Gives back the directions that synchronous calls with transfer_options::keep kept claimed.
  /// Waits for such calls that other threads have running.
  void release() noexcept;

private:
  friend struct detail::access;
  std::shared_ptr<detail::device_state> state_;
};

/// One line of list_devices().
struct device_entry {
  device_info info;        ///< if it could not be asked, only `path` is set …
  std::error_code error{}; ///< … and this says why
};

/// Every /dev/pinring* there is, by number, those that this user may not open included. Empty if
/// the module is not loaded or found no device.
/// @threads Any.
/// @throws std::bad_alloc
[[nodiscard]] PINRING_API std::vector<device_entry> list_devices();

} // namespace dma

#endif
