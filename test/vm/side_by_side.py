# SPDX-License-Identifier: MIT
"""Guests side by side: a guest of two CPUs keeps one core busy most of the time."""

import queue
import threading
from collections.abc import Callable, Iterable

# Of two cores. More would make deadlines in guests a matter of luck.
WIDTH = 2


def run(tasks: Iterable[Callable[[], None]], width: int = WIDTH) -> None:
    """All tasks, @width at a time, begun in their order. The first exception of one is raised when all have ended.

    An interrupt ends the process at once: the threads are daemons, and a
    guest whose thread is gone is ended by the kernel (see Guest).
    """
    left: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
    for task in tasks:
        left.put(task)
    failures: list[BaseException] = []

    def work() -> None:
        while not failures:
            try:
                task = left.get_nowait()
            except queue.Empty:
                return
            try:
                task()
            except BaseException as failure:  # pylint: disable=broad-exception-caught
                failures.append(failure)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(width)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
