# SPDX-License-Identifier: MIT
"""Debian's linux-source packages: the upstream provider, and the source of a kernel of our own."""

import subprocess
from pathlib import Path

from .apt import Apt, newest
from .kernels import Kernel
from .paths import cache, key, once
from .report import Failure, say

# Unmodified, and what it includes that the headers packages lack.
PROVIDER = ("drivers/dma/xilinx/xilinx_dma.c", "drivers/dma/dmaengine.h")


def archive(series: str, version: str) -> Path:
    """linux-source-SERIES.tar.xz of the version."""
    def make(part: Path) -> None:
        say("source", f"downloading linux-source-{series}, version {version}")
        for backports in (False, True):
            apt = Apt(backports, wide=True)
            apt.update()
            try:
                debs = apt.download([(f"linux-source-{series}", version)], part)
                break
            except Failure:
                if backports:
                    raise
        for deb in debs:
            with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE) as tar:
                done = subprocess.run(["tar", "-x", "-C", str(part), "--no-same-owner", "--strip-components=3",
                                       f"./usr/src/linux-source-{series}.tar.xz"], stdin=tar.stdout, check=False)
            if done.returncode:
                raise Failure(f"{deb.name} holds no linux-source-{series}.tar.xz")
            deb.unlink()

    folder = once(cache() / "sources" / f"linux-source-{version}", make)
    return folder / f"linux-source-{series}.tar.xz"


def newest_version(series: str) -> str:
    found: list[str] = []
    for backports in (False, True):
        apt = Apt(backports, wide=True)
        apt.update()
        found += apt.versions(f"linux-source-{series}").get(f"linux-source-{series}", [])
    if not found:
        raise Failure(f"no package source has linux-source-{series}")
    return newest(found)


def files(series: str, version: str, names: tuple[str, ...]) -> Path:
    """A folder with these files, as they are in the kernel of that version."""
    def make(part: Path) -> None:
        source = archive(series, version)
        say("source", f"taking {' '.join(names)} out of {source.name}")
        done = subprocess.run(["tar", "-xf", str(source), "-C", str(part), "--strip-components=1", "--occurrence=1",
                               *(f"linux-source-{series}/{name}" for name in names)], check=False)
        if done.returncode:
            raise Failure(f"{source} lacks one of {' '.join(names)}")

    return once(cache() / "sources" / f"files-{version}-{key(*names)}", make)


def provider(kernel: Kernel) -> Path:
    return files(kernel.series, kernel.version, PROVIDER)
