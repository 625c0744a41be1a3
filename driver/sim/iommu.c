// SPDX-License-Identifier: GPL-2.0-only
/*
 * A port that is not cache coherent behind an IOMMU, made of software.
 *
 * What is mapped gets IO virtual addresses, which are never those of memory and
 * are not given twice. As with the kernel's dma-iommu
 *
 *  - the pages of one list have consecutive addresses, wherever they are in
 *    memory, and its entries become fewer and longer: one goes on where the
 *    last ended, if that is at the end of a page;
 *  - a sync of an address and a size looks up the first byte only. From there
 *    on it is memory that is synced, not addresses: right only for who knows
 *    that it is contiguous. Syncs of a list know its pages.
 *
 * The engine has each page's address translated. Behind that are the shadows of
 * shadow.c, so a wrong sync shows as old data, or as a warning about a page that
 * is not mapped.
 */
#include <linux/atomic.h>
#include <linux/dma-map-ops.h>
#include <linux/mm.h>
#include <linux/ratelimit.h>
#include <linux/scatterlist.h>
#include <linux/xarray.h>

#include "compat.h"
#include "internal.h"

/* First page of IO virtual addresses: above all memory, on 64 bits 2^56 */
#define SIM_IOVA_FIRST	(1L << (BITS_PER_LONG - 20))

/* ---- translation --------------------------------------------------------- */

static struct sim_board *to_sim_board(struct device *dev)
{
	return dev_get_drvdata(dev);
}

/* Where the byte at @addr is in memory. False, and a warning, if nowhere */
static bool sim_iommu_find(struct sim_iommu *iommu, dma_addr_t addr,
			   phys_addr_t *phys)
{
	void *pfn = xa_load(&iommu->pages, addr >> PAGE_SHIFT);

	if (WARN_RATELIMIT(!pfn, "IO address %pad is not mapped\n", &addr))
		return false;
	*phys = PFN_PHYS(xa_to_value(pfn)) + offset_in_page(addr);
	return true;
}

static void sim_iommu_unmap(struct sim_board *board, unsigned long at,
			    unsigned long npages)
{
	unsigned long flags;
	void *pfn;

	for (; npages; at++, npages--) {
		xa_lock_irqsave(&board->iommu.pages, flags);
		pfn = __xa_erase(&board->iommu.pages, at);
		xa_unlock_irqrestore(&board->iommu.pages, flags);
		if (!WARN_RATELIMIT(!pfn, "IO page %lx unmapped, but not mapped\n", at))
			sim_shadow_unmap(&board->shadow, PFN_PHYS(xa_to_value(pfn)),
					 PAGE_SIZE);
	}
}

static int sim_iommu_map(struct sim_board *board, unsigned long at,
			 unsigned long pfn, unsigned long npages)
{
	unsigned long i;
	int ret;

	for (i = 0; i < npages; i++) {
		ret = sim_shadow_map(&board->shadow, PFN_PHYS(pfn + i), PAGE_SIZE);
		if (ret)
			goto unmap;
		ret = xa_err(xa_store_irq(&board->iommu.pages, at + i,
					  xa_mk_value(pfn + i), GFP_KERNEL));
		if (ret) {
			sim_shadow_unmap(&board->shadow, PFN_PHYS(pfn + i), PAGE_SIZE);
			goto unmap;
		}
	}
	return 0;

unmap:
	sim_iommu_unmap(board, at, i);
	return ret;
}

/* The engine moves bytes between what is mapped at @addr and @stream. */
void sim_iommu_copy(struct sim_board *board, dma_addr_t addr, u8 *stream,
		    u32 len, enum sim_dir dir)
{
	phys_addr_t phys;

	while (len) {
		u32 part = min_t(u32, len, PAGE_SIZE - offset_in_page(addr));

		if (sim_iommu_find(&board->iommu, addr, &phys))
			sim_shadow_copy(&board->shadow, phys, stream, part, dir);
		addr += part;
		stream += part;
		len -= part;
	}
}

/* ---- the DMA API --------------------------------------------------------- */

static void sim_iommu_sync_for_device(struct device *dev, dma_addr_t addr,
				      size_t size, enum dma_data_direction dir)
{
	struct sim_board *board = to_sim_board(dev);
	phys_addr_t phys;

	if (sim_iommu_find(&board->iommu, addr, &phys))
		sim_shadow_sync(&board->shadow, phys, size, false);
}

static void sim_iommu_sync_for_cpu(struct device *dev, dma_addr_t addr,
				   size_t size, enum dma_data_direction dir)
{
	struct sim_board *board = to_sim_board(dev);
	phys_addr_t phys;

	if (dir != DMA_TO_DEVICE && sim_iommu_find(&board->iommu, addr, &phys))
		sim_shadow_sync(&board->shadow, phys, size, true);
}

static unsigned long sim_iommu_pages(struct scatterlist *sg)
{
	return PFN_UP(offset_in_page(sg_phys(sg)) + (u64)sg->length);
}

/*
 * Entries whose pages have consecutive addresses from @addr on: makes longer
 * ones of them, and returns how many.
 */
