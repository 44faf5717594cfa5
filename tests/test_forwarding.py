"""Forwarding, with both backends: what arrives, and that the log has every byte of it."""

import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncssh
import pytest

from harness import keys, program
from harness.forward import (
    Service,
    connect,
    connect_path,
    everything,
    exchange,
    listens,
    service,
    tunnel,
    upper,
)
from harness.http import metrics
from harness.log import (
    CHANNEL_FAILED,
    CHANNEL_OK,
    CLOSE,
    CLOSE_WRITE,
    IO,
    REQUEST_FAILED,
    REQUEST_UNKNOWN,
    STDIN,
    STDOUT,
)
from harness.server import Server, free_port
from harness.upstream import OpenSsh
from harness.wait import until

NEW_CHANNEL, X11_REQUEST = 300, 409
PYTHON = "/usr/bin/python3"
FORWARD, CANCEL, SOCKET_FORWARD, SOCKET_CANCEL = 202, 203, 204, 205
DIRECT, FORWARDED, X11_CHANNEL, DIRECT_SOCKET, FORWARDED_SOCKET = 303, 304, 305, 306, 307
ALL = {
    "forwardingMode": "enable",
    "reverseForwardingMode": "enable",
    "socketForwardingMode": "enable",
    "socketListenMode": "enable",
    "x11ForwardingMode": "enable",
    "agentForwardingMode": "enable",
}
RECORDED = {"intercept": {"stdin": True, "stdout": True, "stderr": True, "forwarding": True}}
MIB = 1024 * 1024


@dataclass
class Gateway:
    """Makes servers of one backend."""

    make: object
    backend: str

    def start(self, forwarding=ALL, **changes) -> Server:
        changes = {"audit": RECORDED} | changes
        return self.make(security={"forwarding": forwarding}, **changes).start()


@pytest.fixture
def make_gateway(make_server, make_upstream, make_proxy):
    def make(backend: str, settings=None) -> Gateway:
        if backend == "local":
            return Gateway(make_server, "local")
        upstream = make_upstream(OpenSsh, lambda _: "AllowStreamLocalForwarding yes\nX11Forwarding yes")
        return Gateway(lambda **changes: make_proxy(upstream, settings, **changes), "sshproxy")

    return make


@pytest.fixture(params=["local", "sshproxy"])
def gateway(request, make_gateway) -> Gateway:
    return make_gateway(request.param)


def answers(log) -> list[dict]:
    """What requests to listen were answered."""
    notices = [m.payload for m in log.of(REQUEST_UNKNOWN) if m["requestType"] == "forward-answer@auditssh"]
    assert all(m.channel is None for m in log.of(REQUEST_UNKNOWN) if m["requestType"].startswith("forward-"))
    return notices


def carried(log, kind: int, sent: bytes, received: bytes) -> list:
    """The channels of a kind, of which one each carried these bytes; both directions in full."""
    wanted = log.of(kind)
    for message in wanted:
        assert log.io(STDIN, message.channel) == sent
        assert log.io(STDOUT, message.channel) == received
        shape = log.shape(channel=message.channel, without=(IO,))
        assert shape == [kind, CHANNEL_OK, CLOSE_WRITE, CLOSE], repr(log)
    return wanted


# Towards what is behind the server.


def test_a_port_is_reached_and_every_byte_recorded(gateway):
    server = gateway.start()
    data, port = os.urandom(3 * MIB).lower(), free_port()
    with service(upper) as there:
        with tunnel(server, "-L", f"{port}:127.0.0.1:{there.port}", ready=lambda: listens(port)):
            expected = b"ready\n" + data.upper()
            for _ in range(2):
                assert exchange(connect(port), data) == expected
    log = server.log()
    wanted = carried(log, DIRECT, data, expected)
    assert len(wanted) == 2
    for message in wanted:
        assert message["HostToConnect"] == "127.0.0.1" and message["PortToConnect"] == there.port
        assert message["OriginatorHost"] == "127.0.0.1" and message["OriginatorPort"] > 0
    text = program.run("decode", "--text", log.file).stdout.decode()
    assert f"channel to 127.0.0.1:{there.port} for 127.0.0.1:" in text
    assert "2 forwarded)" in program.run("list", log.file.parent).stdout.decode()


