// SPDX-License-Identifier: MIT
// dma::registered_buffer: pinned once, used many times, and never freed under DMA.
#include "../catch.hpp"

#include <dma/dma.hpp>

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "support/board.hpp"
#include "support/needs.hpp"
#include "support/pattern.hpp"
#include "support/wait.hpp"

using namespace std::chrono_literals;

static const auto needed = support::needs{{"loop0"}}.switches().ordinary_user();

TEST_CASE("parts of a registered buffer go out and come back, the rest stays as it was") {
  const dma::device device{"loop0"};
  dma::ring ring{device};
  const dma::registered_buffer out{ring, 100'000}, in{ring, 100'000};
  support::fill_pattern(std::span{out.data(), out.size()}, 1);
  std::ranges::fill(std::span{in.data(), in.size()}, std::byte{0x5A});
  REQUIRE_FALSE(ring.receive(in.range(501, 60'000), 1));
  REQUIRE_FALSE(ring.send(out.range(77, 60'000), 2));
  REQUIRE(ring.submit_and_wait(2, 30s));
  std::vector<dma::completion> done(2);
  REQUIRE(ring.reap(done) == 2);
  CHECK_FALSE(done[0].error);
  CHECK_FALSE(done[1].error);
  CHECK(std::equal(out.data() + 77, out.data() + 60'077, in.data() + 501));
  CHECK(in.data()[500] == std::byte{0x5A});
  CHECK(in.data()[60'501] == std::byte{0x5A});
}

TEST_CASE("a buffer larger than the memlock limit is refused with the limit it needs") {
  const dma::device device{"loop0"};
  dma::ring ring{device};
  try {
    const dma::registered_buffer buffer{ring, 64U << 20};
    FAIL("it was registered");
  } catch (const std::system_error& error) {
    CHECK(error.code() == dma::errc::memlock_exceeded);
    CHECK(std::string{error.what()}.find("65536") != std::string::npos);
  }
}

TEST_CASE("a removal waits for the job that uses the memory") {
  const dma::device device{"loop0"};
  dma::ring ring{device};
  std::vector<std::byte> memory(8192), out(8192);
  support::fill_pattern(out, 2);
  dma::registered_buffer in{ring, memory};
  REQUIRE_FALSE(ring.receive(in.range(), 1));
  REQUIRE(ring.submit());
  CHECK(in.remove(20ms) == dma::errc::wait_expired);
  REQUIRE_FALSE(ring.send(out, 2));
  REQUIRE(ring.submit());
  CHECK_FALSE(in.remove(30s));
  CHECK_FALSE(in);
  CHECK(memory == out);
}

TEST_CASE("the end of a buffer that borrows does not come before that of its job") {
  const dma::device device{"loop0"};
  support::board board{"loop0"};
  dma::ring ring{device};
  std::vector<std::byte> memory(4096), out(4096);
  support::fill_pattern(out, 3);
  std::jthread answer;
  {
    const dma::registered_buffer in{ring, memory};
    REQUIRE_FALSE(ring.receive(in.range(), 1));
    REQUIRE_FALSE(ring.send(out, 2));
    board.hold_send();
    REQUIRE(ring.submit());
    answer = std::jthread{[&] { board.hold_send(false); }};
  }
  CHECK(memory == out);
}

TEST_CASE("a buffer that outlives its ring is let go with it") {
  const dma::device device{"loop0"};
  std::vector<std::byte> memory(4096);
  dma::registered_buffer buffer;
  {
    dma::ring ring{device};
    buffer = dma::registered_buffer{ring, memory};
    CHECK(buffer);
  }
  CHECK_FALSE(buffer.remove(1s));
}

TEST_CASE("a buffer can be given other memory at the same index") {
  const dma::device device{"loop0"};
  dma::ring ring{device};
  std::vector<std::byte> first(4096), second(8192), out(8192);
  support::fill_pattern(out, 4);
  dma::registered_buffer in{ring, first};
  const std::uint32_t index = in.index();
  REQUIRE_FALSE(in.update(second, 30s));
  CHECK(in.index() == index);
  REQUIRE_FALSE(ring.receive(in.range(), 1));
  REQUIRE_FALSE(ring.send(out, 2));
  REQUIRE(ring.submit_and_wait(2, 30s));
  CHECK(second == out);
}
