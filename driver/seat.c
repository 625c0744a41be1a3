// SPDX-License-Identifier: GPL-2.0-only
/*
 * A channel's seat at its provider: how it is requested and what is known of
 * it then, how it is stopped, and how it is let go.
 *
 * init, exit	process context, nothing of the channel is in use.
 * stop, reseat	process context, both channels' mutexes held (recover.c).
 */
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/property.h>
#include <linux/reset.h>
#include <linux/sizes.h>

#include "internal.h"

/* Rounds of terminate and synchronize before the hardware is given up. */
#define PINRING_STOP_ROUNDS	3

/* For how long the stream is held in reset: many clocks of any that is in use. */
#define PINRING_RESET_US	10

/* A channel is requested again where its memory was freed a moment before. */
#define PINRING_RESEAT_TRIES	50
#define PINRING_RESEAT_MS	20

/* One round over both channels. Returns false if a provider says that it can't. */
static bool pinring_channels_terminate(struct pinring_device *pdev)
{
	bool taken = true;
	unsigned int dir;

	for (dir = 0; dir < PINRING_DIRS; dir++) {
		if (!pdev->channel[dir].dma)
			continue;
		if (dmaengine_terminate_async(pdev->channel[dir].dma))
			taken = false;
		cond_resched();
	}
	for (dir = 0; dir < PINRING_DIRS; dir++) {
		if (!pdev->channel[dir].dma)
			continue;
		pinring_axidma_wait_irq(&pdev->channel[dir]);
		dmaengine_synchronize(pdev->channel[dir].dma);
	}
	return taken;
}

/*
 * Where the hardware can be asked it is asked: xilinx_dma does not say that it
 * waited in vain. Elsewhere the provider's word has to do. How long it took
 * tells nothing: a provider may be slow, and so may the machine.
 */
static bool pinring_channels_stopped(const struct pinring_device *pdev, bool taken)
{
	unsigned int dir;

	for (dir = 0; dir < PINRING_DIRS; dir++) {
		const struct pinring_channel *channel = &pdev->channel[dir];

		if (!channel->dma)
			continue;
		if (channel->axidma.regs ? !pinring_axidma_stopped(channel) : !taken)
			return false;
	}
	return true;
}

/*
 * Both channels' mutexes are held. When this returns the provider calls back
 * no more, and if it returns true it touches no memory of ours.
 *
 * Both directions, as an AXI DMA has one reset for both; and twice, as an
 * interrupt that is past its status read when xilinx_dma terminates can
 * restart what was pending. The second round finds nothing to restart.
 */
bool pinring_channels_stop(struct pinring_device *pdev)
{
	unsigned int round;
	bool stopped = false;

	for (round = 0; round < PINRING_STOP_ROUNDS && !stopped; round++) {
		bool taken = pinring_channels_terminate(pdev);

		stopped = round && pinring_channels_stopped(pdev, taken);
	}
	return stopped;
}

/*
 * Both channels' mutexes are held, and both have stopped. Stopping in the
 * middle of a packet can leave half of it downstream (PG021), which the DMA's
 * own reset does not reach: FIFOs are the design's. A controller that refuses
 * leaves things as they are without a line.
 */
void pinring_stream_reset(struct pinring_device *pdev)
{
	int ret;

	if (!pdev->stream_reset)
		return;
	ret = reset_control_assert(pdev->stream_reset);
	if (!ret) {
		usleep_range(PINRING_RESET_US, 2 * PINRING_RESET_US);
		ret = reset_control_deassert(pdev->stream_reset);
	}
	if (ret)
		dev_err(pdev->dev, "the reset line \"stream\" failed: %d\n", ret);
}

static const char *pinring_channel_name(const struct pinring_channel *channel)
{
	return channel->dir == PINRING_SEND ? "tx" : "rx";
}

/* Releases and requests a channel, which makes its BDs anew. */
static bool pinring_channel_reseat(struct pinring_channel *channel)
{
	struct pinring_device *pdev = channel->pdev;
	const char *name = pinring_channel_name(channel);
	unsigned int tries = PINRING_RESEAT_TRIES;
	struct dma_chan *dma;

	if (channel->dma)
		dma_release_channel(channel->dma);
	do {
		dma = dma_request_chan(pdev->dev, name);
		if (!IS_ERR(dma)) {
			channel->dma = dma;
			return true;
		}
		msleep(PINRING_RESEAT_MS);
	} while (--tries);
	channel->dma = NULL;
	dev_err(pdev->dev, "channel \"%s\" was lost in a recovery: %pe\n", name, dma);
	return false;
}

/*
 * Both channels' mutexes are held, and both have stopped. Returns false if a
 * channel was lost over it.
 *
 * A stop spoils xilinx_dma's list of free BDs, which it then uses as if they
 * were as it had made them: chained in the order of the list, and not complete.
 *
 *  - While a callback runs, its descriptor is in none of its lists: terminate
 *    frees the younger BDs, and the tasklet that older one's behind them.
 *  - BDs that are freed while they are armed (6.1, see
 *    pinring_part_still_armed()) may be completed by the hardware afterwards.
 *  - Those of a descriptor that it refused are lost.
 */
bool pinring_channels_reseat(struct pinring_device *pdev)
{
	bool usable = true;
	unsigned int dir;

	for (dir = 0; dir < PINRING_DIRS; dir++) {
		struct pinring_channel *channel = &pdev->channel[dir];

		if (!(pdev->info.directions & pinring_dir_bit(dir)))
			continue;
		/* One that was lost before gets another chance. */
		if (!channel->dma || channel->quirk->stop_spoils_bds)
			usable &= pinring_channel_reseat(channel);
	}
	return usable;
}

