/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is at the channels' AXI4-Streams: a FIFO of bytes with the places where
 * packets end (TLAST). What is full holds MM2S back, what is empty S2MM.
 *
 * A sink is a FIFO that empties itself, a source one that fills itself when
 * S2MM asks, an accelerator one that changes bytes on their way in. Faults of
 * packets happen on the way out, so that a send never sees them.
 */
#include "qemu/osdep.h"

#include "axi_dma.h"

#define PINRING_ACCELERATOR_XOR 0x5a
#define PINRING_PRBS_SEED       0x7fffffffU
#define PINRING_PRBS_MASK       0x7fffffffU

/* What long_packet adds: a byte that no pattern of the tests repeats */
static uint8_t pinring_padding[4096];

static uint64_t pinring_stream_used(PinringStream *stream)
{
    return stream->written - stream->read;
}

/* ---- in ------------------------------------------------------------------ */

/* Bytes that fit at *@to; more may fit after them. */
uint64_t pinring_stream_room(PinringDma *dma, uint8_t **to)
{
    PinringStream *stream = &dma->stream;
    uint64_t used = pinring_stream_used(stream);
    uint64_t at = stream->written % stream->size;

    if (stream->in_reset || used >= stream->limit) {
        return 0;
    }
    *to = stream->data + at;
    return MIN(stream->limit - used, stream->size - at);
}

/* What nobody shall receive: all of a sink's, and the rest of a cut packet */
static void pinring_stream_settle(PinringDma *dma)
{
    PinringStream *stream = &dma->stream;

    if (stream->discard) {
        if (stream->ends->len) {
            stream->read = g_array_index(stream->ends, uint64_t, 0);
            g_array_remove_index(stream->ends, 0);
            stream->discard = false;
        } else {
            stream->read = stream->written;
        }
    }
    if (dma->kind == PINRING_SINK && !dma->hold_stream && !stream->in_reset) {
        stream->read = stream->written;
        g_array_set_size(stream->ends, 0);
    }
}

/* @bytes have been put where pinring_stream_room() said. */
void pinring_stream_push(PinringDma *dma, uint64_t bytes, bool last)
{
    PinringStream *stream = &dma->stream;

    if (dma->kind == PINRING_ACCELERATOR) {
        uint8_t *at = stream->data + stream->written % stream->size;
        uint64_t i;

        for (i = 0; i < bytes; i++) {
            at[i] ^= PINRING_ACCELERATOR_XOR;
        }
    }
    stream->written += bytes;
    if (last) {
        g_array_append_val(stream->ends, stream->written);
    }
    pinring_stream_settle(dma);
}

/* ---- the source ---------------------------------------------------------- */

/*
 * PRBS-31 (x^31 + x^28 + 1), first bit in a byte's highest one. The taps lie
 * more than a byte above the end, so eight bits are made at once.
 */
static uint8_t pinring_prbs_byte(PinringStream *stream)
{
    uint32_t bits = ((stream->prbs >> 23) ^ (stream->prbs >> 20)) & 0xff;

    stream->prbs = ((stream->prbs << 8) | bits) & PINRING_PRBS_MASK;
    return bits;
}

static void pinring_source_make(PinringDma *dma, uint64_t want)
{
    PinringStream *stream = &dma->stream;
    uint64_t room, i;
    uint8_t *to = NULL;

    room = pinring_stream_room(dma, &to);
    if (!stream->made) {
        stream->make = dma->packet_bytes;
    }
    room = MIN(MIN(room, want), stream->make - stream->made);
    if (!room) {
        return;
    }
    for (i = 0; i < room; i++) {
        to[i] = dma->source_prbs ? pinring_prbs_byte(stream)
                                 : stream->counter++;
    }
    stream->made += room;
    pinring_stream_push(dma, room, stream->made == stream->make);
    if (stream->made == stream->make) {
        stream->made = 0;
    }
}

/* ---- out ----------------------------------------------------------------- */

/* The switches that spoil a packet act on the one that begins to leave now. */
static void pinring_stream_open(PinringDma *dma)
{
    PinringStream *stream = &dma->stream;

    stream->out_open = true;
    stream->out_bytes = 0;
    stream->padding = false;
    stream->cut = dma->short_packet;
    stream->pad = dma->long_packet;
    dma->short_packet = 0;
    dma->long_packet = 0;
}

/*
 * How many bytes S2MM finds at *@from, at most @want, and whether TLAST comes
 * with the last of them.
 */
