# SPDX-License-Identifier: MIT
"""One QEMU guest: boots it, has its agent run programs, and never leaves it running.

Three channels come out of the guest, each a serial port at a socket of ours:
the kernel's console, the agent's answers, and the output of programs. The end
of a program is marked on all three, so that each can be cut at the same place.
"""

import base64
import contextlib
import os
import re
import selectors
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .kernels import Kernel
from .report import Failure, say
from .tier import Machine

# From power on to a ready agent: 4 s on an idle machine, so this is ample for
# a very busy one.
BOOT_DEADLINE = 180.0
# KVM has to show a living guest within this time.
KVM_PROBE = 20.0
# The agent answers in milliseconds; a guest that takes so long is hung.
ANSWER_DEADLINE = 30.0
# After SIGKILL a process is gone, unless the kernel does not let it go.
KILL_DEADLINE = 10.0

CPUS = 2

KERNEL_WORDS = (
    "panic=-1",  # with -no-reboot: QEMU ends
    "oops=panic",  # what an oops leaves behind can't be tested on
    "printk.devkmsg=on",  # no rate limit for the marks
    "log_buf_len=4M",
    "mitigations=off",  # cost time, protect nothing here
)


# What the agent prints after the program's last byte begins with it.
TRAILER = b"\x1e"


class GuestDied(Failure):
    """The guest ended or no longer answers."""


@dataclass
class Outcome:
    """How a program ended."""

    code: int | None  # None: it was ended by its deadline
    seconds: float
    output: str
    log: list[str] = field(default_factory=list)  # the kernel's, since the program before it


