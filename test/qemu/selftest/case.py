# SPDX-License-Identifier: MIT
"""What the tests have in common: a machine of a class, engines as new for each test."""

import random
import unittest
from collections.abc import Callable
from dataclasses import dataclass

from .machine import Dma, Machine
from .qtest import QTest, QtestError


@dataclass
class Settings:
    """Of one run."""

    qemu: str = "qemu-system-aarch64"
    rule: int = 0  # the rule of PG021 that the model is told to break, 0 for none


SETTINGS = Settings()


def noise(size: int, seed: int = 1) -> bytes:
    """Bytes that are the same in each run and in no order."""
    return random.Random(seed).randbytes(size)


def counting(size: int, start: int = 0) -> bytes:
    """What a source sends: byte i of its stream is i modulo 256."""
    return bytes((start + i) & 0xFF for i in range(size))


class Case(unittest.TestCase):
    """A test of the model; one QEMU serves the tests of a class."""

    devices: tuple[str, ...] = ("loop0",)
    # For what can't be given back as it was
    fresh = False
    longMessage = True

    _machine: Machine | None = None

    @classmethod
    def tearDownClass(cls) -> None:
        cls._drop()

    @classmethod
    def _drop(cls) -> None:
        if cls._machine:
            cls._machine.close()
            cls._machine = None

    @property
    def machine(self) -> Machine:
        cls = type(self)
        if not cls._machine:
            cls._machine = Machine(SETTINGS.qemu, cls.devices, SETTINGS.rule)
        return cls._machine

    @property
    def qtest(self) -> QTest:
        return self.machine.qtest

    def dma(self, label: str = "") -> Dma:
        return self.machine.dma(label or self.devices[0])

    def tearDown(self) -> None:
        cls = type(self)
        if not cls._machine:
            return
        try:
            good = not cls.fresh and cls._machine.restore()
        except (QtestError, AssertionError):
            good = False
        if not good:
            cls._drop()

    # ---- assertions ----------------------------------------------------------

    def wait(self, happened: Callable[[], object], what: str, *, limit: int = 2_000_000) -> int:
        return self.machine.wait(happened, what, limit=limit)

    def pass_time(self, nanoseconds: int = 1_000_000) -> None:
        self.machine.pass_time(nanoseconds)

    def assert_bits(self, value: int, bits: int, note: str = "") -> None:
        self.assertEqual(value & bits, bits, f"{note}: of {bits:#010x}, in {value:#010x}")

    def assert_no_bits(self, value: int, bits: int, note: str = "") -> None:
        self.assertEqual(value & bits, 0, f"{note}: of {bits:#010x}, in {value:#010x}")

    def assert_same(self, got: bytes, wanted: bytes) -> None:
        """Equal, with a message that names the first difference and not a megabyte."""
        if got == wanted:
            return
        at = next((i for i, (a, b) in enumerate(zip(got, wanted)) if a != b), min(len(got), len(wanted)))
        self.fail(f"{len(got)} bytes instead of {len(wanted)}, first difference at {at}: "
                  f"{got[at:at + 8].hex()} instead of {wanted[at:at + 8].hex()}")
