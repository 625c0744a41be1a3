// SPDX-License-Identifier: MIT
//
// A node may say that a cache line is as long as a page. Both ends of a receive are staged in one
// page all the same, which has to have room for them: the engine of lines0 has no memory beside
// what is mapped for it, and its access to any other is a warning.
#include "catch.hpp"

#include <algorithm>
#include <vector>

#include "support/guarded_memory.hpp"
#include "support/loop.hpp"
#include "support/needs.hpp"
#include "support/pattern.hpp"
#include "support/raw_ring.hpp"

using namespace support;

namespace {

const auto needed = support::needs{{"lines0"}};

struct place {
  std::size_t offset;
  std::size_t bytes;
};

bool blank(std::span<const std::byte> bytes) {
  return std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{0xEE}; });
}

} // namespace

TEST_CASE("Where lines are as long as pages both ends of a receive arrive, and nothing else") {
  raw_ring ring("lines0");
  const auto page = page_bytes();
  const guarded_memory memory(6 * page, 0);

  for (const auto& [offset, bytes] : std::vector<place>{
           {1, 3 * page}, {1000, 2 * page}, {page - 1, page + 2}, {page + 8, 4 * page - 16}}) {
    CAPTURE(offset, bytes);
    const guarded_memory out(bytes, 0);
    const auto in = memory.data().subspan(offset, bytes);
    fill_pattern(out.data(), offset);
    memory.clear();

    const auto result = loop(ring, out.data(), in);
    REQUIRE(result.moved(bytes));
    CHECK(result.received.flags == PINRING_CQE_BOUNCED);
    CHECK(pattern_mismatch(in, offset) == std::nullopt);
    CHECK(blank(memory.data().first(offset)));
    CHECK(blank(memory.data().subspan(offset + bytes)));
  }
}
