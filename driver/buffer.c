// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registered buffers: memory that is pinned and mapped once and used by many
 * jobs, in a sparse table of the ring.
 *
 * A buffer is used by the table, by jobs that are not settled, and by their
 * parts. The last
 * reference may go in any context and hands the buffer to a worker, which
 * unmaps and unpins it, frees its index and wakes who waits for that: a
 * buffer is never let go under DMA.
 *
 * The table is changed under ring->buffer_mutex; pinring_buffer_get() looks
 * up under the xarray's own lock only. A dying buffer stays in the table, so
 * that its index answers EBUSY and can be waited for.
 */
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "internal.h"

/* ---- lookups on a mapping, any context ---- */

/* Index of the segment that holds byte @offset: no walk over all of them. */
u32 pinring_buffer_first_segment(const struct pinring_mapping *map, u64 offset)
{
	u32 low = 0, high = map->nsegments;

	while (high - low > 1) {
		u32 mid = low + (high - low) / 2;

		if (map->segments[mid].offset <= offset)
			low = mid;
		else
			high = mid;
	}
	return low;
}

struct pinring_slice {
	dma_addr_t addr;
	u64 len;
};

static struct pinring_slice pinring_buffer_slice(const struct pinring_segment *seg, u64 offset,
						 u64 end)
{
	u64 skip = offset > seg->offset ? offset - seg->offset : 0;

	return (struct pinring_slice){
		.addr = seg->addr + skip,
		.len = min(end - seg->offset, (u64)seg->len) - skip,
	};
}

/* BDs that [offset, offset + len) takes. */
u64 pinring_buffer_bds(const struct pinring_mapping *map, u64 offset, u64 len,
		       const struct pinring_channel *channel)
{
	u64 end = offset + len, bds = 0;
	u32 i;

	for (i = pinring_buffer_first_segment(map, offset);
	     i < map->nsegments && map->segments[i].offset < end; i++) {
		struct pinring_slice s = pinring_buffer_slice(&map->segments[i], offset, end);

		bds += pinring_channel_bds(channel, s.len);
	}
	return bds;
}

/* How many of the @len bytes from @offset on are one piece of memory, too. */
static u64 pinring_buffer_run(const struct pinring_mapping *map, u64 offset, u64 len)
{
	u64 at = map->page_offset + offset;
	struct page **page = map->pages + (at >> PAGE_SHIFT);
	u64 run = PAGE_SIZE - offset_in_page(at);

	for (; run < len && page_to_pfn(page[1]) == page_to_pfn(page[0]) + 1; page++)
		run += PAGE_SIZE;
	return min(run, len);
}

/*
 * Only the sub-range a job uses; may copy (swiotlb): not in a callback.
 *
 * An IOMMU makes one segment of pages that lie apart, but a sync of such a
 * range looks up its first byte and takes the memory behind that for the rest:
 * others' memory. So each sync is of one piece of memory, by its DMA address.
 */
void pinring_buffer_sync(const struct pinring_mapping *map, u64 offset, u64 len, bool for_cpu)
{
	u64 end = offset + len;
	u32 i;

	for (i = pinring_buffer_first_segment(map, offset);
	     i < map->nsegments && map->segments[i].offset < end; i++) {
		struct pinring_slice s = pinring_buffer_slice(&map->segments[i], offset, end);

		while (s.len) {
			u64 run = pinring_buffer_run(map, offset, s.len);

			if (for_cpu)
				dma_sync_single_for_cpu(map->dma_dev, s.addr, run, map->dma_dir);
			else
				dma_sync_single_for_device(map->dma_dev, s.addr, run,
							   map->dma_dir);
			s.addr += run;
			s.len -= run;
			offset += run;
			cond_resched();
		}
	}
}

/* ---- mapping ---- */

