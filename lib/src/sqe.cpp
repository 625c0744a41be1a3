// SPDX-License-Identifier: MIT
#include "sqe.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace dma::detail {
namespace {

// The public names have the values of pinring.h, so that flags travel unchanged.
constexpr bool same(auto ours, auto theirs) {
  return static_cast<std::uint64_t>(ours) == static_cast<std::uint64_t>(theirs);
}
static_assert(same(direction::send, PINRING_DIR_SEND));
static_assert(same(direction::receive, PINRING_DIR_RECV));
static_assert(same(completion_flags::bounced, PINRING_CQE_BOUNCED));
static_assert(same(completion_flags::short_packet, PINRING_CQE_SHORT));
static_assert(same(completion_flags::truncated, PINRING_CQE_TRUNCATED));
static_assert(same(completion_flags::collateral, PINRING_CQE_COLLATERAL));
static_assert(same(completion_flags::more, PINRING_CQE_MORE));
static_assert(same(provider_result::none, PINRING_PROVIDER_NONE));
static_assert(same(provider_result::ok, PINRING_PROVIDER_OK));
static_assert(same(provider_result::read_failed, PINRING_PROVIDER_READ_FAILED));
static_assert(same(provider_result::write_failed, PINRING_PROVIDER_WRITE_FAILED));
static_assert(same(provider_result::aborted, PINRING_PROVIDER_ABORTED));
static_assert(same(feature::split, PINRING_FEAT_SPLIT));
static_assert(same(feature::window, PINRING_FEAT_WINDOW));
static_assert(same(feature::list, PINRING_FEAT_IOVEC));
static_assert(same(feature::buffers, PINRING_FEAT_BUFFERS));
static_assert(same(feature::eventfd, PINRING_FEAT_EVENTFD));
static_assert(same(feature::withdraw, PINRING_FEAT_WITHDRAW));
static_assert(same(feature::abort, PINRING_FEAT_ABORT));
static_assert(same(feature::drain, PINRING_FEAT_DRAIN));
static_assert(same(feature::batch, PINRING_FEAT_BATCH));
static_assert(same(feature::bounce, PINRING_FEAT_BOUNCE));
static_assert(same(feature::gather, PINRING_FEAT_GATHER));
static_assert(same(feature::app_words, PINRING_FEAT_APP_WORDS));
static_assert(same(feature::timestamp, PINRING_FEAT_TIMESTAMP));
static_assert(same(feature::sequence, PINRING_FEAT_SEQUENCE));
static_assert(same(feature::uring_cmd, PINRING_FEAT_URING_CMD));

void set_deadline(pinring_sqe& sqe, deadline d) noexcept {
  const encoded_deadline e = encode(d);
  sqe.deadline_ns = e.ns;
  if (e.absolute)
    sqe.flags |= PINRING_SQE_ABS_DEADLINE;
}

// The kernel ends its strings itself; a device that does not is not read past their end.
template <std::size_t N>
std::string text(const char (&field)[N]) {
  return {field, std::find(field, field + N, '\0')};
}

} // namespace

encoded_deadline encode(deadline d) noexcept {
  switch (d.what()) {
  case deadline::kind::standard:
    return {};
  case deadline::kind::never:
    return {PINRING_DEADLINE_NONE, false};
  case deadline::kind::relative:
    return {d.count_ns(), false};
  case deadline::kind::absolute:
    return {d.count_ns(), true};
  }
  return {};
}

pinring_sqe make_send(std::uint64_t user_data, const send_options& options) noexcept {
  pinring_sqe sqe = make_plain(PINRING_OP_SEND, user_data);
  sqe.flags = (options.split ? PINRING_SQE_SPLIT : 0) | (options.gather ? PINRING_SQE_GATHER : 0) |
              (options.zero_copy ? PINRING_SQE_ZERO_COPY : 0);
  set_deadline(sqe, options.deadline);
  return sqe;
}

pinring_sqe make_receive(std::uint64_t user_data, const receive_options& options) noexcept {
  pinring_sqe sqe = make_plain(PINRING_OP_RECV, user_data);
  sqe.flags = (options.split ? PINRING_SQE_SPLIT : 0) |
              (options.may_be_short ? PINRING_SQE_MAY_BE_SHORT : 0) |
              (options.batch ? PINRING_SQE_BATCH : 0) | (options.gather ? PINRING_SQE_GATHER : 0) |
              (options.zero_copy ? PINRING_SQE_ZERO_COPY : 0);
  set_deadline(sqe, options.deadline);
  return sqe;
}

