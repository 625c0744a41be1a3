// SPDX-License-Identifier: MIT
//
// Memory that can't be read, written or pinned as asked; lists of pieces; registered buffers out of
// bounds. One thing wrong at a time, and good packets around it in the same ENTER.
#include "catch.hpp"

#include <fstream>
#include <sstream>
#include <string>
#include <sys/mman.h>
#include <vector>

#include "rejection.hpp"
#include "support/loop.hpp"
#include "support/needs.hpp"

using namespace support;

namespace {

const auto needed = support::needs{{"loop0"}};

std::uint8_t opcode(int which) {
  return static_cast<std::uint8_t>(which);
}

/// The job on an address that nobody could make a span of.
pinring_sqe job_at(int which, std::uint64_t address, std::uint64_t bytes, std::uint32_t flags = 0) {
  auto sqe = make_sqe(opcode(which), 0, flags);
  sqe.addr = address;
  sqe.len = bytes;
  return sqe;
}

std::vector<rejection> both_ways(const std::string& what, std::uint64_t address,
                                 std::uint64_t bytes) {
  return {{"SEND of " + what, job_at(PINRING_OP_SEND, address, bytes), EFAULT},
          {"RECV to " + what, job_at(PINRING_OP_RECV, address, bytes), EFAULT}};
}

std::vector<rejection> lists_both_ways(const std::string& what, std::uint64_t array,
                                       std::uint64_t n, int error) {
  return {{"SEND of " + what, job_at(PINRING_OP_SEND, array, n, PINRING_SQE_IOVEC), error},
          {"RECV to " + what, job_at(PINRING_OP_RECV, array, n, PINRING_SQE_IOVEC), error}};
}

std::vector<rejection> list_both_ways(const std::string& what,
                                      const std::vector<pinring_iovec>& list, int error) {
  return lists_both_ways(what, reinterpret_cast<std::uint64_t>(list.data()), list.size(), error);
}

/// Start of a mapping of this process by its name in /proc/self/maps; 0 when there is none.
std::uint64_t mapping_called(const std::string& name) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);)
    if (line.ends_with(name))
      return std::stoull(line.substr(0, line.find('-')), nullptr, 16);
  return 0;
}

} // namespace

TEST_CASE("Addresses that nobody may use are EFAULT") {
  raw_ring ring("loop0");

  check_all(ring, both_ways("NULL", 0, 100));
  check_all(ring, both_ways("the first page", 16, 100));
  check_all(ring, both_ways("kernel memory", 0xffff888000000000ULL, 100));
  check_all(ring, both_ways("a hole between user and kernel", 1ULL << 62, 100));
}

TEST_CASE("An address and a length that wrap around are EFAULT") {
  raw_ring ring("loop0");

  check_all(ring, both_ways("the last bytes", ~0ULL - 10, 100));
  check_all(ring, both_ways("the last page", ~0ULL - 4095, 4096));
}

TEST_CASE("Memory that is not mapped is EFAULT") {
  raw_ring ring("loop0");
  const companions around; // made first, or they would take the place that gets free
  guarded_memory memory(1000);
  const auto address = memory.address();
  memory.unmap();

  for (const auto& row : both_ways("nothing", address, 1000))
    around.check(ring, row);
}

TEST_CASE("Memory without access is EFAULT") {
  raw_ring ring("loop0");
  const guarded_memory memory(1000);
  memory.protect(PROT_NONE);

  check_all(ring, both_ways("PROT_NONE", memory.address(), 1000));
}

TEST_CASE("A range of which only the last page is missing is EFAULT") {
  raw_ring ring("loop0");
  const companions around;
  const guarded_memory memory(3 * page_bytes(), 0);
  REQUIRE(::munmap(memory.data().data() + 2 * page_bytes(), page_bytes()) == 0);

  for (const auto& row : both_ways("half a range", memory.address(), 3 * page_bytes()))
    around.check(ring, row);
}