static int pinring_mapping_segments(struct pinring_mapping *map)
{
	struct scatterlist *sg;
	u64 offset = 0;
	u32 n = 0;
	int i;

	map->segments = kvmalloc_array(map->sgt.nents, sizeof(*map->segments), GFP_KERNEL);
	if (!map->segments)
		return -ENOMEM;
	for_each_sgtable_dma_sg(&map->sgt, sg, i) {
		map->segments[n++] = (struct pinring_segment){
			.offset = offset,
			.addr = sg_dma_address(sg),
			.len = sg_dma_len(sg),
		};
		offset += sg_dma_len(sg);
		map->need_sync |= dma_need_sync(map->dma_dev, sg_dma_address(sg));
	}
	map->nsegments = n;
	return 0;
}

/* Under buffer->map_mutex or before the buffer is known to anyone. */
static void pinring_mapping_undo(struct pinring_buffer_entry *buffer, struct pinring_mapping *map,
				 bool keep)
{
	struct pinring_device *pdev = buffer->ring->pdev;

	if (!map->mapped)
		return;
	if (!keep)
		dma_unmap_sgtable(map->dma_dev, &map->sgt, map->dma_dir, PINRING_MAP_ATTRS);
	map->mapped = false;
	if (atomic_dec_and_test(&pdev->mapped))
		wake_up(&pdev->unmapped);
}

static int pinring_mapping_make(struct pinring_buffer_entry *buffer, struct pinring_mapping *map,
				struct device *dma_dev, enum dma_data_direction dma_dir,
				u32 max_seg)
{
	struct pinring_device *pdev = buffer->ring->pdev;
	int ret;

	map->dma_dev = dma_dev;
	map->dma_dir = dma_dir;
	map->pages = buffer->pages;
	map->page_offset = offset_in_page(buffer->addr);
	ret = sg_alloc_table_from_pages_segment(&map->sgt, buffer->pages, buffer->npages,
						offset_in_page(buffer->addr), buffer->len,
						max_seg, GFP_KERNEL);
	if (ret)
		return ret;

	down_read(&pdev->live);
	if (pinring_ring_dead(buffer->ring)) {
		ret = -ENODEV;
	} else if (pinring_inject(PINRING_FAIL_MAP) ||
		   dma_map_sgtable(dma_dev, &map->sgt, dma_dir, PINRING_MAP_ATTRS)) {
		ret = -ENOMEM;
	} else {
		map->mapped = true;
		atomic_inc(&pdev->mapped);
	}
	up_read(&pdev->live);
	return ret ? ret : pinring_mapping_segments(map);
}

static void pinring_mapping_free(struct pinring_mapping *map)
{
	kvfree(map->segments);
	sg_free_table(&map->sgt);
}

/* One mapping serves both directions where one provider does. */
static int pinring_buffer_map(struct pinring_buffer_entry *buffer)
{
	struct pinring_device *pdev = buffer->ring->pdev;
	struct pinring_channel *send = &pdev->channel[PINRING_SEND];
	struct pinring_channel *recv = &pdev->channel[PINRING_RECV];
	bool both = buffer->directions == (PINRING_DIR_SEND | PINRING_DIR_RECV);
	int ret = 0;

	if (both && send->dma_dev == recv->dma_dev) {
		ret = pinring_mapping_make(buffer, &buffer->mapping[PINRING_SEND], send->dma_dev,
					   DMA_BIDIRECTIONAL, min(send->max_seg, recv->max_seg));
		buffer->map[PINRING_SEND] = &buffer->mapping[PINRING_SEND];
		buffer->map[PINRING_RECV] = &buffer->mapping[PINRING_SEND];
		return ret;
	}
	if (buffer->directions & PINRING_DIR_SEND) {
		buffer->map[PINRING_SEND] = &buffer->mapping[PINRING_SEND];
		ret = pinring_mapping_make(buffer, &buffer->mapping[PINRING_SEND], send->dma_dev,
					   DMA_TO_DEVICE, send->max_seg);
	}
	if (!ret && (buffer->directions & PINRING_DIR_RECV)) {
		buffer->map[PINRING_RECV] = &buffer->mapping[PINRING_RECV];
		ret = pinring_mapping_make(buffer, &buffer->mapping[PINRING_RECV], recv->dma_dev,
					   DMA_FROM_DEVICE, recv->max_seg);
	}
	return ret;
}