def test_standard_input_and_a_proxy_are_ways_too(gateway):
    server = gateway.start()
    port = free_port()
    with service(upper) as there:
        line = server.ssh("-W", f"127.0.0.1:{there.port}")
        done = subprocess.run(line, input=b"to capitals", capture_output=True, timeout=60)
        assert done.stdout == b"ready\nTO CAPITALS", done.stderr
        carried(server.log(), DIRECT, b"to capitals", done.stdout)

    def page(connection):
        asked = b""
        while not asked.endswith(b"\r\n\r\n"):
            asked += connection.recv(65536)
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nthe page\n")
        connection.close()

    with service(page) as there:
        with tunnel(server, "-D", str(port), ready=lambda: listens(port)):
            url = f"http://localhost:{there.port}/"
            line = ["curl", "-sS", "--socks5-hostname", f"127.0.0.1:{port}", url]
            done = subprocess.run(line, capture_output=True, timeout=60)
            assert done.stdout == b"the page\n", done.stderr
    wanted = server.log().only(DIRECT)
    assert (wanted["HostToConnect"], wanted["PortToConnect"]) == ("localhost", there.port)


def test_a_client_that_does_not_close_is_not_waited_for(gateway):
    """OpenSSH's `-W` closes its channel only after the server has."""
    server = gateway.start()
    with service(lambda connection: (connection.recv(100), connection.close())) as there:
        line = server.ssh("-W", f"127.0.0.1:{there.port}")
        assert subprocess.run(line, input=b"a line", capture_output=True, timeout=4.5).returncode == 0


def test_what_does_not_answer_is_said_and_recorded(gateway):
    server = gateway.start()
    port = free_port()
    done = subprocess.run(
        server.ssh("-W", f"127.0.0.1:{port}"), input=b"", capture_output=True, timeout=60
    )
    assert done.returncode != 0
    log = server.log()
    failed = log.only(CHANNEL_FAILED)
    assert failed["channelType"] == "direct-tcpip" and failed.channel == log.only(DIRECT).channel
    assert "refused" in failed["reason"].lower() or "connect" in failed["reason"].lower()
    assert log.of(CHANNEL_OK) == [] and log.of(IO) == []


def test_each_direction_ends_by_itself(gateway):
    """The far end says all and no more, and still takes what comes; then the other way round."""
    server = gateway.start()
    received = []

    def first_out(connection):
        connection.sendall(b"all I have")
        connection.shutdown(socket.SHUT_WR)
        received.append(everything(connection))

    port = free_port()
    with service(first_out) as there:
        with tunnel(server, "-L", f"{port}:127.0.0.1:{there.port}", ready=lambda: listens(port)):
            connection = connect(port)
            assert everything(connection) == b"all I have"
            connection.sendall(b"and still this")
            connection.close()
            until(lambda: received == [b"and still this"], what="the rest arrives")
    carried(server.log(), DIRECT, b"and still this", b"all I have")


def test_a_receiver_that_takes_nothing_stalls_nobody_else(gateway):
    server = gateway.start(limits={"channelBuffer": "256KiB"})
    ports = free_port(), free_port()
    let_go = []

    def stuck(connection):
        until(lambda: let_go, 120)

    with service(stuck) as one, service(upper) as two:
        options = [f"{ports[0]}:127.0.0.1:{one.port}", f"{ports[1]}:127.0.0.1:{two.port}"]
        options = [word for option in options for word in ("-L", option)]
        with tunnel(server, *options, ready=lambda: all(map(listens, ports))):
            stalled = connect(ports[0])
            stalled.setblocking(False)
            sent = 0
            while True:
                try:
                    sent += stalled.send(bytes(65536))
                except BlockingIOError:
                    if sent > MIB:
                        break
                    until(lambda: True)
            # What goes on beside it is slower, but goes on.
            assert exchange(connect(ports[1]), b"small") == b"ready\nSMALL"
            let_go.append(True)
            stalled.close()


