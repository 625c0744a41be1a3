# SPDX-License-Identifier: MIT
"""The machine under test: QEMU's virt board with models of the engine on its platform bus."""

import struct
from collections.abc import Callable, Iterator

from . import axidma, fdt
from .axidma import Channel, Ring
from .qtest import QTest, dump_tree

BOARD = "virt,gic-version=2"

# RAM begins at 1 GiB, so this much reaches above 4 GiB.
RAM_BASE = 0x4000_0000
RAM_BYTES = 4 << 30
RAM_END = RAM_BASE + RAM_BYTES
# Addresses that nothing answers on, below and above the 4 GiB line. (Not in the
# window of PCI: there QEMU's bridge answers for devices that aren't there.)
NOWHERE = 0x0B80_0000
NOWHERE_HIGH = 0x20_0000_0000

# Where tests put things: clear of the device tree that QEMU leaves at the bottom of RAM.
POOL = RAM_BASE + (256 << 20)
HIGH = 0x1_1000_0000

# The device's options beside its label. Labels as in the machine that the
# guests get; those after direct0 are for the self-test only.
DEVICES: dict[str, str] = {
    "loop0": "",
    "loop1": "",
    "batch0": "irq-delay=16",
    "align8": "dre=off,data-width=64",
    "tiny0": "sg-length-width=14",
    "sink0": "stream=sink",
    "source0": "stream=source",
    "accel0": "stream=accelerator",
    "noncoh0": "coherent=off",
    "addr32": "addrwidth=32",
    "direct0": "sg=off",
    "narrow0": "stream=sink,data-width=32",
    "wide0": "stream=sink,data-width=64",
    "fast0": "stream=sink,data-width=64,clock-hz=200000000",
    "narrowsource0": "stream=source,data-width=32,packet-bytes=10000",
    "reset0": "stream-reset=on",
    "broad0": "data-width=128",
    "direct32": "sg=off,addrwidth=32",
    "directtiny0": "sg=off,sg-length-width=14",
}

PAGE_MAGIC = 0x50524144
PAGE_LABEL, PAGE_LABEL_BYTES = 0x10, 32
PAGE_ENTRIES = 0x400
READ_ONLY = 1


class Control:
    """The model's control page: switches that can be set, counters that can't."""

    def __init__(self, qtest: QTest, base: int) -> None:
        self._qtest = qtest
        self.base = base
        head = qtest.read(base, PAGE_LABEL + PAGE_LABEL_BYTES)
        self.magic, self.version, self.count, self._size = struct.unpack_from("<4I", head)
        self.label = head[PAGE_LABEL:].split(b"\0")[0].decode()
        self._address: dict[str, int] = {}
        self.maximum: dict[str, int] = {}
        self.read_only: set[str] = set()
        for index, entry in enumerate(self._entries()):
            _, most, flags, _ = struct.unpack_from("<QQII", entry)
            name = entry[24:].split(b"\0")[0].decode()
            self._address[name] = base + PAGE_ENTRIES + index * self._size
            self.maximum[name] = most
            if flags & READ_ONLY:
                self.read_only.add(name)
        self._initial = {name: value for name, value in self._values().items()
                         if name not in self.read_only and name != "break_rule"}

    def _entries(self) -> list[bytes]:
        page = self._qtest.read(self.base + PAGE_ENTRIES, self.count * self._size)
        return [page[at:at + self._size] for at in range(0, len(page), self._size)]

    def _values(self) -> dict[str, int]:
        return {name: struct.unpack_from("<Q", entry)[0] for name, entry in zip(self._address, self._entries())}

    def __contains__(self, name: str) -> bool:
        return name in self._address

    def __iter__(self) -> Iterator[str]:
        return iter(self._address)

    def __getitem__(self, name: str) -> int:
        return self._qtest.read64(self._address[name])

    def __setitem__(self, name: str, value: int) -> None:
        self._qtest.write64(self._address[name], value)

    def restore(self) -> None:
        now = self._values()
        for name, value in self._initial.items():
            if now[name] != value:
                self[name] = value

    def address(self, name: str) -> int:
        return self._address[name]

    # Ranges of memory that the engine may touch

    def grant(self, address: int, size: int) -> None:
        self._qtest.write64(self.base + 0x100, address)
        self._qtest.write64(self.base + 0x108, size)

    def revoke(self, address: int, size: int) -> None:
        self._qtest.write64(self.base + 0x110, address)
        self._qtest.write64(self.base + 0x118, size)

    def enforce_grants(self, on: bool) -> None:
        self._qtest.write64(self.base + 0x120, int(on))


