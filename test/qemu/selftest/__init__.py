# SPDX-License-Identifier: MIT
"""Self-test of the AXI DMA model: a second driver, written from PG021 alone.

The programs here know the IP's product guide (AMD PG021, v7.1), the register
names of embeddedsw's xaxidma_hw.h and the model's control page. They do not
know Linux's driver and share no code with the model, so that one misreading of
the guide can't hide in both. There is no guest: QEMU is driven over its qtest
protocol, which also owns the virtual clock, so nothing depends on the host's speed.
"""
