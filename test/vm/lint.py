# SPDX-License-Identifier: MIT
"""./run lint: what machines can say about the sources without running them."""

import argparse
import concurrent.futures
import fnmatch
import os
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from . import kbuild, linux_source, meson, modules, packages
from .arch import host
from .kernels import Kernel, all_kernels
from .paths import BUILD, ROOT, locked
from .report import Failure, Report

# What a check found wrong; nothing when all is well.
Findings = list[str]

CHECKPATCH_NEEDS = ("scripts/checkpatch.pl", "scripts/spelling.txt", "scripts/const_structs.checkpatch")
SHOWN = 40  # lines of one check
EXCEPTIONS = Path(__file__).resolve().parent / "checkpatch.ignore"


def _files(*patterns: str) -> list[Path]:
    """Files of the tree: tracked by git, or new and not ignored."""
    done = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "--", *patterns], cwd=ROOT, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise Failure(f"git ls-files: {done.stderr.strip()}")
    return [path for name in sorted(set(done.stdout.splitlines())) if (path := ROOT / name).is_file()]


def _output(*words: str, cwd: Path = ROOT) -> tuple[int, str]:
    done = subprocess.run(words, cwd=cwd, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, env={**os.environ, "LC_ALL": "C"})
    return done.returncode, done.stdout


def _cpp() -> list[Path]:
    return _files("lib/*.[ch]pp", "tools/*.[ch]pp", "bench/*.[ch]pp", "examples/*.[ch]pp", "test/*.[ch]pp")


# What goes into a kernel, or into QEMU, is under its licence.
LICENCES = (
    ("driver/*", "GPL-2.0-only"),
    ("uapi/*", "GPL-2.0-only WITH Linux-syscall-note"),
    ("test/axidma/client/*", "GPL-2.0-only"),
    ("test/qemu/control/*", "GPL-2.0-only"),
    ("test/qemu/*.[ch]", "GPL-2.0-only"),
    ("test/qemu/meson.build", "GPL-2.0-only"),
    ("test/qemu/Kconfig", "GPL-2.0-only"),
)


def _licences() -> Findings:
    """Each file names the licence of its folder."""
    wrong = []
    for path in _files():
        name = str(path.relative_to(ROOT))
        if name.startswith("LICENSE") or path.suffix in (".md", ".ignore", ".patch") or name in (
                ".gitignore", ".editorconfig", ".clang-format"):
            continue
        head = path.read_text(encoding="utf-8", errors="replace")[:400]
        found = re.search(r"SPDX-License-Identifier: (.*?)\s*(?:\*/|-->)?\s*$", head, re.MULTILINE)
        expected = next((licence for pattern, licence in LICENCES if fnmatch.fnmatch(name, pattern)), "MIT")
        said = found.group(1) if found else "nothing"
        if said != expected:
            wrong.append(f"{name}: says {said}, should say {expected}")
    return wrong


def _python() -> Findings:
    wrong = []
    for path in _files("*.py"):
        try:
            compile(path.read_text(encoding="utf-8"), str(path), "exec")
        except SyntaxError as error:
            wrong.append(str(error))
    return wrong


def _shell() -> Findings:
    scripts = [path for path in _files("run", ".ci/run", "*.sh", "test/vm/guest/init")]
    # SC1091: what a guest's script includes is in the guest.
    code, text = _output("shellcheck", "-e", "SC1091", *map(str, scripts))
    return text.splitlines() if code else []


def _format() -> Findings:
    files = _cpp()
    if not files:
        return []
    code, text = _output("clang-format", "--dry-run", "-Werror", *map(str, files))
    wrong = dict.fromkeys(line.split(":", 1)[0] for line in text.splitlines() if "error: code should be" in line)
    if code and not wrong:
        return text.splitlines()
    return [f"clang-format -i {path}" for path in wrong]


