// SPDX-License-Identifier: MIT
//
// Preloaded into compilers, for time alone. GCC keeps what it parses in anonymous mappings of 2 MiB
// (gcc/ggc-page.cc) and touches 60 to 300 MB of them per file; where transparent huge pages are for
// those who ask, it does not ask, and takes a fault for each 4 KiB.
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HUGE_PAGE (2UL << 20)

void *mmap(void *at, size_t length, int protection, int flags, int file, off_t offset)
{
	void *mapped = (void *)syscall(SYS_mmap, at, length, protection, flags, file, offset);
	int anonymous = (flags & (MAP_ANONYMOUS | MAP_PRIVATE)) == (MAP_ANONYMOUS | MAP_PRIVATE);

	if (mapped != MAP_FAILED && anonymous && protection != PROT_NONE && length >= HUGE_PAGE) {
		int before = errno;

		madvise(mapped, length, MADV_HUGEPAGE); /* A wish: a kernel without them says no. */
		errno = before;
	}
	return mapped;
}

/* What a program that was compiled for large files calls; here off_t has 64 bits anyway. */
void *mmap64(void *at, size_t length, int protection, int flags, int file, off_t offset)
	__attribute__((alias("mmap")));
