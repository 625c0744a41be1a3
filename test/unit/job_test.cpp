// SPDX-License-Identifier: MIT
#include "catch.hpp"

#include <chrono>
#include <string>

#include "sqe.hpp"

using namespace std::chrono_literals;
using dma::deadline;
using std::chrono::steady_clock;

TEST_CASE("deadlines keep what they were given") {
  CHECK(deadline{}.what() == deadline::kind::standard);
  CHECK(deadline{2ms}.what() == deadline::kind::relative);
  CHECK(deadline{2ms}.count_ns() == 2'000'000);
  const steady_clock::time_point at{5s};
  CHECK(deadline{at}.what() == deadline::kind::absolute);
  CHECK(deadline{at}.count_ns() == 5'000'000'000);
  CHECK(deadline::never().what() == deadline::kind::never);
}

TEST_CASE("a deadline that has passed is not the default one") {
  CHECK(deadline{0ns}.count_ns() == 1);
  CHECK(deadline{-5h}.count_ns() == 1);
  CHECK(deadline{steady_clock::time_point{}}.count_ns() == 1);
  CHECK(deadline{std::chrono::duration<double>{-1e300}}.count_ns() == 1);
}

TEST_CASE("a deadline beyond all clocks is never") {
  CHECK(deadline{std::chrono::hours::max()}.what() == deadline::kind::never);
  CHECK(deadline{std::chrono::nanoseconds::max()}.what() == deadline::kind::never);
  CHECK(deadline{steady_clock::time_point::max()}.what() == deadline::kind::never);
}

TEST_CASE("a relative deadline starts when it is told to") {
  const steady_clock::time_point now{100s};
  CHECK(deadline{2s}.starting(now).what() == deadline::kind::absolute);
  CHECK(deadline{2s}.starting(now).count_ns() == 102'000'000'000);
  CHECK(deadline{steady_clock::time_point{7s}}.starting(now).count_ns() == 7'000'000'000);
  CHECK(deadline{}.starting(now).what() == deadline::kind::standard);
  CHECK(deadline::never().starting(now).what() == deadline::kind::never);
  CHECK(deadline{2'562'047h}.starting(now).what() == deadline::kind::never);
}

TEST_CASE("deadlines are encoded as pinring.h has them") {
  const steady_clock::time_point at{5s};
  CHECK(dma::detail::encode({}).ns == 0);
  CHECK(dma::detail::encode(deadline::never()).ns == PINRING_DEADLINE_NONE);
  CHECK_FALSE(dma::detail::encode(1ms).absolute);
  CHECK(dma::detail::encode(1ms).ns == 1'000'000);
  CHECK(dma::detail::encode(at).absolute);

  const pinring_sqe sqe = dma::detail::make_receive(9, {.deadline = at});
  CHECK(sqe.flags == PINRING_SQE_ABS_DEADLINE);
  CHECK(sqe.deadline_ns == 5'000'000'000);
}

TEST_CASE("every option of a send is one flag") {
  using dma::detail::make_send;
  CHECK(make_send(1, {}).flags == 0);
  CHECK(make_send(1, {}).opcode == PINRING_OP_SEND);
  CHECK(make_send(77, {}).user_data == 77);
  CHECK(make_send(1, {.split = true}).flags == PINRING_SQE_SPLIT);
  CHECK(make_send(1, {.gather = true}).flags == PINRING_SQE_GATHER);
  CHECK(make_send(1, {.zero_copy = true}).flags == PINRING_SQE_ZERO_COPY);
}

TEST_CASE("every option of a receive is one flag") {
  using dma::detail::make_receive;
  CHECK(make_receive(1, {}).flags == 0);
  CHECK(make_receive(1, {}).opcode == PINRING_OP_RECV);
  CHECK(make_receive(1, {.split = true}).flags == PINRING_SQE_SPLIT);
  CHECK(make_receive(1, {.may_be_short = true}).flags == PINRING_SQE_MAY_BE_SHORT);
  CHECK(make_receive(1, {.batch = true}).flags == PINRING_SQE_BATCH);
  CHECK(make_receive(1, {.gather = true}).flags == PINRING_SQE_GATHER);
  CHECK(make_receive(1, {.zero_copy = true}).flags == PINRING_SQE_ZERO_COPY);
}

TEST_CASE("memory is encoded by its kind, and what a kind does not use is 0") {
  char data[16];
  pinring_sqe sqe = dma::detail::make_send(1, {.gather = true});
  dma::detail::set_memory(sqe, data, 16);
  CHECK(sqe.addr == reinterpret_cast<std::uintptr_t>(data));
  CHECK(sqe.len == 16);
  CHECK(sqe.flags == 0); // gather goes with a list only
  CHECK((sqe.buffer == 0 && sqe.offset == 0));

  sqe = dma::detail::make_send(1, {});
  dma::detail::set_memory(sqe, {.index = 3, .offset = 64, .length = 128});
  CHECK(sqe.flags == PINRING_SQE_BUFFER);
  CHECK(sqe.addr == 0);
  CHECK((sqe.buffer == 3 && sqe.offset == 64 && sqe.len == 128));

  const ::iovec list[2] = {};
  sqe = dma::detail::make_receive(1, {.gather = true});
  dma::detail::set_list(sqe, list, 2);
  CHECK(sqe.flags == (PINRING_SQE_IOVEC | PINRING_SQE_GATHER));
  CHECK(sqe.addr == reinterpret_cast<std::uintptr_t>(list));
  CHECK(sqe.len == 2);
}

TEST_CASE("cancels name their target") {
  const pinring_sqe one = dma::detail::make_cancel(5, 6, false);
  CHECK((one.opcode == PINRING_OP_CANCEL && one.addr == 5 && one.user_data == 6 && one.flags == 0));
  CHECK(dma::detail::make_cancel(5, 6, true).flags == PINRING_SQE_ABORT);
  const pinring_sqe all = dma::detail::make_cancel_all(6, false);
  CHECK((all.addr == 0 && all.flags == PINRING_SQE_ALL));
}

TEST_CASE("a completion is decoded whole") {
  pinring_cqe cqe{};
  cqe.user_data = 0xfedc'ba98'7654'3210;
  cqe.bytes = 1ULL << 40;
  cqe.result = -EBADMSG;
  cqe.flags = PINRING_CQE_SHORT | PINRING_CQE_BOUNCED;
  cqe.provider_result = PINRING_PROVIDER_OK;
  const dma::completion c = dma::detail::decode(cqe);
  CHECK(c.user_data == 0xfedc'ba98'7654'3210);
  CHECK(c.bytes == 1ULL << 40);
  CHECK(c.error == dma::errc::ended_early);
  CHECK_FALSE(c);
  CHECK(c.flags == (dma::completion_flags::short_packet | dma::completion_flags::bounced));
  CHECK(has(c.flags, dma::completion_flags::bounced));
  CHECK_FALSE(has(c.flags, dma::completion_flags::truncated));
  CHECK(c.provider == dma::provider_result::ok);
}

TEST_CASE("a device's facts are decoded whole") {
  pinring_info i{};
  i.abi = PINRING_ABI_VERSION;
  i.features = PINRING_FEAT_SPLIT | PINRING_FEAT_EVENTFD;
  i.directions = PINRING_DIR_RECV;
  i.flags = PINRING_INFO_COHERENT | PINRING_INFO_DEAD;
  i.recv_align = 8;
  i.chunk = 254 * 4096;
  i.send_deadline_ns = PINRING_DEADLINE_NONE;
  std::fill(std::begin(i.name), std::end(i.name), 'n'); // no end in sight
  const dma::device_info d = dma::detail::decode(i, "/dev/pinring7");
  CHECK(d.path == "/dev/pinring7");
  CHECK(d.name == std::string(32, 'n'));
  CHECK(d.directions == dma::direction::receive);
  CHECK(d.has(dma::feature::split));
  CHECK_FALSE(d.has(dma::feature::abort));
  CHECK((d.coherent && d.dead && !d.simulator && !d.may_bounce));
  CHECK(d.receive_alignment == 8);
  CHECK(d.chunk == 254 * 4096);
  CHECK(d.send_deadline == std::chrono::nanoseconds::max());
  i.send_deadline_ns = 0; // for ever, too
  CHECK(dma::detail::decode(i, "").send_deadline == std::chrono::nanoseconds::max());
}
