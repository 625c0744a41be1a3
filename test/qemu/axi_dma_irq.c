/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interrupt coalescing: PG021's threshold counter and delay timer.
 *
 * The delay timer counts from a packet's end to the next packet's begin, and is
 * not stopped by an IOC interrupt: Linux' axienet leaves it off where the
 * threshold is 1 since it would only cause superfluous interrupts.
 */
#include "qemu/osdep.h"
#include "hw/irq.h"

#include "axi_dma.h"

/* Unit of IRQDelay (PG021, DMACR) */
#define PINRING_DELAY_CLOCKS    125

static int64_t pinring_channel_delay_ns(PinringChannel *channel,
                                        uint32_t units)
{
    return muldiv64((uint64_t)units * PINRING_DELAY_CLOCKS,
                    NANOSECONDS_PER_SECOND, channel->dma->clock_hz);
}

static uint32_t pinring_channel_delay_units(PinringChannel *channel)
{
    return channel->control >> PINRING_CR_DELAY_SHIFT;
}

void pinring_channel_update_irq(PinringChannel *channel)
{
    uint32_t enables = channel->control;
    bool level;

    if (pinring_dma_breaks(channel->dma, PINRING_RULE_IRQ_ENABLE)) {
        enables = PINRING_IRQ_ALL;
    }
    level = channel->status & enables & PINRING_IRQ_ALL;
    if (level && !channel->irq_level) {
        channel->counts.irqs++;
    }
    channel->irq_level = level;
    qemu_set_irq(channel->irq, level);
}

/* Of the threshold: at a write of DMACR, and at every interrupt of the two */
void pinring_channel_reload(PinringChannel *channel)
{
    channel->threshold_left = channel->control >> PINRING_CR_THRESHOLD_SHIFT;
}

static void pinring_channel_delay_expired(void *opaque)
{
    PinringChannel *channel = opaque;

    channel->delay_since = -1;
    channel->status |= PINRING_IRQ_DELAY;
    pinring_channel_reload(channel);
    pinring_channel_update_irq(channel);
}

void pinring_channel_delay_init(PinringChannel *channel)
{
    channel->delay_timer = timer_new_ns(QEMU_CLOCK_VIRTUAL,
                                        pinring_channel_delay_expired,
                                        channel);
    channel->delay_since = -1;
}

void pinring_channel_delay_stop(PinringChannel *channel)
{
    channel->delay_since = -1;
    timer_del(channel->delay_timer);
}

void pinring_channel_packet_begins(PinringChannel *channel)
{
    pinring_channel_delay_stop(channel);
}

void pinring_channel_packet_ends(PinringChannel *channel)
{
    uint32_t units = pinring_channel_delay_units(channel);

    pinring_channel_delay_stop(channel);
    if (!units || !channel->dma->sg ||
        pinring_dma_breaks(channel->dma, PINRING_RULE_DELAY)) {
        return;
    }
    channel->delay_since = pinring_now();
    timer_mod(channel->delay_timer, channel->delay_since +
              pinring_channel_delay_ns(channel, units));
}

/* What DMASR shows: the units that have passed */
uint8_t pinring_channel_live_delay(PinringChannel *channel)
{
    int64_t passed;

    if (channel->delay_since < 0) {
        return 0;
    }
    passed = pinring_now() - channel->delay_since;
    passed /= MAX(1, pinring_channel_delay_ns(channel, 1));
    return MIN(passed, pinring_channel_delay_units(channel));
}

static bool pinring_channel_drops(PinringChannel *channel)
{
    uint64_t *drop = channel->switches.drop ? &channel->switches.drop
                                            : &channel->dma->drop;

    if (!*drop) {
        return false;
    }
    --*drop;
    return true;
}

/* An IOC event: a packet's last descriptor is complete. */
void pinring_channel_event(PinringChannel *channel)
{
    if (channel->dma->sg &&
        !pinring_dma_breaks(channel->dma, PINRING_RULE_THRESHOLD)) {
        if (channel->threshold_left > 1) {
            channel->threshold_left--;
            return;
        }
        pinring_channel_reload(channel);
    }
    if (!pinring_channel_drops(channel)) {
        channel->status |= PINRING_IRQ_IOC;
    }
    pinring_channel_update_irq(channel);
}
