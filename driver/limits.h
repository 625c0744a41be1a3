/* SPDX-License-Identifier: GPL-2.0-only */
/* What is fixed for all: how many, how much, and which way. */
#ifndef PINRING_LIMITS_H
#define PINRING_LIMITS_H

#include <linux/bits.h>
#include <linux/dma-mapping.h>

#include "../uapi/pinring.h"

#define PINRING_VERSION		"0.1.0"

#define PINRING_MAX_SQ_ENTRIES	4096U
#define PINRING_MAX_CQ_ENTRIES	8192U
#define PINRING_MAX_JOBS	8192U
#define PINRING_MAX_BUFFERS	1024U
#define PINRING_MAX_RINGS	256U	/* of one device */
#define PINRING_MAX_USER_RINGS	64U	/* of them, one user's */
#define PINRING_MAX_USER_TOTAL	1024U	/* of all devices, with those on their way out */
#define PINRING_MAX_IOV		1024U
#define PINRING_MAX_RING_IOV	(256 * PINRING_MAX_IOV)	/* of one ring's jobs: 4 MiB */
#define PINRING_END_BATCH	128U	/* jobs looked at, ended or posted with interrupts off */
#define PINRING_MAX_JOB_BYTES	BIT_ULL(40)
#define PINRING_MAX_BUFFER_BYTES BIT_ULL(30)

/* In a row, each counted after a while, before the device is given up: 2.6 s. */
#define PINRING_REFUSALS	8U

/* Entries of a part's scatterlist that need no allocation. */
#define PINRING_INLINE_SG	4

/* Fragments at the ends of a part that may be staged. */
#define PINRING_EDGES		2

/* Parts of one lane that are prepared and not completed. */
#define PINRING_LANE_PARTS	64U

/*
 * Mapping and CPU syncs are apart, always: a registered buffer is synced per
 * job, and unmapping it must not write an old bounce buffer (swiotlb) over
 * what the program has put there since. It also is what keeps a program that
 * names the same memory in two receives from raising a DMA-API warning.
 */
#define PINRING_MAP_ATTRS	DMA_ATTR_SKIP_CPU_SYNC

enum pinring_dir {
	PINRING_SEND,
	PINRING_RECV,
	PINRING_DIRS,
};

static inline u32 pinring_dir_bit(enum pinring_dir dir)
{
	return dir == PINRING_SEND ? PINRING_DIR_SEND : PINRING_DIR_RECV;
}

#endif /* PINRING_LIMITS_H */
