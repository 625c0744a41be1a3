# SPDX-License-Identifier: MIT
"""The sanitised kernel: the distribution's source, a configuration of our own that looks for bugs."""

import os
import re
import subprocess
from pathlib import Path

from . import huge_pages, linux_source
from .arch import ARM64
from .kernels import Kernel
from .paths import cache, key, once
from .report import Failure, progress, say

SERIES = "6.12"
VARIANT = "sanitised"
CONFIG = Path(__file__).resolve().parent / "kernel" / "sanitised.config"

# One splat must not hide the next; and a table that is full must not either. Grace periods that are
# as short as they can be: who relies on a longer one is found sooner, and closes and unbinds, which
# wait for many, take half the time.
CMDLINE = "kasan_multi_shot dma_debug_entries=262144 dma_debug_driver=* rcupdate.rcu_expedited=1"

RECIPE = "3"

# Most of the source is of drivers that nobody configures. Kconfig wants their
# Kconfig files, Kbuild their Makefiles, nobody their sources.
NOT_UNPACKED = ("drivers/gpu/*.[ch]", "drivers/net/ethernet/*.[ch]", "drivers/net/wireless/*.[ch]", "drivers/media/*.[ch]", "drivers/staging/*.[ch]",
                "drivers/scsi/*.[ch]", "drivers/infiniband/*.[ch]", "sound/*.[ch]", "tools/testing/*",
                "Documentation/*.rst", "Documentation/*.yaml")
# A module's build needs none of these.
NOT_KEPT = ("drivers", "sound", "fs", "net", "kernel", "mm", "lib", "block", "crypto", "Documentation", "samples",
            "security", "io_uring", "ipc", "init", "virt", "rust", "usr")

# KASAN looks at what it is compiled into, at the price of a third of the compiler's time and much of
# the guest's. The driver's objects are reached by the memory management, files, the device model,
# dmaengine, locks, timers and workers. What is here keeps a reference at most, as the network does
# of files on their way: what returns it, and frees the object, is looked at.
NOT_SANITISED = ("arch/arm64", "drivers/amba", "drivers/bus", "drivers/clk", "drivers/irqchip", "drivers/pci",
                 "drivers/tty", "fs/devpts", "fs/fuse", "fs/ramfs", "fs/tracefs", "init", "kernel/bpf",
                 "kernel/futex", "kernel/printk", "kernel/trace", "lib/crypto", "lib/math", "net", "security")

# It is in these, which pin, close, queue and complete: a folder's name too many above is told.
SANITISED = ("drivers/base/core.o", "drivers/dma/dmaengine.o", "fs/file_table.o", "fs/proc/fd.o",
             "kernel/workqueue.o", "mm/gup.o")


def _make(tree: Path, *words: str) -> None:
    kept: list[str] = []
    with subprocess.Popen(["make", "-C", str(tree), f"-j{os.cpu_count() or 1}", f"ARCH={ARM64.kbuild}",
                           *([f"CROSS_COMPILE={ARM64.triplet}-"] if ARM64.foreign else []), *words],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env={**huge_pages.environment(), "LC_ALL": "C"}) as process:
        assert process.stdout
        for line in process.stdout:
            kept = kept[-400:] + [line]
            if re.match(r"\s+[A-Z]+\s", line):
                progress(f"kernel {line.strip()}")
    progress("")
    if process.returncode:
        raise Failure(f"the sanitised kernel: make {' '.join(words)}: exit {process.returncode}\n"
                      f"{''.join(kept)[-4000:]}")


def _configured(tree: Path) -> None:
    """Kconfig drops what it can't fulfil, and says nothing."""
    there = set((tree / ".config").read_text(encoding="ascii").splitlines())
    wanted = [line for line in CONFIG.read_text(encoding="ascii").splitlines()
              if re.match(r"(# )?CONFIG_", line)]
    missing = [line for line in wanted if line not in there]
    if missing:
        raise Failure(f"{CONFIG.name}: Kconfig of {SERIES} did not take {', '.join(missing)}")


def _without_kasan(tree: Path) -> None:
    """Kbuild asks each folder's Makefile, not those above it."""
    for name in NOT_SANITISED:
        makefiles = list((tree / name).rglob("Makefile"))
        if not makefiles:
            raise Failure(f"{name}: Linux {SERIES} has no Makefile there to leave KASAN out by")
        for makefile in makefiles:
            with open(makefile, "a", encoding="utf-8") as file:
                file.write("\nKASAN_SANITIZE := n\n")


def without_kasan(objects: list[Path]) -> list[str]:
    """Those, of objects or modules, in which no access to memory is looked at."""
    tool = f"{ARM64.triplet}-nm" if ARM64.foreign else "nm"
    found = []
    for path in objects:
        done = subprocess.run([tool, "--undefined-only", str(path)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False, env={**os.environ, "LC_ALL": "C"})
        if done.returncode:
            raise Failure(f"whether KASAN is in {path} can't be told: {done.stdout.strip()}")
        if not re.search(r" __asan_(report_)?(load|store)", done.stdout):
            found.append(path.name)
    return found


def check(objects: list[Path]) -> None:
    """The kernel says nothing of what was compiled without its sanitiser: nobody would miss it."""
    missing = without_kasan(objects)
    if missing:
        raise Failure(f"KASAN is not in {', '.join(missing)}, which the sanitised tier is to look at: "
                      "does a Makefile or Kbuild leave it out?")


def _shrink(tree: Path) -> None:
    """What building a module against the tree needs stays: 100 MB of 2 GB."""
    for path in tree.rglob("*"):
        if path.suffix in (".o", ".a", ".cmd", ".rst") and path.is_file():
            keep = "scripts" in path.relative_to(tree).parts[:1]
            if not keep:
                path.unlink()
    for name in ("vmlinux", "vmlinux.unstripped", "vmlinux.o", "modules.builtin.modinfo"):
        (tree / name).unlink(missing_ok=True)
    for name in NOT_KEPT:
        for path in (tree / name).rglob("*"):
            if path.suffix in (".c", ".S", ".h", ".dts", ".dtsi") and path.is_file():
                path.unlink()


def kernel() -> Kernel:
    """The kernel, built once."""
    version = linux_source.newest_version(SERIES)

    def make(part: Path) -> None:
        source = linux_source.archive(SERIES, version)
        say("kernel", f"building the sanitised {version}, which takes some minutes")
        root = f"linux-source-{SERIES}"
        done = subprocess.run(["tar", "-xf", str(source), "-C", str(part), "--strip-components=1", "--wildcards",
                               *(f"--exclude={root}/{pattern}" for pattern in NOT_UNPACKED)], check=False)
        if done.returncode:
            raise Failure(f"{source} can't be unpacked")
        _make(part, f"KCONFIG_ALLCONFIG={CONFIG}", "allnoconfig")
        _configured(part)
        _without_kasan(part)
        # Upstream's warnings are not ours, and looking for them takes the compiler a thirtieth of its time.
        _make(part, "KCFLAGS=-w", "Image", "modules")
        check([part / name for name in SANITISED])
        _shrink(part)

    inputs = key(RECIPE, CONFIG.read_text(encoding="ascii"), *NOT_SANITISED, *SANITISED)
    folder = once(cache() / "kernels" / f"sanitised-{version}-{inputs}", make)
    release = (folder / "include" / "config" / "kernel.release").read_text(encoding="ascii").strip()
    return Kernel(SERIES, release, version, ARM64, folder / "arch" / "arm64" / "boot" / "Image", folder,
                  variant=VARIANT)
