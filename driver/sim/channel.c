// SPDX-License-Identifier: GPL-2.0-only
/*
 * A channel: the way of its descriptors from being issued to the callback, and
 * the reset that ends it early.
 *
 * prepared -> submitted -> waiting -> active -> (ended ->) done -> callback
 *                                          `-> lost
 */
#include <linux/slab.h>

#include "internal.h"

/* ---- from submission to the callback ------------------------------------ */

/*
 * Gives the hardware what was issued. xilinx_dma does that only when the
 * channel is idle, and sets the interrupt threshold to the number of
 * descriptors: none of them is reported before all of them are over.
 */
void sim_chan_restart(struct sim_chan *chan)
{
	lockdep_assert_held(&chan->board->lock);

	if (chan->batch) {
		if (!list_empty(&chan->active) || !list_empty(&chan->ended) ||
		    list_empty(&chan->waiting))
			return;
		chan->threshold = list_count_nodes(&chan->waiting);
		chan->unreported = 0;
	}
	list_splice_tail_init(&chan->waiting, &chan->active);
}

/* Hands a descriptor over to the tasklet; the engine schedules that. */
static void sim_chan_report(struct sim_chan *chan, struct sim_desc *desc)
{
	chan->chan.completed_cookie = desc->txd.cookie;
	list_move_tail(&desc->node, &chan->done);
	chan->kick_callbacks = true;
}

static bool sim_take_one(u64 *count)
{
	if (!*count)
		return false;
	(*count)--;
	return true;
}

/* The engine has finished with @desc, the first of the active list. */
void sim_chan_complete(struct sim_chan *chan, struct sim_desc *desc)
{
	struct sim_board *board = chan->board;
	struct sim_desc *next;

	lockdep_assert_held(&board->lock);

	chan->descriptors++;
	if (sim_take_one(&chan->drop) || sim_take_one(&board->drop)) {
		list_move_tail(&desc->node, &chan->lost);
	} else {
		/* Memory is what can't be accessed, on either side. */
		if (sim_take_one(&chan->fail))
			desc->result = chan->dir == SIM_SEND ?
				DMA_TRANS_READ_FAILED : DMA_TRANS_WRITE_FAILED;
		if (chan->batch)
			list_move_tail(&desc->node, &chan->ended);
		else
			sim_chan_report(chan, desc);
	}

	if (chan->batch && ++chan->unreported >= chan->threshold) {
		list_for_each_entry_safe(desc, next, &chan->ended, node)
			sim_chan_report(chan, desc);
		sim_chan_restart(chan);
	}
}

/*
 * A real provider's interrupt is followed by its tasklet at once; from a
 * worker, only the end of a bottom-half section gives that.
 */
void sim_chan_run_callbacks(struct sim_chan *chan)
{
	local_bh_disable();
	tasklet_schedule(&chan->callbacks);
	local_bh_enable();
}

static void sim_callbacks(struct tasklet_struct *t)
{
	struct sim_chan *chan = container_of(t, struct sim_chan, callbacks);
	struct sim_board *board = chan->board;
	struct dmaengine_result result;
	struct sim_desc *desc;
	unsigned long flags;

	spin_lock_irqsave(&board->lock, flags);
	/* Look afresh each time: a callback may terminate the channel. */
	while (!list_empty(&chan->done)) {
		desc = list_first_entry(&chan->done, struct sim_desc, node);
		list_del(&desc->node);
		spin_unlock_irqrestore(&board->lock, flags);

		result.result = desc->result;
		result.residue = desc->len - desc->moved;
		if (desc->txd.callback_result)
			desc->txd.callback_result(desc->txd.callback_param,
						  &result);
		else if (desc->txd.callback)
			desc->txd.callback(desc->txd.callback_param);

		spin_lock_irqsave(&board->lock, flags);
		board->callbacks++;
		/* After the callback, as xilinx_dma does. */
		chan->bds_used -= desc->bds;
		kfree(desc);
	}
	spin_unlock_irqrestore(&board->lock, flags);
}

void sim_chan_init(struct sim_board *board, enum sim_dir dir)
{
	struct sim_chan *chan = &board->chans[dir];

	chan->board = board;
	chan->dir = dir;
	chan->threshold = 1;
	INIT_LIST_HEAD(&chan->prepared);
	INIT_LIST_HEAD(&chan->submitted);
	INIT_LIST_HEAD(&chan->waiting);
	INIT_LIST_HEAD(&chan->active);
	INIT_LIST_HEAD(&chan->ended);
	INIT_LIST_HEAD(&chan->lost);
	INIT_LIST_HEAD(&chan->done);
	tasklet_setup(&chan->callbacks, sim_callbacks);
}

/* ---- reset --------------------------------------------------------------- */

static struct sim_chan *sim_other(struct sim_chan *chan)
{
	return &chan->board->chans[!chan->dir];
}

/* Moves a list's descriptors to @dead, and their BDs to the pool. */
void sim_chan_drop(struct sim_chan *chan, struct list_head *list,
		   struct list_head *dead)
{
	struct sim_desc *desc, *next;

	list_for_each_entry_safe(desc, next, list, node) {
		chan->bds_used -= desc->bds;
		if (desc == chan->busy) {
			desc->dead = true;
			list_del(&desc->node);
		} else {
			list_move_tail(&desc->node, dead);
		}
	}
}

static bool sim_chan_working(const struct sim_chan *chan)
{
	return !list_empty(&chan->waiting) || !list_empty(&chan->active) ||
	       !list_empty(&chan->ended);
}

/*
 * Resets the engine on @chan's account. The reset of either channel of an AXI
 * DMA resets both (see __axienet_device_reset() in the kernel), so work of the
 * other one never ends; dmaengine can't tell its client, who has to terminate
 * that one too.
 */
void sim_chan_reset(struct sim_chan *chan, struct list_head *dead)
{
	struct sim_chan *other = sim_other(chan);

	lockdep_assert_held(&chan->board->lock);

	sim_chan_drop(chan, &chan->submitted, dead);
	sim_chan_drop(chan, &chan->waiting, dead);
	sim_chan_drop(chan, &chan->active, dead);
	sim_chan_drop(chan, &chan->ended, dead);
	sim_chan_drop(chan, &chan->lost, dead);
	sim_chan_drop(chan, &chan->done, dead);
	chan->kick_callbacks = false;
	chan->halted = false;
	chan->board->flush = true;
	if (sim_chan_working(other))
		other->halted = true;
}

void sim_free_list(struct list_head *dead)
{
	struct sim_desc *desc, *next;

	list_for_each_entry_safe(desc, next, dead, node)
		kfree(desc);
}

void sim_chan_synchronize(struct sim_chan *chan)
{
	struct sim_board *board = chan->board;
	unsigned long flags;
	bool again;

	/* What was terminated in mid-copy is the engine's until it lets go. */
	mutex_lock(&board->engine);
	mutex_unlock(&board->engine);

	tasklet_kill(&chan->callbacks);

	/* tasklet_kill() swallows what was scheduled meanwhile. */
	spin_lock_irqsave(&board->lock, flags);
	again = !list_empty(&chan->done);
	spin_unlock_irqrestore(&board->lock, flags);
	if (again)
		sim_chan_run_callbacks(chan);
}
