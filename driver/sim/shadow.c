// SPDX-License-Identifier: GPL-2.0-only
/*
 * A port that is not cache coherent, made of software.
 *
 * On such a port a device sees memory without the CPU's caches. Here, each
 * page that is mapped for it has a second one, its shadow, and the engine
 * reads and writes nothing else.
 *
 *  - Bytes go from one to the other by the DMA API's syncs only, and in whole
 *    cache lines. A sync for the device writes lines back. A sync for the CPU
 *    makes it forget its own: what it has written to them since the last write
 *    back is lost, the bytes beside the data like all others.
 *  - The shadow is the page's, whoever has mapped it: receives into two parts
 *    of one line meet there, as they do in memory.
 *  - A page that nobody had mapped has a shadow of stale bytes.
 *  - The engine's access to what is not mapped is a warning.
 *
 * Not as on hardware: a line changes sides at no other time. A CPU may write
 * one back early, or fetch it early, where only luck would have shown the
 * missing sync.
 *
 * Mapping allocates and may sleep, which a port's DMA operations should not:
 * a client has to map in process context.
 */
#include <linux/dma-map-ops.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/ratelimit.h>
#include <linux/scatterlist.h>
#include <linux/xarray.h>

#include "compat.h"
#include "internal.h"

/* A line where the architecture has none that matters for DMA */
#define SIM_CACHE_LINE		64U

#define SIM_STALE		0xDB

/* ---- shadows ------------------------------------------------------------- */

static struct sim_shadow *to_sim_shadow(struct device *dev)
{
	struct sim_board *board = dev_get_drvdata(dev);

	return &board->shadow;
}

/* Counts mappings of a page in the page_private() of its shadow. */
static int sim_shadow_get(struct sim_shadow *shadow, unsigned long pfn)
{
	struct page *page = alloc_page(GFP_KERNEL);
	struct page *there;

	if (!page)
		return -ENOMEM;
	memset(page_address(page), SIM_STALE, PAGE_SIZE);
	set_page_private(page, 1);

	xa_lock_irq(&shadow->pages);
	there = __xa_cmpxchg(&shadow->pages, pfn, NULL, page, GFP_KERNEL);
	if (there && !xa_is_err(there))
		set_page_private(there, page_private(there) + 1);
	xa_unlock_irq(&shadow->pages);
	if (!there)
		return 0;

	set_page_private(page, 0);
	__free_page(page);
	return xa_err(there);
}

static void sim_shadow_put(struct sim_shadow *shadow, unsigned long pfn)
{
	struct page *page;
	unsigned long flags;

	xa_lock_irqsave(&shadow->pages, flags);
	page = xa_load(&shadow->pages, pfn);
	if (page) {
		set_page_private(page, page_private(page) - 1);
		if (page_private(page))
			page = NULL;
		else
			__xa_erase(&shadow->pages, pfn);
	} else {
		WARN_RATELIMIT(1, "page %lx unmapped, but not mapped\n", pfn);
	}
	xa_unlock_irqrestore(&shadow->pages, flags);
	if (page)
		__free_page(page);
}

void sim_shadow_unmap(struct sim_shadow *shadow, phys_addr_t addr, size_t size)
{
	unsigned long pfn;

	for (pfn = PHYS_PFN(addr); pfn <= PHYS_PFN(addr + size - 1); pfn++)
		sim_shadow_put(shadow, pfn);
}

int sim_shadow_map(struct sim_shadow *shadow, phys_addr_t addr, size_t size)
{
	unsigned long pfn;
	int ret;

	for (pfn = PHYS_PFN(addr); pfn <= PHYS_PFN(addr + size - 1); pfn++) {
		ret = sim_shadow_get(shadow, pfn);
		if (ret)
			goto put;
	}
	return 0;

put:
	while (pfn-- > PHYS_PFN(addr))
		sim_shadow_put(shadow, pfn);
	return ret;
}

