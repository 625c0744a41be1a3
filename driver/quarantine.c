// SPDX-License-Identifier: GPL-2.0-only
/*
 * Quarantine: memory that an engine may still write to, as it could not be
 * shown to have stopped. It stays pinned, mapped and charged.
 *
 * Process context. What would release such memory hands it over here instead,
 * and goes on without it. It is given back when the engine has been shown to
 * have stopped after all (pinring_device_reset()); with the device gone it is
 * left as it is for good, and only forgotten.
 */
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "internal.h"

struct pinring_kept_mapping {
	struct device *dma_dev;		/* NULL: none */
	enum dma_data_direction dma_dir;
	struct sg_table sgt;
};

/* Pages, how they are mapped, and who pays for them. */
struct pinring_kept {
	struct list_head link;
	struct pinring_ring *ring;
	struct work_struct work;	/* unpins */
	struct page **pages;
	unsigned long npages;
	unsigned long charged;
	bool dirty;
	struct pinring_kept_mapping mapping[PINRING_DIRS];
	struct pinring_stage stage;	/* for the first mapping's device */
};

static void pinring_kept_free(struct pinring_kept *kept)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kept->mapping); i++)
		sg_free_table(&kept->mapping[i].sgt);
	pinring_stage_forget(&kept->stage);
	kvfree(kept->pages);
	pinring_ring_put(kept->ring);
	kfree(kept);
}

static void pinring_kept_unpin_work(struct work_struct *work)
{
	struct pinring_kept *kept = container_of(work, struct pinring_kept, work);

	pinring_unpin(kept->pages, kept->npages, kept->dirty);
	pinring_uncharge(kept->ring, kept->charged);
	pinring_kept_free(kept);
}

/*
 * Unpinned by who it belongs to: the caller may be releasing a part or a buffer,
 * or be a write to sysfs that an unbind waits for, and an unpin may stall.
 */
static void pinring_kept_give_back(struct pinring_kept *kept)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kept->mapping); i++) {
		struct pinring_kept_mapping *mapping = &kept->mapping[i];

		if (mapping->dma_dev && mapping->sgt.sgl)
			dma_unmap_sgtable(mapping->dma_dev, &mapping->sgt, mapping->dma_dir,
					  PINRING_MAP_ATTRS);
	}
	pinring_stage_free(&kept->stage, kept->mapping[0].dma_dev, kept->mapping[0].dma_dir);
	queue_work(kept->ring->user->reap_wq, &kept->work);
}

/*
 * Under device->lock. A reset ends the quarantine of what was in it, also where
 * another stop has failed since: that one was not given this memory. @resets: of
 * the device, at the stop that failed.
 */
static bool pinring_quarantine_lasts(const struct pinring_device *pdev, u32 resets)
{
	return pdev->quarantine && pdev->resets == resets;
}

/* The device may have been reset meanwhile, or be gone, or first one and then the other. */
static void pinring_kept_add(struct pinring_kept *kept, u32 resets)
{
	struct pinring_device *pdev = kept->ring->pdev;
	bool gone, lasts;

	spin_lock_irq(&pdev->lock);
	gone = pdev->gone;
	lasts = pinring_quarantine_lasts(pdev, resets);
	if (lasts && !gone)
		list_add_tail(&kept->link, &pdev->kept);
	spin_unlock_irq(&pdev->lock);
	if (!lasts)
		pinring_kept_give_back(kept);
	else if (gone)
		pinring_kept_free(kept);
}

/* If there is no memory for it nobody will ever give these pages back. */
static struct pinring_kept *pinring_kept_alloc(struct pinring_ring *ring)
{
	struct pinring_kept *kept = kzalloc(sizeof(*kept), GFP_KERNEL);

	if (!kept)
		return NULL;
	INIT_WORK(&kept->work, pinring_kept_unpin_work);
	pinring_ring_get(ring);
	kept->ring = ring;
	return kept;
}

/* Whether what was put into quarantine still has to be there. */
bool pinring_quarantine_holds(struct pinring_device *pdev, u32 resets)
{
	bool holds;

	spin_lock_irq(&pdev->lock);
	holds = pinring_quarantine_lasts(pdev, resets);
	spin_unlock_irq(&pdev->lock);
	return holds;
}

/*
 * One-shot memory and the stage of a part that is being released, which has
 * none afterwards.
 */
void pinring_quarantine_part(struct pinring_part *part)
{
	struct pinring_job *job = part->job;
	struct pinring_kept *kept;

	if (!part->pages && !part->stage.nspans)
		return;
	kept = pinring_kept_alloc(job->ring);
	if (!kept)
		return;
	kept->pages = part->pages;
	kept->npages = part->npages;
	kept->charged = part->charged;
	kept->dirty = job->dir == PINRING_RECV;
	kept->mapping[0].dma_dev = pinring_part_channel(part)->dma_dev;
	kept->mapping[0].dma_dir = pinring_part_dma_dir(part);
	if (part->mapped)
		kept->mapping[0].sgt = part->sgt;
	else
		pinring_part_free_sg(part);
	pinring_stage_move(&kept->stage, &part->stage);
	part->pages = NULL;
	part->sgt.sgl = NULL;
	pinring_kept_add(kept, part->resets);
}

/* The memory of a buffer that is being released, which has none afterwards. */
void pinring_quarantine_buffer(struct pinring_buffer_entry *buffer)
{
	struct pinring_kept *kept = pinring_kept_alloc(buffer->ring);
	unsigned int i;

	if (!kept)
		return;
	kept->pages = buffer->pages;
	kept->npages = buffer->npages;
	kept->charged = buffer->npages;
	kept->dirty = buffer->directions & PINRING_DIR_RECV;
	for (i = 0; i < PINRING_DIRS; i++) {
		struct pinring_mapping *mapping = &buffer->mapping[i];

		if (mapping->mapped) {
			kept->mapping[i].dma_dev = mapping->dma_dev;
			kept->mapping[i].dma_dir = mapping->dma_dir;
		}
		kept->mapping[i].sgt = mapping->sgt;
		memset(&mapping->sgt, 0, sizeof(mapping->sgt));
	}
	buffer->pages = NULL;
	pinring_kept_add(kept, buffer->resets);
}

/*
 * The engine was shown to have stopped. @kept: what was in quarantine then, off
 * the device's list: what comes later is of a stop that failed later.
 */
void pinring_quarantine_end(struct list_head *kept)
{
	struct pinring_kept *entry, *next;

	list_for_each_entry_safe(entry, next, kept, link)
		pinring_kept_give_back(entry);
}

/* The device is gone: nothing is added any more. */
void pinring_quarantine_forget(struct pinring_device *pdev)
{
	struct pinring_kept *entry, *next;
	LIST_HEAD(kept);

	spin_lock_irq(&pdev->lock);
	list_splice_init(&pdev->kept, &kept);
	spin_unlock_irq(&pdev->lock);
	list_for_each_entry_safe(entry, next, &kept, link)
		pinring_kept_free(entry);
}
