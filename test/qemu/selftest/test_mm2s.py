# SPDX-License-Identifier: MIT
"""Memory to stream: fetching, tail pointer, status of BDs.

PG021: "Descriptor Management", "Scatter/Gather Mode", MM2S_TAILDESC, MM2S_STATUS.
The sink takes everything, so nothing here waits for a receiver.
"""

from .axidma import APP0, BUFFER, BYTES, CMPLT, CURDESC, EOF, IDLE, IOC, SOF, STATUS, TAILDESC, TAILDESC_MSB
from .axidma import Ring
from .case import Case, noise
from .machine import HIGH


class Chain(Case):
    devices = ("sink0",)

    def test_a_bd_is_marked_complete(self) -> None:
        self.dma().send(noise(100))  # waits for it

    def test_a_bd_says_how_many_bytes_went_out(self) -> None:
        ring = self.dma().send(noise(100))
        self.assertEqual(ring.moved(0), 100)

    def test_the_status_has_nothing_else_in_it(self) -> None:
        ring = self.dma().send(noise(100))
        self.assertEqual(ring.status(0) & ~BYTES, CMPLT)

    def test_nothing_happens_within_the_register_write(self) -> None:
        # The engine has its own clock: software that looks at once sees an open BD.
        dma = self.dma()
        ring = dma.out(noise(100))
        dma.mm2s.start(ring)
        self.assertEqual(ring.status(0), 0)

    def test_all_bds_of_a_packet_are_marked_complete(self) -> None:
        ring = self.dma().send(noise(300), [100, 100, 100])
        self.assertEqual([ring.complete(i) for i in range(3)], [True] * 3)

    def test_each_bd_says_its_own_bytes(self) -> None:
        ring = self.dma().send(noise(600), [100, 200, 300])
        self.assertEqual([ring.moved(i) for i in range(3)], [100, 200, 300])

    def test_all_words_of_a_bd_but_the_status_stay_as_they_were(self) -> None:
        dma = self.dma()
        ring = dma.out(noise(64))
        self.qtest.write(ring.at[0] + APP0, noise(32, 5))
        before = ring.raw(0)
        dma.mm2s.start(ring)
        dma.mm2s.wait_complete(ring)
        after = ring.raw(0)
        self.assert_same(after[:STATUS] + after[STATUS + 4:], before[:STATUS] + before[STATUS + 4:])

    def test_the_chain_is_followed_by_its_links_and_not_by_addresses(self) -> None:
        dma = self.dma()
        ring = Ring(self.machine, 4, order=[2, 0, 3, 1])
        buffer = self.machine.alloc(400)
        for index in range(4):
            ring.put(index, buffer + 100 * index, 50 + index,
                     (SOF if index == 0 else 0) | (EOF if index == 3 else 0))
        dma.mm2s.start(ring)
        dma.mm2s.wait_complete(ring)
        self.assertEqual([ring.moved(i) for i in range(4)], [50, 51, 52, 53])

    def test_the_sent_bytes_are_counted(self) -> None:
        dma = self.dma()
        sent = dma.count("bytes_send")
        dma.send(noise(777))
        self.assertEqual(sent.grown, 777)

    def test_a_chain_of_300_bds_completes(self) -> None:
        ring = self.dma().send(noise(3000), [10] * 300)
        self.assertEqual(sum(ring.moved(i) for i in range(300)), 3000)


