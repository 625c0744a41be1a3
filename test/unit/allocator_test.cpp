// SPDX-License-Identifier: MIT
#include "catch.hpp"

#include <dma/buffer.hpp>

#include <array>
#include <cstdint>
#include <cstring>
#include <list>
#include <new>
#include <span>
#include <string>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

namespace {

template <class T>
std::uintptr_t address(const T* p) {
  return reinterpret_cast<std::uintptr_t>(p);
}

// How many pages of the range are present.
std::size_t present(const void* memory, std::size_t bytes) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> in_core((bytes + page - 1) / page);
  REQUIRE(::mincore(const_cast<void*>(memory), bytes, in_core.data()) == 0);
  std::size_t n = 0;
  for (const unsigned char c : in_core)
    n += c & 1U;
  return n;
}

struct counted {
  static inline int made = 0;
  int value;
  counted() : value{++made} {}
};

} // namespace

TEST_CASE("alignment grows with the size") {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{63}, std::size_t{64}, page - 1, page,
                                  page + 1, dma::huge_page_bytes - 1, dma::huge_page_bytes,
                                  dma::huge_page_bytes + 1, 5 * dma::huge_page_bytes}) {
    CAPTURE(bytes);
    dma::buffer<char> b(bytes);
    const std::size_t wanted = bytes >= dma::huge_page_bytes ? dma::huge_page_bytes
                               : bytes >= page               ? page
                                                             : dma::cache_line_bytes;
    CHECK(address(b.data()) % wanted == 0);
    std::memset(b.data(), 0x5a, bytes);
    CHECK(b.front() == 0x5a);
    CHECK(b.back() == 0x5a);
  }
}

TEST_CASE("what is surrounded by the aligned mapping is given back") {
  // Each is mapped with up to 2 MiB to spare; a leak of that would be seen in the address space.
  const auto mapped = [] {
    std::size_t pages = 0;
    FILE* const f = std::fopen("/proc/self/statm", "r");
    REQUIRE(f);
    REQUIRE(std::fscanf(f, "%zu", &pages) == 1);
    std::fclose(f);
    return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  };
  const std::size_t before = mapped();
  for (int i = 0; i < 200; ++i)
    dma::buffer<char> b(dma::huge_page_bytes + static_cast<std::size_t>(i));
  CHECK(mapped() < before + 8 * dma::huge_page_bytes);
}

TEST_CASE("elements made without a value are default-initialised") {
  dma::buffer<counted> objects(3);
  CHECK(objects[0].value == 1);
  CHECK(objects[2].value == 3);

  // A large one is not even touched.
  const std::size_t n = 16 * dma::huge_page_bytes;
  dma::buffer<char> bytes(n);
  CHECK(present(bytes.data(), n) == 0);
}

TEST_CASE("elements made with a value have it") {
  const dma::buffer<int> b(1000, 7);
  CHECK(std::ranges::count(b, 7) == 1000);
  dma::buffer<std::string> s;
  s.emplace_back("hello");
  s.push_back("world");
  CHECK(s[0] + s[1] == "helloworld");
}

TEST_CASE("a buffer grows across the steps of its allocator and keeps what it holds") {
  dma::buffer<std::uint32_t> b;
  for (std::uint32_t i = 0; i < 1'500'000; ++i)
    b.push_back(i);
  bool right = true;
  for (std::uint32_t i = 0; i < b.size(); ++i)
    right = right && b[i] == i;
  CHECK(right);
  const dma::buffer<std::uint32_t> moved = std::move(b);
  CHECK(moved.size() == 1'500'000);
}

TEST_CASE("sizes that can't be had throw") {
  dma::allocator<std::uint64_t> a;
  CHECK_THROWS_AS((void)a.allocate(SIZE_MAX / 8 + 1), std::bad_array_new_length);
  CHECK_THROWS_AS((void)a.allocate(SIZE_MAX / 8), std::bad_alloc);
  CHECK_THROWS_AS((void)a.allocate(SIZE_MAX / 32), std::bad_alloc);
}

TEST_CASE("any allocator frees what another allocated") {
  STATIC_REQUIRE(std::allocator_traits<dma::allocator<int>>::is_always_equal::value);
  CHECK(dma::allocator<int>{} == dma::allocator<char>{});
  std::list<int, dma::allocator<int>> nodes{1, 2, 3};
  CHECK(nodes.back() == 3);
}

TEST_CASE("prefault makes every page present and keeps the contents") {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  std::vector<char> v(3 * dma::huge_page_bytes + 12345);
  for (std::size_t i = 0; i < v.size(); i += 4096)
    v[i] = static_cast<char>(i >> 12);
  CHECK(dma::prefault(v));
  const auto first = address(v.data()) / page * page;
  const std::size_t bytes = address(v.data()) + v.size() - first;
  CHECK(present(reinterpret_cast<void*>(first), bytes) == (bytes + page - 1) / page);
  bool right = true;
  for (std::size_t i = 0; i < v.size(); i += 4096)
    right = right && v[i] == static_cast<char>(i >> 12);
  CHECK(right);
}

TEST_CASE("prefault of an untouched buffer makes it present") {
  dma::buffer<char> b(4 * dma::huge_page_bytes);
  CHECK(present(b.data(), b.size()) == 0);
  CHECK(dma::prefault(b));
  CHECK(present(b.data(), b.size()) * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) ==
        b.size());
}

TEST_CASE("prefault takes any range and does no harm where it can't help") {
  std::array<int, 3> small{1, 2, 3};
  CHECK(dma::prefault(small));
  CHECK(dma::prefault(std::span<int>{}));

  const std::vector<int> constant(100, 4);
  CHECK(dma::prefault(constant));

  // Read-only pages can't be populated for writing: false, not a fault.
  void* const memory = ::mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(memory != MAP_FAILED);
  CHECK(dma::prefault(std::span{static_cast<const char*>(memory), 4096}));
  CHECK_FALSE(dma::prefault(std::span{static_cast<char*>(memory), 4096}));
  ::munmap(memory, 4096);
  CHECK_FALSE(dma::prefault(std::span{static_cast<char*>(memory), 4096}));
}
