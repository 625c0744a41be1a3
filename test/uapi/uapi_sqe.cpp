// SPDX-License-Identifier: MIT
//
// What an SQE's fields and flags may not be, one thing wrong at a time. The memory behind it is
// uapi_memory's part.
#include "catch.hpp"

#include <string>
#include <vector>

#include "rejection.hpp"
#include "support/loop.hpp"
#include "support/needs.hpp"

using namespace support;

namespace {

const auto needed = support::needs{{"loop0", "align8", "tiny0", "sink0", "source0"}};

constexpr std::uint32_t flags_of_send = PINRING_SQE_SPLIT | PINRING_SQE_IOVEC | PINRING_SQE_BUFFER |
                                        PINRING_SQE_ABS_DEADLINE | PINRING_SQE_ZERO_COPY |
                                        PINRING_SQE_GATHER | PINRING_SQE_APP_WORDS;
constexpr std::uint32_t flags_of_recv =
    PINRING_SQE_SPLIT | PINRING_SQE_MAY_BE_SHORT | PINRING_SQE_IOVEC | PINRING_SQE_BUFFER |
    PINRING_SQE_ABS_DEADLINE | PINRING_SQE_BATCH | PINRING_SQE_ZERO_COPY | PINRING_SQE_GATHER;
constexpr std::uint32_t flags_of_cancel = PINRING_SQE_ABORT | PINRING_SQE_ALL;

struct sample {
  std::string name;
  pinring_sqe sqe;
  std::uint32_t allowed;
};

/// A valid SQE of each opcode.
std::vector<sample> samples(const guarded_memory& memory) {
  return {
      {"NOP", make_nop(0), 0},
      {"SEND", make_send(memory.data(), 0), flags_of_send},
      {"RECV", make_recv(memory.data(), 0), flags_of_recv},
      {"CANCEL", make_cancel_all(0), flags_of_cancel},
      {"DRAIN", make_drain(0), 0},
  };
}

/// One row per opcode that this concerns, made by changing its sample.
template <typename Spoil>
std::vector<rejection> each(const std::vector<sample>& from, const std::string& field,
                            Spoil&& spoil) {
  std::vector<rejection> rows;
  for (const auto& s : from)
    rows.push_back(spoiled(s.name + " with " + field, s.sqe, spoil));
  return rows;
}

std::vector<sample> only(std::vector<sample> all, std::initializer_list<const char*> names) {
  std::erase_if(all,
                [&](const sample& s) { return std::ranges::find(names, s.name) == names.end(); });
  return all;
}

} // namespace

TEST_CASE("An opcode that does not exist is EINVAL and stops nothing behind it") {
  raw_ring ring("loop0");

  std::vector<rejection> rows;
  for (const auto opcode : {5, 6, 127, 128, 255})
    rows.push_back({"opcode " + std::to_string(opcode),
                    make_sqe(static_cast<std::uint8_t>(opcode), 0), EINVAL});
  check_all(ring, rows);
}

TEST_CASE("Each reserved field must be zero in every opcode") {
  raw_ring ring("loop0");
  const guarded_memory memory(1000);
  const auto all = samples(memory);

  check_all(ring, each(all, "reserved0", [](pinring_sqe& s) { s.reserved0 = 1; }));
  check_all(ring, each(all, "reserved1", [](pinring_sqe& s) { s.reserved1 = 0x8000; }));
  check_all(ring, each(all, "reserved2", [](pinring_sqe& s) { s.reserved2 = 1; }));
}

TEST_CASE("Each flag that is not the opcode's is EINVAL") {
  raw_ring ring("loop0");
  const guarded_memory memory(1000);

  std::vector<rejection> rows;
  for (const auto& s : samples(memory))
    for (unsigned bit = 0; bit < 32; ++bit)
      if (!(s.allowed & 1U << bit))
        rows.push_back(spoiled(s.name + " with flag " + std::to_string(bit), s.sqe,
                               [&](pinring_sqe& sqe) { sqe.flags |= 1U << bit; }));
  check_all(ring, rows);
}

TEST_CASE("What an opcode does not use must be zero") {
  raw_ring ring("loop0");
  const guarded_memory memory(1000);
  const auto all = samples(memory);
  const auto bare = only(all, {"NOP", "DRAIN"});
  const auto control = only(all, {"NOP", "DRAIN", "CANCEL"});

  check_all(ring, each(bare, "addr", [](pinring_sqe& s) { s.addr = 1; }));
  check_all(ring, each(control, "len", [](pinring_sqe& s) { s.len = 1; }));
  check_all(ring, each(control, "deadline_ns", [](pinring_sqe& s) { s.deadline_ns = 1; }));
  check_all(ring, each(all, "offset", [](pinring_sqe& s) { s.offset = 1; }));
  check_all(ring, each(all, "buffer", [](pinring_sqe& s) { s.buffer = 1; }));
  check_all(ring, each(all, "app_words", [](pinring_sqe& s) { s.app_words = 8; }));
}

TEST_CASE("CANCEL of all jobs names none") {
  raw_ring ring("loop0");

  check_all(ring, {spoiled("CANCEL ALL with addr", make_cancel_all(0),
                           [](pinring_sqe& s) { s.addr = 1; })});
}

