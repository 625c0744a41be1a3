// SPDX-License-Identifier: GPL-2.0-only
/*
 * Jobs: from an SQE to exactly one outcome.
 *
 * submit runs in the task that calls ENTER, under ring->submit_mutex. All
 * else runs in any context under device->lock, which is what makes the
 * outcome the first one's: pinring_job_fail() by error, deadline, cancel,
 * close or unbind, or pinring_job_progress() when the last byte has moved that
 * will: pinring_job_stop() is for memory that can't be had.
 * The losers find the job settled and leave.
 *
 * A job is referenced by its ring's list until its CQE is written, and by
 * each of its parts that still holds memory. Its hold on a registered buffer
 * ends when it is settled, and each part has its own: a completion that waits
 * for room in the CQ must not keep memory that the program wants back. Nor its
 * array of pieces, which may be far larger than all else of it: with every part
 * accounted nobody walks that any more, as what is copied is copied before.
 */
#include <linux/ktime.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "internal.h"

static struct kmem_cache *pinring_job_cache;

#define PINRING_TRANSFER_FLAGS \
	(PINRING_SQE_SPLIT | PINRING_SQE_IOVEC | PINRING_SQE_BUFFER | \
	 PINRING_SQE_ABS_DEADLINE | PINRING_SQE_ZERO_COPY | PINRING_SQE_GATHER)

static const u32 pinring_op_flags[] = {
	[PINRING_OP_NOP] = 0,
	[PINRING_OP_SEND] = PINRING_TRANSFER_FLAGS | PINRING_SQE_APP_WORDS,
	[PINRING_OP_RECV] = PINRING_TRANSFER_FLAGS | PINRING_SQE_MAY_BE_SHORT | PINRING_SQE_BATCH,
	[PINRING_OP_CANCEL] = PINRING_SQE_ABORT | PINRING_SQE_ALL,
	[PINRING_OP_DRAIN] = 0,
};

/* Known to the ABI, not available yet: the feature bits are off. */
#define PINRING_UNAVAILABLE_FLAGS	PINRING_SQE_APP_WORDS

struct pinring_job *pinring_job_alloc(struct pinring_ring *ring)
{
	struct pinring_job *job = kmem_cache_zalloc(pinring_job_cache, GFP_KERNEL_ACCOUNT);

	if (!job)
		return NULL;
	refcount_set(&job->refs, 1);
	INIT_LIST_HEAD(&job->link);
	INIT_LIST_HEAD(&job->lane_link);
	INIT_LIST_HEAD(&job->patient_link);
	timerqueue_init(&job->timer);
	job->ring = ring;
	job->pieces = &job->piece;
	job->deadline = U64_MAX;
	pinring_ring_get(ring);
	return job;
}

/* Any context, also under device->lock. */
void pinring_job_put(struct pinring_job *job)
{
	if (!refcount_dec_and_test(&job->refs))
		return;
	pinring_ring_put(job->ring);
	kmem_cache_free(pinring_job_cache, job);
}

/*
 * Under device->lock: when the job ends if nothing happens; U64_MAX: never.
 * A send that named no deadline is measured by what its channel does: it may
 * be long, or far back in a queue, and still be well.
 */
u64 pinring_job_due(const struct pinring_job *job)
{
	if (!job->patience)
		return job->deadline;
	return max(job->submitted, job->ring->pdev->channel[job->dir].progress) + job->patience;
}

/* What a list was copied to. It is large, so that it goes as soon as nobody walks it. */
static void pinring_job_drop_pieces(struct pinring_job *job)
{
	if (job->pieces == &job->piece)
		return;
	kfree(job->pieces);
	job->pieces = &job->piece;
	atomic_sub(job->npieces, &job->ring->pieces);
}

