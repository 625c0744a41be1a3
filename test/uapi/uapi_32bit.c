/* SPDX-License-Identifier: MIT */
/*
 * The ABI as a 32-bit program has it on a 64-bit kernel: pointers of 4 bytes,
 * 64-bit fields that the compiler aligns to 4, and compat entries on the way
 * in. Prints a line for each sentence that holds, and ends at the first that
 * does not.
 *
 * It is i386's, and has no C library: a 32-bit one is part of gcc-multilib,
 * which can't be installed next to the cross compiler for arm64 guests.
 */
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/mman.h>
#include <linux/poll.h>

#include <pinring.h>

#include "no_libc.h"

_Static_assert(sizeof(void *) == 4, "this is about 32-bit programs");

#define EXIT_SKIPPED 77

#define FOUR_GIB (1ULL << 32)
#define MILLISECOND 1000000ULL
#define PATIENCE (10000 * MILLISECOND)

#define DEVICE "loop0"
#define MOST_DEVICES 32

/* user_data of the two jobs of a transfer; their upper halves differ, too. */
#define RECEIVED 0x0000000100000001ULL
#define SENT 0x0000000200000002ULL

/* ---- the sentences ---- */

static const char *sentence; /* the one that is looked at */

static void holds(const char *what, __s64 is, __s64 should_be)
{
	if (is == should_be)
		return;
	say("WRONG  ");
	say(sentence);
	say(": ");
	say(what);
	say(" is ");
	say_number(is);
	say(", not ");
	say_number(should_be);
	say("\n");
	leave(1);
}

static void is_true(const char *what, int value)
{
	holds(what, !!value, 1);
}

/* ---- the ring ---- */

static int fd = -1;
static struct pinring_setup setup;
static struct pinring_sq *sq;
static struct pinring_cq *cq;
static struct pinring_sqe *sqes;
static struct pinring_cqe *cqes;
static __u32 tail; /* ours, ahead of sq->tail until ENTER */

static unsigned char out[100000], in[sizeof(out)];

/* 0 or a negative errno. */
static long call(unsigned long request, void *argument)
{
	return system_call(__NR_ioctl, fd, (long)request, (long)argument, 0, 0, 0);
}

static struct pinring_sqe *push(__u8 opcode, __u64 user_data, __u32 flags)
{
	struct pinring_sqe *sqe = &sqes[tail++ & (setup.sq_entries - 1)];

	*sqe = (struct pinring_sqe){ .opcode = opcode, .flags = flags, .user_data = user_data };
	return sqe;
}

static struct pinring_sqe *push_plain(__u8 opcode, __u64 user_data, const void *at, size_t bytes)
{
	struct pinring_sqe *sqe = push(opcode, user_data, 0);

	sqe->addr = (uintptr_t)at;
	sqe->len = bytes;
	return sqe;
}

/* PIECES is a struct pinring_iovec[n], or what a test passes for one. */
static void push_pieces(__u8 opcode, __u64 user_data, const void *pieces, size_t n)
{
	push_plain(opcode, user_data, pieces, n)->flags = PINRING_SQE_IOVEC;
}

static void push_registered(__u8 opcode, __u64 user_data, __u32 index, __u64 offset, size_t bytes)
{
	struct pinring_sqe *sqe = push(opcode, user_data, PINRING_SQE_BUFFER);

	sqe->buffer = index;
	sqe->offset = offset;
	sqe->len = bytes;
}

/* Submits what was pushed. */
static long enter(__u32 min_complete, __u32 flags, __u64 deadline_ns)
{
	const __u32 n = tail - sq->head;
	struct pinring_enter argument = {
		.size = sizeof(argument),
		.flags = flags,
		.to_submit = n,
		.min_complete = min_complete,
		.deadline_ns = deadline_ns,
	};
	long result;

	atomic_store_explicit((_Atomic __u32 *)&sq->tail, tail, memory_order_release);
	result = call(PINRING_IOC_ENTER, &argument);
	holds("what ENTER says it has submitted", argument.submitted, n);
	return result;
}

static struct pinring_cqe reap(void)
{
	const __u32 end = atomic_load_explicit((_Atomic __u32 *)&cq->tail, memory_order_acquire);
	const __u32 head = cq->head;
	struct pinring_cqe cqe;

