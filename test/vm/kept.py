# SPDX-License-Identifier: MIT
"""Modules that some clone built from the same inputs, in the cache."""

import json
import os
import shutil
import tempfile
from pathlib import Path

from .paths import cache, locked

# Of one kernel. Whoever changes the driver makes new ones all day.
MOST = 8

NOTE = "kept.json"

# What is here is not whole.
ASIDE = "aside-"


def _folder() -> Path:
    return cache() / "modules"


def place(kernel: str, inputs: str) -> Path:
    return _folder() / f"{kernel}+{inputs}"


def fetch(kernel: str, inputs: str, copy_to: Path) -> tuple[list[Path], list[str]] | None:
    """Copies of the files in their order, and the warnings that there were; None if nobody stored them."""
    source = place(kernel, inputs)
    with locked("modules", _folder()):
        if not source.exists():
            return None
        note = json.loads((source / NOTE).read_text(encoding="utf-8"))
        copy_to.mkdir(parents=True, exist_ok=True)
        os.utime(source)
        return [Path(shutil.copy(source / name, copy_to)) for name in note["files"]], note["warnings"]


def store(kernel: str, inputs: str, files: list[Path], warnings: list[str]) -> None:
    """Keep the files, and of the same kernel only those that were used last."""
    target = place(kernel, inputs)
    with locked("modules", _folder()):
        if target.exists():
            return
        # Left by one that was killed: nobody else is here.
        for stale in _folder().glob(f"{ASIDE}*"):
            shutil.rmtree(stale)
        with tempfile.TemporaryDirectory(prefix=ASIDE, dir=_folder()) as aside:
            part = Path(aside) / "part"
            part.mkdir()
            for file in files:
                shutil.copy(file, part)
            (part / NOTE).write_text(json.dumps({"files": [file.name for file in files], "warnings": warnings}),
                                     encoding="utf-8")
            part.rename(target)
            ours = sorted(_folder().glob(f"{kernel}+*"), key=lambda path: path.stat().st_mtime, reverse=True)
            for old in ours[MOST:]:
                old.rename(Path(aside) / old.name)
