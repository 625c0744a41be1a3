// SPDX-License-Identifier: GPL-2.0-only
/*
 * pinring: devices come and go.
 *
 * probe makes one /dev/pinringN of a platform device whose firmware node
 * names its dmaengine channels ("tx", "rx" in dma-names). remove runs with
 * files open: it marks the device dead, ends every job with ENODEV, waits
 * until nothing is mapped against the provider any more, and lets go of the
 * channels. The structure lives on until the last file is closed.
 */
#include <linux/idr.h>
#include <linux/mod_devicetable.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/pm.h>
#include <linux/property.h>
#include <linux/reset.h>
#include <linux/slab.h>

#include "compat.h"
#include "internal.h"

static unsigned int send_deadline_ms = 10000;
module_param(send_deadline_ms, uint, 0644);
MODULE_PARM_DESC(send_deadline_ms, "how long a send that names no deadline may be without progress, in ms; 0: for ever (default 10000)");

struct workqueue_struct *pinring_wq;
static DEFINE_IDA(pinring_ids);

void pinring_device_get(struct pinring_device *pdev)
{
	kref_get(&pdev->kref);
}

static void pinring_device_free(struct kref *kref)
{
	struct pinring_device *pdev = container_of(kref, struct pinring_device, kref);

	ida_free(&pinring_ids, pdev->id);
	kfree(pdev);
}

/* Process context. */
void pinring_device_put(struct pinring_device *pdev)
{
	kref_put(&pdev->kref, pinring_device_free);
}

/*
 * What fits the BD budget of both directions at worst: every page on its own,
 * one page more for a start in the middle of one, and edges that are staged. A
 * multiple of the page, so that each packet of a split job is as aligned as the
 * first.
 */
static u64 pinring_chunk(const struct pinring_device *pdev)
{
	u64 chunk = PINRING_MAX_BUFFER_BYTES;
	unsigned int dir;

	for (dir = 0; dir < PINRING_DIRS; dir++) {
		const struct pinring_channel *channel = &pdev->channel[dir];
		u32 per_page, pages;

		if (!channel->dma)
			continue;
		per_page = pinring_channel_bds(channel, PAGE_SIZE);
		pages = channel->bds > pinring_edge_bds(channel) ?
			(channel->bds - pinring_edge_bds(channel)) / per_page : 0;
		chunk = min(chunk, pages > 1 ? (u64)(pages - 1) << PAGE_SHIFT : 0);
	}
	return chunk;
}

/*
 * Lines that a receive must not share with other data; 1: there is no such
 * rule. The kernel says so of devices that firmware describes. What it does not
 * know of, our own node can tell.
 */
static u32 pinring_cacheline(const struct pinring_device *pdev, struct device *dma_dev)
{
	u32 line = 0;

	device_property_read_u32(pdev->dev, "pinring,cache-line", &line);
	/* The edges of a part are staged in one page, each in lines of its own. */
	line = roundup_pow_of_two(clamp_t(u32, line, 1, PAGE_SIZE / PINRING_EDGES));
	if (device_get_dma_attr(dma_dev) == DEV_DMA_NON_COHERENT)
		line = max_t(u32, line, dma_get_cache_alignment());
	return line;
}

/* What memory a channel is mapped against may differ from the other's. */
static void pinring_port_facts(struct pinring_device *pdev)
{
	struct pinring_info *info = &pdev->info;
	unsigned int dir;

	info->flags |= PINRING_INFO_COHERENT;
	info->cacheline = 1;
	info->max_bd_bytes = U32_MAX;
	for (dir = 0; dir < PINRING_DIRS; dir++) {
		const struct pinring_channel *channel = &pdev->channel[dir];

		if (!channel->dma)
			continue;
		info->max_bd_bytes = min(info->max_bd_bytes, channel->max_bd_bytes);
		if (channel->quirk->simulator)
			info->flags |= PINRING_INFO_SIMULATOR;
		if (dma_max_mapping_size(channel->dma_dev) != SIZE_MAX)
			info->flags |= PINRING_INFO_MAY_BOUNCE;
		info->cacheline = max(info->cacheline, pinring_cacheline(pdev, channel->dma_dev));
		if (info->cacheline > 1)
			info->flags &= ~PINRING_INFO_COHERENT;
	}
}

