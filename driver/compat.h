/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between the kernels that pinring supports (6.1 and later).
 * The only place in the driver with conditionals on the kernel's version.
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

#endif /* PINRING_COMPAT_H */
