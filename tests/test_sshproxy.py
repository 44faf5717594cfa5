"""The backend `sshproxy` beyond what all backends do: whom it trusts, how it logs in, and what a
server can't do to it. See `test_conformance.py` for the rest."""

import asyncio
import json
import os
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import asyncssh
import paramiko
import pytest

from harness import keys, program
from harness.http import metrics
from harness.log import (
    CHANNEL_FAILED,
    CLOSE,
    DISCONNECT,
    EXEC,
    EXIT,
    HANDSHAKE_FAILED,
    HANDSHAKE_OK,
    REQUEST_FAILED,
    STDOUT,
)
from harness.master import shared
from harness.server import free_port
from harness.upstream import OpenSsh
from harness.wait import until
from test_monitoring import watched

NEUTRAL = b"no session can be had here; ask the server's administrator"
MIB = 1024 * 1024


def refused(server, *reasons: str) -> str:
    """A login whose backend can't be had: what the user is told, and what the administrator is."""
    done = server.run("echo never", "-o", "LogLevel=INFO")
    assert done.returncode == 255 and done.stdout == b""
    assert NEUTRAL in done.stderr or b"closed by remote" in done.stderr or b"Connection" in done.stderr
    log = server.log()
    assert log.of(HANDSHAKE_OK) and log.of(EXEC) == []
    said = log.of(HANDSHAKE_FAILED)[0]["reason"]
    for reason in reasons:
        assert reason in said, said
        assert reason.encode() not in done.stderr
        assert reason in server.said()
    return said


@contextmanager
def logged_in(server):
    """A connection of paramiko, which asks for one thing at a time."""
    with paramiko.Transport(("127.0.0.1", server.port)) as client:
        client.start_client()
        client.auth_publickey("alice", paramiko.Ed25519Key.from_private_key_file(str(server.key.file)))
        yield client


# Who it is.


def test_a_host_with_another_key_is_sent_nothing(make_proxy, make_fake, tmp_path):
    fake = make_fake(methods=("password", "publickey", "keyboard-interactive"))
    other = keys.generate(tmp_path, "other")
    settings = {"password": "canary", "allowedHostKeyFingerprints": [other.fingerprint]}
    server = make_proxy(fake, settings).start()
    said = refused(server, "the host key is not one that is trusted", fake.host_key.fingerprint)
    assert "allowedHostKeyFingerprints" in said
    until(lambda: fake.lost, what="the connection is given up")
    assert len(fake.connections) == 1 and fake.attempts == []


def test_a_host_with_a_listed_key_is_used(make_proxy, make_fake, tmp_path):
    fake = make_fake()
    other = keys.generate(tmp_path, "other")
    listed = {"allowedHostKeyFingerprints": [other.fingerprint, fake.host_key.fingerprint]}
    server = make_proxy(fake, listed).start()
    assert server.run("hello").stdout == b"hello from the fake\n"
    assert fake.tried("begin") == [("begin", "gateway")]


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_other_kinds_of_host_keys(make_proxy, make_fake, tmp_path, kind):
    key = keys.generate(tmp_path, "other", kind)
    fake = make_fake(host=key)
    assert make_proxy(fake).start().run("hello").stdout == b"hello from the fake\n"


# How it logs in.


def test_the_login_name_is_passed_through(make_proxy, make_fake):
    fake = make_fake()
    server = make_proxy(fake, {"usernamePassThrough": True, "username": "unused"}).start()
    assert server.run("hello").returncode == 0
    assert fake.tried("begin") == [("begin", "alice")]


@pytest.mark.parametrize("kind", ["rsa", "ecdsa", "ed25519"])
def test_kinds_of_private_keys(make_proxy, openssh, tmp_path, kind):
    key = keys.generate(tmp_path, "another", kind)
    with open(openssh.authorized, "a") as authorized:
        authorized.write(f"{key.public}\n")
    server = make_proxy(openssh, {"privateKey": str(key.file)}).start()
    assert server.run("echo in").stdout == b"in\n"


