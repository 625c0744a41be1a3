# SPDX-License-Identifier: MIT
"""./run soak: the rounds of test/sweep by the thousand, and its sweeps to their end."""

import argparse
import functools
import random
import re
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from . import image, programs, side_by_side, tier
from .gate import Pins, complaints
from .guest import Guest, GuestDied, booted
from .kernels import Kernel
from .programs import Program
from .report import Failure, say
from .tier import Tier
from .watched import faults_of, settled, shown, unloaded
from .workspace import Workspace, build_programs

ROUNDS = ("provider_faults", "kill_processes", "unbind_devices")
SWEEPS = ("fail_calls", "fail_background")

# A program's own watchdogs end it sooner when something hangs.
SECONDS_A_ROUND = 10.0
SECONDS_A_SWEEP = 300.0
SHOWN = 60


@dataclass(frozen=True)
class Leg:
    """What one boot of a tier does."""

    tier: str
    programs: tuple[str, ...]
    share: float = 1.0  # of the rounds


# The longest first, as two guests run side by side. The kernel that looks for
# bugs takes three times as long.
LEGS = (
    *(Leg("axidma", (name,)) for name in ROUNDS),
    Leg("sanitised", ROUNDS, 0.1),
    Leg("sanitised", SWEEPS),
)


@dataclass
class Sums:
    """What the last line says."""

    rounds: int = 0
    failures: int = 0  # that were injected, one at a time
    faults: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True)
class Built:
    """What the legs of a tier have in common."""

    where: Tier
    kernel: Kernel
    modules: list[Path]
    programs: dict[str, Path]


def _count(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    return int(found[1]) if found else 0


def _build(name: str, legs: list[Leg], args: argparse.Namespace, space: Workspace) -> Built:
    where = tier.named(name)
    where.need_packages()
    # The newest one, unless it was said which.
    kernel = where.kernel(args.kernel or where.kernels()[-1].series)
    where.machine()
    built = where.modules(kernel, space.folder / "modules" / name)
    names = dict.fromkeys(program for leg in legs for program in leg.programs)
    files = build_programs(where.programs(), names, space.folder / "programs" / name)
    return Built(where, kernel, built.files, {file.name: file for file in files})


def _one(guest: Guest, pins: Pins, where: Tier, program: Program, words: str, logs: Path, sums: Sums) -> str:
    """One program to its end; what was wrong."""
    rounds = _count(r"--rounds (\d+)", words)
    deadline = where.patience * (rounds * SECONDS_A_ROUND if rounds else SECONDS_A_SWEEP)
    label = f"{program.name} ({where.name}):"
    try:
        outcome = guest.run(words, program.user, deadline, on_output=shown(label))
        faults = faults_of(outcome, settled(guest, pins))
        printed, log = outcome.output, outcome.log
    except GuestDied as death:
        printed, log, faults = guest.printed_so_far(), guest.last_words(), [str(death)]
    (logs / f"{program.name}.log").write_text(printed + "\n--- kernel log ---\n" + "\n".join(log) + "\n",
                                              encoding="utf-8")
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    if faults:
        detail = [*lines[-SHOWN:], *complaints(log)[:SHOWN]]
        return "\n".join([f"{label} {'; '.join(faults)}; see {logs}", *(f"      | {line}" for line in detail)])
    said = next((line for line in reversed(lines) if line.startswith(f"{program.name}: ")), f"{program.name}: done")
    say("soak", f"{said} ({where.name}, {outcome.seconds:.0f} s)")
    with sums.lock:
        sums.rounds += _count(r": (\d+) rounds", said)
        sums.failures += _count(r": (\d+) things failed", said)
    return ""


def _leaks(guest: Guest) -> str:
    guest.leaks()
    found = [line for line in guest.log_since("leaks") if "unreferenced object" in line]
    return f"{len(found)} unreferenced objects" if found else ""


def _boot(leg: Leg, built: Built, rounds: int, seed: int, logs: Path, kvm: bool, sums: Sums) -> str:
    """A guest for one leg, from its modules' loading to their unloading; what was wrong."""
    listed = {program.name: program for program in programs.read()}
    wanted = [listed[name] for name in leg.programs]
    logs.mkdir(parents=True)
    initramfs = image.write(logs / "initramfs", built.where.arch, image.Contents(
        modules=built.modules, programs=[built.programs[name] for name in leg.programs]))
    words = f"{built.where.cmdline} {wanted[0].cmdline}".strip()
    try:
        with booted(built.where.machine(), built.kernel, initramfs, logs, words, kvm) as (guest, log):
            if complaints(log):
                return "\n".join(["the modules don't load cleanly:", *log])
            pins = Pins(*guest.pins())
            for program in wanted:
                options = f" --rounds {rounds} --seed {seed}" if program.name in ROUNDS else ""
                if fault := _one(guest, pins, built.where, program, program.name + options, logs, sums):
                    return fault
            fault = unloaded(guest)
            if not fault and leg.tier == "sanitised":
                fault = _leaks(guest)
            guest.power_off()
            return fault
    except GuestDied as death:
        return f"{death}; see {logs}/console.log"
    finally:
        initramfs.unlink()


def _leg(leg: Leg, built: Built, rounds: int, seed: int, logs: Path, kvm: bool, sums: Sums) -> None:
    fault = _boot(leg, built, rounds, seed, logs, kvm, sums)
    if fault:
        with sums.lock:
            sums.faults.append(fault)
        print(f"./run soak: {fault}", flush=True)


def _legs(args: argparse.Namespace) -> tuple[Leg, ...]:
    if not args.tier:
        return LEGS
    sweeps = (leg for leg in LEGS if leg.tier == args.tier and leg.programs == SWEEPS)
    return (*(Leg(args.tier, (name,)) for name in ROUNDS), *sweeps)


def soak(args: argparse.Namespace) -> int:
    if args.rounds <= 0:
        raise Failure("--rounds wants a number above 0")
    seed = args.seed if args.seed is not None else random.SystemRandom().randrange(1, 1 << 32)
    legs = _legs(args)
    sums = Sums()
    with Workspace("soak") as space:
        say("logs", str(space.folder))
        built = {name: _build(name, [leg for leg in legs if leg.tier == name], args, space)
                 for name in dict.fromkeys(leg.tier for leg in legs)}
        say("soak", f"{args.rounds} rounds of each kind, seed {seed}")
        # The time is that of the rounds, not of building.
        started = time.monotonic()
        side_by_side.run(functools.partial(
            _leg, leg, built[leg.tier], max(1, round(args.rounds * leg.share)), seed,
            space.folder / f"{leg.tier}-{leg.programs[0]}", args.kvm, sums) for leg in legs)
        minutes = (time.monotonic() - started) / 60
    if not sums.faults:
        say("soak", "no complaint of the kernel, every page was unpinned, the modules unloaded")
    print(f"{sums.rounds} rounds and {sums.failures} injected failures in {minutes:.0f} min, "
          f"{len(sums.faults)} of {len(legs)} guests failed", flush=True)
    return 1 if sums.faults else 0
