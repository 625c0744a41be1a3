// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "support/random_stream.hpp"
#include "tally.hpp"

namespace fuzz {

/// The memory that jobs name: a reserved part of the address space, with places that are mapped,
/// moved, protected and unmapped while jobs are under way.
///
/// All else of the process is outside it, behind inaccessible guards: a job that names any address
/// of the arena, with any length, can't make the engine write to the fuzzer itself. Therefore the
/// program never reads or writes what lies here; it only names it.
class arena {
public:
  static constexpr std::size_t places = 12;
  static constexpr std::size_t place_bytes = std::size_t{1} << 20;
  /// Flipping bits below this one leads nowhere outside.
  static constexpr std::size_t bytes = std::size_t{16} << 20;

  explicit arena(support::random_stream& random);
  arena(const arena&) = delete;
  arena& operator=(const arena&) = delete;
  ~arena();

  /// Some bytes of one place that was mapped when it was last looked at.
  [[nodiscard]] std::span<std::byte> some(support::random_stream& random, std::size_t most,
                                          std::size_t align);
  /// Any address inside.
  [[nodiscard]] std::uint64_t address(support::random_stream& random) const;
  /// A place that is left alone by meddle(), to map something else into. It is the last.
  [[nodiscard]] std::byte* own_place() const { return base_ + places * place_bytes; }

  /// One random change, counted.
  void meddle(support::random_stream& random, tally& counts);

private:
  struct place {
    std::size_t mapped = 0; // bytes from the place's begin on
    int file = -1;          // behind it, when there is one
    bool usable = false;    // readable, writable and there, as far as is known
  };

  [[nodiscard]] std::byte* at(std::size_t index) const { return base_ + index * place_bytes; }
  void map(std::size_t index, support::random_stream& random);
  void clear(std::size_t index);
  void move(std::size_t from, std::size_t to);
  int advise(std::size_t index, support::random_stream& random);

  std::byte* reserved_ = nullptr;
  std::byte* base_ = nullptr;
  std::array<place, places> places_{};
};

} // namespace fuzz
