// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <pinring.h>

namespace support {

// Makers of valid SQEs. A test of a rejection takes one and spoils one field.

[[nodiscard]] inline pinring_sqe make_sqe(std::uint8_t opcode, std::uint64_t user_data,
                                          std::uint32_t flags = 0) {
  pinring_sqe sqe{};
  sqe.opcode = opcode;
  sqe.flags = flags;
  sqe.user_data = user_data;
  return sqe;
}

[[nodiscard]] inline pinring_sqe make_nop(std::uint64_t user_data) {
  return make_sqe(PINRING_OP_NOP, user_data);
}

[[nodiscard]] inline pinring_sqe make_drain(std::uint64_t user_data) {
  return make_sqe(PINRING_OP_DRAIN, user_data);
}

[[nodiscard]] inline pinring_sqe make_cancel(std::uint64_t target, std::uint64_t user_data) {
  auto sqe = make_sqe(PINRING_OP_CANCEL, user_data);
  sqe.addr = target;
  return sqe;
}

[[nodiscard]] inline pinring_sqe make_cancel_all(std::uint64_t user_data) {
  return make_sqe(PINRING_OP_CANCEL, user_data, PINRING_SQE_ALL);
}

[[nodiscard]] inline pinring_sqe make_abort(std::uint64_t target, std::uint64_t user_data) {
  auto sqe = make_cancel(target, user_data);
  sqe.flags |= PINRING_SQE_ABORT;
  return sqe;
}

[[nodiscard]] inline pinring_sqe make_abort_all(std::uint64_t user_data) {
  return make_sqe(PINRING_OP_CANCEL, user_data, PINRING_SQE_ALL | PINRING_SQE_ABORT);
}

[[nodiscard]] inline pinring_sqe make_send(std::span<const std::byte> bytes,
                                           std::uint64_t user_data, std::uint32_t flags = 0) {
  auto sqe = make_sqe(PINRING_OP_SEND, user_data, flags);
  sqe.addr = reinterpret_cast<std::uint64_t>(bytes.data());
  sqe.len = bytes.size();
  return sqe;
}

[[nodiscard]] inline pinring_sqe make_recv(std::span<std::byte> bytes, std::uint64_t user_data,
                                           std::uint32_t flags = 0) {
  auto sqe = make_sqe(PINRING_OP_RECV, user_data, flags);
  sqe.addr = reinterpret_cast<std::uint64_t>(bytes.data());
  sqe.len = bytes.size();
  return sqe;
}

[[nodiscard]] inline pinring_iovec make_piece(std::span<const std::byte> bytes) {
  return {reinterpret_cast<std::uint64_t>(bytes.data()), bytes.size()};
}

inline constexpr std::size_t apart_bytes = 128;

/// Pieces of one byte, one in each apart_bytes of these: none merges with another, so that a job of
/// them is a BD each for certain; and none shares its cache line, as some ports could not stand
/// that.
[[nodiscard]] inline std::vector<pinring_iovec> pieces_apart(std::span<const std::byte> bytes) {
  std::vector<pinring_iovec> pieces;
  for (std::size_t at = 0; at < bytes.size(); at += apart_bytes)
    pieces.push_back(make_piece(bytes.subspan(at, 1)));
  return pieces;
}

/// A job of many pieces, either direction.
[[nodiscard]] inline pinring_sqe make_iovec(std::uint8_t opcode,
                                            std::span<const pinring_iovec> pieces,
                                            std::uint64_t user_data, std::uint32_t flags = 0) {
  auto sqe = make_sqe(opcode, user_data, flags | PINRING_SQE_IOVEC);
  sqe.addr = reinterpret_cast<std::uint64_t>(pieces.data());
  sqe.len = pieces.size();
  return sqe;
}

/// A job on a registered buffer, either direction.
[[nodiscard]] inline pinring_sqe make_registered(std::uint8_t opcode, std::uint32_t index,
                                                 std::uint64_t offset, std::uint64_t bytes,
                                                 std::uint64_t user_data, std::uint32_t flags = 0) {
  auto sqe = make_sqe(opcode, user_data, flags | PINRING_SQE_BUFFER);
  sqe.buffer = index;
  sqe.offset = offset;
  sqe.len = bytes;
  return sqe;
}

} // namespace support
