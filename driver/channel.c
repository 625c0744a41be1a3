// SPDX-License-Identifier: GPL-2.0-only
/*
 * Channels: the way to and from the dmaengine provider.
 *
 * pump		process context; channel->mutex from prep to issue, so that
 *		descriptors reach the provider in the order they were prepared
 *		in (a prepared descriptor can't be freed: it is submitted).
 * callback	the provider's tasklet; takes device->lock only, never sleeps,
 *		never submits.
 *
 * How a channel is had, stopped and let go is in seat.c.
 *
 * The BD budget: a part is handed over only when the BDs it needs are free, so
 * prep does not fail for lack of them. It must not: xilinx_dma_prep_slave_sg()
 * then returns what it took without its lock, while its tasklet may be freeing
 * BDs, and BDs out of order are DMA to the wrong memory. It can still fail for
 * lack of memory (providers allocate with GFP_NOWAIT), before it takes a BD;
 * then the part stays first in line.
 *
 * Providers free a descriptor's BDs after its callback has returned
 * (xilinx_dma_chan_desc_cleanup()), so they are not free when we are told that
 * it is done: they are cooling. They are free when the same tasklet calls back
 * for the next one, or when a tasklet that the callback scheduled on its own
 * CPU runs: the fence.
 *
 * The receive depth: see struct pinring_quirk. With xilinx_dma completions
 * are reported per idle restart, so a receive more than one ahead would hide
 * the packet before it.
 */
#include <linux/dma-mapping.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/percpu.h>

#include "internal.h"

#define PINRING_PREP_RETRY	msecs_to_jiffies(10)
#define PINRING_PREP_FAILURES	100

/*
 * Before the first recovery on account of a refusal; twice as long for each further
 * one that is counted.
 */
#define PINRING_REFUSED_MS	10

/* ---- parts that wait, under device->lock ---- */

/*
 * Each lane's are in order, and lanes take turns, one part each: whoever queues
 * a thousand packets delays the next ring's by one.
 */
static struct pinring_part *pinring_channel_first(struct pinring_channel *channel)
{
	struct pinring_lane *lane =
		list_first_entry_or_null(&channel->turns, struct pinring_lane, turn);

	return lane ? list_first_entry(&lane->ready, struct pinring_part, link) : NULL;
}

/* A part that its lane has prepared. */
void pinring_channel_add(struct pinring_part *part)
{
	struct pinring_lane *lane = pinring_job_lane(part->job);

	part->state = PINRING_PART_READY;
	list_add_tail(&part->link, &lane->ready);
	if (list_empty(&lane->turn))
		list_add_tail(&lane->turn, &lane->channel->turns);
}

/* A part that was taken, and can't be handed over yet: first in line again. */
static void pinring_channel_return(struct pinring_part *part)
{
	struct pinring_lane *lane = pinring_job_lane(part->job);

	part->state = PINRING_PART_READY;
	list_add(&part->link, &lane->ready);
	list_move(&lane->turn, &lane->channel->turns);
}

static void pinring_channel_remove(struct pinring_part *part)
{
	struct pinring_lane *lane = pinring_job_lane(part->job);

	list_del_init(&part->link);
	if (list_empty(&lane->ready))
		list_del_init(&lane->turn);
	else if (part->state == PINRING_PART_ISSUED)
		list_move_tail(&lane->turn, &lane->channel->turns);
}

/* ---- */

static bool pinring_part_batch(const struct pinring_part *part)
{
	return part->job->sqe_flags & PINRING_SQE_BATCH;
}

/* Under device->lock. */
static bool pinring_channel_fits(const struct pinring_channel *channel,
				 const struct pinring_part *part)
{
	u32 depth = channel->depth;

	/*
	 * Behind one that may be active, or others of a batch: a receive that
	 * waits for its own report must not be pending together with a batch.
	 */
	if (pinring_part_batch(part) &&
	    (channel->issued_parts < 2 ||
	     pinring_part_batch(list_last_entry(&channel->issued, struct pinring_part, link))))
		depth = max(depth, channel->batch_depth);
	return channel->issued_parts < depth &&
	       channel->issued_bds + part->bds <= channel->bds;
}

