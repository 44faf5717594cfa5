"""Clients that obey no protocol: no message in any state starts a program, and no server dies of any."""

import queue

import paramiko
import pytest

from harness import keys, raw
from harness.log import CHALLENGE, CHANNEL_FAILED, CONNECT, DISCONNECT, EXEC, EXIT, HANDSHAKE_FAILED, HANDSHAKE_OK
from harness.log import PASSWORD, PUBKEY, PUBKEY_FAILED, PUBKEY_OK, REQUEST_FAILED, STDIN, STDOUT
from harness.raw import Raw
from harness.server import PASSWORD as RIGHT
from harness.wait import until

MIB = 1 << 20
NOBODY = [CONNECT, HANDSHAKE_FAILED, DISCONNECT]


def private(key: keys.Key) -> paramiko.PKey:
    return paramiko.Ed25519Key.from_private_key_file(str(key.file))


@pytest.fixture
def key(server) -> paramiko.PKey:
    """alice's."""
    return private(server.key)


@pytest.fixture(autouse=True)
def unharmed(server):
    """After all of it the server is the same process, and serves."""
    yield
    assert server.process.poll() is None
    assert server.run("echo fine").stdout == b"fine\n"
    assert "panic" not in server.said() and "a part of the server failed" not in server.said()


def answer(client: Raw, *numbers: int) -> int | None:
    """Which of these messages comes next; None if the server hangs up instead."""
    while client.is_active() or not client.arrived.empty():
        try:
            return client.next(*numbers, timeout=0.2)[0]
        except queue.Empty:
            pass
    return None


def open_and_run(client: Raw, command: str) -> None:
    """Asks for a channel and a program, whatever the answers."""
    client.send(raw.OPEN, "session", 0, MIB, 32768)
    for channel in range(3):
        client.send(raw.REQUEST, channel, "exec", True, command)


# Before the login


def test_no_message_before_the_login_starts_a_program(server, tmp_path):
    trace = tmp_path / "trace"
    numbers = [n for n in range(2, 256) if n not in range(20, 50)]
    for number in numbers:
        with Raw(server) as client:
            client.send(number, "", 0, 0, "x")
            open_and_run(client, f"touch {trace}")
            client.send(raw.GLOBAL_REQUEST, "tcpip-forward", True, "", 0)
    assert {tuple(log.shape()) for log in server.logs(len(numbers), timeout=60)} == {tuple(NOBODY)}
    assert not trace.exists()


def test_a_failed_login_opens_nothing(server, tmp_path):
    trace = tmp_path / "trace"
    with Raw(server) as client:
        client.begin()
        client.send(raw.USERAUTH_REQUEST, "alice", "ssh-connection", "password", False, "wrong")
        client.wait(raw.USERAUTH_FAILURE)
        client.send(raw.USERAUTH_SUCCESS)
        open_and_run(client, f"touch {trace}")
    log = server.log()
    assert log.user is None and not log.of(EXEC) and not trace.exists()


def test_the_key_that_signs_is_the_one_that_counts(server, key, tmp_path):
    """A good key is offered, then another one signs; then the good one."""
    stranger = keys.generate(tmp_path, "stranger")
    with Raw(server) as client:
        client.begin()
        client.offered("alice", key)
        client.offered("alice", private(stranger))
        client.signed("alice", private(stranger))
        client.wait(raw.USERAUTH_FAILURE)
        client.offered("alice", private(stranger))
        client.signed("alice", key)
        client.wait(raw.USERAUTH_SUCCESS)
    log = server.log()
    assert log.only(PUBKEY_FAILED)["key"] == stranger.public
    assert log.only(PUBKEY_OK)["key"] == server.key.public
    assert log.only(HANDSHAKE_OK)["keyFingerprint"] == server.key.fingerprint


def test_a_proof_is_for_one_name(server, key):
    """What was accepted of one user helps no other."""
    server.config["users"]["bob"] = {"authorizedKeys": []}
    server.kill()
    server.start()
    with Raw(server) as client:
        client.begin()
        client.offered("alice", key)
        client.wait(raw.USERAUTH_PK_OK)
        client.signed("bob", key)
        client.wait(raw.USERAUTH_FAILURE)
        client.send(raw.USERAUTH_REQUEST, "bob", "ssh-connection", "none")
        client.wait(raw.USERAUTH_FAILURE)
    log = server.log()
    assert log.user is None and log.only(PUBKEY_FAILED)["username"] == "bob"


