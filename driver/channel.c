// SPDX-License-Identifier: GPL-2.0-only
/*
 * Channels: the way to and from the dmaengine provider.
 *
 * pump		process context; channel->mutex from prep to issue, so that
 *		descriptors reach the provider in the order they were prepared
 *		in (a prepared descriptor can't be freed: it is submitted).
 * callback	the provider's tasklet; takes device->lock only, never sleeps,
 *		never submits.
 * stop		process context, both channels' mutexes held.
 *
 * The BD budget: a part is handed over only when the BDs it needs are free,
 * so prep does not fail for lack of them. It can still fail for lack of memory
 * (providers allocate with GFP_NOWAIT); then the part stays first in line.
 *
 * The receive depth: see struct pinring_quirk. With xilinx_dma completions
 * are reported per idle restart, so a receive more than one ahead would hide
 * the packet before it.
 */
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/property.h>

#include "internal.h"

#define PINRING_PREP_TRIES	5
#define PINRING_PREP_RETRY	msecs_to_jiffies(10)
#define PINRING_PREP_FAILURES	100

/* Under device->lock. */
static bool pinring_channel_fits(const struct pinring_channel *channel,
				 const struct pinring_part *part)
{
	u32 depth = channel->depth;

	if (part->job->sqe_flags & PINRING_SQE_BATCH)
		depth = PINRING_LANE_PARTS;
	return channel->issued_parts < depth &&
	       channel->issued_bds + part->bds <= channel->bds;
}

/* Under device->lock: from ready to issued. */
static struct pinring_part *pinring_channel_take(struct pinring_channel *channel)
{
	struct pinring_part *part;

	part = list_first_entry_or_null(&channel->ready, struct pinring_part, link);
	if (!part || channel->pdev->dead || !pinring_channel_fits(channel, part))
		return NULL;
	list_move_tail(&part->link, &channel->issued);
	part->state = PINRING_PART_ISSUED;
	part->job->state = PINRING_JOB_ACTIVE;
	channel->issued_parts++;
	channel->issued_bds += part->bds;
	return part;
}

/* Under device->lock: off the issued list. */
void pinring_channel_untake(struct pinring_part *part)
{
	struct pinring_channel *channel = pinring_part_channel(part);

	list_del_init(&part->link);
	channel->issued_parts--;
	channel->issued_bds -= part->bds;
}

/* Under device->lock: a part the provider never got. */
void pinring_channel_withdraw(struct pinring_part *part)
{
	list_del_init(&part->link);
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
 * A packet that ended early leaves the BDs behind it armed where the provider
 * does not see to it (xilinx_dma on 6.1): the memory is not ours again before
 * the channel was stopped.
 */
static bool pinring_part_still_armed(const struct pinring_part *part)
{
	return part->job->dir == PINRING_RECV && part->moved < part->len && part->bds > 1 &&
	       !pinring_part_channel(part)->quirk->exact_short;
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
		pinring_job_fail(part->job, part->error, 0);
	} else {
		pinring_channel_untake(part);
		pinring_part_done(part);
	}
	if (!list_empty(&channel->ready) && !pdev->dead)
		mod_delayed_work(pinring_wq, &channel->pump_work, 0);
	spin_unlock_irqrestore(&pdev->lock, flags);
}

/* prep failed though the BDs are there: the part goes back to the head. */
static void pinring_channel_put_back(struct pinring_channel *channel, struct pinring_part *part)
{
	struct pinring_device *pdev = channel->pdev;

	spin_lock_irq(&pdev->lock);
	pinring_channel_untake(part);
	if (++channel->prep_failures >= PINRING_PREP_FAILURES || part->job->error) {
		channel->prep_failures = 0;
		part->error = part->job->error ? part->job->error : -ENOMEM;
		pinring_part_done(part);
	} else {
		part->state = PINRING_PART_READY;
		list_add(&part->link, &channel->ready);
	}
	if (!pdev->dead)
		mod_delayed_work(pinring_wq, &channel->pump_work, PINRING_PREP_RETRY);
	spin_unlock_irq(&pdev->lock);
}

static bool pinring_channel_submit(struct pinring_channel *channel, struct pinring_part *part)
{
	enum dma_transfer_direction dir =
		channel->dir == PINRING_SEND ? DMA_MEM_TO_DEV : DMA_DEV_TO_MEM;
	struct dma_async_tx_descriptor *desc;
	unsigned int tries;

	/*
	 * xilinx_dma frees a descriptor's BDs after its callback has returned
	 * (xilinx_dma_chan_desc_cleanup), which is when we are told that they
	 * are free: wait out that moment.
	 */
	for (tries = 0; tries < PINRING_PREP_TRIES; tries++) {
		desc = dmaengine_prep_slave_sg(channel->dma, part->sgt.sgl, part->sgt.nents, dir,
					       DMA_PREP_INTERRUPT | DMA_CTRL_ACK);
		if (desc)
			break;
		usleep_range(20, 50);
	}
	if (!desc)
		return false;
	channel->prep_failures = 0;
	desc->callback_result = pinring_channel_callback;
	desc->callback_param = part;
	return !dma_submit_error(dmaengine_submit(desc));
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
	struct pinring_part *part;
	bool alone, handed = false;

	mutex_lock_nested(&channel->mutex, channel->dir);
	for (;;) {
		spin_lock_irq(&pdev->lock);
		part = pinring_channel_take(channel);
		spin_unlock_irq(&pdev->lock);
		if (!part)
			break;
		/*
		 * xilinx_dma reports what was issued together when all of it is
		 * done: a receive that may be answered alone is issued alone.
		 */
		alone = channel->dir == PINRING_RECV &&
			!(part->job->sqe_flags & PINRING_SQE_BATCH);
		if (!pinring_channel_submit(channel, part)) {
			pinring_channel_put_back(channel, part);
			break;
		}
		if (alone)
			dma_async_issue_pending(channel->dma);
		handed |= !alone;
	}
	if (handed)
		dma_async_issue_pending(channel->dma);
	mutex_unlock(&channel->mutex);
}