/* Copies within a page. Returns false if it is not mapped. */
static bool sim_shadow_access(struct sim_shadow *shadow, phys_addr_t addr,
			      void *bytes, u32 len, bool write)
{
	struct page *page;
	unsigned long flags;

	/* The lock keeps the shadow there. */
	xa_lock_irqsave(&shadow->pages, flags);
	page = xa_load(&shadow->pages, PHYS_PFN(addr));
	if (page) {
		void *at = page_address(page) + offset_in_page(addr);

		memcpy(write ? at : bytes, write ? bytes : at, len);
	}
	xa_unlock_irqrestore(&shadow->pages, flags);
	return page;
}

/* All lines that hold one of the bytes */
void sim_shadow_sync(struct sim_shadow *shadow, phys_addr_t addr, size_t size,
		     bool for_cpu)
{
	phys_addr_t at = round_down(addr, shadow->line);
	phys_addr_t end = round_up(addr + size, shadow->line);

	while (at < end) {
		u32 offset = offset_in_page(at);
		u32 len = min_t(phys_addr_t, end - at, PAGE_SIZE - offset);
		u8 *memory = kmap_local_page(pfn_to_page(PHYS_PFN(at)));
		bool mapped = sim_shadow_access(shadow, at, memory + offset,
						len, !for_cpu);

		kunmap_local(memory);
		WARN_RATELIMIT(!mapped, "sync of %pap, which is not mapped\n",
			       &at);
		at += len;
	}
}

/* The engine moves bytes between what is mapped at @addr and @stream. */
void sim_shadow_copy(struct sim_shadow *shadow, phys_addr_t addr, u8 *stream,
		     u32 len, enum sim_dir dir)
{
	while (len) {
		u32 part = min_t(u32, len, PAGE_SIZE - offset_in_page(addr));
		bool mapped = sim_shadow_access(shadow, addr, stream, part,
						dir == SIM_RECV);

		WARN_RATELIMIT(!mapped, "DMA at %pap, which is not mapped\n",
			       &addr);
		addr += part;
		stream += part;
		len -= part;
	}
}

/* ---- the DMA API --------------------------------------------------------- */

static void sim_sync_for_device(struct device *dev, dma_addr_t addr,
				size_t size, enum dma_data_direction dir)
{
	sim_shadow_sync(to_sim_shadow(dev), addr, size, false);
}

static void sim_sync_for_cpu(struct device *dev, dma_addr_t addr, size_t size,
			     enum dma_data_direction dir)
{
	if (dir != DMA_TO_DEVICE)
		sim_shadow_sync(to_sim_shadow(dev), addr, size, true);
}

/* By where the pages are in memory, whatever their addresses */
void sim_sync_sg_for_device(struct device *dev, struct scatterlist *sgl,
			    int nents, enum dma_data_direction dir)
{
	struct scatterlist *sg;
	int i;

	for_each_sg(sgl, sg, nents, i)
		sim_sync_for_device(dev, sg_phys(sg), sg->length, dir);
}

void sim_sync_sg_for_cpu(struct device *dev, struct scatterlist *sgl, int nents,
			 enum dma_data_direction dir)
{
	struct scatterlist *sg;
	int i;

	for_each_sg(sgl, sg, nents, i)
		sim_sync_for_cpu(dev, sg_phys(sg), sg->length, dir);
}

static dma_addr_t sim_map_page(struct device *dev, struct page *page,
			       unsigned long offset, size_t size,
			       enum dma_data_direction dir, unsigned long attrs)
{
	phys_addr_t addr = page_to_phys(page) + offset;

	if (sim_shadow_map(to_sim_shadow(dev), addr, size))
		return DMA_MAPPING_ERROR;
	if (!(attrs & DMA_ATTR_SKIP_CPU_SYNC))
		sim_sync_for_device(dev, addr, size, dir);
	return addr;
}

