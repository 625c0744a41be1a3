# SPDX-License-Identifier: MIT
"""What differs between the two architectures a guest can have."""

import platform
from dataclasses import dataclass

from .report import Failure


@dataclass(frozen=True)
class Arch:
    debian: str  # as in package names
    kbuild: str  # as in ARCH=
    triplet: str
    qemu: str
    qemu_package: str
    machine: str
    cpu: str
    # Three serial ports: the kernel's console, the agent's commands, the
    # output of programs. virtio-serial would be a module to load first.
    ports: tuple[str, ...]
    console: str
    control: str
    output: str
    # For the kernel's command line.
    words: str

    @property
    def foreign(self) -> bool:
        """Not this machine's: what is built for it is cross-built."""
        return self is not host()


AMD64 = Arch(
    debian="amd64",
    kbuild="x86",
    triplet="x86_64-linux-gnu",
    qemu="qemu-system-x86_64",
    qemu_package="qemu-system-x86",
    machine="q35",
    cpu="max,la57=off",  # five levels of page tables only cost time here
    ports=("-serial", "chardev:console", "-serial", "chardev:control", "-serial", "chardev:output"),
    console="ttyS0",
    control="ttyS1",
    output="ttyS2",
    words="",
)

ARM64 = Arch(
    debian="arm64",
    kbuild="arm64",
    triplet="aarch64-linux-gnu",
    qemu="qemu-system-aarch64",
    qemu_package="qemu-system-arm",
    machine="virt,gic-version=2",
    cpu="cortex-a72",
    ports=("-serial", "chardev:console",
           "-device", "pci-serial-2x,chardev1=control,chardev2=output"),
    console="ttyAMA0",
    control="ttyS0",
    output="ttyS1",
    # mitigations=off says nothing to what KASLR asks for: user pages out of the kernel's tables, for
    # which the emulator throws all translations away at every system call.
    words="kpti=off",
)


def host() -> Arch:
    machine = platform.machine()
    arch = {"x86_64": AMD64, "aarch64": ARM64}.get(machine)
    if not arch:
        raise Failure(f"the guest runs on x86-64 and arm64 hosts; this one is {machine}")
    return arch
