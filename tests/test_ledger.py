"""The files that went through, by every client: read from recorded streams, and recorded while they pass."""

import gzip
import hashlib
import json
import os
import shlex
import subprocess
from pathlib import Path

import paramiko
import pytest

from harness import log as logs
from harness import program
from harness.server import environment
from harness.wait import until

# What the log has: the streams, the ledger without them, or both.
STREAMS = {"stdin": True, "stdout": True, "files": False}
LEDGER = {"stdin": False, "stdout": False, "stderr": False, "files": True}
BOTH = {"stdin": True, "stdout": True, "files": True}


@pytest.fixture(params=[STREAMS, LEDGER, BOTH], ids=["streams", "ledger", "both"])
def place(request, make_server):
    server = make_server(audit={"intercept": request.param}).start()
    server.intercept = request.param
    return server


@pytest.fixture
def files(tmp_path) -> Path:
    """Files of sizes at which clients do different things."""
    folder = tmp_path / "files"
    folder.mkdir()
    for name, size in {"empty": 0, "small": 5, "block": 32768, "odd": 300_001, "large": 5_000_000}.items():
        (folder / name).write_bytes(os.urandom(size))
    return folder


@pytest.fixture
def ssh(place, tmp_path) -> Path:
    """A program that clients take for ssh: with our keys, and none of the machine's settings."""
    script = tmp_path / "ssh"
    options = shlex.join([*place.ssh_options(), "-p", str(place.port)])
    script.write_text(f'#!/bin/sh\nexec ssh {options} "$@"\n')
    script.chmod(0o755)
    return script


def run(*command, input: str = "", check: bool = True) -> str:
    """Runs a client; what it says."""
    done = subprocess.run(
        [*map(str, command)], input=input, text=True, capture_output=True, env=environment(), timeout=100
    )
    said = done.stdout + done.stderr
    assert not check or done.returncode == 0, said
    return said


def told(log) -> list[dict]:
    lines = program.run("files", log.file, "--json").stdout.splitlines()
    return [json.loads(line) for line in lines]


def transfers(entries: list[dict]) -> dict:
    """Action and path of each transfer; nothing is told twice."""
    found = {}
    for entry in entries:
        if entry["action"] not in ("upload", "download"):
            continue
        key = (entry["action"], entry["path"])
        assert key not in found, entry
        found[key] = (entry["bytes"], entry["sha256"], entry["result"])
    return found


def sha256(content: bytes) -> str:
    """As coreutils has it."""
    done = subprocess.run(["sha256sum"], input=content, capture_output=True, check=True)
    return done.stdout.decode().split()[0]


def whole(action: str, files: Path, below: str, names=None) -> dict:
    names = names or sorted(file.name for file in files.iterdir())
    contents = {name: (files / name).read_bytes() for name in names}
    return {(action, f"{below}/{name}"): (len(data), sha256(data), "ok") for name, data in contents.items()}


def holds_nothing(place, log, files: Path) -> None:
    """No content is in a log that is not to have any."""
    streams = [message for message in log.messages if message.type == logs.IO]
    if place.intercept["stdin"]:
        assert streams
        return
    assert streams == []
    raw = gzip.decompress(log.file.read_bytes()[40:])
    for file in files.iterdir():
        data = file.read_bytes()
        pieces = [data[at : at + 16] for at in range(0, max(len(data) - 16, 0), 1009)]
        assert not any(piece in raw for piece in pieces), file


def judged(place, files: Path, expected: dict, count: int = 1) -> list[dict]:
    """Reads the log of each connection: all that is expected went through, and nothing else."""
    entries = []
    for log in place.logs(count):
        entries += told(log)
        holds_nothing(place, log, files)
        program.run("verify", log.file)
    found = transfers(entries)
    assert found == expected
    return entries


