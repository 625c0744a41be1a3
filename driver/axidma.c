// SPDX-License-Identifier: GPL-2.0-only
/*
 * An AXI DMA behind the kernel's xilinx_dma: what dmaengine does not tell
 * about it. The quirk table (quirk.c) asks, once for each channel; the rest of
 * the driver knows no more of it than struct pinring_axidma.
 *
 * Three sources, none of them the kernel's version number
 *
 *	device tree	the provider's node and its channel's child node, read
 *			by the rules of xilinx_dma_probe() and
 *			xilinx_dma_chan_probe().
 *	registers	DMACR and DMASR (PG021), read and never written: whether
 *			scatter-gather is built in, and whether the channel has
 *			halted. An AXI DMA that meets an error halts, and
 *			xilinx_dma tells nobody (xilinx_dma_irq_handler()).
 *	the provider	how many BDs it has: see pinring_axidma_count_bds().
 */
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/of.h>
#include <linux/of_address.h>
#include <linux/of_irq.h>

#include "internal.h"

/* PG021; the receive channel's registers follow the send channel's. */
#define AXIDMA_RECV		0x30
#define AXIDMA_DMACR		0x00
#define AXIDMA_DMACR_RESET	BIT(2)
#define AXIDMA_DMASR		0x04
#define AXIDMA_DMASR_HALTED	BIT(0)
#define AXIDMA_DMASR_IDLE	BIT(1)
#define AXIDMA_DMASR_SG		BIT(3)
#define AXIDMA_DMASR_ERRORS	(GENMASK(6, 4) | GENMASK(10, 8))
#define AXIDMA_DMASR_IRQS	GENMASK(14, 12)

/* xilinx_dma_probe(): XILINX_DMA_MAX_TRANS_LEN_MIN, _MAX and _V2_..._MAX. */
#define AXIDMA_WIDTH_MIN	8
#define AXIDMA_WIDTH_DEFAULT	23
#define AXIDMA_WIDTH_MAX	26

/* The larger BD pool there is, and what the smaller one holds. */
#define AXIDMA_MANY_BDS		512
#define AXIDMA_FEW_BDS		255

#define AXIDMA_COUNT_TRIES	3
#define AXIDMA_COUNT_BYTES	64

static const char *pinring_axidma_name(const struct pinring_channel *channel)
{
	return dev_name(channel->dma->device->dev);
}

/*
 * Which channel of the AXI DMA the client's "tx" or "rx" is: 0 sends, 1
 * receives (of_dma_xilinx_xlate()). xilinx_dma ignores the direction that prep
 * is given, so a swapped pair would write to memory that is pinned for reading.
 */
static int pinring_axidma_check_direction(const struct pinring_channel *channel)
{
	bool send = channel->dir == PINRING_SEND;
	struct device *dev = channel->pdev->dev;
	struct of_phandle_args args;
	int index, ret;

	index = of_property_match_string(dev->of_node, "dma-names", send ? "tx" : "rx");
	if (index < 0)
		return index;
	ret = of_parse_phandle_with_args(dev->of_node, "dmas", "#dma-cells", index, &args);
	if (ret)
		return ret;
	of_node_put(args.np);
	if (args.args_count == 1 && args.args[0] == (send ? 0 : 1))
		return 0;
	dev_err(dev, "\"%s\" has to be channel %d of %s\n", send ? "tx" : "rx", send ? 0 : 1,
		pinring_axidma_name(channel));
	return -EINVAL;
}

/* The channel's child node; to be put. */
static struct device_node *pinring_axidma_child(const struct pinring_channel *channel)
{
	bool send = channel->dir == PINRING_SEND;
	struct device_node *child;

	for_each_child_of_node(channel->dma->device->dev->of_node, child) {
		/* xilinx_dma takes the VDMA's names for the same thing. */
		if (of_device_is_compatible(child, send ? "xlnx,axi-dma-mm2s-channel" :
							  "xlnx,axi-dma-s2mm-channel") ||
		    of_device_is_compatible(child, send ? "xlnx,axi-vdma-mm2s-channel" :
							  "xlnx,axi-vdma-s2mm-channel"))
			return child;
	}
	return NULL;
}

static int pinring_axidma_read_nodes(struct pinring_channel *channel)
{
	struct device_node *node = channel->dma->device->dev->of_node;
	struct pinring_axidma *axidma = &channel->axidma;
	struct device_node *child;
	u32 width, bytes;

	if (of_property_read_u32(node, "xlnx,sg-length-width", &width) ||
	    width < AXIDMA_WIDTH_MIN || width > AXIDMA_WIDTH_MAX)
		width = AXIDMA_WIDTH_DEFAULT;
	axidma->max_length = GENMASK(width - 1, 0);

	child = pinring_axidma_child(channel);
	if (!child)
		return -ENODEV;
	/* There is no DRE above 64 bits, whatever the device tree says. */
	bytes = of_property_read_u32(child, "xlnx,datawidth", &width) ? 0 : width / 8;
	axidma->align = of_property_read_bool(child, "xlnx,include-dre") && bytes <= 8 ? 1 : bytes;
	of_property_read_u8(child, "xlnx,irq-delay", &axidma->irq_delay);
	axidma->irq = of_irq_get(child, 0);
	of_node_put(child);
	return is_power_of_2(axidma->align) ? 0 : -EINVAL;
}

