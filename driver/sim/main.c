// SPDX-License-Identifier: GPL-2.0-only
/*
 * The boards: for each a provider device, which provider.c drives, and a
 * consumer device, to which pinring binds if it is there.
 */
#include <linux/debugfs.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/module.h>
#include <linux/property.h>
#include <linux/sizes.h>

#include "compat.h"
#include "internal.h"

/* As wide as the length field of an AXI DMA with sg-length-width 26 */
#define SIM_MAX_BD	(BIT(26) - 1)

/* The order is that of the consumers' ids, and so of /dev/pinringN. */
static const struct sim_board_info sim_boards[] = {
	{
		.label = "loop0",
		.kind = SIM_LOOP,
		.bds = 255,
		.max_seg_bytes = SZ_64K,
		.max_bd_bytes = SIM_MAX_BD,
	}, {
		.label = "loop1",
		.kind = SIM_LOOP,
		.bds = 255,
		.max_seg_bytes = SZ_64K,
		.max_bd_bytes = SIM_MAX_BD,
	}, {
		.label = "batch0",
		.kind = SIM_LOOP,
		.bds = 255,
		.max_seg_bytes = SZ_64K,
		.max_bd_bytes = SIM_MAX_BD,
		.batch_receive = true,
	}, {
		.label = "align8",
		.kind = SIM_LOOP,
		.bds = 255,
		.copy_align = DMAENGINE_ALIGN_8_BYTES,
		.max_seg_bytes = SZ_64K,
		.max_bd_bytes = SIM_MAX_BD,
	}, {
		.label = "tiny0",
		.kind = SIM_LOOP,
		.bds = 8,
		.max_seg_bytes = SZ_64K,
		.max_bd_bytes = SIM_MAX_BD,
	}, {
		.label = "sink0",
		.kind = SIM_SINK,
		.bds = 255,
		.max_seg_bytes = SZ_64K,
		.max_bd_bytes = SIM_MAX_BD,
	}, {
		.label = "source0",
		.kind = SIM_SOURCE,
		.bds = 255,
		.max_seg_bytes = SZ_64K,
		.max_bd_bytes = SIM_MAX_BD,
	}, {
		.label = "noncoh0",
		.kind = SIM_LOOP,
		.bds = 255,
		.max_seg_bytes = SZ_64K,
		.max_bd_bytes = SIM_MAX_BD,
		.shadow = true,
	}, {
		.label = "noncoh8",
		.kind = SIM_LOOP,
		.bds = 255,
		.copy_align = DMAENGINE_ALIGN_8_BYTES,
		.max_seg_bytes = SZ_64K,
		.max_bd_bytes = SIM_MAX_BD,
		.shadow = true,
	}, {
		.label = "lines0",
		.kind = SIM_LOOP,
		.bds = 255,
		.max_seg_bytes = SZ_64K,
		.max_bd_bytes = SIM_MAX_BD,
		.shadow = true,
		.line = PAGE_SIZE,
	}, {
		.label = "iommu0",
		.kind = SIM_LOOP,
		.bds = 255,
		.max_seg_bytes = SZ_64K,
		.max_bd_bytes = SIM_MAX_BD,
		.shadow = true,
		.iommu = true,
	},
};

static struct platform_device *sim_providers[ARRAY_SIZE(sim_boards)];
static struct platform_device *sim_consumers[ARRAY_SIZE(sim_boards)];

struct dentry *sim_debugfs_root;

static struct platform_device *sim_add_provider(int id)
{
	struct platform_device_info pdev = {
		.name = SIM_DRIVER_NAME,
		.id = id,
		.data = &sim_boards[id],
		.size_data = sizeof(sim_boards[id]),
		.dma_mask = DMA_BIT_MASK(64),
	};

	return platform_device_register_full(&pdev);
}

