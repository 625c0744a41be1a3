// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <functional>
#include <sys/types.h>

namespace support {

/// A forked process that runs a function and exits with its result. It shares nothing with Catch:
/// what it sees it tells by its exit code, or through shared_flag. Killed and reaped by the
/// destructor.
class child {
public:
  static constexpr int killed = -1;

  explicit child(const std::function<int()>& body);
  child(const child&) = delete;
  child& operator=(const child&) = delete;
  ~child();

  [[nodiscard]] pid_t pid() const { return pid_; }
  /// kill -9.
  void kill() const;
  /// The exit code, or `killed` when a signal ended it or it had to be killed after the patience.
  [[nodiscard]] int wait();

private:
  pid_t pid_ = -1;
};

/// A number that parent and children both see.
class shared_flag {
public:
  shared_flag();
  shared_flag(const shared_flag&) = delete;
  shared_flag& operator=(const shared_flag&) = delete;
  ~shared_flag();

  void set(int value = 1) { value_->store(value); }
  [[nodiscard]] int get() const { return value_->load(); }
  /// False when the patience ran out first.
  [[nodiscard]] bool await(int value = 1) const;

private:
  std::atomic<int>* value_;
};

} // namespace support