	is_true("that there is a completion", head != end);
	cqe = cqes[head & (setup.cq_entries - 1)];
	atomic_store_explicit((_Atomic __u32 *)&cq->head, head + 1, memory_order_release);
	return cqe;
}

/* Submits the one job that was pushed, which has to end. */
static struct pinring_cqe run_job(void)
{
	holds("ENTER", enter(1, 0, PATIENCE), 0);
	return reap();
}

static void new_data(void *at, size_t bytes)
{
	static __u32 state = 1;
	unsigned char *to = at;

	for (size_t i = 0; i < bytes; i++) {
		state = state * 1664525 + 1013904223;
		to[i] = (unsigned char)(state >> 24);
	}
}

/* Submits the receive and the send that were pushed, both of so many bytes. */
static void both_pass(size_t bytes)
{
	__u64 ended = 0;

	holds("ENTER", enter(2, 0, PATIENCE), 0);
	for (int i = 0; i < 2; i++) {
		const struct pinring_cqe cqe = reap();

		holds("a job's result", cqe.result, 0);
		holds("what a job has moved", (__s64)cqe.bytes, (__s64)bytes);
		ended += cqe.user_data;
	}
	holds("the sum of their user_data", (__s64)ended, RECEIVED + SENT);
}

/* ---- what is looked at ---- */

static void info(void)
{
	static const char name[] = DEVICE;
	/* On the stack, which is at the end of what 32 bits address. */
	struct {
		struct pinring_info info;
		__u32 behind;
	} answer;
	char path[] = "/dev/pinring\0\0";
	char *digits = path + sizeof(path) - 3;

	for (int i = 0; i < MOST_DEVICES; i++) {
		if (i >= 10)
			digits[0] = (char)('0' + i / 10);
		digits[i >= 10] = (char)('0' + i % 10);
		fd = (int)system_call(__NR_open, (long)path, O_RDWR | O_CLOEXEC, 0, 0, 0, 0);
		if (fd < 0)
			continue;
		memset(&answer, 0x5A, sizeof(answer));
		answer.info.size = sizeof(answer.info);
		holds("INFO", call(PINRING_IOC_INFO, &answer.info), 0);
		if (equal(answer.info.name, name, sizeof(name)))
			break;
		system_call(__NR_close, fd, 0, 0, 0, 0, 0);
		fd = -1;
	}
	if (fd < 0) {
		say("skipped: no device that is called " DEVICE
		    "; is its provider loaded, and may this user open it?\n");
		leave(EXIT_SKIPPED);
	}
	holds("size", answer.info.size, 256);
	holds("abi", answer.info.abi, PINRING_ABI_VERSION);
	holds("directions", answer.info.directions, PINRING_DIR_SEND | PINRING_DIR_RECV);
	is_true("that max_job_bytes has an upper half", answer.info.max_job_bytes >> 32 != 0);
	holds("the last reserved field", (__s64)answer.info.reserved[4], 0);
	holds("what is behind the structure", answer.behind, 0x5A5A5A5A);
}

static void arguments(void)
{
	holds("INFO at address 0", call(PINRING_IOC_INFO, NULL), -EFAULT);
	holds("SETUP at address 0", call(PINRING_IOC_SETUP, NULL), -EFAULT);
	/* The last page, which no program has. */
	holds("INFO at the end", call(PINRING_IOC_INFO, (void *)0xFFFFF000), -EFAULT);
	holds("SETUP at the end", call(PINRING_IOC_SETUP, (void *)0xFFFFF000), -EFAULT);
	holds("an ioctl past the last", call(_IO(PINRING_IOC_MAGIC, 7), &setup), -ENOTTY);
	holds("INFO with a size in its number",
	      call(_IOWR(PINRING_IOC_MAGIC, 0, struct pinring_info), &setup), -ENOTTY);
}

static void make_ring(void)
{
	setup = (struct pinring_setup){
		.size = sizeof(setup),
		.directions = PINRING_DIR_SEND | PINRING_DIR_RECV,
		.sq_entries = 7,
	};
	holds("SETUP", call(PINRING_IOC_SETUP, &setup), 0);
	holds("sq_entries", setup.sq_entries, 8);
	holds("cq_entries", setup.cq_entries, 16);
	is_true("that ring_bytes is something", setup.ring_bytes != 0);
	holds("the upper half of ring_bytes", (__s64)(setup.ring_bytes >> 32), 0);
	is_true("that the SQEs are in the ring",
		setup.sqes_offset + 8 * sizeof(*sqes) <= setup.ring_bytes);
	is_true("that the CQEs are in the ring",
		setup.cqes_offset + 16 * sizeof(*cqes) <= setup.ring_bytes);
}

