// SPDX-License-Identifier: MIT
//
// The structures as such: their sizes, extension rules and pointers, and what INFO says of a
// device.
#include "catch.hpp"

#include <array>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <vector>

#include "support/board.hpp"
#include "support/guarded_memory.hpp"
#include "support/loop.hpp"
#include "support/needs.hpp"
#include "support/raw_ring.hpp"

using namespace support;

namespace {

const auto needed = support::needs{{"loop0", "align8", "tiny0", "sink0", "source0"}};

constexpr std::byte untouched{0x5A};

/// A structure with room behind it, so that its size field can lie in both directions.
template <typename T>
class stretched {
public:
  explicit stretched(const T& value) { std::memcpy(bytes_.data(), &value, sizeof(T)); }
  stretched& size(std::size_t bytes) {
    const auto size = static_cast<std::uint32_t>(bytes);
    std::memcpy(bytes_.data(), &size, sizeof(size));
    return *this;
  }
  std::byte& behind(std::size_t i = 0) { return bytes_[sizeof(T) + i]; }
  void* get() { return bytes_.data(); }

private:
  alignas(8) std::array<std::byte, sizeof(T) + 64> bytes_{};
};

/// An ioctl with an argument that it accepts once, on a file that is ready for it.
struct valid_call {
  std::string name;
  unsigned long request;
  std::vector<std::byte> argument;
  bool needs_ring = true;
};

template <typename T>
valid_call make_call(std::string name, unsigned long request, T value, bool needs_ring = true) {
  value.size = sizeof(T);
  const auto* bytes = reinterpret_cast<const std::byte*>(&value);
  return {std::move(name), request, {bytes, bytes + sizeof(T)}, needs_ring};
}

// Every ioctl but INFO, whose structure is all output. `memory` is what the buffers name.
std::vector<valid_call> valid_calls(const guarded_memory& memory) {
  pinring_setup setup{};
  setup.directions = PINRING_DIR_SEND | PINRING_DIR_RECV;
  setup.sq_entries = 4;
  pinring_eventfd stop{};
  stop.fd = -1;
  pinring_buffer occupied{};
  occupied.index = 1;

  return {
      make_call("SETUP", PINRING_IOC_SETUP, setup, false),
      make_call("ENTER", PINRING_IOC_ENTER, pinring_enter{}),
      make_call("BUFFER_ADD", PINRING_IOC_BUFFER_ADD, make_buffer(0, memory.data())),
      make_call("BUFFER_UPDATE", PINRING_IOC_BUFFER_UPDATE, make_buffer(1, memory.data())),
      make_call("BUFFER_REMOVE", PINRING_IOC_BUFFER_REMOVE, occupied),
      make_call("EVENTFD", PINRING_IOC_EVENTFD, stop),
  };
}

/// Runs the check on every ioctl, each on a fresh file with a registered buffer at index 1.
template <typename Check>
void for_each_call(Check&& check) {
  const guarded_memory memory(1000);

  for (const auto& valid : valid_calls(memory)) {
    DYNAMIC_SECTION(valid.name) {
      auto ring = raw_ring::open("loop0");
      if (valid.needs_ring) {
        REQUIRE(ring.setup({}) == success);
        ring.register_at(1, memory.data());
      }

      auto argument = valid.argument;
      argument.resize(argument.size() + 64);
      const auto set_size = [&](std::size_t bytes) {
        const auto size = static_cast<std::uint32_t>(bytes);
        std::memcpy(argument.data(), &size, sizeof(size));
      };
      check(ring, valid, argument, set_size);
    }
  }
}

outcome info_into(const raw_ring& ring, void* at) {
  return call(ring.fd(), PINRING_IOC_INFO, at);
}

} // namespace

TEST_CASE("INFO with the right size fills the structure and says that size") {
  const auto ring = raw_ring::open("loop0");
  pinring_info info{};
  info.size = sizeof(info);

  REQUIRE(info_into(ring, &info) == success);
  CHECK(info.size == sizeof(info));
  CHECK(info.abi == PINRING_ABI_VERSION);
}

