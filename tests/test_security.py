"""The filters of `security`, as OpenSSH's clients meet them and as the log tells of them."""

import asyncio
import getpass
import json
import os
import signal
import socket
import subprocess
from pathlib import Path

import asyncssh
import pexpect
import pytest
import yaml
from test_channels import shared

from harness import program
from harness.log import (
    CHANNEL_FAILED,
    CHANNEL_OK,
    EXEC,
    EXIT,
    PTY,
    REQUEST_FAILED,
    SETENV,
    SHELL,
    SIGNAL,
    STDOUT,
    SUBSYSTEM,
)
from harness.server import environment, free_port
from harness.wait import until

FORCED = 'echo "forced: $SSH_ORIGINAL_COMMAND"'
# The modes of a kind and the default mode, and which of them is in force.
IN_FORCE = [
    (None, None, "enable"),
    (None, "enable", "enable"),
    (None, "filter", "filter"),
    (None, "disable", "disable"),
    ("", "disable", "disable"),
    ("enable", "disable", "enable"),
    ("filter", "enable", "filter"),
    ("disable", "enable", "disable"),
]
# A kind whose own refusal is tested must not be kept from being tried by another's.
OTHERS = ("env", "command", "shell", "subsystem", "tty", "signal")


@pytest.fixture
def filtered(make_server):
    """Starts a server with one kind of request in some mode, and all others allowed."""

    def start(kind: str, mode, default, lists=None, **changes):
        block = {other: {"mode": "enable"} for other in OTHERS}
        block[kind] = {**(lists or {}), **({} if mode is None else {"mode": mode})}
        if default is not None:
            block["defaultMode"] = default
        return make_server(security=block, **changes).start()

    return start


def shell(server, lines: bytes):
    """A shell that is fed lines, without a terminal."""
    return subprocess.run(server.ssh("-T"), input=lines, capture_output=True, timeout=60)


def sftp(server, batch: str):
    command = ["sftp", "-b", "-", *server.ssh_options(), "-P", str(server.port), "alice@127.0.0.1"]
    return subprocess.run(command, input=batch.encode(), capture_output=True, timeout=60)


def scp(server, *words: str):
    command = ["scp", *server.ssh_options(), "-P", str(server.port), *words]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)


def refusals(log) -> dict[int, str]:
    """The refused requests and why."""
    return {m["requestId"]: m["reason"] for m in log.of(REQUEST_FAILED)}


def refused(log, kind: int, named: str) -> None:
    """The one request of a kind was refused by a filter, and nothing ran for it."""
    assert named in refusals(log)[log.only(kind)["requestId"]]
    assert log.of(EXIT) == [] and log.io(STDOUT) == b""


@pytest.mark.parametrize("mode, default, force", IN_FORCE)
def test_env(filtered, mode, default, force):
    lists = {"allow": ["ALLOWED", "BOTH"], "deny": ["DENIED", "BOTH"]}
    server = filtered("env", mode, default, lists, local={"acceptEnv": ["*"]})
    values = "SetEnv=ALLOWED=a DENIED=d BOTH=b OTHER=o"
    done = server.run("echo $ALLOWED/$DENIED/$BOTH/$OTHER", "-o", values)
    passed = {"enable": "ao", "filter": "a", "disable": ""}[force]
    assert done.stdout.decode() == "/".join(value if value in passed else "" for value in "adbo") + "\n"

    log = server.log()
    asked = {m["value"]: m["requestId"] for m in log.of(SETENV)}
    assert set(asked) == set("adbo")
    assert set(refusals(log)) == {number for value, number in asked.items() if value not in passed}
    assert all("`security.env" in reason for reason in refusals(log).values())


@pytest.mark.parametrize("mode, default, force", IN_FORCE)
def test_command(filtered, mode, default, force):
    server = filtered("command", mode, default, {"allow": ["echo 'allowed'; exit 3"]})
    commands = ["echo 'allowed'; exit 3", "echo 'allowed';  exit 3", "echo other"]
    passed = {"enable": commands, "filter": commands[:1], "disable": []}[force]
    for command in commands:
        done = server.run(command)
        log = server.log()
        assert log.only(EXEC)["program"] == command
        if command in passed:
            assert done.returncode == log.only(EXIT)["exitStatus"] and done.stdout == log.io(STDOUT) != b""
        else:
            assert (done.returncode, done.stdout) == (255, b"")
            assert b"exec request failed on channel 0" in done.stderr
            refused(log, EXEC, "`security.command")


