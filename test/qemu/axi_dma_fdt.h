/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the aarch64 virt machine needs to know of the model: its name, and how
 * its device tree nodes are written.
 */
#ifndef HW_DMA_PINRING_AXI_DMA_FDT_H
#define HW_DMA_PINRING_AXI_DMA_FDT_H

#include "hw/platform-bus.h"

#define TYPE_PINRING_AXI_DMA "pinring-axi-dma"

/**
 * pinring_axi_dma_add_fdt_nodes - describes the devices to the guest
 * @device: one of them; those of all of them are written at the first call
 * @bus: that they are on
 * @fdt: to write to
 * @bus_node: path of the bus
 * @first_irq: SPI that the bus's interrupt 0 is
 */
int pinring_axi_dma_add_fdt_nodes(SysBusDevice *device, PlatformBusDevice *bus,
                                  void *fdt, const char *bus_node,
                                  int first_irq);

#endif
