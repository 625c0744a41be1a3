// SPDX-License-Identifier: GPL-2.0-only
/*
 * Parts: the memory of one packet, from user pages to a mapped scatterlist
 * and back.
 *
 * prepare	process context, called by the lane's only runner, no lock.
 * done		any context, under device->lock: the provider is through.
 * account	under device->lock: tell the job; may settle and post it.
 * release	process context: sync, unmap, unpin.
 *
 * Who owns what: from prepare to release the part holds a reference on its
 * job, its pins (one-shot) and its mapping. Registered memory is the
 * buffer's; the part only borrows a slice, and holds the buffer through its
 * job.
 */
#include <linux/dma-mapping.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "compat.h"
#include "internal.h"

static bool pinring_part_oneshot(const struct pinring_part *part)
{
	return !part->job->buffer;
}

static enum dma_data_direction pinring_part_dma_dir(const struct pinring_part *part)
{
	return part->job->dir == PINRING_SEND ? DMA_TO_DEVICE : DMA_FROM_DEVICE;
}

static unsigned long pinring_span_pages(u64 addr, u64 len)
{
	return (offset_in_page(addr) + len + PAGE_SIZE - 1) >> PAGE_SHIFT;
}

/* Walks the pieces of the job that the next @len bytes at the cursor cover. */
struct pinring_walk {
	struct pinring_job *job;
	u32 piece;
	u64 offset;
	u64 left;
};

static void pinring_walk_start(struct pinring_walk *walk, struct pinring_job *job, u64 len)
{
	walk->job = job;
	walk->piece = job->cur_piece;
	walk->offset = job->cur_offset;
	walk->left = len;
}

static bool pinring_walk_next(struct pinring_walk *walk, u64 *addr, u64 *len)
{
	const struct pinring_iovec *piece = &walk->job->pieces[walk->piece];

	if (!walk->left)
		return false;
	*addr = piece->addr + walk->offset;
	*len = min(piece->len - walk->offset, walk->left);
	walk->left -= *len;
	walk->offset += *len;
	if (walk->offset == piece->len) {
		walk->piece++;
		walk->offset = 0;
	}
	return true;
}

/* Pages that the next @len bytes of a one-shot job touch. Lane's runner only. */
unsigned long pinring_part_pages(struct pinring_job *job, u32 len)
{
	unsigned long npages = 0;
	struct pinring_walk walk;
	u64 addr, bytes;

	if (job->buffer)
		return 0;
	pinring_walk_start(&walk, job, len);
	while (pinring_walk_next(&walk, &addr, &bytes))
		npages += pinring_span_pages(addr, bytes);
	return npages;
}

static int pinring_part_pin(struct pinring_part *part)
{
	struct pinring_job *job = part->job;
	bool write = job->dir == PINRING_RECV;
	/* A plain pin only where an enforced deadline bounds it, and soon. */
	u64 soon = ktime_get_ns() + job->ring->pdev->info.send_deadline_ns;
	bool longterm = write || (!job->patience && job->deadline > soon);
	unsigned long npages, done = 0;
	struct pinring_walk walk;
	u64 addr, bytes;
	int ret;

	npages = pinring_part_pages(job, part->len);
	part->pages = kvmalloc_array(npages, sizeof(*part->pages), GFP_KERNEL_ACCOUNT);
	if (!part->pages)
		return -ENOMEM;

	pinring_walk_start(&walk, job, part->len);
	while (pinring_walk_next(&walk, &addr, &bytes)) {
		unsigned long n = pinring_span_pages(addr, bytes);

		ret = pinring_pin(addr, n, write, longterm, part->pages + done);
		if (ret)
			goto unpin;
		done += n;
	}
	part->npages = npages;
	return 0;

unpin:
	pinring_unpin(part->pages, done, false);
	kvfree(part->pages);
	part->pages = NULL;
	return ret;
}

/*
 * Scatterlist of several pieces: contiguous pages merge, also across pieces.
 * Counts entries when @sg is NULL.
 */
