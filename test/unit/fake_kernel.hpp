// SPDX-License-Identifier: MIT
// Stands in for the kernel: devices, rings and jobs in this process, as pinring.h describes them,
// and a script of what goes wrong.
#ifndef PINRING_TEST_UNIT_FAKE_KERNEL_HPP
#define PINRING_TEST_UNIT_FAKE_KERNEL_HPP

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <pinring.h>

#include "kernel.hpp"

namespace test {

/// A job that the fake kernel has taken and not completed.
struct fake_job {
  pinring_sqe sqe{};
  std::vector<std::pair<std::byte*, std::size_t>> pieces;
  bool started = false;
};

/// A ring's kernel side.
class fake_ring {
public:
  fake_ring(const pinring_setup& setup, std::uint32_t first_index);

  [[nodiscard]] std::uint32_t ready() const { return cq_tail - cq().head; }
  void post(std::uint64_t user_data, int result, std::uint64_t bytes = 0, std::uint32_t flags = 0);
  /// Moves what did not fit to where there is room now.
  void flush();
  /// Completes the oldest job of that user_data.
  void finish(std::uint64_t user_data, int result, std::uint64_t bytes = 0,
              std::uint32_t flags = 0);
  [[nodiscard]] fake_job* find(std::uint64_t user_data);

  [[nodiscard]] pinring_sq& sq() const;
  [[nodiscard]] pinring_cq& cq() const;
  [[nodiscard]] pinring_sqe* sqes() const;
  [[nodiscard]] pinring_cqe* cqes() const;

  pinring_setup setup{};
  void* memory = nullptr;
  std::uint32_t sq_head = 0;
  std::uint32_t cq_tail = 0;
  std::deque<pinring_cqe> overflow;
  std::deque<fake_job> jobs;
  std::vector<pinring_sqe> consumed; // every SQE ever taken, in order
  std::map<std::uint32_t, pinring_buffer> buffers;
  bool mapped = false;

private:
  std::unique_ptr<std::uint64_t[]> storage_;
};

class fake_kernel : public dma::detail::kernel {
public:
  struct device {
    pinring_info info{};
    int open_error = 0; // errno, or 0
  };

  fake_kernel();
  ~fake_kernel() override;
  fake_kernel(const fake_kernel&) = delete;
  fake_kernel& operator=(const fake_kernel&) = delete;

  /// A loopback of both directions, with a chunk of 1 MiB.
  device& add_device(const std::string& name);

  /// The ring that was set up last, and is open.
  [[nodiscard]] fake_ring& ring();
  [[nodiscard]] int open_files() const { return static_cast<int>(files_.size()); }

  // What the script may change.
  std::map<std::string, device> devices; // by path
  bool loaded = true;
  std::uint64_t memlock = 8 << 20;
  pid_t pid = 100;
  bool may_abort = true;         // nobody else has a claim
  std::uint32_t first_index = 0; // where the queues' indices of a new ring start
  /// Called for a SEND or RECV that was taken. By default it stays among the jobs.
  std::function<void(fake_ring&, fake_job&)> on_job;
  /// Called when ENTER waits and there is nothing; says whether anything happened.
  std::function<bool(fake_ring&)> on_wait;
  /// For each ENTER from now on: how many SQEs it takes before a signal ends it; -1: no signal.
  std::deque<int> signals;
  /// Errors that the next calls answer, by request.
  std::map<unsigned long, std::deque<int>> errors;
  /// By default a REMOVE lets go at once. For each from now on: what it answers instead.
  std::deque<int> removes;

  // What was seen.
  std::map<unsigned long, int> calls;
  std::vector<pinring_enter> enters;
  std::vector<pinring_setup> setups;
  std::vector<pinring_buffer> removed;
  int closed_while_mapped = 0;
  int unmaps = 0;

  int open(const char* path) override;
  void close(int fd) override;
  int ioctl(int fd, unsigned long request, void* argument) override;
  int map(int fd, std::size_t bytes, void** where) override;
  void unmap(void* where, std::size_t bytes) override;
  int poll(::pollfd* fds, unsigned count) override;
  pid_t process() override { return pid; }
  std::vector<std::string> nodes() override;
  bool module_loaded() override { return loaded; }
  std::uint64_t memlock_limit() override { return memlock; }

private:
  struct file {
    std::string path;
    std::unique_ptr<fake_ring> ring;
  };

  int set_up(file& f, pinring_setup& setup);
  int enter(fake_ring& r, pinring_enter& enter);
  void take(fake_ring& r, const pinring_sqe& sqe);
  void cancel(fake_ring& r, const pinring_sqe& sqe) const;
  int add(fake_ring& r, pinring_buffer& b);
  int remove(fake_ring& r, pinring_buffer& b);
  std::uint32_t ready_of(int fd);

  std::map<int, file> files_;
  int next_fd_ = 1000;
};

/// on_job of a loopback: completes a receive and a send when both are there.
void loop_back(fake_ring& r, fake_job& job);

} // namespace test

#endif
