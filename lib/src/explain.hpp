// SPDX-License-Identifier: MIT
// Setup errors: a std::system_error whose text names the values at hand.
#ifndef PINRING_SRC_EXPLAIN_HPP
#define PINRING_SRC_EXPLAIN_HPP

#include <string>
#include <system_error>

#include <dma/error.hpp>

namespace dma::detail {

/// What stands before the code's own message: the object and the values that matter.
[[nodiscard]] std::string explain_prefix(std::error_code error, const error_context& context);

/// Throws, unless the caller wanted the code instead of an exception.
void report(std::error_code error, const error_context& context, std::error_code* into);

} // namespace dma::detail

#endif
