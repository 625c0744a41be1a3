// SPDX-License-Identifier: MIT
//
// The kinds of memory that programs have: read-only, shared, in huge pages, of a file, in many
// pieces.
#include "catch.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <random>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

#include "support/board.hpp"
#include "support/child.hpp"
#include "support/guarded_memory.hpp"
#include "support/loop.hpp"
#include "support/needs.hpp"
#include "support/pattern.hpp"
#include "support/raw_ring.hpp"

using namespace support;

namespace {

const auto needed = support::needs{{"loop0"}}.switches();

constexpr std::size_t MiB = 1U << 20;

void check_kind(memory_kind kind, std::size_t bytes, std::size_t offset) {
  CAPTURE(bytes, offset);
  raw_ring ring("loop0");
  const guarded_memory out(bytes, offset, kind);
  const guarded_memory in(bytes, offset + 1, kind);
  fill_pattern(out.data(), bytes);

  REQUIRE(loop(ring, out.data(), in.data(), PINRING_SQE_SPLIT).moved(bytes));
  CHECK(same_bytes(in.data(), out.data()));
  CHECK(in.guards_intact());
  CHECK(out.guards_intact());
}

/// Sends these bytes and receives the same.
void check_send(std::span<const std::byte> bytes) {
  raw_ring ring("loop0");
  const guarded_memory in(bytes.size());

  REQUIRE(loop(ring, bytes, in.data(), PINRING_SQE_SPLIT).moved(bytes.size()));
  CHECK(same_bytes(in.data(), bytes));
}

/// A file in memory with this pattern, mapped.
class mapped_file {
public:
  mapped_file(std::size_t bytes, int prot, int flags)
      : bytes_(bytes), fd_(::memfd_create("pinring-test", 0)) {
    std::vector<std::byte> contents(bytes);
    fill_pattern(contents, seed);
    REQUIRE(::write(fd_.get(), contents.data(), bytes) == static_cast<ssize_t>(bytes));
    void* at = ::mmap(nullptr, bytes, prot, flags, fd_.get(), 0);
    REQUIRE(at != MAP_FAILED);
    data_ = static_cast<std::byte*>(at);
  }
  mapped_file(const mapped_file&) = delete;
  mapped_file& operator=(const mapped_file&) = delete;
  ~mapped_file() { ::munmap(data_, bytes_); }

  std::span<std::byte> data() const { return {data_, bytes_}; }
  /// What the file itself holds, whatever its mapping shows.
  std::vector<std::byte> contents() const {
    std::vector<std::byte> result(bytes_);
    REQUIRE(::pread(fd_.get(), result.data(), bytes_, 0) == static_cast<ssize_t>(bytes_));
    return result;
  }

  static constexpr std::uint64_t seed = 31;

private:
  std::size_t bytes_;
  unique_fd fd_;
  std::byte* data_ = nullptr;
};

std::span<std::byte> bytes_of(const pinring_iovec& piece) {
  return {reinterpret_cast<std::byte*>(piece.addr), piece.len};
}

/// Memory cut into pieces with gaps between them, so that no two can merge.
class scattered_memory {
public:
  scattered_memory(std::span<const std::size_t> sizes, std::size_t gap)
      : memory_(std::accumulate(sizes.begin(), sizes.end(), sizes.size() * gap)) {
    auto rest = memory_.data();
    for (const auto size : sizes) {
      pieces_.push_back(make_piece(rest.first(size)));
      rest = rest.subspan(size + gap);
    }
  }

  std::span<const pinring_iovec> pieces() const { return pieces_; }

  std::vector<std::byte> joined() const {
    std::vector<std::byte> result;
    for (const auto& piece : pieces_) {
      const auto from = bytes_of(piece);
      result.insert(result.end(), from.begin(), from.end());
    }
    return result;
  }

  void fill(std::uint64_t seed) const {
    for (const auto& piece : pieces_)
      fill_pattern(bytes_of(piece), seed++);
  }

