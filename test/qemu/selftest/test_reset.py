# SPDX-License-Identifier: MIT
"""Soft reset, which is one of the whole engine, and stopping, which is not.

PG021: Reset and RS of DMACR. That a reset of one channel is one of both: comment
in axienet's __axienet_device_reset().
"""

from .axidma import CR, CURDESC, CYCLIC, IOC, RESET, RS, SR, TAILDESC, THRESHOLD
from .axidma import Channel, Ring
from .case import Case, noise
from .test_registers import DEFAULT_CR, DEFAULT_SR


class Reset(Case):

    def test_control_reads_its_default_again(self) -> None:
        mm2s = self.dma().mm2s
        mm2s.write(CR, RS | IOC | CYCLIC | 9 << THRESHOLD)
        mm2s.reset()
        self.assertEqual(mm2s.read(CR), DEFAULT_CR)

    def test_status_reads_its_default_again(self) -> None:
        dma = self.dma()
        dma.send(noise(64))
        dma.mm2s.wait_event(IOC)
        dma.mm2s.reset()
        self.assertEqual(dma.mm2s.read(SR), DEFAULT_SR)

    def test_the_current_descriptor_reads_zero_again(self) -> None:
        mm2s = self.dma().mm2s
        mm2s.write_pair(CURDESC, 0x1_4800_0000)
        mm2s.reset()
        self.assertEqual(mm2s.read_pair(CURDESC), 0)

    def test_the_tail_descriptor_reads_zero_again(self) -> None:
        dma = self.dma()
        dma.send(noise(64))
        dma.mm2s.reset()
        self.assertEqual(dma.mm2s.read_pair(TAILDESC), 0)

    def test_it_lowers_the_line(self) -> None:
        dma = self.dma()
        dma.send(noise(64))
        dma.mm2s.wait_event(IOC)
        dma.mm2s.reset()
        self.assertEqual(dma.mm2s.line, 0)

    def test_of_mm2s_it_halts_s2mm(self) -> None:
        dma = self.dma()
        dma.s2mm.run()
        dma.mm2s.reset()
        self.assertTrue(dma.s2mm.halted)

    def test_of_s2mm_it_halts_mm2s(self) -> None:
        dma = self.dma()
        dma.mm2s.run()
        dma.s2mm.reset()
        self.assertTrue(dma.mm2s.halted)

    def test_of_s2mm_it_gives_mm2s_its_defaults(self) -> None:
        dma = self.dma()
        dma.mm2s.write(CR, IOC | 9 << THRESHOLD)
        dma.s2mm.reset()
        self.assertEqual(dma.mm2s.read(CR), DEFAULT_CR)

    def test_of_mm2s_it_ends_a_waiting_receive(self) -> None:
        dma = self.dma()
        room = dma.room([64])
        dma.s2mm.start(room)
        self.pass_time(10_000)
        dma.mm2s.reset()
        dma.send(noise(64))
        self.pass_time()
        self.assertEqual(room.status(0), 0)

    def test_of_s2mm_it_ends_a_blocked_send(self) -> None:
        dma = self.dma()
        ring = dma.out(noise(200_000))
        dma.mm2s.start(ring)
        self.pass_time()
        dma.s2mm.reset()
        room = dma.room([200_000])
        dma.s2mm.start(room)
        self.pass_time(5_000_000)
        self.assertFalse(ring.complete(0))

    def test_a_job_that_was_cut_is_not_resumed(self) -> None:
        dma = self.dma()
        ring = dma.out(noise(200_000))
        dma.mm2s.start(ring)
        self.pass_time()
        dma.mm2s.reset()
        dma.mm2s.run()
        self.pass_time()
        self.assertFalse(ring.complete(0))

    def test_after_it_the_stream_is_empty(self) -> None:
        # The model's own choice, as its sibling in the kernel has it; a switch turns it off.
        dma = self.dma()
        dma.send(noise(64, 1))
        dma.mm2s.reset()
        room = dma.loop(noise(64, 2), [64], [64])
        self.assert_same(room.data(), noise(64, 2))

    def test_with_reset_flushes_stream_off_a_packet_survives(self) -> None:
        # PG021: what is downstream of the engine isn't part of it.
        dma = self.dma()
        dma.control["reset_flushes_stream"] = 0
        dma.send(noise(64, 1))
        self.pass_time(10_000)
        dma.mm2s.reset()
        room = dma.room([64])
        dma.s2mm.start(room)
        dma.s2mm.wait_complete(room)
        self.assert_same(room.data(), noise(64, 1))

    def test_with_reset_flushes_stream_off_half_a_packet_has_no_end(self) -> None:
        dma = self.dma()
        dma.control["reset_flushes_stream"] = 0
        dma.mm2s.start(dma.out(noise(200), [100, 100]), 0)
        dma.mm2s.wait_idle()
        self.pass_time(10_000)
        dma.mm2s.reset()
        room = dma.room([4096])
        dma.s2mm.start(room)
        self.pass_time()
        self.assertFalse(room.complete(0))

    def test_it_is_counted(self) -> None:
        dma = self.dma()
        resets = dma.count("resets")
        dma.mm2s.reset()
        self.assertEqual(resets.grown, 1)

    def test_a_transfer_works_after_ten_of_them(self) -> None:
        dma = self.dma()
        for channel in dma.channels * 5:
            channel.reset()
        room = dma.loop(noise(100), [100], [100])
        self.assert_same(room.data(), noise(100))


