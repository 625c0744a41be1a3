// SPDX-License-Identifier: GPL-2.0-only
/*
 * The engine and the stream: moves bytes from send descriptors into the FIFO,
 * and from the FIFO into receive descriptors, one piece at a time, in a
 * workqueue of the board.
 *
 * A piece is copied with no spinlock held. What it meant is decided after, in
 * sim_engine_leave(): nothing, if the descriptor was terminated or the engine
 * reset meanwhile.
 */
#include <linux/highmem.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>

#include "internal.h"

/* What device_synchronize() has to wait for at most */
#define SIM_STEP_BYTES		(256U << 10)

/* Budget of a limited rate that an idle stream saves up */
#define SIM_RATE_WINDOW_NS	(20 * NSEC_PER_MSEC)
/* A limited rate moves at least this part of a second's bytes at a time. */
#define SIM_RATE_QUANTA		100

/* Counting bytes: any 256 bytes from offset n on begin with n. */
static u8 sim_pattern[PAGE_SIZE + 256];

void sim_stream_setup(void)
{
	int i;

	for (i = 0; i < sizeof(sim_pattern); i++)
		sim_pattern[i] = (u8)i;
}

/* ---- memory -------------------------------------------------------------- */

/*
 * Page by page, since only a page is sure to be mapped. With swiotlb the
 * address names the bounce buffer, so a forgotten sync shows.
 */
static void sim_copy(struct sim_board *board, phys_addr_t addr, u8 *stream,
		     u32 len, enum sim_dir dir)
{
	if (board->info->iommu) {
		sim_iommu_copy(board, addr, stream, len, dir);
		return;
	}
	if (board->info->shadow) {
		sim_shadow_copy(&board->shadow, addr, stream, len, dir);
		return;
	}
	while (len) {
		u32 offset = offset_in_page(addr);
		u32 part = min_t(u32, len, PAGE_SIZE - offset);
		u8 *page = kmap_local_page(pfn_to_page(PHYS_PFN(addr)));

		if (dir == SIM_SEND)
			memcpy(stream, page + offset, part);
		else
			memcpy(page + offset, stream, part);
		kunmap_local(page);
		addr += part;
		stream += part;
		len -= part;
	}
}

/* Moves @len bytes between the descriptor's memory, where it is, and @stream */
static void sim_desc_copy(struct sim_board *board, struct sim_desc *desc,
			  u8 *stream, u32 len, enum sim_dir dir)
{
	while (len) {
		struct sim_piece *piece = &desc->pieces[desc->index];
		u32 part = min(len, piece->len - desc->offset);

		sim_copy(board, piece->addr + desc->offset, stream, part, dir);
		desc->offset += part;
		if (desc->offset == piece->len) {
			desc->index++;
			desc->offset = 0;
		}
		stream += part;
		len -= part;
	}
}

/* ---- the engine's hold on a descriptor ----------------------------------- */

static struct sim_desc *sim_chan_first(struct sim_chan *chan)
{
	lockdep_assert_held(&chan->board->lock);

	if (chan->hold || chan->halted || chan->board->flush)
		return NULL;
	return list_first_entry_or_null(&chan->active, struct sim_desc, node);
}

/* The descriptor to work on, whose memory is then the engine's. */
static struct sim_desc *sim_engine_enter(struct sim_chan *chan)
{
	unsigned long flags;

	spin_lock_irqsave(&chan->board->lock, flags);
	chan->busy = sim_chan_first(chan);
	spin_unlock_irqrestore(&chan->board->lock, flags);

	return chan->busy;
}

/*
 * Gives the memory back and books the @len bytes that were moved. False if
 * they have not moved after all, since there was a reset.
 */
static bool sim_engine_leave(struct sim_chan *chan, struct sim_desc *desc,
			     u32 len, bool last)
{
	struct sim_board *board = chan->board;
	unsigned long flags;
	bool valid;

	spin_lock_irqsave(&board->lock, flags);
	chan->busy = NULL;
	valid = !board->flush && !desc->dead;
	if (valid) {
		desc->moved += len;
		chan->bytes += len;
		if (last) {
			chan->packets++;
			sim_chan_complete(chan, desc);
		}
	} else if (desc->dead) {
		kfree(desc);
	}
	spin_unlock_irqrestore(&board->lock, flags);

	return valid;
}

/* ---- rate ---------------------------------------------------------------- */

