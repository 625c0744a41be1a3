/* SPDX-License-Identifier: GPL-2.0-only */
/* One dmaengine channel: what its provider is, what was handed to it, and its end. */
#ifndef PINRING_CHANNEL_H
#define PINRING_CHANNEL_H

#include <linux/dmaengine.h>
#include <linux/interrupt.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/workqueue.h>

#include "limits.h"

struct pinring_channel;
struct pinring_device;
struct pinring_part;
struct pinring_ring;

/**
 * struct pinring_axidma - a channel of an AXI DMA, see axidma.c
 * @regs: the channel's DMACR and what follows, only read; NULL: no AXI DMA.
 * @irq: the channel's interrupt, or negative.
 * @bds: BDs that the provider has for it, as counted.
 * @max_length: what fits the length field of a BD.
 * @align: of addresses; 1 with a data realignment engine.
 * @irq_delay: the delay timer is on.
 * @sets_max_seg: the provider has set its segment limit.
 */
struct pinring_axidma {
	void __iomem *regs;
	int irq;
	u32 bds;
	u32 max_length;
	u32 align;
	u8 irq_delay;
	bool sets_max_seg;
};

/**
 * struct pinring_quirk - what dmaengine does not tell about a provider
 * @provider: name of the dmaengine driver.
 * @name: what people call it; NULL: the same.
 * @ask: learns what @fits looks at; may refuse the channel. NULL: nothing to.
 * @fits: the row is for a channel like this. NULL: for any.
 * @bds: BDs of one channel.
 * @recv_depth: receives handed over at a time.
 * @exact_short: a receive of several BDs that ends early reports its bytes,
 *	and no BD of it is armed when its end is reported, whatever the result.
 * @delay_reports_each: with the delay timer on, each packet is reported by
 *	itself, however many receives are handed over.
 * @delay_completes_all: the delay timer's interrupt, which follows a packet
 *	after its time, ends all that is active then, done or not; so a channel
 *	with the timer on is refused.
 * @issue_each: one issue for each submit.
 * @raise_max_seg: it splits a segment by itself, and only left its segment
 *	limit at dmaengine's default.
 * @stop_spoils_bds: after a stop its BDs are good again only when the channel
 *	was released.
 * @simulator: no hardware behind it.
 */
struct pinring_quirk {
	const char *provider;
	const char *name;
	int (*ask)(struct pinring_channel *channel);
	bool (*fits)(const struct pinring_axidma *axidma);
	u32 bds;
	u32 recv_depth;
	bool exact_short;
	bool delay_reports_each;
	bool delay_completes_all;
	bool issue_each;
	bool raise_max_seg;
	bool stop_spoils_bds;
	bool simulator;
};

/* Runs on the CPU of the provider's callback, after the provider's tasklet. */
struct pinring_fence {
	struct tasklet_struct tasklet;
	struct pinring_channel *channel;
};

/* Counters of one channel, under device->lock; see stats.c. */
struct pinring_stats {
	u64 jobs;
	u64 packets;
	u64 bytes;
	u64 bounced;
	u64 bds;
	u64 pages;
	u64 errors;
};

struct pinring_channel {
	struct pinring_device *pdev;
	enum pinring_dir dir;
	struct dma_chan *dma;		/* NULL: the device has no such direction */
	struct device *dma_dev;		/* what memory is mapped against */
	const struct pinring_quirk *quirk;
	struct pinring_axidma axidma;
	u32 bds;
	u32 max_bd_bytes;
	u32 align;
	u32 max_seg;
	u32 depth;			/* parts handed over at a time */
	u32 batch_depth;		/* those of a batch that was promised */

	struct mutex mutex;		/* prep to issue */
	struct delayed_work pump_work;
	unsigned int prep_failures;	/* under mutex */
	unsigned int refusals;		/* under mutex: in a row, each after a while */
	unsigned long refused_until;	/* under mutex, in jiffies: the end of that while */
	struct pinring_fence __percpu *fence;

	/* under device->lock */
	struct list_head turns;		/* lanes with parts that are ready */
	struct list_head issued;
	u32 issued_parts;
	u32 issued_bds;			/* with those that are cooling */
	u32 cooling;			/* BDs whose callback may not have returned yet */
	struct pinring_fence *cooling_fence;
	bool halted;			/* the provider takes nothing before a recovery */
	u64 progress;			/* CLOCK_MONOTONIC ns of the last completion */
	struct pinring_part *silent;	/* the oldest when the watch saw it silent, compared only */
	u64 silent_since;		/* progress as it was then */
	struct pinring_stats stats;

	/* under device->claim_mutex */
	struct pinring_ring *claimed_by;	/* exclusive */
	unsigned int claimed_shared;
};

/* quirk.c */
int pinring_quirk_find(struct pinring_channel *channel);

/* axidma.c */
int pinring_axidma_ask(struct pinring_channel *channel);
void pinring_axidma_forget(struct pinring_channel *channel);
bool pinring_axidma_stopped(const struct pinring_channel *channel);
bool pinring_axidma_halted(const struct pinring_channel *channel);
bool pinring_axidma_erred(const struct pinring_channel *channel);
bool pinring_axidma_silent(const struct pinring_channel *channel, u32 parts, u32 shortest,
			   u32 *residue);
void pinring_axidma_wait_irq(const struct pinring_channel *channel);

/* channel.c */
int pinring_pump_init(struct pinring_channel *channel);
void pinring_pump_exit(struct pinring_channel *channel);
void pinring_channel_pump(struct pinring_channel *channel);
void pinring_channel_add(struct pinring_part *part);
void pinring_channel_untake(struct pinring_part *part);
void pinring_channel_withdraw(struct pinring_part *part);
void pinring_channel_lost(struct pinring_channel *channel, bool own);
void pinring_channel_silent(struct pinring_channel *channel, u32 residue);
void pinring_channel_emptied(struct pinring_channel *channel);

/* seat.c */
int pinring_channel_init(struct pinring_device *pdev, enum pinring_dir dir);
void pinring_channel_exit(struct pinring_channel *channel);
bool pinring_channels_stop(struct pinring_device *pdev);
bool pinring_channels_reseat(struct pinring_device *pdev);
void pinring_stream_reset(struct pinring_device *pdev);

/*
 * At most what xilinx_dma makes of a segment (xilinx_dma_calc_copysize()): it
 * cuts at the limit of a BD, rounded down to its alignment but in the last one.
 */
static inline u32 pinring_channel_bds(const struct pinring_channel *channel, u64 bytes)
{
	return DIV_ROUND_UP_ULL(bytes, channel->max_bd_bytes);
}

#endif /* PINRING_CHANNEL_H */