/* Under device->lock: the pump has something to do. */
static void pinring_channel_kick(struct pinring_channel *channel)
{
	struct pinring_part *part = pinring_channel_first(channel);

	if (part && !channel->pdev->dead && pinring_channel_fits(channel, part))
		mod_delayed_work(pinring_wq, &channel->pump_work, 0);
}

/* Under device->lock: from ready to issued. */
static struct pinring_part *pinring_channel_take(struct pinring_channel *channel)
{
	struct pinring_part *part = pinring_channel_first(channel);

	if (!part || channel->pdev->dead || channel->pdev->asleep || channel->halted ||
	    !pinring_channel_fits(channel, part))
		return NULL;
	part->state = PINRING_PART_ISSUED;
	pinring_channel_remove(part);
	list_add_tail(&part->link, &channel->issued);
	part->job->state = PINRING_JOB_ACTIVE;
	channel->issued_parts++;
	channel->issued_bds += part->bds;
	return part;
}

/* Under device->lock: off the issued list. Its BDs are the caller's business. */
void pinring_channel_untake(struct pinring_part *part)
{
	struct pinring_channel *channel = pinring_part_channel(part);

	list_del_init(&part->link);
	channel->issued_parts--;
}

/* Under device->lock, in the provider's callback for descriptor of @bds BDs. */
static void pinring_channel_cool(struct pinring_channel *channel, u32 bds)
{
	/* One callback at a time, so those of the one before are free. */
	channel->issued_bds -= channel->cooling;
	channel->cooling = bds;
	channel->cooling_fence = this_cpu_ptr(channel->fence);
	tasklet_schedule(&channel->cooling_fence->tasklet);
}

static void pinring_fence_run(struct tasklet_struct *tasklet)
{
	struct pinring_fence *fence = container_of(tasklet, struct pinring_fence, tasklet);
	struct pinring_channel *channel = fence->channel;
	struct pinring_device *pdev = channel->pdev;
	unsigned long flags;

	spin_lock_irqsave(&pdev->lock, flags);
	/* Otherwise the provider's tasklet has moved on: that CPU has its own fence. */
	if (channel->cooling && channel->cooling_fence == fence) {
		channel->issued_bds -= channel->cooling;
		channel->cooling = 0;
		pinring_channel_kick(channel);
	}
	spin_unlock_irqrestore(&pdev->lock, flags);
}

/* Under device->lock: the provider has nothing of ours, and is in no callback. */
void pinring_channel_emptied(struct pinring_channel *channel)
{
	channel->issued_bds = 0;
	channel->cooling = 0;
	channel->halted = false;
	/* What is handed over now starts afresh. */
	channel->progress = ktime_get_ns();
}

/* Under device->lock: a part the provider never got. */
void pinring_channel_withdraw(struct pinring_part *part)
{
	pinring_channel_remove(part);
	pinring_part_done(part);
}

static u32 pinring_provider_result(enum dmaengine_tx_result result)
{
	switch (result) {
	case DMA_TRANS_NOERROR:
		return PINRING_PROVIDER_OK;
	case DMA_TRANS_READ_FAILED:
		return PINRING_PROVIDER_READ_FAILED;
	case DMA_TRANS_WRITE_FAILED:
		return PINRING_PROVIDER_WRITE_FAILED;
	default:
		return PINRING_PROVIDER_ABORTED;
	}
}

/*
 * Under device->lock: what the provider's word means. A send has succeeded
 * when nothing is left over, a receive when something came; the last packet
 * of a receive that said so may come short.
 */
