// SPDX-License-Identifier: MIT
//
// On a port that is not cache coherent the CPU forgets whole lines when it takes over what the
// device wrote. So what lies in the lines at the ends of a receive must not be the device's: it is
// written here while the receive waits, and has to be there afterwards.
//
// noncoh8 has no data realignment engine besides.
#include "catch.hpp"

#include <algorithm>
#include <cstddef>
#include <span>
#include <thread>
#include <vector>

#include "support/board.hpp"
#include "support/guarded_memory.hpp"
#include "support/loop.hpp"
#include "support/needs.hpp"
#include "support/pattern.hpp"
#include "support/raw_ring.hpp"

using namespace support;

namespace {

const auto needed = support::needs{{"noncoh0", "noncoh8"}}.switches();

/// Memory whose parts are received into, so that the rest of it are the neighbours.
class shared_lines {
public:
  explicit shared_lines(std::size_t bytes) : memory_(bytes, 0), received_(bytes) {
    memory_.clear(before);
  }

  [[nodiscard]] std::span<std::byte> all() const { return memory_.data(); }
  std::span<std::byte> part(std::size_t offset, std::size_t bytes) {
    std::fill_n(received_.begin() + static_cast<std::ptrdiff_t>(offset), bytes, true);
    return all().subspan(offset, bytes);
  }
  /// By another thread, as the neighbours of a buffer may be anybody's.
  void write_neighbours(std::byte value) {
    std::thread([&] {
      for (std::size_t i = 0; i < received_.size(); ++i)
        if (!received_[i])
          all()[i] = value;
    }).join();
  }
  /// How many of them are not what was written.
  [[nodiscard]] std::size_t lost(std::byte value) const {
    std::size_t count = 0;
    for (std::size_t i = 0; i < received_.size(); ++i)
      count += !received_[i] && all()[i] != value;
    return count;
  }

