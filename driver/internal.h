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
 * -> accounted to its job -> its memory is released by the ring's reap work.
 *
 * A job's outcome is fixed once, under device->lock, by whichever comes first
 * of completion, error, deadline, cancel, close and unbind; it is posted when
 * none of its parts is with the provider or waits for a CPU sync.
 *
 * Lock order, outermost first
 *
 *	file->setup_mutex
 *	ring->end_mutex			the end of a ring
 *	ring->submit_mutex		SQ consumption
 *	pinring_users_mutex		the list of users; nothing is taken under it
 *	device->claim_mutex		claims, the list of rings
 *	ring->buffer_mutex		changes of the buffer table
 *	device->recover_mutex		one recovery at a time
 *	channel->mutex			from prep to issue; SEND before RECV
 *	ring->reap_mutex		releases completed parts
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
 * (userfaultfd, FUSE). Provider callbacks (tasklet) take device->lock only.
 */
#ifndef PINRING_INTERNAL_H
#define PINRING_INTERNAL_H

#include <linux/dma-mapping.h>
#include <linux/dmaengine.h>
#include <linux/interrupt.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/miscdevice.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/rwsem.h>
#include <linux/scatterlist.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "../uapi/pinring.h"

#define PINRING_VERSION		"0.1.0"

#define PINRING_MAX_SQ_ENTRIES	4096U
#define PINRING_MAX_CQ_ENTRIES	8192U
#define PINRING_MAX_JOBS	8192U
#define PINRING_MAX_BUFFERS	1024U
#define PINRING_MAX_RINGS	256U	/* of one device */
#define PINRING_MAX_USER_RINGS	64U	/* of them, one user's */
#define PINRING_MAX_USER_TOTAL	1024U	/* of all devices, with those on their way out */
#define PINRING_MAX_IOV		1024U
#define PINRING_END_BATCH	128U	/* jobs ended or posted with interrupts off, at a time */
#define PINRING_MAX_JOB_BYTES	BIT_ULL(40)
#define PINRING_MAX_BUFFER_BYTES BIT_ULL(30)

/* In a row, each counted after a while, before the device is given up: 2.6 s. */
#define PINRING_REFUSALS	8U

/* Entries of a part's scatterlist that need no allocation. */
#define PINRING_INLINE_SG	4

/* Fragments at the ends of a part that may be staged. */
#define PINRING_EDGES		2

/* Parts of one lane that are prepared and not completed. */
#define PINRING_LANE_PARTS	64U

/*
 * Mapping and CPU syncs are apart, always: a registered buffer is synced per
 * job, and unmapping it must not write an old bounce buffer (swiotlb) over
 * what the program has put there since. It also is what keeps a program that
 * names the same memory in two receives from raising a DMA-API warning.
 */
#define PINRING_MAP_ATTRS	DMA_ATTR_SKIP_CPU_SYNC

enum pinring_dir {
	PINRING_SEND,
	PINRING_RECV,
	PINRING_DIRS,
};

struct pinring_buffer_entry;
struct pinring_channel;
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
	struct delayed_work watch_work;
	bool watched;			/* under lock; watch_work is on its way */
	struct delayed_work recover_work;
	struct work_struct dead_work;
};

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

	/* under device->lock */
	u32 cq_tail;
	bool closing;			/* also under end_mutex */
	bool dead;			/* also under claim_mutex: outlived a reset of its device */
	struct list_head jobs;		/* outstanding, in the order of submission */
	struct list_head overflow;	/* settled, no room in the CQ */
	u32 drains;			/* posted since an ENTER, or by drain_work */
	u32 outstanding;
	u32 unreaped;			/* outstanding and overflow */

	wait_queue_head_t wait;
	struct pinring_notifier notifier;
	struct pinring_lane lane[PINRING_DIRS];
	struct llist_head reap;
	struct mutex reap_mutex;	/* one reaper: completions stay in order */
	struct work_struct reap_work;
	struct work_struct drain_work;
	struct work_struct free_work;

	struct mutex buffer_mutex;	/* changes of the table */
	struct xarray buffers;
	wait_queue_head_t buffer_wait;
};

enum pinring_part_state {
	PINRING_PART_FREE,
	PINRING_PART_PREPARING,		/* its lane pins and maps it */
	PINRING_PART_READY,		/* on lane->ready */
	PINRING_PART_ISSUED,		/* on channel->issued: the provider has it */
	PINRING_PART_DONE,		/* the provider is through with it */
};

enum pinring_bounce {
	PINRING_BOUNCE_NONE,
	PINRING_BOUNCE_EDGES,
	PINRING_BOUNCE_WHOLE,
};