static unsigned int pinring_part_fill(struct pinring_part *part, struct scatterlist *sg)
{
	u32 max_seg = pinring_part_channel(part)->max_seg;
	struct scatterlist *last = NULL;
	phys_addr_t end = 0;
	unsigned int nents = 0;
	struct pinring_walk walk;
	unsigned long page = 0;
	u32 seg_len = 0;
	u64 addr, bytes;

	pinring_walk_start(&walk, part->job, part->len);
	while (pinring_walk_next(&walk, &addr, &bytes)) {
		while (bytes) {
			u32 offset = offset_in_page(addr);
			u32 len = min_t(u64, PAGE_SIZE - offset, bytes);
			phys_addr_t phys = page_to_phys(part->pages[page]) + offset;

			if (nents && phys == end && seg_len <= max_seg - len) {
				seg_len += len;
				if (sg)
					last->length = seg_len;
			} else {
				if (sg) {
					last = last ? sg_next(last) : sg;
					sg_set_page(last, part->pages[page], len, offset);
				}
				seg_len = len;
				nents++;
			}
			end = phys + len;
			addr += len;
			bytes -= len;
			page++;
		}
	}
	return nents;
}

static int pinring_part_build_sg(struct pinring_part *part)
{
	u32 max_seg = pinring_part_channel(part)->max_seg;
	struct pinring_walk walk;
	unsigned int nents;
	u64 addr, bytes;
	int ret;

	pinring_walk_start(&walk, part->job, part->len);
	pinring_walk_next(&walk, &addr, &bytes);
	if (bytes == part->len)
		return sg_alloc_table_from_pages_segment(&part->sgt, part->pages, part->npages,
							 offset_in_page(addr), part->len,
							 max_seg, GFP_KERNEL);

	nents = pinring_part_fill(part, NULL);
	ret = sg_alloc_table(&part->sgt, nents, GFP_KERNEL);
	if (ret)
		return ret;
	pinring_part_fill(part, part->sgt.sgl);
	return 0;
}

static int pinring_part_map(struct pinring_part *part)
{
	struct pinring_channel *channel = pinring_part_channel(part);
	struct pinring_device *pdev = channel->pdev;
	struct scatterlist *sg;
	u64 bds = 0;
	int ret = 0;
	int i;

	down_read(&pdev->live);
	if (pinring_ring_dead(part->job->ring)) {
		ret = -ENODEV;
	} else if (pinring_inject(PINRING_FAIL_MAP) ||
		   dma_map_sgtable(channel->dma_dev, &part->sgt, pinring_part_dma_dir(part),
				   PINRING_MAP_ATTRS)) {
		/* swiotlb or IOMMU space is used up: memory, of a kind. */
		ret = -ENOMEM;
	} else {
		dma_sync_sgtable_for_device(channel->dma_dev, &part->sgt,
					    pinring_part_dma_dir(part));
		part->mapped = true;
		atomic_inc(&pdev->mapped);
	}
	up_read(&pdev->live);
	if (ret)
		return ret;

	for_each_sgtable_dma_sg(&part->sgt, sg, i) {
		bds += pinring_channel_bds(channel, sg_dma_len(sg));
		if (part->job->dir == PINRING_RECV && !part->need_sync)
			part->need_sync = dma_need_sync(channel->dma_dev, sg_dma_address(sg));
	}
	if (bds > channel->bds)
		return -EMSGSIZE;
	part->bds = bds;
	return 0;
}

static void pinring_part_unmap(struct pinring_part *part)
{
	struct device *dma_dev = pinring_part_channel(part)->dma_dev;
	enum dma_data_direction dma_dir = pinring_part_dma_dir(part);

	if (part->need_sync)
		dma_sync_sgtable_for_cpu(dma_dev, &part->sgt, dma_dir);
	dma_unmap_sgtable(dma_dev, &part->sgt, dma_dir, PINRING_MAP_ATTRS);
}

static void pinring_part_free_sg(struct pinring_part *part)
{
	if (!pinring_part_oneshot(part)) {
		if (part->sgt.sgl != part->inline_sg)
			kfree(part->sgt.sgl);
	} else if (part->sgt.sgl) {
		sg_free_table(&part->sgt);
	}
	part->sgt.sgl = NULL;
}

