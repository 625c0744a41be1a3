# SPDX-License-Identifier: MIT
"""Values after reset, bits that can't be written, pointers that only a halted channel takes.

PG021: MM2S_DMACR and S2MM_DMACR, …_DMASR, …_CURDESC, …_TAILDESC register details.
"""

from .axidma import (ADDRESS, CR, CURDESC, CURDESC_MSB, CYCLIC, DLY, EOF, ERR, HALTED, IDLE, IOC, KEYHOLE, LENGTH,
                     RESET, RS, SG_INCLUDED, SOF, SR, TAILDESC, THRESHOLD)
from .case import Case

DEFAULT_CR = 0x0001_0002  # bit 1 reads one, the threshold is 1
DEFAULT_SR = 0x0001_0009  # halted, SG engine included, the live threshold is 1


class AfterPowerOn(Case):
    fresh = True

    def test_mm2s_control_reads_its_default(self) -> None:
        self.assertEqual(self.dma().mm2s.read(CR), DEFAULT_CR)

    def test_s2mm_control_reads_its_default(self) -> None:
        self.assertEqual(self.dma().s2mm.read(CR), DEFAULT_CR)

    def test_mm2s_status_reads_its_default(self) -> None:
        self.assertEqual(self.dma().mm2s.read(SR), DEFAULT_SR)

    def test_s2mm_status_reads_its_default(self) -> None:
        self.assertEqual(self.dma().s2mm.read(SR), DEFAULT_SR)

    def test_both_interrupt_lines_are_low(self) -> None:
        self.assertEqual([channel.line for channel in self.dma().channels], [0, 0])

    def test_the_pointers_read_zero(self) -> None:
        mm2s = self.dma().mm2s
        self.assertEqual([mm2s.read_pair(CURDESC), mm2s.read_pair(TAILDESC)], [0, 0])


class Control(Case):

    def test_bit_1_of_control_reads_one_whatever_is_written(self) -> None:
        mm2s = self.dma().mm2s
        mm2s.write(CR, 1 << THRESHOLD)
        self.assert_bits(mm2s.read(CR), 1 << 1)

    def test_reserved_bits_of_control_read_zero(self) -> None:
        # 11:5 and 15. Not with RS, which would be another test.
        mm2s = self.dma().mm2s
        mm2s.write(CR, 1 << THRESHOLD | 0x8FE0)
        self.assert_no_bits(mm2s.read(CR), 0x8FE0)

    def test_interrupt_enables_keep_what_is_written(self) -> None:
        s2mm = self.dma().s2mm
        s2mm.write(CR, 1 << THRESHOLD | IOC | DLY | ERR)
        self.assert_bits(s2mm.read(CR), IOC | DLY | ERR)

    def test_keyhole_and_cyclic_keep_what_is_written(self) -> None:
        mm2s = self.dma().mm2s
        mm2s.write(CR, 1 << THRESHOLD | KEYHOLE | CYCLIC)
        self.assert_bits(mm2s.read(CR), KEYHOLE | CYCLIC)

    def test_threshold_and_delay_keep_what_is_written(self) -> None:
        s2mm = self.dma().s2mm
        s2mm.write(CR, 0x5A_C3_0000)
        self.assertEqual(s2mm.read(CR) >> 16, 0x5AC3)

    def test_a_threshold_of_zero_is_not_taken(self) -> None:
        # PG021: the minimum is 1, a write of 0 has no effect.
        mm2s = self.dma().mm2s
        mm2s.write(CR, 7 << THRESHOLD)
        mm2s.write(CR, 0)
        self.assertEqual(mm2s.read(CR) >> THRESHOLD & 0xFF, 7)

    def test_control_of_one_channel_is_not_that_of_the_other(self) -> None:
        dma = self.dma()
        dma.mm2s.write(CR, 9 << THRESHOLD | IOC)
        self.assertEqual(dma.s2mm.read(CR), DEFAULT_CR)

    def test_setting_rs_ends_halted(self) -> None:
        mm2s = self.dma().mm2s
        mm2s.write(CR, RS | 1 << THRESHOLD)
        self.wait(lambda: not mm2s.status & HALTED, "not halted")

    def test_setting_rs_of_one_channel_leaves_the_other_halted(self) -> None:
        dma = self.dma()
        dma.mm2s.run()
        self.assertTrue(dma.s2mm.halted)

    def test_clearing_rs_of_an_idle_channel_brings_halted(self) -> None:
        s2mm = self.dma().s2mm
        s2mm.run()
        s2mm.stop()
        s2mm.wait_halted()

    def test_reset_reads_zero_again(self) -> None:
        self.dma().mm2s.reset()  # fails if it stays


class Status(Case):

    def test_it_says_that_the_sg_engine_is_included(self) -> None:
        self.assert_bits(self.dma().s2mm.status, SG_INCLUDED)

    def test_writing_it_does_not_end_halted(self) -> None:
        mm2s = self.dma().mm2s
        mm2s.write(SR, 0xFFFF_FFFF)
        self.assert_bits(mm2s.status, HALTED)

    def test_writing_zero_does_not_clear_sg_included(self) -> None:
        mm2s = self.dma().mm2s
        mm2s.write(SR, 0)
        self.assert_bits(mm2s.status, SG_INCLUDED)

    def test_writing_ones_sets_nothing(self) -> None:
        mm2s = self.dma().mm2s
        before = mm2s.status
        mm2s.write(SR, 0xFFFF_FFFF)
        self.assertEqual(mm2s.status, before)

    def test_idle_is_zero_while_halted(self) -> None:
        # PG021: "This bit is 0 when channel is halted", also after a transfer.
        dma = self.dma()
        dma.send(bytes(64))
        dma.mm2s.wait_idle()
        dma.mm2s.stop()
        dma.mm2s.wait_halted()
        self.assert_no_bits(dma.mm2s.status, IDLE)

    def test_the_live_threshold_follows_a_written_one(self) -> None:
        s2mm = self.dma().s2mm
        s2mm.write(CR, 12 << THRESHOLD)
        self.assertEqual(s2mm.threshold_left, 12)


