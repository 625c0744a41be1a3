/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Two lists about PG021's rules: those that the model can be told to break, so
 * that a test can be seen to notice, and those whose breach by the software the
 * model counts. Numbers are part of the control page: add at the end only.
 */
#ifndef HW_DMA_PINRING_AXI_DMA_RULES_H
#define HW_DMA_PINRING_AXI_DMA_RULES_H

/* Values of the switch break_rule. Each line says what the model then does. */
typedef enum PinringRule {
    PINRING_RULE_NONE,
    /* 1: Writing 1 to an interrupt bit of DMASR leaves it set. */
    PINRING_RULE_IRQ_CLEARS,
    /* 2: CURDESC takes a write while the channel runs. */
    PINRING_RULE_CURDESC_LOCKED,
    /* 3: Halted stays 0 after RS is cleared. */
    PINRING_RULE_HALTS,
    /* 4: Reset resets the channel it was written to, not its neighbour. */
    PINRING_RULE_JOINT_RESET,
    /* 5: A descriptor of length 0 completes instead of being an error. */
    PINRING_RULE_ZERO_LENGTH,
    /* 6: A descriptor that is already complete is used again. */
    PINRING_RULE_STALE_BD,
    /* 7: TLAST does not end a descriptor: the next packet follows in it. */
    PINRING_RULE_SHORT_PACKET,
    /* 8: RXEOF is not written to the descriptor in which the packet ends. */
    PINRING_RULE_RXEOF,
    /* 9: Every descriptor is an IOC event, not only the packet's last. */
    PINRING_RULE_IOC_AT_END,
    /* 10: Every IOC event raises the interrupt, whatever the threshold. */
    PINRING_RULE_THRESHOLD,
    /* 11: A TAILDESC write starts a halted channel. */
    PINRING_RULE_TAIL_HALTED,
    /* 12: The status word is written without the count of bytes. */
    PINRING_RULE_BYTE_COUNT,
    /* 13: Error bits are cleared by writing 1, not by reset alone. */
    PINRING_RULE_ERRORS_STAY,
    /* 14: SGIncld reads 0 although there is a scatter-gather engine. */
    PINRING_RULE_SG_INCLUDED,
    /* 15: The delay timer never runs out. */
    PINRING_RULE_DELAY,
    /* 16: Idle stays 0 at the tail. */
    PINRING_RULE_IDLE,
    /* 17: CURDESC does not name the descriptor that failed. */
    PINRING_RULE_CURDESC_AT_ERROR,
    /* 18: The low half of TAILDESC counts at once, in 64-bit mode too. */
    PINRING_RULE_TAIL_MSB,
    /* 19: Reset leaves interrupt and error bits of DMASR as they are. */
    PINRING_RULE_RESET_CLEARS,
    /* 20: The interrupt line follows DMASR alone, not the enables. */
    PINRING_RULE_IRQ_ENABLE,
    /* 21: The engine does not stop at the tail. */
    PINRING_RULE_TAIL_STOPS,
    /* 22: An error leaves RS set and the channel not halted. */
    PINRING_RULE_ERROR_HALTS,
    PINRING_RULES,
} PinringRule;

/* What software did against the rules: values of last_violation */
typedef enum PinringViolation {
    PINRING_V_NONE,
    PINRING_V_CURDESC_WHILE_RUNNING,
    PINRING_V_TAIL_WHILE_HALTED,
    PINRING_V_RESERVED_WRITE,
    PINRING_V_BD_OUTSIDE_RAM,
    PINRING_V_BD_UNALIGNED,
    PINRING_V_BD_REUSED,
    PINRING_V_ZERO_LENGTH,
    PINRING_V_UNALIGNED_NO_DRE,
    PINRING_V_MEMORY_NOT_GRANTED,
    PINRING_V_WRITE_DURING_RESET,
    /* bits of the length that the length register does not have */
    PINRING_V_LENGTH_TOO_WIDE,
    /* MM2S packet without TXSOF at its first descriptor, or with a second */
    PINRING_V_TXSOF_MISPLACED,
    /*
     * CURDESC written with RS=1 while the engine pauses. Linux' xilinx_dma
     * does it at each restart, so it is no part of the sum.
     */
    PINRING_V_CURDESC_WHILE_RUNNING_IDLE,
    PINRING_VIOLATIONS,
} PinringViolation;

#endif
