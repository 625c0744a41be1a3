// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rings: the SQ and the CQ shared with user space, and the waits on them.
 *
 * What user space writes (sq.tail, the SQEs, cq.head) is read once and
 * checked; the kernel's own indices are private, so a program that scribbles
 * over the ring harms itself only.
 *
 * Memory ordering, with the partner in user space (lib/src/queue.hpp):
 *	sq.tail	load-acquire here	store-release after filling SQEs
 *	sq.head	store-release here	load-acquire before reusing SQEs
 *	cq.tail	store-release here	load-acquire before reading CQEs
 *	cq.head	load-acquire here	store-release after reading CQEs
 *
 * A CQE is written under device->lock, from any context. When there is no
 * room the job itself waits on ring->overflow, so nothing is allocated and
 * nothing is lost.
 */
#include <linux/hrtimer.h>
#include <linux/log2.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "compat.h"
#include "internal.h"

/* An absolute point in time from what user space gave; U64_MAX: none. */
u64 pinring_deadline(u64 ns, bool absolute, u64 dflt)
{
	u64 at;

	if (!ns)
		ns = dflt;
	else if (absolute)
		return ns;
	if (ns == PINRING_DEADLINE_NONE || check_add_overflow(ktime_get_ns(), ns, &at))
		return U64_MAX;
	return at;
}

/* What is left of the time until @deadline, for a sleep. */
ktime_t pinring_timeout(u64 deadline)
{
	u64 now = ktime_get_ns();

	return deadline > now ? ns_to_ktime(min_t(u64, deadline - now, KTIME_MAX)) : 0;
}

/* ---- the CQ, under device->lock ---- */

/* Also "full" when cq.head makes no sense: ENTER says EPROTO. */
static bool pinring_cq_full(const struct pinring_ring *ring)
{
	/* Pairs with the caller's store-release: its reads of the CQE are done. */
	return ring->cq_tail - smp_load_acquire(&ring->cq->head) >= ring->cq_entries;
}

static void pinring_cq_write(struct pinring_job *job)
{
	struct pinring_ring *ring = job->ring;
	struct pinring_cqe *cqe = &ring->cqes[ring->cq_tail & (ring->cq_entries - 1)];

	memset(cqe, 0, sizeof(*cqe));
	cqe->user_data = job->user_data;
	cqe->bytes = job->bytes;
	cqe->result = job->error;
	cqe->flags = job->cqe_flags;
	cqe->provider_result = job->provider_result;
	/* Pairs with the caller's load-acquire of cq.tail. */
	smp_store_release(&ring->cq->tail, ++ring->cq_tail);
	ring->unreaped--;
	pinring_job_put(job);
}

static void pinring_ring_post_one(struct pinring_job *job)
{
	struct pinring_ring *ring = job->ring;
	struct pinring_cursor *cursor;

	list_for_each_entry(cursor, &ring->cursors, link)
		if (cursor->next == &job->link)
			cursor->next = job->link.next;
	list_del_init(&job->link);
	ring->outstanding--;
	if (ring->closing) {
		ring->unreaped--;
		pinring_job_put(job);
	} else if (list_empty(&ring->overflow) && !pinring_cq_full(ring)) {
		pinring_cq_write(job);
	} else {
		list_add_tail(&job->link, &ring->overflow);
		WRITE_ONCE(ring->cq->flags, PINRING_CQ_OVERFLOW);
	}
}

/*
 * Under device->lock: the DRAINs that nothing is before any more. There may be
 * thousands, behind one job or behind each of many that end together, and this
 * may be a provider's callback. So from a number on they are left to a worker,
 * who takes the lock once for each such number.
 */
static void pinring_ring_post_drains(struct pinring_ring *ring)
{
	struct pinring_job *job;

	while ((job = list_first_entry_or_null(&ring->jobs, struct pinring_job, link)) &&
	       job->opcode == PINRING_OP_DRAIN) {
		if (ring->drains == PINRING_END_BATCH) {
			/* Like a reap, it outlives close. */
			pinring_ring_get(ring);
			if (!queue_work(ring->user->notify_wq, &ring->drain_work))
				pinring_ring_put(ring);
			return;
		}
		ring->drains++;
		job->state = PINRING_JOB_SETTLED;
		pinring_ring_post_one(job);
	}
}

/*
 * Not ring->reap_work: that one may be stalled in an unpin, and so may be all of
 * the user's workers of its kind. A ring that was closed or whose device has gone
 * meanwhile has ended its DRAINs by itself.
 */
