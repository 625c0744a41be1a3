// SPDX-License-Identifier: MIT
#include "calls.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <system_error>
#include <unistd.h>

#include "support/guarded_memory.hpp"

namespace fuzz {
namespace {

// What uapi/pinring.h lists for calls, and EBADF, which is not the driver's.
constexpr std::array errors_of_a_call = {EINVAL, E2BIG,  EFAULT, ENOTTY, EOPNOTSUPP, ENXIO,
                                         EEXIST, EBUSY,  EXDEV,  EPROTO, EAGAIN,     EINTR,
                                         ETIME,  ENOMEM, EDQUOT, ENOENT, EBADF};

constexpr std::uint32_t both = PINRING_DIR_SEND | PINRING_DIR_RECV;

// A page for the structures, one that can't be written, and one that is not there behind each.
enum page : std::size_t { writable, no_page, readable, no_page_either, pages };

template <typename T>
void store_into(std::uint64_t* words, const T& value) {
  std::memcpy(words, &value, sizeof(value));
}

} // namespace

calls::calls(descriptors& files, arena& memory, tally& counts, slot& mine)
    : files_(files), memory_(memory), counts_(counts), slot_(mine) {
  const auto page = support::page_bytes();
  void* at = ::mmap(nullptr, pages * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED)
    throw std::system_error(errno, std::generic_category(), "mmap of arguments");
  pages_ = static_cast<std::byte*>(at);
  ::mprotect(pages_ + writable * page, page, PROT_READ | PROT_WRITE);
  ::mprotect(pages_ + readable * page, page, PROT_READ);
}

calls::~calls() {
  ::munmap(pages_, pages * support::page_bytes());
}

calls::argument calls::proper(support::random_stream& random) {
  argument what{};
  switch (random.below(7)) {
  case 0: {
    pinring_info info{};
    info.size = sizeof(info);
    what = {PINRING_IOC_INFO, kind::info, sizeof(info), {}};
    store_into(what.words, info);
    break;
  }
  case 1: {
    pinring_setup setup{};
    setup.size = sizeof(setup);
    setup.flags = PINRING_SETUP_SHARED;
    setup.directions = 1 + static_cast<std::uint32_t>(random.below(both));
    setup.sq_entries = 1 + static_cast<std::uint32_t>(random.small(16));
    what = {PINRING_IOC_SETUP, kind::setup, sizeof(setup), {}};
    store_into(what.words, setup);
    break;
  }
  case 2: {
    pinring_eventfd event{};
    event.size = sizeof(event);
    event.fd = random.chance(60) ? files_.event() : random.chance(50) ? -1 : files_.some(random);
    what = {PINRING_IOC_EVENTFD, kind::eventfd, sizeof(event), {}};
    store_into(what.words, event);
    break;
  }
  case 3: {
    pinring_buffer buffer{};
    buffer.size = sizeof(buffer);
    buffer.index = static_cast<std::uint32_t>(random.below(grammar::buffers));
    const auto way = random.below(3);
    if (way < 2) {
      const auto some = memory_.some(random, 65536, 128);
      buffer.flags = both;
      buffer.addr = reinterpret_cast<std::uint64_t>(some.data());
      buffer.len = some.size();
    }
    what = {way == 0   ? PINRING_IOC_BUFFER_ADD
            : way == 1 ? PINRING_IOC_BUFFER_UPDATE
                       : PINRING_IOC_BUFFER_REMOVE,
            way == 0   ? kind::add
            : way == 1 ? kind::update
                       : kind::remove,
            sizeof(buffer),
            {}};
    store_into(what.words, buffer);
    break;
  }
  default: {
    pinring_enter enter{};
    enter.size = sizeof(enter);
    enter.to_submit = static_cast<std::uint32_t>(random.small(64));
    enter.min_complete = random.chance(80) ? 0 : static_cast<std::uint32_t>(random.small(4));
    enter.deadline_ns = 1 + random.small(2'000'000);
    what = {PINRING_IOC_ENTER, kind::enter, sizeof(enter), {}};
    store_into(what.words, enter);
    break;
  }
  }
  return what;
}

void calls::spoil(support::random_stream& random, argument& what) const {
  auto* const halves = reinterpret_cast<std::uint32_t*>(what.words);
  for (auto n = random.below(4); n > 0; --n) {
    const auto at = random.below(what.size / sizeof(std::uint32_t));
    switch (random.below(5)) {
    case 0: // the size, which is the first word of each
      halves[0] = static_cast<std::uint32_t>(what.size + random.below(9) - 4);
      break;
    case 1: {
      static constexpr std::array<std::uint32_t, 10> sizes = {0,   1,    4,    8,    255,
                                                              257, 4095, 4096, 4097, 0xFFFFFFFF};
      halves[0] = random.pick(sizes);
      break;
    }
    case 2:
      halves[at] ^= 1U << random.below(32);
      break;
    case 3:
      what.words[at / 2] = random.edge();
      break;
    default:
      halves[at] = static_cast<std::uint32_t>(random.edge());
      break;
    }
  }
  if (random.chance(10)) {
    // Another number, with this structure.
    what.counted = kind::other_ioctl;
    switch (random.below(5)) {
    case 0:
      what.request = _IO(PINRING_IOC_MAGIC, random.below(256));
      break;
    case 1:
      what.request = _IOWR(PINRING_IOC_MAGIC, random.below(8), pinring_setup);
      break;
    case 2:
      what.request = static_cast<std::uint32_t>(random.edge());
      break;
    case 3:
      what.request = FIOASYNC;
      break;
    default:
      what.request = _IO(random.below(256), random.below(8));
      break;
    }
  }
}

void* calls::place(support::random_stream& random, const argument& what) {
  const auto page = support::page_bytes();
  auto* const from = pages_ + writable * page;
  const auto way = random.below(100);
  // As long as it says it is, if that is possible; what is behind the structure is 0.
  std::uint32_t said = 0;
  std::memcpy(&said, what.words, sizeof(said));
  const auto length = std::clamp<std::size_t>(said, what.size, page);

  if (way < 90) {
    // At the page's end: what is read too far is found out. One byte too far, now and then.
    auto* const at = from + page - length;
    std::memset(at, 0, length);
    std::memcpy(at, what.words, what.size);
    if (way < 3 && length > 8) {
      std::memmove(at + 8, at, length - 8);
      return at + 8;
    }
    return at;
  }
  if (way < 92)
    return pages_ + readable * page + random.below(page);
  if (way < 94)
    return pages_ + no_page * page;
  if (way < 96)
    return reinterpret_cast<void*>(memory_.address(random));
  if (way < 98)
    return reinterpret_cast<void*>(~random.below(1ULL << 48));
  return reinterpret_cast<void*>(random.below(4096));
}

void calls::check(kind counted, int error) {
  counts_.count(counted, error);
  if (counted != kind::other_ioctl && error &&
      std::ranges::find(errors_of_a_call, error) == errors_of_a_call.end())
    counts_.fail(slot_, std::string("an ioctl failed with an error that none has: ") +
                            std::strerror(error));
}

void calls::ioctl(support::random_stream& random) {
  auto what = proper(random);
  if (random.chance(80))
    spoil(random, what);
  void* const at = place(random, what);
  check(what.counted, support::call(files_.some(random), what.request, at).error());
}

void calls::buffer(support::random_stream& random) {
  pinring_buffer buffer{};
  buffer.size = sizeof(buffer);
  buffer.index = static_cast<std::uint32_t>(random.below(grammar::buffers));
  const bool wait = random.chance(30);
  const auto way = random.below(3);
  if (way < 2) {
    const auto some = memory_.some(random, random.chance(90) ? 65536 : arena::place_bytes, 128);
    buffer.addr = reinterpret_cast<std::uint64_t>(some.data());
    buffer.len = some.size();
    buffer.flags = random.chance(90) ? directions_ : 1U << random.below(2);
  }
  if (way == 0 && random.chance(10))
    buffer.flags |= PINRING_BUFFER_ANY_INDEX;
  if (way > 0 && wait) {
    buffer.flags |= PINRING_BUFFER_WAIT;
    buffer.deadline_ns = 1 + random.small(3'000'000);
  }
  static constexpr std::array<unsigned long, 3> requests = {
      PINRING_IOC_BUFFER_ADD, PINRING_IOC_BUFFER_UPDATE, PINRING_IOC_BUFFER_REMOVE};
  static constexpr std::array counted = {kind::add, kind::update, kind::remove};
  const int error = support::call(files_.main(), requests[way], &buffer).error();
  check(counted[way], error);
  if (!error && grammar_ && buffer.index < grammar::buffers)
    grammar_->registered(buffer.index, buffer.len);
}

void calls::readiness(support::random_stream& random) {
  std::array<epoll_event, 4> events{};
  std::uint64_t value = 0;
  long result = 0;

  errno = 0;
  switch (random.below(6)) {
  case 0:
  case 1: {
    std::array<pollfd, 3> polled{};
    for (auto& each : polled)
      each = {files_.some(random), static_cast<short>(random.next()), 0};
    result = ::poll(polled.data(), polled.size(), random.chance(95) ? 0 : 1);
    break;
  }
  case 2: {
    epoll_event event{
        static_cast<std::uint32_t>(random.chance(50) ? std::uint64_t{EPOLLIN} : random.next()), {}};
    static constexpr std::array operations = {EPOLL_CTL_ADD, EPOLL_CTL_ADD, EPOLL_CTL_MOD,
                                              EPOLL_CTL_DEL};
    result = ::epoll_ctl(files_.epoll(), random.pick(operations), files_.some(random), &event);
    break;
  }
  case 3:
    result = ::epoll_wait(files_.epoll(), events.data(), events.size(), random.chance(95) ? 0 : 1);
    break;
  case 4: {
    pinring_eventfd argument{};
    argument.size = sizeof(argument);
    argument.fd = random.chance(70) ? files_.event() : -1;
    return check(kind::eventfd,
                 support::call(files_.main(), PINRING_IOC_EVENTFD, &argument).error());
  }
  default:
    result = ::read(files_.event(), &value, sizeof(value));
    break;
  }
  counts_.count(kind::ready, result < 0 ? errno : 0);
}

void calls::file(support::random_stream& random) {
  const int fd = files_.some(random);
  std::array<char, 16> bytes{};
  long result = 0;

  errno = 0;
  switch (random.below(6)) {
  case 0:
    result = ::fcntl(fd, F_SETFL, random.chance(50) ? O_NONBLOCK : O_ASYNC);
    break;
  case 1:
    result = ::lseek(fd, static_cast<off_t>(random.next()), SEEK_SET);
    break;
  case 2:
    // Not from what may be a pipe that blocks.
    result = ::read(files_.main(), bytes.data(), bytes.size());
    break;
  case 3:
    result = ::write(files_.main(), bytes.data(), bytes.size());
    break;
  default: {
    // A further mapping of a ring, or what is none: gone again at once.
    static constexpr std::array protections = {PROT_READ, PROT_READ | PROT_WRITE, PROT_NONE,
                                               PROT_READ | PROT_EXEC};
    const auto length = (1 + random.small(64)) * support::page_bytes();
    const auto offset = random.chance(70) ? 0 : random.small(1 << 20) * support::page_bytes();
    void* const at =
        ::mmap(nullptr, length, random.pick(protections),
               random.chance(80) ? MAP_SHARED : MAP_PRIVATE, fd, static_cast<off_t>(offset));
    counts_.count(kind::map, at == MAP_FAILED ? errno : 0);
    if (at != MAP_FAILED)
      ::munmap(at, length);
    return;
  }
  }
  counts_.count(kind::file, result < 0 ? errno : 0);
}

} // namespace fuzz
