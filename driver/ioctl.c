// SPDX-License-Identifier: GPL-2.0-only
/*
 * The file: open, ioctl, mmap, poll, release.
 *
 * Every ioctl takes a structure that starts with its size. The table below
 * says what each needs; the argument is copied once, and what this kernel
 * does not know of it must be zero. A file has one ring, published once by
 * SETUP and never replaced, so all others find it without a lock.
 */
#include <linux/compat.h>
#include <linux/eventfd.h>
#include <linux/fs.h>
#include <linux/log2.h>
#include <linux/nospec.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "compat.h"
#include "internal.h"

/* Any structure of the ABI, for one copy on the stack of the dispatcher. */
union pinring_arg {
	__u32 size;
	struct pinring_setup setup;
	struct pinring_enter enter;
	struct pinring_buffer buffer;
	struct pinring_eventfd eventfd;
};

struct pinring_ioctl {
	size_t size;
	size_t min_size;
	bool needs_ring;
	/* What comes back to the caller, also when fn fails. */
	bool copy_back;
	int (*fn)(struct pinring_file *file, struct pinring_ring *ring, union pinring_arg *arg);
	/* After fn has succeeded: the caller was told of it, or could not be. */
	void (*conclude)(struct pinring_file *file, struct pinring_ring *ring,
			 const union pinring_arg *arg, bool told);
};

static int pinring_setup_entries(struct pinring_setup *setup)
{
	if (!setup->sq_entries || setup->sq_entries > PINRING_MAX_SQ_ENTRIES ||
	    setup->cq_entries > PINRING_MAX_CQ_ENTRIES)
		return -EINVAL;
	setup->sq_entries = roundup_pow_of_two(setup->sq_entries);
	if (!setup->cq_entries)
		setup->cq_entries = 2 * setup->sq_entries;
	setup->cq_entries = max(roundup_pow_of_two(setup->cq_entries), setup->sq_entries);
	return 0;
}

static int pinring_ioctl_setup(struct pinring_file *file, struct pinring_ring *ring,
			       union pinring_arg *arg)
{
	struct pinring_setup *setup = &arg->setup;
	u32 known = PINRING_DIR_SEND | PINRING_DIR_RECV;
	struct pinring_ring *created;
	int ret;

	if (setup->flags & ~PINRING_SETUP_SHARED || setup->reserved ||
	    !setup->directions || setup->directions & ~known)
		return -EINVAL;
	if (setup->directions & ~file->pdev->info.directions)
		return -EOPNOTSUPP;
	ret = pinring_setup_entries(setup);
	if (ret)
		return ret;

	mutex_lock(&file->setup_mutex);
	if (file->ring || file->created) {
		ret = -EEXIST;
	} else {
		created = pinring_ring_create(file->pdev, setup);
		ret = PTR_ERR_OR_ZERO(created);
		if (!ret)
			file->created = created;
	}
	mutex_unlock(&file->setup_mutex);
	return ret;
}

/* Whoever was not told where its ring is has none, and may try again. */
static void pinring_conclude_setup(struct pinring_file *file, struct pinring_ring *ring,
				   const union pinring_arg *arg, bool told)
{
	struct pinring_ring *created;

	mutex_lock(&file->setup_mutex);
	created = file->created;
	file->created = NULL;
	if (told)
		/* Pairs with the load-acquire of all others: the ring is complete. */
		smp_store_release(&file->ring, created);
	mutex_unlock(&file->setup_mutex);
	if (!told) {
		pinring_ring_end(created);
		pinring_ring_put(created);
	}
}

static int pinring_ioctl_enter(struct pinring_file *file, struct pinring_ring *ring,
			       union pinring_arg *arg)
{
	struct pinring_enter *enter = &arg->enter;
	u64 deadline;
	int ret;

	if (enter->flags & ~PINRING_ENTER_ABS_DEADLINE || enter->reserved ||
	    enter->min_complete > ring->cq_entries ||
	    (enter->flags & PINRING_ENTER_ABS_DEADLINE && !enter->deadline_ns))
		return -EINVAL;
	deadline = pinring_deadline(enter->deadline_ns, enter->flags & PINRING_ENTER_ABS_DEADLINE,
				    PINRING_DEADLINE_NONE);

	enter->submitted = 0;
	ret = pinring_ring_submit(ring, enter->to_submit, &enter->submitted);
	/* What a device that has gone leaves behind is still worth waiting for. */
	if ((ret && ret != -ENODEV) || !enter->min_complete)
		return ret;
	return pinring_ring_wait(ring, enter->min_complete, deadline);
}

static int pinring_ioctl_buffer_add(struct pinring_file *file, struct pinring_ring *ring,
				    union pinring_arg *arg)
{
	return arg->buffer.reserved ? -EINVAL : pinring_buffer_add(ring, &arg->buffer);
}

