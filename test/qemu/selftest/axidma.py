# SPDX-License-Identifier: MIT
"""The IP as software sees it: registers, buffer descriptors, PG021's sequences.

Names and bits: PG021 v7.1, "Register Space" and "Scatter Gather Descriptor",
compared with embeddedsw's xaxidma_hw.h.
"""

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .machine import Machine

# Registers of a channel; those of S2MM begin at 0x30.
CR, SR = 0x00, 0x04
CURDESC, CURDESC_MSB = 0x08, 0x0C
TAILDESC, TAILDESC_MSB = 0x10, 0x14
ADDRESS, ADDRESS_MSB, LENGTH = 0x18, 0x1C, 0x28
S2MM = 0x30

# DMACR
RS, RESET, KEYHOLE, CYCLIC = 1 << 0, 1 << 2, 1 << 3, 1 << 4
# DMASR
HALTED, IDLE, SG_INCLUDED = 1 << 0, 1 << 1, 1 << 3
DMA_INT_ERR, DMA_SLV_ERR, DMA_DEC_ERR = 1 << 4, 1 << 5, 1 << 6
SG_INT_ERR, SG_SLV_ERR, SG_DEC_ERR = 1 << 8, 1 << 9, 1 << 10
ERRORS = 0x770
# Enables in DMACR, events in DMASR
IOC, DLY, ERR = 1 << 12, 1 << 13, 1 << 14
THRESHOLD, DELAY = 16, 24  # shifts of the fields

# Buffer descriptor
BD_BYTES = 64
NXT, NXT_MSB, BUFFER, BUFFER_MSB, CONTROL, STATUS, APP0 = 0x00, 0x04, 0x08, 0x0C, 0x18, 0x1C, 0x20
SOF, EOF = 1 << 27, 1 << 26  # TXSOF, TXEOF in CONTROL; RXSOF, RXEOF in STATUS
CMPLT, BD_DEC_ERR, BD_SLV_ERR, BD_INT_ERR = 1 << 31, 1 << 30, 1 << 29, 1 << 28
BYTES = (1 << 26) - 1

# What a buffer is full of before a receive
EMPTY = 0xEE


class Ring:
    """A chain of BDs in guest memory, the last one linked to the first.

    PG021, "Scatter/Gather Mode": the last descriptor in the chain points back to
    the first one.
    """

    def __init__(self, machine: "Machine", count: int, *, base: int = 0,
                 order: list[int] | None = None) -> None:
        self.machine = machine
        base = base or machine.alloc(count * BD_BYTES)
        # A list of places, for chains that are not in the order of their addresses
        self.at = [base + place * BD_BYTES for place in (order or range(count))]
        self.buffers = [0] * count
        self.lengths = [0] * count
        for index, address in enumerate(self.at):
            following = self.at[(index + 1) % count]
            machine.qtest.write(address, struct.pack("<Q", following) + bytes(BD_BYTES - 8))

    def __len__(self) -> int:
        return len(self.at)

    def put(self, index: int, buffer: int, length: int, flags: int = 0, *, status: int = 0) -> None:
        """Makes BD @index ready for the engine; the link stays."""
        self.buffers[index], self.lengths[index] = buffer, length
        self.machine.qtest.write(self.at[index] + BUFFER,
                                 struct.pack("<QQII", buffer, 0, length | flags, status))

    def word(self, index: int, offset: int) -> int:
        return self.machine.qtest.read32(self.at[index] + offset)

    def status(self, index: int) -> int:
        return self.word(index, STATUS)

    def complete(self, index: int) -> bool:
        return bool(self.status(index) & CMPLT)

    def moved(self, index: int) -> int:
        return self.status(index) & BYTES

    def raw(self, index: int) -> bytes:
        return self.machine.qtest.read(self.at[index], BD_BYTES)

    def buffer(self, index: int) -> bytes:
        """The whole buffer of a BD, also what was not received."""
        return self.machine.qtest.read(self.buffers[index], self.lengths[index])

    def data(self, first: int = 0, last: int = -1) -> bytes:
        """What the BDs say that they have received."""
        last = last % len(self)
        return b"".join(self.machine.qtest.read(self.buffers[i], self.moved(i))
                        for i in range(first, last + 1))


