# SPDX-License-Identifier: MIT
"""Finds the tests, runs them, says one line about each."""

import importlib
import re
import traceback
import unittest
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

Error = tuple[type[BaseException], BaseException, TracebackType]


def _flat(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from _flat(item)
        else:
            yield item


def name(test: unittest.TestCase) -> str:
    """As a sentence: file and class say what it is about."""
    subject = type(test).__module__.rpartition(".")[2].removeprefix("test_")
    part = re.sub(r"(?<!^)(?=[A-Z])", " ", type(test).__name__).lower()
    method = test.id().rpartition(".")[2].removeprefix("test_")
    return f"{subject}, {part}: {method.replace('_', ' ')}"


def select(names: list[str]) -> list[unittest.TestCase]:
    """All tests, or those whose name has one of @names in it."""
    found: list[unittest.TestCase] = []
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        module = importlib.import_module(f"{__package__}.{path.stem}")
        found += _flat(unittest.defaultTestLoader.loadTestsFromModule(module))
    wanted = [part.replace("_", " ") for part in names]
    return [test for test in found if not wanted or any(part in name(test) for part in wanted)]


@dataclass
class Outcome:
    """Of a run."""

    passed: int = 0
    failed: list[str] = field(default_factory=list)
    # Those of the failed that did not come as far as an assertion
    upset: list[str] = field(default_factory=list)


class _Lines(unittest.TestResult):
    """One line for each test; a failure with its reason."""

    def __init__(self, outcome: Outcome, quiet: bool, record: bool) -> None:
        super().__init__()
        self._outcome = outcome
        self._quiet = quiet
        self._record = record

    def addSuccess(self, test: unittest.TestCase) -> None:
        super().addSuccess(test)
        self._outcome.passed += 1
        if not self._quiet:
            print(f"ok      {name(test)}", flush=True)

    def _bad(self, test: unittest.TestCase, reason: str) -> None:
        self._outcome.failed.append(name(test))
        if not self._record:
            print(f"FAILED  {name(test)}", flush=True)
            print("        " + reason.strip().replace("\n", "\n        "), flush=True)

    def addFailure(self, test: unittest.TestCase, err: Error) -> None:
        super().addFailure(test, err)
        places = [frame for frame in traceback.extract_tb(err[2]) if Path(frame.filename).name.startswith("test_")]
        self._bad(test, f"line {places[-1].lineno if places else '?'}: {err[1]}")

    def addError(self, test: unittest.TestCase, err: Error) -> None:
        super().addError(test, err)
        self._outcome.upset.append(name(test))
        self._bad(test, "".join(traceback.format_exception(*err)))

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        self._bad(test, f"skipped, which a self-test may not be: {reason}")


def run(tests: list[unittest.TestCase], *, quiet: bool = False, record: bool = False) -> Outcome:
    """Says one line for each test; nothing if it is only to be recorded."""
    outcome = Outcome()
    # A suite runs tearDownClass between classes, so the tests stay in their order.
    unittest.TestSuite(tests).run(_Lines(outcome, quiet or record, record))
    return outcome
