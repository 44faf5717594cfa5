"""What the server does when its disk is full, or someone takes its files away."""

import base64
import errno
import os
import re
import shutil
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harness import log
from harness.log import DISCONNECT, REQUEST_UNKNOWN, STDOUT
from harness.wait import until

SIZE = 48 << 20


@pytest.fixture
def small(make_server):
    """Makes servers (not yet started) whose logs have a file system of 48 MiB to themselves.

    Needs root, to mount it.
    """
    mounted = []

    def make(**changes):
        server = make_server(**changes)
        server.audit.mkdir(mode=0o700)
        options = f"size={SIZE},mode=0700"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "auditssh-test", server.audit], check=True)
        mounted.append(server)
        return server

    yield make
    for server in mounted:
        server.kill()
        subprocess.run(["umount", "--lazy", server.audit], check=True)


class Filler:
    """A file that takes the space away."""

    def __init__(self, directory: Path):
        self.directory, self.file = directory, directory / "filler"

    def leave(self, free: int) -> None:
        """Leaves so many bytes free, or what a session that writes has left."""
        while True:
            status = os.statvfs(self.directory)
            size = self.file.stat().st_size if self.file.exists() else 0
            with open(self.file, "ab") as file:
                wanted = size + status.f_bavail * status.f_frsize - free
                try:
                    return os.posix_fallocate(file.fileno(), 0, max(wanted, 1))
                except OSError as error:
                    # The session was quicker.
                    if error.errno != errno.ENOSPC:
                        raise


def session(server, command: str) -> subprocess.Popen:
    """A session that says `ready` before it does anything else."""
    line = [*server.ssh(), f"echo ready; {command}"]
    client = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert client.stdout.readline() == b"ready\n"
    return client


def echoes(client: subprocess.Popen, text: bytes) -> bool:
    """Whether a session with `cat` still works."""
    client.stdin.write(text + b"\n")
    client.stdin.flush()
    return client.stdout.readline() == text + b"\n"