def test_a_signature_over_something_else_proves_nothing(server, key):
    with Raw(server) as client:
        client.begin()
        signature = key.sign_ssh_data(b"something else", key.get_name()).asbytes()
        fields = ("publickey", True, key.get_name(), key.asbytes(), signature)
        refusals = 0
        while answer_to(client, *fields) == raw.USERAUTH_FAILURE:
            refusals += 1
    assert 6 <= refusals <= 7
    log = server.log()
    assert log.user is None and PUBKEY_OK not in log.shape()


def answer_to(client: Raw, *fields, user: str = "alice") -> int | None:
    client.send(raw.USERAUTH_REQUEST, user, "ssh-connection", *fields)
    return answer(client, raw.USERAUTH_FAILURE, raw.USERAUTH_PK_OK, raw.USERAUTH_SUCCESS)


def test_attempts_count_over_methods_and_names(server, key):
    forged = key.sign_ssh_data(b"something else", key.get_name()).asbytes()
    methods = [
        ("password", False, "wrong"),
        ("hostbased", "x"),
        ("password", True, RIGHT, "new"),
        ("no-such-method",),
        ("publickey", True, key.get_name(), key.asbytes(), forged),
    ]
    with Raw(server) as client:
        client.begin()
        assert answer_to(client, "none") == raw.USERAUTH_FAILURE
        refusals = 0
        while answer_to(client, *methods[refusals % 5], user=f"user{refusals}") == raw.USERAUTH_FAILURE:
            refusals += 1
            assert refusals <= 6
    assert refusals == 6
    assert server.log().user is None


@pytest.mark.parametrize("what", ["key", "challenge"])
def test_what_comes_to_nothing_does_not_go_on_for_ever(server, key, what):
    """A good offer and a challenge are no failures; but each is recorded, and nobody is logged in."""
    begun = 0
    with Raw(server) as client:
        client.begin()
        while client.is_active() and begun < 500:
            if what == "key":
                client.offered("alice", key)
            else:
                client.send(raw.USERAUTH_REQUEST, "alice", "ssh-connection", "keyboard-interactive", "", "")
            begun += answer(client, raw.USERAUTH_PK_OK) is not None
    assert begun == 24
    log = server.log()
    assert len(log.of(PUBKEY if what == "key" else CHALLENGE)) == 24
    assert log.only(HANDSHAKE_FAILED)["reason"] == "Too many authentication failures"


@pytest.mark.parametrize("password", ["", "x" * 4096, f"{RIGHT}\0", f"{RIGHT}\0x", RIGHT[:-1], RIGHT + "x" * 1000, "x" * 200_000])
def test_no_password_but_the_right_one(server, password):
    with Raw(server) as client:
        client.begin()
        assert answer_to(client, "password", False, password) == raw.USERAUTH_FAILURE
    log = server.log()
    assert log.user is None and log.only(PASSWORD)["password"] == b""


