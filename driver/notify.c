// SPDX-License-Identifier: GPL-2.0-only
/*
 * Notification: who waits for a ring's completions is told of them.
 *
 * Completions are posted under device->lock, with interrupts off, and who
 * waits is up to the program: any number of tasks in ENTER, of epolls on the
 * ring, of epolls on its eventfd. So posting does not tell them. It schedules
 * the ring's notifier, which does, under no lock that another ring needs:
 *
 *  - a tasklet, which on the CPU of the provider's callback runs next. Where
 *    completions are posted with bottom halves off it runs as these are let on.
 *  - for a ring whose last round took long, a worker of its user's: then it is
 *    the user who waits for his watchers, not the provider's next callback. One
 *    that does nothing else: others may be stalled by what his rings give back.
 *
 * None is lost: a CQE is written before the notifier is asked for, and the
 * notifier forgets that it was asked before it tells. Several completions may
 * be told of at once.
 */
#include <linux/eventfd.h>
#include <linux/ktime.h>

#include "compat.h"
#include "internal.h"

/* Telling a handful takes a few microseconds. */
#define PINRING_NOTIFY_LONG_NS	(100 * NSEC_PER_USEC)

/* Under no lock; a tasklet or a task. */
static void pinring_notify(struct pinring_ring *ring)
{
	struct pinring_notifier *notifier = &ring->notifier;
	u64 start = ktime_get_ns();

	spin_lock_bh(&notifier->lock);
	if (notifier->eventfd)
		pinring_eventfd_signal(notifier->eventfd);
	spin_unlock_bh(&notifier->lock);
	wake_up(&ring->wait);
	WRITE_ONCE(notifier->slow, ktime_get_ns() - start > PINRING_NOTIFY_LONG_NS);
}

static void pinring_notifier_run(struct pinring_ring *ring)
{
	/* Orders: forget, then tell. Pairs with that of pinring_notify_later(). */
	atomic_xchg(&ring->notifier.asked, 0);
	pinring_notify(ring);
	pinring_ring_put(ring);
}

static void pinring_notifier_tasklet(struct tasklet_struct *tasklet)
{
	pinring_notifier_run(container_of(tasklet, struct pinring_ring, notifier.tasklet));
}

static void pinring_notifier_work(struct work_struct *work)
{
	pinring_notifier_run(container_of(work, struct pinring_ring, notifier.work));
}

/* Any context, also under device->lock: CQEs were written. */
void pinring_notify_later(struct pinring_ring *ring)
{
	struct pinring_notifier *notifier = &ring->notifier;

	/* Orders: the CQE, then the question. Whoever was asked before sees the CQE. */
	if (atomic_xchg(&notifier->asked, 1))
		return;
	pinring_ring_get(ring);
	if (READ_ONCE(notifier->slow))
		queue_work(ring->user->notify_wq, &notifier->work);
	else
		tasklet_schedule(&notifier->tasklet);
}

/* Process context: sets the ring's eventfd, or NULL. Returns the one before. */
struct eventfd_ctx *pinring_notify_eventfd(struct pinring_ring *ring, struct eventfd_ctx *eventfd)
{
	spin_lock_bh(&ring->notifier.lock);
	swap(eventfd, ring->notifier.eventfd);
	spin_unlock_bh(&ring->notifier.lock);
	return eventfd;
}

/* Process context, by close: nothing is posted any more, and all are told so. */
void pinring_notify_end(struct pinring_ring *ring)
{
	struct eventfd_ctx *eventfd;

	pinring_notify(ring);
	eventfd = pinring_notify_eventfd(ring, NULL);
	if (eventfd)
		eventfd_ctx_put(eventfd);
}

void pinring_notify_init(struct pinring_ring *ring)
{
	spin_lock_init(&ring->notifier.lock);
	tasklet_setup(&ring->notifier.tasklet, pinring_notifier_tasklet);
	INIT_WORK(&ring->notifier.work, pinring_notifier_work);
}

/*
 * Process context: the ring is about to be freed. Its last reference may have
 * been the tasklet's, and EVENTFD may have come just behind the end.
 */
void pinring_notify_exit(struct pinring_ring *ring)
{
	tasklet_kill(&ring->notifier.tasklet);
	if (ring->notifier.eventfd)
		eventfd_ctx_put(ring->notifier.eventfd);
}
