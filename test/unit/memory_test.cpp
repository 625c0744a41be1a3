// SPDX-License-Identifier: MIT
#include "catch.hpp"

#include <dma/dma.hpp>

#include <array>
#include <forward_list>
#include <string>
#include <string_view>
#include <vector>

namespace {

// What must compile and what must not.
template <class... Args>
concept can_transfer = requires(dma::device& d, Args&&... args) {
  dma::transfer(d, std::forward<Args>(args)...);
};
template <class R>
concept can_send = requires(dma::device& d, R&& r) {
  dma::send(d, std::forward<R>(r));
};
template <class R>
concept can_receive = requires(dma::device& d, R&& r) {
  dma::receive(d, std::forward<R>(r));
};
template <class R>
concept ring_can_send = requires(dma::ring& x, R&& r) {
  x.send(std::forward<R>(r), 1);
};
template <class R>
concept ring_can_receive = requires(dma::ring& x, R&& r) {
  x.receive(std::forward<R>(r), 1);
};
template <class R>
concept can_register = requires(dma::ring& x, R&& r) {
  dma::registered_buffer{x, std::forward<R>(r)};
};
template <class R>
concept can_prefault = requires(R&& r) {
  dma::prefault(std::forward<R>(r));
};

using vector = std::vector<int>;
using spans = std::vector<std::span<int>>;
using vectors = std::vector<vector>;
struct not_trivial {
  std::string text;
};

static_assert(can_transfer<vector&, vector&>);
static_assert(can_transfer<const vector&, vector&>);
static_assert(can_transfer<vector, vector&>); // outlives a synchronous call
static_assert(!can_transfer<vector&, vector>);
static_assert(!can_transfer<vector&, const vector&>);
static_assert(can_transfer<spans&, vectors&, dma::transfer_options>);

static_assert(can_send<std::string_view> && can_send<const char (&)[5]> && can_send<std::string>);
static_assert(can_send<std::vector<std::array<float, 3>>&>);
static_assert(!can_send<std::vector<not_trivial>&>);
static_assert(!can_send<std::vector<bool>&>);
static_assert(!can_send<std::vector<int*>&>); // pointers mean nothing to the other side
static_assert(!can_send<std::forward_list<int>&>);
static_assert(!can_send<int>);

static_assert(can_receive<std::array<char, 4>&> && !can_receive<std::array<char, 4>>);
static_assert(can_receive<std::span<int>> && !can_receive<std::span<const int>>);
static_assert(can_receive<dma::buffer<float>&> && !can_receive<dma::buffer<float>>);
static_assert(!can_receive<std::string_view>);

static_assert(ring_can_send<vector&> && !ring_can_send<vector>);
static_assert(ring_can_send<std::span<const int>> && ring_can_send<dma::registered_range>);
static_assert(ring_can_send<spans> && ring_can_send<vectors&> && !ring_can_send<vectors>);
static_assert(ring_can_receive<vector&> && !ring_can_receive<vector>);
static_assert(!ring_can_receive<const vector&>);
static_assert(can_register<vector&> && can_register<const vector&> && !can_register<vector>);
static_assert(can_prefault<vector&> && can_prefault<std::span<int>> && !can_prefault<vector>);

static_assert(!std::is_copy_constructible_v<dma::device> &&
              !std::is_copy_assignable_v<dma::device>);
static_assert(!std::is_copy_constructible_v<dma::ring> && !std::is_copy_assignable_v<dma::ring>);
static_assert(!std::is_copy_constructible_v<dma::registered_buffer>);
static_assert(std::is_nothrow_move_constructible_v<dma::device> &&
              std::is_nothrow_move_constructible_v<dma::ring> &&
              std::is_nothrow_move_constructible_v<dma::registered_buffer>);

} // namespace

TEST_CASE("a range is one piece, counted in bytes") {
  const std::vector<int> v(10);
  const dma::source s{v};
  REQUIRE(s.pieces().size() == 1);
  CHECK(s.pieces()[0].data() == v.data());
  CHECK(s.pieces()[0].size() == 40);
  CHECK(s.bytes() == 40);

  short array[6];
  const dma::target t{array};
  CHECK(t.pieces()[0].data() == array);
  CHECK(t.bytes() == 12);
}

TEST_CASE("a list keeps the order of its pieces, of whatever kind they are") {
  std::vector<double> v(3);
  std::array<char, 5> a{};
  int c[2];
  const dma::target t{v, a, std::span{c}.first(1)};
  REQUIRE(t.pieces().size() == 3);
  CHECK(t.pieces()[0].data() == v.data());
  CHECK(t.pieces()[1].data() == a.data());
  CHECK(t.pieces()[2].data() == c);
  CHECK(t.bytes() == 24 + 5 + 4);
}

TEST_CASE("ranges of spans, of iovecs and of containers are lists") {
  vector a(1), b(2);
  const spans list{a, b};
  const dma::source from_spans{list};
  REQUIRE(from_spans.pieces().size() == 2);
  CHECK(from_spans.pieces()[1].data() == b.data());

  const std::array<::iovec, 2> iov{{{a.data(), 4}, {b.data(), 8}}};
  const dma::target from_iovecs{iov};
  CHECK(from_iovecs.bytes() == 12);
  CHECK(from_iovecs.pieces()[1].size() == 8);

  vectors many{a, b, a};
  const dma::target from_vectors{many};
  REQUIRE(from_vectors.pieces().size() == 3);
  CHECK(from_vectors.pieces()[2].data() == many[2].data());

  const std::forward_list<std::string_view> texts{"ab", "cde"};
  CHECK(dma::source{texts}.bytes() == 5);
}

TEST_CASE("a range of arrays is one piece") {
  std::vector<std::array<int, 4>> v(3);
  const dma::target t{v};
  CHECK(t.pieces().size() == 1);
  CHECK(t.bytes() == 48);
}

TEST_CASE("empty pieces are left out") {
  vector empty, full(2);
  const dma::target t{empty, full, empty};
  REQUIRE(t.pieces().size() == 1);
  CHECK(t.pieces()[0].data() == full.data());
  CHECK(t.bytes() == 8);
  CHECK(dma::source{empty}.pieces().empty());
  CHECK(dma::source{empty, empty}.pieces().empty());
  CHECK(dma::source{spans{}}.bytes() == 0);
}

TEST_CASE("a list of one is one piece") {
  vector v(2);
  const dma::source s{{dma::const_piece{v}}};
  CHECK(s.pieces().size() == 1);
}
