# SPDX-License-Identifier: MIT
"""What is needed from the distribution, and getting it."""

import os
import shutil
import subprocess

from .arch import Arch
from .report import Failure, say

# The README names these for a build by hand.
BUILD = ["g++", "pkg-config", "meson", "ninja-build", "libcli11-dev", "libfmt-dev", "libmd-dev", "nlohmann-json3-dev",
         "catch2"]
# Kbuild, and what its helper program objtool is linked to.
MODULES = ["make", "gcc", "libc6-dev", "libelf-dev"]
GUEST = ["busybox-static", "binutils", "xz-utils", "util-linux"]
LINT = ["clang-format", "clang-tidy", "shellcheck", "sparse", "perl", "xz-utils"]


def for_guest(arch: Arch) -> list[str]:
    return BUILD + MODULES + GUEST + [arch.qemu_package]


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


def _apt_get(*words: str) -> subprocess.CompletedProcess[str]:
    # env, because sudo drops the variables of its caller.
    command = _as_root(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q",
                        "-o", "DPkg::Lock::Timeout=600", *words])
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False)


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
    done = _apt_get(*install)
    if done.returncode != 0:
        # The machine's package lists are absent or old.
        _apt_get("update")
        done = _apt_get(*install)
    if done.returncode != 0:
        raise Failure(f"apt-get {' '.join(install)}: exit {done.returncode}\n{done.stdout[-3000:]}")
