#!/usr/bin/env python3
"""Harms the way between the server and its bucket and counts what is lost or doubled: nothing may be.

    s3.py faults [--requests 300] [--share 0.3]    so many requests, a share of them harmed
    s3.py kills [--each 2]                         SIGKILL in every state of an upload
    s3.py crowd [--logs 500] [--largest 60]        logs of 1 KiB to so many MiB that wait at the start
    s3.py live [--logs 500] [--largest 60]         as many sessions, all alive, that end at once

Real sessions leave logs of known content; a SeaweedFS of the run's own gets them. At the end every
log must be in the bucket once, whole by `verify`, with the bytes that its client saw, no upload may
be left over, and nothing in the local directory. Options of all: --seed N, --keep.
"""

import argparse
import hashlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import log, s3  # noqa: E402
from harness.faults import FAULTS, Dice, Proxy  # noqa: E402
from harness.server import Server  # noqa: E402
from harness.wait import until  # noqa: E402

PERMITTED = s3.PERMITTED | {"HeadObject"}  # it may be tried where an answer is lost
MEMORY = 256 << 20
MIB = 1 << 20


class Client:
    """A session that prints its token and so many bytes, and ends with its standard input."""

    def __init__(self, site: "Site", size: int):
        self.token = site.token()
        self.digest, self.length = hashlib.sha256(), 0
        self.wanted = len(self.token) + size + 2  # with the ends of two lines
        self.begun = threading.Event()
        command = f"echo {self.token}; head -c {size} /dev/urandom; echo; cat"
        line = [*site.server.ssh(), command]
        self.process = subprocess.Popen(
            line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self) -> None:
        while chunk := self.process.stdout.read1(MIB):
            self.digest.update(chunk)
            self.length += len(chunk)
            self.begun.set()
        self.begun.set()

    def is_idle(self) -> bool:
        """Whether it has seen everything that it asked for, and still runs."""
        assert self.process.poll() is None, f"a session ended by itself, with {self.process.returncode}"
        return self.length == self.wanted

    def end(self) -> None:
        self.process.stdin.close()
        self.reader.join()
        self.process.wait(120)


