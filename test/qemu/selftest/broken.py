# SPDX-License-Identifier: MIT
"""Would the tests notice? The model breaks one rule of PG021 after the other.

A rule is broken at run time, by the model's switch break_rule: a build of its
own could differ in more than that. The list of rules is the model's.
"""

import multiprocessing
import os
import re
import time
import unittest
from dataclasses import dataclass
from pathlib import Path

from . import case, suite

HEADER = Path(__file__).parent.parent / "axi_dma_rules.h"

# Parts of the names of tests that are about a rule. They alone must notice: that
# something somewhere breaks, when an engine is broken, proves little.
ABOUT: dict[str, tuple[str, ...]] = {
    "IRQ_CLEARS": ("writing one clears the event", "writing one lowers the line"),
    "CURDESC_LOCKED": ("descriptor can not be written", "upper half can not be written"),
    "HALTS": ("brings halted", "stop: a waiting receive halts", "stop: a blocked send halts"),
    "JOINT_RESET": ("reset: of mm2s it", "reset: of s2mm it"),
    "ZERO_LENGTH": ("zero length: ",),
    "STALE_BD": ("stale descriptor: ", "stops at its first complete bd"),
    "SHORT_PACKET": ("a short packet ends the bd", "several packets: "),
    "RXEOF": ("rxeof is in the last", "fits exactly sets both flags"),
    "IOC_AT_END": ("raises no ioc", "three bds is one event"),
    "THRESHOLD": ("interrupts, threshold: ",),
    "TAIL_HALTED": ("tail: a tail written while halted",),
    "BYTE_COUNT": ("says how many bytes", "says its own bytes"),
    "ERRORS_STAY": ("writing ones to the status does not clear it",),
    "SG_INCLUDED": ("sg engine is included", "status reads its default"),
    "DELAY": ("interrupts, delay: it ",),
    "IDLE": ("idle at the tail",),
    "CURDESC_AT_ERROR": ("the current descriptor is the",),
    "TAIL_MSB": ("the lower half alone starts nothing",),
    "RESET_CLEARS": ("reset: status reads its default again", "lasting: a reset ends it"),
    "IRQ_ENABLE": ("without its enable the line stays low",),
    "TAIL_STOPS": ("the engine pauses after the tail",),
    "ERROR_HALTS": ("the channel clears rs", "stale descriptor: "),
}

# Lines shown of the tests that noticed
SHOWN = 3


def rules() -> dict[int, tuple[str, str]]:
    """Number, name and sentence of each rule."""
    found = re.findall(r"/\*\s*(\d+): (.*?)\s*\*/\s*PINRING_RULE_(\w+)", HEADER.read_text(), re.DOTALL)
    return {int(number): (word, re.sub(r"\s*\n\s*\*\s*", " ", sentence)) for number, sentence, word in found}


def _about(rule: str, tests: list[unittest.TestCase]) -> list[unittest.TestCase]:
    return [test for test in tests if any(part in suite.name(test) for part in ABOUT.get(rule, ()))]


def _known_to_the_model() -> int:
    """The highest number that the model's switch takes."""
    machine = case.Machine(case.SETTINGS.qemu, ("loop0",))
    try:
        return machine.dma("loop0").control.maximum["break_rule"]
    finally:
        machine.close()


@dataclass(frozen=True)
class Judgement:
    """What the tests about a rule made of a model that breaks it."""

    rule: int
    outcome: suite.Outcome

    @property
    def noticed(self) -> bool:
        return bool(self.outcome.failed) and not self.outcome.upset

    def lines(self, word: str, sentence: str) -> list[str]:
        failed = self.outcome.failed
        lines = [f"{'noticed' if failed else 'MISSED '} {self.rule:2} {word}: {sentence}"]
        lines += [f"           by {name}" for name in failed[:SHOWN]]
        if len(failed) > SHOWN:
            lines.append(f"           and {len(failed) - SHOWN} more")
        if not failed:
            lines.append(f"           not by {self.outcome.passed} tests about it")
        lines += [f"           an error is no notice: {name}" for name in self.outcome.upset]
        return lines


# Of the process that forks the workers: tests can't be sent to one.
_SOUND: list[unittest.TestCase] = []


def _judge(rule: int) -> Judgement:
    """In a worker, which has its own copy of the settings and machines of its own."""
    case.SETTINGS.rule = rule
    return Judgement(rule, suite.run(_about(rules()[rule][0], _SOUND), record=True))


def run(tests: list[unittest.TestCase], which: str) -> int:
    known = rules()
    wanted = sorted(known) if which == "all" else [int(which)]
    if not known or any(number not in known for number in wanted):
        print(f"{HEADER.name} lists no rule {which}")
        return 1
    if which == "all" and _known_to_the_model() != max(known):
        print(f"the model knows {_known_to_the_model()} rules, {HEADER.name} lists {max(known)}")
        return 1

    missed: list[int] = []
    start = time.monotonic()
    about = [test for test in tests if any(test in _about(known[number][0], tests) for number in wanted)]
    sound = suite.run(about, record=True)
    for name in sound.failed:
        print(f"fails with no rule broken, so it notices nothing: {name}")
    _SOUND[:] = [test for test in tests if suite.name(test) not in sound.failed]
    # A test that notices has often waited for what did not come: two of them keep a core busy.
    with multiprocessing.get_context("fork").Pool(2 * (os.cpu_count() or 1)) as pool:
        for judgement in pool.imap(_judge, wanted):
            print("\n".join(judgement.lines(*known[judgement.rule])), flush=True)
            if not judgement.noticed:
                missed.append(judgement.rule)
    print(f"time {time.monotonic() - start:.1f} s")
    print(f"{len(wanted) - len(missed)} rules noticed, {len(missed)} missed")
    return 1 if missed or sound.failed else 0