/* An engine that was shown to have stopped since then has let go. */
static bool pinring_buffer_quarantined(const struct pinring_buffer_entry *buffer)
{
	return buffer->quarantined &&
	       pinring_quarantine_holds(buffer->ring->pdev, buffer->resets);
}

static void pinring_buffer_unmap(struct pinring_buffer_entry *buffer)
{
	bool keep = pinring_buffer_quarantined(buffer);
	unsigned int dir;

	mutex_lock(&buffer->map_mutex);
	for (dir = 0; dir < PINRING_DIRS; dir++)
		pinring_mapping_undo(buffer, &buffer->mapping[dir], keep);
	mutex_unlock(&buffer->map_mutex);
}

/* ---- life ---- */

static void pinring_buffer_unref(struct pinring_buffer_entry *buffer)
{
	if (!refcount_dec_and_test(&buffer->refs))
		return;
	pinring_ring_put(buffer->ring);
	kfree(buffer);
}

/* Process context: nobody uses the memory any more, or ever did. */
static void pinring_buffer_release(struct pinring_buffer_entry *buffer)
{
	unsigned int dir;

	mutex_lock(&buffer->map_mutex);
	buffer->kept = pinring_buffer_quarantined(buffer);
	if (buffer->kept)
		pinring_quarantine_buffer(buffer);
	for (dir = 0; dir < PINRING_DIRS; dir++)
		pinring_mapping_undo(buffer, &buffer->mapping[dir], buffer->kept);
	mutex_unlock(&buffer->map_mutex);
	for (dir = 0; dir < PINRING_DIRS; dir++)
		pinring_mapping_free(&buffer->mapping[dir]);
	if (buffer->pages) {
		if (!buffer->kept) {
			pinring_unpin(buffer->pages, buffer->npages,
				      buffer->directions & PINRING_DIR_RECV);
			pinring_uncharge(buffer->ring, buffer->npages);
		}
		kvfree(buffer->pages);
	}
}

static void pinring_buffer_release_work(struct work_struct *work)
{
	struct pinring_buffer_entry *buffer =
		container_of(work, struct pinring_buffer_entry, release_work);
	struct pinring_ring *ring = buffer->ring;

	pinring_buffer_release(buffer);

	mutex_lock(&ring->buffer_mutex);
	list_del(&buffer->link);
	/* Still its index's owner, unless UPDATE took it out. */
	xa_cmpxchg(&ring->buffers, buffer->index, buffer, NULL, GFP_KERNEL);
	mutex_unlock(&ring->buffer_mutex);

	/* Pairs with the load-acquire of pinring_buffer_gone(). */
	smp_store_release(&buffer->released, true);
	wake_up_all(&ring->buffer_wait);
	pinring_buffer_unref(buffer);
}

/* Any context. */
void pinring_buffer_put(struct pinring_buffer_entry *buffer)
{
	if (refcount_dec_and_test(&buffer->users))
		queue_work(buffer->ring->user->reap_wq, &buffer->release_work);
}

/* Process context. A job's reference, or NULL. @index is below the limit. */
struct pinring_buffer_entry *pinring_buffer_get(struct pinring_ring *ring, u32 index)
{
	struct pinring_buffer_entry *buffer;

	xa_lock(&ring->buffers);
	buffer = xa_load(&ring->buffers, index);
	if (buffer && (buffer->dying || !refcount_inc_not_zero(&buffer->users)))
		buffer = NULL;
	xa_unlock(&ring->buffers);
	return buffer;
}