class Tail(Case):
    devices = ("sink0",)

    def test_nothing_runs_before_the_tail_is_written(self) -> None:
        dma = self.dma()
        ring = dma.out(noise(64))
        dma.mm2s.write_pair(CURDESC, ring.at[0])
        dma.mm2s.run()
        self.pass_time()
        self.assertEqual(ring.status(0), 0)

    def test_the_lower_half_alone_starts_nothing_in_64_bit_mode(self) -> None:
        dma = self.dma()
        ring = dma.out(noise(64))
        dma.mm2s.write_pair(CURDESC, ring.at[0])
        dma.mm2s.run()
        dma.mm2s.write(TAILDESC, ring.at[0])
        self.pass_time()
        self.assertEqual(ring.status(0), 0)

    def test_the_upper_half_starts_it_in_64_bit_mode(self) -> None:
        dma = self.dma()
        ring = dma.out(noise(64))
        dma.mm2s.write_pair(CURDESC, ring.at[0])
        dma.mm2s.run()
        dma.mm2s.write(TAILDESC, ring.at[0])
        dma.mm2s.write(TAILDESC_MSB, 0)
        dma.mm2s.wait_complete(ring)

    def test_a_tail_written_while_halted_starts_nothing(self) -> None:
        dma = self.dma()
        ring = dma.out(noise(64))
        dma.mm2s.write_pair(CURDESC, ring.at[0])
        dma.mm2s.tail(ring.at[0])
        self.pass_time()
        self.assertEqual(ring.status(0), 0)

    def test_a_tail_written_while_halted_starts_nothing_when_rs_is_set_later(self) -> None:
        # "No effect on DMA operations": it isn't kept for later either.
        dma = self.dma()
        ring = dma.out(noise(64))
        dma.mm2s.write_pair(CURDESC, ring.at[0])
        dma.mm2s.tail(ring.at[0])
        dma.mm2s.run()
        self.pass_time()
        self.assertEqual(ring.status(0), 0)

    def test_the_engine_pauses_after_the_tail(self) -> None:
        dma = self.dma()
        ring = dma.packets([noise(64)] * 3)
        dma.mm2s.start(ring, 1)
        dma.mm2s.wait_complete(ring, 1)
        self.pass_time()
        self.assertEqual(ring.status(2), 0)

    def test_the_bd_at_the_tail_is_worked_on_too(self) -> None:
        dma = self.dma()
        ring = dma.packets([noise(64)] * 3)
        dma.mm2s.start(ring, 1)
        dma.mm2s.wait_complete(ring, 1)

    def test_the_channel_is_idle_at_the_tail(self) -> None:
        dma = self.dma()
        dma.send(noise(64))
        dma.mm2s.wait_idle(limit=100_000)

    def test_the_channel_is_not_halted_at_the_tail(self) -> None:
        dma = self.dma()
        dma.send(noise(64))
        dma.mm2s.wait_idle()
        self.assertFalse(dma.mm2s.halted)

    def test_the_channel_is_not_idle_while_it_works(self) -> None:
        dma = self.dma()
        dma.control["hold_send"] = 1
        ring = dma.out(noise(64))
        dma.mm2s.start(ring)
        self.pass_time(10_000)
        self.assert_no_bits(dma.mm2s.status, IDLE)

    def test_a_new_tail_resumes_after_the_old_one(self) -> None:
        dma = self.dma()
        ring = dma.packets([noise(64)] * 3)
        dma.mm2s.start(ring, 0)
        dma.mm2s.wait_idle()
        dma.mm2s.tail(ring.at[2])
        dma.mm2s.wait_complete(ring, 2)
        self.assertEqual([ring.complete(i) for i in range(3)], [True] * 3)

    def test_a_new_tail_does_not_send_the_old_bd_again(self) -> None:
        dma = self.dma()
        packets = dma.count("packets_send")
        ring = dma.packets([noise(64)] * 3)
        dma.mm2s.start(ring, 0)
        dma.mm2s.wait_idle()
        dma.mm2s.tail(ring.at[2])
        dma.mm2s.wait_complete(ring, 2)
        self.assertEqual(packets.grown, 3)

    def test_a_tail_written_while_busy_moves_the_pause_point(self) -> None:
        dma = self.dma()
        dma.control["hold_send"] = 1
        ring = dma.packets([noise(64)] * 3)
        dma.mm2s.start(ring, 0)
        self.pass_time(10_000)
        dma.mm2s.tail(ring.at[2])
        dma.control["hold_send"] = 0
        dma.mm2s.wait_complete(ring, 2)

    def test_a_current_descriptor_written_at_the_tail_does_not_say_where_to_go_on(self) -> None:
        # Upstream's driver writes it on each restart. Software that gets away with
        # it uses its BDs in the order of the ring.
        dma = self.dma()
        ring = dma.packets([noise(64)] * 4)
        dma.mm2s.start(ring, 0)
        dma.mm2s.wait_idle()
        dma.mm2s.write_pair(CURDESC, ring.at[2])
        dma.mm2s.tail(ring.at[3])
        dma.mm2s.wait_complete(ring, 3)
        self.assertTrue(ring.complete(1))

    def test_a_ring_can_be_gone_round(self) -> None:
        # Software clears the status of a BD before the tail passes it again.
        dma = self.dma()
        packets = dma.count("packets_send")
        ring = dma.packets([noise(64)] * 3)
        dma.mm2s.start(ring, 2)
        dma.mm2s.wait_complete(ring, 2)
        dma.mm2s.wait_idle()
        for index in range(2):
            ring.put(index, ring.buffers[index], 64, SOF | EOF)
        dma.mm2s.tail(ring.at[1])
        dma.mm2s.wait_complete(ring, 1)
        self.assertEqual(packets.grown, 5)


