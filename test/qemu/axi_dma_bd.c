/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Buffer descriptors in memory: reading one, writing its status, and the errors
 * that come of it.
 */
#include "qemu/osdep.h"

#include "axi_dma.h"

static uint32_t pinring_sg_error(MemTxResult result)
{
    return result == MEMTX_DECODE_ERROR ? PINRING_SR_SG_DEC_ERR
                                        : PINRING_SR_SG_SLV_ERR;
}

uint32_t pinring_data_error(MemTxResult result)
{
    return result == MEMTX_DECODE_ERROR ? PINRING_SR_DMA_DEC_ERR
                                        : PINRING_SR_DMA_SLV_ERR;
}

/* What the switch error_kind asks for */
uint32_t pinring_wanted_error(PinringDma *dma)
{
    switch (dma->error_kind) {
    case PINRING_ERROR_DECODE:
        return PINRING_SR_DMA_DEC_ERR;
    case PINRING_ERROR_INTERNAL:
        return PINRING_SR_DMA_INT_ERR;
    default:
        return PINRING_SR_DMA_SLV_ERR;
    }
}

bool pinring_bd_write_status(PinringChannel *channel, uint32_t status)
{
    uint32_t word = cpu_to_le32(status);
    MemTxResult result;

    result = pinring_memory_access(channel->dma,
                                   channel->bd.at + PINRING_BD_STATUS, &word,
                                   sizeof(word), true);
    if (result != MEMTX_OK) {
        pinring_channel_fail(channel, pinring_sg_error(result));
    }
    return result == MEMTX_OK;
}

/*
 * Cmplt stays 0: by its definition it is set when what the descriptor asks for
 * has been done.
 */
void pinring_bd_fail(PinringChannel *channel, uint32_t error)
{
    uint32_t status = channel->bd.done;

    if (error == PINRING_SR_DMA_DEC_ERR) {
        status |= PINRING_BD_DEC_ERR;
    } else if (error == PINRING_SR_DMA_SLV_ERR) {
        status |= PINRING_BD_SLV_ERR;
    } else {
        status |= PINRING_BD_INT_ERR;
    }
    if (!channel->dma->sg || pinring_bd_write_status(channel, status)) {
        pinring_channel_fail(channel, error);
    }
}

bool pinring_bd_read(PinringChannel *channel)
{
    PinringDma *dma = channel->dma;
    PinringBd *bd = &channel->bd;
    uint8_t raw[PINRING_BD_STATUS + 4];
    uint32_t status, wide;
    MemTxResult result;

    memset(bd, 0, sizeof(*bd));
    bd->at = channel->next;
    channel->current = bd->at;
    result = pinring_memory_access(dma, bd->at, raw, sizeof(raw), false);
    if (result != MEMTX_OK) {
        pinring_dma_violation(dma, PINRING_V_BD_OUTSIDE_RAM);
        pinring_channel_fail(channel, pinring_sg_error(result));
        return false;
    }

    bd->next = extract64(ldq_le_p(raw + PINRING_BD_NEXT), 0, dma->addrwidth);
    bd->buffer = extract64(ldq_le_p(raw + PINRING_BD_BUFFER), 0,
                           dma->addrwidth);
    bd->control = ldl_le_p(raw + PINRING_BD_CONTROL);
    status = ldl_le_p(raw + PINRING_BD_STATUS);
    if (bd->next % PINRING_BD_BYTES) {
        pinring_dma_violation(dma, PINRING_V_BD_UNALIGNED);
        bd->next = QEMU_ALIGN_DOWN(bd->next, PINRING_BD_BYTES);
    }

    if (status & PINRING_BD_COMPLETE &&
        !(channel->control & PINRING_CR_CYCLIC) &&
        !pinring_dma_breaks(dma, PINRING_RULE_STALE_BD)) {
        pinring_dma_violation(dma, PINRING_V_BD_REUSED);
        pinring_channel_fail(channel, PINRING_SR_SG_INT_ERR);
        return false;
    }

    wide = bd->control & PINRING_BD_LENGTH_MASK;
    bd->length = extract32(wide, 0, dma->length_width);
    if (bd->length != wide) {
        pinring_dma_violation(dma, PINRING_V_LENGTH_TOO_WIDE);
    }
    return true;
}

void pinring_bd_direct(PinringChannel *channel)
{
    PinringBd *bd = &channel->bd;

    memset(bd, 0, sizeof(*bd));
    bd->control = PINRING_BD_SOF | PINRING_BD_EOF;
    bd->buffer = channel->address;
    bd->length = channel->length;
}

/*
 * Whether a switch makes this descriptor fail. Its data moves all the same:
 * what the stream's other end sees does not depend on it.
 */
bool pinring_bd_shall_fail(PinringSwitches *switches)
{
    bool fails = switches->error_at_bd == 1;

    if (switches->error_at_bd) {
        switches->error_at_bd--;
    }
    if (switches->fail) {
        switches->fail--;
        fails = true;
    }
    return fails;
}
