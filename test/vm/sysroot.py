# SPDX-License-Identifier: MIT
"""What programs for another architecture are built with: its libraries, unpacked and never installed."""

import subprocess
from pathlib import Path

from .apt import Apt, newest
from .arch import Arch
from .paths import cache, key, once
from .report import Failure, say

# Part of the cache key: raise it when make() changes what it leaves behind.
RECIPE = "1"

# The C and C++ libraries come with the cross compiler's own packages.
LIBRARIES = ("catch2", "libcli11-dev", "libfmt-dev", "libmd-dev", "nlohmann-json3-dev")
PROGRAMS = ("busybox-static",)


def get(arch: Arch) -> Path:
    """The folder that holds usr/include, usr/lib and bin/busybox of the architecture."""
    apt = Apt(wide=True)
    folder = cache() / "sysroots"
    folder.mkdir(exist_ok=True)

    def make(part: Path) -> None:
        apt.update()
        say("sysroot", f"downloading {' '.join(LIBRARIES + PROGRAMS)} for {arch.debian}")
        names = []
        for package in LIBRARIES + PROGRAMS:
            # A package of headers alone has no architecture.
            for name in (f"{package}:{arch.debian}", package):
                versions = apt.versions_of([name]).get(package)
                if versions:
                    names.append((name, newest(versions)))
                    break
            else:
                raise Failure(f"no package source has {package} for {arch.debian}")
        for deb in apt.download(names, part):
            if subprocess.run(["dpkg-deb", "-x", str(deb), str(part)], check=False).returncode:
                raise Failure(f"{deb.name} can't be unpacked")
            deb.unlink()

    return once(folder / f"{arch.debian}-{key(RECIPE, *LIBRARIES, *PROGRAMS)}", make)


def cross_file(arch: Arch, path: Path) -> Path:
    """Meson's cross file for the architecture, written to PATH."""
    root = get(arch)
    cpu = arch.triplet.split("-", 1)[0]
    tools = {"c": "gcc", "cpp": "g++", "ar": "gcc-ar", "strip": "strip"}
    lines = ["[binaries]"]
    # Of this machine's own compilers Meson sees to the cache by itself.
    caches = {"c": "'ccache', ", "cpp": "'ccache', "}
    lines += [f"{name} = [{caches.get(name, '')}'{arch.triplet}-{tool}']" for name, tool in tools.items()]
    lines += ["pkgconfig = 'pkg-config'",
              "[properties]",
              f"sys_root = '{root}'",
              f"library_dirs = ['{root}/usr/lib/{arch.triplet}', '{root}/usr/lib']",
              f"pkg_config_libdir = ['{root}/usr/lib/{arch.triplet}/pkgconfig', '{root}/usr/share/pkgconfig']",
              "[built-in options]"]
    # Of what is there, some has no pkg-config file (Catch2's main) or no
    # architecture of its own (headers, told of by CMake files).
    for language in ("c", "cpp"):
        lines += [f"{language}_args = ['-isystem', '{root}/usr/include']",
                  f"{language}_link_args = ['-L{root}/usr/lib/{arch.triplet}', '-L{root}/usr/lib']"]
    lines += ["[host_machine]", "system = 'linux'", f"cpu_family = '{cpu}'", f"cpu = '{cpu}'", "endian = 'little'"]
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join(lines) + "\n"
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
    return path
