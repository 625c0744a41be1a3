# SPDX-License-Identifier: MIT
"""A program that runs for long in the guest: shown to somebody who watches, and judged when it ends."""

import sys
import time
from collections.abc import Callable

from .gate import Pins, complaints, first_words
from .guest import Guest, Outcome
from .report import progress, say

PINS_SETTLE = 10.0
# Where nobody sees a line that is replaced, one is printed so often.
TOLD = 60.0


def shown(prefix: str) -> Callable[[bytes], None]:
    """The last line that the program has printed, for somebody who watches."""
    partial = b""
    told = time.monotonic()

    def show(data: bytes) -> None:
        nonlocal partial, told
        lines = (partial + data).split(b"\n")
        partial = lines.pop()
        if not lines:
            return
        text = f"{prefix} {lines[-1].decode(errors='replace').strip()}"
        progress(text)
        if not sys.stderr.isatty() and time.monotonic() - told > TOLD:
            told = time.monotonic()
            say("", text)

    return show


def faults_of(outcome: Outcome, missing: int) -> list[str]:
    faults = []
    if outcome.code is None:
        faults.append("ended by its deadline")
    elif outcome.code != 0:
        faults.append(f"exit {outcome.code}")
    found = complaints(outcome.log)
    if found:
        faults.append(f"dmesg: {first_words(found[0])}")
    if missing:
        faults.append(f"{missing} pages pinned and not unpinned" if missing > 0 else f"{-missing} pages unpinned twice")
    return faults


def settled(guest: Guest, pins: Pins) -> int:
    deadline = time.monotonic() + PINS_SETTLE
    while True:
        acquired, released = guest.pins()
        if acquired - released == pins.missing or time.monotonic() > deadline:
            return pins.charge(acquired, released)
        time.sleep(0.2)


def unloaded(guest: Guest) -> str:
    said = guest.unload()
    found = complaints(guest.log_since("unloaded"))
    if said != "ok":
        return f"the modules don't unload: {said}"
    return f"unloading the modules: {first_words(found[0])}" if found else ""
