// SPDX-License-Identifier: MIT
#include "load.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <new>
#include <numeric>
#include <optional>
#include <span>
#include <stdexcept>
#include <sys/mman.h>
#include <system_error>

#include "rounds.hpp"
#include "support/guarded_memory.hpp"
#include "support/random_stream.hpp"
#include "support/raw_ring.hpp"

namespace sweep {
namespace {

using namespace support;

constexpr std::size_t small_bytes = 48U << 10;
constexpr std::size_t short_bytes = 2000; // within one page, wherever it begins
constexpr std::size_t small_room_bytes = 64U << 10;
constexpr std::size_t large_room_bytes = (1U << 20) + (256U << 10); // more than one packet
constexpr std::size_t most_offset = 256;
constexpr std::uint64_t most_pieces = 12;
constexpr auto wait_step = 20ms;

/// Memory of both directions.
struct sides {
  explicit sides(std::size_t room) : out(room, 0), in(room, 0) {}

  guarded_memory out;
  guarded_memory in;
};

/// A send and the receive that gets it, with memory of their own.
class pair {
public:
  explicit pair(bool may_be_large = false) : may_be_large_(may_be_large) {}
  pair(const pair&) = delete;
  pair& operator=(const pair&) = delete;

  [[nodiscard]] bool idle() const { return outstanding_ == 0; }
  [[nodiscard]] std::span<std::byte> out() const { return sides_->out.data(); }
  [[nodiscard]] std::span<std::byte> in() const { return sides_->in.data(); }

  void begin(random_stream& random, raw_ring& ring, std::uint32_t index, const load& how);
  void completed(bool is_send, const pinring_cqe& cqe);
  /// What arrived is what was sent: looked at in a few places, for the sake of speed.
  [[nodiscard]] bool arrived() const;

private:
  void mark(std::uint64_t stamp);
  [[nodiscard]] pinring_sqe job(random_stream& random, std::uint8_t opcode, std::uint32_t index);

