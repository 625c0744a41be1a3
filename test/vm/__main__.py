# SPDX-License-Identifier: MIT
"""./run COMMAND: reads the command line."""

import argparse
import signal
import sys
from collections.abc import Callable

from . import clean, demo, fuzz, guards, lint, prompt, soak, suite, tier
from .report import Failure


HELP = """\
./run demo [FILE]          build everything, boot the guest, send FILE (default: 40 MiB of this machine's
                           programs) out through the ring and back, compare hashes, print a throughput table
./run test                 all that CI runs: unit tests on the host, everything else in the guest
./run test WHAT...         unit (the host), model (the AXI DMA model's self-test), stock, axidma, sanitised (tiers)
./run test NAME... [-- F]  programs of test/*/programs.toml, with Catch2's filters and options F
./run fuzz --minutes N     random calls and a ring that is written over, on the sanitised kernel; --seed X for one again
./run soak                 kill -9, unbind and random faults under load, by the thousand, and each failure there is, once
./run guards [NAME...]     take guards out of the driver, one at a time: does the test that names it fail?
./run bench [-- ARGS]      pinring-bench in the guest, for instance ./run bench -- --json
./run shell [TIER]         a prompt in the guest, modules loaded
./run guest -- COMMAND     one command in the guest as uid 1000; its exit code comes back
./run lint [CHECK...]      formatting, static checkers, kernel style
./run clean [cache]        remove what was built; with "cache", what was downloaded too

A guest's tier is "stock" (the simulator on this machine's kind of kernel); --tier axidma is upstream's xilinx_dma
on a model of the AXI DMA, --tier sanitised the same on a kernel that looks for bugs.
./run COMMAND --help tells the options. Logs of the last runs are in build/logs. Downloaded kernels are
kept in ${XDG_CACHE_HOME:-~/.cache}/pinring. Missing packages are installed with apt-get, and named.
"""


def _kernel_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kernel", metavar="SERIES", help="6.1 or 6.12 (default: the first that the suite has)")
    parser.add_argument("--kvm", action="store_true", help="use KVM, if it shows a living guest")


def _guest_options(parser: argparse.ArgumentParser) -> None:
    _kernel_option(parser)
    tier.option(parser)
    parser.add_argument("--add", metavar="FILE", action="append", default=[], help="a host's file, into /data")
    parser.add_argument("--program", metavar="NAME", action="append", default=[],
                        help="a program of the build, into /programs (one that COMMAND names is there anyway)")
    parser.add_argument("--cmdline", default="", metavar="WORDS", help="further words for the kernel")
    parser.add_argument("--no-modules", action="store_true", help="boot without pinring's modules")
    parser.add_argument("--no-programs", action="store_true", help="don't look at the build at all")


def parse(argv: list[str]) -> argparse.Namespace:
    # What follows "--" is not for us: a command, Catch2's filters, options of the benchmark.
    rest: list[str] = []
    if "--" in argv:
        rest = argv[argv.index("--") + 1:]
        argv = argv[:argv.index("--")]

    parser = argparse.ArgumentParser(prog="./run", usage="./run COMMAND [OPTION...]; ./run help tells all")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, function: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(run=function)
        return sub

    sub = command("demo", demo.demo, "a file out through the ring and back, and a throughput table")
    sub.add_argument("file", nargs="?", metavar="FILE")
    tier.option(sub)
    _kernel_option(sub)

    sub = command("test", suite.test, "all tests, or those named")
    sub.add_argument("names", nargs="*", metavar="NAME", help="unit, model, a tier, or names from programs.toml")
    tier.option(sub)
    sub.add_argument("-v", "--verbose", action="store_true", help="show what passing programs print, too")
    _kernel_option(sub)

    sub = command("fuzz", fuzz.fuzz, "the fuzzer in the guest; the last line is the number of operations")
    sub.add_argument("--minutes", type=float, default=10.0, metavar="N", help="default 10")
    sub.add_argument("--seed", type=int, metavar="X", help="begin with this seed (default: fresh ones)")
    _kernel_option(sub)
    tier.option(sub)
    sub.set_defaults(tier="sanitised")

    sub = command("guards", guards.guards, "each guard of test/guards/guards.toml taken out, and its test seen to fail")
    sub.add_argument("names", nargs="*", metavar="NAME", help="of guards (default: all)")

    sub = command("soak", soak.soak, "rounds of violence by the thousand, and the sweeps of failures; the last line sums up")
    sub.add_argument("--rounds", type=int, default=1000, metavar="N",
                     help="of each kind (default 1000); on the sanitised tier a tenth of it, unless it is named")
    sub.add_argument("--seed", type=int, metavar="X", help="of the first round (default: a fresh one)")
    sub.add_argument("--tier", choices=list(tier.TIERS), help="this one only (default: axidma and sanitised)")
    _kernel_option(sub)

    sub = command("bench", demo.bench, "pinring-bench in the guest; its arguments follow --")
    tier.option(sub)
    _kernel_option(sub)

    sub = command("shell", prompt.shell, "a prompt in the guest")
    sub.add_argument("of", nargs="?", choices=[*tier.TIERS], metavar="TIER", help="the same as --tier")
    _guest_options(sub)

    sub = command("guest", prompt.guest, "one command in the guest, as uid 1000; it follows --")
    _guest_options(sub)
    sub.add_argument("--root", action="store_true", help="as root")
    sub.add_argument("--deadline", type=float, default=120.0, metavar="SECONDS")
    sub.add_argument("--tail", type=int, default=15, metavar="LINES", help="of the kernel's log (default 15)")

    sub = command("lint", lint.lint, "formatting, static checkers, kernel style")
    sub.add_argument("names", nargs="*", metavar="CHECK", help="beginnings of names of checks")

    sub = command("clean", clean.clean, "remove what was built")
    sub.add_argument("what", nargs="?", metavar="cache", help="what was downloaded, too")

    command("help", lambda args: print(HELP, end="") or 0, "all commands")

    args = parser.parse_args(argv or ["help"])
    args.rest = rest
    return args


def main() -> int:
    # SIGTERM unwinds like Ctrl-C, so that whatever runs is ended.
    def terminated(*_: object) -> None:
        raise KeyboardInterrupt
    signal.signal(signal.SIGTERM, terminated)
    args = parse(sys.argv[1:])
    try:
        return int(args.run(args))
    except Failure as failure:
        print(f"./run {args.command}: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\n./run {args.command}: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
