// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/kernel/debug/pinring_model/<label>/: a file for each entry of the
 * model's table, as driver/sim has them for its boards, and some of our own:
 *
 *	enforce_grants	1: the model counts what the engine does to memory that
 *			is not mapped for it (v_memory_not_granted)
 *	granted		ranges that are mapped for it now
 *	shutdown	written to: the shutdown method of the engine's client is
 *			called, as on the way to a reboot
 *
 * What is for all boards is beside their folders: see delay.c.
 */
#include <linux/err.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/mod_devicetable.h>
#include <linux/module.h>
#include <linux/of.h>
#include <linux/of_platform.h>
#include <linux/platform_device.h>
#include <linux/slab.h>

#include "internal.h"

static struct dentry *model_root;

static int model_file_get(void *data, u64 *value)
{
	struct model_file *file = data;

	*value = readq(file->at + MODEL_ENTRY_VALUE);
	return 0;
}

static int model_file_set(void *data, u64 value)
{
	struct model_file *file = data;

	if (value > file->max)
		return -EINVAL;
	writeq(value, file->at + MODEL_ENTRY_VALUE);
	return 0;
}

DEFINE_DEBUGFS_ATTRIBUTE(model_switch_fops, model_file_get, model_file_set,
			 "%llu\n");
DEFINE_DEBUGFS_ATTRIBUTE(model_counter_fops, model_file_get, NULL, "%llu\n");

static int model_enforce_get(void *data, u64 *value)
{
	struct model_board *board = data;

	*value = readq(board->page + MODEL_ENFORCE);
	return 0;
}

static int model_enforce_set(void *data, u64 value)
{
	struct model_board *board = data;

	if (value > 1)
		return -EINVAL;
	/* Without the hooks everything would be a violation. */
	if (value && !model_grants_known())
		return -EOPNOTSUPP;
	writeq(value, board->page + MODEL_ENFORCE);
	return 0;
}

DEFINE_DEBUGFS_ATTRIBUTE(model_enforce_fops, model_enforce_get,
			 model_enforce_set, "%llu\n");

/* Whatever driver the engine's client has: the kernel asks no more. */
static int model_shutdown_set(void *data, u64 value)
{
	struct model_board *board = data;
	struct device_node *node;
	struct platform_device *client;

	for_each_compatible_node(node, NULL, "pinring,stream") {
		struct device_node *engine = of_parse_phandle(node, "dmas", 0);

		of_node_put(engine);
		if (engine != board->engine->of_node)
			continue;
		client = of_find_device_by_node(node);
		if (!client)
			continue;
		device_lock(&client->dev);
		if (client->dev.driver && client->dev.bus->shutdown)
			client->dev.bus->shutdown(&client->dev);
		device_unlock(&client->dev);
		put_device(&client->dev);
	}
	return 0;
}

DEFINE_DEBUGFS_ATTRIBUTE(model_shutdown_fops, NULL, model_shutdown_set,
			 "%llu\n");

static int model_files_add(struct device *dev, struct model_board *board,
			   u32 count)
{
	u32 i;

	board->files = devm_kcalloc(dev, count, sizeof(*board->files),
				    GFP_KERNEL);
	if (!board->files)
		return -ENOMEM;

	board->folder = debugfs_create_dir(board->label, model_root);
	for (i = 0; i < count; i++) {
		struct model_file *file = &board->files[i];
		bool counter;

		file->board = board;
		file->at = board->page + MODEL_TABLE + i * MODEL_ENTRY_SIZE;
		file->max = readq(file->at + MODEL_ENTRY_MAX);
		memcpy_fromio(file->name, file->at + MODEL_ENTRY_NAME,
			      sizeof(file->name));
		file->name[sizeof(file->name) - 1] = '\0';
		counter = readl(file->at + MODEL_ENTRY_FLAGS) & MODEL_READ_ONLY;
		debugfs_create_file_unsafe(file->name, counter ? 0444 : 0644,
					   board->folder, file,
					   counter ? &model_counter_fops :
						     &model_switch_fops);
	}
	debugfs_create_file_unsafe("enforce_grants", 0644, board->folder, board,
				   &model_enforce_fops);
	debugfs_create_file_unsafe("shutdown", 0200, board->folder, board,
				   &model_shutdown_fops);
	debugfs_create_u32("granted", 0444, board->folder, &board->granted);
	return 0;
}

