// SPDX-License-Identifier: MIT
//
// Sends that name no deadline: how long the module is patient with them, which its parameter says
// to each device that is bound. Root, to set it.
#include "catch.hpp"

#include <fstream>
#include <string>

#include "support/binding.hpp"
#include "support/board.hpp"
#include "support/guarded_memory.hpp"
#include "support/loop.hpp"
#include "support/needs.hpp"
#include "support/raw_ring.hpp"

using namespace support;

namespace {

const auto needed = support::needs{{"loop0", "sink0"}}.switches().root();

constexpr std::size_t bytes = 1000;
constexpr auto shorter = 5s;

/// sink0, bound while the parameter was another one; as before by the destructor.
class shorter_patience {
public:
  shorter_patience() : before_(read()) {
    write(std::chrono::milliseconds(shorter).count());
    rebind();
  }
  shorter_patience(const shorter_patience&) = delete;
  shorter_patience& operator=(const shorter_patience&) = delete;
  ~shorter_patience() {
    try {
      write(before_);
      rebind();
    } catch (const std::exception&) {
      // The test has said why already.
    }
  }

private:
  static constexpr const char* file = "/sys/module/pinring/parameters/send_deadline_ms";

  static std::int64_t read() {
    std::int64_t value = 0;
    std::ifstream(file) >> value;
    return value;
  }
  static void write(std::int64_t value) {
    if (!(std::ofstream(file) << value << std::flush))
      throw std::runtime_error(std::string("can't write to ") + file);
  }
  static void rebind() {
    binding sink0("sink0");
    sink0.unbind();
    sink0.bind();
  }

  std::int64_t before_;
};

ring_options sending() {
  ring_options options;
  options.directions = PINRING_DIR_SEND;
  return options;
}

std::chrono::nanoseconds patience_of(const char* device) {
  return std::chrono::nanoseconds(info_of(device).send_deadline_ns);
}

} // namespace

TEST_CASE("A device has the module's patience of when it was bound") {
  const auto before = patience_of("sink0");
  {
    const shorter_patience with_sends;
    CHECK(patience_of("sink0") == shorter);
    CHECK(patience_of("loop0") == before);
  }
  CHECK(patience_of("sink0") == before);
}

TEST_CASE("A send that names no deadline ends when its channel makes no progress for INFO's time") {
  const shorter_patience with_sends;
  raw_ring ring("sink0", sending());
  board sink0("sink0");
  const guarded_memory memory(bytes);
  sink0.hold_send();
  const auto start = clock::now();

  CHECK(outcome_of(ring.run(make_send(memory.data(), 1))) == outcome{ETIMEDOUT});
  CHECK(clock::now() - start >= shorter);
  sink0.hold_send(false);
  CHECK_NOTHROW(prove_usable(ring));
}

TEST_CASE("A send that names no deadline may take longer than INFO's time as long as it moves on") {
  const shorter_patience with_sends;
  raw_ring ring("sink0", sending());
  board sink0("sink0");
  const auto chunk = ring.info().chunk;
  const guarded_memory memory(static_cast<std::size_t>(shorter / 1s + 1) * 4 * chunk);
  sink0.rate_bytes_per_s(4 * chunk); // four packets a second
  const auto start = clock::now();

  const auto cqe = ring.run(make_send(memory.data(), 1, PINRING_SQE_SPLIT));
  CHECK(outcome_of(cqe) == success);
  CHECK(cqe.bytes == memory.size());
  CHECK(clock::now() - start > shorter);
}
