/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a channel does with its buffer descriptors, as a chain of steps that a
 * timer of the virtual clock drives. No step is taken inside a register write:
 * the engine is another bus master, and what races with it on a board shall do
 * so here. Times are PG021's ("Latency and Throughput"), in clocks.
 */
#include "qemu/osdep.h"

#include "axi_dma.h"

#define PINRING_CLOCKS_TAIL     10  /* TAILDESC write to the SG read */
#define PINRING_CLOCKS_FETCH    28  /* SG read to the data read */
#define PINRING_CLOCKS_TVALID   6   /* MM2S: data read to the stream */
#define PINRING_CLOCKS_HALT     10  /* PG021 only says that there is a lag */

/* Steps before other devices get their turn */
#define PINRING_STEPS           64

/* ---- states -------------------------------------------------------------- */

static bool pinring_channel_busy(PinringChannel *channel)
{
    return channel->state != PINRING_HALTED &&
           channel->state != PINRING_PAUSED;
}

/* Brings busy_ns and idle_ns up to now */
void pinring_channel_account(PinringChannel *channel)
{
    int64_t now = pinring_now();

    if (pinring_channel_busy(channel)) {
        channel->counts.busy_ns += now - channel->accounted;
    } else {
        channel->counts.idle_ns += now - channel->accounted;
    }
    channel->accounted = now;
}

void pinring_channel_enter(PinringChannel *channel, PinringState state)
{
    pinring_channel_account(channel);
    channel->state = state;
}

void pinring_channel_arm(PinringChannel *channel)
{
    timer_mod(channel->timer, channel->due);
}

static void pinring_channel_stopping(PinringChannel *channel)
{
    pinring_channel_enter(channel, PINRING_STOPPING);
    channel->due = pinring_now() +
                   pinring_clocks(channel->dma, PINRING_CLOCKS_HALT);
    pinring_channel_arm(channel);
}

static void pinring_channel_pause(PinringChannel *channel)
{
    pinring_channel_enter(channel, PINRING_PAUSED);
    if (!pinring_dma_breaks(channel->dma, PINRING_RULE_IDLE)) {
        channel->status |= PINRING_SR_IDLE;
    }
}

/* The channel stops at @channel->bd.at; reset alone helps (PG021, "Errors") */
void pinring_channel_fail(PinringChannel *channel, uint32_t error)
{
    PinringDma *dma = channel->dma;

    dma->errors++;
    channel->status |= error | PINRING_IRQ_ERROR;
    if (pinring_dma_breaks(dma, PINRING_RULE_CURDESC_AT_ERROR)) {
        channel->current = channel->bd.next;
    }
    if (pinring_dma_breaks(dma, PINRING_RULE_ERROR_HALTS)) {
        pinring_channel_enter(channel, PINRING_PAUSED);
    } else {
        channel->control &= ~PINRING_CR_RS;
        pinring_channel_stopping(channel);
    }
    pinring_channel_update_irq(channel);
}

/* ---- descriptors --------------------------------------------------------- */

static void pinring_channel_fetch(PinringChannel *channel)
{
    PinringDma *dma = channel->dma;
    PinringBd *bd = &channel->bd;
    uint32_t width = dma->data_width / 8;

    channel->fetched = channel->due;
    if (!dma->sg) {
        pinring_bd_direct(channel);
    } else if (!pinring_bd_read(channel)) {
        return;
    }

    /*
     * The realignment engine exists up to 64 bits only (PG021). Without it
     * such an address is undefined; the data then goes to the word's begin.
     */
    if ((!dma->dre || width > 8) && bd->buffer % width) {
        pinring_dma_violation(dma, PINRING_V_UNALIGNED_NO_DRE);
        bd->buffer = QEMU_ALIGN_DOWN(bd->buffer, width);
    }
    if (channel->dir == PINRING_SEND) {
        if (channel->in_packet == !!(bd->control & PINRING_BD_SOF)) {
            pinring_dma_violation(dma, PINRING_V_TXSOF_MISPLACED);
        }
        if (!channel->in_packet) {
            pinring_channel_packet_begins(channel);
        }
        channel->in_packet = true;
    }
    bd->fails = pinring_bd_shall_fail(&channel->switches);

    if (channel->started) {
        channel->due += pinring_clocks(dma, PINRING_CLOCKS_FETCH);
        if (channel->dir == PINRING_SEND) {
            channel->due += pinring_clocks(dma, PINRING_CLOCKS_TVALID);
        }
        channel->started = false;
    }
    channel->waited = false;
    pinring_channel_enter(channel, PINRING_READY);

    if (!bd->length) {
        pinring_dma_violation(dma, PINRING_V_ZERO_LENGTH);
        if (pinring_dma_breaks(dma, PINRING_RULE_ZERO_LENGTH)) {
            pinring_channel_complete(channel, bd->control & PINRING_BD_EOF);
        } else {
            pinring_bd_fail(channel, PINRING_SR_DMA_INT_ERR);
        }
    }
}