  /// Whether all that is not a piece is as guarded_memory made it.
  bool gaps_intact() const {
    auto covered = std::vector<bool>(memory_.size());
    for (const auto& piece : pieces_) {
      const auto at = bytes_of(piece).data() - memory_.data().data();
      std::fill_n(covered.begin() + at, piece.len, true);
    }
    for (std::size_t i = 0; i < covered.size(); ++i)
      if (!covered[i] && memory_.data()[i] != std::byte{0xEE})
        return false;
    return memory_.guards_intact();
  }

private:
  guarded_memory memory_;
  std::vector<pinring_iovec> pieces_;
};

std::vector<std::size_t> odd_sizes(std::size_t n, std::size_t most, unsigned seed) {
  std::minstd_rand random(seed);
  std::vector<std::size_t> sizes(n);
  std::ranges::generate(sizes, [&] { return 1 + random() % most; });
  return sizes;
}

std::size_t sum(std::span<const std::size_t> sizes) {
  return std::accumulate(sizes.begin(), sizes.end(), std::size_t{0});
}

void check_lists(std::span<const std::size_t> from, std::span<const std::size_t> to) {
  raw_ring ring("loop0");
  const scattered_memory out(from, 3);
  const scattered_memory in(to, 131); // no two pieces in one cache line
  out.fill(41);

  REQUIRE(loop(ring, make_iovec(PINRING_OP_SEND, out.pieces(), 0),
               make_iovec(PINRING_OP_RECV, in.pieces(), 0))
              .moved(sum(from)));
  CHECK(in.joined() == out.joined());
  CHECK(in.gaps_intact());
}

} // namespace

TEST_CASE("Small pages") {
  check_kind(memory_kind::anonymous, 3 * MiB + 11, odd_offset);
}

TEST_CASE("Shared memory") {
  check_kind(memory_kind::shared, 3 * MiB + 11, odd_offset);
}

TEST_CASE("Transparent huge pages, at their beginning and across their bounds") {
  check_kind(memory_kind::thp, 5 * MiB + 11, 0);
  check_kind(memory_kind::thp, 5 * MiB + 11, odd_offset);
  check_kind(memory_kind::thp, 1000, 2 * MiB - 500);
}

TEST_CASE("Huge pages") {
  constexpr std::size_t bytes = 9 * MiB + 11;
  if (!guarded_memory::hugetlb_available(2 * bytes + huge_page_bytes))
    return skip("no huge pages are set aside (vm.nr_hugepages)");

  check_kind(memory_kind::hugetlb, bytes, 0);
  check_kind(memory_kind::hugetlb, bytes, odd_offset);
  check_kind(memory_kind::hugetlb, 1000, 2 * MiB - 500);
}

TEST_CASE("A registered buffer in huge pages is one packet that is longer than the chunk") {
  constexpr std::size_t bytes = 3 * MiB + 11;
  if (!guarded_memory::hugetlb_available(2 * bytes + huge_page_bytes))
    return skip("no huge pages are set aside (vm.nr_hugepages)");
  raw_ring ring("loop0");
  REQUIRE(ring.info().chunk < bytes);
  const guarded_memory out(bytes, 0, memory_kind::hugetlb);
  const guarded_memory in(bytes, 0, memory_kind::hugetlb);
  fill_pattern(out.data(), 1);
  ring.register_at(0, out.data(), PINRING_DIR_SEND);
  ring.register_at(1, in.data(), PINRING_DIR_RECV);
  const board loop0("loop0");
  const auto before = loop0.read("sent_packets");

  REQUIRE(loop(ring, make_registered(PINRING_OP_SEND, 0, 0, bytes, 0),
               make_registered(PINRING_OP_RECV, 1, 0, bytes, 0))
              .moved(bytes));
  CHECK(loop0.read("sent_packets") - before == 1);
  CHECK(same_bytes(in.data(), out.data()));
  CHECK(in.guards_intact());
}

// ---------------------------------------------------------------------------- memory to send from

TEST_CASE("A constant of the program can be sent") {
  static const char text[] =
      "const data, in a mapping that is read-only and executable's neighbour";
  check_send(std::as_bytes(std::span(text)));
}

