// SPDX-License-Identifier: GPL-2.0-only
/*
 * Grants: the memory that the engine may touch is what is mapped for it.
 *
 * The model sees addresses and can't know whether they still belong to the
 * engine. The kernel does: between dma_map_sgtable() and dma_unmap_sg_attrs()
 * (what dma_unmap_sgtable() calls), and between dma_alloc_pages() and
 * dma_free_pages(), they do. Probes on all of them tell the model. BDs come
 * from dma_alloc_coherent() and are not counted as data.
 *
 * The same range may be granted more than once (two receives that name the
 * same memory); each revocation takes one of the equal ones away.
 */
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/kprobes.h>
#include <linux/scatterlist.h>
#include <linux/spinlock.h>

#include "internal.h"

static LIST_HEAD(model_boards);
static DEFINE_SPINLOCK(model_lock);	/* the list, and each page's grants */
static bool model_hooked;

/* Arguments of the dma_map_sgtable() that a probe will see the end of */
struct model_mapping {
	struct device *dev;
	struct sg_table *sgt;
};

/* The same of a dma_alloc_pages() */
struct model_allocation {
	struct device *dev;
	size_t size;
	dma_addr_t *addr;
};

static struct model_board *model_find(struct device *dev)
{
	struct model_board *board;

	lockdep_assert_held(&model_lock);
	list_for_each_entry(board, &model_boards, link)
		if (board->engine == dev)
			return board;
	return NULL;
}

/* Under model_lock. The model acts on the second of the two writes. */
static void model_write(struct model_board *board, dma_addr_t addr, size_t len,
			u32 at, int step)
{
	writeq(addr, board->page + at);
	writeq(len, board->page + at + 8);
	board->granted += step;
}

static void model_tell_one(struct device *dev, dma_addr_t addr, size_t len,
			   u32 at, int step)
{
	struct model_board *board;
	unsigned long flags;

	spin_lock_irqsave(&model_lock, flags);
	board = model_find(dev);
	if (board)
		model_write(board, addr, len, at, step);
	spin_unlock_irqrestore(&model_lock, flags);
}

static void model_tell(struct device *dev, struct scatterlist *sgl, int nents,
		       u32 at, int step)
{
	struct model_board *board;
	struct scatterlist *sg;
	unsigned long flags;
	int i;

	spin_lock_irqsave(&model_lock, flags);
	board = model_find(dev);
	if (board) {
		for_each_sg(sgl, sg, nents, i) {
			/* Mapping may have merged entries: the rest is empty. */
			if (!sg_dma_len(sg))
				break;
			model_write(board, sg_dma_address(sg), sg_dma_len(sg),
				    at, step);
		}
	}
	spin_unlock_irqrestore(&model_lock, flags);
}

static int model_map_enter(struct kretprobe_instance *instance,
			   struct pt_regs *regs)
{
	struct model_mapping *mapping = (void *)instance->data;

	mapping->dev = (void *)regs_get_kernel_argument(regs, 0);
	mapping->sgt = (void *)regs_get_kernel_argument(regs, 1);
	return 0;
}

NOKPROBE_SYMBOL(model_map_enter);

static int model_map_return(struct kretprobe_instance *instance,
			    struct pt_regs *regs)
{
	struct model_mapping *mapping = (void *)instance->data;

	if (!(int)regs_return_value(regs))
		model_tell(mapping->dev, mapping->sgt->sgl, mapping->sgt->nents,
			   MODEL_GRANT_ADDR, 1);
	return 0;
}

NOKPROBE_SYMBOL(model_map_return);

static int model_unmap(struct kprobe *probe, struct pt_regs *regs)
{
	model_tell((void *)regs_get_kernel_argument(regs, 0),
		   (void *)regs_get_kernel_argument(regs, 1),
		   (int)regs_get_kernel_argument(regs, 2),
		   MODEL_REVOKE_ADDR, -1);
	return 0;
}

