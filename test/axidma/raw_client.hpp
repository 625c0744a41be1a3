// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "support/outcome.hpp"

namespace support {

/// dmaengine without pinring: test/axidma/client in the place of pinring on one device's node,
/// which goes back to pinring in the end. Root only.
///
///   raw_client raw{"loop1"};
///   REQUIRE(raw.prep_recv(3, 4096) == success);
///   raw.issue_recv();
class raw_client {
public:
  /// What became of one descriptor, in the order they were prepared.
  struct job {
    unsigned receives = 0; ///< its direction: 0 sends, 1 receives
    unsigned called = 0;   ///< callbacks
    unsigned result = 0;   ///< of the last: enum dmaengine_tx_result
    unsigned residue = 0;  ///< of the last
    int status = 0;        ///< tx_status now: enum dma_status
    unsigned status_residue = 0;
  };

  static constexpr unsigned no_error = 0;  // DMA_TRANS_NOERROR
  static constexpr int complete = 0;       // DMA_COMPLETE
  static constexpr int in_progress = 1;    // DMA_IN_PROGRESS
  static constexpr int status_error = 3;   // DMA_ERROR
  static constexpr std::size_t apart = 64; // between pieces, when nothing else is said

  static constexpr const char* module = "pinring_client";

  explicit raw_client(std::string_view device);
  raw_client(const raw_client&) = delete;
  raw_client& operator=(const raw_client&) = delete;
  ~raw_client();

  /// One descriptor of so many pieces, prepared and submitted; ENOMEM: the provider made none.
  [[nodiscard]] outcome prep_send(std::size_t pieces, std::size_t bytes, std::size_t stride = 0,
                                  std::size_t offset = 0) const {
    return prep("send", pieces, bytes, stride, offset);
  }
  [[nodiscard]] outcome prep_recv(std::size_t pieces, std::size_t bytes, std::size_t stride = 0,
                                  std::size_t offset = 0) const {
    return prep("recv", pieces, bytes, stride, offset);
  }
  void issue_send() const { must("issue send"); }
  void issue_recv() const { must("issue recv"); }
  /// A send of one piece, issued.
  void send(std::size_t bytes, std::size_t offset = 0) const;
  /// terminate_all as it is: what it says, and how long it took.
  struct termination {
    outcome result;
    std::chrono::nanoseconds took;
  };
  [[nodiscard]] termination terminate_send() const { return terminate("terminate send"); }
  [[nodiscard]] termination terminate_recv() const { return terminate("terminate recv"); }
  void synchronize() const;
  /// Forgets all jobs.
  void clear() const { must("clear"); }

  [[nodiscard]] std::vector<job> jobs() const;
  [[nodiscard]] job job_at(std::size_t index) const { return jobs().at(index); }
  /// How many of the descriptors of a direction were called back.
  [[nodiscard]] std::size_t called_send() const { return called(0); }
  [[nodiscard]] std::size_t called_recv() const { return called(1); }
  /// Whether nothing has come into this part of the receive memory.
  [[nodiscard]] bool blank(std::size_t offset, std::size_t bytes) const;

private:
  [[nodiscard]] std::size_t called(unsigned receives) const;
  [[nodiscard]] outcome prep(const char* direction, std::size_t pieces, std::size_t bytes,
                             std::size_t stride, std::size_t offset) const;
  [[nodiscard]] outcome command(const std::string& text) const;
  [[nodiscard]] termination terminate(const char* text) const;
  void must(const std::string& text) const;

  std::string device_;
  std::string node_;
  std::string folder_;
};

/// Name of the platform device that has this label and is made for pinring, bound or not; empty
/// when there is none.
[[nodiscard]] std::string platform_node(std::string_view device);

/// Name of the driver that has it now; empty when none does.
[[nodiscard]] std::string driver_of(const std::string& node);

} // namespace support
