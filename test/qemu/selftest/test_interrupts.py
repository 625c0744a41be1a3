# SPDX-License-Identifier: MIT
"""Completion, delay and error events, the threshold between events and interrupts.

PG021: IRQThreshold and IRQDelay of DMACR, bits 12 to 14 of DMASR. Of the delay
timer: one unit is 125 clocks of the SG interface, it begins at the end of a
packet and starts anew with another packet.
"""

from .axidma import CR, CURDESC, CYCLIC, DLY, EOF, ERR, ERRORS, IOC, RS, SG_INT_ERR, SOF, SR, THRESHOLD
from .axidma import Channel, Ring
from .case import Case, noise
from .machine import Dma

UNIT_NS = 1250  # 125 clocks at 100 MHz


class Completion(Case):
    devices = ("loop0",)

    def test_a_sent_packet_is_an_event(self) -> None:
        dma = self.dma()
        dma.send(noise(64))
        dma.mm2s.wait_event(IOC)

    def test_a_received_packet_is_an_event(self) -> None:
        self.dma().loop(noise(64), [64], [64])  # waits for it

    def test_a_sent_packet_raises_the_line(self) -> None:
        dma = self.dma()
        dma.send(noise(64))
        dma.mm2s.wait_event(IOC)
        self.assertEqual(dma.mm2s.line, 1)

    def test_a_received_packet_raises_the_line(self) -> None:
        dma = self.dma()
        dma.loop(noise(64), [64], [64])
        self.assertEqual(dma.s2mm.line, 1)

    def test_a_sent_packet_does_not_raise_the_line_of_receives(self) -> None:
        dma = self.dma()
        dma.send(noise(64))
        dma.mm2s.wait_event(IOC)
        self.assertEqual(dma.s2mm.line, 0)

    def test_without_its_enable_the_line_stays_low(self) -> None:
        dma = self.dma()
        dma.mm2s.start(dma.out(noise(64)), enable=DLY | ERR)
        dma.mm2s.wait_event(IOC)
        self.assertEqual(dma.mm2s.line, 0)

    def test_an_enable_that_comes_later_raises_the_line(self) -> None:
        dma = self.dma()
        dma.mm2s.start(dma.out(noise(64)), enable=0)
        dma.mm2s.wait_event(IOC)
        dma.mm2s.write(CR, RS | IOC | 1 << THRESHOLD)
        self.assertEqual(dma.mm2s.line, 1)

    def test_the_bd_is_written_when_the_line_rises(self) -> None:
        dma = self.dma()
        ring = dma.out(noise(64))
        dma.mm2s.start(ring)
        self.wait(lambda: dma.mm2s.line, "the line rises")
        self.assertTrue(ring.complete(0))

    def test_a_packet_of_three_bds_is_one_event(self) -> None:
        dma = self.dma()
        dma.mm2s.start(dma.out(noise(300), [100] * 3), threshold=10)
        dma.mm2s.wait_idle()
        self.assertEqual(dma.mm2s.threshold_left, 9)


class Acknowledge(Case):
    devices = ("loop0",)

    def after_one(self) -> Channel:
        dma = self.dma()
        dma.send(noise(64))
        dma.mm2s.wait_event(IOC)
        return dma.mm2s

    def test_writing_one_clears_the_event(self) -> None:
        mm2s = self.after_one()
        mm2s.write(SR, IOC)
        self.assert_no_bits(mm2s.status, IOC)

    def test_writing_one_lowers_the_line(self) -> None:
        mm2s = self.after_one()
        mm2s.write(SR, IOC)
        self.assertEqual(mm2s.line, 0)

    def test_writing_zero_leaves_the_event(self) -> None:
        mm2s = self.after_one()
        mm2s.write(SR, 0)
        self.assert_bits(mm2s.status, IOC)

    def test_writing_another_event_leaves_it(self) -> None:
        mm2s = self.after_one()
        mm2s.write(SR, DLY | ERR)
        self.assert_bits(mm2s.status, IOC)

    def test_it_does_not_touch_the_other_channel(self) -> None:
        dma = self.dma()
        dma.loop(noise(64), [64], [64])
        dma.mm2s.acknowledge()
        self.assertEqual(dma.s2mm.line, 1)

    def test_the_line_rises_again_with_the_next_packet(self) -> None:
        dma = self.dma()
        ring = dma.packets([noise(64)] * 2)
        dma.mm2s.start(ring, 0)
        dma.mm2s.wait_event(IOC)
        dma.mm2s.acknowledge()
        dma.mm2s.tail(ring.at[1])
        self.wait(lambda: dma.mm2s.line, "the line rises again")


