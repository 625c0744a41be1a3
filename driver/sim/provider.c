// SPDX-License-Identifier: GPL-2.0-only
/*
 * dmaengine's calls, and the provider's probe. What happens to a descriptor
 * once it is issued is in channel.c, what moves the bytes in stream.c.
 */
#include <linux/device.h>
#include <linux/dma-direct.h>
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/platform_device.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>

#include "compat.h"
#include "internal.h"

static struct sim_chan *to_sim_chan(struct dma_chan *chan)
{
	return container_of(chan, struct sim_chan, chan);
}

static struct sim_desc *to_sim_desc(struct dma_async_tx_descriptor *txd)
{
	return container_of(txd, struct sim_desc, txd);
}

static enum dma_transfer_direction sim_direction(const struct sim_chan *chan)
{
	return chan->dir == SIM_SEND ? DMA_MEM_TO_DEV : DMA_DEV_TO_MEM;
}

static int sim_terminate_all(struct dma_chan *dchan)
{
	struct sim_chan *chan = to_sim_chan(dchan);
	struct sim_board *board = chan->board;
	unsigned long flags;
	LIST_HEAD(dead);

	spin_lock_irqsave(&board->lock, flags);
	board->terminates++;
	sim_chan_reset(chan, &dead);
	spin_unlock_irqrestore(&board->lock, flags);

	sim_free_list(&dead);
	sim_engine_kick(board);
	return 0;
}

static void sim_synchronize(struct dma_chan *dchan)
{
	sim_chan_synchronize(to_sim_chan(dchan));
}

/* Many a provider has none. While nobody has its channels. */
int sim_hide_synchronize(struct sim_board *board, u32 hide)
{
	board->no_synchronize = hide;
	board->dma.device_synchronize = hide ? NULL : sim_synchronize;
	return 0;
}

static int sim_alloc_chan_resources(struct dma_chan *dchan)
{
	struct sim_chan *chan = to_sim_chan(dchan);
	unsigned long flags;

	spin_lock_irqsave(&chan->board->lock, flags);
	dchan->cookie = DMA_MIN_COOKIE;
	dchan->completed_cookie = DMA_MIN_COOKIE;
	chan->halted = false;
	spin_unlock_irqrestore(&chan->board->lock, flags);

	return chan->board->info->bds;
}

static void sim_free_chan_resources(struct dma_chan *dchan)
{
	struct sim_chan *chan = to_sim_chan(dchan);
	struct sim_board *board = chan->board;
	unsigned long flags;
	LIST_HEAD(dead);

	spin_lock_irqsave(&board->lock, flags);
	sim_chan_reset(chan, &dead);
	sim_chan_drop(chan, &chan->prepared, &dead);
	spin_unlock_irqrestore(&board->lock, flags);

	sim_free_list(&dead);
	sim_chan_synchronize(chan);
}

/* Under the board's lock: a descriptor that is refused is nobody's any more. */
static bool sim_refuses(struct sim_chan *chan, struct sim_desc *desc)
{
	if (!chan->board->refuse)
		return false;
	chan->board->refuse--;
	list_del(&desc->node);
	chan->bds_used -= desc->bds;
	return true;
}

static dma_cookie_t sim_tx_submit(struct dma_async_tx_descriptor *txd)
{
	struct sim_desc *desc = to_sim_desc(txd);
	struct sim_chan *chan = to_sim_chan(txd->chan);
	dma_cookie_t cookie;
	unsigned long flags;

	spin_lock_irqsave(&chan->board->lock, flags);
	if (sim_refuses(chan, desc)) {
		spin_unlock_irqrestore(&chan->board->lock, flags);
		kfree(desc);
		return -EBUSY;
	}
	cookie = chan->chan.cookie;
	if (cookie == INT_MAX || cookie < DMA_MIN_COOKIE)
		cookie = DMA_MIN_COOKIE - 1;
	cookie++;
	txd->cookie = cookie;
	chan->chan.cookie = cookie;
	list_move_tail(&desc->node, &chan->submitted);
	spin_unlock_irqrestore(&chan->board->lock, flags);

	return cookie;
}

