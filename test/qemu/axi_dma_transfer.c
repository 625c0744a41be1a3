/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The data of a descriptor, piece by piece, and how long a piece takes.
 *
 * PG021's throughput of MM2S ("Latency and Throughput"), 99.76 % for 10,000
 * bytes in 32-bit beats, is 2500 + 6 clocks, which the latency explains. That
 * of S2MM, 74.64 %, is 2500 + 849: what the latency of 39 leaves is spread over
 * the 157 bursts and the packet's end. That split is fitted, not published.
 */
#include "qemu/osdep.h"

#include "axi_dma.h"

#define PINRING_CLOCKS_AWVALID  39  /* S2MM: stream to the data write */
#define PINRING_CLOCKS_BURST    5   /* S2MM: of each burst; fitted */
#define PINRING_CLOCKS_END      25  /* S2MM: of each packet; fitted */
#define PINRING_BURST_BEATS     16  /* the IP's default */

/* What moves at once: a page is small against the FIFO and costs one timer */
#define PINRING_PIECE_BYTES     4096
/* A limited rate moves at least this part of a second's bytes at a time. */
#define PINRING_RATE_QUANTA     100
/* A busy host may delay a timer so long before the engine loses the time. */
#define PINRING_LAG_NS          (10 * SCALE_MS)

static int64_t pinring_channel_duration(PinringChannel *channel,
                                        uint64_t bytes, bool last)
{
    PinringDma *dma = channel->dma;
    uint32_t width = dma->data_width / 8;
    uint64_t bursts = DIV_ROUND_UP(bytes, PINRING_BURST_BEATS * width);
    uint64_t clocks = DIV_ROUND_UP(bytes, width);
    bool enters = channel->dir == PINRING_SEND || dma->kind == PINRING_SOURCE;
    int64_t ns;

    if (channel->dir == PINRING_RECV) {
        clocks += bursts * PINRING_CLOCKS_BURST;
        clocks += last ? PINRING_CLOCKS_END : 0;
    }
    ns = pinring_clocks(dma, clocks) + bursts * dma->slow_memory_ns;
    if (dma->rate && enters) {
        ns = MAX(ns, muldiv64(bytes, NANOSECONDS_PER_SECOND,
                              MIN(dma->rate, UINT32_MAX)));
    }
    return ns;
}

/* Decides on the next piece. False: there is none until a kick comes. */
bool pinring_channel_plan(PinringChannel *channel)
{
    PinringDma *dma = channel->dma;
    PinringBd *bd = &channel->bd;
    uint64_t want = MIN(bd->length - bd->done, PINRING_PIECE_BYTES);
    uint64_t bytes = 0;
    bool last = false;

    if (dma->rate) {
        want = MIN(want, MAX(1, dma->rate / PINRING_RATE_QUANTA));
    }
    if (channel->switches.hold) {
        bytes = 0;
    } else if (channel->dir == PINRING_SEND) {
        uint8_t *to;

        bytes = MIN(want, pinring_stream_room(dma, &to));
    } else {
        const uint8_t *from;

        bytes = pinring_stream_peek(dma, want, &from, &last);
    }
    if (!bytes) {
        channel->waited = true;
        return false;
    }

    if (channel->waited || channel->due < pinring_now() - PINRING_LAG_NS) {
        channel->due = MAX(channel->due, pinring_now());
        channel->waited = false;
    }
    if (channel->dir == PINRING_RECV && !channel->in_packet) {
        channel->in_packet = true;
        bd->first = true;
        pinring_channel_packet_begins(channel);
        channel->due += pinring_clocks(dma, PINRING_CLOCKS_AWVALID);
    }
    channel->due += pinring_channel_duration(channel, bytes, last);
    channel->piece = bytes;
    pinring_channel_enter(channel, PINRING_MOVE);
    return true;
}

/* The stream changed @when: if the neighbour has waited, it goes on then. */
static void pinring_channel_wake_neighbour(PinringChannel *channel,
                                           int64_t when)
{
    PinringChannel *other = &channel->dma->channels[!channel->dir];

    if (other->state == PINRING_READY && other->waited) {
        other->due = MAX(other->due, when);
        other->waited = false;
        if (pinring_channel_plan(other)) {
            pinring_channel_arm(other);
        }
    }
}

/* What was planned may have changed under it: a switch, a stream reset. */
void pinring_channel_move_send(PinringChannel *channel)
{
    PinringDma *dma = channel->dma;
    PinringBd *bd = &channel->bd;
    uint64_t address = bd->buffer + bd->done;
    int64_t when = channel->due;
    MemTxResult result;
    uint64_t bytes;
    uint8_t *to;
    bool last;

    pinring_channel_enter(channel, PINRING_READY);
    bytes = MIN(channel->piece, pinring_stream_room(dma, &to));
    if (!bytes) {
        return;
    }
    pinring_memory_check(dma, address, bytes);
    result = pinring_memory_access(dma, address, to, bytes, false);
    if (result != MEMTX_OK) {
        pinring_bd_fail(channel, pinring_data_error(result));
        return;
    }
    bd->done += bytes;
    channel->counts.bytes += bytes;
    last = bd->control & PINRING_BD_EOF && bd->done == bd->length;
    pinring_stream_push(dma, bytes, last);
    if (bd->done == bd->length) {
        pinring_channel_complete(channel, last);
    }
    pinring_channel_wake_neighbour(channel, when);
}

void pinring_channel_move_recv(PinringChannel *channel)
{
    PinringDma *dma = channel->dma;
    PinringBd *bd = &channel->bd;
    uint64_t address = bd->buffer + bd->done;
    int64_t when = channel->due;
    const uint8_t *from;
    MemTxResult result;
    uint64_t bytes;
    bool last;

    pinring_channel_enter(channel, PINRING_READY);
    bytes = pinring_stream_peek(dma, channel->piece, &from, &last);
    if (!bytes) {
        return;
    }
    pinring_memory_check(dma, address, bytes);
    result = pinring_memory_access(dma, address, (void *)from, bytes, true);
    if (result != MEMTX_OK) {
        pinring_bd_fail(channel, pinring_data_error(result));
        return;
    }
    bd->done += bytes;
    channel->counts.bytes += bytes;
    pinring_stream_pop(dma, bytes, last);
    if (last && bd->done < bd->length &&
        pinring_dma_breaks(dma, PINRING_RULE_SHORT_PACKET)) {
        channel->in_packet = false;
    } else if (last || bd->done == bd->length) {
        pinring_channel_complete(channel, last);
    }
    pinring_channel_wake_neighbour(channel, when);
}
