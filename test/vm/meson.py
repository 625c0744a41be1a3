# SPDX-License-Identifier: MIT
"""The two Meson builds: "host" as a user makes it, "guest" static for the guest."""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import huge_pages, sysroot
from .arch import Arch
from .paths import BUILD, ROOT, cache, locked
from .report import Failure, progress


def _environment() -> dict[str, str]:
    """Meson compiles by way of ccache where there is one: a fresh clone compiles only what no other has."""
    return {**huge_pages.environment(),
            "CCACHE_DIR": str(cache() / "ccache"),
            "CCACHE_MAXSIZE": "1G",
            # A clone elsewhere compiles the same files, and none with debug information.
            "CCACHE_BASEDIR": str(ROOT),
            "CCACHE_NOHASHDIR": "1"}


@dataclass(frozen=True)
class Build:
    name: str
    options: tuple[str, ...]
    cross: Arch | None = None

    @property
    def folder(self) -> Path:
        return BUILD / self.name

    def _run(self, *words: str) -> None:
        """Run to the end; what ninja did well is shown to a terminal and not kept."""
        kept: list[str] = []
        with subprocess.Popen(words, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, env=_environment()) as process:
            assert process.stdout
            for line in process.stdout:
                if re.match(r"\[\d+/\d+\] ", line):
                    progress(line.strip())
                else:
                    kept.append(line)
        progress("")
        if process.returncode != 0:
            raise Failure(f"{words[0]}: exit {process.returncode}\n{''.join(kept)[-8000:]}")

    def _configure(self) -> None:
        """Set the folder up, or again where another version of this tree did it otherwise.

        Meson looks after changes of the build files that it has read; a folder
        that had none is what it does not notice.
        """
        note = self.folder / "run-options"
        options = self.options
        if self.cross:
            options += ("--cross-file", str(sysroot.cross_file(self.cross, self.folder.with_suffix(".cross"))))
        files = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("*/**/meson.build")
                       if not path.is_relative_to(BUILD))
        state = "\n".join((*options, *files))
        if (self.folder / "build.ninja").exists() and note.exists():
            if note.read_text(encoding="utf-8") == state:
                return
            self._run("meson", "setup", "--reconfigure", str(self.folder), *self.options)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)
            self._run("meson", "setup", str(self.folder), *options)
        note.write_text(state, encoding="utf-8")

    def make(self, *targets: str) -> None:
        """Build the targets, or everything."""
        with locked(self.name, BUILD):
            self._configure()
            self._run("ninja", "-C", str(self.folder), *targets)

    def targets(self) -> list[dict[str, Any]]:
        """What the build files name, built or not."""
        with locked(self.name, BUILD):
            self._configure()
            # Introspection tells of the last configuration; ninja renews it
            # when a build file changed.
            self._run("ninja", "-C", str(self.folder), "build.ninja")
            text = (self.folder / "meson-info" / "intro-targets.json").read_text(encoding="utf-8")
        return list(json.loads(text))

    def programs(self) -> dict[str, Path]:
        """The executables by name."""
        return {target["name"]: Path(target["filename"][0])
                for target in self.targets() if target["type"] == "executable"}

    def ninja_name(self, program: Path) -> str:
        return os.path.relpath(program, self.folder)


WERROR = ("-Dwerror=true",)

# What a user builds: the shared library, everything that can be built. Without
# optimisation and debug information it takes half the time, and the guest's
# build has the optimiser's warnings of all but most tests.
HOST = Build("host", WERROR + ("-Doptimization=0", "-Ddebug=false", "-Dcpp_args=-D_GLIBCXX_ASSERTIONS"))

# Without debug information the programs are a tenth of the size, and all of
# them travel into the guest's memory.
_GUEST = WERROR + ("-Dguest=true", "-Dprefer_static=true", "-Ddefault_library=static",
                   "-Doptimization=2", "-Ddebug=false")


def guest(arch: Arch) -> Build:
    """The programs of the guests of this architecture."""
    if arch.foreign:
        return Build(f"guest-{arch.debian}", _GUEST, arch)
    return Build("guest", _GUEST)
