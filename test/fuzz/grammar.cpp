// SPDX-License-Identifier: MIT
#include "grammar.hpp"

#include <algorithm>

#include "support/sqe.hpp"
#include "support/wait.hpp"

namespace fuzz {
namespace {

std::uint64_t now_ns() {
  return static_cast<std::uint64_t>(support::clock::now().time_since_epoch().count());
}

} // namespace

grammar::grammar(const pinring_info& info, arena& memory, const temper& kind,
                 std::uint32_t sq_entries)
    : info_(info), memory_(memory), temper_(kind),
      align_(std::max({info.send_align, info.recv_align, info.cacheline})), arrays_(sq_entries) {}

std::uint64_t grammar::deadline(support::random_stream& random, std::uint32_t& flags) const {
  if (random.chance(temper_.endless_percent))
    return random.chance(50) ? 0 : PINRING_DEADLINE_NONE;
  auto ns = random.between(temper_.shortest_deadline_ns, temper_.longest_deadline_ns);
  if (random.chance(5)) {
    flags |= PINRING_SQE_ABS_DEADLINE;
    ns += now_ns() - random.small(2'000'000); // which may be over already
  }
  return ns;
}

void grammar::pieces(support::random_stream& random, sentence& of, std::uint32_t index,
                     std::uint64_t length) {
  auto& array = arrays_[index % arrays_.size()];
  const auto count = random.between(1, most_pieces);
  of.bytes = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const auto some = memory_.some(random, std::max<std::uint64_t>(length / count, 1),
                                   random.chance(70) ? align_ : 1);
    array[i] = support::make_piece(some);
    of.bytes += array[i].len;
  }
  of.sqe.flags |= PINRING_SQE_IOVEC;
  of.sqe.addr = reinterpret_cast<std::uint64_t>(array.data());
  of.sqe.len = count;
}

sentence grammar::transfer(support::random_stream& random, std::uint8_t opcode, std::uint32_t index,
                           std::uint64_t length) {
  sentence result;
  auto& sqe = result.sqe;
  sqe.opcode = opcode;
  const auto way = random.below(100);
  if (way < 20) {
    pieces(random, result, index, length);
  } else if (way < 40) {
    const auto which = static_cast<std::uint32_t>(random.below(buffers));
    const auto whole = registered_[which];
    sqe.flags |= PINRING_SQE_BUFFER;
    sqe.buffer = which;
    sqe.len = std::max<std::uint64_t>(std::min(length, whole) / align_ * align_, align_);
    sqe.offset = whole > sqe.len ? random.below(whole - sqe.len) / align_ * align_ : 0;
    result.bytes = sqe.len;
  } else if (way < 43 && !extra_.empty()) {
    sqe.addr = reinterpret_cast<std::uint64_t>(extra_.data());
    sqe.len = 1 + random.below(extra_.size());
    result.bytes = sqe.len;
  } else {
    const auto some = memory_.some(random, length, random.chance(70) ? align_ : 1);
    sqe.addr = reinterpret_cast<std::uint64_t>(some.data());
    sqe.len = some.size();
    result.bytes = sqe.len;
  }
  if (random.chance(15))
    sqe.flags |= PINRING_SQE_SPLIT;
  if (random.chance(5))
    sqe.flags |= PINRING_SQE_ZERO_COPY;
  if ((sqe.flags & PINRING_SQE_IOVEC) && random.chance(50))
    sqe.flags |= PINRING_SQE_GATHER;
  if (opcode == PINRING_OP_RECV && random.chance(80))
    sqe.flags |= PINRING_SQE_MAY_BE_SHORT;
  if (opcode == PINRING_OP_RECV && random.chance(10))
    sqe.flags |= PINRING_SQE_BATCH;
  sqe.deadline_ns = deadline(random, sqe.flags);
  return result;
}

// One thing, so that the check behind it is what is asked.
void grammar::spoil(support::random_stream& random, sentence& what) const {
  auto& sqe = what.sqe;
  what.well_formed = false;
  switch (random.below(12)) {
  case 0:
    sqe.opcode = static_cast<std::uint8_t>(random.next());
    break;
  case 1:
    sqe.reserved0 = static_cast<std::uint8_t>(random.next());
    break;
  case 2:
    sqe.reserved1 = static_cast<std::uint16_t>(random.next());
    break;
  case 3:
    sqe.flags ^= 1U << random.below(12);
    break;
  case 4:
    sqe.flags = static_cast<std::uint32_t>(random.edge());
    break;
  case 5:
    // What is not the arena's is nobody's: the kernel's half, or nothing at all.
    sqe.addr = random.chance(50) ? memory_.address(random) : ~random.below(1ULL << 40);
    break;
  case 6:
    sqe.len = random.edge();
    break;
  case 7:
    sqe.offset = random.edge();
    break;
  case 8:
    sqe.deadline_ns = random.edge();
    break;
  case 9:
    sqe.buffer = static_cast<std::uint32_t>(random.edge());
    break;
  case 10:
    sqe.reserved2 = static_cast<std::uint32_t>(random.edge());
    break;
  default:
    sqe.app_words = random.chance(50) ? memory_.address(random) : random.edge();
    break;
  }
  // Its end must still be near, where the others' is.
  if (temper_.endless_percent == 0 && sqe.deadline_ns &&
      (sqe.deadline_ns > now_ns() + temper_.longest_deadline_ns ||
       !(sqe.flags & PINRING_SQE_ABS_DEADLINE)))
    sqe.deadline_ns = 1 + sqe.deadline_ns % temper_.longest_deadline_ns;
}

sentence grammar::make(support::random_stream& random, std::uint32_t index, std::uint64_t user_data,
                       std::uint64_t some_other) {
  sentence result;
  const auto way = random.below(100);

  if (announced_ && way < 90) {
    result = transfer(random, PINRING_OP_SEND, index, announced_);
    announced_ = 0;
  } else if (way < 45) {
    result.sqe = support::make_nop(0);
  } else if (way < 70) {
    const auto length = 1 + random.small(temper_.longest_job);
    result = transfer(random, PINRING_OP_RECV, index, 2 * length);
    announced_ = std::min(length, result.bytes);
  } else if (way < 76) {
    result = transfer(random, PINRING_OP_SEND, index, 1 + random.small(temper_.longest_job));
  } else if (way < 82) {
    // An abort takes as long as many jobs.
    result.sqe =
        random.chance(1) ? support::make_abort(some_other, 0) : support::make_cancel(some_other, 0);
  } else if (way < 86) {
    result.sqe = support::make_drain(0);
  } else if (way < 87 && random.chance(25)) {
    result.sqe = random.chance(10) ? support::make_abort_all(0) : support::make_cancel_all(0);
  } else {
    result.sqe = support::make_nop(0);
  }
  if (random.chance(temper_.spoiled_percent))
    spoil(random, result);
  result.sqe.user_data = user_data;
  return result;
}

} // namespace fuzz
