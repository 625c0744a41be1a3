# SPDX-License-Identifier: MIT
"""The tiers: which kernels, which provider, which machine."""

import argparse
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import kernels, meson, modules, packages, qemu, sanitised
from .arch import ARM64, Arch, host
from .kernels import Kernel
from .paths import ROOT
from .report import Failure

BOARDS = ROOT / "test" / "qemu" / "boards.toml"


@dataclass(frozen=True)
class Machine:
    """What QEMU is told apart from the kernel."""

    arch: Arch
    program: str
    devices: tuple[str, ...] = ()
    memory: str = "2560M"


@dataclass(frozen=True)
class Tier:
    name: str
    arch: Arch
    provider: str
    # A program's deadline is meant for the stock tier; it is this many times
    # as long where everything takes longer.
    patience: float
    kernels: Callable[[], list[Kernel]]
    cmdline: str = ""

    @property
    def axidma(self) -> bool:
        """The provider is the real one, on the model."""
        return self.provider == "xilinx_dma"

    def label(self, kernel: Kernel) -> str:
        """How a line of the report names where a program ran."""
        return kernel.series if self.name == "stock" else f"{self.name} {kernel.series}"

    def need_packages(self) -> None:
        packages.need(packages.for_guest(self.arch, self.axidma))

    def kernel(self, series: str | None) -> Kernel:
        """The kernel of the series, or the first."""
        found = self.kernels()
        for kernel in found:
            if series in (None, kernel.series):
                return kernel
        raise Failure(f"the tier {self.name} has no kernel {series}; it has "
                      f"{', '.join(kernel.series for kernel in found)}")

    def machine(self) -> Machine:
        if not self.axidma:
            return Machine(self.arch, self.arch.qemu)
        return Machine(self.arch, str(qemu.get()), boards())

    def modules(self, kernel: Kernel, copy_to: Path, source: Path = ROOT) -> modules.Built:
        built = modules.build(kernel, copy_to, self.axidma, source)
        if kernel.variant == sanitised.VARIANT:
            sanitised.check(built.files)
        return built

    def programs(self) -> meson.Build:
        return meson.guest(self.arch)


def boards() -> tuple[str, ...]:
    """-device for each row of boards.toml; the keys are the device's properties."""
    words: list[str] = []
    for board in tomllib.loads(BOARDS.read_text(encoding="utf-8"))["board"]:
        properties = []
        for name, value in board.items():
            text = ("on" if value else "off") if isinstance(value, bool) else str(value)
            properties.append(f"{name}={text}")
        words += ["-device", ",".join(["pinring-axi-dma", *properties])]
    return tuple(words)


def _stock() -> Tier:
    return Tier("stock", host(), "pinring_sim", 1.0, lambda: kernels.all_kernels(host()))


def _axidma() -> Tier:
    return Tier("axidma", ARM64, "xilinx_dma", 1.5, lambda: kernels.all_kernels(ARM64))


def _sanitised() -> Tier:
    return Tier("sanitised", ARM64, "xilinx_dma", 5.0, lambda: [sanitised.kernel()], sanitised.CMDLINE)


TIERS = {"stock": _stock, "axidma": _axidma, "sanitised": _sanitised}


def named(name: str | None) -> Tier:
    if name not in TIERS:
        raise Failure(f"there is no tier {name}; there are {', '.join(TIERS)}")
    return TIERS[name]()


def option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tier", default="stock", choices=list(TIERS),
                        help="stock: the simulator (default); axidma: upstream's xilinx_dma on the model of the AXI DMA; "
                             "sanitised: the same on a kernel that looks for bugs")
