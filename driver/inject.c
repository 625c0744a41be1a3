// SPDX-License-Identifier: GPL-2.0-only
/*
 * Failures on demand, for tests: steps that can fail and that the kernel's own
 * fault injection does not reach. Built where the kernel has
 * CONFIG_FAULT_INJECTION_DEBUG_FS; elsewhere compat.h answers, and nothing is
 * left of the questions.
 *
 * /sys/kernel/debug/pinring/NAME/ has the controls of each, which are those of
 * Documentation/fault-injection/fault-injection.rst; /proc/TASK/fail-nth counts
 * them among its own. Asked in process context.
 *
 *	fail_pin	pages that can't be pinned, for want of memory
 *	short_pin	pages that are pinned one by one: only a part of what was
 *			asked for, as get_user_pages() may do at any time
 *	fail_map	a mapping that the port's IOMMU or swiotlb has no room for
 */
#include <linux/debugfs.h>
#include <linux/fault-inject.h>

#include "compat.h"

static struct {
	const char *name;
	struct fault_attr attr;
} pinring_faults[] = {
	[PINRING_FAIL_PIN] = { "fail_pin", FAULT_ATTR_INITIALIZER },
	[PINRING_SHORT_PIN] = { "short_pin", FAULT_ATTR_INITIALIZER },
	[PINRING_FAIL_MAP] = { "fail_map", FAULT_ATTR_INITIALIZER },
};

static struct dentry *pinring_debugfs;

/* Whether the step is to fail this time. */
bool pinring_inject(enum pinring_fault fault)
{
	/* Each counts as one, so that "space" is a number of questions. */
	return should_fail(&pinring_faults[fault].attr, 1);
}

void pinring_inject_init(void)
{
	unsigned int i;

	pinring_debugfs = debugfs_create_dir("pinring", NULL);
	for (i = 0; i < ARRAY_SIZE(pinring_faults); i++)
		fault_create_debugfs_attr(pinring_faults[i].name, pinring_debugfs,
					  &pinring_faults[i].attr);
}

void pinring_inject_exit(void)
{
	debugfs_remove(pinring_debugfs);
}
