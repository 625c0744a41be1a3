# SPDX-License-Identifier: MIT
"""The kernel modules, built for one kernel and built again only when something changed."""

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from . import kbuild, linux_source
from .kernels import Kernel
from .paths import BUILD, ROOT, key, locked
from .report import Failure

# Folders of ours that hold modules for the AXI DMA tiers only.
MODEL_PARTS = ("test/qemu/control", "test/axidma/client")
# Where the upstream provider is built, below the kernel's folder.
PROVIDER = "provider/drivers/dma/xilinx"

# In the order in which they are loaded. Both orders of client and provider must
# work; on the AXI DMA tier all devices are there when pinring's insmod returns.
STOCK = ("driver/pinring.ko", "driver/sim/pinring_sim.ko")
AXIDMA = (f"{PROVIDER}/xilinx_dma.ko", "test/qemu/control/pinring_model.ko", "test/axidma/client/pinring_client.ko",
          "driver/pinring.ko")


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


def words_for(kernel: Kernel) -> tuple[str, ...]:
    """What make has to be told about the kernel's architecture."""
    if kernel.arch.foreign:
        return (f"ARCH={kernel.arch.kbuild}", f"CROSS_COMPILE={kernel.arch.triplet}-")
    return ()


def parts_of(axidma: bool) -> tuple[str, ...]:
    """Folders of the tree that the modules are made of."""
    return kbuild.PARTS + (MODEL_PARTS if axidma else ())


def _provider(kernel: Kernel, into: Path) -> list[str]:
    """Upstream's driver as it is; its warnings are not ours."""
    source = linux_source.provider(kernel)
    for name in linux_source.PROVIDER:
        kbuild.copy(source / name, into / "provider" / name)
    folder = into / PROVIDER
    kbuild_file = folder / "Kbuild"
    if not kbuild_file.exists():
        kbuild_file.write_text("obj-m += xilinx_dma.o\n", encoding="ascii")
    done = kbuild.make(folder, kernel.headers, *words_for(kernel), "modules")
    if done.returncode:
        raise Failure(f"xilinx_dma does not build for {kernel.release}:\n{_complaints(done.stdout)}")
    return []


def _ours(kernel: Kernel, source: Path, into: Path, parts: tuple[str, ...], folders: tuple[str, ...],
          clean: bool) -> list[str]:
    """make W=1 of our folders; returns the warnings."""
    kbuild.sync(source, into, parts)
    warnings = []
    for folder in folders:
        words = words_for(kernel)
        # A warning is printed only by the run that compiles its file: what is
        # not known to be clean is compiled again.
        if clean:
            kbuild.make(into / folder, kernel.headers, *words, "clean")
        done = kbuild.make(into / folder, kernel.headers, *words, "W=1", "modules")
        if done.returncode:
            raise Failure(f"{folder} does not build for {kernel.release}:\n{_complaints(done.stdout)}")
        warnings += _warnings(done.stdout)
    return warnings


def build(kernel: Kernel, copy_to: Path, axidma: bool = False, source: Path = ROOT) -> Built:
    """make W=1, and the modules in COPY_TO, where no other run's build touches them.

    SOURCE is another tree than this one if its driver is to be built. Raises
    Failure with the compiler's words when they don't build.
    """
    into = BUILD / ("modules" if source == ROOT else f"modules-{source.name}") / kernel.name
    note = into / "built.json"
    parts = parts_of(axidma)
    folders = ("driver",) + (tuple(part for part in MODEL_PARTS if (source / part).is_dir()) if axidma else ())
    with locked("modules", BUILD):
        inputs = key(str(kernel.headers), str(axidma), *(f"{path.relative_to(source)}\n{path.read_text(encoding='utf-8')}"
                                                         for path in kbuild.sources(source, parts)))
        files = [into / name for name in (AXIDMA if axidma else STOCK)]
        kept = _kept(note)
        if kept.get("inputs") != inputs or not all(file.exists() for file in files):
            note.unlink(missing_ok=True)
            if axidma:
                _provider(kernel, into)
            warnings = _ours(kernel, source, into, parts, folders, clean=bool(kept.get("warnings", True)))
            kept = {"inputs": inputs, "warnings": warnings}
            note.write_text(json.dumps(kept), encoding="utf-8")
        copy_to.mkdir(parents=True, exist_ok=True)
        copies = []
        for file in files:
            if not file.exists():
                raise Failure(f"Kbuild made no {file.name}")
            shutil.copyfile(file, copy_to / file.name)
            copies.append(copy_to / file.name)
        return Built(copies, list(kept["warnings"]))
