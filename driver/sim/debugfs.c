// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/kernel/debug/pinring_sim/<label>/: the knobs that make a board do what
 * hardware does on a bad day, and its counters. A knob acts at once.
 *
 * Faults are faults of the report: a dropped or failed completion is one of a
 * descriptor whose data has moved. A reader of the receive side thus never
 * finds an old packet because a test has failed a send.
 */
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/slab.h>

#include "internal.h"

/* Above it, the engine's budget arithmetic would overflow. */
#define SIM_RATE_MAX	(100ULL * NSEC_PER_SEC)

enum sim_type {
	SIM_U64,
	SIM_U32,
	SIM_BOOL,
};

/**
 * struct sim_knob - a file
 * @name: its name
 * @offset: of the value in struct sim_board
 * @type: of the value
 * @min: least value that can be written
 * @max: greatest one
 * @needs: the channels that the board must have, a mask of BIT(enum sim_dir)
 * @only_source: the board must be a source
 * @read_only: it is a counter
 * @apply: writes what is more than a value
 */
struct sim_knob {
	const char *name;
	size_t offset;
	enum sim_type type;
	u64 min;
	u64 max;
	u32 needs;
	bool only_source;
	bool read_only;
	int (*apply)(struct sim_board *board, u32 value);
};

#define SIM_AT(_field)	.offset = offsetof(struct sim_board, _field)
#define SIM_ON_SEND	.needs = BIT(SIM_SEND)
#define SIM_ON_RECV	.needs = BIT(SIM_RECV)
#define SIM_COUNTER	.read_only = true

static const struct sim_knob sim_knobs[] = {
	{ "hold_send", SIM_AT(chans[SIM_SEND].hold), SIM_BOOL,
	  .max = 1, SIM_ON_SEND },
	{ "hold_recv", SIM_AT(chans[SIM_RECV].hold), SIM_BOOL,
	  .max = 1, SIM_ON_RECV },
	{ "drop_completions", SIM_AT(drop), .max = U64_MAX },
	{ "drop_send_completions", SIM_AT(chans[SIM_SEND].drop),
	  .max = U64_MAX, SIM_ON_SEND },
	{ "drop_recv_completions", SIM_AT(chans[SIM_RECV].drop),
	  .max = U64_MAX, SIM_ON_RECV },
	{ "fail_send", SIM_AT(chans[SIM_SEND].fail),
	  .max = U64_MAX, SIM_ON_SEND },
	{ "fail_recv", SIM_AT(chans[SIM_RECV].fail),
	  .max = U64_MAX, SIM_ON_RECV },
	{ "refuse_submits", SIM_AT(refuse), .max = U64_MAX },
	{ "no_synchronize", SIM_AT(no_synchronize), SIM_BOOL,
	  .max = 1, .apply = sim_hide_synchronize },
	{ "short_packet", SIM_AT(short_packet), .max = U64_MAX, SIM_ON_RECV },
	{ "rate_bytes_per_s", SIM_AT(rate), .max = SIM_RATE_MAX },
	{ "fifo_bytes", SIM_AT(stream.fifo.limit), SIM_U32,
	  .min = 1, .max = SIM_FIFO_MAX, .apply = sim_fifo_resize },
	{ "packet_bytes", SIM_AT(packet_bytes), SIM_U32,
	  .min = 1, .max = U32_MAX, .only_source = true },

	{ "sent_packets", SIM_AT(chans[SIM_SEND].packets),
	  SIM_ON_SEND, SIM_COUNTER },
	{ "sent_bytes", SIM_AT(chans[SIM_SEND].bytes),
	  SIM_ON_SEND, SIM_COUNTER },
	{ "descriptors_send", SIM_AT(chans[SIM_SEND].descriptors),
	  SIM_ON_SEND, SIM_COUNTER },
	{ "bds_in_use_send", SIM_AT(chans[SIM_SEND].bds_used), SIM_U32,
	  SIM_ON_SEND, SIM_COUNTER },
	{ "received_packets", SIM_AT(chans[SIM_RECV].packets),
	  SIM_ON_RECV, SIM_COUNTER },
	{ "received_bytes", SIM_AT(chans[SIM_RECV].bytes),
	  SIM_ON_RECV, SIM_COUNTER },
	{ "descriptors_recv", SIM_AT(chans[SIM_RECV].descriptors),
	  SIM_ON_RECV, SIM_COUNTER },
	{ "bds_in_use_recv", SIM_AT(chans[SIM_RECV].bds_used), SIM_U32,
	  SIM_ON_RECV, SIM_COUNTER },
	{ "callbacks", SIM_AT(callbacks), SIM_COUNTER },
	{ "terminates", SIM_AT(terminates), SIM_COUNTER },
};

