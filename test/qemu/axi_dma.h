/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A register-level model of AMD's AXI DMA, written from PG021. Its parts share
 * what is in here.
 *
 *   axi_dma.c            the device, its properties, its resets
 *   axi_dma_registers.c  its registers
 *   axi_dma_engine.c     what a channel does with its buffer descriptors
 *   axi_dma_bd.c         the descriptors in memory
 *   axi_dma_transfer.c   their data, and how long it takes
 *   axi_dma_irq.c        interrupt coalescing and the lines
 *   axi_dma_memory.c     the bus: accesses to memory, errors, grants
 *   axi_dma_stream.c     the stream between the channels, or at their end
 *   axi_dma_control.c    the control page: faults and counters
 *   axi_dma_fdt.c        the device tree nodes
 */
#ifndef HW_DMA_PINRING_AXI_DMA_H
#define HW_DMA_PINRING_AXI_DMA_H

#include "hw/sysbus.h"
#include "qemu/timer.h"
#include "qom/object.h"
#include "axi_dma_fdt.h"
#include "axi_dma_rules.h"

OBJECT_DECLARE_SIMPLE_TYPE(PinringDma, PINRING_AXI_DMA)

/* ---- registers (PG021, "Register Space") --------------------------------- */

/* From the channel's base: MM2S at 0x00, S2MM at 0x30 */
#define PINRING_CHANNEL_BYTES   0x30
#define PINRING_DMACR           0x00
#define PINRING_DMASR           0x04
#define PINRING_CURDESC         0x08
#define PINRING_CURDESC_MSB     0x0c
#define PINRING_TAILDESC        0x10
#define PINRING_TAILDESC_MSB    0x14
#define PINRING_ADDRESS         0x18
#define PINRING_ADDRESS_MSB     0x1c
#define PINRING_LENGTH          0x28
#define PINRING_SG_CTL          0x2c    /* of the whole engine, MM2S only */

#define PINRING_CR_RS           (1U << 0)
#define PINRING_CR_ONE          (1U << 1)   /* reserved, reads as 1 */
#define PINRING_CR_RESET        (1U << 2)
#define PINRING_CR_KEYHOLE      (1U << 3)
#define PINRING_CR_CYCLIC       (1U << 4)
#define PINRING_CR_THRESHOLD_SHIFT  16
#define PINRING_CR_DELAY_SHIFT      24

#define PINRING_SR_HALTED       (1U << 0)
#define PINRING_SR_IDLE         (1U << 1)
#define PINRING_SR_SG_INCLUDED  (1U << 3)
#define PINRING_SR_DMA_INT_ERR  (1U << 4)
#define PINRING_SR_DMA_SLV_ERR  (1U << 5)
#define PINRING_SR_DMA_DEC_ERR  (1U << 6)
#define PINRING_SR_SG_INT_ERR   (1U << 8)
#define PINRING_SR_SG_SLV_ERR   (1U << 9)
#define PINRING_SR_SG_DEC_ERR   (1U << 10)
#define PINRING_SR_ERRORS       0x770U

/* The same places in DMACR (enables) and DMASR (events) */
#define PINRING_IRQ_IOC         (1U << 12)
#define PINRING_IRQ_DELAY       (1U << 13)
#define PINRING_IRQ_ERROR       (1U << 14)
#define PINRING_IRQ_ALL         0x7000U

/* ---- buffer descriptors (PG021, "Scatter Gather Descriptor") ------------- */

#define PINRING_BD_BYTES        64
#define PINRING_BD_NEXT         0x00
#define PINRING_BD_BUFFER       0x08
#define PINRING_BD_CONTROL      0x18
#define PINRING_BD_STATUS       0x1c