static void sim_issue_pending(struct dma_chan *dchan)
{
	struct sim_chan *chan = to_sim_chan(dchan);
	unsigned long flags;

	spin_lock_irqsave(&chan->board->lock, flags);
	list_splice_tail_init(&chan->submitted, &chan->waiting);
	sim_chan_restart(chan);
	spin_unlock_irqrestore(&chan->board->lock, flags);

	sim_engine_kick(chan->board);
}

/* An IOMMU of the board's own translates later, page by page. */
static phys_addr_t sim_address(const struct sim_board *board, dma_addr_t addr)
{
	return board->info->iommu ? addr : dma_to_phys(board->dev, addr);
}

/* Says why an sg entry can't be taken, or adds what it needs. */
static bool sim_check_entry(struct sim_chan *chan, struct scatterlist *sg,
			    u32 *bds, u32 *len)
{
	struct sim_board *board = chan->board;
	dma_addr_t addr = sg_dma_address(sg);
	u32 bytes = sg_dma_len(sg);
	phys_addr_t phys = sim_address(board, addr);

	if (!bytes) {
		dev_err_ratelimited(board->dev, "entry of length 0\n");
		return false;
	}
	if (bytes > board->info->max_seg_bytes) {
		dev_err_ratelimited(board->dev,
				    "entry of %u bytes, at most %u\n",
				    bytes, board->info->max_seg_bytes);
		return false;
	}
	if (!IS_ALIGNED(addr, BIT(board->info->copy_align))) {
		dev_err_ratelimited(board->dev,
				    "address %pad not aligned to %lu\n",
				    &addr, BIT(board->info->copy_align));
		return false;
	}
	if (!board->info->iommu && (!pfn_valid(PHYS_PFN(phys)) ||
				    !pfn_valid(PHYS_PFN(phys + bytes - 1)))) {
		dev_err_ratelimited(board->dev, "address %pad is no memory\n",
				    &addr);
		return false;
	}
	if (check_add_overflow(*len, bytes, len)) {
		dev_err_ratelimited(board->dev, "more than 4 GiB in a list\n");
		return false;
	}
	*bds += DIV_ROUND_UP(bytes, board->info->max_bd_bytes);
	return true;
}

static struct dma_async_tx_descriptor *
sim_prep_slave_sg(struct dma_chan *dchan, struct scatterlist *sgl,
		  unsigned int sg_len, enum dma_transfer_direction direction,
		  unsigned long flags, void *context)
{
	struct sim_chan *chan = to_sim_chan(dchan);
	struct sim_board *board = chan->board;
	struct scatterlist *sg;
	struct sim_desc *desc;
	unsigned long irq;
	unsigned int i;
	bool enough;
	u32 bds = 0;
	u32 len = 0;

	if (direction != sim_direction(chan)) {
		dev_err_ratelimited(board->dev, "direction %d on a %s channel\n",
				    direction,
				    chan->dir == SIM_SEND ? "send" : "receive");
		return NULL;
	}
	if (!sgl || !sg_len) {
		dev_err_ratelimited(board->dev, "empty list\n");
		return NULL;
	}
	for_each_sg(sgl, sg, sg_len, i)
		if (!sim_check_entry(chan, sg, &bds, &len))
			return NULL;
	/* Before the allocation, which would grow with the list. */
	if (bds > board->info->bds)
		return NULL;

	desc = kzalloc(struct_size(desc, pieces, sg_len), GFP_NOWAIT);
	if (!desc)
		return NULL;
	for_each_sg(sgl, sg, sg_len, i) {
		desc->pieces[i].addr = sim_address(board, sg_dma_address(sg));
		desc->pieces[i].len = sg_dma_len(sg);
	}
	desc->count = sg_len;
	desc->bds = bds;
	desc->len = len;
	desc->result = DMA_TRANS_NOERROR;
	dma_async_tx_descriptor_init(&desc->txd, dchan);
	desc->txd.flags = flags;
	desc->txd.tx_submit = sim_tx_submit;

	spin_lock_irqsave(&board->lock, irq);
	enough = bds <= board->info->bds - chan->bds_used;
	if (enough) {
		chan->bds_used += bds;
		list_add_tail(&desc->node, &chan->prepared);
	}
	spin_unlock_irqrestore(&board->lock, irq);
	if (!enough) {
		kfree(desc);
		return NULL;
	}
	return &desc->txd;
}

