# SPDX-License-Identifier: MIT
"""An engine without scatter/gather.

PG021: "Direct Register Mode (Simple DMA)", its register map, MM2S_LENGTH,
S2MM_LENGTH, and what DMASR says of this mode.
"""

from .axidma import ADDRESS, CURDESC, DMA_DEC_ERR, DMA_INT_ERR, EMPTY, IDLE, IOC, LENGTH, SG_INCLUDED, SR, TAILDESC
from .axidma import Channel
from .case import Case, noise
from .machine import HIGH, NOWHERE, RAM_BASE


class DirectCase(Case):
    devices = ("direct0",)

    def memory(self, data: bytes) -> int:
        at = self.machine.alloc(len(data))
        self.qtest.write(at, data)
        return at

    def empty(self, size: int) -> int:
        at = self.machine.alloc(size)
        self.qtest.fill(at, size, EMPTY)
        return at

    def sent(self, data: bytes, **options: int) -> Channel:
        mm2s = self.dma().mm2s
        mm2s.start_direct(self.memory(data), len(data), **options)
        mm2s.wait_idle()
        return mm2s


class Registers(DirectCase):

    def test_sg_is_not_included(self) -> None:
        # By this bit upstream's driver decides which mode it uses.
        dma = self.dma()
        self.assertEqual([channel.status & SG_INCLUDED for channel in dma.channels], [0, 0])

    def test_idle_is_zero_before_the_first_transfer(self) -> None:
        mm2s = self.dma().mm2s
        mm2s.run()
        self.assert_no_bits(mm2s.status, IDLE)

    def test_the_descriptor_registers_start_nothing(self) -> None:
        dma = self.dma()
        bytes_sent = dma.count("bytes_send")
        ring = dma.out(noise(64))
        dma.mm2s.write_pair(CURDESC, ring.at[0])
        dma.mm2s.run()
        dma.mm2s.write_pair(TAILDESC, ring.at[0])
        self.pass_time()
        self.assertEqual(bytes_sent.grown, 0)

    def test_a_length_written_while_halted_starts_nothing(self) -> None:
        dma = self.dma()
        bytes_sent = dma.count("bytes_send")
        dma.mm2s.write_pair(ADDRESS, self.memory(noise(64)))
        dma.mm2s.write(LENGTH, 64)
        self.pass_time()
        self.assertEqual(bytes_sent.grown, 0)

    def test_a_length_of_zero_starts_nothing(self) -> None:
        mm2s = self.dma().mm2s
        mm2s.start_direct(self.memory(noise(64)), 0)
        self.pass_time()
        self.assert_no_bits(mm2s.status, IOC)

    def test_a_length_of_zero_is_no_error(self) -> None:
        # DMAIntErr of MM2S is fixed at 0 in this mode.
        mm2s = self.dma().mm2s
        mm2s.start_direct(self.memory(noise(64)), 0)
        self.pass_time()
        self.assertEqual(mm2s.errors, 0)


