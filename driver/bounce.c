// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bouncing: what the hardware can't do with the caller's memory goes by way of
 * memory of the driver's own, the part's stage. The copy is flagged in the
 * CQE, and PINRING_SQE_ZERO_COPY refuses it.
 *
 * The whole part is staged when
 *  - there is no DRE and a piece begins where the engine can't: the stream
 *    can't be shifted, not even between two BDs (PG021);
 *  - it may come short, and is not one BD, and the provider then loses its
 *    byte count or leaves BDs armed (struct pinring_quirk, exact_short);
 *  - it has too many pieces for the BD budget, and may be gathered;
 *  - a piece within a receive shares a cache line with what is not received,
 *    on a port that is not coherent.
 * Only its edges are staged when a receive begins or ends within a cache line
 * on such a port: what the CPU does about a line that the device writes to
 * would destroy what lies beside the data. The rest is not copied.
 *
 * plan			decides; lane's runner, or submit.
 * get, drain, free	process context, while the part is counted in
 *			device->mapped, so that the provider's device is there.
 *
 * Stages are charged to the lane's window and to RLIMIT_MEMLOCK as pins are;
 * to a memory cgroup only when the caller's own task prepares them.
 */
#include <linux/dma-mapping.h>
#include <linux/highmem.h>
#include <linux/slab.h>

#include "internal.h"

/* Of a span that need not be one BD: an order that is always to be had. */
#define PINRING_SPAN_BYTES	(PAGE_SIZE << PAGE_ALLOC_COSTLY_ORDER)

static bool pinring_bounce_short(const struct pinring_job *job)
{
	return (job->sqe_flags & PINRING_SQE_MAY_BE_SHORT) &&
	       !job->ring->pdev->channel[job->dir].quirk->exact_short;
}

/* Receives are whole multiples of it, but for what is staged. 1: they need not. */
static u32 pinring_bounce_line(const struct pinring_channel *channel)
{
	return channel->dir == PINRING_RECV ? channel->pdev->info.cacheline : 1;
}

/* Bounds between staged memory and other memory are multiples of it. */
static u32 pinring_bounce_granule(const struct pinring_channel *channel)
{
	return max(pinring_bounce_line(channel), channel->align);
}

/* BDs that a part may take more than its memory does. */
u32 pinring_edge_bds(const struct pinring_channel *channel)
{
	return pinring_bounce_line(channel) > 1 ? PINRING_EDGES : 0;
}

/* What a span has room for: the pages of the lane's window know of no less. */
static unsigned long pinring_span_bytes(u32 len)
{
	return PAGE_SIZE << get_order(len);
}

static u32 pinring_span_limit(const struct pinring_part *part)
{
	if (part->one_bd)
		return part->len;
	return rounddown_pow_of_two(min_t(u32, pinring_part_channel(part)->max_seg,
					  PINRING_SPAN_BYTES));
}

/* Pages of a stage for the whole part. */
static unsigned long pinring_bounce_pages(const struct pinring_part *part)
{
	u32 limit = pinring_span_limit(part);
	u32 rest = part->len % limit;

	return (part->len / limit * pinring_span_bytes(limit) +
		(rest ? pinring_span_bytes(rest) : 0)) >> PAGE_SHIFT;
}

/* Reasons that lie in where its pieces begin and end, and in how many they are. */
static bool pinring_bounce_pieces(const struct pinring_part *part)
{
	const struct pinring_channel *channel = pinring_part_channel(part);
	u32 inner = pinring_bounce_granule(channel) - 1;
	u64 bds = pinring_edge_bds(channel);
	struct pinring_walk walk;
	bool first = true;

	pinring_walk_start(&walk, part);
	while (pinring_walk_next(&walk)) {
		if (walk.addr & (first ? channel->align - 1 : inner))
			return true;
		if (walk.left && ((walk.addr + walk.len) & inner))
			return true;
		bds += pinring_worst_bds(channel, walk.addr, walk.len);
		first = false;
	}
	return (part->job->sqe_flags & PINRING_SQE_GATHER) && bds > channel->bds;
}