uint64_t pinring_stream_peek(PinringDma *dma, uint64_t want,
                             const uint8_t **from, bool *last)
{
    PinringStream *stream = &dma->stream;
    uint64_t at, end, bytes;
    bool natural;

    if (dma->hold_stream || stream->in_reset || !want) {
        return 0;
    }
    if (stream->padding) {
        bytes = MIN(MIN(want, stream->pad), sizeof(pinring_padding));
        *from = pinring_padding;
        *last = bytes == stream->pad;
        return bytes;
    }
    if (dma->kind == PINRING_SOURCE && !pinring_stream_used(stream)) {
        pinring_source_make(dma, want);
    }

    at = stream->read % stream->size;
    end = stream->ends->len ? g_array_index(stream->ends, uint64_t, 0)
                            : stream->written;
    bytes = MIN(MIN(want, end - stream->read), stream->size - at);
    if (!bytes) {
        return 0;
    }
    if (!stream->out_open) {
        pinring_stream_open(dma);
    }
    if (stream->cut) {
        bytes = MIN(bytes, stream->cut - stream->out_bytes);
    }
    natural = stream->ends->len && stream->read + bytes == end;
    *from = stream->data + at;
    *last = (natural && !stream->pad) ||
            (stream->cut && stream->out_bytes + bytes == stream->cut);
    return bytes;
}

/* @bytes and @last are what pinring_stream_peek() said. */
void pinring_stream_pop(PinringDma *dma, uint64_t bytes, bool last)
{
    PinringStream *stream = &dma->stream;
    bool natural = true;

    if (stream->padding) {
        stream->pad -= bytes;
    } else {
        stream->read += bytes;
        stream->out_bytes += bytes;
        natural = stream->ends->len &&
                  g_array_index(stream->ends, uint64_t, 0) == stream->read;
        if (natural) {
            g_array_remove_index(stream->ends, 0);
            stream->padding = !last;
        }
    }
    if (last) {
        stream->discard = !natural;
        stream->out_open = false;
        stream->out_bytes = 0;
        stream->cut = 0;
        stream->pad = 0;
        stream->padding = false;
    }
    pinring_stream_settle(dma);
}

/* ---- control ------------------------------------------------------------- */

/*
 * Nothing is left of the packets that were under way. The source starts a new
 * packet with the byte that would have come next.
 */
void pinring_stream_flush(PinringDma *dma)
{
    PinringStream *stream = &dma->stream;

    stream->read = 0;
    stream->written = 0;
    g_array_set_size(stream->ends, 0);
    stream->out_open = false;
    stream->out_bytes = 0;
    stream->cut = 0;
    stream->pad = 0;
    stream->padding = false;
    stream->discard = false;
    stream->made = 0;
}

void pinring_stream_in_reset(PinringDma *dma, bool in_reset)
{
    if (in_reset) {
        pinring_stream_flush(dma);
    }
    dma->stream.in_reset = in_reset;
}

/* After fifo_bytes or hold_stream was written. What is in the FIFO stays. */
void pinring_stream_resize(PinringDma *dma)
{
    PinringStream *stream = &dma->stream;
    uint64_t used, head, size, i;
    uint8_t *data;

    pinring_stream_settle(dma);
    if (stream->limit == dma->fifo_bytes) {
        return;
    }
    used = pinring_stream_used(stream);
    size = MAX(dma->fifo_bytes, used);
    data = g_malloc(size);
    head = MIN(used, stream->size - stream->read % stream->size);
    memcpy(data, stream->data + stream->read % stream->size, head);
    memcpy(data + head, stream->data, used - head);

    for (i = 0; i < stream->ends->len; i++) {
        g_array_index(stream->ends, uint64_t, i) -= stream->read;
    }
    g_free(stream->data);
    stream->data = data;
    stream->size = size;
    stream->limit = dma->fifo_bytes;
    stream->read = 0;
    stream->written = used;
}

void pinring_stream_init(PinringDma *dma)
{
    PinringStream *stream = &dma->stream;

    memset(pinring_padding, 0xee, sizeof(pinring_padding));
    stream->limit = dma->fifo_bytes;
    stream->size = dma->fifo_bytes;
    stream->data = g_malloc(stream->size);
    stream->ends = g_array_new(false, false, sizeof(uint64_t));
    stream->prbs = PINRING_PRBS_SEED;
}

void pinring_stream_exit(PinringDma *dma)
{
    g_free(dma->stream.data);
    g_array_free(dma->stream.ends, true);
}