def test_what_came_before_a_channel_was_closed_arrives(gateway):
    """Also at a receiver that is slower than its client is gone."""
    server = gateway.start()
    sent, received = os.urandom(6 * MIB), []

    def slow(connection):
        time.sleep(1)
        received.append(everything(connection))

    async def work(port: int):
        async with await connection_to(server) as connection:
            _, way = await connection.open_connection("127.0.0.1", port, encoding=None)
            way.write(sent)
            way.write_eof()
            await way.drain()
            way.channel.close()
            await way.channel.wait_closed()

    with service(slow) as one:
        asyncio.run(work(one.port))
        until(lambda: received, what="the end of what was sent")
    assert received[0] == sent


def test_what_a_client_that_leaves_has_sent_arrives(gateway):
    """OpenSSH's client leaves once its forwarded connection is closed, whatever the receiver has taken."""
    server, port = gateway.start(), free_port()
    sent, received = os.urandom(6 * MIB), []

    def slow(connection):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.shutdown(socket.SHUT_WR)
        time.sleep(2)
        received.append(everything(connection))

    with service(slow) as one:
        line = server.ssh("-L", f"{port}:127.0.0.1:{one.port}")
        with subprocess.Popen([*line, "sleep 1"], stdin=subprocess.DEVNULL) as client:
            until(lambda: listens(port), what="the tunnel")
            with connect(port) as sender:
                sender.sendall(sent)
            assert client.wait(60) == 0
        until(lambda: received, what="the end of what was sent")
    assert received[0] == sent == server.log().io(STDIN)


def test_closed_channels_count_for_what_a_connection_may_hold(make_gateway, place):
    """What they had queued waits on, for receivers that may take it after all."""
    port = free_port()
    settings = {"enable": True, "listen": f"127.0.0.1:{port}"}
    server = make_gateway("local", {}).start(limits={"channelBuffer": "1MiB"}, metrics=settings)
    let_go = []

    def stuck(connection):
        until(lambda: let_go, 120)

    async def many() -> float:
        most = 0
        async with await connection_to(server) as connection:
            for _ in range(60):
                _, way = await connection.open_unix_connection(str(place / "s"), encoding=None)
                way.write(bytes(600 * 1024))
                try:
                    await asyncio.wait_for(way.drain(), 2)
                except TimeoutError:
                    break  # the connection waits
                most = max(most, metrics(port)("auditssh_waiting_for_programs_bytes"))
                way.channel.abort()
        return most

    with service(stuck, place / "s"):
        most = asyncio.run(asyncio.wait_for(many(), 100))
        let_go.append(True)
    assert 8 * MIB < most < 14 * MIB


@pytest.mark.parametrize("backend", ["local", "sshproxy"])
def test_a_receiver_in_the_client_that_takes_nothing_stalls_nobody_else(make_gateway, backend):
    """By `sshproxy`, where it may have connections to the host for that."""
    server = make_gateway(backend, {"connections": 10}).start()
    data = bytes(40 * MIB)

    def much(connection):
        connection.sendall(data)
        connection.close()

    async def both():
        async with await connection_to(server) as connection:
            reader, writer = await connection.open_connection("127.0.0.1", one.port, encoding=None)
            await reader.readexactly(1)
            other, way = await connection.open_connection("127.0.0.1", two.port, encoding=None)
            way.write(b"beside it")
            way.write_eof()
            assert await other.read() == b"ready\nBESIDE IT"
            rest = 1 + len(await reader.readexactly(len(data) - 1))
            assert rest == len(data)

    with service(much) as one, service(upper) as two:
        asyncio.run(asyncio.wait_for(both(), 120))