class Pointers(Case):

    def test_the_current_descriptor_can_be_written_while_halted(self) -> None:
        mm2s = self.dma().mm2s
        mm2s.write_pair(CURDESC, 0x1_2345_6780)
        self.assertEqual(mm2s.read_pair(CURDESC), 0x1_2345_6780)

    def test_the_low_bits_of_the_current_descriptor_read_zero(self) -> None:
        mm2s = self.dma().mm2s
        mm2s.write(CURDESC, 0x4000_003F)
        self.assertEqual(mm2s.read(CURDESC), 0x4000_0000)

    def test_the_low_bits_of_the_tail_descriptor_read_zero(self) -> None:
        dma = self.dma()
        room = dma.room([64])
        dma.s2mm.write_pair(CURDESC, room.at[0])
        dma.s2mm.run()
        dma.s2mm.tail(room.at[0] + 0x3F)
        self.assertEqual(dma.s2mm.read_pair(TAILDESC), room.at[0])

    def test_a_tail_descriptor_written_while_halted_can_be_read(self) -> None:
        # It starts nothing, but the register is R/W without a condition, unlike CURDESC.
        mm2s = self.dma().mm2s
        mm2s.write_pair(TAILDESC, 0x1_4800_0040)
        self.assertEqual(mm2s.read_pair(TAILDESC), 0x1_4800_0040)

    def test_the_current_descriptor_can_not_be_written_while_running(self) -> None:
        mm2s = self.dma().mm2s
        mm2s.write_pair(CURDESC, 0x4800_0000)
        mm2s.run()
        mm2s.write(CURDESC, 0x4900_0000)
        self.assertEqual(mm2s.read(CURDESC), 0x4800_0000)

    def test_its_upper_half_can_not_be_written_while_running(self) -> None:
        mm2s = self.dma().mm2s
        mm2s.write_pair(CURDESC, 0x1_4800_0000)
        mm2s.run()
        mm2s.write(CURDESC_MSB, 2)
        self.assertEqual(mm2s.read(CURDESC_MSB), 1)

    def test_the_current_descriptor_can_not_be_written_while_idle_at_the_tail(self) -> None:
        # Idle is not halted: RS is still set.
        dma = self.dma()
        ring = dma.send(bytes(64))
        dma.mm2s.wait_idle()
        before = dma.mm2s.read_pair(CURDESC)
        dma.mm2s.write(CURDESC, ring.at[0] + 0x1000)
        self.assertEqual(dma.mm2s.read_pair(CURDESC), before)

    def test_the_current_descriptor_can_not_be_written_before_halted_comes(self) -> None:
        # RS = 0 is not enough; Halted must be 1.
        dma = self.dma()
        dma.mm2s.write_pair(CURDESC, 0x4800_0000)
        dma.mm2s.run()
        dma.control["stuck_halt_send"] = 1
        dma.mm2s.stop()
        self.pass_time(10_000)
        dma.mm2s.write(CURDESC, 0x4900_0000)
        self.assertEqual(dma.mm2s.read(CURDESC), 0x4800_0000)

    def test_pointers_of_one_channel_are_not_those_of_the_other(self) -> None:
        dma = self.dma()
        dma.mm2s.write_pair(CURDESC, 0x1_4800_0000)
        self.assertEqual(dma.s2mm.read_pair(CURDESC), 0)

    def test_the_current_descriptor_follows_the_work(self) -> None:
        # PG021: while running it shows the descriptor being worked on. The second
        # BD waits for data that doesn't come.
        dma = self.dma()
        room = dma.room([64, 64])
        dma.s2mm.start(room)
        dma.send(bytes(64))
        dma.s2mm.wait_complete(room, 0)
        self.wait(lambda: dma.s2mm.read_pair(CURDESC) == room.at[1], "CURDESC is that of the second BD")


class DirectRegisters(Case):

    def test_with_sg_the_length_register_moves_nothing(self) -> None:
        # SG mode has no such register: PG021's map for it lists 18h to 2Bh as reserved.
        dma = self.dma()
        sent = dma.count("bytes_send")
        buffer = self.machine.alloc(64)
        dma.mm2s.run()
        dma.mm2s.write_pair(ADDRESS, buffer)
        dma.mm2s.write(LENGTH, 64)
        self.pass_time()
        self.assertEqual(sent.grown, 0)

    def test_reset_also_works_on_a_channel_that_never_ran(self) -> None:
        dma = self.dma()
        dma.s2mm.write(CR, 0x2A_00_0000 | 5 << THRESHOLD | IOC)
        dma.s2mm.write(CR, RESET)
        self.wait(lambda: dma.s2mm.read(CR) == DEFAULT_CR, "the default value")

    def test_txsof_alone_does_not_start_anything(self) -> None:
        # Nor does any BD in memory: only TAILDESC does.
        dma = self.dma()
        ring = dma.out(bytes(64))
        ring.put(0, ring.buffers[0], 64, SOF | EOF)
        dma.mm2s.write_pair(CURDESC, ring.at[0])
        dma.mm2s.run()
        self.pass_time()
        self.assertFalse(ring.complete(0))