  bool may_be_large_;
  sides small_{small_room_bytes};
  std::optional<sides> large_; // made when it is first of use: filling it takes long
  const sides* sides_ = &small_;
  std::array<std::vector<pinring_iovec>, 2> pieces_;
  std::size_t offset_ = 0;
  std::size_t bytes_ = 0;
  std::uint32_t flags_ = 0;
  std::uint64_t stamp_ = 0;
  unsigned outstanding_ = 0;
  bool good_ = false;
};

constexpr std::uint64_t send_bit = 1U << 16;

/// Cuts into random pieces, none of them empty.
std::vector<pinring_iovec> cut(random_stream& random, std::span<std::byte> bytes) {
  std::vector<pinring_iovec> pieces;
  const auto most = std::min<std::uint64_t>(most_pieces, bytes.size());
  for (auto left = random.between(1, most); left > 0; --left) {
    const auto take = left == 1 ? bytes.size() : random.between(1, bytes.size() - left + 1);
    pieces.push_back(make_piece(bytes.first(take)));
    bytes = bytes.subspan(take);
  }
  return pieces;
}

std::array<std::size_t, 3> marks(std::size_t bytes) {
  const auto last = bytes - sizeof(std::uint64_t);
  return {0, last / 2, last};
}

void pair::mark(std::uint64_t stamp) {
  stamp_ = stamp;
  for (const auto at : marks(bytes_)) {
    std::memcpy(out().data() + offset_ + at, &stamp, sizeof(stamp));
    std::memset(in().data() + offset_ + at, 0, sizeof(stamp));
  }
}

bool pair::arrived() const {
  if (!good_)
    return true;
  return std::ranges::all_of(marks(bytes_), [&](std::size_t at) {
    return std::memcmp(in().data() + offset_ + at, out().data() + offset_ + at, sizeof(stamp_)) ==
           0;
  });
}

pinring_sqe pair::job(random_stream& random, std::uint8_t opcode, std::uint32_t index) {
  const bool is_send = opcode == PINRING_OP_SEND;
  const auto bytes = (is_send ? out() : in()).subspan(offset_, bytes_);
  const std::uint64_t user_data = index | (is_send ? send_bit : 0);
  const auto flags = is_send ? flags_ & ~PINRING_SQE_MAY_BE_SHORT : flags_;

  if (flags & PINRING_SQE_BUFFER)
    return make_registered(opcode, is_send ? 0 : 1, offset_, bytes_, user_data);
  if (flags & PINRING_SQE_IOVEC) {
    auto& list = pieces_[is_send];
    list = cut(random, bytes);
    return make_iovec(opcode, list, user_data);
  }
  return is_send ? make_send(bytes, user_data, flags) : make_recv(bytes, user_data, flags);
}

void pair::begin(random_stream& random, raw_ring& ring, std::uint32_t index, const load& how) {
  offset_ = random.below(most_offset);
  bytes_ = random.between(sizeof(std::uint64_t), small_bytes);
  flags_ = 0;
  sides_ = &small_;
  switch (random.below(5)) {
  case 0:
    if (may_be_large_) {
      sides_ = &(large_ ? *large_ : large_.emplace(large_room_bytes));
      bytes_ = large_room_bytes - most_offset - random.below(small_bytes);
      flags_ = PINRING_SQE_SPLIT;
    }
    break;
  case 1:
    flags_ = PINRING_SQE_IOVEC;
    break;
  case 2:
    flags_ = index == 0 ? std::uint32_t{PINRING_SQE_BUFFER} : 0;
    break;
  case 3:
    offset_ = 0;
    bytes_ = random.between(sizeof(std::uint64_t), short_bytes);
    flags_ = PINRING_SQE_MAY_BE_SHORT;
    break;
  default:
    break;
  }
  mark(random.next());
  good_ = !how.shared;
  outstanding_ = 2;
  for (const auto opcode : {PINRING_OP_RECV, PINRING_OP_SEND}) {
    auto sqe = job(random, static_cast<std::uint8_t>(opcode), index);
    sqe.deadline_ns = static_cast<std::uint64_t>(how.deadline.count());
    ring.push(sqe);
  }
}

void pair::completed(bool is_send, const pinring_cqe& cqe) {
  if (outstanding_ == 0)
    throw std::runtime_error("a completion too many");
  --outstanding_;
  // A receive after an error may get what was meant for the one before it.
  good_ = good_ && cqe.result == 0 && (is_send || cqe.bytes == bytes_);
}

/// One process' work.
class worker {
public:
  worker(const load& how, shared_state& state) : how_(how), state_(state), random_(how.seed) {}

  void run();

private:
  void set_up(raw_ring& ring) const;
  void take(const std::vector<pinring_cqe>& cqes);
  void see_off(raw_ring& ring);
  void judge(const pinring_cqe& cqe, bool is_send);

