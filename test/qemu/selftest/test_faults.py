# SPDX-License-Identifier: MIT
"""The switches with which a test makes the engine do what hardware does on a bad day.

Their names and meaning are those of the simulated provider, driver/sim/debugfs.c.
"""

from .axidma import (BD_DEC_ERR, BD_INT_ERR, BD_SLV_ERR, CMPLT, CURDESC, DMA_DEC_ERR, DMA_INT_ERR, DMA_SLV_ERR, EOF,
                     ERR, IOC, SOF)
from .axidma import Channel, Ring
from .case import Case, noise


class Hold(Case):

    def test_a_held_send_moves_nothing(self) -> None:
        dma = self.dma()
        dma.control["hold_send"] = 1
        sent = dma.count("bytes_send")
        dma.mm2s.start(dma.out(noise(64)))
        self.pass_time()
        self.assertEqual(sent.grown, 0)

    def test_a_send_that_is_no_longer_held_goes_on(self) -> None:
        dma = self.dma()
        dma.control["hold_send"] = 1
        ring = dma.out(noise(64))
        dma.mm2s.start(ring)
        self.pass_time()
        dma.control["hold_send"] = 0
        dma.mm2s.wait_complete(ring)

    def test_a_held_receive_moves_nothing(self) -> None:
        dma = self.dma()
        dma.control["hold_recv"] = 1
        room = dma.room([64])
        dma.s2mm.start(room)
        dma.send(noise(64))
        self.pass_time()
        self.assertEqual(room.status(0), 0)

    def test_a_receive_that_is_no_longer_held_goes_on(self) -> None:
        dma = self.dma()
        dma.control["hold_recv"] = 1
        room = dma.room([64])
        dma.s2mm.start(room)
        dma.send(noise(64))
        self.pass_time()
        dma.control["hold_recv"] = 0
        dma.s2mm.wait_complete(room)
        self.assert_same(room.data(), noise(64))

    def test_holding_sends_does_not_hold_receives(self) -> None:
        dma = self.dma()
        dma.send(noise(64))
        dma.control["hold_send"] = 1
        room = dma.room([64])
        dma.s2mm.start(room)
        dma.s2mm.wait_complete(room)


class LostCompletions(Case):

    def test_a_lost_completion_is_no_event(self) -> None:
        dma = self.dma()
        dma.control["drop_send_completions"] = 1
        dma.send(noise(64))
        self.pass_time()
        self.assert_no_bits(dma.mm2s.status, IOC)

    def test_a_lost_completion_still_writes_the_bd(self) -> None:
        dma = self.dma()
        dma.control["drop_send_completions"] = 1
        ring = dma.send(noise(64))
        self.assertEqual(ring.status(0), CMPLT | 64)

    def test_only_as_many_are_lost(self) -> None:
        dma = self.dma()
        dma.control["drop_send_completions"] = 1
        ring = dma.packets([noise(64)] * 2)
        dma.mm2s.start(ring, 0)
        dma.mm2s.wait_complete(ring, 0)
        dma.mm2s.tail(ring.at[1])
        dma.mm2s.wait_event(IOC)

    def test_the_switch_counts_down(self) -> None:
        dma = self.dma()
        dma.control["drop_send_completions"] = 5
        dma.send(noise(64))
        self.pass_time()
        self.assertEqual(dma.control["drop_send_completions"], 4)

    def test_one_of_a_receive_is_lost(self) -> None:
        dma = self.dma()
        dma.control["drop_recv_completions"] = 1
        room = dma.room([64])
        dma.s2mm.start(room)
        dma.send(noise(64))
        dma.s2mm.wait_complete(room)
        self.pass_time()
        self.assert_no_bits(dma.s2mm.status, IOC)

    def test_losing_that_of_a_receive_leaves_that_of_the_send(self) -> None:
        dma = self.dma()
        dma.control["drop_recv_completions"] = 1
        dma.send(noise(64))
        dma.mm2s.wait_event(IOC)

    def test_the_common_switch_acts_on_sends(self) -> None:
        dma = self.dma()
        dma.control["drop_completions"] = 1
        dma.send(noise(64))
        self.pass_time()
        self.assert_no_bits(dma.mm2s.status, IOC)

    def test_the_common_switch_acts_on_receives(self) -> None:
        dma = self.dma()
        dma.send(noise(64))
        dma.control["drop_completions"] = 1
        room = dma.room([64])
        dma.s2mm.start(room)
        dma.s2mm.wait_complete(room)
        self.pass_time()
        self.assert_no_bits(dma.s2mm.status, IOC)


