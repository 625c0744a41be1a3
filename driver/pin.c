// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pinning of user pages, and what it is charged to.
 *
 * Process context of the ring's address space (or a worker that borrowed it,
 * see lane.c); no lock may be held: a fault can take for ever.
 *
 * Pages are charged to user_struct->locked_vm against the RLIMIT_MEMLOCK that
 * the ring's owner had at SETUP, as io_uring and AF_XDP do: it needs no
 * mmap_lock when pages are given back from a worker. And to the ring, which
 * may not pin the whole machine even if its owner has no limit.
 */
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/sched/signal.h>
#include <linux/sched/user.h>

#include "compat.h"
#include "internal.h"

static unsigned int max_pinned_mb;
module_param(max_pinned_mb, uint, 0444);
MODULE_PARM_DESC(max_pinned_mb, "most memory that one ring pins, in MiB (default: half of the machine's)");

/* Pages per call: bounds the time between two looks at pending signals. */
#define PINRING_PIN_BATCH	512UL

/* Pages that one ring may have pinned, also that of a user without a limit. */
unsigned long pinring_max_pinned(void)
{
	return max_pinned_mb ? (unsigned long)max_pinned_mb << (20 - PAGE_SHIFT)
			     : totalram_pages() / 2;
}

/* Adds to a count that has a limit. -EDQUOT, -EAGAIN: see pinring_charge(). */
static int pinring_count(atomic_long_t *count, unsigned long npages, unsigned long headroom,
			 unsigned long limit)
{
	long now, new;

	if (npages > limit)
		return -EDQUOT;
	now = atomic_long_read(count);
	do {
		new = now + npages;
		if ((unsigned long)new + headroom > limit)
			return -EAGAIN;
	} while (!atomic_long_try_cmpxchg(count, &now, new));
	return 0;
}

/**
 * pinring_charge - account pages before they are pinned
 * @ring: who pins.
 * @npages: how many.
 * @headroom: pages that must still fit afterwards: a prefetch may not take
 *	what the other direction needs to make any progress.
 *
 * Return: 0; -EDQUOT if the limit can never hold @npages; -EAGAIN if it
 * can't just now.
 */
int pinring_charge(struct pinring_ring *ring, unsigned long npages, unsigned long headroom)
{
	int ret;

	ret = pinring_count(&ring->pinned, npages, headroom, pinring_max_pinned());
	if (ret || ring->memlock_pages == ULONG_MAX)
		return ret;
	ret = pinring_count(&ring->user->account->locked_vm, npages, headroom,
			    ring->memlock_pages);
	if (ret)
		atomic_long_sub(npages, &ring->pinned);
	return ret;
}

void pinring_uncharge(struct pinring_ring *ring, unsigned long npages)
{
	if (ring->memlock_pages != ULONG_MAX)
		atomic_long_sub(npages, &ring->user->account->locked_vm);
	atomic_long_sub(npages, &ring->pinned);
}

/* get_user_pages has many errors; what the caller can do about them are three. */
static int pinring_pin_error(long error)
{
	switch (error) {
	case -ENOMEM:
	case -EAGAIN:
		return -ENOMEM;
	case -EINTR:
	case -ERESTARTSYS:
		return -ECANCELED;
	default:
		return -EFAULT;
	}
}

/**
 * pinring_pin - pin a range of pages, all or none
 * @addr: any address within the first page.
 * @npages: how many.
 * @write: the device writes the memory. A send does not ask for it, so that
 *	const data and PROT_READ mappings work.
 * @longterm: the pin may last (Documentation/core-api/pin_user_pages.rst,
 *	case 2): receives, registered buffers, sends without a deadline.
 * @pages: filled.
 *
 * Return: 0, -EFAULT, -ENOMEM, or -ECANCELED when the task is being killed.
 */
int pinring_pin(u64 addr, unsigned long npages, bool write, bool longterm, struct page **pages)
{
	unsigned int gup_flags = (write ? FOLL_WRITE : 0) | (longterm ? FOLL_LONGTERM : 0);
	unsigned long done = 0;
	unsigned long batch;
	long ret;

	addr &= PAGE_MASK;
	while (done < npages) {
		if (fatal_signal_pending(current)) {
			ret = -EINTR;
			goto unpin;
		}
		if (pinring_inject(PINRING_FAIL_PIN)) {
			ret = -ENOMEM;
			goto unpin;
		}
		batch = min(npages - done, PINRING_PIN_BATCH);
		if (pinring_inject(PINRING_SHORT_PIN))
			batch = 1;
		/* Partial counts are normal: go on behind them. */
		ret = pin_user_pages_fast(addr + (done << PAGE_SHIFT), batch, gup_flags,
					  pages + done);
		if (ret <= 0)
			goto unpin;
		done += ret;
		cond_resched();
	}
	return 0;

unpin:
	unpin_user_pages(pages, done);
	return pinring_pin_error(ret);
}

/* Sleeps when @dirty (folio lock): never from a provider's callback. */
void pinring_unpin(struct page **pages, unsigned long npages, bool dirty)
{
	unpin_user_pages_dirty_lock(pages, npages, dirty);
}