static void map_ring(void)
{
	const size_t bytes = (size_t)setup.ring_bytes;
	char *ring;
	long at;

	/* mmap2 counts pages, so that 32 bits reach further than a byte's address does. */
	holds("mmap2 at 4 KiB", map(0, bytes, MAP_SHARED, fd, 1), -EINVAL);
	holds("mmap2 at 4 GiB", map(0, bytes, MAP_SHARED, fd, FOUR_GIB / 4096), -EINVAL);
	at = map(0, bytes, MAP_SHARED, fd, 0);
	holds("mmap2's error", is_error(at) ? at : 0, 0);
	ring = (char *)at;
	sq = (void *)(ring + setup.sq_offset);
	cq = (void *)(ring + setup.cq_offset);
	sqes = (void *)(ring + setup.sqes_offset);
	cqes = (void *)(ring + setup.cqes_offset);
	holds("sq.head", sq->head, 0);
	holds("cq.tail", cq->tail, 0);
}

static void nop(void)
{
	struct pinring_cqe cqe;

	push(PINRING_OP_NOP, 0xFEDCBA9876543210ULL, 0);
	cqe = run_job();
	holds("its user_data", (__s64)cqe.user_data, (__s64)0xFEDCBA9876543210ULL);
	holds("its result", cqe.result, 0);
	holds("its bytes", (__s64)cqe.bytes, 0);
}

static void one_shot(void)
{
	new_data(out, sizeof(out));
	push_plain(PINRING_OP_RECV, RECEIVED, in, sizeof(in));
	push_plain(PINRING_OP_SEND, SENT, out, sizeof(out));
	both_pass(sizeof(out));
	is_true("that it arrived as it was sent", equal(in, out, sizeof(out)));
}

