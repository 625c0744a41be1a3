// SPDX-License-Identifier: MIT
#include "ledger.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace fuzz {
namespace {

// What uapi/pinring.h lists, less what concerns a call, a file or a wait only. ENODEV would mean
// that the device died of what was done to it.
constexpr std::array errors_of_a_job = {EINVAL,   EFAULT,  EOPNOTSUPP, ENOMEM,    EDQUOT,
                                        EMSGSIZE, ENOENT,  EALREADY,   ECANCELED, ETIMEDOUT,
                                        EIO,      EBADMSG, ECONNRESET};

constexpr std::uint32_t known_flags =
    PINRING_CQE_BOUNCED | PINRING_CQE_SHORT | PINRING_CQE_TRUNCATED | PINRING_CQE_COLLATERAL;

std::string text_of(const pinring_cqe& cqe) {
  return "result " + std::to_string(cqe.result) + ", " + std::to_string(cqe.bytes) +
         " bytes, flags " + std::to_string(cqe.flags);
}

} // namespace

std::uint64_t ledger::some_user_data(support::random_stream& random) const {
  const auto back = random.small(std::min<std::uint64_t>(entries_.size(), 64));
  return tag | (entries_.size() - back);
}

void ledger::published(const sentence& what) {
  entries_.push_back({what.bytes, what.sqe.flags, what.sqe.opcode, what.well_formed, false});
}

kind ledger::kind_of(const pinring_cqe& cqe) const {
  const auto index = cqe.user_data & ~tag;
  if (index >= entries_.size() || !entries_[index].well_formed)
    return kind::malformed;
  switch (entries_[index].opcode) {
  case PINRING_OP_SEND:
    return kind::send;
  case PINRING_OP_RECV:
    return kind::recv;
  case PINRING_OP_CANCEL:
    return kind::cancel;
  case PINRING_OP_DRAIN:
    return kind::drain;
  default:
    return kind::nop;
  }
}

std::string ledger::completed(const pinring_cqe& cqe) {
  const auto index = static_cast<std::size_t>(cqe.user_data & ~tag);
  if ((cqe.user_data & tag) != tag || index >= entries_.size())
    return "a completion for a user_data that was never submitted: " +
           std::to_string(cqe.user_data) + ", " + text_of(cqe);
  if (entries_[index].done)
    return "a second completion for job " + std::to_string(index) + ": " + text_of(cqe);

  auto wrong = check(index, cqe);
  entries_[index].done = true;
  ++done_;
  while (all_done_ < entries_.size() && entries_[all_done_].done)
    ++all_done_;
  if (wrong.empty())
    return {};
  const auto& of = entries_[index];
  return "job " + std::to_string(index) + ", opcode " + std::to_string(of.opcode) + ", flags " +
         std::to_string(of.flags) + ", " + std::to_string(of.bytes) + " bytes: " + wrong + " (" +
         text_of(cqe) + ")";
}

std::string ledger::check(std::size_t index, const pinring_cqe& cqe) const {
  const auto& of = entries_[index];
  if (cqe.result > 0)
    return "a result above 0";
  if (cqe.result && std::ranges::find(errors_of_a_job, -cqe.result) == errors_of_a_job.end())
    return std::string("an error that no job has: ") + std::strerror(-cqe.result);
  if (cqe.flags & ~known_flags)
    return "flags that are not available";
  if (cqe.timestamp_ns || cqe.sequence ||
      std::ranges::any_of(cqe.app, [](auto word) { return word != 0; }))
    return "a field that is to be 0";
  if (!of.well_formed)
    return {};

  switch (of.opcode) {
  case PINRING_OP_NOP:
    return cqe.result || cqe.bytes ? "a NOP does nothing" : "";
  case PINRING_OP_DRAIN:
    if (cqe.result || cqe.bytes)
      return "a DRAIN does nothing";
    return all_done_ < index ? "a DRAIN before job " + std::to_string(all_done_) : "";
  case PINRING_OP_CANCEL:
    if (cqe.result == -EOPNOTSUPP && (of.flags & PINRING_SQE_ABORT))
      return ""; // others have a claim
    if (cqe.result && cqe.result != -ENOENT && cqe.result != -EALREADY)
      return "an error that no CANCEL has";
    return cqe.bytes > index ? "more jobs cancelled than there are" : "";
  default:
    return check_moved(of, cqe);
  }
}

std::string ledger::check_moved(const entry& of, const pinring_cqe& cqe) const {
  if (cqe.bytes > of.bytes)
    return "more bytes than the job has";
  if (cqe.result == 0 && cqe.bytes != of.bytes && !(of.flags & PINRING_SQE_MAY_BE_SHORT))
    return "success, and not all bytes";
  if (cqe.result == 0 && cqe.bytes < of.bytes && !(cqe.flags & PINRING_CQE_SHORT))
    return "short without the flag that says so";
  if ((cqe.flags & PINRING_CQE_COLLATERAL) && cqe.result != -ECONNRESET)
    return "collateral with another error";
  return {};
}

} // namespace fuzz