TEST_CASE("The program's own code can be sent") {
  const auto code = std::as_bytes(std::span(reinterpret_cast<const char*>(&check_kind), 10'000));
  check_send(code);
}

TEST_CASE("Memory that was made read-only can be sent") {
  const guarded_memory memory(2 * MiB + 3);
  fill_pattern(memory.data(), 2);
  memory.protect(PROT_READ);
  check_send(memory.data());
}

TEST_CASE("Memory that was never written is sent as zeroes") {
  constexpr std::size_t bytes = 100'000;
  auto* at = static_cast<std::byte*>(
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  REQUIRE(at != MAP_FAILED);
  raw_ring ring("loop0");
  const guarded_memory in(bytes);

  REQUIRE(loop(ring, std::span(at, bytes), in.data()).moved(bytes));
  CHECK(std::ranges::all_of(in.data(), [](std::byte b) { return b == std::byte{0}; }));
  ::munmap(at, bytes);
}

TEST_CASE("A file's private, read-only mapping can be sent") {
  const mapped_file file(100'001, PROT_READ, MAP_PRIVATE);
  check_send(file.data());
}

TEST_CASE("A file's shared mapping can be sent") {
  const mapped_file file(100'001, PROT_READ, MAP_SHARED);
  check_send(file.data());
}

TEST_CASE("The stack can be sent from and received into") {
  std::array<std::byte, 5000> out;
  std::array<std::byte, 5000> in{};
  fill_pattern(out, 3);
  raw_ring ring("loop0");

  REQUIRE(loop(ring, out, in).moved(out.size()));
  CHECK(in == out);
}

// ---------------------------------------------------------------------------- memory to receive
// into

TEST_CASE("What is received into a file's shared mapping is in the file") {
  const mapped_file file(50'000, PROT_READ | PROT_WRITE, MAP_SHARED);
  const guarded_memory out(50'000);
  fill_pattern(out.data(), 4);
  raw_ring ring("loop0");

  REQUIRE(loop(ring, out.data(), file.data()).moved(50'000));
  CHECK(pattern_mismatch(file.contents(), 4) == std::nullopt);
}

TEST_CASE("What is received into a file's private mapping is not in the file") {
  const mapped_file file(50'000, PROT_READ | PROT_WRITE, MAP_PRIVATE);
  const guarded_memory out(50'000);
  fill_pattern(out.data(), 5);
  raw_ring ring("loop0");

  REQUIRE(loop(ring, out.data(), file.data()).moved(50'000));
  CHECK(pattern_mismatch(file.data(), 5) == std::nullopt);
  CHECK(pattern_mismatch(file.contents(), mapped_file::seed) == std::nullopt);
}

TEST_CASE("Memory that a child shares by copy-on-write becomes the receiver's own") {
  const guarded_memory in(50'000);
  fill_pattern(in.data(), 6);
  const guarded_memory out(50'000);
  fill_pattern(out.data(), 7);
  shared_flag received;
  // Before the ring is made: the child has nothing to do with it.
  child other([&] { return received.await() && !pattern_mismatch(in.data(), 6) ? 0 : 1; });
  raw_ring ring("loop0");

  REQUIRE(loop(ring, out.data(), in.data()).moved(50'000));
  received.set();
  CHECK(pattern_mismatch(in.data(), 7) == std::nullopt);
  CHECK(other.wait() == 0);
}

TEST_CASE("Memory never touched before can be received into") {
  constexpr std::size_t bytes = 3 * MiB;
  auto* at = static_cast<std::byte*>(
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  REQUIRE(at != MAP_FAILED);
  const guarded_memory out(bytes);
  fill_pattern(out.data(), 8);
  raw_ring ring("loop0");

  REQUIRE(loop(ring, out.data(), std::span(at, bytes), PINRING_SQE_SPLIT).moved(bytes));
  CHECK(pattern_mismatch(std::span(at, bytes), 8) == std::nullopt);
  ::munmap(at, bytes);
}

// ---------------------------------------------------------------------------- lists of pieces

TEST_CASE("Lists of one, two, seven and 64 odd pieces arrive in one packet") {
  const auto n = GENERATE(std::size_t{1}, std::size_t{2}, std::size_t{7}, std::size_t{64});
  const auto sizes = odd_sizes(n, 3000, static_cast<unsigned>(n));
  check_lists(sizes, sizes);
}

TEST_CASE("A list may be cut otherwise on the other side") {
  const auto from = odd_sizes(64, 3000, 1);
  auto to = odd_sizes(6, 10'000, 2);
  while (sum(to) >= sum(from))
    to.pop_back();
  to.push_back(sum(from) - sum(to));
  check_lists(from, to);
}

TEST_CASE("A list of as many pieces as there are BDs is one packet") {
  raw_ring ring("loop0");
  const auto n = ring.info().send_bds;
  const guarded_memory out(n * apart_bytes);
  const guarded_memory in(n * apart_bytes);
  fill_pattern(out.data(), 13);
  const auto from = pieces_apart(out.data());
  const auto to = pieces_apart(in.data());

  REQUIRE(loop(ring, make_iovec(PINRING_OP_SEND, from, 0), make_iovec(PINRING_OP_RECV, to, 0))
              .moved(n));
  for (std::size_t i = 0; i < in.size(); ++i)
    REQUIRE(in.data()[i] == (i % apart_bytes ? std::byte{0xEE} : out.data()[i]));
}

TEST_CASE("Pieces that lie side by side are as one") {
  raw_ring ring("loop0");
  const guarded_memory out(10'000);
  const guarded_memory in(10'000);
  fill_pattern(out.data(), 9);
  const auto cut = [](const guarded_memory& memory, std::size_t n) {
    std::vector<pinring_iovec> list;
    for (auto rest = memory.data(); !rest.empty(); rest = rest.subspan(list.back().len))
      list.push_back(make_piece(rest.first(std::min(n, rest.size()))));
    return list;
  };
  const auto from = cut(out, 77);
  const auto to = cut(in, 99);

  REQUIRE(loop(ring, make_iovec(PINRING_OP_SEND, from, 0), make_iovec(PINRING_OP_RECV, to, 0))
              .moved(10'000));
  CHECK(pattern_mismatch(in.data(), 9) == std::nullopt);
  CHECK(in.guards_intact());
}

TEST_CASE("A split job of the longest list arrives whole") {
  raw_ring ring("loop0");
  const auto n = ring.info().max_iov;
  const auto page = page_bytes();
  // Every other page, each a piece: no two can merge, and a chunk of them fits the BD budget.
  const guarded_memory out(2 * n * page, 0);
  const guarded_memory in(2 * n * page, 0);
  const auto every_other = [&](const guarded_memory& memory) {
    std::vector<pinring_iovec> list;
    for (std::size_t i = 0; i < n; ++i)
      list.push_back(make_piece(memory.data().subspan(2 * i * page, page)));
    return list;
  };
  const auto from = every_other(out);
  const auto to = every_other(in);
  fill_pattern(out.data(), 10);

  REQUIRE(loop(ring, make_iovec(PINRING_OP_SEND, from, 0, PINRING_SQE_SPLIT),
               make_iovec(PINRING_OP_RECV, to, 0, PINRING_SQE_SPLIT))
              .moved(n * page));
  for (std::size_t i = 0; i < n; ++i) {
    REQUIRE(
        same_bytes(in.data().subspan(2 * i * page, page), out.data().subspan(2 * i * page, page)));
    REQUIRE(std::ranges::all_of(in.data().subspan((2 * i + 1) * page, page),
                                [](std::byte b) { return b == std::byte{0xEE}; }));
  }
}

TEST_CASE("A list is read once, when its SQE is consumed") {
  raw_ring ring("loop0");
  const guarded_memory out(1000);
  const guarded_memory in(1000);
  fill_pattern(out.data(), 11);
  std::vector<pinring_iovec> from{make_piece(out.data().first(500)),
                                  make_piece(out.data().subspan(500))};
  std::vector<pinring_iovec> to{make_piece(in.data())};
  board loop0("loop0");
  loop0.hold();

  ring.push(make_iovec(PINRING_OP_RECV, to, 1)).push(make_iovec(PINRING_OP_SEND, from, 2));
  REQUIRE(ring.submit().submitted == 2);
  from.assign(2, pinring_iovec{});
  to.assign(1, pinring_iovec{});
  loop0.hold(false);
  for (const auto& cqe : ring.wait(2))
    CHECK(outcome_of(cqe) == success);
  CHECK(pattern_mismatch(in.data(), 11) == std::nullopt);
}

TEST_CASE("The same memory may be several pieces of a send") {
  raw_ring ring("loop0");
  const guarded_memory out(100);
  const guarded_memory in(500);
  fill_pattern(out.data(), 12);
  const std::vector<pinring_iovec> from(5, make_piece(out.data()));

  REQUIRE(loop(ring, make_iovec(PINRING_OP_SEND, from, 0), make_recv(in.data(), 0)).moved(500));
  for (std::size_t i = 0; i < 5; ++i)
    CHECK(same_bytes(in.data().subspan(100 * i, 100), out.data()));
}

TEST_CASE("The channel works at the end of all this") {
  CHECK_NOTHROW(prove_usable("loop0"));
}
