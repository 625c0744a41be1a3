/* SPDX-License-Identifier: MIT */
/*
 * What a 32-bit program of i386 has in place of a C library. The program is
 * begun at run(), which must end with leave().
 */
#pragma once

#include <stddef.h>

#include <linux/types.h>

void run(void);

/* What the kernel returned: a negative errno if it failed, see is_error(). */
long system_call(long number, long a, long b, long c, long d, long e, long f);
int is_error(long value);

void *memset(void *to, int byte, size_t bytes);
void *memcpy(void *to, const void *from, size_t bytes);
int equal(const void *a, const void *b, size_t bytes);

void say(const char *text);
/* Decimal if it is small. Anything else is an address, and there is no 64-bit division here. */
void say_number(__s64 value);

void leave(int code) __attribute__((noreturn));

/* Readable and writable. PAGE counts pages of the file. */
long map(unsigned long at, size_t bytes, int flags, int fd, unsigned long page);
/* CLOCK_MONOTONIC. */
__u64 now_ns(void);
