// SPDX-License-Identifier: MIT
#include "catch.hpp"

#include <dma/error.hpp>

#include <cerrno>
#include <set>
#include <string>

#include "fake_kernel.hpp"

namespace {

// Every errno of the table in pinring.h.
constexpr int table[] = {EINVAL,   E2BIG,     EFAULT,    ENOTTY, EOPNOTSUPP, ENXIO,
                         EEXIST,   EBUSY,     EXDEV,     EPROTO, EAGAIN,     EINTR,
                         ETIME,    ENODEV,    ENOMEM,    EDQUOT, EMSGSIZE,   ENOENT,
                         EALREADY, ECANCELED, ETIMEDOUT, EIO,    EBADMSG,    ECONNRESET};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("every errno of the ABI has a sentence of its own") {
  std::set<std::string> seen;
  for (const int value : table) {
    const std::string text = dma::error_from_errno(value).message();
    CAPTURE(value, text);
    CHECK(text != std::generic_category().message(value));
    CHECK(text.size() > 15);
    CHECK(seen.insert(text).second);
  }
}

TEST_CASE("an errno outside the table keeps the system's text") {
  CHECK(dma::error_from_errno(ENOTBLK).message() == std::generic_category().message(ENOTBLK));
}

TEST_CASE("a code compares with both kinds of names") {
  const std::error_code error = dma::error_from_errno(ETIMEDOUT);
  CHECK(error == dma::errc::deadline_passed);
  CHECK(error == std::errc::timed_out);
  CHECK(error != dma::errc::wait_expired);
  CHECK(std::string{error.category().name()} == "pinring");
  for (const int value : table)
    CHECK(dma::error_from_errno(value) == static_cast<std::errc>(value));
}

TEST_CASE("codes of the library's own are compared with the nearest std::errc") {
  CHECK(make_error_code(dma::errc::module_not_loaded) == std::errc::no_such_device);
  CHECK(make_error_code(dma::errc::no_such_device) == std::errc::no_such_device);
  CHECK(make_error_code(dma::errc::incompatible_driver) == std::errc::not_supported);
}

TEST_CASE("no error is no error") {
  CHECK_FALSE(dma::error_from_errno(0));
  CHECK(dma::error_from_errno(0).message() == "success");
}

TEST_CASE("messages say what to do next") {
  CHECK(contains(make_error_code(dma::errc::module_not_loaded).message(), "modprobe pinring"));
  CHECK(contains(make_error_code(dma::errc::not_permitted).message(), "group pinring"));
  CHECK(contains(make_error_code(dma::errc::memlock_exceeded).message(), "LimitMEMLOCK="));
  CHECK(contains(make_error_code(dma::errc::ended_early).message(), "may_be_short"));
  CHECK(contains(make_error_code(dma::errc::message_too_long).message(), "gather"));
  CHECK(contains(make_error_code(dma::errc::bad_argument).message(), "zero_copy"));
}

TEST_CASE("explain names the memlock needed and the memlock found") {
  test::fake_kernel kernel;
  kernel.memlock = 8 << 20;
  const std::string text =
      dma::explain(dma::errc::memlock_exceeded, {.device = "/dev/pinring0", .bytes = 64 << 20});
  CAPTURE(text);
  CHECK(contains(text, "/dev/pinring0: "));
  CHECK(contains(text, "needs 65536 KiB"));
  CHECK(contains(text, "has 8192 KiB"));
  CHECK(contains(text, "ulimit -l"));
}

TEST_CASE("explain says when others hold the rest of the memlock") {
  test::fake_kernel kernel;
  CHECK(contains(dma::explain(dma::errc::memlock_exceeded, {.bytes = 4096}), "other buffers"));
  kernel.memlock = UINT64_MAX;
  CHECK(contains(dma::explain(dma::errc::memlock_exceeded, {.bytes = 4096}), "no limit"));
}

TEST_CASE("explain names the length and the longest packet") {
  const std::string text =
      dma::explain(dma::errc::message_too_long, {.bytes = 5000, .max_packet = 4096});
  CAPTURE(text);
  CHECK(contains(text, "5000 bytes, a packet takes 4096"));
  CHECK(contains(dma::explain(dma::errc::message_too_long, {.bytes = 50, .max_packet = 4096}),
                 "50 bytes in too many pieces"));
}

TEST_CASE("explain without context is the message") {
  CHECK(dma::explain(dma::errc::busy) == make_error_code(dma::errc::busy).message());
}