async def connection_to(server, **options):
    return await asyncssh.connect(
        "127.0.0.1",
        server.port,
        username="alice",
        client_keys=[str(server.key.file)],
        known_hosts=str(server.known_hosts),
        config=None,
        agent_path=None,
        **options,
    )


# From the server's side to the client.


def test_a_port_of_the_server_is_forwarded_and_every_byte_recorded(gateway):
    server = gateway.start()
    data, port = os.urandom(2 * MIB), free_port()
    with service(upper) as there:
        with tunnel(server, "-R", f"{port}:127.0.0.1:{there.port}", ready=lambda: listens(port)):
            expected = b"ready\n" + data.upper()
            assert exchange(connect(port), data) == expected
        until(lambda: not listens(port), what="the port is free again")
    log = server.log()
    # Stream 0 comes from the client, 1 goes to it, whoever connected.
    wanted = carried(log, FORWARDED, expected, data)
    assert len(wanted) == 1
    asked = log.only(FORWARD)
    assert (asked["BindHost"], asked["BindPort"]) == ("localhost", port)
    assert (wanted[0]["ConnectedHost"], wanted[0]["ConnectedPort"]) == ("localhost", port)
    assert wanted[0]["OriginatorHost"] in ("127.0.0.1", "::1") and wanted[0]["OriginatorPort"] > 0
    assert [answer["accepted"] for answer in answers(log)] == [True]


def test_a_port_of_the_servers_choice_and_its_end(gateway):
    server = gateway.start()

    async def run(there):
        async with await connection_to(server) as connection:
            listener = await connection.forward_remote_port("localhost", 0, "127.0.0.1", there.port)
            port = listener.get_port()
            assert port > 1023 and listens(port)
            reply = await asyncio.to_thread(lambda: exchange(connect(port), b"x"))
            assert reply == b"ready\nX"
            listener.close()
            await listener.wait_closed()
            await asyncio.to_thread(until, lambda: not listens(port))
            return port

    with service(upper) as there:
        port = asyncio.run(asyncio.wait_for(run(there), 60))
    log = server.log()
    assert (log.only(FORWARD)["BindPort"], log.only(CANCEL)["BindPort"]) == (0, port)
    assert log.only(FORWARDED)["ConnectedPort"] == port
    first, second = answers(log)
    assert first["accepted"] and first["port"] == port and second["accepted"]


def test_a_port_that_is_taken(gateway):
    server = gateway.start()
    with service(upper) as there:
        line = server.ssh("-N", "-o", "ExitOnForwardFailure=yes", "-R", f"127.0.0.1:{there.port}:127.0.0.1:1")
        done = subprocess.run(line, capture_output=True, timeout=60)
        assert done.returncode == 255 and b"remote port forwarding failed" in done.stderr
    (answer,) = answers(server.log())
    assert answer["accepted"] is False and answer["reason"]


def test_a_connection_that_the_client_refuses(gateway):
    server = gateway.start()

    async def run():
        async with await connection_to(server) as connection:
            def refuse(*_):
                raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "no")

            listener = await connection.create_server(refuse, "localhost", 0)
            port = listener.get_port()
            ended = await asyncio.to_thread(lambda: everything(connect(port)))
            assert ended == b""

    asyncio.run(asyncio.wait_for(run(), 60))
    log = server.log()
    failed = log.only(CHANNEL_FAILED)
    assert failed["channelType"] == "forwarded-tcpip" and "client refused" in failed["reason"]
    assert failed.channel == log.only(FORWARDED).channel and log.of(CHANNEL_OK) == []


# What may not be.


