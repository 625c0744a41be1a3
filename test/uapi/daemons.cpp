// SPDX-License-Identifier: MIT
//
// Files and rings that outlive the process which opened them, or are shared with another: open and
// then daemonise, and descriptors whose sender closes his.
#include "catch.hpp"

#include <array>
#include <cstring>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/board.hpp"
#include "support/child.hpp"
#include "support/guarded_memory.hpp"
#include "support/loop.hpp"
#include "support/needs.hpp"
#include "support/raw_ring.hpp"
#include "support/vmstat.hpp"

using namespace support;

namespace {

const auto needed = support::needs{{"loop0"}}.switches();

constexpr std::size_t bytes = 50'000;

/// ENTER on a descriptor, nothing to submit and nothing to wait for.
outcome enter_on(int fd) {
  pinring_enter enter{};
  enter.size = sizeof(enter);
  return call(fd, PINRING_IOC_ENTER, &enter);
}

/// Goes on in a process whose parent is gone, as a daemon does. `before` is done by the parent,
/// `after` by the daemon once it is alone; true when both say so. The daemon has ended then.
template <typename Before, typename After>
bool daemonise(Before&& before, After&& after) {
  // It is left to this process, not to init, and can be waited for: what it has open is claimed
  // until it has ended, whatever it has said before.
  REQUIRE(::prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
  shared_flag alone;
  child parent([&] {
    auto ring = before();
    if (const auto daemon = ::fork(); daemon != 0)
      return daemon > 0 ? 0 : 1;
    int code = 2;
    try {
      code = alone.await() && after(ring) ? 0 : 2;
    } catch (const std::exception& e) {
      std::fprintf(stderr, "in the daemon: %s\n", e.what());
    }
    ::_exit(code);
  });
  const bool left = parent.wait() == 0;
  alone.set();
  int status = -1;
  return left && wait_until([&] { return ::waitpid(-1, &status, WNOHANG) != 0; }) && status == 0;
}

/// A pair of sockets for a descriptor's way to another process.
class passage {
public:
  passage() {
    std::array<int, 2> pair{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair.data()) == 0);
    here_.reset(pair[0]);
    there_.reset(pair[1]);
  }

  void send(int fd) const {
    message m;
    auto* header = CMSG_FIRSTHDR(&m.header);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(fd));
    std::memcpy(CMSG_DATA(header), &fd, sizeof(fd));
    REQUIRE(::sendmsg(here_.get(), &m.header, 0) == 1);
  }
  unique_fd receive() const {
    message m;
    int fd = -1;
    if (::recvmsg(there_.get(), &m.header, 0) == 1 && CMSG_FIRSTHDR(&m.header))
      std::memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m.header)), sizeof(fd));
    return unique_fd(fd);
  }

private:
  struct message {
    std::array<char, CMSG_SPACE(sizeof(int))> control{};
    char byte = 0;
    iovec piece{&byte, 1};
    msghdr header{};

    message() {
      header.msg_iov = &piece;
      header.msg_iovlen = 1;
      header.msg_control = control.data();
      header.msg_controllen = control.size();
    }
  };

  unique_fd here_;
  unique_fd there_;
};

} // namespace

// ---------------------------------------------------------------------------- open, then daemonise

TEST_CASE("A file that is opened before daemonising and set up after it is the daemon's") {
  CHECK(daemonise([] { return raw_ring::open("loop0"); },
                  [](raw_ring& file) {
                    if (!file.setup({}).good())
                      return false;
                    prove_usable(file);
                    return true;
                  }));
}

TEST_CASE("A ring that is set up before daemonising ends with the parent: ENXIO, a new one works") {
  CHECK(daemonise([] { return raw_ring("loop0"); },
                  [](raw_ring& ring) {
                    if (enter_on(ring.fd()) != outcome{ENXIO})
                      return false;
                    prove_usable("loop0");
                    return true;
                  }));
}

TEST_CASE("Jobs of before daemonising end with the parent, though the daemon has the file open") {
  board loop0("loop0");
  loop0.hold();
  CHECK(daemonise(
      [] {
        raw_ring ring("loop0");
        static const guarded_memory memory(bytes);
        ring.register_at(0, memory.data());
        ring.push(make_recv(memory.data(), 1)).push(make_send(memory.data(), 2));
        ring.push(make_registered(PINRING_OP_SEND, 0, 0, bytes, 3));
        if (ring.submit().submitted != 3)
          throw std::runtime_error("can't submit");
        return ring;
      },
      [](const raw_ring& ring) {
        return enter_on(ring.fd()) == outcome{ENXIO} && pins_become_balanced();
      }));
  loop0.hold(false);
  CHECK_NOTHROW(prove_usable("loop0"));
}

// ---------------------------------------------------------------------------- SCM_RIGHTS

TEST_CASE("A ring ends with its owner's close, though another process was passed its descriptor") {
  const passage way;
  shared_flag passed;
  shared_flag closed;
  child other([&] {
    const auto fd = way.receive();
    if (enter_on(fd.get()) != outcome{EXDEV})
      return 1;
    passed.set();
    return closed.await() && enter_on(fd.get()) == outcome{ENXIO} ? 0 : 2;
  });
  board loop0("loop0");
  loop0.hold();
  const guarded_memory in(bytes);
  raw_ring ring("loop0");
  ring.push(make_recv(in.data(), 1));
  REQUIRE(ring.submit().submitted == 1);
  way.send(ring.fd());
  REQUIRE(passed.await());

  ring.close();
  CHECK(pins_become_balanced());
  loop0.hold(false);
  CHECK_NOTHROW(prove_usable("loop0"));
  closed.set();
  CHECK(other.wait() == 0);
}

TEST_CASE("A ring whose descriptor is only on its way to somebody ends with its owner's close") {
  const passage way;
  {
    const raw_ring ring("loop0");
    way.send(ring.fd());
  }
  CHECK_NOTHROW(prove_usable("loop0"));
  CHECK(enter_on(way.receive().get()) == outcome{ENXIO});
}

TEST_CASE("What the receiver of a descriptor closes or maps does nothing to the owner's ring") {
  const passage way;
  const guarded_memory in(bytes);
  raw_ring ring("loop0");
  child other([&] {
    auto fd = way.receive();
    void* at = ::mmap(nullptr, ring.layout().ring_bytes, PROT_READ, MAP_SHARED, fd.get(), 0);
    fd.reset();
    return at == MAP_FAILED ? 0 : 1;
  });
  ring.push(make_recv(in.data(), 1));
  REQUIRE(ring.submit().submitted == 1);
  way.send(ring.fd());
  REQUIRE(other.wait() == 0);

  const guarded_memory out(bytes);
  ring.push(make_send(out.data(), 2));
  REQUIRE(ring.submit().submitted == 1);
  for (const auto& cqe : ring.wait(2))
    CHECK(outcome_of(cqe) == success);
}

TEST_CASE("The channel works at the end of all this") {
  CHECK(pins_become_balanced());
  CHECK_NOTHROW(prove_usable("loop0"));
}
