// SPDX-License-Identifier: MIT
#include "support/proof.hpp"

#include <cstring>
#include <stdexcept>

#include "support/guarded_memory.hpp"
#include "support/loop.hpp"
#include "support/pattern.hpp"
#include "support/raw_ring.hpp"

namespace support {
namespace {

constexpr std::uint32_t both_ways = PINRING_DIR_SEND | PINRING_DIR_RECV;

// Addresses and lengths that hold on every device: whole cache lines.
void prove_a_loop(raw_ring& ring, const std::string& device) {
  for (const std::size_t bytes : {std::size_t{128}, std::size_t{1024}, 3 * page_bytes()}) {
    const guarded_memory out(bytes, 0);
    const guarded_memory in(bytes, 0);
    fill_pattern(out.data(), bytes);
    const auto result = loop(ring, out.data(), in.data());
    if (!result.moved(bytes))
      throw std::runtime_error("a loop of " + std::to_string(bytes) + " bytes ended with " +
                               std::strerror(-result.sent.result) + " and " +
                               std::strerror(-result.received.result));
    if (!in.guards_intact())
      throw std::runtime_error("something was written beside the memory");
    // What an accelerator answers is not what it was sent.
    if (!device.starts_with("accel") && pattern_mismatch(in.data(), bytes))
      throw std::runtime_error("what came back is not what was sent");
  }
}

} // namespace

void prove_survived(const std::string& device) {
  auto ring = raw_ring::open(device);
  const auto info = ring.info();
  if (info.flags & PINRING_INFO_DEAD)
    throw std::runtime_error("it is dead");

  ring_options options;
  options.directions = info.directions;
  outcome result;
  if (!wait_until([&] { return (result = ring.setup(options)) != outcome{EBUSY}; }) ||
      !result.good())
    throw std::runtime_error(std::string("no ring: ") + std::strerror(result.error()));
  if (info.directions != both_ways)
    return prove_usable(ring);
  empty_the_stream(ring);
  prove_a_loop(ring, device);
}

} // namespace support
