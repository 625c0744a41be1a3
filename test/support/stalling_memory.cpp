// SPDX-License-Identifier: MIT
#include "support/stalling_memory.hpp"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <stdexcept>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "support/guarded_memory.hpp"
#include "support/wait.hpp"

namespace support {

stalling_memory::stalling_memory(std::size_t bytes)
    : fd_(static_cast<int>(::syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK))), bytes_(bytes),
      mapped_((bytes + page_bytes() - 1) / page_bytes() * page_bytes()) {
  void* at = ::mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (!fd_ || at == MAP_FAILED)
    throw std::runtime_error("no userfaultfd");
  at_ = static_cast<std::byte*>(at);

  uffdio_api api{};
  api.api = UFFD_API;
  uffdio_register range{};
  range.range = {reinterpret_cast<__u64>(at_), mapped_};
  range.mode = UFFDIO_REGISTER_MODE_MISSING;
  if (::ioctl(fd_.get(), UFFDIO_API, &api) != 0 || ::ioctl(fd_.get(), UFFDIO_REGISTER, &range) != 0)
    throw std::runtime_error("userfaultfd does not take this memory");
}

stalling_memory::~stalling_memory() {
  ::munmap(at_, mapped_);
}

bool stalling_memory::fault_pending() const {
  pollfd watched{fd_.get(), POLLIN, 0};
  return ::poll(&watched, 1, 0) == 1;
}

bool stalling_memory::await_fault() const {
  uffd_msg message{};
  return wait_until([&] { return fault_pending(); }) &&
         ::read(fd_.get(), &message, sizeof(message)) == sizeof(message) &&
         message.event == UFFD_EVENT_PAGEFAULT;
}

void stalling_memory::let_go() const {
  let_go(at_, mapped_);
}

void stalling_memory::let_go(std::size_t page) const {
  let_go(at_ + page * page_bytes(), page_bytes());
}

void stalling_memory::let_go(std::byte* from, std::size_t bytes) const {
  uffdio_zeropage zero{};
  zero.range = {reinterpret_cast<__u64>(from), bytes};
  if (::ioctl(fd_.get(), UFFDIO_ZEROPAGE, &zero) != 0)
    throw std::runtime_error("can't let go of stalled memory");
}

bool stalling_memory::available() {
  return unique_fd(static_cast<int>(::syscall(SYS_userfaultfd, O_CLOEXEC))).get() >= 0;
}

} // namespace support
