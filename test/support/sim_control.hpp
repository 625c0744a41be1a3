// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace support {

/// The simulator's switches and counters of one device. Every switch that was turned is turned back
/// when the object goes:
///
///   sim loop{"loop0"};
///   loop.hold_send().drop_completions(1);
class sim {
public:
  static constexpr const char* root = "/sys/kernel/debug/pinring_sim";

  explicit sim(std::string_view device) : folder_(std::string(root) + "/" + std::string(device)) {}
  sim(sim&&) = default;
  sim& operator=(sim&&) = delete;
  ~sim();

  [[nodiscard]] static bool available(std::string_view device);

  /// The engine takes no BDs of this channel.
  sim& hold_send(bool on = true) { return set("hold_send", on); }
  sim& hold_recv(bool on = true) { return set("hold_recv", on); }
  sim& hold(bool on = true) { return hold_send(on).hold_recv(on); }
  /// The next n descriptors move their data and never call back.
  sim& drop_completions(std::uint64_t n) { return set("drop_completions", n); }
  sim& drop_send_completions(std::uint64_t n) { return set("drop_send_completions", n); }
  sim& drop_recv_completions(std::uint64_t n) { return set("drop_recv_completions", n); }
  /// The next packet out of the FIFO ends after n bytes.
  sim& short_packet(std::uint64_t n) { return set("short_packet", n); }
  /// The next n descriptors call back with a transfer error.
  sim& fail_send(std::uint64_t n) { return set("fail_send", n); }
  sim& fail_recv(std::uint64_t n) { return set("fail_recv", n); }
  sim& rate_bytes_per_s(std::uint64_t n) { return set("rate_bytes_per_s", n); }
  sim& fifo_bytes(std::uint64_t n) { return set("fifo_bytes", n); }
  /// source0: the length of the packets that it makes.
  sim& packet_bytes(std::uint64_t n) { return set("packet_bytes", n); }

  /// Any file of the device: a counter, or a switch's present value.
  [[nodiscard]] std::uint64_t read(std::string_view file) const;

private:
  sim& set(const std::string& file, std::uint64_t value);
  void write(const std::string& file, std::uint64_t value) const;

  std::string folder_;
  std::map<std::string, std::uint64_t>
      before_; // what each switch stood at when it was first turned
};

} // namespace support
