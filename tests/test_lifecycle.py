"""Start, reload, end, crash."""

import json
import os
import signal
import subprocess
import time

import pytest

from harness import keys, log, program
from harness.log import CLOSE, DISCONNECT, EXIT_SIGNAL, STDIN, STDOUT
from harness.wait import until


def held(server, *options: str) -> subprocess.Popen:
    """A session that runs until it is ended; it echoes lines."""
    command = [*server.ssh(*options), "echo ready; exec cat"]
    client = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert client.stdout.readline() == b"ready\n"
    return client


def test_reload_takes_new_users_and_keeps_sessions(server, tmp_path):
    session = held(server)
    guest = keys.generate(tmp_path, "guest")
    login = ("-o", "BatchMode=yes", "-i", str(guest.file))
    assert server.run("true", *login, user="guest", key=False).returncode == 255

    server.config["users"]["guest"] = {"authorizedKeys": [guest.public]}
    del server.config["users"]["alice"]
    server.config_file.write_text(json.dumps(server.config))
    server.process.send_signal(signal.SIGHUP)
    until(lambda: server.run("true", *login, user="guest", key=False).returncode == 0, what="the new user")
    assert server.run("true").returncode == 255, "alice is gone"

    session.stdin.write(b"still here\n")
    session.stdin.flush()
    assert session.stdout.readline() == b"still here\n"
    session.communicate(timeout=30)


def test_reload_of_a_broken_file_changes_nothing(server):
    server.config_file.write_text("users: {alice: {pasword: x}}\n")
    server.process.send_signal(signal.SIGHUP)
    until(lambda: "pasword" in server.said(), what="a word about it")
    assert server.run("echo fine").stdout == b"fine\n"


def reload(server, expected: str) -> str:
    """Writes the configuration anew and has it read; what is said of it, once that is there."""
    before = len(server.said())
    server.config_file.write_text(json.dumps(server.config))
    server.process.send_signal(signal.SIGHUP)
    return until(lambda: expected in (said := server.said()[before:]) and said, what=f"`{expected}`")


def test_reload_takes_new_host_keys_and_banner(server, tmp_path):
    """For new connections; those that are there go on, and exchange keys anew by the old ones."""
    session = held(server, "-o", "RekeyLimit=16K")
    renewed = keys.generate(tmp_path, "renewed")
    server.config["ssh"] |= {"hostkeys": [str(renewed.file)], "banner": "changed\n"}
    reload(server, "reloaded")
    done = server.run("true")
    assert done.returncode == 255 and b"key verification failed" in done.stderr.lower()
    server.known_hosts.write_text(f"[127.0.0.1]:{server.port} {renewed.public}\n")
    done = server.run("true", "-o", "LogLevel=INFO")
    assert done.returncode == 0 and b"changed" in done.stderr

    for _ in range(100):
        session.stdin.write(b"x" * 1000 + b"\n")
        session.stdin.flush()
        assert session.stdout.readline() == b"x" * 1000 + b"\n"
    session.communicate(timeout=30)
    assert session.returncode == 0


@pytest.mark.parametrize("what", ["hostkeys", "trustedUserCAKeys", "authorizedKeys", "listen"])
def test_reload_of_what_cannot_be_served_changes_nothing(server, tmp_path, what):
    """Also not the half of it that could be: bob, who is new, is not let in."""
    culprit = tmp_path / "culprit"
    culprit.write_text("no key at all\n")
    culprit.chmod(0o600)
    server.config["users"]["bob"] = server.config["users"]["alice"] | {}
    if what == "authorizedKeys":
        server.config["users"]["carol"] = {"authorizedKeys": [str(culprit)]}
    else:
        server.config["ssh"][what] = str(culprit) if what == "listen" else [str(culprit)]
    said = reload(server, "not reloaded")
    assert str(server.config_file) in said
    assert what == "authorizedKeys" or what == "listen" or str(culprit) in said
    assert server.run("true", user="bob").returncode == 255
    assert server.run("echo fine").stdout == b"fine\n"


def test_reload_names_what_takes_a_restart(server):
    server.config["local"]["shell"] = "/bin/bash"
    server.config["limits"]["authAttempts"] = 1
    said = reload(server, "reloaded")
    assert "`local` has changed" in said and "limits" not in said
    assert server.run("echo $0").stdout in (b"/bin/sh\n", b"sh\n")
    refused = server.run("true", "-o", f"IdentityFile={server.authority.file}", "-o", "LogLevel=INFO")
    assert refused.returncode == 255 and b"Too many authentication failures" in refused.stderr


def test_the_end_is_graceful(make_server):
    """SIGTERM: sessions are told and get time, new connections are refused, every log is closed."""
    server = make_server(limits={"shutdownGrace": "3s"}).start()
    session = held(server)
    server.process.send_signal(signal.SIGTERM)
    session.stdin.write(b"last words\n")
    session.stdin.flush()
    assert session.stdout.readline() == b"last words\n"
    assert server.process.wait(30) == 0
    _, errors = session.communicate(timeout=30)
    assert session.returncode == 255 and errors

    recorded = server.log()
    assert recorded.io(STDOUT) == b"ready\nlast words\n"
    assert recorded.io(STDIN) == b"last words\n"
    assert recorded.of(CLOSE) and recorded.messages[-1].type == DISCONNECT
    assert server.run("true").returncode == 255