static int pinring_buffer_pin(struct pinring_buffer_entry *buffer)
{
	struct pinring_ring *ring = buffer->ring;
	unsigned long npages =
		(offset_in_page(buffer->addr) + buffer->len + PAGE_SIZE - 1) >> PAGE_SHIFT;
	int ret;

	ret = pinring_charge(ring, npages, 0);
	if (ret == -EAGAIN) {
		/* What is done but not unpinned yet still counts: let go of it. */
		pinring_ring_reap(ring);
		ret = pinring_charge(ring, npages, 0);
	}
	if (ret)
		return -EDQUOT;

	buffer->pages = kvmalloc_array(npages, sizeof(*buffer->pages), GFP_KERNEL_ACCOUNT);
	if (!buffer->pages) {
		ret = -ENOMEM;
		goto uncharge;
	}
	ret = pinring_pin(buffer->addr, npages, buffer->directions & PINRING_DIR_RECV, true,
			  buffer->pages);
	if (ret)
		goto free;
	buffer->npages = npages;
	return 0;

free:
	kvfree(buffer->pages);
	buffer->pages = NULL;
uncharge:
	pinring_uncharge(ring, npages);
	return ret;
}

/* Pins and maps; the caller puts it into the table. No lock is held. */
static struct pinring_buffer_entry *pinring_buffer_create(struct pinring_ring *ring,
							  const struct pinring_buffer *arg)
{
	struct pinring_buffer_entry *buffer;
	int ret;

	buffer = kzalloc(sizeof(*buffer), GFP_KERNEL_ACCOUNT);
	if (!buffer)
		return ERR_PTR(-ENOMEM);
	refcount_set(&buffer->users, 1);
	refcount_set(&buffer->refs, 1);
	mutex_init(&buffer->map_mutex);
	INIT_WORK(&buffer->release_work, pinring_buffer_release_work);
	pinring_ring_get(ring);
	buffer->ring = ring;
	buffer->index = arg->index;
	buffer->directions = arg->flags & (PINRING_DIR_SEND | PINRING_DIR_RECV);
	buffer->addr = arg->addr;
	buffer->len = arg->len;

	ret = pinring_buffer_pin(buffer);
	if (ret)
		goto release;
	ret = pinring_buffer_map(buffer);
	if (ret)
		goto release;
	return buffer;

release:
	pinring_buffer_release(buffer);
	pinring_buffer_unref(buffer);
	return ERR_PTR(ret);
}

/* ---- the table ---- */

static int pinring_buffer_deadline(const struct pinring_buffer *arg, u64 *deadline)
{
	bool absolute = arg->flags & PINRING_BUFFER_ABS_DEADLINE;

	if (absolute && !arg->deadline_ns)
		return -EINVAL;
	if (arg->deadline_ns && !(arg->flags & PINRING_BUFFER_WAIT))
		return -EINVAL;
	*deadline = pinring_deadline(arg->deadline_ns, absolute, PINRING_DEADLINE_NONE);
	return 0;
}

static bool pinring_buffer_gone(const struct pinring_buffer_entry *buffer)
{
	/* Pairs with the store-release of pinring_buffer_release_work(). */
	return smp_load_acquire(&buffer->released);
}

static int pinring_buffer_wait(struct pinring_buffer_entry *buffer, u64 deadline)
{
	struct pinring_ring *ring = buffer->ring;
	int ret;

	if (deadline == U64_MAX)
		ret = wait_event_interruptible(ring->buffer_wait, pinring_buffer_gone(buffer));
	else
		ret = wait_event_interruptible_hrtimeout(ring->buffer_wait,
							 pinring_buffer_gone(buffer),
							 pinring_timeout(deadline));
	if (ret)
		return ret == -ERESTARTSYS ? -EINTR : ret;
	/* Not the caller's again. */
	return buffer->kept ? -ENODEV : 0;
}