/**
 * struct pinring_span - contiguous memory of a stage, see bounce.c
 * @page: its first page.
 * @addr: of its first byte, for the device.
 * @at: where that is in the page.
 * @bytes: of the allocation; 0: it lies in that of the span before it.
 * @offset: of its first byte in the part.
 * @len: bytes of the part.
 */
struct pinring_span {
	struct page *page;
	dma_addr_t addr;
	u32 at;
	u32 bytes;
	u32 offset;
	u32 len;
};

struct pinring_stage {
	struct pinring_span *spans;
	u32 nspans;
	struct pinring_span edges[PINRING_EDGES];
};

struct pinring_part {
	struct pinring_job *job;
	struct list_head link;
	struct llist_node reap;
	enum pinring_part_state state;
	bool accounted;
	u64 offset;			/* of its first byte in the job */
	u32 first_piece;		/* where that is, in one-shot memory */
	u64 first_offset;
	u32 len;
	u32 bds;
	u32 moved;			/* bytes, by the provider's word */
	u32 bounced;			/* bytes that were copied */
	int error;

	enum pinring_bounce bounce;	/* what of it goes by way of the stage */
	bool one_bd;			/* it must be one BD */
	u32 head;			/* bytes at its ends that are staged: edges */
	u32 tail;
	struct pinring_stage stage;

	bool held;			/* counted in device->mapped */
	bool need_sync;			/* CPU must not read before a sync or a copy */
	bool quarantined;		/* the hardware may still use the memory */
	u32 resets;			/* the device's, when it was quarantined */
	unsigned long charged;		/* pages, to RLIMIT_MEMLOCK and to the lane */

	/* one-shot memory */
	struct page **pages;
	unsigned long npages;
	bool mapped;
	struct sg_table sgt;

	/* what the provider is given */
	struct scatterlist *list;
	u32 nlist;
	struct scatterlist inline_sg[PINRING_INLINE_SG];
};

/* Where a walk over the memory of a part is, see walk.c. */
struct pinring_walk {
	const struct pinring_part *part;
	struct page **pages;
	u32 piece;
	u64 skip;
	u64 last;
	u64 left;			/* bytes behind the piece at hand */
	unsigned long npages;		/* pages up to its end */

	/* the piece at hand */
	u64 addr;
	u64 len;
	unsigned long page;		/* index of its first page */
};

/* What of it lies in one page. */
struct pinring_run {
	struct page *page;
	u32 offset;
	u32 len;
};

enum pinring_job_state {
	PINRING_JOB_QUEUED,		/* nothing of it was handed to the provider */
	PINRING_JOB_ACTIVE,
	PINRING_JOB_SETTLED,		/* its outcome is fixed and on the way to the CQ */
};

struct pinring_job {
	refcount_t refs;		/* the ring's list, and each part in use */
	struct pinring_ring *ring;
	struct list_head link;		/* ring->jobs, then ring->overflow */
	struct list_head lane_link;	/* lane->jobs while bytes are unprepared */
	struct list_head doomed_link;	/* pinring_jobs_end() */
	struct pinring_job *ender;	/* completes after this one; holds a reference */
	u32 ending;			/* those of an ender; and one until all are found */

	u64 user_data;
	u32 sqe_flags;
	u8 opcode;
	enum pinring_dir dir;
	u64 len;
	u64 deadline;			/* CLOCK_MONOTONIC ns; U64_MAX: none */
	u64 patience;			/* ns without progress of the channel; 0: deadline counts */
	u64 submitted;			/* CLOCK_MONOTONIC ns, with patience */

	/* where the bytes are */
	struct pinring_iovec piece;	/* the one piece of a plain job */
	struct pinring_iovec *pieces;	/* &piece, or an array of our own */
	u32 npieces;
	struct pinring_buffer_entry *buffer;
	u64 buffer_offset;

	/* under device->lock */
	enum pinring_job_state state;
	u64 prepared;			/* bytes handed out as parts */
	u32 parts_out;			/* parts that are not accounted yet */
	int error;
	int stopped;			/* error, once no part is out: pinring_job_stop() */
	u64 bytes;
	u32 cqe_flags;
	u32 provider_result;

	/* used by the lane's runner only */
	u32 cur_piece;			/* cursor of prepare */
	u64 cur_offset;
	u64 starved_since;		/* ns; when it first waited for RLIMIT_MEMLOCK */

	struct pinring_part part[2];
};

/* One contiguous piece of a registered buffer, as the device sees it. */
struct pinring_segment {
	u64 offset;
	dma_addr_t addr;
	u32 len;
};

