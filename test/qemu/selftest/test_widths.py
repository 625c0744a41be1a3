# SPDX-License-Identifier: MIT
"""How the engine was built: length and address width, realignment.

PG021, "Customizing and Generating the Core": Width of Buffer Length Register,
Address Width, Allow Unaligned Transfers.
"""

from .axidma import BUFFER_MSB, CMPLT, CURDESC, CURDESC_MSB, DMA_INT_ERR, EOF, NXT_MSB, SOF, TAILDESC, TAILDESC_MSB
from .axidma import Ring
from .case import Case, noise
from .machine import RAM_BASE


class LengthWidth(Case):
    devices = ("tiny0", "sink0")

    def test_the_longest_length_of_14_bits_works(self) -> None:
        room = self.dma("tiny0").loop(noise(16383), [16383], [16383])
        self.assert_same(room.data(), noise(16383))

    def test_a_length_beyond_14_bits_loses_its_upper_bits(self) -> None:
        dma = self.dma("tiny0")
        ring = dma.out(noise(0x4064))
        dma.mm2s.start(ring)
        dma.mm2s.wait_complete(ring)
        self.assertEqual(ring.moved(0), 0x64)

    def test_what_is_left_of_such_a_length_is_what_is_sent(self) -> None:
        dma = self.dma("tiny0")
        sent = dma.count("bytes_send")
        ring = dma.out(noise(0x4064))
        dma.mm2s.start(ring)
        dma.mm2s.wait_complete(ring)
        self.assertEqual(sent.grown, 0x64)

    def test_bits_that_are_lost_are_a_violation(self) -> None:
        dma = self.dma("tiny0")
        seen = dma.count("v_length_too_wide")
        ring = dma.out(noise(0x4064))
        dma.mm2s.start(ring)
        dma.mm2s.wait_complete(ring)
        self.assertEqual(seen.grown, 1)

    def test_a_length_of_which_nothing_is_left_is_a_zero_length(self) -> None:
        dma = self.dma("tiny0")
        dma.mm2s.start(dma.out(noise(0x4000)))
        dma.mm2s.wait_halted()
        self.assertEqual(dma.mm2s.errors, DMA_INT_ERR)

    def test_the_longest_length_of_26_bits_works(self) -> None:
        # Never written, so it costs the host no memory.
        dma = self.dma("sink0")
        ring = Ring(self.machine, 1)
        ring.put(0, RAM_BASE + (1 << 30), (1 << 26) - 1, SOF | EOF)
        dma.mm2s.start(ring)
        self.pass_time(90_000_000)
        dma.mm2s.wait_complete(ring, limit=200_000_000)
        self.assertEqual(ring.status(0), CMPLT | (1 << 26) - 1)


class AddressWidth(Case):
    devices = ("addr32",)

    def test_with_32_bits_the_lower_half_of_the_tail_starts_it(self) -> None:
        dma = self.dma()
        ring = dma.out(noise(64))
        dma.mm2s.write(CURDESC, ring.at[0])
        dma.mm2s.run()
        dma.mm2s.write(TAILDESC, ring.at[0])
        dma.mm2s.wait_complete(ring)

    def test_the_upper_half_of_the_current_descriptor_reads_zero(self) -> None:
        mm2s = self.dma().mm2s
        mm2s.write(CURDESC_MSB, 0xFFFF_FFFF)
        self.assertEqual(mm2s.read(CURDESC_MSB), 0)

    def test_the_upper_half_of_the_tail_starts_nothing(self) -> None:
        dma = self.dma()
        ring = dma.out(noise(64))
        dma.mm2s.write(CURDESC, ring.at[0])
        dma.mm2s.run()
        dma.mm2s.write(TAILDESC_MSB, 0)
        self.pass_time()
        self.assertEqual(ring.status(0), 0)

    def test_the_upper_half_of_a_buffer_address_is_not_looked_at(self) -> None:
        # PG021: the MSB fields are used above 32 bits only.
        dma = self.dma()
        ring = dma.out(noise(64))
        self.qtest.write32(ring.at[0] + BUFFER_MSB, 0x77)
        room = dma.room([64])
        dma.s2mm.start(room)
        dma.mm2s.start(ring)
        dma.s2mm.wait_complete(room)
        self.assert_same(room.data(), noise(64))

    def test_the_upper_half_of_a_link_is_not_looked_at(self) -> None:
        dma = self.dma()
        ring = dma.out(noise(128), [64, 64])
        self.qtest.write32(ring.at[0] + NXT_MSB, 0x77)
        dma.mm2s.start(ring)
        dma.mm2s.wait_complete(ring)

    def test_what_goes_out_comes_in(self) -> None:
        room = self.dma().loop(noise(5000), [5000], [5000])
        self.assert_same(room.data(), noise(5000))


class Realignment(Case):
    devices = ("align8", "loop0", "broad0")

    def test_without_it_aligned_addresses_work(self) -> None:
        room = self.dma("align8").loop(noise(1000), [1000], [1000])
        self.assert_same(room.data(), noise(1000))

    def test_without_it_an_aligned_buffer_may_have_an_odd_length(self) -> None:
        room = self.dma("align8").loop(noise(1001), [1001], [1001])
        self.assert_same(room.data(), noise(1001))

    def test_without_it_aligned_addresses_are_no_violation(self) -> None:
        dma = self.dma("align8")
        violations = dma.count("violations")
        dma.loop(noise(1000), [1000], [1000])
        self.assertEqual(violations.grown, 0)

    def test_without_it_an_unaligned_send_is_a_violation(self) -> None:
        dma = self.dma("align8")
        seen = dma.count("v_unaligned_no_dre")
        dma.mm2s.start(dma.out(noise(64), skew=4))
        self.pass_time(100_000)
        self.assertEqual(seen.grown, 1)

    def test_without_it_an_unaligned_receive_is_a_violation(self) -> None:
        dma = self.dma("align8")
        seen = dma.count("v_unaligned_no_dre")
        dma.s2mm.start(dma.room([64], skew=1))
        dma.send(noise(64))
        self.pass_time(100_000)
        self.assertEqual(seen.grown, 1)

    def test_above_64_bits_of_data_there_is_none(self) -> None:
        # PG021, simple DMA: any byte offset "if DRE is enabled and Streaming Data Width < 128".
        dma = self.dma("broad0")
        seen = dma.count("v_unaligned_no_dre")
        dma.mm2s.start(dma.out(noise(64), skew=4))
        self.pass_time(100_000)
        self.assertEqual(seen.grown, 1)

    def test_above_64_bits_of_data_addresses_align_to_all_of_them(self) -> None:
        dma = self.dma("broad0")
        seen = dma.count("v_unaligned_no_dre")
        dma.mm2s.start(dma.out(noise(64), skew=8))
        self.pass_time(100_000)
        self.assertEqual(seen.grown, 1)

    def test_with_it_an_unaligned_send_is_no_violation(self) -> None:
        dma = self.dma("loop0")
        seen = dma.count("v_unaligned_no_dre")
        dma.loop(noise(64), [64], [64], skew=(1, 1))
        self.assertEqual(seen.grown, 0)
