// SPDX-License-Identifier: GPL-2.0-only
/*
 * pinring_client: a dmaengine client that does what it is told and guards
 * against nothing, so that tests can see what a provider does by itself.
 *
 * It takes the place of pinring on a node by driver_override, and makes
 * /sys/kernel/debug/pinring_client/<label>/:
 *
 *	command	written, one at a time; an error is the write's errno:
 *		prep send|recv PIECES BYTES STRIDE OFFSET
 *			one descriptor of so many pieces, prepared and
 *			submitted; piece i is at OFFSET + i * STRIDE of the
 *			direction's memory. ENOMEM: the provider gave none
 *		issue send|recv
 *		terminate send|recv
 *		synchronize send|recv
 *		clear	forgets all jobs, blanks what was received
 *	jobs	a line per descriptor, in the order they were prepared: of
 *		which direction (0 send, 1 recv), called back how often, with
 *		what result and residue, and what tx_status says of it: status
 *		and residue
 *	send, recv	the memory; what is sent is counting bytes
 */
#include <linux/debugfs.h>
#include <linux/dma-mapping.h>
#include <linux/dmaengine.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/platform_device.h>
#include <linux/property.h>
#include <linux/scatterlist.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#define CLIENT_BYTES	(256U << 10)
#define CLIENT_JOBS	1024
#define CLIENT_PIECES	2048
#define CLIENT_BLANK	0xee

enum client_dir {
	CLIENT_SEND,
	CLIENT_RECV,
	CLIENT_DIRS,
};

static const char * const client_dirs[] = { "send", "recv" };
static const char * const client_names[] = { "tx", "rx" };

struct client_job {
	struct dma_chan *chan;
	enum client_dir dir;
	dma_cookie_t cookie;
	u32 called;		/* written by the callback */
	u32 result;
	u32 residue;
};

struct client_channel {
	struct dma_chan *dma;
	void *memory;
	dma_addr_t addr;
	struct debugfs_blob_wrapper blob;
};

struct client {
	struct mutex lock;	/* one command at a time */
	struct client_channel channel[CLIENT_DIRS];
	struct client_job *jobs;
	u32 njobs;
	struct dentry *folder;
};

static struct dentry *client_root;

static void client_callback(void *param, const struct dmaengine_result *result)
{
	struct client_job *job = param;

	job->result = result ? result->result : ~0U;
	job->residue = result ? result->residue : ~0U;
	WRITE_ONCE(job->called, job->called + 1);
}

static int client_prep(struct client *client, enum client_dir dir, u32 pieces,
		       u32 bytes, u32 stride, u32 offset)
{
	struct client_channel *channel = &client->channel[dir];
	struct dma_async_tx_descriptor *desc;
	struct scatterlist *sgl, *sg;
	struct client_job *job;
	u64 end;
	int i;

	end = offset + (u64)(pieces - 1) * stride + bytes;
	if (!pieces || pieces > CLIENT_PIECES || !bytes || end > CLIENT_BYTES)
		return -EINVAL;
	if (client->njobs == CLIENT_JOBS)
		return -ENOSPC;
	sgl = kvmalloc_array(pieces, sizeof(*sgl), GFP_KERNEL);
	if (!sgl)
		return -ENOBUFS;
	sg_init_table(sgl, pieces);
	for_each_sg(sgl, sg, pieces, i) {
		sg_dma_address(sg) = channel->addr + offset + i * stride;
		sg_dma_len(sg) = bytes;
	}
	desc = dmaengine_prep_slave_sg(channel->dma, sgl, pieces,
				       dir == CLIENT_SEND ? DMA_MEM_TO_DEV :
							    DMA_DEV_TO_MEM,
				       DMA_PREP_INTERRUPT | DMA_CTRL_ACK);
	kvfree(sgl);
	if (!desc)
		return -ENOMEM;

	job = &client->jobs[client->njobs++];
	memset(job, 0, sizeof(*job));
	job->chan = channel->dma;
	job->dir = dir;
	desc->callback_result = client_callback;
	desc->callback_param = job;
	job->cookie = dmaengine_submit(desc);
	return dma_submit_error(job->cookie) ? -EIO : 0;
}

static void client_stop(struct client *client)
{
	enum client_dir dir;

	for (dir = 0; dir < CLIENT_DIRS; dir++)
		if (client->channel[dir].dma)
			dmaengine_terminate_sync(client->channel[dir].dma);
}

static int client_run(struct client *client, const char *text)
{
	u32 pieces, bytes, stride, offset;
	char verb[16], where[8];
	int words, dir;

	words = sscanf(text, "%15s %7s %u %u %u %u", verb, where, &pieces,
		       &bytes, &stride, &offset);
	if (words == 1 && !strcmp(verb, "clear")) {
		client_stop(client);
		client->njobs = 0;
		if (client->channel[CLIENT_RECV].dma)
			memset(client->channel[CLIENT_RECV].memory,
			       CLIENT_BLANK, CLIENT_BYTES);
		return 0;
	}
	if (words < 2)
		return -EINVAL;
	dir = match_string(client_dirs, CLIENT_DIRS, where);
	if (dir < 0)
		return -EINVAL;
	if (!client->channel[dir].dma)
		return -ENODEV;
	if (words == 6 && !strcmp(verb, "prep"))
		return client_prep(client, dir, pieces, bytes, stride, offset);
	if (words != 2)
		return -EINVAL;
	if (!strcmp(verb, "issue"))
		dma_async_issue_pending(client->channel[dir].dma);
	else if (!strcmp(verb, "terminate"))
		return dmaengine_terminate_async(client->channel[dir].dma);
	else if (!strcmp(verb, "synchronize"))
		dmaengine_synchronize(client->channel[dir].dma);
	else
		return -EINVAL;
	return 0;
}