class Dma:
    """One engine, found by its label in the device tree."""

    def __init__(self, machine: "Machine", label: str) -> None:
        tree = machine.tree
        self.machine = machine
        self.label = label
        model = next(node for node in tree.compatible("pinring,axi-dma-model")
                     if node.strings("label") == [label])
        self.node = tree.phandle(model.cell("pinring,engine"))
        self.client = next(node for node in tree.compatible("pinring,stream")
                           if node.strings("label") == [label])
        self.base = self.node.regions()[0][0]
        self.control = Control(machine.qtest, model.regions()[0][0])
        wide = self.node.cell("xlnx,addrwidth") > 32
        self._channels: dict[str, Channel] = {}
        for child in self.node.children:
            if "interrupts" in child:
                kind = child.strings("compatible")[0]
                offset = axidma.S2MM if kind == "xlnx,axi-dma-s2mm-channel" else 0
                self._channels[kind] = Channel(machine, self.base + offset, child.cells("interrupts")[1], wide)

    @property
    def mm2s(self) -> Channel:
        return self._channels["xlnx,axi-dma-mm2s-channel"]

    @property
    def s2mm(self) -> Channel:
        return self._channels["xlnx,axi-dma-s2mm-channel"]

    @property
    def channels(self) -> list[Channel]:
        return list(self._channels.values())

    def count(self, name: str) -> "Count":
        return Count(self.control, name)

    # ---- sending and receiving -----------------------------------------------

    def out(self, data: bytes, sizes: list[int] | None = None, *, skew: int = 0) -> Ring:
        """BDs that send @data as one packet, in pieces of @sizes, each in a place of its own."""
        sizes = sizes or [len(data)]
        assert sum(sizes) == len(data)
        ring = Ring(self.machine, len(sizes))
        at = 0
        for index, size in enumerate(sizes):
            buffer = self.machine.alloc(size + skew) + skew
            self.machine.qtest.write(buffer, data[at:at + size])
            at += size
            flags = (axidma.SOF if index == 0 else 0) | (axidma.EOF if index == len(sizes) - 1 else 0)
            ring.put(index, buffer, size, flags)
        return ring

    def packets(self, packets: list[bytes]) -> Ring:
        """One BD for each packet."""
        ring = Ring(self.machine, len(packets))
        for index, data in enumerate(packets):
            buffer = self.machine.alloc(len(data))
            self.machine.qtest.write(buffer, data)
            ring.put(index, buffer, len(data), axidma.SOF | axidma.EOF)
        return ring

    def room(self, sizes: list[int], *, skew: int = 0) -> Ring:
        """BDs to receive into, their buffers full of a value that tests don't send."""
        ring = Ring(self.machine, len(sizes))
        for index, size in enumerate(sizes):
            buffer = self.machine.alloc(size + skew) + skew
            self.machine.qtest.fill(buffer, size, axidma.EMPTY)
            ring.put(index, buffer, size)
        return ring

    def send(self, data: bytes, sizes: list[int] | None = None) -> Ring:
        """Sends one packet and waits for it; the channel must be halted."""
        ring = self.out(data, sizes)
        self.mm2s.start(ring)
        self.mm2s.wait_complete(ring)
        return ring

    def loop(self, data: bytes, sizes: list[int], room: list[int], *, skew: tuple[int, int] = (0, 0)) -> Ring:
        """One packet out and in again; both channels must be halted."""
        received = self.room(room, skew=skew[1])
        sent = self.out(data, sizes, skew=skew[0])
        self.s2mm.start(received)
        self.mm2s.start(sent)
        self.s2mm.wait_event(axidma.IOC)
        return received


class Count:
    """How much a counter has grown since this was made."""

    def __init__(self, control: Control, name: str) -> None:
        self._control = control
        self._name = name
        self._start = control[name]

    @property
    def grown(self) -> int:
        return self._control[self._name] - self._start


class Machine:
    """A QEMU with some of DEVICES."""

    def __init__(self, qemu: str, labels: tuple[str, ...], rule: int = 0) -> None:
        self.labels = labels
        self._rule = rule
        options = self.options(labels)
        self.tree = fdt.parse(dump_tree(qemu, BOARD, options))
        self.qtest = QTest(qemu, ["-machine", BOARD, *options])
        self._used: dict[str, Dma] = {}
        self._next = POOL
        try:
            self.qtest.watch_interrupts()
        except BaseException:
            self.close()
            raise

    @staticmethod
    def options(labels: tuple[str, ...]) -> list[str]:
        found = ["-cpu", "cortex-a57", "-m", f"{RAM_BYTES >> 20}M",
                 # The pages are not there until somebody writes them.
                 "-object", f"memory-backend-ram,id=ram,size={RAM_BYTES >> 20}M,reserve=off",
                 "-machine", "memory-backend=ram"]
        for label in labels:
            more = f",{DEVICES[label]}" if DEVICES[label] else ""
            found += ["-device", f"pinring-axi-dma,id={label},label={label}{more}"]
        return found

    def close(self) -> None:
        self.qtest.close()

    def dma(self, label: str) -> Dma:
        if label not in self._used:
            self._used[label] = Dma(self, label)
            if self._rule:
                self._used[label].control["break_rule"] = self._rule
        return self._used[label]

    def alloc(self, size: int, align: int = 64) -> int:
        self._next = -(-self._next // align) * align
        address = self._next
        self._next += size
        assert self._next < HIGH
        return address

    def restore(self) -> bool:
        """Gives every engine that was used back as it was; False if one is stuck."""
        self._next = POOL
        for dma in self._used.values():
            dma.control.restore()
            # One reset does for both; but that is among what is tested.
            for channel in dma.channels:
                channel.write(axidma.CR, axidma.RESET)
                self.pass_time(2_000)
                if channel.read(axidma.CR) & axidma.RESET:
                    return False
        return True

    # ---- time ----------------------------------------------------------------

    def wait(self, happened: Callable[[], object], what: str, *, limit: int = 2_000_000) -> int:
        """Goes from timer to timer until it has happened; the time that it is then.

        A limit is in nanoseconds of virtual time; how long it takes here doesn't matter.
        """
        self.qtest.sync()
        start = now = self.qtest.now()
        still = 0
        while not happened():
            if now - start > limit:
                raise AssertionError(f"{what}: not within {limit / 1000:.0f} us")
            before, now = now, self.qtest.step()
            self.qtest.sync()
            still = still + 1 if now == before else 0
            if still > 3:
                raise AssertionError(f"{what}: never, no timer is armed")
        return now

    def pass_time(self, nanoseconds: int) -> None:
        """Lets that much time pass, whatever happens in it.

        In pieces: what one timer starts in a bottom half can only run between two of them.
        """
        part = max(1, nanoseconds // 16)
        self.qtest.sync()
        now = self.qtest.now()
        end = now + nanoseconds
        while now < end:
            now = self.qtest.advance(min(part, end - now))
            self.qtest.sync()
