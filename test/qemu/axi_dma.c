/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The device: its properties, its resets, what it is made of.
 */
#include "qemu/osdep.h"
#include "hw/qdev-properties.h"
#include "migration/vmstate.h"
#include "qapi/error.h"
#include "qemu/module.h"
#include "qemu/units.h"

#include "axi_dma.h"

/* PG021 does not say how long; software has to poll. */
#define PINRING_CLOCKS_RESET    32

void pinring_dma_violation(PinringDma *dma, PinringViolation violation)
{
    dma->violation[violation]++;
    if (violation != PINRING_V_CURDESC_WHILE_RUNNING_IDLE) {
        dma->violations++;
        dma->last_violation = violation;
    }
}

/* ---- reset --------------------------------------------------------------- */

static void pinring_dma_reset_done(void *opaque)
{
    PinringDma *dma = opaque;

    if (!dma->stuck_reset) {
        dma->resetting = false;
    }
}

/* As pinring_channel_catch_up() */
void pinring_dma_catch_up(PinringDma *dma)
{
    if (timer_pending(dma->reset_timer) &&
        timer_expired(dma->reset_timer, pinring_now())) {
        timer_del(dma->reset_timer);
        pinring_dma_reset_done(dma);
    }
}

/*
 * Reset on either channel resets the whole engine. The stream is not part of
 * it, but packets that were on their way through it are lost with the engine's
 * own buffers; whether the rest of the logic is reset too is the design's
 * choice, hence the switch.
 */
void pinring_dma_soft_reset(PinringDma *dma, PinringChannel *by)
{
    int dir;

    dma->resets++;
    for (dir = 0; dir < PINRING_DIRS; dir++) {
        PinringChannel *channel = &dma->channels[dir];

        if (channel == by ||
            !pinring_dma_breaks(dma, PINRING_RULE_JOINT_RESET)) {
            pinring_channel_reset(channel);
        }
    }
    if (dma->reset_flushes_stream) {
        pinring_stream_flush(dma);
    }
    dma->resetting = true;
    timer_mod(dma->reset_timer,
              pinring_now() + pinring_clocks(dma, PINRING_CLOCKS_RESET));
}

static void pinring_dma_reset(DeviceState *dev)
{
    PinringDma *dma = PINRING_AXI_DMA(dev);

    timer_del(dma->reset_timer);
    dma->resetting = false;
    dma->sg_ctl = 0;
    pinring_channel_reset(&dma->channels[PINRING_SEND]);
    pinring_channel_reset(&dma->channels[PINRING_RECV]);
    pinring_stream_in_reset(dma, true);
    pinring_stream_in_reset(dma, false);
}

/* ---- stream reset -------------------------------------------------------- */

/* A reset controller with one line: Linux' reset-simple drives it. */
static void pinring_stream_reset_write(void *opaque, hwaddr at,
                                       uint64_t value, unsigned size)
{
    PinringDma *dma = opaque;

    if (!at) {
        pinring_stream_in_reset(dma, value & 1);
        pinring_channel_kick(&dma->channels[PINRING_SEND]);
        pinring_channel_kick(&dma->channels[PINRING_RECV]);
    }
}

static uint64_t pinring_stream_reset_read(void *opaque, hwaddr at,
                                          unsigned size)
{
    PinringDma *dma = opaque;

    return at ? 0 : dma->stream.in_reset;
}

static const MemoryRegionOps pinring_stream_reset_ops = {
    .read = pinring_stream_reset_read,
    .write = pinring_stream_reset_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 4 },
};

/* ---- the device ---------------------------------------------------------- */

static bool pinring_dma_check(PinringDma *dma, Error **errp)
{
    static const char *const kinds[] = {
        [PINRING_LOOPBACK] = "loopback",
        [PINRING_SOURCE] = "source",
        [PINRING_SINK] = "sink",
        [PINRING_ACCELERATOR] = "accelerator",
    };
    int kind;

    if (!dma->label || !*dma->label || strlen(dma->label) > 31) {
        error_setg(errp, "label must be given and have at most 31 characters");
        return false;
    }
    for (kind = 0; kind < ARRAY_SIZE(kinds); kind++) {
        if (!dma->stream_name || !strcmp(dma->stream_name, kinds[kind])) {
            break;
        }
    }
    if (kind == ARRAY_SIZE(kinds)) {
        error_setg(errp, "there is no stream '%s'", dma->stream_name);
        return false;
    }
    dma->kind = kind;

    if (dma->addrwidth < 32 || dma->addrwidth > 64) {
        error_setg(errp, "addrwidth must be from 32 to 64");
    } else if (dma->length_width < 8 || dma->length_width > 26) {
        error_setg(errp, "sg-length-width must be from 8 to 26");
    } else if (dma->data_width < 32 || dma->data_width > 1024 ||
               !is_power_of_2(dma->data_width)) {
        error_setg(errp, "data-width must be a power of 2 from 32 to 1024");
    } else if (!dma->clock_hz) {
        error_setg(errp, "clock-hz must not be 0");
    } else {
        return true;
    }
    return false;
}

