/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The device tree nodes: the engine as xilinx_dma's binding has it, a client
 * that uses its channels, and the control page.
 */
#include "qemu/osdep.h"
#include "hw/arm/fdt.h"
#include "sysemu/device_tree.h"

#include "axi_dma.h"

typedef struct PinringFdt {
    void *fdt;
    PlatformBusDevice *bus;
    const char *node;
    int first_irq;
} PinringFdt;

static void pinring_fdt_reg(PinringFdt *to, PinringDma *dma, const char *node,
                            int region, uint32_t bytes)
{
    uint32_t at = platform_bus_get_mmio_addr(to->bus, SYS_BUS_DEVICE(dma),
                                             region);

    qemu_fdt_setprop_cells(to->fdt, node, "reg", at, bytes);
}

static void pinring_fdt_flag(PinringFdt *to, const char *node,
                             const char *name)
{
    qemu_fdt_setprop(to->fdt, node, name, NULL, 0);
}

static char *pinring_fdt_add(PinringFdt *to, const char *name,
                             const char *label)
{
    char *node = g_strdup_printf("%s/%s-%s", to->node, name, label);

    qemu_fdt_add_subnode(to->fdt, node);
    return node;
}

static uint32_t pinring_fdt_clock(PinringFdt *to, PinringDma *dma)
{
    g_autofree char *node = pinring_fdt_add(to, "clock", dma->label);
    uint32_t phandle = qemu_fdt_alloc_phandle(to->fdt);

    qemu_fdt_setprop_string(to->fdt, node, "compatible", "fixed-clock");
    qemu_fdt_setprop_cell(to->fdt, node, "#clock-cells", 0);
    qemu_fdt_setprop_cell(to->fdt, node, "clock-frequency", dma->clock_hz);
    qemu_fdt_setprop_cell(to->fdt, node, "phandle", phandle);
    return phandle;
}

static void pinring_fdt_channel(PinringFdt *to, PinringDma *dma,
                                const char *engine, PinringDir dir)
{
    static const char *const names[] = {
        [PINRING_SEND] = "mm2s",
        [PINRING_RECV] = "s2mm",
    };
    g_autofree char *node = g_strdup_printf("%s/dma-channel-%s", engine,
                                            names[dir]);
    g_autofree char *compatible = g_strdup_printf("xlnx,axi-dma-%s-channel",
                                                  names[dir]);
    int irq = platform_bus_get_irqn(to->bus, SYS_BUS_DEVICE(dma), dir) +
              to->first_irq;

    qemu_fdt_add_subnode(to->fdt, node);
    qemu_fdt_setprop_string(to->fdt, node, "compatible", compatible);
    qemu_fdt_setprop_cells(to->fdt, node, "interrupts",
                           GIC_FDT_IRQ_TYPE_SPI, irq,
                           GIC_FDT_IRQ_FLAGS_LEVEL_HI);
    qemu_fdt_setprop_cell(to->fdt, node, "xlnx,datawidth", dma->data_width);
    if (dma->dre) {
        pinring_fdt_flag(to, node, "xlnx,include-dre");
    }
    if (dma->irq_delay) {
        qemu_fdt_setprop(to->fdt, node, "xlnx,irq-delay", &dma->irq_delay,
                         sizeof(dma->irq_delay));
    }
}

static uint32_t pinring_fdt_engine(PinringFdt *to, PinringDma *dma)
{
    static const char clock_names[] = "s_axi_lite_aclk\0m_axi_mm2s_aclk\0"
                                      "m_axi_s2mm_aclk\0m_axi_sg_aclk";
    uint32_t clock = pinring_fdt_clock(to, dma);
    uint32_t phandle = qemu_fdt_alloc_phandle(to->fdt);
    g_autofree char *engine = NULL;
    int dir;

    engine = g_strdup_printf("%s/dma-controller@%" PRIx64, to->node,
                             platform_bus_get_mmio_addr(to->bus,
                                                        SYS_BUS_DEVICE(dma),
                                                        0));
    qemu_fdt_add_subnode(to->fdt, engine);
    qemu_fdt_setprop_string(to->fdt, engine, "compatible",
                            "xlnx,axi-dma-1.00.a");
    pinring_fdt_reg(to, dma, engine, 0, PINRING_REGISTERS_BYTES);
    qemu_fdt_setprop_cell(to->fdt, engine, "#dma-cells", 1);
    qemu_fdt_setprop_cells(to->fdt, engine, "clocks", clock, clock, clock,
                           clock);
    qemu_fdt_setprop(to->fdt, engine, "clock-names", clock_names,
                     sizeof(clock_names));
    qemu_fdt_setprop_cell(to->fdt, engine, "xlnx,addrwidth", dma->addrwidth);
    qemu_fdt_setprop_cell(to->fdt, engine, "xlnx,sg-length-width",
                          dma->length_width);
    pinring_fdt_flag(to, engine, dma->coherent ? "dma-coherent"
                                               : "dma-noncoherent");
    qemu_fdt_setprop_cell(to->fdt, engine, "phandle", phandle);

    /* Subnodes are put in front of those that are there. */
    for (dir = PINRING_DIRS - 1; dir >= 0; dir--) {
        if (dma->channels[dir].exists) {
            pinring_fdt_channel(to, dma, engine, dir);
        }
    }
    return phandle;
}