  const load& how_;
  shared_state& state_;
  random_stream random_;
  // The first one's memory is registered, the second one's is large.
  std::array<pair, 4> pairs_{pair(), pair(true), pair(), pair()};
  std::uint32_t outstanding_ = 0;
  bool in_step_ = true; // no error so far that a later receive may suffer from
};

void worker::set_up(raw_ring& ring) const {
  ring_options options;
  options.flags = how_.shared ? PINRING_SETUP_SHARED : 0;
  outcome result;
  if (!wait_until([&] { return (result = ring.setup(options)) != outcome{EBUSY}; }) ||
      !result.good())
    throw std::runtime_error(std::string("no ring: ") + std::strerror(result.error()));
}

void worker::judge(const pinring_cqe& cqe, bool is_send) {
  state_.jobs.fetch_add(1, std::memory_order_relaxed);
  if (cqe.result == 0)
    return;
  state_.errors.at(static_cast<std::size_t>(-cqe.result)).fetch_add(1, std::memory_order_relaxed);
  in_step_ = false;
  if (std::ranges::find(how_.allowed, -cqe.result) == how_.allowed.end())
    throw std::runtime_error(std::string(is_send ? "a send" : "a receive") + " ended with " +
                             std::strerror(-cqe.result));
}

void worker::take(const std::vector<pinring_cqe>& cqes) {
  for (const auto& cqe : cqes) {
    const bool is_send = (cqe.user_data & send_bit) != 0;
    const auto index = static_cast<std::uint32_t>(cqe.user_data & (send_bit - 1));
    auto& of = pairs_.at(index);
    of.completed(is_send, cqe);
    --outstanding_;
    judge(cqe, is_send);
    if (of.idle() && in_step_ && !of.arrived())
      throw std::runtime_error("what came is not what was sent");
  }
}

/// The device has gone: what it had taken over has an outcome all the same.
void worker::see_off(raw_ring& ring) {
  if (std::ranges::find(how_.allowed, ENODEV) == how_.allowed.end())
    throw std::runtime_error("the device is gone");
  outstanding_ -= ring.sq().tail - ring.sq().head;
  take(ring.wait(outstanding_));
}

void worker::run() {
  auto ring = raw_ring::open(how_.device);
  become_user();
  set_up(ring);
  ring.register_at(0, pairs_.front().out(), PINRING_DIR_SEND);
  ring.register_at(1, pairs_.front().in(), PINRING_DIR_RECV);
  ++state_.running;

  while (!state_.stop) {
    for (std::uint32_t i = 0; i < pairs_.size(); ++i)
      if (pairs_[i].idle() && random_.chance(70)) {
        pairs_[i].begin(random_, ring, i, how_);
        outstanding_ += 2;
      }
    const auto least = std::min(static_cast<std::uint32_t>(random_.below(3)), outstanding_);
    const auto result = ring.submit(least, wait_step).result;
    take(ring.reap());
    if (result == outcome{ENODEV})
      return see_off(ring);
    if (!result.good() && result != outcome{ETIME})
      throw std::runtime_error(std::string("ENTER: ") + std::strerror(result.error()));
  }
  // With jobs in flight: closing the ring ends them.
}

} // namespace

loads::loads() {
  void* at =
      ::mmap(nullptr, sizeof(*state_), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED)
    throw std::system_error(errno, std::generic_category(), "mmap");
  state_ = new (at) shared_state{};
}

loads::~loads() {
  state_->stop = true;
  processes_.clear();
  ::munmap(state_, sizeof(*state_));
}

void loads::start(const load& how) {
  processes_.push_back({std::make_unique<child>([&] {
                          worker(how, *state_).run();
                          return 0;
                        }),
                        false});
}

std::uint64_t loads::errors() const {
  return std::accumulate(state_->errors.begin(), state_->errors.end(), std::uint64_t{0});
}

void loads::add_errors_to(std::map<int, std::uint64_t>& sums) const {
  for (std::size_t error = 0; error < errnos; ++error)
    if (const auto n = state_->errors[error].load())
      sums[static_cast<int>(error)] += n;
}

void loads::await_jobs(std::uint64_t more, std::uint64_t more_errors) const {
  const auto enough = state_->jobs + more;
  const auto enough_errors = errors() + more_errors;
  if (!wait_until([&] {
        return state_->running == processes_.size() && state_->jobs >= enough &&
               errors() >= enough_errors;
      }))
    throw std::runtime_error("only " + std::to_string(state_->running) + " of " +
                             std::to_string(processes_.size()) + " processes have a ring, or " +
                             std::to_string(state_->jobs) + " jobs and " +
                             std::to_string(errors()) + " errors are all there is");
}

void loads::kill(std::size_t n) {
  processes_.at(n).killed = true;
  processes_.at(n).body->kill();
}

void loads::end() {
  std::size_t wrong = 0;
  for (auto& each : processes_)
    wrong += each.body->wait() != (each.killed ? child::killed : 0);
  processes_.clear();
  if (wrong)
    throw std::runtime_error(std::to_string(wrong) +
                             " processes have found something wrong, or did not end");
}

} // namespace sweep
