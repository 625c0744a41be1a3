// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lanes: the jobs of one ring for one direction, prepared in order.
 *
 * A lane has one runner at a time: the task in ENTER, or one of the user's
 * workers (user.c), which borrows the ring's address space. The runner takes
 * the next part of the first job under device->lock, and prepares it with no
 * lock at all, so that a pin that stalls (userfaultfd, FUSE) stops this ring's
 * direction only.
 *
 * The window: at most two parts of a job, and two chunks of pages of a lane
 * (pinned for one-shot jobs, or staged), are held at a time, so that a transfer
 * of any size gets by with the usual RLIMIT_MEMLOCK of 8 MiB, and the next part
 * is ready when the one before it completes.
 *
 * The turn: who runs a lane prepares a window of it and no more, though what is
 * done makes room as fast. A task leaves the rest to a worker: ENTER does not
 * wait, and a task that was killed comes out of it. A worker begins anew behind
 * the user's other lanes.
 */
#include <linux/kthread.h>
#include <linux/sched/mm.h>

#include "internal.h"

/* How long a part waits for pages charged to other parts, and how often it looks. */
#define PINRING_STARVE_NS	(1 * NSEC_PER_SEC)
#define PINRING_STARVE_POLL	msecs_to_jiffies(5)

/* The other direction's jobs of an ENTER wait no longer for one whose pin stalls. */
#define PINRING_LANE_PATIENCE	msecs_to_jiffies(10)

/* What is left of a runner's turn. */
struct pinring_turn {
	u32 parts;
	unsigned long pages;
};

static unsigned long pinring_chunk_pages(const struct pinring_device *pdev)
{
	return (pdev->info.chunk >> PAGE_SHIFT) + 1;
}

/* Parts worth having ready: what the channel takes, and the next one. */
static u32 pinring_lane_limit(const struct pinring_lane *lane, const struct pinring_job *job)
{
	if (job->dir == PINRING_RECV && !(job->sqe_flags & PINRING_SQE_BATCH))
		return min(lane->channel->depth + 1, PINRING_LANE_PARTS);
	return PINRING_LANE_PARTS;
}

static struct pinring_part *pinring_job_free_part(struct pinring_job *job)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(job->part); i++)
		if (job->part[i].state == PINRING_PART_FREE)
			return &job->part[i];
	return NULL;
}

/* Under device->lock: the next part of the first job, if the window allows one. */
static struct pinring_part *pinring_lane_next(struct pinring_lane *lane)
{
	struct pinring_part *part;
	struct pinring_job *job;

	job = list_first_entry_or_null(&lane->jobs, struct pinring_job, lane_link);
	if (!job || lane->parts >= pinring_lane_limit(lane, job))
		return NULL;
	part = pinring_job_free_part(job);
	if (!part)
		return NULL;

	part->job = job;
	part->state = PINRING_PART_PREPARING;
	part->first_piece = job->cur_piece;
	part->first_offset = job->cur_offset;
	part->offset = job->prepared;
	part->len = min_t(u64, job->len - job->prepared,
			  job->sqe_flags & PINRING_SQE_SPLIT ? lane->channel->pdev->info.chunk
							     : U32_MAX);
	part->charged = 0;
	return part;
}

/*
 * Charges a part's pages, pinned or staged. -EAGAIN: leave it for now, something
 * will kick the lane. The caller is the lane's runner, without a lock.
 */
static int pinring_lane_charge(struct pinring_lane *lane, struct pinring_part *part,
			       unsigned long npages)
{
	struct pinring_ring *ring = lane->ring;
	struct pinring_device *pdev = ring->pdev;
	unsigned long chunk_pages = pinring_chunk_pages(pdev);
	/* The other direction may pin a chunk, and stage it. */
	unsigned long headroom = 2 * chunk_pages;
	u64 now = ktime_get_ns();
	unsigned long pinned;
	bool prefetch, waits;
	int ret;

	if (!npages)
		return 0;

	spin_lock_irq(&pdev->lock);
	pinned = lane->pages;
	if (pinned && pinned + npages > 2 * chunk_pages) {
		/* The part that gives pages back kicks the lane. */
		spin_unlock_irq(&pdev->lock);
		return -EAGAIN;
	}
	spin_unlock_irq(&pdev->lock);
	prefetch = pinned;

	ret = pinring_charge(ring, npages, prefetch ? headroom : 0);
	if (ret == -EAGAIN) {
		/* What is done but not unpinned yet still counts: let go of it. */
		pinring_ring_reap(ring);
		ret = pinring_charge(ring, npages, prefetch ? headroom : 0);
	}

	spin_lock_irq(&pdev->lock);
	waits = lane->pages;
	if (!ret) {
		lane->pages += npages;
		part->charged = npages;
		part->job->starved_since = 0;
	} else if (ret == -EAGAIN && !waits) {
		/*
		 * Nothing of this lane will give pages back: other lanes, or
		 * the user's other programs, hold them. Look again for a while.
		 */
		if (!part->job->starved_since)
			part->job->starved_since = now;
		if (now - part->job->starved_since >= PINRING_STARVE_NS)
			ret = -EDQUOT;
	}
	spin_unlock_irq(&pdev->lock);

	if (ret == -EAGAIN && !waits)
		pinring_lane_kick(lane, PINRING_STARVE_POLL);
	return ret;
}