/* A buffer whose index nobody knows could never be removed. */
static void pinring_conclude_add(struct pinring_file *file, struct pinring_ring *ring,
				 const union pinring_arg *arg, bool told)
{
	struct pinring_buffer remove = { .size = sizeof(remove), .index = arg->buffer.index };

	if (!told)
		pinring_buffer_remove(ring, &remove);
}

static int pinring_ioctl_buffer_update(struct pinring_file *file, struct pinring_ring *ring,
				       union pinring_arg *arg)
{
	return arg->buffer.reserved ? -EINVAL : pinring_buffer_update(ring, &arg->buffer);
}

static int pinring_ioctl_buffer_remove(struct pinring_file *file, struct pinring_ring *ring,
				       union pinring_arg *arg)
{
	return arg->buffer.reserved ? -EINVAL : pinring_buffer_remove(ring, &arg->buffer);
}

static int pinring_ioctl_eventfd(struct pinring_file *file, struct pinring_ring *ring,
				 union pinring_arg *arg)
{
	struct eventfd_ctx *ctx = NULL;

	if (arg->eventfd.flags || arg->eventfd.reserved || arg->eventfd.fd < -1)
		return -EINVAL;
	if (arg->eventfd.fd >= 0) {
		ctx = eventfd_ctx_fdget(arg->eventfd.fd);
		/* No such file, or not an eventfd. */
		if (IS_ERR(ctx))
			return -EINVAL;
	}
	ctx = pinring_notify_eventfd(ring, ctx);
	if (ctx)
		eventfd_ctx_put(ctx);
	return 0;
}

