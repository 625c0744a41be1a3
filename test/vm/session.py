# SPDX-License-Identifier: MIT
"""One boot of the guest as a run of tests: programs in, verdicts out."""

import time
from pathlib import Path

from .arch import Arch
from .gate import Pins, complaints, first_words
from .guest import Guest, GuestDied, Outcome, booted
from .kernels import Kernel
from .programs import Program
from .report import Report

SKIPPED = 77  # the exit code with which a program says that it can't run here

# Unpinning may be left to a worker; it is given this long.
PINS_SETTLE = 3.0

# Shown of what a failed program printed; all of it is in the log.
SHOWN = 60


class Session:
    """Runs programs until the guest dies, and says which are left to run."""

    def __init__(self, arch: Arch, kernel: Kernel, initramfs: Path, logs: Path, report: Report, *,
                 cmdline: str = "", kvm: bool = False, verbose: bool = False, filters: str = "") -> None:
        self.arch, self.kernel, self.initramfs, self.logs = arch, kernel, initramfs, logs
        self.report, self.cmdline, self.kvm = report, cmdline, kvm
        self.verbose, self.filters = verbose, filters
        self.pins = Pins(0, 0)

    def _name(self, program: str) -> str:
        return f"{program} ({f'{self.kernel.series} {self.cmdline}'.strip()})"

    def run(self, queue: list[Program]) -> list[Program]:
        """Returns the programs that a further boot has to run."""
        try:
            with booted(self.arch, self.kernel, self.initramfs, self.logs, self.cmdline, self.kvm) as (guest, log):
                if not self._loaded(log):
                    return self._not_run(queue, "the modules did not load")
                self.pins = Pins(*guest.pins())
                while queue:
                    program, queue = queue[0], queue[1:]
                    if not self._program(guest, program):
                        return queue
                self._unload(guest)
                guest.power_off()
        except GuestDied as death:
            return self._not_run(queue, str(death))
        return []

    def _not_run(self, queue: list[Program], reason: str) -> list[Program]:
        for program in queue:
            self.report.bad(self._name(program.name), None, f"not run: {reason}")
        if not queue:
            self.report.bad(self._name("guest"), None, reason)
        return []

    def _loaded(self, log: list[str]) -> bool:
        found = complaints(log)
        failed = [line for line in log if "pinring-mark: " in line]
        if found or failed:
            self.report.bad(self._name("load the modules"), None, first_words((failed + found)[0]), "\n".join(log))
        return not failed

    def _unload(self, guest: Guest) -> None:
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

    def _reload(self, guest: Guest) -> str:
        """Fresh modules: nothing of what a program left in the simulator is there any more."""
        said = guest.unload()
        if said == "ok":
            said = guest.load()
        return said

    def _settled_pins(self, guest: Guest) -> int:
        deadline = time.monotonic() + PINS_SETTLE
        before = self.pins.missing
        while True:
            acquired, released = guest.pins()
            if acquired - released == before or time.monotonic() > deadline:
                return self.pins.charge(acquired, released)
            time.sleep(0.1)

    def _program(self, guest: Guest, program: Program) -> bool:
        """Run and judge it. False when this boot is of no more use."""
        name = self._name(program.name)
        started = time.monotonic()
        if program.reload and (said := self._reload(guest)) != "ok":
            self.report.bad(name, None, f"the modules can't be reloaded: {said}")
            return False
        try:
            outcome = guest.run(f"{program.name} {program.args} {self.filters}", program.user, program.deadline)
            missing = self._settled_pins(guest)
        except GuestDied as death:
            log = guest.last_words()
            self._keep(program.name, guest.printed_so_far(), log)
            self.report.bad(name, time.monotonic() - started, str(death),
                            _tail(guest.printed_so_far()) + "\n" + _tail("\n".join(log)))
            return False
        self._keep(program.name, outcome.output, outcome.log)
        if self.verbose:
            print(outcome.output, end="", flush=True)
        faults = self._faults(program, outcome, missing)
        if outcome.code == SKIPPED and not faults:
            lines = [line.strip() for line in outcome.output.splitlines() if line.strip()]
            self.report.skip(name, lines[-1] if lines else "no reason given")
        elif faults:
            found = complaints(outcome.log)
            detail = "" if self.verbose else _tail(outcome.output)
            if found or outcome.code is None:
                detail += "\n" + _tail("\n".join(outcome.log))
            self.report.bad(name, outcome.seconds, "; ".join(faults), detail.strip("\n"))
            # What it left behind must not fail its neighbours.
            return self._reload(guest) == "ok" and self._forget(guest)
        else:
            self.report.good(name, outcome.seconds)
        return True

    def _forget(self, guest: Guest) -> bool:
        guest.log_since("reloaded")
        self._settled_pins(guest)
        return True

    @staticmethod
    def _faults(program: Program, outcome: Outcome, missing: int) -> list[str]:
        faults = []
        if outcome.code is None:
            faults.append(f"ended by its deadline of {program.deadline:.0f} s")
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

    def _keep(self, name: str, output: str, log: list[str]) -> None:
        text = output + "\n--- kernel log ---\n" + "\n".join(log) + "\n"
        (self.logs / f"{name}.log").write_text(text, encoding="utf-8")


def _tail(text: str) -> str:
    lines = text.rstrip().splitlines()
    if len(lines) <= SHOWN:
        return "\n".join(lines)
    return "\n".join([f"... {len(lines) - SHOWN} lines, see the log ..."] + lines[-SHOWN:])