static void pinring_ring_drain_work(struct work_struct *work)
{
	struct pinring_ring *ring = container_of(work, struct pinring_ring, drain_work);
	struct pinring_device *pdev = ring->pdev;

	pinring_post_lock(pdev);
	ring->drains = 0;
	pinring_ring_post_drains(ring);
	pinring_notify_later(ring);
	pinring_post_unlock(pdev);
	pinring_ring_put(ring);
}

/*
 * Under device->lock: the job's CQE, and those of DRAINs that waited for it.
 * Drops the list's reference on the job.
 */
void pinring_ring_post(struct pinring_job *job)
{
	struct pinring_ring *ring = job->ring;

	lockdep_assert_held(&ring->pdev->lock);
	/* The job's own reference on the ring may go with it. */
	pinring_ring_get(ring);
	pinring_ring_post_one(job);
	pinring_ring_post_drains(ring);
	pinring_notify_later(ring);
	pinring_ring_put(ring);
}

/*
 * Under device->lock: moves what overflowed to the CQ as far as there is room.
 * Returns false if there is more that could be.
 */
static bool pinring_ring_flush(struct pinring_ring *ring)
{
	struct pinring_job *job;
	unsigned int moved = 0;

	lockdep_assert_held(&ring->pdev->lock);
	while (moved < PINRING_END_BATCH && !pinring_cq_full(ring) &&
	       (job = list_first_entry_or_null(&ring->overflow, struct pinring_job, link))) {
		list_del_init(&job->link);
		pinring_cq_write(job);
		moved++;
	}
	if (!moved)
		return true;
	if (list_empty(&ring->overflow))
		WRITE_ONCE(ring->cq->flags, 0);
	pinring_notify_later(ring);
	return moved < PINRING_END_BATCH;
}

/*
 * A task takes device->lock, and finds that all is in the CQ that has room
 * there. It may be about to sleep: cond_resched() leaves its state alone.
 */
static void pinring_ring_flush_lock(struct pinring_ring *ring)
	__acquires(&ring->pdev->lock)
{
	spin_lock_irq(&ring->pdev->lock);
	while (!pinring_ring_flush(ring)) {
		spin_unlock_irq(&ring->pdev->lock);
		cond_resched();
		spin_lock_irq(&ring->pdev->lock);
	}
}

static u32 pinring_cq_ready(const struct pinring_ring *ring)
{
	return ring->cq_tail - READ_ONCE(ring->cq->head);
}

/* ---- the SQ ---- */

/* One read of each word: what is checked is what is used. */
static void pinring_sqe_copy(struct pinring_sqe *to, const struct pinring_sqe *from)
{
	const u64 *src = (const u64 *)from;
	u64 *dst = (u64 *)to;
	unsigned int i;

	BUILD_BUG_ON(sizeof(*to) % sizeof(u64));
	for (i = 0; i < sizeof(*to) / sizeof(u64); i++)
		dst[i] = READ_ONCE(src[i]);
}

/* Under submit_mutex. Consumes SQEs; the jobs are in their lanes afterwards. */
static int pinring_ring_consume(struct pinring_ring *ring, u32 to_submit, u32 *submitted)
{
	struct pinring_device *pdev = ring->pdev;
	struct pinring_sqe sqe;
	struct pinring_job *job;
	u32 available, cq_used;
	bool full, dead;

	/* Pairs with the caller's store-release: the SQEs before it are filled. */
	available = smp_load_acquire(&ring->sq->tail) - ring->sq_head;
	if (available > ring->sq_entries)
		return -EPROTO;

	pinring_ring_flush_lock(ring);
	/* With the tail as it is, or a head that has just caught up would be ahead of it. */
	cq_used = pinring_cq_ready(ring);
	ring->drains = 0;
	dead = pinring_ring_dead(ring);
	spin_unlock_irq(&pdev->lock);
	if (cq_used > ring->cq_entries)
		return -EPROTO;
	if (dead)
		return -ENODEV;

	to_submit = min(to_submit, available);
	while (*submitted < to_submit) {
		spin_lock_irq(&pdev->lock);
		full = ring->unreaped + min(pinring_cq_ready(ring), ring->cq_entries) >=
		       PINRING_MAX_JOBS;
		spin_unlock_irq(&pdev->lock);
		if (full)
			return *submitted ? 0 : -EAGAIN;

		job = pinring_job_alloc(ring);
		if (!job)
			return *submitted ? 0 : -ENOMEM;
		pinring_sqe_copy(&sqe, &ring->sqes[ring->sq_head & (ring->sq_entries - 1)]);
		/* Pairs with the caller's load-acquire before it reuses the SQE. */
		smp_store_release(&ring->sq->head, ++ring->sq_head);
		pinring_job_submit(job, &sqe);
		++*submitted;
		cond_resched();
	}
	return 0;
}

