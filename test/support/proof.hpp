// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace support {

/// That a device works after all that was done to it: waits until it is free, takes what is left in
/// its stream, and moves data. Throws std::runtime_error, which says what was wrong.
void prove_survived(const std::string& device);

} // namespace support