/* Pages of a part that turned out not to be needed. Lane's runner, no lock. */
void pinring_lane_refund(struct pinring_part *part, unsigned long npages)
{
	struct pinring_ring *ring = part->job->ring;

	spin_lock_irq(&ring->pdev->lock);
	pinring_job_lane(part->job)->pages -= npages;
	part->charged -= npages;
	spin_unlock_irq(&ring->pdev->lock);
	pinring_uncharge(ring, npages);
}

/* Under device->lock. Returns false if the part has to be released instead. */
static bool pinring_lane_enqueue(struct pinring_lane *lane, struct pinring_part *part, int error)
{
	struct pinring_job *job = part->job;

	if (error)
		pinring_job_stop(job, error);
	if (pinring_job_verdict(job))
		return false;
	lane->parts++;
	pinring_channel_add(part);
	return true;
}

static struct pinring_turn pinring_turn_begin(const struct pinring_lane *lane)
{
	return (struct pinring_turn){
		.parts = PINRING_LANE_PARTS,
		.pages = 2 * pinring_chunk_pages(lane->ring->pdev),
	};
}

static void pinring_turn_spend(struct pinring_turn *turn, unsigned long npages)
{
	turn->parts--;
	turn->pages -= min(npages, turn->pages);
}

static bool pinring_turn_over(const struct pinring_turn *turn)
{
	return !turn->parts || !turn->pages;
}

/* Prepares what window and turn allow. The caller's address space is the ring's. */
static void pinring_lane_prepare(struct pinring_lane *lane, struct pinring_turn *turn)
{
	struct pinring_device *pdev = lane->ring->pdev;
	struct pinring_part *part;
	struct pinring_job *job;
	bool enqueued, oneshot;
	bool unpumped = false;
	unsigned long npages;
	int ret;

	spin_lock_irq(&pdev->lock);
	while (!pinring_turn_over(turn) && (part = pinring_lane_next(lane))) {
		job = part->job;
		oneshot = !job->buffer;
		refcount_inc(&job->refs);
		if (job->buffer)
			refcount_inc(&job->buffer->users);
		job->parts_out++;
		spin_unlock_irq(&pdev->lock);

		npages = pinring_part_init(part);
		if (npages && unpumped) {
			/* A pin, or an unpin of what is to be charged less, may stall. */
			pinring_channel_pump(lane->channel);
			unpumped = false;
		}
		ret = pinring_lane_charge(lane, part, npages);
		if (ret == -EAGAIN) {
			spin_lock_irq(&pdev->lock);
			part->state = PINRING_PART_FREE;
			job->parts_out--;
			pinring_job_progress(job);
			if (job->buffer)
				pinring_buffer_put(job->buffer);
			pinring_job_put(job);
			break;
		}
		if (!ret)
			ret = pinring_part_prepare(part);

		spin_lock_irq(&pdev->lock);
		if (!ret && !pinring_job_verdict(job)) {
			job->prepared += part->len;
			if (job->prepared == job->len)
				list_del_init(&job->lane_link);
		}
		enqueued = pinring_lane_enqueue(lane, part, ret);
		spin_unlock_irq(&pdev->lock);

		pinring_turn_spend(turn, npages);
		if (!enqueued) {
			if (pinring_part_let_go(part))
				pinring_part_give_back(part);
		} else if (oneshot) {
			/* The next pin may stall: this part must not wait for it. */
			pinring_channel_pump(lane->channel);
		} else {
			unpumped = true;
		}
		spin_lock_irq(&pdev->lock);
	}
	spin_unlock_irq(&pdev->lock);
}

