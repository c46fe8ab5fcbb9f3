"""A program that tracks at random and counts by hand beside it: `python random_trackings.py SEED BLOCKS FILE.jsonl`.

Blocks lie in blocks, in threads, tasks and forked children, call themselves, are broken off, and the clock is set meanwhile. By hand: CPU
and wall time while at least one block is open, read from the operating system where the first one begins and the last one ends.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import resource
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import paredown

REAL_TIME = time.time
HOUR_S = 3600.0


class Broken(Exception):
    """What breaks a block off."""


class Hand:
    """CPU and wall seconds of this process and its children while a block is open."""

    def __init__(self) -> None:
        self.lock, self.open = threading.Lock(), 0
        self.total = [0.0, 0.0]
        self.began = [0.0, 0.0]

    def now(self) -> list[float]:
        below = resource.getrusage(resource.RUSAGE_CHILDREN)
        return [time.process_time() + below.ru_utime + below.ru_stime, time.perf_counter()]

    @contextmanager
    def block(self) -> Iterator[None]:
        with self.lock:
            self.open += 1
            if self.open == 1:
                self.began = self.now()
        try:
            yield
        finally:
            with self.lock:
                self.open -= 1
                if self.open == 0:
                    self.total = [before + ended - began for before, ended, began in zip(self.total, self.now(), self.began, strict=True)]


class Program:
    """Random blocks until so many were begun."""

    def __init__(self, seed: int, blocks: int, file: str) -> None:
        self.random, self.left, self.file = random.Random(seed), blocks, file
        self.names = random.Random(seed)  # asked by threads in any order
        self.hand = Hand()
        self.kinds: dict[str, int] = {}
        self.loose: list[threading.Thread] = []

    def run(self) -> None:
        while self.left > 0:
            with suppress(Broken):
                self.random.choice((self.block, self.block, self.block, self.alone))(0)
        self.join()

    def join(self) -> None:
        for thread in self.loose:
            thread.join()
        self.loose.clear()

    def alone(self, depth: int) -> None:
        """A forked child whose blocks are in none of this process."""
        self.join()
        self.left -= 2
        read, write = os.pipe()
        if not os.fork():
            inner = Program(self.random.randrange(10**9), 2, self.file)
            inner.run()
            os.write(write, json.dumps(inner.hand.total).encode())
            os._exit(0)
        os.wait()
        self.hand.total = [mine + its for mine, its in zip(self.hand.total, json.loads(os.read(read, 1000)), strict=True)]

    def block(self, depth: int) -> None:
        """One tracked block with some of everything in it."""
        self.left -= 1
        with self.tracked(), self.hand.block():
            self.work(depth)

    def tracked(self) -> paredown.tracking.tracker.Track:
        activity = self.names.choice(("training", "fine-tuning"))
        name = self.names.choice(("a", "b", 'c"\n', "d\udcff"))
        return paredown.track(name, activity=activity, grid="400 g/kWh", to=self.file)

    def work(self, depth: int) -> None:
        burn(self.random.uniform(0.001, 0.004))
        for _ in range(self.random.choice((0, 1, 1, 2)) if depth < 4 else 0):
            kind = self.random.choice(("block", "itself", "threads", "tasks", "forked", "clock", "broken"))
            self.kinds[kind] = self.kinds.get(kind, 0) + 1
            getattr(self, kind)(depth + 1)
        burn(self.random.uniform(0.001, 0.004))

    def itself(self, depth: int) -> None:
        @self.tracked()
        def down(left: int) -> None:
            self.left -= 1
            with self.hand.block():
                burn(0.001)
                if left:
                    down(left - 1)

        down(self.random.randint(1, 3))

    def threads(self, depth: int) -> None:
        """Blocks that overlap and end in any order; one may go on when this one is over."""

        def work(wait_s: float, work_s: float) -> None:
            time.sleep(wait_s)
            with self.tracked(), self.hand.block():
                burn(work_s)

        threads = [threading.Thread(target=work, args=(self.random.uniform(0, 0.005), self.random.uniform(0.001, 0.01))) for _ in range(2)]
        self.left -= len(threads)
        for thread in threads:
            thread.start()
        self.loose += threads

    def tasks(self, depth: int) -> None:
        if threading.current_thread() is not threading.main_thread():
            return

        async def work(wait_s: float) -> None:
            with self.tracked(), self.hand.block():
                burn(0.001)
                await asyncio.sleep(wait_s)
                burn(0.001)

        async def both() -> None:
            await asyncio.gather(work(0.001), work(0.003))

        self.left -= 2
        asyncio.run(both())

    def forked(self, depth: int) -> None:
        """A child with blocks of its own, waited for inside."""
        self.join()
        self.left -= 2
        child = os.fork()
        if not child:
            try:
                inner = Program(self.random.randrange(10**9), 2, self.file)
                inner.block(3)
            finally:
                os._exit(0)
        os.waitpid(child, 0)

    def clock(self, depth: int) -> None:
        """The machine's clock is set: hours ahead, back, or to what it is before a time server answers."""
        moved_s = self.random.choice((5 * HOUR_S, -5 * HOUR_S, -REAL_TIME(), 0.0))
        time.time = lambda: REAL_TIME() + moved_s

    def broken(self, depth: int) -> None:
        if self.random.random() < 0.5:
            raise Broken
        try:
            with self.tracked(), self.hand.block():
                self.left -= 1
                burn(0.002)
                raise Broken
        except Broken:
            pass


def burn(cpu_s: float) -> None:
    end = time.thread_time() + cpu_s
    while time.thread_time() < end:
        pass


def main(seed: str, blocks: str, file: str) -> None:
    with paredown.track():  # what the first block of a process looks for
        pass
    program = Program(int(seed), int(blocks), file)
    program.run()
    cpu_s, wall_s = program.hand.total
    print(json.dumps({"cpu_s": cpu_s, "wall_s": wall_s, "kinds": program.kinds}))


if __name__ == "__main__":
    main(*sys.argv[1:])
