"""Logins of each kind, the successful and the failed, and what the log says of whom."""

import shlex
import subprocess

import pytest

from harness import keys
from harness.log import (
    ANSWER,
    CHALLENGE,
    CONNECT,
    DISCONNECT,
    HANDSHAKE_FAILED,
    HANDSHAKE_OK,
    INTERACTIVE_FAILED,
    PASSWORD,
    PASSWORD_FAILED,
    PASSWORD_OK,
    PUBKEY,
    PUBKEY_FAILED,
    PUBKEY_OK,
)
from harness.server import PASSWORD as RIGHT
from harness.server import environment

REFUSED = [HANDSHAKE_FAILED, DISCONNECT]


def ask(server, methods: str, password: str, *options: str, user: str = "alice"):
    """Logs in with what a person would type; runs `true`."""
    script = server.directory / "askpass"
    script.write_text(f"#!/bin/sh\nprintf '%s\\n' {shlex.quote(password)}\n")
    script.chmod(0o700)
    options = (*options, "-o", f"PreferredAuthentications={methods}", "-o", "NumberOfPasswordPrompts=1")
    return subprocess.run(
        [*server.ssh(*options, user=user, key=False), "true"],
        env=environment(SSH_ASKPASS=str(script), SSH_ASKPASS_REQUIRE="force"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
    )


def login_part(log) -> list[int]:
    """The order of the login's messages, up to its outcome."""
    shape = log.shape()
    for outcome in (HANDSHAKE_OK, HANDSHAKE_FAILED):
        if outcome in shape:
            return shape[: shape.index(outcome) + 1]
    raise AssertionError(f"no outcome in\n{log!r}")


def extra(log, kind: int) -> str:
    """The payload of a message as text, to look for what extra keys hold."""
    return str(log.only(kind).payload)


def test_password(server):
    assert ask(server, "password", RIGHT).returncode == 0
    log = server.log()
    assert login_part(log) == [CONNECT, PASSWORD, PASSWORD_OK, HANDSHAKE_OK]
    assert log.only(PASSWORD)["username"] == log.user == "alice"
    assert log.only(PASSWORD)["password"] == log.only(PASSWORD_OK)["password"] == b""


def test_wrong_password(server):
    assert ask(server, "password", "wrong").returncode == 255
    log = server.log()
    assert log.shape() == [CONNECT, PASSWORD, PASSWORD_FAILED, *REFUSED]
    assert log.user is None


def test_unknown_user(server):
    assert ask(server, "password", RIGHT, user="mallory").returncode == 255
    log = server.log()
    assert log.shape() == [CONNECT, PASSWORD, PASSWORD_FAILED, *REFUSED]
    assert log.only(PASSWORD_FAILED)["username"] == "mallory"


def test_passwords_intercepted_when_asked_for(make_server):
    server = make_server(audit={"intercept": {"passwords": True}}).start()
    ask(server, "password", "wrong one")
    assert server.log().only(PASSWORD)["password"] == b"wrong one"
    ask(server, "keyboard-interactive", "typed answer")
    answers = server.log().only(ANSWER)["answers"]
    assert [a["answer"] for a in answers] == ["typed answer"]


def test_keyboard_interactive(server):
    assert ask(server, "keyboard-interactive", RIGHT).returncode == 0
    log = server.log()
    assert login_part(log) == [CONNECT, CHALLENGE, ANSWER, HANDSHAKE_OK]
    questions = log.only(CHALLENGE)["questions"]
    assert [q["echo"] for q in questions] == [False]
    assert [a["answer"] for a in log.only(ANSWER)["answers"]] == [""]


def test_keyboard_interactive_refused(server):
    assert ask(server, "keyboard-interactive", "wrong").returncode == 255
    log = server.log()
    assert log.shape() == [CONNECT, CHALLENGE, ANSWER, INTERACTIVE_FAILED, *REFUSED]


def test_public_key(server):
    assert server.run("true").returncode == 0
    log = server.log()
    assert login_part(log) in (
        [CONNECT, PUBKEY, PUBKEY_OK, HANDSHAKE_OK],
        [CONNECT, PUBKEY, PUBKEY, PUBKEY_OK, HANDSHAKE_OK],
    )
    assert log.only(PUBKEY_OK)["key"] == server.key.public
    assert server.key.fingerprint in extra(log, HANDSHAKE_OK)


def test_wrong_key(server, tmp_path):
    stranger = keys.generate(tmp_path, "stranger")
    done = server.run("true", "-o", "BatchMode=yes", "-i", str(stranger.file), key=False)
    assert done.returncode == 255
    log = server.log()
    assert log.shape() == [CONNECT, PUBKEY, PUBKEY_FAILED, *REFUSED]
    assert log.only(PUBKEY_FAILED)["key"] == stranger.public


def test_the_key_that_was_proven_counts(server, tmp_path):
    """The client offers a stranger's key first; the identity is that of the key that signed."""
    stranger = keys.generate(tmp_path, "stranger")
    done = server.run("true", "-o", "BatchMode=yes", "-i", str(stranger.file), "-i", str(server.key.file), key=False)
    assert done.returncode == 0
    log = server.log()
    assert log.only(PUBKEY_FAILED)["key"] == stranger.public
    assert log.only(PUBKEY_OK)["key"] == server.key.public
    assert server.key.fingerprint in extra(log, HANDSHAKE_OK)
    assert stranger.fingerprint not in extra(log, HANDSHAKE_OK)


def test_an_offered_key_proves_nothing(server):
    """Offering an authorised public key whose private half one does not hold is no login."""
    decoy = server.directory / "decoy.pub"
    decoy.write_text(server.key.public + "\n")
    done = server.run("true", "-o", "BatchMode=yes", "-i", str(decoy), key=False)
    assert done.returncode == 255
    log = server.log()
    assert PUBKEY in log.shape() and PUBKEY_OK not in log.shape()
    assert log.user is None


def test_certificate(server, tmp_path):
    person = keys.generate(tmp_path, "person")
    keys.certify(server.authority, person, "person-2026", "alice")
    done = server.run("true", "-o", "BatchMode=yes", "-i", str(person.file), key=False)
    assert done.returncode == 0, done.stderr
    log = server.log()
    assert log.user == "alice" and log.of(PUBKEY_OK)
    assert "person-2026" in extra(log, HANDSHAKE_OK)
    assert server.authority.fingerprint in extra(log, HANDSHAKE_OK)


@pytest.mark.parametrize(
    ("principals", "options"),
    [("bob", ()), ("alice", ("-V", "20200101:20200102")), ("alice", ("-O", "source-address=192.0.2.1"))],
    ids=["principal", "expired", "address"],
)
def test_certificate_refused(server, tmp_path, principals, options):
    person = keys.generate(tmp_path, "person")
    keys.certify(server.authority, person, "person-2026", principals, *options)
    done = server.run("true", "-o", "BatchMode=yes", "-i", str(person.file), key=False)
    assert done.returncode == 255
    log = server.log()
    assert log.user is None and log.messages[-2].type == HANDSHAKE_FAILED


def test_certificate_of_a_stranger(server, tmp_path):
    person, stranger = keys.generate(tmp_path, "person"), keys.generate(tmp_path, "stranger_ca")
    keys.certify(stranger, person, "person-2026", "alice")
    assert server.run("true", "-o", "BatchMode=yes", "-i", str(person.file), key=False).returncode == 255
    assert server.log().user is None


def test_forced_command_of_a_certificate(server, tmp_path):
    person = keys.generate(tmp_path, "person")
    forced = ("-O", "force-command=echo forced: $SSH_ORIGINAL_COMMAND")
    keys.certify(server.authority, person, "person-2026", "alice", *forced)
    done = server.run("id", "-o", "BatchMode=yes", "-i", str(person.file), key=False)
    assert done.stdout == b"forced: id\n"
    server.log()


def test_the_client_and_the_algorithms_are_recorded(server):
    server.run("true", "-c", "aes256-gcm@openssh.com", "-o", "KexAlgorithms=curve25519-sha256")
    said = extra(server.log(), HANDSHAKE_OK)
    assert "SSH-2.0-OpenSSH_" in said
    assert "aes256-gcm@openssh.com" in said and "curve25519-sha256" in said and "ssh-ed25519" in said


def test_no_common_algorithm_is_recorded_with_the_offers(server):
    done = server.run("true", "-o", "KexAlgorithms=diffie-hellman-group1-sha1")
    assert done.returncode == 255
    log = server.log()
    assert log.shape() == [CONNECT, HANDSHAKE_FAILED, DISCONNECT]
    said = extra(log, HANDSHAKE_FAILED)
    assert "SSH-2.0-OpenSSH_" in said and "diffie-hellman-group1-sha1" in said
    assert "mlkem768x25519-sha256" in said


def test_the_banner_is_shown(make_server):
    server = make_server(ssh={"banner": "All sessions are recorded.\n"}).start()
    done = subprocess.run(
        [*server.ssh("-o", "LogLevel=INFO"), "true"], capture_output=True, stdin=subprocess.DEVNULL, timeout=60
    )
    assert b"All sessions are recorded." in done.stderr