TEST_CASE("A range of which only the first page is missing is EFAULT") {
  raw_ring ring("loop0");
  const companions around;
  const guarded_memory memory(3 * page_bytes(), 0);
  REQUIRE(::munmap(memory.data().data(), page_bytes()) == 0);

  for (const auto& row : both_ways("half a range", memory.address(), 3 * page_bytes()))
    around.check(ring, row);
}

TEST_CASE("Read-only memory can't be received into, and stays as it is") {
  raw_ring ring("loop0");
  const guarded_memory memory(1000);
  fill_pattern(memory.data(), 7);
  memory.protect(PROT_READ);

  check_all(ring, {{"RECV to PROT_READ", make_recv(memory.data(), 0), EFAULT}});
  CHECK(pattern_mismatch(memory.data(), 7) == std::nullopt);
}

TEST_CASE("A constant of the program can't be received into") {
  raw_ring ring("loop0");
  static const char text[64] = "const means const";

  check_all(ring, {{"RECV to .rodata",
                    job_at(PINRING_OP_RECV, reinterpret_cast<std::uint64_t>(text), 64), EFAULT}});
}

TEST_CASE("Memory that has no pages behind it is EFAULT") {
  const auto vvar = mapping_called("[vvar]");
  if (!vvar)
    return skip("this kernel maps no [vvar] into programs");
  raw_ring ring("loop0");

  check_all(ring, both_ways("the kernel's time page", vvar, 64));
}

TEST_CASE("A refused receive writes nothing") {
  raw_ring ring("loop0");
  const guarded_memory memory(2 * page_bytes(), 0);
  fill_pattern(memory.data(), 8);
  REQUIRE(::mprotect(memory.data().data() + page_bytes(), page_bytes(), PROT_NONE) == 0);

  check_all(ring, {{"RECV", make_recv(memory.data(), 0), EFAULT}});
  CHECK(pattern_mismatch(memory.data().first(page_bytes()), 8) == std::nullopt);
}

// ---------------------------------------------------------------------------- lists of pieces

TEST_CASE("A list that can't be read is EFAULT") {
  raw_ring ring("loop0");
  const guarded_memory none(1000, 0);
  none.protect(PROT_NONE);

  check_all(ring, lists_both_ways("a list at NULL", 0, 1, EFAULT));
  check_all(ring, lists_both_ways("a list without access", none.address(), 1, EFAULT));
  check_all(ring, lists_both_ways("a list in the kernel", 0xffff888000000000ULL, 1, EFAULT));
}

TEST_CASE("A list whose end can't be read is EFAULT") {
  raw_ring ring("loop0");
  const guarded_memory data(1000);
  const guarded_memory pages(2 * page_bytes(), 0);
  const auto piece = make_piece(data.data().first(10));
  auto* const at = pages.data().data() + page_bytes() - sizeof(piece);
  std::memcpy(at, &piece, sizeof(piece));
  REQUIRE(::mprotect(pages.data().data() + page_bytes(), page_bytes(), PROT_NONE) == 0);

  check_all(ring, lists_both_ways("half a list", reinterpret_cast<std::uint64_t>(at), 2, EFAULT));
}

TEST_CASE("A list of no pieces is EINVAL") {
  raw_ring ring("loop0");
  const guarded_memory data(1000);
  const auto piece = make_piece(data.data().first(10));

  check_all(ring, lists_both_ways("no pieces", reinterpret_cast<std::uint64_t>(&piece), 0, EINVAL));
}

TEST_CASE("A list of more pieces than INFO allows is EINVAL") {
  raw_ring ring("loop0");
  const guarded_memory data(1000);
  const std::vector<pinring_iovec> list(ring.info().max_iov + 1, make_piece(data.data().first(1)));

  check_all(ring, list_both_ways("too many pieces", list, EINVAL));
  check_all(ring, lists_both_ways("2^32 + 1 pieces", reinterpret_cast<std::uint64_t>(list.data()),
                                  (1ULL << 32) + 1, EINVAL));
}

