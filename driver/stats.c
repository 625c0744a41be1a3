// SPDX-License-Identifier: GPL-2.0-only
/*
 * sysfs: the stable name of a device, its counters, one value a file, and the
 * reset of a dead one, under /sys/class/misc/pinringN/. Counters start at probe
 * and are never set back.
 */
#include <linux/device.h>
#include <linux/sysfs.h>

#include "internal.h"

static struct pinring_device *pinring_from_class_device(struct device *dev)
{
	struct miscdevice *misc = dev_get_drvdata(dev);

	return container_of(misc, struct pinring_device, misc);
}

static ssize_t name_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n", pinring_from_class_device(dev)->info.name);
}
static DEVICE_ATTR_RO(name);

static ssize_t provider_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n", pinring_from_class_device(dev)->info.provider);
}
static DEVICE_ATTR_RO(provider);

static ssize_t recoveries_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct pinring_device *pdev = pinring_from_class_device(dev);
	u64 value;

	spin_lock_irq(&pdev->lock);
	value = pdev->recoveries;
	spin_unlock_irq(&pdev->lock);
	return sysfs_emit(buf, "%llu\n", value);
}
static DEVICE_ATTR_RO(recoveries);

/* Pages that stay pinned, as an engine may not have stopped using them. */
static ssize_t quarantined_pages_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct pinring_device *pdev = pinring_from_class_device(dev);
	u64 value;

	spin_lock_irq(&pdev->lock);
	value = pdev->quarantined;
	spin_unlock_irq(&pdev->lock);
	return sysfs_emit(buf, "%llu\n", value);
}
static DEVICE_ATTR_RO(quarantined_pages);

/* For a dead device: has its engine stopped by now? */
static ssize_t reset_store(struct device *dev, struct device_attribute *attr, const char *buf,
			   size_t count)
{
	bool value;
	int ret;

	ret = kstrtobool(buf, &value);
	if (!ret && !value)
		ret = -EINVAL;
	if (!ret)
		ret = pinring_device_reset(pinring_from_class_device(dev));
	return ret ? ret : count;
}
static DEVICE_ATTR_WO(reset);

static struct attribute *pinring_attrs[] = {
	&dev_attr_name.attr,
	&dev_attr_provider.attr,
	&dev_attr_recoveries.attr,
	&dev_attr_quarantined_pages.attr,
	&dev_attr_reset.attr,
	NULL,
};

static const struct attribute_group pinring_group = {
	.attrs = pinring_attrs,
};

struct pinring_counter {
	struct device_attribute attr;
	enum pinring_dir dir;
	size_t offset;
};

static ssize_t pinring_counter_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct pinring_counter *counter = container_of(attr, struct pinring_counter, attr);
	struct pinring_device *pdev = pinring_from_class_device(dev);
	u64 value;

	spin_lock_irq(&pdev->lock);
	value = *(u64 *)((char *)&pdev->channel[counter->dir].stats + counter->offset);
	spin_unlock_irq(&pdev->lock);
	return sysfs_emit(buf, "%llu\n", value);
}

/* Not a counter: BDs that the provider has, and those it may not have freed yet. */
static ssize_t pinring_bds_in_use_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct pinring_counter *counter = container_of(attr, struct pinring_counter, attr);
	struct pinring_device *pdev = pinring_from_class_device(dev);
	u32 value;

	spin_lock_irq(&pdev->lock);
	value = pdev->channel[counter->dir].issued_bds;
	spin_unlock_irq(&pdev->lock);
	return sysfs_emit(buf, "%u\n", value);
}

#define PINRING_COUNTER(_prefix, _dir, _field)						\
	static struct pinring_counter pinring_##_prefix##_##_field = {			\
		.attr = __ATTR(_field, 0444, pinring_counter_show, NULL),		\
		.dir = _dir,								\
		.offset = offsetof(struct pinring_stats, _field),			\
	}

#define PINRING_COUNTERS(_prefix, _dir)							\
	PINRING_COUNTER(_prefix, _dir, jobs);						\
	PINRING_COUNTER(_prefix, _dir, packets);					\
	PINRING_COUNTER(_prefix, _dir, bytes);						\
	PINRING_COUNTER(_prefix, _dir, bounced);					\
	PINRING_COUNTER(_prefix, _dir, bds);						\
	PINRING_COUNTER(_prefix, _dir, pages);						\
	PINRING_COUNTER(_prefix, _dir, errors);						\
	static struct pinring_counter pinring_##_prefix##_bds_in_use = {		\
		.attr = __ATTR(bds_in_use, 0444, pinring_bds_in_use_show, NULL),	\
		.dir = _dir,								\
	};										\
	static struct attribute *pinring_##_prefix##_attrs[] = {			\
		&pinring_##_prefix##_jobs.attr.attr,					\
		&pinring_##_prefix##_packets.attr.attr,					\
		&pinring_##_prefix##_bytes.attr.attr,					\
		&pinring_##_prefix##_bounced.attr.attr,					\
		&pinring_##_prefix##_bds.attr.attr,					\
		&pinring_##_prefix##_pages.attr.attr,					\
		&pinring_##_prefix##_errors.attr.attr,					\
		&pinring_##_prefix##_bds_in_use.attr.attr,				\
		NULL,									\
	};										\
	static const struct attribute_group pinring_##_prefix##_group = {		\
		.name = #_prefix,							\
		.attrs = pinring_##_prefix##_attrs,					\
	}

PINRING_COUNTERS(send, PINRING_SEND);
PINRING_COUNTERS(recv, PINRING_RECV);

const struct attribute_group *pinring_attr_groups[] = {
	&pinring_group,
	&pinring_send_group,
	&pinring_recv_group,
	NULL,
};
