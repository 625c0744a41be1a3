/* SPDX-License-Identifier: GPL-2.0-only */
/* One SQE, from its submission to its CQE. */
#ifndef PINRING_JOB_H
#define PINRING_JOB_H

#include <linux/list.h>
#include <linux/refcount.h>
#include <linux/timerqueue.h>

#include "limits.h"
#include "part.h"

struct pinring_buffer_entry;
struct pinring_channel;
struct pinring_ring;

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
	struct pinring_job *ender;	/* completes after this one; holds a reference */
	u32 ending;			/* those of an ender; and one until all are found */

	u64 user_data;
	u32 sqe_flags;
	u8 opcode;
	enum pinring_dir dir;
	u64 len;
	u64 deadline;			/* CLOCK_MONOTONIC ns; U64_MAX: none */
	u64 patience;			/* ns without progress of the channel; 0: deadline counts */
	u64 submitted;			/* CLOCK_MONOTONIC ns */

	/* where the bytes are */
	struct pinring_iovec piece;	/* the one piece of a plain job */
	struct pinring_iovec *pieces;	/* &piece, or an array of our own */
	u32 npieces;
	struct pinring_buffer_entry *buffer;
	u64 buffer_offset;

	/* under device->lock */
	struct timerqueue_node timer;	/* on device->timers: it has a deadline, and no error */
	struct list_head patient_link;	/* on device->patient: it has patience, and no error */
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

/* A walk along ring->jobs, which gives device->lock back now and then. */
struct pinring_cursor {
	struct pinring_ring *ring;
	struct list_head link;		/* ring->cursors */
	struct list_head *next;		/* in ring->jobs; what leaves that list moves it on */
	unsigned int looked;		/* at jobs, since the lock was taken */
};

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
void pinring_cursor_begin(struct pinring_cursor *cursor, struct pinring_ring *ring);
struct pinring_job *pinring_cursor_next(struct pinring_cursor *cursor);
void pinring_cursor_end(struct pinring_cursor *cursor);
void pinring_job_ends(struct pinring_job *job, struct pinring_job *ender);
u64 pinring_job_due(const struct pinring_job *job);

/* frame.c */
int pinring_check_framing(struct pinring_job *job, const struct pinring_channel *channel);
u64 pinring_last_packet(const struct pinring_job *job);
u64 pinring_worst_bds(const struct pinring_channel *channel, u64 addr, u64 len);

/* cancel.c */
int pinring_cancel(struct pinring_job *job, u64 user_data, u64 *ended);

/* Under device->lock: what the job is to end with so far; if not 0, none of it is handed over. */
static inline int pinring_job_verdict(const struct pinring_job *job)
{
	return job->error ? job->error : job->stopped;
}

#endif /* PINRING_JOB_H */
