"""What a client that is not logged in can do, and what it costs."""

import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import paramiko
import pytest

from harness.log import CONNECT, DISCONNECT, HANDSHAKE_FAILED, PASSWORD, PASSWORD_FAILED
from test_logins import ask


def test_ssh_audit_finds_no_failure(server):
    auditor = Path(sys.executable).parent / "ssh-audit"
    done = subprocess.run(
        [auditor, "-jj", "--skip-rate-test", f"127.0.0.1:{server.port}"], capture_output=True, timeout=100
    )
    report = json.loads(done.stdout)
    offered = [(kind, one) for kind in ("kex", "key", "enc", "mac") for one in report[kind]]
    failures = [(kind, one["algorithm"]) for kind, one in offered if one.get("notes", {}).get("fail")]
    assert failures == []
    names = {kind: [one["algorithm"] for one in report[kind]] for kind in ("kex", "key", "enc", "mac")}
    assert names["kex"][0] == "mlkem768x25519-sha256"
    assert "kex-strict-s-v00@openssh.com" in names["kex"]
    assert names["enc"][0].startswith("aes256-gcm")
    assert report["compression"] == ["none"]
    warned = {one["algorithm"] for _, one in offered if one.get("notes", {}).get("warn")}
    assert all("sha" in one for one in warned), "only key exchanges without post-quantum protection"


def test_a_port_scan_costs_one_small_file(server):
    with socket.create_connection(("127.0.0.1", server.port)) as scan:
        assert scan.recv(100).startswith(b"SSH-2.0-")
    log = server.log()
    assert log.shape() == [CONNECT, HANDSHAKE_FAILED, DISCONNECT]
    assert [f.name for f in server.audit.iterdir() if log.file.name in f.name] == [log.file.name]
    assert log.file.stat().st_size < 2048
    assert log.file.stat().st_blocks * 512 <= 4096


def test_garbage_is_recorded_and_refused(server):
    with socket.create_connection(("127.0.0.1", server.port)) as scan:
        scan.settimeout(20)
        scan.sendall(b"GET / HTTP/1.1\r\nHost: \xff\x00\x1b[31m\r\n\r\n" * 200)
        try:
            while scan.recv(4096):
                pass
        except ConnectionResetError:
            pass  # it had not read all of it
    assert server.log().shape() == [CONNECT, HANDSHAKE_FAILED, DISCONNECT]
    assert server.run("echo fine").stdout == b"fine\n"


@pytest.mark.parametrize("sends", [b"", b"SSH-2.0-slow\r\n"], ids=["silent", "version-only"])
def test_the_time_to_log_in_is_absolute(make_server, sends):
    server = make_server(limits={"loginGraceTime": "2s"}).start()
    begun = time.monotonic()
    with socket.create_connection(("127.0.0.1", server.port)) as slow:
        slow.settimeout(0.2)
        slow.sendall(sends)
        while time.monotonic() - begun < 30:
            try:
                if not slow.recv(4096):
                    break
            except TimeoutError:
                slow.sendall(b"" if sends else b"x")  # never idle, and never done
            except ConnectionError:
                break
    assert 1.5 < time.monotonic() - begun < 15
    assert server.log().shape() == [CONNECT, HANDSHAKE_FAILED, DISCONNECT]


def test_no_more_attempts_than_the_limit(make_server):
    server = make_server(limits={"authAttempts": 3}).start()
    done = ask(server, "password", "wrong", "-o", "NumberOfPasswordPrompts=10")
    assert done.returncode == 255
    log = server.log()
    assert len(log.of(PASSWORD)) == len(log.of(PASSWORD_FAILED)) == 3
    assert log.messages[-2].type == HANDSHAKE_FAILED


@pytest.mark.parametrize("length", [0, 256, 1023, 1024, 4096])
def test_no_length_of_password_opens_the_door(server, length):
    assert ask(server, "password", "x" * length).returncode == 255
    assert server.log().user is None


@pytest.mark.parametrize("name", ["../../etc/passwd", "a\x1b[31mb\n", "x" * 5000, "\u202enoitidart", "nul\0"])
def test_strange_login_names_stay_harmless(server, name):
    with paramiko.Transport(("127.0.0.1", server.port)) as transport:
        transport.start_client(timeout=30)
        with pytest.raises(paramiko.SSHException):
            transport.auth_password(name, "x", fallback=False)
    server.log()
    assert {f.name for f in server.directory.iterdir()} >= {"audit", "config.yaml"}
    assert "\x1b" not in server.said()
    assert server.run("echo fine").stdout == b"fine\n"