TEST_CASE("An empty piece is EINVAL wherever it is") {
  raw_ring ring("loop0");
  const guarded_memory data(1000);
  const auto base = data.address();

  check_all(ring, list_both_ways("first piece empty", {{base, 0}, {base, 10}}, EINVAL));
  check_all(ring, list_both_ways("last piece empty", {{base, 10}, {base, 0}}, EINVAL));
  check_all(ring, list_both_ways("only piece empty", {{base, 0}}, EINVAL));
}

TEST_CASE("Pieces whose sum overflows are EFAULT, as one of them must wrap around by itself") {
  raw_ring ring("loop0");
  const guarded_memory data(1000);
  const auto base = data.address();

  check_all(ring,
            list_both_ways("2^64 in two halves", {{base, 1ULL << 63}, {base, 1ULL << 63}}, EFAULT));
  check_all(ring, list_both_ways("2^64 + 9", {{base, 10}, {base, ~0ULL}}, EFAULT));
}

TEST_CASE("Pieces that together are longer than the longest job are EINVAL") {
  raw_ring ring("loop0");
  // Far from the end of the address space, so that each piece could be there.
  constexpr auto base = 1ULL << 37;
  const auto quarter = ring.info().max_job_bytes / 4;
  const std::vector<pinring_iovec> list{
      {base, quarter}, {base, quarter}, {base, quarter}, {base, quarter + 1}};

  auto rows = list_both_ways("too long together", list, EINVAL);
  for (auto& row : rows)
    row.sqe.flags |= PINRING_SQE_SPLIT; // or it would be too long for a packet as well
  check_all(ring, rows);
}

TEST_CASE("One bad piece spoils its job and nothing else") {
  raw_ring ring("loop0");
  const guarded_memory good(1000);
  const guarded_memory none(1000);
  none.protect(PROT_NONE);
  const auto base = good.address();
  const std::vector<pinring_iovec> list{{base, 100}, {none.address(), 100}, {base + 200, 100}};

  check_all(ring,
            lists_both_ways("a list with a hole", reinterpret_cast<std::uint64_t>(list.data()),
                            list.size(), EFAULT));
}

TEST_CASE("A piece that is read-only can't be received into") {
  raw_ring ring("loop0");
  const guarded_memory good(1000);
  const guarded_memory constant(1000);
  fill_pattern(good.data(), 9);
  constant.protect(PROT_READ);
  const pinring_iovec list[] = {{good.address(), 100}, {constant.address(), 100}};

  check_all(ring, {{"RECV", make_iovec(PINRING_OP_RECV, list, 0), EFAULT}});
  CHECK(pattern_mismatch(good.data(), 9) == std::nullopt);
}

TEST_CASE("Pieces that are together longer than the chunk are EMSGSIZE in one packet") {
  raw_ring ring("loop0");
  const auto chunk = ring.info().chunk;
  const guarded_memory data(chunk + 1);
  const auto base = data.address();
  const std::vector<pinring_iovec> list{{base, chunk / 2},
                                        {base + chunk / 2, chunk - chunk / 2 + 1}};

  check_all(ring, lists_both_ways("too much", reinterpret_cast<std::uint64_t>(list.data()),
                                  list.size(), EMSGSIZE));
}

TEST_CASE("More pieces than there are BDs are EMSGSIZE in one packet") {
  raw_ring ring("loop0");
  const auto info = ring.info();
  const auto pieces = info.send_bds + 1;
  if (pieces > info.max_iov)
    return skip("a list can't be longer than the BD pool");
  const guarded_memory data(pieces * apart_bytes);
  const auto list = pieces_apart(data.data());

  check_all(ring, lists_both_ways("too many", reinterpret_cast<std::uint64_t>(list.data()),
                                  list.size(), EMSGSIZE));
}

// ---------------------------------------------------------------------------- registered buffers

namespace {

constexpr std::uint32_t both_index = 0;
constexpr std::uint32_t send_index = 1;
constexpr std::uint32_t recv_index = 2;
constexpr std::uint32_t empty_index = 3;
constexpr std::size_t registered_bytes = 1000;

/// A ring with a buffer of each kind, and an index that is free.
struct registered_ring {
  raw_ring ring{"loop0"};
  guarded_memory memory{registered_bytes};

