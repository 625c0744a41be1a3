# SPDX-License-Identifier: MIT
"""Kbuild of driver/ in a folder of its own, so that the source tree stays clean.

Kbuild builds a module next to its sources. The sources are copied, and only
what changed is copied again: make sees old times and builds only that.
"""

import argparse
import filecmp
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

# driver/ reaches the uapi header as ../uapi.
PARTS = ("driver", "uapi")
SOURCES = {".c", ".h", ".S"}
MAKEFILES = {"Kbuild", "Makefile"}


def _is_source(path: Path) -> bool:
    return (path.suffix in SOURCES and not path.name.endswith(".mod.c")) or path.name in MAKEFILES


def sources(root: Path, parts: tuple[str, ...] = PARTS) -> list[Path]:
    return sorted(path for part in parts for path in (root / part).rglob("*") if _is_source(path))


def copy(source: Path, into: Path) -> None:
    into.parent.mkdir(parents=True, exist_ok=True)
    if not into.exists() or not filecmp.cmp(source, into, shallow=False):
        shutil.copyfile(source, into)


def sync(root: Path, into: Path, parts: tuple[str, ...] = PARTS) -> None:
    wanted = {path.relative_to(root) for path in sources(root, parts)}
    for relative in wanted:
        copy(root / relative, into / relative)
    for path in sources(into, parts):
        if path.relative_to(into) not in wanted:
            path.unlink()


def make(folder: Path, kdir: Path, *words: str,
         environment: Mapping[str, str] = os.environ) -> subprocess.CompletedProcess[str]:
    """make of the modules in the folder, with output and errors in one text."""
    # BTF of modules would want pahole and the kernel's vmlinux; nobody here reads it.
    return subprocess.run(
        ["make", "-C", str(kdir), f"M={folder}", f"-j{os.cpu_count() or 1}",
         "CONFIG_DEBUG_INFO_BTF_MODULES=", *words],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        env={**environment, "LC_ALL": "C"})


def main() -> int:
    """The way Meson's target "modules" comes here."""
    parser = argparse.ArgumentParser()
    for name in ("--source", "--into", "--kdir", "--stamp"):
        parser.add_argument(name, type=Path, required=True)
    args = parser.parse_args()
    sync(args.source, args.into)
    done = make(args.into.resolve() / "driver", args.kdir.resolve(), "modules")
    sys.stdout.write(done.stdout)
    if done.returncode == 0:
        args.stamp.touch()
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