/*
 * How many of @want bytes may enter the stream now; *wait_ns is set if it is
 * none of them yet. Only worthwhile amounts are let through, so that a
 * limited stream does not become a busy loop over single bytes.
 */
static u32 sim_rate_allows(struct sim_board *board, u32 want, u64 *wait_ns)
{
	struct sim_stream *stream = &board->stream;
	u64 now, window, budget, least, rate;
	unsigned long flags;

	spin_lock_irqsave(&board->lock, flags);
	rate = board->rate;
	spin_unlock_irqrestore(&board->lock, flags);
	if (!rate)
		return want;

	now = ktime_get_ns();
	/* A slow stream must be able to save up for one byte. */
	window = max_t(u64, SIM_RATE_WINDOW_NS,
		       DIV64_U64_ROUND_UP(NSEC_PER_SEC, rate));
	if (now - stream->paced_ns > window)
		stream->paced_ns = now - window;

	budget = div_u64((now - stream->paced_ns) * rate, NSEC_PER_SEC);
	least = min_t(u64, want, max_t(u64, 1, div_u64(rate, SIM_RATE_QUANTA)));
	if (budget < least) {
		*wait_ns = div64_u64((least - budget) * NSEC_PER_SEC, rate);
		return 0;
	}
	want = min_t(u64, want, budget);
	stream->paced_ns += DIV64_U64_ROUND_UP((u64)want * NSEC_PER_SEC, rate);
	return want;
}

/* ---- one piece ----------------------------------------------------------- */

/* From the first send descriptor into the FIFO */
static bool sim_move_send(struct sim_board *board, u64 *wait_ns)
{
	struct sim_chan *chan = &board->chans[SIM_SEND];
	struct sim_fifo *fifo = &board->stream.fifo;
	struct sim_desc *desc;
	bool last;
	u32 len;
	u8 *to;

	to = sim_fifo_room(fifo, &len);
	if (!len)
		return false;
	desc = sim_engine_enter(chan);
	if (!desc)
		return false;

	len = min3(len, desc->len - desc->moved, SIM_STEP_BYTES);
	len = sim_rate_allows(board, len, wait_ns);
	sim_desc_copy(board, desc, to, len, SIM_SEND);
	last = len && len == desc->len - desc->moved;

	if (sim_engine_leave(chan, desc, len, last) && len)
		sim_fifo_push(fifo, len, last);
	return len;
}

/* Counting bytes into the FIFO, as long as a receive wants them */
static bool sim_move_source(struct sim_board *board, u64 *wait_ns)
{
	struct sim_chan *chan = &board->chans[SIM_RECV];
	struct sim_stream *stream = &board->stream;
	struct sim_desc *desc;
	unsigned long flags;
	u32 done, part, len;
	u8 *to;

	to = sim_fifo_room(&stream->fifo, &len);
	if (!len || stream->fifo.used)
		return false;

	spin_lock_irqsave(&board->lock, flags);
	desc = sim_chan_first(chan);
	if (!desc || desc->moved == desc->len)
		len = 0;
	if (!stream->made)
		stream->make = board->packet_bytes;
	spin_unlock_irqrestore(&board->lock, flags);
	if (!len)
		return false;

	len = min3(len, stream->make - stream->made, SIM_STEP_BYTES);
	len = sim_rate_allows(board, len, wait_ns);
	if (!len)
		return false;
	for (done = 0; done < len; done += part) {
		part = min_t(u32, len - done, PAGE_SIZE);
		memcpy(to + done, sim_pattern + stream->counter, part);
		stream->counter += part;
	}
	stream->made += len;
	sim_fifo_push(&stream->fifo, len, stream->made == stream->make);
	if (stream->made == stream->make)
		stream->made = 0;
	return true;
}

/* What nobody shall receive: all of a sink's, and the rest of a cut packet */
static bool sim_move_discard(struct sim_board *board)
{
	struct sim_stream *stream = &board->stream;
	bool moved = false;
	bool last;
	u32 len;

	while (stream->discard || board->info->kind == SIM_SINK) {
		sim_fifo_peek(&stream->fifo, &len, &last);
		if (!len)
			break;
		sim_fifo_pop(&stream->fifo, len);
		if (last)
			stream->discard = false;
		moved = true;
	}
	return moved;
}

/* The knob that cuts a packet acts on the one that begins now. */
static void sim_begin_packet(struct sim_board *board)
{
	unsigned long flags;

	spin_lock_irqsave(&board->lock, flags);
	board->stream.cut = board->short_packet;
	board->short_packet = 0;
	spin_unlock_irqrestore(&board->lock, flags);
}