class Guest:
    """A context manager: on leaving it, QEMU is gone."""

    def __init__(self, machine: Machine, kernel: Kernel, initramfs: Path, logs: Path,
                 cmdline: str = "", kvm: bool = False) -> None:
        logs.mkdir(parents=True, exist_ok=True)
        self.log_file = open(logs / "console.log", "a", encoding="utf-8")  # pylint: disable=consider-using-with
        self.ports = machine.arch.ports
        self.words = command(machine, kernel, initramfs, cmdline, kvm)
        self.selector = selectors.DefaultSelector()
        self.qemu: subprocess.Popen[bytes] | None = None
        self.control: socket.socket | None = None
        self.partial = {"console": b"", "control": b""}
        self.answers: list[str] = []
        self.console: list[str] = []  # lines since they were last taken
        self.printed = b""  # what programs printed since that was last taken
        self.on_output: Callable[[bytes], None] | None = None
        self.sequence = 0

    # --- life ---

    def __enter__(self) -> "Guest":
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self.qemu and self.qemu.poll() is None:
            self.qemu.kill()
            self.qemu.wait()
        for key in list(self.selector.get_map().values()):
            self.selector.unregister(key.fileobj)
            key.fileobj.close()  # type: ignore[union-attr]
        self.selector.close()
        self.log_file.close()

    def _start(self) -> None:
        channels = []
        theirs = []
        for name in ("console", "control", "output"):
            ours, other = socket.socketpair()
            ours.setblocking(False)
            self.selector.register(ours, selectors.EVENT_READ, name)
            theirs.append(other)
            channels += ["-chardev", f"socket,id={name},fd={other.fileno()}"]
            if name == "control":
                self.control = ours
        # Should this process be killed outright, the kernel ends QEMU too.
        self.qemu = subprocess.Popen(  # pylint: disable=consider-using-with
            ["setpriv", "--pdeathsig", "KILL", *self.words, *channels, *self.ports],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            pass_fds=[other.fileno() for other in theirs], start_new_session=True)
        for other in theirs:
            other.close()

    # --- channels ---

    def _pump(self, until: Callable[[], bool], seconds: float) -> bool:
        """Read the channels until the condition holds; False when time is up."""
        deadline = time.monotonic() + seconds
        while not until():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            for key, _ in self.selector.select(min(left, 1.0)):
                try:
                    data = key.fileobj.recv(65536)  # type: ignore[union-attr]
                except BlockingIOError:
                    continue
                if not data:
                    self._end_of_channel(until)
                    return True
                self._take(str(key.data), data)
        return True

    def _end_of_channel(self, until: Callable[[], bool]) -> None:
        """QEMU has ended: read what the other channels still hold, then say so."""
        for key in list(self.selector.get_map().values()):
            while True:
                try:
                    data = key.fileobj.recv(65536)  # type: ignore[union-attr]
                except OSError:
                    break
                if not data:
                    break
                self._take(str(key.data), data)
        if until():
            return
        assert self.qemu and self.qemu.stderr
        try:
            code = self.qemu.wait(ANSWER_DEADLINE)
        except subprocess.TimeoutExpired:
            self.qemu.kill()
            code = self.qemu.wait()
        words = self.qemu.stderr.read().decode(errors="replace").strip()
        raise GuestDied(f"QEMU: {words}" if code and words else "the guest ended")

    def _take(self, channel: str, data: bytes) -> None:
        if channel == "output":
            ended = TRAILER in self.printed
            self.printed += data
            if self.on_output and not ended:
                self.on_output(data.split(TRAILER)[0])
            return
        lines = (self.partial[channel] + data).split(b"\n")
        self.partial[channel] = lines.pop()
        for raw in lines:
            line = raw.decode(errors="replace").rstrip("\r")
            if channel == "console":
                self.console.append(line)
                self.log_file.write(line + "\n")
                self.log_file.flush()
            elif line.startswith("@"):
                self.answers.append(line)

    def _send(self, line: str) -> None:
        assert self.control
        self.control.setblocking(True)
        try:
            self.control.sendall(line.encode() + b"\n")
        except OSError as error:
            raise GuestDied("the guest ended") from error
        finally:
            self.control.setblocking(False)

    def _answer(self, beginning: str, seconds: float) -> str | None:
        """The next answer that begins so; None when time is up."""
        def there() -> bool:
            return any(answer.startswith(beginning) for answer in self.answers)
        if not self._pump(there, seconds):
            return None
        found = next(answer for answer in self.answers if answer.startswith(beginning))
        self.answers.remove(found)
        return found

    def _ask(self, line: str, beginning: str, seconds: float = ANSWER_DEADLINE) -> str:
        self._send(line)
        answer = self._answer(beginning, seconds)
        if answer is None:
            raise GuestDied(f"the guest does not answer \"{line.split()[0]}\"")
        return answer.removeprefix(beginning).strip()

    def _log_up_to(self, text: str, seconds: float = ANSWER_DEADLINE) -> list[str]:
        """Take the kernel's log up to the mark."""
        mark = f"pinring-mark: {text}"
        def there() -> bool:
            return any(line.endswith(mark) for line in self.console)
        if not self._pump(there, seconds):
            raise GuestDied("the guest's console is silent")
        end = next(i for i, line in enumerate(self.console) if line.endswith(mark)) + 1
        taken, self.console = self.console[:end], self.console[end:]
        return [line for line in taken if "pinring-mark: " not in line or "failed" in line]

    # --- what the guest does ---

    def boot(self, seconds: float = BOOT_DEADLINE) -> list[str]:
        """Wait for the agent; returns the log from the loading of the modules on."""
        if self._answer("@ready", seconds) is None:
            raise GuestDied(f"the guest was not up within {seconds:.0f} s")
        self._log_up_to("loading the modules")
        return self._log_up_to("ready")

    def run(self, words: str, user: str, deadline: float, terminal: bool = False,
            on_output: Callable[[bytes], None] | None = None) -> Outcome:
        """Run a shell command line; Outcome.code is None when its deadline ended it."""
        self.sequence += 1
        number = self.sequence
        self.printed = b""
        self.on_output = on_output
        trailer = b"\x1eend %d\n" % number
        started = time.monotonic()
        encoded = base64.b64encode(words.encode()).decode()
        self._send(f"run {number} {user} {'terminal' if terminal else 'pipe'} {encoded}")
        answer = self._answer(f"@exit {number} ", deadline)
        code = int(answer.split()[2]) if answer else None
        seconds = time.monotonic() - started
        if code is None:
            self._ask("kill", "@killed")
            if self._answer(f"@exit {number} ", KILL_DEADLINE) is None:
                raise GuestDied(f"still running {KILL_DEADLINE:.0f} s after SIGKILL")
        log = self._log_up_to(f"end {number}")
        self._pump(lambda: trailer in self.printed, ANSWER_DEADLINE)
        self.on_output = None
        return Outcome(code, seconds, clean(self.printed), log)

    def pins(self) -> tuple[int, int]:
        """Pages pinned and unpinned since boot."""
        acquired, released = self._ask("pins", "@pins ").split()
        return int(acquired), int(released)

    def unload(self) -> str:
        """rmmod: "ok" or what it said."""
        return self._ask("unload", "@unload ")

    def load(self) -> str:
        return self._ask("load", "@load ")

    def leaks(self) -> None:
        """kmemleak's report into the kernel's log."""
        self._ask("leaks", "@leaks", 300.0)

    def log_since(self, name: str) -> list[str]:
        """The kernel's log since it was last taken."""
        self._ask(f"mark {name}", "@marked")
        return self._log_up_to(name)

    def power_off(self) -> None:
        try:
            self._send("poweroff")
            self._pump(lambda: False, 10.0)
        except GuestDied:
            pass

    def last_words(self) -> list[str]:
        """What is left of the log when the guest has died."""
        taken, self.console = self.console, []
        return [line for line in taken if "pinring-mark: " not in line]

    def printed_so_far(self) -> str:
        return clean(self.printed)


