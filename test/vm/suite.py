# SPDX-License-Identifier: MIT
"""./run test: unit tests on the host, everything else in the guest."""

import argparse
import contextlib
import functools
import json
import re
import shlex
import subprocess
import sys
import threading
import time
import unittest
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import image, meson, packages, programs, qemu, side_by_side, tier
from .kernels import Kernel
from .paths import ROOT
from .programs import Program
from .report import Failure, Report, Unavailable, say
from .session import Session, Work
from .tier import Tier
from .workspace import Workspace, build_programs

# Where Meson makes test programs that only a guest can run.
GUEST_TESTS = ("test/uapi", "test/lib", "test/fault", "test/axidma", "test/fuzz", "test/sweep")

MODEL_DEADLINE = 300.0

# As many programs, and a second guest helps with them.
FOR_TWO = 12


@dataclass(frozen=True)
class Boot:
    """A guest, and how much there is to be done by it and those that share its work."""

    alone: bool
    weight: float
    run: Callable[[], None]


def _harness(report: Report) -> None:
    """The judge is tested first."""
    started = time.monotonic()
    tests = unittest.defaultTestLoader.loadTestsFromName("vm.selftest")
    result = unittest.TestResult()
    tests.run(result)
    seconds = time.monotonic() - started
    wrong = result.failures + result.errors
    if wrong or not result.testsRun:
        report.bad("harness", seconds, f"{len(wrong)} of {result.testsRun}", "\n".join(text for _, text in wrong))
    else:
        report.good("harness", seconds, f"{result.testsRun} tests of the gate and the image")


