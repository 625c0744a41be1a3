# SPDX-License-Identifier: MIT
"""Stream to memory: where packets begin and end in BDs.

PG021: S2MM_STATUS, "S2MM Descriptor Settings and AXI Status Stream".
"""

from .axidma import BYTES, CMPLT, EMPTY, EOF, IOC, SOF
from .axidma import Ring
from .case import Case, noise
from .machine import Dma


class OnePacket(Case):

    def test_a_packet_that_fits_exactly_sets_both_flags(self) -> None:
        room = self.dma().loop(noise(128), [128], [128])
        self.assertEqual(room.status(0), CMPLT | SOF | EOF | 128)

    def test_a_short_packet_ends_the_bd(self) -> None:
        room = self.dma().loop(noise(50), [50], [1024])
        self.assertEqual(room.status(0), CMPLT | SOF | EOF | 50)

    def test_a_short_packet_leaves_the_rest_of_the_buffer_alone(self) -> None:
        room = self.dma().loop(noise(50), [50], [1024])
        self.assertEqual(set(room.buffer(0)[50:]), {EMPTY})

    def test_a_packet_longer_than_a_bd_goes_on_in_the_next(self) -> None:
        room = self.dma().loop(noise(100), [100], [64, 64])
        self.assert_same(room.data(), noise(100))

    def test_rxsof_is_in_the_first_bd_of_a_packet_only(self) -> None:
        room = self.dma().loop(noise(150), [150], [64, 64, 64])
        self.assertEqual([room.status(i) & SOF for i in range(3)], [SOF, 0, 0])

    def test_rxeof_is_in_the_last_bd_of_a_packet_only(self) -> None:
        room = self.dma().loop(noise(150), [150], [64, 64, 64])
        self.assertEqual([room.status(i) & EOF for i in range(3)], [0, 0, EOF])

    def test_each_bd_says_its_own_bytes(self) -> None:
        room = self.dma().loop(noise(150), [150], [64, 64, 64])
        self.assertEqual([room.moved(i) for i in range(3)], [64, 64, 22])

    def test_a_packet_that_fits_exactly_leaves_the_next_bd_alone(self) -> None:
        room = self.dma().loop(noise(64), [64], [64, 64])
        self.pass_time()
        self.assertEqual(room.status(1), 0)

    def test_flags_that_software_sets_in_the_control_word_do_nothing(self) -> None:
        # RXSOF and RXEOF of CONTROL apply to micro mode only.
        dma = self.dma()
        room = dma.room([64, 64])
        room.put(0, room.buffers[0], 64, SOF | EOF)
        sent = dma.out(noise(100))
        dma.s2mm.start(room)
        dma.mm2s.start(sent)
        dma.s2mm.wait_complete(room)
        self.assertEqual([room.moved(0), room.moved(1)], [64, 36])

    def test_words_of_the_bd_but_the_status_stay_as_they_were(self) -> None:
        # Without a status stream APP0 to APP4 aren't touched.
        dma = self.dma()
        room = dma.room([128])
        self.qtest.write(room.at[0] + 0x20, noise(32, 8))
        before = room.raw(0)
        dma.s2mm.start(room)
        dma.send(noise(128))
        dma.s2mm.wait_complete(room)
        after = room.raw(0)
        self.assert_same(after[:0x1C] + after[0x20:], before[:0x1C] + before[0x20:])