def test_the_end_does_not_wait_for_nothing(make_server):
    server = make_server(limits={"shutdownGrace": "60s"}).start()
    server.run("true")
    begun = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - begun < 20


def test_a_second_signal_ends_at_once(make_server):
    """What runs in sessions is killed, whatever it ignores, and its end stands in the log."""
    server = make_server(limits={"shutdownGrace": "60s"}).start()
    stubborn = "trap '' HUP TERM INT; echo $$; while :; do sleep 1; done"
    session = subprocess.Popen([*server.ssh(), stubborn], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    program_id = int(session.stdout.readline())
    server.process.send_signal(signal.SIGTERM)
    until(lambda: "SIGTERM" in server.said(), what="a word about the first")
    begun = time.monotonic()
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(20) == 1
    assert time.monotonic() - begun < 5
    session.communicate(timeout=30)
    assert not os.path.exists(f"/proc/{program_id}")
    assert not server.open_logs(), server.said()
    recorded = server.log()
    assert recorded.only(EXIT_SIGNAL)["signal"] == "KILL"
    assert recorded.messages[-1].type == DISCONNECT


def test_a_second_instance_is_refused(server):
    other = server.directory / "other.yaml"
    config = json.loads(server.config_file.read_text())
    config["ssh"]["listen"] = "127.0.0.1:0"
    other.write_text(json.dumps(config))
    done = program.run("serve", "--config", other, check=False)
    assert done.returncode == 3
    assert str(server.audit) in done.stderr.decode()
    assert server.run("echo fine").stdout == b"fine\n"


def test_a_port_in_use_is_named(server, make_server):
    other = make_server(ssh={"listen": f"127.0.0.1:{server.port}"})
    other.start(wait=False)
    assert other.process.wait(30) == 1
    assert f"127.0.0.1:{server.port}" in other.said()


def test_what_was_seen_survives_a_crash(make_server):
    """kill -9 in the middle of sessions: the next start recovers all that any client had seen."""
    server = make_server().start()
    sessions = [held(server) for _ in range(5)]
    for number, session in enumerate(sessions):
        for line in range(200):
            session.stdin.write(b"%d %d\n" % (number, line))
        session.stdin.flush()
        for line in range(200):
            assert session.stdout.readline() == b"%d %d\n" % (number, line)
    server.kill()
    for session in sessions:
        session.communicate(timeout=30)
    unfinished = server.open_logs()
    assert len(unfinished) == 5

    server.start()
    until(lambda: not server.open_logs(), what="recovery")
    expected = {b"".join(b"%d %d\n" % (n, line) for line in range(200)) for n in range(5)}
    found = set()
    for name in unfinished:
        recovered = log.Log(server.audit / name, log.parse(server.audit / name))
        assert recovered.io(STDOUT) == b"ready\n" + recovered.io(STDIN)
        assert not recovered.of(DISCONNECT), "recovery invents no end"
        found.add(recovered.io(STDIN))
        verdict = program.run("verify", server.audit / name, check=False)
        assert verdict.returncode == 1 and b"recovered" in verdict.stdout.lower()
    assert found == expected
    assert server.run("echo fine").stdout == b"fine\n"


def test_recover_without_a_server(make_server):
    server = make_server().start()
    session = held(server)
    server.kill()
    session.communicate(timeout=30)
    (name,) = server.open_logs()
    for _ in range(2):  # the second time there is nothing to do
        program.run("recover", server.audit)
        assert server.open_logs() == set()
        assert log.Log(server.audit / name, log.parse(server.audit / name)).io(STDOUT) == b"ready\n"


def test_an_open_log_can_be_read(server):
    session = held(server)
    (file,) = server.files()
    outputs = [m["payload"] for m in log.decoded(file) if m["typeId"] == "io"]
    assert outputs == [{"stream": 1, "data": "cmVhZHkK"}]
    assert program.run("verify", file, check=False).returncode == 1
    session.communicate(timeout=30)
    server.log()


def test_follow_shows_a_session_as_it_goes(server):
    session = held(server)
    (file,) = server.files()
    watch = subprocess.Popen([program.path(), "decode", "--follow", str(file)], stdout=subprocess.PIPE)
    shown = []

    def watched(text: str) -> None:
        while True:
            line = watch.stdout.readline()
            assert line, f"the watch ended without {text}"
            shown.append(json.loads(line))
            if text in line.decode():
                return

    watched('"cmVhZHkK"')
    session.stdin.write(b"live\n")
    session.stdin.flush()
    watched('"bGl2ZQo="')
    session.communicate(timeout=30)
    watched('"disconnect"')
    assert watch.wait(30) == 0
    server.log()
    assert shown == log.decoded(file)


@pytest.mark.parametrize("mode", [0o755, 0o777, 0o770])
def test_a_directory_open_to_others_is_refused(make_server, mode):
    server = make_server()
    server.audit.mkdir()
    os.chmod(server.audit, mode)
    server.start(wait=False)
    assert server.process.wait(30) == 1
    assert str(server.audit) in server.said()


def test_files_are_private(server):
    server.run("true")
    recorded = server.log()
    assert recorded.file.stat().st_mode & 0o7777 == 0o600
    assert server.audit.stat().st_mode & 0o7777 == 0o700
