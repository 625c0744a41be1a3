// SPDX-License-Identifier: MIT
//
// Whatever a call asks the kernel for fails once: the first thing, then the second, until the call
// asks for no more. That is every allocation, every copy from and to the program, every pin and
// every mapping of the calling task. Each time the call says an error that the ABI has for it, has
// no effect by half, and the ring works.
#include "catch.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <linux/capability.h>
#include <optional>
#include <set>
#include <string>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "call_sweep.hpp"
#include "injection.hpp"
#include "support/binding.hpp"
#include "support/guarded_memory.hpp"
#include "support/loop.hpp"
#include "support/needs.hpp"
#include "support/pattern.hpp"
#include "support/raw_ring.hpp"
#include "support/vmstat.hpp"

using namespace support;
using sweep::enter_sweep;
using sweep::jobs;
using sweep::seen;
using sweep::sweep_call;

namespace {

const auto needed = support::needs{{"loop0", "align8"}}.root().fault_injection();

constexpr const char* device = "loop0";
constexpr const char* strict_device = "align8"; // takes no unaligned address
constexpr std::size_t memlock_bytes = 8U << 20;

/// Root that RLIMIT_MEMLOCK counts for: it may turn the switches, and what it pins is charged.
void count_memlock() {
  const rlimit limit{memlock_bytes, memlock_bytes};
  REQUIRE(::setrlimit(RLIMIT_MEMLOCK, &limit) == 0);

  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
  REQUIRE(::syscall(SYS_capget, &header, sets.data()) == 0);
  sets[CAP_TO_INDEX(CAP_IPC_LOCK)].effective &= ~CAP_TO_MASK(CAP_IPC_LOCK);
  REQUIRE(::syscall(SYS_capset, &header, sets.data()) == 0);
}

/// Both sides' memory of a transfer.
struct sides {
  explicit sides(std::size_t bytes, std::size_t offset = odd_offset)
      : out(bytes, offset), in(bytes, offset) {
    fill_pattern(out.data(), bytes);
  }

  [[nodiscard]] bool arrived() const {
    return !pattern_mismatch(in.data(), out.size()) && in.guards_intact();
  }

  guarded_memory out;
  guarded_memory in;
};

/// The first byte of each piece is that of its peer.
bool same_pieces(const std::vector<pinring_iovec>& a, const std::vector<pinring_iovec>& b) {
  return std::ranges::equal(a, b, [](const auto& x, const auto& y) {
    return *reinterpret_cast<const std::byte*>(x.addr) ==
           *reinterpret_cast<const std::byte*>(y.addr);
  });
}

constexpr std::chrono::nanoseconds soon = 500ms;

const std::set<int> usual = {0, ENOMEM, EFAULT};

} // namespace

TEST_CASE("What fails inside open is open's error") {
  count_memlock();
  const auto path = device_path(device);
  unique_fd fd;
  const auto result = sweep_call(
      [&] { fd.reset(); },
      [&] {
        fd.reset(::open(path.c_str(), O_RDWR | O_CLOEXEC));
        return outcome{fd ? 0 : errno};
      },
      [&](outcome, seen&) { REQUIRE(unique_fd(::open(path.c_str(), O_RDWR | O_CLOEXEC))); });
  INFO(result);
  CHECK(result.failures >= 2);
  CHECK(result.only(usual));
}

TEST_CASE("What fails inside INFO is EFAULT") {
  const auto file = raw_ring::open(device);
  pinring_info info{};
  const auto result =
      sweep_call([&] { info.size = sizeof(info); },
                 [&] { return call(file.fd(), PINRING_IOC_INFO, &info); }, [](outcome, seen&) {});
  INFO(result);
  CHECK(result.failures >= 1);
  CHECK(result.only({0, EFAULT}));
}

TEST_CASE("A SETUP in which something fails has claimed nothing, and can be made again") {
  std::optional<raw_ring> ring;
  pinring_setup setup{};
  const auto result = sweep_call(
      [&] {
        ring.emplace(raw_ring::open(device));
        setup = {};
        setup.size = sizeof(setup);
        setup.directions = PINRING_DIR_SEND | PINRING_DIR_RECV;
        setup.sq_entries = 64;
      },
      [&] { return call(ring->fd(), PINRING_IOC_SETUP, &setup); },
      [&](outcome said, seen&) {
        if (!said.good()) {
          REQUIRE(ring->setup({}) == success);
          REQUIRE_NOTHROW(prove_usable(*ring));
        }
        ring.reset();
      });
  INFO(result);
  CHECK(result.failures >= 4);
  CHECK(result.calls.contains(ENOMEM));
  CHECK(result.calls.contains(EFAULT));
  CHECK(result.only(usual));
}

