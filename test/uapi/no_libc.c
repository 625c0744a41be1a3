/* SPDX-License-Identifier: MIT */
/* See no_libc.h. */
#include "no_libc.h"

#include <asm/unistd.h>
#include <linux/mman.h>
#include <linux/time.h>
#include <linux/time_types.h>

/* In assembly, as the sixth argument goes where the compiler has its frame. */
__asm__("	.text\n"
	"	.globl _start\n"
	"_start:\n"
	"	xor	%ebp, %ebp\n"
	"	and	$-16, %esp\n"
	"	call	run\n"
	"	.globl system_call\n"
	"system_call:\n"
	"	push	%ebp\n"
	"	push	%ebx\n"
	"	push	%esi\n"
	"	push	%edi\n"
	"	mov	20(%esp), %eax\n"
	"	mov	24(%esp), %ebx\n"
	"	mov	28(%esp), %ecx\n"
	"	mov	32(%esp), %edx\n"
	"	mov	36(%esp), %esi\n"
	"	mov	40(%esp), %edi\n"
	"	mov	44(%esp), %ebp\n"
	"	int	$0x80\n"
	"	pop	%edi\n"
	"	pop	%esi\n"
	"	pop	%ebx\n"
	"	pop	%ebp\n"
	"	ret\n");

/* The compiler calls these two also where nobody wrote them. */
void *memset(void *to, int byte, size_t bytes)
{
	void *at = to;

	__asm__ volatile("rep stosb" : "+D"(at), "+c"(bytes) : "a"(byte) : "memory");
	return to;
}

void *memcpy(void *to, const void *from, size_t bytes)
{
	void *at = to;

	__asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(bytes) : : "memory");
	return to;
}

int equal(const void *a, const void *b, size_t bytes)
{
	const unsigned char *left = a, *right = b;

	for (size_t i = 0; i < bytes; i++)
		if (left[i] != right[i])
			return 0;
	return 1;
}

static size_t length(const char *text)
{
	size_t n = 0;

	while (text[n])
		n++;
	return n;
}

void say(const char *text)
{
	system_call(__NR_write, 1, (long)text, (long)length(text), 0, 0, 0);
}

void say_number(__s64 value)
{
	const __u32 base = value == (__s32)value ? 10 : 16;
	__u64 left = value < 0 && base == 10 ? -(__u64)value : (__u64)value;
	char text[20];
	char *at = text + sizeof(text);

	*--at = 0;
	if (base == 10) {
		__u32 rest = (__u32)left;

		do
			*--at = (char)('0' + rest % 10);
		while (rest /= 10);
		if (value < 0)
			*--at = '-';
	} else {
		do
			*--at = "0123456789abcdef"[left & 15];
		while (left >>= 4);
		*--at = 'x';
		*--at = '0';
	}
	say(at);
}

void leave(int code)
{
	system_call(__NR_exit_group, code, 0, 0, 0, 0, 0);
	__builtin_unreachable();
}

int is_error(long value)
{
	return (unsigned long)value >= -4095UL;
}

long map(unsigned long at, size_t bytes, int flags, int fd, unsigned long page)
{
	return system_call(__NR_mmap2, (long)at, (long)bytes, PROT_READ | PROT_WRITE, flags, fd,
			   (long)page);
}

__u64 now_ns(void)
{
	struct __kernel_timespec now;

	system_call(__NR_clock_gettime64, CLOCK_MONOTONIC, (long)&now, 0, 0, 0, 0);
	return (__u64)now.tv_sec * 1000000000 + (__u64)now.tv_nsec;
}