class Stop(Case):

    def stopped(self) -> tuple[Channel, Ring]:
        dma = self.dma()
        ring = dma.packets([noise(64)] * 3)
        dma.mm2s.start(ring, 0)
        dma.mm2s.wait_idle()
        dma.mm2s.stop()
        dma.mm2s.wait_halted()
        return dma.mm2s, ring

    def test_a_waiting_receive_halts(self) -> None:
        dma = self.dma()
        dma.s2mm.start(dma.room([64]))
        self.pass_time(10_000)
        dma.s2mm.stop()
        dma.s2mm.wait_halted()

    def test_a_blocked_send_halts(self) -> None:
        # PG021 of RS = 0: pending transfers are flushed or completed, the stream is
        # "potentially terminated early". A stream that is not ready doesn't keep it from halting.
        dma = self.dma()
        dma.mm2s.start(dma.out(noise(200_000)))
        self.pass_time()
        dma.mm2s.stop()
        dma.mm2s.wait_halted()

    def test_a_send_that_was_cut_does_not_go_on(self) -> None:
        dma = self.dma()
        ring = dma.out(noise(200_000))
        dma.mm2s.start(ring)
        self.pass_time()
        dma.mm2s.stop()
        dma.mm2s.wait_halted()
        dma.s2mm.start(dma.room([200_000]))
        self.pass_time(5_000_000)
        self.assertFalse(ring.complete(0))

    def test_a_send_that_was_cut_leaves_its_beginning_in_the_stream(self) -> None:
        # Which is why recovery wants a reset on the stream's side, too.
        dma = self.dma()
        dma.mm2s.start(dma.out(noise(200_000)))
        self.pass_time()
        dma.mm2s.stop()
        dma.mm2s.wait_halted()
        room = dma.room([1000, 1000])
        dma.s2mm.start(room)
        dma.s2mm.wait_complete(room)
        self.assert_same(room.data(), noise(200_000)[:2000])

    def test_it_leaves_the_other_channel_alone(self) -> None:
        dma = self.dma()
        dma.s2mm.run()
        dma.mm2s.run()
        dma.mm2s.stop()
        dma.mm2s.wait_halted()
        self.assertFalse(dma.s2mm.halted)

    def test_it_keeps_the_interrupt_settings(self) -> None:
        mm2s = self.dma().mm2s
        mm2s.run(threshold=7, delay=3)
        mm2s.stop()
        mm2s.wait_halted()
        self.assertEqual(mm2s.read(CR) >> 16, 0x0307)

    def test_it_keeps_an_event_that_was_not_acknowledged(self) -> None:
        mm2s, _ = self.stopped()
        self.assert_bits(mm2s.status, IOC)

    def test_a_stopped_channel_takes_no_bd(self) -> None:
        mm2s, ring = self.stopped()
        mm2s.tail(ring.at[2])
        self.pass_time()
        self.assertEqual(ring.status(1), 0)

    def test_a_stopped_channel_starts_at_the_new_current_descriptor(self) -> None:
        mm2s, ring = self.stopped()
        mm2s.start(ring, 2, first=2)
        mm2s.wait_complete(ring, 2)
        self.assertFalse(ring.complete(1))

    def test_a_chain_may_be_entered_anywhere(self) -> None:
        dma = self.dma()
        ring = dma.packets([noise(64)] * 3)
        dma.mm2s.start(ring, 1, first=1)
        dma.mm2s.wait_complete(ring, 1)
        self.assertEqual([ring.status(0), ring.status(2)], [0, 0])

    def test_it_is_no_reset(self) -> None:
        dma = self.dma()
        resets = dma.count("resets")
        self.stopped()
        self.assertEqual(resets.grown, 0)

    def test_a_halted_receive_does_not_take_a_packet(self) -> None:
        dma = self.dma()
        room = dma.room([64])
        dma.s2mm.start(room)
        self.pass_time(10_000)
        dma.s2mm.stop()
        dma.s2mm.wait_halted()
        dma.send(noise(64))
        self.pass_time()
        self.assertEqual(room.status(0), 0)


class StuckHardware(Case):
    """Faults that a driver can only answer with a time limit."""

    fresh = True

    def test_a_stuck_reset_never_clears(self) -> None:
        dma = self.dma()
        dma.control["stuck_reset"] = 1
        dma.mm2s.write(CR, RESET)
        self.pass_time(1_000_000_000)
        self.assert_bits(dma.mm2s.read(CR), RESET)

    def test_a_stuck_reset_ends_with_the_switch(self) -> None:
        dma = self.dma()
        dma.control["stuck_reset"] = 1
        dma.mm2s.write(CR, RESET)
        self.pass_time(10_000)
        dma.control["stuck_reset"] = 0
        self.wait(lambda: not dma.mm2s.read(CR) & RESET, "Reset clears")

    def test_a_stuck_send_does_not_halt(self) -> None:
        dma = self.dma()
        dma.control["stuck_halt_send"] = 1
        dma.mm2s.run()
        dma.mm2s.stop()
        self.pass_time(1_000_000_000)
        self.assertFalse(dma.mm2s.halted)

    def test_a_stuck_receive_does_not_halt(self) -> None:
        dma = self.dma()
        dma.control["stuck_halt_recv"] = 1
        dma.s2mm.run()
        dma.s2mm.stop()
        self.pass_time(1_000_000_000)
        self.assertFalse(dma.s2mm.halted)

    def test_a_stuck_send_lets_the_receive_halt(self) -> None:
        dma = self.dma()
        dma.control["stuck_halt_send"] = 1
        dma.s2mm.run()
        dma.s2mm.stop()
        dma.s2mm.wait_halted()

    def test_a_reset_ends_a_stuck_halt(self) -> None:
        dma = self.dma()
        dma.control["stuck_halt_send"] = 1
        dma.mm2s.run()
        dma.mm2s.stop()
        dma.mm2s.reset()
        self.assertTrue(dma.mm2s.halted)