#define PINRING_BD_SOF          (1U << 27)
#define PINRING_BD_EOF          (1U << 26)
#define PINRING_BD_LENGTH_MASK  0x3ffffffU
#define PINRING_BD_COMPLETE     (1U << 31)
#define PINRING_BD_DEC_ERR      (1U << 30)
#define PINRING_BD_SLV_ERR      (1U << 29)
#define PINRING_BD_INT_ERR      (1U << 28)

/* ---- the stream ---------------------------------------------------------- */

typedef enum PinringStreamKind {
    PINRING_LOOPBACK,
    PINRING_SOURCE,
    PINRING_SINK,
    PINRING_ACCELERATOR,
} PinringStreamKind;

/**
 * struct PinringStream - what the channels' AXI4-Streams are connected to
 * @data: ring of @size bytes: the FIFO
 * @limit: of the bytes in it
 * @read: total ever taken out, @read % @size is where to read
 * @written: total ever put in
 * @ends: value of @written after each packet that is still in the FIFO
 * @in_reset: the stream reset register's bit 0
 * @out_open: a packet has begun to go out and not ended
 * @out_bytes: of that packet that have gone out
 * @cut: packet going out ends after so many bytes, 0 for never
 * @pad: bytes still to be added to the packet going out
 * @padding: its own bytes are out, @pad is what follows
 * @discard: rest of a packet that was cut short, to be dropped
 * @made: bytes of the source's packet under way
 * @make: its length
 * @counter: next byte of the source
 * @prbs: state of the source's other pattern
 */
typedef struct PinringStream {
    uint8_t *data;
    uint64_t size;
    uint64_t limit;
    uint64_t read;
    uint64_t written;
    GArray *ends;
    bool in_reset;
    bool out_open;
    uint64_t out_bytes;
    uint64_t cut;
    uint64_t pad;
    bool padding;
    bool discard;
    uint64_t made;
    uint64_t make;
    uint8_t counter;
    uint32_t prbs;
} PinringStream;

/* ---- a channel ----------------------------------------------------------- */

typedef enum PinringDir {
    PINRING_SEND,   /* MM2S */
    PINRING_RECV,   /* S2MM */
    PINRING_DIRS,
} PinringDir;

/**
 * enum PinringState - of a channel's engine
 * @PINRING_HALTED: DMASR.Halted
 * @PINRING_PAUSED: running; no tail yet, or at the tail
 * @PINRING_FETCH: descriptor at @next will be read when due
 * @PINRING_READY: has a descriptor, waits for the stream or a held switch
 * @PINRING_MOVE: a piece of the descriptor's data arrives when due
 * @PINRING_STOPPING: will be halted when due
 */
typedef enum PinringState {
    PINRING_HALTED,
    PINRING_PAUSED,
    PINRING_FETCH,
    PINRING_READY,
    PINRING_MOVE,
    PINRING_STOPPING,
} PinringState;

typedef struct PinringBd {
    uint64_t at;
    uint64_t next;
    uint64_t buffer;
    uint32_t control;
    uint32_t length;
    uint32_t done;
    bool first;     /* S2MM: the packet begins in it */
    bool fails;     /* a switch wants it to end in an error */
} PinringBd;

/* Counters of a channel, in the control page */
typedef struct PinringCounts {
    uint64_t bds;
    uint64_t packets;
    uint64_t bytes;
    uint64_t irqs;
    uint64_t busy_ns;
    uint64_t idle_ns;
} PinringCounts;

/* Switches of a channel, in the control page */
typedef struct PinringSwitches {
    uint64_t hold;
    uint64_t drop;
    uint64_t fail;
    uint64_t error_at_bd;
    uint64_t stuck_halt;
} PinringSwitches;