#define PINRING_IOCTL(_name, _type, _last, _ring, _back, _fn, _conclude)		\
	[_IOC_NR(PINRING_IOC_##_name)] = {						\
		.size = sizeof(struct _type),						\
		.min_size = offsetofend(struct _type, _last),				\
		.needs_ring = _ring,							\
		.copy_back = _back,							\
		.fn = _fn,								\
		.conclude = _conclude,							\
	}

static const struct pinring_ioctl pinring_ioctls[] = {
	PINRING_IOCTL(SETUP, pinring_setup, cqes_offset, false, true, pinring_ioctl_setup,
		      pinring_conclude_setup),
	PINRING_IOCTL(ENTER, pinring_enter, reserved, true, true, pinring_ioctl_enter, NULL),
	PINRING_IOCTL(BUFFER_ADD, pinring_buffer, deadline_ns, true, true,
		      pinring_ioctl_buffer_add, pinring_conclude_add),
	PINRING_IOCTL(BUFFER_UPDATE, pinring_buffer, deadline_ns, true, false,
		      pinring_ioctl_buffer_update, NULL),
	PINRING_IOCTL(BUFFER_REMOVE, pinring_buffer, deadline_ns, true, false,
		      pinring_ioctl_buffer_remove, NULL),
	PINRING_IOCTL(EVENTFD, pinring_eventfd, reserved, true, false, pinring_ioctl_eventfd,
		      NULL),
};

/* INFO alone may be asked by a program that knows more, or less, than we do. */
static int pinring_ioctl_info(struct pinring_device *pdev, void __user *uarg)
{
	struct pinring_info info;
	u32 size;

	if (get_user(size, (u32 __user *)uarg))
		return -EFAULT;
	/* Enough to learn the size and the ABI. */
	if (size < offsetofend(struct pinring_info, features))
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;

	spin_lock_irq(&pdev->lock);
	info = pdev->info;
	spin_unlock_irq(&pdev->lock);
	if (copy_to_user(uarg, &info, min_t(size_t, size, sizeof(info))))
		return -EFAULT;
	if (size > sizeof(info) && clear_user(uarg + sizeof(info), size - sizeof(info)))
		return -EFAULT;
	return 0;
}

static long pinring_ioctl(struct file *filp, unsigned int cmd, unsigned long uaddr)
{
	struct pinring_file *file = filp->private_data;
	void __user *uarg = (void __user *)uaddr;
	const struct pinring_ioctl *op;
	struct pinring_ring *ring;
	union pinring_arg arg;
	bool told = true, dead;
	int ret;
	u32 size;

	if (cmd == PINRING_IOC_INFO)
		return pinring_ioctl_info(file->pdev, uarg);
	if (_IOC_TYPE(cmd) != PINRING_IOC_MAGIC || cmd != _IO(PINRING_IOC_MAGIC, _IOC_NR(cmd)) ||
	    _IOC_NR(cmd) >= ARRAY_SIZE(pinring_ioctls))
		return -ENOTTY;
	op = &pinring_ioctls[array_index_nospec(_IOC_NR(cmd), ARRAY_SIZE(pinring_ioctls))];
	if (!op->fn)
		return -ENOTTY;

	if (get_user(size, (u32 __user *)uarg))
		return -EFAULT;
	if (size < op->min_size)
		return -EINVAL;
	/* No structure will ever be that long: do not look for zeroes all day. */
	if (size > PAGE_SIZE)
		return -E2BIG;
	memset(&arg, 0, sizeof(arg));
	ret = copy_struct_from_user(&arg, op->size, uarg, size);
	if (ret)
		return ret;
	/* It was read twice: what counts is what was copied. */
	if (arg.size != size)
		return -EINVAL;

	/* Pairs with the store-release of pinring_conclude_setup(). */
	ring = smp_load_acquire(&file->ring);
	if (op->needs_ring && (!ring || READ_ONCE(ring->closing)))
		return -ENXIO;
	if (ring && ring->mm != current->mm)
		return -EXDEV;
	dead = ring ? pinring_ring_dead(ring) : READ_ONCE(file->pdev->dead);
	if (dead && op->fn != pinring_ioctl_enter &&
	    op->fn != pinring_ioctl_buffer_remove)
		return -ENODEV;

	ret = op->fn(file, ring, &arg);
	if (op->copy_back && (!ret || op->fn == pinring_ioctl_enter))
		told = !copy_to_user(uarg, &arg, min_t(size_t, size, op->size));
	if (op->conclude && !ret)
		op->conclude(file, ring, &arg, told);
	return told ? ret : -EFAULT;
}

static __poll_t pinring_poll(struct file *filp, struct poll_table_struct *wait)
{
	struct pinring_file *file = filp->private_data;
	/* Pairs with the store-release of pinring_conclude_setup(). */
	struct pinring_ring *ring = smp_load_acquire(&file->ring);
	__poll_t mask = 0;

	if (!ring)
		return EPOLLERR;
	poll_wait(filp, &ring->wait, wait);
	if (pinring_ring_readable(ring))
		mask |= EPOLLIN | EPOLLRDNORM;
	if (pinring_ring_writable(ring))
		mask |= EPOLLOUT | EPOLLWRNORM;
	if (pinring_ring_dead(ring))
		mask |= EPOLLERR | EPOLLHUP;
	return mask;
}

static int pinring_mmap(struct file *filp, struct vm_area_struct *vma)
{
	struct pinring_file *file = filp->private_data;
	/* Pairs with the store-release of pinring_conclude_setup(). */
	struct pinring_ring *ring = smp_load_acquire(&file->ring);
	size_t offset;
	int ret;

	if (!ring)
		return -ENXIO;
	if (ring->mm != current->mm)
		return -EXDEV;
	if (!(vma->vm_flags & VM_SHARED) || vma->vm_pgoff ||
	    vma->vm_end - vma->vm_start != ring->area_bytes)
		return -EINVAL;
	/* The ring is this address space's: a child gets no mapping of it. */
	pinring_vm_flags_set(vma, VM_DONTCOPY | VM_DONTEXPAND | VM_DONTDUMP);
	for (offset = 0; offset < ring->area_bytes; offset += PAGE_SIZE) {
		ret = vm_insert_page(vma, vma->vm_start + offset,
				     vmalloc_to_page(ring->area + offset));
		if (ret)
			return ret;
	}
	return 0;
}

/* Under misc_mtx, which misc_deregister() takes too: the device is there. */
static int pinring_open(struct inode *inode, struct file *filp)
{
	struct miscdevice *misc = filp->private_data;
	struct pinring_device *pdev = container_of(misc, struct pinring_device, misc);
	struct pinring_file *file;

	file = kzalloc(sizeof(*file), GFP_KERNEL_ACCOUNT);
	if (!file)
		return -ENOMEM;
	mutex_init(&file->setup_mutex);
	pinring_device_get(pdev);
	file->pdev = pdev;
	filp->private_data = file;
	return nonseekable_open(inode, filp);
}

/*
 * The owner closes the file, or exits. A child that was forked without exec
 * may hold the file too, and would keep the engine writing to memory that the
 * owner frees after close(): so it is the owner's close that ends the ring.
 */
static int pinring_flush(struct file *filp, fl_owner_t id)
{
	struct pinring_file *file = filp->private_data;
	/* Pairs with the store-release of pinring_conclude_setup(). */
	struct pinring_ring *ring = smp_load_acquire(&file->ring);

	if (ring && ring->files == id)
		pinring_ring_end(ring);
	return 0;
}

/* The last one out: no mapping of the ring is left either. */
static int pinring_release(struct inode *inode, struct file *filp)
{
	struct pinring_file *file = filp->private_data;

	if (file->ring) {
		pinring_ring_end(file->ring);
		pinring_ring_put(file->ring);
	}
	pinring_device_put(file->pdev);
	kfree(file);
	return 0;
}

const struct file_operations pinring_fops = {
	.owner = THIS_MODULE,
	.open = pinring_open,
	.flush = pinring_flush,
	.release = pinring_release,
	.unlocked_ioctl = pinring_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = pinring_mmap,
	.poll = pinring_poll,
	.llseek = noop_llseek,
};