/* Under buffer_mutex: no new job finds it; gone when the last one is through. */
static void pinring_buffer_kill(struct pinring_ring *ring, struct pinring_buffer_entry *buffer)
{
	xa_lock(&ring->buffers);
	buffer->dying = true;
	xa_unlock(&ring->buffers);
	pinring_buffer_put(buffer);
}

static int pinring_buffer_check(struct pinring_ring *ring, const struct pinring_buffer *arg)
{
	u32 directions = arg->flags & (PINRING_DIR_SEND | PINRING_DIR_RECV);

	if (!directions)
		return -EINVAL;
	if (directions & ~ring->directions)
		return -EOPNOTSUPP;
	if (!arg->len || arg->len > PINRING_MAX_BUFFER_BYTES)
		return -EINVAL;
	if (arg->addr > ULONG_MAX || !access_ok(u64_to_user_ptr(arg->addr), arg->len))
		return -EFAULT;
	return 0;
}

/* Under buffer_mutex: nothing may enter the table any more. */
static int pinring_buffer_closed(const struct pinring_ring *ring)
{
	if (pinring_ring_dead(ring))
		return -ENODEV;
	return READ_ONCE(ring->closing) ? -ENXIO : 0;
}

/* Why nothing can be put at that index, or 0. */
static int pinring_buffer_taken(struct pinring_ring *ring, u32 index)
{
	struct pinring_buffer_entry *buffer;
	int ret = 0;

	/* A release takes the buffer out under this lock before it frees it. */
	xa_lock(&ring->buffers);
	buffer = xa_load(&ring->buffers, index);
	if (buffer)
		ret = buffer->dying ? -EBUSY : -EEXIST;
	xa_unlock(&ring->buffers);
	return ret;
}

int pinring_buffer_add(struct pinring_ring *ring, struct pinring_buffer *arg)
{
	bool any = arg->flags & PINRING_BUFFER_ANY_INDEX;
	struct pinring_buffer_entry *buffer;
	int ret;

	if (arg->flags & ~(PINRING_DIR_SEND | PINRING_DIR_RECV | PINRING_BUFFER_ANY_INDEX))
		return -EINVAL;
	if (arg->deadline_ns || (any ? arg->index : arg->index >= PINRING_MAX_BUFFERS))
		return -EINVAL;
	ret = pinring_buffer_check(ring, arg);
	if (ret)
		return ret;
	/* The answer that needs no pinning first. */
	ret = any ? 0 : pinring_buffer_taken(ring, arg->index);
	if (ret)
		return ret;

	buffer = pinring_buffer_create(ring, arg);
	if (IS_ERR(buffer))
		return PTR_ERR(buffer);

	mutex_lock(&ring->buffer_mutex);
	ret = pinring_buffer_closed(ring);
	if (ret) {
		/* Unbind or close has been through the table, or waits for us. */
	} else if (any) {
		ret = xa_alloc(&ring->buffers, &buffer->index, buffer,
			       XA_LIMIT(0, PINRING_MAX_BUFFERS - 1), GFP_KERNEL_ACCOUNT);
		if (ret == -EBUSY)
			ret = -EEXIST;
	} else {
		ret = xa_insert(&ring->buffers, buffer->index, buffer, GFP_KERNEL_ACCOUNT);
		if (ret == -EBUSY)
			ret = pinring_buffer_taken(ring, buffer->index);
	}
	if (!ret)
		list_add_tail(&buffer->link, &ring->living);
	arg->index = buffer->index;
	mutex_unlock(&ring->buffer_mutex);

	if (ret) {
		pinring_buffer_release(buffer);
		pinring_buffer_unref(buffer);
	}
	return ret;
}

