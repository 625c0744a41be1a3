// SPDX-License-Identifier: MIT
#include "kernel.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

namespace dma::detail {
namespace {

constexpr std::string_view node_prefix = "pinring";

class real_kernel final : public kernel {
public:
  int open(const char* path) override {
    const int fd = ::open(path, O_RDWR | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
  }

  void close(int fd) override { ::close(fd); }

  int ioctl(int fd, unsigned long request, void* argument) override {
    return ::ioctl(fd, request, argument) < 0 ? -errno : 0;
  }

  int map(int fd, std::size_t bytes, void** where) override {
    // MAP_POPULATE: the queues are touched by the very next call, one by one faulting them in is
    // slower than doing it here.
    void* const at =
        ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (at == MAP_FAILED)
      return -errno;
    *where = at;
    return 0;
  }

  void unmap(void* where, std::size_t bytes) override { ::munmap(where, bytes); }

  int poll(::pollfd* fds, unsigned count) override {
    const int n = ::poll(fds, count, -1);
    return n < 0 ? -errno : n;
  }

  pid_t process() override { return ::getpid(); }

  std::vector<std::string> nodes() override {
    std::vector<std::pair<unsigned, std::string>> found;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator{"/dev", ignored}) {
      const std::string name = entry.path().filename().string();
      if (!name.starts_with(node_prefix))
        continue;
      unsigned number = 0;
      const char* const end = name.data() + name.size();
      const auto [rest, error] = std::from_chars(name.data() + node_prefix.size(), end, number);
      if (error == std::errc{} && rest == end)
        found.emplace_back(number, entry.path().string());
    }
    std::ranges::sort(found);
    std::vector<std::string> paths;
    paths.reserve(found.size());
    for (auto& [number, path] : found)
      paths.push_back(std::move(path));
    return paths;
  }

  bool module_loaded() override { return ::access("/sys/module/pinring", F_OK) == 0; }

  std::uint64_t memlock_limit() override {
    ::rlimit limit{};
    if (::getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
      return UINT64_MAX;
    return limit.rlim_cur;
  }
};

std::atomic<kernel*> replacement{nullptr};

} // namespace

kernel& system_calls() noexcept {
  static real_kernel real;
  kernel* const other = replacement.load(std::memory_order_acquire);
  return other ? *other : real;
}

void replace_system_calls(kernel* other) noexcept {
  replacement.store(other, std::memory_order_release);
}

std::uint64_t now_ns() noexcept {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                        std::chrono::steady_clock::now().time_since_epoch())
                                        .count());
}

} // namespace dma::detail
