# SPDX-License-Identifier: MIT
"""What is needed from the distribution, and getting it."""

import os
import shutil
import subprocess

from .arch import Arch
from .report import Failure, progress, say

# The README names these for a build by hand.
BUILD = ["g++", "pkg-config", "meson", "ninja-build", "libcli11-dev", "libfmt-dev", "libmd-dev", "nlohmann-json3-dev",
         "catch2"]
# What was compiled before, in whichever clone, is not compiled again: see meson.py.
COMPILE_CACHE = ["ccache"]
# Kbuild, and what its helper program objtool is linked to.
MODULES = ["make", "gcc", "libc6-dev", "libelf-dev"]
GUEST = ["busybox-static", "binutils", "xz-utils", "util-linux"]
# The source package of QEMU, and what it is built with.
MODEL = ["dpkg-dev", "patch", "python3-venv", "libglib2.0-dev", "libpixman-1-dev", "libfdt-dev", "zlib1g-dev"]
KERNEL = ["flex", "bison", "bc", "libssl-dev"]
LINT = ["clang-format", "clang-tidy", "shellcheck", "sparse", "perl", "xz-utils"]


def for_guest(arch: Arch, axidma: bool) -> list[str]:
    """For the guests of a tier; with AXIDMA, QEMU is built too, and a kernel may be."""
    names = BUILD + COMPILE_CACHE + MODULES + GUEST
    if arch.foreign:
        names += [f"{tool}-{arch.triplet}" for tool in ("gcc", "g++", "binutils")]
    return names + (MODEL + KERNEL if axidma else [arch.qemu_package])


def _missing(names: list[str]) -> list[str]:
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *names],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    there = {line.split()[0] for line in done.stdout.splitlines() if line.endswith(" installed")}
    return [name for name in dict.fromkeys(names) if name not in there]


def _as_root(words: list[str]) -> list[str]:
    if os.geteuid() == 0:
        return words
    if shutil.which("sudo"):
        return ["sudo", *words]
    raise Failure("packages are missing, and installing them wants root or sudo:\n"
                  f"  {' '.join(words)}")


def _apt_get(*words: str) -> tuple[int, str]:
    # env, because sudo drops the variables of its caller.
    command = _as_root(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q",
                        "-o", "DPkg::Lock::Timeout=600", *words])
    kept = []
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True) as process:
        assert process.stdout
        for line in process.stdout:
            progress(line.strip())
            kept.append(line)
    progress("")
    return process.returncode, "".join(kept)


def need(names: list[str]) -> None:
    """Install what is missing, saying what."""
    if not shutil.which("dpkg-query"):
        raise Failure("this is for Debian and its derivatives: dpkg-query is not here.\n"
                      f"By hand, the packages named there are: {' '.join(names)}")
    missing = _missing(names)
    if not missing:
        return
    say("packages", f"installing {' '.join(missing)}")
    install = ("install", "-y", "--no-install-recommends", *missing)
    code, text = _apt_get(*install)
    if code:
        # The machine's package lists are absent or old.
        _apt_get("update")
        code, text = _apt_get(*install)
    if code:
        raise Failure(f"apt-get {' '.join(install)}: exit {code}\n{text[-3000:]}")