class Threshold(Case):
    devices = ("loop0",)

    def sent(self, count: int, threshold: int) -> tuple[Channel, Ring]:
        dma = self.dma()
        ring = dma.packets([noise(64)] * 8)
        dma.mm2s.start(ring, count - 1, threshold=threshold)
        dma.mm2s.wait_complete(ring, count - 1)
        dma.mm2s.wait_idle()
        return dma.mm2s, ring

    def test_fewer_packets_are_no_event(self) -> None:
        mm2s, _ = self.sent(3, 4)
        self.assert_no_bits(mm2s.status, IOC)

    def test_fewer_packets_raise_no_line(self) -> None:
        mm2s, _ = self.sent(3, 4)
        self.assertEqual(mm2s.line, 0)

    def test_as_many_packets_are_an_event(self) -> None:
        mm2s, _ = self.sent(4, 4)
        mm2s.wait_event(IOC)

    def test_the_status_tells_how_many_are_missing(self) -> None:
        mm2s, _ = self.sent(3, 4)
        self.assertEqual(mm2s.threshold_left, 1)

    def test_it_is_loaded_anew_after_the_event(self) -> None:
        mm2s, _ = self.sent(4, 4)
        mm2s.wait_event(IOC)
        self.assertEqual(mm2s.threshold_left, 4)

    def test_the_second_event_takes_as_many_again(self) -> None:
        mm2s, ring = self.sent(4, 4)
        mm2s.wait_event(IOC)
        mm2s.acknowledge()
        mm2s.tail(ring.at[6])
        mm2s.wait_complete(ring, 6)
        self.assert_no_bits(mm2s.status, IOC)

    def test_writing_it_loads_it_anew(self) -> None:
        mm2s, ring = self.sent(3, 4)
        mm2s.write(CR, RS | IOC | ERR | 4 << THRESHOLD)
        mm2s.tail(ring.at[3])
        mm2s.wait_complete(ring, 3)
        mm2s.wait_idle()
        self.assert_no_bits(mm2s.status, IOC)

    def test_it_counts_received_packets_too(self) -> None:
        # Trap: receives that were posted together report together.
        dma = self.dma()
        room = dma.room([64] * 4)
        dma.s2mm.start(room, threshold=4)
        sent = dma.packets([noise(64)] * 3)
        dma.mm2s.start(sent)
        dma.s2mm.wait_complete(room, 2)
        self.pass_time()
        self.assert_no_bits(dma.s2mm.status, IOC)

    def test_255_packets_can_be_waited_for(self) -> None:
        dma = self.dma()
        dma.control["fifo_bytes"] = 65536
        dma.mm2s.start(dma.packets([noise(8)] * 255), threshold=255)
        dma.mm2s.wait_event(IOC)


class Delay(Case):
    devices = ("loop0",)

    def sent(self, delay: int, enable: int = IOC | DLY | ERR) -> tuple[Channel, Ring]:
        """One packet of a threshold of three, at its end."""
        dma = self.dma()
        ring = dma.packets([noise(64)] * 4)
        dma.mm2s.start(ring, 0, enable=enable, threshold=3, delay=delay)
        dma.mm2s.wait_complete(ring, 0)
        return dma.mm2s, ring

    def test_it_is_an_event(self) -> None:
        mm2s, _ = self.sent(100)
        mm2s.wait_event(DLY, limit=130 * UNIT_NS)

    def test_it_does_not_come_early(self) -> None:
        mm2s, _ = self.sent(100)
        self.pass_time(95 * UNIT_NS)
        self.assert_no_bits(mm2s.status, DLY)

    def test_it_does_not_come_late(self) -> None:
        mm2s, _ = self.sent(100)
        self.pass_time(105 * UNIT_NS)
        self.assert_bits(mm2s.status, DLY)

    def test_it_raises_the_line(self) -> None:
        mm2s, _ = self.sent(10)
        mm2s.wait_event(DLY)
        self.assertEqual(mm2s.line, 1)

    def test_without_its_enable_the_line_stays_low(self) -> None:
        mm2s, _ = self.sent(10, IOC | ERR)
        mm2s.wait_event(DLY)
        self.assertEqual(mm2s.line, 0)

    def test_it_is_no_completion_event(self) -> None:
        mm2s, _ = self.sent(10)
        mm2s.wait_event(DLY)
        self.assert_no_bits(mm2s.status, IOC)

    def test_zero_turns_it_off(self) -> None:
        mm2s, _ = self.sent(0)
        self.pass_time(10_000_000)
        self.assert_no_bits(mm2s.status, DLY)

    def test_writing_one_clears_it(self) -> None:
        mm2s, _ = self.sent(10)
        mm2s.wait_event(DLY)
        mm2s.write(SR, DLY)
        self.assert_no_bits(mm2s.status, DLY)

    def test_it_loads_the_threshold_anew(self) -> None:
        mm2s, _ = self.sent(10)
        mm2s.wait_event(DLY)
        self.assertEqual(mm2s.threshold_left, 3)

    def test_another_packet_starts_the_timer_anew(self) -> None:
        mm2s, ring = self.sent(100)
        self.pass_time(80 * UNIT_NS)
        mm2s.tail(ring.at[1])
        mm2s.wait_complete(ring, 1)
        self.pass_time(80 * UNIT_NS)
        self.assert_no_bits(mm2s.status, DLY)

    def test_it_works_for_receives(self) -> None:
        dma = self.dma()
        room = dma.room([64] * 4)
        dma.s2mm.start(room, enable=IOC | DLY | ERR, threshold=4, delay=20)
        dma.send(noise(64))
        dma.s2mm.wait_event(DLY, limit=30 * UNIT_NS)
        self.assertTrue(room.complete(0))


