#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares README.md and docs/ with the tree: code that they show, links, packages, commands.

A code block under a line <!-- file: PATH --> has to be that file, without the comment at its head.
Prints what is wrong and exits with 1.
"""

import re
import subprocess
import sys
from pathlib import Path


def without_head(text: str) -> str:
    """A C or C++ file without its first comments and the empty lines around them."""
    text = re.sub(r"\A(?:\s*//[^\n]*\n|\s*/\*.*?\*/[^\n]*\n)+", "", text, flags=re.DOTALL)
    return text.strip("\n") + "\n"


def shown_files(root: Path, page: Path, text: str) -> list[str]:
    wrong = []
    for name, block in re.findall(r"^<!-- file: (\S+) -->\n+```\w*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        file = root / name
        if not file.is_file():
            wrong.append(f"{page.name}: shows {name}, which is not there")
        elif without_head(file.read_text(encoding="utf-8")) != block:
            wrong.append(f"{page.name}: what it shows of {name} is not what that file holds")
    announced = len(re.findall(r"^<!-- file: ", text, re.MULTILINE))
    found = len(re.findall(r"^<!-- file: \S+ -->\n+```", text, re.MULTILINE))
    if announced != found:
        wrong.append(f"{page.name}: a <!-- file: … --> without a code block under it")
    return wrong


def anchors(text: str) -> set[str]:
    """As the usual renderers make them of headings."""
    found = set()
    for heading in re.findall(r"^#+ +(.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL),
                              re.MULTILINE):
        found.add(re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-"))
    return found


def links(page: Path, text: str) -> list[str]:
    wrong = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = page.parent / name if name else page
        if not file.exists():
            wrong.append(f"{page.name}: links to {target}, which is not there")
        elif anchor and file.suffix == ".md" and anchor not in anchors(file.read_text(encoding="utf-8")):
            wrong.append(f"{page.name}: links to {target}, which has no such heading")
    return wrong


def packages(root: Path, readme: str) -> list[str]:
    """What the README has people install is what ./run installs."""
    sys.path.insert(0, str(root / "test"))
    sys.dont_write_bytecode = True
    from vm import packages as wanted  # pylint: disable=import-error,import-outside-toplevel

    wrong = []
    lines = [set(line.split()) for line in re.findall(r"^sudo apt install (.*)$", readme, re.MULTILINE)]
    if set(wanted.BUILD) not in lines:
        wrong.append(f"README.md: no \"apt install\" with exactly: {' '.join(wanted.BUILD)}")
    if not any(set(wanted.MODULES) <= line for line in lines):
        wrong.append(f"README.md: no \"apt install\" with: {' '.join(wanted.MODULES)}")
    wrong += [f"README.md: does not name the package {name}" for name in wanted.GUEST if f"`{name}`" not in readme]
    return wrong


def commands(root: Path, page: Path, text: str) -> list[str]:
    """Every ./run COMMAND that a document names exists."""
    told = subprocess.run([root / "run", "help"], capture_output=True, text=True, check=False).stdout
    known = set(re.findall(r"^\./run (\w+)", told, re.MULTILINE)) | {"help"}
    named = set(re.findall(r"\./run ([a-z]+)", text))
    return [f"{page.name}: ./run {word}: there is no such command" for word in sorted(named - known)]


def main() -> int:
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[1]
    readme = root / "README.md"
    wrong = packages(root, readme.read_text(encoding="utf-8"))
    for page in [readme, *sorted((root / "docs").glob("*.md"))]:
        text = page.read_text(encoding="utf-8")
        wrong += shown_files(root, page, text) + links(page, text) + commands(root, page, text)
    for line in wrong:
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