TEST_CASE("A mapping of the ring in which something fails can be made again") {
  const raw_ring ring(device);
  const auto bytes = ring.mapping().size();
  void* at = nullptr;
  const auto map = [&] {
    at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd(), 0);
    return outcome{at == MAP_FAILED ? errno : 0};
  };
  const auto result = sweep_call([] {}, map,
                                 [&](outcome said, seen&) {
                                   if (!said.good())
                                     REQUIRE(map() == success);
                                   ::munmap(at, bytes);
                                 });
  INFO(result);
  CHECK(result.failures >= 2);
  CHECK(result.only({0, ENOMEM}));
}

TEST_CASE("A job of one packet in which something fails can be done again") {
  const sides memory(2 * page_bytes() + 3);
  enter_sweep sweep(
      device,
      [&] {
        memory.in.clear();
        return jobs{make_recv(memory.in.data(), 0), make_send(memory.out.data(), 0)};
      },
      [&] { return memory.arrived(); });
  const auto result = sweep.run_until(ENOMEM);
  INFO(result);
  CHECK(result.failures >= 8);
  CHECK(result.jobs.contains(ENOMEM));
  CHECK(result.only(usual));
}

TEST_CASE("A receive into memory that has no pages yet meets failures of getting them, too") {
  const sides memory(4 * page_bytes(), 0);
  enter_sweep sweep(
      device,
      [&] {
        REQUIRE(::madvise(memory.in.data().data(), memory.in.size(), MADV_DONTNEED) == 0);
        return jobs{make_recv(memory.in.data(), 0), make_send(memory.out.data(), 0)};
      },
      [&] { return !pattern_mismatch(memory.in.data(), memory.out.size()); });
  const auto result = sweep.run();
  INFO(result);
  CHECK(result.failures >= 10);
  CHECK(result.only(usual));
}

TEST_CASE("A job of many pieces in which something fails can be done again") {
  const sides memory(64 * apart_bytes, 0);
  const auto out = pieces_apart(memory.out.data());
  const auto in = pieces_apart(memory.in.data());
  enter_sweep sweep(
      device,
      [&] {
        memory.in.clear();
        return jobs{make_iovec(PINRING_OP_RECV, in, 0), make_iovec(PINRING_OP_SEND, out, 0)};
      },
      [&] { return same_pieces(out, in); });
  const auto result = sweep.run_until(EFAULT);
  INFO(result);
  CHECK(result.failures >= 10);
  CHECK(result.jobs.contains(EFAULT)); // the copy of the list
  CHECK(result.only(usual));
}

TEST_CASE("A job that goes by way of a copy and meets a failure can be done again") {
  const sides memory(2 * page_bytes() + 3);
  REQUIRE((info_of(strict_device).features & PINRING_FEAT_BOUNCE) != 0);
  enter_sweep sweep(
      strict_device,
      [&] {
        memory.in.clear();
        return jobs{make_recv(memory.in.data(), 0), make_send(memory.out.data(), 0)};
      },
      [&] { return memory.arrived(); });
  const auto result = sweep.run_until(ENOMEM);
  INFO(result);
  CHECK(result.failures >= 8);
  CHECK(result.jobs.contains(ENOMEM));
  CHECK(result.only(usual));
}

TEST_CASE("A list that is gathered and meets a failure can be done again") {
  // More pieces than there are BDs: each lies by itself.
  const sides memory(std::size_t{info_of(device).send_bds + 40U} * apart_bytes, 0);
  const auto out = pieces_apart(memory.out.data());
  const auto in = pieces_apart(memory.in.data());
  enter_sweep sweep(
      device,
      [&] {
        memory.in.clear();
        return jobs{make_iovec(PINRING_OP_RECV, in, 0, PINRING_SQE_GATHER),
                    make_iovec(PINRING_OP_SEND, out, 0, PINRING_SQE_GATHER)};
      },
      [&] { return same_pieces(out, in); });
  const auto result = sweep.run_until(ENOMEM);
  INFO(result);
  CHECK(result.failures >= 10);
  CHECK(result.jobs.contains(ENOMEM));
  CHECK(result.only(usual));
}

