// SPDX-License-Identifier: MIT
//
// Making a ring: what SETUP refuses, who may claim which direction, and the mapping.
#include "catch.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <sys/mman.h>

#include "support/guarded_memory.hpp"
#include "support/loop.hpp"
#include "support/needs.hpp"
#include "support/raw_ring.hpp"

using namespace support;

namespace {

const auto needed = support::needs{{"loop0", "loop1", "sink0", "source0"}};

constexpr std::uint32_t both = PINRING_DIR_SEND | PINRING_DIR_RECV;

pinring_setup valid_setup() {
  pinring_setup setup{};
  setup.size = sizeof(setup);
  setup.directions = both;
  setup.sq_entries = 8;
  return setup;
}

outcome set_up(const raw_ring& ring, pinring_setup& setup) {
  return call(ring.fd(), PINRING_IOC_SETUP, &setup);
}

/// SETUP of a fresh file with one thing changed.
template <typename Spoil>
outcome set_up_spoiled(Spoil&& spoil, const char* device = "loop0") {
  const auto ring = raw_ring::open(device);
  auto setup = valid_setup();
  spoil(setup);
  return set_up(ring, setup);
}

ring_options claiming(std::uint32_t directions, std::uint32_t flags = 0) {
  ring_options options;
  options.directions = directions;
  options.flags = flags;
  return options;
}

/// mmap of the ring's file; what it said is all that is kept.
outcome map_and_unmap(const raw_ring& ring, std::size_t bytes, int flags, long offset) {
  void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, flags, ring.fd(), offset);
  if (at == MAP_FAILED)
    return outcome{errno};
  ::munmap(at, bytes);
  return success;
}

} // namespace

TEST_CASE("SETUP with nothing wrong is accepted") {
  CHECK(set_up_spoiled([](pinring_setup&) {}) == success);
}

TEST_CASE("SETUP refuses each flag that does not exist") {
  for (unsigned bit = 1; bit < 32; ++bit) {
    CAPTURE(bit);
    CHECK(set_up_spoiled([&](pinring_setup& s) { s.flags = 1U << bit; }) == outcome{EINVAL});
  }
}

TEST_CASE("SETUP that claims nothing is refused") {
  CHECK(set_up_spoiled([](pinring_setup& s) { s.directions = 0; }) == outcome{EINVAL});
}

TEST_CASE("SETUP refuses each direction that does not exist") {
  for (unsigned bit = 2; bit < 32; ++bit) {
    CAPTURE(bit);
    CHECK(set_up_spoiled([&](pinring_setup& s) { s.directions |= 1U << bit; }) == outcome{EINVAL});
  }
}

TEST_CASE("SETUP of a direction that the device has not got is EOPNOTSUPP") {
  const auto claim = [](std::uint32_t directions) {
    return [=](pinring_setup& s) { s.directions = directions; };
  };

  CHECK(set_up_spoiled(claim(PINRING_DIR_RECV), "sink0") == outcome{EOPNOTSUPP});
  CHECK(set_up_spoiled(claim(both), "sink0") == outcome{EOPNOTSUPP});
  CHECK(set_up_spoiled(claim(PINRING_DIR_SEND), "source0") == outcome{EOPNOTSUPP});
}

TEST_CASE("SETUP refuses an SQ without entries") {
  CHECK(set_up_spoiled([](pinring_setup& s) { s.sq_entries = 0; }) == outcome{EINVAL});
}

TEST_CASE("SETUP refuses an SQ that is larger than INFO allows") {
  const auto info = info_of("loop0");

  CHECK(set_up_spoiled([&](pinring_setup& s) { s.sq_entries = info.max_sq_entries + 1; }) ==
        outcome{EINVAL});
  CHECK(set_up_spoiled([&](pinring_setup& s) { s.sq_entries = ~0U; }) == outcome{EINVAL});
}

TEST_CASE("SETUP refuses a CQ that is larger than INFO allows") {
  const auto info = info_of("loop0");

  CHECK(set_up_spoiled([&](pinring_setup& s) { s.cq_entries = info.max_cq_entries + 1; }) ==
        outcome{EINVAL});
  CHECK(set_up_spoiled([&](pinring_setup& s) { s.cq_entries = ~0U; }) == outcome{EINVAL});
}

TEST_CASE("SETUP accepts the largest ring that INFO allows") {
  auto ring = raw_ring::open("loop0");
  ring_options options;
  options.sq_entries = ring.info().max_sq_entries;
  options.cq_entries = ring.info().max_cq_entries;

  REQUIRE(ring.setup(options) == success);
  CHECK_NOTHROW(prove_usable(ring));
}

TEST_CASE("SETUP refuses a reserved field that is not zero") {
  CHECK(set_up_spoiled([](pinring_setup& s) { s.reserved = 1; }) == outcome{EINVAL});
}

