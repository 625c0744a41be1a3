# SPDX-License-Identifier: MIT
"""QEMU with the AXI DMA model, from the distribution's source package: built once, then kept.

The unpacked source and the build folder stay in the cache, so that a change of
the model compiles the model and not QEMU.
"""

import re
import shutil
import subprocess
from pathlib import Path

from . import huge_pages, kbuild
from .apt import Apt, codename, newest
from .paths import ROOT, cache, key, locked, once
from .report import Failure, Unavailable, progress, say

MODEL = ROOT / "test" / "qemu"
# Where the model lies in QEMU's tree.
PLACE = "hw/dma/pinring"

# The series that the model and the patches are written for.
SERIES = "7.2"

CONFIGURE = ("--target-list=aarch64-softmmu", "--without-default-features", "--without-default-devices",
             "--with-devices-aarch64=pinring", "--enable-tcg", "--enable-fdt=system", "--disable-docs",
             "--disable-tools", "--disable-guest-agent", "--disable-werror", "--disable-debug-info",
             "--enable-trace-backends=nop")
DEVICES = ("CONFIG_ARM_VIRT=y", "CONFIG_ARM_V7M=y", "CONFIG_SEMIHOSTING=y", "CONFIG_ARM_COMPATIBLE_SEMIHOSTING=y",
           "CONFIG_SERIAL_PCI=y", "CONFIG_SERIAL_PCI_MULTI=y")

RECIPE = "1"


def _model() -> list[Path]:
    files = [path for pattern in ("*.c", "*.h", "meson.build", "Kconfig") for path in MODEL.glob(pattern)]
    if not files:
        raise Failure(f"{MODEL} holds no model")
    return sorted(files)


def _patches() -> list[Path]:
    return sorted((MODEL / "patches").glob("*.patch"))


def _run(words: list[str], cwd: Path, what: str) -> None:
    kept: list[str] = []
    with subprocess.Popen(words, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, env={**huge_pages.environment(), "LC_ALL": "C"}) as process:
        assert process.stdout
        for line in process.stdout:
            if re.match(r"\[\d+/\d+\] ", line):
                progress(f"QEMU {line.strip()}")
            else:
                kept.append(line)
    progress("")
    if process.returncode:
        raise Failure(f"{what}: exit {process.returncode}\n{''.join(kept)[-6000:]}")


def _version() -> str:
    """The exact version of the source package, the same until the cache is cleared."""
    note = cache() / "qemu" / f"{codename()}.version"
    with locked("version", note.parent):
        if not note.exists():
            apt = Apt(wide=True)
            apt.update()
            fitting = [version for version in apt.source_versions("qemu") if f":{SERIES}" in version]
            if not fitting:
                raise Unavailable(f"Debian {codename()} has no source of QEMU {SERIES}, for which the model is written")
            note.write_text(newest(fitting), encoding="ascii")
        return note.read_text(encoding="ascii")


def _source(version: str) -> Path:
    """The source of the version, with the distribution's patches and ours."""
    def make(part: Path) -> None:
        apt = Apt(wide=True)
        apt.update()
        say("qemu", f"downloading the source of QEMU {version}")
        dsc = apt.download_source("qemu", version, part)
        _run(["dpkg-source", "--no-check", "-x", dsc.name, "src"], part, "dpkg-source")
        for file in (*part.glob("*.xz"), dsc):
            file.unlink()
        for patch in _patches():
            _run(["patch", "-p1", "--batch", "-i", str(patch)], part / "src", patch.name)

    hashed = key(RECIPE, version, *(patch.read_text(encoding="utf-8") for patch in _patches()))
    return once(cache() / "qemu" / f"source-{hashed}", make) / "src"


def _compile(source: Path, binary: Path) -> None:
    hashed = key(RECIPE, str(source), *CONFIGURE, *DEVICES)
    build = cache() / "qemu" / f"build-{hashed}"
    with locked("build", cache() / "qemu"):
        place = source / PLACE
        for file in _model():
            kbuild.copy(file, place / file.name)
        for file in place.iterdir() if place.exists() else ():
            if not (MODEL / file.name).exists():
                file.unlink()
        (source / "configs" / "devices" / "aarch64-softmmu" / "pinring.mak").write_text(
            "\n".join(DEVICES) + "\n", encoding="ascii")
        if not (build / "build.ninja").exists():
            shutil.rmtree(build, ignore_errors=True)
            build.mkdir()
            say("qemu", "building, which takes some minutes the first time")
            _run([str(source / "configure"), *CONFIGURE], build, "QEMU's configure")
        _run(["ninja", "qemu-system-aarch64"], build, "QEMU's build")
        binary.parent.mkdir(exist_ok=True)
        part = binary.with_suffix(".part")
        shutil.copy2(build / "qemu-system-aarch64", part)
        part.rename(binary)


def get() -> Path:
    """The program, built if no run has built it from the same inputs."""
    version = _version()
    source = _source(version)
    hashed = key(RECIPE, str(source), *CONFIGURE, *DEVICES,
                 *(f"{file.name}\n{file.read_text(encoding='utf-8')}" for file in _model()))
    binary = cache() / "qemu" / f"bin-{hashed}" / "qemu-system-aarch64"
    if not binary.exists():
        _compile(source, binary)
    return binary
