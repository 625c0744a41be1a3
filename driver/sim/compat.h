/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between kernels and architectures, and nothing else: the only
 * place of the simulator with conditional compilation.
 */
#ifndef PINRING_SIM_COMPAT_H
#define PINRING_SIM_COMPAT_H

#include <linux/device.h>
#include <linux/kconfig.h>
#include <linux/version.h>

/*
 * Whether a device can have DMA operations of its own; else set_dma_ops() does
 * nothing. The option was renamed in 6.12.
 */
#define SIM_HAS_DMA_OPS	(IS_ENABLED(CONFIG_DMA_OPS) || IS_ENABLED(CONFIG_ARCH_HAS_DMA_OPS))

/*
 * Whether the entries of a list can be merged: their lengths in memory are kept
 * besides. All kernels that may have an IOMMU have it.
 */
#define SIM_HAS_DMA_LENGTH	IS_ENABLED(CONFIG_NEED_SG_DMA_LENGTH)

/* alloc_pages() became a macro in 6.10, with allocation profiling. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
#define SIM_ALLOC_PAGES_OP	alloc_pages_op
#else
#define SIM_ALLOC_PAGES_OP	alloc_pages
#endif

/*
 * The engine writes with the CPU. Where a device made by software defaults to
 * non-coherent (arm64), the invalidation after a receive would discard just
 * these writes. Architectures without the field are coherent.
 */
static inline void sim_set_coherent(struct device *dev)
{
#if defined(CONFIG_ARCH_HAS_SYNC_DMA_FOR_DEVICE) || \
	defined(CONFIG_ARCH_HAS_SYNC_DMA_FOR_CPU) || \
	defined(CONFIG_ARCH_HAS_SYNC_DMA_FOR_CPU_ALL)
	dev->dma_coherent = true;
#endif
}

#endif /* PINRING_SIM_COMPAT_H */
