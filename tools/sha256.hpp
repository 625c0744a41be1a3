// SPDX-License-Identifier: MIT
#ifndef PINRING_TOOLS_SHA256_HPP
#define PINRING_TOOLS_SHA256_HPP

#include <cstddef>
#include <span>
#include <string>

namespace tools {

/// As sha256sum prints it.
[[nodiscard]] std::string sha256(std::span<const std::byte> data);

} // namespace tools

#endif