static bool sim_find_residue(struct list_head *list, dma_cookie_t cookie,
			     u32 *residue)
{
	struct sim_desc *desc;

	list_for_each_entry(desc, list, node) {
		if (desc->txd.cookie == cookie) {
			*residue = desc->len - desc->moved;
			return true;
		}
	}
	return false;
}

static enum dma_status sim_tx_status(struct dma_chan *dchan,
				     dma_cookie_t cookie,
				     struct dma_tx_state *state)
{
	struct sim_chan *chan = to_sim_chan(dchan);
	enum dma_status status;
	unsigned long flags;
	u32 residue = 0;

	spin_lock_irqsave(&chan->board->lock, flags);
	status = dma_async_is_complete(cookie, dchan->completed_cookie,
				       dchan->cookie);
	if (!sim_find_residue(&chan->active, cookie, &residue) &&
	    !sim_find_residue(&chan->waiting, cookie, &residue) &&
	    !sim_find_residue(&chan->submitted, cookie, &residue) &&
	    !sim_find_residue(&chan->ended, cookie, &residue) &&
	    !sim_find_residue(&chan->lost, cookie, &residue))
		sim_find_residue(&chan->done, cookie, &residue);
	if (state) {
		state->last = dchan->completed_cookie;
		state->used = dchan->cookie;
		state->residue = residue;
		state->in_flight_bytes = 0;
	}
	spin_unlock_irqrestore(&chan->board->lock, flags);

	return status;
}

/* A stream has no addresses, widths or bursts to set. */
static int sim_config(struct dma_chan *dchan, struct dma_slave_config *config)
{
	return 0;
}

static void sim_caps(struct dma_chan *dchan, struct dma_slave_caps *caps)
{
	caps->directions = BIT(sim_direction(to_sim_chan(dchan)));
}

/* ---- probe --------------------------------------------------------------- */

static bool sim_filter(struct dma_chan *dchan, void *param)
{
	return dchan == param;
}

static void sim_chan_add(struct sim_board *board, enum sim_dir dir,
			 const char *slave)
{
	struct sim_chan *chan = &board->chans[dir];
	struct dma_slave_map *map = &board->map[board->dma.filter.mapcnt++];

	chan->batch = dir == SIM_RECV && board->info->batch_receive;
	chan->chan.device = &board->dma;
	dma_cap_set(DMA_SLAVE, board->dma.cap_mask);
	board->dma.directions |= BIT(sim_direction(chan));
	list_add_tail(&chan->chan.device_node, &board->dma.channels);

	map->devname = board->consumer;
	map->slave = slave;
	map->param = &chan->chan;
}

static void sim_board_free(struct sim_board *board)
{
	int dir;

	sim_stream_exit(board);
	for (dir = 0; dir < SIM_DIRS; dir++)
		tasklet_kill(&board->chans[dir].callbacks);
	sim_iommu_exit(&board->iommu);
	sim_shadow_exit(&board->shadow);
	put_device(board->dev);
	kfree(board);
}

/* The provider is unbound and the last channel is released. */
static void sim_device_release(struct dma_device *dma)
{
	sim_board_free(container_of(dma, struct sim_board, dma));
}