class Addresses(Case):
    devices = ("loop0",)

    def test_a_bd_above_4_gib_is_fetched(self) -> None:
        dma = self.dma()
        ring = Ring(self.machine, 2, base=HIGH)
        buffer = self.machine.alloc(64)
        ring.put(0, buffer, 32, SOF)
        ring.put(1, buffer + 32, 32, EOF)
        dma.mm2s.start(ring)
        dma.mm2s.wait_complete(ring)

    def test_a_buffer_above_4_gib_is_read(self) -> None:
        dma = self.dma()
        data = noise(256)
        self.qtest.write(HIGH + 0x10000, data)
        room = dma.room([256])
        ring = Ring(self.machine, 1)
        ring.put(0, HIGH + 0x10000, 256, SOF | EOF)
        dma.s2mm.start(room)
        dma.mm2s.start(ring)
        dma.s2mm.wait_complete(room)
        self.assert_same(room.data(), data)

    def test_a_buffer_above_4_gib_is_written(self) -> None:
        dma = self.dma()
        data = noise(256, 2)
        room = Ring(self.machine, 1)
        room.put(0, HIGH + 0x20000, 256)
        dma.s2mm.start(room)
        dma.send(data)
        dma.s2mm.wait_complete(room)
        self.assert_same(self.qtest.read(HIGH + 0x20000, 256), data)

    def test_the_upper_half_of_a_buffer_address_is_used(self) -> None:
        # Not the memory 4 GiB below, which a model of 32 bits would read.
        dma = self.dma()
        ring = dma.out(noise(64))
        self.qtest.write(ring.at[0] + BUFFER, (HIGH + 0x30000).to_bytes(8, "little"))
        self.qtest.write(HIGH + 0x30000, noise(64, 9))
        room = dma.room([64])
        dma.s2mm.start(room)
        dma.mm2s.start(ring)
        dma.s2mm.wait_complete(room)
        self.assert_same(room.data(), noise(64, 9))


class Packets(Case):
    devices = ("loop0",)

    def test_a_chain_without_txeof_does_not_end_the_packet(self) -> None:
        dma = self.dma()
        room = dma.room([256])
        ring = dma.out(noise(64))
        ring.put(0, ring.buffers[0], 64, SOF)
        dma.s2mm.start(room)
        dma.mm2s.start(ring)
        dma.mm2s.wait_complete(ring)
        self.pass_time()
        self.assertFalse(room.complete(0))

    def test_a_packet_is_ended_by_a_bd_that_comes_later(self) -> None:
        dma = self.dma()
        room = dma.room([256])
        ring = dma.out(noise(128), [64, 64])
        dma.s2mm.start(room)
        dma.mm2s.start(ring, 0)
        dma.mm2s.wait_idle()
        dma.mm2s.tail(ring.at[1])
        dma.s2mm.wait_complete(room)
        self.assert_same(room.data(), noise(128))

    def test_a_bd_without_txeof_raises_no_ioc(self) -> None:
        dma = self.dma()
        ring = dma.out(noise(64))
        ring.put(0, ring.buffers[0], 64, SOF)
        dma.mm2s.start(ring)
        dma.mm2s.wait_complete(ring)
        self.pass_time()
        self.assert_no_bits(dma.mm2s.status, IOC)
