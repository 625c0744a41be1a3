// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the provider is given for a part: a list of addresses, put together of
 * what is mapped (one-shot memory), a slice of what is mapped already (a
 * registered buffer), and what is staged (bounce.c).
 *
 * Process context, while the part is counted in device->mapped; but for
 * pinring_part_list_put(), which any context may call.
 */
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "compat.h"
#include "internal.h"

/*
 * A list of DMA addresses, with no pages behind it: what is mapped, sliced or
 * staged is put together in it.
 */
static int pinring_part_list_get(struct pinring_part *part, u32 n)
{
	part->list = part->inline_sg;
	if (n > PINRING_INLINE_SG) {
		part->list = kmalloc_array(n, sizeof(*part->list), GFP_KERNEL);
		if (!part->list)
			return -ENOMEM;
	}
	sg_init_table(part->list, n);
	part->nlist = 0;
	return 0;
}

static void pinring_part_list_add(struct pinring_part *part, dma_addr_t addr, u32 len)
{
	struct scatterlist *sg = &part->list[part->nlist++];

	sg_dma_address(sg) = addr;
	sg_dma_len(sg) = len;
}

void pinring_part_list_put(struct pinring_part *part)
{
	if (part->list != part->inline_sg && part->list != part->sgt.sgl)
		kfree(part->list);
	part->list = NULL;
}

int pinring_part_count_bds(struct pinring_part *part)
{
	const struct pinring_channel *channel = pinring_part_channel(part);
	struct scatterlist *sg;
	u64 bds = 0;
	u32 i;

	for_each_sg(part->list, sg, part->nlist, i)
		bds += pinring_channel_bds(channel, sg_dma_len(sg));
	if (bds > channel->bds)
		return -EMSGSIZE;
	part->bds = bds;
	return 0;
}

/* Staged edges go in front of what is behind them. */
static void pinring_part_list_head(struct pinring_part *part)
{
	const struct pinring_span *spans = part->stage.spans;

	if (part->head)
		pinring_part_list_add(part, spans[0].addr, spans[0].len);
}

static void pinring_part_list_tail(struct pinring_part *part)
{
	const struct pinring_span *spans = part->stage.spans;

	if (part->tail)
		pinring_part_list_add(part, spans[part->stage.nspans - 1].addr, part->tail);
}

int pinring_part_list_stage(struct pinring_part *part)
{
	const struct pinring_stage *stage = &part->stage;
	int ret = pinring_part_list_get(part, stage->nspans);
	u32 i;

	if (ret)
		return ret;
	for (i = 0; i < stage->nspans; i++)
		pinring_part_list_add(part, stage->spans[i].addr, stage->spans[i].len);
	return 0;
}

/* What is mapped, and the edges that are not. */
static int pinring_part_list_mapped(struct pinring_part *part)
{
	struct scatterlist *sg;
	int ret, i;

	if (part->bounce == PINRING_BOUNCE_NONE) {
		part->list = part->sgt.sgl;
		part->nlist = part->sgt.nents;
		return 0;
	}
	ret = pinring_part_list_get(part, part->sgt.nents + PINRING_EDGES);
	if (ret)
		return ret;
	pinring_part_list_head(part);
	for_each_sgtable_dma_sg(&part->sgt, sg, i)
		pinring_part_list_add(part, sg_dma_address(sg), sg_dma_len(sg));
	pinring_part_list_tail(part);
	return 0;
}

/* A slice of a registered buffer: addresses are known, only a list is made. */
int pinring_part_list_slice(struct pinring_part *part)
{
	struct pinring_job *job = part->job;
	const struct pinring_mapping *map = job->buffer->map[job->dir];
	u64 offset = job->buffer_offset + part->offset + part->head;
	u64 end = job->buffer_offset + part->offset + part->len - part->tail;
	u32 first = pinring_buffer_first_segment(map, offset);
	u32 i, n = 0;
	int ret;

	for (i = first; i < map->nsegments && map->segments[i].offset < end; i++)
		n++;
	ret = pinring_part_list_get(part, n + (part->bounce ? PINRING_EDGES : 0));
	if (ret)
		return ret;
	pinring_part_list_head(part);
	for (i = first; i < first + n; i++) {
		const struct pinring_segment *seg = &map->segments[i];
		u64 skip = offset > seg->offset ? offset - seg->offset : 0;
		u64 stop = min(end - seg->offset, (u64)seg->len);

		pinring_part_list_add(part, seg->addr + skip, stop - skip);
	}
	pinring_part_list_tail(part);
	return 0;
}

