# SPDX-License-Identifier: MIT
"""programs.toml, in test/ and in its folders: which programs run in the guest, and how."""

import tomllib
from dataclasses import dataclass
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
    reload: bool = False  # wants modules that nobody has used yet
    cmdline: str = ""  # further words for the kernel: a boot of its own
    tiers: tuple[str, ...] = ("stock", "axidma", "sanitised")
    keeps_pins: bool = False  # pages stay pinned for good, as they have to; a boot of its own


KINDS = {"name": str, "deadline": int, "user": str, "args": str, "smoke": bool, "reload": bool, "cmdline": str,
         "tiers": list, "keeps_pins": bool}


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
    entry["tiers"] = tuple(entry.get("tiers", Program.tiers))
    if not entry["tiers"] or set(entry["tiers"]) - set(Program.tiers):
        raise Failure(f"{file}: {name}: tiers are {', '.join(Program.tiers)}")
    return Program(**entry)


def read() -> list[Program]:
    programs: list[Program] = []
    for path in (*sorted(TESTS.glob("*/programs.toml")), TESTS / "programs.toml"):
        file = str(path.relative_to(ROOT))
        try:
            found = tomllib.loads(path.read_text(encoding="utf-8"))
        except tomllib.TOMLDecodeError as error:
            raise Failure(f"{file}: {error}") from error
        programs += [_program(entry, file) for entry in found.get("program", [])]
    names = [program.name for program in programs]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise Failure(f"listed twice in {TESTS.name}/**/programs.toml: {', '.join(sorted(twice))}")
    return programs
