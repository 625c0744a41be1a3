// SPDX-License-Identifier: GPL-2.0-only
/*
 * Deadlines and recovery: what ends jobs that the provider will not end.
 *
 * Process context only. A recovery is joint: stopping one direction of an AXI
 * DMA resets both, so both channels stop, whatever the provider had is ended
 * with an honest code (its own fault, or collateral), and what it was never
 * given is handed over afterwards. The device works again without being
 * reopened.
 *
 * Unless the engine can't be shown to have stopped. Then it may still write to
 * what it was given: those pages stay pinned and mapped (quarantine.c), the
 * channels are not released, and the device is dead, until somebody asks for a
 * reset that finds the engine stopped.
 *
 * The same stop is made before the system sleeps and when it has woken up.
 *
 * Whoever waits without a deadline is looked after by the watch: xilinx_dma
 * calls nobody back about an error (xilinx_dma_irq_handler()), so as long as
 * parts are issued the hardware is asked now and then whether it has halted,
 * or is idle though nobody was told that it is done.
 */
#include <linux/jiffies.h>
#include <linux/ktime.h>

#include "internal.h"

#define PINRING_WATCH_PERIOD	msecs_to_jiffies(100)

/* Under device->lock: why a part that the provider has must end, or 0. */
static int pinring_part_fault(const struct pinring_part *part, u64 now)
{
	const struct pinring_job *job = part->job;

	if (job->error)
		return job->error;
	if (job->ring->pdev->dead)
		return -ENODEV;
	if (now >= pinring_job_due(job))
		return -ETIMEDOUT;
	return 0;
}

/* Under device->lock. */
static bool pinring_recovery_needed(struct pinring_device *pdev, u64 now)
{
	struct pinring_part *part;
	unsigned int dir;

	for (dir = 0; dir < PINRING_DIRS; dir++) {
		if (pdev->channel[dir].halted)
			return true;
		list_for_each_entry(part, &pdev->channel[dir].issued, link)
			if (pinring_part_fault(part, now))
				return true;
	}
	return false;
}

/* Under device->lock: these parts will not come back. */
static void pinring_recover_parts(struct pinring_channel *channel, u64 now)
{
	struct pinring_part *part;

	while ((part = list_first_entry_or_null(&channel->issued, struct pinring_part, link))) {
		int fault = pinring_part_fault(part, now);

		pinring_channel_untake(part);
		part->error = fault ? fault : -ECONNRESET;
		if (channel->pdev->quarantine)
			pinring_part_quarantine(part);
		pinring_part_done(part);
	}
	pinring_channel_emptied(channel);
}

/* Under device->lock: no more DMA, and files may be open. */
static void pinring_device_dead(struct pinring_device *pdev)
{
	pdev->dead = true;
	pdev->info.flags |= PINRING_INFO_DEAD;
	queue_work(pinring_wq, &pdev->dead_work);
}

/* Under channel->mutex: the provider takes nothing, recovery after recovery. */
static bool pinring_channel_hopeless(const struct pinring_channel *channel)
{
	if (channel->refusals < PINRING_REFUSALS || time_before(jiffies, channel->refused_until))
		return false;
	dev_err(channel->pdev->dev, "the provider refuses what is %s: the device is dead\n",
		channel->dir == PINRING_SEND ? "sent" : "received");
	return true;
}

/* Both channels' mutexes are held, and both have stopped. */
static bool pinring_channels_usable(struct pinring_device *pdev)
{
	unsigned int dir;

	if (READ_ONCE(pdev->dead))
		return true;
	for (dir = 0; dir < PINRING_DIRS; dir++)
		if (pinring_channel_hopeless(&pdev->channel[dir]))
			return false;
	return pinring_channels_reseat(pdev);
}

/* Both channels' mutexes are held. */
static void pinring_recover_channels(struct pinring_device *pdev, u64 now)
{
	bool stopped = pinring_channels_stop(pdev);
	unsigned int dir;
	bool usable;

	if (stopped)
		pinring_stream_reset(pdev);
	usable = stopped && pinring_channels_usable(pdev);

	spin_lock_irq(&pdev->lock);
	pdev->recoveries++;
	if (!stopped)
		pdev->quarantine = true;
	if (!usable && !pdev->dead)
		pinring_device_dead(pdev);
	for (dir = 0; dir < PINRING_DIRS; dir++)
		pinring_recover_parts(&pdev->channel[dir], now);
	spin_unlock_irq(&pdev->lock);
	if (!stopped)
		dev_err(pdev->dev, "the DMA engine does not stop: the device is dead, what it may write to stays pinned\n");
}

