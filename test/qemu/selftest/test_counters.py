# SPDX-License-Identifier: MIT
"""The control page: its form, its counters, and the violations of PG021 that it counts."""

from .axidma import ADDRESS, CMPLT, CR, CURDESC, EOF, RESET, SOF, SR, TAILDESC
from .case import Case, noise
from .machine import NOWHERE, PAGE_MAGIC

SWITCHES = ("hold_send", "hold_recv", "drop_completions", "drop_send_completions", "drop_recv_completions",
            "short_packet", "long_packet", "rate_bytes_per_s", "fifo_bytes", "fail_send", "fail_recv", "error_kind",
            "error_at_bd_send", "error_at_bd_recv", "stuck_reset", "stuck_halt_send", "stuck_halt_recv",
            "slow_memory_ns", "reset_flushes_stream", "hold_stream", "break_rule")
COUNTERS = ("bds_send", "bds_recv", "packets_send", "packets_recv", "bytes_send", "bytes_recv", "irqs_send",
            "irqs_recv", "busy_ns_send", "busy_ns_recv", "idle_ns_send", "idle_ns_recv", "sent_packets", "sent_bytes",
            "received_packets", "received_bytes", "register_writes", "register_reads", "resets", "errors",
            "violations", "last_violation", "v_curdesc_while_running", "v_curdesc_while_running_idle",
            "v_tail_while_halted", "v_reserved_write", "v_bd_outside_ram", "v_bd_unaligned", "v_bd_reused",
            "v_zero_length", "v_length_too_wide", "v_txsof_misplaced", "v_unaligned_no_dre", "v_memory_not_granted",
            "v_write_during_reset")


class Page(Case):

    def test_it_begins_with_its_magic(self) -> None:
        self.assertEqual(self.dma().control.magic, PAGE_MAGIC)

    def test_it_is_version_1(self) -> None:
        self.assertEqual(self.dma().control.version, 1)

    def test_it_has_the_label_of_its_engine(self) -> None:
        self.assertEqual(self.dma().control.label, "loop0")

    def test_it_has_all_switches(self) -> None:
        control = self.dma().control
        self.assertEqual([name for name in SWITCHES if name not in control], [])

    def test_it_has_all_counters(self) -> None:
        control = self.dma().control
        self.assertEqual([name for name in COUNTERS if name not in control], [])

    def test_switches_can_be_written(self) -> None:
        control = self.dma().control
        self.assertEqual([name for name in SWITCHES if name in control.read_only], [])

    def test_counters_can_not_be_written(self) -> None:
        control = self.dma().control
        self.assertEqual([name for name in COUNTERS if name not in control.read_only], [])

    def test_a_switch_reads_what_was_written(self) -> None:
        control = self.dma().control
        control["rate_bytes_per_s"] = 12_345_678
        self.assertEqual(control["rate_bytes_per_s"], 12_345_678)

    def test_a_switch_can_be_written_in_halves(self) -> None:
        control = self.dma().control
        self.qtest.write32(control.address("rate_bytes_per_s"), 1_000_000)
        self.qtest.write32(control.address("rate_bytes_per_s") + 4, 0)
        self.assertEqual(control["rate_bytes_per_s"], 1_000_000)

    def test_a_switch_can_be_read_in_halves(self) -> None:
        control = self.dma().control
        control["rate_bytes_per_s"] = 1_000_000
        self.assertEqual(self.qtest.read32(control.address("rate_bytes_per_s")), 1_000_000)

    def test_writing_a_counter_does_nothing(self) -> None:
        control = self.dma().control
        before = control["bytes_send"]
        control["bytes_send"] = before + 1000
        self.assertEqual(control["bytes_send"], before)

    def test_a_switch_does_not_take_more_than_its_maximum(self) -> None:
        control = self.dma().control
        control["error_kind"] = control.maximum["error_kind"] + 1
        self.assertLessEqual(control["error_kind"], control.maximum["error_kind"])

    def test_each_name_is_there_once(self) -> None:
        control = self.dma().control
        self.assertEqual(len(list(control)), control.count)