TEST_CASE("SETUP rounds the entries up to powers of two") {
  const auto ring = raw_ring::open("loop0");
  auto setup = valid_setup();
  setup.sq_entries = 5;
  setup.cq_entries = 33;

  REQUIRE(set_up(ring, setup) == success);
  CHECK(setup.sq_entries == 8);
  CHECK(setup.cq_entries == 64);
}

TEST_CASE("SETUP leaves powers of two alone") {
  const auto ring = raw_ring::open("loop0");
  auto setup = valid_setup();
  setup.sq_entries = 16;
  setup.cq_entries = 16;

  REQUIRE(set_up(ring, setup) == success);
  CHECK(setup.sq_entries == 16);
  CHECK(setup.cq_entries == 16);
}

TEST_CASE("A CQ of 0 entries is twice the SQ") {
  const auto ring = raw_ring::open("loop0");
  auto setup = valid_setup();

  REQUIRE(set_up(ring, setup) == success);
  CHECK(setup.cq_entries == 16);
}

TEST_CASE("A CQ is never smaller than the SQ") {
  const auto ring = raw_ring::open("loop0");
  auto setup = valid_setup();
  setup.cq_entries = 1;

  REQUIRE(set_up(ring, setup) == success);
  CHECK(setup.cq_entries == 8);
}

TEST_CASE("A second SETUP of the same file is EEXIST and leaves the ring alone") {
  raw_ring ring("loop0");
  auto again = valid_setup();

  CHECK(set_up(ring, again) == outcome{EEXIST});
  CHECK_NOTHROW(prove_usable(ring));
}

TEST_CASE("A file whose SETUP was refused can still be set up") {
  auto ring = raw_ring::open("loop0");
  auto bad = valid_setup();
  bad.reserved = 1;

  REQUIRE(set_up(ring, bad) == outcome{EINVAL});
  REQUIRE(ring.setup({}) == success);
  CHECK_NOTHROW(prove_usable(ring));
}

TEST_CASE("A SETUP whose answer can't be written leaves no claim behind") {
  {
    const auto ring = raw_ring::open("loop0");
    guarded_memory memory(sizeof(pinring_setup), 0);
    const auto setup = valid_setup();
    std::memcpy(memory.data().data(), &setup, sizeof(setup));
    memory.protect(PROT_READ);

    REQUIRE(call(ring.fd(), PINRING_IOC_SETUP, memory.data().data()) == outcome{EFAULT});
  }
  CHECK_NOTHROW(prove_usable("loop0"));
}

// ---------------------------------------------------------------------------- before SETUP

TEST_CASE("Before SETUP there is no ring to enter") {
  const auto ring = raw_ring::open("loop0");

  CHECK(ring.enter(0, 0).result == outcome{ENXIO});
}

TEST_CASE("Before SETUP no buffer can be registered, changed or removed") {
  const auto ring = raw_ring::open("loop0");
  const guarded_memory memory(1000);
  auto buffer = make_buffer(0, memory.data());

  CHECK(ring.add(buffer) == outcome{ENXIO});
  CHECK(ring.update(buffer) == outcome{ENXIO});
  CHECK(ring.remove_at(0) == outcome{ENXIO});
}

TEST_CASE("Before SETUP there is no eventfd to set") {
  CHECK(raw_ring::open("loop0").eventfd(-1) == outcome{ENXIO});
}

TEST_CASE("Before SETUP there is nothing to map") {
  CHECK(map_and_unmap(raw_ring::open("loop0"), page_bytes(), MAP_SHARED, 0) == outcome{ENXIO});
}

// ---------------------------------------------------------------------------- claims

TEST_CASE("A direction that is claimed for one ring alone is EBUSY to another") {
  const raw_ring owner("loop0");
  auto other = raw_ring::open("loop0");

  CHECK(other.setup(claiming(both)) == outcome{EBUSY});
  CHECK(other.setup(claiming(PINRING_DIR_SEND)) == outcome{EBUSY});
  CHECK(other.setup(claiming(PINRING_DIR_RECV)) == outcome{EBUSY});
  CHECK(other.setup(claiming(both, PINRING_SETUP_SHARED)) == outcome{EBUSY});
}

TEST_CASE("A direction that is shared can't be claimed for one alone") {
  const raw_ring sharer("loop0", claiming(both, PINRING_SETUP_SHARED));
  auto other = raw_ring::open("loop0");

  CHECK(other.setup(claiming(both)) == outcome{EBUSY});
}

TEST_CASE("Two rings that both share a device both work") {
  raw_ring one("loop0", claiming(both, PINRING_SETUP_SHARED));
  raw_ring other("loop0", claiming(both, PINRING_SETUP_SHARED));

  CHECK_NOTHROW(prove_usable(one));
  CHECK_NOTHROW(prove_usable(other));
}

TEST_CASE("The two directions of a device may belong to two rings") {
  raw_ring sender("loop0", claiming(PINRING_DIR_SEND));
  raw_ring receiver("loop0", claiming(PINRING_DIR_RECV));
  const guarded_memory out(1000);
  const guarded_memory in(1000);

  receiver.push(make_recv(in.data(), 1));
  REQUIRE(receiver.submit().result == success);
  CHECK(outcome_of(sender.run(make_send(out.data(), 2))) == success);
  CHECK(outcome_of(receiver.wait(1).front()) == success);
}