/* Nothing is handed over, and no other recovery is under way. */
static void pinring_channels_lock(struct pinring_device *pdev)
{
	unsigned int dir;

	mutex_lock(&pdev->recover_mutex);
	for (dir = 0; dir < PINRING_DIRS; dir++)
		mutex_lock_nested(&pdev->channel[dir].mutex, dir);
}

static void pinring_channels_unlock(struct pinring_device *pdev)
{
	unsigned int dir;

	for (dir = PINRING_DIRS; dir-- > 0;)
		mutex_unlock(&pdev->channel[dir].mutex);
	mutex_unlock(&pdev->recover_mutex);
}

static void pinring_channels_pump(struct pinring_device *pdev)
{
	unsigned int dir;

	for (dir = 0; dir < PINRING_DIRS; dir++)
		if (pdev->channel[dir].dma)
			pinring_channel_pump(&pdev->channel[dir]);
}

static void pinring_recover_if(struct pinring_device *pdev, bool again)
{
	bool needed;
	u64 now;

	pinring_channels_lock(pdev);
	now = ktime_get_ns();
	spin_lock_irq(&pdev->lock);
	needed = pinring_recovery_needed(pdev, now) || (again && pdev->quarantine);
	spin_unlock_irq(&pdev->lock);
	if (needed)
		pinring_recover_channels(pdev, now);
	pinring_channels_unlock(pdev);

	if (needed)
		pinring_channels_pump(pdev);
}

/**
 * pinring_recover - stop both channels and end what they had
 * @pdev: the device.
 *
 * Does nothing if nothing that the provider has is at fault any more. When it
 * returns, no job at fault has memory with the provider that is not in
 * quarantine.
 */
void pinring_recover(struct pinring_device *pdev)
{
	pinring_recover_if(pdev, false);
}

/*
 * Unbind and shutdown, once, while the channels are there. An engine that did not
 * stop may do so now: over kexec it would go on.
 */
void pinring_recover_last(struct pinring_device *pdev)
{
	pinring_recover_if(pdev, true);
}

/*
 * The system goes to sleep, or has woken up: in both cases whatever the engine
 * has is ended, as it may lose power in between. On the way up that is nothing,
 * but xilinx_dma, which knows no suspend of its own, sets up an engine anew
 * when it stops it. In between nothing is handed over.
 */
void pinring_recover_power(struct pinring_device *pdev, bool asleep)
{
	pinring_channels_lock(pdev);
	spin_lock_irq(&pdev->lock);
	pdev->asleep = asleep;
	spin_unlock_irq(&pdev->lock);
	if (!READ_ONCE(pdev->dead))
		pinring_recover_channels(pdev, ktime_get_ns());
	pinring_channels_unlock(pdev);

	if (!asleep)
		pinring_channels_pump(pdev);
}

static void pinring_recover_work(struct work_struct *work)
{
	pinring_recover(container_of(to_delayed_work(work), struct pinring_device, recover_work));
}

/* Under claim_mutex and both channels' mutexes: a dead device, once more. */
static int pinring_device_revive(struct pinring_device *pdev, struct list_head *kept)
{
	struct pinring_ring *ring;
	unsigned int dir;
	bool gone;

	if (!pinring_channels_stop(pdev))
		return -EIO;
	pinring_stream_reset(pdev);
	if (!pinring_channels_reseat(pdev))
		return -EIO;
	list_for_each_entry(ring, &pdev->rings, link)
		pinring_ring_bury(ring);

	spin_lock_irq(&pdev->lock);
	for (dir = 0; dir < PINRING_DIRS; dir++) {
		pdev->channel[dir].refusals = 0;
		pinring_channel_emptied(&pdev->channel[dir]);
	}
	pdev->recoveries++;
	pdev->quarantine = false;
	pdev->resets++;
	pdev->quarantined = 0;
	list_splice_init(&pdev->kept, kept);
	gone = pdev->gone;
	if (!gone) {
		pdev->dead = false;
		pdev->info.flags &= ~PINRING_INFO_DEAD;
	}
	spin_unlock_irq(&pdev->lock);
	return gone ? -ENODEV : 0;
}

/**
 * pinring_device_reset - try again to stop the engine of a dead device
 * @pdev: the device; one that is not dead is left alone.
 *
 * If the engine is shown to have stopped, what was in quarantine is given back,
 * and the device is of use to new rings.
 *
 * Return: 0, -EIO if it does not stop, -ENODEV if the device leaves.
 */
