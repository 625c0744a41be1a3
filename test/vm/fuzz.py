# SPDX-License-Identifier: MIT
"""./run fuzz: the fuzzer in a guest for minutes or hours, a fresh seed each time."""

import argparse
import random
import re
import time
from collections.abc import Callable
from pathlib import Path

from . import image, tier
from .gate import Pins, complaints, first_words
from .guest import Guest, GuestDied, Outcome, booted
from .report import Failure, progress, say
from .workspace import Workspace, build_programs

PROGRAM = "pinring_fuzz"

# One seed's share: short enough that what a seed found is soon said, long
# enough that starting and proving cost little of it.
ROUND = 120.0
# Beyond a round's own time: its proof that the devices work, and the program's
# own watchdog, have minutes where everything is slow.
GRACE = 240.0
PINS_SETTLE = 10.0
SHOWN = 60


def _shown(prefix: str) -> Callable[[bytes], None]:
    """The last line that the program has printed, for somebody who watches."""
    partial = b""

    def show(data: bytes) -> None:
        nonlocal partial
        lines = (partial + data).split(b"\n")
        partial = lines.pop()
        if lines:
            progress(f"{prefix} {lines[-1].decode(errors='replace').strip()}")

    return show


def _operations(output: str) -> int:
    """The last count that was printed: of the whole round, if it came to its end."""
    found = re.findall(r"\b(\d+) operations,", output)
    return int(found[-1]) if found else 0


def _faults(outcome: Outcome, missing: int) -> list[str]:
    faults = []
    if outcome.code is None:
        faults.append("ended by its deadline")
    elif outcome.code != 0:
        faults.append(f"exit {outcome.code}")
    found = complaints(outcome.log)
    if found:
        faults.append(f"dmesg: {first_words(found[0])}")
    if missing:
        faults.append(f"{missing} pages pinned and not unpinned" if missing > 0 else f"{-missing} pages unpinned twice")
    return faults


def _settled(guest: Guest, pins: Pins) -> int:
    deadline = time.monotonic() + PINS_SETTLE
    while True:
        acquired, released = guest.pins()
        if acquired - released == pins.missing or time.monotonic() > deadline:
            return pins.charge(acquired, released)
        time.sleep(0.2)


def _round(guest: Guest, pins: Pins, seed: int, seconds: float, patience: float, logs: Path) -> tuple[int, str]:
    """One seed: how many operations, and what was wrong."""
    words = f"{PROGRAM} --seconds {max(1, round(seconds))} --seed {seed}"
    try:
        outcome = guest.run(words, "user", seconds + GRACE * patience, on_output=_shown(f"seed {seed}:"))
        faults = _faults(outcome, _settled(guest, pins))
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


def _unloaded(guest: Guest) -> str:
    said = guest.unload()
    found = complaints(guest.log_since("unloaded"))
    if said != "ok":
        return f"the modules don't unload: {said}"
    return f"unloading the modules: {first_words(found[0])}" if found else ""


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
                fault = fault or _unloaded(guest)
                guest.power_off()
        except GuestDied as death:
            fault = f"{death}; see {space.folder}/console.log"
    if fault:
        print(f"./run fuzz: {fault}", flush=True)
    else:
        say("fuzz", "no complaint of the kernel, every page was unpinned, the modules unloaded")
    print(f"{total} operations", flush=True)
    return 1 if fault else 0