/* A slice of a registered buffer: addresses are known, only a list is made. */
static int pinring_part_slice(struct pinring_part *part)
{
	struct pinring_channel *channel = pinring_part_channel(part);
	struct pinring_job *job = part->job;
	const struct pinring_mapping *map = job->buffer->map[job->dir];
	u64 offset = job->buffer_offset + part->offset;
	u32 first = pinring_buffer_first_segment(map, offset);
	u64 end = offset + part->len;
	struct scatterlist *sg;
	u32 i, n = 0;

	for (i = first; i < map->nsegments && map->segments[i].offset < end; i++)
		n++;
	if (n <= PINRING_INLINE_SG) {
		part->sgt.sgl = part->inline_sg;
	} else {
		part->sgt.sgl = kmalloc_array(n, sizeof(*sg), GFP_KERNEL);
		if (!part->sgt.sgl)
			return -ENOMEM;
	}
	part->sgt.nents = n;
	part->sgt.orig_nents = n;
	sg_init_table(part->sgt.sgl, n);

	part->bds = 0;
	for (i = 0, sg = part->sgt.sgl; i < n; i++, sg++) {
		const struct pinring_segment *seg = &map->segments[first + i];
		u64 skip = offset > seg->offset ? offset - seg->offset : 0;
		u64 stop = min(end - seg->offset, (u64)seg->len);

		sg_dma_address(sg) = seg->addr + skip;
		sg_dma_len(sg) = stop - skip;
		part->bds += pinring_channel_bds(channel, sg_dma_len(sg));
	}
	if (part->bds > channel->bds)
		return -EMSGSIZE;
	return 0;
}

static int pinring_part_prepare_buffer(struct pinring_part *part)
{
	struct pinring_job *job = part->job;
	struct pinring_device *pdev = job->ring->pdev;
	const struct pinring_mapping *map = job->buffer->map[job->dir];
	int ret = pinring_part_slice(part);

	if (ret)
		return ret;

	/*
	 * Holds the mapping until release, also against an unbind that would
	 * undo it: released parts are what unbind waits for.
	 */
	down_read(&pdev->live);
	if (pinring_ring_dead(job->ring)) {
		ret = -ENODEV;
	} else {
		if (map->need_sync)
			pinring_buffer_sync(map, job->buffer_offset + part->offset, part->len,
					    false);
		part->need_sync = map->need_sync && job->dir == PINRING_RECV;
		part->mapped = true;
		atomic_inc(&pdev->mapped);
	}
	up_read(&pdev->live);
	return ret;
}

static int pinring_part_prepare_oneshot(struct pinring_part *part)
{
	int ret;

	ret = pinring_part_pin(part);
	if (ret)
		return ret;
	ret = pinring_part_build_sg(part);
	if (ret)
		return ret;
	return pinring_part_map(part);
}

/*
 * Where a short packet over several BDs loses its byte count, or leaves BDs
 * armed (xilinx_dma), a receive that may come short has to be one BD.
 */
static int pinring_part_check_short(const struct pinring_part *part)
{
	if ((part->job->sqe_flags & PINRING_SQE_MAY_BE_SHORT) && part->bds > 1 &&
	    !pinring_part_channel(part)->quirk->exact_short)
		return -EOPNOTSUPP;
	return 0;
}

/* Everything that release looks at; part->charged is the lane's. */
void pinring_part_init(struct pinring_part *part)
{
	part->need_sync = false;
	part->accounted = false;
	part->mapped = false;
	part->quarantined = false;
	part->pages = NULL;
	part->sgt.sgl = NULL;
	part->npages = 0;
	part->bds = 0;
	part->moved = 0;
	part->error = 0;
}

/*
 * Makes a part ready to be handed to the provider. On error the part holds
 * what it got so far; pinring_part_release() gives it back.
 */
int pinring_part_prepare(struct pinring_part *part)
{
	struct pinring_job *job = part->job;
	struct pinring_walk walk;
	u64 addr, bytes;
	int ret;

	if (job->buffer) {
		ret = pinring_part_prepare_buffer(part);
		return ret ? ret : pinring_part_check_short(part);
	}

	ret = pinring_part_prepare_oneshot(part);
	if (ret)
		return ret;

	pinring_walk_start(&walk, job, part->len);
	while (pinring_walk_next(&walk, &addr, &bytes))
		;
	job->cur_piece = walk.piece;
	job->cur_offset = walk.offset;
	return pinring_part_check_short(part);
}

/* Under device->lock: what became of the part becomes the job's. */
static void pinring_part_account(struct pinring_part *part)
{
	struct pinring_job *job = part->job;

	lockdep_assert_held(&job->ring->pdev->lock);
	if (part->accounted)
		return;
	part->accounted = true;
	job->bytes += part->moved;
	job->parts_out--;
	/* With the error or not at all: a deadline may have ended the job before. */
	if (part->error)
		pinring_job_fail(job, part->error,
				 part->error == -ECONNRESET ? PINRING_CQE_COLLATERAL : 0);
	else
		pinring_job_progress(job);
}

