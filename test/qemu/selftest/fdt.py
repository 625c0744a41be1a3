# SPDX-License-Identifier: MIT
"""Reads a flattened device tree: as much of it as finding devices needs.

The format: Devicetree Specification v0.4, chapter 5.
"""

import struct
from collections.abc import Iterator

MAGIC = 0xD00DFEED
BEGIN_NODE, END_NODE, PROP, NOP, END = 1, 2, 3, 4, 9


class Node:
    """A node with its properties, as bytes, and its children."""

    def __init__(self, name: str, parent: "Node | None") -> None:
        self.name = name
        self.parent = parent
        self.properties: dict[str, bytes] = {}
        self.children: list[Node] = []

    def __contains__(self, name: str) -> bool:
        return name in self.properties

    @property
    def path(self) -> str:
        return f"{self.parent.path.rstrip('/')}/{self.name}" if self.parent else "/"

    def bytes(self, name: str) -> bytes:
        if name not in self.properties:
            raise KeyError(f"{self.path} has no property {name}")
        return self.properties[name]

    def cells(self, name: str) -> list[int]:
        value = self.bytes(name)
        return list(struct.unpack(f">{len(value) // 4}I", value))

    def cell(self, name: str) -> int:
        return self.cells(name)[0]

    def strings(self, name: str) -> list[str]:
        return self.bytes(name).rstrip(b"\0").decode().split("\0")

    def walk(self) -> "Iterator[Node]":
        yield self
        for child in self.children:
            yield from child.walk()

    def compatible(self, what: str) -> "list[Node]":
        """The nodes below this one that say so, in the tree's order."""
        return [node for node in self.walk()
                if "compatible" in node and what in node.strings("compatible")]

    def root(self) -> "Node":
        return self.parent.root() if self.parent else self

    def phandle(self, value: int) -> "Node":
        for node in self.root().walk():
            if "phandle" in node and node.cell("phandle") == value:
                return node
        raise KeyError(f"no node with phandle {value}")

    def inherited(self, name: str) -> "list[int]":
        node: Node | None = self
        while node:
            if name in node:
                return node.cells(name)
            node = node.parent
        raise KeyError(f"nothing above {self.path} has {name}")

    def regions(self) -> list[tuple[int, int]]:
        """Where the CPU finds this node's registers: (address, bytes) of each."""
        if not self.parent:
            return []
        wide, long = _widths(self.parent)
        return [(_translate(self.parent, address), size)
                for address, size in _tuples(self.cells("reg"), (wide, long))]


def _widths(node: Node) -> tuple[int, int]:
    # Without these properties it is 2 and 1 (specification, 2.3.5).
    wide = node.cell("#address-cells") if "#address-cells" in node else 2
    long = node.cell("#size-cells") if "#size-cells" in node else 1
    return wide, long


def _tuples(cells: list[int], widths: tuple[int, ...]) -> list[tuple[int, ...]]:
    found = []
    at = 0
    while at < len(cells):
        row = []
        for width in widths:
            value = 0
            for cell in cells[at:at + width]:
                value = value << 32 | cell
            row.append(value)
            at += width
        found.append(tuple(row))
    return found


def _translate(bus: Node, address: int) -> int:
    """An address of the bus as one of the CPU."""
    if not bus.parent:
        return address
    if "ranges" not in bus:
        raise KeyError(f"{bus.path} has no ranges: nothing on it has an address for the CPU")
    wide, long = _widths(bus)
    outer, _ = _widths(bus.parent)
    rows = _tuples(bus.cells("ranges"), (wide, outer, long))
    for child, parent, size in rows:
        if child <= address < child + size:
            return _translate(bus.parent, parent + address - child)
    if rows:
        raise KeyError(f"{address:#x} is outside the ranges of {bus.path}")
    return _translate(bus.parent, address)


def parse(blob: bytes) -> Node:
    magic, total, structure, texts = struct.unpack_from(">4I", blob)
    if magic != MAGIC or total > len(blob):
        raise ValueError("not a device tree")

    def text(at: int) -> str:
        return blob[at:blob.index(b"\0", at)].decode()

    root: Node | None = None
    node: Node | None = None
    at = structure
    while True:
        token, = struct.unpack_from(">I", blob, at)
        at += 4
        if token == BEGIN_NODE:
            name = text(at)
            at += (len(name) + 4) & ~3
            child = Node(name, node)
            if node:
                node.children.append(child)
            else:
                root = child
            node = child
        elif token == END_NODE:
            assert node
            node = node.parent
        elif token == PROP:
            assert node
            size, name_at = struct.unpack_from(">2I", blob, at)
            node.properties[text(texts + name_at)] = blob[at + 8:at + 8 + size]
            at += 8 + ((size + 3) & ~3)
        elif token == END:
            if not root:
                raise ValueError("an empty device tree")
            return root
        elif token != NOP:
            raise ValueError(f"unknown token {token} in the device tree")
