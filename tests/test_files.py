"""Files copied by scp, sftp, rsync and git: every byte of their protocols is in the log."""

from pathlib import Path

import pytest

from harness.log import EXEC, SUBSYSTEM
from harness.tapped import Tapped, contents


@pytest.fixture
def tapped(server, tmp_path) -> Tapped:
    return Tapped(server, tmp_path / "tap")


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
