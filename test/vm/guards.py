# SPDX-License-Identifier: MIT
"""./run guards: is each guard of the driver kept by the test that is named for it?

A guard of test/guards/guards.toml is a piece of the driver's text and what it
is replaced by to take the guard out. The test that names it must pass on the
driver as it is, and fail on the one without the guard.
"""

import argparse
import contextlib
import re
import shlex
import shutil
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from . import image, kbuild, modules, programs, tier
from .gate import Pins, complaints
from .guest import Guest, booted
from .kernels import Kernel
from .paths import BUILD, ROOT
from .programs import Program
from .report import Failure, Report, say
from .session import Session, Verdict
from .tier import Tier
from .workspace import Workspace, build_programs

LIST = ROOT / "test" / "guards" / "guards.toml"

# The tree without a guard, for all of them in turn: what is the same is not compiled again.
WITHOUT = BUILD / "without-a-guard"


@dataclass(frozen=True)
class Guard:
    name: str
    bug: int  # number in docs/testing.md
    file: str  # in the tree
    find: str  # there, once
    replace: str
    program: str
    test: str  # the test case, by its whole name; "": all of the program
    tier: str = "stock"
    kernel: str = ""  # series; "": the tier's first


def read() -> list[Guard]:
    entries: list[dict[str, Any]] = tomllib.loads(LIST.read_text(encoding="utf-8"))["guard"]
    found = [Guard(**entry) for entry in entries]
    names = [guard.name for guard in found]
    if len(set(names)) != len(names):
        raise Failure(f"{LIST.relative_to(ROOT)}: a name is there twice")
    return found


def _without(guard: Guard, parts: tuple[str, ...]) -> Path:
    """The modules' part of the tree, without the guard."""
    kbuild.sync(ROOT, WITHOUT, parts)
    path = WITHOUT / guard.file
    text = (ROOT / guard.file).read_text(encoding="utf-8")
    if text.count(guard.find) != 1:
        raise Failure(f"{LIST.relative_to(ROOT)}: {guard.name}: its text is in {guard.file} "
                      f"{text.count(guard.find)} times, not once")
    path.write_text(text.replace(guard.find, guard.replace), encoding="utf-8")
    return WITHOUT


def _filter(test: str) -> str:
    """Catch2 gives a comma and a bracket a meaning of their own."""
    return shlex.quote(re.sub(r"([,\[\\])", r"\\\1", test)) if test else ""


class Bench:
    """One tier and kernel: boots guests with one set of modules or another."""

    def __init__(self, where: Tier, kernel: Kernel, cmdline: str, names: list[str], space: Workspace,
                 report: Report) -> None:
        self.where, self.kernel, self.space, self.report = where, kernel, space, report
        self.label = f"{where.label(kernel)} {cmdline}".strip()
        self.cmdline = f"{where.cmdline} {cmdline}".strip()
        # Of one that is listed again for another boot, the plain one, which is in front.
        listed = {program.name: program for program in reversed(programs.read())}
        self.programs = {name: listed[name] for name in names}
        self.folder = space.folder / re.sub(r"\W", "-", self.label)
        build = where.programs()
        self.files = build_programs(build, sorted(self.programs), space.folder / f"programs-{build.name}")

    @contextlib.contextmanager
    def boot(self, kos: list[Path]) -> Iterator[tuple[Session, Guest]]:
        initramfs = image.write(self.folder / "initramfs", self.where.arch,
                                image.Contents(modules=kos, programs=self.files))
        try:
            with booted(self.where.machine(), self.kernel, initramfs, self.folder, self.cmdline) as (guest, log):
                if complaints(log):
                    raise Failure("the modules don't load cleanly:\n" + "\n".join(log))
                session = Session(self.where, self.kernel, initramfs, self.folder, self.report)
                session.pins = Pins(*guest.pins())
                yield session, guest
        finally:
            initramfs.unlink()

    def modules(self, source: Path) -> list[Path]:
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.where.modules(self.kernel, self.folder / "modules", source).files

    def judge(self, session: Session, guest: Guest, guard: Guard) -> Verdict:
        program: Program = self.programs[guard.program]
        return session.judge(guest, replace(program, args=f"{program.args} {_filter(guard.test)}".strip()))

    def sound(self, guards: list[Guard]) -> list[Guard]:
        """Those whose tests pass with the guard in place: others could not show anything."""
        good = []
        with self.boot(self.modules(ROOT)) as (session, guest):
            for guard in guards:
                verdict = self.judge(session, guest, guard)
                if verdict.kind == "pass":
                    good.append(guard)
                elif verdict.kind == "skip":
                    self.report.skip(f"{guard.name} ({self.label})", verdict.remark)
                else:
                    self.report.bad(f"{guard.name} ({self.label})", verdict.seconds,
                                    f"with the guard: {verdict.kind} {verdict.remark}", verdict.detail)
            guest.power_off()
        return good

    def without(self, guard: Guard) -> None:
        started = time.monotonic()
        name = f"{guard.name} ({self.label})"
        try:
            kos = self.modules(_without(guard, modules.parts_of(self.where.axidma)))
        except Failure as failure:
            self.report.bad(name, time.monotonic() - started, "can't be taken out", str(failure))
            return
        try:
            with self.boot(kos) as (session, guest):
                verdict = self.judge(session, guest, guard)
        except Failure as failure:
            self.report.bad(name, time.monotonic() - started, "its test was not reached", str(failure))
            return
        seconds = time.monotonic() - started
        if verdict.kind in ("FAIL", "died"):
            self.report.good(name, seconds, f"{guard.program} fails without it: {verdict.remark}")
        else:
            self.report.bad(name, seconds, f"nobody notices: {guard.program}, \"{guard.test or 'all'}\"")


def guards(args: argparse.Namespace) -> int:
    known = read()
    unknown = set(args.names) - {guard.name for guard in known}
    if unknown:
        raise Failure(f"no such guard: {', '.join(sorted(unknown))}\n"
                      f"There are: {', '.join(guard.name for guard in known)}")
    wanted = [guard for guard in known if not args.names or guard.name in args.names]
    cmdlines = {program.name: program.cmdline for program in reversed(programs.read())}

    def place_of(guard: Guard) -> tuple[str, str, str]:
        return guard.tier, guard.kernel, cmdlines[guard.program]

    report = Report()
    with Workspace("guards") as space:
        say("logs", str(space.folder.relative_to(ROOT)))
        for place in sorted({place_of(guard) for guard in wanted}):
            where = tier.named(place[0])
            where.need_packages()
            of_this = [guard for guard in wanted if place_of(guard) == place]
            bench = Bench(where, where.kernel(place[1] or None), place[2],
                          sorted({guard.program for guard in of_this}), space, report)
            for guard in bench.sound(of_this):
                bench.without(guard)
    shutil.rmtree(WITHOUT, ignore_errors=True)
    return report.close()
