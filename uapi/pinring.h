/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * pinring: stream a program's own memory to and from FPGA logic through an
 * AXI DMA, with no copy in between. This header is the only contract between
 * the driver and user space.
 *
 * Call order
 *
 *	fd = open("/dev/pinringN")
 *	PINRING_IOC_INFO		what the device can do (any time)
 *	PINRING_IOC_SETUP		make this file's ring, claim directions
 *	mmap(fd, ring_bytes, offset 0)	SQ, CQ, SQEs and CQEs, one mapping
 *	fill SQEs, publish sq.tail	(store-release)
 *	PINRING_IOC_ENTER		submit n, wait for m
 *	read CQEs up to cq.tail		(load-acquire), publish cq.head
 *
 * A file holds one ring. A ring belongs to the address space that set it up:
 * after fork() the child gets EXDEV from everything but INFO, and has no
 * mapping of the ring. The owner's close() of any descriptor of the file ends
 * the ring, even if a child or a dup() still holds the file: when it returns,
 * no memory of its jobs is under DMA, unless its engine can't be stopped: then
 * INFO says PINRING_INFO_DEAD, and the pages stay pinned. Any thread may call
 * any ioctl; the SQ and the CQ have one producer or consumer at a time, which
 * is the callers' to arrange.
 *
 * Errors
 *
 * One meaning each, the same for an ioctl and for the result of a CQE.
 *
 *	EINVAL		a field, flag or combination that can never be right;
 *			with PINRING_SQE_ZERO_COPY, memory that the hardware
 *			can't take as it is
 *	E2BIG		the structure is longer than this kernel knows, and the
 *			part it does not know is not zero; or longer than a page
 *	EFAULT		memory that can't be read, written or pinned as asked. When
 *			it is the answer of an ioctl that can't be written, SETUP
 *			and BUFFER_ADD have been undone; what ENTER has consumed
 *			is told by sq.head
 *	ENOTTY		no such ioctl
 *	EOPNOTSUPP	known, but not available here: its feature bit is off,
 *			or the device has no such direction, or the ring has
 *			not claimed it; an abort where others would be reset
 *	ENXIO		this file has no ring: SETUP comes first, close() ends it
 *	EEXIST		this file has a ring already; this buffer index is taken,
 *			or all of them are (PINRING_BUFFER_ANY_INDEX)
 *	EBUSY		the direction is claimed by another ring (a killed
 *			process's until it is gone), or the index's former buffer
 *			has not been let go yet
 *	EMFILE		the user has info.max_user_rings rings on this device, or
 *			1024 on all (with those that stalled pins keep from ending)
 *	ENFILE		the device has info.max_rings rings
 *	EXDEV		the ring belongs to another address space (fork)
 *	EPROTO		the shared indices make no sense: sq.tail is more than
 *			sq_entries past the head, or cq.head is past cq.tail
 *	EAGAIN		nothing was consumed, as the ring's limit of jobs not
 *			yet reaped is reached: reap, then submit again
 *	EINTR		a signal ended the wait, for completions or for the
 *			call's turn on this ring; whatever was consumed, which
 *			may be nothing, is under way, see the field submitted
 *	ETIME		the deadline of the *wait* passed; no job is touched
 *	ENODEV		the device is gone (unbound or removed), or its engine
 *			could not be stopped (PINRING_INFO_DEAD); memory that
 *			such an engine was given is not the caller's again. A
 *			reset in sysfs can make the device work again, for rings
 *			that are set up afterwards
 *	ENOMEM		the kernel is out of memory
 *	EDQUOT		RLIMIT_MEMLOCK of the user, or info.max_pinned_bytes of
 *			the ring, does not allow the pin; or the ring's jobs that
 *			are not through have 256 lists of info.max_iov pieces, or
 *			as many pieces in more lists
 *	EMSGSIZE	longer than INFO.chunk in one packet: use
 *			PINRING_SQE_SPLIT, or a registered buffer in larger
 *			pages; more pieces than the BD budget: use
 *			PINRING_SQE_GATHER; a last packet that may be short,
 *			and is longer than a BD can be, see
 *			PINRING_SQE_MAY_BE_SHORT
 *	ENOENT		no job with that user_data; no buffer at that index
 *	EALREADY	the job has started and can't be withdrawn, or is ending
 *	ECANCELED	the job was withdrawn before it started, or aborted
 *	ETIMEDOUT	the *job's* deadline passed
 *	EIO		the provider reported a transfer error; or the hardware
 *			was found to have met one, or to be through with the
 *			job without anybody having been told
 *	EBADMSG		TLAST came before the length that was promised
 *	ECONNRESET	the channel was reset on another job's account
 *			(PINRING_CQE_COLLATERAL)
 *
 * The ABI is version 0: it may change until the project says it is frozen.
 */
#ifndef _UAPI_PINRING_H
#define _UAPI_PINRING_H

#include <linux/ioctl.h>
#include <linux/types.h>

#ifdef __cplusplus
#define PINRING_ASSERT(expr, text) static_assert(expr, text)
#else
#define PINRING_ASSERT(expr, text) _Static_assert(expr, text)
#endif

#define PINRING_ABI_VERSION	0

/* Directions: bits in info.directions, setup.directions, buffer.flags */
#define PINRING_DIR_SEND	(1U << 0)	/* memory to stream, MM2S */
#define PINRING_DIR_RECV	(1U << 1)	/* stream to memory, S2MM */

/*
 * Deadlines are nanoseconds of CLOCK_MONOTONIC, from the call on unless the
 * structure's absolute flag is set. 0 is the default of the thing at hand: a
 * send ends when its channel has made no progress for info.send_deadline_ns,
 * everything else waits for ever.
 */
#define PINRING_DEADLINE_NONE	(~(__u64)0)

/* ------------------------------------------------------------------------ */

/* info.features: a bit that is off answers EOPNOTSUPP where it is asked for */
#define PINRING_FEAT_SPLIT	(1ULL << 0)	/* PINRING_SQE_SPLIT */
#define PINRING_FEAT_WINDOW	(1ULL << 1)	/* large one-shot jobs pin a moving window */
#define PINRING_FEAT_IOVEC	(1ULL << 2)	/* PINRING_SQE_IOVEC */
#define PINRING_FEAT_BUFFERS	(1ULL << 3)	/* registered buffers */
#define PINRING_FEAT_EVENTFD	(1ULL << 4)	/* PINRING_IOC_EVENTFD */
#define PINRING_FEAT_WITHDRAW	(1ULL << 5)	/* PINRING_OP_CANCEL of jobs not started */
#define PINRING_FEAT_ABORT	(1ULL << 6)	/* PINRING_SQE_ABORT */
#define PINRING_FEAT_DRAIN	(1ULL << 7)	/* PINRING_OP_DRAIN */
#define PINRING_FEAT_BATCH	(1ULL << 8)	/* PINRING_SQE_BATCH */
#define PINRING_FEAT_BOUNCE	(1ULL << 9)	/* what the hardware can't take is copied, not refused */
#define PINRING_FEAT_GATHER	(1ULL << 10)	/* PINRING_SQE_GATHER */
#define PINRING_FEAT_APP_WORDS	(1ULL << 11)	/* sqe.app_words, cqe.app */
#define PINRING_FEAT_TIMESTAMP	(1ULL << 12)	/* cqe.timestamp_ns */
#define PINRING_FEAT_SEQUENCE	(1ULL << 13)	/* cqe.sequence */
#define PINRING_FEAT_URING_CMD	(1ULL << 14)	/* IORING_OP_URING_CMD on the device */

/* info.flags: facts about the device, its provider and its port */
#define PINRING_INFO_SIMULATOR	(1U << 0)	/* no hardware behind it */
#define PINRING_INFO_COHERENT	(1U << 1)	/* DMA is cache coherent */
#define PINRING_INFO_MAY_BOUNCE	(1U << 2)	/* the kernel's mapping may copy (swiotlb) */
#define PINRING_INFO_EXACT_SHORT (1U << 3)	/* short receives of several BDs are exact */
#define PINRING_INFO_DEEP_RECV	(1U << 4)	/* receives queue deep and still report one by one */
#define PINRING_INFO_DEAD	(1U << 5)	/* the device is gone or could not be recovered */

/**
 * struct pinring_info - PINRING_IOC_INFO: what a device can do
 * @size: in: bytes the caller has room for, at least up to @features; out:
 *	bytes the kernel knows.
 * @abi: PINRING_ABI_VERSION of the driver.
 * @features: PINRING_FEAT_* that are available.
 * @directions: PINRING_DIR_* the device has.
 * @flags: PINRING_INFO_*.
 * @send_align: bytes; the address of every piece of a send should be a
 *	multiple of it, and the length of every piece but the last: otherwise the
 *	send is copied. 1 where the hardware has a data realignment engine (DRE).
 * @recv_align: the same for receives.
 * @cacheline: bytes; receives should start and end on multiples of it:
 *	otherwise what shares a line with other memory is copied, and all of a
 *	list whose pieces meet within lines. 1 on a coherent port.
 * @max_bd_bytes: bytes that one buffer descriptor carries at most.
 * @send_bds: BDs that the send channel has, all jobs together. 0: no channel.
 * @recv_bds: the same for the receive channel.
 * @chunk: bytes; the longest packet that always fits the BD budget, whatever
 *	the pages behind it: a packet job may be this long, and a split job is
 *	cut into packets of this length. The same for both directions.
 * @send_deadline_ns: patience with a send that names no deadline: it ends
 *	when, since it was submitted, the send channel has completed no packet
 *	for this long. A long job that moves on is left alone. 0: it never ends
 *	by itself.
 * @max_job_bytes: longest job of one SQE.
 * @max_buffer_bytes: longest registered buffer.
 * @max_iov: most pieces of one PINRING_SQE_IOVEC job.
 * @max_buffers: registered buffer indices are below this.
 * @max_sq_entries: largest SQ.
 * @max_cq_entries: largest CQ.
 * @max_jobs: jobs of one ring that are submitted and not yet reaped, at most.
 * @recv_depth: receives handed to the provider at a time, unless
 *	PINRING_SQE_BATCH promises a batch.
 * @max_rings: rings of the device, all users together.
 * @max_user_rings: rings of the device that are one user's.
 * @max_pinned_bytes: memory that one ring has pinned at a time, jobs and
 *	registered buffers together, whatever RLIMIT_MEMLOCK allows.
 * @name: stable name of the device, from the device tree; NUL terminated.
 * @provider: name of the dmaengine driver behind it; NUL terminated.
 * @driver_version: version of pinring.ko; NUL terminated.
 * @reserved: 0.
 *
 * A kernel that knows less fills less and zeroes the rest.
 */
struct pinring_info {
	__u32 size;
	__u32 abi;
	__u64 features;
	__u32 directions;
	__u32 flags;
	__u32 send_align;
	__u32 recv_align;
	__u32 cacheline;
	__u32 max_bd_bytes;
	__u32 send_bds;
	__u32 recv_bds;
	__u64 chunk;
	__u64 send_deadline_ns;
	__u64 max_job_bytes;
	__u64 max_buffer_bytes;
	__u32 max_iov;
	__u32 max_buffers;
	__u32 max_sq_entries;
	__u32 max_cq_entries;
	__u32 max_jobs;
	__u32 recv_depth;
	char name[32];
	char provider[32];
	char driver_version[32];
	__u32 max_rings;
	__u32 max_user_rings;
	__u64 max_pinned_bytes;
	__u64 reserved[5];
};

/* setup.flags */
#define PINRING_SETUP_SHARED	(1U << 0)	/* others may claim the same directions, shared too */

/**
 * struct pinring_setup - PINRING_IOC_SETUP: make this file's ring
 * @size: sizeof(struct pinring_setup).
 * @flags: PINRING_SETUP_*.
 * @directions: PINRING_DIR_* to claim, at least one. A claim is exclusive
 *	unless PINRING_SETUP_SHARED is set by everyone who claims it.
 * @sq_entries: in: entries wanted, 1 to info.max_sq_entries; out: rounded up
 *	to a power of two.
 * @cq_entries: in: the same, or 0 for twice the SQ; out: rounded up, never
 *	less than sq_entries.
 * @reserved: must be 0.
 * @ring_bytes: out: bytes to mmap at offset 0, MAP_SHARED.
 * @sq_offset: out: where struct pinring_sq is in the mapping.
 * @cq_offset: out: where struct pinring_cq is.
 * @sqes_offset: out: where the array of struct pinring_sqe is.
 * @cqes_offset: out: where the array of struct pinring_cqe is.
 */
struct pinring_setup {
	__u32 size;
	__u32 flags;
	__u32 directions;
	__u32 sq_entries;
	__u32 cq_entries;
	__u32 reserved;
	__u64 ring_bytes;
	__u32 sq_offset;
	__u32 cq_offset;
	__u32 sqes_offset;
	__u32 cqes_offset;
};

/**
 * struct pinring_sq - submission queue indices, shared
 * @head: written by the kernel: SQEs before it were copied and may be reused.
 * @tail: written by the caller, store-release after the SQEs are filled.
 * @reserved0: leave alone.
 * @reserved1: leave alone.
 *
 * Indices run freely and wrap at 2^32; entry i is sqes[i & (sq_entries - 1)].
 * The kernel keeps its own copy of @head: writing it changes nothing.
 */
struct pinring_sq {
	__u32 head;
	__u32 reserved0[15];
	__u32 tail;
	__u32 reserved1[15];
};

/* cq.flags, written by the kernel */
#define PINRING_CQ_OVERFLOW	(1U << 0)	/* completions wait in the kernel: make room, then ENTER */

/**
 * struct pinring_cq - completion queue indices, shared
 * @head: written by the caller, store-release after the CQEs were read.
 * @reserved0: leave alone.
 * @tail: written by the kernel: load-acquire it before reading CQEs.
 * @flags: PINRING_CQ_*, written by the kernel.
 * @reserved1: leave alone.
 *
 * CQEs come in the order in which memory is the callers' again. What has to be
 * synced or copied for that comes after what has not.
 *
 * A completion is never lost: when the CQ is full it stays in the kernel, in
 * order, and PINRING_CQ_OVERFLOW is set until ENTER or poll moved it here.
 */
struct pinring_cq {
	__u32 head;
	__u32 reserved0[15];
	__u32 tail;
	__u32 flags;
	__u32 reserved1[14];
};

/* sqe.opcode */
#define PINRING_OP_NOP		0	/* completes at once */
#define PINRING_OP_SEND		1	/* memory to stream */
#define PINRING_OP_RECV		2	/* stream to memory */
#define PINRING_OP_CANCEL	3	/* end another job of this ring, see sqe.addr */
#define PINRING_OP_DRAIN	4	/* completes when all that was submitted before it has */

/* sqe.flags */
#define PINRING_SQE_SPLIT	(1U << 0)	/* SEND, RECV: as packets of info.chunk bytes */
#define PINRING_SQE_MAY_BE_SHORT (1U << 1)	/* RECV: TLAST may come early; bytes tells where */
#define PINRING_SQE_IOVEC	(1U << 2)	/* SEND, RECV: addr and len name a struct pinring_iovec array */
#define PINRING_SQE_BUFFER	(1U << 3)	/* SEND, RECV: registered buffer at {buffer, offset, len} */
#define PINRING_SQE_ABS_DEADLINE (1U << 4)	/* deadline_ns is a point in time */
#define PINRING_SQE_BATCH	(1U << 5)	/* RECV: the peer sends the whole batch unasked */
#define PINRING_SQE_ZERO_COPY	(1U << 6)	/* SEND, RECV: fail with EINVAL rather than copy */
#define PINRING_SQE_GATHER	(1U << 7)	/* with IOVEC: pieces beyond the BD budget are copied together */
#define PINRING_SQE_ABORT	(1U << 8)	/* CANCEL: also what has started; resets the channels */
#define PINRING_SQE_ALL		(1U << 9)	/* CANCEL: every job of this ring, addr must be 0 */
#define PINRING_SQE_APP_WORDS	(1U << 10)	/* SEND: app_words points to __u32[5] */

/**
 * struct pinring_iovec - one piece of a PINRING_SQE_IOVEC job
 * @addr: address.
 * @len: bytes, not 0.
 *
 * In a 64-bit program this is struct iovec, bit for bit; it has a name of
 * its own so that it is the same in a 32-bit one.
 */
struct pinring_iovec {
	__u64 addr;
	__u64 len;
};

/**
 * struct pinring_sqe - one submission, 64 bytes
 * @opcode: PINRING_OP_*.
 * @reserved0: must be 0.
 * @reserved1: must be 0.
 * @flags: PINRING_SQE_*, those that name this opcode.
 * @user_data: comes back in the CQE, otherwise untouched.
 * @addr: SEND, RECV: the address of the data, or of a struct pinring_iovec
 *	array; 0 with PINRING_SQE_BUFFER. CANCEL: user_data of the job to end.
 * @len: SEND, RECV: bytes, 1 to info.max_job_bytes; with PINRING_SQE_IOVEC
 *	the number of pieces, 1 to info.max_iov, none of them empty.
 * @offset: with PINRING_SQE_BUFFER: bytes into the registered buffer.
 * @deadline_ns: SEND, RECV: see PINRING_DEADLINE_NONE. A deadline that ends
 *	a job which has started resets both channels of the device.
 * @buffer: with PINRING_SQE_BUFFER: its index.
 * @reserved2: must be 0.
 * @app_words: address of AXI APP words, with PINRING_SQE_APP_WORDS.
 *
 * What a field's opcode or flag does not use must be 0. The kernel copies an
 * SQE once, when ENTER consumes it; the iovec array too. The data itself
 * stays the kernel's until the job's CQE.
 *
 * A rejected SQE gets its own CQE and stops nothing behind it.
 *
 * CANCEL ends the oldest job of that user_data which it can end, or with
 * PINRING_SQE_ALL every one: by itself those that have not started, with
 * PINRING_SQE_ABORT those that have, too. They end with ECANCELED, and bytes
 * tells what is known to have moved. An abort resets both channels; so nobody
 * else may have claimed any direction of the device, nor this ring shared,
 * or it answers EOPNOTSUPP and ends nothing. Of the ring's other jobs those
 * that have started end with ECONNRESET, the others are handed over after the
 * reset. ENTER returns after it. The CANCEL's CQE comes after those of the jobs
 * it ended: when ENTER returns, unless one's pages are being pinned just then.
 *
 * Framing: without PINRING_SQE_SPLIT one job is one packet, and TLAST ends
 * it. With it, a job is packets of info.chunk bytes, the last one shorter,
 * however the memory happens to be scattered; on a receive every packet but
 * the last must be full. When the memory of a later packet can't be had (EFAULT,
 * ENOMEM, EDQUOT), the job ends when those handed over before it have come back:
 * with that error, unless something else ends it first; bytes tells how far it
 * came.
 *
 * PINRING_SQE_MAY_BE_SHORT: the last packet may be shorter than the memory left
 * for it. Without PINRING_INFO_EXACT_SHORT that takes one BD: the memory is
 * received into directly where the device sees it in one piece, and by way of
 * a copy elsewhere; a last packet longer than info.max_bd_bytes is EMSGSIZE.
 *
 * Copies are made where the memory is not what send_align, recv_align and
 * cacheline of struct pinring_info ask for, where a receive may be short, and
 * where PINRING_SQE_GATHER asks for it. They are flagged, PINRING_CQE_BOUNCED,
 * and charged to RLIMIT_MEMLOCK while the job is under way, also for
 * registered buffers. What is copied as a whole is not longer than info.chunk
 * in one packet. The kernel's own copies (PINRING_INFO_MAY_BOUNCE) are not
 * meant: ZERO_COPY does not refuse them.
 */
struct pinring_sqe {
	__u8 opcode;
	__u8 reserved0;
	__u16 reserved1;
	__u32 flags;
	__u64 user_data;
	__u64 addr;
	__u64 len;
	__u64 offset;
	__u64 deadline_ns;
	__u32 buffer;
	__u32 reserved2;
	__u64 app_words;
};

/* cqe.flags */
#define PINRING_CQE_BOUNCED	(1U << 0)	/* pinring copied some or all of the data */
#define PINRING_CQE_SHORT	(1U << 1)	/* TLAST came before the end of the memory */
#define PINRING_CQE_TRUNCATED	(1U << 2)	/* the memory is full, and no end of the packet was reported */
#define PINRING_CQE_COLLATERAL	(1U << 3)	/* ended by a reset on another job's account */
#define PINRING_CQE_MORE	(1U << 4)	/* further CQEs for this job follow */

/* cqe.provider_result: what the dmaengine provider said of the last packet */
#define PINRING_PROVIDER_NONE	0	/* it was not asked, or did not answer */
#define PINRING_PROVIDER_OK	1
#define PINRING_PROVIDER_READ_FAILED 2
#define PINRING_PROVIDER_WRITE_FAILED 3
#define PINRING_PROVIDER_ABORTED 4

/**
 * struct pinring_cqe - one completion, 64 bytes
 * @user_data: of the SQE.
 * @bytes: bytes that really moved and are known to have; for CANCEL, the
 *	number of jobs that were ended.
 * @result: 0, or a negative errno of the list above.
 * @flags: PINRING_CQE_*.
 * @provider_result: PINRING_PROVIDER_*.
 * @app: AXI APP words, with PINRING_FEAT_APP_WORDS; otherwise 0.
 * @timestamp_ns: CLOCK_MONOTONIC, with PINRING_FEAT_TIMESTAMP; otherwise 0.
 * @sequence: with PINRING_FEAT_SEQUENCE; otherwise 0.
 *
 * When a CQE is visible the memory is the caller's again: the hardware can
 * no longer touch it, and what it wrote can be read.
 */
struct pinring_cqe {
	__u64 user_data;
	__u64 bytes;
	__s32 result;
	__u32 flags;
	__u32 provider_result;
	__u32 app[5];
	__u64 timestamp_ns;
	__u64 sequence;
};

/* enter.flags */
#define PINRING_ENTER_ABS_DEADLINE (1U << 0)	/* deadline_ns is a point in time */

/**
 * struct pinring_enter - PINRING_IOC_ENTER: submit, then wait
 * @size: sizeof(struct pinring_enter).
 * @flags: PINRING_ENTER_*.
 * @to_submit: SQEs to consume at most; fewer if the SQ holds fewer.
 * @min_complete: return when this many CQEs are in the CQ, at most
 *	cq_entries. 0 does not wait. The wait also ends, with success, once
 *	nothing of this ring is outstanding.
 * @deadline_ns: of the wait.
 * @submitted: out, also with an error: SQEs consumed by this call.
 * @reserved: must be 0.
 *
 * Returns 0, or an error that concerns the call or the wait; what became of
 * each SQE is told by its CQE. A signal ends the wait with EINTR.
 */
struct pinring_enter {
	__u32 size;
	__u32 flags;
	__u32 to_submit;
	__u32 min_complete;
	__u64 deadline_ns;
	__u32 submitted;
	__u32 reserved;
};

/* buffer.flags, besides PINRING_DIR_* */
#define PINRING_BUFFER_ANY_INDEX (1U << 8)	/* ADD: the kernel picks; index comes back */
#define PINRING_BUFFER_WAIT	(1U << 9)	/* UPDATE, REMOVE: return when the old one is let go */
#define PINRING_BUFFER_ABS_DEADLINE (1U << 10)	/* deadline_ns is a point in time */

/**
 * struct pinring_buffer - PINRING_IOC_BUFFER_ADD, _UPDATE and _REMOVE
 * @size: sizeof(struct pinring_buffer).
 * @flags: ADD, UPDATE: PINRING_DIR_* it will be used for (a buffer for RECV
 *	is pinned for writing), and PINRING_BUFFER_*.
 * @index: in, or out with PINRING_BUFFER_ANY_INDEX: below info.max_buffers.
 * @reserved: must be 0.
 * @addr: ADD, UPDATE: address. REMOVE: must be 0.
 * @len: ADD, UPDATE: bytes, 1 to info.max_buffer_bytes. REMOVE: must be 0.
 * @deadline_ns: deadline of the wait; only with PINRING_BUFFER_WAIT.
 *
 * ADD takes a free index, UPDATE an occupied one, REMOVE frees it. A buffer
 * in use is let go when its last job has completed, never under DMA: until
 * then REMOVE without PINRING_BUFFER_WAIT returns 0 at once, the index
 * answers EBUSY to ADD and UPDATE, and a further REMOVE with
 * PINRING_BUFFER_WAIT waits for it. UPDATE replaces at once; with
 * PINRING_BUFFER_WAIT it returns when the old memory was let go. A wait that
 * ends early (ETIME, EINTR) leaves the removal under way. After an UPDATE the
 * index is the new buffer's; what tells then that no job uses the old one any
 * more is a DRAIN. ENODEV of a wait: the buffer is out of the table, but an
 * engine that could not be stopped may still use the memory, which stays pinned.
 */
struct pinring_buffer {
	__u32 size;
	__u32 flags;
	__u32 index;
	__u32 reserved;
	__u64 addr;
	__u64 len;
	__u64 deadline_ns;
};

/**
 * struct pinring_eventfd - PINRING_IOC_EVENTFD: signal an eventfd on CQEs
 * @size: sizeof(struct pinring_eventfd).
 * @flags: must be 0.
 * @fd: an eventfd, or -1 to stop.
 * @reserved: must be 0.
 *
 * It is signalled after CQEs were written, at least once for those since the
 * last time: its count says nothing. Once more, maybe, when completions that
 * had no room (PINRING_CQ_OVERFLOW) have come into the CQ, and at the end of
 * the ring.
 */
struct pinring_eventfd {
	__u32 size;
	__u32 flags;
	__s32 fd;
	__u32 reserved;
};

#define PINRING_IOC_MAGIC	0xDA

#define PINRING_IOC_INFO	_IO(PINRING_IOC_MAGIC, 0)
#define PINRING_IOC_SETUP	_IO(PINRING_IOC_MAGIC, 1)
#define PINRING_IOC_ENTER	_IO(PINRING_IOC_MAGIC, 2)
#define PINRING_IOC_BUFFER_ADD	_IO(PINRING_IOC_MAGIC, 3)
#define PINRING_IOC_BUFFER_UPDATE _IO(PINRING_IOC_MAGIC, 4)
#define PINRING_IOC_BUFFER_REMOVE _IO(PINRING_IOC_MAGIC, 5)
#define PINRING_IOC_EVENTFD	_IO(PINRING_IOC_MAGIC, 6)

/* ------------------------------------------------------------------------ */

#define PINRING_ASSERT_AT(type, field, offset) \
	PINRING_ASSERT(__builtin_offsetof(struct type, field) == (offset), \
		       #type "." #field " moved")
#define PINRING_ASSERT_SIZE(type, bytes) \
	PINRING_ASSERT(sizeof(struct type) == (bytes), #type " changed its size")

PINRING_ASSERT_SIZE(pinring_info, 256);
PINRING_ASSERT_AT(pinring_info, size, 0);
PINRING_ASSERT_AT(pinring_info, abi, 4);
PINRING_ASSERT_AT(pinring_info, features, 8);
PINRING_ASSERT_AT(pinring_info, directions, 16);
PINRING_ASSERT_AT(pinring_info, flags, 20);
PINRING_ASSERT_AT(pinring_info, send_align, 24);
PINRING_ASSERT_AT(pinring_info, recv_align, 28);
PINRING_ASSERT_AT(pinring_info, cacheline, 32);
PINRING_ASSERT_AT(pinring_info, max_bd_bytes, 36);
PINRING_ASSERT_AT(pinring_info, send_bds, 40);
PINRING_ASSERT_AT(pinring_info, recv_bds, 44);
PINRING_ASSERT_AT(pinring_info, chunk, 48);
PINRING_ASSERT_AT(pinring_info, send_deadline_ns, 56);
PINRING_ASSERT_AT(pinring_info, max_job_bytes, 64);
PINRING_ASSERT_AT(pinring_info, max_buffer_bytes, 72);
PINRING_ASSERT_AT(pinring_info, max_iov, 80);
PINRING_ASSERT_AT(pinring_info, max_buffers, 84);
PINRING_ASSERT_AT(pinring_info, max_sq_entries, 88);
PINRING_ASSERT_AT(pinring_info, max_cq_entries, 92);
PINRING_ASSERT_AT(pinring_info, max_jobs, 96);
PINRING_ASSERT_AT(pinring_info, recv_depth, 100);
PINRING_ASSERT_AT(pinring_info, name, 104);
PINRING_ASSERT_AT(pinring_info, provider, 136);
PINRING_ASSERT_AT(pinring_info, driver_version, 168);
PINRING_ASSERT_AT(pinring_info, max_rings, 200);
PINRING_ASSERT_AT(pinring_info, max_user_rings, 204);
PINRING_ASSERT_AT(pinring_info, max_pinned_bytes, 208);
PINRING_ASSERT_AT(pinring_info, reserved, 216);

PINRING_ASSERT_SIZE(pinring_setup, 48);
PINRING_ASSERT_AT(pinring_setup, size, 0);
PINRING_ASSERT_AT(pinring_setup, flags, 4);
PINRING_ASSERT_AT(pinring_setup, directions, 8);
PINRING_ASSERT_AT(pinring_setup, sq_entries, 12);
PINRING_ASSERT_AT(pinring_setup, cq_entries, 16);
PINRING_ASSERT_AT(pinring_setup, reserved, 20);
PINRING_ASSERT_AT(pinring_setup, ring_bytes, 24);
PINRING_ASSERT_AT(pinring_setup, sq_offset, 32);
PINRING_ASSERT_AT(pinring_setup, cq_offset, 36);
PINRING_ASSERT_AT(pinring_setup, sqes_offset, 40);
PINRING_ASSERT_AT(pinring_setup, cqes_offset, 44);

PINRING_ASSERT_SIZE(pinring_sq, 128);
PINRING_ASSERT_AT(pinring_sq, head, 0);
PINRING_ASSERT_AT(pinring_sq, tail, 64);
PINRING_ASSERT_SIZE(pinring_cq, 128);
PINRING_ASSERT_AT(pinring_cq, head, 0);
PINRING_ASSERT_AT(pinring_cq, tail, 64);
PINRING_ASSERT_AT(pinring_cq, flags, 68);

PINRING_ASSERT_SIZE(pinring_iovec, 16);
PINRING_ASSERT_AT(pinring_iovec, addr, 0);
PINRING_ASSERT_AT(pinring_iovec, len, 8);

PINRING_ASSERT_SIZE(pinring_sqe, 64);
PINRING_ASSERT_AT(pinring_sqe, opcode, 0);
PINRING_ASSERT_AT(pinring_sqe, reserved0, 1);
PINRING_ASSERT_AT(pinring_sqe, reserved1, 2);
PINRING_ASSERT_AT(pinring_sqe, flags, 4);
PINRING_ASSERT_AT(pinring_sqe, user_data, 8);
PINRING_ASSERT_AT(pinring_sqe, addr, 16);
PINRING_ASSERT_AT(pinring_sqe, len, 24);
PINRING_ASSERT_AT(pinring_sqe, offset, 32);
PINRING_ASSERT_AT(pinring_sqe, deadline_ns, 40);
PINRING_ASSERT_AT(pinring_sqe, buffer, 48);
PINRING_ASSERT_AT(pinring_sqe, reserved2, 52);
PINRING_ASSERT_AT(pinring_sqe, app_words, 56);

PINRING_ASSERT_SIZE(pinring_cqe, 64);
PINRING_ASSERT_AT(pinring_cqe, user_data, 0);
PINRING_ASSERT_AT(pinring_cqe, bytes, 8);
PINRING_ASSERT_AT(pinring_cqe, result, 16);
PINRING_ASSERT_AT(pinring_cqe, flags, 20);
PINRING_ASSERT_AT(pinring_cqe, provider_result, 24);
PINRING_ASSERT_AT(pinring_cqe, app, 28);
PINRING_ASSERT_AT(pinring_cqe, timestamp_ns, 48);
PINRING_ASSERT_AT(pinring_cqe, sequence, 56);

PINRING_ASSERT_SIZE(pinring_enter, 32);
PINRING_ASSERT_AT(pinring_enter, size, 0);
PINRING_ASSERT_AT(pinring_enter, flags, 4);
PINRING_ASSERT_AT(pinring_enter, to_submit, 8);
PINRING_ASSERT_AT(pinring_enter, min_complete, 12);
PINRING_ASSERT_AT(pinring_enter, deadline_ns, 16);
PINRING_ASSERT_AT(pinring_enter, submitted, 24);
PINRING_ASSERT_AT(pinring_enter, reserved, 28);

PINRING_ASSERT_SIZE(pinring_buffer, 40);
PINRING_ASSERT_AT(pinring_buffer, size, 0);
PINRING_ASSERT_AT(pinring_buffer, flags, 4);
PINRING_ASSERT_AT(pinring_buffer, index, 8);
PINRING_ASSERT_AT(pinring_buffer, reserved, 12);
PINRING_ASSERT_AT(pinring_buffer, addr, 16);
PINRING_ASSERT_AT(pinring_buffer, len, 24);
PINRING_ASSERT_AT(pinring_buffer, deadline_ns, 32);

PINRING_ASSERT_SIZE(pinring_eventfd, 16);
PINRING_ASSERT_AT(pinring_eventfd, size, 0);
PINRING_ASSERT_AT(pinring_eventfd, flags, 4);
PINRING_ASSERT_AT(pinring_eventfd, fd, 8);
PINRING_ASSERT_AT(pinring_eventfd, reserved, 12);

#endif /* _UAPI_PINRING_H */
