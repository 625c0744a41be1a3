// SPDX-License-Identifier: MIT
// Nothing about the memory is special: an ordinary std::vector of 48 MB, far more than a user may
// lock at a time (8 MiB) and than one packet holds, and parts of it as a list.
#include <dma/dma.hpp>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <random>
#include <span>
#include <vector>

namespace {

void check(const dma::transfer_result& result, const dma::device& device, std::size_t bytes) {
  if (result)
    return;
  std::cerr << dma::explain(
                   result.error(),
                   {.device = device.path(), .bytes = bytes, .max_packet = device.info().chunk})
            << '\n';
  std::exit(1);
}

} // namespace

int main() {
  using namespace std::chrono_literals;

  dma::device device;
  std::vector<std::uint64_t> out(6'000'000), in(out.size());
  std::mt19937_64 random{1};
  for (std::uint64_t& value : out)
    value = random();

  check(dma::transfer(device, out, in, {.deadline = 60s}), device, out.size() * sizeof out[0]);
  const bool whole = in == out;

  // A header and a piece of the data go out as one stream of bytes, and come back apart again.
  const struct { std::uint32_t kind, count; } header{7, 1000};
  auto header_back = header;
  header_back.count = 0;
  const std::span payload = std::span{out}.subspan(123, 1000);
  std::vector<std::uint64_t> payload_back(payload.size());
  check(dma::transfer(device, {std::span{&header, 1}, payload},
                      {std::span{&header_back, 1}, payload_back}, {.deadline = 10s}),
        device, sizeof header + payload.size_bytes());
  const bool parts = header_back.kind == header.kind && header_back.count == header.count &&
                     std::equal(payload.begin(), payload.end(), payload_back.begin());

  std::cout << "vector equal: " << whole << ", list equal: " << parts << '\n';
  return whole && parts ? 0 : 1;
}