def test_nothing_is_forwarded_unless_it_is_allowed(gateway):
    server = gateway.start(forwarding={})
    with service(upper) as there:
        done = subprocess.run(
            server.ssh("-W", f"127.0.0.1:{there.port}"), input=b"", capture_output=True, timeout=60
        )
        assert done.returncode != 0 and done.stdout == b""
        assert there.taken == []
    log = server.log()
    reason = "disabled by `security.forwarding.forwardingMode`"
    assert log.only(CHANNEL_FAILED)["reason"] == reason and log.of(DIRECT)

    port = free_port()
    line = server.ssh("-N", "-o", "ExitOnForwardFailure=yes", "-R", f"{port}:127.0.0.1:1")
    assert subprocess.run(line, capture_output=True, timeout=60).returncode == 255
    log = server.log()
    (answer,) = answers(log)
    assert answer["reason"] == "disabled by `security.forwarding.reverseForwardingMode`"
    assert log.only(FORWARD)["BindPort"] == port


def test_lists_of_places_hold(gateway):
    with service(upper) as there, service(upper) as other:
        port, wrong = free_port(), free_port()
        forwarding = {
            "forwardingMode": "filter",
            "permitOpen": [f"127.0.0.1:{there.port}"],
            "reverseForwardingMode": "filter",
            "permitListen": [f"localhost:{port}"],
        }
        server = gateway.start(forwarding)

        def reached(host, number) -> bytes:
            line = server.ssh("-W", f"{host}:{number}")
            return subprocess.run(line, input=b"a", capture_output=True, timeout=60).stdout

        assert reached("127.0.0.1", there.port) == b"ready\nA"
        assert reached("127.0.0.1", other.port) == b""
        assert reached("localhost", there.port) == b""
        assert other.taken == []
        logs = server.logs(3)
        for log in logs[1:]:
            assert log.only(CHANNEL_FAILED)["reason"] == "not in `security.forwarding.permitOpen`"

        with tunnel(server, "-R", f"{port}:127.0.0.1:1", ready=lambda: listens(port)):
            pass
        line = server.ssh("-N", "-o", "ExitOnForwardFailure=yes", "-R", f"{wrong}:127.0.0.1:1")
        assert subprocess.run(line, capture_output=True, timeout=60).returncode == 255
        log = server.logs(2)[1]
        assert answers(log)[0]["reason"] == "not in `security.forwarding.permitListen`"


@pytest.mark.parametrize("options", ["no-port-forwarding", 'permitopen="127.0.0.1:9"', "restrict"])
def test_what_a_key_forbids(make_server, options):
    server = make_server(security={"forwarding": ALL})
    server.config["users"]["alice"]["authorizedKeys"] = [f"{options} {server.key.public}"]
    server.start()
    with service(upper) as there:
        line = server.ssh("-W", f"127.0.0.1:{there.port}")
        assert subprocess.run(line, input=b"", capture_output=True, timeout=60).returncode != 0
        assert there.taken == []
    assert "the key of this login allows" in server.log().only(CHANNEL_FAILED)["reason"]


def test_nothing_of_what_is_not_intercepted_is_on_the_disk(gateway):
    server = gateway.start(audit={"intercept": {"stdin": True, "stdout": True, "forwarding": False}})
    canary = b"a canary in a tunnel, 4711"
    with service(upper) as there:
        line = server.ssh("-W", f"127.0.0.1:{there.port}")
        done = subprocess.run(line, input=canary, capture_output=True, timeout=60)
        assert done.stdout == b"ready\n" + canary.upper()
    log = server.log()
    assert log.of(IO) == [] and log.shape(channel=0) == [DIRECT, CHANNEL_OK, CLOSE_WRITE, CLOSE]


