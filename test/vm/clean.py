# SPDX-License-Identifier: MIT
"""./run clean: what ./run made goes; what somebody else put into build/ stays."""

import argparse
import shutil

from .paths import BUILD, ROOT, cache, locked
from .report import Failure, say

OURS = ("host", "guest", "guest-arm64", "modules", "lint", "logs", "demo")


def clean(args: argparse.Namespace) -> int:
    if args.what == "cache":
        folder = cache()
        say("clean", f"removing {folder}")
        shutil.rmtree(folder)
        return 0
    if args.what:
        raise Failure(f"clean {args.what}: there is \"clean\" (build/) and \"clean cache\" (downloads, too)")
    if BUILD.exists():
        # Not under the feet of a run that is building.
        for name in OURS:
            with locked(name, BUILD):
                shutil.rmtree(BUILD / name, ignore_errors=True)
        for lock in BUILD.glob(".*.lock"):
            lock.unlink()
        if not any(BUILD.iterdir()):
            BUILD.rmdir()
    for litter in (ROOT / "test").rglob("__pycache__"):
        shutil.rmtree(litter, ignore_errors=True)
    say("clean", "done; downloads stay in the cache (./run clean cache)")
    return 0
