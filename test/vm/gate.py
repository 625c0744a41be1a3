# SPDX-License-Identifier: MIT
"""After every program: did the kernel complain, and did every pin come back?"""

import re

# Matched with their case. In small letters several of these are harmless: a
# clean boot prints "report a bug".
COMPLAINTS = re.compile("|".join((
    r"BUG:",
    r"kernel BUG at",
    r"WARNING:",
    r"\bOops\b",
    r"general protection fault",
    r"Kernel panic",
    r"KASAN",
    r"KCSAN",
    r"KFENCE",
    r"UBSAN",
    r"DMA-API:",
    r"possible recursive locking detected",
    r"possible circular locking dependency detected",
    r"inconsistent lock state",
    r"suspicious RCU usage",
    r"INFO: task",
    r"INFO: rcu",
    r"INFO: trying to register non-static key",
    r"rcu: INFO",
    r"soft lockup",
    r"hard LOCKUP",
    r"Call Trace",
    r"scheduling while atomic",
    r"sleeping function called from invalid context",
    r"refcount_t:",
    r"list_(add|del) corruption",
    r"Bad page (state|map|cache)",
    r"unable to handle",
    r"unchecked MSR access",
    r"swiotlb buffer is full",
    r"unreferenced object",
    r"printk messages dropped",
)))

# A module that is not part of the kernel taints it when it is loaded, and
# says so; that is no finding. The words stand alone in their lines.
HARMLESS = re.compile(r"loading out-of-tree module taints kernel"
                      r"|module verification failed: signature and/or required key missing")

TIMESTAMP = re.compile(r"^\[\s*\d+\.\d+\](?:\[\s*[TC]\d+\])? ")


def complaints(log: list[str]) -> list[str]:
    """The lines of the kernel's log that speak of a bug."""
    return [line for line in log if COMPLAINTS.search(line) and not HARMLESS.search(line)]


def first_words(line: str) -> str:
    return TIMESTAMP.sub("", line)


class Pins:
    """The pins of all programs so far: each program answers for its own."""

    def __init__(self, acquired: int, released: int) -> None:
        self.missing = acquired - released

    def charge(self, acquired: int, released: int) -> int:
        """Pins that the last program took and did not give back (or gave twice)."""
        before, self.missing = self.missing, acquired - released
        return self.missing - before