static void sim_unmap_page(struct device *dev, dma_addr_t addr, size_t size,
			   enum dma_data_direction dir, unsigned long attrs)
{
	if (!(attrs & DMA_ATTR_SKIP_CPU_SYNC))
		sim_sync_for_cpu(dev, addr, size, dir);
	sim_shadow_unmap(to_sim_shadow(dev), addr, size);
}

static void sim_unmap_sg(struct device *dev, struct scatterlist *sgl, int nents,
			 enum dma_data_direction dir, unsigned long attrs)
{
	struct scatterlist *sg;
	int i;

	for_each_sg(sgl, sg, nents, i)
		sim_unmap_page(dev, sg_phys(sg), sg->length, dir, attrs);
}

static int sim_map_sg(struct device *dev, struct scatterlist *sgl, int nents,
		      enum dma_data_direction dir, unsigned long attrs)
{
	struct scatterlist *sg;
	int i;

	for_each_sg(sgl, sg, nents, i) {
		sg_dma_address(sg) = sim_map_page(dev, sg_page(sg), sg->offset,
						  sg->length, dir, attrs);
		if (sg_dma_address(sg) == DMA_MAPPING_ERROR)
			goto unmap;
		sg_dma_len(sg) = sg->length;
	}
	return nents;

unmap:
	sim_unmap_sg(dev, sgl, i, dir, attrs | DMA_ATTR_SKIP_CPU_SYNC);
	return -ENOMEM;
}

static struct page *sim_alloc_pages(struct device *dev, size_t size,
				    dma_addr_t *addr,
				    enum dma_data_direction dir, gfp_t gfp)
{
	struct page *page = alloc_pages(gfp, get_order(size));

	if (!page)
		return NULL;
	*addr = page_to_phys(page);
	if (sim_shadow_map(to_sim_shadow(dev), *addr, size)) {
		__free_pages(page, get_order(size));
		return NULL;
	}
	return page;
}

static void sim_free_pages(struct device *dev, size_t size, struct page *page,
			   dma_addr_t addr, enum dma_data_direction dir)
{
	sim_shadow_unmap(to_sim_shadow(dev), addr, size);
	__free_pages(page, get_order(size));
}

static const struct dma_map_ops sim_dma_ops = {
	.SIM_ALLOC_PAGES_OP = sim_alloc_pages,
	.free_pages = sim_free_pages,
	.map_page = sim_map_page,
	.unmap_page = sim_unmap_page,
	.map_sg = sim_map_sg,
	.unmap_sg = sim_unmap_sg,
	.sync_single_for_cpu = sim_sync_for_cpu,
	.sync_single_for_device = sim_sync_for_device,
	.sync_sg_for_cpu = sim_sync_sg_for_cpu,
	.sync_sg_for_device = sim_sync_sg_for_device,
};

/* ---- a board's life ------------------------------------------------------ */

u32 sim_cache_line(void)
{
	return max_t(u32, SIM_CACHE_LINE, dma_get_cache_alignment());
}

static void sim_forget_ops(void *data)
{
	set_dma_ops(data, NULL);
}

/*
 * In the provider's probe, ahead of dma_set_mask(): that decides whether syncs
 * are skipped (6.12).
 */
int sim_shadow_begin(struct device *dev, bool iommu)
{
	set_dma_ops(dev, iommu ? &sim_iommu_ops : &sim_dma_ops);
	return devm_add_action_or_reset(dev, sim_forget_ops, dev);
}

void sim_shadow_init(struct sim_shadow *shadow)
{
	xa_init_flags(&shadow->pages, XA_FLAGS_LOCK_IRQ);
	shadow->line = sim_cache_line();
}

/* The last channel was released: a mapping that is left was forgotten. */
void sim_shadow_exit(struct sim_shadow *shadow)
{
	struct page *page;
	unsigned long pfn;

	WARN(!xa_empty(&shadow->pages), "pages are mapped for no channel\n");
	xa_for_each(&shadow->pages, pfn, page)
		__free_page(page);
	xa_destroy(&shadow->pages);
}
