// SPDX-License-Identifier: MIT
/// @file
/// What the shared library exports. Everything else is built with hidden visibility.
#ifndef DMA_EXPORT_HPP
#define DMA_EXPORT_HPP

#define PINRING_API __attribute__((visibility("default")))

#endif
