#!/usr/bin/env python3
"""AuditSSH beside OpenSSH's sshd, on one machine, in one run, as ratios.

    ssh.py [--size MiB] [--rounds N] [--only throughput,connections,memory]

Each figure is the median of its rounds; the servers take turns within a round, so that whatever else
the machine does touches all of them. The client is OpenSSH's, the cipher aes256-gcm, the key exchange
curve25519-sha256 for every server. SHLVL keeps bash from reading the profile of whoever measures.
Prints the tables of docs/performance.md.
"""

import argparse
import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "reliability"))
import asyncssh  # noqa: E402
from server import free_port  # noqa: E402

BINARY = Path(os.environ.get("AUDITSSH", ROOT / "target" / "release" / "auditssh"))
CIPHER, KEX = "aes256-gcm@openssh.com", "curve25519-sha256"

AUDITSSH = """\
audit:
  format: {format}
  storage: {storage}
  intercept: {{stdin: true, stdout: true, stderr: true}}
  file: {{directory: {home}/audit}}
ssh: {{listen: "127.0.0.1:{port}", hostkeys: [{host_key}]}}
users: {{{user}: {{authorizedKeys: ["{key}"]}}}}
backend: local
local: {{user: self, shell: /bin/bash, allowRoot: true, acceptEnv: [SHLVL]}}
limits: {{unauthenticated: 2000, unauthenticatedPerSource: 2000, connections: 4000}}
"""

