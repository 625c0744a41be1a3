# SPDX-License-Identifier: MIT
"""An initramfs archive: cpio in the "newc" form, as the kernel reads it."""

import stat
from pathlib import Path
from typing import BinaryIO


class Archive:
    """Writes members one by one; close() ends the archive.

    Not compressed: in an emulated guest, unpacking costs more than the copy.
    """

    def __init__(self, path: Path) -> None:
        self.file: BinaryIO = open(path, "wb")  # pylint: disable=consider-using-with
        self.inode = 0
        self.folders: set[str] = set()

    def __enter__(self) -> "Archive":
        return self

    def __exit__(self, *_: object) -> None:
        self._member("TRAILER!!!", 0, 0, b"")
        self.file.close()

    def _member(self, name: str, mode: int, owner: int, body: bytes) -> None:
        self.inode += 1
        raw = name.encode() + b"\0"
        fields = (self.inode, mode, owner, owner, 1, 0, len(body), 0, 0, 0, 0, len(raw), 0)
        head = b"070701" + b"".join(b"%08x" % field for field in fields) + raw
        self.file.write(head + b"\0" * (-len(head) % 4))
        self.file.write(body)
        self.file.write(b"\0" * (-len(body) % 4))

    def folder(self, name: str, mode: int = 0o755, owner: int = 0) -> None:
        """A folder; those above it are made as needed."""
        parts = name.strip("/").split("/")
        for depth in range(1, len(parts)):
            self._folder_once("/".join(parts[:depth]), 0o755, 0)
        self._folder_once("/".join(parts), mode, owner)

    def _folder_once(self, name: str, mode: int, owner: int) -> None:
        if name not in self.folders:
            self.folders.add(name)
            self._member(name, stat.S_IFDIR | mode, owner, b"")

    def text(self, name: str, text: str, mode: int = 0o644) -> None:
        self.data(name, text.encode(), mode)

    def data(self, name: str, body: bytes, mode: int = 0o644) -> None:
        if "/" in name.strip("/"):
            self.folder(name.strip("/").rsplit("/", 1)[0])
        self._member(name.strip("/"), stat.S_IFREG | mode, 0, body)

    def copy(self, name: str, source: Path, mode: int | None = None) -> None:
        bits = source.stat().st_mode & 0o777 if mode is None else mode
        self.data(name, source.read_bytes(), bits)

    def link(self, name: str, target: str) -> None:
        self._member(name.strip("/"), stat.S_IFLNK | 0o777, 0, target.encode())
