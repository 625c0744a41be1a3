/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The engine's view of memory: which answers the bus gives, and which memory
 * the software has said the engine may touch.
 */
#include "qemu/osdep.h"
#include "exec/address-spaces.h"
#include "exec/memory.h"
#include "qemu/rcu.h"

#include "axi_dma.h"

/*
 * An AXI interconnect answers DECERR where nothing is mapped; a memory that
 * refuses to be written, and a device's registers, answer SLVERR.
 */
static MemTxResult pinring_memory_refusal(uint64_t address)
{
    MemoryRegionSection found = memory_region_find(get_system_memory(),
                                                   address, 1);
    if (!found.mr) {
        return MEMTX_DECODE_ERROR;
    }
    memory_region_unref(found.mr);
    return MEMTX_ERROR;
}

static bool pinring_memory_serves(uint64_t address, hwaddr *bytes, bool write)
{
    hwaddr offset;
    MemoryRegion *region;

    RCU_READ_LOCK_GUARD();
    region = address_space_translate(&address_space_memory, address, &offset,
                                     bytes, write, MEMTXATTRS_UNSPECIFIED);
    return memory_access_is_direct(region, write);
}

/* Only memory is reached; the engine never drives another device's registers */
MemTxResult pinring_memory_access(PinringDma *dma, uint64_t address,
                                  void *data, uint64_t bytes, bool write)
{
    uint8_t *at = data;

    address = extract64(address, 0, dma->addrwidth);
    while (bytes) {
        hwaddr part = bytes;
        MemTxResult result;

        if (!pinring_memory_serves(address, &part, write)) {
            return pinring_memory_refusal(address);
        }
        result = address_space_rw(&address_space_memory, address,
                                  MEMTXATTRS_UNSPECIFIED, at, part, write);
        if (result != MEMTX_OK) {
            return result;
        }
        address += part;
        at += part;
        bytes -= part;
    }
    return MEMTX_OK;
}

/* ---- grants -------------------------------------------------------------- */

/* Counts data access outside all grants. Adjacent ones make one range. */
void pinring_memory_check(PinringDma *dma, uint64_t address, uint64_t bytes)
{
    uint64_t end = address + bytes;
    bool found = true;

    if (!dma->grants_enforced) {
        return;
    }
    while (address < end && found) {
        unsigned i;

        found = false;
        for (i = 0; i < dma->grants->len && !found; i++) {
            PinringGrant *grant = &g_array_index(dma->grants, PinringGrant, i);

            if (address - grant->address < grant->bytes) {
                address = grant->address + grant->bytes;
                found = true;
            }
        }
    }
    if (!found) {
        pinring_dma_violation(dma, PINRING_V_MEMORY_NOT_GRANTED);
    }
}

void pinring_memory_grant(PinringDma *dma, uint64_t address, uint64_t bytes)
{
    PinringGrant grant = { address, bytes };

    if (bytes) {
        g_array_append_val(dma->grants, grant);
    }
}

/* Only one of equal ranges: memory may have been granted more than once. */
void pinring_memory_revoke(PinringDma *dma, uint64_t address, uint64_t bytes)
{
    unsigned i;

    for (i = 0; i < dma->grants->len; i++) {
        PinringGrant *grant = &g_array_index(dma->grants, PinringGrant, i);

        if (grant->address == address && grant->bytes == bytes) {
            g_array_remove_index_fast(dma->grants, i);
            return;
        }
    }
}
