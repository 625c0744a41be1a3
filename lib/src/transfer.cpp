// SPDX-License-Identifier: MIT
#include <dma/transfer.hpp>

#include "device_state.hpp"
#include "exchange.hpp"

namespace dma {
namespace {

// What happened to a side on the other's account explains nothing.
bool is_consequence(std::error_code error) {
  return error == errc::withdrawn || error == errc::collateral_reset;
}

transfer_result run(device& device, const source* data, const target* into,
                    const transfer_options& options) {
  detail::device_state& state = detail::access::state(device);
  const deadline until = options.deadline.starting(std::chrono::steady_clock::now());
  transfer_result result;

  // An empty job is nobody's to answer: the other side must not begin to wait for it.
  const bool no_data = data && data->bytes() == 0;
  const bool no_room = into && into->bytes() == 0;
  if (no_data || no_room) {
    result.sent.error = no_data ? errc::bad_argument : errc::withdrawn;
    result.received.error = no_room ? errc::bad_argument : errc::withdrawn;
    return result;
  }

  const direction directions =
      (data ? direction::send : direction::none) | (into ? direction::receive : direction::none);
  std::error_code error;
  auto ring = state.rings.acquire(state.info, directions, options.shared, until, error);
  if (!ring) {
    result.sent.error = result.received.error = error;
    return result;
  }
  const bool idle = detail::exchange{*ring, state.info, options, until}.run(data, into, result);
  if (idle && options.keep)
    ring.keep();
  else if (!idle)
    ring->close();
  return result;
}

} // namespace

std::error_code transfer_result::error() const noexcept {
  if (sent.error && !is_consequence(sent.error))
    return sent.error;
  if (received.error && !is_consequence(received.error))
    return received.error;
  return sent.error ? sent.error : received.error;
}

transfer_result transfer(device& device, const source& data, const target& into,
                         const transfer_options& options) {
  return run(device, &data, &into, options);
}

outcome send(device& device, const source& data, const transfer_options& options) {
  return run(device, &data, nullptr, options).sent;
}

outcome receive(device& device, const target& into, const transfer_options& options) {
  return run(device, nullptr, &into, options).received;
}

} // namespace dma
