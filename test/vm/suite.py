# SPDX-License-Identifier: MIT
"""./run test: unit tests on the host, everything else in the guest."""

import argparse
import itertools
import json
import re
import shlex
import subprocess
import time
import unittest
from pathlib import Path

from . import image, meson, modules, packages, programs
from .arch import host
from .kernels import Kernel, all_kernels, named
from .paths import ROOT
from .programs import Program
from .report import Failure, Report, say
from .session import Session
from .workspace import Workspace, build_programs

# Where Meson makes test programs that only a guest can run.
GUEST_TESTS = ("test/uapi", "test/lib", "test/fault")


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


def _modules(report: Report, kernel: Kernel, space: Workspace) -> list[Path] | None:
    """Build for the kernel at W=1; a warning is a failure."""
    name = f"modules for {kernel.release}"
    started = time.monotonic()
    try:
        built = modules.build(kernel, space.folder / "modules" / kernel.series)
    except Failure as failure:
        report.bad(name, time.monotonic() - started, "does not build", str(failure))
        return None
    seconds = time.monotonic() - started
    if built.warnings:
        report.bad(name, seconds, f"{len(built.warnings)} warnings at W=1", "\n".join(built.warnings))
    else:
        report.good(name, seconds, "W=1, no warning")
    return built.files


def _unlisted(listed: list[Program]) -> list[str]:
    """Test programs that would be built and never run."""
    names = {program.name for program in listed}
    found = []
    for target in meson.GUEST.targets():
        folder = str(Path(target["defined_in"]).parent.relative_to(ROOT))
        if target["type"] == "executable" and folder in GUEST_TESTS and target["name"] not in names:
            found.append(target["name"])
    return found


def _boot(kernel: Kernel, cmdline: str, group: list[Program], kos: list[Path], files: list[Path], space: Workspace,
          report: Report, args: argparse.Namespace, check_judge: bool) -> None:
    """Run programs that share a kernel and a command line; a guest that dies is followed by another."""
    arch = host()
    label = re.sub(r"[ =]", "-", f"{kernel.series} {cmdline}".strip())
    initramfs = image.write(space.folder / f"initramfs-{label}", arch, image.Contents(modules=kos, programs=files))
    while group:
        group = Session(arch, kernel, initramfs, space.folder / label, report, cmdline=cmdline, kvm=args.kvm,
                        verbose=args.verbose, filters=" ".join(map(shlex.quote, args.rest)),
                        check_judge=check_judge).run(group)
    initramfs.unlink()


def _stock(report: Report, wanted: list[Program], everything: bool, args: argparse.Namespace, space: Workspace) -> None:
    arch = host()
    kernels = all_kernels(arch) if everything else [args.kernel_wanted]
    kos = {kernel.release: _modules(report, kernel, space) for kernel in kernels}
    if not wanted:
        say("guest", "programs.toml lists no program")
        return
    started = time.monotonic()
    try:
        files = build_programs([program.name for program in wanted], space.folder / "programs")
        unlisted = _unlisted(programs.read()) if everything else []
    except Failure as failure:
        report.bad("build for the guest", time.monotonic() - started, "does not build", str(failure))
        return
    if unlisted:
        report.bad("build for the guest", time.monotonic() - started,
                   f"no programs.toml lists {' '.join(unlisted)}")
    else:
        report.good("build for the guest", time.monotonic() - started, f"{len(files)} programs")
    for number, kernel in enumerate(kernels):
        of_this = [program for program in wanted if number == 0 or program.smoke]
        modules_of_this = kos[kernel.release]
        if not of_this:
            continue
        if modules_of_this is None:
            for program in of_this:
                report.bad(f"{program.name} ({kernel.series})", None, "no modules for this kernel")
            continue
        of_this.sort(key=lambda program: program.cmdline)
        for cmdline, group in itertools.groupby(of_this, key=lambda program: program.cmdline):
            _boot(kernel, cmdline, list(group), modules_of_this, files, space, report, args,
                  check_judge=everything and number == 0 and not cmdline)


def test(args: argparse.Namespace) -> int:
    listed = programs.read()
    by_name = {program.name: program for program in listed}
    everything = not args.names
    unknown = [name for name in args.names if name not in by_name and name not in ("unit", "stock")]
    if unknown:
        raise Failure(f"no such test: {', '.join(unknown)}\n"
                      f"There are: unit stock {' '.join(by_name)}")
    if args.rest and (everything or {"unit", "stock"} & set(args.names)):
        raise Failure("what follows \"--\" goes to the programs that are named: name them")
    packages.need(packages.for_guest(host()))
    report = Report()
    with Workspace("test") as space:
        say("logs", str(space.folder.relative_to(ROOT)))
        if everything or "unit" in args.names:
            _harness(report)
            _unit(report)
        stock = everything or "stock" in args.names
        wanted = listed if stock else [by_name[name] for name in args.names if name in by_name]
        if stock or wanted:
            args.kernel_wanted = None if stock else named(args.kernel, host())
            _stock(report, wanted, stock, args, space)
    return report.close()