/* ---- one-shot memory ---- */

/*
 * Scatterlist of what is not staged: contiguous pages merge, also across
 * pieces. Counts entries when @sg is NULL.
 */
static unsigned int pinring_part_fill(struct pinring_part *part, struct scatterlist *sg)
{
	u32 max_seg = pinring_part_channel(part)->max_seg;
	u32 begin = 0, from = part->head, to = part->len - part->tail;
	struct scatterlist *last = NULL;
	unsigned int nents = 0;
	struct pinring_walk walk;
	phys_addr_t end = 0;
	u32 seg_len = 0;

	pinring_walk_start(&walk, part);
	while (pinring_walk_next(&walk)) {
		u32 stop = min_t(u64, begin + walk.len, to);
		u32 pos = max(begin, from);

		while (pos < stop) {
			struct pinring_run run = pinring_walk_run(&walk, pos - begin, stop - pos);
			phys_addr_t phys = page_to_phys(run.page) + run.offset;

			if (nents && phys == end && seg_len <= max_seg - run.len) {
				seg_len += run.len;
				if (sg)
					last->length = seg_len;
			} else {
				if (sg) {
					last = last ? sg_next(last) : sg;
					sg_set_page(last, run.page, run.len, run.offset);
				}
				seg_len = run.len;
				nents++;
			}
			end = phys + run.len;
			pos += run.len;
		}
		begin += walk.len;
	}
	return nents;
}

static int pinring_part_build_sg(struct pinring_part *part)
{
	u32 max_seg = pinring_part_channel(part)->max_seg;
	struct pinring_walk walk;
	unsigned int nents;
	int ret;

	pinring_walk_start(&walk, part);
	pinring_walk_next(&walk);
	if (!walk.left) {
		u64 at = offset_in_page(walk.addr) + (u64)part->head;
		u32 len = part->len - part->head - part->tail;
		/* An edge may be all there is of the first page, or of the last. */
		unsigned long npages = DIV_ROUND_UP(offset_in_page(at) + (u64)len, PAGE_SIZE);

		return sg_alloc_table_from_pages_segment(&part->sgt,
							 part->pages + (at >> PAGE_SHIFT), npages,
							 offset_in_page(at), len, max_seg,
							 GFP_KERNEL);
	}

	nents = pinring_part_fill(part, NULL);
	ret = sg_alloc_table(&part->sgt, nents, GFP_KERNEL);
	if (ret)
		return ret;
	pinring_part_fill(part, part->sgt.sgl);
	return 0;
}

void pinring_part_unmap(struct pinring_part *part)
{
	struct device *dma_dev = pinring_part_channel(part)->dma_dev;
	enum dma_data_direction dma_dir = pinring_part_dma_dir(part);

	if (part->need_sync)
		dma_sync_sgtable_for_cpu(dma_dev, &part->sgt, dma_dir);
	dma_unmap_sgtable(dma_dev, &part->sgt, dma_dir, PINRING_MAP_ATTRS);
	part->mapped = false;
}

int pinring_part_map(struct pinring_part *part)
{
	struct device *dma_dev = pinring_part_channel(part)->dma_dev;
	struct scatterlist *sg;
	int ret, i;

	ret = pinring_part_build_sg(part);
	if (ret)
		return ret;
	/* swiotlb or IOMMU space is used up: memory, of a kind. */
	if (pinring_inject(PINRING_FAIL_MAP) ||
	    dma_map_sgtable(dma_dev, &part->sgt, pinring_part_dma_dir(part), PINRING_MAP_ATTRS))
		return -ENOMEM;
	dma_sync_sgtable_for_device(dma_dev, &part->sgt, pinring_part_dma_dir(part));
	part->mapped = true;
	if (part->job->dir == PINRING_RECV)
		for_each_sgtable_dma_sg(&part->sgt, sg, i)
			part->need_sync |= dma_need_sync(dma_dev, sg_dma_address(sg));
	return pinring_part_list_mapped(part);
}

void pinring_part_free_sg(struct pinring_part *part)
{
	if (part->sgt.sgl)
		sg_free_table(&part->sgt);
	part->sgt.sgl = NULL;
}
