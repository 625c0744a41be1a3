// SPDX-License-Identifier: MIT
#include "descriptors.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace fuzz {

exchange::exchange() {
  std::array<int, 2> pair{};
  if (::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair.data()) != 0)
    throw std::system_error(errno, std::generic_category(), "socketpair");
  in_.reset(pair[0]);
  out_.reset(pair[1]);
}

void exchange::give(int fd) const {
  std::array<char, CMSG_SPACE(sizeof(int))> control{};
  char byte = 0;
  iovec piece{&byte, 1};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  auto* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &fd, sizeof(fd));
  (void)::sendmsg(in_.get(), &message, 0); // full, or not a descriptor any more: never mind
}

int exchange::take() const {
  std::array<char, CMSG_SPACE(sizeof(int))> control{};
  char byte = 0;
  iovec piece{&byte, 1};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  if (::recvmsg(out_.get(), &message, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&message))
    return -1;
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
  return fd;
}

descriptors::descriptors(std::string path, const exchange& others, tally& counts)
    : path_(std::move(path)), others_(others), counts_(counts),
      main_(::open(path_.c_str(), O_RDWR | O_CLOEXEC)),
      event_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  for (auto& fd : fds_)
    fd = -1;
  put(0, ::fcntl(main_, F_DUPFD_CLOEXEC, 0));
  put(1, ::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  put(2, ::fcntl(event_.get(), F_DUPFD_CLOEXEC, 0));
}

descriptors::~descriptors() {
  for (std::size_t i = 0; i < most; ++i)
    put(i, -1);
  close_main();
}

void descriptors::close_main() {
  if (const int fd = main_.exchange(-1); fd >= 0)
    ::close(fd);
}

void descriptors::put(std::size_t where, int fd) {
  const int old = fds_[where].exchange(fd);
  if (old >= 0)
    ::close(old);
}

int descriptors::some(support::random_stream& random) const {
  if (random.chance(60))
    return main();
  // A number that is nobody's; not the first ones, which are this process's own.
  constexpr std::uint64_t nobodys = 100;
  return random.chance(2) ? static_cast<int>(nobodys + random.small(1U << 30))
                          : random.pick(fds_).load();
}

void descriptors::meddle(support::random_stream& random) {
  // The first three stay for the whole episode.
  const auto where = 3 + static_cast<std::size_t>(random.below(most - 3));
  std::array<int, 2> pipe{-1, -1};

  errno = 0;
  switch (random.below(8)) {
  case 0:
  case 1:
    put(where, ::open(path_.c_str(), O_RDWR | O_CLOEXEC));
    break;
  case 2:
    // Closing any duplicate ends the ring.
    if (random.chance(25))
      put(where, ::fcntl(some(random), F_DUPFD_CLOEXEC, 0));
    break;
  case 3:
    others_.give(some(random));
    break;
  case 4:
    put(where, others_.take());
    break;
  case 5:
    if (::pipe2(pipe.data(), O_CLOEXEC | O_NONBLOCK) == 0)
      ::close(pipe[1]);
    put(where, pipe[0]);
    break;
  default:
    put(where, -1);
    break;
  }
  counts_.count(kind::file, 0);
}

} // namespace fuzz
