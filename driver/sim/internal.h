/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pinring_sim: a dmaengine provider made of software, with the manners of an
 * AXI DMA behind xilinx_dma.
 *
 * One board is a provider (a dma_device with a send channel, a receive
 * channel or both), a stream, and a consumer platform device for pinring.
 *
 *	send descriptor --copy--> FIFO --copy--> receive descriptor
 *
 * What a client can rely on, and what it must put up with
 *
 *  - One send descriptor is one packet; TLAST travels with its last byte.
 *  - A receive descriptor completes when TLAST arrives, with what was not
 *    filled as residue. A descriptor that is full without TLAST does not
 *    complete: a BD filled without TLAST raises no interrupt on AXI DMA. The
 *    rest of the packet stays in the stream until the channel is terminated.
 *  - A full FIFO stops a send in mid-descriptor.
 *  - BDs return to the pool after the descriptor's callback has returned, as
 *    with xilinx_dma; a prep that comes between the two can find none.
 *  - device_terminate_all() resets the engine, both channels, as a reset does
 *    on AXI DMA: the stream is emptied, and if the other channel had work it
 *    is halted, whatever is issued to it, until it is terminated as well.
 *  - After device_terminate_all() and device_synchronize() the engine touches
 *    no memory of that channel, and no callback runs.
 *
 * Locks, outermost first
 *
 *	sim_board.engine	mutex: the engine while it moves one piece, and
 *				whoever changes the FIFO. Guards sim_stream.
 *				device_synchronize() passes through it to know
 *				that the engine has left.
 *	sim_board.lock		spinlock, irqsave: channels, descriptors, knobs,
 *				counters. Everything dmaengine calls in atomic
 *				context takes this one only.
 *	sim_shadow.pages	the xarray's lock: shadows, while bytes are copied.
 *	sim_iommu.pages		the xarray's lock; never with the other.
 *
 * Callbacks run from the channel's tasklet with neither held. dmaengine calls
 * with its dma_list_mutex held, which is outside both.
 */
#ifndef PINRING_SIM_INTERNAL_H
#define PINRING_SIM_INTERNAL_H

#include <linux/atomic.h>
#include <linux/dma-direction.h>
#include <linux/dmaengine.h>
#include <linux/interrupt.h>
#include <linux/mutex.h>
#include <linux/platform_device.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#define SIM_DRIVER_NAME		"pinring_sim"
#define SIM_CONSUMER_NAME	"pinring"

#define SIM_FIFO_BYTES		(64U << 10)
#define SIM_FIFO_MAX		(64U << 20)
#define SIM_PACKET_BYTES	4096U

/* What a board has at its stream end */
enum sim_kind {
	SIM_LOOP,	/* sends come back as receives */
	SIM_SINK,	/* sends are swallowed */
	SIM_SOURCE,	/* receives get counting bytes */
};

enum sim_dir {
	SIM_SEND,	/* MM2S */
	SIM_RECV,	/* S2MM */
	SIM_DIRS,
};

/**
 * struct sim_board_info - one row of the table of boards
 * @label: stable name of the device, and of its debugfs directory
 * @kind: what is at the stream end
 * @bds: BD pool of each channel
 * @copy_align: log2 of the alignment that addresses need
 * @max_seg_bytes: longest entry of an sg list
 * @max_bd_bytes: longest BD
 * @batch_receive: receives complete in xilinx_dma's batch manner
 * @shadow: its port is not cache coherent, see shadow.c
 * @iommu: that port is behind an IOMMU, see iommu.c
 * @line: bytes that its node says a cache line has, if not what it has
 */
struct sim_board_info {
	const char *label;
	enum sim_kind kind;
	u32 bds;
	enum dmaengine_alignment copy_align;
	u32 max_seg_bytes;
	u32 max_bd_bytes;
	bool batch_receive;
	bool shadow;
	bool iommu;
	u32 line;
};

/* A piece of memory of a descriptor, by its IO virtual address if there are such */
struct sim_piece {
	phys_addr_t addr;
	u32 len;
};

/**
 * struct sim_desc - a descriptor
 * @txd: dmaengine's part
 * @node: in one of the channel's lists, guarded by sim_board.lock
 * @dead: terminated while the engine was at it; the engine frees it
 * @result: what the callback will be told
 * @bds: taken from the pool
 * @len: bytes of all pieces
 * @moved: bytes moved; written by the engine under sim_board.lock
 * @index: piece the engine is at; the engine's own
 * @offset: in that piece; the engine's own
 * @count: number of pieces
 * @pieces: the memory
 */
