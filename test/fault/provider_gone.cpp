// SPDX-License-Identifier: MIT
//
// The provider leaves while its device is in use, and modules that somebody wants to remove. Root,
// for the sake of sysfs and of modules.
#include "catch.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

#include "support/binding.hpp"
#include "support/board.hpp"
#include "support/guarded_memory.hpp"
#include "support/loop.hpp"
#include "support/needs.hpp"
#include "support/raw_ring.hpp"
#include "support/vmstat.hpp"

using namespace support;

namespace {

const auto needed = support::needs{{"loop1"}}.switches().root();

constexpr const char* device = "loop1";
constexpr const char* module_file = "/modules/pinring.ko";
constexpr std::size_t bytes = 100'000;

/// rmmod, without waiting.
outcome remove_module(const char* name) {
  return outcome{::syscall(SYS_delete_module, name, O_NONBLOCK) == 0 ? 0 : errno};
}

outcome insert_module(const char* file) {
  const unique_fd fd(::open(file, O_RDONLY | O_CLOEXEC));
  return outcome{fd && ::syscall(SYS_finit_module, fd.get(), "", 0) == 0 ? 0 : errno};
}

const char* provider_module() {
  return board::is_model(device) ? "xilinx_dma" : "pinring_sim";
}

} // namespace

TEST_CASE("A provider that is unbound takes its device with it, and both come back") {
  binding loop1(device);

  loop1.unbind_provider();
  CHECK(device_path(device).empty());
  loop1.bind_provider();
  CHECK_NOTHROW(prove_usable(device));
}

TEST_CASE("Jobs in flight, buffers and a task that waits: all end when the provider goes") {
  binding loop1(device);
  {
    raw_ring ring(device);
    const auto unused = raw_ring::open(device);
    const guarded_memory out(bytes);
    const guarded_memory in(bytes);
    ring.register_at(0, in.data());
    ring.push(make_recv(in.data(), 1));
    ring.push(make_registered(PINRING_OP_RECV, 0, 0, bytes, 2));
    REQUIRE(ring.submit().submitted == 2);
    enter_result woken;
    std::thread waiter([&] { woken = ring.enter(0, 3); });

    loop1.unbind_provider();
    waiter.join();
    CHECK((woken.result == success || woken.result == outcome{ENODEV}));
    const auto cqes = ring.reap();
    REQUIRE(cqes.size() == 2);
    for (const auto& cqe : cqes)
      CHECK(outcome_of(cqe) == outcome{ENODEV});
    CHECK((ring.info().flags & PINRING_INFO_DEAD) != 0);
    CHECK((unused.info().flags & PINRING_INFO_DEAD) != 0);
  }
  CHECK(pins_become_balanced());
  loop1.bind_provider();
  CHECK_NOTHROW(prove_usable(device));
}

TEST_CASE("The provider's module can't be removed while its channels are in use") {
  CHECK(remove_module(provider_module()) == outcome{EAGAIN});
  CHECK_NOTHROW(prove_usable(device));
}

TEST_CASE("pinring's module can't be removed while a file is open, or a ring of one is mapped") {
  raw_ring ring(device);
  const guarded_memory in(bytes);
  ring.push(make_recv(in.data(), 1));
  REQUIRE(ring.submit().submitted == 1);
  const auto length = ring.layout().ring_bytes;
  void* const second = ::mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd(), 0);
  REQUIRE(second != MAP_FAILED);

  CHECK(remove_module("pinring") == outcome{EAGAIN});
  ring.close();
  CHECK(remove_module("pinring") == outcome{EAGAIN});
  CHECK_NOTHROW(prove_usable(device));
  ::munmap(second, length);
}

TEST_CASE("A file keeps pinring's module in place though its device is gone") {
  binding loop1(device);
  const raw_ring ring(device);
  loop1.unbind();
  CHECK(remove_module("pinring") == outcome{EAGAIN});
}

TEST_CASE("pinring's module can be removed soon after the last file is closed, and comes back") {
  if (::access(module_file, R_OK) != 0)
    return skip("no module file to load it from again");
  {
    raw_ring ring(device);
    const guarded_memory memory(bytes);
    ring.register_at(0, memory.data());
    ring.push(make_recv(memory.data(), 1));
    REQUIRE(ring.submit().submitted == 1);
  }
  CHECK(wait_until([] { return remove_module("pinring") == success; }));
  CHECK(device_path(device).empty());
  CHECK(insert_module(module_file) == success);
  CHECK(wait_until([] { return !device_path(device).empty(); }));
  CHECK(pins_become_balanced());
}

TEST_CASE("The channel works at the end of all this") {
  CHECK_NOTHROW(prove_usable(device));
}
