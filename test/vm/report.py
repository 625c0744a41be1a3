# SPDX-License-Identifier: MIT
"""What the person at the terminal sees, and the exit code."""

import sys
import threading
import time
from dataclasses import dataclass, field

START = time.monotonic()

# Where the lines about steps go. A command whose own output may be read by a
# program keeps them out of it.
stream = sys.stdout  # pylint: disable=invalid-name


def progress(text: str) -> None:
    """A line that the next one replaces, for somebody who watches; "" removes it."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text[:78]}")
        sys.stderr.flush()


def say(topic: str, text: str) -> None:
    """One line about a step that is not a test."""
    progress("")
    print(f"{topic:<10} {text}", file=stream, flush=True)


class Failure(Exception):
    """A step failed and says why; the run ends with it."""


class Unavailable(Failure):
    """What a tier is made of is not to be had on this machine: the tier is skipped, and says why."""


@dataclass
class Report:
    """Counts the outcomes; one line each, and the closing line. Guests side by side share it."""

    passed: int = 0
    skipped: int = 0
    failures: list[str] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def line(self, verdict: str, name: str, seconds: float | None, remark: str = "") -> None:
        progress("")
        took = "" if seconds is None else f"{seconds:7.1f} s"
        print(f"{verdict:<4}  {name:<34} {took:>9}  {remark}".rstrip(), flush=True)

    def good(self, name: str, seconds: float | None = None, remark: str = "") -> None:
        with self.lock:
            self.passed += 1
            self.line("pass", name, seconds, remark)

    def bad(self, name: str, seconds: float | None, remark: str, detail: str = "") -> None:
        with self.lock:
            self.failures.append(name)
            self.line("FAIL", name, seconds, remark)
            if detail:
                for text in detail.rstrip().splitlines():
                    print(f"      | {text}")
                sys.stdout.flush()

    def skip(self, name: str, reason: str) -> None:
        with self.lock:
            self.skipped += 1
            self.line("skip", name, None, reason)

    def close(self) -> int:
        """Print the closing line; the exit code says whether all is well."""
        say("time", f"{time.monotonic() - START:.0f} s")
        if self.failures:
            say("failed", " ".join(self.failures))
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        print(f"{self.passed} passed, {len(self.failures)} failed{skipped}", flush=True)
        if self.failures:
            return 1
        return 0 if self.passed else 2