TEST_CASE("CANCEL of a job that there is not is ENOENT") {
  raw_ring ring("loop0");

  check_all(ring, {{"CANCEL of nothing", make_cancel(0xDEAD, 0), ENOENT}});
}

TEST_CASE("A job of no bytes is EINVAL") {
  raw_ring ring("loop0");
  const guarded_memory memory(1000);
  const auto jobs = only(samples(memory), {"SEND", "RECV"});

  check_all(ring, each(jobs, "len 0", [](pinring_sqe& s) { s.len = 0; }));
}

TEST_CASE("A job that is longer than INFO allows is EINVAL") {
  raw_ring ring("loop0");
  const guarded_memory memory(1000);
  const auto longest = ring.info().max_job_bytes;
  auto jobs = only(samples(memory), {"SEND", "RECV"});
  for (auto& job : jobs)
    job.sqe.flags = PINRING_SQE_SPLIT; // or it would be too long for a packet as well

  check_all(ring, each(jobs, "one byte more", [&](pinring_sqe& s) { s.len = longest + 1; }));
  check_all(ring, each(jobs, "len 2^63", [](pinring_sqe& s) { s.len = 1ULL << 63; }));
  check_all(ring, each(jobs, "len 2^64-1", [](pinring_sqe& s) { s.len = ~0ULL; }));
}

TEST_CASE("A list of pieces and a registered buffer can't both be the data") {
  raw_ring ring("loop0");
  const guarded_memory memory(1000);
  ring.register_at(0, memory.data());

  std::vector<rejection> rows;
  for (const auto opcode : {PINRING_OP_SEND, PINRING_OP_RECV})
    rows.push_back(spoiled("IOVEC and BUFFER",
                           make_registered(static_cast<std::uint8_t>(opcode), 0, 0, 1, 0),
                           [](pinring_sqe& s) { s.flags |= PINRING_SQE_IOVEC; }));
  check_all(ring, rows);
}

TEST_CASE("Gathering is only for a list of pieces") {
  raw_ring ring("loop0");
  const guarded_memory memory(1000);
  const int error = ring.info().features & PINRING_FEAT_GATHER ? EINVAL : EOPNOTSUPP;

  std::vector<rejection> rows;
  for (const auto& s : only(samples(memory), {"SEND", "RECV"}))
    rows.push_back(spoiled(
        s.name + " with GATHER alone", s.sqe,
        [](pinring_sqe& sqe) { sqe.flags |= PINRING_SQE_GATHER; }, error));
  check_all(ring, rows);
}

TEST_CASE("One packet that is longer than the chunk is EMSGSIZE, and nothing of it moves") {
  const auto device = GENERATE("loop0", "tiny0");
  CAPTURE(device);
  raw_ring ring(device);
  const guarded_memory memory(ring.info().chunk + 1);

  check_all(ring, {{"SEND", make_send(memory.data(), 0), EMSGSIZE},
                   {"RECV", make_recv(memory.data(), 0), EMSGSIZE}});
}

TEST_CASE("An address that breaks the device's alignment is EINVAL where nothing may be copied") {
  raw_ring ring("align8");
  const guarded_memory memory(1000, 64);

  std::vector<rejection> rows;
  for (const std::size_t off : {1U, 2U, 4U, 7U}) {
    const auto part = memory.data().subspan(off, 64);
    const auto at = " at +" + std::to_string(off);
    rows.push_back({"SEND" + at, make_send(part, 0, PINRING_SQE_ZERO_COPY), EINVAL});
    rows.push_back({"RECV" + at, make_recv(part, 0, PINRING_SQE_ZERO_COPY), EINVAL});
  }
  check_all(ring, rows, 64);
}

TEST_CASE("A piece that breaks the device's alignment is EINVAL where nothing may be copied") {
  raw_ring ring("align8");
  const guarded_memory memory(1000, 64);
  const auto base = memory.address();
  const pinring_iovec moved[] = {{base, 64}, {base + 129, 64}};
  const pinring_iovec longer[] = {{base, 65}, {base + 128, 64}};

  check_all(ring,
            {{"SEND", make_iovec(PINRING_OP_SEND, moved, 0, PINRING_SQE_ZERO_COPY), EINVAL},
             {"RECV", make_iovec(PINRING_OP_RECV, moved, 0, PINRING_SQE_ZERO_COPY), EINVAL},
             {"SEND", make_iovec(PINRING_OP_SEND, longer, 0, PINRING_SQE_ZERO_COPY), EINVAL},
             {"RECV", make_iovec(PINRING_OP_RECV, longer, 0, PINRING_SQE_ZERO_COPY), EINVAL}},
            64);
}

TEST_CASE("Too many pieces are EINVAL where they may be gathered and nothing may be copied") {
  raw_ring ring("tiny0");
  const guarded_memory memory((ring.info().send_bds + 1) * apart_bytes);
  const auto pieces = pieces_apart(memory.data());
  constexpr auto flags = PINRING_SQE_GATHER | PINRING_SQE_ZERO_COPY;

  check_all(ring, {{"SEND", make_iovec(PINRING_OP_SEND, pieces, 0, flags), EINVAL},
                   {"RECV", make_iovec(PINRING_OP_RECV, pieces, 0, flags), EINVAL}});
}

