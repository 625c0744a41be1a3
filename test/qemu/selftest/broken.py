# SPDX-License-Identifier: MIT
"""Would the tests notice? The model breaks one rule of PG021 after the other.

A rule is broken at run time, by the model's switch break_rule: a build of its
own could differ in more than that. The list of rules is the model's.
"""

import re
import time
import unittest
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


def run(tests: list[unittest.TestCase], which: str) -> int:
    known = rules()
    wanted = sorted(known) if which == "all" else [int(which)]
    if not known or any(number not in known for number in wanted):
        print(f"{HEADER.name} lists no rule {which}")
        return 1

    missed: list[int] = []
    if which == "all" and _known_to_the_model() != max(known):
        print(f"the model knows {_known_to_the_model()} rules, {HEADER.name} lists {max(known)}")
        return 1
    start = time.monotonic()
    about = [test for test in tests if any(test in _about(known[number][0], tests) for number in wanted)]
    sound = suite.run(about, record=True)
    for name in sound.failed:
        print(f"fails with no rule broken, so it notices nothing: {name}")
    tests = [test for test in tests if suite.name(test) not in sound.failed]
    for number in wanted:
        word, sentence = known[number]
        case.SETTINGS.rule = number
        outcome = suite.run(_about(word, tests), record=True)
        case.SETTINGS.rule = 0
        print(f"{'noticed' if outcome.failed else 'MISSED '} {number:2} {word}: {sentence}", flush=True)
        for name in outcome.failed[:SHOWN]:
            print(f"           by {name}")
        if len(outcome.failed) > SHOWN:
            print(f"           and {len(outcome.failed) - SHOWN} more")
        if not outcome.failed:
            print(f"           not by {outcome.passed} tests about it")
        for name in outcome.upset:
            print(f"           an error is no notice: {name}")
        if not outcome.failed or outcome.upset:
            missed.append(number)
    print(f"time {time.monotonic() - start:.1f} s")
    print(f"{len(wanted) - len(missed)} rules noticed, {len(missed)} missed")
    return 1 if missed or sound.failed else 0