static void pinring_channel_pump_work(struct work_struct *work)
{
	struct delayed_work *pump = to_delayed_work(work);

	pinring_channel_pump(container_of(pump, struct pinring_channel, pump_work));
}

/*
 * Both channels' mutexes are held. When this returns the provider touches no
 * memory of ours and calls back no more.
 *
 * Both directions, as an AXI DMA has one reset for both; and twice, as an
 * interrupt that is past its status read when xilinx_dma terminates can
 * restart what was pending.
 */
void pinring_channels_stop(struct pinring_device *pdev)
{
	unsigned int dir, round;

	for (round = 0; round < 2; round++) {
		for (dir = 0; dir < PINRING_DIRS; dir++)
			if (pdev->channel[dir].dma)
				dmaengine_terminate_async(pdev->channel[dir].dma);
		for (dir = 0; dir < PINRING_DIRS; dir++)
			if (pdev->channel[dir].dma)
				dmaengine_synchronize(pdev->channel[dir].dma);
	}
}

static u32 pinring_property(struct device *dev, const char *name, u32 dflt)
{
	u32 value;

	return device_property_read_u32(dev, name, &value) || !value ? dflt : value;
}

static void pinring_channel_facts(struct pinring_channel *channel)
{
	struct device *dev = channel->pdev->dev;
	const struct pinring_quirk *quirk = pinring_quirk_find(channel->dma);
	size_t max_seg = min_t(size_t, dma_get_max_seg_size(channel->dma_dev),
			       dma_max_mapping_size(channel->dma_dev));

	channel->quirk = quirk;
	/* sg_alloc_table_from_pages_segment() takes no less than a page. */
	channel->max_seg = max_t(size_t, rounddown(max_seg, PAGE_SIZE), PAGE_SIZE);
	channel->max_bd_bytes = pinring_property(dev, "pinring,max-bd-bytes",
						 quirk->max_bd_bytes ? quirk->max_bd_bytes :
								       channel->max_seg);
	channel->bds = pinring_property(dev, channel->dir == PINRING_SEND ? "pinring,send-bds" :
									    "pinring,recv-bds",
					quirk->bds);
	channel->align = 1U << channel->dma->device->copy_align;
	channel->depth = PINRING_LANE_PARTS;
	if (channel->dir == PINRING_RECV && !device_property_read_bool(dev, "pinring,deep-receive"))
		channel->depth = quirk->recv_depth;
}

/*
 * The channel named "tx" or "rx" in dma-names, if there is one. A device tree
 * makes the device link to the provider by itself; a slave map does not, and
 * without one the provider could go while we use it.
 */
int pinring_channel_init(struct pinring_device *pdev, enum pinring_dir dir)
{
	struct pinring_channel *channel = &pdev->channel[dir];
	const char *name = dir == PINRING_SEND ? "tx" : "rx";
	struct dma_chan *dma;

	channel->pdev = pdev;
	channel->dir = dir;
	mutex_init(&channel->mutex);
	INIT_LIST_HEAD(&channel->ready);
	INIT_LIST_HEAD(&channel->issued);
	INIT_DELAYED_WORK(&channel->pump_work, pinring_channel_pump_work);

	if (device_property_match_string(pdev->dev, "dma-names", name) < 0)
		return 0;
	dma = dma_request_chan(pdev->dev, name);
	if (IS_ERR(dma))
		return dev_err_probe(pdev->dev, PTR_ERR(dma),
				     "no dmaengine channel \"%s\"\n", name);
	if (!device_link_add(pdev->dev, dma->device->dev, DL_FLAG_AUTOREMOVE_CONSUMER)) {
		dma_release_channel(dma);
		return dev_err_probe(pdev->dev, -EINVAL, "no device link to %s\n",
				     dev_name(dma->device->dev));
	}
	channel->dma = dma;
	channel->dma_dev = dmaengine_get_dma_device(dma);
	pinring_channel_facts(channel);
	return 0;
}

/* Nothing uses the channel any more, and nothing of ours is mapped. */
void pinring_channel_exit(struct pinring_channel *channel)
{
	if (!channel->dma)
		return;
	cancel_delayed_work_sync(&channel->pump_work);
	dma_release_channel(channel->dma);
	channel->dma = NULL;
}