def _tidy() -> Findings:
    """On what the host's build compiles of the library, the tools and the benchmark."""
    meson.HOST.make()
    files = [path for path in _files("lib/*.cpp", "tools/*.cpp", "bench/*.cpp")]

    def one(path: Path) -> list[str]:
        code, text = _output("clang-tidy", "-p", str(meson.HOST.folder), "--quiet",
                             "--extra-arg=-Wno-unknown-warning-option", str(path))
        found = [line for line in text.splitlines() if re.search(r": (warning|error): ", line)]
        return found or ([f"{path}: exit {code}", *text.splitlines()[-5:]] if code else [])

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(dict.fromkeys(line for found in pool.map(one, files) for line in found))


def _exceptions() -> set[tuple[str, str]]:
    found = set()
    for line in EXCEPTIONS.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            file, kind, _ = line.split(maxsplit=2)
            found.add((file, kind))
    return found


def _checkpatch(kernel: Kernel) -> Findings:
    folder = linux_source.files(kernel.series, kernel.version, CHECKPATCH_NEEDS) / "scripts"
    files = [str(path.relative_to(ROOT)) for path in _files(
        "driver/*.[ch]", "uapi/*.h", *(f"{part}/*.[ch]" for part in modules.MODEL_PARTS))]
    # From its own folder, as it leaves a cache where it is called in a git tree.
    code, text = _output("perl", str(folder / "checkpatch.pl"), "--strict", "--no-tree", "--terse", "--show-types",
                         "--no-summary", *[word for file in files for word in ("-f", str(ROOT / file))], cwd=folder)
    excepted, used, wrong = _exceptions(), set(), []
    for line in text.replace(f"{ROOT}/", "").splitlines():
        match = re.match(r"([^:]+):\d+: (?:ERROR|WARNING|CHECK):([A-Z_]+):", line)
        if match and match.groups() in excepted:
            used.add(match.groups())
        elif match or code > 1:
            wrong.append(line)
    return wrong + [f"{EXCEPTIONS.name}: {file} {kind} is not needed any more" for file, kind in excepted - used]


def _sparse(kernel: Kernel) -> Findings:
    into = BUILD / "lint" / kernel.name
    parts = kbuild.PARTS + modules.MODEL_PARTS
    found = []
    with locked("lint", BUILD):
        kbuild.sync(ROOT, into, parts)
        for folder in ("driver", *modules.MODEL_PARTS):
            done = kbuild.make(into / folder, kernel.headers, "C=2", "CHECK=sparse", "modules")
            if done.returncode:
                return done.stdout.splitlines()
            # Words about the kernel's own headers are not ours to mend.
            found += [line for line in done.stdout.splitlines()
                      if re.search(r"\b(warning|error):", line) and str(into) in line]
    return found


def lint(args: argparse.Namespace) -> int:
    kernels = all_kernels(host())
    packages.need(packages.BUILD + packages.COMPILE_CACHE + packages.MODULES + packages.LINT)
    report = Report()
    checks: list[tuple[str, Callable[[], Findings]]] = [
        ("licences", _licences),
        ("python", _python),
        ("shellcheck", _shell),
        ("clang-format", _format),
        ("checkpatch --strict", lambda: _checkpatch(kernels[0])),
        *((f"sparse, {kernel.series}", lambda kernel=kernel: _sparse(kernel)) for kernel in kernels),
        ("clang-tidy", _tidy),
    ]
    unknown = [name for name in args.names if not any(check.startswith(name) for check, _ in checks)]
    if unknown:
        raise Failure(f"no such check: {', '.join(unknown)}; there are {', '.join(name for name, _ in checks)}")
    for name, check in checks:
        if args.names and not any(name.startswith(wanted) for wanted in args.names):
            continue
        started = time.monotonic()
        try:
            found = check()
        except Failure as failure:
            found = str(failure).splitlines()
        seconds = time.monotonic() - started
        if found:
            found = [re.sub(r"^(build/host/)?\.\./\.\./", "", line.replace(f"{ROOT}/", "")) for line in found]
            rest = [f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
            report.bad(name, seconds, f"{len(found)} lines", "\n".join(found[:SHOWN] + rest))
        else:
            report.good(name, seconds)
    return report.close()