/* A registered buffer as one channel's provider sees it. */
struct pinring_mapping {
	struct device *dma_dev;
	enum dma_data_direction dma_dir;
	struct sg_table sgt;
	struct pinring_segment *segments;
	u32 nsegments;
	bool need_sync;
	bool mapped;
};

struct pinring_buffer_entry {
	refcount_t users;		/* the table, unsettled jobs, parts in use */
	refcount_t refs;		/* of this structure: all users, and each waiter */
	struct pinring_ring *ring;
	struct work_struct release_work;
	u32 index;
	u32 directions;
	bool dying;			/* under ring->buffer_mutex and the xarray's lock */
	bool released;			/* store-release when unpinned; buffer_wait */
	bool quarantined;		/* under device->lock: an engine may not have stopped */
	u32 resets;			/* the device's, when it was quarantined */
	bool kept;			/* when it was released; valid once released */
	u64 addr;
	u64 len;
	struct page **pages;
	unsigned long npages;
	struct mutex map_mutex;		/* unmapping, by release or by unbind */
	struct pinring_mapping mapping[PINRING_DIRS];
	struct pinring_mapping *map[PINRING_DIRS];
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

/* quirk.c */
int pinring_quirk_find(struct pinring_channel *channel);

/* quarantine.c */
bool pinring_quarantine_holds(struct pinring_device *pdev, u32 resets);
void pinring_quarantine_part(struct pinring_part *part);
void pinring_quarantine_buffer(struct pinring_buffer_entry *buffer);
void pinring_quarantine_end(struct list_head *kept);
void pinring_quarantine_forget(struct pinring_device *pdev);

/* axidma.c */
int pinring_axidma_ask(struct pinring_channel *channel);
void pinring_axidma_forget(struct pinring_channel *channel);
bool pinring_axidma_stopped(const struct pinring_channel *channel);
bool pinring_axidma_halted(const struct pinring_channel *channel);
bool pinring_axidma_erred(const struct pinring_channel *channel);
bool pinring_axidma_silent(const struct pinring_channel *channel, u32 parts, u32 shortest,
			   u32 *residue);
void pinring_axidma_wait_irq(const struct pinring_channel *channel);

/* stats.c */
extern const struct attribute_group *pinring_attr_groups[];

/* user.c */
struct pinring_user *pinring_user_get(void);
void pinring_user_put(struct pinring_user *user);
void pinring_users_wait(void);
int pinring_claim(struct pinring_ring *ring);
void pinring_unclaim(struct pinring_ring *ring);

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
void pinring_ring_reap(struct pinring_ring *ring);
bool pinring_ring_readable(struct pinring_ring *ring);
bool pinring_ring_writable(struct pinring_ring *ring);
u64 pinring_deadline(u64 ns, bool absolute, u64 dflt);
ktime_t pinring_timeout(u64 deadline);

/* notify.c */
void pinring_notify_init(struct pinring_ring *ring);
void pinring_notify_exit(struct pinring_ring *ring);
void pinring_notify_later(struct pinring_ring *ring);
void pinring_notify_end(struct pinring_ring *ring);
struct eventfd_ctx *pinring_notify_eventfd(struct pinring_ring *ring,
					   struct eventfd_ctx *eventfd);

/* job.c */
int pinring_job_init(void);
void pinring_job_exit(void);
struct pinring_job *pinring_job_alloc(struct pinring_ring *ring);
void pinring_job_put(struct pinring_job *job);
void pinring_job_submit(struct pinring_job *job, const struct pinring_sqe *sqe);
void pinring_job_fail(struct pinring_job *job, int error, u32 cqe_flags);
void pinring_job_stop(struct pinring_job *job, int error);
void pinring_job_progress(struct pinring_job *job);
bool pinring_job_any(const struct pinring_job *job, u64 arg);
unsigned int pinring_jobs_end(struct pinring_ring *ring,
			      bool (*match)(const struct pinring_job *job, u64 arg), u64 arg,
			      int error, struct pinring_job *ender);
void pinring_job_ends(struct pinring_job *job, struct pinring_job *ender);
u64 pinring_job_due(const struct pinring_job *job);

/* cancel.c */
int pinring_cancel(struct pinring_job *job, u64 user_data, u64 *ended);

/* lane.c */
void pinring_lane_init(struct pinring_lane *lane, struct pinring_ring *ring,
		       struct pinring_channel *channel);
void pinring_lane_run(struct pinring_lane *lane);
void pinring_lane_kick(struct pinring_lane *lane, unsigned long delay);
void pinring_lane_again(struct pinring_lane *lane);
void pinring_lane_refund(struct pinring_part *part, unsigned long npages);

/* frame.c */
int pinring_check_framing(struct pinring_job *job, const struct pinring_channel *channel);
u64 pinring_last_packet(const struct pinring_job *job);
u64 pinring_worst_bds(const struct pinring_channel *channel, u64 addr, u64 len);

/* walk.c */
void pinring_walk_start(struct pinring_walk *walk, const struct pinring_part *part);
bool pinring_walk_next(struct pinring_walk *walk);
struct pinring_run pinring_walk_run(const struct pinring_walk *walk, u32 done, u32 left);
unsigned long pinring_part_pages(const struct pinring_part *part);

/* bounce.c */
u32 pinring_edge_bds(const struct pinring_channel *channel);
int pinring_bounce_check(struct pinring_job *job);
unsigned long pinring_bounce_plan(struct pinring_part *part);
void pinring_bounce_whole(struct pinring_part *part);
int pinring_stage_get(struct pinring_part *part);
void pinring_stage_drain(struct pinring_part *part);
void pinring_stage_free(struct pinring_stage *stage, struct device *dma_dev,
			enum dma_data_direction dma_dir);
void pinring_stage_forget(struct pinring_stage *stage);
void pinring_stage_move(struct pinring_stage *to, struct pinring_stage *from);
unsigned long pinring_stage_pages(const struct pinring_part *part);

/* list.c */
int pinring_part_map(struct pinring_part *part);
void pinring_part_unmap(struct pinring_part *part);
void pinring_part_free_sg(struct pinring_part *part);
int pinring_part_list_slice(struct pinring_part *part);
int pinring_part_list_stage(struct pinring_part *part);
void pinring_part_list_put(struct pinring_part *part);
int pinring_part_count_bds(struct pinring_part *part);

/* part.c */
unsigned long pinring_part_init(struct pinring_part *part);
int pinring_part_prepare(struct pinring_part *part);
void pinring_part_release(struct pinring_part *part);
void pinring_part_done(struct pinring_part *part);
void pinring_part_quarantine(struct pinring_part *part);

/* pin.c */
unsigned long pinring_max_pinned(void);
int pinring_charge(struct pinring_ring *ring, unsigned long npages, unsigned long headroom);
void pinring_uncharge(struct pinring_ring *ring, unsigned long npages);
int pinring_pin(u64 addr, unsigned long npages, bool write, bool longterm, struct page **pages);
void pinring_unpin(struct page **pages, unsigned long npages, bool dirty);

/* buffer.c */
int pinring_buffer_add(struct pinring_ring *ring, struct pinring_buffer *arg);
int pinring_buffer_update(struct pinring_ring *ring, struct pinring_buffer *arg);
int pinring_buffer_remove(struct pinring_ring *ring, struct pinring_buffer *arg);
struct pinring_buffer_entry *pinring_buffer_get(struct pinring_ring *ring, u32 index);
void pinring_buffer_put(struct pinring_buffer_entry *buffer);
void pinring_buffer_release_all(struct pinring_ring *ring);
void pinring_buffer_unmap_all(struct pinring_ring *ring);
u32 pinring_buffer_first_segment(const struct pinring_mapping *map, u64 offset);
u64 pinring_buffer_bds(const struct pinring_mapping *map, u64 offset, u64 len,
		       const struct pinring_channel *channel);
void pinring_buffer_sync(const struct pinring_mapping *map, u64 offset, u64 len, bool for_cpu);

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

/* recover.c */
void pinring_recover_init(struct pinring_device *pdev);
void pinring_recover_exit(struct pinring_device *pdev);
void pinring_recover(struct pinring_device *pdev);
int pinring_device_reset(struct pinring_device *pdev);
void pinring_recover_power(struct pinring_device *pdev, bool asleep);
void pinring_deadline_arm(struct pinring_device *pdev, u64 deadline);
void pinring_watch_arm(struct pinring_channel *channel);

/*
 * At most what xilinx_dma makes of a segment (xilinx_dma_calc_copysize()): it
 * cuts at the limit of a BD, rounded down to its alignment but in the last one.
 */
static inline u32 pinring_channel_bds(const struct pinring_channel *channel, u64 bytes)
{
	return DIV_ROUND_UP_ULL(bytes, channel->max_bd_bytes);
}

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

static inline u32 pinring_dir_bit(enum pinring_dir dir)
{
	return dir == PINRING_SEND ? PINRING_DIR_SEND : PINRING_DIR_RECV;
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

/* Under device->lock: what the job is to end with so far; if not 0, none of it is handed over. */
static inline int pinring_job_verdict(const struct pinring_job *job)
{
	return job->error ? job->error : job->stopped;
}

static inline struct pinring_lane *pinring_job_lane(const struct pinring_job *job)
{
	return &job->ring->lane[job->dir];
}

#endif /* PINRING_INTERNAL_H */