class Site:
    """A store, a way to it, a server, and what its clients saw."""

    def __init__(self, home: Path):
        self.home = home
        self.store = s3.SeaweedFS().start()
        self.proxy = Proxy(self.store.address)
        self.bucket = self.store.new_bucket()
        folder = home / "server"
        folder.mkdir(mode=0o700)
        self.server = Server(folder, "", users={"alice": {"password": None}})
        self.server.config["users"]["alice"].pop("password", None)
        self.server.config["limits"]["unauthenticatedWait"] = "1m"
        settings = s3.settings(self.bucket, self.proxy.endpoint, self.server.audit)
        self.server.config["audit"] |= {"storage": "s3", "s3": settings}
        del self.server.config["audit"]["file"]
        self.seen: dict[str, bytes] = {}  # of each session's token, what its client saw
        self.made = 0
        self.found: list[str] = []

    def close(self) -> None:
        self.server.kill()
        self.proxy.close()
        self.store.remove()

    def token(self) -> str:
        self.made += 1
        return f"token-{self.made:06}"

    def session(self, size: int) -> None:
        """A session from its beginning to its end."""
        self.end(Client(self, size))

    def end(self, client: "Client") -> None:
        """Ends a session; keeps the digest and the length of what its client saw."""
        client.end()
        self.seen[client.token] = (client.length, client.digest.hexdigest())

    def staged(self) -> list[str]:
        names = (f.name for f in self.server.audit.iterdir() if "lock" not in f.name)
        return sorted(names)

    def settle(self, timeout: float) -> None:
        """Waits until the bucket has everything."""
        self.drained = until(lambda: not self.staged() or time.sleep(0.2), timeout, "the local directory is empty")
        until(lambda: not self.bucket.uploads() or time.sleep(1), 60, "no upload is left over")

    def judge(self) -> None:
        """Compares what the bucket holds with what clients saw."""
        asked = set(self.proxy.asked())
        if not asked <= PERMITTED:
            self.found.append(f"asked for more than is documented: {sorted(asked - PERMITTED)}")
        folder = self.home / "objects"
        folder.mkdir(mode=0o700, exist_ok=True)
        held: set[str] = set()
        for key in self.bucket.keys():
            file = folder / key
            self.bucket.client.download_file(self.bucket.name, key, str(file))
            try:
                recorded = log.whole(file)
            except AssertionError as error:
                self.found.append(f"{key}: {str(error)[:300]}")
                continue
            file.unlink()
            self.compare(key, recorded.io(log.STDOUT), held)
        for token in sorted(set(self.seen) - held):
            self.found.append(f"{token}: lost")

    def compare(self, key: str, printed: bytes, held: set[str]) -> None:
        token = printed.partition(b"\n")[0].decode(errors="replace")
        if token not in self.seen:
            if printed:
                self.found.append(f"{key}: of no session: {token[:40]!r}")
            return
        if token in held:
            self.found.append(f"{token}: twice")
        held.add(token)
        length, digest = self.seen[token]
        if hashlib.sha256(printed[:length]).hexdigest() != digest:
            self.found.append(f"{token}: {length} bytes seen, {len(printed)} held, not the same")

    def volume(self) -> int:
        """MiB that clients have seen."""
        return sum(length for length, _ in self.seen.values()) >> 20

    def peak(self) -> int:
        """The most memory that the server has had, in bytes."""
        status = Path(f"/proc/{self.server.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024


def faults(site: Site, given, dice) -> str:
    harm = Dice(dice.randrange(1 << 32), given.share, slow_kinds=given.holes)
    site.proxy.fault = harm
    site.server.start()

    def work(number: int) -> None:
        turn = random.Random(number * 1_000_003 + given.seed)
        while len(site.proxy.operations) < given.requests:
            large = turn.random() < given.large
            site.session(turn.randint(5 * MIB, 16 * MIB) if large else turn.randint(10, 100_000))

    with ThreadPoolExecutor(6) as threads:
        for done in [threads.submit(work, number) for number in range(6)]:
            done.result()
    site.proxy.fault = lambda operation: None
    site.settle(given.patience)
    site.judge()
    missing = {kind for kind in FAULTS if given.requests >= 5000 and not harm.thrown[kind]}
    if missing or not harm.thrown:
        site.found.append(f"faults that were never thrown: {sorted(missing)}")
    thrown = ", ".join(f"{kind} {count}" for kind, count in sorted(harm.thrown.items()))
    return f"requests {len(site.proxy.operations)}, harmed {harm.thrown.total()} ({thrown})"


# Where a request is held, what of it is let through after the kill, and of how many parts the log is.
STATES = {
    "before create": ("CreateMultipartUpload", "before", 1),
    "after create": ("CreateMultipartUpload", "after", 1),
    "before part 1": ("UploadPart", "before", 1),
    "after part 1, before its answer": ("UploadPart", "after", 1),
    "after part 1": ("UploadPart", "before", 2),
    "after part 2, before its answer": ("UploadPart", "after", 2),
    "before complete": ("CompleteMultipartUpload", "before", 1),
    "after complete, before its answer": ("CompleteMultipartUpload", "after", 1),
    "before the local delete": ("CompleteMultipartUpload", "after", 1),
    "before put": ("PutObject", "before", 1),
    "after put, before its answer": ("PutObject", "after", 1),
}


def kills(site: Site, given, dice) -> str:
    count = 0
    site.server.start()
    for _ in range(given.each):
        for state, (name, moment, nth) in STATES.items():
            small = name == "PutObject"
            began = len(site.proxy.operations)
            held = site.proxy.hold(name, moment, nth)
            client = Client(site, 1000 if small else dice.randint(11 * MIB, 12 * MIB))
            running = ("Part" in name or "Create" in name) and dice.random() < 0.5
            if not running:
                site.end(client)
            held.wait()
            if state == "before the local delete":
                kill_at_delete(site, held)
            else:
                site.server.kill()
            held.drop() if moment == "before" else held.release()
            if running:
                site.end(client)
            count += 1
            site.server.start()
            try:
                site.settle(given.patience)
            except AssertionError as error:
                asked = [(o.name, o.part, o.answered) for o in site.proxy.operations[began:]]
                site.found.append(f"{state}: {error}; {site.staged()}; {asked}")
                return f"kills {count}"
            again = doubled(site.proxy.operations[began:])
            if again and "after part" not in state:
                site.found.append(f"{state}: parts sent twice though their answers had come: {again}")
    site.judge()
    return f"kills {count} in {len(STATES)} states"


def doubled(operations) -> list:
    """Parts that one upload has sent again after it was told that they are there."""
    told = [(o.query["uploadId"], o.part) for o in operations if o.name == "UploadPart" and o.answered == 200]
    return [part for part in set(told) if told.count(part) > 1]


def kill_at_delete(site: Site, held) -> None:
    """Lets the answer through and kills the server as it is about to delete a file."""
    pid = site.server.process.pid
    trace = site.home / "trace"
    trace.unlink(missing_ok=True)
    command = ["strace", "-f", "-qq", "-p", str(pid), "-o", str(trace), "-e", "trace=unlink,unlinkat"]
    command += ["-e", "inject=unlink,unlinkat:delay_enter=60000000"]
    tracer = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: traced(pid) == tracer.pid, what="strace is attached")
        held.release()
        until(lambda: deleting(pid), what="the server deletes a file")
        site.server.process.kill()
    finally:
        tracer.kill()  # it would keep the dead one
        tracer.wait(30)
    site.server.kill()