static void above_2_gib(void)
{
	enum { bytes = 10000 };
	const long at = map(0x90000000, 2 * bytes,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	unsigned char *high = (unsigned char *)at;

	/* As a pointer that is widened with its sign, it would be the kernel's. */
	holds("where the memory is", at, (long)0x90000000);
	new_data(high, bytes);
	push_plain(PINRING_OP_RECV, RECEIVED, high + bytes, bytes);
	push_plain(PINRING_OP_SEND, SENT, high, bytes);
	both_pass(bytes);
	is_true("that it arrived as it was sent", equal(high + bytes, high, bytes));
}

static void pieces(void)
{
	/* In an order that is not the memory's, and the two lists cut differently. */
	const struct pinring_iovec to[] = {
		{ .addr = (uintptr_t)in + 30000, .len = 10000 },
		{ .addr = (uintptr_t)in, .len = 5000 },
		{ .addr = (uintptr_t)in + 20000, .len = 1 },
	};
	const struct pinring_iovec from[] = {
		{ .addr = (uintptr_t)out + 50000, .len = 1 },
		{ .addr = (uintptr_t)out, .len = 15000 },
	};
	static unsigned char sent[15001], arrived[sizeof(sent)];

	new_data(out, sizeof(out));
	memset(in, 0, sizeof(in));
	push_pieces(PINRING_OP_RECV, RECEIVED, to, 3);
	push_pieces(PINRING_OP_SEND, SENT, from, 2);
	both_pass(sizeof(sent));
	memcpy(sent, out + 50000, 1);
	memcpy(sent + 1, out, 15000);
	memcpy(arrived, in + 30000, 10000);
	memcpy(arrived + 10000, in, 5000);
	memcpy(arrived + 15000, in + 20000, 1);
	is_true("that they arrived as they were sent", equal(arrived, sent, sizeof(sent)));
	is_true("that nothing arrived between them",
		!in[5000] && !in[20001] && !in[29999] && !in[40000]);
}

/* Two of them are as long as one struct pinring_iovec, with the lengths in the upper halves. */
static void own_iovec(void)
{
	const struct {
		const void *addr;
		size_t len;
	} own[] = { { out, 1000 }, { out + 1000, 1000 } };

	push_pieces(PINRING_OP_SEND, SENT, own, 1);
	holds("the result", run_job().result, -EINVAL);
}

static void registered(void)
{
	struct pinring_buffer buffer = {
		.size = sizeof(buffer),
		.flags = PINRING_DIR_RECV | PINRING_BUFFER_ANY_INDEX,
		.addr = (uintptr_t)in,
		.len = sizeof(in),
	};
	__u32 to, from;

	holds("ADD", call(PINRING_IOC_BUFFER_ADD, &buffer), 0);
	to = buffer.index;
	buffer.flags = PINRING_DIR_SEND;
	buffer.index = from = to + 1;
	buffer.addr = (uintptr_t)out;
	holds("ADD at an index", call(PINRING_IOC_BUFFER_ADD, &buffer), 0);

	new_data(out, sizeof(out));
	memset(in, 0, sizeof(in));
	push_registered(PINRING_OP_RECV, RECEIVED, to, 7000, 20000);
	push_registered(PINRING_OP_SEND, SENT, from, 3, 20000);
	both_pass(20000);
	is_true("that it arrived as it was sent", equal(in + 7000, out + 3, 20000));
	is_true("that nothing arrived around it", !in[6999] && !in[27000]);

	/* Its lower half would be the beginning of the buffer. */
	push_registered(PINRING_OP_SEND, SENT, from, FOUR_GIB, 100);
	holds("the result at an offset of 4 GiB", run_job().result, -EINVAL);

	for (__u32 i = 0; i < 2; i++) {
		struct pinring_buffer gone = {
			.size = sizeof(gone),
			.flags = PINRING_BUFFER_WAIT,
			.index = i ? from : to,
			.deadline_ns = PATIENCE,
		};

		holds("REMOVE", call(PINRING_IOC_BUFFER_REMOVE, &gone), 0);
	}
	push_registered(PINRING_OP_SEND, SENT, from, 0, 100);
	holds("the result after REMOVE", run_job().result, -ENOENT);
}

/* In each of them, the lower half names memory that would do. */
static void above_4_gib(void)
{
	struct pinring_iovec piece = { .addr = FOUR_GIB + (uintptr_t)out, .len = 100 };
	struct pinring_buffer buffer = {
		.size = sizeof(buffer),
		.flags = PINRING_DIR_SEND,
		.addr = FOUR_GIB + (uintptr_t)out,
		.len = 100,
	};
	struct pinring_sqe *sqe;

	for (__u8 opcode = PINRING_OP_SEND; opcode <= PINRING_OP_RECV; opcode++) {
		push_plain(opcode, SENT, out, 100)->addr += FOUR_GIB;
		holds("the result of a plain job", run_job().result, -EFAULT);
	}
	push_pieces(PINRING_OP_SEND, SENT, &piece, 1);
	holds("the result of a list with such a piece", run_job().result, -EFAULT);
	piece.addr = (uintptr_t)out;
	sqe = push_plain(PINRING_OP_SEND, SENT, &piece, 1);
	sqe->flags = PINRING_SQE_IOVEC;
	sqe->addr += FOUR_GIB;
	holds("the result of a list that is there", run_job().result, -EFAULT);
	holds("ADD", call(PINRING_IOC_BUFFER_ADD, &buffer), -EFAULT);

	/* An end that is taken for its lower half is 0, and before the beginning. */
	push_plain(PINRING_OP_SEND, SENT, (void *)0xFFFFF000, 4096);
	holds("the result of a job up to 4 GiB", run_job().result, -EFAULT);
}

static void longer_than_4_gib(void)
{
	struct pinring_buffer buffer = {
		.size = sizeof(buffer),
		.flags = PINRING_DIR_SEND,
		.addr = (uintptr_t)out,
		.len = FOUR_GIB + 100,
	};
	struct pinring_iovec piece = { .addr = (uintptr_t)out, .len = 100 };
	struct pinring_sqe *sqe;

	push_plain(PINRING_OP_SEND, SENT, out, 100)->len += FOUR_GIB;
	holds("the result of a packet", run_job().result, -EMSGSIZE);
	sqe = push_plain(PINRING_OP_SEND, SENT, &piece, 1);
	sqe->flags = PINRING_SQE_IOVEC;
	sqe->len += FOUR_GIB;
	holds("the result of so many pieces", run_job().result, -EINVAL);
	piece.len += FOUR_GIB;
	push_pieces(PINRING_OP_SEND, SENT, &piece, 1);
	holds("the result of such a piece", run_job().result, -EMSGSIZE);
	holds("ADD", call(PINRING_IOC_BUFFER_ADD, &buffer), -EINVAL);
}

static void waits(void)
{
	const __u64 until = now_ns() + 20 * MILLISECOND;

	/* A minute, of which the lower half alone would be a nanosecond. */
	push_plain(PINRING_OP_RECV, RECEIVED, in, 1000)->deadline_ns = 16 * FOUR_GIB + 1;
	/* The lower half of that point in time has been long ago. */
	holds("ENTER", enter(1, PINRING_ENTER_ABS_DEADLINE, until), -ETIME);
	is_true("that the wait was as long as it should be", now_ns() >= until);

	new_data(out, 1000);
	push_plain(PINRING_OP_SEND, SENT, out, 1000);
	both_pass(1000);
	is_true("that it arrived as it was sent", equal(in, out, 1000));
}

static void job_deadline(void)
{
	const __u64 until = now_ns() + 20 * MILLISECOND;
	struct pinring_sqe *sqe = push_plain(PINRING_OP_RECV, RECEIVED, in, 1000);

	sqe->flags = PINRING_SQE_ABS_DEADLINE;
	sqe->deadline_ns = until;
	holds("the result", run_job().result, -ETIMEDOUT);
	is_true("that it did not end before", now_ns() >= until);
}

static void readiness(void)
{
	struct pollfd file = { .fd = fd, .events = POLLIN };
	struct pinring_eventfd argument = { .size = sizeof(argument) };
	__u64 count = 0;
	long event = system_call(__NR_eventfd2, 0, O_NONBLOCK, 0, 0, 0, 0);

	is_true("that there is an eventfd", event >= 0);
	argument.fd = (int)event;
	holds("EVENTFD", call(PINRING_IOC_EVENTFD, &argument), 0);
	holds("poll before", system_call(__NR_poll, (long)&file, 1, 0, 0, 0, 0), 0);
	push(PINRING_OP_NOP, SENT, 0);
	holds("ENTER", enter(0, 0, 0), 0);
	holds("poll", system_call(__NR_poll, (long)&file, 1, 10000, 0, 0, 0), 1);
	holds("what is ready", file.revents & POLLIN, POLLIN);
	file.fd = (int)event;
	holds("poll on the eventfd", system_call(__NR_poll, (long)&file, 1, 10000, 0, 0, 0), 1);
	holds("read", system_call(__NR_read, event, (long)&count, sizeof(count), 0, 0, 0), 8);
	is_true("that it counts", count != 0);
	holds("the job's result", reap().result, 0);
	argument.fd = -1;
	holds("EVENTFD of -1", call(PINRING_IOC_EVENTFD, &argument), 0);
	system_call(__NR_close, event, 0, 0, 0, 0, 0);
}

static const struct {
	const char *sentence;
	void (*look)(void);
} sentences[] = {
	{ "INFO fills a 32-bit program's structure, and nothing behind it", info },
	{ "Arguments that are not there, and ioctls that do not exist, are refused", arguments },
	{ "SETUP says where things are in a ring that 32 bits address", make_ring },
	{ "The ring is mapped at offset 0, and not 4 GiB further on", map_ring },
	{ "All 64 bits of user_data come back", nop },
	{ "One-shot memory arrives as it was sent", one_shot },
	{ "Memory above 2 GiB is a 32-bit program's, too", above_2_gib },
	{ "Pieces of a struct pinring_iovec arrive as they were sent", pieces },
	{ "The 32-bit struct iovec is not taken for a struct pinring_iovec", own_iovec },
	{ "Registered memory arrives as it was sent, until it is removed", registered },
	{ "An address above 4 GiB is EFAULT, whatever its lower half names", above_4_gib },
	{ "A length above 4 GiB is not taken for its lower half", longer_than_4_gib },
	{ "A deadline is not taken for its lower half, and a wait ends at its point in time", waits },
	{ "A job ends at its point in time", job_deadline },
	{ "poll and an eventfd tell of a completion", readiness },
	{ "One-shot memory still arrives as it was sent", one_shot },
};

void run(void)
{
	for (size_t i = 0; i < sizeof(sentences) / sizeof(*sentences); i++) {
		sentence = sentences[i].sentence;
		sentences[i].look();
		say("holds  ");
		say(sentence);
		say("\n");
	}
	leave(0);
}