/* Under device->lock. The last use of the part, and maybe of its job. */
static void pinring_part_retire(struct pinring_part *part)
{
	struct pinring_job *job = part->job;
	struct pinring_lane *lane = pinring_job_lane(job);

	part->state = PINRING_PART_FREE;
	lane->pages -= part->charged;
	if (!list_empty(&lane->jobs))
		pinring_lane_again(lane);
	if (job->buffer)
		pinring_buffer_put(job->buffer);
	pinring_job_put(job);
}

static void pinring_part_drop_mapped(struct pinring_part *part)
{
	struct pinring_device *pdev = part->job->ring->pdev;

	part->mapped = false;
	if (atomic_dec_and_test(&pdev->mapped))
		wake_up(&pdev->unmapped);
}

/*
 * The provider is through with the part, or never got it. Under device->lock,
 * any context; the part must not be touched afterwards. The job hears of it
 * now, unless the CPU may look at the memory only after a sync. What sleeps
 * (unpinning) or copies (swiotlb) is left to the ring's reap work.
 */
void pinring_part_done(struct pinring_part *part)
{
	struct pinring_ring *ring = part->job->ring;

	lockdep_assert_held(&ring->pdev->lock);
	part->state = PINRING_PART_DONE;
	pinring_job_lane(part->job)->parts--;
	if (!part->need_sync) {
		pinring_part_account(part);
		if (!pinring_part_oneshot(part)) {
			pinring_part_free_sg(part);
			pinring_part_drop_mapped(part);
			pinring_part_retire(part);
			return;
		}
	}
	if (llist_add(&part->reap, &ring->reap)) {
		/* The work outlives close: it holds the ring. */
		pinring_ring_get(ring);
		if (!queue_work(ring->user->reap_wq, &ring->reap_work))
			pinring_ring_put(ring);
	}
}

/*
 * Under device->lock: the engine may not have stopped, so what it was given is
 * not given back: pinned, mapped and charged, see quarantine.c. Let go of in all
 * else.
 */
void pinring_part_quarantine(struct pinring_part *part)
{
	struct pinring_job *job = part->job;
	struct pinring_device *pdev = job->ring->pdev;

	lockdep_assert_held(&pdev->lock);
	part->quarantined = true;
	part->need_sync = false;
	part->moved = 0;
	/* Whatever ended the job: its memory is not the caller's again. */
	job->error = -ENODEV;
	if (pinring_part_oneshot(part)) {
		pdev->quarantined += part->npages;
	} else if (!job->buffer->quarantined) {
		job->buffer->quarantined = true;
		pdev->quarantined += job->buffer->npages;
	}
}

/* Process context, no lock: also for a part whose preparation failed. */
void pinring_part_release(struct pinring_part *part)
{
	struct pinring_job *job = part->job;
	struct pinring_device *pdev = job->ring->pdev;

	/* An engine that was shown to have stopped since then has let go. */
	if (part->quarantined)
		part->quarantined = pinring_quarantine_holds(pdev);
	if (part->mapped) {
		if (pinring_part_oneshot(part) && !part->quarantined)
			pinring_part_unmap(part);
		else if (part->need_sync && part->moved)
			/* What came, no more: the rest of a bounce buffer is old. */
			pinring_buffer_sync(job->buffer->map[job->dir],
					    job->buffer_offset + part->offset, part->moved, true);
		pinring_part_drop_mapped(part);
	}

	/* The caller need not wait for its pages to be unpinned. */
	spin_lock_irq(&pdev->lock);
	pinring_part_account(part);
	spin_unlock_irq(&pdev->lock);

	if (part->quarantined && part->pages)
		pinring_quarantine_part(part);
	pinring_part_free_sg(part);
	if (part->pages) {
		if (!part->quarantined)
			pinring_unpin(part->pages, part->npages, job->dir == PINRING_RECV);
		kvfree(part->pages);
		part->pages = NULL;
	}
	if (!part->quarantined)
		pinring_uncharge(job->ring, part->charged);

	spin_lock_irq(&pdev->lock);
	pinring_part_retire(part);
	spin_unlock_irq(&pdev->lock);
}
