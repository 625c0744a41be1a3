// SPDX-License-Identifier: GPL-2.0-only
/*
 * Delays: what lies between two steps of other code, made as long as a test
 * needs it to be, by probes. /sys/kernel/debug/pinring_model/ has
 *
 *	stall		a function's name, written: the next task that calls it
 *			sleeps before the first instruction. An empty line: it
 *			goes on. Read: whether one sleeps there
 *	late_handler_ms	written: the provider's next interrupt is acknowledged,
 *			and the rest of its handler comes so much later
 */
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/kprobes.h>
#include <linux/mutex.h>
#include <linux/string.h>
#include <linux/wait.h>

#include "internal.h"

/* Longer than any test; what stalls for ever would not let the machine go. */
#define MODEL_STALL_MAX		(300 * HZ)

#define MODEL_LATE_MAX_MS	2000
#define MODEL_LATE_HANDLER	"xilinx_dma_irq_handler"

/* Instructions: writel() is a barrier and a store of a word. */
#define MODEL_DMB_OSHST		0xd50332bf
#define MODEL_STR		0xb9000000
#define MODEL_STR_MASK		0xffc00000
#define MODEL_LATE_REACH	256

static DEFINE_MUTEX(model_delay_mutex);	/* probes come and go */

/* ---- a task that calls a function ---------------------------------------- */

enum model_stall {
	MODEL_STALL_NONE,
	MODEL_STALL_NEXT,	/* whoever calls the function */
	MODEL_STALL_SLEEPS,
};

static atomic_t model_stall = ATOMIC_INIT(MODEL_STALL_NONE);
static atomic_t model_stalled;	/* tasks that still have to return through us */
static DECLARE_WAIT_QUEUE_HEAD(model_stall_queue);
static struct kprobe model_stall_probe;
static char model_stall_name[KSYM_NAME_LEN];

/*
 * In the place of the function, which it then calls. Arguments are in registers;
 * more of them than anything that is stalled has do no harm.
 */
static unsigned long model_stall_call(unsigned long a, unsigned long b,
				      unsigned long c, unsigned long d)
{
	unsigned long (*fn)(unsigned long a, unsigned long b, unsigned long c,
			    unsigned long d) = (void *)model_stall_probe.addr;
	unsigned long ret;

	wait_event_idle_timeout(model_stall_queue,
				atomic_read(&model_stall) == MODEL_STALL_NONE,
				MODEL_STALL_MAX);
	ret = fn(a, b, c, d);
	if (atomic_dec_and_test(&model_stalled))
		wake_up_all(&model_stall_queue);
	return ret;
}

static int model_stall_enter(struct kprobe *probe, struct pt_regs *regs)
{
	if (atomic_cmpxchg(&model_stall, MODEL_STALL_NEXT,
			   MODEL_STALL_SLEEPS) != MODEL_STALL_NEXT)
		return 0;
	atomic_inc(&model_stalled);
	instruction_pointer_set(regs, (unsigned long)model_stall_call);
	return 1;
}

NOKPROBE_SYMBOL(model_stall_enter);

/* Under model_delay_mutex. Whoever sleeps has returned when this does. */
static void model_stall_end(void)
{
	if (!model_stall_probe.addr)
		return;
	atomic_set(&model_stall, MODEL_STALL_NONE);
	wake_up_all(&model_stall_queue);
	wait_event(model_stall_queue, !atomic_read(&model_stalled));
	unregister_kprobe(&model_stall_probe);
	memset(&model_stall_probe, 0, sizeof(model_stall_probe));
}

static int model_stall_begin(const char *name)
{
	int ret;

	strscpy(model_stall_name, name, sizeof(model_stall_name));
	model_stall_probe.symbol_name = model_stall_name;
	model_stall_probe.pre_handler = model_stall_enter;
	ret = register_kprobe(&model_stall_probe);
	if (ret)
		memset(&model_stall_probe, 0, sizeof(model_stall_probe));
	else
		atomic_set(&model_stall, MODEL_STALL_NEXT);
	return ret;
}

