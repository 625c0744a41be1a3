/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pinring driver, internals.
 *
 * Objects
 *
 *	device	one /dev/pinringN. Refcounted: an open file outlives an unbind.
 *	channel	one dmaengine slave channel of the device, for one direction.
 *	user	who has rings: a count of them, and workers of its own.
 *	ring	what one open file set up: SQ, CQ, registered buffers, jobs.
 *	lane	the jobs of one ring for one direction, in order. Prepares them
 *		(pin, map) a window ahead of the channel.
 *	job	one SQE. One or, with SPLIT, many parts.
 *	part	one packet of a job: one dmaengine descriptor.
 *	buffer	memory registered with a ring: pinned and mapped once.
 *
 * A part's way: lane prepares it (process context, no lock held while it
 * pins) -> lane->ready -> pump hands it to the provider, lanes in turn and
 * within the BD budget -> channel->issued -> provider's callback, or recovery
 * -> let go of: unmapped, and accounted to its job -> its pages are unpinned by
 * the ring's reap work.
 *
 * A job's outcome is fixed once, under device->lock, by whichever comes first
 * of completion, error, deadline, cancel, close and unbind; it is posted when
 * none of its parts is with the provider or waits for a CPU sync.
 *
 * Lock order, outermost first
 *
 *	file->setup_mutex
 *	ring->end_mutex			the end of a ring
 *	ring->unpin_mutex		unpins pages of completed parts, and may so be
 *					held for ever: taken for the ring's own sake
 *					only, and nothing but device->lock under it
 *	ring->submit_mutex		SQ consumption
 *	pinring_users_mutex		the list of users; nothing is taken under it
 *	device->claim_mutex		claims, the list of rings
 *	ring->buffer_mutex		changes of the buffer table
 *	device->recover_mutex		one recovery at a time
 *	channel->mutex			from prep to issue; SEND before RECV
 *	ring->reap_mutex		lets go of completed parts
 *	device->live (rwsem)		held for reading while who is to use the
 *					provider's device is counted in
 *					device->mapped, or syncs a mapping that
 *					is not its own;
 *					for writing by unbind only, with no other
 *	device->lock (irq-safe spinlock)	all lists and states of jobs, parts,
 *					lanes and channels, and the CQ
 *
 * Beside them, with no other: notifier->lock, and the locks of who waits for
 * completions (wait queues, eventfds, epolls).
 *
 * No lock is held while user pages are pinned: a fault may take for ever
 * (userfaultfd, FUSE). While they are unpinned, which may take as long, none is
 * that an unbind or another ring needs. Provider callbacks (tasklet) take
 * device->lock only.
 */
#ifndef PINRING_INTERNAL_H
#define PINRING_INTERNAL_H

#include <linux/kref.h>
#include <linux/miscdevice.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/timerqueue.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "limits.h"
#include "buffer.h"
#include "channel.h"
#include "job.h"
#include "part.h"
#include "ring.h"

struct pinring_device {
	struct kref kref;
	struct device *dev;		/* valid until remove */
	struct miscdevice misc;
	int id;
	char node_name[24];
	struct pinring_info info;	/* constant after probe, but for DEAD */
	struct pinring_channel channel[PINRING_DIRS];

	struct mutex claim_mutex;	/* claims, list of rings */
	struct mutex recover_mutex;	/* one recovery at a time */
	struct rw_semaphore live;	/* read: maps against the provider */
	spinlock_t lock;		/* lists and states, see above */
	bool dead;			/* under lock; by unbind under live for writing, too */
	bool quarantine;		/* under lock: an engine may not have stopped */
	u32 resets;			/* under lock: each ended a quarantine */
	bool gone;			/* under lock: it leaves, and is never to be reset */
	bool asleep;			/* under lock: nothing is handed over */
	struct reset_control *stream_reset;	/* of what is behind the stream, or NULL */
	struct list_head rings;		/* changed under claim_mutex and lock */
	u64 recoveries;
	u64 quarantined;		/* under lock: pages that stay pinned */
	struct list_head kept;		/* under lock: see quarantine.c */

	atomic_t mapped;		/* parts and buffers that use the provider's device */
	wait_queue_head_t unmapped;

	struct delayed_work deadline_work;
	u64 deadline_next;		/* under lock; when deadline_work runs */
	struct timerqueue_head timers;	/* under lock: jobs with a deadline, the next one first */
	struct list_head patient;	/* under lock: sends without one, as they were submitted */
	struct delayed_work watch_work;
	bool watched;			/* under lock; watch_work is on its way */
	struct delayed_work recover_work;
	struct work_struct dead_work;
};

struct pinring_file {
	struct pinring_device *pdev;
	struct mutex setup_mutex;	/* one SETUP at a time */
	struct pinring_ring *created;	/* under setup_mutex; SETUP's caller does not know yet */
	struct pinring_ring *ring;	/* store-release by SETUP, load-acquire by all */
};

extern struct workqueue_struct *pinring_wq;
extern const struct file_operations pinring_fops;

/* main.c */
void pinring_device_get(struct pinring_device *pdev);
void pinring_device_put(struct pinring_device *pdev);

/* quarantine.c */
bool pinring_quarantine_holds(struct pinring_device *pdev, u32 resets);
void pinring_quarantine_part(struct pinring_part *part);
void pinring_quarantine_buffer(struct pinring_buffer_entry *buffer);
void pinring_quarantine_end(struct list_head *kept);
void pinring_quarantine_forget(struct pinring_device *pdev);

/* stats.c */
extern const struct attribute_group *pinring_attr_groups[];

/* recover.c */
void pinring_recover_init(struct pinring_device *pdev);
void pinring_recover_exit(struct pinring_device *pdev);
void pinring_recover(struct pinring_device *pdev);
void pinring_recover_last(struct pinring_device *pdev);
int pinring_device_reset(struct pinring_device *pdev);
void pinring_recover_power(struct pinring_device *pdev, bool asleep);
void pinring_deadline_add(struct pinring_job *job);
void pinring_deadline_del(struct pinring_job *job);
void pinring_watch_arm(struct pinring_channel *channel);

/* No transfer of this ring's any more. Exact under device->lock. */
static inline bool pinring_ring_dead(const struct pinring_ring *ring)
{
	return READ_ONCE(ring->pdev->dead) || READ_ONCE(ring->dead);
}

/*
 * device->lock where a task may post completions: those who wait are told as it
 * is given back, rather than by ksoftirqd.
 */
static inline void pinring_post_lock(struct pinring_device *pdev)
{
	local_bh_disable();
	spin_lock_irq(&pdev->lock);
}

static inline void pinring_post_unlock(struct pinring_device *pdev)
{
	spin_unlock_irq(&pdev->lock);
	local_bh_enable();
}

static inline struct pinring_channel *pinring_part_channel(const struct pinring_part *part)
{
	return &part->job->ring->pdev->channel[part->job->dir];
}

static inline bool pinring_part_oneshot(const struct pinring_part *part)
{
	return !part->job->buffer;
}

static inline enum dma_data_direction pinring_part_dma_dir(const struct pinring_part *part)
{
	return part->job->dir == PINRING_SEND ? DMA_TO_DEVICE : DMA_FROM_DEVICE;
}

static inline struct pinring_lane *pinring_job_lane(const struct pinring_job *job)
{
	return &job->ring->lane[job->dir];
}

#endif /* PINRING_INTERNAL_H */
