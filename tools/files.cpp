// SPDX-License-Identifier: MIT
#include "files.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "failure.hpp"
#include "watch.hpp"

namespace tools {
namespace {

constexpr std::size_t first_guess = std::size_t{1} << 20; // of what a pipe holds

[[noreturn]] void fail(const std::string& name, int error) {
  throw failure{fmt::format("{}: {}", name, std::strerror(error))};
}

} // namespace

input::input(const std::string& path)
    : name_{path == "-" ? "standard input" : path}, fd_{path == "-"
                                                            ? STDIN_FILENO
                                                            : ::open(path.c_str(),
                                                                     O_RDONLY | O_CLOEXEC)} {
  if (fd_ < 0)
    fail(name_, errno);
  struct ::stat about {};
  if (::fstat(fd_, &about) != 0)
    fail(name_, errno);
  if (S_ISDIR(about.st_mode))
    fail(name_, EISDIR);
  if (S_ISREG(about.st_mode)) {
    // A redirected input may have been read from already. What /proc says of its files is 0.
    const ::off_t at = std::max<::off_t>(::lseek(fd_, 0, SEEK_CUR), 0);
    if (about.st_size > at)
      size_ = static_cast<std::uint64_t>(about.st_size - at);
  }
}

input::~input() {
  if (fd_ > STDIN_FILENO)
    ::close(fd_);
}

std::size_t input::read(std::span<std::byte> into, const watch* watched) {
  std::size_t done = 0;
  while (done < into.size()) {
    if (watched && !watched->wait_for(fd_, POLLIN))
      break;
    const ssize_t n = ::read(fd_, into.data() + done, into.size() - done);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      fail(name_, errno);
    if (n == 0)
      break;
    done += static_cast<std::size_t>(n);
  }
  return done;
}

std::vector<std::byte> input::read_all() {
  std::vector<std::byte> data(size_.value_or(first_guess));
  std::size_t done = read(data);
  while (done == data.size() && !size_) {
    data.resize(2 * data.size());
    done += read(std::span{data}.subspan(done));
  }
  data.resize(done);
  return data;
}

output::output(const std::string& path)
    : name_{path == "-" ? "standard output" : path},
      fd_{path == "-" ? STDOUT_FILENO
                      : ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)} {
  if (fd_ < 0)
    fail(name_, errno);
}

output::~output() {
  if (fd_ > STDOUT_FILENO)
    ::close(fd_);
}

bool output::write(std::span<const std::byte> data, const watch& watched) {
  std::size_t done = 0;
  while (done < data.size()) {
    if (!watched.wait_for(fd_, POLLOUT))
      return false;
    const ssize_t n = ::write(fd_, data.data() + done, data.size() - done);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      fail(name_, errno);
    done += static_cast<std::size_t>(n);
  }
  return true;
}

} // namespace tools