static void sim_dma_setup(struct sim_board *board)
{
	struct dma_device *dma = &board->dma;

	dma->dev = board->dev;
	INIT_LIST_HEAD(&dma->channels);
	dma_cap_set(DMA_PRIVATE, dma->cap_mask);
	dma->copy_align = board->info->copy_align;
	dma->src_addr_widths = BIT(DMA_SLAVE_BUSWIDTH_8_BYTES);
	dma->dst_addr_widths = BIT(DMA_SLAVE_BUSWIDTH_8_BYTES);
	dma->residue_granularity = DMA_RESIDUE_GRANULARITY_BURST;
	dma->filter.map = board->map;
	dma->filter.fn = sim_filter;
	dma->device_alloc_chan_resources = sim_alloc_chan_resources;
	dma->device_free_chan_resources = sim_free_chan_resources;
	dma->device_prep_slave_sg = sim_prep_slave_sg;
	dma->device_config = sim_config;
	dma->device_caps = sim_caps;
	dma->device_terminate_all = sim_terminate_all;
	dma->device_synchronize = sim_synchronize;
	dma->device_tx_status = sim_tx_status;
	dma->device_issue_pending = sim_issue_pending;
	dma->device_release = sim_device_release;
	if (sim_has_send(board->info))
		sim_chan_add(board, SIM_SEND, "tx");
	if (sim_has_recv(board->info))
		sim_chan_add(board, SIM_RECV, "rx");
}

static void sim_unregister(void *data)
{
	struct sim_board *board = data;

	dma_async_device_unregister(&board->dma);
}

static void sim_remove_debugfs(void *data)
{
	sim_debugfs_remove(data);
}

static int sim_probe(struct platform_device *pdev)
{
	const struct sim_board_info *info = dev_get_platdata(&pdev->dev);
	struct device *dev = &pdev->dev;
	struct sim_board *board;
	int dir, ret;

	/* The engine takes DMA addresses for memory, or asks iommu.c: nothing else may remap. */
	if (device_iommu_mapped(dev))
		return dev_err_probe(dev, -ENODEV, "behind an IOMMU\n");

	if (info->shadow) {
		ret = sim_shadow_begin(dev, info->iommu);
		if (ret)
			return ret;
	}
	ret = dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64));
	if (ret)
		return ret;
	sim_set_coherent(dev);

	board = kzalloc(sizeof(*board), GFP_KERNEL);
	if (!board)
		return -ENOMEM;
	board->dev = get_device(dev);
	board->info = info;
	board->packet_bytes = SIM_PACKET_BYTES;
	snprintf(board->consumer, sizeof(board->consumer),
		 SIM_CONSUMER_NAME ".%d", pdev->id);
	spin_lock_init(&board->lock);
	mutex_init(&board->engine);
	sim_shadow_init(&board->shadow);
	sim_iommu_init(&board->iommu);
	for (dir = 0; dir < SIM_DIRS; dir++)
		sim_chan_init(board, dir);

	dma_set_max_seg_size(dev, info->max_seg_bytes);
	ret = sim_stream_init(board);
	if (ret) {
		put_device(board->dev);
		kfree(board);
		return ret;
	}

	/* What maps for a channel finds the shadows by it. */
	platform_set_drvdata(pdev, board);
	sim_dma_setup(board);
	ret = dma_async_device_register(&board->dma);
	if (ret) {
		sim_board_free(board);
		return ret;
	}
	ret = devm_add_action_or_reset(dev, sim_unregister, board);
	if (ret)
		return ret;

	ret = sim_debugfs_add(board);
	if (ret)
		return ret;
	return devm_add_action_or_reset(dev, sim_remove_debugfs, board);
}

struct platform_driver sim_provider_driver = {
	.probe = sim_probe,
	.driver = {
		.name = SIM_DRIVER_NAME,
		/* main.c wants the channels before it adds the consumers. */
		.probe_type = PROBE_FORCE_SYNCHRONOUS,
	},
};
