// SPDX-License-Identifier: MIT
//
// Several processes at once, and processes that end the hard way.
#include "catch.hpp"

#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <string>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

#include "support/board.hpp"
#include "support/child.hpp"
#include "support/guarded_memory.hpp"
#include "support/loop.hpp"
#include "support/needs.hpp"
#include "support/pace.hpp"
#include "support/pattern.hpp"
#include "support/raw_ring.hpp"
#include "support/vmstat.hpp"

using namespace support;

namespace {

const auto needed = support::needs{{"loop0", "loop1"}}.switches();

constexpr std::uint32_t both = PINRING_DIR_SEND | PINRING_DIR_RECV;
constexpr std::size_t packet_bytes = 3001;

ring_options claiming(std::uint32_t directions, std::uint32_t flags = 0) {
  ring_options options;
  options.directions = directions;
  options.flags = flags;
  return options;
}

/// A ring as soon as nobody else has the device; throws when that does not happen.
raw_ring ring_when_free(const char* device) {
  auto ring = raw_ring::open(device);
  outcome result;
  if (!wait_until([&] { return (result = ring.setup({})) != outcome{EBUSY}; }) || !result.good())
    throw std::runtime_error(std::string(device) + " does not become free");
  return ring;
}

/// 0 when this many loops all brought back what was sent; otherwise what was wrong.
int loop_many(const char* device, std::size_t rounds, std::uint64_t seed) {
  raw_ring ring(device);
  const guarded_memory out(packet_bytes);
  const guarded_memory in(packet_bytes);
  for (std::size_t i = 0; i < rounds; ++i) {
    fill_pattern(out.data(), seed);
    if (!loop(ring, out.data(), in.data()).moved(packet_bytes))
      return 1;
    if (pattern_mismatch(in.data(), seed))
      return 2;
    if (!in.guards_intact())
      return 3;
    ++seed;
  }
  return 0;
}

/// Submits jobs in both directions, one-shot and registered, on an engine that is held; returns the
/// ring.
raw_ring arm(const char* device, const guarded_memory& memory) {
  raw_ring ring(device);
  ring.register_at(0, memory.data());
  ring.push(make_recv(memory.data(), 1)).push(make_send(memory.data(), 2));
  ring.push(make_registered(PINRING_OP_RECV, 0, 0, 1000, 3))
      .push(make_registered(PINRING_OP_SEND, 0, 0, 1000, 4));
  if (ring.submit().submitted != 4)
    throw std::runtime_error("can't submit");
  return ring;
}

void send_descriptor(int socket, int fd) {
  std::array<char, CMSG_SPACE(sizeof(int))> control{};
  char byte = 0;
  iovec piece{&byte, 1};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  auto* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &fd, sizeof(fd));
  REQUIRE(::sendmsg(socket, &message, 0) == 1);
}

unique_fd receive_descriptor(int socket) {
  std::array<char, CMSG_SPACE(sizeof(int))> control{};
  char byte = 0;
  iovec piece{&byte, 1};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  if (::recvmsg(socket, &message, 0) != 1 || !CMSG_FIRSTHDR(&message))
    throw std::runtime_error("no descriptor came");
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
  return unique_fd(fd);
}

/// Becomes this same program, running one of its hidden tests.
int exec_self(const char* test) {
  ::execl("/proc/self/exe", "processes", test, "--out", "/dev/null", static_cast<char*>(nullptr));
  return 98;
}

} // namespace

// ---------------------------------------------------------------------------- at the same time

TEST_CASE("Two processes use two devices at the same time") {
  child other([] { return loop_many("loop1", paced(300), 1000); });

  CHECK(loop_many("loop0", paced(300), 5000) == 0);
  CHECK(other.wait() == 0);
}