class Packets(Case):

    def two(self, **switches: int) -> Ring:
        """Two packets of 500 bytes into two BDs of 1000."""
        dma = self.dma()
        for name, value in switches.items():
            dma.control[name] = value
        room = dma.room([1000, 1000])
        dma.s2mm.start(room)
        dma.mm2s.start(dma.packets([noise(500, 1), noise(500, 2)]))
        dma.s2mm.wait_complete(room)
        return room

    def test_a_cut_packet_ends_where_the_switch_says(self) -> None:
        self.assertEqual(self.two(short_packet=123).status(0), CMPLT | SOF | EOF | 123)

    def test_a_cut_packet_begins_as_it_was_sent(self) -> None:
        self.assert_same(self.two(short_packet=123).data(0, 0), noise(500, 1)[:123])

    def test_the_rest_of_a_cut_packet_is_gone(self) -> None:
        self.assert_same(self.two(short_packet=123).data(1, 1), noise(500, 2))

    def test_only_one_packet_is_cut(self) -> None:
        self.assertEqual(self.two(short_packet=123).moved(1), 500)

    def test_the_switch_goes_back_to_zero(self) -> None:
        self.two(short_packet=123)
        self.assertEqual(self.dma().control["short_packet"], 0)

    def test_a_packet_that_is_shorter_anyway_is_whole(self) -> None:
        self.assertEqual(self.two(short_packet=800).moved(0), 500)

    def test_a_stretched_packet_has_as_many_bytes_more(self) -> None:
        self.assertEqual(self.two(long_packet=77).status(0), CMPLT | SOF | EOF | 577)

    def test_a_stretched_packet_begins_as_it_was_sent(self) -> None:
        self.assert_same(self.two(long_packet=77).data(0, 0)[:500], noise(500, 1))

    def test_only_one_packet_is_stretched(self) -> None:
        self.assert_same(self.two(long_packet=77).data(1, 1), noise(500, 2))

    def test_a_packet_stretched_beyond_its_bd_goes_on_in_the_next(self) -> None:
        room = self.two(long_packet=600)
        self.assertEqual([room.moved(0), room.status(0) & EOF], [1000, 0])


class OrderedErrors(Case):

    def failed(self, **switches: int) -> tuple[Channel, Ring]:
        dma = self.dma()
        for name, value in switches.items():
            dma.control[name] = value
        ring = dma.packets([noise(64)] * 4)
        dma.mm2s.start(ring)
        dma.mm2s.wait_halted()
        return dma.mm2s, ring

    def test_a_failed_send_is_a_slave_error(self) -> None:
        mm2s, _ = self.failed(fail_send=1)
        self.assertEqual(mm2s.errors, DMA_SLV_ERR)

    def test_or_a_decode_error(self) -> None:
        mm2s, _ = self.failed(fail_send=1, error_kind=1)
        self.assertEqual(mm2s.errors, DMA_DEC_ERR)

    def test_or_an_internal_error(self) -> None:
        mm2s, _ = self.failed(fail_send=1, error_kind=2)
        self.assertEqual(mm2s.errors, DMA_INT_ERR)

    def test_the_bd_says_slave_error(self) -> None:
        _, ring = self.failed(fail_send=1)
        self.assert_bits(ring.status(0), BD_SLV_ERR)

    def test_the_bd_says_decode_error(self) -> None:
        _, ring = self.failed(fail_send=1, error_kind=1)
        self.assert_bits(ring.status(0), BD_DEC_ERR)

    def test_the_bd_says_internal_error(self) -> None:
        _, ring = self.failed(fail_send=1, error_kind=2)
        self.assert_bits(ring.status(0), BD_INT_ERR)

    def test_it_is_an_error_event(self) -> None:
        mm2s, _ = self.failed(fail_send=1)
        self.assert_bits(mm2s.status, ERR)

    def test_the_current_descriptor_is_the_failed_one(self) -> None:
        mm2s, ring = self.failed(error_at_bd_send=3)
        self.assertEqual(mm2s.read_pair(CURDESC), ring.at[2])

    def test_bds_before_the_failed_one_are_complete(self) -> None:
        _, ring = self.failed(error_at_bd_send=3)
        self.assertEqual([ring.status(0), ring.status(1)], [CMPLT | 64, CMPLT | 64])

    def test_bds_behind_the_failed_one_are_not_worked_on(self) -> None:
        _, ring = self.failed(error_at_bd_send=3)
        self.assertEqual(ring.status(3), 0)

    def test_the_switch_for_the_next_bds_counts_down(self) -> None:
        self.failed(fail_send=2)
        self.assertEqual(self.dma().control["fail_send"], 1)

    def test_two_failures_are_two(self) -> None:
        self.failed(fail_send=2)
        self.dma().mm2s.reset()
        mm2s, _ = self.failed()
        self.assertEqual(mm2s.errors, DMA_SLV_ERR)

    def test_after_the_failures_and_a_reset_all_is_well(self) -> None:
        self.failed(fail_send=1)
        self.dma().mm2s.reset()
        room = self.dma().loop(noise(64, 3), [64], [64])
        self.assert_same(room.data(), noise(64, 3))

    def test_a_failed_receive_is_a_slave_error(self) -> None:
        dma = self.dma()
        dma.control["fail_recv"] = 1
        dma.s2mm.start(dma.room([64]))
        dma.send(noise(64))
        dma.s2mm.wait_halted()
        self.assertEqual(dma.s2mm.errors, DMA_SLV_ERR)

    def test_a_failed_receive_does_not_fail_a_send(self) -> None:
        dma = self.dma()
        dma.control["fail_recv"] = 1
        dma.s2mm.start(dma.room([64]))
        dma.send(noise(64))
        dma.s2mm.wait_halted()
        self.assertEqual(dma.mm2s.errors, 0)

    def test_the_second_receive_fails_if_told_so(self) -> None:
        dma = self.dma()
        dma.control["error_at_bd_recv"] = 2
        room = dma.room([64] * 3)
        dma.s2mm.start(room)
        dma.mm2s.start(dma.packets([noise(64)] * 3))
        dma.s2mm.wait_halted()
        self.assertEqual([room.complete(0), dma.s2mm.read_pair(CURDESC)], [True, room.at[1]])
