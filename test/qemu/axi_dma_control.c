/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The control page, the same values as properties of the device, and what they
 * are: switches that make the hardware do what it does on a bad day, and
 * counters. The page describes itself, so that who reads it needs no list.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/visitor.h"
#include "qemu/units.h"

#include "axi_dma.h"

#define PINRING_CONTROL_MAGIC   0x50524144U
#define PINRING_CONTROL_VERSION 1
#define PINRING_CONTROL_LABEL   0x010
#define PINRING_CONTROL_LABEL_BYTES 32
#define PINRING_CONTROL_GRANT   0x100
#define PINRING_CONTROL_REVOKE  0x110
#define PINRING_CONTROL_ENFORCE 0x120
#define PINRING_CONTROL_ENTRIES 0x400

#define PINRING_ENTRY_BYTES     64
#define PINRING_ENTRY_VALUE     0
#define PINRING_ENTRY_MAX       8
#define PINRING_ENTRY_FLAGS     16
#define PINRING_ENTRY_NAME      24
#define PINRING_ENTRY_NAME_BYTES    40

#define PINRING_ENTRY_READ_ONLY 1

/* A FIFO must hold a byte; the source's packet must have one. */
#define PINRING_FIFO_MAX        (64 * MiB)
#define PINRING_RATE_MAX        (100 * NANOSECONDS_PER_SECOND)

/**
 * struct PinringEntry - a switch or a counter
 * @name: its name
 * @offset: of the value in struct PinringDma
 * @min: least value that can be written
 * @max: greatest one; what is more is cut down to it
 * @read_only: it is a counter
 */
typedef struct PinringEntry {
    const char *name;
    size_t offset;
    uint64_t min;
    uint64_t max;
    bool read_only;
} PinringEntry;

#define PINRING_SWITCH(_name, _field, _max) \
    { .name = _name, .offset = offsetof(PinringDma, _field), .max = _max }
#define PINRING_SIZE(_name, _field, _max) \
    { .name = _name, .offset = offsetof(PinringDma, _field), .min = 1, \
      .max = _max }
#define PINRING_COUNTER(_name, _field) \
    { .name = _name, .offset = offsetof(PinringDma, _field), \
      .max = UINT64_MAX, .read_only = true }
#define PINRING_V(_name, _violation) \
    PINRING_COUNTER(_name, violation[_violation])

#define SEND channels[PINRING_SEND]
#define RECV channels[PINRING_RECV]