static void pinring_device_facts(struct pinring_device *pdev)
{
	struct pinring_channel *send = &pdev->channel[PINRING_SEND];
	struct pinring_channel *recv = &pdev->channel[PINRING_RECV];
	struct pinring_channel *any = send->dma ? send : recv;
	struct pinring_info *info = &pdev->info;
	const char *label;

	info->size = sizeof(*info);
	info->abi = PINRING_ABI_VERSION;
	info->features = PINRING_FEAT_SPLIT | PINRING_FEAT_WINDOW | PINRING_FEAT_IOVEC |
			 PINRING_FEAT_BUFFERS | PINRING_FEAT_EVENTFD | PINRING_FEAT_WITHDRAW |
			 PINRING_FEAT_ABORT | PINRING_FEAT_DRAIN | PINRING_FEAT_BATCH |
			 PINRING_FEAT_BOUNCE | PINRING_FEAT_GATHER;
	info->directions = (send->dma ? PINRING_DIR_SEND : 0) | (recv->dma ? PINRING_DIR_RECV : 0);
	pinring_port_facts(pdev);
	if (recv->dma && recv->quirk->exact_short)
		info->flags |= PINRING_INFO_EXACT_SHORT;
	if (recv->dma && recv->depth >= PINRING_LANE_PARTS)
		info->flags |= PINRING_INFO_DEEP_RECV;
	info->send_align = send->dma ? send->align : 1;
	info->recv_align = recv->dma ? recv->align : 1;
	info->send_bds = send->dma ? send->bds : 0;
	info->recv_bds = recv->dma ? recv->bds : 0;
	info->chunk = pinring_chunk(pdev);
	/* Root may be writing to it. */
	info->send_deadline_ns = (u64)READ_ONCE(send_deadline_ms) * NSEC_PER_MSEC;
	info->max_job_bytes = PINRING_MAX_JOB_BYTES;
	info->max_buffer_bytes = PINRING_MAX_BUFFER_BYTES;
	info->max_iov = PINRING_MAX_IOV;
	info->max_buffers = PINRING_MAX_BUFFERS;
	info->max_sq_entries = PINRING_MAX_SQ_ENTRIES;
	info->max_cq_entries = PINRING_MAX_CQ_ENTRIES;
	info->max_jobs = PINRING_MAX_JOBS;
	info->max_rings = PINRING_MAX_RINGS;
	info->max_user_rings = PINRING_MAX_USER_RINGS;
	info->max_pinned_bytes = (u64)pinring_max_pinned() << PAGE_SHIFT;
	info->recv_depth = recv->dma ? recv->depth : 0;
	if (device_property_read_string(pdev->dev, "label", &label))
		label = dev_name(pdev->dev);
	strscpy(info->name, label, sizeof(info->name));
	strscpy(info->provider, any->quirk->name ?: dev_driver_string(any->dma->device->dev),
		sizeof(info->provider));
	strscpy(info->driver_version, PINRING_VERSION, sizeof(info->driver_version));
}

/* The device's rings, one after the other, each held while it is looked at. */
static struct pinring_ring *pinring_ring_next(struct pinring_device *pdev,
					      struct pinring_ring *ring)
{
	struct pinring_ring *next;

	lockdep_assert_held(&pdev->claim_mutex);
	next = list_prepare_entry(ring, &pdev->rings, link);
	list_for_each_entry_continue(next, &pdev->rings, link)
		return next;
	return NULL;
}

/* No DMA after this, whoever has files open. */
static void pinring_device_stop(struct pinring_device *pdev)
{
	/*
	 * From here on nothing is mapped or armed any more. What a pump took just
	 * before may still be issued; the recovery below waits for the pump.
	 */
	down_write(&pdev->live);
	spin_lock_irq(&pdev->lock);
	pdev->dead = true;
	pdev->gone = true;
	pdev->info.flags |= PINRING_INFO_DEAD;
	spin_unlock_irq(&pdev->lock);
	up_write(&pdev->live);

	pinring_recover_exit(pdev);
	pinring_recover_last(pdev);
}

/*
 * Ends everything, waits until nothing of ours is mapped. Files may be open. For
 * pages to be unpinned nobody waits here: that may take for ever, and all the
 * others' files with it, whose close needs claim_mutex.
 */
static void pinring_device_kill(struct pinring_device *pdev)
{
	struct pinring_ring *ring = NULL;

	pinring_device_stop(pdev);
	mutex_lock(&pdev->claim_mutex);
	while ((ring = pinring_ring_next(pdev, ring))) {
		pinring_jobs_end(ring, pinring_job_any, 0, -ENODEV, NULL);
		pinring_ring_let_go(ring);
		pinring_buffer_unmap_all(ring);
		wake_up_all(&ring->wait);
	}
	mutex_unlock(&pdev->claim_mutex);
	wait_event(pdev->unmapped, !atomic_read(&pdev->mapped));
}

static void pinring_device_remove(void *data)
{
	struct pinring_device *pdev = data;
	unsigned int dir;

	misc_deregister(&pdev->misc);
	pinring_device_kill(pdev);
	pinring_quarantine_forget(pdev);
	for (dir = 0; dir < PINRING_DIRS; dir++)
		pinring_channel_exit(&pdev->channel[dir]);
	pinring_device_put(pdev);
}