def test_a_full_disk_ends_who_needs_it_and_service_resumes(small):
    server = small().start()
    filler = Filler(server.audit)
    for free, warning in ((20, 25), (8, 10), (4, 5)):
        filler.leave(SIZE * free // 100)
        until(lambda: f"less than {warning} % of the space for logs is free" in server.said(), what="a warning")
        assert server.run("echo fine").stdout == b"fine\n", "there is room yet"
    server.logs(3)

    filler.file.unlink()
    quiet = session(server, "exec cat")
    greedy = session(server, "exec cat /dev/urandom")
    filler.leave(4 << 20)
    greedy.stdin.close()
    seen = b"ready\n" + greedy.stdout.read()
    errors = greedy.stderr.read().decode()
    ended = time.time()
    assert greedy.wait(30) == 255
    assert "what happens here can't be recorded" in errors
    failed = re.search(r"^(\S+)Z ERROR auditssh_archive", plain(server), re.M)
    # 2 s are promised; the rest is for the machine.
    assert ended - stamp(failed[1]) < 2 + 8

    names = sorted(server.open_logs())
    records = [log.decoded(server.audit / name) for name in names]
    record = max(records, key=lambda lines: len(output(lines)))
    assert len(seen) > 1000 and output(record).startswith(seen), "what was seen is recorded"
    assert echoes(quiet, b"I need no room"), "others go on"
    refused = server.run("true")
    assert refused.returncode == 255 and b"can't be recorded" in refused.stderr

    # Those that end on the full disk are complete, though they may have to wait to be closed.
    assert quiet.communicate(timeout=30)[1] == b""
    for name in names:
        until(lambda: log.decoded(server.audit / name)[-1]["typeId"] == "disconnect", what="the end")

    filler.file.unlink()
    until(lambda: server.run("true").returncode == 0, timeout=10, what="service")
    for recorded in server.logs(3):
        assert recorded.messages[-1].type == DISCONNECT
        assert len(recorded.io(STDOUT)) < 100 or recorded.io(STDOUT) == output(record)


def test_a_limit_on_the_size_of_files_ends_a_session_and_not_the_server(make_server):
    limit = ("prlimit", f"--fsize={2 << 20}")
    server = make_server().start(wrapper=limit)
    ended = server.run("head -c 9000000 /dev/urandom")
    assert ended.returncode == 255 and b"can't be recorded" in ended.stderr
    assert server.run("true").returncode == 0
    assert server.stop() == 0

    # What is left of that log is too large to be completed, which is no reason not to start.
    server.start(wrapper=limit)
    assert server.run("true").returncode == 0
    assert server.stop() == 0
    server.start()
    until(lambda: not server.open_logs(), what="every log is closed")


def test_on_a_full_disk_sessions_may_go_on(small):
    server = small(audit={"onFailure": "continue"}).start()
    client = session(server, "exec cat")
    filler = Filler(server.audit)
    filler.leave(0)
    for number in range(100):
        assert echoes(client, b"%d " % number + b"x" * 1000)
    assert "a session goes on unrecorded" in server.said()
    assert server.run("true").returncode == 255, "no log can be begun"
    filler.file.unlink()
    until(lambda: "a session is recorded again" in server.said(), timeout=10, what="the record")
    assert echoes(client, b"the end")
    client.communicate(timeout=30)

    recorded = server.log()
    (gap,) = (m for m in recorded.of(REQUEST_UNKNOWN) if m["requestType"] == "gap@auditssh")
    assert gap["messages"] > 0 and gap["bytes"] > 0 and "No space left" in gap["reason"]
    assert recorded.io(STDOUT).endswith(b"the end\n")
    # Each line is echoed as one message or more; nothing is missing that is not told.
    told = len(recorded.io(STDOUT)) + len(recorded.io(log.STDIN)) + gap["bytes"]
    lines = sum(len(b"%d " % n) + 1001 for n in range(100)) + len(b"the end\n")
    assert told == len(b"ready\n") + 2 * lines


def test_files_taken_from_under_a_session_are_reported(server):
    clients, names = [], []
    for _ in range(4):
        clients.append(session(server, "exec cat"))
        (new,) = server.open_logs() - set(names)
        names.append(new)
    deleted, cut, replaced, moved = names
    (server.audit / deleted).unlink()
    os.truncate(server.audit / f".{cut}.tail0", 10)
    shutil.copy(server.audit / replaced, server.audit / "copy")
    os.rename(server.audit / "copy", server.audit / replaced)
    os.rename(server.audit / moved, server.audit / "elsewhere")
    expected = (
        f"was deleted: {deleted}",
        f"was cut: .{cut}.tail0",
        f"was deleted: {replaced}",
        f"was moved away: {moved}",
    )
    until(lambda: all(text in server.said() for text in expected), timeout=60, what="a report of each")
    assert server.said().count("a file of a log that is being written") == 4, "each once"
    for client in clients:
        assert echoes(client, b"it goes on")
        client.communicate(timeout=30)
    assert server.run("echo fine").stdout == b"fine\n"


def test_without_its_directory_nobody_is_let_in(server):
    client = session(server, "exec cat")
    shutil.rmtree(server.audit)
    refused = server.run("true")
    assert refused.returncode == 255 and b"can't be recorded" in refused.stderr
    assert "no log can be begun" in server.said()
    assert echoes(client, b"its files are still open")
    client.communicate(timeout=30)


def test_the_directory_of_auditd_is_refused(make_server):
    server = make_server(audit={"file": {"allowInsecureDirectory": True}})
    server.audit.mkdir(mode=0o700)
    (server.audit / "audit.log").touch()
    server.start(wait=False)
    assert server.process.wait(30) == 1
    assert "auditd" in server.said() and str(server.audit) in server.said()


def test_a_directory_open_to_others_may_be_allowed(make_server):
    server = make_server(audit={"file": {"allowInsecureDirectory": True}})
    server.audit.mkdir()
    os.chmod(server.audit, 0o755)
    server.start()
    assert server.run("echo fine").stdout == b"fine\n"
    server.log()


def plain(server) -> str:
    """What the server said, without colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", server.said())


def stamp(text: str) -> float:
    """Unix time of a line of the server's."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def output(lines: list[dict]) -> bytes:
    """The standard output in what `decode` printed."""
    payloads = (line["payload"] for line in lines if line["typeId"] == "io")
    return b"".join(base64.b64decode(p["data"]) for p in payloads if p["stream"] == STDOUT)
