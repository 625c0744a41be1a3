// SPDX-License-Identifier: MIT
#include "support/loop.hpp"

#include <stdexcept>
#include <string>

#include "support/guarded_memory.hpp"
#include "support/pattern.hpp"

namespace support {
namespace {

constexpr std::uint64_t send_tag = 0x5E4DULL << 32;
constexpr std::uint64_t recv_tag = 0x4ECFULL << 32;

[[noreturn]] void unusable(std::size_t bytes, const std::string& why) {
  throw std::runtime_error("a packet of " + std::to_string(bytes) + " bytes: " + why);
}

void expect_whole(const pinring_cqe& cqe, std::size_t bytes, const char* side) {
  if (cqe.result != 0)
    unusable(bytes, std::string(side) + " ended with " + std::strerror(-cqe.result));
  if (cqe.bytes != bytes)
    unusable(bytes, std::string(side) + " moved " + std::to_string(cqe.bytes));
}

void prove_loop(raw_ring& ring, std::size_t bytes, std::size_t offset, std::uint64_t seed) {
  const guarded_memory out(bytes, offset);
  const guarded_memory in(bytes, offset);
  fill_pattern(out.data(), seed);

  const auto result = loop(ring, out.data(), in.data());
  expect_whole(result.sent, bytes, "the send");
  expect_whole(result.received, bytes, "the receive");
  if (const auto wrong = pattern_mismatch(in.data(), seed))
    unusable(bytes, "wrong from byte " + std::to_string(*wrong));
  if (!in.guards_intact())
    unusable(bytes, "something was written beside the memory");
}

void prove_one_way(raw_ring& ring, std::uint8_t opcode, std::size_t bytes) {
  const guarded_memory memory(bytes, 0);
  const auto cqe = ring.run(opcode == PINRING_OP_SEND ? make_send(memory.data(), send_tag)
                                                      : make_recv(memory.data(), recv_tag));
  expect_whole(cqe, bytes, opcode == PINRING_OP_SEND ? "the send" : "the receive");
}

} // namespace

bool loop_result::moved(std::uint64_t bytes) const {
  return sent.result == 0 && received.result == 0 && sent.bytes == bytes && received.bytes == bytes;
}

loop_result loop(raw_ring& ring, const pinring_sqe& send, const pinring_sqe& recv) {
  auto out = send;
  auto in = recv;
  out.user_data = send_tag;
  in.user_data = recv_tag;

  ring.push(in).push(out);
  // A signal may end a call that has to wait for its turn, before it consumes anything or after.
  enter_result entered;
  unsigned submitted = 0;
  do {
    entered = ring.submit();
    submitted += entered.submitted;
  } while (entered.result == outcome{EINTR});
  if (!entered.result.good() || submitted != 2)
    throw std::runtime_error(std::string("can't submit a loop: ") +
                             std::strerror(entered.result.error()));
  const auto cqes = ring.wait(2);
  return {completion_of(cqes, send_tag), completion_of(cqes, recv_tag)};
}

loop_result loop(raw_ring& ring, std::span<const std::byte> out, std::span<std::byte> in,
                 std::uint32_t flags) {
  return loop(ring, make_send(out, 0, flags), make_recv(in, 0, flags));
}

void empty_the_stream(raw_ring& ring) {
  const guarded_memory memory(page_bytes(), 0);
  auto recv = make_recv(memory.data(), recv_tag, PINRING_SQE_MAY_BE_SHORT);
  recv.deadline_ns = std::chrono::nanoseconds(100ms).count();
  while (ring.run(recv).result == 0)
    ;
}

void prove_usable(raw_ring& ring) {
  const auto info = ring.info();

  switch (info.directions) {
  case PINRING_DIR_SEND:
    return prove_one_way(ring, PINRING_OP_SEND, 1000);
  case PINRING_DIR_RECV: {
    // What such a device makes has a length of its own; a receive that may be short takes any.
    const guarded_memory memory(page_bytes(), 0);
    const auto cqe = ring.run(make_recv(memory.data(), recv_tag, PINRING_SQE_MAY_BE_SHORT));
    if (cqe.result != 0 || cqe.bytes == 0 || !memory.guards_intact())
      unusable(cqe.bytes, std::string("the receive ended with ") + std::strerror(-cqe.result));
    return;
  }
  default:
    // Offsets and lengths that hold on a device that wants its addresses aligned, too.
    const std::size_t offset = info.send_align > 1 ? 64 : odd_offset;
    std::uint64_t seed = 1;
    for (const std::size_t bytes : {std::size_t{1}, std::size_t{1000}, 2 * page_bytes() + 3})
      prove_loop(ring, bytes, offset, seed++);
  }
}

void prove_usable(std::string_view device) {
  raw_ring probe = raw_ring::open(device);
  ring_options options;
  options.directions = probe.info().directions;
  if (const auto result = probe.setup(options); !result.good())
    throw std::runtime_error(std::string("can't set up a ring: ") + std::strerror(result.error()));
  prove_usable(probe);
}

} // namespace support
