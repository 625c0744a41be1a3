# SPDX-License-Identifier: MIT
"""One QEMU without a CPU running: its memory, its clock, its interrupts.

The qtest protocol is lines of text; softmmu/qtest.c of QEMU's source describes
it. A second socket carries QMP, for what has no address: the tree of objects.
"""

import base64
import json
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any

# The machine answers at once or never; this is for a host under load.
PATIENCE = 30.0

# More than this in one line only makes QEMU's buffers grow.
CHUNK = 1 << 20


class QtestError(Exception):
    """QEMU refused a command, or is gone."""


class Lines:
    """A socket that QEMU connects to, read by the line."""

    def __init__(self, path: Path) -> None:
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._server.bind(str(path))
        self._server.listen(1)
        self._peer: socket.socket | None = None
        self._rest = b""

    def accept(self, process: "subprocess.Popen[bytes]") -> None:
        self._server.settimeout(0.05)
        for _ in range(int(PATIENCE / 0.05)):
            try:
                self._peer, _ = self._server.accept()
            except TimeoutError:
                if process.poll() is not None:
                    raise QtestError(f"QEMU ended with {process.returncode}") from None
                continue
            self._peer.settimeout(PATIENCE)
            return
        raise QtestError("QEMU does not connect")

    def send(self, text: str) -> None:
        assert self._peer
        self._peer.sendall(text.encode() + b"\n")

    def line(self) -> str:
        assert self._peer
        while b"\n" not in self._rest:
            got = self._peer.recv(1 << 16)
            if not got:
                raise QtestError("QEMU closed the connection")
            self._rest += got
        text, _, self._rest = self._rest.partition(b"\n")
        return text.decode().rstrip("\r")

    def close(self) -> None:
        if self._peer:
            self._peer.close()
        self._server.close()


class QTest:
    """A QEMU process; ends with close()."""

    def __init__(self, qemu: str, arguments: list[str]) -> None:
        # A socket's path has room for 107 characters: not below the build folder.
        self._folder = Path(tempfile.mkdtemp(prefix="qtest-"))
        self._log = self._folder / "log"
        self._qtest = Lines(self._folder / "qtest")
        self._qmp = Lines(self._folder / "qmp")
        self.irqs: dict[int, int] = {}
        self.raised: dict[int, int] = {}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                # However this program ends, the machine ends with it.
                ["setpriv", "--pdeathsig", "KILL",
                 qemu, "-accel", "qtest", "-display", "none", "-nodefaults", "-no-user-config",
                 "-qtest", f"unix:{self._folder}/qtest", "-qtest-log", "none",
                 "-chardev", f"socket,path={self._folder}/qmp,id=qmp", "-mon", "chardev=qmp,mode=control",
                 *arguments],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            self._qtest.accept(self._process)
            self._qmp.accept(self._process)
            self._qmp.line()
            self.qmp("qmp_capabilities")
        except (QtestError, OSError) as error:
            said = self.log()
            self.close()
            raise QtestError(f"{error}: {said}") from None

    def log(self) -> str:
        """What QEMU has printed so far."""
        return self._log.read_text(errors="replace").strip()

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._qtest.close()
        self._qmp.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    # ---- the two protocols ---------------------------------------------------

    def command(self, *words: object) -> list[str]:
        try:
            self._qtest.send(" ".join(str(word) for word in words))
            while True:
                answer = self._qtest.line().split()
                if answer[0] == "IRQ":
                    self._note_irq(answer[1], int(answer[2]))
                elif answer[0] == "OK":
                    return answer[1:]
                else:
                    raise QtestError(f"{words[0]}: {' '.join(answer)}")
        except OSError as error:
            raise QtestError(f"{error}: {self.log()}") from None

    def _note_irq(self, edge: str, number: int) -> None:
        level = int(edge == "raise")
        if level and not self.irqs.get(number):
            self.raised[number] = self.raised.get(number, 0) + 1
        self.irqs[number] = level

    def qmp(self, command: str, **arguments: object) -> Any:
        self._qmp.send(json.dumps({"execute": command, "arguments": arguments}))
        while True:
            answer = json.loads(self._qmp.line())
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise QtestError(f"{command}: {answer['error'].get('desc')}")

    def sync(self) -> None:
        """Lets the main loop turn once: a bottom half that was scheduled has run after it."""
        self.command("clock_step", 0)
        self.command("clock_step", 0)

    # ---- memory --------------------------------------------------------------

    def read32(self, address: int) -> int:
        return int(self.command("readl", hex(address))[0], 16)

    def write32(self, address: int, value: int) -> None:
        self.command("writel", hex(address), hex(value))

    def read64(self, address: int) -> int:
        return int(self.command("readq", hex(address))[0], 16)

    def write64(self, address: int, value: int) -> None:
        self.command("writeq", hex(address), hex(value))

    def read(self, address: int, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = min(CHUNK, size - len(data))
            data += base64.b64decode(self.command("b64read", hex(address + len(data)), part)[0])
        return data

    def write(self, address: int, data: bytes) -> None:
        for at in range(0, len(data), CHUNK):
            part = data[at:at + CHUNK]
            self.command("b64write", hex(address + at), len(part), base64.b64encode(part).decode())

    def fill(self, address: int, size: int, value: int) -> None:
        self.command("memset", hex(address), size, hex(value))

    # ---- clock ---------------------------------------------------------------

    def now(self) -> int:
        return int(self.command("clock_step", 0)[0])

    def step(self) -> int:
        """To the next timer, if there is one; the time that it is then."""
        return int(self.command("clock_step")[0])

    def advance(self, nanoseconds: int) -> int:
        return int(self.command("clock_step", nanoseconds)[0])

    # ---- objects -------------------------------------------------------------

    def watch_interrupts(self) -> None:
        """From now on, self.irqs is the level of each SPI.

        QEMU 7.2 intercepts unnamed lines only, and the outputs of a sysbus device
        have a name; so it is the inputs of the interrupt controller.
        """
        for entry in self.qmp("qom-list", path="/machine/unattached"):
            if entry["type"].startswith("child<arm_gic"):
                self.command("irq_intercept_in", f"/machine/unattached/{entry['name']}")
                return
        raise QtestError("no interrupt controller")


def refusal(qemu: str, arguments: list[str]) -> str:
    """What QEMU says when it does not start; "" if it does."""
    try:
        QTest(qemu, arguments).close()
    except QtestError as error:
        return str(error)
    return ""


def dump_tree(qemu: str, machine: str, arguments: list[str]) -> bytes:
    """The device tree that the machine would give its guest."""
    handle, path = tempfile.mkstemp(prefix="qtest-", suffix=".dtb")
    os.close(handle)
    try:
        done = subprocess.run(
            [qemu, "-accel", "qtest", "-display", "none", "-nodefaults", "-no-user-config",
             "-machine", f"{machine},dumpdtb={path}", *arguments],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False)
        if done.returncode:
            raise QtestError(f"dumpdtb: {done.stderr.decode(errors='replace').strip()}")
        return Path(path).read_bytes()
    finally:
        os.unlink(path)
