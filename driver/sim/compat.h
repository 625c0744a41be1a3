/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between kernels and architectures, and nothing else: the only
 * place of the simulator with conditional compilation.
 */
#ifndef PINRING_SIM_COMPAT_H
#define PINRING_SIM_COMPAT_H

#include <linux/device.h>

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