def clean(raw: bytes) -> str:
    """Output as plain text: no trailer, no colours, no carriage returns of a terminal."""
    text = re.sub(rb"\x1eend \d+\n", b"", raw).decode(errors="replace")
    text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text)
    return text.replace("\r\n", "\n")


def command(machine: Machine, kernel: Kernel, initramfs: Path, cmdline: str, kvm: bool) -> list[str]:
    """QEMU's command line without its serial ports."""
    # KVM only when it was asked for: its node may be there and open, and a
    # guest under it may never run all the same.
    arch = machine.arch
    accel, cpu = ("kvm", "host") if kvm else ("tcg,thread=multi", arch.cpu)
    return [machine.program, "-machine", arch.machine, "-accel", accel, "-cpu", cpu, "-smp", str(CPUS),
            "-m", machine.memory, "-nodefaults", "-no-user-config", "-display", "none", "-monitor", "none",
            "-no-reboot", *machine.devices, "-kernel", str(kernel.image), "-initrd", str(initramfs),
            "-append", " ".join((f"console={arch.console}", *KERNEL_WORDS, arch.words, cmdline)).strip()]


@contextlib.contextmanager
def booted(machine: Machine, kernel: Kernel, initramfs: Path, logs: Path, cmdline: str = "",
           kvm: bool = False) -> Iterator[tuple[Guest, list[str]]]:
    """A guest that is up, and its log of loading the modules."""
    with contextlib.ExitStack() as stack:
        started = time.monotonic()
        accel, guest, log = "emulated", None, []
        if kvm and not os.access("/dev/kvm", os.R_OK | os.W_OK):
            say("guest", "/dev/kvm is not here or not for us; going on without it")
        elif kvm:
            try:
                with contextlib.ExitStack() as probe:
                    guest = probe.enter_context(Guest(machine, kernel, initramfs, logs, cmdline, kvm=True))
                    log = guest.boot(KVM_PROBE)
                    stack.push(probe.pop_all())
                accel = "KVM"
            except GuestDied:
                guest = None
                say("guest", f"KVM shows no living guest within {KVM_PROBE:.0f} s; going on without it")
        if guest is None:
            guest = stack.enter_context(Guest(machine, kernel, initramfs, logs, cmdline))
            log = guest.boot()
        say("guest", f"{kernel.release}, {machine.arch.machine.split(',')[0]}, {CPUS} CPUs, {machine.memory}, {accel}: "
                     f"up after {time.monotonic() - started:.1f} s")
        yield guest, log