/* The descriptor that follows: at once, since the engine reads ahead */
static void pinring_channel_next(PinringChannel *channel)
{
    PinringDma *dma = channel->dma;
    int64_t earliest;

    channel->next = channel->bd.next;
    if (!(channel->control & PINRING_CR_RS)) {
        pinring_channel_stopping(channel);
        return;
    }
    if (!dma->sg || (channel->bd.at == channel->tail &&
                     !(channel->control & PINRING_CR_CYCLIC) &&
                     !pinring_dma_breaks(dma, PINRING_RULE_TAIL_STOPS))) {
        pinring_channel_pause(channel);
        return;
    }
    earliest = channel->fetched + pinring_clocks(dma, PINRING_CLOCKS_FETCH);
    channel->due = MAX(channel->due, earliest);
    pinring_channel_enter(channel, PINRING_FETCH);
}

/* @ended: the descriptor is the packet's last */
void pinring_channel_complete(PinringChannel *channel, bool ended)
{
    PinringDma *dma = channel->dma;
    PinringBd *bd = &channel->bd;
    uint32_t status = PINRING_BD_COMPLETE;

    if (bd->fails) {
        pinring_bd_fail(channel, pinring_wanted_error(dma));
        return;
    }
    if (!dma->sg && channel->dir == PINRING_RECV) {
        channel->length = bd->done;
        if (!ended) {
            pinring_channel_fail(channel, PINRING_SR_DMA_INT_ERR);
            return;
        }
    }
    if (!pinring_dma_breaks(dma, PINRING_RULE_BYTE_COUNT)) {
        status |= bd->done;
    }
    if (channel->dir == PINRING_RECV) {
        status |= bd->first ? PINRING_BD_SOF : 0;
        if (ended && !pinring_dma_breaks(dma, PINRING_RULE_RXEOF)) {
            status |= PINRING_BD_EOF;
        }
    }
    if (dma->sg && !pinring_bd_write_status(channel, status)) {
        return;
    }

    channel->counts.bds++;
    pinring_channel_next(channel);
    if (ended) {
        channel->in_packet = false;
        channel->counts.packets++;
        pinring_channel_packet_ends(channel);
    }
    if (ended || pinring_dma_breaks(dma, PINRING_RULE_IOC_AT_END)) {
        pinring_channel_event(channel);
    }
}

/* ---- steps --------------------------------------------------------------- */

static void pinring_channel_halt(PinringChannel *channel)
{
    if (channel->switches.stuck_halt ||
        pinring_dma_breaks(channel->dma, PINRING_RULE_HALTS)) {
        return;
    }
    pinring_channel_enter(channel, PINRING_HALTED);
    channel->status |= PINRING_SR_HALTED;
    channel->status &= ~PINRING_SR_IDLE;
    pinring_channel_delay_stop(channel);
    if (channel->control & PINRING_CR_RS) {
        pinring_channel_start(channel);
    }
}

/*
 * A stopped send does not wait for its stream: "terminated early" in PG021's
 * words, which leaves part of a packet downstream.
 */
static void pinring_channel_cut(PinringChannel *channel)
{
    if (channel->dir == PINRING_SEND &&
        !(channel->control & PINRING_CR_RS)) {
        pinring_channel_stopping(channel);
    }
}

static void pinring_channel_run(void *opaque)
{
    PinringChannel *channel = opaque;
    int steps;

    for (steps = 0; steps < PINRING_STEPS; steps++) {
        switch (channel->state) {
        case PINRING_HALTED:
        case PINRING_PAUSED:
            return;
        case PINRING_READY:
            if (!pinring_channel_plan(channel)) {
                pinring_channel_cut(channel);
                return;
            }
            continue;
        default:
            break;
        }

        if (channel->due > pinring_now()) {
            pinring_channel_arm(channel);
            return;
        }
        switch (channel->state) {
        case PINRING_FETCH:
            if (channel->switches.hold) {
                return;
            }
            pinring_channel_fetch(channel);
            break;
        case PINRING_MOVE:
            if (channel->dir == PINRING_SEND) {
                pinring_channel_move_send(channel);
            } else {
                pinring_channel_move_recv(channel);
            }
            break;
        default:
            pinring_channel_halt(channel);
            return;
        }
    }
    timer_mod(channel->timer, pinring_now());
}

