# SPDX-License-Identifier: MIT
"""One boot of the guest as a run of tests: programs in, verdicts out."""

import collections
import time
from dataclasses import dataclass
from pathlib import Path

from .gate import Pins, complaints, first_words
from .guest import Guest, GuestDied, Outcome, booted
from .kernels import Kernel
from .programs import Program
from .report import Report
from .tier import Tier

SKIPPED = 77  # the exit code with which a program says that it can't run here

# Unpinning may be left to a worker; it is given this long.
PINS_SETTLE = 3.0

# Shown of what a failed program printed; all of it is in the log.
SHOWN = 60


class Work:
    """Programs that run on one kernel with one command line; each is taken by one of the guests that share them."""

    def __init__(self, programs: list[Program]) -> None:
        # The longest first, so that no guest is left alone for long; what leaves pages pinned is a guest's last.
        by_length = sorted(programs, key=lambda program: -program.deadline)
        self._queue = collections.deque(program for program in by_length if not program.keeps_pins)
        self._last = collections.deque(program for program in by_length if program.keeps_pins)

    @staticmethod
    def _of(queue: collections.deque[Program]) -> Program | None:
        try:
            return queue.popleft()
        except IndexError:
            return None

    def take(self) -> Program | None:
        return self._of(self._queue)

    def take_last(self) -> Program | None:
        return self._of(self._last)

    def __bool__(self) -> bool:
        return bool(self._queue or self._last)


@dataclass
class Verdict:
    """What is to be said of a program."""

    kind: str  # pass, FAIL, skip, or "died": the program failed, and the guest is of no more use
    seconds: float
    remark: str = ""
    detail: str = ""


# Programs whose verdicts are known: a judge that calls one of them good is
# not to be believed about the others. The last one ends the guest.
KNOWN = (
    (Program("true", 30), "pass", ""),
    (Program("sh", 30, args="-c 'exit 3'"), "FAIL", "exit 3"),
    (Program("sh", 30, args="-c 'kill -SEGV $$'"), "FAIL", "signal 11"),
    (Program("sh", 30, args="-c 'echo no such thing; exit 77'"), "skip", "no such thing"),
    (Program("sleep", 1, args="1000"), "FAIL", "deadline"),
    (Program("sh", 30, "root", "-c 'echo WARNING: a known one >/dev/kmsg'"), "FAIL", "a known one"),
    (Program("sh", 30, "root", "-c 'echo WARNING: a known one >/dev/kmsg; exit 77'"), "FAIL", "a known one"),
    (Program("sh", 30, "root", "-c 'echo c >/proc/sysrq-trigger'"), "died", "the guest ended"),
)