static struct platform_device *sim_add_consumer(int id)
{
	const struct sim_board_info *info = &sim_boards[id];
	struct property_entry props[8] = {};
	struct platform_device_info pdev = {
		.name = SIM_CONSUMER_NAME,
		.id = id,
		.properties = props,
	};
	const char *names[SIM_DIRS];
	int nr_names = 0;
	int n = 0;

	props[n++] = PROPERTY_ENTRY_STRING("label", info->label);
	props[n++] = PROPERTY_ENTRY_U32("pinring,max-bd-bytes",
					info->max_bd_bytes);
	if (info->shadow)
		props[n++] = PROPERTY_ENTRY_U32("pinring,cache-line",
						info->line ?: sim_cache_line());
	if (sim_has_send(info)) {
		names[nr_names++] = "tx";
		props[n++] = PROPERTY_ENTRY_U32("pinring,send-bds", info->bds);
	}
	if (sim_has_recv(info)) {
		names[nr_names++] = "rx";
		props[n++] = PROPERTY_ENTRY_U32("pinring,recv-bds", info->bds);
		if (!info->batch_receive)
			props[n++] = PROPERTY_ENTRY_BOOL("pinring,deep-receive");
	}
	props[n++] = PROPERTY_ENTRY_STRING_ARRAY_LEN("dma-names", names,
						     nr_names);

	return platform_device_register_full(&pdev);
}

/* Consumers first: the providers' channels are free when these go. */
static void sim_remove_boards(void)
{
	int id;

	for (id = ARRAY_SIZE(sim_boards) - 1; id >= 0; id--)
		platform_device_unregister(sim_consumers[id]);
	for (id = ARRAY_SIZE(sim_boards) - 1; id >= 0; id--)
		platform_device_unregister(sim_providers[id]);
}

static int sim_add_boards(void)
{
	struct platform_device *pdev;
	int id, ret;

	for (id = 0; id < ARRAY_SIZE(sim_boards); id++) {
		if (sim_boards[id].shadow && !SIM_HAS_DMA_OPS) {
			pr_notice(SIM_DRIVER_NAME ": no board %s: this kernel has no DMA operations of a device's own\n",
				  sim_boards[id].label);
			continue;
		}
		if (sim_boards[id].iommu && !SIM_HAS_DMA_LENGTH) {
			pr_notice(SIM_DRIVER_NAME ": no board %s: this kernel is for no IOMMU\n",
				  sim_boards[id].label);
			continue;
		}
		pdev = sim_add_provider(id);
		if (IS_ERR(pdev)) {
			ret = PTR_ERR(pdev);
			goto err_remove;
		}
		sim_providers[id] = pdev;
		/* Its probe is synchronous; a board without one is of no use. */
		if (!platform_get_drvdata(pdev)) {
			ret = -ENODEV;
			goto err_remove;
		}

		pdev = sim_add_consumer(id);
		if (IS_ERR(pdev)) {
			ret = PTR_ERR(pdev);
			goto err_remove;
		}
		sim_consumers[id] = pdev;
	}
	return 0;

err_remove:
	pr_err(SIM_DRIVER_NAME ": board %s: error %d\n",
	       sim_boards[id].label, ret);
	sim_remove_boards();
	return ret;
}

static int __init sim_init(void)
{
	int ret;

	sim_stream_setup();
	sim_debugfs_root = debugfs_create_dir(SIM_DRIVER_NAME, NULL);

	ret = platform_driver_register(&sim_provider_driver);
	if (ret)
		goto err_debugfs;

	ret = sim_add_boards();
	if (ret)
		goto err_driver;

	return 0;

err_driver:
	platform_driver_unregister(&sim_provider_driver);
err_debugfs:
	debugfs_remove(sim_debugfs_root);
	return ret;
}
module_init(sim_init);

static void __exit sim_exit(void)
{
	sim_remove_boards();
	platform_driver_unregister(&sim_provider_driver);
	debugfs_remove(sim_debugfs_root);
}
module_exit(sim_exit);

MODULE_DESCRIPTION("Software dmaengine provider and boards for pinring");
MODULE_LICENSE("GPL");
