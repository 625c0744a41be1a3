# SPDX-License-Identifier: MIT
"""What goes out comes in: lengths, addresses, cuts into BDs, two engines."""

from .axidma import CMPLT, SOF, EOF
from .case import Case, noise

LENGTHS = (1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 127, 129, 255, 256, 257, 511, 513,
           1023, 1025, 2047, 2049, 4095, 4096, 4097, 8191, 8193, 16384, 65535, 65536, 65537, 300_001)


class Lengths(Case):

    def turn(self, size: int) -> None:
        room = self.dma().loop(noise(size, size), [size], [size])
        self.assert_same(room.data(), noise(size, size))

    def test_a_mebibyte_in_one_bd_comes_back(self) -> None:
        self.turn(1 << 20)


def _add_lengths() -> None:
    for size in LENGTHS:
        def test(self: Lengths, size: int = size) -> None:
            self.turn(size)
        unit = "byte" if size == 1 else "bytes"
        verb = "comes" if size == 1 else "come"
        setattr(Lengths, f"test_{size}_{unit}_{verb}_back", test)


_add_lengths()


class Pieces(Case):

    def test_many_bds_out_one_in(self) -> None:
        room = self.dma().loop(noise(1000), [1, 2, 3, 4, 90, 100, 300, 499, 1], [1000])
        self.assert_same(room.data(), noise(1000))

    def test_one_bd_out_many_in(self) -> None:
        room = self.dma().loop(noise(1000), [1000], [1, 2, 3, 4, 90, 100, 300, 499, 1])
        self.assert_same(room.data(), noise(1000))

    def test_cuts_at_different_places_out_and_in(self) -> None:
        room = self.dma().loop(noise(10_000), [4096, 4096, 1808], [3000, 3000, 3000, 3000])
        self.assert_same(room.data(), noise(10_000))

    def test_pages_at_an_odd_offset(self) -> None:
        sizes = [4095] + [4096] * 31 + [1]
        room = self.dma().loop(noise(1 << 17), sizes, sizes, skew=(1, 1))
        self.assert_same(room.data(), noise(1 << 17))

    def test_any_alignment_of_both_sides(self) -> None:
        # With data realignment, any byte address will do (PG021, "Allow Unaligned Transfers").
        room = self.dma().loop(noise(1001), [1001], [1001], skew=(3, 5))
        self.assert_same(room.data(), noise(1001))

    def test_nothing_is_written_before_an_unaligned_buffer(self) -> None:
        dma = self.dma()
        at = self.machine.alloc(256)
        self.qtest.fill(at, 256, 0x11)
        room = dma.room([64])
        room.put(0, at + 67, 64)
        sent = dma.out(noise(64))
        dma.s2mm.start(room)
        dma.mm2s.start(sent)
        dma.s2mm.wait_complete(room)
        self.assertEqual(set(self.qtest.read(at, 67)), {0x11})

    def test_nothing_is_written_behind_an_unaligned_buffer(self) -> None:
        dma = self.dma()
        at = self.machine.alloc(256)
        self.qtest.fill(at, 256, 0x11)
        room = dma.room([61])
        room.put(0, at + 3, 61)
        sent = dma.out(noise(61))
        dma.s2mm.start(room)
        dma.mm2s.start(sent)
        dma.s2mm.wait_complete(room)
        self.assertEqual(set(self.qtest.read(at + 64, 192)), {0x11})


class Order(Case):
    devices = ("loop0", "loop1")

    def test_packets_come_in_the_order_in_which_they_went(self) -> None:
        dma = self.dma()
        packets = [noise(50 + i, i) for i in range(40)]
        room = dma.room([128] * 40)
        sent = dma.packets(packets)
        dma.s2mm.start(room)
        dma.mm2s.start(sent)
        dma.s2mm.wait_complete(room)
        self.assert_same(room.data(), b"".join(packets))

    def test_a_packet_in_each_bd(self) -> None:
        dma = self.dma()
        packets = [noise(50 + i, i) for i in range(40)]
        room = dma.room([128] * 40)
        sent = dma.packets(packets)
        dma.s2mm.start(room)
        dma.mm2s.start(sent)
        dma.s2mm.wait_complete(room)
        self.assertEqual([room.status(i) for i in range(40)], [CMPLT | SOF | EOF | 50 + i for i in range(40)])

    def test_two_engines_do_not_share_a_stream(self) -> None:
        one, other = self.dma("loop0"), self.dma("loop1")
        room = other.room([64])
        other.s2mm.start(room)
        one.send(noise(64))
        self.pass_time()
        self.assertEqual(room.status(0), 0)

    def test_two_engines_work_at_a_time(self) -> None:
        engines = [self.dma("loop0"), self.dma("loop1")]
        rooms = [dma.room([8192]) for dma in engines]
        sents = [dma.out(noise(8192, i)) for i, dma in enumerate(engines)]
        for dma, room, sent in zip(engines, rooms, sents):
            dma.s2mm.start(room)
            dma.mm2s.start(sent)
        for dma, room in zip(engines, rooms):
            dma.s2mm.wait_complete(room)
        self.assertEqual([room.data() for room in rooms], [noise(8192, i) for i in range(2)])

    def test_both_directions_work_at_a_time(self) -> None:
        # 1 MiB through a FIFO that is smaller needs both.
        room = self.dma().loop(noise(1 << 20, 3), [1 << 19] * 2, [1 << 18] * 4)
        self.assert_same(room.data(), noise(1 << 20, 3))