def test_a_private_key_in_the_configuration(make_proxy, openssh):
    text = Path(openssh.key.file).read_text()
    server = make_proxy(openssh, {"privateKey": text}).start()
    assert server.run("echo in").stdout == b"in\n"
    shown = program.run("config", "check", server.config_file)
    for output in (shown.stdout, shown.stderr, server.said().encode()):
        assert text.splitlines()[2].encode() not in output


@pytest.mark.parametrize("method", ["password", "keyboard-interactive"])
@pytest.mark.parametrize("place", ["password", "passwordFile"])
def test_a_password(make_proxy, make_fake, tmp_path, method, place):
    fake = make_fake(methods=(method,))
    file = tmp_path / "password"
    file.write_text(f"{fake.password}\n")
    file.chmod(0o600)
    given = {"password": fake.password, "passwordFile": str(file)}[place]
    server = make_proxy(fake, {"privateKey": None, place: given}).start()
    assert server.run("hello").stdout == b"hello from the fake\n"
    assert len(fake.tried("password", "answers")) == 1
    # The file is read for each connection.
    if place == "passwordFile":
        fake.password = "another one"
        file.write_text("another one")
        assert server.run("hello").returncode == 0
        server.logs(2)
    assert fake.password not in server.said()


@pytest.mark.parametrize(
    "questions",
    [[("Password: ", False), ("Token: ", False)], [("Password: ", True)]],
    ids=["two", "shown"],
)
def test_other_questions_are_not_answered(make_proxy, make_fake, questions):
    fake = make_fake(methods=("keyboard-interactive",), questions=questions)
    server = make_proxy(fake, {"privateKey": None, "password": "canary"}).start()
    refused(server, "password by keyboard-interactive")
    assert "canary" not in str(fake.attempts)


def test_a_password_is_tried_once(make_proxy, make_fake):
    fake = make_fake(methods=("password", "keyboard-interactive"))
    server = make_proxy(fake, {"privateKey": None, "password": "canary"}).start()
    said = refused(server, "does not let the gateway in as `gateway`", "sshproxy.username")
    assert "it refused: password; it takes password" in said
    assert fake.tried("password", "answers") == [("password", "canary")]
    assert "canary" not in server.said() + said


def test_a_key_that_is_refused(make_proxy, make_fake):
    server = make_proxy(make_fake(accepts=False)).start()
    assert "it refused: privateKey" in refused(server, "sshproxy.username")


@pytest.fixture
def agent(tmp_path):
    """Starts an SSH agent with some keys; ends with the test."""
    agents = []

    def start(*held: keys.Key) -> Path:
        socket = tmp_path / f"agent{len(agents)}"
        command = ["ssh-agent", "-D", "-a", str(socket)]
        agents.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))
        until(socket.exists, what="the agent listens")
        environment = {**os.environ, "SSH_AUTH_SOCK": str(socket)}
        for key in held:
            subprocess.run(["ssh-add", "-q", str(key.file)], env=environment, check=True)
        return socket

    yield start
    for one in agents:
        one.kill()
        one.wait()


@pytest.mark.parametrize("kind", ["rsa", "ecdsa", "ed25519"])
def test_an_agent(make_proxy, openssh, agent, tmp_path, kind):
    other, key = keys.generate(tmp_path, "other"), keys.generate(tmp_path, "own", kind)
    openssh.authorized.write_text(f"{key.public}\n")
    server = make_proxy(openssh, {"privateKey": None, "agent": str(agent(other, key))}).start()
    assert server.run("echo in").stdout == b"in\n"


def test_an_agent_that_can_not_be_used(make_proxy, make_fake, agent, tmp_path):
    for socket, reason in ((agent(), "has no keys; add one with `ssh-add"), (tmp_path / "no", "can't be used")):
        server = make_proxy(make_fake(), {"privateKey": None, "agent": str(socket)}).start()
        refused(server, reason)