/* The provider's other channel is somebody else's. */
static bool pinring_axidma_shared(const struct pinring_channel *channel)
{
	const struct pinring_device *pdev = channel->pdev;
	struct dma_chan *other;

	list_for_each_entry(other, &channel->dma->device->channels, device_node)
		if (READ_ONCE(other->client_count) && other != pdev->channel[PINRING_SEND].dma &&
		    other != pdev->channel[PINRING_RECV].dma)
			return true;
	return false;
}

/*
 * Prepares a list of as many BDs as the larger pool has; what comes of it is
 * the answer. Nothing is issued, and no address is handed out that is not
 * ours. Descriptors can't be freed but by terminating, which resets the whole
 * engine: the caller has seen to it that nobody else uses it.
 *
 * Return: 1 or 0, or an error that says nothing about the BDs.
 */
static int pinring_axidma_prepares(struct pinring_channel *channel, unsigned int bds)
{
	enum dma_transfer_direction dir =
		channel->dir == PINRING_SEND ? DMA_MEM_TO_DEV : DMA_DEV_TO_MEM;
	struct dma_async_tx_descriptor *desc = NULL;
	struct scatterlist *sg;
	struct sg_table table;
	unsigned int i, tries;
	dma_addr_t addr;
	void *memory;
	int ret;

	memory = dma_alloc_coherent(channel->dma_dev, PAGE_SIZE, &addr, GFP_KERNEL);
	if (!memory)
		return -ENOMEM;
	ret = sg_alloc_table(&table, bds, GFP_KERNEL);
	if (ret)
		goto free_memory;
	for_each_sg(table.sgl, sg, bds, i) {
		sg_dma_address(sg) = addr;
		sg_dma_len(sg) = AXIDMA_COUNT_BYTES;
	}

	dmaengine_terminate_sync(channel->dma);
	/* It allocates without waiting, so one failure means nothing yet. */
	for (tries = 0; tries < AXIDMA_COUNT_TRIES && !desc; tries++) {
		if (tries)
			msleep(20);
		desc = dmaengine_prep_slave_sg(channel->dma, table.sgl, bds, dir, 0);
	}
	ret = !!desc;
	/* What it refuses it has lost, with all its BDs: only a release brings them back. */
	if (desc && dma_submit_error(dmaengine_submit(desc)))
		ret = -EIO;
	dmaengine_terminate_sync(channel->dma);
	sg_free_table(&table);

free_memory:
	dma_free_coherent(channel->dma_dev, PAGE_SIZE, memory, addr);
	return ret;
}

/*
 * The size of the pool also tells which of two rules for completions is in
 * force: 6.1 has the small pool and the old rule, 6.12 the large one and the
 * new rule. That a kernel in between, or a vendor's, has both or neither is an
 * inference. In doubt it is the older one, whose client is right with either.
 */
static int pinring_axidma_count_bds(struct pinring_channel *channel)
{
	struct device *dev = channel->pdev->dev;
	int many;

	channel->axidma.bds = AXIDMA_FEW_BDS;
	if (pinring_axidma_shared(channel)) {
		dev_warn(dev, "the other channel of %s has another user: a reset stops both\n",
			 pinring_axidma_name(channel));
		return 0;
	}
	many = pinring_axidma_prepares(channel, AXIDMA_MANY_BDS);
	if (many == -ENOMEM)
		return many;
	if (many > 0)
		channel->axidma.bds = AXIDMA_MANY_BDS;
	if (many >= 0 && pinring_axidma_stopped(channel))
		return 0;
	dev_err(dev, "%s does not come out of a reset\n", pinring_axidma_name(channel));
	return -EIO;
}

static u32 pinring_axidma_read(const struct pinring_channel *channel, u32 reg)
{
	return readl(channel->axidma.regs + reg);
}

/* Shown to touch no memory: reset has ended, and it has halted. */
bool pinring_axidma_stopped(const struct pinring_channel *channel)
{
	return !(pinring_axidma_read(channel, AXIDMA_DMACR) & AXIDMA_DMACR_RESET) &&
	       pinring_axidma_read(channel, AXIDMA_DMASR) & AXIDMA_DMASR_HALTED;
}