static void pinring_bounce_edges(struct pinring_part *part)
{
	const struct pinring_channel *channel = pinring_part_channel(part);
	u32 within = pinring_bounce_granule(channel) - 1;
	struct pinring_walk walk;
	u64 end = 0;

	pinring_walk_start(&walk, part);
	pinring_walk_next(&walk);
	part->head = -walk.addr & within;
	do
		end = walk.addr + walk.len;
	while (pinring_walk_next(&walk));
	part->tail = end & within;
}

/**
 * pinring_bounce_plan - what of a part is to be staged
 * @part: with job, offset, len and its first piece set; its memory need not be
 *	pinned yet.
 *
 * Sets @part->bounce, one_bd, head and tail. A one-shot part with one_bd set
 * and nothing to stage is to be asked about again when it is mapped.
 *
 * Return: pages that its stage takes at worst.
 */
unsigned long pinring_bounce_plan(struct pinring_part *part)
{
	const struct pinring_channel *channel = pinring_part_channel(part);
	const struct pinring_job *job = part->job;
	bool whole;

	part->one_bd = pinring_bounce_short(job) && part->offset + part->len == job->len;
	part->head = 0;
	part->tail = 0;
	whole = pinring_bounce_pieces(part);
	if (!whole && pinring_bounce_line(channel) > 1) {
		pinring_bounce_edges(part);
		whole = (part->head || part->tail) &&
			(part->one_bd || part->head + part->tail >= part->len);
	}
	if (!whole && part->one_bd && job->buffer)
		whole = pinring_buffer_bds(job->buffer->map[job->dir],
					   job->buffer_offset + part->offset, part->len,
					   channel) > 1;
	if (whole)
		pinring_bounce_whole(part);
	else
		part->bounce = part->head || part->tail ? PINRING_BOUNCE_EDGES :
							  PINRING_BOUNCE_NONE;
	if (whole || (part->one_bd && !job->buffer))
		return pinring_bounce_pages(part);
	return part->bounce == PINRING_BOUNCE_EDGES;
}

/* A change of plan, before anything was staged. */
void pinring_bounce_whole(struct pinring_part *part)
{
	part->bounce = PINRING_BOUNCE_WHOLE;
	part->head = 0;
	part->tail = 0;
}

/* Whether a piece of the job, at either end of it, is not as the hardware wants it. */
static bool pinring_bounce_unaligned(const struct pinring_job *job)
{
	const struct pinring_channel *channel = &job->ring->pdev->channel[job->dir];
	u32 align = channel->align - 1, line = pinring_bounce_line(channel) - 1;
	u32 i;

	if (job->buffer) {
		u64 addr = job->buffer->addr + job->buffer_offset;

		return (addr & (align | line)) || ((addr + job->len) & line);
	}
	for (i = 0; i < job->npieces; i++) {
		const struct pinring_iovec *piece = &job->pieces[i];

		if ((piece->addr & (align | line)) || ((piece->addr + piece->len) & line))
			return true;
		if (i + 1 < job->npieces && (piece->len & align))
			return true;
	}
	return false;
}

/**
 * pinring_bounce_check - can what must be bounced be bounced, and may it
 * @job: before anything of it is prepared.
 *
 * Return: 0, or what the job ends with.
 */
