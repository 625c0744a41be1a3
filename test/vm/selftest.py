# SPDX-License-Identifier: MIT
"""Tests of the harness itself, as far as they need no guest."""

import os
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from . import guards, kept, sanitised
from .cpio import Archive
from .gate import Pins, complaints
from .guest import clean
from .paths import ROOT
from .programs import Program, read
from .report import Failure
from .session import Work
from .tier import boards


class GateTest(unittest.TestCase):
    """What is a complaint of the kernel and what only looks like one."""

    def test_a_warning_is_a_complaint(self) -> None:
        line = "[    4.1] WARNING: CPU: 0 PID: 71 at mm/gup.c:72 try_get_folio+0x1/0x2"
        self.assertEqual(complaints(["[    4.0] fine", line]), [line])

    def test_every_kind_of_report_is_seen(self) -> None:
        for text in ("BUG: unable to handle page fault for address: 0000000000001000",
                     "BUG: KASAN: slab-out-of-bounds in f+0x1/0x2",
                     "Oops: 0002 [#1] PREEMPT SMP NOPTI",
                     "general protection fault, probably for non-canonical address",
                     "INFO: task pinring:71 blocked for more than 30 seconds.",
                     "WARNING: possible circular locking dependency detected",
                     "WARNING: possible recursive locking detected",
                     "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
                     "watchdog: BUG: soft lockup - CPU#0 stuck for 22s!",
                     "Kernel panic - not syncing: Fatal exception",
                     "refcount_t: underflow; use-after-free.",
                     "list_del corruption, ffff888 is LIST_POISON1",
                     "** 12 printk messages dropped **",
                     "DMA-API: exceeded 7 overlapping mappings"):
            with self.subTest(text):
                self.assertEqual(len(complaints([f"[   12.345678] {text}"])), 1)

    def test_harmless_lines_pass(self) -> None:
        self.assertEqual(complaints([
            "[    0.1] ACPI: If the device works, please report a bug to your vendor",
            "[    3.7] pinring: loading out-of-tree module taints kernel.",
            "[    3.7] pinring: module verification failed: signature and/or required key missing - tainting kernel",
            "[    3.8] warning: `pinring' uses a deprecated call",
            "[    3.9] oops=panic is set"]), [])


class KasanTest(unittest.TestCase):
    """Which objects KASAN is in, by what nm says of them."""

    @staticmethod
    def _missing(symbols: str, code: int = 0) -> list[str]:
        done = subprocess.CompletedProcess([], code, stdout=symbols)
        with mock.patch.object(subprocess, "run", return_value=done):
            return sanitised.without_kasan([Path("some/pinring.ko")])

    def test_looked_at_inline_or_by_calls(self) -> None:
        self.assertEqual(self._missing("                 U __asan_report_load8_noabort\n"), [])
        self.assertEqual(self._missing("                 U __asan_store4_noabort\n"), [])

    def test_what_only_has_globals_is_not_looked_at(self) -> None:
        self.assertEqual(self._missing("                 U __asan_register_globals\n                 U kfree\n"),
                         ["pinring.ko"])

    def test_what_nm_can_not_read_is_no_pass(self) -> None:
        with self.assertRaisesRegex(Failure, "no such file"):
            self._missing("nm: no such file", 1)

    def test_an_object_without_it_is_told_by_name(self) -> None:
        with mock.patch.object(sanitised, "without_kasan", return_value=["gup.o"]), \
                self.assertRaisesRegex(Failure, "gup.o"):
            sanitised.check([Path("mm/gup.o")])


class PinsTest(unittest.TestCase):
    """Each program is charged with its own pins only."""

    def test_a_balance_is_no_charge(self) -> None:
        self.assertEqual(Pins(0, 0).charge(100, 100), 0)

    def test_a_leak_is_charged_once(self) -> None:
        pins = Pins(5, 5)
        self.assertEqual(pins.charge(20, 17), 3)
        self.assertEqual(pins.charge(30, 27), 0)

    def test_a_second_unpin_is_negative(self) -> None:
        self.assertEqual(Pins(0, 0).charge(10, 11), -1)


class OutputTest(unittest.TestCase):
    """What a program printed, without what the channel added."""

    def test_trailer_colours_and_returns_are_gone(self) -> None:
        self.assertEqual(clean(b"\x1b[0;32mfine\x1b[0m\r\n\x1eend 12\n"), "fine\n")