class Session:
    """Runs programs until the guest dies, and says which are left to run."""

    def __init__(self, tier: Tier, kernel: Kernel, initramfs: Path, logs: Path, report: Report, *,
                 cmdline: str = "", kvm: bool = False, verbose: bool = False, filters: str = "",
                 check_judge: bool = False) -> None:
        self.tier, self.kernel, self.initramfs, self.logs = tier, kernel, initramfs, logs
        self.report, self.cmdline, self.kvm = report, cmdline, kvm
        self.verbose, self.filters, self.check_judge = verbose, filters, check_judge
        self.pins = Pins(0, 0)

    def _name(self, program: str) -> str:
        return f"{program} ({f'{self.tier.label(self.kernel)} {self.cmdline}'.strip()})"

    def run(self, work: Work) -> None:
        """Until the work is done, or this guest is of no more use and another one has to go on."""
        try:
            words = f"{self.tier.cmdline} {self.cmdline}".strip()
            with booted(self.tier.machine(), self.kernel, self.initramfs, self.logs, words, self.kvm) as (guest, log):
                if not self._loaded(log):
                    return self._not_run(work, "the modules did not load")
                self.pins = Pins(*guest.pins())
                while program := work.take():
                    if not self._program(guest, program):
                        return None
                unloaded = self._unload(guest)
                self._leaks(guest)
                if not unloaded:
                    return self._not_run(work, "the modules can't be unloaded")
                if program := work.take_last():
                    self._last(guest, program)
                if self.check_judge:
                    self._judge_the_judge(guest)
                else:
                    guest.power_off()
        except GuestDied as death:
            self.report.bad(self._name("guest"), None, str(death))
            self._not_run(work, str(death))
        return None

    def _last(self, guest: Guest, program: Program) -> None:
        """What leaves pages pinned: after it nothing can be unloaded, or counted."""
        if (said := guest.load()) != "ok":
            self.report.bad(self._name(program.name), None, f"the modules can't be reloaded: {said}")
        else:
            self._program(guest, program)

    def _not_run(self, work: Work, reason: str) -> None:
        while program := work.take() or work.take_last():
            self.report.bad(self._name(program.name), None, f"not run: {reason}")

    # --- the modules ---

    def _loaded(self, log: list[str]) -> bool:
        found = complaints(log)
        failed = [line for line in log if "pinring-mark: " in line]
        if found or failed:
            self.report.bad(self._name("load the modules"), None, first_words((failed + found)[0]), "\n".join(log))
        return not failed

    def _unload(self, guest: Guest) -> bool:
        """A module that is still held, or complains on its way out, has lost count of something."""
        started = time.monotonic()
        said = guest.unload()
        log = guest.log_since("unloaded")
        found = complaints(log)
        seconds = time.monotonic() - started
        if said != "ok" or found:
            self.report.bad(self._name("unload the modules"), seconds, said if said != "ok" else first_words(found[0]),
                            "\n".join(log))
        else:
            self.report.good(self._name("unload the modules"), seconds)
        return said == "ok"

    def _leaks(self, guest: Guest) -> None:
        """What the kernel's own search for lost memory finds, where the kernel has it."""
        if self.tier.name != "sanitised":
            return
        started = time.monotonic()
        guest.leaks()
        log = guest.log_since("leaks")
        found = [line for line in log if "unreferenced object" in line]
        if found:
            self.report.bad(self._name("leaks"), time.monotonic() - started, f"{len(found)} unreferenced objects",
                            "\n".join(log))
        else:
            self.report.good(self._name("leaks"), time.monotonic() - started)

    @staticmethod
    def _reload(guest: Guest) -> str:
        """Fresh modules: nothing of what a program left in the simulator is there any more."""
        said = guest.unload()
        if said == "ok":
            said = guest.load()
        return said

    # --- programs ---

    def _program(self, guest: Guest, program: Program) -> bool:
        """Run and report it. False when this boot is of no more use."""
        name = self._name(program.name)
        if program.reload and (said := self._reload(guest)) != "ok":
            self.report.bad(name, None, f"the modules can't be reloaded: {said}")
            return False
        verdict = self.judge(guest, program)
        if verdict.kind == "pass":
            self.report.good(name, verdict.seconds)
        elif verdict.kind == "skip":
            self.report.skip(name, verdict.remark)
        else:
            self.report.bad(name, verdict.seconds, verdict.remark, verdict.detail)
        if verdict.kind != "FAIL":
            return verdict.kind != "died"
        # What a failed program left behind must not fail its neighbours.
        if self._reload(guest) != "ok":
            return False
        guest.log_since("reloaded")
        self._settled_pins(guest)
        return True

    def judge(self, guest: Guest, program: Program) -> Verdict:
        started = time.monotonic()
        try:
            outcome = guest.run(f"{program.name} {program.args} {self.filters}", program.user,
                                program.deadline * self.tier.patience)
            missing = 0 if program.keeps_pins else self._settled_pins(guest)
        except GuestDied as death:
            log, printed = guest.last_words(), guest.printed_so_far()
            self._keep(program.name, printed, log)
            return Verdict("died", time.monotonic() - started, str(death),
                           "\n".join(filter(None, (_tail(printed), _tail("\n".join(log))))))
        self._keep(program.name, outcome.output, outcome.log)
        if self.verbose:
            print(outcome.output, end="", flush=True)
        faults = self._faults(program, outcome, missing)
        if faults:
            detail = "" if self.verbose else _tail(outcome.output)
            if complaints(outcome.log) or outcome.code is None:
                detail += "\n" + _tail("\n".join(outcome.log))
            return Verdict("FAIL", outcome.seconds, "; ".join(faults), detail.strip("\n"))
        if outcome.code == SKIPPED:
            lines = [line.strip() for line in outcome.output.splitlines() if line.strip()]
            return Verdict("skip", outcome.seconds, lines[-1] if lines else "no reason given")
        return Verdict("pass", outcome.seconds)

    @staticmethod
    def _faults(program: Program, outcome: Outcome, missing: int) -> list[str]:
        faults = []
        if outcome.code is None:
            faults.append(f"ended by its deadline of {outcome.seconds:.0f} s")
        elif outcome.code > 128:
            faults.append(f"ended by signal {outcome.code - 128}")
        elif outcome.code not in (0, SKIPPED):
            faults.append(f"exit {outcome.code}")
        found = complaints(outcome.log)
        if found:
            faults.append(f"dmesg: {first_words(found[0])}")
        if missing:
            faults.append(f"{missing} pages pinned and not unpinned" if missing > 0 else
                          f"{-missing} pages unpinned twice")
        return faults

    def _settled_pins(self, guest: Guest) -> int:
        deadline = time.monotonic() + PINS_SETTLE
        before = self.pins.missing
        while True:
            acquired, released = guest.pins()
            if acquired - released == before or time.monotonic() > deadline:
                return self.pins.charge(acquired, released)
            time.sleep(0.1)

    def _judge_the_judge(self, guest: Guest) -> None:
        started = time.monotonic()
        wrong = []
        self.verbose, self.filters = False, ""
        for program, kind, remark in KNOWN:
            verdict = self.judge(guest, program)
            if verdict.kind != kind or remark not in verdict.remark:
                wrong.append(f"{program.name} {program.args}: {verdict.kind}, {verdict.remark}")
        name = self._name("known verdicts")
        if wrong:
            self.report.bad(name, time.monotonic() - started, "misjudged", "\n".join(wrong))
        else:
            self.report.good(name, time.monotonic() - started, f"{len(KNOWN)} programs judged rightly")

    def _keep(self, name: str, output: str, log: list[str]) -> None:
        text = output + "\n--- kernel log ---\n" + "\n".join(log) + "\n"
        (self.logs / f"{name}.log").write_text(text, encoding="utf-8")


def _tail(text: str) -> str:
    lines = text.rstrip().splitlines()
    if len(lines) <= SHOWN:
        return "\n".join(lines)
    return "\n".join([f"... {len(lines) - SHOWN} lines, see the log ..."] + lines[-SHOWN:])