class Channel:
    """One direction of an engine."""

    def __init__(self, machine: "Machine", base: int, interrupt: int, wide: bool) -> None:
        self.machine = machine
        self.base = base
        self.interrupt = interrupt
        # PG021: the MSB registers are there if the address space is above 32 bits.
        self.wide = wide

    def read(self, register: int) -> int:
        return self.machine.qtest.read32(self.base + register)

    def write(self, register: int, value: int) -> None:
        self.machine.qtest.write32(self.base + register, value)

    def read_pair(self, register: int) -> int:
        return self.read(register) | self.read(register + 4) << 32

    def write_pair(self, register: int, value: int) -> None:
        self.write(register, value & 0xFFFFFFFF)
        if self.wide:
            self.write(register + 4, value >> 32)

    # ---- what the status register says ---------------------------------------

    @property
    def status(self) -> int:
        return self.read(SR)

    @property
    def halted(self) -> bool:
        return bool(self.status & HALTED)

    @property
    def idle(self) -> bool:
        return bool(self.status & IDLE)

    @property
    def errors(self) -> int:
        return self.status & ERRORS

    @property
    def events(self) -> int:
        return self.status & (IOC | DLY | ERR)

    @property
    def threshold_left(self) -> int:
        return self.status >> THRESHOLD & 0xFF

    @property
    def line(self) -> int:
        """The level of mm2s_introut or s2mm_introut."""
        self.machine.qtest.sync()
        return self.machine.qtest.irqs.get(self.interrupt, 0)

    @property
    def raised(self) -> int:
        """How often the line has gone up since the machine started."""
        self.machine.qtest.sync()
        return self.machine.qtest.raised.get(self.interrupt, 0)

    # ---- sequences -----------------------------------------------------------

    def run(self, enable: int = IOC | ERR, *, threshold: int = 1, delay: int = 0, more: int = 0) -> None:
        """Sets RS and waits until the channel is not halted."""
        self.write(CR, RS | enable | more | threshold << THRESHOLD | delay << DELAY)
        self.machine.wait(lambda: not self.halted, "Halted goes away when RS is set")

    def stop(self) -> None:
        """Clears RS, and only RS."""
        self.write(CR, self.read(CR) & ~RS)

    def tail(self, address: int) -> None:
        self.write_pair(TAILDESC, address)

    def start(self, ring: Ring, last: int = -1, *, first: int = 0, enable: int = IOC | ERR,
              threshold: int = 1, delay: int = 0, more: int = 0) -> None:
        """PG021, "Scatter/Gather Mode": CURDESC, RS, (interrupts,) TAILDESC."""
        self.write_pair(CURDESC, ring.at[first])
        self.run(enable, threshold=threshold, delay=delay, more=more)
        self.tail(ring.at[last])

    def start_direct(self, buffer: int, length: int, enable: int = IOC | ERR, *, threshold: int = 1) -> None:
        """PG021, "Direct Register Mode (Simple DMA)": RS, address, LENGTH last."""
        self.run(enable, threshold=threshold)
        self.write_pair(ADDRESS, buffer)
        self.write(LENGTH, length)

    def acknowledge(self, events: int = IOC | DLY | ERR) -> None:
        self.write(SR, events)

    def reset(self) -> None:
        self.write(CR, RESET)
        self.machine.wait(lambda: not self.read(CR) & RESET, "Reset clears itself")

    def wait_complete(self, ring: Ring, last: int = -1, **limits: int) -> None:
        self.machine.wait(lambda: ring.complete(last), f"BD {last % len(ring)} of {len(ring)} completes", **limits)

    def wait_event(self, event: int, **limits: int) -> None:
        self.machine.wait(lambda: self.status & event, f"event {event:#x} in DMASR", **limits)

    def wait_halted(self, **limits: int) -> None:
        self.machine.wait(lambda: self.halted, "the channel halts", **limits)

    def wait_idle(self, **limits: int) -> None:
        self.machine.wait(lambda: self.idle, "the channel is idle", **limits)