TEST_CASE("A job on registered memory in which something fails can be done again") {
  const sides memory(16 * page_bytes(), 0);
  enter_sweep sweep(
      device,
      [&] {
        memory.in.clear();
        return jobs{make_registered(PINRING_OP_RECV, 1, 0, memory.in.size(), 0),
                    make_registered(PINRING_OP_SEND, 0, 0, memory.out.size(), 0)};
      },
      [&] { return memory.arrived(); });
  sweep.ring().register_at(0, memory.out.data());
  sweep.ring().register_at(1, memory.in.data());
  const auto result = sweep.run();
  INFO(result);
  CHECK(result.failures >= 4);
  CHECK(result.only(usual));
}

TEST_CASE("A receive that may be short and meets a failure can be done again") {
  const sides memory(1000, 0);
  enter_sweep sweep(
      device,
      [&] {
        memory.in.clear();
        return jobs{make_recv(memory.in.data(), 0, PINRING_SQE_MAY_BE_SHORT),
                    make_send(memory.out.data(), 0)};
      },
      [&] { return memory.arrived(); });
  const auto result = sweep.run();
  INFO(result);
  CHECK(result.failures >= 8);
  CHECK(result.only(usual));
}

TEST_CASE("A job of several packets in which something fails leaves nothing but an empty stream") {
  const sides memory((1U << 20) + 3 * page_bytes(), 0);
  enter_sweep sweep(
      device,
      [&] {
        memory.in.clear();
        jobs both{make_recv(memory.in.data(), 0, PINRING_SQE_SPLIT),
                  make_send(memory.out.data(), 0, PINRING_SQE_SPLIT)};
        // One that lost its other side ends.
        for (auto& job : both)
          job.deadline_ns = static_cast<std::uint64_t>(soon.count());
        return both;
      },
      [&] { return memory.arrived(); });
  sweep.of_several_packets();
  const auto result = sweep.run();
  INFO(result);
  CHECK(result.failures >= 8);
  CHECK(result.only({0, ENOMEM, EFAULT, ECONNRESET, ETIMEDOUT}));
}

TEST_CASE("NOP, CANCEL and DRAIN in which something fails can be done again") {
  enter_sweep sweep(
      device,
      [] {
        return jobs{make_nop(0), make_cancel_all(0), make_drain(0)};
      },
      [] { return true; });
  const auto result = sweep.run();
  INFO(result);
  CHECK(result.failures >= 3);
  CHECK(result.only(usual));
}

TEST_CASE("A withdrawal in which something fails can be made again") {
  raw_ring ring(device);
  const guarded_memory memory(1000);
  constexpr std::uint64_t first = 1;
  constexpr std::uint64_t second = 2;
  constexpr std::uint64_t cancel = 3;
  constexpr std::uint64_t send = 4;
  pinring_enter argument{};
  const auto result = sweep_call(
      [&] {
        // The first is with the provider, the second waits behind it.
        ring.push(make_recv(memory.data(), first)).push(make_recv(memory.data(), second));
        REQUIRE(ring.submit().submitted == 2);
        ring.push(make_cancel_all(cancel)).publish();
        argument = {};
        argument.size = sizeof(argument);
        argument.to_submit = 1;
      },
      [&] { return ring.enter(argument); },
      [&](outcome, seen&) {
        REQUIRE(ring.submit().result == success);
        // Sends for those that were not withdrawn.
        auto cqes = ring.reap();
        while (cqes.size() < 3) {
          ring.push(make_send(memory.data(), send));
          REQUIRE(ring.submit().submitted == 1);
          for (const auto& cqe : ring.wait(2))
            if (cqe.user_data != send)
              cqes.push_back(cqe);
        }
        for (const auto& cqe : cqes)
          REQUIRE((cqe.result == 0 || cqe.result == -ECANCELED));
      });
  INFO(result);
  CHECK(result.failures >= 3);
  CHECK(result.only(usual));
}

