/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The registers, as PG021's "Register Space" has them: which there are, what a
 * write does, what can be read. A write only changes states and arms timers.
 */
#include "qemu/osdep.h"

#include "axi_dma.h"

#define PINRING_CR_RESERVED     0x00008fe0U
#define PINRING_SR_RESERVED     0x00008884U
#define PINRING_CR_WRITABLE     (PINRING_CR_RS | PINRING_CR_KEYHOLE | \
                                 PINRING_CR_CYCLIC | PINRING_IRQ_ALL | \
                                 0xff000000U)

/* ---- writes -------------------------------------------------------------- */

static void pinring_write_control(PinringChannel *channel, uint32_t value)
{
    PinringDma *dma = channel->dma;
    uint32_t old = channel->control;
    uint32_t threshold = extract32(value, PINRING_CR_THRESHOLD_SHIFT, 8);

    if (value & PINRING_CR_RESERVED) {
        pinring_dma_violation(dma, PINRING_V_RESERVED_WRITE);
    }
    if (value & PINRING_CR_RESET) {
        pinring_dma_soft_reset(dma, channel);
        return;
    }

    /* The least threshold is 1; writing 0 leaves the one there was. */
    if (!threshold) {
        threshold = extract32(old, PINRING_CR_THRESHOLD_SHIFT, 8);
    }
    channel->control = (value & PINRING_CR_WRITABLE) | PINRING_CR_ONE |
                       threshold << PINRING_CR_THRESHOLD_SHIFT;
    /* After an error only a reset lets the channel run again. */
    if (channel->status & PINRING_SR_ERRORS &&
        !pinring_dma_breaks(dma, PINRING_RULE_ERROR_HALTS)) {
        channel->control &= ~PINRING_CR_RS;
    }
    pinring_channel_reload(channel);
    if (!(channel->control >> PINRING_CR_DELAY_SHIFT)) {
        pinring_channel_delay_stop(channel);
    }
    if (channel->control & ~old & PINRING_CR_RS) {
        if (channel->state == PINRING_HALTED) {
            pinring_channel_start(channel);
        }
    } else if (old & ~channel->control & PINRING_CR_RS) {
        pinring_channel_stop(channel);
    }
    pinring_channel_update_irq(channel);
}

static void pinring_write_status(PinringChannel *channel, uint32_t value)
{
    PinringDma *dma = channel->dma;
    uint32_t clears = PINRING_IRQ_ALL;

    if (value & PINRING_SR_RESERVED) {
        pinring_dma_violation(dma, PINRING_V_RESERVED_WRITE);
    }
    if (pinring_dma_breaks(dma, PINRING_RULE_ERRORS_STAY)) {
        clears |= PINRING_SR_ERRORS;
    }
    if (!pinring_dma_breaks(dma, PINRING_RULE_IRQ_CLEARS)) {
        channel->status &= ~(value & clears);
    }
    pinring_channel_update_irq(channel);
}

static void pinring_write_current(PinringChannel *channel, bool high,
                                  uint32_t value)
{
    PinringDma *dma = channel->dma;

    if (channel->state != PINRING_HALTED) {
        pinring_dma_violation(dma, channel->state == PINRING_PAUSED
                                   ? PINRING_V_CURDESC_WHILE_RUNNING_IDLE
                                   : PINRING_V_CURDESC_WHILE_RUNNING);
        if (!pinring_dma_breaks(dma, PINRING_RULE_CURDESC_LOCKED)) {
            return;
        }
    }
    if (!high && value % PINRING_BD_BYTES) {
        pinring_dma_violation(dma, PINRING_V_BD_UNALIGNED);
        value = QEMU_ALIGN_DOWN(value, PINRING_BD_BYTES);
    }
    channel->current = deposit64(channel->current, high ? 32 : 0, 32, value);
    if (channel->state != PINRING_HALTED) {
        channel->next = channel->current;
    }
}

static void pinring_write_tail(PinringChannel *channel, bool high,
                               uint32_t value)
{
    PinringDma *dma = channel->dma;

    if (!high) {
        /* In cyclic mode the tail names no descriptor and may be anything. */
        if (value % PINRING_BD_BYTES &&
            !(channel->control & PINRING_CR_CYCLIC)) {
            pinring_dma_violation(dma, PINRING_V_BD_UNALIGNED);
        }
        channel->tail_low = QEMU_ALIGN_DOWN(value, PINRING_BD_BYTES);
        if (pinring_dma_is_wide(dma) &&
            !pinring_dma_breaks(dma, PINRING_RULE_TAIL_MSB)) {
            return;
        }
        channel->tail = deposit64(channel->tail, 0, 32, channel->tail_low);
    } else {
        channel->tail = deposit64(channel->tail_low, 32, 32, value);
        channel->tail = extract64(channel->tail, 0, dma->addrwidth);
    }
    pinring_channel_tail(channel);
}

static void pinring_write_length(PinringChannel *channel, uint32_t value)
{
    uint32_t width = channel->dma->length_width;

    if (value != extract32(value, 0, width)) {
        pinring_dma_violation(channel->dma, PINRING_V_LENGTH_TOO_WIDE);
    }
    channel->length = extract32(value, 0, width);
    pinring_channel_direct(channel);
}