/*
 * A driver that polls for Halted keeps the emulator's lock from the thread that
 * runs timers, on a busy host for longer than drivers have patience. So what a
 * stop waits for is also looked at when somebody asks, not before its time.
 */
void pinring_channel_catch_up(PinringChannel *channel)
{
    if (!(channel->control & PINRING_CR_RS) &&
        timer_pending(channel->timer) &&
        timer_expired(channel->timer, pinring_now())) {
        timer_del(channel->timer);
        pinring_channel_run(channel);
    }
}

/* Something outside has changed: look at it, soon, from the timer. */
void pinring_channel_kick(PinringChannel *channel)
{
    if (pinring_channel_busy(channel)) {
        timer_mod(channel->timer, pinring_now());
    }
}

/* ---- what the registers ask for ------------------------------------------ */

/* RS has become 1. */
void pinring_channel_start(PinringChannel *channel)
{
    channel->status &= ~PINRING_SR_HALTED;
    channel->next = channel->current;
    channel->in_packet = false;
    pinring_channel_enter(channel, PINRING_PAUSED);
}

/*
 * RS has become 0. A descriptor whose data has begun to move is finished first
 * if the stream lets it. So a receive in the middle of a packet that does not
 * go on does not halt; a send does, see above.
 */
void pinring_channel_stop(PinringChannel *channel)
{
    switch (channel->state) {
    case PINRING_READY:
        if (channel->bd.done && channel->dir == PINRING_RECV) {
            return;
        }
        break;
    case PINRING_PAUSED:
    case PINRING_FETCH:
        break;
    default:
        return;
    }
    pinring_channel_stopping(channel);
}

static void pinring_channel_go(PinringChannel *channel, uint64_t clocks)
{
    channel->status &= ~PINRING_SR_IDLE;
    channel->started = true;
    channel->due = pinring_now() + pinring_clocks(channel->dma, clocks);
    pinring_channel_enter(channel, PINRING_FETCH);
    pinring_channel_arm(channel);
}

/* TAILDESC was written. A channel that does not pause just has a new tail. */
void pinring_channel_tail(PinringChannel *channel)
{
    if (channel->state == PINRING_HALTED) {
        pinring_dma_violation(channel->dma, PINRING_V_TAIL_WHILE_HALTED);
        if (!pinring_dma_breaks(channel->dma, PINRING_RULE_TAIL_HALTED)) {
            return;
        }
        channel->control |= PINRING_CR_RS;
        pinring_channel_start(channel);
    }
    if (channel->state == PINRING_PAUSED) {
        pinring_channel_go(channel, PINRING_CLOCKS_TAIL);
    }
}

/* LENGTH was written, without scatter-gather. */
void pinring_channel_direct(PinringChannel *channel)
{
    if (channel->state == PINRING_HALTED) {
        pinring_dma_violation(channel->dma, PINRING_V_TAIL_WHILE_HALTED);
    } else if (channel->state == PINRING_PAUSED && channel->length) {
        pinring_channel_go(channel, 0);
    }
}

/* ---- begin and end ------------------------------------------------------- */

void pinring_channel_reset(PinringChannel *channel)
{
    uint32_t kept = 0;

    if (pinring_dma_breaks(channel->dma, PINRING_RULE_RESET_CLEARS)) {
        kept = channel->status & (PINRING_SR_ERRORS | PINRING_IRQ_ALL);
    }
    timer_del(channel->timer);
    pinring_channel_delay_stop(channel);
    pinring_channel_enter(channel, PINRING_HALTED);
    channel->control = PINRING_CR_ONE | 1U << PINRING_CR_THRESHOLD_SHIFT;
    channel->status = PINRING_SR_HALTED | kept;
    channel->current = 0;
    channel->tail = 0;
    channel->tail_low = 0;
    channel->address = 0;
    channel->length = 0;
    channel->next = 0;
    channel->in_packet = false;
    channel->started = false;
    channel->waited = false;
    memset(&channel->bd, 0, sizeof(channel->bd));
    pinring_channel_reload(channel);
    pinring_channel_update_irq(channel);
}

void pinring_channel_init(PinringDma *dma, PinringDir dir)
{
    PinringChannel *channel = &dma->channels[dir];

    channel->dma = dma;
    channel->dir = dir;
    channel->timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, pinring_channel_run,
                                  channel);
    pinring_channel_delay_init(channel);
    channel->accounted = pinring_now();
}

void pinring_channel_exit(PinringChannel *channel)
{
    timer_free(channel->timer);
    timer_free(channel->delay_timer);
}