NOKPROBE_SYMBOL(model_unmap);

static int model_alloc_enter(struct kretprobe_instance *instance,
			     struct pt_regs *regs)
{
	struct model_allocation *allocation = (void *)instance->data;

	allocation->dev = (void *)regs_get_kernel_argument(regs, 0);
	allocation->size = regs_get_kernel_argument(regs, 1);
	allocation->addr = (void *)regs_get_kernel_argument(regs, 2);
	return 0;
}

NOKPROBE_SYMBOL(model_alloc_enter);

static int model_alloc_return(struct kretprobe_instance *instance,
			      struct pt_regs *regs)
{
	struct model_allocation *allocation = (void *)instance->data;

	if (regs_return_value(regs))
		model_tell_one(allocation->dev, *allocation->addr,
			       allocation->size, MODEL_GRANT_ADDR, 1);
	return 0;
}

NOKPROBE_SYMBOL(model_alloc_return);

static int model_free(struct kprobe *probe, struct pt_regs *regs)
{
	model_tell_one((void *)regs_get_kernel_argument(regs, 0),
		       regs_get_kernel_argument(regs, 3),
		       regs_get_kernel_argument(regs, 1),
		       MODEL_REVOKE_ADDR, -1);
	return 0;
}

NOKPROBE_SYMBOL(model_free);

static struct kretprobe model_map_probe = {
	.kp.symbol_name = "dma_map_sgtable",
	.entry_handler = model_map_enter,
	.handler = model_map_return,
	.data_size = sizeof(struct model_mapping),
	.maxactive = 64,
};

static struct kprobe model_unmap_probe = {
	.symbol_name = "dma_unmap_sg_attrs",
	.pre_handler = model_unmap,
};

static struct kretprobe model_alloc_probe = {
	.kp.symbol_name = "dma_alloc_pages",
	.entry_handler = model_alloc_enter,
	.handler = model_alloc_return,
	.data_size = sizeof(struct model_allocation),
	.maxactive = 64,
};

static struct kprobe model_free_probe = {
	.symbol_name = "dma_free_pages",
	.pre_handler = model_free,
};

static struct kretprobe *model_kretprobes[] = {
	&model_map_probe, &model_alloc_probe,
};

static struct kprobe *model_kprobes[] = {
	&model_unmap_probe, &model_free_probe,
};

/* Before the first board is known, so that no grant is missed. */
void model_grants_init(void)
{
	int ret;

	ret = register_kretprobes(model_kretprobes,
				  ARRAY_SIZE(model_kretprobes));
	if (!ret) {
		ret = register_kprobes(model_kprobes,
				       ARRAY_SIZE(model_kprobes));
		if (ret)
			unregister_kretprobes(model_kretprobes,
					      ARRAY_SIZE(model_kretprobes));
	}
	model_hooked = !ret;
	if (ret)
		pr_notice("pinring_model: no probes (%d), no grants\n", ret);
}

void model_grants_exit(void)
{
	if (!model_hooked)
		return;
	if (model_map_probe.nmissed + model_alloc_probe.nmissed)
		pr_notice("pinring_model: %d mappings were missed\n",
			  model_map_probe.nmissed + model_alloc_probe.nmissed);
	unregister_kprobes(model_kprobes, ARRAY_SIZE(model_kprobes));
	unregister_kretprobes(model_kretprobes, ARRAY_SIZE(model_kretprobes));
	model_hooked = false;
}

bool model_grants_known(void)
{
	return model_hooked;
}

void model_grants_add(struct model_board *board)
{
	unsigned long flags;

	spin_lock_irqsave(&model_lock, flags);
	list_add_tail(&board->link, &model_boards);
	spin_unlock_irqrestore(&model_lock, flags);
}

void model_grants_remove(struct model_board *board)
{
	unsigned long flags;

	spin_lock_irqsave(&model_lock, flags);
	list_del(&board->link);
	spin_unlock_irqrestore(&model_lock, flags);
}