TEST_CASE("An abort in which something fails ends what it was to end") {
  raw_ring ring(device);
  const guarded_memory memory(1000);
  constexpr std::uint64_t recv = 1;
  constexpr std::uint64_t cancel = 2;
  pinring_enter argument{};
  const auto result = sweep_call(
      [&] {
        ring.push(make_recv(memory.data(), recv));
        REQUIRE(ring.submit().submitted == 1);
        auto abort = make_cancel_all(cancel);
        abort.flags |= PINRING_SQE_ABORT;
        ring.push(abort).publish();
        argument = {};
        argument.size = sizeof(argument);
        argument.to_submit = 1;
      },
      [&] { return ring.enter(argument); },
      [&](outcome, seen&) {
        REQUIRE(ring.submit().result == success);
        const auto cqes = ring.wait(2);
        REQUIRE(outcome_of(completion_of(cqes, recv)) == outcome{ECANCELED});
        REQUIRE(outcome_of(completion_of(cqes, cancel)) == success);
        REQUIRE_NOTHROW(prove_usable(ring));
      });
  INFO(result);
  CHECK(result.failures >= 4);
  CHECK(result.only(usual));
}

TEST_CASE("A buffer whose ADD failed is not there: its index is free, and so is the next") {
  const raw_ring ring(device);
  const guarded_memory memory(20 * page_bytes());
  for (const std::uint32_t any : {std::uint32_t{0}, std::uint32_t{PINRING_BUFFER_ANY_INDEX}}) {
    CAPTURE(any);
    pinring_buffer buffer{};
    const auto ready = [&] {
      buffer = make_buffer(0, memory.data(), PINRING_DIR_SEND | PINRING_DIR_RECV | any);
    };
    const auto result = sweep_call(
        ready, [&] { return call(ring.fd(), PINRING_IOC_BUFFER_ADD, &buffer); },
        [&](outcome said, seen&) {
          if (!said.good()) {
            // What was undone may be let go of by a worker, and keeps its index until then: whoever
            // takes any would be given the next.
            REQUIRE(wait_until([&] {
              buffer = make_buffer(0, memory.data(), PINRING_DIR_SEND | PINRING_DIR_RECV);
              return ring.add(buffer) != outcome{EBUSY};
            }));
            REQUIRE(buffer.index == 0);
            REQUIRE(ring.remove_at(1) == outcome{ENOENT});
          }
          REQUIRE(ring.remove_at(0, PINRING_BUFFER_WAIT) == success);
        });
    INFO(result);
    CHECK(result.failures >= 8);
    CHECK(result.calls.contains(ENOMEM));
    CHECK(result.calls.contains(EFAULT));
    CHECK(result.only(usual));
  }
}

TEST_CASE("An UPDATE that failed has left the old buffer as it was") {
  raw_ring ring(device);
  const sides memory(5 * page_bytes());
  const guarded_memory in(5 * page_bytes());
  ring.register_at(0, memory.out.data(), PINRING_DIR_SEND);
  ring.register_at(1, in.data(), PINRING_DIR_RECV);
  pinring_buffer buffer{};
  const auto result = sweep_call(
      [&] {
        ring.register_at(2, memory.in.data(), PINRING_DIR_RECV);
        buffer = make_buffer(2, in.data(), PINRING_DIR_RECV | PINRING_BUFFER_WAIT);
      },
      [&] { return call(ring.fd(), PINRING_IOC_BUFFER_UPDATE, &buffer); },
      [&](outcome said, seen&) {
        memory.in.clear();
        in.clear();
        const auto moved = loop(ring, make_registered(PINRING_OP_SEND, 0, 0, memory.out.size(), 0),
                                make_registered(PINRING_OP_RECV, 2, 0, in.size(), 0));
        REQUIRE(moved.moved(in.size()));
        REQUIRE(same_bytes(said.good() ? in.data() : memory.in.data(), memory.out.data()));
        REQUIRE(ring.remove_at(2, PINRING_BUFFER_WAIT) == success);
      });
  INFO(result);
  CHECK(result.failures >= 6);
  CHECK(result.only(usual));
}

