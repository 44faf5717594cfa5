"""The server under test, with a configuration, keys and a data folder of its own."""

import copy
import json
import os
import re
import signal
import socket
import subprocess
from pathlib import Path

from . import keys, log, program
from .wait import until

PASSWORD = "correct horse Battery staple"


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """One `auditssh serve`."""

    def __init__(self, directory: Path, password_hash: str, **changes):
        self.directory = directory
        self.audit = directory / "audit"
        self.config_file = directory / "config.yaml"
        self.output = directory / "output"
        self.port = free_port()
        self.host_key = keys.generate(directory, "host_key")
        self.key = keys.generate(directory, "user_key")
        self.authority = keys.generate(directory, "user_ca")
        self.known_hosts = directory / "known_hosts"
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {self.host_key.public}\n")
        self.process: subprocess.Popen | None = None
        self.known: set[str] = set()
        self.environment: dict[str, str] = {}
        self.config = merged(
            {
                "audit": {
                    "format": "audit",
                    "storage": "file",
                    "file": {"directory": str(self.audit)},
                    "intercept": {"stdin": True, "stdout": True, "stderr": True, "passwords": False},
                },
                "ssh": {
                    "listen": f"127.0.0.1:{self.port}",
                    "hostkeys": [str(self.host_key.file)],
                    "trustedUserCAKeys": [f"{self.authority.file}.pub"],
                },
                "users": {
                    "alice": {"password": password_hash, "authorizedKeys": [self.key.public]},
                },
                "backend": "local",
                "local": {
                    "shell": "/bin/sh",
                    "allowRoot": True,
                    "subsystems": {"sftp": "/usr/lib/openssh/sftp-server"},
                },
                # All tests come from one address, and several at once.
                "limits": {"unauthenticatedPerSource": 100},
            },
            changes,
        )

    def start(self, *, wrapper: tuple[str, ...] = (), wait: bool = True) -> "Server":
        """Starts it and waits until it listens. `wrapper` is put before the command."""
        self.config_file.touch(0o600)
        self.config_file.write_text(json.dumps(self.config, indent=2))
        self.audit.mkdir(mode=0o700, exist_ok=True)
        command = [*wrapper, program.path(), "serve", "--config", str(self.config_file)]
        # No credentials or settings of the machine's own reach it.
        own = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
        with open(self.output, "ab") as output:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.directory,
                env={**own, **self.environment},
            )
        if wait:
            until(self.listens, what=f"the server listens; its output:\n{self.said()}")
        return self

    def listens(self) -> bool:
        """Whether it listens, asked of the kernel: a trial connection would leave a log."""
        code = self.process.poll()
        assert code is None, f"the server ended with {code}:\n{self.said()}"
        address = f"0100007F:{self.port:04X}"
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[1] == address and fields[3] == "0A":
                return True
        return False

    def stop(self) -> int:
        """Ends it as a service manager would; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def kill(self) -> None:
        """Ends it as a crash would."""
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.process:
            self.process.wait(30)

    def said(self) -> str:
        """What it printed so far."""
        return self.output.read_text(errors="replace") if self.output.exists() else ""

    def files(self) -> list[Path]:
        """All logs, whatever their state."""
        return sorted(f for f in self.audit.iterdir() if re.fullmatch("[0-9a-f]{32}", f.name))

    def open_logs(self) -> set[str]:
        """The ids of the logs that are not finished: those with a tail beside them."""
        tails = (re.match(r"\.([0-9a-f]{32})\.tail[01]$", f.name) for f in self.audit.iterdir())
        return {match[1] for match in tails if match}

    def logs(self, count: int = 1, timeout: float = 30) -> list[log.Log]:
        """The logs of the connections since the last call, when so many are finished."""

        def new() -> list[Path]:
            unfinished = self.open_logs()
            return [f for f in self.files() if f.name not in self.known | unfinished]

        files = until(lambda: (f := new()) and len(f) >= count and f, timeout, f"{count} finished logs")
        assert len(files) == count, f"{len(files)} finished logs instead of {count}"
        self.known |= {f.name for f in files}
        return sorted((log.finished(f) for f in files), key=lambda one: one.messages[0].time)

    def log(self, timeout: float = 30) -> log.Log:
        """The log of the one connection since the last call."""
        return self.logs(1, timeout)[0]

    def ssh(self, *options: str, user: str = "alice", key: bool = True) -> list[str]:
        """The command line of OpenSSH's client up to the host; of an option, ssh takes the first."""
        command = ["ssh", *options, *self.ssh_options(key), "-p", str(self.port)]
        return [*command, f"{user}@127.0.0.1"]

    def ssh_options(self, key: bool = True) -> list[str]:
        """Options that keep OpenSSH's client away from the machine's own settings."""
        options = ["-F", "none", "-o", "LogLevel=ERROR", "-o", f"UserKnownHostsFile={self.known_hosts}"]
        options += ["-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none"]
        if key:
            options += ["-o", "BatchMode=yes", "-i", str(self.key.file)]
        return options

    def run(self, command: str, *options: str, input: bytes = b"", timeout: float = 60, **ssh):
        """Runs one command through OpenSSH's client."""
        line = [*self.ssh(*options, **ssh), command]
        return subprocess.run(line, input=input, capture_output=True, timeout=timeout)

    def memory(self) -> int:
        """Resident memory in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024

    def cpu_seconds(self) -> float:
        """Processor time that it has used so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def merged(base: dict, changes: dict) -> dict:
    """The settings with some changed; None removes one."""
    result = copy.deepcopy(base)
    for key, value in changes.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = value
    return result


def environment(**variables: str) -> dict[str, str]:
    """The surroundings of a client: nothing of the user's own agent or language."""
    kept = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    return {**kept, "LC_ALL": "C.UTF-8", "TERM": "xterm", **variables}
