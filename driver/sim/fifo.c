// SPDX-License-Identifier: GPL-2.0-only
/*
 * The bounded FIFO between the channels: a ring of bytes, and a bit for each
 * byte that TLAST came with, so that packets of any length keep their ends.
 */
#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "internal.h"

int sim_fifo_init(struct sim_fifo *fifo, u32 bytes)
{
	memset(fifo, 0, sizeof(*fifo));
	fifo->data = kvmalloc(bytes, GFP_KERNEL);
	fifo->last = kvcalloc(BITS_TO_LONGS(bytes), sizeof(long), GFP_KERNEL);
	if (!fifo->data || !fifo->last) {
		sim_fifo_exit(fifo);
		return -ENOMEM;
	}
	fifo->size = bytes;
	fifo->limit = bytes;
	return 0;
}

void sim_fifo_exit(struct sim_fifo *fifo)
{
	kvfree(fifo->data);
	kvfree(fifo->last);
	fifo->data = NULL;
	fifo->last = NULL;
}

void sim_fifo_reset(struct sim_fifo *fifo)
{
	if (fifo->lasts)
		bitmap_zero(fifo->last, fifo->size);
	fifo->lasts = 0;
	fifo->head = 0;
	fifo->used = 0;
}

/* Where the next bytes go: a contiguous stretch of *len bytes, maybe 0. */
u8 *sim_fifo_room(struct sim_fifo *fifo, u32 *len)
{
	u32 tail = fifo->head + fifo->used;
	u32 room = fifo->limit > fifo->used ? fifo->limit - fifo->used : 0;

	if (tail >= fifo->size)
		tail -= fifo->size;
	*len = min(room, fifo->size - tail);
	return fifo->data + tail;
}

/* The bytes are there: @len of what sim_fifo_room() has offered. */
void sim_fifo_push(struct sim_fifo *fifo, u32 len, bool last)
{
	u32 end = fifo->head + fifo->used + len - 1;

	if (end >= fifo->size)
		end -= fifo->size;
	if (last) {
		__set_bit(end, fifo->last);
		fifo->lasts++;
	}
	fifo->used += len;
}

/*
 * The oldest bytes: a contiguous stretch of *len bytes, maybe 0, that does not
 * reach beyond a packet's end; *last if it ends there.
 */
u8 *sim_fifo_peek(struct sim_fifo *fifo, u32 *len, bool *last)
{
	u32 end = fifo->head + min(fifo->used, fifo->size - fifo->head);
	u32 bit = end;

	if (fifo->lasts)
		bit = find_next_bit(fifo->last, end, fifo->head);
	*last = bit < end;
	*len = (*last ? bit + 1 : end) - fifo->head;
	return fifo->data + fifo->head;
}

/* Takes @len bytes of what sim_fifo_peek() has shown. */
void sim_fifo_pop(struct sim_fifo *fifo, u32 len)
{
	if (!len)
		return;
	if (__test_and_clear_bit(fifo->head + len - 1, fifo->last))
		fifo->lasts--;
	fifo->used -= len;
	fifo->head += len;
	/* Start over when empty: the next bytes are then one stretch again. */
	if (fifo->head == fifo->size || !fifo->used)
		fifo->head = 0;
}

/*
 * Gives the FIFO a new depth. What is in it stays, also when it is more than
 * the new depth; then nothing gets in until it has drained so far.
 */
int sim_fifo_resize(struct sim_board *board, u32 bytes)
{
	struct sim_fifo *fifo = &board->stream.fifo;
	struct sim_fifo fresh;
	u32 len;
	int ret = 0;

	mutex_lock(&board->engine);
	if (bytes <= fifo->size) {
		fifo->limit = bytes;
		goto out;
	}
	ret = sim_fifo_init(&fresh, bytes);
	if (ret)
		goto out;
	while (fifo->used) {
		bool last;
		u8 *from = sim_fifo_peek(fifo, &len, &last);
		u32 room;
		u8 *to = sim_fifo_room(&fresh, &room);

		memcpy(to, from, len);
		sim_fifo_push(&fresh, len, last);
		sim_fifo_pop(fifo, len);
	}
	sim_fifo_exit(fifo);
	*fifo = fresh;
out:
	mutex_unlock(&board->engine);
	return ret;
}
