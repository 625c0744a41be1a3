# SPDX-License-Identifier: MIT
"""Huge pages for compilers: where a page fault is dear, as in a virtual machine, a quarter of their time."""

import os
import subprocess
from pathlib import Path

from .paths import cache, key, once
from .report import Failure

SOURCE = Path(__file__).resolve().parent / "huge_pages.c"


def _library() -> Path:
    def make(part: Path) -> None:
        done = subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", str(part / "huge_pages.so"), str(SOURCE)],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False)
        if done.returncode:
            raise Failure(f"{SOURCE.name}: gcc: exit {done.returncode}\n{done.stdout}")

    return once(cache() / f"huge_pages-{key(os.uname().machine, SOURCE.read_text(encoding='utf-8'))}", make) / "huge_pages.so"


def environment() -> dict[str, str]:
    """The caller's, and in it what makes programs ask for huge pages: in mmap() and, by the tunable, in malloc()."""
    def joined(name: str, word: str, between: str) -> str:
        before = os.environ.get(name)
        return f"{before}{between}{word}" if before else word

    return {**os.environ,
            "LD_PRELOAD": joined("LD_PRELOAD", str(_library()), ":"),
            "GLIBC_TUNABLES": joined("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1", ":")}