/**
 * struct PinringChannel - MM2S or S2MM
 * @control: DMACR without Reset
 * @status: DMASR's Halted, Idle, errors and interrupts
 * @tail_low: written to TAILDESC, before its MSB made it count
 * @threshold_left: IOC events until the IOC interrupt
 * @delay_since: when the delay timer began to count, -1 if it does not
 * @next: address of the descriptor to fetch
 * @due: when what @state waits for happens (or has happened)
 * @fetched: when the descriptor was fetched
 * @piece: bytes that move when due
 * @waited: the data path has stood still, so that it begins anew now
 * @started: the engine comes out of a pause, so that latencies show
 * @in_packet: MM2S: within a packet; S2MM: likewise, as the engine sees it
 * @accounted: busy or idle time up to here is in the counters
 */
typedef struct PinringChannel {
    PinringDma *dma;
    PinringDir dir;
    bool exists;
    qemu_irq irq;
    bool irq_level;
    QEMUTimer *timer;
    QEMUTimer *delay_timer;

    uint32_t control;
    uint32_t status;
    uint64_t current;
    uint64_t tail;
    uint32_t tail_low;
    uint64_t address;
    uint32_t length;
    uint8_t threshold_left;
    int64_t delay_since;

    PinringState state;
    PinringBd bd;
    uint64_t next;
    int64_t due;
    int64_t fetched;
    uint32_t piece;
    bool waited;
    bool started;
    bool in_packet;
    int64_t accounted;

    PinringSwitches switches;
    PinringCounts counts;
} PinringChannel;

/* ---- the device ---------------------------------------------------------- */

#define PINRING_REGISTERS_BYTES 0x1000
#define PINRING_CONTROL_BYTES   0x4000
#define PINRING_RESET_BYTES     0x1000

/* Values of the switch error_kind */
enum {
    PINRING_ERROR_SLAVE,
    PINRING_ERROR_DECODE,
    PINRING_ERROR_INTERNAL,
    PINRING_ERROR_KINDS,
};

typedef struct PinringGrant {
    uint64_t address;
    uint64_t bytes;
} PinringGrant;

struct PinringDma {
    SysBusDevice parent_obj;

    MemoryRegion registers;
    MemoryRegion control_page;
    MemoryRegion stream_reset_page;
    PinringChannel channels[PINRING_DIRS];
    PinringStream stream;
    QEMUTimer *reset_timer;
    bool resetting;
    uint32_t sg_ctl;
    uint32_t index;     /* on the command line */

    /* properties */
    char *label;
    char *stream_name;
    PinringStreamKind kind;
    bool has_send;
    bool has_recv;
    bool sg;
    uint32_t addrwidth;
    uint32_t length_width;
    bool dre;
    uint32_t data_width;
    uint32_t clock_hz;
    uint8_t irq_delay;
    bool coherent;
    bool stream_reset;

    /* switches */
    uint64_t drop;
    uint64_t short_packet;
    uint64_t long_packet;
    uint64_t rate;
    uint64_t fifo_bytes;
    uint64_t packet_bytes;
    uint64_t source_prbs;
    uint64_t error_kind;
    uint64_t stuck_reset;
    uint64_t slow_memory_ns;
    uint64_t reset_flushes_stream;
    uint64_t hold_stream;
    uint64_t break_rule;

    /* counters */
    uint64_t register_writes;
    uint64_t register_reads;
    uint64_t resets;
    uint64_t errors;
    uint64_t violations;
    uint64_t last_violation;
    uint64_t violation[PINRING_VIOLATIONS];

    /* the control page's registers */
    uint64_t grant_address;
    uint64_t revoke_address;
    uint64_t grants_enforced;
    GArray *grants;
};

static inline bool pinring_dma_breaks(PinringDma *dma, PinringRule rule)
{
    return dma->break_rule == rule;
}

/*
 * 64-bit mode: the MSB registers exist, and a tail counts when its is written
 * (PG021, TAILDESC_MSB).
 */
static inline bool pinring_dma_is_wide(PinringDma *dma)
{
    return dma->addrwidth > 32;
}

static inline int64_t pinring_now(void)
{
    return qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
}

