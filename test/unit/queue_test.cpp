// SPDX-License-Identifier: MIT
#include "catch.hpp"

#include <array>
#include <vector>

#include "queue.hpp"

using dma::detail::completion_queue;
using dma::detail::submission_queue;

namespace {

struct submission_side {
  explicit submission_side(std::uint32_t start) { shared.head = shared.tail = start; }
  pinring_sq shared{};
  std::array<pinring_sqe, 4> entries{};
};

struct completion_side {
  explicit completion_side(std::uint32_t start) { shared.head = shared.tail = start; }
  void post(std::uint64_t user_data) {
    entries[shared.tail & 3].user_data = user_data;
    ++shared.tail;
  }
  pinring_cq shared{};
  std::array<pinring_cqe, 4> entries{};
};

pinring_sqe numbered(std::uint64_t n) {
  pinring_sqe sqe{};
  sqe.user_data = n;
  return sqe;
}

} // namespace

TEST_CASE("a submission is seen only when it is published") {
  submission_side side{0};
  submission_queue q{&side.shared, side.entries.data(), 4};
  q.push(numbered(1));
  CHECK(side.shared.tail == 0);
  CHECK(q.filled() == 1);
  q.publish();
  CHECK(side.shared.tail == 1);
  CHECK(side.entries[0].user_data == 1);
}

TEST_CASE("submissions wrap at 2^32") {
  for (const std::uint32_t start : {0U, 5U, 0xffff'fffdU, 0xffff'ffffU}) {
    CAPTURE(start);
    submission_side side{start};
    submission_queue q{&side.shared, side.entries.data(), 4};
    std::uint64_t pushed = 0, seen = 0;
    for (int round = 0; round < 5; ++round) {
      while (q.space())
        q.push(numbered(pushed++));
      q.publish();
      CHECK(q.filled() == 4);
      CHECK(side.shared.tail - side.shared.head == 4);
      // The kernel takes three, then the last.
      for (int i = 0; i < 3; ++i)
        CHECK(side.entries[side.shared.head++ & 3].user_data == seen++);
      CHECK(q.filled() == 1);
      CHECK(q.space() == 3);
      CHECK(side.entries[side.shared.head++ & 3].user_data == seen++);
    }
    CHECK(seen == 20);
  }
}

TEST_CASE("retracting takes back what was not consumed") {
  submission_side side{0xffff'fffe};
  submission_queue q{&side.shared, side.entries.data(), 4};
  q.push(numbered(1));
  q.push(numbered(2));
  q.publish();
  q.push(numbered(3));
  ++side.shared.head;
  q.retract();
  CHECK(q.filled() == 0);
  CHECK(side.shared.tail == side.shared.head);
}

TEST_CASE("completions wrap at 2^32, oldest first") {
  for (const std::uint32_t start : {0U, 0xffff'fffdU, 0xffff'ffffU}) {
    CAPTURE(start);
    completion_side side{start};
    completion_queue q{&side.shared, side.entries.data(), 4};
    std::uint64_t posted = 0;
    std::vector<std::uint64_t> seen;
    for (int round = 0; round < 7; ++round) {
      for (int i = 0; i < 3; ++i)
        side.post(posted++);
      CHECK(q.ready() == 3);
      const auto take = [&](const pinring_cqe& cqe) { seen.push_back(cqe.user_data); };
      CHECK(q.consume(2, take) == 2);
      CHECK(side.shared.tail - side.shared.head == 1);
      CHECK(q.consume(100, take) == 1);
      CHECK(q.consume(100, take) == 0);
    }
    REQUIRE(seen.size() == 21);
    for (std::uint64_t i = 0; i < 21; ++i)
      CHECK(seen[i] == i);
  }
}

TEST_CASE("queues of a closed ring are empty") {
  CHECK(submission_queue{}.filled() == 0);
  CHECK(completion_queue{}.ready() == 0);
  CHECK_FALSE(completion_queue{}.overflown());
}
