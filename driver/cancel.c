// SPDX-License-Identifier: GPL-2.0-only
/*
 * CANCEL: how a ring ends its own jobs.
 *
 * Process context, under ring->submit_mutex. The CANCEL's own job is on
 * ring->jobs already, so that what it ends is before it.
 *
 * withdraw	what was never handed to the provider. Nobody else notices.
 * abort	what has started, too. Only a recovery gets that back, and it hits
 *		both directions: so it is for a ring that nobody shares the
 *		device with. Claims stay as they are until it is over.
 *
 * An abort does its recovery itself, and completes after the jobs that it ended.
 * That is at once, but for one whose pages are being pinned just then, as a page
 * fault may take for ever: nobody waits for that one here.
 */
#include "internal.h"

static bool pinring_job_transfers(const struct pinring_job *job)
{
	return job->opcode == PINRING_OP_SEND || job->opcode == PINRING_OP_RECV;
}

static bool pinring_job_withdrawable(const struct pinring_job *job, u64 arg)
{
	return pinring_job_transfers(job) && job->state == PINRING_JOB_QUEUED;
}

static bool pinring_job_abortable(const struct pinring_job *job, u64 arg)
{
	return pinring_job_transfers(job);
}

/* @ender: an abort; NULL: a withdrawal. */
static int pinring_cancel_one(struct pinring_ring *ring, u64 user_data, struct pinring_job *ender)
{
	struct pinring_cursor cursor;
	struct pinring_job *job;
	int ret = -ENOENT;

	pinring_cursor_begin(&cursor, ring);
	while ((job = pinring_cursor_next(&cursor))) {
		if (job->user_data != user_data || !pinring_job_transfers(job))
			continue;
		if (!job->error && (ender || pinring_job_withdrawable(job, 0))) {
			if (ender)
				pinring_job_ends(job, ender);
			pinring_job_fail(job, -ECANCELED, 0);
			ret = 0;
			break;
		}
		ret = -EALREADY;
	}
	pinring_cursor_end(&cursor);
	return ret;
}

/* @job says which. Returns its result. */
static int pinring_cancel_jobs(struct pinring_job *job, u64 user_data, bool abort, u64 *ended)
{
	struct pinring_job *ender = abort ? job : NULL;
	int ret;

	if (job->sqe_flags & PINRING_SQE_ALL) {
		*ended = pinring_jobs_end(job->ring, abort ? pinring_job_abortable :
							     pinring_job_withdrawable,
					  0, -ECANCELED, ender);
		return 0;
	}
	ret = pinring_cancel_one(job->ring, user_data, ender);
	*ended = !ret;
	return ret;
}

/* Under claim_mutex: a reset hits nobody else. */
static bool pinring_ring_alone(const struct pinring_ring *ring)
{
	unsigned int dir;

	for (dir = 0; dir < PINRING_DIRS; dir++) {
		const struct pinring_channel *channel = &ring->pdev->channel[dir];

		if (channel->claimed_shared || (channel->claimed_by && channel->claimed_by != ring))
			return false;
	}
	return true;
}

static int pinring_abort(struct pinring_job *job, u64 user_data, u64 *ended)
{
	struct pinring_ring *ring = job->ring;
	struct pinring_device *pdev = ring->pdev;
	int ret = -EOPNOTSUPP;

	mutex_lock(&pdev->claim_mutex);
	if (pinring_ring_alone(ring)) {
		ret = pinring_cancel_jobs(job, user_data, true, ended);
		if (*ended)
			pinring_recover(pdev);
	}
	mutex_unlock(&pdev->claim_mutex);
	/* Those whose memory waits for a CPU sync. */
	pinring_ring_let_go(ring);
	return ret;
}

/**
 * pinring_cancel - do what a CANCEL says
 * @job: the CANCEL's own.
 * @user_data: of the job to end, unless it is for all of them.
 * @ended: out: how many were ended.
 *
 * Return: the CANCEL's result.
 */
int pinring_cancel(struct pinring_job *job, u64 user_data, u64 *ended)
{
	*ended = 0;
	if (job->sqe_flags & PINRING_SQE_ABORT)
		return pinring_abort(job, user_data, ended);
	return pinring_cancel_jobs(job, user_data, false, ended);
}
