"""Files copied by scp, sftp, rsync and git: every byte of their protocols is in the log."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.log import EXEC, STDIN, STDOUT, SUBSYSTEM
from harness.server import environment

TAP = Path(__file__).parent / "harness" / "tap.py"


class Tapped:
    """Runs a program that runs ssh, with a tap between the two."""

    def __init__(self, server, folder: Path):
        self.server, self.folder = server, folder
        folder.mkdir()
        self.ssh = folder / "ssh"
        self.ssh.write_text(f'#!/bin/sh\nexec {sys.executable} {TAP} "$@"\n')
        self.ssh.chmod(0o755)
        options = [*server.ssh_options(), "-p", str(server.port)]
        self.environment = environment(
            AUDITSSH_TAP=str(folder),
            AUDITSSH_TAP_SSH=json.dumps(["ssh", *options]),
            GIT_SSH=str(self.ssh),
            GIT_SSH_VARIANT="ssh",
            GIT_CONFIG_GLOBAL="/dev/null",
        )

    def run(self, *command, input: bytes = b"", cwd: Path | None = None) -> bytes:
        """Runs it; its output."""
        done = subprocess.run(
            [*map(str, command)], input=input, capture_output=True, env=self.environment, cwd=cwd, timeout=100
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        return done.stdout

    def agrees(self, calls: int = 1) -> list:
        """Compares each connection's log with the bytes that passed the tap."""
        logs = self.server.logs(calls)
        for call, log in enumerate(logs):
            assert log.io(STDIN) == (self.folder / f"{call}.in").read_bytes()
            assert log.io(STDOUT) == (self.folder / f"{call}.out").read_bytes()
        return logs


@pytest.fixture
def tapped(server, tmp_path) -> Tapped:
    return Tapped(server, tmp_path / "tap")


@pytest.fixture
def tree(tmp_path) -> Path:
    """Some files: small, empty, large, and one with a difficult name."""
    folder = tmp_path / "tree"
    (folder / "sub").mkdir(parents=True)
    (folder / "large").write_bytes(os.urandom(2_000_000))
    (folder / "empty").touch()
    (folder / "sub" / "naïve name'").write_text("text\n" * 1000)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


@pytest.mark.parametrize("options", [[], ["-O"]], ids=["sftp", "scp"])
def test_scp(tapped, tree, tmp_path, options):
    remote, back = tmp_path / "remote", tmp_path / "back"
    tapped.run("scp", "-q", *options, "-S", tapped.ssh, "-r", tree, f"alice@127.0.0.1:{remote}")
    tapped.run("scp", "-q", *options, "-S", tapped.ssh, "-r", f"alice@127.0.0.1:{remote}", back)
    assert contents(remote) == contents(back) == contents(tree)
    for log in tapped.agrees(2):
        if options:
            assert log.only(EXEC)["program"].startswith("scp ")
        else:
            assert log.only(SUBSYSTEM)["subsystem"] == "sftp"


def test_sftp(tapped, tree, tmp_path):
    remote, back = tmp_path / "remote", tmp_path / "back"
    batch = f"mkdir {remote}\nput {tree}/large {remote}/large\nrename {remote}/large {remote}/moved\n"
    batch += f"ls -l {remote}\nget {remote}/moved {back}\nrm {remote}/moved\n"
    tapped.run("sftp", "-q", "-S", tapped.ssh, "-b", "-", "alice@127.0.0.1", input=batch.encode())
    assert back.read_bytes() == (tree / "large").read_bytes()
    assert list(remote.iterdir()) == []
    assert tapped.agrees()[0].only(SUBSYSTEM)["subsystem"] == "sftp"


def test_rsync(tapped, tree, tmp_path):
    remote, back = tmp_path / "remote", tmp_path / "back"
    tapped.run("rsync", "-a", "-e", tapped.ssh, f"{tree}/", f"alice@127.0.0.1:{remote}/")
    (tree / "large").write_bytes((tree / "large").read_bytes()[:1_000_000] + b"changed")
    tapped.run("rsync", "-a", "-e", tapped.ssh, f"{tree}/", f"alice@127.0.0.1:{remote}/")
    tapped.run("rsync", "-az", "-e", tapped.ssh, f"alice@127.0.0.1:{remote}/", f"{back}/")
    assert contents(remote) == contents(back) == contents(tree)
    for log in tapped.agrees(3):
        assert log.only(EXEC)["program"].startswith("rsync --server")


def test_git(tapped, tree, tmp_path):
    remote, clone = tmp_path / "remote.git", tmp_path / "clone"
    git = ["git", "-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "init.defaultBranch=main"]
    tapped.run("git", "init", "-q", "--bare", "-b", "main", remote)
    tapped.run(*git, "init", "-q", cwd=tree)
    tapped.run(*git, "add", ".", cwd=tree)
    tapped.run(*git, "commit", "-q", "-m", "First", cwd=tree)
    tapped.run(*git, "push", "-q", f"alice@127.0.0.1:{remote}", "HEAD:main", cwd=tree)
    tapped.run("git", "clone", "-q", f"alice@127.0.0.1:{remote}", clone)
    assert (clone / "large").read_bytes() == (tree / "large").read_bytes()
    programs = [log.only(EXEC)["program"] for log in tapped.agrees(2)]
    assert programs == [f"git-receive-pack '{remote}'", f"git-upload-pack '{remote}'"]