def traced(pid: int) -> int:
    """Who traces all threads of a process; 0 if that is nobody."""
    tracers = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        tracers.add(int(re.search(r"TracerPid:\s+(\d+)", (task / "status").read_text())[1]))
    return tracers.pop() if len(tracers) == 1 else 0


def deleting(pid: int) -> bool:
    """Whether a thread is at the door of unlink or unlinkat (of x86-64)."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            if (task / "syscall").read_text().split()[0] in ("87", "263"):
                return True
        except (OSError, IndexError):
            pass
    return False


def crowd(site: Site, given, dice) -> str:
    """The logs are made while the store is away, and all go up when the server starts anew."""
    site.proxy.down = "reset"
    site.server.start()
    sizes = sizes_of(given, dice)
    with ThreadPoolExecutor(6) as threads:
        for done in [threads.submit(site.session, size) for size in sizes]:
            done.result()
    until(lambda: not site.server.open_logs(), 120, "every log is closed")
    if len(site.server.files()) != given.logs:
        site.found.append(f"{len(site.server.files())} logs wait instead of {given.logs}")
    peaks = [site.peak()]
    site.server.stop()
    site.proxy.down = None
    site.server.start()
    began = time.monotonic()
    site.settle(given.patience)
    seconds = time.monotonic() - began
    peaks.append(site.peak())
    if max(peaks) >= MEMORY:
        site.found.append(f"memory: {max(peaks) >> 20} MiB")
    site.judge()
    mib = " and ".join(f"{peak >> 20}" for peak in peaks)
    return f"logs {given.logs}, {site.volume()} MiB uploaded in {seconds:.0f} s, memory {mib} MiB"


def sizes_of(given, dice) -> list[int]:
    """Sizes in bytes: as many small as large ones, whatever that means, and one of the largest."""
    sizes = [int(1024 * (given.largest * 1024) ** dice.random()) for _ in range(given.logs - 1)]
    return [*sizes, given.largest * MIB]


def live(site: Site, given, dice) -> str:
    """Sessions that are all alive when each has seen everything; then all of them end at once."""
    site.server.start()
    clients: list[Client] = []
    try:
        for size in sizes_of(given, dice):
            clients.append(Client(site, size))
            if len(clients) > 16:  # so many logins at a time
                assert clients[-16].begun.wait(300), "a session does not begin"
        until(lambda: all(c.is_idle() for c in clients) or time.sleep(0.5), given.patience, "all have seen everything")
        alive = len(site.server.open_logs())
        before, early = site.peak(), sum(o.name == "UploadPart" for o in site.proxy.operations)
        began = time.monotonic()
        for client in clients:
            client.process.stdin.close()
        for client in clients:
            site.end(client)
    finally:
        for client in clients:
            client.process.kill()
    site.settle(given.patience)
    seconds = time.monotonic() - began
    peak = site.peak()
    if alive != given.logs:
        site.found.append(f"{alive} sessions were alive at a time instead of {given.logs}")
    if not early:
        site.found.append("no part went up while sessions ran")
    if peak >= MEMORY:
        site.found.append(f"memory: {peak >> 20} MiB")
    site.judge()
    return (
        f"sessions alive {alive}, {site.volume()} MiB, {early} parts while they ran, all uploaded {seconds:.0f} s after "
        f"their end, memory {before >> 20} MiB before it and {peak >> 20} MiB at most"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("faults", "kills", "crowd", "live"))
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--share", type=float, default=0.3, help="of the requests that are harmed")
    parser.add_argument("--large", type=float, default=0.3, help="share of logs that go up in parts")
    parser.add_argument("--holes", type=float, default=0.05, help="how often a request is never answered")
    parser.add_argument("--each", type=int, default=2, help="kills in each state")
    parser.add_argument("--logs", type=int, default=500)
    parser.add_argument("--largest", type=int, default=60, help="size of the largest log, in MiB")
    parser.add_argument("--patience", type=float, default=900, help="seconds until all must be uploaded")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--keep", action="store_true", help="keep the files of a failed run")
    given = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="auditssh-s3-run-"))
    site = Site(home)
    began = time.monotonic()
    try:
        said = globals()[given.what](site, given, random.Random(given.seed))
        output = site.server.said()
    finally:
        site.close()
    if "panic" in output:
        site.found.append("the server panicked")
    print(*site.found[:20], sep="\n")
    seconds = time.monotonic() - began
    print(f"{given.what}: {said}, sessions {site.made}, {seconds:.0f} s, seed {given.seed}, losses {len(site.found)}")
    if site.found:
        print(output[-3000:])
    if not (given.keep and site.found):
        shutil.rmtree(home, ignore_errors=True)
    sys.exit(1 if site.found else 0)


if __name__ == "__main__":
    main()