def _unit(report: Report) -> None:
    """Meson's own tests, of the build that a user makes."""
    started = time.monotonic()
    try:
        meson.HOST.make()
    except Failure as failure:
        report.bad("build for the host", time.monotonic() - started, "does not build", str(failure))
        return
    report.good("build for the host", time.monotonic() - started)
    log = meson.HOST.folder / "meson-logs" / "testlog.json"
    log.unlink(missing_ok=True)
    subprocess.run(["meson", "test", "-C", str(meson.HOST.folder), "--no-rebuild"], cwd=ROOT, check=False,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if not log.exists():
        say("unit", "the build has no unit tests")
        return
    for line in log.read_text(encoding="utf-8").splitlines():
        test = json.loads(line)
        name = test["name"].split(" / ")[-1]
        if test["result"] in ("OK", "EXPECTEDFAIL"):
            report.good(name, test["duration"])
        elif test["result"] == "SKIP":
            report.skip(name, _reason(test.get("stdout", "")))
        else:
            report.bad(name, test["duration"], test["result"].lower(),
                       test.get("stdout", "") + test.get("stderr", ""))


def _reason(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"


def _model(report: Report, broken: bool) -> None:
    """The self-test of the AXI DMA model, by registers alone, and of the self-test by broken models."""
    started = time.monotonic()
    try:
        program = qemu.get()
    except Unavailable as reason:
        report.skip("model", str(reason))
        return
    except Failure as failure:
        report.bad("QEMU with the model", time.monotonic() - started, "does not build", str(failure))
        return
    report.good("QEMU with the model", time.monotonic() - started)
    tests = [("model self-test", []), ("model self-test, broken models", ["--break"])]
    for name, words in tests if broken else tests[:1]:
        started = time.monotonic()
        try:
            done = subprocess.run([sys.executable, "-m", "qemu.selftest", "--qemu", str(program), *words], check=False,
                                  cwd=ROOT / "test", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, timeout=MODEL_DEADLINE)
        except subprocess.TimeoutExpired:
            report.bad(name, MODEL_DEADLINE, "ended by its deadline")
            continue
        if done.returncode:
            report.bad(name, time.monotonic() - started, f"exit {done.returncode}", done.stdout[-8000:])
        else:
            report.good(name, time.monotonic() - started, _reason(done.stdout))


def _modules(report: Report, where: Tier, kernel: Kernel, space: Workspace) -> list[Path] | None:
    """Build for the kernel at W=1; a warning is a failure."""
    name = f"modules for {kernel.name}"
    started = time.monotonic()
    try:
        built = where.modules(kernel, space.folder / "modules" / kernel.name)
    except Failure as failure:
        report.bad(name, time.monotonic() - started, "does not build", str(failure))
        return None
    seconds = time.monotonic() - started
    if built.warnings:
        report.bad(name, seconds, f"{len(built.warnings)} warnings at W=1", "\n".join(built.warnings))
    else:
        report.good(name, seconds, "W=1, no warning")
    return built.files


def _unlisted(build: meson.Build, listed: list[Program]) -> list[str]:
    """Test programs that would be built and never run."""
    names = {program.name for program in listed}
    found = []
    for target in build.targets():
        folder = str(Path(target["defined_in"]).parent.relative_to(ROOT))
        if target["type"] == "executable" and folder in GUEST_TESTS and target["name"] not in names:
            found.append(target["name"])
    return found


def _boot(where: Tier, kernel: Kernel, cmdline: str, work: Work, initramfs: Path, space: Workspace, report: Report,
          args: argparse.Namespace, check_judge: bool, number: int) -> None:
    """Run programs that share a kernel and a command line; a guest that dies is followed by another."""
    logs = space.folder / re.sub(r"[ =,]", "-", f"{where.name} {kernel.series} {number} {cmdline}".strip())
    while work:
        Session(where, kernel, initramfs, logs, report, cmdline=cmdline, kvm=args.kvm, verbose=args.verbose,
                filters=" ".join(map(shlex.quote, args.rest)), check_judge=check_judge).run(work)


@dataclass(frozen=True)
class BuiltPrograms:
    """Not told yet: whether a tier can run at all is known later."""

    files: list[Path]
    seconds: float
    wrong: str = ""
    detail: str = ""


def _programs(where: Tier, wanted: list[Program], everything: bool, space: Workspace) -> BuiltPrograms:
    started = time.monotonic()
    try:
        build = where.programs()
        names = dict.fromkeys(program.name for program in wanted)
        files = build_programs(build, names, space.folder / f"programs-{build.name}")
        unlisted = _unlisted(build, programs.read()) if everything else []
    except Failure as failure:
        return BuiltPrograms([], time.monotonic() - started, "does not build", str(failure))
    return BuiltPrograms(files, time.monotonic() - started,
                         f"no programs.toml lists {' '.join(unlisted)}" if unlisted else "")


def _tier(report: Report, where: Tier, wanted: list[Program], everything: bool, args: argparse.Namespace,
          space: Workspace, ahead: threading.Thread | None = None) -> list[Boot]:
    """Everything on the tier's first kernel, the smoke set on the others: all is built here, and then booted."""
    wanted = [program for program in wanted if where.name in program.tiers]
    started = time.monotonic()
    try:
        where.machine()
        # They need no kernel; while one is made, its last steps leave a core idle.
        built = _programs(where, wanted, everything, space) if wanted else BuiltPrograms([], 0.0)
        if ahead:
            ahead.join()
        kernels = where.kernels() if everything else [where.kernel(args.kernel)]
    except Unavailable as reason:
        report.skip(f"tier {where.name}", str(reason))
        return []
    except Failure as failure:
        report.bad(f"tier {where.name}", time.monotonic() - started, "can't be built", str(failure))
        return []
    say(where.name, f"provider {where.provider}, kernels {', '.join(kernel.name for kernel in kernels)}")
    kos = {kernel.name: _modules(report, where, kernel, space) for kernel in kernels}
    if not wanted:
        say(where.name, "no program to run")
        return []
    name = f"programs for {where.arch.debian}"
    if built.wrong:
        report.bad(name, built.seconds, built.wrong, built.detail)
    else:
        report.good(name, built.seconds, f"{len(built.files)} programs")
    if not built.files:
        return []
    boots: list[Boot] = []
    for number, kernel in enumerate(kernels):
        of_this = [program for program in wanted if number == 0 or (program.smoke and where.name in program.smoke_on)]
        modules_of_this = kos[kernel.name]
        if modules_of_this is None:
            for program in of_this:
                report.bad(f"{program.name} ({where.label(kernel)})", None, "no modules for this kernel")
            continue
        for cmdline in sorted({program.cmdline for program in of_this}):
            of_kind = [program for program in of_this if program.cmdline == cmdline]
            names = {program.name for program in of_kind}
            label = re.sub(r"[ =,]", "-", f"{where.name} {kernel.series} {cmdline}".strip())
            # Only what it runs: a guest unpacks all of it before it does anything else.
            initramfs = image.write(space.folder / f"initramfs-{label}", where.arch, image.Contents(
                modules=modules_of_this, programs=[file for file in built.files if file.name in names]))
            work = Work(of_kind)
            guests = 2 if len(of_kind) >= FOR_TWO else 1
            check_judge = everything and number == 0 and not cmdline and where.name == "stock"
            for first in (True, False)[:guests]:
                boots.append(Boot(guests == 1, where.patience * sum(program.deadline for program in of_kind),
                                  functools.partial(_boot, where, kernel, cmdline, work, initramfs, space, report, args,
                                                    check_judge and first, number=len(boots))))
    return boots


def _kernels_ahead(where: Tier) -> threading.Thread:
    """Has the tier's kernels made while other things are: unpacking, configuring and linking leave a core idle."""
    def make() -> None:
        with contextlib.suppress(Failure):  # it is told when it is the tier's turn
            where.kernels()

    thread = threading.Thread(target=make, daemon=True)
    thread.start()
    return thread


def test(args: argparse.Namespace) -> int:
    listed = programs.read()
    by_name: dict[str, list[Program]] = {}
    for program in listed:
        by_name.setdefault(program.name, []).append(program)
    parts = ("unit", "model", *tier.TIERS)
    unknown = [name for name in args.names if name not in by_name and name not in parts]
    if unknown:
        raise Failure(f"no such test: {', '.join(unknown)}\n"
                      f"There are: {' '.join(parts)} {' '.join(by_name)}")
    chosen = [name for name in parts if name in args.names or not args.names]
    single = [program for name in args.names for program in by_name.get(name, [])]
    if args.rest and (chosen or not single):
        raise Failure("what follows \"--\" goes to the programs that are named: name them")
    tiers = {name: tier.named(name) for name in chosen if name in tier.TIERS}
    if single:
        tiers.setdefault(args.tier, tier.named(args.tier))
    for where in tiers.values():
        where.need_packages()
    if "unit" in chosen:
        packages.need(packages.BUILD + packages.COMPILE_CACHE)
    if "model" in chosen:
        packages.need(packages.BUILD + packages.MODEL)
    report = Report()
    with Workspace("test") as space:
        say("logs", str(space.folder.relative_to(ROOT)))
        if "unit" in chosen:
            _harness(report)
            _unit(report)
        if "model" in chosen or "axidma" in chosen:
            _model(report, broken="model" in chosen)
        # The only kernel that is compiled. Not while tests run that have deadlines.
        ahead = _kernels_ahead(tiers["sanitised"]) if "sanitised" in chosen else None
        boots: list[Boot] = []
        for name, where in tiers.items():
            if name in chosen:
                boots += _tier(report, where, listed, True, args, space, ahead if name == "sanitised" else None)
            if single and name == args.tier and name not in chosen:
                boots += _tier(report, where, single, False, args, space)
        # The longest first, and those in which two take turns at the end: there no guest is left alone for long.
        side_by_side.run(boot.run for boot in sorted(boots, key=lambda boot: (not boot.alone, -boot.weight)))
    return report.close()
