// SPDX-License-Identifier: MIT
/// @file
/// All of libpinring.
///
/// Begin with dma/transfer.hpp (synchronous), go on to dma/ring.hpp (asynchronous).
#ifndef DMA_DMA_HPP
#define DMA_DMA_HPP

#include <dma/allocator.hpp>
#include <dma/buffer.hpp>
#include <dma/device.hpp>
#include <dma/error.hpp>
#include <dma/job.hpp>
#include <dma/memory.hpp>
#include <dma/ring.hpp>
#include <dma/transfer.hpp>

#endif