static void pinring_part_judge(struct pinring_part *part, const struct dmaengine_result *result)
{
	struct pinring_job *job = part->job;
	bool last = part->offset + part->len == job->len;

	job->provider_result = pinring_provider_result(result->result);
	if (result->result != DMA_TRANS_NOERROR || result->residue > part->len) {
		part->error = -EIO;
		return;
	}
	part->moved = part->len - result->residue;
	if (!result->residue)
		return;
	if (job->dir == PINRING_SEND || !part->moved) {
		part->error = -EIO;
		return;
	}
	job->cqe_flags |= PINRING_CQE_SHORT;
	if (!(job->sqe_flags & PINRING_SQE_MAY_BE_SHORT) || !last)
		part->error = -EBADMSG;
}

/*
 * The hardware may still use the memory though the provider says it is
 * through: the memory is not ours again before the channel was stopped.
 *
 *  - An error: the engine stops by itself, but nobody tells when it has.
 *  - A packet that ended early leaves the BDs behind it armed (6.1).
 *  - A descriptor that has not even begun was completed along with another
 *    (6.1: any interrupt completes all that is active).
 */
static bool pinring_part_still_armed(const struct pinring_part *part)
{
	if (pinring_part_channel(part)->quirk->exact_short)
		return false;
	if (part->job->provider_result != PINRING_PROVIDER_OK)
		return true;
	return part->moved < part->len &&
	       (part->job->dir == PINRING_SEND || part->bds > 1 || !part->moved);
}

/* The provider's tasklet. */
static void pinring_channel_callback(void *param, const struct dmaengine_result *result)
{
	static const struct dmaengine_result no_result = { .result = DMA_TRANS_ABORTED };
	struct pinring_part *part = param;
	struct pinring_channel *channel = pinring_part_channel(part);
	struct pinring_device *pdev = channel->pdev;
	unsigned long flags;

	spin_lock_irqsave(&pdev->lock, flags);
	/* A recovery came first: it ends the part when the engine has stopped. */
	if (part->state != PINRING_PART_ISSUED) {
		spin_unlock_irqrestore(&pdev->lock, flags);
		return;
	}
	channel->progress = ktime_get_ns();
	channel->stats.packets++;
	channel->stats.bds += part->bds;
	channel->stats.pages += part->npages;
	pinring_part_judge(part, result ? result : &no_result);
	if (pinring_part_still_armed(part)) {
		/* Stays issued: the recovery that this asks for ends it. */
		channel->halted = true;
		pinring_job_fail(part->job, part->error, 0);
	} else {
		u32 bds = part->bds;

		pinring_channel_untake(part);
		pinring_part_done(part);
		pinring_channel_cool(channel, bds);
	}
	pinring_channel_kick(channel);
	spin_unlock_irqrestore(&pdev->lock, flags);
}

/*
 * Under device->lock: a part that was taken, and that the provider has nothing
 * of, is first in line again; or over, with @error or what its job ends with.
 * Its BDs are the caller's business.
 */
static void pinring_channel_give_back(struct pinring_part *part, int error)
{
	struct pinring_job *job = part->job;

	pinring_channel_untake(part);
	/* Its first: so nothing of the job has been handed over. */
	if (!part->offset)
		job->state = PINRING_JOB_QUEUED;
	if (error)
		pinring_job_stop(job, error);
	if (pinring_job_verdict(job))
		pinring_part_done(part);
	else
		pinring_channel_return(part);
}

/* prep failed though the BDs are there. */
static void pinring_channel_put_back(struct pinring_channel *channel, struct pinring_part *part)
{
	struct pinring_device *pdev = channel->pdev;
	bool enough = ++channel->prep_failures >= PINRING_PREP_FAILURES;

	if (enough)
		channel->prep_failures = 0;
	spin_lock_irq(&pdev->lock);
	channel->issued_bds -= part->bds;
	pinring_channel_give_back(part, enough ? -ENOMEM : 0);
	if (!pdev->dead)
		mod_delayed_work(pinring_wq, &channel->pump_work, PINRING_PREP_RETRY);
	spin_unlock_irq(&pdev->lock);
}