/**
 * pinring_lane_run - prepare what can be, and hand it to the channel
 * @lane: the lane.
 *
 * Process context, in the ring's address space. If somebody else is at it
 * already, that one goes round once more. What is left when the turn is over is
 * a worker's.
 */
void pinring_lane_run(struct pinring_lane *lane)
{
	struct pinring_turn turn = pinring_turn_begin(lane);
	struct pinring_device *pdev = lane->ring->pdev;

	spin_lock_irq(&pdev->lock);
	if (lane->running) {
		lane->again = true;
		spin_unlock_irq(&pdev->lock);
		return;
	}
	lane->running = true;
	do {
		lane->again = false;
		spin_unlock_irq(&pdev->lock);
		pinring_lane_prepare(lane, &turn);
		pinring_channel_pump(lane->channel);
		spin_lock_irq(&pdev->lock);
	} while (lane->again && !pinring_turn_over(&turn));
	lane->running = false;
	if (!list_empty(&lane->jobs) && pinring_turn_over(&turn))
		pinring_lane_kick(lane, 0);
	spin_unlock_irq(&pdev->lock);
}

/**
 * pinring_lanes_run - as pinring_lane_run(), for all of a ring
 * @ring: the ring.
 *
 * Receives first: a loopback's send finds them armed.
 */
void pinring_lanes_run(struct pinring_ring *ring)
{
	struct pinring_lane *send = &ring->lane[PINRING_SEND];
	struct pinring_lane *recv = &ring->lane[PINRING_RECV];
	bool both;

	spin_lock_irq(&ring->pdev->lock);
	both = ring->directions == (PINRING_DIR_SEND | PINRING_DIR_RECV) &&
	       !list_empty(&send->jobs) && !list_empty(&recv->jobs);
	spin_unlock_irq(&ring->pdev->lock);

	if (both)
		pinring_lane_kick(send, PINRING_LANE_PATIENCE);
	if (ring->directions & PINRING_DIR_RECV)
		pinring_lane_run(recv);
	if (both && cancel_delayed_work(&send->work))
		pinring_ring_put(ring);
	if (ring->directions & PINRING_DIR_SEND)
		pinring_lane_run(send);
}

static bool pinring_job_unprepared(const struct pinring_job *job, u64 dir)
{
	return job->dir == dir && !list_empty(&job->lane_link);
}

static void pinring_lane_work(struct work_struct *work)
{
	struct pinring_lane *lane = container_of(to_delayed_work(work), struct pinring_lane, work);
	struct pinring_ring *ring = lane->ring;

	/*
	 * Only for as long as this round takes: a user of the mm held for
	 * longer would keep the ring's own mapping, and so its file, open.
	 */
	if (mmget_not_zero(ring->mm)) {
		kthread_use_mm(ring->mm);
		pinring_lane_run(lane);
		kthread_unuse_mm(ring->mm);
		mmput_async(ring->mm);
	} else {
		/* The process is gone; close is about to say so. */
		pinring_jobs_end(ring, pinring_job_unprepared, lane->channel->dir, -ECANCELED,
				 NULL);
	}
	pinring_ring_put(ring);
}

/* Any context. The work holds the ring: close does not wait for a stalled pin. */
void pinring_lane_kick(struct pinring_lane *lane, unsigned long delay)
{
	pinring_ring_get(lane->ring);
	if (mod_delayed_work(lane->ring->user->pin_wq, &lane->work, delay))
		pinring_ring_put(lane->ring);
}

/*
 * Under device->lock: the window may allow more. Not by queueing work for a lane
 * that is being run: that one may be stalled, and would take two of the user's
 * workers.
 */
void pinring_lane_again(struct pinring_lane *lane)
{
	lockdep_assert_held(&lane->ring->pdev->lock);
	if (lane->running)
		lane->again = true;
	else
		pinring_lane_kick(lane, 0);
}

void pinring_lane_init(struct pinring_lane *lane, struct pinring_ring *ring,
		       struct pinring_channel *channel)
{
	lane->ring = ring;
	lane->channel = channel;
	INIT_LIST_HEAD(&lane->jobs);
	INIT_LIST_HEAD(&lane->ready);
	INIT_LIST_HEAD(&lane->turn);
	INIT_DELAYED_WORK(&lane->work, pinring_lane_work);
}