SSHD = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {host_key}
AuthorizedKeysFile {authorized}
PidFile none
UsePAM no
StrictModes no
PermitRootLogin yes
MaxStartups 2000
MaxSessions 100
AcceptEnv SHLVL
"""


class Peer:
    """One server under measurement."""

    def __init__(self, name, home):
        self.name, self.port = name, free_port()
        self.home = home / name.replace(" ", "-")
        self.home.mkdir()
        self.host_key = self.home / "host_key"
        self.user = os.environ.get("USER") or "root"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.host_key], check=True)

    def ssh(self, key, *command, cipher=CIPHER):
        return ["ssh", "-F", "none", "-p", str(self.port), "-i", str(key), "-l", self.user, "-T", "-q",
                "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "IdentitiesOnly=yes", "-o", "SetEnv=SHLVL=5",
                "-o", f"Ciphers={cipher}", "-o", f"KexAlgorithms={KEX}", "127.0.0.1", *command]

    def start(self, key):
        self.process = self.launch(key)
        until = time.monotonic() + 20
        while subprocess.run(self.ssh(key, "true"), capture_output=True, check=False).returncode:
            if time.monotonic() > until:
                raise RuntimeError(f"{self.name} does not serve: see {self.home}/log")
            time.sleep(0.1)

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def spawn(self, *command):
        log = open(self.home / "log", "ab")
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


class AuditSsh(Peer):
    def __init__(self, name, home, recording):
        super().__init__(name, home)
        self.recording = recording

    def launch(self, key):
        (self.home / "audit").mkdir(mode=0o700)
        config = self.home / "config.yaml"
        config.write_text(AUDITSSH.format(
            format="audit" if self.recording else "none", storage="file" if self.recording else "none", home=self.home,
            port=self.port, host_key=self.host_key, user=self.user, key=key.with_suffix(".pub").read_text().strip()))
        return self.spawn(BINARY, "serve", "--config", config)

    def tidy(self):
        for log in (self.home / "audit").iterdir():
            if "." not in log.name:
                log.unlink()

    def processes(self):
        return [self.process.pid]


class Sshd(Peer):
    def launch(self, key):
        Path("/run/sshd").mkdir(exist_ok=True)
        config = self.home / "config"
        config.write_text(SSHD.format(port=self.port, host_key=self.host_key, authorized=key.with_suffix(".pub")))
        return self.spawn("/usr/sbin/sshd", "-D", "-e", "-f", config)

    def tidy(self):
        pass

    def processes(self):
        tree = subprocess.run(["ps", "-eo", "pid,ppid,comm"], capture_output=True, text=True, check=True).stdout
        rows = [line.split(None, 2) for line in tree.splitlines()[1:]]
        found, grown = {str(self.process.pid)}, True
        while grown:
            more = {pid for pid, parent, name in rows if parent in found and name.startswith("sshd")} - found
            found, grown = found | more, bool(more)
        return [int(pid) for pid in found]


def content(folder, kind, megabytes):
    """A file of zeros, of text that looks like a log, or of random bytes."""
    path = folder / kind
    with open(path, "wb") as out:
        for block in range(megabytes):
            if kind == "zeros":
                out.write(bytes(1 << 20))
            elif kind == "random":
                out.write(os.urandom(1 << 20))
            else:
                lines = (f"2026-01-{n % 28 + 1:02} host-{n % 97} service[{n * 7919 % 65536}]: request {n * 2654435761 % 2**32:08x} took {n * 31 % 997} ms\n"
                         for n in range(block * 13000, block * 13000 + 17000))
                out.write("".join(lines).encode()[: 1 << 20])
    return path


def transfer(peer, key, source, direction):
    """Seconds for one transfer through the peer."""
    began = time.monotonic()
    if direction == "up":
        with open(source, "rb") as data:
            subprocess.run(peer.ssh(key, "cat > /dev/null"), stdin=data, check=True)
    else:
        subprocess.run(peer.ssh(key, f"cat {source}"), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - began


def throughput(peers, key, given, home):
    shm = Path(tempfile.mkdtemp(dir="/dev/shm"))
    print("| data | direction | " + " | ".join(f"{p.name}, MiB/s" for p in peers) + " | ratios to sshd |")
    print("|---|---|" + "---|" * (len(peers) + 1))
    try:
        for kind in ("zeros", "text", "random"):
            source = content(shm, kind, given.size)
            for direction in ("up", "down"):
                rates = {p.name: [] for p in peers}
                for _ in range(given.rounds):
                    for peer in peers:
                        rates[peer.name].append(given.size / transfer(peer, key, source, direction))
                        peer.tidy()
                row([kind, direction], peers, {n: statistics.median(r) for n, r in rates.items()}, "{:.0f}")
            source.unlink()
    finally:
        shutil.rmtree(shm)


def row(head, peers, medians, shape):
    base = medians["sshd"]
    ratios = ", ".join(f"{medians[p.name] / base:.2f}" for p in peers if p.name != "sshd")
    print("| " + " | ".join([*head, *(shape.format(medians[p.name]) for p in peers), ratios]) + " |", flush=True)


def connections(peers, key, given):
    print("\n| connections per second | " + " | ".join(p.name for p in peers) + " | ratios to sshd |")
    print("|---|" + "---|" * (len(peers) + 1))
    for workers, count in ((1, 60), (32, 200)):
        rates = {p.name: [] for p in peers}
        for _ in range(given.rounds):
            for peer in peers:
                began = time.monotonic()
                with ThreadPoolExecutor(workers) as pool:
                    list(pool.map(lambda _, p=peer: subprocess.run(p.ssh(key, "true"), check=True, stdin=subprocess.DEVNULL), range(count)))
                rates[peer.name].append(count / (time.monotonic() - began))
                peer.tidy()
        row([f"{workers} at a time"], peers, {n: statistics.median(r) for n, r in rates.items()}, "{:.1f}")


async def idle(peer, key, count):
    """KiB of memory per idle session: proportional set size, over what the server needs empty."""
    empty, gate = pss(peer), asyncio.Semaphore(16)

    async def open_one():
        async with gate:
            connection = await asyncssh.connect("127.0.0.1", peer.port, username=peer.user, client_keys=[str(key)], known_hosts=None)
            await connection.create_process("exec sleep 900", env={"SHLVL": "5"})
            return connection

    held = await asyncio.gather(*(open_one() for _ in range(count)))
    await asyncio.sleep(3)
    full = pss(peer)
    for connection in held:
        connection.abort()
    return (full - empty) / count


def pss(peer):
    total = 0
    for pid in peer.processes():
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total


def memory(peers, key):
    print("\n| memory per idle session, KiB | sessions | |\n|---|---|---|")
    for peer in peers:
        count = 200 if peer.name == "sshd" else 1000
        print(f"| {peer.name} | {count} | {asyncio.run(idle(peer, key, count)):.0f} |", flush=True)


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--size", type=int, default=512, help="MiB of a transfer")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--only", default="throughput,connections,memory")
    given = options.parse_args()
    home = Path(tempfile.mkdtemp(prefix="auditssh-bench-"))
    key = home / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    peers = [Sshd("sshd", home), AuditSsh("auditssh", home, False), AuditSsh("auditssh recording", home, True)]
    try:
        for peer in peers:
            peer.start(key)
        if "throughput" in given.only:
            throughput(peers, key, given, home)
        if "connections" in given.only:
            connections(peers, key, given)
        if "memory" in given.only:
            memory(peers, key)
    finally:
        for peer in peers:
            if getattr(peer, "process", None):
                peer.stop()
        shutil.rmtree(home)


if __name__ == "__main__":
    main()