/*
 * The provider refused a descriptor, after a reset that failed. It neither has
 * it nor frees it (xilinx_dma_tx_submit()): its BDs are lost until the channel
 * is released. The part waits for the recovery that this asks for, each time a
 * while later: see pinring_channel_hopeless(). A recovery may come sooner, as the
 * close of any ring asks for one: what is refused then says nothing new.
 */
static void pinring_channel_refused(struct pinring_channel *channel, struct pinring_part *part)
{
	struct pinring_device *pdev = channel->pdev;
	unsigned int doublings = min(channel->refusals, PINRING_REFUSALS);
	unsigned long now = jiffies;

	if (!channel->refusals || time_after_eq(now, channel->refused_until)) {
		channel->refused_until = now + msecs_to_jiffies(PINRING_REFUSED_MS << doublings);
		channel->refusals++;
	}

	spin_lock_irq(&pdev->lock);
	pinring_channel_give_back(part, 0);
	channel->halted = true;
	if (!pdev->dead)
		queue_delayed_work(pinring_wq, &pdev->recover_work, channel->refused_until - now);
	spin_unlock_irq(&pdev->lock);
}

/*
 * Under device->lock: the hardware has halted with parts issued, so nothing of
 * it will come back. @own: by an error of this channel, which the oldest part
 * gets, as dmaengine does not tell which one met it. Otherwise by a reset.
 */
void pinring_channel_lost(struct pinring_channel *channel, bool own)
{
	struct pinring_device *pdev = channel->pdev;
	struct pinring_part *part =
		list_first_entry_or_null(&channel->issued, struct pinring_part, link);

	lockdep_assert_held(&pdev->lock);
	if (!part || channel->halted)
		return;
	channel->halted = true;
	if (own)
		pinring_job_fail(part->job, -EIO, 0);
	if (!pdev->dead)
		mod_delayed_work(pinring_wq, &pdev->recover_work, 0);
}

/*
 * Under device->lock: the hardware is through with what is issued, and nobody
 * will be told. Its interrupt was lost; or a receive's memory was full before
 * the packet was at its end, which raises none. The oldest part gets it.
 */
void pinring_channel_silent(struct pinring_channel *channel, u32 residue)
{
	struct pinring_device *pdev = channel->pdev;
	struct pinring_part *part =
		list_first_entry_or_null(&channel->issued, struct pinring_part, link);
	u32 cqe_flags = 0;

	lockdep_assert_held(&pdev->lock);
	if (!part || channel->halted)
		return;
	if (channel->dir == PINRING_RECV && !residue) {
		cqe_flags = PINRING_CQE_TRUNCATED;
		/* Where they are issued one by one it is its own. */
		if (channel->depth < channel->batch_depth && !pinring_part_batch(part))
			part->moved = part->len;
	}
	channel->halted = true;
	pinring_job_fail(part->job, -EIO, cqe_flags);
	if (!pdev->dead)
		mod_delayed_work(pinring_wq, &pdev->recover_work, 0);
}

/* Process context, under channel->mutex. */
static struct dma_async_tx_descriptor *pinring_channel_prep(struct pinring_channel *channel,
							    struct pinring_part *part)
{
	enum dma_transfer_direction dir =
		channel->dir == PINRING_SEND ? DMA_MEM_TO_DEV : DMA_DEV_TO_MEM;
	struct dma_async_tx_descriptor *desc;

	desc = dmaengine_prep_slave_sg(channel->dma, part->list, part->nlist, dir,
				       DMA_PREP_INTERRUPT | DMA_CTRL_ACK);
	if (!desc)
		return NULL;
	channel->prep_failures = 0;
	desc->callback_result = pinring_channel_callback;
	desc->callback_param = part;
	return desc;
}