TEST_CASE("INFO from a caller that knows less writes no byte past what it has room for") {
  const auto ring = raw_ring::open("loop0");
  const auto room = GENERATE(std::size_t{16}, std::size_t{100}, sizeof(pinring_info) - 1);
  std::array<std::byte, sizeof(pinring_info)> bytes;
  bytes.fill(untouched);
  const auto size = static_cast<std::uint32_t>(room);
  std::memcpy(bytes.data(), &size, sizeof(size));

  REQUIRE(info_into(ring, bytes.data()) == success);
  CHECK(std::all_of(bytes.begin() + static_cast<long>(room), bytes.end(),
                    [](std::byte b) { return b == untouched; }));
}

TEST_CASE("INFO tells a caller that knows less how much there is to know") {
  const auto ring = raw_ring::open("loop0");
  pinring_info info{};
  info.size = 16;

  REQUIRE(info_into(ring, &info) == success);
  CHECK(info.size == sizeof(info));
  CHECK(info.features != 0);
  CHECK(info.directions == 0);
}

TEST_CASE("INFO for a caller that knows more zeroes what this kernel does not know") {
  const auto ring = raw_ring::open("loop0");
  const auto more = GENERATE(std::size_t{1}, std::size_t{63});
  stretched<pinring_info> info{pinring_info{}};
  info.size(sizeof(pinring_info) + more);
  for (std::size_t i = 0; i < 64; ++i)
    info.behind(i) = untouched;

  REQUIRE(info_into(ring, info.get()) == success);
  for (std::size_t i = 0; i < more; ++i)
    REQUIRE(info.behind(i) == std::byte{0});
  CHECK(info.behind(more) == untouched);
}

TEST_CASE("INFO with no room for the size itself is refused") {
  const auto ring = raw_ring::open("loop0");
  pinring_info info{};
  info.size = GENERATE(0U, 3U);

  CHECK(info_into(ring, &info) == outcome{EINVAL});
}

TEST_CASE("INFO works before and after SETUP") {
  auto ring = raw_ring::open("loop0");
  const auto before = ring.info();
  REQUIRE(ring.setup({}) == success);
  const auto after = ring.info();

  CHECK(std::memcmp(&before, &after, sizeof(before)) == 0);
}

TEST_CASE("INFO to an address that is not writable is EFAULT") {
  const auto ring = raw_ring::open("loop0");
  guarded_memory memory(sizeof(pinring_info), 0);
  pinring_info info{};
  info.size = sizeof(info);
  std::memcpy(memory.data().data(), &info, sizeof(info));

  SECTION("NULL") {
    CHECK(info_into(ring, nullptr) == outcome{EFAULT});
  }
  SECTION("no access") {
    memory.protect(PROT_NONE);
    CHECK(info_into(ring, memory.data().data()) == outcome{EFAULT});
  }
  SECTION("read-only") {
    memory.protect(PROT_READ);
    CHECK(info_into(ring, memory.data().data()) == outcome{EFAULT});
  }
  SECTION("a kernel address") {
    CHECK(info_into(ring, reinterpret_cast<void*>(0xffff888000000000ULL)) == outcome{EFAULT});
  }
}

TEST_CASE("An ioctl that does not exist is ENOTTY") {
  const raw_ring ring("loop0");
  pinring_info info{};
  info.size = sizeof(info);

  const auto request =
      GENERATE(_IO(PINRING_IOC_MAGIC, 7), _IO(PINRING_IOC_MAGIC, 255), _IO(0xDB, 0),
               _IOWR(PINRING_IOC_MAGIC, 0, pinring_info), 0U, 0x5401U);
  CAPTURE(request);
  CHECK(call(ring.fd(), request, &info) == outcome{ENOTTY});
}

TEST_CASE("A structure of the known size is accepted") {
  for_each_call([](auto& ring, const auto& valid, auto& argument, auto&&) {
    CHECK(call(ring.fd(), valid.request, argument.data()) == success);
  });
}

TEST_CASE("A structure that is one byte too short is EINVAL") {
  for_each_call([](auto& ring, const auto& valid, auto& argument, auto&& set_size) {
    set_size(valid.argument.size() - 1);
    CHECK(call(ring.fd(), valid.request, argument.data()) == outcome{EINVAL});
  });
}

TEST_CASE("A structure of size 0 is EINVAL") {
  for_each_call([](auto& ring, const auto& valid, auto& argument, auto&& set_size) {
    set_size(0);
    CHECK(call(ring.fd(), valid.request, argument.data()) == outcome{EINVAL});
  });
}