static int sim_knob_get(void *data, u64 *value)
{
	struct sim_file *file = data;
	struct sim_board *board = file->board;
	void *field = (void *)board + file->knob->offset;
	unsigned long flags;

	spin_lock_irqsave(&board->lock, flags);
	switch (file->knob->type) {
	case SIM_BOOL:
		*value = *(bool *)field;
		break;
	case SIM_U32:
		*value = *(u32 *)field;
		break;
	case SIM_U64:
		*value = *(u64 *)field;
	}
	spin_unlock_irqrestore(&board->lock, flags);
	return 0;
}

static int sim_knob_set(void *data, u64 value)
{
	struct sim_file *file = data;
	const struct sim_knob *knob = file->knob;
	struct sim_board *board = file->board;
	void *field = (void *)board + knob->offset;
	unsigned long flags;
	int ret;

	if (knob->read_only)
		return -EACCES;
	if (value < knob->min || value > knob->max)
		return -EINVAL;

	if (knob->apply) {
		ret = knob->apply(board, value);
		if (ret)
			return ret;
	} else {
		spin_lock_irqsave(&board->lock, flags);
		switch (knob->type) {
		case SIM_BOOL:
			*(bool *)field = value;
			break;
		case SIM_U32:
			*(u32 *)field = value;
			break;
		case SIM_U64:
			*(u64 *)field = value;
		}
		spin_unlock_irqrestore(&board->lock, flags);
	}
	sim_engine_kick(board);
	return 0;
}

DEFINE_DEBUGFS_ATTRIBUTE(sim_knob_fops, sim_knob_get, sim_knob_set, "%llu\n");

static bool sim_knob_fits(const struct sim_knob *knob,
			  const struct sim_board_info *info)
{
	if (knob->only_source && info->kind != SIM_SOURCE)
		return false;
	if (knob->needs & BIT(SIM_SEND) && !sim_has_send(info))
		return false;
	if (knob->needs & BIT(SIM_RECV) && !sim_has_recv(info))
		return false;
	return true;
}

int sim_debugfs_add(struct sim_board *board)
{
	int i;

	board->files = kcalloc(ARRAY_SIZE(sim_knobs), sizeof(*board->files),
			       GFP_KERNEL);
	if (!board->files)
		return -ENOMEM;

	board->debugfs = debugfs_create_dir(board->info->label,
					    sim_debugfs_root);
	for (i = 0; i < ARRAY_SIZE(sim_knobs); i++) {
		const struct sim_knob *knob = &sim_knobs[i];

		board->files[i].board = board;
		board->files[i].knob = knob;
		if (sim_knob_fits(knob, board->info))
			debugfs_create_file_unsafe(knob->name,
						   knob->read_only ? 0444 : 0644,
						   board->debugfs,
						   &board->files[i],
						   &sim_knob_fops);
	}
	return 0;
}

/* Waits for reads and writes under way; open files get EIO from then on. */
void sim_debugfs_remove(struct sim_board *board)
{
	debugfs_remove(board->debugfs);
	kfree(board->files);
}