static uint32_t pinring_fdt_stream_reset(PinringFdt *to, PinringDma *dma)
{
    g_autofree char *node = pinring_fdt_add(to, "reset", dma->label);
    uint32_t phandle = qemu_fdt_alloc_phandle(to->fdt);

    qemu_fdt_setprop_string(to->fdt, node, "compatible",
                            "snps,dw-high-reset");
    pinring_fdt_reg(to, dma, node, 2, PINRING_RESET_BYTES);
    qemu_fdt_setprop_cell(to->fdt, node, "#reset-cells", 1);
    qemu_fdt_setprop_cell(to->fdt, node, "phandle", phandle);
    return phandle;
}

/*
 * A channel's number in the provider is not its place among those there are:
 * xilinx_dma keeps number 0 for MM2S whether it is there or not.
 */
static void pinring_fdt_client(PinringFdt *to, PinringDma *dma,
                               uint32_t engine)
{
    static const char names[] = "tx\0rx";
    bool send = dma->channels[PINRING_SEND].exists;
    bool recv = dma->channels[PINRING_RECV].exists;
    g_autofree char *node = pinring_fdt_add(to, "stream", dma->label);

    qemu_fdt_setprop_string(to->fdt, node, "compatible", "pinring,stream");
    qemu_fdt_setprop_string(to->fdt, node, "label", dma->label);
    if (send && recv) {
        qemu_fdt_setprop_cells(to->fdt, node, "dmas", engine, PINRING_SEND,
                               engine, PINRING_RECV);
        qemu_fdt_setprop(to->fdt, node, "dma-names", names, sizeof(names));
    } else if (send || recv) {
        qemu_fdt_setprop_cells(to->fdt, node, "dmas", engine,
                               send ? PINRING_SEND : PINRING_RECV);
        qemu_fdt_setprop_string(to->fdt, node, "dma-names",
                                send ? "tx" : "rx");
    }
    if (dma->stream_reset) {
        qemu_fdt_setprop_cells(to->fdt, node, "resets",
                               pinring_fdt_stream_reset(to, dma), 0);
        qemu_fdt_setprop_string(to->fdt, node, "reset-names", "stream");
    }
}

static void pinring_fdt_control(PinringFdt *to, PinringDma *dma,
                                uint32_t engine)
{
    g_autofree char *node = pinring_fdt_add(to, "model", dma->label);

    qemu_fdt_setprop_string(to->fdt, node, "compatible",
                            "pinring,axi-dma-model");
    qemu_fdt_setprop_string(to->fdt, node, "label", dma->label);
    pinring_fdt_reg(to, dma, node, 1, PINRING_CONTROL_BYTES);
    qemu_fdt_setprop_cell(to->fdt, node, "pinring,engine", engine);
}

/* ---- all of them, in the command line's order ---------------------------- */

static int pinring_fdt_collect(Object *obj, void *opaque)
{
    GPtrArray *found = opaque;

    if (object_dynamic_cast(obj, TYPE_PINRING_AXI_DMA)) {
        g_ptr_array_add(found, obj);
    }
    return 0;
}

static int pinring_fdt_last_first(gconstpointer left, gconstpointer right)
{
    const PinringDma *a = *(PinringDma *const *)left;
    const PinringDma *b = *(PinringDma *const *)right;

    return b->index < a->index ? -1 : b->index > a->index;
}

/*
 * Devices come here in a hash table's order, but a guest probes them in the
 * tree's. New nodes go before older ones, so the last device is written first.
 */
int pinring_axi_dma_add_fdt_nodes(SysBusDevice *device, PlatformBusDevice *bus,
                                  void *fdt, const char *bus_node,
                                  int first_irq)
{
    static void *done;
    PinringFdt to = { fdt, bus, bus_node, first_irq };
    g_autoptr(GPtrArray) found = NULL;
    unsigned i;

    if (done == fdt) {
        return 0;
    }
    done = fdt;

    found = g_ptr_array_new();
    object_child_foreach_recursive(object_get_root(), pinring_fdt_collect,
                                   found);
    g_ptr_array_sort(found, pinring_fdt_last_first);
    for (i = 0; i < found->len; i++) {
        PinringDma *dma = g_ptr_array_index(found, i);
        uint32_t engine = pinring_fdt_engine(&to, dma);

        pinring_fdt_client(&to, dma, engine);
        pinring_fdt_control(&to, dma, engine);
    }
    return 0;
}