static int sim_iommu_merge(struct device *dev, struct scatterlist *sgl,
			   int nents, dma_addr_t addr)
{
	unsigned int max = dma_get_max_seg_size(dev);
	struct scatterlist *sg, *last = NULL;
	int i, merged = 0;

	for_each_sg(sgl, sg, nents, i) {
		dma_addr_t at = addr + offset_in_page(sg_phys(sg));

		addr += PFN_PHYS(sim_iommu_pages(sg));
		/* None of them is the device's, unless it is set below. */
		sg_dma_address(sg) = DMA_MAPPING_ERROR;
		sg_dma_len(sg) = 0;
		if (last && at == sg_dma_address(last) + sg_dma_len(last) &&
		    sg->length + sg_dma_len(last) <= max) {
			sg_dma_len(last) += sg->length;
			continue;
		}
		last = last ? sg_next(last) : sgl;
		sg_dma_address(last) = at;
		sg_dma_len(last) = sg->length;
		merged++;
	}
	return merged;
}

static int sim_iommu_map_sg(struct device *dev, struct scatterlist *sgl,
			    int nents, enum dma_data_direction dir,
			    unsigned long attrs)
{
	struct sim_board *board = to_sim_board(dev);
	unsigned long first, at, npages = 0;
	struct scatterlist *sg;
	int i, ret;

	for_each_sg(sgl, sg, nents, i)
		npages += sim_iommu_pages(sg);
	/* One more, so that an access beyond the end is one to nothing. */
	first = atomic_long_fetch_add(npages + 1, &board->iommu.next);

	at = first;
	for_each_sg(sgl, sg, nents, i) {
		ret = sim_iommu_map(board, at, PHYS_PFN(sg_phys(sg)),
				    sim_iommu_pages(sg));
		if (ret) {
			sim_iommu_unmap(board, first, at - first);
			return ret;
		}
		at += sim_iommu_pages(sg);
	}
	if (!(attrs & DMA_ATTR_SKIP_CPU_SYNC))
		sim_sync_sg_for_device(dev, sgl, nents, dir);
	return sim_iommu_merge(dev, sgl, nents, PFN_PHYS(first));
}

static void sim_iommu_unmap_sg(struct device *dev, struct scatterlist *sgl,
			       int nents, enum dma_data_direction dir,
			       unsigned long attrs)
{
	unsigned long npages = 0;
	struct scatterlist *sg;
	int i;

	if (!(attrs & DMA_ATTR_SKIP_CPU_SYNC))
		sim_sync_sg_for_cpu(dev, sgl, nents, dir);
	for_each_sg(sgl, sg, nents, i)
		npages += sim_iommu_pages(sg);
	sim_iommu_unmap(to_sim_board(dev), sg_dma_address(sgl) >> PAGE_SHIFT,
			npages);
}

static dma_addr_t sim_iommu_map_page(struct device *dev, struct page *page,
				     unsigned long offset, size_t size,
				     enum dma_data_direction dir,
				     unsigned long attrs)
{
	struct scatterlist sg;

	sg_init_table(&sg, 1);
	sg_set_page(&sg, page, size, offset);
	if (sim_iommu_map_sg(dev, &sg, 1, dir, attrs) != 1)
		return DMA_MAPPING_ERROR;
	return sg_dma_address(&sg);
}

static void sim_iommu_unmap_page(struct device *dev, dma_addr_t addr,
				 size_t size, enum dma_data_direction dir,
				 unsigned long attrs)
{
	if (!(attrs & DMA_ATTR_SKIP_CPU_SYNC))
		sim_iommu_sync_for_cpu(dev, addr, size, dir);
	sim_iommu_unmap(to_sim_board(dev), addr >> PAGE_SHIFT,
			PFN_UP(offset_in_page(addr) + size));
}

static struct page *sim_iommu_alloc_pages(struct device *dev, size_t size,
					  dma_addr_t *addr,
					  enum dma_data_direction dir,
					  gfp_t gfp)
{
	struct page *page = alloc_pages(gfp, get_order(size));

	if (!page)
		return NULL;
	*addr = sim_iommu_map_page(dev, page, 0, size, dir,
				   DMA_ATTR_SKIP_CPU_SYNC);
	if (*addr == DMA_MAPPING_ERROR) {
		__free_pages(page, get_order(size));
		return NULL;
	}
	return page;
}

static void sim_iommu_free_pages(struct device *dev, size_t size,
				 struct page *page, dma_addr_t addr,
				 enum dma_data_direction dir)
{
	sim_iommu_unmap_page(dev, addr, size, dir, DMA_ATTR_SKIP_CPU_SYNC);
	__free_pages(page, get_order(size));
}

const struct dma_map_ops sim_iommu_ops = {
	.SIM_ALLOC_PAGES_OP = sim_iommu_alloc_pages,
	.free_pages = sim_iommu_free_pages,
	.map_page = sim_iommu_map_page,
	.unmap_page = sim_iommu_unmap_page,
	.map_sg = sim_iommu_map_sg,
	.unmap_sg = sim_iommu_unmap_sg,
	.sync_single_for_cpu = sim_iommu_sync_for_cpu,
	.sync_single_for_device = sim_iommu_sync_for_device,
	.sync_sg_for_cpu = sim_sync_sg_for_cpu,
	.sync_sg_for_device = sim_sync_sg_for_device,
};

/* ---- a board's life ------------------------------------------------------ */

void sim_iommu_init(struct sim_iommu *iommu)
{
	xa_init_flags(&iommu->pages, XA_FLAGS_LOCK_IRQ);
	atomic_long_set(&iommu->next, SIM_IOVA_FIRST);
}

/* What is left is left in the shadows, too, where it is told. */
void sim_iommu_exit(struct sim_iommu *iommu)
{
	xa_destroy(&iommu->pages);
}