TEST_CASE("What the device can't do is EOPNOTSUPP") {
  raw_ring ring("loop0");
  const auto features = ring.info().features;
  const guarded_memory memory(1000);
  ring.register_at(0, memory.data());
  const auto piece = make_piece(memory.data().first(100));
  const std::span<const pinring_iovec> pieces{&piece, 1};
  const std::uint32_t words[5]{};

  auto with_words = make_send(memory.data(), 0, PINRING_SQE_APP_WORDS);
  with_words.app_words = reinterpret_cast<std::uint64_t>(words);
  auto abort_all = make_cancel_all(0);
  abort_all.flags |= PINRING_SQE_ABORT;

  const struct {
    std::uint64_t feature;
    rejection row;
  } table[] = {
      {PINRING_FEAT_SPLIT, {"SPLIT", make_send(memory.data(), 0, PINRING_SQE_SPLIT), EOPNOTSUPP}},
      {PINRING_FEAT_IOVEC, {"IOVEC", make_iovec(PINRING_OP_SEND, pieces, 0), EOPNOTSUPP}},
      {PINRING_FEAT_BATCH, {"BATCH", make_recv(memory.data(), 0, PINRING_SQE_BATCH), EOPNOTSUPP}},
      {PINRING_FEAT_GATHER,
       {"GATHER", make_iovec(PINRING_OP_SEND, pieces, 0, PINRING_SQE_GATHER), EOPNOTSUPP}},
      {PINRING_FEAT_DRAIN, {"DRAIN", make_drain(0), EOPNOTSUPP}},
      {PINRING_FEAT_WITHDRAW, {"CANCEL", make_cancel_all(0), EOPNOTSUPP}},
      {PINRING_FEAT_ABORT, {"ABORT", abort_all, EOPNOTSUPP}},
      {PINRING_FEAT_APP_WORDS, {"APP_WORDS", with_words, EOPNOTSUPP}},
  };

  const companions around;
  for (const auto& [feature, row] : table)
    if (!(features & feature))
      around.check(ring, row);
}

TEST_CASE("A direction that the device has not got is EOPNOTSUPP") {
  const guarded_memory memory(1000);
  ring_options options;

  SECTION("RECV on a sink") {
    options.directions = PINRING_DIR_SEND;
    raw_ring ring("sink0", options);
    CHECK(outcome_of(ring.run(make_recv(memory.data(), 1))) == outcome{EOPNOTSUPP});
    CHECK_NOTHROW(prove_usable(ring));
  }
  SECTION("SEND on a source") {
    options.directions = PINRING_DIR_RECV;
    raw_ring ring("source0", options);
    CHECK(outcome_of(ring.run(make_send(memory.data(), 1))) == outcome{EOPNOTSUPP});
    CHECK_NOTHROW(prove_usable(ring));
  }
}

TEST_CASE("A direction that the ring has not claimed is EOPNOTSUPP") {
  const guarded_memory memory(1000);
  const auto claimed = GENERATE(PINRING_DIR_SEND, PINRING_DIR_RECV);
  ring_options options;
  options.directions = claimed;
  raw_ring ring("loop0", options);

  const auto other =
      claimed == PINRING_DIR_SEND ? make_recv(memory.data(), 1) : make_send(memory.data(), 1);
  CHECK(outcome_of(ring.run(other)) == outcome{EOPNOTSUPP});
}

TEST_CASE("A ring full of bad SQEs gets a completion for each, in order") {
  raw_ring ring("loop0");
  const auto n = ring.layout().sq_entries;
  for (std::uint32_t i = 0; i < n; ++i)
    ring.push(make_sqe(200, i));
  REQUIRE(ring.submit().submitted == n);

  const auto cqes = ring.wait(n);
  for (std::uint32_t i = 0; i < n; ++i) {
    CHECK(cqes[i].user_data == i);
    CHECK(outcome_of(cqes[i]) == outcome{EINVAL});
  }
  CHECK_NOTHROW(prove_usable(ring));
}

TEST_CASE("user_data comes back as it was, whatever it is") {
  raw_ring ring("loop0");
  for (const auto user_data : {0ULL, 1ULL, 0x8000000000000000ULL, ~0ULL}) {
    CHECK(ring.run(make_nop(user_data)).user_data == user_data);
    CHECK(ring.run(make_sqe(200, user_data)).user_data == user_data);
  }
}

TEST_CASE("What a CQE does not carry yet is zero") {
  raw_ring ring("loop0");
  const auto cqe = ring.run(make_nop(1));

  CHECK(cqe.flags == 0);
  CHECK(cqe.bytes == 0);
  for (const auto word : cqe.app)
    CHECK(word == 0);
}

TEST_CASE("The channel works at the end of all this") {
  CHECK_NOTHROW(prove_usable("loop0"));
  CHECK_NOTHROW(prove_usable("align8"));
  CHECK_NOTHROW(prove_usable("tiny0"));
}
