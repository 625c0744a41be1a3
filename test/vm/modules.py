# SPDX-License-Identifier: MIT
"""The kernel modules, built for one kernel and built again only when something changed."""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from . import huge_pages, kbuild, kept, linux_source
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


# How they are built; another number, and none that is kept is used.
RECIPE = "1"


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
    done = kbuild.make(folder, kernel.headers, *words_for(kernel), "modules",
                       environment=huge_pages.environment())
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
        done = kbuild.make(into / folder, kernel.headers, *words, "W=1", "modules", environment=huge_pages.environment())
        if done.returncode:
            raise Failure(f"{folder} does not build for {kernel.release}:\n{_complaints(done.stdout)}")
        warnings += _warnings(done.stdout)
    return warnings


def _tools(kernel: Kernel) -> str:
    """What Kbuild compiles with: version of the compiler, and what the environment adds to its options."""
    # Debian's headers name one compiler, those of the sanitised kernel leave it to Kbuild.
    choice = kernel.headers / ".kernelvariables"
    named = re.search(r"gcc(-\d+)\s*$", choice.read_text(encoding="ascii") if choice.exists() else "", re.MULTILINE)
    compiler = f"{kernel.arch.triplet}-gcc" if kernel.arch.foreign else "gcc"
    if named:
        compiler += named[1]
    try:
        done = subprocess.run([compiler, "--version"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=True, env={**os.environ, "LC_ALL": "C"})
    except (OSError, subprocess.CalledProcessError) as error:
        raise Failure(f"{compiler}, with which Kbuild compiles for {kernel.release}, can't be asked for its version: "
                      f"{error}") from error
    return key(RECIPE, done.stdout, *(os.environ.get(name, "") for name in ("KCFLAGS", "KCPPFLAGS", "KAFLAGS")))


def _made(kernel: Kernel, into: Path, inputs: str, axidma: bool, source: Path) -> Built:
    """The modules in INTO, compiled as far as they differ from what is there."""
    note = into / "built.json"
    folders = ("driver",) + (tuple(part for part in MODEL_PARTS if (source / part).is_dir()) if axidma else ())
    files = [into / name for name in _names(axidma)]
    there = _kept(note)
    tools = _tools(kernel)
    if there.get("tools") != tools:
        # Kbuild does not compile again because the compiler is another one; without a note none is known.
        shutil.rmtree(into, ignore_errors=True)
        there = {}
    if there.get("inputs") != inputs or not all(file.exists() for file in files):
        note.unlink(missing_ok=True)
        if axidma:
            _provider(kernel, into)
        warnings = _ours(kernel, source, into, parts_of(axidma), folders, clean=bool(there.get("warnings", True)))
        there = {"inputs": inputs, "tools": tools, "warnings": warnings}
        note.write_text(json.dumps(there), encoding="utf-8")
    for file in files:
        if not file.exists():
            raise Failure(f"Kbuild made no {file.name}")
    return Built(files, list(there["warnings"]))


def _names(axidma: bool) -> tuple[str, ...]:
    return AXIDMA if axidma else STOCK


def _inputs(kernel: Kernel, axidma: bool, source: Path) -> str:
    """A hash of everything that the modules depend on."""
    return key(str(kernel.headers), _tools(kernel), *_names(axidma),
               *(f"{path.relative_to(source)}\n{path.read_text(encoding='utf-8')}"
                 for path in kbuild.sources(source, parts_of(axidma))))


def build(kernel: Kernel, copy_to: Path, axidma: bool = False, source: Path = ROOT) -> Built:
    """make W=1, and the modules in COPY_TO, where no other run's build touches them.

    SOURCE is another tree than this one if its driver is to be built. Modules of
    this one are kept in the cache for other clones. A compiler's cache would not
    do that: Kbuild names the clone's path in every call. Raises Failure with the
    compiler's words when they don't build.
    """
    own = source == ROOT
    into = BUILD / ("modules" if own else f"modules-{source.name}") / kernel.name
    with locked("modules", BUILD):
        inputs = _inputs(kernel, axidma, source)
        found = kept.fetch(kernel.name, inputs, copy_to) if own else None
        if found is None:
            built = _made(kernel, into, inputs, axidma, source)
            # Not if somebody has saved a file meanwhile: what was compiled may be either.
            if own and _inputs(kernel, axidma, source) == inputs:
                kept.store(kernel.name, inputs, built.files, built.warnings)
            copy_to.mkdir(parents=True, exist_ok=True)
            found = [Path(shutil.copy(file, copy_to)) for file in built.files], built.warnings
        return Built(*found)