int pinring_device_reset(struct pinring_device *pdev)
{
	LIST_HEAD(kept);
	int ret = 0;

	mutex_lock(&pdev->claim_mutex);
	pinring_channels_lock(pdev);
	if (READ_ONCE(pdev->dead))
		ret = pinring_device_revive(pdev, &kept);
	pinring_channels_unlock(pdev);
	mutex_unlock(&pdev->claim_mutex);

	pinring_quarantine_end(&kept);
	return ret;
}

/* A device that died by itself: unbind does the same for its own. */
static void pinring_dead_work(struct work_struct *work)
{
	struct pinring_device *pdev = container_of(work, struct pinring_device, dead_work);
	struct pinring_ring *ring;

	mutex_lock(&pdev->claim_mutex);
	list_for_each_entry(ring, &pdev->rings, link) {
		/* Unless it was reset since: that has ended those of before. */
		if (!pinring_ring_dead(ring))
			continue;
		pinring_jobs_end(ring, pinring_job_any, 0, -ENODEV, NULL);
		wake_up_all(&ring->wait);
	}
	mutex_unlock(&pdev->claim_mutex);
}

/* Under device->lock, process context: a part is being handed to the provider. */
void pinring_watch_arm(struct pinring_channel *channel)
{
	struct pinring_device *pdev = channel->pdev;

	if (!channel->axidma.regs || pdev->watched)
		return;
	pdev->watched = true;
	/* Frozen over a suspend, when the hardware may be without power. */
	queue_delayed_work(system_freezable_wq, &pdev->watch_work, PINRING_WATCH_PERIOD);
}

static bool pinring_watch_halted(struct pinring_channel *channel)
{
	struct pinring_device *pdev = channel->pdev;
	bool own;

	if (!pinring_axidma_halted(channel))
		return false;
	own = pinring_axidma_erred(channel);
	spin_lock_irq(&pdev->lock);
	pinring_channel_lost(channel, own);
	spin_unlock_irq(&pdev->lock);
	return true;
}

/*
 * Silent at two looks in a row, with the same part the oldest and nothing
 * completed in between: an interrupt that was on its way has arrived by then.
 */
static void pinring_watch_silent(struct pinring_channel *channel)
{
	struct pinring_device *pdev = channel->pdev;
	struct pinring_part *part;
	u32 parts, shortest = U32_MAX, residue = 0;
	bool silent;

	spin_lock_irq(&pdev->lock);
	parts = channel->issued_parts;
	list_for_each_entry(part, &channel->issued, link)
		shortest = min(shortest, part->len);
	spin_unlock_irq(&pdev->lock);

	silent = pinring_axidma_silent(channel, parts, shortest, &residue);

	spin_lock_irq(&pdev->lock);
	part = list_first_entry_or_null(&channel->issued, struct pinring_part, link);
	if (silent && part && part == channel->silent && channel->progress == channel->silent_since)
		pinring_channel_silent(channel, residue);
	channel->silent = silent ? part : NULL;
	channel->silent_since = channel->progress;
	spin_unlock_irq(&pdev->lock);
}

static void pinring_watch_channel(struct pinring_channel *channel)
{
	/* Between submit and issue it is halted, and well. */
	mutex_lock_nested(&channel->mutex, channel->dir);
	if (!pinring_watch_halted(channel))
		pinring_watch_silent(channel);
	mutex_unlock(&channel->mutex);
}

static void pinring_watch_work(struct work_struct *work)
{
	struct pinring_device *pdev =
		container_of(to_delayed_work(work), struct pinring_device, watch_work);
	unsigned int dir;

	for (dir = 0; dir < PINRING_DIRS; dir++)
		pinring_watch_channel(&pdev->channel[dir]);

	spin_lock_irq(&pdev->lock);
	pdev->watched = false;
	if (!pdev->dead)
		for (dir = 0; dir < PINRING_DIRS; dir++)
			if (pdev->channel[dir].issued_parts)
				pinring_watch_arm(&pdev->channel[dir]);
	spin_unlock_irq(&pdev->lock);
}

/*
 * Under device->lock, any context. The work runs at the earliest deadline it
 * was told of; most jobs are done long before theirs, so what it finds then
 * is the next one to wait for. A job costs no timer of its own.
 */