/* Under device->lock: fixes the outcome and posts it. */
static void pinring_job_settle(struct pinring_job *job)
{
	struct pinring_device *pdev = job->ring->pdev;
	struct pinring_job *ender = job->ender;

	job->state = PINRING_JOB_SETTLED;
	pinring_deadline_del(job);
	if (job->opcode == PINRING_OP_SEND || job->opcode == PINRING_OP_RECV) {
		struct pinring_stats *stats = &pdev->channel[job->dir].stats;

		stats->jobs++;
		stats->bytes += job->bytes;
		if (job->error)
			stats->errors++;
	}
	if (job->buffer)
		pinring_buffer_put(job->buffer);
	pinring_job_drop_pieces(job);
	pinring_ring_post(job);
	if (ender) {
		/* It has no ender of its own. */
		if (!--ender->ending && ender->state != PINRING_JOB_SETTLED)
			pinring_job_settle(ender);
		pinring_job_put(ender);
	}
}

/* Under device->lock: @job is about to be ended by @ender, which is to complete after it. */
void pinring_job_ends(struct pinring_job *job, struct pinring_job *ender)
{
	lockdep_assert_held(&job->ring->pdev->lock);
	if (job->state == PINRING_JOB_SETTLED)
		return;
	refcount_inc(&ender->refs);
	ender->ending++;
	job->ender = ender;
}

/*
 * Under device->lock: settles the job if nothing of it is under way any more.
 * The job may be gone afterwards, unless the caller holds a reference.
 */
void pinring_job_progress(struct pinring_job *job)
{
	lockdep_assert_held(&job->ring->pdev->lock);
	if (job->state == PINRING_JOB_SETTLED || job->parts_out)
		return;
	job->error = pinring_job_verdict(job);
	if (job->error || job->prepared == job->len)
		pinring_job_settle(job);
}

/* Under device->lock: parts the provider never got. Returns whether it has others. */
static bool pinring_job_withdraw(struct pinring_job *job)
{
	bool issued = false;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(job->part); i++) {
		struct pinring_part *part = &job->part[i];

		if (part->state == PINRING_PART_READY)
			pinring_channel_withdraw(part);
		else if (part->state == PINRING_PART_ISSUED)
			issued = true;
	}
	return issued;
}

/*
 * Under device->lock: the job ends with @error, unless it has one already.
 * Parts the provider never got are withdrawn; those it has are waited for if
 * they end by themselves, or ended by a recovery, which this asks for.
 */
void pinring_job_fail(struct pinring_job *job, int error, u32 cqe_flags)
{
	struct pinring_device *pdev = job->ring->pdev;

	lockdep_assert_held(&pdev->lock);
	if (job->state == PINRING_JOB_SETTLED)
		return;
	if (!job->error) {
		job->error = error;
		job->cqe_flags |= cqe_flags;
		pinring_deadline_del(job);
	}
	list_del_init(&job->lane_link);

	/* Withdrawing the last part may settle the job: keep it until the end. */
	refcount_inc(&job->refs);
	if (pinring_job_withdraw(job) && !pdev->dead)
		mod_delayed_work(pinring_wq, &pdev->recover_work, 0);
	pinring_job_progress(job);
	pinring_job_put(job);
}

/*
 * Under device->lock: a part of the job, which is not accounted yet, could not be
 * handed over. No other is from now on; but those that the provider has are well,
 * and a recovery would hit whoever shares the device. So the job goes on, with its
 * deadline, until they have come back; then it ends with @error, unless
 * pinring_job_fail() was first.
 */
void pinring_job_stop(struct pinring_job *job, int error)
{
	lockdep_assert_held(&job->ring->pdev->lock);
	if (!job->stopped)
		job->stopped = error;
	list_del_init(&job->lane_link);
	pinring_job_withdraw(job);
}

/**
 * pinring_cursor_begin - look at the jobs of a ring, one by one
 * @cursor: the caller's.
 * @ring: the ring.
 *
 * Takes device->lock, in process context. A ring may have thousands of jobs, and
 * interrupts are off meanwhile, so pinring_cursor_next() gives it back now and
 * then. Those that are submitted since may be looked at, or not; all others that
 * are outstanding when their turn comes are looked at, once.
 */