@pytest.fixture
def trusting(make_upstream, tmp_path):
    """A server that lets in who has a certificate of an authority for one of some names."""
    authority = keys.generate(tmp_path, "user_ca")

    def make(*principals: str):
        def prepare(upstream) -> str:
            file = upstream.directory / "principals"
            file.write_text("".join(f"{name}\n" for name in principals))
            return f"TrustedUserCAKeys {authority.file}.pub\nAuthorizedPrincipalsFile {file}"

        upstream = make_upstream(OpenSsh, prepare)
        upstream.authorized.unlink()
        return upstream

    make.authority = authority
    return make


def test_a_certificate_for_each_connection(make_proxy, trusting):
    upstream = trusting("alice")
    settings = {"privateKey": None, "userCAKey": str(trusting.authority.file)}
    server = make_proxy(upstream, settings).start()
    for _ in range(2):
        assert server.run("echo in").stdout == b"in\n"
        # What the server knows of the user and of our log.
        identity = f"ID auditssh alice {server.log().file.name} (serial 0)"
        until(lambda identity=identity: identity in upstream.said(), what="the certificate's id")


def test_a_certificate_for_somebody_else(make_proxy, trusting):
    settings = {"privateKey": None, "userCAKey": Path(trusting.authority.file).read_text()}
    server = make_proxy(trusting("bob"), settings).start()
    refused(server, "it refused: a certificate of userCAKey")


# What is asked of it.


def test_a_forced_command(make_proxy, openssh):
    server = make_proxy(openssh, users={"alice": {"authorizedKeys": None}})
    line = f'command="echo forced: $SSH_ORIGINAL_COMMAND",no-pty {server.key.public}'
    server.config["users"]["alice"]["authorizedKeys"] = [line]
    server.start()
    assert server.run("echo free").stdout == b"forced: echo free\n"
    server.log()
    assert b"PTY allocation request failed" in server.run("", "-tt", "-o", "LogLevel=INFO").stderr
    log = server.log()
    assert log.of(REQUEST_FAILED)[0]["reason"] == "the key of this login allows no terminal"