@pytest.mark.parametrize("mode, default, force", IN_FORCE)
def test_shell(filtered, mode, default, force):
    server = filtered("shell", mode, default)
    done = shell(server, b"echo in a shell\n")
    log = server.log()
    if force == "enable":
        assert (done.returncode, done.stdout) == (0, b"in a shell\n") and log.only(SHELL)
    else:
        assert done.returncode == 255 and b"shell request failed on channel 0" in done.stderr
        refused(log, SHELL, "`security.shell`")


@pytest.mark.parametrize("mode, default, force", IN_FORCE)
def test_subsystem(filtered, mode, default, force):
    lists = {"allow": ["allowed", "both"], "deny": ["denied", "both"]}
    programs = {name: f"echo {name}" for name in ("allowed", "denied", "both", "other")}
    server = filtered("subsystem", mode, default, lists, local={"subsystems": programs})
    passed = {"enable": ["allowed", "other"], "filter": ["allowed"], "disable": []}[force]
    for name in programs:
        done = server.run(name, "-s")
        log = server.log()
        assert log.only(SUBSYSTEM)["subsystem"] == name
        if name in passed:
            assert (done.returncode, done.stdout) == (0, f"{name}\n".encode())
        else:
            assert done.returncode == 255 and b"subsystem request failed on channel 0" in done.stderr
            refused(log, SUBSYSTEM, "`security.subsystem")


@pytest.mark.parametrize("mode, default, force", IN_FORCE)
def test_tty(filtered, mode, default, force):
    """A client that insists on a terminal gives up, as before sshd with `PermitTTY no`."""
    server = filtered("tty", mode, default)
    done = server.run("test -t 1 && echo terminal || echo none", "-tt")
    log = server.log()
    if force == "enable":
        assert done.stdout == b"terminal\r\n" and refusals(log) == {}
        assert log.only(PTY) and log.only(EXIT)["exitStatus"] == 0
    else:
        assert done.returncode == 255
        assert b"PTY allocation request failed on channel 0" in done.stderr
        assert refusals(log).keys() == {log.only(PTY)["requestId"]}
        assert "`security.tty`" in refusals(log)[log.only(PTY)["requestId"]]


def test_a_shell_goes_on_without_a_terminal(filtered):
    """Where a person's client would have liked one."""
    server = filtered("tty", "disable", None)
    command = server.ssh()
    person = pexpect.spawn(command[0], command[1:], env=environment(), timeout=60)
    person.expect_exact("PTY allocation request failed on channel 0")
    person.send("test -t 0 || echo no''ne; exit 3\n")
    person.expect_exact("none")
    person.expect(pexpect.EOF)
    person.close()
    assert person.exitstatus == 3
    log = server.log()
    assert refusals(log).keys() == {log.only(PTY)["requestId"]}
    assert log.io(STDOUT) == b"none\n"


@pytest.mark.parametrize("mode, default, force", IN_FORCE)
def test_signal(filtered, tmp_path, mode, default, force):
    """OpenSSH's client sends none, so another one does."""
    lists = {"allow": ["TERM", "INT"], "deny": ["USR1", "INT"]}
    server = filtered("signal", mode, default, lists)
    sent = ["TERM", "USR1", "INT", "USR2"]
    passed = {"enable": {"TERM", "USR2"}, "filter": {"TERM"}, "disable": set()}[force]
    traps = "".join(f"trap 'echo {name}' {name}; " for name in sent)
    end = tmp_path / "end"
    waits = f"{traps} echo set; while [ ! -e {end} ]; do sleep 0.1; done; echo end"

    async def session():
        options = {"client_keys": [str(server.key.file)], "config": None, "agent_path": None}
        async with asyncssh.connect(
            "127.0.0.1", server.port, username="alice", known_hosts=str(server.known_hosts), **options
        ) as connection:
            process = await connection.create_process(waits)
            assert await process.stdout.readline() == "set\n"
            for name in sent:
                process.send_signal(name)
            # Handled after the signals: what comes from one client has one order.
            await connection.run(f"touch {end}", check=True)
            return await asyncio.wait_for(process.wait(), 60)

    done = asyncio.run(session())
    *caught, last = done.stdout.split()
    assert (set(caught), last, done.exit_status) == (passed, "end", 0)
    log = server.log()
    asked = {m["signal"]: m["requestId"] for m in log.of(SIGNAL)}
    assert list(asked) == sent
    assert set(refusals(log)) == {number for name, number in asked.items() if name not in passed}
    assert all("`security.signal" in reason for reason in refusals(log).values())


