/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory that is registered with a ring: pinned and mapped once. */
#ifndef PINRING_BUFFER_H
#define PINRING_BUFFER_H

#include <linux/dma-direction.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/scatterlist.h>
#include <linux/workqueue.h>

#include "limits.h"

struct pinring_channel;
struct pinring_ring;

/* One contiguous piece of a registered buffer, as the device sees it. */
struct pinring_segment {
	u64 offset;
	dma_addr_t addr;
	u32 len;
};

/* A registered buffer as one channel's provider sees it. */
struct pinring_mapping {
	struct device *dma_dev;
	enum dma_data_direction dma_dir;
	struct page **pages;		/* the buffer's */
	u32 page_offset;		/* of its first byte, in the first of them */
	struct sg_table sgt;
	struct pinring_segment *segments;	/* with an IOMMU, of pages that may lie apart */
	u32 nsegments;
	bool need_sync;
	bool mapped;
};

struct pinring_buffer_entry {
	refcount_t users;		/* the table, unsettled jobs, parts in use */
	refcount_t refs;		/* of this structure: all users, and each waiter */
	struct pinring_ring *ring;
	struct work_struct release_work;
	struct list_head link;		/* ring->living, once it is in the table */
	u32 index;
	u32 directions;
	bool dying;			/* under ring->buffer_mutex and the xarray's lock */
	bool released;			/* store-release when unpinned; buffer_wait */
	bool quarantined;		/* under device->lock: an engine may not have stopped */
	u32 resets;			/* the device's, when it was quarantined */
	bool kept;			/* when it was released; valid once released */
	u64 addr;
	u64 len;
	struct page **pages;
	unsigned long npages;
	struct mutex map_mutex;		/* unmapping, by release or by unbind */
	struct pinring_mapping mapping[PINRING_DIRS];
	struct pinring_mapping *map[PINRING_DIRS];
};

/* buffer.c */
int pinring_buffer_add(struct pinring_ring *ring, struct pinring_buffer *arg);
int pinring_buffer_update(struct pinring_ring *ring, struct pinring_buffer *arg);
int pinring_buffer_remove(struct pinring_ring *ring, struct pinring_buffer *arg);
struct pinring_buffer_entry *pinring_buffer_get(struct pinring_ring *ring, u32 index);
void pinring_buffer_put(struct pinring_buffer_entry *buffer);
void pinring_buffer_release_all(struct pinring_ring *ring);
void pinring_buffer_unmap_all(struct pinring_ring *ring);
u32 pinring_buffer_first_segment(const struct pinring_mapping *map, u64 offset);
u64 pinring_buffer_bds(const struct pinring_mapping *map, u64 offset, u64 len,
		       const struct pinring_channel *channel);
void pinring_buffer_sync(const struct pinring_mapping *map, u64 offset, u64 len, bool for_cpu);

#endif /* PINRING_BUFFER_H */
