/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <pinring.h>

static int failed(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	return 1;
}

int main(void)
{
	static char out[100000], in[sizeof(out)];
	memset(out, 42, sizeof(out));

	int fd = open("/dev/pinring0", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return failed("/dev/pinring0");

	/* One ring for this file, both directions, claimed for us alone. */
	struct pinring_setup setup = {
		.size = sizeof(setup),
		.directions = PINRING_DIR_SEND | PINRING_DIR_RECV,
		.sq_entries = 8,
	};
	if (ioctl(fd, PINRING_IOC_SETUP, &setup))
		return failed("SETUP");
	char *ring = mmap(NULL, setup.ring_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (ring == MAP_FAILED)
		return failed("mmap");
	struct pinring_sq *sq = (void *)(ring + setup.sq_offset);
	struct pinring_cq *cq = (void *)(ring + setup.cq_offset);
	struct pinring_sqe *sqes = (void *)(ring + setup.sqes_offset);
	struct pinring_cqe *cqes = (void *)(ring + setup.cqes_offset);

	/* Two jobs, each one packet; what is not used is 0. */
	sqes[0] = (struct pinring_sqe){ .opcode = PINRING_OP_RECV, .user_data = 1,
					.addr = (uintptr_t)in, .len = sizeof(in) };
	sqes[1] = (struct pinring_sqe){ .opcode = PINRING_OP_SEND, .user_data = 2,
					.addr = (uintptr_t)out, .len = sizeof(out) };
	atomic_store_explicit((_Atomic __u32 *)&sq->tail, 2, memory_order_release);

	/* One system call submits both and waits for both, at most a second. */
	struct pinring_enter enter = {
		.size = sizeof(enter),
		.to_submit = 2,
		.min_complete = 2,
		.deadline_ns = 1000000000,
	};
	if (ioctl(fd, PINRING_IOC_ENTER, &enter))
		return failed("ENTER");

	/* No system call: completions are read from the ring. */
	__u32 tail = atomic_load_explicit((_Atomic __u32 *)&cq->tail, memory_order_acquire);
	__u32 head = cq->head;
	for (; head != tail; head++) {
		const struct pinring_cqe *cqe = &cqes[head & (setup.cq_entries - 1)];

		printf("job %llu: result %d, %llu bytes\n", (unsigned long long)cqe->user_data,
		       cqe->result, (unsigned long long)cqe->bytes);
	}
	atomic_store_explicit((_Atomic __u32 *)&cq->head, head, memory_order_release);

	printf("equal: %d\n", !memcmp(in, out, sizeof(in)));
	return memcmp(in, out, sizeof(in)) != 0;
}
