"""Readers that know nothing of AuditSSH take its finished logs whole and without an error."""

import gzip
import io
import subprocess
import zlib
from pathlib import Path
from typing import NamedTuple

import cbor2
import pytest

from harness import program

HEADER = 40
OPEN_END = bytes.fromhex("000000ffff")


class Log(NamedTuple):
    version: int
    kind: str
    path: Path
    messages: int

    def stream(self) -> bytes:
        return self.path.read_bytes()[HEADER:]


@pytest.fixture(scope="module")
def logs(tmp_path_factory) -> list[Log]:
    build = ["cargo", "build", "-q", "-p", "auditssh-archive", "--example", "sample"]
    subprocess.run(build, cwd=program.ROOT, check=True)
    directory = tmp_path_factory.mktemp("logs")
    sample = program.ROOT / "target" / "debug" / "examples" / "sample"
    done = subprocess.run([sample, directory], check=True, capture_output=True, text=True)
    found = []
    for line in done.stdout.splitlines():
        version, kind, path, messages = line.split()
        found.append(Log(int(version), kind, Path(path), int(messages)))
    assert len(found) == 6
    assert max(log.messages for log in found) > 1_000_000
    return found


def sequence(content: io.BufferedIOBase):
    """The items of a CBOR sequence."""
    while True:
        try:
            yield cbor2.load(content)
        except cbor2.CBORDecodeEOF:
            return


def check(log: Log, messages) -> None:
    messages = list(messages)
    assert len(messages) == log.messages
    assert (messages[0]["type"], messages[-1]["type"]) == (0, 1)
    assert {message["connectionId"] for message in messages} == {log.path.name}
    assert all(a["timestamp"] <= b["timestamp"] for a, b in zip(messages, messages[1:]))
    if log.kind == "text":
        assert {message["payload"]["program"] for message in messages[1:-1]} == {
            "printf '\ufffd\ufffd\ufffd('"
        }
    if log.kind == "many":
        data = [message["payload"]["data"] for message in messages[1:-1]]
        assert data == [b"line %d\r\n" % number for number in range(len(data))]


@pytest.mark.timeout(300)
def test_python_reads_version_1_whole(logs):
    for log in logs:
        if log.version == 1:
            check(log, cbor2.loads(gzip.decompress(log.stream())))


def test_gzip_finds_no_fault_with_version_1(logs):
    for log in logs:
        if log.version == 1:
            done = subprocess.run(["gzip", "-t"], input=log.stream(), capture_output=True)
            assert (done.returncode, done.stderr) == (0, b""), log


@pytest.mark.timeout(300)
def test_python_reads_version_2_whole_and_finds_it_open(logs):
    for log in logs:
        if log.version == 2:
            stream = log.stream()
            assert stream.endswith(OPEN_END)
            content = bytearray()
            while stream:
                member = zlib.decompressobj(wbits=31)
                content += member.decompress(stream)
                # Only the last member stays open, as ContainerSSH leaves its logs.
                assert member.eof == bool(member.unused_data), log
                stream = member.unused_data
            check(log, sequence(io.BytesIO(content)))


def test_gzip_reads_version_2_whole_but_for_its_end(logs):
    for log in logs:
        if log.version == 2:
            done = subprocess.run(["gzip", "-dc"], input=log.stream(), capture_output=True)
            assert done.returncode == 1
            assert b"unexpected end of file" in done.stderr
            assert sum(1 for _ in sequence(io.BytesIO(done.stdout))) == log.messages


def test_verify_takes_them_for_intact(logs):
    for log in logs:
        assert program.run("verify", log.path).stdout.startswith(b"intact")
