#!/usr/bin/env python3
"""Cuts the power at random moments under load and counts what was lost.

    power.py [--cuts 20] [--sync always|interval|none] [--sessions 16] [--seed N]

The logs lie on an ext4 file system in a file of this machine. A cut is a copy of that file while
the file system is mounted and the server is stopped in its tracks: what was not synced is not in
the copy. Files of other sessions are synced just before, since that commits the file system's
journal and is what loses data in designs that trust its order. The copy is mounted, its logs are
recovered and compared with what clients had seen: all of it with `always`, and then also with what
programs had received; all that is older than the interval with `interval`. Chunks are sealed every
second, so that cuts meet tails that are used again. `none` promises nothing but is judged as `always`:
it shows that losses are found. Needs root, for mounts.
"""

import argparse
import asyncio
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from judge import Evidence, backend_losses, broken, losses
from load import Load
from server import Server, auditssh

INTERVAL = 1.0  # audit.syncInterval
MARGIN = 0.5  # until the sync that the interval starts has ended, on a busy machine


def run(*command):
    subprocess.run([str(c) for c in command], check=True, capture_output=True)


class Disk:
    """An ext4 file system in a file."""

    def __init__(self, home, megabytes=512):
        self.image, self.mount = home / "disk.img", home / "disk"
        self.mount.mkdir()
        run("truncate", "-s", f"{megabytes}M", self.image)
        run("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", self.image)
        run("mount", "-o", "loop", self.image, self.mount)

    def copy(self, home):
        """The disk as it would be after a power cut now, mounted."""
        image, mount = home / "copy.img", home / "copy"
        mount.mkdir(exist_ok=True)
        run("cp", "--sparse=always", self.image, image)
        run("mount", "-o", "loop", image, mount)
        return mount

    def close(self):
        subprocess.run(["umount", self.mount], check=False, capture_output=True)


def stop_in_tracks(server):
    """Stops the server; returns when none of its threads runs or waits for the disk."""
    server.signal(signal.SIGSTOP)
    tasks = Path(f"/proc/{server.process.pid}/task")
    while any((t / "stat").read_text().rsplit(")", 1)[1].split()[0] != "T" for t in tasks.iterdir()):
        time.sleep(0.001)


def sync_others(audit, dice):
    """Syncs some files of some sessions, as any program on the machine might."""
    files = [p for p in audit.iterdir() if p.is_file()]
    for path in dice.sample(files, min(len(files), 3)):
        handle = os.open(path, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)


async def cut(server, disk, home, load, dice, sync):
    await asyncio.sleep(dice.uniform(0.2, 2.0))
    moment = time.monotonic() - (INTERVAL + MARGIN if sync == "interval" else 0)
    stop_in_tracks(server)
    received = {w.token: w.backend() for w in load.witnesses}
    sync_others(server.audit, dice)
    mount = disk.copy(home)
    server.signal(signal.SIGCONT)
    try:
        audit = mount / server.audit.relative_to(disk.mount)
        auditssh("recover", audit, ok=(0, 2))  # 2: something was torn, whether it was promised or not
        evidence = Evidence(audit)
        found = broken(audit) + [loss for w in load.witnesses for loss in losses(w, evidence, moment)]
        if sync != "interval":
            found += [loss for w in load.witnesses for loss in backend_losses(w, evidence, received[w.token])]
        return found, sum(len(w.before("stdout", moment)) for w in load.witnesses)
    finally:
        run("umount", mount)


async def rounds(given, server, disk, home, dice):
    lost, volume, done = 0, 0, 0
    while done < given.cuts:
        load = Load(server, home / "backends", given.sessions, f"p{done}", pace=0.01)
        await load.start()
        for _ in range(min(given.cuts - done, 10)):
            found, seen = await cut(server, disk, home, load, dice, given.sync)
            done, lost, volume = done + 1, lost + len(found), volume + seen
            if found:
                print(f"cut {done} (seed {given.seed}):", *found[:10], sep="\n  ", flush=True)
        await load.end()
        await asyncio.sleep(1)
        for log in server.audit.iterdir():
            if "." not in log.name and not list(server.audit.glob(f".{log.name}.*")):
                log.unlink()
        shutil.rmtree(home / "backends")
    return lost, volume


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--cuts", type=int, default=20)
    options.add_argument("--sync", choices=("always", "interval", "none"), default="always")
    options.add_argument("--sessions", type=int, default=16)
    options.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    given = options.parse_args()
    dice = random.Random(given.seed)
    home = Path(tempfile.mkdtemp(prefix="auditssh-power-"))
    disk = Disk(home)
    server, began = None, time.monotonic()
    try:
        server = Server(home, disk.mount / "audit", sync=given.sync, seal="1s")
        server.start()
        lost, volume = asyncio.run(rounds(given, server, disk, home, dice))
        server.stop()
    finally:
        if server and server.process and server.process.poll() is None:
            server.kill()
        disk.close()
    print(
        f"cuts {given.cuts}, sync {given.sync}, sessions {given.sessions}, seen {volume >> 10} KiB, "
        f"{time.monotonic() - began:.0f} s, seed {given.seed}, losses {lost}"
    )
    shutil.rmtree(home)
    sys.exit(1 if lost else 0)


if __name__ == "__main__":
    main()