int pinring_buffer_update(struct pinring_ring *ring, struct pinring_buffer *arg)
{
	struct pinring_buffer_entry *buffer, *old;
	u64 deadline;
	int ret;

	if (arg->flags & ~(PINRING_DIR_SEND | PINRING_DIR_RECV | PINRING_BUFFER_WAIT |
			   PINRING_BUFFER_ABS_DEADLINE))
		return -EINVAL;
	if (arg->index >= PINRING_MAX_BUFFERS)
		return -EINVAL;
	ret = pinring_buffer_check(ring, arg);
	if (ret)
		return ret;
	if (!xa_load(&ring->buffers, arg->index))
		return -ENOENT;
	ret = pinring_buffer_deadline(arg, &deadline);
	if (ret)
		return ret;

	buffer = pinring_buffer_create(ring, arg);
	if (IS_ERR(buffer))
		return PTR_ERR(buffer);

	mutex_lock(&ring->buffer_mutex);
	old = xa_load(&ring->buffers, arg->index);
	ret = pinring_buffer_closed(ring);
	if (ret) {
		/* As in ADD. */
	} else if (!old || old->dying) {
		ret = old ? -EBUSY : -ENOENT;
	} else {
		/* Replacing an entry allocates nothing. */
		ret = xa_err(xa_store(&ring->buffers, arg->index, buffer, GFP_KERNEL));
	}
	if (!ret) {
		list_add_tail(&buffer->link, &ring->living);
		refcount_inc(&old->refs);
		pinring_buffer_kill(ring, old);
	}
	mutex_unlock(&ring->buffer_mutex);

	if (ret) {
		pinring_buffer_release(buffer);
		pinring_buffer_unref(buffer);
		return ret;
	}
	if (arg->flags & PINRING_BUFFER_WAIT)
		ret = pinring_buffer_wait(old, deadline);
	pinring_buffer_unref(old);
	return ret;
}

int pinring_buffer_remove(struct pinring_ring *ring, struct pinring_buffer *arg)
{
	bool wait = arg->flags & PINRING_BUFFER_WAIT;
	struct pinring_buffer_entry *buffer;
	u64 deadline;
	int ret;

	if (arg->flags & ~(PINRING_BUFFER_WAIT | PINRING_BUFFER_ABS_DEADLINE))
		return -EINVAL;
	if (arg->addr || arg->len || arg->index >= PINRING_MAX_BUFFERS)
		return -EINVAL;
	ret = pinring_buffer_deadline(arg, &deadline);
	if (ret)
		return ret;

	mutex_lock(&ring->buffer_mutex);
	buffer = xa_load(&ring->buffers, arg->index);
	if (!buffer || (buffer->dying && !wait)) {
		mutex_unlock(&ring->buffer_mutex);
		return -ENOENT;
	}
	refcount_inc(&buffer->refs);
	if (!buffer->dying)
		pinring_buffer_kill(ring, buffer);
	mutex_unlock(&ring->buffer_mutex);

	if (wait)
		ret = pinring_buffer_wait(buffer, deadline);
	pinring_buffer_unref(buffer);
	return ret;
}

/* By close, when no job is left: returns when all are unpinned, replaced ones, too. */
void pinring_buffer_release_all(struct pinring_ring *ring)
{
	struct pinring_buffer_entry *buffer;
	unsigned long index;

	mutex_lock(&ring->buffer_mutex);
	xa_for_each(&ring->buffers, index, buffer)
		if (!buffer->dying)
			pinring_buffer_kill(ring, buffer);
	mutex_unlock(&ring->buffer_mutex);

	wait_event(ring->buffer_wait, list_empty(&ring->living));
}

/*
 * By unbind: the provider's device goes away, the pins stay until let go. Also of
 * those that nobody finds any more: their release may be behind an unpin that
 * stalls.
 */
void pinring_buffer_unmap_all(struct pinring_ring *ring)
{
	struct pinring_buffer_entry *buffer;

	mutex_lock(&ring->buffer_mutex);
	list_for_each_entry(buffer, &ring->living, link)
		pinring_buffer_unmap(buffer);
	mutex_unlock(&ring->buffer_mutex);
}