TEST_CASE("A longer structure whose unknown part is zero is accepted") {
  for_each_call([](auto& ring, const auto& valid, auto& argument, auto&& set_size) {
    set_size(valid.argument.size() + 1);
    CHECK(call(ring.fd(), valid.request, argument.data()) == success);
  });
}

TEST_CASE("A longer structure whose unknown part is not zero is E2BIG") {
  for_each_call([](auto& ring, const auto& valid, auto& argument, auto&& set_size) {
    set_size(valid.argument.size() + 1);
    argument[valid.argument.size()] = std::byte{1};
    CHECK(call(ring.fd(), valid.request, argument.data()) == outcome{E2BIG});
  });
}

TEST_CASE("A byte behind the structure's size is nobody's business") {
  for_each_call([](auto& ring, const auto& valid, auto& argument, auto&&) {
    argument[valid.argument.size()] = untouched;
    REQUIRE(call(ring.fd(), valid.request, argument.data()) == success);
    CHECK(argument[valid.argument.size()] == untouched);
  });
}

TEST_CASE("An argument that can't be read is EFAULT") {
  for_each_call([](auto& ring, const auto& valid, auto&, auto&&) {
    guarded_memory none(1, 0);
    none.protect(PROT_NONE);

    CHECK(call(ring.fd(), valid.request, nullptr) == outcome{EFAULT});
    CHECK(call(ring.fd(), valid.request, none.data().data()) == outcome{EFAULT});
    CHECK(call(ring.fd(), valid.request, reinterpret_cast<void*>(~0ULL << 40)) == outcome{EFAULT});
  });
}

TEST_CASE("An argument that ends in memory that can't be read is EFAULT") {
  for_each_call([](auto& ring, const auto& valid, auto& argument, auto&&) {
    const guarded_memory two_pages(page_bytes() + 1, 0);
    auto* const end = two_pages.mapping().data() + page_bytes();
    auto* const at = end - valid.argument.size() + 8;
    std::memcpy(at, argument.data(), valid.argument.size());
    REQUIRE(::mprotect(end, page_bytes(), PROT_NONE) == 0);

    CHECK(call(ring.fd(), valid.request, at) == outcome{EFAULT});
  });
}

TEST_CASE("A refused call of any kind leaves the ring as it was") {
  for_each_call([](auto& ring, const auto& valid, auto& argument, auto&& set_size) {
    set_size(valid.argument.size() - 1);
    REQUIRE(call(ring.fd(), valid.request, argument.data()) == outcome{EINVAL});
    REQUIRE(call(ring.fd(), valid.request, nullptr) == outcome{EFAULT});

    if (!valid.needs_ring)
      REQUIRE(ring.setup({}) == success);
    CHECK_NOTHROW(prove_usable(ring));
  });
}

// ---------------------------------------------------------------------------- what INFO says

TEST_CASE("Every device names its provider, and calls itself a simulator's if it is") {
  const auto name = GENERATE("loop0", "loop1", "batch0", "align8", "tiny0", "sink0", "source0");
  CAPTURE(name);
  const auto info = info_of(name);

  CHECK(std::string(info.name) == name);
  if (board::is_model(name)) {
    CHECK(std::string(info.provider) == "xilinx_dma");
    CHECK((info.flags & PINRING_INFO_SIMULATOR) == 0);
  } else {
    CHECK(std::string(info.provider) == "pinring_sim");
    CHECK((info.flags & PINRING_INFO_SIMULATOR) != 0);
  }
  CHECK((info.flags & PINRING_INFO_DEAD) == 0);
}

TEST_CASE("The driver names its version, and the texts end inside their fields") {
  const auto info = info_of("loop0");

  CHECK(info.driver_version[0] != '\0');
  CHECK(std::memchr(info.name, 0, sizeof(info.name)) != nullptr);
  CHECK(std::memchr(info.provider, 0, sizeof(info.provider)) != nullptr);
  CHECK(std::memchr(info.driver_version, 0, sizeof(info.driver_version)) != nullptr);
}

TEST_CASE("What is reserved in INFO is zero") {
  const auto info = info_of("loop0");

  for (const auto word : info.reserved)
    CHECK(word == 0);
}