@pytest.mark.parametrize("bits", [16, 1024, 16_384, 200_000])
def test_keys_of_a_strange_size_cost_nothing(server, bits):
    number = paramiko.Message()
    number.add_string("ssh-rsa")
    number.add_mpint(65537)
    number.add_mpint((1 << bits) - 1)
    signature = paramiko.Message()
    signature.add_string("rsa-sha2-512")
    signature.add_string(b"\x7f" * (bits // 8))
    before = server.cpu_seconds()
    with Raw(server) as client:
        client.begin()
        fields = ("publickey", True, "rsa-sha2-512", number.asbytes(), signature.asbytes())
        assert answer_to(client, *fields) == raw.USERAUTH_FAILURE
    assert server.log().user is None
    assert server.cpu_seconds() - before < 2


# After it


@pytest.fixture
def client(server, key):
    """A connection that is logged in."""
    with Raw(server) as client:
        client.log_in("alice", key)
        yield client


def end(client: Raw, server):
    client.close()
    return server.log()


@pytest.mark.parametrize(("window", "packet"), [(MIB, 1), (0xFFFFFFFF, 0xFFFFFFFF)])
def test_strange_sizes_of_packets_are_obeyed(server, client, window, packet):
    channel = client.open(window, packet)
    client.request(channel, "exec", "printf 1234567")
    shown, sizes = b"", []
    while len(shown) < 7:
        body = client.wait(raw.DATA)
        body.get_int()
        sizes.append(len(data := body.get_string()))
        shown += data
    assert shown == b"1234567" and max(sizes) <= packet
    assert end(client, server).io(STDOUT) == shown


def test_packets_of_no_size_end_nothing_but_the_connection(server, client):
    client.send(raw.OPEN, "session", 0, MIB, 0)
    until(lambda: not client.is_active(), what="the end of the connection")
    assert HANDSHAKE_OK in end(client, server).shape()


def test_a_window_that_overflows(server, client):
    channel = client.open(0xFFFFFFF0)
    for _ in range(5):
        client.send(raw.WINDOW_ADJUST, channel, 0xFFFFFFFF)
    client.request(channel, "exec", "echo out")
    client.wait(raw.CLOSE)
    assert end(client, server).io(STDOUT) == b"out\n"


def test_a_window_that_never_opens(server, client):
    channel = client.open(0)
    client.request(channel, "exec", "echo held back; sleep 0.2")
    client.wait(raw.SUCCESS)
    log = end(client, server)
    assert DISCONNECT in log.shape() and not client.is_active()


def test_more_data_than_the_window_allows(server, client):
    """12 MiB at once into a window of 5: bounded, recorded as far as it was taken, and no harm to others."""
    channel = client.open()
    client.request(channel, "exec", "cat > /dev/null")
    for _ in range(400):
        client.send(raw.DATA, channel, bytes(32_000))
    client.send(raw.EOF, channel)
    client.wait(raw.CLOSE)
    assert server.memory() < 200 * MIB
    assert len(end(client, server).io(STDIN)) == 400 * 32_000


def test_one_program_for_each_channel(server, client):
    channel = client.open()
    client.request(channel, "exec", "cat; echo first")
    client.wait(raw.SUCCESS)
    for again in (("exec", "echo second"), ("shell",), ("subsystem", "sftp"), ("pty-req", "x", 1, 1, 1, 1, "")):
        client.request(channel, *again)
        client.wait(raw.FAILURE)
    client.send(raw.EOF, channel)
    client.wait(raw.CLOSE)
    log = end(client, server)
    assert log.io(STDOUT) == b"first\n" and len(log.of(REQUEST_FAILED)) == 4


def test_messages_for_channels_that_are_not_there(server, client):
    for number, fields in [
        (raw.DATA, ("x" * 1000,)),
        (raw.EXTENDED_DATA, (1, "x")),
        (raw.EOF, ()),
        (raw.CLOSE, ()),
        (raw.REQUEST, ("exec", True, "id")),
        (raw.WINDOW_ADJUST, (100,)),
        (raw.OPEN_FAILURE, (1, "", "")),
    ]:
        client.send(number, 77, *fields)
    channel = client.open()
    client.request(channel, "exec", "echo still here")
    client.wait(raw.CLOSE)
    client.send(raw.DATA, channel, "too late")
    log = end(client, server)
    assert len(log.of(EXEC)) == 1 and log.io(STDOUT) == b"still here\n"


def test_a_login_after_the_login_changes_nothing(server, client):
    client.send(raw.USERAUTH_REQUEST, "root", "ssh-connection", "none")
    client.send(raw.SERVICE_REQUEST, "ssh-userauth")
    channel = client.open()
    client.request(channel, "exec", "exit 3")
    client.wait(raw.CLOSE)
    log = end(client, server)
    assert len(log.of(HANDSHAKE_OK)) == 1 and log.user == "alice" and log.only(EXIT)["exitStatus"] == 3


def test_refused_channels_cost_no_memory(server, client):
    """Asked for and refused, many times over: what is left behind does not grow."""

    def refuse(count: int) -> int:
        for _ in range(count // 100):
            for _ in range(100):
                client.send(raw.OPEN, "direct-tcpip", 0, MIB, 32768, "localhost", 1, "localhost", 2)
            for _ in range(100):
                client.wait(raw.OPEN_FAILURE)
        return server.memory()

    before = refuse(2_000)
    assert refuse(10_000) < before + 8 * MIB
    log = end(client, server)
    assert len(log.of(CHANNEL_FAILED)) == 12_000


@pytest.mark.parametrize("body", ["short", "modes"])
def test_broken_requests_end_nothing_but_the_connection(server, client, body):
    channel = client.open()
    if body == "short":
        client.send(raw.REQUEST, channel, "exec")
    else:
        client.request(channel, "pty-req", "x", 80, 24, 0, 0, b"\x01" * 901)
    until(lambda: not client.is_active(), what="the end of the connection")
    log = end(client, server)
    assert log.messages[-1].type == DISCONNECT and not log.of(EXEC)