struct sim_desc {
	struct dma_async_tx_descriptor txd;
	struct list_head node;
	bool dead;
	enum dmaengine_tx_result result;
	u32 bds;
	u32 len;
	u32 moved;
	u32 index;
	u32 offset;
	u32 count;
	struct sim_piece pieces[];
};

/**
 * struct sim_chan - a channel; all of it is guarded by sim_board.lock
 * @chan: dmaengine's part
 * @board: the board
 * @dir: which one it is
 * @batch: completes in xilinx_dma's batch manner
 * @halted: a reset on the other channel's account has stopped it
 * @hold: knob: the engine takes no BDs
 * @kick_callbacks: the engine has put something on @done
 * @bds_used: BDs taken from the pool
 * @threshold: batch: completions per interrupt
 * @unreported: batch: completions since the last interrupt
 * @busy: the descriptor whose memory the engine is touching
 * @prepared: not submitted yet
 * @submitted: not issued yet
 * @waiting: issued, but the hardware has not been given them (batch only)
 * @active: in the hardware's hands
 * @ended: over, but the interrupt has not come (batch only)
 * @lost: over, and the interrupt was dropped
 * @done: waiting for their callbacks
 * @callbacks: runs them
 * @drop: knob: completions to drop
 * @fail: knob: completions to fail
 * @descriptors: counter: descriptors that the engine has finished
 * @packets: counter
 * @bytes: counter
 */
struct sim_chan {
	struct dma_chan chan;
	struct sim_board *board;
	enum sim_dir dir;
	bool batch;
	bool halted;
	bool hold;
	bool kick_callbacks;
	u32 bds_used;
	u32 threshold;
	u32 unreported;
	struct sim_desc *busy;
	struct list_head prepared;
	struct list_head submitted;
	struct list_head waiting;
	struct list_head active;
	struct list_head ended;
	struct list_head lost;
	struct list_head done;
	struct tasklet_struct callbacks;
	u64 drop;
	u64 fail;
	u64 descriptors;
	u64 packets;
	u64 bytes;
};

/**
 * struct sim_fifo - bytes between the two channels
 * @data: the ring
 * @last: one bit per byte of @data: TLAST came with it
 * @size: bytes of @data
 * @limit: bytes it takes, at most @size
 * @head: where the oldest byte is
 * @used: bytes in it
 * @lasts: bits set in @last
 */
struct sim_fifo {
	u8 *data;
	unsigned long *last;
	u32 size;
	u32 limit;
	u32 head;
	u32 used;
	u32 lasts;
};

/**
 * struct sim_stream - the stream; all of it is guarded by sim_board.engine
 * @fifo: what is under way
 * @out_pos: bytes of the packet at the FIFO's end that were received
 * @cut: that packet shall end after so many bytes, 0: where it ends
 * @discard: the rest of that packet is to be thrown away
 * @counter: source: value of the next byte
 * @made: source: bytes made of the packet being made
 * @make: source: length of that packet
 * @paced_ns: rate: the time up to which the budget is used
 */
struct sim_stream {
	struct sim_fifo fifo;
	u64 out_pos;
	u64 cut;
	bool discard;
	u8 counter;
	u32 made;
	u32 make;
	u64 paced_ns;
};

/**
 * struct sim_shadow - memory as a port that is not coherent sees it
 * @pages: by page frame number, the shadow of each page that is mapped
 * @line: bytes of a cache line
 */
struct sim_shadow {
	struct xarray pages;
	u32 line;
};

/**
 * struct sim_iommu - where IO virtual addresses lead to
 * @pages: by page of IO virtual addresses, the page frame number
 * @next: first page that was not given yet
 */
struct sim_iommu {
	struct xarray pages;
	atomic_long_t next;
};

/* A file of debugfs and the board it belongs to */
struct sim_file {
	struct sim_board *board;
	const struct sim_knob *knob;
};

/**
 * struct sim_board - a board, from probe to the last user's leave
 * @info: row of the table
 * @dev: the provider
 * @dma: dmaengine's part
 * @map: which consumer gets which channel
 * @consumer: name of the consumer's device
 * @shadow: where the info says so: what the engine sees of memory
 * @iommu: where the info says so: the addresses that the engine is given
 * @engine: see the top of this file
 * @stream: guarded by @engine
 * @lock: see the top of this file
 * @chans: guarded by @lock
 * @flush: guarded by @lock: a reset wants the stream emptied
 * @drop: knob: completions to drop, of either channel
 * @refuse: knob: submits to refuse, of either channel
 * @no_synchronize: knob: it can't be waited for that a stop is over
 * @short_packet: knob: bytes after which the next packet ends
 * @rate: knob: bytes per second into the stream, 0: no limit
 * @packet_bytes: knob: source: length of the packets
 * @callbacks: counter: callbacks made
 * @terminates: counter: calls of device_terminate_all
 * @workqueue: where the engine runs, one piece after the other
 * @work: the engine
 * @debugfs: its directory
 * @files: what @debugfs holds
 */
