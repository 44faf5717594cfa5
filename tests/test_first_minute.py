"""What the README promises for the first minute: no configuration, what is printed works."""

import re
import shlex
import subprocess

import pexpect
import pytest

from harness import program
from harness.server import environment, free_port
from harness.wait import until


@pytest.fixture(params=["plain", "it's a \"name\\\", 100%"])
def folder(request, tmp_path):
    """Where the server is started. Whatever it is called, what is printed can be typed."""
    folder = tmp_path / request.param
    folder.mkdir()
    return folder


@pytest.fixture
def started(folder):
    """The server on its embedded default, but for the port; with what it printed. Its umask takes nothing away."""
    output = folder / "output"
    command = [program.path(), "serve", "--listen", f"127.0.0.1:{free_port()}"]
    with open(output, "wb") as file:
        process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=file, stderr=file, umask=0)
    try:
        until(lambda: process.poll() is not None or "decode" in output.read_text(), what="the words of welcome")
        assert process.poll() is None, output.read_text()
        yield output.read_text()
    finally:
        process.terminate()
        assert process.wait(30) == 0


def test_the_first_minute(started, folder):
    login = re.search(r"^\s*(ssh .*)$", started, re.M)[1]
    password = re.search(r"[Pp]assword:?\s+(\S+)$", started, re.M)[1]
    read = re.search(r"^\s*(\S.*decode .*)$", started, re.M)[1]

    # What is printed must be enough to know the server by.
    alone = ["-F", "none", "-o", "StrictHostKeyChecking=yes", "-o", "GlobalKnownHostsFile=/dev/null"]
    words = shlex.split(login)
    person = pexpect.spawn(words[0], [*alone, "-o", "LogLevel=ERROR", *words[1:]], env=environment(), timeout=30)
    person.expect(b"assword: ?")
    person.sendline(password.encode())
    person.expect(rb"[#$] ")
    person.send(b"echo first mi''nute\r")
    person.expect(b"first minute\r\n")
    person.send(b"exit\r")
    person.expect(pexpect.EOF)

    until(lambda: not list((folder / "auditssh-data" / "audit").glob(".*tail*")), what="the log is finished")
    shown = subprocess.run(["bash", "-c", read], cwd=folder, capture_output=True, timeout=30)
    assert shown.returncode == 0, shown.stderr
    text = shown.stdout.decode()
    assert "demo" in text and "first minute" in text
    assert password not in text

    data = folder / "auditssh-data"
    assert [f.stat().st_mode & 0o777 for f in data.rglob("*host*key") if f.is_file()] == [0o600]
    assert (data / "audit").stat().st_mode & 0o777 == 0o700
    for file in (f for f in data.rglob("*") if f.is_file()):
        assert file.stat().st_mode & 0o022 == 0, file
        assert password.encode() not in file.read_bytes(), file

    table = program.run("list", data / "audit").stdout.decode()
    assert "demo" in table and "127.0.0.1" in table
    program.run("verify", data / "audit")


def test_a_data_directory_that_everybody_may_write_is_refused(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o777)
    command = [program.path(), "serve", "--data-dir", data, "--listen", f"127.0.0.1:{free_port()}"]
    refused = subprocess.run(command, capture_output=True, timeout=30)
    assert refused.returncode == 1 and f"run `chmod o-w {data}`" in refused.stderr.decode()
    assert list(data.iterdir()) == []