static int pinring_probe(struct platform_device *platform)
{
	struct pinring_device *pdev;
	unsigned int dir;
	int ret;

	pdev = kzalloc(sizeof(*pdev), GFP_KERNEL);
	if (!pdev)
		return -ENOMEM;
	kref_init(&pdev->kref);
	pdev->dev = &platform->dev;
	mutex_init(&pdev->claim_mutex);
	init_rwsem(&pdev->live);
	spin_lock_init(&pdev->lock);
	INIT_LIST_HEAD(&pdev->rings);
	INIT_LIST_HEAD(&pdev->kept);
	init_waitqueue_head(&pdev->unmapped);
	pinring_recover_init(pdev);
	platform_set_drvdata(platform, pdev);

	pdev->id = ida_alloc(&pinring_ids, GFP_KERNEL);
	if (pdev->id < 0) {
		ret = pdev->id;
		kfree(pdev);
		return ret;
	}

	dir = 0;
	pdev->stream_reset = devm_reset_control_get_optional_exclusive(&platform->dev, "stream");
	if (IS_ERR(pdev->stream_reset)) {
		ret = dev_err_probe(&platform->dev, PTR_ERR(pdev->stream_reset),
				    "no reset line \"stream\"\n");
		goto exit_channels;
	}
	/* Whoever had the line before us may have left the stream in reset. */
	ret = reset_control_deassert(pdev->stream_reset);
	if (ret)
		goto exit_channels;
	for (; dir < PINRING_DIRS; dir++) {
		ret = pinring_channel_init(pdev, dir);
		if (ret)
			goto exit_channels;
	}
	if (!pdev->channel[PINRING_SEND].dma && !pdev->channel[PINRING_RECV].dma) {
		ret = dev_err_probe(&platform->dev, -EINVAL,
				    "dma-names has neither \"tx\" nor \"rx\"\n");
		goto exit_channels;
	}
	pinring_device_facts(pdev);
	if (!pdev->info.chunk) {
		ret = dev_err_probe(&platform->dev, -EINVAL,
				    "too few BDs for a packet of one page: %u send, %u receive\n",
				    pdev->info.send_bds, pdev->info.recv_bds);
		goto exit_channels;
	}

	snprintf(pdev->node_name, sizeof(pdev->node_name), "pinring%d", pdev->id);
	pdev->misc.minor = MISC_DYNAMIC_MINOR;
	pdev->misc.name = pdev->node_name;
	pdev->misc.fops = &pinring_fops;
	pdev->misc.parent = &platform->dev;
	pdev->misc.groups = pinring_attr_groups;
	pdev->misc.mode = 0660;
	ret = misc_register(&pdev->misc);
	if (ret)
		goto exit_channels;
	return devm_add_action_or_reset(&platform->dev, pinring_device_remove, pdev);

exit_channels:
	while (dir-- > 0)
		pinring_channel_exit(&pdev->channel[dir]);
	pinring_device_put(pdev);
	return ret;
}

/* A receive that stays armed over kexec writes into the next kernel. */
static void pinring_shutdown(struct platform_device *platform)
{
	pinring_device_stop(platform_get_drvdata(platform));
}

/*
 * Tasks are frozen, so nothing new comes from them, but a lane's worker may be
 * at it. A device that does not stop sleeps all the same: it is dead then, and
 * what it may write to is nobody else's.
 */
static int pinring_suspend(struct device *dev)
{
	pinring_recover_power(dev_get_drvdata(dev), true);
	return 0;
}

static int pinring_resume(struct device *dev)
{
	pinring_recover_power(dev_get_drvdata(dev), false);
	return 0;
}

static DEFINE_SIMPLE_DEV_PM_OPS(pinring_pm_ops, pinring_suspend, pinring_resume);

static const struct of_device_id pinring_of_match[] = {
	{ .compatible = "pinring,stream" },
	{ }
};
MODULE_DEVICE_TABLE(of, pinring_of_match);

static struct platform_driver pinring_driver = {
	.probe = pinring_probe,
	.shutdown = pinring_shutdown,
	.driver = {
		.name = "pinring",
		.of_match_table = pinring_of_match,
		.pm = pm_sleep_ptr(&pinring_pm_ops),
	},
};

static int __init pinring_init(void)
{
	int ret;

	pinring_wq = alloc_workqueue("pinring", WQ_UNBOUND | WQ_HIGHPRI, 0);
	if (!pinring_wq)
		return -ENOMEM;
	ret = pinring_job_init();
	if (ret)
		goto destroy_wq;
	pinring_inject_init();
	ret = platform_driver_register(&pinring_driver);
	if (ret)
		goto exit_inject;
	return 0;

exit_inject:
	pinring_inject_exit();
	pinring_job_exit();
destroy_wq:
	destroy_workqueue(pinring_wq);
	return ret;
}

static void __exit pinring_exit(void)
{
	platform_driver_unregister(&pinring_driver);
	/* No file is open: what is left are rings and jobs on their way out. */
	pinring_users_wait();
	destroy_workqueue(pinring_wq);
	pinring_inject_exit();
	pinring_job_exit();
	ida_destroy(&pinring_ids);
}

module_init(pinring_init);
module_exit(pinring_exit);

MODULE_DESCRIPTION("Stream a program's own memory through a dmaengine channel");
MODULE_AUTHOR("The pinring authors");
MODULE_LICENSE("GPL");
MODULE_VERSION(PINRING_VERSION);
MODULE_ALIAS("platform:pinring");