static const PinringEntry pinring_entries[] = {
    PINRING_SWITCH("hold_send", SEND.switches.hold, 1),
    PINRING_SWITCH("hold_recv", RECV.switches.hold, 1),
    PINRING_SWITCH("hold_stream", hold_stream, 1),
    PINRING_SWITCH("drop_completions", drop, UINT64_MAX),
    PINRING_SWITCH("drop_send_completions", SEND.switches.drop, UINT64_MAX),
    PINRING_SWITCH("drop_recv_completions", RECV.switches.drop, UINT64_MAX),
    PINRING_SWITCH("fail_send", SEND.switches.fail, UINT64_MAX),
    PINRING_SWITCH("fail_recv", RECV.switches.fail, UINT64_MAX),
    PINRING_SWITCH("error_kind", error_kind, PINRING_ERROR_KINDS - 1),
    PINRING_SWITCH("error_at_bd_send", SEND.switches.error_at_bd, UINT64_MAX),
    PINRING_SWITCH("error_at_bd_recv", RECV.switches.error_at_bd, UINT64_MAX),
    PINRING_SWITCH("short_packet", short_packet, UINT64_MAX),
    PINRING_SWITCH("long_packet", long_packet, UINT64_MAX),
    PINRING_SWITCH("rate_bytes_per_s", rate, PINRING_RATE_MAX),
    PINRING_SIZE("fifo_bytes", fifo_bytes, PINRING_FIFO_MAX),
    PINRING_SIZE("packet_bytes", packet_bytes, UINT32_MAX),
    PINRING_SWITCH("source_prbs", source_prbs, 1),
    PINRING_SWITCH("slow_memory_ns", slow_memory_ns, NANOSECONDS_PER_SECOND),
    PINRING_SWITCH("stuck_reset", stuck_reset, 1),
    PINRING_SWITCH("stuck_halt_send", SEND.switches.stuck_halt, 1),
    PINRING_SWITCH("stuck_halt_recv", RECV.switches.stuck_halt, 1),
    PINRING_SWITCH("reset_flushes_stream", reset_flushes_stream, 1),
    PINRING_SWITCH("break_rule", break_rule, PINRING_RULES - 1),

    PINRING_COUNTER("bds_send", SEND.counts.bds),
    PINRING_COUNTER("bds_recv", RECV.counts.bds),
    PINRING_COUNTER("packets_send", SEND.counts.packets),
    PINRING_COUNTER("packets_recv", RECV.counts.packets),
    PINRING_COUNTER("bytes_send", SEND.counts.bytes),
    PINRING_COUNTER("bytes_recv", RECV.counts.bytes),
    PINRING_COUNTER("irqs_send", SEND.counts.irqs),
    PINRING_COUNTER("irqs_recv", RECV.counts.irqs),
    PINRING_COUNTER("busy_ns_send", SEND.counts.busy_ns),
    PINRING_COUNTER("busy_ns_recv", RECV.counts.busy_ns),
    PINRING_COUNTER("idle_ns_send", SEND.counts.idle_ns),
    PINRING_COUNTER("idle_ns_recv", RECV.counts.idle_ns),
    PINRING_COUNTER("sent_packets", SEND.counts.packets),
    PINRING_COUNTER("sent_bytes", SEND.counts.bytes),
    PINRING_COUNTER("received_packets", RECV.counts.packets),
    PINRING_COUNTER("received_bytes", RECV.counts.bytes),
    PINRING_COUNTER("register_writes", register_writes),
    PINRING_COUNTER("register_reads", register_reads),
    PINRING_COUNTER("resets", resets),
    PINRING_COUNTER("errors", errors),

    PINRING_COUNTER("violations", violations),
    PINRING_COUNTER("last_violation", last_violation),
    PINRING_V("v_curdesc_while_running", PINRING_V_CURDESC_WHILE_RUNNING),
    PINRING_V("v_tail_while_halted", PINRING_V_TAIL_WHILE_HALTED),
    PINRING_V("v_reserved_write", PINRING_V_RESERVED_WRITE),
    PINRING_V("v_bd_outside_ram", PINRING_V_BD_OUTSIDE_RAM),
    PINRING_V("v_bd_unaligned", PINRING_V_BD_UNALIGNED),
    PINRING_V("v_bd_reused", PINRING_V_BD_REUSED),
    PINRING_V("v_zero_length", PINRING_V_ZERO_LENGTH),
    PINRING_V("v_unaligned_no_dre", PINRING_V_UNALIGNED_NO_DRE),
    PINRING_V("v_memory_not_granted", PINRING_V_MEMORY_NOT_GRANTED),
    PINRING_V("v_write_during_reset", PINRING_V_WRITE_DURING_RESET),
    PINRING_V("v_length_too_wide", PINRING_V_LENGTH_TOO_WIDE),
    PINRING_V("v_txsof_misplaced", PINRING_V_TXSOF_MISPLACED),
    PINRING_V("v_curdesc_while_running_idle",
              PINRING_V_CURDESC_WHILE_RUNNING_IDLE),
};

QEMU_BUILD_BUG_ON(PINRING_CONTROL_ENTRIES +
                  ARRAY_SIZE(pinring_entries) * PINRING_ENTRY_BYTES >
                  PINRING_CONTROL_BYTES);

/* ---- values -------------------------------------------------------------- */

static uint64_t *pinring_entry_field(PinringDma *dma, const PinringEntry *entry)
{
    return (void *)dma + entry->offset;
}

static uint64_t pinring_entry_get(PinringDma *dma, const PinringEntry *entry)
{
    if (DEVICE(dma)->realized) {
        pinring_channel_account(&dma->SEND);
        pinring_channel_account(&dma->RECV);
    }
    return *pinring_entry_field(dma, entry);
}

/* Acts at once, on what is under way too. */
static void pinring_entry_set(PinringDma *dma, const PinringEntry *entry,
                              uint64_t value)
{
    if (entry->read_only) {
        return;
    }
    *pinring_entry_field(dma, entry) = MAX(MIN(value, entry->max), entry->min);
    if (!DEVICE(dma)->realized) {
        return;
    }
    if (!dma->stuck_reset && dma->resetting) {
        timer_mod(dma->reset_timer, pinring_now());
    }
    pinring_stream_resize(dma);
    pinring_channel_kick(&dma->SEND);
    pinring_channel_kick(&dma->RECV);
    pinring_channel_update_irq(&dma->SEND);
    pinring_channel_update_irq(&dma->RECV);
}

/* ---- the page ------------------------------------------------------------ */

static uint64_t pinring_text(const char *text, size_t bytes, hwaddr at)
{
    char word[8] = "";
    size_t length = strnlen(text, bytes - 1);

    if (at < length) {
        memcpy(word, text + at, MIN(length - at, sizeof(word)));
    }
    return ldq_le_p(word);
}

static uint64_t pinring_entry_word(PinringDma *dma, const PinringEntry *entry,
                                   hwaddr at)
{
    switch (at) {
    case PINRING_ENTRY_VALUE:
        return pinring_entry_get(dma, entry);
    case PINRING_ENTRY_MAX:
        return entry->max;
    case PINRING_ENTRY_FLAGS:
        return entry->read_only ? PINRING_ENTRY_READ_ONLY : 0;
    default:
        return pinring_text(entry->name, PINRING_ENTRY_NAME_BYTES,
                            at - PINRING_ENTRY_NAME);
    }
}

