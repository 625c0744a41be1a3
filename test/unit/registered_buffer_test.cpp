// SPDX-License-Identifier: MIT
#include "catch.hpp"

#include <dma/dma.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "fake_kernel.hpp"

using namespace std::chrono_literals;

namespace {

struct fixture {
  struct one_device : test::fake_kernel {
    one_device() { add_device("loop0"); }
  };
  one_device kernel;
  dma::device device;
  dma::ring ring{device};
};

} // namespace

TEST_CASE_METHOD(fixture, "an owned buffer is present, zero and at an index") {
  const dma::registered_buffer a{ring, 100'000};
  const dma::registered_buffer b{ring, 64, dma::direction::send};
  CHECK(a);
  CHECK(a.index() == 0);
  CHECK(b.index() == 1);
  CHECK(a.size() == 100'000);
  CHECK(a.as<int>().size() == 25'000);
  CHECK(std::ranges::count(a.as<char>(), 0) == 100'000);
  const pinring_buffer& seen = kernel.ring().buffers.at(0);
  CHECK(seen.addr == reinterpret_cast<std::uintptr_t>(a.data()));
  CHECK(seen.len == 100'000);
  CHECK(seen.flags == (PINRING_DIR_SEND | PINRING_DIR_RECV | PINRING_BUFFER_ANY_INDEX));
  CHECK(kernel.ring().buffers.at(1).flags == (PINRING_DIR_SEND | PINRING_BUFFER_ANY_INDEX));
}

TEST_CASE_METHOD(fixture, "borrowed memory is registered where it is") {
  std::vector<short> v(10);
  const std::vector<short> constant(10);
  const dma::registered_buffer a{ring, v};
  const dma::registered_buffer b{ring, constant};
  CHECK(a.data() == reinterpret_cast<std::byte*>(v.data()));
  CHECK(a.size() == 20);
  CHECK((kernel.ring().buffers.at(1).flags & ~PINRING_BUFFER_ANY_INDEX) == PINRING_DIR_SEND);

  std::error_code error;
  const dma::registered_buffer c{ring, constant, dma::direction::receive, error};
  CHECK(error == dma::errc::bad_argument);
  CHECK_FALSE(c);
}

TEST_CASE_METHOD(fixture, "ranges name parts") {
  const dma::registered_buffer b{ring, 1000};
  CHECK((b.range().offset == 0 && b.range().length == 1000));
  CHECK((b.range(100).offset == 100 && b.range(100).length == 900));
  CHECK((b.range(8, 16).offset == 8 && b.range(8, 16).length == 16));
  CHECK(b.range(2000).length == 0);
}

TEST_CASE_METHOD(fixture, "a refused registration says how much is needed") {
  kernel.errors[PINRING_IOC_BUFFER_ADD] = {EDQUOT, EDQUOT};
  std::error_code error;
  CHECK_FALSE(dma::registered_buffer{ring, 64 << 20, dma::direction::none, error});
  CHECK(error == dma::errc::memlock_exceeded);
  try {
    const dma::registered_buffer b{ring, 64 << 20};
    FAIL("not thrown");
  } catch (const std::system_error& e) {
    const std::string what = e.what();
    CAPTURE(what);
    CHECK(what.find("needs 65536 KiB of locked memory, has 8192 KiB") != std::string::npos);
    CHECK(what.find("/dev/pinring0") != std::string::npos);
  }
}

TEST_CASE_METHOD(fixture, "a closed ring registers nothing") {
  ring.close();
  std::error_code error;
  CHECK_FALSE(dma::registered_buffer{ring, 100, dma::direction::none, error});
  CHECK(error == dma::errc::no_ring);
}

TEST_CASE_METHOD(fixture, "destroying a borrowing one waits, through signals") {
  std::vector<int> v(10);
  kernel.removes = {EINTR, EINTR, 0};
  { const dma::registered_buffer b{ring, v}; }
  CHECK(kernel.removed.size() == 3);
  for (const pinring_buffer& r : kernel.removed) {
    CHECK((r.flags & PINRING_BUFFER_WAIT));
    CHECK((r.flags & PINRING_BUFFER_ABS_DEADLINE));
    CHECK(r.deadline_ns == kernel.removed[0].deadline_ns);
  }
  CHECK(kernel.ring().buffers.empty());
  CHECK(ring);
}

TEST_CASE_METHOD(fixture,
                 "signals do not cut short the waiting of an interruptible ring's buffer") {
  ring.close();
  ring = dma::ring{device, {.interruptible = true}};
  std::vector<int> v(10);
  kernel.removes = {EINTR, 0};
  { const dma::registered_buffer b{ring, v}; }
  CHECK(kernel.removed.size() == 2);
  CHECK(ring);
}

TEST_CASE_METHOD(fixture,
                 "a borrowing one whose job never ends closes the ring rather than let go") {
  std::vector<int> v(10);
  kernel.removes = {ETIME};
  { const dma::registered_buffer b{ring, v}; }
  CHECK_FALSE(ring);
  CHECK(kernel.open_files() == 1);
  CHECK(ring.nop(1) == dma::errc::no_ring);
}

TEST_CASE_METHOD(fixture, "an owning one does not wait: the ring keeps the memory") {
  kernel.removes = {ETIME};
  {
    dma::registered_buffer b{ring, 4 << 20};
    b.as<char>()[0] = 42;
  }
  CHECK(ring);
  REQUIRE(kernel.ring().buffers.contains(0));
  // Still there to be written to: it would be a fault if it had been unmapped.
  CHECK(*reinterpret_cast<char*>(kernel.ring().buffers.at(0).addr) == 42);

  // The next registration sees that it is let go by now.
  const dma::registered_buffer next{ring, 64};
  CHECK(next.index() == 0);
  CHECK(kernel.removed.size() == 2);
}

TEST_CASE_METHOD(fixture, "an index that the kernel gave to another is not removed twice") {
  auto first = std::make_unique<dma::registered_buffer>(ring, 64);
  kernel.removes = {ETIME, ETIME};
  first.reset(); // in use, kept by the ring
  // Let go by the kernel behind our back, just after it was asked, and given away again.
  kernel.ring().buffers.clear();
  const dma::registered_buffer second{ring, 64};
  REQUIRE(second.index() == 0);
  const std::size_t removes = kernel.removed.size();
  const dma::registered_buffer third{ring, 64};
  CHECK(kernel.removed.size() == removes);
  CHECK(kernel.ring().buffers.contains(0));
}

TEST_CASE_METHOD(fixture, "a removal that expires can be continued") {
  std::vector<int> v(10);
  dma::registered_buffer b{ring, v};
  kernel.removes = {ETIME, 0};
  CHECK(b.remove(1ms) == dma::errc::wait_expired);
  CHECK(b);
  CHECK_FALSE(b.remove(1ms));
  CHECK_FALSE(b);
  CHECK_FALSE(b.remove());
  CHECK(kernel.removed.size() == 2);
}

TEST_CASE_METHOD(fixture, "a removal that is over by the time it is asked for is no error") {
  std::vector<int> v(10);
  dma::registered_buffer b{ring, v};
  kernel.removes = {ETIME, ENOENT};
  CHECK(b.remove(1ms) == dma::errc::wait_expired);
  CHECK_FALSE(b.remove(1ms));
}

TEST_CASE_METHOD(fixture, "memory that an engine may still use is not said to be let go") {
  std::vector<int> v(10);
  {
    dma::registered_buffer b{ring, v};
    kernel.removes = {ENODEV};
    CHECK(b.remove() == dma::errc::device_gone);
    CHECK(b.size() == 40);
    kernel.removes = {ENODEV};
  }
  CHECK_FALSE(ring); // all that the destructor can still do
}

TEST_CASE_METHOD(fixture, "an update puts other memory at the same index") {
  std::vector<int> first(10), second(20);
  dma::registered_buffer b{ring, first};
  CHECK_FALSE(b.update(second));
  CHECK(b.index() == 0);
  CHECK(b.size() == 80);
  CHECK(kernel.ring().buffers.at(0).addr == reinterpret_cast<std::uintptr_t>(second.data()));

  kernel.removes = {ETIME};
  CHECK(b.update(first, 1ms) == dma::errc::wait_expired);
  CHECK(b.size() == 80);

  kernel.errors[PINRING_IOC_BUFFER_ADD] = {EDQUOT};
  CHECK(b.update(first) == dma::errc::memlock_exceeded);
  CHECK_FALSE(b);
}

TEST_CASE_METHOD(fixture, "a buffer may outlive its ring") {
  std::vector<int> v(10);
  dma::registered_buffer borrowed{ring, v};
  dma::registered_buffer owned{ring, 64};
  ring.close();
  CHECK_FALSE(borrowed.remove());
  CHECK(kernel.removed.empty());
}

TEST_CASE_METHOD(fixture, "moving takes the registration along") {
  std::vector<int> v(10), w(5);
  dma::registered_buffer a{ring, v}, b{ring, w};
  dma::registered_buffer c = std::move(a);
  CHECK_FALSE(a);
  CHECK(c.index() == 0);
  c = std::move(b);
  CHECK(c.index() == 1);
  CHECK(c.size() == 20);
  CHECK_FALSE(kernel.ring().buffers.contains(0));
  CHECK(kernel.ring().buffers.contains(1));
}
