"""Forwarding, with both backends: what arrives, and that the log has every byte of it."""

import asyncio
import os
import socket
import subprocess
from dataclasses import dataclass

import asyncssh
import pytest

from harness import program
from harness.forward import connect, everything, exchange, listens, service, tunnel, upper
from harness.log import CHANNEL_FAILED, CHANNEL_OK, CLOSE, CLOSE_WRITE, IO, REQUEST_UNKNOWN, STDIN, STDOUT
from harness.server import Server, free_port
from harness.upstream import OpenSsh
from harness.wait import until

FORWARD, CANCEL, SOCKET_FORWARD, SOCKET_CANCEL = 202, 203, 204, 205
DIRECT, FORWARDED, X11_CHANNEL, DIRECT_SOCKET, FORWARDED_SOCKET = 303, 304, 305, 306, 307
ALL = {
    "forwardingMode": "enable",
    "reverseForwardingMode": "enable",
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


@pytest.fixture(params=["local", "sshproxy"])
def gateway(request, make_server, make_upstream, make_proxy) -> Gateway:
    if request.param == "local":
        return Gateway(make_server, "local")
    upstream = make_upstream(OpenSsh, lambda _: "AllowStreamLocalForwarding yes\nX11Forwarding yes")
    return Gateway(lambda **changes: make_proxy(upstream, **changes), "sshproxy")


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
    program.run("list", log.file.parent)


def test_standard_input_and_a_proxy_are_ways_too(gateway):
    server = gateway.start()
    port = free_port()
    with service(upper) as there:
        line = server.ssh("-W", f"127.0.0.1:{there.port}")
        done = subprocess.run(line, input=b"to capitals", capture_output=True, timeout=60)
        assert done.stdout == b"ready\nTO CAPITALS", done.stderr
        carried(server.log(), DIRECT, b"to capitals", done.stdout)

    def page(connection):
        while not connection.recv(65536).endswith(b"\r\n\r\n"):
            pass
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


def test_a_receiver_in_the_client_that_takes_nothing_stalls_nobody_else(gateway):
    server = gateway.start()
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
                return False

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