def test_a_forced_command(make_server):
    """It runs for every program, is told what was asked for as sshd tells it, and is in the log."""
    server = make_server(security={"forceCommand": FORCED}).start()
    done = server.run("rm -rf 'a  b'")
    assert done.stdout == b"forced: rm -rf 'a  b'\n"
    command = server.log()
    assert command.only(EXEC)["program"] == "rm -rf 'a  b'"

    assert shell(server, b"echo never\n").stdout == b"forced: \n"
    login = server.log()
    assert server.run("sftp", "-s").stdout == b"forced: /usr/lib/openssh/sftp-server\n"
    subsystem = server.log()
    assert subsystem.only(SUBSYSTEM)["subsystem"] == "sftp"

    for log, kind in [(command, EXEC), (login, SHELL), (subsystem, SUBSYSTEM)]:
        payload = log.only(kind).payload
        assert (payload["forcedCommand"], payload["forcedBy"]) == (FORCED, "configuration")
        text = program.run("decode", "--text", log.file).stdout.decode()
        assert f"forced by the configuration instead: {FORCED}" in text
        stock = Path(program.path()).with_name("containerssh-auditlog-decoder")
        lines = subprocess.run([stock, "-file", log.file], capture_output=True, check=True).stdout.splitlines()
        assert len(lines) == len(log.messages) and b"forced" not in lines[[m.type for m in log.messages].index(kind)]


def test_a_forced_command_does_not_open_what_is_closed(make_server):
    block = {
        "forceCommand": FORCED,
        "defaultMode": "disable",
        "command": {"mode": "filter", "allow": ["one"]},
    }
    server = make_server(security=block).start()
    assert server.run("one").stdout == b"forced: one\n"
    assert "forcedCommand" in server.log().only(EXEC).payload
    assert server.run("two").returncode == 255
    log = server.log()
    refused(log, EXEC, "`security.command.allow`")
    assert "forcedCommand" not in log.only(EXEC).payload
    assert shell(server, b"").returncode == 255
    refused(server.log(), SHELL, "`security.shell`")


def test_the_original_command_cannot_be_forged(make_server):
    server = make_server(security={"forceCommand": FORCED}, local={"acceptEnv": ["*"]}).start()
    command = server.ssh("-T", "-o", "SetEnv=SSH_ORIGINAL_COMMAND=forged OTHER=x")
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    assert done.stdout == b"forced: \n"
    log = server.log()
    forged = next(m for m in log.of(SETENV) if m["name"] == "SSH_ORIGINAL_COMMAND")
    assert refusals(log).keys() == {forged["requestId"]}


def with_key(server, options: str):
    """The server, alice's key of which has options."""
    server.config["users"]["alice"]["authorizedKeys"] = [f"{options} {server.key.public}"]
    return server.start()


def test_the_configuration_overrides_what_a_key_forces(make_server):
    option = 'command="echo by the key"'
    server = with_key(make_server(), option)
    assert server.run("id").stdout == b"by the key\n"
    payload = server.log().only(EXEC).payload
    assert (payload["forcedCommand"], payload["forcedBy"]) == ("echo by the key", "key")

    server = with_key(make_server(security={"forceCommand": FORCED}), option)
    assert server.run("id").stdout == b"forced: id\n"
    assert server.log().only(EXEC)["forcedBy"] == "configuration"