class Counters(Case):

    def looped(self, name: str) -> int:
        """By how much a counter grows with 1000 bytes in 3 BDs, received into 2 BDs."""
        dma = self.dma()
        count = dma.count(name)
        room = dma.room([600, 600])
        dma.s2mm.start(room)
        dma.send(noise(1000), [300, 300, 400])
        dma.s2mm.wait_complete(room)
        self.pass_time(10_000)
        return count.grown

    def test_bds_of_sends(self) -> None:
        self.assertEqual(self.looped("bds_send"), 3)

    def test_bds_of_receives(self) -> None:
        self.assertEqual(self.looped("bds_recv"), 2)

    def test_packets_of_sends(self) -> None:
        self.assertEqual(self.looped("packets_send"), 1)

    def test_packets_of_receives(self) -> None:
        self.assertEqual(self.looped("packets_recv"), 1)

    def test_bytes_of_sends(self) -> None:
        self.assertEqual(self.looped("bytes_send"), 1000)

    def test_bytes_of_receives(self) -> None:
        self.assertEqual(self.looped("bytes_recv"), 1000)

    def test_interrupts_of_sends(self) -> None:
        self.assertEqual(self.looped("irqs_send"), 1)

    def test_interrupts_of_receives(self) -> None:
        self.assertEqual(self.looped("irqs_recv"), 1)

    def test_packets_sent(self) -> None:
        self.assertEqual(self.looped("sent_packets"), 1)

    def test_bytes_sent(self) -> None:
        self.assertEqual(self.looped("sent_bytes"), 1000)

    def test_packets_received(self) -> None:
        self.assertEqual(self.looped("received_packets"), 1)

    def test_bytes_received(self) -> None:
        self.assertEqual(self.looped("received_bytes"), 1000)

    def test_errors_of_none(self) -> None:
        self.assertEqual(self.looped("errors"), 0)

    def test_an_error(self) -> None:
        dma = self.dma()
        errors = dma.count("errors")
        dma.control["fail_send"] = 1
        dma.mm2s.start(dma.out(noise(64)))
        dma.mm2s.wait_halted()
        self.assertEqual(errors.grown, 1)

    def test_writes_of_registers(self) -> None:
        dma = self.dma()
        writes = dma.count("register_writes")
        for _ in range(7):
            dma.mm2s.write(SR, 0)
        self.assertEqual(writes.grown, 7)

    def test_reads_of_registers(self) -> None:
        dma = self.dma()
        reads = dma.count("register_reads")
        for _ in range(7):
            dma.mm2s.read(SR)
        self.assertEqual(reads.grown, 7)


