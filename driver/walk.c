// SPDX-License-Identifier: GPL-2.0-only
/*
 * Walks: which user memory the bytes of a part are.
 *
 * Piece by piece, as the caller named it: the pieces of a one-shot job, or the
 * one range of a registered buffer. A part's pages (its own pins, or the
 * buffer's) are numbered in that order. A page that one piece ends in and the
 * next one begins in has one number: it is pinned and charged once, so that
 * very many pieces in few pages cost few pages.
 *
 * Any context; what a walk reads does not change from pinring_lane_next() on.
 */
#include <linux/mm.h>

#include "internal.h"

void pinring_walk_start(struct pinring_walk *walk, const struct pinring_part *part)
{
	const struct pinring_buffer_entry *buffer = part->job->buffer;

	walk->part = part;
	walk->piece = part->first_piece;
	walk->skip = part->first_offset;
	walk->left = part->len;
	walk->npages = 0;
	walk->pages = part->pages;
	if (buffer)
		walk->pages = buffer->pages + ((offset_in_page(buffer->addr) +
						part->job->buffer_offset + part->offset) >>
					       PAGE_SHIFT);
}

/* The next piece, in addr, len and page. Returns false when there is none. */
bool pinring_walk_next(struct pinring_walk *walk)
{
	const struct pinring_job *job = walk->part->job;
	u64 first, last;

	if (!walk->left)
		return false;
	if (job->buffer) {
		walk->addr = job->buffer->addr + job->buffer_offset + walk->part->offset;
		walk->len = walk->left;
	} else {
		const struct pinring_iovec *piece = &job->pieces[walk->piece];

		walk->addr = piece->addr + walk->skip;
		walk->len = min(piece->len - walk->skip, walk->left);
		walk->skip += walk->len;
		if (walk->skip == piece->len) {
			walk->piece++;
			walk->skip = 0;
		}
	}
	walk->left -= walk->len;

	first = walk->addr >> PAGE_SHIFT;
	last = (walk->addr + walk->len - 1) >> PAGE_SHIFT;
	walk->page = walk->npages;
	if (walk->npages && first == walk->last)
		walk->page--;
	walk->npages = walk->page + last - first + 1;
	walk->last = last;
	return true;
}

/*
 * What of the piece at hand lies in one page: from byte @done of it on, @left
 * bytes at most.
 */
struct pinring_run pinring_walk_run(const struct pinring_walk *walk, u32 done, u32 left)
{
	u64 at = offset_in_page(walk->addr) + (u64)done;

	return (struct pinring_run){
		.page = walk->pages[walk->page + (at >> PAGE_SHIFT)],
		.offset = offset_in_page(at),
		.len = min_t(u32, PAGE_SIZE - offset_in_page(at), left),
	};
}

/* Pages that a one-shot part touches. */
unsigned long pinring_part_pages(const struct pinring_part *part)
{
	struct pinring_walk walk;

	if (part->job->buffer)
		return 0;
	pinring_walk_start(&walk, part);
	while (pinring_walk_next(&walk))
		;
	return walk.npages;
}