int pinring_bounce_check(struct pinring_job *job)
{
	const struct pinring_channel *channel = &job->ring->pdev->channel[job->dir];
	bool zero_copy = job->sqe_flags & PINRING_SQE_ZERO_COPY;
	u64 last = pinring_last_packet(job);
	/* Nobody uses it yet: the last packet, as it will be. */
	struct pinring_part *part = &job->part[0];
	u64 bds;

	if (pinring_bounce_short(job) && last > channel->max_bd_bytes)
		return -EMSGSIZE;
	if (zero_copy && pinring_bounce_unaligned(job))
		return -EINVAL;
	if (!job->buffer)
		return 0;

	part->job = job;
	part->offset = job->len - last;
	part->len = last;
	pinring_bounce_plan(part);
	if (part->bounce == PINRING_BOUNCE_WHOLE)
		/* Of a stage there is no more than there is of one-shot memory. */
		return zero_copy ? -EINVAL : last > channel->pdev->info.chunk ? -EMSGSIZE : 0;
	bds = pinring_buffer_bds(job->buffer->map[job->dir], job->buffer_offset + part->offset,
				 last, channel);
	return bds + !!part->head + !!part->tail > channel->bds ? -EMSGSIZE : 0;
}

/* ---- the stage ---- */

/*
 * A span of the stage, with memory of its own. Zeroed: a receive that ends
 * early shows nothing of what was there before. Nobody is killed for it.
 */
static int pinring_span_get(struct pinring_part *part, u32 offset, u32 len)
{
	struct pinring_span *span = &part->stage.spans[part->stage.nspans];
	struct device *dma_dev = pinring_part_channel(part)->dma_dev;
	enum dma_data_direction dma_dir = pinring_part_dma_dir(part);
	gfp_t gfp = GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN;

	span->bytes = pinring_span_bytes(len);
	span->offset = offset;
	span->len = len;
	span->at = 0;
	if (part->job->dir == PINRING_RECV)
		gfp |= __GFP_ZERO;
	/* Who may not reclaim gets nothing of the CMA area, which is slow and others' need. */
	span->page = dma_alloc_pages(dma_dev, span->bytes, &span->addr, dma_dir,
				     gfp & ~__GFP_DIRECT_RECLAIM);
	if (!span->page)
		span->page = dma_alloc_pages(dma_dev, span->bytes, &span->addr, dma_dir, gfp);
	if (!span->page)
		return -ENOMEM;
	part->stage.nspans++;
	return 0;
}

/* Both in one page, on lines of their own. */
static int pinring_stage_get_edges(struct pinring_part *part)
{
	u32 granule = pinring_bounce_granule(pinring_part_channel(part));
	struct pinring_stage *stage = &part->stage;
	int ret;

	ret = pinring_span_get(part, part->head ? 0 : part->len - part->tail,
			       part->head ? part->head : part->tail);
	if (!ret && part->head && part->tail)
		stage->spans[stage->nspans++] = (struct pinring_span){
			.page = stage->spans[0].page,
			.addr = stage->spans[0].addr + granule,
			.at = granule,
			.offset = part->len - part->tail,
			.len = part->tail,
		};
	return ret;
}

static int pinring_stage_get_whole(struct pinring_part *part)
{
	u32 limit = pinring_span_limit(part);
	u32 offset;
	int ret;

	for (offset = 0; offset < part->len; offset += limit) {
		ret = pinring_span_get(part, offset, min(part->len - offset, limit));
		if (ret)
			return ret;
		cond_resched();
	}
	return 0;
}

/*
 * Copies what of the first @limit bytes of the part is staged, page by page on
 * either side. Returns how much that was.
 */
static u32 pinring_stage_copy(struct pinring_part *part, u32 limit)
{
	const struct pinring_span *span = part->stage.spans;
	const struct pinring_span *end = span + part->stage.nspans;
	bool send = part->job->dir == PINRING_SEND;
	u32 begin = 0, copied = 0;
	struct pinring_walk walk;

	pinring_walk_start(&walk, part);
	while (span < end && pinring_walk_next(&walk)) {
		u32 done = 0;

		while (done < walk.len && span < end && begin + done < limit) {
			u32 pos = begin + done;
			struct pinring_run run;
			struct page *page;
			u32 at;

			if (pos < span->offset) {
				done += min_t(u64, walk.len - done, span->offset - pos);
				continue;
			}
			at = span->at + pos - span->offset;
			run = pinring_walk_run(&walk, done,
					       min3((u32)walk.len - done, limit - pos,
						    span->offset + span->len - pos));
			run.len = min_t(u32, run.len, PAGE_SIZE - offset_in_page(at));
			page = span->page + (at >> PAGE_SHIFT);
			if (send) {
				memcpy_page(page, offset_in_page(at), run.page, run.offset,
					    run.len);
			} else {
				memcpy_page(run.page, run.offset, page, offset_in_page(at),
					    run.len);
				flush_dcache_page(run.page);
			}
			copied += run.len;
			done += run.len;
			if (pos + run.len == span->offset + span->len)
				span++;
		}
		begin += walk.len;
		cond_resched();
	}
	return copied;
}

