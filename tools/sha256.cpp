// SPDX-License-Identifier: MIT
#include "sha256.hpp"

#include <array>
#include <cstdint>

#include <sys/types.h>

#include <sha2.h>

namespace tools {

std::string sha256(std::span<const std::byte> data) {
  SHA2_CTX context;
  SHA256Init(&context);
  SHA256Update(&context, reinterpret_cast<const std::uint8_t*>(data.data()), data.size());
  std::array<char, SHA256_DIGEST_STRING_LENGTH> text{};
  SHA256End(&context, text.data());
  return text.data();
}

} // namespace tools
