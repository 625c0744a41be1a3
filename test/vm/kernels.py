# SPDX-License-Identifier: MIT
"""Debian's kernels: image and headers of one exact version, unpacked side by side."""

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .apt import Apt, codename, newest
from .arch import Arch, host
from .paths import cache, key, locked, once
from .report import Failure, Unavailable, say

# Part of the cache key: raise it when unpack() changes what it leaves behind.
RECIPE = "2"

# The series the driver is built and tested against; the first that a suite has
# gets every test, the others the smoke set.
SERIES = ("6.1", "6.12")


@dataclass(frozen=True)
class Kernel:
    series: str
    release: str  # as uname -r says
    version: str  # of the packages
    arch: Arch
    image: Path
    headers: Path  # what KDIR names
    variant: str = ""  # of a kernel that is not the distribution's own

    @property
    def name(self) -> str:
        """Tells it from every other kernel that one tree is built for."""
        return f"{self.release}-{self.variant}" if self.variant else self.release


def _resolve(series: str, arch: Arch) -> list[tuple[str, str]] | None:
    """The packages of the newest kernel of the series, image first, with versions."""
    for backports in (False, True):
        apt = Apt(backports, arch.foreign)
        apt.update()
        # The plain flavour: no -cloud-, no -rt-, no -unsigned, no -dbg.
        images = apt.versions(f"linux-image-{series}.", rf"[0-9][^-]*(-[0-9]+)?-{arch.debian}")
        # Vermagic wants image and headers of one version; a mirror in the
        # middle of an update may have only one of them yet.
        headers = apt.versions(f"linux-headers-{series}.")
        pairs = [(version, name) for name, versions in images.items() for version in versions
                 if version in headers.get(name.replace("image", "headers"), [])]
        if not pairs:
            continue
        best = newest([version for version, _ in pairs])
        image = next(name for version, name in pairs if version == best)
        release = image.removeprefix("linux-image-")
        kernel_headers = f"linux-headers-{release}"
        depends = apt.depends(f"{kernel_headers}:{arch.debian}", best)
        common = re.search(r"linux-headers-\S+-common", depends)
        kbuild = re.search(r"linux-kbuild-[^ ,]+", depends)
        if not common or not kbuild:
            raise Failure(f"{kernel_headers} {best} depends on no -common or -kbuild package: {depends}")
        kbuild_versions = apt.versions(kbuild.group(0))[kbuild.group(0)]
        kbuild_version = best if best in kbuild_versions else newest(kbuild_versions)
        # Kbuild's own programs run here, whatever they build for.
        return [(f"{image}:{arch.debian}", best), (f"{kernel_headers}:{arch.debian}", best),
                (common.group(0), best), (f"{kbuild.group(0)}:{host().debian}", kbuild_version)]
    return None


def _unpack(deb: Path, into: Path) -> None:
    """Unpack what a build and a boot need; the image's modules stay packed, 400 MB of them."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE) as tar:
        done = subprocess.run(
            ["tar", "-x", "-C", str(into), "--no-same-owner", "--exclude=./lib/modules",
             "--exclude=./usr/lib/modules", "--exclude=./usr/share/doc", "--exclude=./usr/share/lintian"],
            stdin=tar.stdout, check=False)
    if done.returncode != 0 or tar.returncode != 0:
        raise Failure(f"{deb.name} can't be unpacked")


def _mend(folder: Path, release: str) -> None:
    """Make the headers work from where they are instead of from /usr/src."""
    headers = folder / "usr" / "src" / f"linux-headers-{release}"
    makefile = headers / "Makefile"
    text = makefile.read_text(encoding="ascii")
    mended = re.sub(r"^include /usr/src/", "include $(dir $(realpath $(lastword $(MAKEFILE_LIST))))../",
                    text, flags=re.MULTILINE)
    if mended == text:
        raise Failure(f"{makefile}: no include of /usr/src to mend; has the package changed its form?")
    makefile.write_text(mended, encoding="ascii")
    # Only BTF of modules is made from it, which would want pahole here and
    # nothing in the guest reads.
    (headers / "vmlinux").unlink(missing_ok=True)


def _kernel_package_list(series: str, arch: Arch) -> list[tuple[str, str]] | None:
    """_resolve(), remembered: the same kernel until the cache is cleared."""
    note = cache() / "kernels" / f"{codename()}-{arch.debian}-{series}.json"
    with locked("kernels", note.parent):
        if note.exists():
            found = json.loads(note.read_text(encoding="utf-8"))
            return [(name, version) for name, version in found] or None
        packages = _resolve(series, arch)
        part = note.with_suffix(".part")
        part.write_text(json.dumps(packages or []), encoding="utf-8")
        part.rename(note)
        return packages


def get(series: str, arch: Arch) -> Kernel | None:
    """The kernel of the series, or None where no suite of this release has it."""
    packages = _kernel_package_list(series, arch)
    if not packages:
        return None
    release = packages[0][0].removeprefix("linux-image-").split(":")[0]
    hashed = key(RECIPE, *(f"{name}={version}" for name, version in packages))

    def make(part: Path) -> None:
        say("kernel", f"downloading {release} with its headers, version {packages[0][1]}")
        for backports in (False, True):
            apt = Apt(backports, arch.foreign)
            apt.update()
            try:
                debs = apt.download(packages, part)
                break
            except Failure:
                if backports:
                    raise
        for deb in debs:
            _unpack(deb, part)
            deb.unlink()
        _mend(part, release)

    folder = once(cache() / "kernels" / f"{release}-{hashed}", make)
    kernel = Kernel(series, release, packages[0][1], arch, folder / "boot" / f"vmlinuz-{release}",
                    folder / "usr" / "src" / f"linux-headers-{release}")
    if not kernel.image.is_file() or not kernel.headers.is_dir():
        raise Failure(f"{folder} lacks the image or the headers; ./run clean cache, then try again")
    return kernel


def all_kernels(arch: Arch) -> list[Kernel]:
    """Those that the suite has, the one for all tests first."""
    found = [kernel for series in SERIES if (kernel := get(series, arch))]
    if not found:
        raise Unavailable(f"Debian {codename()} has no kernel {' or '.join(SERIES)} for {arch.debian}")
    return found