/**
 * pinring_stage_get - make the stage, and put in it what is to be sent
 * @part: planned, pinned, and counted in device->mapped.
 *
 * Return: 0 or -ENOMEM; pinring_stage_free() gives back what there is.
 */
int pinring_stage_get(struct pinring_part *part)
{
	struct device *dma_dev = pinring_part_channel(part)->dma_dev;
	bool whole = part->bounce == PINRING_BOUNCE_WHOLE;
	struct pinring_stage *stage = &part->stage;
	u32 i, n;
	int ret;

	n = whole ? DIV_ROUND_UP(part->len, pinring_span_limit(part)) : PINRING_EDGES;
	stage->spans = stage->edges;
	if (n > ARRAY_SIZE(stage->edges)) {
		stage->spans = kmalloc_array(n, sizeof(*stage->spans), GFP_KERNEL_ACCOUNT);
		if (!stage->spans)
			return -ENOMEM;
	}
	ret = whole ? pinring_stage_get_whole(part) : pinring_stage_get_edges(part);
	if (ret)
		return ret;

	if (part->job->dir == PINRING_SEND)
		part->bounced = pinring_stage_copy(part, part->len);
	/* Of a receive, too: no dirty line may be written over what has come. */
	for (i = 0; i < stage->nspans; i++)
		dma_sync_single_for_device(dma_dev, stage->spans[i].addr, stage->spans[i].len,
					   pinring_part_dma_dir(part));
	return 0;
}

/* What was received goes to where it was wanted: part->moved bytes, no more. */
void pinring_stage_drain(struct pinring_part *part)
{
	struct device *dma_dev = pinring_part_channel(part)->dma_dev;
	struct pinring_stage *stage = &part->stage;
	u32 i;

	if (part->job->dir == PINRING_SEND || !part->moved)
		return;
	for (i = 0; i < stage->nspans; i++)
		if (stage->spans[i].offset < part->moved)
			dma_sync_single_for_cpu(dma_dev, stage->spans[i].addr,
						stage->spans[i].len, pinring_part_dma_dir(part));
	part->bounced = pinring_stage_copy(part, part->moved);
}

/* Pages that the stage is made of. */
unsigned long pinring_stage_pages(const struct pinring_part *part)
{
	unsigned long bytes = 0;
	u32 i;

	for (i = 0; i < part->stage.nspans; i++)
		bytes += part->stage.spans[i].bytes;
	return bytes >> PAGE_SHIFT;
}

/* Leaves its memory to an engine that may still write to it. */
void pinring_stage_forget(struct pinring_stage *stage)
{
	if (stage->spans != stage->edges)
		kfree(stage->spans);
	stage->spans = NULL;
	stage->nspans = 0;
}

void pinring_stage_free(struct pinring_stage *stage, struct device *dma_dev,
			enum dma_data_direction dma_dir)
{
	u32 i;

	for (i = 0; i < stage->nspans; i++)
		if (stage->spans[i].bytes)
			dma_free_pages(dma_dev, stage->spans[i].bytes, stage->spans[i].page,
				       stage->spans[i].addr, dma_dir);
	pinring_stage_forget(stage);
}

void pinring_stage_move(struct pinring_stage *to, struct pinring_stage *from)
{
	*to = *from;
	if (from->spans == from->edges)
		to->spans = to->edges;
	from->spans = NULL;
	from->nspans = 0;
}