def test_limits_on_channels_and_listeners(gateway):
    server = gateway.start(limits={"forwardedChannels": 2, "listeners": 2})

    async def run(there):
        async with await connection_to(server) as connection:
            held = []
            for _ in range(2):
                held.append(await connection.open_connection("127.0.0.1", there.port))
            with pytest.raises(asyncssh.ChannelOpenError):
                await connection.open_connection("127.0.0.1", there.port)
            for _, writer in held:
                writer.close()
                await writer.wait_closed()
            async def again():
                while True:
                    try:
                        return await connection.open_connection("127.0.0.1", there.port)
                    except asyncssh.ChannelOpenError:
                        await asyncio.sleep(0.05)

            await again()
            for _ in range(2):
                await connection.forward_remote_port("localhost", 0, "127.0.0.1", 1)
            with pytest.raises(asyncssh.ChannelListenError):
                await connection.forward_remote_port("localhost", 0, "127.0.0.1", 1)

    with service(everything) as there:
        asyncio.run(asyncio.wait_for(run(there), 60))
    log = server.log()
    assert "limits.forwardedChannels" in log.of(CHANNEL_FAILED)[0]["reason"]
    assert "limits.listeners" in answers(log)[-1]["reason"]


# Unix sockets.


@pytest.fixture
def place(tmp_path):
    """A short path: those of sockets may have 107 bytes. The account behind sshproxy may write there."""
    folder = Path(tempfile.mkdtemp(dir="/tmp", prefix="forward-"))
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_a_socket_is_reached_and_every_byte_recorded(gateway, place):
    server = gateway.start()
    data, port = os.urandom(MIB).lower(), free_port()
    path = place / "service"
    with service(upper, path):
        path.chmod(0o777)
        with tunnel(server, "-L", f"{port}:{path}", ready=lambda: listens(port)):
            assert exchange(connect(port), data) == b"ready\n" + data.upper()
    (wanted,) = carried(server.log(), DIRECT_SOCKET, data, b"ready\n" + data.upper())
    assert wanted["Path"] == str(path)


def test_a_socket_of_the_server_is_forwarded_and_every_byte_recorded(gateway, place):
    server = gateway.start()
    data, path = os.urandom(MIB), place / "taken"
    with service(upper) as there:
        with tunnel(server, "-R", f"{path}:127.0.0.1:{there.port}", ready=path.exists):
            assert path.stat().st_mode & 0o777 == 0o600
            assert exchange(connect_path(path), data) == b"ready\n" + data.upper()
        if gateway.backend == "local":
            until(lambda: not path.exists(), what="the socket is removed")
    log = server.log()
    (wanted,) = carried(log, FORWARDED_SOCKET, b"ready\n" + data.upper(), data)
    assert wanted["Path"] == log.only(SOCKET_FORWARD)["Path"] == str(path)


def test_a_file_that_is_there_is_left_alone(gateway, place):
    server = gateway.start()
    path = place / "precious"
    path.write_text("precious")
    line = server.ssh("-N", "-o", "ExitOnForwardFailure=yes", "-R", f"{path}:127.0.0.1:1")
    assert subprocess.run(line, capture_output=True, timeout=60).returncode == 255
    assert path.read_text() == "precious"
    (answer,) = answers(server.log())
    assert answer["accepted"] is False


# The agent.


@pytest.fixture
def agent(tmp_path):
    """An agent of the client's user with one key, and the variable that leads to it."""
    folder = Path(tempfile.mkdtemp(dir="/tmp", prefix="agent-"))
    path = folder / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
    until(path.exists, what="the agent")
    key = keys.generate(tmp_path, "agent_key")
    variables = {**os.environ, "SSH_AUTH_SOCK": str(path)}
    subprocess.run(["ssh-add", "-q", str(key.file)], env=variables, check=True, capture_output=True)
    yield key, variables
    process.kill()
    process.wait()
    shutil.rmtree(folder, ignore_errors=True)


def with_agent(server, agent, command: str, *options: str):
    _, variables = agent
    line = [*server.ssh("-A", "-o", "IdentityAgent=SSH_AUTH_SOCK", *options), command]
    return subprocess.run(line, capture_output=True, timeout=60, env=variables, stdin=subprocess.DEVNULL)


AGENT = "auth-agent@openssh.com"


