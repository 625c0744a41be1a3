// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace support {

/// The switches and counters of what is behind one device: a board of the simulator, or a model of
/// the AXI DMA behind the kernel's own provider. Every switch that was turned is turned back when
/// the object goes:
///
///   board loop{"loop0"};
///   loop.hold_send().drop_completions(1);
class board {
public:
  static constexpr const char* simulators = "/sys/kernel/debug/pinring_sim";
  static constexpr const char* models = "/sys/kernel/debug/pinring_model";

  explicit board(std::string_view device);
  board(board&&) = default;
  board& operator=(board&&) = delete;
  ~board();

  /// Whether the device's switches are there and this user may turn them.
  [[nodiscard]] static bool available(std::string_view device);
  /// Whether it is a model of the IP, and so real in front of it: provider, interrupts, BDs.
  [[nodiscard]] static bool is_model(std::string_view device);
  [[nodiscard]] bool is_model() const { return model_; }

  /// The engine takes no BDs of this channel.
  board& hold_send(bool on = true) { return set("hold_send", on); }
  board& hold_recv(bool on = true) { return set("hold_recv", on); }
  board& hold(bool on = true) { return hold_send(on).hold_recv(on); }
  /// The next n descriptors (of a model: interrupts) are lost; their data moves all the same.
  board& drop_completions(std::uint64_t n) { return set("drop_completions", n); }
  board& drop_send_completions(std::uint64_t n) { return set("drop_send_completions", n); }
  board& drop_recv_completions(std::uint64_t n) { return set("drop_recv_completions", n); }
  /// The next packet out of the FIFO ends after n bytes.
  board& short_packet(std::uint64_t n) { return set("short_packet", n); }
  /// The next n descriptors (of a model: BDs) fail after their data has moved. The simulator
  /// reports that. A model halts, and xilinx_dma tells nobody.
  board& fail_send(std::uint64_t n) { return set("fail_send", n); }
  board& fail_recv(std::uint64_t n) { return set("fail_recv", n); }
  board& rate_bytes_per_s(std::uint64_t n) { return set("rate_bytes_per_s", n); }
  board& fifo_bytes(std::uint64_t n) { return set("fifo_bytes", n); }
  /// source0: the length of the packets that it makes.
  board& packet_bytes(std::uint64_t n) { return set("packet_bytes", n); }

  // The simulator's only.

  /// The next n submits are refused, as xilinx_dma's are after a reset that failed.
  board& refuse_submits(std::uint64_t n) { return set("refuse_submits", n); }
  /// It can't be waited for that a stop is over. While no driver has the channels.
  board& no_synchronize(bool on = true) { return set("no_synchronize", on); }

  // A model's only.

  /// The next packet into memory gets n bytes more.
  board& long_packet(std::uint64_t n) { return set("long_packet", n); }
  /// Nothing passes from the send channel's stream to the receive channel's.
  board& hold_stream(bool on = true) { return set("hold_stream", on); }
  /// What fails fails thus: 0 slave, 1 decode, 2 internal error.
  board& error_kind(std::uint64_t kind) { return set("error_kind", kind); }
  /// The n-th BD from now on fails.
  board& error_at_bd_send(std::uint64_t n) { return set("error_at_bd_send", n); }
  board& error_at_bd_recv(std::uint64_t n) { return set("error_at_bd_recv", n); }
  /// The engine does not come out of a reset; a channel does not halt when it is told to.
  board& stuck_reset(bool on = true) { return set("stuck_reset", on); }
  board& stuck_halt_send(bool on = true) { return set("stuck_halt_send", on); }
  board& stuck_halt_recv(bool on = true) { return set("stuck_halt_recv", on); }
  board& slow_memory_ns(std::uint64_t n) { return set("slow_memory_ns", n); }
  /// Off: a reset leaves the packets that are in the stream where they are.
  board& reset_flushes_stream(bool on) { return set("reset_flushes_stream", on); }
  /// Data that the engine moves from or to memory that is not mapped for it is a violation.
  board& enforce_grants(bool on = true) { return set("enforce_grants", on); }

  /// Where the files are.
  [[nodiscard]] const std::string& folder() const { return folder_; }
  /// Any file of the device: a counter, or a switch's present value.
  [[nodiscard]] std::uint64_t read(std::string_view file) const;
  [[nodiscard]] bool has(std::string_view file) const;

  // Counters whose names differ.

  /// BDs that the provider has and has not given back. A real provider does not say so; the driver
  /// says how many it has handed over.
  [[nodiscard]] std::uint64_t bds_in_use_send() const { return bds_in_use("send"); }
  [[nodiscard]] std::uint64_t bds_in_use_recv() const { return bds_in_use("recv"); }
  /// Grows whenever the engine takes something to send: descriptors, or of a model BDs.
  [[nodiscard]] std::uint64_t taken_send() const;
  /// Grows whenever a channel is stopped: calls of terminate_all, or of a model resets.
  [[nodiscard]] std::uint64_t stops() const;

  /// The destructor puts this switch back to where it stands now, whoever turns it.
  void remember(const std::string& file) { before_.try_emplace(file, read(file)); }

private:
  [[nodiscard]] std::uint64_t bds_in_use(const std::string& direction) const;
  board& set(const std::string& file, std::uint64_t value);
  void write(const std::string& file, std::uint64_t value) const;

  std::string name_;
  bool model_ = false;
  std::string folder_;
  std::map<std::string, std::uint64_t>
      before_; // what each switch stood at when it was first turned
};

/// The loopback that hands over a few receives at a time, so that some can be seen to wait.
[[nodiscard]] const char* shallow_loopback();

/// A counter of the driver: what /sys/class/misc/pinringN/ holds, such as "send/packets".
[[nodiscard]] std::uint64_t driver_counter(std::string_view device, const std::string& file);

} // namespace support