void pinring_cursor_begin(struct pinring_cursor *cursor, struct pinring_ring *ring)
	__acquires(&ring->pdev->lock)
{
	cursor->ring = ring;
	cursor->looked = 0;
	pinring_post_lock(ring->pdev);
	cursor->next = ring->jobs.next;
	list_add_tail(&cursor->link, &ring->cursors);
}

/**
 * pinring_cursor_next - the next job
 * @cursor: from pinring_cursor_begin().
 *
 * The one before it may be gone meanwhile.
 *
 * Return: the job, with device->lock held, until the next call; NULL after the last.
 */
struct pinring_job *pinring_cursor_next(struct pinring_cursor *cursor)
	__must_hold(&cursor->ring->pdev->lock)
{
	struct pinring_ring *ring = cursor->ring;
	struct list_head *at;

	if (cursor->looked++ == PINRING_END_BATCH) {
		pinring_post_unlock(ring->pdev);
		cond_resched();
		pinring_post_lock(ring->pdev);
		cursor->looked = 1;
	}
	at = cursor->next;
	if (at == &ring->jobs)
		return NULL;
	cursor->next = at->next;
	return list_entry(at, struct pinring_job, link);
}

/**
 * pinring_cursor_end - that was all
 * @cursor: from pinring_cursor_begin(); need not have come to the last job.
 *
 * Gives device->lock back.
 */
void pinring_cursor_end(struct pinring_cursor *cursor)
	__releases(&cursor->ring->pdev->lock)
{
	list_del(&cursor->link);
	pinring_post_unlock(cursor->ring->pdev);
}

/**
 * pinring_jobs_end - fail the jobs of a ring that match
 * @ring: the ring.
 * @match: says which; called under device->lock.
 * @arg: for @match.
 * @error: what they end with.
 * @ender: the job that ends them, and completes after them; or NULL.
 *
 * Takes device->lock, for a bounded number of jobs at a time.
 *
 * Return: how many.
 */
unsigned int pinring_jobs_end(struct pinring_ring *ring,
			      bool (*match)(const struct pinring_job *job, u64 arg), u64 arg,
			      int error, struct pinring_job *ender)
{
	struct pinring_cursor cursor;
	struct pinring_job *job;
	unsigned int ended = 0;

	pinring_cursor_begin(&cursor, ring);
	while ((job = pinring_cursor_next(&cursor))) {
		if (job->error || !match(job, arg))
			continue;
		if (ender)
			pinring_job_ends(job, ender);
		pinring_job_fail(job, error, 0);
		ended++;
	}
	pinring_cursor_end(&cursor);
	return ended;
}

bool pinring_job_any(const struct pinring_job *job, u64 arg)
{
	return true;
}

static int pinring_check_piece(const struct pinring_iovec *piece)
{
	if (!piece->len)
		return -EINVAL;
	if (piece->addr > ULONG_MAX || piece->len > ULONG_MAX ||
	    !access_ok(u64_to_user_ptr(piece->addr), piece->len))
		return -EFAULT;
	return 0;
}

/*
 * Under submit_mutex. The arrays are the kernel's own memory, which RLIMIT_MEMLOCK
 * does not count, and a memory cgroup only where there is one: so the ring does.
 */
static int pinring_take_pieces(struct pinring_job *job, const struct pinring_sqe *sqe)
{
	atomic_t *taken = &job->ring->pieces;
	u64 total = 0;
	size_t bytes;
	u32 i;
	struct pinring_iovec *pieces;
	int ret;

	if (!sqe->len || sqe->len > PINRING_MAX_IOV)
		return -EINVAL;
	if (atomic_read(taken) + sqe->len > PINRING_MAX_RING_IOV)
		return -EDQUOT;
	bytes = array_size(sqe->len, sizeof(*pieces));
	pieces = kmalloc(bytes, GFP_KERNEL_ACCOUNT);
	if (!pieces)
		return -ENOMEM;
	job->pieces = pieces;
	job->npieces = sqe->len;
	atomic_add(job->npieces, taken);
	if (sqe->addr > ULONG_MAX || copy_from_user(pieces, u64_to_user_ptr(sqe->addr), bytes))
		return -EFAULT;

	for (i = 0; i < job->npieces; i++) {
		ret = pinring_check_piece(&job->pieces[i]);
		if (ret)
			return ret;
		if (check_add_overflow(total, job->pieces[i].len, &total))
			return -EINVAL;
	}
	job->len = total;
	return 0;
}