static void pinring_deadline_arm(struct pinring_device *pdev, u64 deadline)
{
	u64 now = ktime_get_ns();
	u64 delay;

	lockdep_assert_held(&pdev->lock);
	if (pdev->dead || deadline >= pdev->deadline_next)
		return;
	pdev->deadline_next = deadline;
	/* A longer one than a timer can have is looked at again in between. */
	delay = deadline > now ? nsecs_to_jiffies64(deadline - now) + 1 : 0;
	mod_delayed_work(pinring_wq, &pdev->deadline_work, min_t(u64, delay, MAX_JIFFY_OFFSET));
}

/* Under device->lock: a transfer from now on is looked after. */
void pinring_deadline_add(struct pinring_job *job)
{
	struct pinring_device *pdev = job->ring->pdev;

	lockdep_assert_held(&pdev->lock);
	if (job->patience) {
		list_add_tail(&job->patient_link, &pdev->patient);
	} else if (job->deadline < KTIME_MAX) {
		job->timer.expires = job->deadline;
		timerqueue_add(&pdev->timers, &job->timer);
	} else {
		return;
	}
	pinring_deadline_arm(pdev, pinring_job_due(job));
}

/* Under device->lock, any context: the job ends, or has ended. */
void pinring_deadline_del(struct pinring_job *job)
{
	struct pinring_device *pdev = job->ring->pdev;

	lockdep_assert_held(&pdev->lock);
	list_del_init(&job->patient_link);
	if (timerqueue_node_queued(&job->timer))
		timerqueue_del(&pdev->timers, &job->timer);
}

/*
 * Under device->lock: the job that is due first, or NULL. All patience is the same,
 * and measured by the one channel that sends, so who was submitted first is due
 * first.
 */
static struct pinring_job *pinring_deadline_first(struct pinring_device *pdev)
{
	struct timerqueue_node *node = timerqueue_getnext(&pdev->timers);
	struct pinring_job *timed, *patient;

	timed = node ? container_of(node, struct pinring_job, timer) : NULL;
	patient = list_first_entry_or_null(&pdev->patient, struct pinring_job, patient_link);
	if (!timed || !patient)
		return timed ? timed : patient;
	return pinring_job_due(timed) <= pinring_job_due(patient) ? timed : patient;
}

/*
 * Ends expired jobs; those that the provider has ask for a recovery. Looks at no
 * others: all rings together may have millions of jobs. Returns false if there are
 * more.
 */
static bool pinring_deadline_expire(struct pinring_device *pdev, u64 now)
{
	struct pinring_job *job;
	unsigned int ended = 0;

	lockdep_assert_held(&pdev->lock);
	while ((job = pinring_deadline_first(pdev)) && now >= pinring_job_due(job)) {
		if (ended++ == PINRING_END_BATCH)
			return false;
		/* By hand: one in quarantine has its error already, and does not end here. */
		pinring_deadline_del(job);
		if (!job->error)
			pinring_job_fail(job, -ETIMEDOUT, 0);
	}
	if (job)
		pinring_deadline_arm(pdev, pinring_job_due(job));
	return true;
}

static void pinring_deadline_work(struct work_struct *work)
{
	struct pinring_device *pdev =
		container_of(to_delayed_work(work), struct pinring_device, deadline_work);
	u64 now = ktime_get_ns();

	pinring_post_lock(pdev);
	/* Whoever arms from here on arms a run after this one. */
	pdev->deadline_next = U64_MAX;
	while (!pinring_deadline_expire(pdev, now)) {
		pinring_post_unlock(pdev);
		cond_resched();
		pinring_post_lock(pdev);
	}
	pinring_post_unlock(pdev);
}

void pinring_recover_init(struct pinring_device *pdev)
{
	mutex_init(&pdev->recover_mutex);
	pdev->deadline_next = U64_MAX;
	timerqueue_init_head(&pdev->timers);
	INIT_LIST_HEAD(&pdev->patient);
	INIT_DELAYED_WORK(&pdev->deadline_work, pinring_deadline_work);
	INIT_DELAYED_WORK(&pdev->watch_work, pinring_watch_work);
	INIT_DELAYED_WORK(&pdev->recover_work, pinring_recover_work);
	INIT_WORK(&pdev->dead_work, pinring_dead_work);
}

/* The device is dead: nothing arms them any more. */
void pinring_recover_exit(struct pinring_device *pdev)
{
	cancel_delayed_work_sync(&pdev->deadline_work);
	cancel_delayed_work_sync(&pdev->watch_work);
	cancel_delayed_work_sync(&pdev->recover_work);
	cancel_work_sync(&pdev->dead_work);
}