static ssize_t model_stall_write(struct file *file, const char __user *from,
				 size_t bytes, loff_t *pos)
{
	char text[KSYM_NAME_LEN];
	char *name;
	int ret = 0;

	if (bytes >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, from, bytes))
		return -EFAULT;
	text[bytes] = '\0';
	name = strim(text);

	mutex_lock(&model_delay_mutex);
	model_stall_end();
	if (*name)
		ret = model_stall_begin(name);
	mutex_unlock(&model_delay_mutex);
	return ret ? ret : bytes;
}

static ssize_t model_stall_read(struct file *file, char __user *to,
				size_t bytes, loff_t *pos)
{
	bool sleeps = atomic_read(&model_stall) == MODEL_STALL_SLEEPS;

	return simple_read_from_buffer(to, bytes, pos, sleeps ? "1\n" : "0\n",
				       2);
}

static const struct file_operations model_stall_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.read = model_stall_read,
	.write = model_stall_write,
};

/* ---- the provider's interrupt handler ------------------------------------ */

static atomic_t model_late_ms;
static struct kprobe model_late_probe;

/* As when a busy host takes the CPU away: with interrupts off, and for long. */
static int model_late_wait(struct kprobe *probe, struct pt_regs *regs)
{
	int ms = atomic_xchg(&model_late_ms, 0);

	if (ms)
		mdelay(ms);
	return 0;
}

NOKPROBE_SYMBOL(model_late_wait);

/* Behind the handler's first writel(), which is what acknowledges. */
static kprobe_opcode_t *model_late_find(void)
{
	struct kprobe entry = { .symbol_name = MODEL_LATE_HANDLER };
	kprobe_opcode_t *code;
	bool barrier = false;
	int ret, i;

	ret = register_kprobe(&entry);
	if (ret)
		return ERR_PTR(ret);
	code = entry.addr;
	unregister_kprobe(&entry);

	for (i = 0; i < MODEL_LATE_REACH; i++) {
		u32 word = le32_to_cpu((__force __le32)code[i]);

		if (barrier && (word & MODEL_STR_MASK) == MODEL_STR)
			return code + i + 1;
		barrier |= word == MODEL_DMB_OSHST;
	}
	return ERR_PTR(-ENOENT);
}

/* Under model_delay_mutex. */
static void model_late_end(void)
{
	if (!model_late_probe.addr)
		return;
	atomic_set(&model_late_ms, 0);
	unregister_kprobe(&model_late_probe);
	memset(&model_late_probe, 0, sizeof(model_late_probe));
}

static int model_late_begin(int ms)
{
	kprobe_opcode_t *code = model_late_find();
	int ret;

	if (IS_ERR(code))
		return PTR_ERR(code);
	model_late_probe.addr = code;
	model_late_probe.pre_handler = model_late_wait;
	ret = register_kprobe(&model_late_probe);
	if (ret)
		memset(&model_late_probe, 0, sizeof(model_late_probe));
	else
		atomic_set(&model_late_ms, ms);
	return ret;
}

static int model_late_set(void *data, u64 value)
{
	int ret = 0;

	if (value > MODEL_LATE_MAX_MS)
		return -EINVAL;
	mutex_lock(&model_delay_mutex);
	model_late_end();
	if (value)
		ret = model_late_begin(value);
	mutex_unlock(&model_delay_mutex);
	return ret;
}

DEFINE_DEBUGFS_ATTRIBUTE(model_late_fops, NULL, model_late_set, "%llu\n");

void model_delay_init(struct dentry *root)
{
	debugfs_create_file("stall", 0600, root, NULL, &model_stall_fops);
	debugfs_create_file_unsafe("late_handler_ms", 0200, root, NULL,
				   &model_late_fops);
}

/* The files are gone. */
void model_delay_exit(void)
{
	mutex_lock(&model_delay_mutex);
	model_stall_end();
	model_late_end();
	mutex_unlock(&model_delay_mutex);
}