  registered_ring() {
    ring.register_at(both_index, memory.data());
    ring.register_at(send_index, memory.data(), PINRING_DIR_SEND);
    ring.register_at(recv_index, memory.data(), PINRING_DIR_RECV);
  }
};

std::vector<rejection> registered_both_ways(const std::string& what, std::uint32_t index,
                                            std::uint64_t offset, std::uint64_t bytes, int error) {
  return {{"SEND " + what, make_registered(PINRING_OP_SEND, index, offset, bytes, 0), error},
          {"RECV " + what, make_registered(PINRING_OP_RECV, index, offset, bytes, 0), error}};
}

} // namespace

TEST_CASE("An index that can't be is EINVAL") {
  registered_ring with;
  const auto beyond = with.ring.info().max_buffers;

  check_all(with.ring, registered_both_ways("at max_buffers", beyond, 0, 10, EINVAL));
  check_all(with.ring, registered_both_ways("at 2^32-1", ~0U, 0, 10, EINVAL));
}

TEST_CASE("An index without a buffer is ENOENT") {
  registered_ring with;

  check_all(with.ring, registered_both_ways("at an empty index", empty_index, 0, 10, ENOENT));
}

TEST_CASE("A part that is not inside the buffer is EINVAL") {
  registered_ring with;

  check_all(with.ring,
            registered_both_ways("one byte too long", both_index, 0, registered_bytes + 1, EINVAL));
  check_all(with.ring,
            registered_both_ways("one byte too far", both_index, 1, registered_bytes, EINVAL));
  check_all(with.ring,
            registered_both_ways("from the end on", both_index, registered_bytes, 1, EINVAL));
}

TEST_CASE("An offset and a length that wrap around are EINVAL") {
  registered_ring with;

  check_all(with.ring, registered_both_ways("at 2^64-1", both_index, ~0ULL, 2, EINVAL));
  check_all(with.ring, registered_both_ways("at 2^64-10", both_index, ~0ULL - 9, 20, EINVAL));
}

TEST_CASE("No bytes of a buffer are EINVAL") {
  registered_ring with;

  check_all(with.ring, registered_both_ways("of no bytes", both_index, 0, 0, EINVAL));
}

TEST_CASE("A registered buffer and an address are EINVAL together") {
  registered_ring with;

  auto rows = registered_both_ways("with an address", both_index, 0, 10, EINVAL);
  for (auto& row : rows)
    row.sqe.addr = with.memory.address();
  check_all(with.ring, rows);
}

TEST_CASE("A buffer can't be used in a direction that it was not registered for") {
  registered_ring with;

  check_all(with.ring, {{"RECV to a send buffer",
                         make_registered(PINRING_OP_RECV, send_index, 0, 10, 0), EINVAL},
                        {"SEND of a receive buffer",
                         make_registered(PINRING_OP_SEND, recv_index, 0, 10, 0), EINVAL}});
}

TEST_CASE("The ring's own memory as a receive buffer harms nobody but that ring") {
  {
    raw_ring ring("loop0");
    const guarded_memory out(256);
    auto* const victim = ring.mapping().data() + ring.layout().sqes_offset;
    ring.push(make_recv({victim, 256}, 1)).push(make_send(out.data(), 2));
    const auto entered = ring.submit();
    CHECK(entered.result == success);
    // Whether such memory can be pinned is the kernel's affair; that both jobs end is ours. When
    // the receive was refused the packet is still in the loopback.
    const auto cqes = ring.wait(2);
    if (completion_of(cqes, 1).result != 0)
      CHECK(outcome_of(ring.run(make_recv(out.data(), 3))) == success);
  }
  CHECK_NOTHROW(prove_usable("loop0"));
}

TEST_CASE("The channel works at the end of all this") {
  CHECK_NOTHROW(prove_usable("loop0"));
}
