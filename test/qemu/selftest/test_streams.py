# SPDX-License-Identifier: MIT
"""What is at the other end: a source, a sink, an accelerator, a stream with a reset."""

from .axidma import CMPLT, EOF, SOF
from .axidma import Ring
from .case import Case, counting, noise


class Source(Case):
    devices = ("source0",)

    def received(self, sizes: list[int], **switches: int) -> Ring:
        dma = self.dma()
        for name, value in switches.items():
            dma.control[name] = value
        room = dma.room(sizes)
        dma.s2mm.start(room)
        dma.s2mm.wait_complete(room)
        return room

    def test_a_packet_has_4096_bytes(self) -> None:
        self.assertEqual(self.received([8192]).status(0), CMPLT | SOF | EOF | 4096)

    def test_a_packet_has_as_many_bytes_as_the_switch_says(self) -> None:
        self.assertEqual(self.received([8192], packet_bytes=1000).status(0), CMPLT | SOF | EOF | 1000)

    def test_the_bytes_count(self) -> None:
        data = self.received([8192]).data()
        self.assert_same(data, counting(4096, data[0]))

    def test_the_next_packet_goes_on_where_one_ended(self) -> None:
        room = self.received([8192] * 3, packet_bytes=1001)
        data = room.data()
        self.assert_same(data, counting(3003, data[0]))

    def test_it_goes_on_where_it_was_when_receives_come_late(self) -> None:
        room = self.received([8192] * 2, packet_bytes=1001)
        first = room.data()
        dma = self.dma()
        dma.s2mm.wait_idle()
        self.pass_time()
        for index in range(2):
            room.put(index, room.buffers[index], 8192)
        dma.s2mm.tail(room.at[1])
        dma.s2mm.wait_complete(room)
        self.assert_same(room.data(), counting(2002, first[0] + 2002))

    def test_packets_can_be_longer_than_the_fifo(self) -> None:
        room = self.received([200_000], packet_bytes=200_000)
        self.assertEqual(room.status(0), CMPLT | SOF | EOF | 200_000)

    def test_with_the_switch_the_bytes_are_in_no_order(self) -> None:
        data = self.received([8192], source_prbs=1).data()
        self.assertNotEqual(data, counting(4096, data[0]))

    def test_pseudo_random_bytes_use_all_values(self) -> None:
        data = self.received([65536], source_prbs=1, packet_bytes=65536).data()
        self.assertEqual(len(set(data)), 256)


class Sink(Case):
    devices = ("sink0",)

    def test_it_takes_more_than_a_fifo_holds(self) -> None:
        dma = self.dma()
        ring = dma.out(noise(1 << 20))
        dma.mm2s.start(ring)
        dma.mm2s.wait_complete(ring)

    def test_it_counts_packets(self) -> None:
        dma = self.dma()
        packets = dma.count("sent_packets")
        ring = dma.packets([noise(64)] * 5)
        dma.mm2s.start(ring)
        dma.mm2s.wait_complete(ring)
        self.assertEqual(packets.grown, 5)

    def test_it_has_one_channel(self) -> None:
        self.assertEqual(len(self.dma().channels), 1)


class Accelerator(Case):
    devices = ("accel0",)

    @staticmethod
    def answer(data: bytes) -> bytes:
        return bytes(value ^ 0x5A for value in data)

    def test_it_answers_each_byte(self) -> None:
        room = self.dma().loop(noise(5000), [5000], [5000])
        self.assert_same(room.data(), self.answer(noise(5000)))

    def test_it_answers_packet_by_packet(self) -> None:
        dma = self.dma()
        packets = [noise(size, size) for size in (1, 100, 4097)]
        room = dma.room([8192] * 3)
        dma.s2mm.start(room)
        dma.mm2s.start(dma.packets(packets))
        dma.s2mm.wait_complete(room)
        self.assertEqual([room.status(i) for i in range(3)], [CMPLT | SOF | EOF | size for size in (1, 100, 4097)])

    def test_it_does_not_answer_before_it_is_asked(self) -> None:
        dma = self.dma()
        room = dma.room([64])
        dma.s2mm.start(room)
        self.pass_time()
        self.assertEqual(room.status(0), 0)


class StreamReset(Case):
    """A one-register reset controller, as Linux's reset-simple drives it: bit 0 asserts."""

    devices = ("reset0",)

    def register(self) -> int:
        client = self.dma().client
        controller = client.phandle(client.cell("resets"))
        return controller.regions()[0][0]

    def tearDown(self) -> None:
        self.qtest.write32(self.register(), 0)
        super().tearDown()

    def test_it_says_that_it_is_not_asserted(self) -> None:
        self.assertEqual(self.qtest.read32(self.register()), 0)

    def test_it_says_that_it_is_asserted(self) -> None:
        self.qtest.write32(self.register(), 1)
        self.assertEqual(self.qtest.read32(self.register()) & 1, 1)

    def test_it_empties_the_stream(self) -> None:
        dma = self.dma()
        dma.send(noise(64, 1))
        self.pass_time(10_000)
        self.qtest.write32(self.register(), 1)
        self.pass_time(10_000)
        self.qtest.write32(self.register(), 0)
        room = dma.room([64])
        dma.s2mm.start(room)
        self.pass_time()
        self.assertEqual(room.status(0), 0)

    def test_while_asserted_nothing_passes(self) -> None:
        dma = self.dma()
        self.qtest.write32(self.register(), 1)
        room = dma.room([64])
        dma.s2mm.start(room)
        dma.mm2s.start(dma.out(noise(64)))
        self.pass_time()
        self.assertEqual(room.status(0), 0)

    def test_after_it_the_stream_works(self) -> None:
        dma = self.dma()
        self.qtest.write32(self.register(), 1)
        self.pass_time(10_000)
        self.qtest.write32(self.register(), 0)
        room = dma.loop(noise(64), [64], [64])
        self.assert_same(room.data(), noise(64))

    def test_it_does_not_reset_the_engine(self) -> None:
        dma = self.dma()
        dma.mm2s.run(threshold=9)
        self.qtest.write32(self.register(), 1)
        self.pass_time(10_000)
        self.qtest.write32(self.register(), 0)
        self.assertFalse(dma.mm2s.halted)