class ArchiveTest(unittest.TestCase):
    """The form that the kernel unpacks."""

    def test_members_are_aligned_and_ended(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "archive"
            with Archive(path) as archive:
                archive.text("a/b/c", "12345", 0o600)
                archive.link("d", "a")
            raw = path.read_bytes()
        self.assertEqual(len(raw) % 4, 0)
        names = []
        at = 0
        while at < len(raw):
            self.assertEqual(raw[at:at + 6], b"070701")
            fields = [int(raw[at + 6 + 8 * i:at + 14 + 8 * i], 16) for i in range(13)]
            name = raw[at + 110:at + 110 + fields[11] - 1].decode()
            names.append(name)
            at += (110 + fields[11] + 3) // 4 * 4
            if name == "a/b/c":
                self.assertEqual(raw[at:at + fields[6]], b"12345")
                self.assertEqual(fields[1], 0o100600)
            at += (fields[6] + 3) // 4 * 4
        self.assertEqual(names, ["a", "a/b", "a/b/c", "d", "TRAILER!!!"])


class TierTest(unittest.TestCase):
    """What a tier asks QEMU for."""

    def test_each_board_is_a_device_with_its_label(self) -> None:
        words = boards()
        devices = words[1::2]
        self.assertEqual(set(words[::2]), {"-device"})
        self.assertIn("pinring-axi-dma,label=loop0,stream=loopback", devices)
        self.assertIn("pinring-axi-dma,label=align8,stream=loopback,dre=off,data-width=64", devices)

    def test_a_program_of_one_tier_is_not_run_on_another(self) -> None:
        listed = {program.name: program for program in read() if not program.cmdline}
        self.assertNotIn("stock", listed["axidma_clean_run"].tiers)
        self.assertEqual(listed["uapi_layout"].tiers, Program.tiers)


class ProgramsTest(unittest.TestCase):
    """What the lists of programs mean."""

    def test_a_program_that_runs_again_runs_on_every_kernel_with_its_own_words(self) -> None:
        plain, again = [program for program in read() if program.name == "memlock"]
        self.assertEqual((plain.cmdline, plain.tiers), ("", Program.tiers))
        self.assertTrue(again.cmdline.startswith("swiotlb="))
        self.assertEqual((again.smoke, again.tiers, again.deadline), (True, ("stock",), plain.deadline))

    def test_no_two_lines_of_the_report_have_one_name(self) -> None:
        runs = [(program.name, program.cmdline) for program in read()]
        self.assertEqual(len(set(runs)), len(runs))


class BootsTest(unittest.TestCase):
    """Which programs share a guest."""

    def test_what_leaves_pages_pinned_is_the_last_of_a_boot(self) -> None:
        work = Work([Program("keeps", 30, keeps_pins=True), Program("short", 10), Program("long", 20)])
        taken = [program.name for program in iter(work.take, None)]
        self.assertEqual(taken, ["long", "short"])
        self.assertTrue(work)
        self.assertEqual(work.take_last().name, "keeps")
        self.assertFalse(work)


class KeptTest(unittest.TestCase):
    """Modules that the next clone need not build."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        environment = mock.patch.dict(os.environ, XDG_CACHE_HOME=str(self.folder / "cache"))
        environment.start()
        self.addCleanup(environment.stop)

    def _store(self, inputs: str, text: str, kernel: str = "6.1") -> None:
        files = [self.folder / "second.ko", self.folder / "first.ko"]
        for file in files:
            file.write_text(f"{file.stem} {text}", encoding="ascii")
        kept.store(kernel, inputs, files, ["a warning"])

    def test_what_was_stored_comes_back_in_its_order_and_with_its_warnings(self) -> None:
        self._store("a", "of a")
        found = kept.fetch("6.1", "a", self.folder / "copies")
        assert found
        self.assertEqual([(file.parent.name, file.read_text(encoding="ascii")) for file in found[0]],
                         [("copies", "second of a"), ("copies", "first of a")])
        self.assertEqual(found[1], ["a warning"])

    def test_other_inputs_or_another_kernel_find_nothing(self) -> None:
        self._store("a", "of a")
        self.assertIsNone(kept.fetch("6.1", "b", self.folder / "copies"))
        self.assertIsNone(kept.fetch("6.12", "a", self.folder / "copies"))

    def test_what_a_killed_run_left_is_not_taken_and_goes(self) -> None:
        left = kept.place("6.1", "a").parent / f"{kept.ASIDE}x"
        (left / "part").mkdir(parents=True)
        self._store("a", "of a")
        self.assertFalse(left.exists())

    def test_of_one_kernel_those_stay_that_were_used_last(self) -> None:
        self._store("of another", "", kernel="6.12")
        for number in range(kept.MOST):
            self._store(str(number), "")
            os.utime(kept.place("6.1", str(number)), (number, number))
        kept.fetch("6.1", "0", self.folder / "copies")
        self._store("new", "")
        gone = [name for name in (*map(str, range(kept.MOST)), "new") if not kept.place("6.1", name).exists()]
        self.assertEqual(gone, ["1"])
        self.assertTrue(kept.place("6.12", "of another").exists())


class GuardsTest(unittest.TestCase):
    """What ./run guards takes out, which nobody runs with every change."""

    def test_each_guard_is_in_the_driver_once(self) -> None:
        for guard in guards.read():
            text = (ROOT / guard.file).read_text(encoding="utf-8")
            self.assertEqual(text.count(guard.find), 1, guard.name)

    def test_each_guard_names_a_program_that_there_is(self) -> None:
        self.assertLessEqual({guard.program for guard in guards.read()}, {program.name for program in read()})
