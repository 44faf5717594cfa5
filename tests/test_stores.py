"""What holds wherever logs are kept: the same script against a directory and against a bucket."""

import json
import os
import signal
import subprocess

import pytest

from harness import program
from harness.log import STDOUT, finished, whole
from harness.wait import until


class Directory:
    """Logs in a directory."""

    def __init__(self, make_server, tmp_path, **audit):
        self.server = make_server(audit=audit)

    def logs(self, count: int, read=finished):
        server = self.server
        ended = until(
            lambda: (found := [f for f in server.files() if f.name not in server.open_logs()])
            and len(found) >= count
            and found,
            60,
            f"{count} logs",
        )
        assert len(ended) == count
        return sorted((read(file) for file in ended), key=lambda one: one.messages[0].time)

    def reading(self) -> tuple[list, str]:
        return [], f"{self.server.audit}/"


class InBucket:
    """Logs in a bucket."""

    def __init__(self, make_s3_server, bucket, proxy, seaweed, tmp_path, **audit):
        self.bucket, self.seaweed, self.folder = bucket, seaweed, tmp_path / "objects"
        self.server = make_s3_server(bucket, proxy.endpoint, audit=audit)

    def logs(self, count: int, read=finished):
        return self.bucket.logs(self.folder, count, read=read)

    def reading(self) -> tuple[list, str]:
        reader = {
            "accessKey": self.seaweed.reader.access,
            "secretKey": self.seaweed.reader.secret,
            "endpoint": self.seaweed.endpoint,
        }
        config = json.loads(json.dumps(self.server.config))
        config["audit"]["s3"] |= reader
        file = self.server.directory / "reader.yaml"
        file.write_text(json.dumps(config))
        return ["--config", file], f"s3://{self.bucket.name}/"


@pytest.fixture(params=["file", "s3"])
def make_store(request, tmp_path):
    def make(**audit):
        of = request.getfixturevalue
        if request.param == "file":
            return Directory(of("make_server"), tmp_path, **audit)
        return InBucket(of("make_s3_server"), of("bucket"), of("proxy"), of("seaweed"), tmp_path, **audit)

    return make


def test_every_log_arrives_once_and_is_read_in_its_place(make_store):
    store = make_store()
    server = store.server.start()
    assert server.run("echo small").stdout == b"small\n"
    large = server.run("head -c 7000000 /dev/urandom").stdout
    assert server.run("true", user="mallory").returncode == 255
    logs = store.logs(3)
    assert [log.user for log in logs] == ["alice", "alice", None]
    assert logs[0].io(STDOUT) == b"small\n" and logs[1].io(STDOUT) == large
    server.stop()
    assert len(store.logs(3)) == 3, "the end adds none and takes none away"

    options, place = store.reading()
    rows = program.run("list", "--json", *options, place).stdout.splitlines()
    assert {json.loads(row)["id"] for row in rows} == {log.file.name for log in logs}
    for log in logs:
        name = f"{place}{log.file.name}"
        assert b"intact" in program.run("verify", *options, name).stdout
        assert program.run("decode", *options, name).stdout == program.run("decode", log.file).stdout


def test_a_signed_log_proves_itself_in_its_place(make_store, tmp_path):
    key, public = tmp_path / "sign.pem", tmp_path / "sign.pub"
    for command in (["genpkey", "-algorithm", "ed25519", "-out", key], ["pkey", "-in", key, "-pubout", "-out", public]):
        subprocess.run(["openssl", *command], check=True, capture_output=True)
    os.chmod(key, 0o600)
    store = make_store(signingKey=str(key))
    assert store.server.start().run("echo signed").stdout == b"signed\n"
    (log,) = store.logs(1)
    store.server.stop()
    options, place = store.reading()
    proof = ["--key", public, "--require", "signature", *options, f"{place}{log.file.name}"]
    assert b"intact" in program.run("verify", *proof).stdout


def test_what_was_seen_before_a_kill_arrives_after_it(make_store):
    store = make_store()
    server = store.server.start()
    assert server.run("echo before").stdout == b"before\n"
    client = subprocess.Popen([*server.ssh(), "echo seen; cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert client.stdout.readline() == b"seen\n"
    server.kill()
    client.communicate(timeout=60)
    server.start()
    assert server.run("echo after").stdout == b"after\n"
    logs = store.logs(3, read=whole)
    assert [log.io(STDOUT) for log in logs] == [b"before\n", b"seen\n", b"after\n"]


def test_a_session_that_the_end_of_the_server_ends_arrives_whole(make_store):
    store = make_store()
    server = store.server.start()
    client = subprocess.Popen([*server.ssh(), "echo seen; cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert client.stdout.readline() == b"seen\n"
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(60) == 0
    client.communicate(timeout=60)
    (log,) = store.logs(1)
    assert log.io(STDOUT) == b"seen\n"
