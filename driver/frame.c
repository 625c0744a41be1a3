// SPDX-License-Identifier: GPL-2.0-only
/*
 * Framing: how a job becomes packets, and whether each of them can be one.
 *
 * Decided at submission, by the byte count and never by how the memory happens
 * to be scattered. Called under ring->submit_mutex, before the job is known to
 * anyone.
 */
#include <linux/math64.h>
#include <linux/mm.h>

#include "internal.h"

/* BDs that the provider needs at worst for a piece. */
u64 pinring_worst_bds(const struct pinring_channel *channel, u64 addr, u64 len)
{
	u64 pages = (offset_in_page(addr) + len + PAGE_SIZE - 1) >> PAGE_SHIFT;

	return pages * pinring_channel_bds(channel, PAGE_SIZE);
}

/* The bytes of the job's last packet. */
u64 pinring_last_packet(const struct pinring_job *job)
{
	u64 chunk = job->ring->pdev->info.chunk;
	u64 rest;

	if (!(job->sqe_flags & PINRING_SQE_SPLIT))
		return job->len;
	div64_u64_rem(job->len, chunk, &rest);
	return rest ? rest : chunk;
}

/*
 * So that a split job does not fail half-way, each of its packets must fit the
 * BD budget at worst.
 */
static bool pinring_pieces_fit(const struct pinring_job *job,
			       const struct pinring_channel *channel)
{
	u32 budget = channel->bds - pinring_edge_bds(channel);
	u64 chunk = channel->pdev->info.chunk;
	u64 room = chunk, bds = 0;
	u32 i;

	for (i = 0; i < job->npieces; i++) {
		u64 addr = job->pieces[i].addr;
		u64 left = job->pieces[i].len;

		if (left >= room) {
			/* Whole chunks inside one piece always fit. */
			if (bds + pinring_worst_bds(channel, addr, room) > budget)
				return false;
			addr += room;
			div64_u64_rem(left - room, chunk, &left);
			room = chunk;
			bds = 0;
		}
		if (left) {
			bds += pinring_worst_bds(channel, addr, left);
			room -= left;
			if (bds > budget)
				return false;
		}
	}
	return true;
}

static int pinring_check_pieces(const struct pinring_job *job,
				const struct pinring_channel *channel)
{
	if (!(job->sqe_flags & (PINRING_SQE_SPLIT | PINRING_SQE_GATHER)) ||
	    pinring_pieces_fit(job, channel))
		return 0;
	if (!(job->sqe_flags & PINRING_SQE_GATHER))
		return -EMSGSIZE;
	return job->sqe_flags & PINRING_SQE_ZERO_COPY ? -EINVAL : 0;
}

/**
 * pinring_check_framing - can the job be made packets of
 * @job: with its memory known.
 * @channel: where it goes.
 *
 * Return: 0, or what the job ends with.
 */
int pinring_check_framing(struct pinring_job *job, const struct pinring_channel *channel)
{
	u64 chunk = channel->pdev->info.chunk;
	int ret;

	if (job->len > PINRING_MAX_JOB_BYTES)
		return -EINVAL;
	/* A registered buffer's BDs are known. */
	if (!(job->sqe_flags & PINRING_SQE_SPLIT) && job->len > chunk &&
	    (!job->buffer || pinring_buffer_bds(job->buffer->map[job->dir], job->buffer_offset,
						job->len, channel) > channel->bds))
		return -EMSGSIZE;
	ret = job->buffer ? 0 : pinring_check_pieces(job, channel);
	return ret ? ret : pinring_bounce_check(job);
}
