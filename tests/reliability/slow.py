#!/usr/bin/env python3
"""Makes every sync slow and measures who waits for it.

    slow.py [--sync interval|always] [--delay 2.0] [--typists 16] [--bulk 16] [--seconds 30] [--p99 0.1]
            [--calls fsync,fdatasync,syncfs]

strace holds up each sync of the server, or other system calls (`pwrite64` writes the logs).
Meanwhile bulk sessions, both ways, keep the disk busy, and typists measure how long each of their
lines takes to come back. No session may end; with `interval` the 99th percentile of the echo stays
below --p99 seconds (with `always` each line waits for its own sync, and is only reported); memory
per session stays below 8 MiB.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from pathlib import Path

import asyncssh

from server import Server

MEMORY = 8 << 20  # per session, in bytes
SYNCS = "fsync,fdatasync,syncfs"


def wrapper(calls, delay, trace):
    """Runs a program with slow calls; it stays our child, and only these calls stop for the tracer."""
    inject = f"inject={calls}:delay_exit={int(delay * 1e6)}"
    return ("strace", "-D", "-f", "--seccomp-bpf", "-qq", "-o", trace, "-e", f"trace={calls}", "-e", inject)


class Sessions:
    """What is measured, and whether anything ended."""

    def __init__(self, server, until):
        self.server, self.until = server, until
        self.echoes, self.moved, self.ended = [], 0, []

    def over(self):
        return time.monotonic() > self.until

    async def connect(self):
        key = self.server.client_key
        return await asyncssh.connect(
            "127.0.0.1", self.server.port, username="load", client_keys=[key], known_hosts=None, login_timeout=600
        )

    async def guarded(self, session):
        try:
            await session()
        except (asyncssh.Error, OSError, asyncio.IncompleteReadError) as error:
            self.ended.append(repr(error))

    async def typist(self):
        async with await self.connect() as connection:
            process = await connection.create_process("exec cat", encoding=None)
            while not self.over():
                began = time.monotonic()
                process.stdin.write(b"x\n")
                await process.stdout.readexactly(2)
                self.echoes.append(time.monotonic() - began)
                await asyncio.sleep(0.05)

    async def down(self):
        async with await self.connect() as connection:
            process = await connection.create_process("exec cat /dev/urandom", encoding=None)
            while not self.over():
                data = await self._within(process.stdout.read(1 << 16))
                if data == b"":
                    raise OSError("the output ended")
                self.moved += len(data or b"")

    async def up(self):
        async with await self.connect() as connection:
            process = await connection.create_process("exec cat > /dev/null", encoding=None)
            while not self.over():
                process.stdin.write(bytes(1 << 16))
                await self._within(process.stdin.drain())
                self.moved += 1 << 16
                if process.exit_status is not None or process.is_closing():
                    raise OSError("the session ended")

    async def _within(self, wait):
        """Waits, but not longer than is measured."""
        task = asyncio.ensure_future(wait)
        done, _ = await asyncio.wait([task], timeout=max(0.0, self.until - time.monotonic()))
        if done:
            return task.result()
        task.cancel()
        return None


async def measure(server, given):
    before = memory(server)
    sessions = Sessions(server, time.monotonic() + given.seconds)
    kinds = [sessions.typist] * given.typists + [sessions.down, sessions.up] * (given.bulk // 2)
    work = asyncio.gather(*(sessions.guarded(kind) for kind in kinds))
    most = before
    while not sessions.over():
        most = max(most, memory(server))
        await asyncio.sleep(0.1)
    await work
    return sessions, (most - before) / len(kinds)


def memory(server):
    """Resident memory of the server in bytes."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS:"))


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--sync", choices=("interval", "always"), default="interval")
    options.add_argument("--delay", type=float, default=2.0)
    options.add_argument("--typists", type=int, default=16)
    options.add_argument("--bulk", type=int, default=16)
    options.add_argument("--seconds", type=float, default=30)
    options.add_argument("--p99", type=float, default=0.1)
    options.add_argument("--calls", default=SYNCS)
    given = options.parse_args()
    home = Path(tempfile.mkdtemp(prefix="auditssh-slow-"))
    server, trace = Server(home, sync=given.sync), home / "trace"
    try:
        server.start(wrapper=wrapper(given.calls, given.delay, trace))
        sessions, each = asyncio.run(measure(server, given))
    finally:
        server.kill()
    echoes = sorted(sessions.echoes) or [float("inf")]
    median, p99 = echoes[len(echoes) // 2], echoes[len(echoes) * 99 // 100]
    slow = sum("(DELAYED)" in line for line in trace.read_text().splitlines())
    print(
        f"sync {given.sync}, {slow} calls took {given.delay} s, {sessions.moved >> 20} MiB moved, "
        f"{len(sessions.echoes)} echoes: median {median * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms, "
        f"memory per session {each / (1 << 20):.2f} MiB, sessions ended {len(sessions.ended)}"
    )
    for ended in sessions.ended[:5]:
        print(ended)
    shutil.rmtree(home)
    late = given.sync != "always" and p99 >= given.p99
    vain = slow == 0 or not sessions.echoes or not sessions.moved
    sys.exit(1 if sessions.ended or late or vain or each >= MEMORY else 0)


if __name__ == "__main__":
    main()
