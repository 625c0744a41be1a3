/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pinring_model: the guest's side of the AXI DMA model's control page.
 *
 * The model describes its switches and counters in a table of its own, so this
 * module knows none of them by name: it makes one file of each entry, and it
 * tells the model which memory the engine may touch.
 */
#ifndef PINRING_MODEL_INTERNAL_H
#define PINRING_MODEL_INTERNAL_H

#include <linux/debugfs.h>
#include <linux/list.h>
#include <linux/types.h>

/* The control page: registers at its head, the table behind them. */
#define MODEL_MAGIC		0x00
#define MODEL_VERSION		0x04
#define MODEL_ENTRIES		0x08
#define MODEL_ENTRY_BYTES	0x0c
#define MODEL_LABEL		0x10
#define MODEL_GRANT_ADDR	0x100
#define MODEL_GRANT_BYTES	0x108
#define MODEL_REVOKE_ADDR	0x110
#define MODEL_REVOKE_BYTES	0x118
#define MODEL_ENFORCE		0x120
#define MODEL_TABLE		0x400

#define MODEL_MAGIC_VALUE	0x50524144
#define MODEL_VERSION_VALUE	1
#define MODEL_LABEL_BYTES	32

/* An entry of the table */
#define MODEL_ENTRY_VALUE	0x00
#define MODEL_ENTRY_MAX		0x08
#define MODEL_ENTRY_FLAGS	0x10
#define MODEL_ENTRY_NAME	0x18
#define MODEL_NAME_BYTES	40
#define MODEL_ENTRY_SIZE	64
#define MODEL_READ_ONLY		BIT(0)

struct model_board;

/**
 * struct model_file - an entry of the table
 * @board: whose
 * @at: where it is in the control page
 * @max: greatest value that can be written
 * @name: of the file
 */
struct model_file {
	struct model_board *board;
	void __iomem *at;
	u64 max;
	char name[MODEL_NAME_BYTES];
};

/**
 * struct model_board - a model of an AXI DMA
 * @link: in the list of boards, see grants.c
 * @engine: the device that xilinx_dma drives and clients map memory for
 * @page: the control page
 * @granted: ranges granted and not revoked
 * @label: name of the board
 * @folder: its files
 * @files: one for each entry
 */
struct model_board {
	struct list_head link;
	struct device *engine;
	void __iomem *page;
	u32 granted;
	char label[MODEL_LABEL_BYTES];
	struct dentry *folder;
	struct model_file *files;
};

/* grants.c */
void model_grants_init(void);
void model_grants_exit(void);
void model_grants_add(struct model_board *board);
void model_grants_remove(struct model_board *board);
bool model_grants_known(void);

/* delay.c */
void model_delay_init(struct dentry *root);
void model_delay_exit(void);

#endif /* PINRING_MODEL_INTERNAL_H */