/* Under reap_mutex. */
static void pinring_ring_let_go_all(struct pinring_ring *ring)
{
	struct pinring_part *part, *next;
	struct llist_node *list;

	lockdep_assert_held(&ring->reap_mutex);
	/* In the order of completion: among those that wait to be synced or copied it stays. */
	list = llist_reverse_order(llist_del_all(&ring->reap));
	llist_for_each_entry_safe(part, next, list, reap)
		if (pinring_part_let_go(part))
			llist_add(&part->reap, &ring->unpin);
}

/* Under unpin_mutex. */
static void pinring_ring_unpin_all(struct pinring_ring *ring)
{
	struct pinring_part *part, *next;
	struct llist_node *list;

	lockdep_assert_held(&ring->unpin_mutex);
	list = llist_del_all(&ring->unpin);
	llist_for_each_entry_safe(part, next, list, reap)
		pinring_part_give_back(part);
}

int pinring_ring_submit(struct pinring_ring *ring, u32 to_submit, u32 *submitted)
{
	int ret;

	/*
	 * The worker may be far behind a program that names the same memory again
	 * and again; what is done is let go of before it is mapped once more.
	 */
	if (to_submit && !llist_empty(&ring->reap)) {
		if (mutex_lock_interruptible(&ring->reap_mutex))
			return -EINTR;
		pinring_ring_let_go_all(ring);
		mutex_unlock(&ring->reap_mutex);
		/* If somebody is at it, the pages are not worth waiting for. */
		if (mutex_trylock(&ring->unpin_mutex)) {
			pinring_ring_unpin_all(ring);
			mutex_unlock(&ring->unpin_mutex);
		}
	}
	if (mutex_lock_interruptible(&ring->submit_mutex))
		return -EINTR;
	ret = pinring_ring_consume(ring, to_submit, submitted);
	mutex_unlock(&ring->submit_mutex);

	if (*submitted)
		pinring_lanes_run(ring);
	return ret;
}

/* ---- waiting ---- */

static bool pinring_ring_wait_over(struct pinring_ring *ring, u32 min_complete)
{
	struct pinring_device *pdev = ring->pdev;
	bool over;

	pinring_ring_flush_lock(ring);
	/* An unbind ends all that is outstanding, so it need not be asked about. */
	over = pinring_cq_ready(ring) >= min_complete || !ring->outstanding;
	spin_unlock_irq(&pdev->lock);
	return over;
}

int pinring_ring_wait(struct pinring_ring *ring, u32 min_complete, u64 deadline)
{
	int ret;

	if (deadline == U64_MAX)
		ret = wait_event_interruptible(ring->wait,
					       pinring_ring_wait_over(ring, min_complete));
	else
		ret = wait_event_interruptible_hrtimeout(ring->wait,
							 pinring_ring_wait_over(ring, min_complete),
							 pinring_timeout(deadline));
	if (ret == -ERESTARTSYS)
		return -EINTR;
	if (ret)
		return ret;
	if (pinring_ring_dead(ring) && pinring_cq_ready(ring) < min_complete)
		return -ENODEV;
	return 0;
}

bool pinring_ring_readable(struct pinring_ring *ring)
{
	bool readable;

	pinring_ring_flush_lock(ring);
	readable = pinring_cq_ready(ring);
	spin_unlock_irq(&ring->pdev->lock);
	return readable;
}

bool pinring_ring_writable(struct pinring_ring *ring)
{
	return READ_ONCE(ring->sq->tail) - READ_ONCE(ring->sq_head) < ring->sq_entries;
}

/* ---- what completed parts leave behind ---- */

/*
 * Process context, anyone, any time; never stalls. When it returns, the
 * provider's device is not needed for what was completed before the call, and
 * its jobs know. The pages are left to reap_work: whoever completed a part has
 * queued it, and it comes to the pages after it has been where we are.
 */
void pinring_ring_let_go(struct pinring_ring *ring)
{
	mutex_lock(&ring->reap_mutex);
	pinring_ring_let_go_all(ring);
	mutex_unlock(&ring->reap_mutex);
}