class SeveralPackets(Case):

    def receive(self, packets: list[bytes], sizes: list[int]) -> Ring:
        dma = self.dma()
        room = dma.room(sizes)
        sent = dma.packets(packets)
        dma.s2mm.start(room)
        dma.mm2s.start(sent)
        dma.mm2s.wait_complete(sent)
        self.pass_time()
        return room

    def test_the_next_packet_begins_in_the_next_bd(self) -> None:
        room = self.receive([noise(10, 1), noise(20, 2), noise(30, 3)], [64, 64, 64])
        self.assertEqual([room.moved(i) for i in range(3)], [10, 20, 30])

    def test_packets_are_not_mixed(self) -> None:
        room = self.receive([noise(10, 1), noise(20, 2), noise(30, 3)], [64, 64, 64])
        self.assert_same(room.data(1, 1), noise(20, 2))

    def test_after_a_packet_over_two_bds_the_next_begins_in_the_third(self) -> None:
        room = self.receive([noise(70, 1), noise(20, 2)], [64, 64, 64])
        self.assertEqual(room.status(2), CMPLT | SOF | EOF | 20)

    def test_a_short_packet_leaves_later_bds_armed(self) -> None:
        # Trap: software that takes a packet's end for the end of the chain frees
        # memory that the engine will write.
        dma = self.dma()
        room = dma.room([64, 64, 64])
        first, second = dma.out(noise(10, 1)), dma.out(noise(20, 2))
        dma.s2mm.start(room)
        dma.mm2s.start(first)
        dma.s2mm.wait_complete(room, 0)
        dma.mm2s.stop()
        dma.mm2s.wait_halted()
        dma.mm2s.start(second)
        dma.s2mm.wait_complete(room, 1)
        self.assert_same(room.data(1, 1), noise(20, 2))


class NoEndInSight(Case):

    def filled(self, sizes: list[int]) -> tuple[Dma, Ring]:
        """A chain of receives that is full before the packet of 200 bytes ends."""
        dma = self.dma()
        room = dma.room(sizes)
        sent = dma.out(noise(200))
        dma.s2mm.start(room, -2 if len(sizes) > 1 else -1)
        dma.mm2s.start(sent)
        dma.s2mm.wait_complete(room, 0)
        self.pass_time()
        return dma, room

    def test_a_bd_filled_without_tlast_has_no_rxeof(self) -> None:
        _, room = self.filled([64])
        self.assertEqual(room.status(0), CMPLT | SOF | 64)

    def test_a_bd_filled_without_tlast_raises_no_ioc(self) -> None:
        dma, _ = self.filled([64])
        self.assert_no_bits(dma.s2mm.status, IOC)

    def test_no_interrupt_tells_of_it(self) -> None:
        dma, _ = self.filled([64])
        self.assertEqual(dma.s2mm.line, 0)

    def test_the_rest_waits_in_the_stream_for_the_next_bd(self) -> None:
        dma, room = self.filled([64, 256])
        dma.s2mm.tail(room.at[1])
        dma.s2mm.wait_complete(room, 1)
        self.assert_same(room.data(), noise(200))

    def test_the_rest_is_not_a_new_packet(self) -> None:
        dma, room = self.filled([64, 256])
        dma.s2mm.tail(room.at[1])
        dma.s2mm.wait_complete(room, 1)
        self.assertEqual(room.status(1), CMPLT | EOF | 136)

    def test_a_packet_as_long_as_the_chain_ends_with_it(self) -> None:
        room = self.dma().loop(noise(128), [128], [64, 64])
        self.assertEqual(room.status(1), CMPLT | EOF | 64)


class Timing(Case):

    def test_a_packet_waits_for_a_receive_that_comes_later(self) -> None:
        dma = self.dma()
        dma.send(noise(500))
        room = dma.room([512])
        self.pass_time()
        dma.s2mm.start(room)
        dma.s2mm.wait_complete(room)
        self.assert_same(room.data(), noise(500))

    def test_a_receive_waits_for_a_packet_that_comes_later(self) -> None:
        dma = self.dma()
        room = dma.room([512])
        dma.s2mm.start(room)
        self.pass_time()
        self.assertEqual(room.status(0), 0)

    def test_a_waiting_receive_is_not_idle(self) -> None:
        dma = self.dma()
        dma.s2mm.start(dma.room([512]))
        self.pass_time()
        self.assertFalse(dma.s2mm.idle)

    def test_the_received_bytes_are_in_memory_when_the_bd_is_complete(self) -> None:
        dma = self.dma()
        room = dma.room([4096])
        sent = dma.out(noise(4096))
        dma.s2mm.start(room)
        dma.mm2s.start(sent)
        dma.s2mm.wait_complete(room)
        self.assert_same(room.buffer(0), noise(4096))

    def test_a_received_bd_says_no_more_than_it_had_room_for(self) -> None:
        room = self.dma().loop(noise(300), [300], [100, 100, 100])
        self.assertEqual([room.status(i) & BYTES for i in range(3)], [100, 100, 100])