class Violations(Case):
    """What PG021 forbids or leaves undefined, and the model counts."""

    def test_a_clean_transfer_has_none(self) -> None:
        dma = self.dma()
        violations = dma.count("violations")
        dma.loop(noise(1000), [300, 300, 400], [600, 600])
        dma.mm2s.stop()
        dma.mm2s.wait_halted()
        dma.mm2s.reset()
        self.assertEqual(violations.grown, 0)

    def test_a_current_descriptor_written_while_busy(self) -> None:
        dma = self.dma()
        seen = dma.count("v_curdesc_while_running")
        dma.control["hold_send"] = 1
        ring = dma.out(noise(64))
        dma.mm2s.start(ring)
        self.pass_time(10_000)
        dma.mm2s.write(CURDESC, ring.at[0])
        self.assertEqual(seen.grown, 1)

    def test_a_current_descriptor_written_while_idle_is_counted_apart(self) -> None:
        # It is what upstream's driver does on each restart.
        dma = self.dma()
        ring = dma.send(noise(64))
        dma.mm2s.wait_idle()
        seen = dma.count("v_curdesc_while_running_idle")
        dma.mm2s.write(CURDESC, ring.at[0])
        self.assertEqual(seen.grown, 1)

    def test_a_current_descriptor_written_while_idle_is_not_in_the_total(self) -> None:
        dma = self.dma()
        ring = dma.send(noise(64))
        dma.mm2s.wait_idle()
        violations = dma.count("violations")
        dma.mm2s.write(CURDESC, ring.at[0])
        self.assertEqual(violations.grown, 0)

    def test_a_tail_written_while_halted(self) -> None:
        dma = self.dma()
        seen = dma.count("v_tail_while_halted")
        dma.mm2s.tail(dma.out(noise(64)).at[0])
        self.assertEqual(seen.grown, 1)

    def test_a_reserved_register_written(self) -> None:
        dma = self.dma()
        seen = dma.count("v_reserved_write")
        dma.mm2s.write(0x20, 1)
        self.assertEqual(seen.grown, 1)

    def test_an_address_register_written_in_sg_mode(self) -> None:
        dma = self.dma()
        seen = dma.count("v_reserved_write")
        dma.mm2s.write(ADDRESS, 0x4800_0000)
        self.assertEqual(seen.grown, 1)

    def test_a_bd_outside_memory(self) -> None:
        dma = self.dma()
        seen = dma.count("v_bd_outside_ram")
        dma.mm2s.write_pair(CURDESC, NOWHERE)
        dma.mm2s.run()
        dma.mm2s.tail(NOWHERE)
        dma.mm2s.wait_halted()
        self.assertEqual(seen.grown, 1)

    def test_a_link_that_is_not_aligned(self) -> None:
        dma = self.dma()
        seen = dma.count("v_bd_unaligned")
        ring = dma.packets([noise(64)] * 2)
        self.qtest.write(ring.at[0], (ring.at[1] + 0x20).to_bytes(8, "little"))
        dma.mm2s.start(ring)
        self.pass_time()
        self.assertGreaterEqual(seen.grown, 1)

    def test_a_complete_bd_fetched(self) -> None:
        dma = self.dma()
        seen = dma.count("v_bd_reused")
        ring = dma.out(noise(64))
        ring.put(0, ring.buffers[0], 64, SOF | EOF, status=CMPLT)
        dma.mm2s.start(ring)
        dma.mm2s.wait_halted()
        self.assertEqual(seen.grown, 1)

    def test_a_length_of_zero(self) -> None:
        dma = self.dma()
        seen = dma.count("v_zero_length")
        ring = dma.out(noise(64))
        ring.put(0, ring.buffers[0], 0, SOF | EOF)
        dma.mm2s.start(ring)
        dma.mm2s.wait_halted()
        self.assertEqual(seen.grown, 1)

    def test_a_packet_that_does_not_begin_with_txsof(self) -> None:
        dma = self.dma()
        seen = dma.count("v_txsof_misplaced")
        ring = dma.out(noise(64))
        ring.put(0, ring.buffers[0], 64, EOF)
        dma.mm2s.start(ring)
        dma.mm2s.wait_complete(ring)
        self.assertEqual(seen.grown, 1)

    def test_a_packet_with_a_second_txsof(self) -> None:
        dma = self.dma()
        seen = dma.count("v_txsof_misplaced")
        ring = dma.out(noise(128), [64, 64])
        ring.put(1, ring.buffers[1], 64, SOF | EOF)
        dma.mm2s.start(ring)
        dma.mm2s.wait_complete(ring)
        self.assertEqual(seen.grown, 1)

    def test_a_register_written_during_a_reset(self) -> None:
        dma = self.dma()
        seen = dma.count("v_write_during_reset")
        dma.control["stuck_reset"] = 1
        dma.mm2s.write(CR, RESET)
        dma.mm2s.write(TAILDESC, 0)
        dma.control["stuck_reset"] = 0
        self.assertEqual(seen.grown, 1)

    def test_the_total_counts_them(self) -> None:
        dma = self.dma()
        violations = dma.count("violations")
        dma.mm2s.tail(dma.out(noise(64)).at[0])
        self.assertEqual(violations.grown, 1)

    def test_the_last_one_has_a_number(self) -> None:
        dma = self.dma()
        dma.mm2s.tail(dma.out(noise(64)).at[0])
        self.assertNotEqual(dma.control["last_violation"], 0)

    def test_another_one_has_another_number(self) -> None:
        dma = self.dma()
        dma.mm2s.tail(dma.out(noise(64)).at[0])
        one = dma.control["last_violation"]
        dma.mm2s.write(0x20, 1)
        self.assertNotEqual(dma.control["last_violation"], one)
