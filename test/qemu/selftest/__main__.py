# SPDX-License-Identifier: MIT
"""python3 -m qemu.selftest --qemu PATH [NAME...], with the folder above qemu/ in PYTHONPATH."""

import argparse
import sys
import time

from . import broken, case, suite
from .qtest import QtestError


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m qemu.selftest", description=__doc__)
    parser.add_argument("--qemu", required=True, metavar="PATH", help="qemu-system-aarch64 with the model")
    parser.add_argument("--break", dest="rules", nargs="?", const="all", metavar="RULE",
                        help="let the model break a rule (a number, or all in turn): do the tests notice?")
    parser.add_argument("--list", action="store_true", help="name the tests, run none")
    parser.add_argument("-q", "--quiet", action="store_true", help="only failures and the last line")
    parser.add_argument("names", nargs="*", metavar="NAME", help="parts of names of tests")
    return parser.parse_args(argv)


def main() -> int:
    args = parse(sys.argv[1:])
    case.SETTINGS.qemu = args.qemu
    tests = suite.select(args.names)
    if args.list:
        print("\n".join(suite.name(test) for test in tests))
        return 0
    if not tests:
        print(f"no test has a name like {' or '.join(args.names)}", file=sys.stderr)
        return 2
    try:
        case.Machine(args.qemu, ("loop0",)).close()
    except (OSError, QtestError) as error:
        print(f"the machine does not start: {error}", file=sys.stderr)
        return 2
    if args.rules:
        return broken.run(tests, args.rules)

    start = time.monotonic()
    outcome = suite.run(tests, quiet=args.quiet)
    print(f"time {time.monotonic() - start:.1f} s")
    print(f"{outcome.passed} passed, {len(outcome.failed)} failed")
    return 1 if outcome.failed else 0


if __name__ == "__main__":
    sys.exit(main())