static u32 pinring_property(struct device *dev, const char *name, u32 dflt)
{
	u32 value;

	return device_property_read_u32(dev, name, &value) || !value ? dflt : value;
}

/* Of addresses. A power of two, whatever the firmware says. */
static u32 pinring_channel_align(const struct pinring_channel *channel)
{
	u32 align = channel->axidma.regs ? channel->axidma.align :
					   1U << channel->dma->device->copy_align;

	align = pinring_property(channel->pdev->dev, channel->dir == PINRING_SEND ?
				 "pinring,send-align" : "pinring,recv-align", align);
	return roundup_pow_of_two(clamp_t(u32, align, 1, PAGE_SIZE));
}

static void pinring_channel_facts(struct pinring_channel *channel)
{
	struct device *dev = channel->pdev->dev;
	struct device *dma_dev = channel->dma_dev;
	const struct pinring_quirk *quirk = channel->quirk;
	u32 max_bd_bytes = 0;
	size_t max_seg;

	if (channel->axidma.regs)
		max_bd_bytes = rounddown(channel->axidma.max_length,
					 1U << channel->dma->device->copy_align);
	if (quirk->raise_max_seg && dma_dev->dma_parms &&
	    !dma_dev->dma_parms->max_segment_size && max_bd_bytes > SZ_64K)
		dma_set_max_seg_size(dma_dev, rounddown(max_bd_bytes, PAGE_SIZE));
	max_seg = min_t(size_t, dma_get_max_seg_size(dma_dev), dma_max_mapping_size(dma_dev));
	/* A segment of one byte more would be a BD of one byte. */
	if (max_bd_bytes >= PAGE_SIZE)
		max_seg = min_t(size_t, max_seg, max_bd_bytes);
	/* sg_alloc_table_from_pages_segment() takes no less than a page. */
	channel->max_seg = max_t(size_t, rounddown(max_seg, PAGE_SIZE), PAGE_SIZE);
	channel->max_bd_bytes = pinring_property(dev, "pinring,max-bd-bytes",
						 max_bd_bytes ? max_bd_bytes : channel->max_seg);
	channel->bds = pinring_property(dev, channel->dir == PINRING_SEND ? "pinring,send-bds" :
									    "pinring,recv-bds",
					quirk->bds);
	channel->align = pinring_channel_align(channel);

	channel->batch_depth = PINRING_LANE_PARTS;
	channel->depth = channel->batch_depth;
	if (channel->dir == PINRING_RECV &&
	    !(quirk->delay_reports_each && channel->axidma.irq_delay) &&
	    !device_property_read_bool(dev, "pinring,deep-receive"))
		channel->depth = min(channel->batch_depth, quirk->recv_depth);
}

/*
 * The channel named "tx" or "rx" in dma-names, if there is one. A device tree
 * makes the device link to the provider by itself; a slave map does not, and
 * without one the provider could go while we use it.
 */
int pinring_channel_init(struct pinring_device *pdev, enum pinring_dir dir)
{
	struct pinring_channel *channel = &pdev->channel[dir];
	struct dma_chan *dma;
	const char *name;
	int ret;

	channel->pdev = pdev;
	channel->dir = dir;
	mutex_init(&channel->mutex);
	INIT_LIST_HEAD(&channel->turns);
	INIT_LIST_HEAD(&channel->issued);

	name = pinring_channel_name(channel);
	ret = device_property_match_string(pdev->dev, "dma-names", name);
	/* Not having looked is not the same as not being there. */
	if (ret < 0)
		return ret == -ENOMEM ? ret : 0;
	dma = dma_request_chan(pdev->dev, name);
	if (IS_ERR(dma))
		return dev_err_probe(pdev->dev, PTR_ERR(dma),
				     "no dmaengine channel \"%s\"\n", name);
	if (!device_link_add(pdev->dev, dma->device->dev, DL_FLAG_AUTOREMOVE_CONSUMER)) {
		ret = dev_err_probe(pdev->dev, -EINVAL, "no device link to %s\n",
				    dev_name(dma->device->dev));
		goto release;
	}
	/* Both may be missing (dmaengine_terminate_async(), dmaengine_synchronize()). */
	if (!dma->device->device_terminate_all || !dma->device->device_synchronize) {
		ret = dev_err_probe(pdev->dev, -EOPNOTSUPP,
				    "%s can't stop a channel, or can't tell when it has: no memory could be taken back from it\n",
				    dev_driver_string(dma->device->dev));
		goto release;
	}
	channel->dma = dma;
	channel->dma_dev = dmaengine_get_dma_device(dma);
	ret = pinring_quirk_find(channel);
	if (ret)
		goto forget;
	ret = pinring_pump_init(channel);
	if (ret)
		goto forget;
	pinring_channel_facts(channel);
	return 0;

forget:
	pinring_axidma_forget(channel);
	channel->dma = NULL;
release:
	dma_release_channel(dma);
	return ret;
}

/* Nothing uses the channel any more, and nothing of ours is mapped. */
void pinring_channel_exit(struct pinring_channel *channel)
{
	if (!channel->fence)
		return;
	cancel_delayed_work_sync(&channel->pump_work);
	/*
	 * An engine that may not have stopped may still fetch its BDs. One that
	 * only pauses would go on behind the last of them, whatever BDs the next
	 * user has: CURDESC can't be written while it runs (PG021).
	 */
	if (channel->dma && !channel->pdev->quarantine) {
		dmaengine_terminate_sync(channel->dma);
		dma_release_channel(channel->dma);
	}
	pinring_pump_exit(channel);
	channel->dma = NULL;
	pinring_axidma_forget(channel);
}
