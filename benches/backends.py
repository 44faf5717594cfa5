#!/usr/bin/env python3
"""Transfers through each backend beside a direct connection to OpenSSH's sshd, in one run, as ratios.

    backends.py [--size MiB] [--rounds N] [--only local,sshproxy,docker,kubernetes]

Within a round all take turns, and each ratio is of two transfers of one round: what else the machine does
touches both. Shown are the median of the rounds, and the least and the greatest. The gateway records
everything (format audit, storage file). `sshproxy` leads to the sshd that is measured directly, `docker` to an engine
of this machine (the larger image of the tests), `kubernetes` to the tests' double of the API, which is written in Python and
carries every byte itself: its figure says what that can do, not what a cluster can. AUDITSSH names
another program than the release build. Prints the table of docs/performance.md.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
import ssh  # noqa: E402
from harness import docker  # noqa: E402
from harness.kubernetes import Cluster  # noqa: E402

BACKENDS = ("local", "sshproxy", "docker", "kubernetes")


class Gateway(ssh.AuditSsh):
    """A gateway that records, with one backend."""

    def __init__(self, name, home, block):
        super().__init__(name, home, recording=True)
        self.block = block

    def launch(self, key):
        (self.home / "audit").mkdir(mode=0o700)
        config = self.home / "config.yaml"
        # JSON is YAML.
        config.write_text(
            json.dumps(
                {
                    "audit": {
                        "format": "audit",
                        "storage": "file",
                        "intercept": {"stdin": True, "stdout": True, "stderr": True},
                        "file": {"directory": str(self.home / "audit")},
                    },
                    "ssh": {"listen": f"127.0.0.1:{self.port}", "hostkeys": [str(self.host_key)]},
                    "users": {self.user: {"authorizedKeys": [key.with_suffix(".pub").read_text().strip()]}},
                    "backend": self.name,
                    **({self.name: self.block} if self.block else {}),
                }
            )
        )
        return self.spawn(ssh.BINARY, "serve", "--config", config)


def fingerprint(key):
    said = subprocess.run(["ssh-keygen", "-lf", f"{key}.pub"], capture_output=True, text=True, check=True)
    return said.stdout.split()[1]


def prepare(names, home, key, direct, shm, ending):
    """The gateways, each with what stands behind it; `ending` is what is to be done in the end."""
    for name in names:
        if name == "local":
            yield Gateway(name, home, {"user": "self", "shell": "/bin/bash", "allowRoot": True, "acceptEnv": ["SHLVL"]})
        elif name == "sshproxy":
            target = {"server": "127.0.0.1", "port": direct.port, "username": direct.user, "privateKey": str(key)}
            yield Gateway(name, home, target | {"allowedHostKeyFingerprints": [fingerprint(direct.host_key)]})
        elif name == "docker":
            engine = docker.Docker()
            ending.append(engine.remove)
            container = {"image": docker.LARGE}
            host = {"networkmode": "none", "binds": [f"{shm}:{shm}:ro"]}
            yield Gateway(name, home, engine.settings(container=container, host=host))
        else:
            cluster = Cluster()
            ending.append(cluster.remove)
            yield Gateway(name, home, cluster.settings())


def measure(direct, gateways, key, given, shm):
    names = [gateway.name for gateway in gateways]
    print("| data | direction | direct, MiB/s | " + " | ".join(f"{name}, ratio (least to greatest)" for name in names) + " |")
    print("|---|---|---|" + "---|" * len(names))
    for kind in ("zeros", "text", "random"):
        source = ssh.content(shm, kind, given.size)
        source.chmod(0o644)
        for direction in ("up", "down"):
            ratios, rates = {name: [] for name in names}, []
            for turn in range(-1, given.rounds):
                took = {}
                for peer in [direct, *gateways]:
                    took[peer.name] = ssh.transfer(peer, key, source, direction)
                    peer.tidy()
                # The first round warms up what is cold.
                if turn >= 0:
                    rates.append(given.size / took[direct.name])
                    for name in names:
                        ratios[name].append(took[direct.name] / took[name])
            cells = [
                f"{statistics.median(found):.2f} ({min(found):.2f} to {max(found):.2f})" for found in ratios.values()
            ]
            print("| " + " | ".join([kind, direction, f"{statistics.median(rates):.0f}", *cells]) + " |", flush=True)
        source.unlink()


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--size", type=int, default=256, help="MiB of a transfer")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--only", default=",".join(BACKENDS))
    given = options.parse_args()
    names = [name for name in BACKENDS if name in given.only.split(",")]
    home = Path(tempfile.mkdtemp(prefix="auditssh-bench-"))
    shm = Path(tempfile.mkdtemp(dir="/dev/shm"))
    shm.chmod(0o755)
    key = home / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    direct, gateways, ending = ssh.Sshd("direct", home), [], []
    try:
        direct.start(key)
        for gateway in prepare(names, home, key, direct, shm, ending):
            gateways.append(gateway)
            gateway.start(key)
        measure(direct, gateways, key, given, shm)
    finally:
        for peer in [direct, *gateways]:
            if getattr(peer, "process", None):
                peer.stop()
        for end in ending:
            end()
        shutil.rmtree(shm)
        shutil.rmtree(home)


if __name__ == "__main__":
    main()