TEST_CASE("A REMOVE that failed has removed nothing") {
  const raw_ring ring(device);
  const guarded_memory memory(page_bytes());
  pinring_buffer buffer{};
  const auto result = sweep_call([&] { ring.register_at(0, memory.data()); },
                                 [&] {
                                   buffer = {};
                                   buffer.size = sizeof(buffer);
                                   buffer.flags = PINRING_BUFFER_WAIT;
                                   return call(ring.fd(), PINRING_IOC_BUFFER_REMOVE, &buffer);
                                 },
                                 [&](outcome said, seen&) {
                                   REQUIRE(ring.remove_at(0, PINRING_BUFFER_WAIT) ==
                                           (said.good() ? outcome{ENOENT} : success));
                                 });
  INFO(result);
  CHECK(result.failures >= 1);
  CHECK(result.only({0, EFAULT}));
}

TEST_CASE("An EVENTFD that failed can be made again") {
  raw_ring ring(device);
  const unique_fd signalled(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  pinring_eventfd argument{};
  const auto result = sweep_call(
      [&] {
        argument = {};
        argument.size = sizeof(argument);
        argument.fd = signalled.get();
      },
      [&] { return call(ring.fd(), PINRING_IOC_EVENTFD, &argument); },
      [&](outcome said, seen&) {
        if (!said.good())
          REQUIRE(ring.eventfd(signalled.get()) == success);
        REQUIRE(outcome_of(ring.run(make_nop(1))) == success);
        // It is signalled behind the completion, which need not wait for it.
        std::uint64_t n = 0;
        REQUIRE(wait_until([&] { return ::read(signalled.get(), &n, sizeof(n)) == sizeof(n); }));
      });
  INFO(result);
  CHECK(result.failures >= 1);
  CHECK(result.only({0, EFAULT}));
}

TEST_CASE("Whatever fails inside close, the device is whole afterwards") {
  const guarded_memory memory(3 * page_bytes());
  std::optional<raw_ring> ring;
  const auto result = sweep_call(
      [&] {
        ring.emplace(device);
        ring->register_at(0, memory.data());
        ring->push(make_recv(memory.data(), 1));
        ring->push(make_registered(PINRING_OP_RECV, 0, 0, page_bytes(), 2));
        REQUIRE(ring->submit().submitted == 2);
      },
      [&] {
        ring->close();
        return success;
      },
      [&](outcome, seen&) { REQUIRE_NOTHROW(prove_usable(device)); });
  INFO(result);
  CHECK(result.failures >= 1);
}

TEST_CASE("A device whose binding fails half-way can be bound") {
  binding loop(device);
  const unique_fd file(::open("/sys/bus/platform/drivers/pinring/bind", O_WRONLY | O_CLOEXEC));
  REQUIRE(file);
  const auto bind = [&] {
    const auto& name = loop.name();
    return outcome{::write(file.get(), name.data(), name.size()) < 0 ? errno : 0};
  };
  const auto result =
      sweep_call([&] { loop.unbind(); }, bind,
                 [&](outcome said, seen&) {
                   if (device_path(device).empty()) {
                     REQUIRE(!said.good());
                     REQUIRE(bind() == success);
                   }
                   // A channel that could not be looked for is not one that is
                   // not there.
                   REQUIRE(info_of(device).directions == (PINRING_DIR_SEND | PINRING_DIR_RECV));
                   REQUIRE_NOTHROW(prove_usable(device));
                 });
  INFO(result);
  CHECK(result.failures >= 20);
}

TEST_CASE("Pages that are pinned one by one are as good as others") {
  sweep::injection everything;
  everything.set("pinring/short_pin", "times", "-1");
  everything.set("pinring/short_pin", "probability", "100");
  const sides memory(6 * page_bytes());
  enter_sweep sweep(
      device,
      [&] {
        memory.in.clear();
        return jobs{make_recv(memory.in.data(), 0), make_send(memory.out.data(), 0)};
      },
      [&] { return memory.arrived(); });
  const auto result = sweep.run();
  INFO(result);
  // Each page is asked for by itself, and each time it may be the one that fails.
  CHECK(result.failures >= 12);
  CHECK(result.only(usual));
}

TEST_CASE("At the end of all this no page is pinned, and none is charged") {
  CHECK(pins_become_balanced());

  const raw_ring ring(device);
  const guarded_memory memory(memlock_bytes - guarded_memory::guard_bytes, 0);
  CHECK_NOTHROW(ring.register_at(0, memory.mapping()));
  std::printf("fail_calls: %u things failed, each by itself\n", sweep::failures_so_far());
}