static int pinring_take_plain(struct pinring_job *job, const struct pinring_sqe *sqe)
{
	job->piece.addr = sqe->addr;
	job->piece.len = sqe->len;
	job->npieces = 1;
	job->len = sqe->len;
	if (sqe->len > PINRING_MAX_JOB_BYTES)
		return -EINVAL;
	return pinring_check_piece(&job->piece);
}

static int pinring_take_buffer(struct pinring_job *job, const struct pinring_sqe *sqe)
{
	struct pinring_buffer_entry *buffer;
	u64 end;

	if (sqe->addr || !sqe->len || sqe->buffer >= PINRING_MAX_BUFFERS)
		return -EINVAL;
	buffer = pinring_buffer_get(job->ring,
				    array_index_nospec(sqe->buffer, PINRING_MAX_BUFFERS));
	if (!buffer)
		return -ENOENT;
	job->buffer = buffer;
	job->buffer_offset = sqe->offset;
	job->len = sqe->len;
	if (check_add_overflow(sqe->offset, sqe->len, &end) || end > buffer->len)
		return -EINVAL;
	if (!(buffer->directions & pinring_dir_bit(job->dir)))
		return -EINVAL;
	return 0;
}

static int pinring_take_transfer(struct pinring_job *job, const struct pinring_sqe *sqe)
{
	struct pinring_ring *ring = job->ring;
	const struct pinring_channel *channel;
	int ret;

	job->dir = sqe->opcode == PINRING_OP_SEND ? PINRING_SEND : PINRING_RECV;
	channel = &ring->pdev->channel[job->dir];
	if (!(ring->directions & pinring_dir_bit(job->dir)))
		return -EOPNOTSUPP;
	if ((sqe->flags & PINRING_SQE_IOVEC) && (sqe->flags & PINRING_SQE_BUFFER))
		return -EINVAL;
	if (!(sqe->flags & PINRING_SQE_IOVEC) && (sqe->flags & PINRING_SQE_GATHER))
		return -EINVAL;
	if (!(sqe->flags & PINRING_SQE_BUFFER) && (sqe->buffer || sqe->offset))
		return -EINVAL;
	if ((sqe->flags & PINRING_SQE_ABS_DEADLINE) && !sqe->deadline_ns)
		return -EINVAL;

	if (sqe->flags & PINRING_SQE_BUFFER)
		ret = pinring_take_buffer(job, sqe);
	else if (sqe->flags & PINRING_SQE_IOVEC)
		ret = pinring_take_pieces(job, sqe);
	else
		ret = pinring_take_plain(job, sqe);
	if (ret)
		return ret;

	job->deadline = pinring_deadline(sqe->deadline_ns, sqe->flags & PINRING_SQE_ABS_DEADLINE,
					 PINRING_DEADLINE_NONE);
	if (!sqe->deadline_ns && job->dir == PINRING_SEND)
		job->patience = ring->pdev->info.send_deadline_ns;
	return pinring_check_framing(job, channel);
}

static int pinring_check_sqe(const struct pinring_sqe *sqe)
{
	bool transfer = sqe->opcode == PINRING_OP_SEND || sqe->opcode == PINRING_OP_RECV;

	if (sqe->opcode >= ARRAY_SIZE(pinring_op_flags))
		return -EINVAL;
	if (sqe->reserved0 || sqe->reserved1 || sqe->reserved2)
		return -EINVAL;
	if (sqe->flags & ~pinring_op_flags[array_index_nospec(sqe->opcode,
							      ARRAY_SIZE(pinring_op_flags))])
		return -EINVAL;
	if (sqe->flags & PINRING_UNAVAILABLE_FLAGS)
		return -EOPNOTSUPP;
	if (sqe->app_words)
		return -EINVAL;
	if (!transfer && (sqe->len || sqe->offset || sqe->deadline_ns || sqe->buffer))
		return -EINVAL;
	if (sqe->addr && !transfer &&
	    (sqe->opcode != PINRING_OP_CANCEL || (sqe->flags & PINRING_SQE_ALL)))
		return -EINVAL;
	return 0;
}

