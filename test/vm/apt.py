# SPDX-License-Identifier: MIT
"""A private apt: the machine's own package sources, read into the cache folder.

Kernels are downloaded and unpacked, never installed, so none of it needs root
and nothing of the user's system changes, not even its package lists.
"""

import os
import re
import subprocess
import threading
import time
from pathlib import Path

from .arch import ARM64, host
from .paths import cache, locked
from .report import Failure, say

SYSTEM = Path("/etc/apt")
LISTS_ARE_FRESH_FOR = 24 * 3600.0


def codename() -> str:
    for line in Path("/etc/os-release").read_text(encoding="utf-8").splitlines():
        if line.startswith("VERSION_CODENAME="):
            return line.split("=", 1)[1].strip('"')
    raise Failure("/etc/os-release names no VERSION_CODENAME: kernels are taken from Debian's suites")


def _one_line_entry(line: str) -> dict[str, str] | None:
    match = re.match(r"deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+(.+)$", line.split("#", 1)[0].strip())
    if not match:
        return None
    options, uri, suite, components = match.groups()
    entry = {"Types": "deb", "URIs": uri, "Suites": suite, "Components": components.strip()}
    names = {"signed-by": "Signed-By", "trusted": "Trusted", "check-valid-until": "Check-Valid-Until"}
    for option in (options or "").split():
        name, _, value = option.partition("=")
        if name.lower() in names:
            entry[names[name.lower()]] = value
    return entry


def _stanza_entry(stanza: str) -> dict[str, str] | None:
    entry: dict[str, str] = {}
    field = ""
    for line in stanza.splitlines():
        if line.startswith("#") or not line.strip():
            continue
        if line[0] in " \t":
            entry[field] += "\n" + line
        else:
            field, _, value = line.partition(":")
            entry[field] = value.strip()
    wanted = "deb" in entry.get("Types", "").split() and entry.get("Enabled", "yes").lower() != "no"
    return entry if wanted and "Suites" in entry else None


def _system_entries() -> list[dict[str, str]]:
    entries: list[dict[str, str] | None] = []
    for file in [SYSTEM / "sources.list", *sorted((SYSTEM / "sources.list.d").glob("*"))]:
        if not file.is_file():
            continue
        text = file.read_text(encoding="utf-8")
        if file.suffix == ".list":
            entries += map(_one_line_entry, text.splitlines())
        elif file.suffix == ".sources":
            entries += map(_stanza_entry, re.split(r"\n[ \t]*\n", text))
    return [entry for entry in entries if entry]


def _sources(backports: bool, wide: bool) -> str:
    """The machine's entries for its own release, as deb822 text."""
    name = codename()
    ours = re.compile(rf"^({name}|stable)(-updates|-security|-backports)?(/\S*)?$")
    stanzas = []
    extra: list[dict[str, str]] = []
    for entry in _system_entries():
        suites = [suite for suite in entry["Suites"].split() if ours.match(suite)]
        if not suites:
            continue
        entry = {**entry, "Types": "deb deb-src" if wide else "deb", "Suites": " ".join(suites)}
        stanzas.append(entry)
        if name in suites and not extra:
            extra.append({**entry, "Suites": f"{name}-backports"})
    if not stanzas:
        raise Failure(f"no package source for Debian {name} found in {SYSTEM}")
    if backports and not any(f"{name}-backports" in entry["Suites"].split() for entry in stanzas):
        stanzas += extra
    return "\n\n".join("\n".join(f"{k}: {v}" for k, v in entry.items()) for entry in stanzas) + "\n"


# Of this process: what is built ahead of its turn reads the same lists.
_ONE_AT_A_TIME = threading.Lock()