def test_a_server_that_is_killed(make_proxy, openssh):
    server = make_proxy(openssh).start()
    process = subprocess.Popen(
        [*server.ssh(), "echo in; exec cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"in\n"
    openssh.kill()
    assert process.wait(30) == 255
    log = server.log()
    assert log.io(STDOUT) == b"in\n" and log.of(EXIT) == []
    assert "the connection to the server has ended" in log.only(REQUEST_FAILED)["reason"]
    assert log.shape()[-2:] == [CLOSE, DISCONNECT]
    refused(server, "can't be reached")


@pytest.mark.parametrize("who", ["gateway", "host"])
def test_keys_are_exchanged_anew(make_proxy, make_upstream, who):
    """In the midst of several transfers in both directions."""
    upstream = make_upstream(OpenSsh, lambda _: "RekeyLimit 1M" if who == "host" else "")
    server = make_proxy(upstream, ssh={"rekeyLimit": "1MiB"} if who == "gateway" else {}).start()
    with shared(server) as master:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        inputs = [os.urandom(8 * MIB) for _ in range(4)]
        running = [master.start("cat", **pipes) for _ in inputs]
        with ThreadPoolExecutor() as pool:
            sending = [pool.submit(one.communicate, data, 100) for one, data in zip(running, inputs, strict=True)]
            for one, sent, data in zip(running, sending, inputs, strict=True):
                back = sent.result()[0]
                assert (one.returncode, len(back)) == (0, len(data))
                assert back == data
        master.end()
    log = server.log(60)
    assert sorted(log.io(STDOUT, channel) for channel in log.channels()) == sorted(inputs)


def test_the_connection_ends_with_the_client(make_proxy, make_fake):
    fake = make_fake()
    server = make_proxy(fake).start()
    assert server.run("hello").returncode == 0
    until(lambda: fake.lost, what="the end of the connection")
    assert len(fake.connections) == 1


def test_a_channel_that_the_server_closes_before_anything_runs(make_proxy, dropbear):
    """Dropbear closes every one where nothing runs yet when a program on another one ends."""
    server = make_proxy(dropbear).start()
    with logged_in(server) as client:
        running, plain, terminal = (client.open_session() for _ in range(3))
        terminal.get_pty(width=101, height=31)
        terminal.resize_pty(width=102, height=32)
        running.exec_command("exit 3")
        assert running.recv_exit_status() == 3
        time.sleep(0.5)
        assert not plain.closed and not terminal.closed
        plain.exec_command("cat; exit 4")
        plain.sendall(b"all of it")
        plain.shutdown_write()
        assert plain.makefile().read() == b"all of it" and plain.recv_exit_status() == 4
        terminal.exec_command("stty size")
        assert terminal.makefile().read() == b"32 102\r\n"
    log = server.log()
    assert [message["exitStatus"] for message in log.of(EXIT)] == [3, 4, 0]
    assert not log.of(REQUEST_FAILED)


def test_a_server_that_closes_every_channel(make_proxy, make_fake, monkeypatch):
    """It is asked again, but not without end."""
    opened = []

    def closes(_, channel):
        opened.append(channel)
        channel.close()

    monkeypatch.setattr(asyncssh.SSHServerProcess, "connection_made", closes)
    server = make_proxy(make_fake()).start()
    with logged_in(server) as client:
        channel = client.open_session()
        until(lambda: opened, what="the channel behind the gateway")
        time.sleep(0.5)
        with pytest.raises(paramiko.SSHException):
            channel.exec_command("echo never")
    assert 2 <= len(opened) <= 4
    assert "has closed the channel" in server.log().only(REQUEST_FAILED)["reason"]


def test_a_program_does_not_run_without_the_terminal_it_had(make_proxy, make_fake, monkeypatch):
    """The server closes a channel, and does not grant on the next one what it had on that."""
    opened, ran = [], []
    made = asyncssh.SSHServerProcess.connection_made

    def opens(process, channel):
        opened.append(channel)
        made(process, channel)

    async def runs(process):
        ran.append(process.command)
        process.exit(0)

    monkeypatch.setattr(asyncssh.SSHServerProcess, "connection_made", opens)
    monkeypatch.setattr(asyncssh.SSHServerProcess, "pty_requested", lambda *_: len(opened) == 1)
    fake = make_fake(process=runs)
    server = make_proxy(fake).start()
    with logged_in(server) as client:
        channel = client.open_session()
        channel.get_pty()
        fake.loop.call_soon_threadsafe(opened[0].close)
        time.sleep(0.5)
        channel.set_environment_variable("LC_A", "fails, since the terminal is not granted again")
        with pytest.raises(paramiko.SSHException):
            channel.exec_command("stty size")
    assert ran == [] and len(opened) > 1
    assert "refused a terminal" in server.log().of(REQUEST_FAILED)[0]["reason"]


def test_a_program_that_writes_though_its_channel_is_closed(make_proxy, openssh):
    """It has a moment to end of itself, then its output is closed, as sshd alone does."""
    server, file = make_proxy(openssh).start(), openssh.home / "after"

    with logged_in(server) as client:
        channel = client.open_session()
        channel.exec_command(f"yes; echo ended > {file}")
        assert channel.recv(100)
        channel.close()
        # While the client stays.
        until(file.exists, 4.5, "the program has ended")
    assert "nobody read" in server.log().only(REQUEST_FAILED)["reason"]


# What is not taken.


def stalled(server, upstream, master, count: int) -> subprocess.Popen:
    """A command of which nobody takes the output, once it waits for that."""
    progress = upstream.home / "progress"
    mebibytes = count // MIB
    script = f"for i in $(seq {mebibytes}); do head -c 1048576 /dev/zero; echo $i >> {progress}; done"
    process = master.start(script, stdout=subprocess.PIPE)
    sizes = [0]

    def halts() -> bool:
        time.sleep(1)
        sizes.append(progress.stat().st_size if progress.exists() else 0)
        return 0 < sizes[-2] == sizes[-1]

    until(halts, 60, "the command waits")
    assert progress.read_text().count("\n") < mebibytes
    return process


def logins(upstream) -> int:
    return upstream.said().count("Accepted publickey")


@pytest.mark.parametrize("size", [128, pytest.param(1024, marks=pytest.mark.nightly)])
def test_a_session_that_is_not_taken_holds_up_no_other(make_proxy, openssh, size):
    """Neither bytes nor the answers to what others ask for; nothing of it is lost, and little is held."""
    server = make_proxy(openssh, {"connections": 10}).start()
    before = server.memory()
    with shared(server) as master:
        one = stalled(server, openssh, master, size * MIB)
        for _ in range(5):
            assert master.run("echo beside it").stdout == b"beside it\n"
        terminal = subprocess.Popen([*master.line(), "-tt", "tty"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        assert b"/dev/" in terminal.communicate(timeout=30)[0]
        beside = master.start(f"head -c {size * MIB} /dev/zero", stdout=subprocess.PIPE)
        assert drained(beside, server, before) == size * MIB
        assert drained(one, server, before) == size * MIB
        master.end()
    # Connections are used again.
    assert logins(openssh) == 2


def drained(process, server, before: int) -> int:
    """How much there is to read of it, while the server holds little."""
    got = 0
    while piece := process.stdout.read(MIB):
        got += len(piece)
        assert server.memory() - before < 64 * MIB
    assert process.wait(30) == 0
    return got


def test_channels_share_what_connections_there_may_be(make_proxy, openssh):
    server = make_proxy(openssh).start()
    with shared(server) as master:
        one = stalled(server, openssh, master, 64 * MIB)
        other = master.start("echo after it", stdout=subprocess.PIPE)
        assert len(one.stdout.read()) == 64 * MIB
        assert other.communicate(timeout=60)[0] == b"after it\n"
        master.end()
    assert logins(openssh) == 1


def test_channels_share_a_connection_if_there_is_no_further_one(make_proxy, make_fake):
    """Of a host that takes a password once, for example."""

    async def stays(process):
        process.stdout.write(b"here\n")
        await process.stdin.read()
        process.exit(0)

    def once(_):
        fake.accepts = len(fake.connections) == 1

    fake = make_fake(process=stays, made=once)
    server = make_proxy(fake, {"connections": 10}).start()
    with shared(server) as master:
        running = [master.start("x", stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(3)]
        for one in running:
            assert one.stdout.readline() == b"here\n"
        for one in running:
            one.communicate(timeout=30)
            assert one.returncode == 0
        master.end()
    assert "no further connection behind the gateway" in server.said()
    # One was tried, and not again for each channel.
    assert len(fake.connections) == 2


@pytest.mark.nightly
def test_a_further_connection_ends_when_it_is_not_used(make_proxy, make_fake):
    async def stays(process):
        process.stdout.write(b"here\n")
        await process.stdin.read()
        process.exit(0)

    fake = make_fake(process=stays)
    server = make_proxy(fake, {"connections": 10}).start()
    with shared(server) as master:
        running = [master.start("x", stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(3)]
        for one in running:
            assert one.stdout.readline() == b"here\n"
        running[0].communicate(timeout=30)
        running[2].communicate(timeout=30)
        until(lambda: len(fake.lost) == 1, 120, "one that is not used ends")
        running[1].communicate(timeout=30)
        assert master.run("x").stdout == b"here\n"
        master.end()
    until(lambda: len(fake.lost) == 3, what="all end")


# Where it can't be had.


def test_connections_to_hosts_are_counted(make_proxy, make_fake):
    fake = make_fake()
    server = watched(make_proxy(fake)).start()
    assert server.run("hello").returncode == 0
    fake.accepts = False
    assert server.run("hello").returncode == 255
    numbers = metrics(server.metrics)
    assert numbers("containerssh_backend_requests_total", backend="sshproxy") == 2
    assert numbers("containerssh_backend_errors_total", backend="sshproxy") == 1


def test_nothing_listens(make_proxy, make_fake):
    server = make_proxy(make_fake(), {"port": free_port()}).start()
    refused(server, "can't be reached", "sshproxy.port")


def test_a_host_that_does_not_exist(make_proxy, make_fake):
    server = make_proxy(make_fake(), {"server": "nowhere.invalid"}).start()
    refused(server, "can't be looked up", "sshproxy.server")


def test_a_server_that_says_nothing(make_proxy, make_fake):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        server = make_proxy(make_fake(), {"port": port, "timeout": "1s"}).start()
        refused(server, "within 1s (sshproxy.timeout)")


def test_no_common_algorithm(make_proxy, make_fake):
    fake = make_fake(options={"encryption_algs": ["aes128-cbc"]})
    said = refused(make_proxy(fake).start(), "no common cipher algorithm")
    assert "aes128-cbc" in said and fake.attempts == []


def test_algorithms_are_chosen(make_proxy, make_fake):
    fake = make_fake()
    chosen = {
        "ciphers": ["aes128-ctr"],
        "kex": ["ecdh-sha2-nistp256"],
        "macs": ["hmac-sha2-256"],
        "hostKeyAlgorithms": ["ssh-ed25519"],
        "clientVersion": "SSH-2.0-Custom",
    }
    assert make_proxy(fake, chosen).start().run("hello").returncode == 0
    info = fake.connections[0].get_extra_info
    assert info("recv_cipher") == "aes128-ctr" and info("recv_mac") == "hmac-sha2-256"
    assert info("client_version") == "SSH-2.0-Custom"


# What it can do to us.


def test_a_server_that_opens_channels_without_end(make_proxy, make_fake):
    async def floods(process):
        connection = process.channel.get_connection()
        while not connection.is_closed():
            try:
                await connection.open_connection("127.0.0.1", 1)
            except asyncssh.ChannelOpenError:
                fake.refusals += 1

    fake = make_fake(process=floods, refusals=0)
    server = make_proxy(fake).start()
    done = server.run("hello", timeout=100)
    assert done.returncode == 255
    assert fake.refusals >= 100
    assert "opens channels without end" in server.log().only(REQUEST_FAILED)["reason"]
    assert server.listens()


def test_a_server_that_says_of_an_open_channel_that_it_failed_to_open(make_proxy, make_fake):
    async def takes_back(process):
        fields = asyncssh.packet.UInt32(1), asyncssh.packet.String(b"no"), asyncssh.packet.String(b"")
        process.channel.send_packet(asyncssh.constants.MSG_CHANNEL_OPEN_FAILURE, *fields)
        await asyncio.sleep(600)

    server = make_proxy(make_fake(process=takes_back)).start()
    assert server.run("hello", timeout=100).returncode != 0
    assert server.log(60).messages[-1].type == DISCONNECT


def test_a_server_that_asks_without_end(make_proxy, make_fake):
    async def floods(process):
        connection = process.channel.get_connection()
        for _ in range(5000):
            await connection._make_global_request(b"x" * 100)
        process.stdout.write(b"done\n")
        process.exit(0)

    fake = make_fake(process=floods)
    server = make_proxy(fake).start()
    before = server.memory()
    done = server.run("hello", timeout=100)
    assert (done.returncode, done.stdout) == (0, b"done\n")
    assert server.memory() - before < 64 * MIB
    # Nor does it fill the log of the server.
    assert len(server.said()) < 100_000


def test_a_server_that_writes_to_nobody(make_proxy, make_fake):
    """More than the window that it is granted, into a channel whose client is gone."""

    async def floods(process):
        process.stdout.write(b"begun\n")
        try:
            while True:
                process.stdout.write(b"x" * 65536)
                await process.stdout.drain()
        except (asyncssh.Error, OSError):
            fake.ended = True

    fake = make_fake(process=floods, ended=False)
    server = make_proxy(fake).start()
    before = server.memory()
    client = subprocess.Popen([*server.ssh(), "hello"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert client.stdout.readline() == b"begun\n"
    client.kill()
    client.wait()
    assert server.log(60).messages[-1].type == DISCONNECT
    until(lambda: fake.lost, 60, "the connection to the server ends")
    assert server.memory() - before < 96 * MIB


def test_a_server_that_keeps_to_no_window(make_proxy, make_fake):
    """It sends far more than it is granted, while the client does not read."""
    count = 128 * MIB

    async def floods(process):
        process.channel._send_window = 2**40
        for _ in range(count // 65536):
            process.stdout.write(b"x" * 65536)
            await asyncio.sleep(0)
        fake.sent = True
        process.exit(0)

    fake = make_fake(process=floods, sent=False)
    server = make_proxy(fake).start()
    before, most = server.memory(), 0
    client = subprocess.Popen([*server.ssh(), "hello"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    until(lambda: fake.sent, 60, "all is sent")
    got = 0
    while piece := client.stdout.read(MIB):
        most = max(most, server.memory())
        got += len(piece)
    assert (client.wait(60), got) == (0, count)
    assert most - before < 64 * MIB


def test_a_server_that_answers_no_request(make_proxy, make_fake):
    async def never(process):
        await asyncio.sleep(600)

    fake = make_fake(process=never)
    server = make_proxy(fake, limits={"backendRequest": "1s"}).start()
    process = subprocess.Popen([*server.ssh(), "hello"], stdin=subprocess.DEVNULL)
    until(lambda: fake.tried("publickey"), what="the login")
    fake.kill()
    process.kill()
    process.wait()
    assert server.log(60).messages[-1].type == DISCONNECT


def test_a_command_that_failed_does_not_run_later(make_proxy, make_fake, monkeypatch):
    """The host stops at the request before it, and goes on when both are recorded as failed."""
    goes_on, take = threading.Event(), asyncssh.channel.SSHServerChannel._process_pty_req_request

    def slow(channel, packet):
        goes_on.wait(100)
        return take(channel, packet)

    async def runs(process):
        fake.ran.append(process.command)
        process.exit(0)

    monkeypatch.setattr(asyncssh.channel.SSHServerChannel, "_process_pty_req_request", slow)
    fake = make_fake(process=runs, ran=[])
    server = make_proxy(fake, limits={"backendRequest": "1s"}).start()
    client = subprocess.Popen([*server.ssh("-tt"), "late"], stdin=subprocess.DEVNULL)
    client.wait(60)
    assert "gave no answer" in server.log(60).of(REQUEST_FAILED)[0]["reason"]
    goes_on.set()
    until(lambda: fake.lost, 60, "the connection to the server ends")
    assert fake.ran == []


def test_a_client_that_leaves_before_the_host_has_answered(make_proxy, make_fake, monkeypatch):
    """The log says that nobody knows what became of the command."""
    goes_on, asked = threading.Event(), threading.Event()
    take = asyncssh.channel.SSHServerChannel._process_exec_request

    def slow(channel, packet):
        asked.set()
        goes_on.wait(100)
        return take(channel, packet)

    monkeypatch.setattr(asyncssh.channel.SSHServerChannel, "_process_exec_request", slow)
    server = make_proxy(make_fake()).start()
    client = subprocess.Popen([*server.ssh(), "hello"], stdin=subprocess.DEVNULL)
    assert asked.wait(30)
    client.kill()
    client.wait()
    log = server.log(60)
    goes_on.set()
    assert "before it was known" in log.only(REQUEST_FAILED)["reason"]
    assert log.only(EXEC)["program"] == "hello" and log.messages[-1].type == DISCONNECT


@pytest.mark.parametrize(
    "first, then, reason",
    [
        (b"SSH-2.0-rubbish\r\n", os.urandom(65536), "look whether an SSH server listens there"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"words\r\n" * 8192, "look whether an SSH server listens there"),
    ],
    ids=["rubbish", "words"],
)
def test_a_server_that_is_none(make_proxy, make_fake, first, then, reason):
    with socket.create_server(("127.0.0.1", 0)) as rubbish:

        def serve():
            connection, _ = rubbish.accept()
            with connection:
                connection.settimeout(30)
                try:
                    connection.sendall(first)
                    while True:
                        connection.sendall(then)
                except OSError:
                    pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        server = make_proxy(make_fake(), {"port": rubbish.getsockname()[1], "timeout": "20s"}).start()
        before = server.memory()
        refused(server, reason)
        assert server.memory() - before < 32 * MIB
        thread.join(30)


# What is refused before anything is served.


@pytest.mark.parametrize(
    "settings, expected",
    [
        ({"server": None}, "`sshproxy.server` is missing"),
        ({"username": None}, "`sshproxy.username` is missing"),
        ({"allowedHostKeyFingerprints": []}, "`sshproxy.allowedHostKeyFingerprints` is missing"),
        ({"privateKey": None}, "`sshproxy.privateKey` is missing"),
        ({"allowedHostKeyFingerprints": ["MD5:aa:bb"]}, "not a fingerprint"),
        ({"ciphers": ["arcfour"]}, "`arcfour` is not supported; these are: aes256-gcm@openssh.com"),
        ({"kex": ["none"]}, "`none` is not supported"),
        ({"macs": ["hmac-md5"]}, "`hmac-md5` is not supported"),
        ({"hostKeyAlgorithms": ["ssh-dss"]}, "`ssh-dss` is not supported"),
        ({"hostKeyAlgorithms": ["ssh-rsa"], "hostKeyAlgos": ["ssh-rsa"]}, "two names of one setting"),
        ({"server": "[::1]"}, "must be a name or an address alone"),
        ({"server": "user@host"}, "must be a name or an address alone"),
        ({"clientVersion": "OpenSSH"}, "`sshproxy.clientVersion` must be `SSH-2.0-`"),
        ({"password": "canary", "passwordFile": "/canary"}, "both `password` and `passwordFile`"),
        ({"password": ""}, "`sshproxy.password` is empty"),
        ({"forwardAgents": True}, "unknown key `sshproxy.forwardAgents`"),
        ({"certificateLifetime": "1s"}, "1s is out of bounds"),
        ({"connections": 0}, "0 is out of bounds"),
        ({"agent": ""}, "`sshproxy.agent` is empty"),
        ({"port": 0}, "`sshproxy.port`: 0 is out of bounds"),
    ],
)
def test_mistakes(make_proxy, make_fake, settings, expected):
    server = make_proxy(make_fake(), settings)
    block = server.config["sshproxy"]
    server.config["sshproxy"] = {key: value for key, value in block.items() if value is not None}
    server.config_file.write_text(json.dumps(server.config))
    done = program.run("config", "check", "--quiet", server.config_file, check=False)
    said = done.stderr.decode()
    assert done.returncode != 0 and expected in said, said
    assert "canary" not in said.replace("/canary", "")


@pytest.mark.parametrize(
    "make, expected",
    [
        (lambda file: file.chmod(0o644), "everyone on this machine can read or change it"),
        (lambda file: file.write_text("canary"), "not a private key"),
        (lambda file: file.unlink(), "No such file"),
    ],
    ids=["open", "rubbish", "missing"],
)
def test_a_private_key_that_can_not_be_used(make_proxy, make_fake, tmp_path, make, expected):
    fake = make_fake()
    make(fake.key.file)
    server = make_proxy(fake).start(wait=False)
    assert server.process.wait(30) == 1
    assert expected in server.said() and "canary" not in server.said()


def test_a_channel_is_refused_when_the_server_is_gone(make_proxy, openssh):
    server = make_proxy(openssh).start()
    with shared(server) as master:
        assert master.run("echo in").stdout == b"in\n"
        openssh.kill()
        until(lambda: master.run("echo out").returncode != 0, what="the server is missed")
        assert master.run("echo out").stdout == b""
        master.end()
    log = server.log()
    assert "the connection to the server has ended" in log.of(CHANNEL_FAILED)[-1]["reason"]