/*
 * Process context, for the ring's own sake only: an unpin may take for ever.
 * When it returns, all that was completed before the call is unpinned and
 * uncharged.
 */
void pinring_ring_reap(struct pinring_ring *ring)
{
	pinring_ring_let_go(ring);
	mutex_lock(&ring->unpin_mutex);
	pinring_ring_unpin_all(ring);
	mutex_unlock(&ring->unpin_mutex);
}

static void pinring_ring_reap_work(struct work_struct *work)
{
	struct pinring_ring *ring = container_of(work, struct pinring_ring, reap_work);

	pinring_ring_reap(ring);
	pinring_ring_put(ring);
}

/* ---- life ---- */

void pinring_ring_get(struct pinring_ring *ring)
{
	kref_get(&ring->kref);
}

static void pinring_ring_free_work(struct work_struct *work)
{
	struct pinring_ring *ring = container_of(work, struct pinring_ring, free_work);

	pinring_notify_exit(ring);
	pinring_user_put(ring->user);
	mmdrop(ring->mm);
	vfree(ring->area);
	pinring_device_put(ring->pdev);
	kfree(ring);
}

/* The last reference may go under device->lock, and take the device with it. */
static void pinring_ring_free(struct kref *kref)
{
	struct pinring_ring *ring = container_of(kref, struct pinring_ring, kref);

	INIT_WORK(&ring->free_work, pinring_ring_free_work);
	queue_work(pinring_wq, &ring->free_work);
}

/* Any context. */
void pinring_ring_put(struct pinring_ring *ring)
{
	kref_put(&ring->kref, pinring_ring_free);
}

static int pinring_ring_alloc_area(struct pinring_ring *ring, struct pinring_setup *setup)
{
	size_t sqes = sizeof(struct pinring_sq) + sizeof(struct pinring_cq);
	size_t cqes = sqes + sizeof(struct pinring_sqe) * ring->sq_entries;
	size_t bytes = PAGE_ALIGN(cqes + sizeof(struct pinring_cqe) * ring->cq_entries);

	/* Not vmalloc_user(): that one is charged to nobody. */
	ring->area = __vmalloc(bytes, GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!ring->area)
		return -ENOMEM;
	ring->area_bytes = bytes;
	ring->sq = ring->area;
	ring->cq = ring->area + sizeof(struct pinring_sq);
	ring->sqes = ring->area + sqes;
	ring->cqes = ring->area + cqes;

	setup->sq_entries = ring->sq_entries;
	setup->cq_entries = ring->cq_entries;
	setup->ring_bytes = bytes;
	setup->sq_offset = 0;
	setup->cq_offset = sizeof(struct pinring_sq);
	setup->sqes_offset = sqes;
	setup->cqes_offset = cqes;
	return 0;
}

/* Under file->setup_mutex, @setup is checked and rounded. An ERR_PTR on failure. */
struct pinring_ring *pinring_ring_create(struct pinring_device *pdev, struct pinring_setup *setup)
{
	struct pinring_ring *ring;
	unsigned int dir;
	int ret;

	ring = kzalloc(sizeof(*ring), GFP_KERNEL_ACCOUNT);
	if (!ring)
		return ERR_PTR(-ENOMEM);
	kref_init(&ring->kref);
	ring->pdev = pdev;
	ring->directions = setup->directions;
	ring->shared = setup->flags & PINRING_SETUP_SHARED;
	ring->sq_entries = setup->sq_entries;
	ring->cq_entries = setup->cq_entries;
	INIT_LIST_HEAD(&ring->jobs);
	INIT_LIST_HEAD(&ring->cursors);
	INIT_LIST_HEAD(&ring->overflow);
	init_llist_head(&ring->reap);
	init_llist_head(&ring->unpin);
	INIT_WORK(&ring->reap_work, pinring_ring_reap_work);
	INIT_WORK(&ring->drain_work, pinring_ring_drain_work);
	mutex_init(&ring->submit_mutex);
	mutex_init(&ring->buffer_mutex);
	mutex_init(&ring->reap_mutex);
	mutex_init(&ring->unpin_mutex);
	INIT_LIST_HEAD(&ring->living);
	xa_init_flags(&ring->buffers, XA_FLAGS_ALLOC);
	init_waitqueue_head(&ring->wait);
	pinring_notify_init(ring);
	init_waitqueue_head(&ring->buffer_wait);
	for (dir = 0; dir < PINRING_DIRS; dir++)
		pinring_lane_init(&ring->lane[dir], ring, &pdev->channel[dir]);
	mutex_init(&ring->end_mutex);
	ring->files = current->files;
	ring->memlock_pages = capable(CAP_IPC_LOCK) ? ULONG_MAX :
						      rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;