class Cyclic(Case):
    """PG021, "Cyclic DMA Mode": the tail lies outside the chain and only starts the engine."""

    devices = ("sink0", "source0", "loop0")
    OUTSIDE = 0x50  # the guide's own example

    def sending(self) -> tuple[Dma, Ring]:
        dma = self.dma("sink0")
        ring = dma.packets([noise(1000), noise(1000)])
        dma.mm2s.write_pair(CURDESC, ring.at[0])
        dma.mm2s.run(more=CYCLIC)
        dma.mm2s.tail(self.OUTSIDE)
        return dma, ring

    def test_the_chain_is_sent_again_and_again(self) -> None:
        dma, _ = self.sending()
        packets = dma.count("packets_send")
        self.wait(lambda: packets.grown >= 10, "ten packets")

    def test_a_complete_bd_is_no_error(self) -> None:
        dma, _ = self.sending()
        packets = dma.count("packets_send")
        self.wait(lambda: packets.grown >= 10, "ten packets")
        self.assert_no_bits(dma.mm2s.status, ERRORS)

    def test_each_period_is_an_event(self) -> None:
        dma, _ = self.sending()
        for _ in range(5):
            dma.mm2s.wait_event(IOC)
            dma.mm2s.acknowledge()

    def test_it_ends_when_rs_is_cleared(self) -> None:
        dma, _ = self.sending()
        dma.mm2s.wait_event(IOC)
        dma.mm2s.stop()
        dma.mm2s.wait_halted()
        packets = dma.count("packets_send")
        self.pass_time()
        self.assertEqual(packets.grown, 0)

    def test_it_ends_with_a_reset(self) -> None:
        dma, _ = self.sending()
        dma.mm2s.wait_event(IOC)
        dma.mm2s.reset()
        packets = dma.count("packets_send")
        self.pass_time()
        self.assertEqual(packets.grown, 0)

    def test_receives_go_round_too(self) -> None:
        dma = self.dma("source0")
        dma.control["packet_bytes"] = 256
        room = Ring(self.machine, 2)
        for index in range(2):
            room.put(index, self.machine.alloc(256), 256)
        packets = dma.count("packets_recv")
        dma.s2mm.write_pair(CURDESC, room.at[0])
        dma.s2mm.run(more=CYCLIC)
        dma.s2mm.tail(self.OUTSIDE)
        self.wait(lambda: packets.grown >= 10, "ten packets")

    def test_without_the_cyclic_bit_a_ring_stops_at_its_first_complete_bd(self) -> None:
        dma = self.dma("sink0")
        ring = dma.packets([noise(64), noise(64)])
        dma.mm2s.write_pair(CURDESC, ring.at[0])
        dma.mm2s.run()
        dma.mm2s.tail(self.OUTSIDE)
        dma.mm2s.wait_halted()
        self.assert_bits(dma.mm2s.status, SG_INT_ERR)

    def test_one_bd_linked_to_itself_is_a_ring(self) -> None:
        dma = self.dma("sink0")
        ring = Ring(self.machine, 1)
        ring.put(0, self.machine.alloc(64), 64, SOF | EOF)
        packets = dma.count("packets_send")
        dma.mm2s.write_pair(CURDESC, ring.at[0])
        dma.mm2s.run(more=CYCLIC)
        dma.mm2s.tail(self.OUTSIDE)
        self.wait(lambda: packets.grown >= 3, "three packets")