class Apt:
    """apt-get and apt-cache on lists of our own.

    WIDE reads the lists of source packages and of arm64, too.
    """

    def __init__(self, backports: bool = False, wide: bool = False) -> None:
        self.folder = cache() / ("apt" + ("-wide" if wide else "") + ("-backports" if backports else ""))
        self.backports, self.wide = backports, wide
        for name in ("lists/partial", "archives/partial"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.config = self.folder / "apt.conf"

    def _configure(self) -> None:
        (self.folder / "ours.sources").write_text(_sources(self.backports, self.wide), encoding="utf-8")
        (self.folder / "status").touch()
        # The system's apt.conf.d stays in force (a proxy may be set there),
        # apart from its hooks, which speak of the system's own lists. apt reads
        # a file given with -c last, so this one wins.
        architectures = dict.fromkeys([host().debian] + ([ARM64.debian] if self.wide else []))
        self.config.write_text(
            f'Dir::State::lists "{self.folder}/lists";\n'
            f'Dir::State::status "{self.folder}/status";\n'
            f'Dir::Cache "{self.folder}";\n'
            f'Dir::Etc::sourcelist "{self.folder}/ours.sources";\n'
            'Dir::Etc::sourceparts "/dev/null";\n'
            f'Dir::Etc::preferences "/dev/null";\n'
            f'Dir::Etc::preferencesparts "/dev/null";\n'
            'Acquire::Languages "none";\n'
            'Acquire::Retries "3";\n'
            'APT::Sandbox::User "";\n'
            '#clear APT::Architectures;\n'
            f'APT::Architectures {{ {" ".join(f"{name};" for name in architectures)} }};\n'
            '#clear APT::Update::Pre-Invoke;\n'
            '#clear APT::Update::Post-Invoke;\n'
            '#clear APT::Update::Post-Invoke-Success;\n'
            '#clear Acquire::IndexTargets::deb::DEP-11;\n'
            '#clear Acquire::IndexTargets::deb::CNF;\n',
            encoding="utf-8")

    def _run(self, *words: str, cwd: Path | None = None) -> str:
        with _ONE_AT_A_TIME:
            done = subprocess.run(words[:1] + ("-c", str(self.config), "-q") + words[1:], cwd=cwd,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  text=True, check=False, env={**os.environ, "LC_ALL": "C"})
        if done.returncode != 0:
            raise Failure(f"{' '.join(words)}: exit {done.returncode}\n{done.stderr.strip()}")
        return done.stdout

    def update(self) -> None:
        """Read the package lists, unless that was done within the day."""
        stamp = self.folder / "updated"
        with locked("apt", self.folder):
            if stamp.exists() and time.time() - stamp.stat().st_mtime < LISTS_ARE_FRESH_FOR:
                return
            say("apt", "reading the package lists into the cache folder")
            self._configure()
            self._run("apt-get", "update")
            stamp.touch()

    def versions(self, prefix: str, pattern: str = ".*") -> dict[str, list[str]]:
        """Packages whose name is the prefix and a match of the pattern, each with its versions."""
        names = [name for name in self._run("apt-cache", "pkgnames", prefix).split()
                 if re.fullmatch(pattern, name.removeprefix(prefix))]
        return self.versions_of(names) if names else {}

    def versions_of(self, names: list[str]) -> dict[str, list[str]]:
        """Versions of packages known by name, NAME or NAME:ARCHITECTURE."""
        found: dict[str, list[str]] = {}
        for line in self._run("apt-cache", "madison", *names).splitlines():
            fields = [part.strip() for part in line.split("|")]
            if len(fields) == 3 and fields[2].endswith("Packages"):
                # A foreign architecture's are told as NAME:ARCHITECTURE.
                found.setdefault(fields[0].split(":")[0], []).append(fields[1])
        return found

    def depends(self, package: str, version: str) -> str:
        text = self._run("apt-cache", "show", f"{package}={version}")
        match = re.search(r"^Depends: (.*)$", text, re.MULTILINE)
        return match.group(1) if match else ""

    def source_versions(self, package: str) -> list[str]:
        lines = self._run("apt-cache", "madison", package).splitlines()
        return [line.split("|")[1].strip() for line in lines if line.endswith("Sources")]

    def download_source(self, package: str, version: str, folder: Path) -> Path:
        """Fetch a source package into FOLDER; returns its .dsc."""
        self._run("apt-get", "source", "--download-only", f"{package}={version}", cwd=folder)
        return next(folder.glob("*.dsc"))

    def download(self, packages: list[tuple[str, str]], folder: Path) -> list[Path]:
        """Fetch the packages, each of exactly the version given, into FOLDER."""
        before = set(folder.glob("*.deb"))
        self._run("apt-get", "download", *(f"{name}={version}" for name, version in packages), cwd=folder)
        return sorted(set(folder.glob("*.deb")) - before)


def newest(versions: list[str]) -> str:
    """The highest by Debian's own order."""
    best = versions[0]
    for version in versions[1:]:
        if subprocess.run(["dpkg", "--compare-versions", version, "gt", best], check=False).returncode == 0:
            best = version
    return best