TEST_CASE("A SETUP that was refused one direction claims the other neither") {
  const raw_ring receiver("loop0", claiming(PINRING_DIR_RECV));
  auto refused = raw_ring::open("loop0");
  REQUIRE(refused.setup(claiming(both)) == outcome{EBUSY});

  auto sender = raw_ring::open("loop0");
  CHECK(sender.setup(claiming(PINRING_DIR_SEND)) == success);
}

TEST_CASE("A claim ends with the ring") {
  raw_ring ring("loop0");
  ring.close();

  CHECK_NOTHROW(raw_ring("loop0"));
}

TEST_CASE("A file that is only open claims nothing") {
  const auto idle = raw_ring::open("loop0");

  CHECK_NOTHROW(prove_usable("loop0"));
}

TEST_CASE("Claims of one device say nothing about another") {
  const raw_ring first("loop0");

  CHECK_NOTHROW(prove_usable("loop1"));
}

// ---------------------------------------------------------------------------- the mapping

TEST_CASE("The parts of the ring lie inside the mapping, aligned, and don't overlap") {
  const auto entries = GENERATE(1U, 2U, 7U, 64U);
  ring_options options;
  options.sq_entries = entries;
  const raw_ring ring("loop0", options);
  const auto& l = ring.layout();

  struct part {
    std::uint64_t begin, end;
  };
  std::array<part, 4> parts{{
      {l.sq_offset, l.sq_offset + sizeof(pinring_sq)},
      {l.cq_offset, l.cq_offset + sizeof(pinring_cq)},
      {l.sqes_offset, l.sqes_offset + l.sq_entries * sizeof(pinring_sqe)},
      {l.cqes_offset, l.cqes_offset + l.cq_entries * sizeof(pinring_cqe)},
  }};
  std::ranges::sort(parts, {}, &part::begin);

  for (std::size_t i = 0; i < parts.size(); ++i) {
    CHECK(parts[i].begin % 64 == 0);
    CHECK(parts[i].end <= (i + 1 < parts.size() ? parts[i + 1].begin : l.ring_bytes));
  }
}

TEST_CASE("A new ring is empty") {
  const raw_ring ring("loop0");

  CHECK(ring.sq().head == 0);
  CHECK(ring.sq().tail == 0);
  CHECK(ring.cq().head == 0);
  CHECK(ring.cq().tail == 0);
  CHECK(ring.cq().flags == 0);
}

TEST_CASE("Only offset 0 maps the ring") {
  const raw_ring ring("loop0");

  CHECK(map_and_unmap(ring, ring.layout().ring_bytes, MAP_SHARED,
                      static_cast<long>(page_bytes())) == outcome{EINVAL});
  CHECK(map_and_unmap(ring, ring.layout().ring_bytes, MAP_SHARED, 1L << 40) == outcome{EINVAL});
}

TEST_CASE("No more than the ring can be mapped") {
  const raw_ring ring("loop0");

  CHECK(map_and_unmap(ring, ring.layout().ring_bytes + page_bytes(), MAP_SHARED, 0) ==
        outcome{EINVAL});
}

TEST_CASE("A private mapping of the ring is refused") {
  const raw_ring ring("loop0");

  CHECK(map_and_unmap(ring, ring.layout().ring_bytes, MAP_PRIVATE, 0) == outcome{EINVAL});
}

TEST_CASE("The mapping can't be grown") {
  const raw_ring ring("loop0");
  const auto map = ring.mapping();

  CHECK(::mremap(map.data(), map.size(), map.size() + page_bytes(), MREMAP_MAYMOVE) == MAP_FAILED);
}

TEST_CASE("A ring can be mapped twice, and both mappings are the same memory") {
  raw_ring ring("loop0");
  const auto bytes = ring.layout().ring_bytes;
  void* const second = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd(), 0);
  REQUIRE(second != MAP_FAILED);

  CHECK(outcome_of(ring.run(make_nop(1))) == success);
  CHECK(std::memcmp(second, ring.mapping().data(), bytes) == 0);
  ::munmap(second, bytes);
}

TEST_CASE("A ring that was unmapped can be mapped anew") {
  raw_ring ring("loop0");
  const auto map = ring.mapping();
  REQUIRE(::munmap(map.data(), map.size()) == 0);

  void* const again =
      ::mmap(map.data(), map.size(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, ring.fd(), 0);
  REQUIRE(again == map.data());
  CHECK_NOTHROW(prove_usable(ring));
}

TEST_CASE("The channel works at the end of all this") {
  CHECK_NOTHROW(prove_usable("loop0"));
  CHECK_NOTHROW(prove_usable("sink0"));
  CHECK_NOTHROW(prove_usable("source0"));
}