TEST_CASE("A loopback has both directions") {
  CHECK(info_of("loop0").directions == (PINRING_DIR_SEND | PINRING_DIR_RECV));
}

TEST_CASE("A sink only sends, and has no receive BDs") {
  const auto info = info_of("sink0");

  CHECK(info.directions == PINRING_DIR_SEND);
  CHECK(info.send_bds > 0);
  CHECK(info.recv_bds == 0);
}

TEST_CASE("A source only receives, and has no send BDs") {
  const auto info = info_of("source0");

  CHECK(info.directions == PINRING_DIR_RECV);
  CHECK(info.recv_bds > 0);
  CHECK(info.send_bds == 0);
}

TEST_CASE("A device with a data realignment engine takes every address") {
  const auto info = info_of("loop0");

  CHECK(info.send_align == 1);
  CHECK(info.recv_align == 1);
}

TEST_CASE("A device without one says which alignment it needs") {
  const auto info = info_of("align8");

  CHECK(info.send_align == 8);
  CHECK(info.recv_align == 8);
}

TEST_CASE("INFO's BD pool and largest BD are the board's") {
  // XILINX_DMA_NUM_DESCS of the provider; the simulator's loop0 has as many as its older one.
  const bool model = board::is_model("loop0");
  const auto pool = model && kernel_at_least(6, 12) ? 512U : 255U;
  const auto loop0 = info_of("loop0");
  CHECK(loop0.send_bds == pool);
  CHECK(loop0.recv_bds == pool);
  CHECK(loop0.max_bd_bytes == (1U << 26) - 1);

  // What is small of tiny0 is the pool of the simulator's, and the length field of the model's.
  const auto tiny = info_of("tiny0");
  CHECK(tiny.send_bds == (model ? pool : 8));
  CHECK(tiny.recv_bds == (model ? pool : 8));
  CHECK(tiny.max_bd_bytes == (model ? 1U << 14 : 1U << 26) - 1);
}

TEST_CASE("The chunk fits the BD budget at the worst offset and is no smaller than it must be") {
  const auto name = GENERATE("loop0", "tiny0", "align8", "batch0");
  CAPTURE(name);
  const auto info = info_of(name);
  const auto bds = std::min(info.send_bds, info.recv_bds);

  // At an odd offset n whole pages lie in n + 1. Less than half the pool would be waste.
  CHECK(info.chunk <= (bds - 1) * page_bytes());
  CHECK(info.chunk >= bds / 2 * page_bytes());
}

TEST_CASE("A coherent device has no cache-line rule") {
  const auto info = info_of("loop0");

  if (info.flags & PINRING_INFO_COHERENT)
    CHECK(info.cacheline == 1);
  else
    CHECK(info.cacheline > 1);
}

TEST_CASE("INFO says whether the kernel may copy what is mapped") {
  std::ifstream cmdline("/proc/cmdline");
  const std::string words(std::istreambuf_iterator<char>(cmdline), {});
  REQUIRE_FALSE(words.empty());
  const bool forced = words.find("swiotlb=") != words.npos && words.find("force") != words.npos;

  // loop0 reaches all memory, so nothing is copied unless the kernel was told to.
  CHECK(((info_of("loop0").flags & PINRING_INFO_MAY_BOUNCE) != 0) == forced);
}

TEST_CASE("The limits are such that something can be done") {
  const auto info = info_of("loop0");

  CHECK(info.max_sq_entries >= 64);
  CHECK(info.max_cq_entries >= info.max_sq_entries);
  CHECK(info.max_jobs >= 1);
  CHECK(info.max_user_rings >= 1);
  CHECK(info.max_rings >= info.max_user_rings);
  CHECK(info.max_pinned_bytes >= 64U << 20);
  CHECK(info.max_buffers >= 1);
  CHECK(info.max_iov >= 1);
  CHECK(info.recv_depth >= 1);
  CHECK(info.max_job_bytes >= 256U << 20);
  CHECK(info.max_buffer_bytes >= info.chunk);
  CHECK(info.send_deadline_ns > 0);
}

TEST_CASE("A feature bit that the header does not know is off") {
  CHECK((info_of("loop0").features & ~((PINRING_FEAT_URING_CMD << 1) - 1)) == 0);
}

TEST_CASE("The channel works at the end of all this") {
  CHECK_NOTHROW(prove_usable("loop0"));
}
