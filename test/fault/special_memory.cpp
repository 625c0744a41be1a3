// SPDX-License-Identifier: MIT
//
// Memory that is not a program's own, and what each kernel says of it: registers and other memory
// without pages, secret memory, mappings whose writes are tracked, and rings. Root, for /dev/mem.
#include "catch.hpp"

#include <algorithm>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "support/board.hpp"
#include "support/guarded_memory.hpp"
#include "support/loop.hpp"
#include "support/needs.hpp"
#include "support/pattern.hpp"
#include "support/raw_ring.hpp"
#include "support/vmstat.hpp"

using namespace support;

namespace {

const auto needed = support::needs{{"loop0", "loop1"}}.root();

/// A mapping of a descriptor.
class mapping {
public:
  mapping(int fd, std::size_t bytes, int prot, off_t offset = 0) : bytes_(bytes) {
    void* const at = ::mmap(nullptr, bytes, prot, MAP_SHARED, fd, offset);
    REQUIRE(at != MAP_FAILED);
    at_ = static_cast<std::byte*>(at);
  }
  mapping(const mapping&) = delete;
  mapping& operator=(const mapping&) = delete;
  ~mapping() { ::munmap(at_, bytes_); }

  std::span<std::byte> data() const { return {at_, bytes_}; }

private:
  std::byte* at_ = nullptr;
  std::size_t bytes_;
};

/// What this memory is told as a buffer and as the memory of a job, in one direction.
void check_refused(std::span<std::byte> memory, std::uint32_t direction) {
  CAPTURE(direction);
  raw_ring ring("loop0");
  auto buffer = make_buffer(0, memory, direction);
  CHECK(ring.add(buffer) == outcome{EFAULT});
  const auto sqe = direction == PINRING_DIR_SEND ? make_send(memory, 1) : make_recv(memory, 1);
  CHECK(outcome_of(ring.run(sqe)) == outcome{EFAULT});
}

/// It can be sent from, and it can be received into: what came is there.
void check_taken(std::span<std::byte> memory) {
  raw_ring ring("loop0");
  const guarded_memory out(memory.size());
  const guarded_memory in(memory.size());
  fill_pattern(out.data(), 5);
  REQUIRE(loop(ring, out.data(), memory).moved(memory.size()));
  CHECK(pattern_mismatch(memory, 5) == std::nullopt);
  REQUIRE(loop(ring, memory, in.data()).moved(memory.size()));
  CHECK(pattern_mismatch(in.data(), 5) == std::nullopt);
}

/// The page in which the kernel tells a program of its performance events, and is told how far it
/// has read them: like a file's on a disk, its mapping tracks writes, and it needs no disk.
class tracked_mapping {
public:
  static unique_fd open() {
    perf_event_attr attr{};
    attr.size = sizeof(attr);
    attr.type = PERF_TYPE_SOFTWARE;
    attr.config = PERF_COUNT_SW_DUMMY;
    return unique_fd(
        static_cast<int>(::syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC)));
  }

  explicit tracked_mapping(const unique_fd& fd)
      : map_(fd.get(), page_bytes(), PROT_READ | PROT_WRITE) {}
  /// What neither side uses.
  std::span<std::byte> data() const { return map_.data().subspan(3000, 1000); }

private:
  mapping map_;
};

} // namespace

TEST_CASE("Memory without pages, such as registers, is EFAULT in both directions") {
  const unique_fd mem(::open("/dev/mem", O_RDWR | O_SYNC | O_CLOEXEC));
  if (!mem)
    return skip("no /dev/mem");
  // A ROM of the machine's, in any case no memory; nobody touches it.
  const mapping registers(mem.get(), page_bytes(), PROT_READ | PROT_WRITE, 0xF0000);

  check_refused(registers.data(), PINRING_DIR_SEND);
  check_refused(registers.data(), PINRING_DIR_RECV);
}

TEST_CASE("Secret memory is EFAULT in both directions") {
  const unique_fd secret(static_cast<int>(::syscall(SYS_memfd_secret, O_CLOEXEC)));
  if (!secret) {
    // Linux 6.1 has to be told to have it.
    if (kernel_at_least(6, 5))
      skip("this kernel has no secret memory");
    return;
  }
  REQUIRE(::ftruncate(secret.get(), static_cast<off_t>(page_bytes())) == 0);
  const mapping hidden(secret.get(), page_bytes(), PROT_READ | PROT_WRITE);
  std::ranges::fill(hidden.data(), std::byte{1});

  check_refused(hidden.data(), PINRING_DIR_SEND);
  check_refused(hidden.data(), PINRING_DIR_RECV);
}

TEST_CASE("A mapping whose writes are tracked: from Linux 6.5 on no place to receive, or to keep") {
  const auto fd = tracked_mapping::open();
  if (!fd)
    return skip("no perf events");
  const tracked_mapping tracked(fd);

  if (kernel_at_least(6, 5))
    check_refused(tracked.data(), PINRING_DIR_RECV);
  else
    check_taken(tracked.data());
  // Reading it is always possible.
  raw_ring ring("loop0");
  const guarded_memory in(tracked.data().size());
  CHECK(loop(ring, tracked.data(), in.data()).moved(in.size()));
}

// ---------------------------------------------------------------------------- rings as memory

TEST_CASE("Another ring's memory is memory like any other") {
  const raw_ring other("loop1");
  const auto sqes = other.layout().sqes_offset;

  check_taken(other.mapping().subspan(sqes, 1000));
  CHECK(pins_become_balanced());
}

TEST_CASE("A ring that receives over its own queues harms itself alone, and lets go of all pages") {
  {
    raw_ring ring("loop0");
    raw_ring other("loop1");
    const guarded_memory out(ring.mapping().size());
    ring.push(make_recv(ring.mapping(), 1)).push(make_send(out.data(), 2));
    REQUIRE(ring.submit().submitted == 2);
    // The indices are rubbish now: what there is to know is that everything was received.
    CHECK(wait_until([] { return driver_counter("loop0", "recv/bds_in_use") == 0; }));
    pinring_enter enter{};
    enter.size = sizeof(enter);
    enter.to_submit = 1;
    CHECK(ring.enter(enter) == outcome{EPROTO});
    CHECK_NOTHROW(prove_usable(other));
  }
  CHECK(pins_become_balanced());
  CHECK_NOTHROW(prove_usable("loop0"));
}

TEST_CASE("A ring's memory that another ring has registered outlives the ring it was") {
  raw_ring ring("loop0");
  {
    raw_ring other("loop1");
    ring.register_at(0, other.mapping());
  }
  const guarded_memory out(1000);
  const guarded_memory in(1000);
  fill_pattern(out.data(), 6);
  REQUIRE(loop(ring, make_send(out.data(), 0), make_registered(PINRING_OP_RECV, 0, 0, 1000, 0))
              .moved(1000));
  REQUIRE(loop(ring, make_registered(PINRING_OP_SEND, 0, 0, 1000, 0), make_recv(in.data(), 0))
              .moved(1000));
  CHECK(pattern_mismatch(in.data(), 6) == std::nullopt);
}

TEST_CASE("The channel works at the end of all this") {
  CHECK(pins_become_balanced());
  CHECK_NOTHROW(prove_usable("loop0"));
  CHECK_NOTHROW(prove_usable("loop1"));
}