/* Whether the register is there in this configuration */
static bool pinring_register_exists(PinringDma *dma, PinringChannel *channel,
                                    hwaddr offset)
{
    bool wide = pinring_dma_is_wide(dma);

    if (!channel->exists) {
        return false;
    }
    switch (offset) {
    case PINRING_DMACR:
    case PINRING_DMASR:
        return true;
    case PINRING_CURDESC:
    case PINRING_TAILDESC:
        return dma->sg;
    case PINRING_CURDESC_MSB:
    case PINRING_TAILDESC_MSB:
        return dma->sg && wide;
    case PINRING_ADDRESS:
    case PINRING_LENGTH:
        return !dma->sg;
    case PINRING_ADDRESS_MSB:
        return !dma->sg && wide;
    case PINRING_SG_CTL:
        return dma->sg && channel->dir == PINRING_SEND;
    default:
        return false;
    }
}

static void pinring_register_write(void *opaque, hwaddr at, uint64_t value,
                                   unsigned size)
{
    PinringDma *dma = opaque;
    hwaddr offset = at % PINRING_CHANNEL_BYTES;
    PinringChannel *channel;

    dma->register_writes++;
    channel = &dma->channels[at / PINRING_CHANNEL_BYTES % PINRING_DIRS];
    if (at >= PINRING_DIRS * PINRING_CHANNEL_BYTES ||
        !pinring_register_exists(dma, channel, offset)) {
        pinring_dma_violation(dma, PINRING_V_RESERVED_WRITE);
        return;
    }
    if (dma->resetting) {
        pinring_dma_violation(dma, PINRING_V_WRITE_DURING_RESET);
        return;
    }

    switch (offset) {
    case PINRING_DMACR:
        pinring_write_control(channel, value);
        break;
    case PINRING_DMASR:
        pinring_write_status(channel, value);
        break;
    case PINRING_CURDESC:
    case PINRING_CURDESC_MSB:
        pinring_write_current(channel, offset == PINRING_CURDESC_MSB, value);
        break;
    case PINRING_TAILDESC:
    case PINRING_TAILDESC_MSB:
        pinring_write_tail(channel, offset == PINRING_TAILDESC_MSB, value);
        break;
    case PINRING_ADDRESS:
        channel->address = deposit64(channel->address, 0, 32, value);
        break;
    case PINRING_ADDRESS_MSB:
        channel->address = deposit64(channel->address, 32, 32, value);
        break;
    case PINRING_LENGTH:
        pinring_write_length(channel, value);
        break;
    case PINRING_SG_CTL:
        dma->sg_ctl = value;
        break;
    }
}

/* ---- reads --------------------------------------------------------------- */

static uint32_t pinring_read_status(PinringChannel *channel)
{
    PinringDma *dma = channel->dma;
    uint32_t value = channel->status;

    if (!dma->sg) {
        return value;
    }
    if (!pinring_dma_breaks(dma, PINRING_RULE_SG_INCLUDED)) {
        value |= PINRING_SR_SG_INCLUDED;
    }
    return value | channel->threshold_left << PINRING_CR_THRESHOLD_SHIFT |
           pinring_channel_live_delay(channel) << PINRING_CR_DELAY_SHIFT;
}

static uint64_t pinring_register_read(void *opaque, hwaddr at, unsigned size)
{
    PinringDma *dma = opaque;
    hwaddr offset = at % PINRING_CHANNEL_BYTES;
    PinringChannel *channel;

    dma->register_reads++;
    channel = &dma->channels[at / PINRING_CHANNEL_BYTES % PINRING_DIRS];
    if (at >= PINRING_DIRS * PINRING_CHANNEL_BYTES ||
        !pinring_register_exists(dma, channel, offset)) {
        return 0;
    }

    switch (offset) {
    case PINRING_DMACR:
        pinring_dma_catch_up(dma);
        return channel->control | (dma->resetting ? PINRING_CR_RESET : 0);
    case PINRING_DMASR:
        pinring_channel_catch_up(channel);
        return pinring_read_status(channel);
    case PINRING_CURDESC:
        return extract64(channel->current, 0, 32);
    case PINRING_CURDESC_MSB:
        return extract64(channel->current, 32, 32);
    case PINRING_TAILDESC:
        return channel->tail_low;
    case PINRING_TAILDESC_MSB:
        return extract64(channel->tail, 32, 32);
    case PINRING_ADDRESS:
        return extract64(channel->address, 0, 32);
    case PINRING_ADDRESS_MSB:
        return extract64(channel->address, 32, 32);
    case PINRING_LENGTH:
        return channel->length;
    default:
        return dma->sg_ctl;
    }
}

/* AXI4-Lite with 32 bits: an access of 64 arrives as two, the low one first */
const MemoryRegionOps pinring_register_ops = {
    .read = pinring_register_read,
    .write = pinring_register_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 8 },
    .impl = { .min_access_size = 4, .max_access_size = 4 },
};
