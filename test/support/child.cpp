// SPDX-License-Identifier: MIT
#include "support/child.hpp"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <exception>
#include <new>
#include <sys/mman.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

#include "support/wait.hpp"

namespace support {

child::child(const std::function<int()>& body) : pid_(::fork()) {
  if (pid_ < 0)
    throw std::system_error(errno, std::generic_category(), "fork");
  if (pid_ > 0)
    return;

  constexpr int threw = 99;
  int code = threw;
  try {
    code = body();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "in the child: %s\n", e.what());
  }
  ::_exit(code); // no destructors: they are the parent's
}

child::~child() {
  if (pid_ > 0) {
    kill();
    ::waitpid(pid_, nullptr, 0);
  }
}

void child::kill() const {
  ::kill(pid_, SIGKILL);
}

int child::wait() {
  int status = 0;

  if (!wait_until([&] { return ::waitpid(pid_, &status, WNOHANG) == pid_; })) {
    kill();
    ::waitpid(pid_, &status, 0);
  }
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : killed;
}

shared_flag::shared_flag() {
  void* at =
      ::mmap(nullptr, sizeof(*value_), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED)
    throw std::system_error(errno, std::generic_category(), "mmap");
  value_ = new (at) std::atomic<int>(0);
}

shared_flag::~shared_flag() {
  ::munmap(value_, sizeof(*value_));
}

bool shared_flag::await(int value) const {
  return wait_until([&] { return get() == value; });
}

} // namespace support
