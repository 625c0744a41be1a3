# SPDX-License-Identifier: MIT
"""The guest's initramfs: busybox, the agent, the modules, programs and data."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from . import sysroot
from .arch import Arch
from .cpio import Archive
from .paths import GUEST_FILES
from .report import Failure

# 64 pages of 2 MiB: what the tests of hugetlb memory need, both directions.
HUGE_PAGES = 64

BUSYBOX = Path("bin/busybox")


@dataclass
class Contents:
    modules: list[Path] = field(default_factory=list)  # in the order of loading
    programs: Iterable[Path] = ()  # into /programs
    data: Iterable[Path] = ()  # into /data
    prompt: bool = False


def write(path: Path, arch: Arch, contents: Contents) -> Path:
    busybox = (sysroot.get(arch) if arch.foreign else Path("/")) / BUSYBOX
    if not busybox.is_file():
        raise Failure(f"{busybox} is missing: the package is busybox-static")
    with Archive(path) as archive:
        for folder in ("bin", "dev", "proc", "sys", "run", "home", "root", "programs", "data", "modules"):
            archive.folder(folder)
        archive.folder("tmp", 0o1777)
        archive.copy("bin/busybox", busybox, 0o755)
        archive.link("bin/sh", "busybox")
        archive.copy("init", GUEST_FILES / "init", 0o755)
        for name in ("guest.sh", "agent.sh", "start.sh", "prompt.sh"):
            archive.copy(f"lib/{name}", GUEST_FILES / name)
        archive.text("etc/pinring.conf",
                     f"KIND={'prompt' if contents.prompt else 'agent'}\n"
                     f"CONTROL={arch.control}\nOUTPUT={arch.output}\nHUGE_PAGES={HUGE_PAGES}\n")
        archive.text("etc/passwd",
                     "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\n")
        archive.text("etc/group", "root:x:0:\nuser:x:1000:\npinring:x:990:user\n")
        archive.text("modules/order", "".join(f"{module.name}\n" for module in contents.modules))
        for module in contents.modules:
            archive.copy(f"modules/{module.name}", module)
        for program in contents.programs:
            archive.copy(f"programs/{program.name}", program, 0o755)
        for file in contents.data:
            archive.copy(f"data/{file.name}", file)
    return path
