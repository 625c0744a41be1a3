# SPDX-License-Identifier: MIT
"""Where things are, and how two runs keep out of each other's way."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from .report import say

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
GUEST_FILES = Path(__file__).resolve().parent / "guest"


def cache() -> Path:
    """The slow products of every clone: unpacked kernels, mainly."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(home) / "pinring"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def locked(name: str, folder: Path) -> Iterator[None]:
    """Hold FOLDER/.NAME.lock. The kernel drops it however the holder ends."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / f".{name}.lock", "w", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(name, "is being made already; waiting")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def key(*inputs: str) -> str:
    """A short hash of everything that a cached product depends on."""
    return hashlib.sha256("\0".join(inputs).encode()).hexdigest()[:12]


def once(target: Path, make: Callable[[Path], None]) -> Path:
    """TARGET, made by MAKE in a folder aside and renamed into place when it is whole.

    An interrupted run leaves only the folder aside, which the next one removes.
    """
    if target.exists():
        return target
    with locked(target.name, target.parent):
        if target.exists():
            return target
        for stale in target.parent.glob(f"{target.name}.part-*"):
            shutil.rmtree(stale, ignore_errors=True)
        part = Path(tempfile.mkdtemp(prefix=f"{target.name}.part-", dir=target.parent))
        try:
            make(part)
            part.chmod(0o755)
            part.rename(target)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return target
