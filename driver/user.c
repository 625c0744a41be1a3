// SPDX-License-Identifier: GPL-2.0-only
/*
 * Users: who rings belong to, what a ring takes from the others, and the
 * workers that work for each user.
 *
 * A worker can be held up for ever by the memory that it works on: a pin by a
 * page fault that nobody answers (userfaultfd, FUSE), an unpin by a page that
 * a FUSE server keeps locked. So each user has workers of his own, as few as
 * are good for him, and whoever holds them up holds up his own rings only.
 * Workers of a third kind finish what a completion has left to do, touch nobody's
 * memory, and so are never held up, not by the user's other rings either.
 * What works for all (the pump, deadlines, recoveries) runs on pinring_wq and
 * touches nobody's memory.
 *
 * A user is here as long as he has a ring; a ring counts until its last job,
 * part and buffer have let go of it. So long the module stays: a part whose pin
 * is stalled lets go when its page fault is answered, which may be never, and
 * whoever unloads the module must be refused then rather than wait.
 */
#include <linux/cred.h>
#include <linux/module.h>
#include <linux/sched/user.h>
#include <linux/slab.h>

#include "internal.h"

/* Lanes of one user that prepare at a time, and rings that give back memory. */
#define PINRING_USER_WORKERS	16

/* His rings that tell or complete at a time. None of them sleeps. */
#define PINRING_USER_TELLERS	4

static DEFINE_MUTEX(pinring_users_mutex);
static LIST_HEAD(pinring_users);
static DECLARE_WAIT_QUEUE_HEAD(pinring_users_gone);

static struct workqueue_struct *pinring_user_queue(const char *what, int workers)
{
	return alloc_workqueue("pinring_%s_%u", WQ_UNBOUND | WQ_HIGHPRI, workers, what,
			       from_kuid(&init_user_ns, current_uid()));
}

/* Under pinring_users_mutex. */
static struct pinring_user *pinring_user_new(void)
{
	struct pinring_user *user = kzalloc(sizeof(*user), GFP_KERNEL_ACCOUNT);

	if (!user)
		return NULL;
	user->pin_wq = pinring_user_queue("pin", PINRING_USER_WORKERS);
	if (!user->pin_wq)
		goto free;
	user->reap_wq = pinring_user_queue("reap", PINRING_USER_WORKERS);
	if (!user->reap_wq)
		goto destroy_pin_wq;
	user->notify_wq = pinring_user_queue("notify", PINRING_USER_TELLERS);
	if (!user->notify_wq)
		goto destroy_reap_wq;
	/* The caller has a file open. */
	__module_get(THIS_MODULE);
	user->account = get_uid(current_user());
	list_add(&user->link, &pinring_users);
	return user;

destroy_reap_wq:
	destroy_workqueue(user->reap_wq);
destroy_pin_wq:
	destroy_workqueue(user->pin_wq);
free:
	kfree(user);
	return NULL;
}

/* The caller as an owner of one ring more, or an error. */
struct pinring_user *pinring_user_get(void)
{
	struct pinring_user *user;

	mutex_lock(&pinring_users_mutex);
	list_for_each_entry(user, &pinring_users, link)
		if (user->account == current_user())
			goto found;
	user = pinring_user_new();
	if (!user) {
		user = ERR_PTR(-ENOMEM);
		goto unlock;
	}
found:
	if (user->rings < PINRING_MAX_USER_TOTAL)
		user->rings++;
	else
		user = ERR_PTR(-EMFILE);
unlock:
	mutex_unlock(&pinring_users_mutex);
	return user;
}

/* Process context, but for the user's own workers: these are waited for. */
void pinring_user_put(struct pinring_user *user)
{
	bool last;

	mutex_lock(&pinring_users_mutex);
	last = !--user->rings;
	if (last)
		list_del(&user->link);
	mutex_unlock(&pinring_users_mutex);
	if (!last)
		return;
	destroy_workqueue(user->pin_wq);
	destroy_workqueue(user->reap_wq);
	destroy_workqueue(user->notify_wq);
	free_uid(user->account);
	kfree(user);
	wake_up(&pinring_users_gone);
	/* The caller is a file's, or on pinring_wq, which module exit empties. */
	module_put(THIS_MODULE);
}

/*
 * Module exit: no file is open, and no user holds the module, unless it was
 * forced. When it returns, the last user's end is on pinring_wq or past.
 */
void pinring_users_wait(void)
{
	wait_event(pinring_users_gone, list_empty(&pinring_users));
}

/* ---- claims, under claim_mutex ---- */

/* Shared, a device has room for many users, and a user may not take all of it. */
static int pinring_admit(const struct pinring_ring *ring)
{
	struct pinring_ring *other;
	unsigned int all = 0, own = 0;

	list_for_each_entry(other, &ring->pdev->rings, link) {
		all++;
		own += other->user == ring->user;
	}
	if (own >= PINRING_MAX_USER_RINGS)
		return -EMFILE;
	return all >= PINRING_MAX_RINGS ? -ENFILE : 0;
}

/* The ring's directions, for itself or shared. */
int pinring_claim(struct pinring_ring *ring)
{
	struct pinring_device *pdev = ring->pdev;
	unsigned int dir;
	int ret;

	lockdep_assert_held(&pdev->claim_mutex);
	for (dir = 0; dir < PINRING_DIRS; dir++) {
		struct pinring_channel *channel = &pdev->channel[dir];

		if (!(ring->directions & pinring_dir_bit(dir)))
			continue;
		if (channel->claimed_by || (channel->claimed_shared && !ring->shared))
			return -EBUSY;
	}
	ret = pinring_admit(ring);
	if (ret)
		return ret;
	for (dir = 0; dir < PINRING_DIRS; dir++) {
		struct pinring_channel *channel = &pdev->channel[dir];

		if (!(ring->directions & pinring_dir_bit(dir)))
			continue;
		if (ring->shared)
			channel->claimed_shared++;
		else
			channel->claimed_by = ring;
	}
	ring->claims = true;
	return 0;
}

/* Again, when a ring is closed that outlived a reset, or is reset while it closes: nothing. */
void pinring_unclaim(struct pinring_ring *ring)
{
	unsigned int dir;

	lockdep_assert_held(&ring->pdev->claim_mutex);
	if (!ring->claims)
		return;
	ring->claims = false;
	for (dir = 0; dir < PINRING_DIRS; dir++) {
		struct pinring_channel *channel = &ring->pdev->channel[dir];

		if (!(ring->directions & pinring_dir_bit(dir)))
			continue;
		if (ring->shared)
			channel->claimed_shared--;
		else
			channel->claimed_by = NULL;
	}
}