/* From the FIFO into the first receive descriptor */
static bool sim_move_receive(struct sim_board *board)
{
	struct sim_chan *chan = &board->chans[SIM_RECV];
	struct sim_stream *stream = &board->stream;
	struct sim_desc *desc;
	u32 len, there;
	bool last, end;
	u8 *from;

	from = sim_fifo_peek(&stream->fifo, &there, &last);
	if (!there)
		return false;
	desc = sim_engine_enter(chan);
	if (!desc)
		return false;

	/* None if it is full: then it waits for a TLAST that can't come. */
	len = min3(there, desc->len - desc->moved, SIM_STEP_BYTES);
	if (!stream->out_pos && len)
		sim_begin_packet(board);
	if (stream->cut)
		len = min_t(u64, len, stream->cut - stream->out_pos);
	sim_desc_copy(board, desc, from, len, SIM_RECV);
	last = last && len == there;
	end = last || (stream->cut && stream->cut == stream->out_pos + len);

	if (!sim_engine_leave(chan, desc, len, end))
		return true;
	sim_fifo_pop(&stream->fifo, len);
	stream->out_pos += len;
	if (end) {
		stream->discard = !last;
		stream->out_pos = 0;
		stream->cut = 0;
	}
	return len;
}

/* A reset leaves nothing of the packets that were under way. */
static void sim_stream_flush(struct sim_board *board)
{
	struct sim_stream *stream = &board->stream;
	unsigned long flags;
	bool flush;

	spin_lock_irqsave(&board->lock, flags);
	flush = board->flush;
	board->flush = false;
	spin_unlock_irqrestore(&board->lock, flags);
	if (!flush)
		return;

	sim_fifo_reset(&stream->fifo);
	stream->out_pos = 0;
	stream->cut = 0;
	stream->discard = false;
	stream->made = 0;
}

/* Which channels have callbacks to run now */
static unsigned int sim_take_kicks(struct sim_board *board)
{
	unsigned int kicks = 0;
	unsigned long flags;
	int dir;

	spin_lock_irqsave(&board->lock, flags);
	for (dir = 0; dir < SIM_DIRS; dir++) {
		if (board->chans[dir].kick_callbacks)
			kicks |= BIT(dir);
		board->chans[dir].kick_callbacks = false;
	}
	spin_unlock_irqrestore(&board->lock, flags);

	return kicks;
}

static void sim_engine(struct work_struct *work)
{
	struct sim_board *board = container_of(to_delayed_work(work),
					       struct sim_board, work);
	u64 wait_ns = 0;
	bool moved;

	do {
		unsigned int kicks;
		int dir;

		wait_ns = 0;
		mutex_lock(&board->engine);
		sim_stream_flush(board);
		if (board->info->kind == SIM_SOURCE)
			moved = sim_move_source(board, &wait_ns);
		else
			moved = sim_move_send(board, &wait_ns);
		moved |= sim_move_discard(board);
		moved |= sim_move_receive(board);
		mutex_unlock(&board->engine);

		kicks = sim_take_kicks(board);
		for (dir = 0; dir < SIM_DIRS; dir++)
			if (kicks & BIT(dir))
				sim_chan_run_callbacks(&board->chans[dir]);
		cond_resched();
	} while (moved);

	/* A kick that came meanwhile has queued the engine already. */
	if (wait_ns)
		queue_delayed_work(board->workqueue, &board->work,
				   nsecs_to_jiffies(wait_ns) + 1);
}

/* Any context. Something has changed: look at it at once. */
void sim_engine_kick(struct sim_board *board)
{
	mod_delayed_work(board->workqueue, &board->work, 0);
}

int sim_stream_init(struct sim_board *board)
{
	int ret;

	ret = sim_fifo_init(&board->stream.fifo, SIM_FIFO_BYTES);
	if (ret)
		return ret;

	board->workqueue = alloc_ordered_workqueue(SIM_DRIVER_NAME "/%s", 0,
						   board->info->label);
	if (!board->workqueue) {
		sim_fifo_exit(&board->stream.fifo);
		return -ENOMEM;
	}
	INIT_DELAYED_WORK(&board->work, sim_engine);
	return 0;
}

void sim_stream_exit(struct sim_board *board)
{
	cancel_delayed_work_sync(&board->work);
	destroy_workqueue(board->workqueue);
	sim_fifo_exit(&board->stream.fifo);
}