/* The 64-bit word at @at, a multiple of 8 */
static uint64_t pinring_control_word(PinringDma *dma, hwaddr at)
{
    size_t entry = (at - PINRING_CONTROL_ENTRIES) / PINRING_ENTRY_BYTES;

    if (at >= PINRING_CONTROL_ENTRIES) {
        if (entry >= ARRAY_SIZE(pinring_entries)) {
            return 0;
        }
        return pinring_entry_word(dma, &pinring_entries[entry],
                                  at % PINRING_ENTRY_BYTES);
    }
    switch (at) {
    case 0x000:
        return PINRING_CONTROL_MAGIC | (uint64_t)PINRING_CONTROL_VERSION << 32;
    case 0x008:
        return ARRAY_SIZE(pinring_entries) |
               (uint64_t)PINRING_ENTRY_BYTES << 32;
    case PINRING_CONTROL_GRANT:
        return dma->grant_address;
    case PINRING_CONTROL_REVOKE:
        return dma->revoke_address;
    case PINRING_CONTROL_ENFORCE:
        return dma->grants_enforced;
    default:
        if (at - PINRING_CONTROL_LABEL < PINRING_CONTROL_LABEL_BYTES) {
            return pinring_text(dma->label, PINRING_CONTROL_LABEL_BYTES,
                                at - PINRING_CONTROL_LABEL);
        }
        return 0;
    }
}

static void pinring_control_set(PinringDma *dma, hwaddr at, uint64_t value)
{
    size_t entry = (at - PINRING_CONTROL_ENTRIES) / PINRING_ENTRY_BYTES;

    if (at >= PINRING_CONTROL_ENTRIES) {
        if (entry < ARRAY_SIZE(pinring_entries) &&
            at % PINRING_ENTRY_BYTES == PINRING_ENTRY_VALUE) {
            pinring_entry_set(dma, &pinring_entries[entry], value);
        }
        return;
    }
    switch (at) {
    case PINRING_CONTROL_GRANT:
        dma->grant_address = value;
        break;
    case PINRING_CONTROL_GRANT + 8:
        pinring_memory_grant(dma, dma->grant_address, value);
        break;
    case PINRING_CONTROL_REVOKE:
        dma->revoke_address = value;
        break;
    case PINRING_CONTROL_REVOKE + 8:
        pinring_memory_revoke(dma, dma->revoke_address, value);
        break;
    case PINRING_CONTROL_ENFORCE:
        dma->grants_enforced = !!value;
        break;
    }
}

static uint64_t pinring_control_read(void *opaque, hwaddr at, unsigned size)
{
    uint64_t word = pinring_control_word(opaque, QEMU_ALIGN_DOWN(at, 8));

    return extract64(word, at % 8 * 8, size * 8);
}

/*
 * A write of 32 bits to the low half sets the whole word, one to the other
 * half changes that half.
 */
static void pinring_control_write(void *opaque, hwaddr at, uint64_t value,
                                  unsigned size)
{
    PinringDma *dma = opaque;

    if (at % 8) {
        uint64_t low = pinring_control_word(dma, at - 4);

        value = deposit64(low, 32, 32, value);
    }
    pinring_control_set(dma, QEMU_ALIGN_DOWN(at, 8), value);
}

const MemoryRegionOps pinring_control_ops = {
    .read = pinring_control_read,
    .write = pinring_control_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 8 },
    .impl = { .min_access_size = 4, .max_access_size = 8 },
};

/* ---- properties ---------------------------------------------------------- */

static void pinring_property_get(Object *obj, Visitor *v, const char *name,
                                 void *opaque, Error **errp)
{
    uint64_t value = pinring_entry_get(PINRING_AXI_DMA(obj), opaque);

    visit_type_uint64(v, name, &value, errp);
}

static void pinring_property_set(Object *obj, Visitor *v, const char *name,
                                 void *opaque, Error **errp)
{
    const PinringEntry *entry = opaque;
    uint64_t value;

    if (!visit_type_uint64(v, name, &value, errp)) {
        return;
    }
    if (value < entry->min || value > entry->max) {
        error_setg(errp, "%s must be from %" PRIu64 " to %" PRIu64, name,
                   entry->min, entry->max);
        return;
    }
    pinring_entry_set(PINRING_AXI_DMA(obj), entry, value);
}

/* Each entry is a property too, with - for _ as properties have it. */
void pinring_control_init(PinringDma *dma)
{
    int i;

    for (i = 0; i < ARRAY_SIZE(pinring_entries); i++) {
        const PinringEntry *entry = &pinring_entries[i];
        g_autofree char *name = g_strdelimit(g_strdup(entry->name), "_", '-');

        object_property_add(OBJECT(dma), name, "uint64", pinring_property_get,
                            entry->read_only ? NULL : pinring_property_set,
                            NULL, (void *)entry);
    }
}
