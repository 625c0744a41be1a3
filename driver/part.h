/* SPDX-License-Identifier: GPL-2.0-only */
/* One packet of a job: its pages, its mapping, what of it is staged, what the provider is given. */
#ifndef PINRING_PART_H
#define PINRING_PART_H

#include <linux/list.h>
#include <linux/llist.h>
#include <linux/scatterlist.h>

#include "limits.h"

struct pinring_channel;
struct pinring_job;
struct pinring_ring;

enum pinring_part_state {
	PINRING_PART_FREE,
	PINRING_PART_PREPARING,		/* its lane pins and maps it */
	PINRING_PART_READY,		/* on lane->ready */
	PINRING_PART_ISSUED,		/* on channel->issued: the provider has it */
	PINRING_PART_DONE,		/* the provider is through with it */
};

enum pinring_bounce {
	PINRING_BOUNCE_NONE,
	PINRING_BOUNCE_EDGES,
	PINRING_BOUNCE_WHOLE,
};

/**
 * struct pinring_span - contiguous memory of a stage, see bounce.c
 * @page: its first page.
 * @addr: of its first byte, for the device.
 * @at: where that is in the page.
 * @bytes: of the allocation; 0: it lies in that of the span before it.
 * @offset: of its first byte in the part.
 * @len: bytes of the part.
 */
struct pinring_span {
	struct page *page;
	dma_addr_t addr;
	u32 at;
	u32 bytes;
	u32 offset;
	u32 len;
};

struct pinring_stage {
	struct pinring_span *spans;
	u32 nspans;
	struct pinring_span edges[PINRING_EDGES];
};

struct pinring_part {
	struct pinring_job *job;
	struct list_head link;
	struct llist_node reap;		/* on ring->reap, then on ring->unpin */
	enum pinring_part_state state;
	bool accounted;
	u64 offset;			/* of its first byte in the job */
	u32 first_piece;		/* where that is, in one-shot memory */
	u64 first_offset;
	u32 len;
	u32 bds;
	u32 moved;			/* bytes, by the provider's word */
	u32 bounced;			/* bytes that were copied */
	int error;

	enum pinring_bounce bounce;	/* what of it goes by way of the stage */
	bool one_bd;			/* it must be one BD */
	u32 head;			/* bytes at its ends that are staged: edges */
	u32 tail;
	struct pinring_stage stage;

	bool held;			/* counted in device->mapped */
	bool need_sync;			/* CPU must not read before a sync or a copy */
	bool quarantined;		/* the hardware may still use the memory */
	u32 resets;			/* the device's, when it was quarantined */
	unsigned long charged;		/* pages, to RLIMIT_MEMLOCK and to the lane */

	/* one-shot memory */
	struct page **pages;
	unsigned long npages;
	bool mapped;
	struct sg_table sgt;

	/* what the provider is given */
	struct scatterlist *list;
	u32 nlist;
	struct scatterlist inline_sg[PINRING_INLINE_SG];
};

/* Where a walk over the memory of a part is, see walk.c. */
struct pinring_walk {
	const struct pinring_part *part;
	struct page **pages;
	u32 piece;
	u64 skip;
	u64 last;
	u64 left;			/* bytes behind the piece at hand */
	unsigned long npages;		/* pages up to its end */

	/* the piece at hand */
	u64 addr;
	u64 len;
	unsigned long page;		/* index of its first page */
};

/* What of it lies in one page. */
struct pinring_run {
	struct page *page;
	u32 offset;
	u32 len;
};

/* part.c */
unsigned long pinring_part_init(struct pinring_part *part);
int pinring_part_prepare(struct pinring_part *part);
bool pinring_part_let_go(struct pinring_part *part);
void pinring_part_give_back(struct pinring_part *part);
void pinring_part_done(struct pinring_part *part);
void pinring_part_quarantine(struct pinring_part *part);

/* pin.c */
unsigned long pinring_max_pinned(void);
int pinring_charge(struct pinring_ring *ring, unsigned long npages, unsigned long headroom);
void pinring_uncharge(struct pinring_ring *ring, unsigned long npages);
int pinring_pin(u64 addr, unsigned long npages, bool write, bool longterm, struct page **pages);
void pinring_unpin(struct page **pages, unsigned long npages, bool dirty);

/* walk.c */
void pinring_walk_start(struct pinring_walk *walk, const struct pinring_part *part);
bool pinring_walk_next(struct pinring_walk *walk);
struct pinring_run pinring_walk_run(const struct pinring_walk *walk, u32 done, u32 left);
unsigned long pinring_part_pages(const struct pinring_part *part);

/* bounce.c */
u32 pinring_edge_bds(const struct pinring_channel *channel);
int pinring_bounce_check(struct pinring_job *job);
unsigned long pinring_bounce_plan(struct pinring_part *part);
void pinring_bounce_whole(struct pinring_part *part);
int pinring_stage_get(struct pinring_part *part);
void pinring_stage_drain(struct pinring_part *part);
void pinring_stage_free(struct pinring_stage *stage, struct device *dma_dev,
			enum dma_data_direction dma_dir);
void pinring_stage_forget(struct pinring_stage *stage);
void pinring_stage_move(struct pinring_stage *to, struct pinring_stage *from);
unsigned long pinring_stage_pages(const struct pinring_part *part);

/* list.c */
int pinring_part_map(struct pinring_part *part);
void pinring_part_unmap(struct pinring_part *part);
void pinring_part_free_sg(struct pinring_part *part);
int pinring_part_list_slice(struct pinring_part *part);
int pinring_part_list_stage(struct pinring_part *part);
void pinring_part_list_put(struct pinring_part *part);
int pinring_part_count_bds(struct pinring_part *part);

#endif /* PINRING_PART_H */
