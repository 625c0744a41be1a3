// SPDX-License-Identifier: MIT
#include "fake_kernel.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include <sys/uio.h>

namespace test {

fake_ring::fake_ring(const pinring_setup& s, std::uint32_t first_index)
    : setup{s}, sq_head{first_index}, cq_tail{first_index} {
  storage_ = std::make_unique<std::uint64_t[]>(setup.ring_bytes / 8);
  memory = storage_.get();
  sq().head = sq().tail = first_index;
  cq().head = cq().tail = first_index;
}

pinring_sq& fake_ring::sq() const {
  return *reinterpret_cast<pinring_sq*>(static_cast<std::byte*>(memory) + setup.sq_offset);
}
pinring_cq& fake_ring::cq() const {
  return *reinterpret_cast<pinring_cq*>(static_cast<std::byte*>(memory) + setup.cq_offset);
}
pinring_sqe* fake_ring::sqes() const {
  return reinterpret_cast<pinring_sqe*>(static_cast<std::byte*>(memory) + setup.sqes_offset);
}
pinring_cqe* fake_ring::cqes() const {
  return reinterpret_cast<pinring_cqe*>(static_cast<std::byte*>(memory) + setup.cqes_offset);
}

void fake_ring::post(std::uint64_t user_data, int result, std::uint64_t bytes,
                     std::uint32_t flags) {
  pinring_cqe cqe{};
  cqe.user_data = user_data;
  cqe.result = result;
  cqe.bytes = bytes;
  cqe.flags = flags;
  overflow.push_back(cqe);
  if (overflow.size() == 1)
    flush();
  if (!overflow.empty())
    cq().flags = PINRING_CQ_OVERFLOW;
}

void fake_ring::flush() {
  while (!overflow.empty() && ready() < setup.cq_entries) {
    cqes()[cq_tail & (setup.cq_entries - 1)] = overflow.front();
    overflow.pop_front();
    cq().tail = ++cq_tail;
  }
  if (overflow.empty())
    cq().flags = 0;
}

fake_job* fake_ring::find(std::uint64_t user_data) {
  const auto at =
      std::ranges::find_if(jobs, [&](const fake_job& j) { return j.sqe.user_data == user_data; });
  return at == jobs.end() ? nullptr : &*at;
}

void fake_ring::finish(std::uint64_t user_data, int result, std::uint64_t bytes,
                       std::uint32_t flags) {
  const auto at =
      std::ranges::find_if(jobs, [&](const fake_job& j) { return j.sqe.user_data == user_data; });
  if (at == jobs.end())
    throw std::logic_error{"the script finishes a job that is not there"};
  jobs.erase(at);
  post(user_data, result, bytes, flags);
}

fake_kernel::fake_kernel() {
  dma::detail::replace_system_calls(this);
}
fake_kernel::~fake_kernel() {
  dma::detail::replace_system_calls(nullptr);
}

fake_kernel::device& fake_kernel::add_device(const std::string& name) {
  device d;
  pinring_info& i = d.info;
  i.size = sizeof i;
  i.abi = PINRING_ABI_VERSION;
  i.features = PINRING_FEAT_SPLIT | PINRING_FEAT_IOVEC | PINRING_FEAT_BUFFERS;
  i.directions = PINRING_DIR_SEND | PINRING_DIR_RECV;
  i.flags = PINRING_INFO_SIMULATOR;
  i.send_align = i.recv_align = i.cacheline = 1;
  i.chunk = 1 << 20;
  i.send_deadline_ns = 10'000'000'000;
  i.max_job_bytes = 1ULL << 40;
  i.max_buffers = 64;
  std::snprintf(i.name, sizeof i.name, "%s", name.c_str());
  std::snprintf(i.provider, sizeof i.provider, "fake");
  std::snprintf(i.driver_version, sizeof i.driver_version, "1.2.3");
  return devices["/dev/pinring" + std::to_string(devices.size())] = d;
}

fake_ring& fake_kernel::ring() {
  for (auto f = files_.rbegin(); f != files_.rend(); ++f)
    if (f->second.ring)
      return *f->second.ring;
  throw std::logic_error{"no ring is open"};
}

std::vector<std::string> fake_kernel::nodes() {
  std::vector<std::string> paths;
  for (const auto& [path, d] : devices)
    paths.push_back(path);
  return paths;
}

int fake_kernel::open(const char* path) {
  const auto d = devices.find(path);
  if (d == devices.end())
    return -ENOENT;
  if (d->second.open_error)
    return -d->second.open_error;
  files_[next_fd_] = {.path = path, .ring = nullptr};
  return next_fd_++;
}

void fake_kernel::close(int fd) {
  const file& f = files_.at(fd);
  if (f.ring && f.ring->mapped)
    ++closed_while_mapped;
  files_.erase(fd);
}

int fake_kernel::map(int fd, std::size_t bytes, void** where) {
  fake_ring& r = *files_.at(fd).ring;
  if (bytes != r.setup.ring_bytes)
    return -EINVAL;
  r.mapped = true;
  *where = r.memory;
  return 0;
}

void fake_kernel::unmap(void* where, std::size_t) {
  ++unmaps;
  for (auto& [fd, f] : files_)
    if (f.ring && f.ring->memory == where)
      f.ring->mapped = false;
}

int fake_kernel::poll(::pollfd* fds, unsigned count) {
  if (on_wait && ready_of(fds[0].fd) == 0)
    on_wait(ring());
  const bool readable = ready_of(fds[0].fd) > 0;
  fds[0].revents = readable ? POLLIN : 0;
  const int others = count > 1 ? ::poll(fds + 1, count - 1, readable ? 0 : 5000) : 0;
  return (readable ? 1 : 0) + others;
}

std::uint32_t fake_kernel::ready_of(int fd) {
  fake_ring& r = *files_.at(fd).ring;
  r.flush();
  return r.ready();
}

int fake_kernel::ioctl(int fd, unsigned long request, void* argument) {
  ++calls[request];
  if (auto& script = errors[request]; !script.empty()) {
    const int error = script.front();
    script.pop_front();
    if (error)
      return -error;
  }
  file& f = files_.at(fd);
  if (request == PINRING_IOC_INFO) {
    auto* const into = static_cast<pinring_info*>(argument);
    *into = devices.at(f.path).info;
    return 0;
  }
  if (request == PINRING_IOC_SETUP)
    return set_up(f, *static_cast<pinring_setup*>(argument));
  if (!f.ring)
    return -ENXIO;
  switch (request) {
  case PINRING_IOC_ENTER:
    return enter(*f.ring, *static_cast<pinring_enter*>(argument));
  case PINRING_IOC_BUFFER_ADD:
    return add(*f.ring, *static_cast<pinring_buffer*>(argument));
  case PINRING_IOC_BUFFER_REMOVE:
    return remove(*f.ring, *static_cast<pinring_buffer*>(argument));
  case PINRING_IOC_EVENTFD:
    return 0;
  default:
    return -ENOTTY;
  }
}

int fake_kernel::set_up(file& f, pinring_setup& setup) {
  if (setup.directions & ~devices.at(f.path).info.directions)
    return -EOPNOTSUPP;
  if (setup.sq_entries == 0)
    return -EINVAL;
  for (const auto& [fd, other] : files_)
    if (other.ring && other.path == f.path && (other.ring->setup.directions & setup.directions) &&
        !(other.ring->setup.flags & setup.flags & PINRING_SETUP_SHARED))
      return -EBUSY;
  setups.push_back(setup);
  setup.sq_entries = std::bit_ceil(setup.sq_entries);
  setup.cq_entries = setup.cq_entries ? std::bit_ceil(setup.cq_entries) : 2 * setup.sq_entries;
  setup.sq_offset = 0;
  setup.cq_offset = sizeof(pinring_sq);
  setup.sqes_offset = setup.cq_offset + sizeof(pinring_cq);
  setup.cqes_offset =
      setup.sqes_offset + setup.sq_entries * static_cast<std::uint32_t>(sizeof(pinring_sqe));
  setup.ring_bytes = setup.cqes_offset + setup.cq_entries * sizeof(pinring_cqe);
  f.ring = std::make_unique<fake_ring>(setup, first_index);
  return 0;
}

int fake_kernel::enter(fake_ring& r, pinring_enter& e) {
  enters.push_back(e);
  r.flush();
  int signal_after = -1;
  if (!signals.empty()) {
    signal_after = signals.front();
    signals.pop_front();
  }
  if (r.sq().tail - r.sq_head > r.setup.sq_entries)
    return -EPROTO;
  while (e.submitted < e.to_submit && r.sq_head != r.sq().tail &&
         static_cast<int>(e.submitted) != signal_after) {
    const pinring_sqe sqe = r.sqes()[r.sq_head & (r.setup.sq_entries - 1)];
    r.sq().head = ++r.sq_head;
    ++e.submitted;
    take(r, sqe);
  }
  if (signal_after >= 0)
    return -EINTR;
  while (r.ready() < e.min_complete && !(r.jobs.empty() && r.overflow.empty())) {
    if (on_wait && on_wait(r))
      continue;
    // A real kernel would sleep for ever without a deadline.
    return e.deadline_ns == 0 || e.deadline_ns == PINRING_DEADLINE_NONE ? -EDEADLK : -ETIME;
  }
  return 0;
}

void fake_kernel::take(fake_ring& r, const pinring_sqe& sqe) {
  r.consumed.push_back(sqe);
  switch (sqe.opcode) {
  case PINRING_OP_NOP:
  case PINRING_OP_DRAIN:
    r.post(sqe.user_data, 0);
    return;
  case PINRING_OP_CANCEL:
    cancel(r, sqe);
    return;
  default:
    break;
  }
  fake_job job{.sqe = sqe, .pieces = {}, .started = false};
  if (sqe.flags & PINRING_SQE_IOVEC) {
    const auto* const list = reinterpret_cast<const ::iovec*>(sqe.addr);
    for (std::uint64_t i = 0; i < sqe.len; ++i)
      job.pieces.emplace_back(static_cast<std::byte*>(list[i].iov_base), list[i].iov_len);
  } else if (!(sqe.flags & PINRING_SQE_BUFFER)) {
    job.pieces.emplace_back(reinterpret_cast<std::byte*>(sqe.addr), sqe.len);
  }
  r.jobs.push_back(job);
  if (on_job)
    on_job(r, r.jobs.back());
}

void fake_kernel::cancel(fake_ring& r, const pinring_sqe& sqe) const {
  const bool all = sqe.flags & PINRING_SQE_ALL;
  const bool abort = sqe.flags & PINRING_SQE_ABORT;
  if (abort && (!may_abort || (r.setup.flags & PINRING_SETUP_SHARED))) {
    r.post(sqe.user_data, -EOPNOTSUPP);
    return;
  }
  int result = all ? 0 : -ENOENT;
  std::uint64_t ended = 0;
  bool reset = false;
  for (std::size_t i = 0; i < r.jobs.size() && (all || !ended);) {
    const std::uint64_t user_data = r.jobs[i].sqe.user_data;
    if (!all && user_data != sqe.addr) {
      ++i;
    } else if (r.jobs[i].started && !abort) {
      result = all ? 0 : -EALREADY;
      ++i;
    } else {
      reset |= r.jobs[i].started;
      r.finish(user_data, -ECANCELED);
      ++ended;
    }
  }
  for (std::size_t i = 0; reset && i < r.jobs.size();) {
    if (r.jobs[i].started)
      r.finish(r.jobs[i].sqe.user_data, -ECONNRESET, 0, PINRING_CQE_COLLATERAL);
    else
      ++i;
  }
  r.post(sqe.user_data, ended ? 0 : result, ended);
}

int fake_kernel::add(fake_ring& r, pinring_buffer& b) {
  if (b.flags & PINRING_BUFFER_ANY_INDEX) {
    b.index = 0;
    while (r.buffers.contains(b.index))
      ++b.index;
  } else if (r.buffers.contains(b.index)) {
    return -EEXIST;
  }
  r.buffers[b.index] = b;
  return 0;
}

int fake_kernel::remove(fake_ring& r, pinring_buffer& b) {
  removed.push_back(b);
  if (!removes.empty()) {
    const int error = removes.front();
    removes.pop_front();
    if (error)
      return -error;
  }
  return r.buffers.erase(b.index) ? 0 : -ENOENT;
}

void loop_back(fake_ring& r, fake_job& job) {
  job.started = true;
  const auto of = [&](std::uint8_t opcode) {
    return std::ranges::find_if(r.jobs, [&](const fake_job& j) { return j.sqe.opcode == opcode; });
  };
  const auto send = of(PINRING_OP_SEND);
  const auto receive = of(PINRING_OP_RECV);
  if (send == r.jobs.end() || receive == r.jobs.end())
    return;
  std::vector<std::byte> stream;
  for (const auto& [data, bytes] : send->pieces)
    stream.insert(stream.end(), data, data + bytes);
  std::size_t moved = 0;
  for (const auto& [data, bytes] : receive->pieces) {
    const std::size_t n = std::min(bytes, stream.size() - moved);
    if (n)
      std::memcpy(data, stream.data() + moved, n);
    moved += n;
  }
  const std::uint64_t sender = send->sqe.user_data;
  const std::uint64_t receiver = receive->sqe.user_data;
  r.finish(receiver, 0, moved);
  r.finish(sender, 0, stream.size());
}

} // namespace test