/* How long @clocks take, in ns */
static inline int64_t pinring_clocks(PinringDma *dma, uint64_t clocks)
{
    return muldiv64(clocks, NANOSECONDS_PER_SECOND, dma->clock_hz);
}

/* axi_dma.c */
void pinring_dma_violation(PinringDma *dma, PinringViolation violation);
void pinring_dma_soft_reset(PinringDma *dma, PinringChannel *by);
void pinring_dma_catch_up(PinringDma *dma);

/* axi_dma_registers.c */
extern const MemoryRegionOps pinring_register_ops;

/* axi_dma_engine.c */
void pinring_channel_init(PinringDma *dma, PinringDir dir);
void pinring_channel_exit(PinringChannel *channel);
void pinring_channel_reset(PinringChannel *channel);
void pinring_channel_start(PinringChannel *channel);
void pinring_channel_stop(PinringChannel *channel);
void pinring_channel_catch_up(PinringChannel *channel);
void pinring_channel_tail(PinringChannel *channel);
void pinring_channel_direct(PinringChannel *channel);
void pinring_channel_kick(PinringChannel *channel);
void pinring_channel_account(PinringChannel *channel);

void pinring_channel_fail(PinringChannel *channel, uint32_t error);
void pinring_channel_enter(PinringChannel *channel, PinringState state);
void pinring_channel_arm(PinringChannel *channel);
void pinring_channel_complete(PinringChannel *channel, bool ended);

/* axi_dma_transfer.c */
bool pinring_channel_plan(PinringChannel *channel);
void pinring_channel_move_send(PinringChannel *channel);
void pinring_channel_move_recv(PinringChannel *channel);

/* axi_dma_bd.c */
bool pinring_bd_read(PinringChannel *channel);
void pinring_bd_direct(PinringChannel *channel);
bool pinring_bd_write_status(PinringChannel *channel, uint32_t status);
void pinring_bd_fail(PinringChannel *channel, uint32_t error);
bool pinring_bd_shall_fail(PinringSwitches *switches);
uint32_t pinring_data_error(MemTxResult result);
uint32_t pinring_wanted_error(PinringDma *dma);

/* axi_dma_irq.c */
void pinring_channel_update_irq(PinringChannel *channel);
void pinring_channel_packet_begins(PinringChannel *channel);
void pinring_channel_packet_ends(PinringChannel *channel);
void pinring_channel_event(PinringChannel *channel);
void pinring_channel_reload(PinringChannel *channel);
uint8_t pinring_channel_live_delay(PinringChannel *channel);
void pinring_channel_delay_init(PinringChannel *channel);
void pinring_channel_delay_stop(PinringChannel *channel);

/* axi_dma_memory.c */
MemTxResult pinring_memory_access(PinringDma *dma, uint64_t address,
                                  void *data, uint64_t bytes, bool write);
void pinring_memory_check(PinringDma *dma, uint64_t address, uint64_t bytes);
void pinring_memory_grant(PinringDma *dma, uint64_t address, uint64_t bytes);
void pinring_memory_revoke(PinringDma *dma, uint64_t address, uint64_t bytes);

/* axi_dma_stream.c */
void pinring_stream_init(PinringDma *dma);
void pinring_stream_exit(PinringDma *dma);
void pinring_stream_flush(PinringDma *dma);
void pinring_stream_resize(PinringDma *dma);
void pinring_stream_in_reset(PinringDma *dma, bool in_reset);
uint64_t pinring_stream_room(PinringDma *dma, uint8_t **to);
void pinring_stream_push(PinringDma *dma, uint64_t bytes, bool last);
uint64_t pinring_stream_peek(PinringDma *dma, uint64_t want,
                             const uint8_t **from, bool *last);
void pinring_stream_pop(PinringDma *dma, uint64_t bytes, bool last);

/* axi_dma_control.c */
extern const MemoryRegionOps pinring_control_ops;
void pinring_control_init(PinringDma *dma);

#endif
