# SPDX-License-Identifier: MIT
"""The kernel modules, built for one kernel and built again only when something changed."""

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from . import kbuild
from .kernels import Kernel
from .paths import BUILD, ROOT, key, locked
from .report import Failure

# The order in which they are loaded.
NAMES = ("driver/pinring.ko", "driver/sim/pinring_sim.ko")


@dataclass(frozen=True)
class Built:
    files: list[Path]
    warnings: list[str]


def _warnings(text: str) -> list[str]:
    """What the compiler, modpost and make have to say, and the lines that explain it."""
    found = []
    for line in text.splitlines():
        # Debian's headers name the compiler they were made with; another
        # minor version of the same one is no finding.
        if line.startswith("warning: the compiler differs from"):
            continue
        if re.search(r"\b(warning|WARNING)\b", line):
            found.append(line)
    return found


def _complaints(text: str) -> str:
    """The output without the lines that only say what is being compiled."""
    return "\n".join(line for line in text.splitlines() if not re.match(r"\s+(CC|LD|AR|MODPOST|CLEAN)\b", line))


def _kept(note: Path) -> dict[str, object]:
    if note.exists():
        return dict(json.loads(note.read_text(encoding="utf-8")))
    return {}


def build(kernel: Kernel, copy_to: Path) -> Built:
    """make W=1, and the modules in COPY_TO, where no other run's build touches them.

    Raises Failure with the compiler's words when they don't build.
    """
    into = BUILD / "modules" / kernel.release
    note = into / "built.json"
    with locked("modules", BUILD):
        inputs = key(str(kernel.headers), *(f"{path.relative_to(ROOT)}\n{path.read_text(encoding='utf-8')}"
                                            for path in kbuild.sources(ROOT)))
        files = [into / name for name in NAMES]
        kept = _kept(note)
        if kept.get("inputs") != inputs or not all(file.exists() for file in files):
            kbuild.sync(ROOT, into)
            # A warning is printed only by the run that compiles its file: what
            # is not known to be clean is compiled again.
            if kept.get("warnings", True):
                kbuild.make(into, kernel.headers, "clean")
            done = kbuild.make(into, kernel.headers, "W=1", "modules")
            kept = {"inputs": inputs if done.returncode == 0 else "", "warnings": _warnings(done.stdout)}
            note.write_text(json.dumps(kept), encoding="utf-8")
            if done.returncode != 0:
                raise Failure(f"the modules don't build for {kernel.release}:\n{_complaints(done.stdout)}")
        copy_to.mkdir(parents=True, exist_ok=True)
        copies = []
        for file in files:
            if not file.exists():
                raise Failure(f"Kbuild made no {file.name}")
            shutil.copyfile(file, copy_to / file.name)
            copies.append(copy_to / file.name)
        return Built(copies, list(kept["warnings"]))
