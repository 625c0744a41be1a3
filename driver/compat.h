/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between the kernels that pinring supports (6.1 and later).
 * The only place in the driver with conditionals on the kernel's version, or on
 * its configuration.
 */
#ifndef PINRING_COMPAT_H
#define PINRING_COMPAT_H

#include <linux/eventfd.h>
#include <linux/mm.h>
#include <linux/version.h>

/* eventfd_signal() lost its count in 6.8 (commit 3652117f8548). */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
#define pinring_eventfd_signal(ctx) eventfd_signal(ctx)
#else
#define pinring_eventfd_signal(ctx) eventfd_signal(ctx, 1)
#endif

/* vm_flags became read-only, with vm_flags_set(), in 6.3 (commit bc292ab00f6c). */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
#define pinring_vm_flags_set(vma, flags) vm_flags_set(vma, flags)
#else
#define pinring_vm_flags_set(vma, flags) ((vma)->vm_flags |= (flags))
#endif

/* What a test may have fail, see inject.c. */
enum pinring_fault {
	PINRING_FAIL_PIN,
	PINRING_SHORT_PIN,
	PINRING_FAIL_MAP,
};

#ifdef CONFIG_FAULT_INJECTION_DEBUG_FS
bool pinring_inject(enum pinring_fault fault);
void pinring_inject_init(void);
void pinring_inject_exit(void);
#else
static inline bool pinring_inject(enum pinring_fault fault)
{
	return false;
}

static inline void pinring_inject_init(void)
{
}

static inline void pinring_inject_exit(void)
{
}
#endif

#endif /* PINRING_COMPAT_H */
