// SPDX-License-Identifier: GPL-2.0-only
/*
 * The quirk table: facts about providers that dmaengine does not express.
 * The only place in the driver that knows a provider by name. Each row names
 * its source; a device's firmware node overrides it (pinring,send-bds,
 * pinring,recv-bds, pinring,max-bd-bytes, pinring,deep-receive).
 */
#include "internal.h"

static const struct pinring_quirk pinring_quirks[] = {
	{
		/* driver/sim: residue is per descriptor; its boards name their BD pools. */
		.provider = "pinring_sim",
		.bds = 255,
		.recv_depth = 2,
		.exact_short = true,
		.simulator = true,
	},
};

/*
 * A provider nobody has looked at: few BDs; one receive active and one
 * pending, which is right where completions are reported per idle restart
 * (xilinx_dma's rule), and only costs idle gaps elsewhere.
 */
static const struct pinring_quirk pinring_quirk_unknown = {
	.provider = "",
	.bds = 64,
	.recv_depth = 2,
};

const struct pinring_quirk *pinring_quirk_find(struct dma_chan *chan)
{
	const char *name = dev_driver_string(chan->device->dev);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(pinring_quirks); i++)
		if (!strcmp(name, pinring_quirks[i].provider))
			return &pinring_quirks[i];
	return &pinring_quirk_unknown;
}