  static constexpr std::byte before{0x11};

private:
  guarded_memory memory_;
  std::vector<bool> received_;
};

constexpr std::byte meanwhile{0x77};
constexpr std::uint64_t recv_tag = 1;
constexpr std::uint64_t send_tag = 2;

/// Hands the receive to the provider, lets the neighbours be written, and then sends the packet.
pinring_cqe receive_beside(raw_ring& ring, const board& behind, shared_lines& memory,
                           pinring_sqe recv, std::span<const std::byte> packet) {
  const auto before = behind.bds_in_use_recv();
  recv.user_data = recv_tag;
  ring.push(recv);
  REQUIRE(ring.submit().submitted == 1);
  REQUIRE(wait_until([&] { return behind.bds_in_use_recv() > before || ring.cq_ready(); }));
  REQUIRE(ring.cq_ready() == 0);

  memory.write_neighbours(meanwhile);
  ring.push(make_send(packet, send_tag));
  REQUIRE(ring.submit().submitted == 1);
  const auto cqes = ring.wait(2);
  REQUIRE(outcome_of(completion_of(cqes, send_tag)) == success);
  return completion_of(cqes, recv_tag);
}

/// The whole of a test of one receive: the data is right, and so is all that lies around it.
void check_receive(raw_ring& ring, const board& behind, shared_lines& memory,
                   const pinring_sqe& recv, std::span<const std::byte> into, std::uint32_t flags) {
  const guarded_memory packet(into.size(), 0);
  fill_pattern(packet.data(), into.size());
  const auto cqe = receive_beside(ring, behind, memory, recv, packet.data());
  REQUIRE(outcome_of(cqe) == success);
  CHECK(cqe.bytes == into.size());
  CHECK(cqe.flags == flags);
  CHECK(pattern_mismatch(into, into.size()) == std::nullopt);
  CHECK(memory.lost(meanwhile) == 0);
}

struct place {
  std::size_t offset;
  std::size_t bytes;
};

/// Receives that share a line with something, at one end or at both.
std::vector<place> partial_lines(const pinring_info& info) {
  const std::size_t line = info.cacheline;
  const auto page = page_bytes();
  return {{line, 1},
          {line + 3, 2 * line},
          {line + 8, 8},
          {line + 16, line - 16},
          {line + 8, line},
          {line, line + 1},
          {line, 5 * line - 3},
          {line + 24, 4 * line - 24},
          {line + 40, 3 * line + 17},
          {page - 8, 16},
          {line + 8, page - line},
          {page - 8, 2 * page + 24},
          {page - line - 8, 2 * line + 9},
          {2 * line + 32, page},
          {page - 56, 3 * page + 8},
          {line + 8, 80'001}};
}

} // namespace

TEST_CASE("INFO says how long a line is that a receive should not share") {
  const auto* const device = GENERATE("noncoh0", "noncoh8");
  CAPTURE(device);
  const auto info = info_of(device);
  CHECK((info.flags & PINRING_INFO_COHERENT) == 0);
  CHECK(info.cacheline >= 32);
  CHECK((info.cacheline & (info.cacheline - 1)) == 0);
  CHECK(info.send_align == (std::string(device) == "noncoh8" ? 8 : 1));
  CHECK(info.recv_align == info.send_align);
}

TEST_CASE("Beside a receive into whole lines the memory is the program's") {
  const auto* const device = GENERATE("noncoh0", "noncoh8");
  CAPTURE(device);
  raw_ring ring(device);
  const board behind(device);
  const std::size_t line = ring.info().cacheline;

  for (const auto& [offset, bytes] :
       std::vector<place>{{line, line}, {5 * line, 3 * line}, {page_bytes() - line, 2 * line}}) {
    CAPTURE(offset, bytes);
    shared_lines memory(3 * page_bytes());
    const auto into = memory.part(offset, bytes);
    check_receive(ring, behind, memory, make_recv(into, 0, PINRING_SQE_ZERO_COPY), into, 0);
  }
}

TEST_CASE("What lies beside the data of a send is the program's, wherever the data begins") {
  raw_ring ring("noncoh0");
  const std::size_t line = ring.info().cacheline;
  const guarded_memory in(4 * line, 0);
  board behind("noncoh0");
  behind.hold_send();

  for (const std::size_t offset : {std::size_t{1}, line - 1, line, line + 7}) {
    CAPTURE(offset);
    shared_lines memory(8 * line);
    const auto from = memory.part(offset, in.size());
    fill_pattern(from, offset);
    ring.push(make_recv(in.data(), recv_tag)).push(make_send(from, send_tag));
    REQUIRE(ring.submit().submitted == 2);
    REQUIRE(wait_until([&] { return behind.bds_in_use_send() == 1; }));
    memory.write_neighbours(meanwhile);
    behind.hold_send(false);
    for (const auto& cqe : ring.wait(2))
      REQUIRE(outcome_of(cqe) == success);
    behind.hold_send();
    CHECK(pattern_mismatch(in.data(), offset) == std::nullopt);
    CHECK(memory.lost(meanwhile) == 0);
  }
}

TEST_CASE("A receive that shares a line is refused where a copy is ruled out") {
  const auto* const device = GENERATE("noncoh0", "noncoh8");
  CAPTURE(device);
  raw_ring ring(device);
  const std::uint32_t flags = PINRING_SQE_ZERO_COPY;
  const board behind(device);
  const auto before = behind.read(behind.is_model() ? "bds_recv" : "descriptors_recv");
  shared_lines memory(32 * page_bytes());
  ring.register_at(0, memory.all(), PINRING_DIR_RECV);

  for (const auto& [offset, bytes] : partial_lines(ring.info())) {
    CAPTURE(offset, bytes);
    const auto into = memory.all().subspan(offset, bytes);
    CHECK(outcome_of(ring.run(make_recv(into, 1, flags))) == outcome{EINVAL});
    CHECK(outcome_of(ring.run(make_registered(PINRING_OP_RECV, 0, offset, bytes, 1, flags))) ==
          outcome{EINVAL});
    const pinring_iovec pieces[] = {make_piece(memory.all().last(page_bytes())), make_piece(into)};
    CHECK(outcome_of(ring.run(make_iovec(PINRING_OP_RECV, pieces, 1, flags))) == outcome{EINVAL});
  }
  CHECK(memory.lost(shared_lines::before) == 0);
  CHECK(behind.read(behind.is_model() ? "bds_recv" : "descriptors_recv") == before);
}

TEST_CASE("A receive that shares a line leaves what it shares it with to the program") {
  const auto* const device = GENERATE("noncoh0", "noncoh8");
  const bool registered = GENERATE(false, true);
  CAPTURE(device, registered);
  raw_ring ring(device);
  const board behind(device);

  for (const auto& [offset, bytes] : partial_lines(ring.info())) {
    CAPTURE(offset, bytes);
    shared_lines memory(32 * page_bytes());
    const auto into = memory.part(offset, bytes);
    if (registered)
      ring.register_at(0, memory.all(), PINRING_DIR_RECV);
    const auto recv =
        registered ? make_registered(PINRING_OP_RECV, 0, offset, bytes, 0) : make_recv(into, 0);
    check_receive(ring, behind, memory, recv, into, PINRING_CQE_BOUNCED);
    if (registered)
      REQUIRE(ring.remove_at(0, PINRING_BUFFER_WAIT, patience) == success);
  }
}

TEST_CASE("Pieces of a list that share lines leave what lies between them to the program") {
  const auto* const device = GENERATE("noncoh0", "noncoh8");
  CAPTURE(device);
  raw_ring ring(device);
  const board behind(device);
  const std::size_t line = ring.info().cacheline;
  shared_lines memory(64 * line);
  std::vector<pinring_iovec> pieces;
  std::size_t bytes = 0;
  for (std::size_t at = 8; at + line < memory.all().size(); at += line / 2 + 8) {
    pieces.push_back(make_piece(memory.part(at, line / 2)));
    bytes += line / 2;
  }
  const guarded_memory packet(bytes, 0);
  fill_pattern(packet.data(), 3);

  const auto cqe =
      receive_beside(ring, behind, memory, make_iovec(PINRING_OP_RECV, pieces, 0), packet.data());
  REQUIRE(outcome_of(cqe) == success);
  CHECK(cqe.bytes == bytes);
  CHECK(cqe.flags == PINRING_CQE_BOUNCED);
  CHECK(memory.lost(meanwhile) == 0);
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    CAPTURE(i);
    const std::span<const std::byte> piece(
        reinterpret_cast<const std::byte*>(pieces[i].addr), // NOLINT(performance-no-int-to-ptr)
        pieces[i].len);
    CHECK(same_bytes(piece, packet.data().subspan(i * line / 2, line / 2)));
  }
}

TEST_CASE("A short packet into a receive that shares lines leaves all else as it was") {
  raw_ring ring("noncoh0");
  const board behind("noncoh0");
  const std::size_t line = ring.info().cacheline;

  for (const std::size_t bytes : {std::size_t{1}, line - 9, line, 2 * line + 5, 3 * line + 30}) {
    CAPTURE(bytes);
    shared_lines memory(16 * line);
    const auto into = memory.part(line + 9, 3 * line + 30);
    const guarded_memory packet(bytes, 0);
    fill_pattern(packet.data(), bytes);
    const auto cqe = receive_beside(ring, behind, memory,
                                    make_recv(into, 0, PINRING_SQE_MAY_BE_SHORT), packet.data());
    REQUIRE(outcome_of(cqe) == success);
    CHECK(cqe.bytes == bytes);
    CHECK(pattern_mismatch(into.first(bytes), bytes) == std::nullopt);
    CHECK(std::ranges::all_of(into.subspan(bytes),
                              [](std::byte b) { return b == shared_lines::before; }));
    CHECK(memory.lost(meanwhile) == 0);
  }
}

TEST_CASE(
    "A send that has to be realigned on a port that is not coherent arrives as it was written") {
  raw_ring ring("noncoh8");
  const guarded_memory in(20'000 / 256 * 256, 0);

  for (std::size_t offset = 1; offset < 8; ++offset) {
    CAPTURE(offset);
    const guarded_memory out(in.size(), offset);
    fill_pattern(out.data(), offset);
    const auto result = loop(ring, out.data(), in.data());
    REQUIRE(result.moved(in.size()));
    CHECK(result.sent.flags == PINRING_CQE_BOUNCED);
    CHECK(pattern_mismatch(in.data(), offset) == std::nullopt);
  }
}

TEST_CASE("A job of many packets that begins within a line leaves its neighbours alone") {
  raw_ring ring("noncoh0");
  const auto info = ring.info();
  const auto bytes = 2 * info.chunk + 1001;
  const guarded_memory out(bytes);
  const guarded_memory in(bytes, odd_offset);
  fill_pattern(out.data(), 5);

  const auto result = loop(ring, out.data(), in.data(), PINRING_SQE_SPLIT);
  REQUIRE(result.moved(bytes));
  CHECK(result.received.flags == PINRING_CQE_BOUNCED);
  CHECK(pattern_mismatch(in.data(), 5) == std::nullopt);
  CHECK(in.guards_intact());
}

TEST_CASE("The channel works at the end of all this") {
  CHECK_NOTHROW(prove_usable("noncoh0"));
  CHECK_NOTHROW(prove_usable("noncoh8"));
}