	ret = pinring_ring_alloc_area(ring, setup);
	if (ret)
		goto free;
	ring->user = pinring_user_get();
	if (IS_ERR(ring->user)) {
		ret = PTR_ERR(ring->user);
		goto free_area;
	}

	mutex_lock(&pdev->claim_mutex);
	ret = READ_ONCE(pdev->dead) ? -ENODEV : pinring_claim(ring);
	if (ret)
		goto unlock;

	ring->mm = current->mm;
	mmgrab(ring->mm);
	pinring_device_get(pdev);
	spin_lock_irq(&pdev->lock);
	list_add_tail(&ring->link, &pdev->rings);
	spin_unlock_irq(&pdev->lock);
	mutex_unlock(&pdev->claim_mutex);
	return ring;

unlock:
	mutex_unlock(&pdev->claim_mutex);
	pinring_user_put(ring->user);
free_area:
	vfree(ring->area);
free:
	kfree(ring);
	return ERR_PTR(ret);
}

/*
 * Under claim_mutex: the device is dead, and about to be of use again. To this
 * ring it never is; what it claimed others may have.
 */
void pinring_ring_bury(struct pinring_ring *ring)
{
	struct pinring_device *pdev = ring->pdev;

	pinring_jobs_end(ring, pinring_job_any, 0, -ENODEV, NULL);
	if (ring->dead)
		return;
	spin_lock_irq(&pdev->lock);
	WRITE_ONCE(ring->dead, true);
	spin_unlock_irq(&pdev->lock);
	pinring_unclaim(ring);
	wake_up_all(&ring->wait);
}

/* The ring is closing: nothing overflows any more, and nobody wants what has. */
static void pinring_ring_forget_overflow(struct pinring_ring *ring)
{
	struct pinring_device *pdev = ring->pdev;
	struct pinring_job *job;
	unsigned int forgotten;

	do {
		forgotten = 0;
		spin_lock_irq(&pdev->lock);
		while (forgotten < PINRING_END_BATCH &&
		       (job = list_first_entry_or_null(&ring->overflow, struct pinring_job,
						       link))) {
			list_del_init(&job->link);
			ring->unreaped--;
			pinring_job_put(job);
			forgotten++;
		}
		spin_unlock_irq(&pdev->lock);
		cond_resched();
	} while (forgotten == PINRING_END_BATCH);
}

/**
 * pinring_ring_end - the owner has closed the file: end everything
 * @ring: the ring. Calls after the first do nothing but wait for it.
 *
 * When it returns the provider has nothing of this ring any more and the
 * memory of all its jobs was unpinned; but for what is in quarantine, and for
 * a part whose pin is stalled in a page fault just now: it was never handed
 * over, and is let go when the fault returns.
 */
void pinring_ring_end(struct pinring_ring *ring)
{
	struct pinring_device *pdev = ring->pdev;
	unsigned int dir;

	mutex_lock(&ring->end_mutex);
	if (READ_ONCE(ring->closing)) {
		mutex_unlock(&ring->end_mutex);
		return;
	}
	spin_lock_irq(&pdev->lock);
	ring->closing = true;
	spin_unlock_irq(&pdev->lock);
	pinring_jobs_end(ring, pinring_job_any, 0, -ECANCELED, NULL);
	pinring_ring_forget_overflow(ring);
	pinring_recover(pdev);
	pinring_ring_let_go(ring);

	/* It has no transfer any more: others need not wait for its pages to be unpinned. */
	mutex_lock(&pdev->claim_mutex);
	pinring_unclaim(ring);
	mutex_unlock(&pdev->claim_mutex);

	pinring_ring_reap(ring);
	/* A look-again for memlock: nothing is left to look at. */
	for (dir = 0; dir < PINRING_DIRS; dir++)
		if (cancel_delayed_work(&ring->lane[dir].work))
			pinring_ring_put(ring);
	pinring_buffer_release_all(ring);

	/* An unbind finds the ring as long as something of it is mapped. */
	mutex_lock(&pdev->claim_mutex);
	spin_lock_irq(&pdev->lock);
	list_del(&ring->link);
	spin_unlock_irq(&pdev->lock);
	mutex_unlock(&pdev->claim_mutex);

	pinring_notify_end(ring);
	mutex_unlock(&ring->end_mutex);
}