def test_sftp(place, ssh, files, tmp_path):
    remote, back = tmp_path / "remote", tmp_path / "back"
    back.mkdir()
    lines = [f"mkdir {remote}", f"put {files}/* {remote}/", f"get {remote}/* {back}/"]
    lines += [f"rename {remote}/small {remote}/moved", f"chmod 640 {remote}/moved", f"ln -s moved {remote}/link"]
    lines += [f"rm {remote}/moved", f"-rm {remote}/none"]
    run("sftp", "-q", "-S", ssh, "-b", "-", "alice@127.0.0.1", input="\n".join(lines))
    expected = whole("upload", files, remote) | whole("download", back, remote)
    entries = judged(place, files, expected)
    others = [(e["action"], e["path"], e.get("target"), e["result"]) for e in entries if "bytes" not in e]
    for other in [
        ("mkdir", f"{remote}", None, "ok"),
        ("rename", f"{remote}/small", f"{remote}/moved", "ok"),
        ("symlink", f"{remote}/link", "moved", "ok"),
        ("remove", f"{remote}/moved", None, "ok"),
        ("remove", f"{remote}/none", None, "failed"),
    ]:
        assert others.count(other) == 1, other
    assert "0640" in [e.get("mode") for e in entries]


def test_an_upload_that_goes_on(place, ssh, files, tmp_path):
    """A file of which the first part is there already: only the rest goes through, so there is no hash."""
    remote = tmp_path / "remote"
    remote.write_bytes((files / "odd").read_bytes()[:100_000])
    back = tmp_path / "back"
    back.write_bytes((files / "odd").read_bytes()[:200_000])
    lines = [f"reput {files}/odd {remote}", f"reget {remote} {back}"]
    run("sftp", "-q", "-S", ssh, "-b", "-", "alice@127.0.0.1", input="\n".join(lines))
    assert remote.read_bytes() == back.read_bytes() == (files / "odd").read_bytes()
    expected = {
        ("upload", str(remote)): (200_001, None, "ok"),
        ("download", str(remote)): (100_001, None, "ok"),
    }
    entries = judged(place, files, expected)
    reasons = [e["incomplete"] for e in entries if "incomplete" in e]
    assert len(reasons) == 2 and all(reasons)


@pytest.mark.parametrize("options", [[], ["-O"]], ids=["sftp", "scp"])
def test_scp(place, ssh, files, tmp_path, options):
    remote, back = tmp_path / "remote", tmp_path / "back"
    remote.mkdir()
    run("scp", "-q", *options, "-S", ssh, "-r", files, f"alice@127.0.0.1:{remote}/")
    run("scp", "-q", *options, "-S", ssh, "-r", f"alice@127.0.0.1:{remote}/files", back)
    expected = whole("upload", files, f"{remote}/files") | whole("download", back, f"{remote}/files")
    judged(place, files, expected, 2)


def test_psftp(place, files, tmp_path):
    key = tmp_path / "key.ppk"
    run("puttygen", place.key.file, "-O", "private", "-o", key)
    remote, back = tmp_path / "remote", tmp_path / "back"
    back.mkdir()
    script = tmp_path / "script"
    lines = [f"mkdir {remote}", f"cd {remote}", f"lcd {files}"]
    lines += [f"put {file.name}" for file in files.iterdir()]
    lines += [f"lcd {back}"] + [f"get {file.name}" for file in files.iterdir()]
    lines += ["mv small moved", "del moved"]
    script.write_text("\n".join([*lines, "quit", ""]))
    fingerprint = run("ssh-keygen", "-lf", f"{place.host_key.file}.pub").split()[1]
    options = ["-P", place.port, "-i", key, "-batch", "-hostkey", fingerprint, "-b", script]
    run("psftp", *options, "-l", "alice", "127.0.0.1")
    expected = whole("upload", files, remote) | whole("download", back, remote)
    entries = judged(place, files, expected)
    assert ("rename", f"{remote}/small", f"{remote}/moved") in [
        (e["action"], e["path"], e.get("target")) for e in entries
    ]