class Transfers(DirectCase):

    def test_a_send_is_a_completion_event(self) -> None:
        self.assert_bits(self.sent(noise(64)).status, IOC)

    def test_a_send_raises_the_line(self) -> None:
        self.assertEqual(self.sent(noise(64)).line, 1)

    def test_the_threshold_is_not_used(self) -> None:
        self.assert_bits(self.sent(noise(64), threshold=9).status, IOC)

    def test_what_was_sent_is_received(self) -> None:
        dma = self.dma()
        at = self.empty(1000)
        dma.s2mm.start_direct(at, 1000)
        self.sent(noise(1000))
        dma.s2mm.wait_event(IOC)
        self.assert_same(self.qtest.read(at, 1000), noise(1000))

    def test_the_length_register_of_s2mm_tells_what_was_received(self) -> None:
        dma = self.dma()
        dma.s2mm.start_direct(self.empty(1000), 1000)
        self.sent(noise(77))
        dma.s2mm.wait_event(IOC)
        self.assertEqual(dma.s2mm.read(LENGTH), 77)

    def test_a_short_packet_leaves_the_rest_of_the_buffer_alone(self) -> None:
        dma = self.dma()
        at = self.empty(1000)
        dma.s2mm.start_direct(at, 1000)
        self.sent(noise(77))
        dma.s2mm.wait_event(IOC)
        self.assertEqual(set(self.qtest.read(at + 77, 923)), {EMPTY})

    def test_each_length_that_is_written_is_a_packet(self) -> None:
        dma = self.dma()
        packets = dma.count("packets_send")
        mm2s = self.sent(noise(64))
        for _ in range(2):
            mm2s.acknowledge()
            mm2s.write(LENGTH, 64)
            mm2s.wait_event(IOC)
        self.assertEqual(packets.grown, 3)

    def test_a_receive_waits_for_a_packet(self) -> None:
        dma = self.dma()
        dma.s2mm.start_direct(self.empty(64), 64)
        self.pass_time()
        self.assert_no_bits(dma.s2mm.status, IDLE | IOC)

    def test_a_buffer_above_4_gib_is_sent(self) -> None:
        dma = self.dma()
        self.qtest.write(HIGH, noise(64, 4))
        at = self.empty(64)
        dma.s2mm.start_direct(at, 64)
        dma.mm2s.start_direct(HIGH, 64)
        dma.s2mm.wait_event(IOC)
        self.assert_same(self.qtest.read(at, 64), noise(64, 4))

    def test_after_a_transfer_the_channel_is_idle(self) -> None:
        self.assertTrue(self.sent(noise(64)).idle)


class Errors(DirectCase):

    def test_a_send_from_nowhere_is_a_decode_error(self) -> None:
        mm2s = self.dma().mm2s
        mm2s.start_direct(NOWHERE, 64)
        mm2s.wait_halted()
        self.assertEqual(mm2s.errors, DMA_DEC_ERR)

    def test_a_packet_longer_than_the_buffer_is_an_internal_error(self) -> None:
        # S2MM_DMASR, DMAIntErr: flagged without SG if the packet is bigger than LENGTH says.
        dma = self.dma()
        dma.s2mm.start_direct(self.empty(64), 64)
        dma.mm2s.start_direct(self.memory(noise(200)), 200)
        dma.s2mm.wait_halted()
        self.assert_bits(dma.s2mm.errors, DMA_INT_ERR)

    def test_such_a_packet_writes_nothing_behind_the_buffer(self) -> None:
        dma = self.dma()
        at = self.empty(256)
        dma.s2mm.start_direct(at, 64)
        dma.mm2s.start_direct(self.memory(noise(200)), 200)
        self.pass_time()
        self.assertEqual(set(self.qtest.read(at + 64, 192)), {EMPTY})

    def test_a_reset_ends_an_error(self) -> None:
        mm2s = self.dma().mm2s
        mm2s.start_direct(NOWHERE, 64)
        mm2s.wait_halted()
        mm2s.reset()
        self.assertEqual(self.sent(noise(64)).errors, 0)


class Widths(Case):
    devices = ("direct32", "directtiny0")

    def test_with_32_bits_of_address_the_upper_half_reads_zero(self) -> None:
        mm2s = self.dma("direct32").mm2s
        mm2s.write(ADDRESS + 4, 0xFFFF_FFFF)
        self.assertEqual(mm2s.read(ADDRESS + 4), 0)

    def test_a_length_keeps_only_the_bits_that_there_are(self) -> None:
        mm2s = self.dma("directtiny0").mm2s
        mm2s.start_direct(RAM_BASE + (1 << 28), 0x8000_4064)
        mm2s.wait_event(IOC)
        self.assertEqual(mm2s.read(LENGTH), 0x64)

    def test_bits_that_there_are_not_move_nothing(self) -> None:
        dma = self.dma("directtiny0")
        sent = dma.count("bytes_send")
        dma.mm2s.start_direct(RAM_BASE + (1 << 28), 0x4064)
        dma.mm2s.wait_event(IOC)
        self.assertEqual(sent.grown, 0x64)

    def test_the_status_of_a_32_bit_engine_says_halted(self) -> None:
        self.assert_bits(self.dma("direct32").mm2s.read(SR), 1)
