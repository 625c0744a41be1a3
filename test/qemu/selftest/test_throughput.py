# SPDX-License-Identifier: MIT
"""How long things take, in virtual time: the same on every host.

PG021, "Latency and Throughput", at 100 MHz with 32 bits of data: 10,000 bytes
at 399.04 MB/s for MM2S and 298.59 MB/s for S2MM; 10 clocks from the write of
TAILDESC to the fetch of a descriptor, 28 more to the read of the data.
"""

from .axidma import EOF, IOC, SOF
from .axidma import Ring
from .case import Case, noise
from .machine import RAM_BASE

FAR = RAM_BASE + (1 << 30)  # memory that nobody has written


class ThroughputCase(Case):
    devices = ("narrow0", "wide0", "fast0", "narrowsource0", "loop0")

    def send_time(self, label: str, size: int, **switches: int) -> int:
        """Nanoseconds from the write of the tail to the completion event."""
        dma = self.dma(label)
        for name, value in switches.items():
            dma.control[name] = value
        ring = Ring(self.machine, 1)
        ring.put(0, FAR, size, SOF | EOF)
        start = self.qtest.now()
        dma.mm2s.start(ring)
        return self.wait(lambda: dma.mm2s.status & IOC, "the completion event", limit=1_000_000_000) - start

    def assert_between(self, value: float, least: float, most: float) -> None:
        self.assertGreaterEqual(value, least)
        self.assertLessEqual(value, most)


class Published(ThroughputCase):

    def test_a_send_is_not_slower_than_published(self) -> None:
        # 25.06 us by the published rate, and the latency of the first data (44 clocks and some).
        self.assertLessEqual(self.send_time("narrow0", 10_000), 26_500)

    def test_a_send_is_not_faster_than_the_bus(self) -> None:
        self.assertGreaterEqual(self.send_time("narrow0", 10_000), 25_000)

    def receive_time(self) -> int:
        dma = self.dma("narrowsource0")
        room = dma.room([10_000])
        start = self.qtest.now()
        dma.s2mm.start(room)
        return self.wait(lambda: dma.s2mm.status & IOC, "the completion event") - start

    def test_a_receive_is_not_slower_than_published(self) -> None:
        self.assertLessEqual(self.receive_time(), 35_500)

    def test_a_receive_is_not_faster_than_the_bus(self) -> None:
        self.assertGreaterEqual(self.receive_time(), 25_000)


class Scaling(ThroughputCase):

    def test_twice_the_width_takes_half_the_time(self) -> None:
        narrow, wide = self.send_time("narrow0", 1 << 20), self.send_time("wide0", 1 << 20)
        self.assert_between(narrow / wide, 1.9, 2.1)

    def test_twice_the_clock_takes_half_the_time(self) -> None:
        slow, fast = self.send_time("wide0", 1 << 20), self.send_time("fast0", 1 << 20)
        self.assert_between(slow / fast, 1.9, 2.1)

    def test_twice_the_bytes_take_twice_the_time(self) -> None:
        one = self.send_time("wide0", 1 << 20)
        self.dma("wide0").mm2s.reset()
        two = self.send_time("wide0", 1 << 21)
        self.assert_between(two / one, 1.9, 2.1)

    def test_both_directions_at_a_time_take_hardly_longer_than_one(self) -> None:
        one = self.send_time("wide0", 1 << 20)
        dma = self.dma("loop0")
        start = self.qtest.now()
        dma.loop(noise(1 << 20), [1 << 20], [1 << 20])
        self.assert_between((self.qtest.now() - start) / one, 1.0, 1.6)


class Latency(ThroughputCase):

    def test_one_byte_takes_the_clocks_before_the_first_data(self) -> None:
        self.assertGreaterEqual(self.send_time("narrow0", 1), 380)

    def test_one_byte_does_not_take_long(self) -> None:
        self.assertLessEqual(self.send_time("narrow0", 1), 5_000)

    def test_a_short_packet_in_and_out_takes_both_latencies(self) -> None:
        # 10 + 28 + 6 clocks to the stream, 39 more to the write of the memory.
        dma = self.dma("loop0")
        start = self.qtest.now()
        dma.loop(noise(8), [8], [8])
        self.assert_between(self.qtest.now() - start, 830, 10_000)


class Repeatable(Case):
    fresh = True

    def once(self) -> int:
        """The time at the end of a loop of a packet that is larger than the FIFO."""
        self._drop()
        self.dma().loop(noise(300_000), [100_000] * 3, [70_000] * 5)
        return self.qtest.now()

    def test_the_same_program_ends_at_the_same_time(self) -> None:
        self.assertEqual(self.once(), self.once())


class Limits(ThroughputCase):

    def test_a_limited_rate_is_kept(self) -> None:
        # 1 MiB at 100 MB/s
        took = self.send_time("wide0", 1 << 20, rate_bytes_per_s=100_000_000)
        self.assert_between(took, 9_900_000, 11_500_000)

    def test_a_limited_rate_acts_on_a_loopback_once(self) -> None:
        dma = self.dma("loop0")
        dma.control["rate_bytes_per_s"] = 10_000_000
        start = self.qtest.now()
        dma.loop(noise(10_000), [10_000], [10_000])
        self.assert_between(self.qtest.now() - start, 900_000, 1_300_000)

    def test_slow_memory_makes_each_burst_longer(self) -> None:
        # 64 KiB are 16 bursts at least: none crosses a boundary of 4 KiB (AXI4).
        quick = self.send_time("wide0", 1 << 16)
        self.dma("wide0").mm2s.reset()
        slow = self.send_time("wide0", 1 << 16, slow_memory_ns=1000)
        self.assertGreaterEqual(slow - quick, 16_000)

    def test_the_busy_time_is_that_of_the_transfer(self) -> None:
        busy = self.dma("narrow0").count("busy_ns_send")
        self.send_time("narrow0", 10_000)
        self.pass_time()
        self.assert_between(busy.grown, 20_000, 30_000)

    def test_the_idle_time_is_that_of_waiting(self) -> None:
        idle = self.dma("narrow0").count("idle_ns_send")
        self.send_time("narrow0", 10_000)
        self.pass_time(1_000_000)
        self.assert_between(idle.grown, 900_000, 1_100_000)
