// SPDX-License-Identifier: MIT
// dma::transfer, send and receive: any memory, any length, and always an honest end.
#include "../catch.hpp"

#include <dma/dma.hpp>

#include <algorithm>
#include <array>
#include <complex>
#include <cstdint>
#include <numeric>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <sys/mman.h>
#include <sys/resource.h>

#include "support/board.hpp"
#include "support/guarded_memory.hpp"
#include "support/needs.hpp"
#include "support/pattern.hpp"
#include "support/wait.hpp"

using namespace std::chrono_literals;

static const auto needed = support::needs{{"loop0", "source0", "sink0"}}.switches().ordinary_user();

namespace {

std::vector<std::uint32_t> counted(std::size_t n) {
  std::vector<std::uint32_t> v(n);
  std::iota(v.begin(), v.end(), 17U);
  return v;
}

void check_usable(dma::device& device) {
  const std::vector<std::uint32_t> out = counted(1000);
  std::vector<std::uint32_t> in(out.size());
  const dma::transfer_result result = dma::transfer(device, out, in);
  CHECK(result);
  CHECK(in == out);
}

} // namespace

TEST_CASE("vectors of every length come back equal") {
  dma::device device{"loop0"};
  const std::uint64_t chunk = device.info().chunk;
  for (const std::uint64_t bytes : {std::uint64_t{1}, std::uint64_t{3}, std::uint64_t{4096}, chunk,
                                    chunk + 1, std::uint64_t{10'000'019}}) {
    INFO(bytes);
    std::vector<std::uint8_t> out(bytes);
    support::fill_pattern(std::as_writable_bytes(std::span{out}), bytes);
    std::vector<std::uint8_t> in(bytes);
    const dma::transfer_result result = dma::transfer(device, out, in);
    REQUIRE(result);
    CHECK(result.sent.bytes == bytes);
    CHECK(result.received.bytes == bytes);
    CHECK(in == out);
  }
}

TEST_CASE("64 MiB pass under a memlock limit of 8 MiB") {
  ::rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_MEMLOCK, &limit) == 0);
  REQUIRE(limit.rlim_cur <= (8U << 20));
  dma::device device{"loop0"};
  const std::vector<std::uint32_t> out = counted(16U << 20);
  std::vector<std::uint32_t> in(out.size());
  REQUIRE(dma::transfer(device, out, in));
  CHECK(in == out);
}

TEST_CASE("arrays, spans, C arrays and structures are memory like any other") {
  dma::device device{"loop0"};
  SECTION("std::array") {
    const std::array<std::uint16_t, 5> out{1, 2, 3, 4, 5};
    std::array<std::uint16_t, 5> in{};
    REQUIRE(dma::transfer(device, out, in));
    CHECK(in == out);
  }
  SECTION("C array") {
    const std::uint64_t out[3] = {7, 8, 9};
    std::uint64_t in[3] = {};
    REQUIRE(dma::transfer(device, out, in));
    CHECK(std::ranges::equal(in, out));
  }
  SECTION("the middle of a vector leaves its ends alone") {
    const std::vector<std::uint8_t> out(1000, 0xA5);
    std::vector<std::uint8_t> in(1002, 0x11);
    REQUIRE(dma::transfer(device, out, std::span{in}.subspan(1, 1000)));
    CHECK(in.front() == 0x11);
    CHECK(in.back() == 0x11);
    CHECK(std::equal(out.begin(), out.end(), in.begin() + 1));
  }
  SECTION("complex samples in memory of the library's allocator") {
    std::vector<std::complex<float>, dma::allocator<std::complex<float>>> out(100'000), in(100'000);
    for (std::size_t i = 0; i < out.size(); ++i)
      out[i] = {static_cast<float>(i), -1.0F};
    REQUIRE(dma::transfer(device, out, in));
    CHECK(in == out);
  }
}

TEST_CASE("a list of pieces is one stream") {
  dma::device device{"loop0"};
  const std::vector<std::uint8_t> head(11, 1), body(5000, 2), tail(3, 3);
  std::vector<std::uint8_t> in(head.size() + body.size() + tail.size());
  REQUIRE(dma::transfer(device, {head, body, tail}, in));
  CHECK(std::ranges::count(in, 1) == 11);
  CHECK(std::ranges::count(in, 2) == 5000);
  CHECK(std::equal(tail.begin(), tail.end(), in.end() - 3));
}

TEST_CASE("memory that can't be written can be sent") {
  dma::device device{"loop0"};
  constexpr std::size_t bytes = 3 * 4096;
  void* const map =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(map != MAP_FAILED);
  const std::span data{static_cast<std::byte*>(map), bytes};
  support::fill_pattern(data, 5);
  REQUIRE(::mprotect(map, bytes, PROT_READ) == 0);
  std::vector<std::byte> in(bytes);
  CHECK(dma::transfer(device, std::span<const std::byte>{data}, in));
  CHECK_FALSE(support::pattern_mismatch(in, 5));
  ::munmap(map, bytes);
}

TEST_CASE("memory that can't be written is no place to receive, and the send does not hang") {
  dma::device device{"loop0"};
  void* const map = ::mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(map != MAP_FAILED);
  const std::vector<std::byte> out(4096);
  const dma::transfer_result result =
      dma::transfer(device, out, std::span{static_cast<std::byte*>(map), 4096});
  CHECK(result.received.error == dma::errc::bad_address);
  CHECK(result.error() == dma::errc::bad_address);
  ::munmap(map, 4096);
  check_usable(device);
}

