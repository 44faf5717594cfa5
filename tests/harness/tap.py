#!/usr/bin/env python3
"""Stands between scp, sftp, rsync or git and ssh, and keeps every byte that passes either way.

Called in place of ssh; AUDITSSH_TAP names a folder that gets `N.in` (towards the server), `N.out`
(from it) and `N.args` for its Nth call. What ssh is, AUDITSSH_TAP_SSH says (a JSON list).
"""

import contextlib
import json
import os
import select
import subprocess
import sys
import threading
from pathlib import Path


def copy(source: int, target: int, record: Path) -> None:
    """Copies to the end, each piece kept before it is passed on."""
    with open(record, "ab", buffering=0) as kept:
        while data := read(source):
            kept.write(data)
            try:
                while data:
                    data = data[write(target, data) :]
            except BrokenPipeError:
                break
    os.close(target)


def read(source: int) -> bytes:
    """The next piece: rsync sets its ends of the pipes not to wait, and with them ours."""
    while True:
        select.select([source], [], [])
        with contextlib.suppress(BlockingIOError):
            return os.read(source, 65536)


def write(target: int, data: bytes) -> int:
    """How much of it was taken."""
    while True:
        select.select([], [target], [])
        with contextlib.suppress(BlockingIOError):
            return os.write(target, data)


def main() -> int:
    folder = Path(os.environ["AUDITSSH_TAP"])
    call = len(list(folder.glob("*.args")))
    (folder / f"{call}.args").write_text(json.dumps(sys.argv[1:]))
    command = json.loads(os.environ["AUDITSSH_TAP_SSH"]) + sys.argv[1:]
    ssh = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    towards = (0, os.dup(ssh.stdin.fileno()), folder / f"{call}.in")
    ssh.stdin.close()
    threading.Thread(target=copy, args=towards, daemon=True).start()
    copy(ssh.stdout.fileno(), os.dup(1), folder / f"{call}.out")
    return ssh.wait()


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code if code >= 0 else 255)
