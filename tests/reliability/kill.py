#!/usr/bin/env python3
"""Kills the server at random moments under load and counts what was lost: nothing may be.

    kill.py [--kills 100] [--sessions 64] [--seed N] [--keep]

Each round starts sessions of every kind, kills the server with SIGKILL, sometimes kills the next
one while it recovers, and compares what clients and backends saw with what the recovered logs hold.
"""

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from judge import Evidence, backend_losses, broken, losses
from load import Load
from server import Server


def settle(folder):
    """Waits until the programs behind the sessions have ended (their files no longer grow)."""
    sizes, quiet = None, 0
    while quiet < 4:
        now = [p.stat().st_size for p in sorted(folder.iterdir())]
        sizes, quiet = now, quiet + 1 if now == sizes else 0
        time.sleep(0.1)


async def attack(server, folder, sessions, number, dice):
    load = Load(server, folder, sessions, f"k{number}")
    await load.start()
    await asyncio.sleep(dice.uniform(0.0, 1.0))
    server.kill()
    await asyncio.sleep(0.1)
    await load.end()
    return load


def judge(load, server):
    evidence = Evidence(server.audit)
    found = []
    for witness in load.witnesses:
        found += losses(witness, evidence) + backend_losses(witness, evidence)
    found += broken(server.audit)
    compared = sum(len(s) for w in load.witnesses for s in (*w.seen.values(), w.backend()))
    for kind in sorted({w.kind for w in load.witnesses}):
        if not any(w.started and (w.exits or any(w.seen.values()) or w.backend()) for w in load.witnesses if w.kind == kind):
            found.append(f"no session of the kind {kind} saw anything: nothing was compared")
    return found, len(evidence.logs), compared


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--kills", type=int, default=100)
    options.add_argument("--sessions", type=int, default=64)
    options.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    options.add_argument("--keep", action="store_true", help="keep the files of a failed round")
    given = options.parse_args()
    dice = random.Random(given.seed)
    home = Path(tempfile.mkdtemp(prefix="auditssh-kill-"))
    server = Server(home)
    began, lost, logs, volume, slowest = time.monotonic(), 0, 0, 0, 0.0
    server.start()
    for number in range(given.kills):
        folder = home / f"backends-{number}"
        load = asyncio.run(attack(server, folder, given.sessions, number, dice))
        settle(folder)
        if dice.random() < 0.3:  # recovery may itself be killed
            server.start(wait=False)
            time.sleep(dice.uniform(0.0, 0.1))
            server.kill()
        slowest = max(slowest, server.start())
        wait_for_recovery(server)
        found, seen, held = judge(load, server)
        logs, volume = logs + seen, volume + held
        if found:
            lost += len(found)
            print(f"round {number} (seed {given.seed}):", *found[:10], sep="\n  ", flush=True)
            if given.keep:
                shutil.copytree(server.audit, home / f"round-{number}")
        for log in server.audit.iterdir():
            if "." not in log.name:
                log.unlink()
        shutil.rmtree(folder, ignore_errors=True)
        kills, seconds = number + 1, time.monotonic() - began
        so_far = (
            f"kills {kills}, sessions {kills * given.sessions}, logs {logs}, compared {volume >> 20} MiB, "
            f"slowest start {slowest:.2f} s, {seconds:.0f} s, seed {given.seed}, losses {lost}"
        )
        if kills % 25 == 0 and kills < given.kills:
            print("so far:", so_far, file=sys.stderr, flush=True)
    server.stop()
    print(so_far)
    if not given.keep or not lost:
        shutil.rmtree(home, ignore_errors=True)
    sys.exit(1 if lost else 0)


def wait_for_recovery(server):
    """No tail is left once the logs of the earlier life are recovered."""
    until = time.monotonic() + 60
    while any(".tail" in p.name for p in server.audit.iterdir()):
        if time.monotonic() > until:
            raise RuntimeError(f"not recovered: {server.tail()}")
        time.sleep(0.02)


if __name__ == "__main__":
    main()
