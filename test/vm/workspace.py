# SPDX-License-Identifier: MIT
"""A folder for one run: what it hands to the guest, and what the guest said."""

import contextlib
import itertools
import os
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from . import meson
from .paths import BUILD
from .report import Failure

KEPT = 20  # logs of so many runs


class Workspace:
    """build/logs/TIME-NAME. The initramfs goes with the run, the logs stay."""

    def __init__(self, name: str) -> None:
        stamp = time.strftime("%Y%m%d-%H%M%S")
        logs = BUILD / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        for number in itertools.count():
            self.folder = logs / (f"{stamp}-{name}" + (f"-{number}" if number else ""))
            try:
                self.folder.mkdir()
                break
            except FileExistsError:
                continue
        runs = sorted(logs.iterdir())
        for old in runs[:-KEPT]:
            shutil.rmtree(old, ignore_errors=True)
        for old in runs[-KEPT:]:
            # A run that was killed outright left what it would have removed.
            with contextlib.suppress(FileNotFoundError):
                if time.time() - old.stat().st_mtime > 86400.0:
                    _remove_heavy(old)

    def __enter__(self) -> "Workspace":
        return self

    def __exit__(self, *_: object) -> None:
        _remove_heavy(self.folder)


def _remove_heavy(folder: Path) -> None:
    for archive in folder.glob("initramfs*"):
        archive.unlink(missing_ok=True)
    for name in ("programs", "modules"):
        shutil.rmtree(folder / name, ignore_errors=True)


def build_programs(build: meson.Build, names: Iterable[str], copy_to: Path) -> list[Path]:
    """Build the named programs for a guest and copy them where no other run's build touches them."""
    names = list(names)
    if not names:
        return []
    known = build.programs()
    unknown = [name for name in names if name not in known]
    if unknown:
        raise Failure(f"no build file names {', '.join(unknown)}; there are: {', '.join(sorted(known))}")
    build.make(*(build.ninja_name(known[name]) for name in names))
    copy_to.mkdir(parents=True, exist_ok=True)
    copies = []
    for name in names:
        copies.append(copy_to / name)
        # A link is enough: a linker replaces its output, it does not write into it.
        copies[-1].unlink(missing_ok=True)
        os.link(known[name], copies[-1])
    return copies
