// SPDX-License-Identifier: GPL-2.0-only
/*
 * The quirk table: facts about providers that dmaengine does not express.
 * The only place in the driver that knows a provider by name. Each row names
 * its source; a device's firmware node overrides it (pinring,send-bds,
 * pinring,recv-bds, pinring,max-bd-bytes, pinring,deep-receive).
 *
 * The rows of xilinx_dma name the kernels whose source was read, but are chosen
 * by what the provider does (axidma.c): distributions and vendors backport.
 */
#include "internal.h"

static bool pinring_axidma_few_bds(const struct pinring_axidma *axidma)
{
	return axidma->bds < 512;
}

static bool pinring_axidma_chains(const struct pinring_axidma *axidma)
{
	return axidma->bds >= 512 && axidma->sets_max_seg;
}

static const struct pinring_quirk pinring_quirks[] = {
	{
		/*
		 * xilinx_dma of 6.1. XILINX_DMA_NUM_DESCS; what is issued while
		 * the channel is busy starts at the next idle, with one
		 * interrupt for all of it (xilinx_dma_start_transfer()); any
		 * interrupt completes all that is active, done or not
		 * (xilinx_dma_complete_descriptor()): so also one of the delay
		 * timer, which an IOC interrupt does not stop.
		 */
		.provider = "xilinx-vdma",
		.name = "xilinx_dma",
		.ask = pinring_axidma_ask,
		.fits = pinring_axidma_few_bds,
		.bds = 255,
		.recv_depth = 2,
		.delay_completes_all = true,
		.raise_max_seg = true,
		.stop_spoils_bds = true,
	}, {
		/*
		 * xilinx_dma of 7.3-rc. As 6.12, but what is issued while the
		 * channel is busy is chained to it, and the threshold is
		 * written anew each time, which restarts its counter
		 * (xilinx_dma_start_transfer()): one issue for each submit.
		 */
		.provider = "xilinx-vdma",
		.name = "xilinx_dma",
		.fits = pinring_axidma_chains,
		.bds = 512,
		.recv_depth = 2,
		.delay_reports_each = true,
		.issue_each = true,
		.stop_spoils_bds = true,
	}, {
		/*
		 * xilinx_dma of 6.12. As 6.1, but an interrupt completes what
		 * has its last BD completed, up to the first that has not: the
		 * delay timer makes deep receives report one by one.
		 */
		.provider = "xilinx-vdma",
		.name = "xilinx_dma",
		.bds = 512,
		.recv_depth = 2,
		.delay_reports_each = true,
		.raise_max_seg = true,
		.stop_spoils_bds = true,
	}, {
		/* driver/sim: residue is per descriptor; its boards name their BD pools. */
		.provider = "pinring_sim",
		.bds = 255,
		.recv_depth = 2,
		.exact_short = true,
		.simulator = true,
	},
};

/*
 * A provider nobody has looked at: few BDs; one receive active and one
 * pending, which is right where completions are reported per idle restart
 * (xilinx_dma's rule), and only costs idle gaps elsewhere.
 */
static const struct pinring_quirk pinring_quirk_unknown = {
	.provider = "",
	.bds = 64,
	.recv_depth = 2,
	.issue_each = true,
};

/**
 * pinring_quirk_find - choose the row for a channel
 * @channel: with channel->dma set, and nothing handed to it.
 *
 * Return: 0, or why the provider can't be used.
 */
int pinring_quirk_find(struct pinring_channel *channel)
{
	const char *name = dev_driver_string(channel->dma->device->dev);
	const struct pinring_quirk *quirk;
	unsigned int i;
	int ret;

	channel->quirk = &pinring_quirk_unknown;
	for (i = 0; i < ARRAY_SIZE(pinring_quirks); i++) {
		quirk = &pinring_quirks[i];
		if (strcmp(name, quirk->provider))
			continue;
		/* A provider's first row asks on behalf of all of them. */
		ret = quirk->ask ? quirk->ask(channel) : 0;
		if (ret)
			return ret;
		if (!quirk->fits || quirk->fits(&channel->axidma)) {
			channel->quirk = quirk;
			break;
		}
	}
	/*
	 * The timer runs on after the packet's own interrupt, and would end the
	 * next job before anything of it has moved.
	 */
	if (channel->quirk->delay_completes_all && channel->axidma.irq_delay) {
		dev_err(channel->pdev->dev, "xlnx,irq-delay makes this kernel's xilinx_dma report jobs that are not done: remove it from the node of %s\n",
			dev_name(channel->dma->device->dev));
		return -EOPNOTSUPP;
	}
	return 0;
}
