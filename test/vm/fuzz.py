# SPDX-License-Identifier: MIT
"""./run fuzz: the fuzzer in a guest for minutes or hours, a fresh seed each time."""

import argparse
import random
import re
import time
from pathlib import Path

from . import image, tier
from .gate import Pins, complaints
from .guest import Guest, GuestDied, Outcome, booted
from .report import Failure, say
from .watched import faults_of, settled, shown, unloaded
from .workspace import Workspace, build_programs

PROGRAM = "pinring_fuzz"

# One seed's share: short enough that what a seed found is soon said, long
# enough that starting and proving cost little of it.
ROUND = 120.0
# Beyond a round's own time: its proof that the devices work, and the program's
# own watchdog, have minutes where everything is slow.
GRACE = 240.0
SHOWN = 60


def _operations(output: str) -> int:
    """The last count that was printed: of the whole round, if it came to its end."""
    found = re.findall(r"\b(\d+) operations,", output)
    return int(found[-1]) if found else 0


def _round(guest: Guest, pins: Pins, seed: int, seconds: float, patience: float, logs: Path) -> tuple[int, str]:
    """One seed: how many operations, and what was wrong."""
    words = f"{PROGRAM} --seconds {max(1, round(seconds))} --seed {seed}"
    try:
        outcome = guest.run(words, "user", seconds + GRACE * patience, on_output=shown(f"seed {seed}:"))
        faults = faults_of(outcome, settled(guest, pins))
    except GuestDied as death:
        # What it has said of it until then is all there is.
        outcome = Outcome(None, 0.0, guest.printed_so_far(), guest.last_words())
        faults = [str(death)]
    operations = _operations(outcome.output)
    log = logs / f"seed-{seed}.log"
    log.write_text(outcome.output + "\n--- kernel log ---\n" + "\n".join(outcome.log) + "\n", encoding="utf-8")
    if not faults:
        say("fuzz", f"seed {seed}: {operations} operations in {outcome.seconds:.0f} s")
        return operations, ""
    found = [line for line in outcome.output.splitlines() if line.startswith(("FAILED", "  "))]
    found += complaints(outcome.log)
    return operations, "\n".join([f"seed {seed}: {'; '.join(faults)}; see {log}",
                                  *(f"      | {line}" for line in found[:SHOWN])])


def _rounds(guest: Guest, args: argparse.Namespace, patience: float, logs: Path) -> tuple[int, str]:
    """Seed after seed until the time is over or something is wrong."""
    seeds = random.Random(args.seed) if args.seed is not None else random.SystemRandom()
    pins = Pins(*guest.pins())
    total, fault = 0, ""
    seed = args.seed
    # The time is that of the fuzzing, not of building and booting.
    end = time.monotonic() + args.minutes * 60.0
    while not fault and (left := end - time.monotonic()) > 0:
        if seed is None:
            seed = seeds.randrange(1, 1 << 32)
        operations, fault = _round(guest, pins, seed, min(left, ROUND), patience, logs)
        total += operations
        seed = None
    return total, fault


def fuzz(args: argparse.Namespace) -> int:
    if args.minutes <= 0:
        raise Failure("--minutes wants a number above 0")
    where = tier.named(args.tier)
    where.need_packages()
    kernel = where.kernel(args.kernel)
    machine = where.machine()
    total, fault = 0, ""
    with Workspace("fuzz") as space:
        say("logs", str(space.folder))
        built = where.modules(kernel, space.folder / "modules")
        programs = build_programs(where.programs(), [PROGRAM], space.folder / "programs")
        initramfs = image.write(space.folder / "initramfs", where.arch,
                                image.Contents(modules=built.files, programs=programs))
        try:
            with booted(machine, kernel, initramfs, space.folder, where.cmdline, args.kvm) as (guest, log):
                if complaints(log):
                    raise Failure("the modules don't load cleanly:\n" + "\n".join(log))
                total, fault = _rounds(guest, args, where.patience, space.folder)
                fault = fault or unloaded(guest)
                guest.power_off()
        except GuestDied as death:
            fault = f"{death}; see {space.folder}/console.log"
    if fault:
        print(f"./run fuzz: {fault}", flush=True)
    else:
        say("fuzz", "no complaint of the kernel, every page was unpinned, the modules unloaded")
    print(f"{total} operations", flush=True)
    return 1 if fault else 0
