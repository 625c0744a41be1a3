# SPDX-License-Identifier: MIT
"""./run guest and ./run shell: a command or a prompt in a guest of one's own."""

import argparse
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from . import image, tier
from .gate import Pins, complaints
from .guest import GuestDied, booted, command
from .kernels import Kernel
from .report import Failure, say
from .tier import Tier
from .workspace import Workspace, build_programs


def _prepare(where: Tier, args: argparse.Namespace, wanted: list[str],
             space: Workspace) -> tuple[Kernel, image.Contents]:
    """Build what is wanted in the guest, no more: others may be waiting for the processor."""
    where.need_packages()
    kernel = where.kernel(args.kernel)
    contents = image.Contents(data=[Path(name) for name in args.add])
    for file in contents.data:
        if not file.is_file():
            raise Failure(f"--add {file}: no such file")
    if not args.no_modules:
        built = where.modules(kernel, space.folder / "modules")
        for warning in built.warnings:
            say("modules", warning)
        contents.modules = built.files
    contents.programs = build_programs(where.programs(), wanted, space.folder / "programs")
    return kernel, contents


def guest(args: argparse.Namespace) -> int:
    where = tier.named(args.tier)
    if not args.rest:
        raise Failure("./run guest -- COMMAND [ARGUMENT...]")
    where.need_packages()
    known = where.programs().programs() if not args.no_programs else {}
    words = args.rest
    # The command may be a line of shell; a program named anywhere in it is wanted.
    spoken = re.findall(r"[\w.-]+", " ".join(words))
    wanted = [word for word in dict.fromkeys(spoken + args.program) if word in known]
    with Workspace("guest") as space:
        kernel, contents = _prepare(where, args, wanted, space)
        initramfs = image.write(space.folder / "initramfs", where.arch, contents)
        cmdline = f"{where.cmdline} {args.cmdline}".strip()
        with booted(where.machine(), kernel, initramfs, space.folder, cmdline, args.kvm) as (vm, log):
            for line in log:
                print(f"      | {line}")
            line = words[0] if len(words) == 1 else shlex.join(words)
            code: int | None = None

            def show(data: bytes) -> None:
                sys.stdout.buffer.write(data)
                sys.stdout.buffer.flush()

            pins = Pins(*vm.pins())
            try:
                outcome = vm.run(line, "root" if args.root else "user", args.deadline,
                                 terminal=sys.stdout.isatty(), on_output=show)
                code, seconds, log = outcome.code, outcome.seconds, outcome.log
                missing = pins.charge(*vm.pins())
            except GuestDied as death:
                say("guest", str(death))
                log, seconds, missing = vm.last_words(), args.deadline, 0
            found = complaints(log)
            for text in log[-200:] if found or code != 0 else log[-args.tail:]:
                print(f"      | {text}")
            if missing:
                say("pins", f"{missing} pages were pinned and not unpinned")
            if found:
                say("dmesg", f"{len(found)} complaints, the first: {found[0]}")
            say("guest", f"exit {code}, {seconds:.1f} s" if code is not None else
                f"ended by the deadline of {args.deadline:.0f} s, or with the guest")
            if code is not None:
                vm.power_off()
    if code is None:
        return 124
    return code or (1 if found or missing else 0)


def shell(args: argparse.Namespace) -> int:
    where = tier.named(args.of or args.tier)
    with Workspace("shell") as space:
        where.need_packages()
        kernel, contents = _prepare(where, args, list(where.programs().programs()), space)
        contents.prompt = True
        initramfs = image.write(space.folder / "initramfs", where.arch, contents)
        words = command(where.machine(), kernel, initramfs, f"quiet {where.cmdline} {args.cmdline}", args.kvm)
        say("shell", f"booting {kernel.release}; \"exit\" ends it")
        # Ctrl-C goes to the guest, as on a terminal of its own.
        done = subprocess.run(["setpriv", "--pdeathsig", "KILL", *words, "-chardev", "stdio,id=console,signal=off",
                               "-serial", "chardev:console"], check=False)
        if shutil.which("stty") and sys.stdin.isatty():
            subprocess.run(["stty", "sane"], check=False)
        return done.returncode
