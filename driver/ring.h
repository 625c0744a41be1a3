/* SPDX-License-Identifier: GPL-2.0-only */
/* What one open file set up, its lanes, who is told of its completions, and whose it is. */
#ifndef PINRING_RING_H
#define PINRING_RING_H

#include <linux/atomic.h>
#include <linux/interrupt.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "limits.h"

struct pinring_channel;
struct pinring_device;
struct pinring_job;
struct pinring_part;

/* Someone who has rings, see user.c. */
struct pinring_user {
	struct list_head link;
	unsigned int rings;
	struct user_struct *account;	/* what pages are charged to */
	struct workqueue_struct *pin_wq;	/* lanes: pins may stall */
	struct workqueue_struct *reap_wq;	/* what is given back: unpins may, too */
	struct workqueue_struct *notify_wq;	/* never stalls: completes and tells */
};

struct pinring_lane {
	struct pinring_ring *ring;
	struct pinring_channel *channel;
	struct delayed_work work;

	/* under device->lock */
	struct list_head jobs;		/* with bytes that are not prepared yet */
	struct list_head ready;		/* parts, in order */
	struct list_head turn;		/* on channel->turns, while there are any */
	u32 parts;			/* prepared, not completed */
	unsigned long pages;		/* pinned by one-shot parts, and staged */
	bool running;
	bool again;
};

/* Tells who waits for a ring's completions, see notify.c. */
struct pinring_notifier {
	struct tasklet_struct tasklet;
	struct work_struct work;
	atomic_t asked;
	bool slow;			/* the last round took long */
	spinlock_t lock;		/* the eventfd, also while it is signalled */
	struct eventfd_ctx *eventfd;
};

struct pinring_ring {
	struct kref kref;
	struct pinring_device *pdev;
	struct list_head link;
	struct mm_struct *mm;		/* mmgrab()ed, compared, used for pins */
	struct files_struct *files;	/* compared only: whose close ends the ring */
	struct mutex end_mutex;		/* one end */
	struct pinring_user *user;
	unsigned long memlock_pages;	/* RLIMIT_MEMLOCK at SETUP; ULONG_MAX: none */
	atomic_long_t pinned;		/* pages */
	u32 directions;
	bool shared;
	bool claims;			/* under claim_mutex */

	/* The memory shared with user space, and the kernel's own indices. */
	void *area;
	size_t area_bytes;
	struct pinring_sq *sq;
	struct pinring_cq *cq;
	struct pinring_sqe *sqes;
	struct pinring_cqe *cqes;
	u32 sq_entries;
	u32 cq_entries;
	struct mutex submit_mutex;	/* SQ consumption */
	u32 sq_head;			/* under submit_mutex */
	atomic_t pieces;		/* of jobs' own arrays, see pinring_take_pieces() */

	/* under device->lock */
	u32 cq_tail;
	bool closing;			/* also under end_mutex */
	bool dead;			/* also under claim_mutex: outlived a reset of its device */
	struct list_head jobs;		/* outstanding, in the order of submission */
	struct list_head cursors;	/* of those who walk along jobs */
	struct list_head overflow;	/* settled, no room in the CQ */
	u32 drains;			/* posted since an ENTER, or by drain_work */
	u32 outstanding;
	u32 unreaped;			/* outstanding and overflow */

	wait_queue_head_t wait;
	struct pinring_notifier notifier;
	struct pinring_lane lane[PINRING_DIRS];
	struct llist_head reap;		/* parts that the provider is through with */
	struct mutex reap_mutex;	/* one reaper: completions stay in order */
	struct llist_head unpin;	/* parts that were let go of, but for their pages */
	struct mutex unpin_mutex;	/* one who unpins, and those who wait for pages */
	struct work_struct reap_work;
	struct work_struct drain_work;
	struct work_struct free_work;

	struct mutex buffer_mutex;	/* changes of the table, and of who lives */
	struct xarray buffers;
	struct list_head living;	/* under buffer_mutex: also replaced ones, until unpinned */
	wait_queue_head_t buffer_wait;
};

/* ring.c */
struct pinring_ring *pinring_ring_create(struct pinring_device *pdev,
					 struct pinring_setup *setup);
void pinring_ring_end(struct pinring_ring *ring);
void pinring_ring_bury(struct pinring_ring *ring);
void pinring_ring_get(struct pinring_ring *ring);
void pinring_ring_put(struct pinring_ring *ring);
int pinring_ring_submit(struct pinring_ring *ring, u32 to_submit, u32 *submitted);
int pinring_ring_wait(struct pinring_ring *ring, u32 min_complete, u64 deadline);
void pinring_ring_post(struct pinring_job *job);
void pinring_ring_let_go(struct pinring_ring *ring);
void pinring_ring_reap(struct pinring_ring *ring);
bool pinring_ring_readable(struct pinring_ring *ring);
bool pinring_ring_writable(struct pinring_ring *ring);
u64 pinring_deadline(u64 ns, bool absolute, u64 dflt);
ktime_t pinring_timeout(u64 deadline);

/* lane.c */
void pinring_lane_init(struct pinring_lane *lane, struct pinring_ring *ring,
		       struct pinring_channel *channel);
void pinring_lane_run(struct pinring_lane *lane);
void pinring_lanes_run(struct pinring_ring *ring);
void pinring_lane_kick(struct pinring_lane *lane, unsigned long delay);
void pinring_lane_again(struct pinring_lane *lane);
void pinring_lane_refund(struct pinring_part *part, unsigned long npages);

/* notify.c */
void pinring_notify_init(struct pinring_ring *ring);
void pinring_notify_exit(struct pinring_ring *ring);
void pinring_notify_later(struct pinring_ring *ring);
void pinring_notify_end(struct pinring_ring *ring);
struct eventfd_ctx *pinring_notify_eventfd(struct pinring_ring *ring,
					   struct eventfd_ctx *eventfd);

/* user.c */
struct pinring_user *pinring_user_get(void);
void pinring_user_put(struct pinring_user *user);
void pinring_users_wait(void);
int pinring_claim(struct pinring_ring *ring);
void pinring_unclaim(struct pinring_ring *ring);

#endif /* PINRING_RING_H */