def test_the_agent_is_forwarded(gateway, agent):
    server = gateway.start()
    done = with_agent(server, agent, "ssh-add -L; echo $SSH_AUTH_SOCK; stat -c %a $(dirname $SSH_AUTH_SOCK)")
    listed, path, mode = done.stdout.decode().splitlines()
    assert listed.split()[1] == agent[0].public.split()[1] and mode == "700"
    log = server.log()
    asked = log.of(REQUEST_UNKNOWN, 0)
    assert [m["requestType"] for m in asked] == ["auth-agent-req@openssh.com"]
    wanted = log.only(NEW_CHANNEL)
    assert wanted["channelType"] == AGENT
    assert log.shape(channel=wanted.channel, without=(IO,))[:2] == [NEW_CHANNEL, CHANNEL_OK]
    assert agent[0].public.split()[0].encode() in log.io(STDIN, wanted.channel)
    if gateway.backend == "local":
        until(lambda: not Path(path).parent.exists(), what="the directory is removed")


def test_the_agent_is_not_forwarded_unless_it_is_allowed(gateway, agent):
    server = gateway.start(forwarding={})
    done = with_agent(server, agent, "echo \"<$SSH_AUTH_SOCK>\"")
    assert done.stdout == b"<>\n"
    log = server.log()
    assert log.only(REQUEST_FAILED)["reason"] == "disabled by `security.forwarding.agentForwardingMode`"


def test_the_login_to_a_host_by_the_clients_agent(make_proxy, openssh, agent):
    key, variables = agent
    with open(openssh.authorized, "a") as authorized:
        authorized.write(f"{key.public}\n")
    settings = {"privateKey": None, "forwardAgent": True}
    server = make_proxy(openssh, settings, audit=RECORDED).start()
    done = with_agent(server, agent, "echo in")
    assert done.stdout == b"in\n", done.stderr
    log = server.log()
    wanted = log.only(NEW_CHANNEL)
    assert wanted["channelType"] == AGENT
    # A question for the keys, then for a signature; nothing else is asked of it.
    assert log.io(STDOUT, wanted.channel) and log.io(STDIN, wanted.channel)

    done = server.run("echo never")
    assert done.returncode == 255 and done.stdout == b""
    log = server.log()
    assert "the client refused it" in log.of(CHANNEL_FAILED)[0]["reason"]
    assert "ssh -A" in server.said()

    server.config["users"]["alice"]["authorizedKeys"] = [f"no-agent-forwarding {server.key.public}"]
    server.stop()
    server.start()
    assert with_agent(server, agent, "echo never").returncode == 255
    assert server.log().of(NEW_CHANNEL) == []


# X11.


# An X client: says what the account's cookie is for the display, and is let in.
X_CLIENT = r"""
import os, socket, struct, subprocess, sys
listed = subprocess.run(["xauth", "list", os.environ["DISPLAY"]], capture_output=True, check=True)
cookie = bytes.fromhex(listed.stdout.split()[2].decode())
name = b"MIT-MAGIC-COOKIE-1"
pad = lambda text: text + bytes(-len(text) % 4)
request = struct.pack("<BxHHHHxx", 0x6C, 11, 0, len(name), len(cookie)) + pad(name) + pad(cookie)
host, _, number = os.environ["DISPLAY"].partition(":")
connection = socket.create_connection((host, 6000 + int(number.split(".")[0])))
connection.sendall(request + b"draw something")
answer = b""
while piece := connection.recv(4096):
    answer += piece
print(os.environ["DISPLAY"], answer.decode())
"""


