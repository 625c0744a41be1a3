// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

namespace support {

/// Everything takes several times as long on a kernel that looks for bugs. It finds them in what is
/// done once; for what is done over and over, or with megabytes, the others are there.
/// @return n, and a quarter of it on such a kernel.
[[nodiscard]] std::size_t paced(std::size_t n);

} // namespace support