TEST_CASE("One process sends what another one receives") {
  const std::uint64_t packets = paced(200);
  shared_flag armed;
  child receiver([&] {
    raw_ring ring("loop0", claiming(PINRING_DIR_RECV));
    const guarded_memory in(packet_bytes);
    for (std::uint64_t i = 0; i < packets; ++i) {
      ring.push(make_recv(in.data(), i));
      (void)ring.submit();
      armed.set();
      if (ring.wait(1).front().result != 0 || pattern_mismatch(in.data(), i))
        return 1;
    }
    return 0;
  });
  REQUIRE(armed.await());

  raw_ring ring("loop0", claiming(PINRING_DIR_SEND));
  const guarded_memory out(packet_bytes);
  for (std::uint64_t i = 0; i < packets; ++i) {
    fill_pattern(out.data(), i);
    REQUIRE(outcome_of(ring.run(make_send(out.data(), i))) == success);
  }
  CHECK(receiver.wait() == 0);
}

TEST_CASE("Two processes share a device, and every packet arrives once at one of them") {
  constexpr std::uint64_t packets = 100;
  // Which of the 2 x 100 packets has arrived, seen by both processes.
  auto* arrived = static_cast<std::atomic<int>*>(
      ::mmap(nullptr, 2 * packets * sizeof(std::atomic<int>), PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  REQUIRE(arrived != MAP_FAILED);

  const auto take_part = [&](std::uint64_t first) {
    raw_ring ring("loop0", claiming(both, PINRING_SETUP_SHARED));
    const guarded_memory out(packet_bytes);
    const guarded_memory in(packet_bytes);
    for (std::uint64_t i = first; i < first + packets; ++i) {
      fill_pattern(out.data(), i);
      if (!loop(ring, out.data(), in.data()).moved(packet_bytes))
        return 1;
      // The stream does not know whose packet it carries.
      std::uint64_t which = 0;
      while (which < 2 * packets && pattern_mismatch(in.data(), which))
        ++which;
      if (which == 2 * packets)
        return 2;
      ++arrived[which];
    }
    return 0;
  };

  child other([&] { return take_part(0); });
  CHECK(take_part(packets) == 0);
  REQUIRE(other.wait() == 0);
  for (std::uint64_t i = 0; i < 2 * packets; ++i)
    CHECK(arrived[i] == 1);
  ::munmap(arrived, 2 * packets * sizeof(std::atomic<int>));
}

TEST_CASE("A process that is killed tells those who share its channel that they are collateral") {
  board loop0("loop0");
  loop0.hold();
  const guarded_memory out(packet_bytes);
  const guarded_memory in(packet_bytes);
  shared_flag never;
  child dying([&] {
    raw_ring ring("loop0", claiming(both, PINRING_SETUP_SHARED));
    ring.push(make_send(out.data(), 2));
    (void)ring.submit();
    return never.await() ? 1 : 2;
  });
  raw_ring ring("loop0", claiming(both, PINRING_SETUP_SHARED));
  ring.push(make_recv(in.data(), 1));
  REQUIRE(ring.submit().submitted == 1);
  REQUIRE(wait_until([&] { return loop0.bds_in_use_recv() && loop0.bds_in_use_send(); }));

  dying.kill();
  CHECK(dying.wait() == child::killed);
  const auto cqe = ring.wait(1).front();
  CHECK(outcome_of(cqe) == outcome{ECONNRESET});
  CHECK(cqe.flags == PINRING_CQE_COLLATERAL);
  loop0.hold(false);
  CHECK_NOTHROW(prove_usable(ring));
}

TEST_CASE("A device that another process has for itself is EBUSY until that process ends") {
  shared_flag claimed;
  shared_flag tried;
  child owner([&] {
    const raw_ring ring("loop0");
    claimed.set();
    return tried.await() ? 0 : 1;
  });
  REQUIRE(claimed.await());

  auto ring = raw_ring::open("loop0");
  CHECK(ring.setup({}) == outcome{EBUSY});
  tried.set();
  REQUIRE(owner.wait() == 0);
  CHECK(ring.setup({}) == success);
}

// ---------------------------------------------------------------------------- kill -9

TEST_CASE("A process is killed with jobs held in both directions, and the device works again") {
  board loop0("loop0");
  loop0.hold();
  shared_flag armed;
  {
    child victim([&] {
      const guarded_memory memory(100'000);
      const auto ring = arm("loop0", memory);
      armed.set();
      ::pause();
      return 0;
    });
    REQUIRE(armed.await());
    victim.kill();
    REQUIRE(victim.wait() == child::killed);
  }

  SECTION("while the engine is still held") {
    CHECK_NOTHROW(ring_when_free("loop0"));
  }
  SECTION("for the next one who comes") {
    loop0.hold(false);
    auto ring = ring_when_free("loop0");
    CHECK_NOTHROW(prove_usable(ring));
  }
  CHECK(pins_become_balanced());
}

TEST_CASE("A process is killed while it waits in ENTER") {
  shared_flag armed;
  child victim([&] {
    const guarded_memory memory(100'000);
    raw_ring ring("loop0");
    ring.push(make_recv(memory.data(), 1));
    (void)ring.submit();
    armed.set();
    (void)ring.enter(0, 1, std::nullopt);
    return 0;
  });
  REQUIRE(armed.await());
  victim.kill();
  REQUIRE(victim.wait() == child::killed);

  auto ring = ring_when_free("loop0");
  CHECK_NOTHROW(prove_usable(ring));
  CHECK(pins_become_balanced());
}

TEST_CASE("Processes are killed at any moment of long transfers") {
  constexpr std::size_t long_bytes = 6U << 20;
  const board loop0("loop0");

  for (std::size_t i = 0; i < paced(12); ++i) {
    const auto before = loop0.read("received_bytes");
    child victim([&] {
      auto ring = ring_when_free("loop0");
      empty_the_stream(ring);
      const guarded_memory out(long_bytes);
      const guarded_memory in(long_bytes);
      while (loop(ring, out.data(), in.data(), PINRING_SQE_SPLIT).moved(long_bytes))
        ;
      return 1;
    });
    REQUIRE(wait_until([&] { return loop0.read("received_bytes") - before > i * 700'000; }));
    victim.kill();
    REQUIRE(victim.wait() == child::killed);
  }
  auto ring = ring_when_free("loop0");
  empty_the_stream(ring);
  CHECK_NOTHROW(prove_usable(ring));
  CHECK(pins_become_balanced());
}

TEST_CASE("A process that is killed harms none that shares the device and has nothing under way") {
  shared_flag armed;
  raw_ring mine("loop0", claiming(both, PINRING_SETUP_SHARED));
  {
    child victim([&] {
      const guarded_memory memory(1000);
      raw_ring ring("loop0", claiming(both, PINRING_SETUP_SHARED));
      ring.push(make_recv(memory.data(), 1));
      (void)ring.submit();
      armed.set();
      ::pause();
      return 0;
    });
    REQUIRE(armed.await());
    victim.kill();
    REQUIRE(victim.wait() == child::killed);
  }
  CHECK_NOTHROW(prove_usable(mine));
}

TEST_CASE("A process that ends without closing anything is as good as one that closes") {
  board loop0("loop0");
  loop0.hold();
  child careless([] {
    static const guarded_memory memory(100'000);
    static const auto ring = arm("loop0", memory);
    return 0;
  });
  REQUIRE(careless.wait() == 0);
  loop0.hold(false);

  CHECK_NOTHROW(prove_usable("loop0"));
  CHECK(pins_become_balanced());
}

// ---------------------------------------------------------------------------- descriptors
// elsewhere

TEST_CASE("A ring's descriptor that is passed to another process is EXDEV there") {
  std::array<int, 2> pair{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair.data()) == 0);
  const unique_fd here(pair[0]);
  const unique_fd there(pair[1]);
  child other([&] {
    const auto fd = receive_descriptor(there.get());
    pinring_enter enter{};
    enter.size = sizeof(enter);
    pinring_info info{};
    info.size = sizeof(info);
    if (call(fd.get(), PINRING_IOC_ENTER, &enter) != outcome{EXDEV})
      return 1;
    if (!call(fd.get(), PINRING_IOC_INFO, &info).good())
      return 2;
    return ::mmap(nullptr, page_bytes(), PROT_READ, MAP_SHARED, fd.get(), 0) == MAP_FAILED ? 0 : 3;
  });
  // Made after the fork: the descriptor can only have come through the socket.
  raw_ring ring("loop0");
  send_descriptor(here.get(), ring.fd());

  CHECK(other.wait() == 0);
  CHECK_NOTHROW(prove_usable(ring));
}

TEST_CASE("A descriptor without a ring can be passed on and set up there") {
  std::array<int, 2> pair{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair.data()) == 0);
  const unique_fd here(pair[0]);
  const unique_fd there(pair[1]);
  child other([&] {
    const auto fd = receive_descriptor(there.get());
    pinring_setup setup{};
    setup.size = sizeof(setup);
    setup.directions = both;
    setup.sq_entries = 1;
    return call(fd.get(), PINRING_IOC_SETUP, &setup).error();
  });
  {
    const auto file = raw_ring::open("loop0");
    send_descriptor(here.get(), file.fd());
  }
  CHECK(outcome{other.wait()} == success);
}

TEST_CASE(
    "A process that executes another program leaves a ring that nobody can enter, and then none") {
  board loop0("loop0");
  loop0.hold();
  child other([] {
    const guarded_memory memory(100'000);
    const auto ring = arm("loop0", memory);
    ::fcntl(ring.fd(), F_SETFD, 0);
    ::setenv("PINRING_TEST_FD", std::to_string(ring.fd()).c_str(), 1);
    return exec_self("After exec: the inherited descriptor is EXDEV");
  });
  CHECK(other.wait() == 0);
  loop0.hold(false);
  CHECK_NOTHROW(prove_usable("loop0"));
  CHECK(pins_become_balanced());
}

TEST_CASE("After exec: the inherited descriptor is EXDEV", "[.exec]") {
  const int fd = std::atoi(std::getenv("PINRING_TEST_FD"));
  pinring_enter enter{};
  enter.size = sizeof(enter);

  CHECK(call(fd, PINRING_IOC_ENTER, &enter) == outcome{EXDEV});
  CHECK(std::string(info_of(fd).name) == "loop0");
}

TEST_CASE("A descriptor that exec closes takes its ring and its jobs with it") {
  std::array<int, 2> pipe{};
  REQUIRE(::pipe(pipe.data()) == 0);
  const unique_fd until_closed(pipe[0]);
  unique_fd ours(pipe[1]);
  board loop0("loop0");
  loop0.hold();
  shared_flag armed;
  child other([&] {
    ours.reset();
    const guarded_memory memory(100'000);
    const auto ring = arm("loop0", memory);
    ::setenv("PINRING_TEST_FD", std::to_string(until_closed.get()).c_str(), 1);
    armed.set();
    return exec_self("After exec: waits for its pipe to be closed");
  });
  REQUIRE(armed.await());
  loop0.hold(false);

  // The other process is still there, and has nothing to do with the device any more.
  auto ring = ring_when_free("loop0");
  CHECK_NOTHROW(prove_usable(ring));
  ours.reset();
  CHECK(other.wait() == 0);
}

TEST_CASE("After exec: waits for its pipe to be closed", "[.exec]") {
  char byte = 0;
  CHECK(::read(std::atoi(std::getenv("PINRING_TEST_FD")), &byte, 1) == 0);
}

TEST_CASE("The channel works at the end of all this") {
  CHECK(pins_become_balanced());
  CHECK_NOTHROW(prove_usable("loop0"));
  CHECK_NOTHROW(prove_usable("loop1"));
}
