# SPDX-License-Identifier: MIT
"""What the engine finds by itself: bad lengths, stale BDs, addresses that nothing answers on.

PG021: bits 4 to 10 of DMASR, MM2S_STATUS, S2MM_STATUS. An error clears RS and
then sets Halted; CURDESC points at the BD; only a reset ends it.
"""

from .axidma import (BD_DEC_ERR, BD_INT_ERR, CMPLT, CR, CURDESC, DMA_DEC_ERR, DMA_INT_ERR, EOF, ERR, ERRORS, IOC, RS,
                     SG_DEC_ERR, SG_INT_ERR, SOF, SR, THRESHOLD)
from .axidma import Channel, Ring
from .case import Case, noise
from .machine import NOWHERE, NOWHERE_HIGH, RAM_END, Dma


class ErrorCase(Case):
    """Each test makes an error in the second of three BDs of a send."""

    def zero_length(self) -> tuple[Dma, Ring]:
        dma = self.dma()
        ring = dma.packets([noise(64)] * 3)
        ring.put(1, ring.buffers[1], 0, SOF | EOF)
        return dma, ring

    def after(self, made: tuple[Dma, Ring]) -> tuple[Channel, Ring]:
        dma, ring = made
        dma.mm2s.start(ring)
        dma.mm2s.wait_halted()
        return dma.mm2s, ring


class ZeroLength(ErrorCase):

    def test_it_is_an_internal_error(self) -> None:
        mm2s, _ = self.after(self.zero_length())
        self.assertEqual(mm2s.errors, DMA_INT_ERR)

    def test_the_channel_clears_rs(self) -> None:
        mm2s, _ = self.after(self.zero_length())
        self.assert_no_bits(mm2s.read(CR), RS)

    def test_it_is_an_error_event(self) -> None:
        mm2s, _ = self.after(self.zero_length())
        self.assert_bits(mm2s.status, ERR)

    def test_it_raises_the_line(self) -> None:
        dma, ring = self.zero_length()
        dma.mm2s.start(ring, enable=ERR)
        dma.mm2s.wait_halted()
        self.assertEqual(dma.mm2s.line, 1)

    def test_without_its_enable_the_line_stays_low(self) -> None:
        dma, ring = self.zero_length()
        dma.mm2s.start(ring, enable=0)
        dma.mm2s.wait_halted()
        self.assertEqual(dma.mm2s.line, 0)

    def test_the_current_descriptor_is_the_bad_one(self) -> None:
        mm2s, ring = self.after(self.zero_length())
        self.assertEqual(mm2s.read_pair(CURDESC), ring.at[1])

    def test_the_bd_says_so(self) -> None:
        _, ring = self.after(self.zero_length())
        self.assert_bits(ring.status(1), BD_INT_ERR)

    def test_the_bd_before_it_is_complete(self) -> None:
        _, ring = self.after(self.zero_length())
        self.assertEqual(ring.status(0), CMPLT | 64)

    def test_the_bd_behind_it_is_not_worked_on(self) -> None:
        _, ring = self.after(self.zero_length())
        self.pass_time()
        self.assertEqual(ring.status(2), 0)

    def test_it_is_one_for_receives_too(self) -> None:
        dma = self.dma()
        room = dma.room([64])
        room.put(0, room.buffers[0], 0)
        dma.s2mm.start(room)
        # The length is known when the BD is fetched; data is there in any case.
        dma.send(noise(64))
        dma.s2mm.wait_halted()
        self.assertEqual(dma.s2mm.errors, DMA_INT_ERR)


class Lasting(ErrorCase):
    """What is left of an error, and until when."""

    def test_writing_ones_to_the_status_does_not_clear_it(self) -> None:
        mm2s, _ = self.after(self.zero_length())
        mm2s.write(SR, 0xFFFF_FFFF)
        self.assertEqual(mm2s.errors, DMA_INT_ERR)

    def test_the_event_can_be_cleared(self) -> None:
        mm2s, _ = self.after(self.zero_length())
        mm2s.acknowledge()
        self.assert_no_bits(mm2s.status, ERR)

    def test_clearing_the_event_lowers_the_line(self) -> None:
        mm2s, _ = self.after(self.zero_length())
        mm2s.acknowledge()
        self.assertEqual(mm2s.line, 0)

    def test_setting_rs_does_not_resume(self) -> None:
        mm2s, ring = self.after(self.zero_length())
        ring.put(1, ring.buffers[1], 64, SOF | EOF)
        mm2s.write(CR, RS | 1 << THRESHOLD)
        self.pass_time(10_000)
        mm2s.tail(ring.at[2])
        self.pass_time()
        self.assertEqual(ring.status(1) & CMPLT | ring.status(2) & CMPLT, 0)

    def test_a_reset_ends_it(self) -> None:
        mm2s, _ = self.after(self.zero_length())
        mm2s.reset()
        self.assert_no_bits(mm2s.status, ERRORS | ERR)

    def test_after_a_reset_the_channel_works(self) -> None:
        mm2s, _ = self.after(self.zero_length())
        mm2s.reset()
        room = self.dma().loop(noise(100), [100], [100])
        self.assert_same(room.data(), noise(100))

    def test_the_other_channel_goes_on(self) -> None:
        dma, ring = self.zero_length()
        room = dma.room([64, 64])
        dma.s2mm.start(room)
        dma.mm2s.start(ring)
        dma.mm2s.wait_halted()
        self.pass_time()
        self.assert_no_bits(dma.s2mm.status, 1 | ERRORS | ERR)

    def test_a_packet_before_the_error_is_delivered(self) -> None:
        dma, ring = self.zero_length()
        room = dma.room([64, 64])
        dma.s2mm.start(room)
        dma.mm2s.start(ring)
        dma.mm2s.wait_halted()
        dma.s2mm.wait_complete(room, 0)
        self.assert_same(room.data(0, 0), noise(64))