static ssize_t client_command_write(struct file *file, const char __user *from,
				    size_t bytes, loff_t *pos)
{
	struct client *client = file->private_data;
	char text[64];
	int ret;

	if (bytes >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, from, bytes))
		return -EFAULT;
	text[bytes] = '\0';
	mutex_lock(&client->lock);
	ret = client_run(client, text);
	mutex_unlock(&client->lock);
	return ret ? ret : bytes;
}

static const struct file_operations client_command_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = client_command_write,
};

static int client_jobs_show(struct seq_file *out, void *unused)
{
	struct client *client = out->private;
	struct dma_tx_state state;
	enum dma_status status;
	u32 i;

	mutex_lock(&client->lock);
	for (i = 0; i < client->njobs; i++) {
		struct client_job *job = &client->jobs[i];

		state.residue = 0;
		status = dmaengine_tx_status(job->chan, job->cookie, &state);
		seq_printf(out, "%u %u %u %u %d %u\n", job->dir,
			   READ_ONCE(job->called), job->result, job->residue,
			   status, state.residue);
	}
	mutex_unlock(&client->lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(client_jobs);

static int client_channel_add(struct device *dev, struct client *client,
			      enum client_dir dir)
{
	struct client_channel *channel = &client->channel[dir];
	struct device *dma_dev;
	u32 i;

	if (device_property_match_string(dev, "dma-names",
					 client_names[dir]) < 0)
		return 0;
	channel->dma = dma_request_chan(dev, client_names[dir]);
	if (IS_ERR(channel->dma)) {
		int ret = PTR_ERR(channel->dma);

		channel->dma = NULL;
		return ret;
	}
	dma_dev = dmaengine_get_dma_device(channel->dma);
	channel->memory = dma_alloc_coherent(dma_dev, CLIENT_BYTES,
					     &channel->addr, GFP_KERNEL);
	if (!channel->memory)
		return -ENOMEM;
	if (dir == CLIENT_SEND)
		for (i = 0; i < CLIENT_BYTES; i++)
			((u8 *)channel->memory)[i] = i;
	else
		memset(channel->memory, CLIENT_BLANK, CLIENT_BYTES);
	channel->blob.data = channel->memory;
	channel->blob.size = CLIENT_BYTES;
	debugfs_create_blob(client_dirs[dir], 0400, client->folder,
			    &channel->blob);
	return 0;
}

static void client_free(void *data)
{
	struct client *client = data;
	enum client_dir dir;

	debugfs_remove(client->folder);
	client_stop(client);
	for (dir = 0; dir < CLIENT_DIRS; dir++) {
		struct client_channel *channel = &client->channel[dir];

		if (channel->memory)
			dma_free_coherent(dmaengine_get_dma_device(channel->dma),
					  CLIENT_BYTES, channel->memory,
					  channel->addr);
		if (channel->dma)
			dma_release_channel(channel->dma);
	}
	kvfree(client->jobs);
}

static int client_probe(struct platform_device *pdev)
{
	struct device *dev = &pdev->dev;
	struct client *client;
	const char *label;
	enum client_dir dir;
	int ret;

	ret = device_property_read_string(dev, "label", &label);
	if (ret)
		return ret;
	client = devm_kzalloc(dev, sizeof(*client), GFP_KERNEL);
	if (!client)
		return -ENOMEM;
	mutex_init(&client->lock);
	client->jobs = kvcalloc(CLIENT_JOBS, sizeof(*client->jobs), GFP_KERNEL);
	if (!client->jobs)
		return -ENOMEM;
	client->folder = debugfs_create_dir(label, client_root);
	ret = devm_add_action_or_reset(dev, client_free, client);
	if (ret)
		return ret;

	for (dir = 0; dir < CLIENT_DIRS; dir++) {
		ret = client_channel_add(dev, client, dir);
		if (ret)
			return ret;
	}
	debugfs_create_file("command", 0200, client->folder, client,
			    &client_command_fops);
	debugfs_create_file("jobs", 0400, client->folder, client,
			    &client_jobs_fops);
	return 0;
}

static struct platform_driver client_driver = {
	.probe = client_probe,
	.driver = {
		.name = "pinring_client",
	},
};

static int __init client_init(void)
{
	int ret;

	client_root = debugfs_create_dir("pinring_client", NULL);
	ret = platform_driver_register(&client_driver);
	if (ret)
		debugfs_remove(client_root);
	return ret;
}
module_init(client_init);

static void __exit client_exit(void)
{
	platform_driver_unregister(&client_driver);
	debugfs_remove(client_root);
}
module_exit(client_exit);

MODULE_DESCRIPTION("A dmaengine client without guards, for tests");
MODULE_LICENSE("GPL");
