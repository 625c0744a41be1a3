# SPDX-License-Identifier: MIT
"""A stream that nobody reads fills up, and then the sender waits."""

from .axidma import EOF, SOF
from .axidma import Ring
from .case import Case, noise
from .machine import Count, Dma


class Backpressure(Case):

    def blocked(self, size: int = 300_000) -> tuple[Dma, Ring, Count]:
        dma = self.dma()
        ring = dma.out(noise(size))
        sent = dma.count("bytes_send")
        dma.mm2s.start(ring)
        self.pass_time(20_000_000)
        return dma, ring, sent

    def test_a_packet_that_fits_into_the_fifo_is_sent_without_a_receiver(self) -> None:
        self.dma().send(noise(60_000))  # waits for it

    def test_a_packet_that_does_not_fit_is_not(self) -> None:
        _, ring, _ = self.blocked()
        self.assertFalse(ring.complete(0))

    def test_a_blocked_sender_is_not_idle(self) -> None:
        dma, _, _ = self.blocked()
        self.assertFalse(dma.mm2s.idle)

    def test_a_blocked_sender_has_sent_what_the_fifo_holds(self) -> None:
        # And what the engine's own buffers hold, of which the guide says no number.
        dma, _, sent = self.blocked()
        self.assertLessEqual(sent.grown, dma.control["fifo_bytes"] + 4096)

    def test_the_fifo_is_used_before_the_sender_is_blocked(self) -> None:
        dma, _, sent = self.blocked()
        self.assertGreaterEqual(sent.grown, dma.control["fifo_bytes"] * 9 // 10)

    def test_a_smaller_fifo_blocks_earlier(self) -> None:
        dma = self.dma()
        dma.control["fifo_bytes"] = 8192
        _, _, sent = self.blocked()
        self.assertLessEqual(sent.grown, 8192 + 4096)

    def test_a_receive_frees_the_sender(self) -> None:
        dma, ring, _ = self.blocked()
        room = dma.room([300_000])
        dma.s2mm.start(room)
        dma.mm2s.wait_complete(ring)

    def test_nothing_is_lost_or_doubled(self) -> None:
        dma, _, _ = self.blocked()
        room = dma.room([300_000])
        dma.s2mm.start(room)
        dma.s2mm.wait_complete(room)
        self.assert_same(room.data(), noise(300_000))

    def test_a_receive_without_room_blocks_the_sender_again(self) -> None:
        dma, ring, _ = self.blocked()
        room = dma.room([100_000, 300_000])
        dma.s2mm.start(room, 0)
        dma.s2mm.wait_complete(room, 0)
        self.pass_time(20_000_000)
        self.assertFalse(ring.complete(0))

    def test_with_a_fifo_of_a_few_bytes_data_still_flows(self) -> None:
        dma = self.dma()
        dma.control["fifo_bytes"] = 64
        room = dma.loop(noise(5000), [5000], [5000])
        self.assert_same(room.data(), noise(5000))

    def test_many_small_packets_fit_as_far_as_their_bytes_do(self) -> None:
        dma = self.dma()
        ring = Ring(self.machine, 500)
        buffer = self.machine.alloc(64)
        for index in range(500):
            ring.put(index, buffer, 16, SOF | EOF)
        dma.mm2s.start(ring)
        dma.mm2s.wait_complete(ring)

    def test_a_held_stream_passes_nothing(self) -> None:
        dma = self.dma()
        dma.control["hold_stream"] = 1
        room = dma.room([64])
        dma.s2mm.start(room)
        dma.mm2s.start(dma.out(noise(64)))
        self.pass_time()
        self.assertEqual(room.status(0), 0)

    def test_a_stream_that_is_no_longer_held_passes_all(self) -> None:
        dma = self.dma()
        dma.control["hold_stream"] = 1
        room = dma.room([64])
        dma.s2mm.start(room)
        dma.mm2s.start(dma.out(noise(64)))
        self.pass_time()
        dma.control["hold_stream"] = 0
        dma.s2mm.wait_complete(room)
        self.assert_same(room.data(), noise(64))
