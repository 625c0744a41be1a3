// SPDX-License-Identifier: GPL-2.0-only
/*
 * Parts: the memory of one packet, from user pages to a mapped scatterlist
 * and back.
 *
 * prepare	process context, called by the lane's only runner, no lock.
 * done		any context, under device->lock: the provider is through.
 * account	under device->lock: tell the job; may settle and post it.
 * release	process context: sync, copy out of the stage, unmap, unpin.
 *
 * Who owns what: from prepare to release the part holds a reference on its
 * job, its pins (one-shot), its mapping and its stage (bounce.c). Registered
 * memory is the buffer's; the part only borrows a slice, and holds the buffer
 * through its job.
 */
#include <linux/dma-mapping.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "internal.h"

static int pinring_part_pin(struct pinring_part *part)
{
	struct pinring_job *job = part->job;
	bool write = job->dir == PINRING_RECV;
	/* A plain pin only where an enforced deadline bounds it, and soon. */
	u64 soon = ktime_get_ns() + job->ring->pdev->info.send_deadline_ns;
	bool longterm = write || (!job->patience && job->deadline > soon);
	unsigned long npages, done = 0;
	struct pinring_walk walk;
	int ret;

	npages = pinring_part_pages(part);
	part->pages = kvmalloc_array(npages, sizeof(*part->pages), GFP_KERNEL_ACCOUNT);
	if (!part->pages)
		return -ENOMEM;

	pinring_walk_start(&walk, part);
	while (pinring_walk_next(&walk)) {
		/* Its first page may be the last one's before it. */
		u64 addr = (walk.addr & PAGE_MASK) + ((u64)(done - walk.page) << PAGE_SHIFT);

		if (walk.npages == done)
			continue;
		ret = pinring_pin(addr, walk.npages - done, write, longterm, part->pages + done);
		if (ret)
			goto unpin;
		done = walk.npages;
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
 * From here on the provider's device is there until the part is released, also
 * in an unbind: released parts are what it waits for.
 */
static int pinring_part_hold(struct pinring_part *part)
{
	struct pinring_device *pdev = part->job->ring->pdev;
	int ret = 0;

	down_read(&pdev->live);
	if (pinring_ring_dead(part->job->ring)) {
		ret = -ENODEV;
	} else {
		part->held = true;
		atomic_inc(&pdev->mapped);
	}
	up_read(&pdev->live);
	return ret;
}

/* A receive must not be looked at before it was synced and copied. */
static int pinring_part_stage(struct pinring_part *part)
{
	part->need_sync = part->job->dir == PINRING_RECV;
	return pinring_stage_get(part);
}

static int pinring_part_prepare_whole(struct pinring_part *part)
{
	int ret = pinring_part_stage(part);

	if (!ret)
		ret = pinring_part_list_stage(part);
	return ret ? ret : pinring_part_count_bds(part);
}

/* The buffer's mapping is not the part's: an unbind does not wait for who has not synced it. */
static int pinring_part_prepare_buffer(struct pinring_part *part)
{
	struct pinring_job *job = part->job;
	const struct pinring_mapping *map = job->buffer->map[job->dir];
	struct pinring_device *pdev = job->ring->pdev;
	int ret = 0;

	down_read(&pdev->live);
	if (pinring_ring_dead(job->ring)) {
		ret = -ENODEV;
	} else if (map->need_sync) {
		part->need_sync = job->dir == PINRING_RECV;
		pinring_buffer_sync(map, job->buffer_offset + part->offset + part->head,
				    part->len - part->head - part->tail, false);
	}
	up_read(&pdev->live);
	return ret ? ret : pinring_part_list_slice(part);
}

/*
 * A one-shot receive that may come short, where that has to be one BD: known
 * when it is mapped, and charged as if it were not.
 */
static int pinring_part_settle_short(struct pinring_part *part)
{
	if (part->bds == 1) {
		pinring_lane_refund(part, part->charged - part->npages);
		return 0;
	}
	if (part->job->sqe_flags & PINRING_SQE_ZERO_COPY)
		return -EINVAL;
	/* Nothing has come. */
	part->need_sync = false;
	pinring_part_unmap(part);
	pinring_part_list_put(part);
	pinring_part_free_sg(part);
	pinring_bounce_whole(part);
	return pinring_part_prepare_whole(part);
}

/* With the user's pages pinned, if they are not the buffer's. */
static int pinring_part_prepare_held(struct pinring_part *part)
{
	bool oneshot = pinring_part_oneshot(part);
	int ret = 0;

	if (part->bounce == PINRING_BOUNCE_WHOLE)
		return pinring_part_prepare_whole(part);
	if (part->bounce == PINRING_BOUNCE_EDGES)
		ret = pinring_part_stage(part);
	if (!ret)
		ret = oneshot ? pinring_part_map(part) : pinring_part_prepare_buffer(part);
	if (ret)
		return ret;
	ret = pinring_part_count_bds(part);
	return oneshot && part->one_bd ? pinring_part_settle_short(part) : ret;
}

/*
 * Everything that release looks at, but for part->charged: that is the lane's.
 * Also the plan. Returns the pages that are to be charged for the part.
 */
unsigned long pinring_part_init(struct pinring_part *part)
{
	part->need_sync = false;
	part->accounted = false;
	part->held = false;
	part->mapped = false;
	part->quarantined = false;
	part->pages = NULL;
	part->list = NULL;
	part->sgt.sgl = NULL;
	part->stage.spans = NULL;
	part->stage.nspans = 0;
	part->npages = 0;
	part->bds = 0;
	part->moved = 0;
	part->bounced = 0;
	part->error = 0;
	return pinring_part_pages(part) + pinring_bounce_plan(part);
}

/*
 * Makes a part ready to be handed to the provider. On error the part holds
 * what it got so far; pinring_part_let_go() and what follows give it back.
 */
int pinring_part_prepare(struct pinring_part *part)
{
	struct pinring_job *job = part->job;
	struct pinring_walk walk;
	int ret = 0;

	if (pinring_part_oneshot(part))
		ret = pinring_part_pin(part);
	if (!ret)
		ret = pinring_part_hold(part);
	if (!ret)
		ret = pinring_part_prepare_held(part);
	if (ret)
		return ret;

	pinring_walk_start(&walk, part);
	while (pinring_walk_next(&walk))
		;
	job->cur_piece = walk.piece;
	job->cur_offset = walk.skip;
	return 0;
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
	if (part->bounced) {
		job->cqe_flags |= PINRING_CQE_BOUNCED;
		pinring_part_channel(part)->stats.bounced += part->bounced;
	}
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

static void pinring_part_drop(struct pinring_part *part)
{
	struct pinring_device *pdev = part->job->ring->pdev;

	part->held = false;
	if (atomic_dec_and_test(&pdev->mapped))
		wake_up(&pdev->unmapped);
}

/*
 * The provider is through with the part, or never got it. Under device->lock,
 * any context; the part must not be touched afterwards. The job hears of it
 * now, unless the CPU may look at the memory only after a sync or a copy. What
 * sleeps (unpinning) or copies is left to the ring's reap work.
 */
void pinring_part_done(struct pinring_part *part)
{
	struct pinring_ring *ring = part->job->ring;

	lockdep_assert_held(&ring->pdev->lock);
	part->state = PINRING_PART_DONE;
	pinring_job_lane(part->job)->parts--;
	if (!part->need_sync) {
		pinring_part_account(part);
		if (!pinring_part_oneshot(part) && !part->stage.nspans) {
			pinring_part_list_put(part);
			pinring_part_drop(part);
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
	part->resets = pdev->resets;
	part->need_sync = false;
	part->moved = 0;
	/* Whatever ended the job: its memory is not the caller's again. */
	job->error = -ENODEV;
	pdev->quarantined += pinring_stage_pages(part);
	if (pinring_part_oneshot(part)) {
		pdev->quarantined += part->npages;
	} else if (!job->buffer->quarantined) {
		job->buffer->quarantined = true;
		job->buffer->resets = pdev->resets;
		pdev->quarantined += job->buffer->npages;
	}
}

/* What came into a registered buffer by itself, no more: the rest of a bounce buffer is old. */
static void pinring_part_sync_buffer(const struct pinring_part *part)
{
	const struct pinring_job *job = part->job;
	const struct pinring_mapping *map = job->buffer->map[job->dir];
	u32 end = min(part->moved, part->len - part->tail);

	if (map->need_sync && part->need_sync && part->bounce != PINRING_BOUNCE_WHOLE &&
	    end > part->head)
		pinring_buffer_sync(map, job->buffer_offset + part->offset + part->head,
				    end - part->head, true);
}

/* The memory is the caller's again, or nobody's. */
static void pinring_part_detach(struct pinring_part *part)
{
	if (part->mapped)
		pinring_part_unmap(part);
	else if (!pinring_part_oneshot(part))
		pinring_part_sync_buffer(part);
	pinring_stage_drain(part);
	pinring_stage_free(&part->stage, pinring_part_channel(part)->dma_dev,
			   pinring_part_dma_dir(part));
	pinring_part_drop(part);
}

/**
 * pinring_part_let_go - the first half of a release: all that others wait for
 * @part: the provider is through with it, or never got it.
 *
 * Process context. Nothing of the part uses the provider's device any more, and
 * its job has heard of it. Touches no memory that may stall: an unbind does this
 * for everybody.
 *
 * Return: whether its pages are still pinned, and pinring_part_give_back() has to
 * follow; if not, the part must not be touched any more.
 */
bool pinring_part_let_go(struct pinring_part *part)
{
	struct pinring_device *pdev = part->job->ring->pdev;

	/* An engine that was shown to have stopped since then has let go. */
	if (part->quarantined)
		part->quarantined = pinring_quarantine_holds(pdev, part->resets);
	if (part->held && !part->quarantined)
		pinring_part_detach(part);

	/* The caller need not wait for its pages to be unpinned: notify it at once. */
	pinring_post_lock(pdev);
	pinring_part_account(part);
	pinring_post_unlock(pdev);

	pinring_part_list_put(part);
	if (part->quarantined) {
		pinring_quarantine_part(part);
		pinring_stage_forget(&part->stage);
		/* Not earlier: a reset gives back all at once, by the provider's device. */
		pinring_part_drop(part);
		/* Those that there was no memory to keep. */
		kvfree(part->pages);
		part->pages = NULL;
	}
	pinring_part_free_sg(part);
	if (part->pages)
		return true;
	pinring_part_give_back(part);
	return false;
}

/*
 * The second half: its pages, their charge and its slot in the job. Process
 * context, under no lock but ring->unpin_mutex: an unpin may take for ever.
 */
void pinring_part_give_back(struct pinring_part *part)
{
	struct pinring_job *job = part->job;
	struct pinring_device *pdev = job->ring->pdev;

	if (part->pages) {
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