/*
 * Process context, under channel->mutex. Returns false if there is nothing to
 * issue to: with parts @active, an error that nobody was told of
 * (xilinx_dma_irq_handler()) made the submit reset the hardware, and left what
 * was active in the provider's list, where the next interrupt would end it as
 * a success.
 */
static bool pinring_channel_issue(struct pinring_channel *channel, bool active)
{
	struct pinring_device *pdev = channel->pdev;

	if (active && pinring_axidma_halted(channel)) {
		spin_lock_irq(&pdev->lock);
		/* Unless it was the other channel's submit that reset both. */
		pinring_channel_lost(channel, !pdev->channel[!channel->dir].halted);
		spin_unlock_irq(&pdev->lock);
		return false;
	}
	dma_async_issue_pending(channel->dma);
	return true;
}

/* What was issued before it has halted: the recovery that this asked for is not about it. */
static void pinring_channel_never_mind(struct pinring_channel *channel, struct pinring_part *part)
{
	struct pinring_device *pdev = channel->pdev;

	spin_lock_irq(&pdev->lock);
	channel->issued_bds -= part->bds;
	pinring_channel_give_back(part, 0);
	spin_unlock_irq(&pdev->lock);
}

/**
 * pinring_channel_pump - hand ready parts to the provider
 * @channel: the channel.
 *
 * Process context. Waits while a recovery is under way.
 */
void pinring_channel_pump(struct pinring_channel *channel)
{
	struct pinring_device *pdev = channel->pdev;
	struct dma_async_tx_descriptor *desc;
	bool active = false, handed = false;
	struct pinring_part *part;
	bool alone;

	mutex_lock_nested(&channel->mutex, channel->dir);
	for (;;) {
		spin_lock_irq(&pdev->lock);
		part = pinring_channel_take(channel);
		if (part) {
			pinring_watch_arm(channel);
			if (!handed)
				active = channel->issued_parts > 1;
		}
		spin_unlock_irq(&pdev->lock);
		if (!part)
			break;
		/*
		 * xilinx_dma reports what was issued together when all of it is
		 * done: a receive that may be answered alone is issued alone.
		 */
		alone = channel->quirk->issue_each ||
			(channel->dir == PINRING_RECV && !pinring_part_batch(part));
		if (alone && handed) {
			handed = false;
			if (!pinring_channel_issue(channel, active)) {
				pinring_channel_never_mind(channel, part);
				break;
			}
			active = true;
		}
		desc = pinring_channel_prep(channel, part);
		if (!desc) {
			pinring_channel_put_back(channel, part);
			break;
		}
		if (dma_submit_error(dmaengine_submit(desc))) {
			pinring_channel_refused(channel, part);
			handed = false;
			break;
		}
		channel->refusals = 0;
		if (alone && !pinring_channel_issue(channel, active))
			break;
		handed = !alone;
	}
	if (handed)
		pinring_channel_issue(channel, active);
	mutex_unlock(&channel->mutex);
}

static void pinring_channel_pump_work(struct work_struct *work)
{
	struct delayed_work *pump = to_delayed_work(work);

	pinring_channel_pump(container_of(pump, struct pinring_channel, pump_work));
}

/* What the pump works with. */
int pinring_pump_init(struct pinring_channel *channel)
{
	int cpu;

	INIT_DELAYED_WORK(&channel->pump_work, pinring_channel_pump_work);
	channel->fence = alloc_percpu(struct pinring_fence);
	if (!channel->fence)
		return -ENOMEM;
	for_each_possible_cpu(cpu) {
		struct pinring_fence *fence = per_cpu_ptr(channel->fence, cpu);

		fence->channel = channel;
		tasklet_setup(&fence->tasklet, pinring_fence_run);
	}
	return 0;
}

/* The provider calls back no more. */
void pinring_pump_exit(struct pinring_channel *channel)
{
	int cpu;

	for_each_possible_cpu(cpu)
		tasklet_kill(&per_cpu_ptr(channel->fence, cpu)->tasklet);
	free_percpu(channel->fence);
}
