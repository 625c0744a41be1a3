// SPDX-License-Identifier: MIT
// From the library's terms to those of pinring.h, and back.
#ifndef PINRING_SRC_SQE_HPP
#define PINRING_SRC_SQE_HPP

#include <cstdint>

#include <pinring.h>

#include <dma/device.hpp>
#include <dma/job.hpp>
#include <dma/ring.hpp>

namespace dma::detail {

/// Options and user_data only; where the memory is, is set by one of the next two.
[[nodiscard]] pinring_sqe make_send(std::uint64_t user_data, const send_options& options) noexcept;
[[nodiscard]] pinring_sqe make_receive(std::uint64_t user_data,
                                       const receive_options& options) noexcept;
void set_memory(pinring_sqe& sqe, const void* data, std::uint64_t bytes) noexcept;
void set_memory(pinring_sqe& sqe, registered_range range) noexcept;
/// A list of pieces; GATHER is dropped where there is no list, as it is then not allowed.
void set_list(pinring_sqe& sqe, const ::iovec* list, std::size_t pieces) noexcept;

[[nodiscard]] pinring_sqe make_cancel(std::uint64_t job, std::uint64_t user_data,
                                      bool abort) noexcept;
[[nodiscard]] pinring_sqe make_cancel_all(std::uint64_t user_data, bool abort) noexcept;
[[nodiscard]] pinring_sqe make_plain(std::uint8_t opcode, std::uint64_t user_data) noexcept;

/// A deadline as the field and the flag that stand for it in sqe, enter and buffer.
struct encoded_deadline {
  std::uint64_t ns = 0;
  bool absolute = false;
};
[[nodiscard]] encoded_deadline encode(deadline d) noexcept;

[[nodiscard]] completion decode(const pinring_cqe& cqe) noexcept;
[[nodiscard]] device_info decode(const pinring_info& info, std::string path);

} // namespace dma::detail

#endif