def test_x11_is_forwarded(gateway, tmp_path):
    """A display double on the client's side sees what an X client on the server's side draws."""
    server = gateway.start()
    drawn = []

    def display(connection):
        seen = b""
        while not seen.endswith(b"draw something"):
            seen += connection.recv(4096)
        drawn.append(seen)
        connection.sendall(b"drawn")
        connection.close()

    program_file = Path(tempfile.mkdtemp(dir="/tmp", prefix="x11-")) / "client.py"
    program_file.parent.chmod(0o755)
    program_file.write_text(X_CLIENT)
    with service_at(display) as number:
        variables = {**os.environ, "DISPLAY": f"127.0.0.1:{number}", "XAUTHORITY": str(tmp_path / "xauth")}
        line = [*server.ssh("-Y"), f"{PYTHON} {program_file}"]
        done = subprocess.run(line, capture_output=True, timeout=60, env=variables, stdin=subprocess.DEVNULL)
    shutil.rmtree(program_file.parent)
    shown, answer = done.stdout.decode().split()
    assert shown.startswith("localhost:1") and answer == "drawn", done.stderr
    assert len(drawn) == 1 and drawn[0].endswith(b"draw something")
    log = server.log()
    asked = log.only(X11_REQUEST)
    assert asked["authProtocol"] == "MIT-MAGIC-COOKIE-1" and asked["cookie"] == ""
    wanted = log.only(X11_CHANNEL)
    assert wanted["OriginatorHost"] in ("127.0.0.1", "::1")
    assert log.io(STDIN, wanted.channel) == b"drawn"
    assert log.io(STDOUT, wanted.channel).endswith(b"draw something")


@contextmanager
def service_at(serve):
    """A display that is free: its number."""
    for number in range(200, 300):
        try:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 6000 + number))
        except OSError:
            continue
        running = Service(serve, port=6000 + number)
        try:
            yield number
        finally:
            running.close()
        return
    raise AssertionError("no display is free")


def test_x11_is_not_forwarded_unless_it_is_allowed(gateway, tmp_path):
    server = gateway.start(forwarding={})
    variables = {**os.environ, "DISPLAY": "127.0.0.1:1", "XAUTHORITY": str(tmp_path / "xauth")}
    line = [*server.ssh("-Y"), "echo \"<$DISPLAY>\""]
    done = subprocess.run(line, capture_output=True, timeout=60, env=variables, stdin=subprocess.DEVNULL)
    assert done.stdout == b"<>\n"
    log = server.log()
    assert log.only(REQUEST_FAILED)["reason"] == "disabled by `security.forwarding.x11ForwardingMode`"


# Hosts that do what nobody asked for.


def test_what_nobody_asked_a_host_for_is_refused_and_recorded(make_proxy, make_fake):
    """Whatever is allowed: the client has asked for none of it."""
    refused = []

    async def process(process):
        connection = process.channel.get_connection()
        # asyncssh opens forwarded channels for what was asked for only: these are sent as they are.
        for kind in (b"forwarded-tcpip", b"x11", b"auth-agent@openssh.com", b"nonsense@example"):
            try:
                await open_raw(connection, kind)
            except asyncssh.ChannelOpenError as error:
                refused.append((kind, error.code))
        process.stdout.write(b"done\n")
        process.exit(0)

    fake = make_fake(process=process)
    server = make_proxy(fake, security={"forwarding": ALL}, audit=RECORDED).start()
    assert server.run("anything").stdout == b"done\n"
    assert len(refused) == 4, refused
    log = server.log()
    assert [m["channelType"] for m in log.of(CHANNEL_FAILED)] == [kind.decode() for kind, _ in refused]
    assert {m["reason"] for m in log.of(CHANNEL_FAILED)} == {"nobody asked the host for it"}
    assert log.only(FORWARDED)["OriginatorHost"] == "203.0.113.9" and log.of(X11_CHANNEL)


async def open_raw(connection, kind: bytes):
    """Opens a channel of any type from a server of asyncssh."""
    from asyncssh.packet import String, UInt32

    details = {
        b"forwarded-tcpip": (String("localhost"), UInt32(8080), String("203.0.113.9"), UInt32(1)),
        b"x11": (String("203.0.113.9"), UInt32(1)),
    }
    channel = connection.create_tcp_channel()
    return await channel._open(kind, *details.get(kind, ()))