def test_lftp(place, ssh, files, tmp_path):
    remote, back = tmp_path / "remote", tmp_path / "back"
    remote.mkdir()
    lines = [f'set sftp:connect-program "{ssh} -a -x"', "set net:max-retries 1", "set net:timeout 30"]
    lines += ["set cmd:fail-exit yes", "open sftp://alice:x@127.0.0.1"]
    lines += [f"mirror -R --no-perms {files} {remote}", f"mirror --no-perms {remote} {back}"]
    run("lftp", "-f", "/dev/stdin", input="\n".join([*lines, "bye", ""]))
    expected = whole("upload", files, remote) | whole("download", back, remote)
    judged(place, files, expected)


def test_lftp_in_parts(place, ssh, files, tmp_path):
    """One file in several parts at once: where less than the file went through there is no hash."""
    remote, back = tmp_path / "remote", tmp_path / "back"
    remote.write_bytes((files / "large").read_bytes())
    lines = [f'set sftp:connect-program "{ssh} -a -x"', "set net:max-retries 1", "set cmd:fail-exit yes"]
    lines += ["set net:limit-rate 1500000", "open sftp://alice:x@127.0.0.1", f"pget -n 3 {remote} -o {back}"]
    run("lftp", "-f", "/dev/stdin", input="\n".join([*lines, "bye", ""]))
    assert back.read_bytes() == remote.read_bytes()
    known = until(lambda: len(place.files()) and not place.open_logs() and place.files(), what="the logs")
    entries = [entry for file in known for entry in told(logs.finished(file))]
    parts = [entry for entry in entries if entry["action"] == "download"]
    assert len(parts) > 1 and sum(part["bytes"] for part in parts) >= 5_000_000
    whole = sha256(remote.read_bytes())
    assert all(part["sha256"] == whole or part["incomplete"] for part in parts)
    assert any(part["incomplete"] for part in parts)


def test_sshfs(place, ssh, files, tmp_path):
    remote, mounted = tmp_path / "remote", tmp_path / "mounted"
    remote.mkdir()
    mounted.mkdir()
    run("sshfs", "-o", f"ssh_command={ssh}", f"alice@127.0.0.1:{remote}", mounted)
    try:
        for file in files.iterdir():
            with open(mounted / file.name, "wb") as to:
                to.write(file.read_bytes())
        for file in files.iterdir():
            assert (mounted / file.name).read_bytes() == file.read_bytes()
        (mounted / "small").rename(mounted / "moved")
        (mounted / "moved").chmod(0o640)
        (mounted / "moved").unlink()
        with open(mounted / "large", "rb") as part:
            part.seek(4_000_000)
            assert part.read(10) == (files / "large").read_bytes()[4_000_000:4_000_010]
    finally:
        run("fusermount3", "-u", mounted)
    (log,) = place.logs()
    holds_nothing(place, log, files)
    entries = told(log)
    uploads = transfers([entry for entry in entries if entry["action"] == "upload"])
    assert uploads == whole("upload", files, remote)
    # What a file system has in its cache it does not read again; what it reads whole has its hash.
    sums = {str(remote / file.name): sha256(file.read_bytes()) for file in files.iterdir()}
    for entry in entries:
        if entry["action"] == "download":
            assert entry["sha256"] == sums[entry["path"]] or entry["incomplete"], entry
    done = [(e["action"], e["path"]) for e in entries]
    assert ("rename", f"{remote}/small") in done and ("remove", f"{remote}/moved") in done
    assert ("chmod", f"{remote}/moved") in done


