# SPDX-License-Identifier: MIT
"""./run demo and ./run bench: the whole way from sources to a table of numbers."""

import argparse
import os
import shlex
import sys
import tarfile
import time
from pathlib import Path

from . import image, report, tier
from .gate import Pins, complaints, first_words
from .guest import Guest, GuestDied, Outcome, booted
from .paths import BUILD, locked
from .report import Failure, say
from .workspace import Workspace, build_programs

# The file travels in the guest's memory, which holds it about five times: the
# archive, the file, what is sent, what comes back.
LARGEST = 384 << 20

# The default file: programs and libraries of this machine, packed until this much is there.
DEFAULT_BYTES = 40 << 20
DEFAULT_FROM = ("/usr/bin", "/usr/lib")

LOOP_DEADLINE = 300.0
BENCH_DEADLINE = 900.0


def _default_file() -> Path:
    path = BUILD / "demo" / "binaries.tar"
    with locked("demo", BUILD):
        if path.exists():
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        size = 0
        with tarfile.open(part, "w") as tar:
            for top in DEFAULT_FROM:
                for folder, below, names in os.walk(top):
                    below.sort()
                    for name in sorted(names):
                        file = Path(folder) / name
                        if size >= DEFAULT_BYTES or file.is_symlink() or not file.is_file():
                            continue
                        try:
                            with open(file, "rb") as body:
                                member = tar.gettarinfo(arcname=str(file).lstrip("/"), fileobj=body)
                                # A link to a file packed before would have no body to read.
                                member.type, member.mtime = tarfile.REGTYPE, 0
                                member.size = min(os.fstat(body.fileno()).st_size, DEFAULT_BYTES - size)
                                tar.addfile(member, body)
                                size += member.size
                        except PermissionError:
                            continue
                    if size >= DEFAULT_BYTES:
                        break
        part.rename(path)
    return path


def _given_file(name: str) -> Path:
    path = Path(name)
    if not path.is_file():
        raise Failure(f"{name}: no such file")
    if not 0 < path.stat().st_size <= LARGEST:
        raise Failure(f"{name}: the demo takes files of 1 byte to {LARGEST >> 20} MiB; "
                      f"this one has {path.stat().st_size} bytes")
    return path


def _show(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def _run(guest: Guest, pins: Pins, words: str, deadline: float) -> Outcome:
    """Run as uid 1000, showing what it prints; anything but a clean end is a Failure."""
    program = words.split()[0]
    outcome = guest.run(words, "user", deadline, terminal=sys.stdout.isatty(), on_output=_show)
    if outcome.code is None:
        raise Failure(f"{program} was ended by its deadline of {deadline:.0f} s")
    if outcome.code != 0:
        raise Failure(f"{program}: exit {outcome.code}")
    found = complaints(outcome.log)
    if found:
        raise Failure(f"the kernel complained: {first_words(found[0])}\n" + "\n".join(outcome.log))
    settle = time.monotonic() + 3.0
    while (counts := guest.pins())[0] - counts[1] != pins.missing and time.monotonic() < settle:
        time.sleep(0.1)
    if missing := pins.charge(*counts):
        raise Failure(f"{program}: {missing} pages were pinned and not unpinned")
    return outcome


def demo(args: argparse.Namespace) -> int:
    given = _given_file(args.file) if args.file else None
    where = tier.named(args.tier)
    where.need_packages()
    kernel = where.kernel(args.kernel)
    machine = where.machine()
    with Workspace("demo") as space:
        started = time.monotonic()
        built = where.modules(kernel, space.folder / "modules")
        say("modules", f"for {kernel.release}, {time.monotonic() - started:.1f} s")
        started = time.monotonic()
        programs = build_programs(where.programs(), ["pinring", "pinring-bench"], space.folder / "programs")
        say("programs", f"library, tool and benchmark, {time.monotonic() - started:.1f} s")
        file = given or _default_file()
        say("file", f"{file}, {file.stat().st_size} bytes")
        initramfs = image.write(space.folder / "initramfs", where.arch,
                                image.Contents(modules=built.files, programs=programs, data=[file]))
        try:
            with booted(machine, kernel, initramfs, space.folder, where.cmdline, args.kvm) as (guest, log):
                if complaints(log):
                    raise Failure("the modules don't load cleanly:\n" + "\n".join(log))
                pins = Pins(*guest.pins())
                say("demo", f"provider {where.provider}, as uid 1000, with a memlock limit of 8 MiB")
                _run(guest, pins, f"pinring loop {shlex.quote('/data/' + file.name)}", LOOP_DEADLINE)
                print()
                _run(guest, pins, "pinring-bench --quick", BENCH_DEADLINE)
                acquired, released = guest.pins()
                guest.power_off()
        except GuestDied as death:
            raise Failure(f"{death}; see {space.folder}/console.log") from death
        say("demo", f"{acquired} pages were pinned and {released} unpinned; the kernel had nothing to complain about")
        say("time", f"{time.monotonic() - report.START:.0f} s")
    return 0


def bench(args: argparse.Namespace) -> int:
    """pinring-bench with the arguments given. Only what it prints goes to stdout."""
    report.stream = sys.stderr
    where = tier.named(args.tier)
    where.need_packages()
    kernel = where.kernel(args.kernel)
    machine = where.machine()
    with Workspace("bench") as space:
        built = where.modules(kernel, space.folder / "modules")
        programs = build_programs(where.programs(), ["pinring-bench"], space.folder / "programs")
        initramfs = image.write(space.folder / "initramfs", where.arch,
                                image.Contents(modules=built.files, programs=programs))
        try:
            with booted(machine, kernel, initramfs, space.folder, where.cmdline, args.kvm) as (guest, _):
                _run(guest, Pins(*guest.pins()), shlex.join(["pinring-bench", *args.rest]), BENCH_DEADLINE)
                guest.power_off()
        except GuestDied as death:
            raise Failure(f"{death}; see {space.folder}/console.log") from death
    return 0
