# SPDX-License-Identifier: MIT
"""Huge pages for what compiles: saves time where a page fault is dear, as in a virtual machine."""

import functools
import os
import subprocess
from pathlib import Path

from .paths import cache, key, once
from .report import Failure, say

SOURCE = Path(__file__).resolve().parent / "huge_pages.c"
COMPILE = ("gcc", "-O2", "-Wall", "-shared", "-fPIC")


def _make(part: Path) -> None:
    try:
        done = subprocess.run([*COMPILE, "-o", str(part / "huge_pages.so"), str(SOURCE)], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    except OSError as error:
        raise Failure(f"{COMPILE[0]}: {error}") from error
    if done.returncode:
        raise Failure(f"{COMPILE[0]}: exit {done.returncode}\n{done.stdout}")


@functools.cache
def _library() -> Path | None:
    """For time alone: without it everything compiles as well."""
    inputs = key(os.uname().machine, *COMPILE, SOURCE.read_text(encoding="utf-8"))
    try:
        library = once(cache() / f"huge_pages-{inputs}", _make) / "huge_pages.so"
    except Failure as failure:
        say("huge pages", f"compilers do without: {SOURCE.name}: {failure}")
        return None
    # ld.so ends a name at either, and would say so in every program.
    return None if set(str(library)) & set(" :") else library


def environment() -> dict[str, str]:
    """The caller's, and in it what makes programs ask for huge pages: in mmap() and, by the tunable, in malloc()."""
    def joined(name: str, word: str) -> str:
        before = os.environ.get(name)
        return f"{before}:{word}" if before else word

    library = _library()
    if library is None:
        return dict(os.environ)
    return {**os.environ,
            "LD_PRELOAD": joined("LD_PRELOAD", str(library)),
            "GLIBC_TUNABLES": joined("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")}