/*
 * With descriptors issued this is never so by itself: an AXI DMA that waits for
 * more is idle, not halted. It met an error, or was reset. channel->mutex is
 * held, as it is so between submit and issue.
 */
bool pinring_axidma_halted(const struct pinring_channel *channel)
{
	return channel->axidma.regs &&
	       pinring_axidma_read(channel, AXIDMA_DMASR) & AXIDMA_DMASR_HALTED;
}

/* The error was this channel's own. */
bool pinring_axidma_erred(const struct pinring_channel *channel)
{
	return pinring_axidma_read(channel, AXIDMA_DMASR) & AXIDMA_DMASR_ERRORS;
}

/*
 * Under channel->mutex, with parts issued: whether the provider has parts that
 * the hardware is through with, though no interrupt is on its way that would
 * tell it so. Then there will be none. In @residue how much of the last of them
 * the provider says is missing.
 *
 * PG021 has a channel idle when it has processed all descriptors up to the
 * tail. Should a receive that waits for its first byte count as processed on
 * some version of the core, the residue tells: xilinx_dma takes it from the
 * status that the hardware wrote into the BDs of what it started last. It is
 * less than the length only if something has come, or left. Of parts of several
 * lengths it can't be told whose residue it is, so the shortest counts.
 *
 * A callback may also be on its way: then fewer cookies are open than we have
 * parts. (Until the first has completed, one more is: that of the probe.)
 */
bool pinring_axidma_silent(const struct pinring_channel *channel, u32 parts, u32 shortest,
			   u32 *residue)
{
	struct dma_tx_state state = {};
	u32 status;

	if (!channel->axidma.regs || !parts)
		return false;
	status = pinring_axidma_read(channel, AXIDMA_DMASR);
	if (!(status & AXIDMA_DMASR_IDLE) || status & AXIDMA_DMASR_IRQS)
		return false;
	/* The handler acknowledges before it completes (xilinx_dma_irq_handler()). */
	pinring_axidma_wait_irq(channel);
	if (dmaengine_tx_status(channel->dma, channel->dma->cookie, &state) == DMA_COMPLETE)
		return false;
	*residue = state.residue;
	return state.used - state.last >= (s32)parts && state.residue < shortest;
}

/**
 * pinring_axidma_ask - learn what a channel of xilinx_dma is like
 * @channel: with channel->dma set, and nothing handed to it.
 *
 * Return: 0, or why pinring can't use it, which has been said.
 */
int pinring_axidma_ask(struct pinring_channel *channel)
{
	struct device_node *node = channel->dma->device->dev->of_node;
	struct device *dma_dev = channel->dma_dev;
	struct device *dev = channel->pdev->dev;
	int ret;

	/* One driver serves four cores; only one has a single stream each way. */
	if (!of_device_is_compatible(node, "xlnx,axi-dma-1.00.a")) {
		dev_err(dev, "%s is no AXI DMA (xlnx,axi-dma-1.00.a)\n",
			pinring_axidma_name(channel));
		return -EOPNOTSUPP;
	}
	ret = pinring_axidma_check_direction(channel);
	if (ret)
		return ret;
	ret = pinring_axidma_read_nodes(channel);
	if (ret) {
		dev_err(dev, "%s: its node for %s makes no sense\n", pinring_axidma_name(channel),
			channel->dir == PINRING_SEND ? "MM2S" : "S2MM");
		return ret;
	}

	channel->axidma.regs = of_iomap(node, 0);
	if (!channel->axidma.regs)
		return -ENOMEM;
	if (channel->dir == PINRING_RECV)
		channel->axidma.regs += AXIDMA_RECV;
	if (!(pinring_axidma_read(channel, AXIDMA_DMASR) & AXIDMA_DMASR_SG)) {
		/* xilinx_dma would transfer the first BD of each list, and say all went well. */
		dev_err(dev, "%s was built without scatter-gather, which pinring needs\n",
			pinring_axidma_name(channel));
		return -EOPNOTSUPP;
	}
	/* 7.x sets the limit of its length field; what pinring sets is whole pages. */
	channel->axidma.sets_max_seg =
		dma_get_max_seg_size(dma_dev) == channel->axidma.max_length;
	return pinring_axidma_count_bds(channel);
}

void pinring_axidma_forget(struct pinring_channel *channel)
{
	if (!channel->axidma.regs)
		return;
	if (channel->dir == PINRING_RECV)
		channel->axidma.regs -= AXIDMA_RECV;
	iounmap(channel->axidma.regs);
	channel->axidma.regs = NULL;
}

/* Process context: no handler of the provider's is under way any more. */
void pinring_axidma_wait_irq(const struct pinring_channel *channel)
{
	if (channel->axidma.irq > 0)
		synchronize_irq(channel->axidma.irq);
}
