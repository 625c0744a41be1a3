// SPDX-License-Identifier: MIT
// Sends samples out through the first device and receives what comes back, straight from and into
// the program's own memory.
#include <dma/dma.hpp>

#include <iostream>
#include <numeric>

int main() {
  dma::device device; // the first one, or by name: dma::device device{"adc0"};
  dma::buffer<float> out(100'000), in(100'000);
  std::iota(out.begin(), out.end(), 0.0F);

  const auto result = dma::transfer(device, out, in);

  if (!result)
    std::cerr << dma::explain(result.error(), {.device = device.path()}) << '\n';
  std::cout << result.received.bytes << " bytes, equal: " << (in == out) << '\n';
  return result && in == out ? 0 : 1;
}