def test_paramiko(place, files, tmp_path):
    remote, back = tmp_path / "remote", tmp_path / "back"
    remote.mkdir()
    back.mkdir()
    with paramiko.SSHClient() as client:
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        key = str(place.key.file)
        client.connect("127.0.0.1", place.port, "alice", key_filename=key, allow_agent=False, look_for_keys=False)
        # Two channels at once, each with a ledger of its own.
        with client.open_sftp() as one, client.open_sftp() as other:
            for file in files.iterdir():
                one.put(str(file), str(remote / file.name))
                other.get(str(remote / file.name), str(back / file.name))
            with one.open(str(tmp_path / "both"), "w+") as file, other.open(str(tmp_path / "late"), "w") as late:
                file.write(b"abc")
                late.write(b"def")
    expected = whole("upload", files, remote) | whole("download", back, remote)
    expected |= {("upload", str(tmp_path / name)): (3, sha256(data), "ok") for name, data in
                 {"both": b"abc", "late": b"def"}.items()}
    judged(place, files, expected)


def test_rsync(place, ssh, files, tmp_path):
    """It tells which way, how much and how it ended; its files only it knows."""
    remote, back = tmp_path / "remote", tmp_path / "back"
    run("rsync", "-a", "-e", ssh, f"{files}/", f"alice@127.0.0.1:{remote}/")
    run("rsync", "-a", "-e", ssh, f"alice@127.0.0.1:{remote}/", f"{back}/")
    entries = judged(place, files, {}, 2)
    found = [(e["action"], e["direction"], e["path"], e["result"]) for e in entries]
    ways = [("sync", way, f"{remote}/", "ok") for way in ("upload", "download")]
    assert sorted(found) == sorted(ways)
    assert all(max(e["streams"].values()) > 5_000_000 for e in entries)


def test_new_keys_in_the_middle(make_server, files, tmp_path):
    server = make_server(audit={"intercept": LEDGER}, ssh={"rekeyLimit": "1MiB"}).start()
    server.intercept = LEDGER
    remote = tmp_path / "remote"
    batch = f"put {files}/large {remote}\nget {remote} {tmp_path}/back\n"
    options = [*server.ssh_options(), "-o", "RekeyLimit=1M", "-P", str(server.port)]
    run("sftp", "-q", *options, "-b", "-", "alice@127.0.0.1", input=batch)
    data = (files / "large").read_bytes()
    entry = (len(data), sha256(data), "ok")
    judged(server, files, {("upload", str(remote)): entry, ("download", str(remote)): entry})


def test_what_was_open_when_the_server_was_killed(make_server, tmp_path):
    """The path is in the log before the first byte of the file can go through."""
    server = make_server(audit={"intercept": LEDGER}).start()
    remote = tmp_path / "remote"
    with paramiko.SSHClient() as client:
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        key = str(server.key.file)
        client.connect("127.0.0.1", server.port, "alice", key_filename=key, allow_agent=False, look_for_keys=False)
        with client.open_sftp() as sftp:
            file = sftp.open(str(remote), "wb")
            file.write(b"secret content")
            file.stat()  # it is there
            server.kill()
    assert remote.read_bytes() == b"secret content"
    (file,) = server.files()
    lines = program.run("files", file, "--json", check=False).stdout.splitlines()
    (entry,) = map(json.loads, lines)
    assert (entry["action"], entry["path"], entry["result"]) == ("upload", str(remote), "unknown")
    assert entry["sha256"] is None and entry["incomplete"] == "the log ends before it did"


def test_the_page_and_the_text_tell_it(make_server, tmp_path):
    server = make_server(audit={"intercept": LEDGER}).start()
    (tmp_path / "up").write_bytes(b"hello\n")
    options = [*server.ssh_options(), "-O", "-P", str(server.port)]
    run("scp", "-q", *options, tmp_path / "up", f"alice@127.0.0.1:{tmp_path}/to")
    log = server.log()
    page = json.loads(program.run("show", log.file, "--json").stdout)
    assert page["uploads"] == {"files": 1, "bytes": 6}
    line = f"scp upload {tmp_path}/to, 6 bytes; sha256 {hashlib.sha256(b'hello' + bytes([10])).hexdigest()}"
    assert page["files"]["lines"][0]["what"] == line
    text = program.run("decode", "--text", log.file).stdout.decode()
    assert f"files: {line}" in text and f"files: scp upload of {tmp_path}/to begins" in text
