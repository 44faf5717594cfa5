"""Single commands through OpenSSH's client: what it sent and got is what the log holds."""

import hashlib
import os
import subprocess

import pytest

from harness.log import (
    CHANNEL_OK,
    CLOSE,
    CLOSE_WRITE,
    CONNECT,
    DISCONNECT,
    EXEC,
    EXIT,
    EXIT_SIGNAL,
    HANDSHAKE_OK,
    IO,
    PUBKEY,
    PUBKEY_OK,
    REQUEST_FAILED,
    SETENV,
    STDERR,
    STDIN,
    STDOUT,
    SUBSYSTEM,
)

LOGIN = (PUBKEY, PUBKEY_OK)


@pytest.mark.parametrize("code", [0, 1, 42, 255])
def test_outputs_apart_and_exit_code(server, code):
    done = server.run(f"printf out; printf err >&2; exit {code}")
    assert (done.returncode, done.stdout, done.stderr) == (code, b"out", b"err")

    log = server.log()
    assert log.only(CONNECT)["remoteAddr"] == "127.0.0.1"
    assert log.only(HANDSHAKE_OK)["username"] == "alice"
    assert log.only(CHANNEL_OK)["channelType"] == "session"
    assert log.only(EXEC)["program"] == f"printf out; printf err >&2; exit {code}"
    assert (log.io(STDIN), log.io(STDOUT), log.io(STDERR)) == (b"", b"out", b"err")
    assert log.only(EXIT)["exitStatus"] == code
    assert log.shape(without=LOGIN) == [
        CONNECT, HANDSHAKE_OK, CHANNEL_OK, EXEC, IO, CLOSE_WRITE, EXIT, CLOSE, DISCONNECT,
    ]  # fmt: skip


def test_a_command_without_output(server):
    assert server.run("true").returncode == 0
    assert server.log().shape(without=LOGIN) == [
        CONNECT, HANDSHAKE_OK, CHANNEL_OK, EXEC, CLOSE_WRITE, EXIT, CLOSE, DISCONNECT,
    ]  # fmt: skip


def test_both_directions_to_the_last_byte(server):
    sent = os.urandom(3_000_000)
    done = server.run("cat", input=sent)
    assert done.returncode == 0
    assert done.stdout == sent
    log = server.log()
    assert log.io(STDIN) == sent
    assert log.io(STDOUT) == sent


def test_a_long_output(server):
    done = server.run("seq 1 2000000")
    log = server.log()
    assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(log.io(STDOUT)).digest()
    assert done.stdout.endswith(b"\n1999999\n2000000\n")


def test_a_program_ended_by_a_signal(server):
    done = server.run("kill -KILL $$")
    assert done.returncode == 255  # what OpenSSH makes of exit-signal
    log = server.log()
    assert log.only(EXIT_SIGNAL)["signal"] == "KILL"
    assert log.of(EXIT) == []
    assert log.shape()[-4:] == [CLOSE_WRITE, EXIT_SIGNAL, CLOSE, DISCONNECT]


def test_end_of_input_is_passed_on(server):
    assert server.run("wc -c", input=b"12345").stdout.strip() == b"5"
    assert server.log().io(STDIN) == b"12345"


def test_environment_allowed_and_refused(server):
    done = server.run("echo $LC_MARK/$FORBIDDEN", "-o", "SetEnv=LC_MARK=kept FORBIDDEN=dropped")
    assert done.stdout == b"kept/\n"
    log = server.log()
    asked = {m["name"]: m for m in log.of(SETENV)}
    assert {name: m["value"] for name, m in asked.items()} == {"LC_MARK": "kept", "FORBIDDEN": "dropped"}
    assert log.only(REQUEST_FAILED)["requestId"] == asked["FORBIDDEN"]["requestId"]


def test_an_unknown_subsystem_is_refused(server):
    done = server.run("nonsense", "-s")
    assert done.returncode != 0
    log = server.log()
    assert log.only(SUBSYSTEM)["subsystem"] == "nonsense"
    assert log.only(REQUEST_FAILED)["requestId"] == log.only(SUBSYSTEM)["requestId"]
    assert log.of(CLOSE) and log.of(EXIT) == []


def test_a_command_that_is_not_utf8(server):
    command = [*(part.encode() for part in server.ssh()), b"printf %s '\xff\xfe' | od -An -tx1"]
    done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=60)
    assert done.stdout.split() == [b"ff", b"fe"]
    log = server.log()
    assert "\N{REPLACEMENT CHARACTER}" in log.only(EXEC)["program"]
    raw = [value for value in log.only(EXEC).payload.values() if isinstance(value, bytes)]
    assert raw == [b"printf %s '\xff\xfe' | od -An -tx1"]


def test_output_of_a_child_that_stays_behind(server):
    """A channel ends when nobody holds its output any more, as with OpenSSH."""
    done = server.run("sleep 300 > /dev/null 2>&1 & echo started")
    assert done.stdout == b"started\n"
    assert server.log().only(EXIT)["exitStatus"] == 0
    done = server.run("(sleep 1; echo late) & echo started; exit 3")
    assert (done.stdout, done.returncode) == (b"started\nlate\n", 3)
    log = server.log()
    assert log.io(STDOUT) == done.stdout and log.only(EXIT)["exitStatus"] == 3


def test_nothing_is_kept_with_format_none(make_server):
    server = make_server(audit={"format": "none"}).start()
    assert server.run("echo hello").stdout == b"hello\n"
    assert server.stop() == 0
    assert server.files() == []