struct sim_board {
	const struct sim_board_info *info;
	struct device *dev;
	struct dma_device dma;
	struct dma_slave_map map[SIM_DIRS];
	char consumer[16];
	struct sim_shadow shadow;
	struct sim_iommu iommu;

	struct mutex engine;	/* guards @stream */
	struct sim_stream stream;

	spinlock_t lock;	/* guards what follows, down to @terminates */
	struct sim_chan chans[SIM_DIRS];
	bool flush;
	u64 drop;
	u64 refuse;
	bool no_synchronize;
	u64 short_packet;
	u64 rate;
	u32 packet_bytes;
	u64 callbacks;
	u64 terminates;

	struct workqueue_struct *workqueue;
	struct delayed_work work;

	struct dentry *debugfs;
	struct sim_file *files;
};

static inline bool sim_has_send(const struct sim_board_info *info)
{
	return info->kind != SIM_SOURCE;
}

static inline bool sim_has_recv(const struct sim_board_info *info)
{
	return info->kind != SIM_SINK;
}

/* main.c */
extern struct dentry *sim_debugfs_root;

/* provider.c */
extern struct platform_driver sim_provider_driver;
int sim_hide_synchronize(struct sim_board *board, u32 hide);

/* channel.c */
void sim_chan_init(struct sim_board *board, enum sim_dir dir);
void sim_chan_restart(struct sim_chan *chan);
void sim_chan_complete(struct sim_chan *chan, struct sim_desc *desc);
void sim_chan_run_callbacks(struct sim_chan *chan);
void sim_chan_drop(struct sim_chan *chan, struct list_head *list,
		   struct list_head *dead);
void sim_chan_reset(struct sim_chan *chan, struct list_head *dead);
void sim_chan_synchronize(struct sim_chan *chan);
void sim_free_list(struct list_head *dead);

/* stream.c */
void sim_stream_setup(void);
int sim_stream_init(struct sim_board *board);
void sim_stream_exit(struct sim_board *board);
void sim_engine_kick(struct sim_board *board);

/* fifo.c */
int sim_fifo_init(struct sim_fifo *fifo, u32 bytes);
void sim_fifo_exit(struct sim_fifo *fifo);
int sim_fifo_resize(struct sim_board *board, u32 bytes);
void sim_fifo_reset(struct sim_fifo *fifo);
u8 *sim_fifo_room(struct sim_fifo *fifo, u32 *len);
void sim_fifo_push(struct sim_fifo *fifo, u32 len, bool last);
u8 *sim_fifo_peek(struct sim_fifo *fifo, u32 *len, bool *last);
void sim_fifo_pop(struct sim_fifo *fifo, u32 len);

/* shadow.c */
u32 sim_cache_line(void);
int sim_shadow_begin(struct device *dev, bool iommu);
void sim_shadow_init(struct sim_shadow *shadow);
void sim_shadow_exit(struct sim_shadow *shadow);
void sim_shadow_copy(struct sim_shadow *shadow, phys_addr_t addr, u8 *stream,
		     u32 len, enum sim_dir dir);

int sim_shadow_map(struct sim_shadow *shadow, phys_addr_t addr, size_t size);
void sim_shadow_unmap(struct sim_shadow *shadow, phys_addr_t addr, size_t size);
void sim_shadow_sync(struct sim_shadow *shadow, phys_addr_t addr, size_t size,
		     bool for_cpu);
void sim_sync_sg_for_device(struct device *dev, struct scatterlist *sgl,
			    int nents, enum dma_data_direction dir);
void sim_sync_sg_for_cpu(struct device *dev, struct scatterlist *sgl, int nents,
			 enum dma_data_direction dir);

/* iommu.c */
extern const struct dma_map_ops sim_iommu_ops;
void sim_iommu_init(struct sim_iommu *iommu);
void sim_iommu_exit(struct sim_iommu *iommu);
void sim_iommu_copy(struct sim_board *board, dma_addr_t addr, u8 *stream,
		    u32 len, enum sim_dir dir);

/* debugfs.c */
int sim_debugfs_add(struct sim_board *board);
void sim_debugfs_remove(struct sim_board *board);

#endif /* PINRING_SIM_INTERNAL_H */