TEST_CASE("a send that can't start takes its receive back") {
  dma::device device{"loop0"};
  void* const map = ::mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(map != MAP_FAILED);
  std::vector<std::byte> in(4096);
  const dma::transfer_result result =
      dma::transfer(device, std::span{static_cast<const std::byte*>(map), 4096}, in);
  CHECK(result.sent.error == dma::errc::bad_address);
  CHECK(result.received.error);
  CHECK(result.error() == dma::errc::bad_address);
  ::munmap(map, 4096);
  check_usable(device);
}

TEST_CASE("a side whose end can't be pinned ends with how far it came, and so does the other") {
  dma::device device{"loop0"};
  const std::size_t chunk = device.info().chunk;
  const support::guarded_memory whole{2 * chunk, 0};
  const support::guarded_memory half{2 * chunk, 0};
  REQUIRE(::mprotect(half.data().subspan(chunk).data(), chunk, PROT_NONE) == 0);
  SECTION("of a send") {
    const dma::transfer_result result = dma::transfer(device, half.data(), whole.data());
    CHECK(result.sent.error == dma::errc::bad_address);
    CHECK(result.sent.bytes == chunk);
    CHECK(result.received.error);
    CHECK(result.error() == dma::errc::bad_address);
  }
  SECTION("of a receive") {
    const dma::transfer_result result = dma::transfer(device, whole.data(), half.data());
    CHECK(result.received.error == dma::errc::bad_address);
    CHECK(result.received.bytes == chunk);
    CHECK(result.sent.error);
    CHECK(result.error() == dma::errc::bad_address);
  }
  check_usable(device);
}

TEST_CASE("a receive that may be short tells exactly how much came") {
  dma::device source{"source0"};
  support::board board{"source0"};
  board.packet_bytes(777);
  std::vector<std::byte> in(4096);
  const dma::outcome got = dma::receive(source, in, {.may_be_short = true});
  REQUIRE(got);
  CHECK(got.bytes == 777);
  CHECK(dma::has(got.flags, dma::completion_flags::short_packet));
}

TEST_CASE("a receive that is shorter than promised is an error that tells how much came") {
  dma::device source{"source0"};
  support::board board{"source0"};
  board.packet_bytes(777);
  // Of several BDs the provider may not tell.
  const support::guarded_memory in{4096, 0};
  const dma::outcome got = dma::receive(source, in.data());
  CHECK(got.error == dma::errc::ended_early);
  CHECK(got.bytes == 777);
}

TEST_CASE("a deadline ends a receive that nobody answers, and the device goes on working") {
  dma::device device{"loop0"};
  std::vector<std::byte> in(4096);
  const dma::outcome got = dma::receive(device, in, {.deadline = 50ms});
  CHECK(got.error == dma::errc::deadline_passed);
  CHECK(got.bytes == 0);
  check_usable(device);
}

TEST_CASE("a packet that is asked for and does not fit says so") {
  dma::device device{"loop0"};
  const std::vector<std::byte> out(device.info().chunk + 1);
  const dma::outcome sent = dma::send(device, out, {.framing = dma::framing::packet});
  CHECK(sent.error == dma::errc::message_too_long);
  CHECK(dma::explain(sent.error, {.bytes = out.size(), .max_packet = device.info().chunk})
            .find(std::to_string(device.info().chunk)) != std::string::npos);
}

TEST_CASE("a stop that is asked to abort ends a receive under way, and the device goes on") {
  dma::device device{"loop0"};
  support::board board{"loop0"};
  std::vector<std::byte> in(4096);
  std::stop_source stop;
  const std::uint64_t before = board.bds_in_use_recv();
  std::jthread stopper{[&] {
    const bool armed = support::wait_until([&] { return board.bds_in_use_recv() > before; });
    stop.request_stop();
    CHECK(armed);
  }};
  const dma::outcome got =
      dma::receive(device, in, {.stop = stop.get_token(), .abort_on_stop = true});
  stopper.join();
  CHECK(got.error == dma::errc::withdrawn);
  check_usable(device);
}

TEST_CASE("a stop that was requested before moves nothing") {
  dma::device device{"loop0"};
  support::board board{"loop0"};
  std::stop_source stop;
  stop.request_stop();
  const std::uint64_t before = board.taken_send();
  const std::vector<std::byte> out(64);
  CHECK(dma::send(device, out, {.stop = stop.get_token()}).error == dma::errc::withdrawn);
  CHECK(board.taken_send() == before);
}

TEST_CASE("a claim that is kept serves further calls, and is given back by release") {
  dma::device device{"loop0"};
  const std::vector<std::uint32_t> out = counted(100);
  std::vector<std::uint32_t> in(100);
  for (int i = 0; i < 3; ++i)
    CHECK(dma::transfer(device, out, in, {.keep = true}));
  std::error_code error;
  { const dma::ring refused{device, {}, error}; }
  CHECK(error == dma::errc::busy);
  device.release();
  const dma::ring taken{device, {}, error};
  CHECK_FALSE(error);
}

TEST_CASE("one thread sends while another receives") {
  dma::device device{"loop0"};
  const std::vector<std::uint32_t> out = counted(200'000);
  std::vector<std::uint32_t> in(out.size());
  dma::outcome got;
  std::jthread receiver{[&] { got = dma::receive(device, in); }};
  CHECK(dma::send(device, out));
  receiver.join();
  CHECK(got);
  CHECK(in == out);
}