class StaleDescriptor(ErrorCase):

    def stale(self) -> tuple[Dma, Ring]:
        dma = self.dma()
        ring = dma.packets([noise(64)] * 3)
        ring.put(1, ring.buffers[1], 64, SOF | EOF, status=CMPLT | 33)
        return dma, ring

    def test_it_is_an_internal_error_of_the_sg_engine(self) -> None:
        mm2s, _ = self.after(self.stale())
        self.assertEqual(mm2s.errors, SG_INT_ERR)

    def test_the_bd_is_not_updated(self) -> None:
        _, ring = self.after(self.stale())
        self.assertEqual(ring.status(1), CMPLT | 33)

    def test_the_current_descriptor_is_the_stale_one(self) -> None:
        mm2s, ring = self.after(self.stale())
        self.assertEqual(mm2s.read_pair(CURDESC), ring.at[1])

    def test_its_data_is_not_sent(self) -> None:
        dma, ring = self.stale()
        sent = dma.count("bytes_send")
        self.after((dma, ring))
        self.assertEqual(sent.grown, 64)

    def test_it_is_an_error_event(self) -> None:
        mm2s, _ = self.after(self.stale())
        self.assert_bits(mm2s.status, ERR)

    def test_it_is_one_for_receives_too(self) -> None:
        dma = self.dma()
        room = dma.room([64])
        room.put(0, room.buffers[0], 64, status=CMPLT)
        dma.s2mm.start(room)
        dma.s2mm.wait_halted()
        self.assertEqual(dma.s2mm.errors, SG_INT_ERR)


class Nowhere(ErrorCase):
    """Addresses of which the interconnect says that nobody is there: DECERR."""

    def start_at(self, address: int) -> Channel:
        mm2s = self.dma().mm2s
        mm2s.write_pair(CURDESC, address)
        mm2s.run()
        mm2s.tail(address)
        mm2s.wait_halted()
        return mm2s

    def send_from(self, address: int) -> tuple[Dma, Ring]:
        dma = self.dma()
        ring = dma.packets([noise(64)] * 3)
        ring.put(1, address, 4096, SOF | EOF)
        return dma, ring

    def test_a_bd_there_is_a_decode_error_of_the_sg_engine(self) -> None:
        self.assertEqual(self.start_at(NOWHERE).errors, SG_DEC_ERR)

    def test_a_bd_there_above_4_gib_is_one_too(self) -> None:
        self.assertEqual(self.start_at(NOWHERE_HIGH).errors, SG_DEC_ERR)

    def test_a_link_that_leads_there_is_one_too(self) -> None:
        dma = self.dma()
        ring = dma.packets([noise(64)] * 2)
        self.qtest.write(ring.at[0], NOWHERE.to_bytes(8, "little"))
        mm2s, _ = self.after((dma, ring))
        self.assertEqual(mm2s.errors, SG_DEC_ERR)

    def test_the_current_descriptor_is_the_one_that_is_not_there(self) -> None:
        self.assertEqual(self.start_at(NOWHERE).read_pair(CURDESC), NOWHERE)

    def test_a_send_from_there_is_a_decode_error(self) -> None:
        mm2s, _ = self.after(self.send_from(NOWHERE))
        self.assertEqual(mm2s.errors, DMA_DEC_ERR)

    def test_a_send_from_there_above_4_gib_is_one_too(self) -> None:
        mm2s, _ = self.after(self.send_from(NOWHERE_HIGH))
        self.assertEqual(mm2s.errors, DMA_DEC_ERR)

    def test_a_send_that_runs_over_the_end_of_memory_is_one_too(self) -> None:
        mm2s, _ = self.after(self.send_from(RAM_END - 64))
        self.assertEqual(mm2s.errors, DMA_DEC_ERR)

    def test_the_bd_says_so(self) -> None:
        _, ring = self.after(self.send_from(NOWHERE))
        self.assert_bits(ring.status(1), BD_DEC_ERR)

    def test_the_current_descriptor_is_the_bad_one(self) -> None:
        mm2s, ring = self.after(self.send_from(NOWHERE))
        self.assertEqual(mm2s.read_pair(CURDESC), ring.at[1])

    def test_a_receive_into_nowhere_is_a_decode_error(self) -> None:
        dma = self.dma()
        room = dma.room([64])
        room.put(0, NOWHERE, 64)
        dma.s2mm.start(room)
        dma.send(noise(64))
        dma.s2mm.wait_halted()
        self.assertEqual(dma.s2mm.errors, DMA_DEC_ERR)

    def test_a_failed_receive_leaves_the_sender_running(self) -> None:
        dma = self.dma()
        room = dma.room([64])
        room.put(0, NOWHERE, 64)
        dma.s2mm.start(room)
        dma.send(noise(64))
        dma.s2mm.wait_halted()
        self.assertFalse(dma.mm2s.halted)

    def test_a_failed_packet_is_no_completion_event(self) -> None:
        dma = self.dma()
        ring = dma.out(noise(64))
        ring.put(0, NOWHERE, 64, SOF | EOF)
        mm2s, _ = self.after((dma, ring))
        self.assert_no_bits(mm2s.status, IOC)