void set_memory(pinring_sqe& sqe, const void* data, std::uint64_t bytes) noexcept {
  sqe.flags &= ~PINRING_SQE_GATHER;
  sqe.addr = reinterpret_cast<std::uintptr_t>(data);
  sqe.len = bytes;
}

void set_memory(pinring_sqe& sqe, registered_range range) noexcept {
  sqe.flags &= ~PINRING_SQE_GATHER;
  sqe.flags |= PINRING_SQE_BUFFER;
  sqe.buffer = range.index;
  sqe.offset = range.offset;
  sqe.len = range.length;
}

void set_list(pinring_sqe& sqe, const ::iovec* list, std::size_t pieces) noexcept {
  sqe.flags |= PINRING_SQE_IOVEC;
  sqe.addr = reinterpret_cast<std::uintptr_t>(list);
  sqe.len = pieces;
}

pinring_sqe make_cancel(std::uint64_t job, std::uint64_t user_data, bool abort) noexcept {
  pinring_sqe sqe = make_plain(PINRING_OP_CANCEL, user_data);
  sqe.addr = job;
  sqe.flags = abort ? PINRING_SQE_ABORT : 0;
  return sqe;
}

pinring_sqe make_cancel_all(std::uint64_t user_data, bool abort) noexcept {
  pinring_sqe sqe = make_plain(PINRING_OP_CANCEL, user_data);
  sqe.flags = PINRING_SQE_ALL | (abort ? PINRING_SQE_ABORT : 0);
  return sqe;
}

pinring_sqe make_plain(std::uint8_t opcode, std::uint64_t user_data) noexcept {
  pinring_sqe sqe{};
  sqe.opcode = opcode;
  sqe.user_data = user_data;
  return sqe;
}

completion decode(const pinring_cqe& cqe) noexcept {
  return {.user_data = cqe.user_data,
          .error = error_from_errno(-cqe.result),
          .bytes = cqe.bytes,
          .flags = static_cast<completion_flags>(cqe.flags),
          .provider = static_cast<provider_result>(cqe.provider_result)};
}

device_info decode(const pinring_info& info, std::string path) {
  device_info d;
  d.path = std::move(path);
  d.name = text(info.name);
  d.provider = text(info.provider);
  d.driver_version = text(info.driver_version);
  d.abi = info.abi;
  d.features = info.features;
  d.directions = static_cast<direction>(info.directions);
  d.simulator = info.flags & PINRING_INFO_SIMULATOR;
  d.coherent = info.flags & PINRING_INFO_COHERENT;
  d.may_bounce = info.flags & PINRING_INFO_MAY_BOUNCE;
  d.exact_short = info.flags & PINRING_INFO_EXACT_SHORT;
  d.deep_receives = info.flags & PINRING_INFO_DEEP_RECV;
  d.dead = info.flags & PINRING_INFO_DEAD;
  d.send_alignment = info.send_align;
  d.receive_alignment = info.recv_align;
  d.cache_line = info.cacheline;
  d.max_bd_bytes = info.max_bd_bytes;
  d.send_bds = info.send_bds;
  d.receive_bds = info.recv_bds;
  d.chunk = info.chunk;
  d.send_deadline = info.send_deadline_ns == 0 || info.send_deadline_ns > INT64_MAX
                        ? std::chrono::nanoseconds::max()
                        : std::chrono::nanoseconds{info.send_deadline_ns};
  d.max_job_bytes = info.max_job_bytes;
  d.max_buffer_bytes = info.max_buffer_bytes;
  d.max_pieces = info.max_iov;
  d.max_buffers = info.max_buffers;
  d.max_sq_entries = info.max_sq_entries;
  d.max_cq_entries = info.max_cq_entries;
  d.max_jobs = info.max_jobs;
  d.max_rings = info.max_rings;
  d.max_user_rings = info.max_user_rings;
  d.max_pinned_bytes = info.max_pinned_bytes;
  d.receive_depth = info.recv_depth;
  return d;
}

} // namespace dma::detail