/* Waits for reads and writes under way; open files get EIO from then on. */
static void model_files_remove(void *data)
{
	struct model_board *board = data;

	debugfs_remove(board->folder);
}

static void model_forget(void *data)
{
	struct model_board *board = data;

	model_grants_remove(board);
	put_device(board->engine);
}

/* The engine exists from boot on; whether it has a driver does not matter. */
static struct device *model_find_engine(struct device *dev)
{
	struct platform_device *engine;
	struct device_node *node;

	node = of_parse_phandle(dev->of_node, "pinring,engine", 0);
	engine = node ? of_find_device_by_node(node) : NULL;
	of_node_put(node);
	return engine ? &engine->dev : NULL;
}

static int model_probe(struct platform_device *pdev)
{
	struct device *dev = &pdev->dev;
	struct model_board *board;
	struct resource *res;
	u32 count;
	int ret;

	board = devm_kzalloc(dev, sizeof(*board), GFP_KERNEL);
	if (!board)
		return -ENOMEM;
	board->page = devm_platform_get_and_ioremap_resource(pdev, 0, &res);
	if (IS_ERR(board->page))
		return PTR_ERR(board->page);

	if (readl(board->page + MODEL_MAGIC) != MODEL_MAGIC_VALUE ||
	    readl(board->page + MODEL_VERSION) != MODEL_VERSION_VALUE ||
	    readl(board->page + MODEL_ENTRY_BYTES) != MODEL_ENTRY_SIZE)
		return dev_err_probe(dev, -EINVAL, "no control page of ours\n");
	count = readl(board->page + MODEL_ENTRIES);
	if (MODEL_TABLE + (u64)count * MODEL_ENTRY_SIZE > resource_size(res))
		return dev_err_probe(dev, -EINVAL, "%u entries don't fit\n",
				     count);
	memcpy_fromio(board->label, board->page + MODEL_LABEL,
		      sizeof(board->label));
	board->label[sizeof(board->label) - 1] = '\0';

	board->engine = model_find_engine(dev);
	if (!board->engine)
		return dev_err_probe(dev, -EINVAL, "no pinring,engine\n");
	model_grants_add(board);
	ret = devm_add_action_or_reset(dev, model_forget, board);
	if (ret)
		return ret;

	ret = model_files_add(dev, board, count);
	if (ret)
		return ret;
	return devm_add_action_or_reset(dev, model_files_remove, board);
}

static const struct of_device_id model_of_match[] = {
	{ .compatible = "pinring,axi-dma-model" },
	{ }
};
MODULE_DEVICE_TABLE(of, model_of_match);

static struct platform_driver model_driver = {
	.probe = model_probe,
	.driver = {
		.name = "pinring_model",
		.of_match_table = model_of_match,
	},
};

static int __init model_init(void)
{
	int ret;

	model_root = debugfs_create_dir("pinring_model", NULL);
	model_delay_init(model_root);
	model_grants_init();
	ret = platform_driver_register(&model_driver);
	if (ret) {
		model_grants_exit();
		debugfs_remove(model_root);
		model_delay_exit();
	}
	return ret;
}
module_init(model_init);

static void __exit model_exit(void)
{
	platform_driver_unregister(&model_driver);
	model_grants_exit();
	debugfs_remove(model_root);
	model_delay_exit();
}
module_exit(model_exit);

MODULE_DESCRIPTION("Switches, counters and grants of the AXI DMA model");
MODULE_LICENSE("GPL");
