# SPDX-License-Identifier: MIT
"""programs.toml, in test/ and in its folders: which programs run in the guest, and how."""

import tomllib
from dataclasses import dataclass, replace
from typing import Any

from .paths import ROOT
from .report import Failure

TESTS = ROOT / "test"


@dataclass(frozen=True)
class Program:
    name: str  # of the executable, in whatever folder Meson makes it
    deadline: float  # seconds, in an emulated guest on two busy cores
    user: str = "user"  # uid 1000 with 8 MiB memlock, or "root"
    args: str = ""  # as typed in a shell
    smoke: bool = False  # runs on the further kernels too
    smoke_on: tuple[str, ...] = ("stock", "axidma", "sanitised")  # ... of these tiers
    reload: bool = False  # wants modules that nobody has used yet
    cmdline: str = ""  # further words for the kernel: a boot of its own
    tiers: tuple[str, ...] = ("stock", "axidma", "sanitised")
    keeps_pins: bool = False  # pages stay pinned for good, as they have to: the last of its boot


KINDS = {"name": str, "deadline": int, "user": str, "args": str, "smoke": bool, "smoke_on": list,
         "reload": bool, "cmdline": str, "tiers": list, "keeps_pins": bool}
AGAIN = {"names": list, "cmdline": str, "tiers": list}


def _tiers(entry: dict[str, Any], file: str, name: str, word: str = "tiers") -> tuple[str, ...]:
    tiers = tuple(entry.get(word, Program.tiers))
    if not tiers or set(tiers) - set(Program.tiers):
        raise Failure(f"{file}: {name}: {word} are some of {', '.join(Program.tiers)}")
    return tiers


def _program(entry: dict[str, Any], file: str) -> Program:
    name = entry.get("name", "?")
    for word, value in entry.items():
        if word not in KINDS:
            raise Failure(f"{file}: {name}: unknown key {word}; there are {', '.join(KINDS)}")
        if not isinstance(value, KINDS[word]):
            raise Failure(f"{file}: {name}: {word} wants a {KINDS[word].__name__}")
    if "name" not in entry or "deadline" not in entry:
        raise Failure(f"{file}: {name}: name and deadline are needed")
    if entry.get("user", "user") not in ("user", "root"):
        raise Failure(f"{file}: {name}: user is \"user\" or \"root\"")
    entry["tiers"] = _tiers(entry, file, name)
    entry["smoke_on"] = _tiers(entry, file, name, "smoke_on")
    return Program(**entry)


def _again(entry: dict[str, Any], file: str, programs: list[Program]) -> list[Program]:
    """Programs that are listed already, on a further boot with other words for the kernel."""
    if set(entry) != set(AGAIN) or not all(isinstance(entry[word], kind) for word, kind in AGAIN.items()):
        raise Failure(f"{file}: [[again]] wants {', '.join(f'{word} (a {kind.__name__})' for word, kind in AGAIN.items())}")
    by_name = {program.name: program for program in programs}
    unknown = sorted(set(entry["names"]) - set(by_name))
    if unknown:
        raise Failure(f"{file}: [[again]] names {', '.join(unknown)}, which no [[program]] does")
    return [replace(by_name[name], cmdline=entry["cmdline"], tiers=_tiers(entry, file, "[[again]]"), smoke=True)
            for name in entry["names"]]


def _refuse_twice(programs: list[Program]) -> None:
    """Once for each of the kernel's command lines, or two lines of the report could not be told apart."""
    runs = [f"{program.name} {program.cmdline}".strip() for program in programs]
    twice = {run for run in runs if runs.count(run) > 1}
    if twice:
        raise Failure(f"listed twice in {TESTS.name}/**/programs.toml: {', '.join(sorted(twice))}")


def read() -> list[Program]:
    programs: list[Program] = []
    again: list[tuple[dict[str, Any], str]] = []
    for path in (*sorted(TESTS.glob("*/programs.toml")), TESTS / "programs.toml"):
        file = str(path.relative_to(ROOT))
        try:
            found = tomllib.loads(path.read_text(encoding="utf-8"))
        except tomllib.TOMLDecodeError as error:
            raise Failure(f"{file}: {error}") from error
        programs += [_program(entry, file) for entry in found.get("program", [])]
        again += [(entry, file) for entry in found.get("again", [])]
    _refuse_twice(programs)
    further = [program for entry, file in again for program in _again(entry, file, programs)]
    _refuse_twice(programs + further)
    return programs + further
