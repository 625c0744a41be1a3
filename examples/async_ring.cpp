// SPDX-License-Identifier: MIT
// Many packets at a time: registered buffers, one system call for a whole batch, and an epoll loop
// that reaps. Every packet comes back from a loopback, and its slot is then used again.
#include <dma/dma.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <span>
#include <system_error>

#include <sys/epoll.h>
#include <unistd.h>

namespace {

constexpr std::size_t slot_bytes = 16384;
constexpr std::size_t slots = 8;
constexpr unsigned packets = 200;

// user_data tells what a completion is of: the slot and the direction.
constexpr std::uint64_t receive_bit = 1U << 16;

void check(std::error_code error) {
  if (!error)
    return;
  std::cerr << dma::explain(error) << '\n';
  std::exit(1);
}

class packet_pump {
public:
  explicit packet_pump(dma::device& device)
      : ring_{device, {.sq_entries = 2U * slots}}, out_{ring_, slots * slot_bytes},
        in_{ring_, slots * slot_bytes} {
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    ::epoll_event event{.events = EPOLLIN, .data = {}};
    if (epoll_ < 0 || ::epoll_ctl(epoll_, EPOLL_CTL_ADD, ring_.fd(), &event) < 0)
      check({errno, std::generic_category()});
  }
  packet_pump(const packet_pump&) = delete;
  packet_pump& operator=(const packet_pump&) = delete;
  ~packet_pump() { ::close(epoll_); }

  void run() {
    for (unsigned slot = 0; slot < slots; ++slot)
      start(slot);
    check(ring_.submit().error); // sixteen jobs, one system call
    while (received_ < packets) {
      ::epoll_event event;
      if (::epoll_wait(epoll_, &event, 1, 10'000) == 0) {
        std::cerr << "nothing came back within 10 s\n";
        std::exit(1);
      }
      std::array<dma::completion, 2 * slots> done;
      for (const dma::completion& c : std::span{done}.first(ring_.reap(done)))
        finish(c);
      check(ring_.submit().error);
    }
  }

private:
  // The receive first, so that the packet finds it armed.
  void start(unsigned slot) {
    const std::span data = out_.as<std::uint32_t>().subspan(slot * slot_bytes / 4, slot_bytes / 4);
    std::ranges::fill(data, started_++);
    check(ring_.receive(in_.range(slot * slot_bytes, slot_bytes), slot | receive_bit));
    check(ring_.send(out_.range(slot * slot_bytes, slot_bytes), slot));
  }

  void finish(const dma::completion& c) {
    check(c.error);
    const auto slot = static_cast<unsigned>(c.user_data & ~receive_bit);
    // Memory of a slot is used again when both its jobs are over; a packet that has come back has
    // been sent, but its send's completion may still be on the way.
    if (++halves_[slot] < 2)
      return;
    halves_[slot] = 0;
    const auto sent = out_.as<std::uint32_t>().subspan(slot * slot_bytes / 4, slot_bytes / 4);
    const auto came = in_.as<std::uint32_t>().subspan(slot * slot_bytes / 4, slot_bytes / 4);
    if (!std::ranges::equal(sent, came)) {
      std::cerr << "slot " << slot << " came back changed\n";
      std::exit(1);
    }
    ++received_;
    if (started_ < packets)
      start(slot);
  }

  dma::ring ring_;
  dma::registered_buffer out_;
  dma::registered_buffer in_;
  int epoll_ = -1;
  std::array<unsigned, slots> halves_{};
  unsigned started_ = 0;
  unsigned received_ = 0;
};

} // namespace

int main() {
  dma::device device;
  packet_pump pump{device};
  pump.run();
  std::cout << packets << " packets of " << slot_bytes << " bytes came back\n";
}