def test_a_key_forces_no_more_than_is_allowed(make_server):
    """Where users may write their list of keys, it opens nothing."""
    block = {
        "defaultMode": "disable",
        "subsystem": {"mode": "filter", "allow": ["sftp"]},
        "command": {"mode": "filter", "allow": ["echo allowed"]},
    }
    server = with_key(make_server(security=block), 'command="/bin/sh"')
    done = server.run("sftp", "-s", input=b"echo escaped\n")
    assert done.returncode == 255 and b"subsystem request failed on channel 0" in done.stderr
    refused(server.log(), SUBSYSTEM, "`security.command`")
    server = with_key(make_server(security=block), 'command="echo allowed"')
    assert server.run("sftp", "-s").stdout == b"allowed\n"


def test_a_key_without_a_terminal_gets_none(make_server):
    server = with_key(make_server(security={"tty": {"mode": "enable"}}), "no-pty")
    done = server.run("true", "-tt")
    assert done.returncode == 255 and b"PTY allocation request failed on channel 0" in done.stderr
    assert "key" in refusals(server.log())[0]


@pytest.mark.parametrize("most, limit", [(2, 10), (10, 2), (-1, 2)])
def test_sessions_at_a_time(make_server, most, limit):
    """Unlike with ContainerSSH, which counts all that there ever were, one that ended makes room."""
    server = make_server(security={"maxSessions": most}, limits={"sessionChannels": limit}).start()
    with shared(server) as master:
        held = [master.start("echo in; read line", stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(2)]
        assert [process.stdout.readline() for process in held] == [b"in\n"] * 2
        assert master.run("true").returncode == 255
        for process in held:
            process.communicate(b"\n", timeout=30)
        for _ in range(4):
            until(lambda: master.run("true").returncode == 0, what="room again")
        master.end()
    log = server.log()
    assert "security.maxSessions" in log.of(CHANNEL_FAILED)[0]["reason"]
    assert len(log.of(CHANNEL_OK)) >= 6


def test_no_session_at_all(make_server):
    server = make_server(security={"maxSessions": 0}).start()
    assert server.run("true").returncode == 255
    log = server.log()
    assert log.only(CHANNEL_FAILED)["channelType"] == "session" and log.of(CHANNEL_OK) == []


def test_reload_holds_for_new_connections(server):
    with shared(server) as master:
        assert master.run("echo before").stdout == b"before\n"
        server.config["security"] = {"defaultMode": "disable"}
        server.config_file.write_text(json.dumps(server.config))
        server.process.send_signal(signal.SIGHUP)
        until(lambda: "reloaded" in server.said(), what="a word about it")
        assert server.run("echo after").returncode == 255
        assert master.run("echo still").stdout == b"still\n"
        master.end()


@pytest.fixture
def sshd(server):
    """OpenSSH's own server, forced and without terminals in the same way; where it listens."""
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    port, keys = free_port(), server.directory / "authorized_keys"
    keys.write_text(server.key.public + "\n")
    options = {
        "Port": port, "ListenAddress": "127.0.0.1", "HostKey": server.host_key.file, "PidFile": "none",
        "AuthorizedKeysFile": keys, "StrictModes": "no", "UsePAM": "no", "PermitRootLogin": "yes", "LogLevel": "ERROR",
        "Subsystem": "sftp /usr/lib/openssh/sftp-server", "ForceCommand": FORCED, "PermitTTY": "no",
    }  # fmt: skip
    (server.directory / "sshd_config").write_text("".join(f"{key} {value}\n" for key, value in options.items()))
    command = ["/usr/sbin/sshd", "-D", "-e", "-f", str(server.directory / "sshd_config")]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def listens() -> bool:
        assert process.poll() is None, process.stderr.read()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    until(listens, what="sshd listens")
    yield port
    process.terminate()
    process.wait(30)


def test_forced_and_refused_as_by_sshd(make_server, sshd, server):
    """What a client sees of both is the same, to the last word."""
    ours = make_server(security={"forceCommand": FORCED, "tty": {"mode": "disable"}}).start()
    theirs = ("-p", str(sshd), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null")
    for words in [["id"], ["-T"], ["-tt", "id"], ["-s", "sftp"], ["-s", "nonsense"]]:
        flags, words = ([words[0]], words[1:]) if words[0].startswith("-") else ([], words)
        seen = [
            subprocess.run([*line, *words], stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
            for line in (ours.ssh(*flags), server.ssh(*flags, *theirs, user=getpass.getuser()))
        ]
        ends = [(done.returncode, done.stdout, done.stderr) for done in seen]
        assert ends[0] == ends[1], (flags, words)


# The examples of docs/security-filters.md.
READ_ONLY_SFTP = {"defaultMode": "disable", "subsystem": {"mode": "filter", "allow": ["sftp"]}, "forceCommand": "internal-sftp -R"}
GIT_ONLY = {
    "defaultMode": "disable",
    "env": {"mode": "filter", "allow": ["GIT_PROTOCOL"]},
    "command": {"mode": "enable"},
    "forceCommand": 'exec git-shell -c "$SSH_ORIGINAL_COMMAND"',
}
NO_SHELL = {
    "defaultMode": "disable",
    "command": {"mode": "filter", "allow": ["uptime", "df -h"]},
    "subsystem": {"mode": "filter", "allow": ["sftp"]},
}


def test_read_only_sftp(make_server, tmp_path):
    server = make_server(security=READ_ONLY_SFTP).start()
    there, here = tmp_path / "there", tmp_path / "here"
    there.write_bytes(os.urandom(100_000))
    assert sftp(server, f"get {there} {here}\n").returncode == 0
    assert here.read_bytes() == there.read_bytes()
    log = server.log()
    assert log.only(SUBSYSTEM)["forcedCommand"] == "internal-sftp -R"
    done = sftp(server, f"put {here} {tmp_path / 'new'}\n")
    assert done.returncode != 0 and not (tmp_path / "new").exists()
    assert b"denied" in done.stderr.lower()
    server.log()
    assert scp(server, f"alice@127.0.0.1:{there}", str(tmp_path / "copy")).returncode == 0
    server.log()
    for done in [server.run("id"), shell(server, b"id\n"), scp(server, "-O", f"alice@127.0.0.1:{there}", str(here))]:
        assert done.returncode != 0 and b"uid" not in done.stdout and b"request failed" in done.stderr
    assert all(log.of(EXIT) == [] for log in server.logs(3))


def test_git_only(make_server, tmp_path):
    server = make_server(security=GIT_ONLY, local={"acceptEnv": ["GIT_PROTOCOL"]}).start()
    run = {"check": True, "capture_output": True, "timeout": 60}
    subprocess.run(["git", "init", "-q", "--bare", tmp_path / "there.git"], **run)
    ssh = tmp_path / "ssh"
    ssh.write_text(f'#!/bin/sh\nexec ssh {" ".join(server.ssh_options())} "$@"\n')
    ssh.chmod(0o755)
    surroundings = {**os.environ, "GIT_SSH": str(ssh), "GIT_SSH_VARIANT": "ssh", "GIT_CONFIG_GLOBAL": "/dev/null"}
    url = f"ssh://alice@127.0.0.1:{server.port}{tmp_path / 'there.git'}"
    subprocess.run(["git", "clone", "-q", url, tmp_path / "clone"], env=surroundings, **run)
    log = server.log()
    assert log.only(EXEC)["program"].startswith("git-upload-pack ") and refusals(log) == {}
    assert log.only(EXEC)["forcedCommand"] == GIT_ONLY["forceCommand"]
    done = server.run("id")
    assert done.returncode != 0 and b"unrecognized command" in done.stderr
    server.log()
    assert b"shell request failed" in shell(server, b"id\n").stderr
    assert b"subsystem request failed" in server.run("sftp", "-s").stderr


def test_no_shell(make_server, tmp_path):
    server = make_server(security=NO_SHELL).start()
    assert server.run("uptime").returncode == 0 and server.run("df -h /").returncode == 255
    assert shell(server, b"id\n").returncode == 255
    there = tmp_path / "there"
    there.write_text("x")
    assert sftp(server, f"get {there} {tmp_path / 'here'}\n").returncode == 0


def test_the_documented_examples_are_these():
    page = (Path(__file__).parent.parent / "docs" / "security-filters.md").read_text()
    blocks = [part.split("```")[0] for part in page.split("```yaml\n")[1:]]
    shown = [yaml.safe_load(block).get("security") for block in blocks]
    for example in (READ_ONLY_SFTP, GIT_ONLY, NO_SHELL):
        assert example in shown, example