/* On ring->jobs already, so that what it waits for or ends is before it. */
static void pinring_job_submit_control(struct pinring_job *job, const struct pinring_sqe *sqe)
{
	struct pinring_ring *ring = job->ring;
	struct pinring_device *pdev = ring->pdev;
	u64 ended = 0;
	int ret = 0;

	job->ending = 1;
	if (job->opcode == PINRING_OP_CANCEL)
		ret = pinring_cancel(job, sqe->addr, &ended);

	pinring_post_lock(pdev);
	job->ending--;
	/* Close or unbind may have been first. */
	if (job->state != PINRING_JOB_SETTLED) {
		job->error = ret;
		job->bytes = ended;
		/* A DRAIN is settled by pinring_ring_post() when it is the oldest. */
		if (!job->ending &&
		    (job->opcode != PINRING_OP_DRAIN || list_is_first(&job->link, &ring->jobs)))
			pinring_job_settle(job);
	}
	pinring_post_unlock(pdev);
}

/* Into its ring's list, and its lane; or settled, if it can't be. */
static void pinring_job_enlist(struct pinring_job *job, bool transfer, int error)
{
	struct pinring_ring *ring = job->ring;
	struct pinring_device *pdev = ring->pdev;

	pinring_post_lock(pdev);
	/* Under the lock, so that the device's patient jobs are in its order. */
	job->submitted = ktime_get_ns();
	list_add_tail(&job->link, &ring->jobs);
	ring->outstanding++;
	ring->unreaped++;
	if (!error && pinring_ring_dead(ring))
		error = -ENODEV;
	if (!error && ring->closing)
		error = -ECANCELED;
	if (!error && transfer && job->submitted >= pinring_job_due(job))
		error = -ETIMEDOUT;
	if (error) {
		job->error = error;
		pinring_job_settle(job);
	} else if (transfer) {
		list_add_tail(&job->lane_link, &pinring_job_lane(job)->jobs);
		pinring_deadline_add(job);
	}
	pinring_post_unlock(pdev);
}

/**
 * pinring_job_submit - take over an SQE
 * @job: from pinring_job_alloc(); the ring's from now on.
 * @sqe: the kernel's own copy.
 *
 * Under ring->submit_mutex. A transfer is put into its lane, which the caller
 * runs; anything wrong becomes the job's CQE.
 */
void pinring_job_submit(struct pinring_job *job, const struct pinring_sqe *sqe)
{
	bool transfer = sqe->opcode == PINRING_OP_SEND || sqe->opcode == PINRING_OP_RECV;
	int error;

	job->opcode = sqe->opcode;
	job->user_data = sqe->user_data;
	job->sqe_flags = sqe->flags;

	error = pinring_check_sqe(sqe);
	if (!error && transfer)
		error = pinring_take_transfer(job, sqe);
	if (error)
		job->opcode = PINRING_OP_NOP;

	/* It may be over, reaped and gone as soon as it is on the list. */
	refcount_inc(&job->refs);
	pinring_job_enlist(job, transfer, error);
	if (!error && !transfer)
		pinring_job_submit_control(job, sqe);
	pinring_job_put(job);
}

int pinring_job_init(void)
{
	pinring_job_cache = KMEM_CACHE(pinring_job, SLAB_HWCACHE_ALIGN);
	return pinring_job_cache ? 0 : -ENOMEM;
}

void pinring_job_exit(void)
{
	kmem_cache_destroy(pinring_job_cache);
}