static void pinring_dma_realize(DeviceState *dev, Error **errp)
{
    static uint32_t count;
    PinringDma *dma = PINRING_AXI_DMA(dev);
    SysBusDevice *bus = SYS_BUS_DEVICE(dev);
    int dir;

    if (!pinring_dma_check(dma, errp)) {
        return;
    }
    dma->index = count++;
    dma->channels[PINRING_SEND].exists = dma->has_send &&
                                         dma->kind != PINRING_SOURCE;
    dma->channels[PINRING_RECV].exists = dma->has_recv &&
                                         dma->kind != PINRING_SINK;
    for (dir = 0; dir < PINRING_DIRS; dir++) {
        pinring_channel_init(dma, dir);
        sysbus_init_irq(bus, &dma->channels[dir].irq);
    }
    dma->reset_timer = timer_new_ns(QEMU_CLOCK_VIRTUAL,
                                    pinring_dma_reset_done, dma);
    dma->grants = g_array_new(false, false, sizeof(PinringGrant));
    pinring_stream_init(dma);

    memory_region_init_io(&dma->registers, OBJECT(dma), &pinring_register_ops,
                          dma, TYPE_PINRING_AXI_DMA "-registers",
                          PINRING_REGISTERS_BYTES);
    sysbus_init_mmio(bus, &dma->registers);
    memory_region_init_io(&dma->control_page, OBJECT(dma),
                          &pinring_control_ops, dma,
                          TYPE_PINRING_AXI_DMA "-control",
                          PINRING_CONTROL_BYTES);
    sysbus_init_mmio(bus, &dma->control_page);
    if (dma->stream_reset) {
        memory_region_init_io(&dma->stream_reset_page, OBJECT(dma),
                              &pinring_stream_reset_ops, dma,
                              TYPE_PINRING_AXI_DMA "-stream-reset",
                              PINRING_RESET_BYTES);
        sysbus_init_mmio(bus, &dma->stream_reset_page);
    }
}

static void pinring_dma_unrealize(DeviceState *dev)
{
    PinringDma *dma = PINRING_AXI_DMA(dev);

    pinring_channel_exit(&dma->channels[PINRING_SEND]);
    pinring_channel_exit(&dma->channels[PINRING_RECV]);
    timer_free(dma->reset_timer);
    pinring_stream_exit(dma);
    g_array_free(dma->grants, true);
}

static void pinring_dma_instance_init(Object *obj)
{
    PinringDma *dma = PINRING_AXI_DMA(obj);

    dma->fifo_bytes = 64 * KiB;
    dma->packet_bytes = 4096;
    dma->reset_flushes_stream = 1;
    pinring_control_init(dma);
}

static Property pinring_dma_properties[] = {
    DEFINE_PROP_STRING("label", PinringDma, label),
    DEFINE_PROP_STRING("stream", PinringDma, stream_name),
    DEFINE_PROP_BOOL("mm2s", PinringDma, has_send, true),
    DEFINE_PROP_BOOL("s2mm", PinringDma, has_recv, true),
    DEFINE_PROP_BOOL("sg", PinringDma, sg, true),
    DEFINE_PROP_UINT32("addrwidth", PinringDma, addrwidth, 64),
    DEFINE_PROP_UINT32("sg-length-width", PinringDma, length_width, 26),
    DEFINE_PROP_BOOL("dre", PinringDma, dre, true),
    DEFINE_PROP_UINT32("data-width", PinringDma, data_width, 64),
    DEFINE_PROP_UINT32("clock-hz", PinringDma, clock_hz, 100000000),
    DEFINE_PROP_UINT8("irq-delay", PinringDma, irq_delay, 0),
    DEFINE_PROP_BOOL("coherent", PinringDma, coherent, true),
    DEFINE_PROP_BOOL("stream-reset", PinringDma, stream_reset, false),
    DEFINE_PROP_END_OF_LIST(),
};

static const VMStateDescription pinring_dma_vmstate = {
    .name = TYPE_PINRING_AXI_DMA,
    .unmigratable = 1,
};

static void pinring_dma_class_init(ObjectClass *class, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(class);

    dc->desc = "AXI DMA with a stream, for tests";
    dc->realize = pinring_dma_realize;
    dc->unrealize = pinring_dma_unrealize;
    dc->reset = pinring_dma_reset;
    dc->vmsd = &pinring_dma_vmstate;
    dc->user_creatable = true;
    device_class_set_props(dc, pinring_dma_properties);
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
}

static const TypeInfo pinring_dma_info = {
    .name = TYPE_PINRING_AXI_DMA,
    .parent = TYPE_SYS_BUS_DEVICE,
    .instance_size = sizeof(PinringDma),
    .instance_init = pinring_dma_instance_init,
    .class_init = pinring_dma_class_init,
};

static void pinring_dma_register_types(void)
{
    type_register_static(&pinring_dma_info);
}

type_init(pinring_dma_register_types)
