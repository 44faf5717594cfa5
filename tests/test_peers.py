"""The same basics with other clients: paramiko, asyncssh, PuTTY, Dropbear, libssh2, libssh, ssh2 of Node.js."""

import asyncio
import base64
import hashlib
import json
import os
import subprocess

import asyncssh
import paramiko
import pexpect
import pytest
import ssh.exceptions
import ssh.key
import ssh.options
import ssh.session

from harness import keys
from harness.log import ANSWER, CHALLENGE, EXEC, EXIT, HANDSHAKE_FAILED, HANDSHAKE_OK, IO, PASSWORD_FAILED, PASSWORD_OK, PTY, PUBKEY_FAILED
from harness.log import SETENV, SIGNAL, STDERR, STDIN, STDOUT, SUBSYSTEM, WINDOW
from harness.program import ROOT
from harness.server import PASSWORD, environment

SCRIPT = "cat; echo error >&2; exit 5"
SENT = os.urandom(300_000)


def agrees(log, version: str) -> None:
    """The log of a client that ran SCRIPT with SENT."""
    assert log.user == "alice"
    assert version in str(log.only(HANDSHAKE_OK).payload)
    assert log.only(EXEC)["program"] == SCRIPT
    assert (log.io(STDIN), log.io(STDOUT), log.io(STDERR)) == (SENT, SENT, b"error\n")
    assert log.only(EXIT)["exitStatus"] == 5


# paramiko


@pytest.fixture
def paramiko_client(server):
    client = paramiko.SSHClient()
    client.load_host_keys(str(server.known_hosts))
    alone = {"allow_agent": False, "look_for_keys": False, "timeout": 30}
    client.connect("127.0.0.1", server.port, "alice", key_filename=str(server.key.file), **alone)
    yield client
    client.close()


def test_paramiko_command(server, paramiko_client):
    stdin, stdout, stderr = paramiko_client.exec_command(SCRIPT, timeout=60)
    stdin.write(SENT)
    stdin.channel.shutdown_write()
    assert stdout.read() == SENT and stderr.read() == b"error\n"
    assert stdout.channel.recv_exit_status() == 5
    paramiko_client.close()
    agrees(server.log(), "paramiko")


def test_paramiko_terminal(server, paramiko_client):
    channel = paramiko_client.invoke_shell("vt100", 90, 33)
    channel.settimeout(30)
    channel.resize_pty(91, 34)
    channel.sendall(b"stty size; exit 6\r")
    shown = b""
    while data := channel.recv(4096):
        shown += data
    assert b"34 91\r\n" in shown and channel.recv_exit_status() == 6
    paramiko_client.close()
    log = server.log()
    assert (log.only(PTY)["term"], log.only(PTY)["columns"], log.only(PTY)["rows"]) == ("vt100", 90, 33)
    assert (log.only(WINDOW)["columns"], log.only(WINDOW)["rows"]) == (91, 34)
    assert log.io(STDOUT) == shown and log.io(STDIN) == b"stty size; exit 6\r"


def test_paramiko_files(server, paramiko_client, tmp_path):
    sftp = paramiko_client.open_sftp()
    with sftp.open(str(tmp_path / "file"), "wb") as file:
        file.write(SENT)
    assert sftp.stat(str(tmp_path / "file")).st_size == len(SENT)
    with sftp.open(str(tmp_path / "file"), "rb") as file:
        assert file.read() == SENT
    sftp.close()
    paramiko_client.close()
    log = server.log()
    assert log.only(SUBSYSTEM)["subsystem"] == "sftp"
    assert SENT[:1000] in log.io(STDIN) and SENT[:1000] in log.io(STDOUT)


def test_paramiko_logins(server):
    # This transport asks for the authentication service once; docs/limits.md has the reason.
    with paramiko.ServiceRequestingTransport(("127.0.0.1", server.port)) as transport:
        transport.start_client(timeout=30)
        with pytest.raises(paramiko.AuthenticationException):
            transport.auth_password("alice", "wrong", fallback=False)
        transport.auth_password("alice", PASSWORD, fallback=False)
        assert transport.is_authenticated()
    with paramiko.Transport(("127.0.0.1", server.port)) as transport:
        transport.start_client(timeout=30)
        transport.auth_interactive("alice", lambda *_: [PASSWORD])
        assert transport.is_authenticated()
    first, second = server.logs(2)
    assert first.user == second.user == "alice"
    assert len(first.of(PASSWORD_FAILED)) == len(first.of(PASSWORD_OK)) == 1


# asyncssh


def connect(server, **options):
    return asyncssh.connect(
        "127.0.0.1",
        server.port,
        username="alice",
        known_hosts=str(server.known_hosts),
        **{"client_keys": [str(server.key.file)], "config": None, "agent_path": None, **options},
    )


def test_asyncssh_command(server):
    async def session():
        async with connect(server) as connection:
            assert connection.get_extra_info("kex_alg", "") in ("", "mlkem768x25519-sha256")
            return await connection.run(SCRIPT, input=SENT, encoding=None, timeout=60)

    done = asyncio.run(session())
    assert (done.stdout, done.stderr, done.exit_status) == (SENT, b"error\n", 5)
    log = server.log()
    agrees(log, "AsyncSSH")
    assert "mlkem768x25519-sha256" in str(log.only(HANDSHAKE_OK).payload)


def test_the_log_has_both_streams_in_the_order_of_the_wire(server):
    command = "for i in $(seq 40); do head -c 200000 /dev/zero; echo error $i >&2; done; for i in $(seq 200); do echo s$i; echo e$i >&2; done"

    class Ear(asyncssh.SSHClientSession):
        def __init__(self):
            self.heard = []

        def data_received(self, data, datatype):
            self.heard.append((STDERR if datatype == asyncssh.EXTENDED_DATA_STDERR else STDOUT, data))

    async def work():
        async with connect(server) as connection:
            channel, ear = await connection.create_session(Ear, command, encoding=None)
            await channel.wait_closed()
            return ear.heard

    heard = asyncio.run(work())
    recorded = [(m["stream"], m["data"]) for m in server.log().of(IO) if m["stream"] != STDIN]
    assert runs(recorded) == runs(heard)


def runs(pieces):
    """The pieces in their order, those of one stream that follow each other drawn together."""
    drawn = []
    for stream, data in pieces:
        if drawn and drawn[-1][0] == stream:
            drawn[-1][1] += data
        else:
            drawn.append([stream, bytearray(data)])
    return drawn


def test_asyncssh_signal(server):
    async def session():
        async with connect(server) as connection:
            process = await connection.create_process("trap 'echo caught; exit 4' TERM; echo set; while :; do sleep 0.1; done")
            assert await process.stdout.readline() == "set\n"
            process.send_signal("TERM")
            return await asyncio.wait_for(process.wait(), 30)

    done = asyncio.run(session())
    assert (done.stdout, done.exit_status) == ("caught\n", 4)
    log = server.log()
    assert log.only(SIGNAL)["signal"] == "TERM"
    assert log.io(STDOUT) == b"set\ncaught\n"


def test_asyncssh_many_channels(server):
    async def session():
        async with connect(server) as connection:
            runs = (connection.run(f"cat; exit {n}", input=SENT, encoding=None, timeout=60) for n in range(8))
            return await asyncio.gather(*runs)

    done = asyncio.run(session())
    assert [one.exit_status for one in done] == list(range(8))
    assert all(one.stdout == SENT for one in done)
    log = server.log()
    digests = {hashlib.sha256(log.io(STDOUT, channel)).digest() for channel in log.channels()}
    assert digests == {hashlib.sha256(SENT).digest()} and len(log.channels()) == 8


def test_asyncssh_files(server, tmp_path):
    (tmp_path / "file").write_bytes(SENT)

    async def session():
        async with connect(server) as connection, connection.start_sftp_client() as sftp:
            await sftp.put(str(tmp_path / "file"), str(tmp_path / "put"))
            await sftp.get(str(tmp_path / "put"), str(tmp_path / "got"))

    asyncio.run(session())
    assert (tmp_path / "got").read_bytes() == SENT
    assert server.log().only(SUBSYSTEM)["subsystem"] == "sftp"


def test_asyncssh_password(server):
    async def session(password):
        async with connect(server, password=password, client_keys=None) as connection:
            return (await connection.run("echo in")).stdout

    assert asyncio.run(session(PASSWORD)) == "in\n"
    with pytest.raises(asyncssh.PermissionDenied):
        asyncio.run(session("wrong"))
    assert [log.user for log in server.logs(2)] == ["alice", None]


# PuTTY


@pytest.fixture
def plink(server, tmp_path):
    """The command line of PuTTY's plink up to the host."""
    private = tmp_path / "key.ppk"
    subprocess.run(["puttygen", server.key.file, "-O", "private", "-o", private], check=True)
    home = {"env": environment(HOME=str(tmp_path)), "timeout": 60}
    command = ["plink", "-batch", "-P", str(server.port), "-hostkey", server.host_key.fingerprint, "-l", "alice"]

    def run(*words: str, login: tuple = ("-i", str(private)), **options):
        return subprocess.run([*command, *login, "127.0.0.1", *words], **{**home, "capture_output": True, **options})

    return run


def test_plink_command(server, plink):
    done = plink(SCRIPT, input=SENT)
    assert (done.stdout, done.stderr, done.returncode) == (SENT, b"error\n", 5)
    agrees(server.log(), "PuTTY")


def test_plink_password(server, plink):
    assert plink("echo in", login=("-no-antispoof", "-pw", PASSWORD)).stdout == b"in\n"
    assert plink("echo in", login=("-no-antispoof", "-pw", "wrong")).returncode != 0
    assert [log.user for log in server.logs(2)] == ["alice", None]


def test_psftp(server, plink, tmp_path):
    (tmp_path / "file").write_bytes(SENT)
    batch = tmp_path / "batch"
    batch.write_text(f"put {tmp_path}/file {tmp_path}/put\nget {tmp_path}/put {tmp_path}/got\nquit\n")
    command = ["psftp", "-batch", "-b", batch, "-P", str(server.port), "-hostkey", server.host_key.fingerprint]
    command += ["-l", "alice", "-i", tmp_path / "key.ppk", "127.0.0.1"]
    done = subprocess.run(command, capture_output=True, env=environment(HOME=str(tmp_path)), timeout=60)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "got").read_bytes() == SENT
    assert server.log().only(SUBSYSTEM)["subsystem"] == "sftp"


# Dropbear


@pytest.fixture
def dbclient(server, tmp_path):
    """The command line of Dropbear's client up to the host."""
    private = tmp_path / "key.dropbear"
    convert = ["dropbearconvert", "openssh", "dropbear", server.key.file, private]
    subprocess.run(convert, check=True, capture_output=True)
    return ["dbclient", "-y", "-y", "-i", str(private), "-p", str(server.port), "alice@127.0.0.1"]


def test_dbclient_command(server, dbclient, tmp_path):
    home = environment(HOME=str(tmp_path))
    done = subprocess.run([*dbclient, SCRIPT], input=SENT, capture_output=True, env=home, timeout=60)
    assert (done.stdout, done.returncode) == (SENT, 5)
    assert done.stderr.endswith(b"\nerror\n")  # after its own words on the host key
    agrees(server.log(), "dropbear")


def test_dbclient_terminal(server, dbclient, tmp_path):
    child = pexpect.spawn(dbclient[0], dbclient[1:], env=environment(HOME=str(tmp_path)), dimensions=(31, 97), timeout=30)
    child.delaybeforesend = None
    child.expect(rb"[#$] ")
    child.send(b"stty size\r")
    child.expect(b"31 97\r\n")
    child.send(b"exit 8\r")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 8
    log = server.log()
    assert (log.only(PTY)["rows"], log.only(PTY)["columns"]) == (31, 97)
    assert log.io(STDIN) == b"stty size\rexit 8\r"


# libssh2, in curl


def test_curl_files(server, tmp_path):
    (tmp_path / "file").write_bytes(SENT)
    fingerprint = server.host_key.fingerprint.removeprefix("SHA256:")
    command = ["curl", "-q", "--silent", "--show-error", "--user", "alice:", "--hostpubsha256", fingerprint]
    command += ["--key", server.key.file, "--pubkey", f"{server.key.file}.pub"]
    url = f"sftp://127.0.0.1:{server.port}{tmp_path}/put"
    subprocess.run([*command, "--upload-file", tmp_path / "file", url], check=True, timeout=60)
    subprocess.run([*command, "--output", tmp_path / "got", url], check=True, timeout=60)
    assert (tmp_path / "got").read_bytes() == SENT
    up, down = server.logs(2)
    assert up.user == down.user == "alice"
    assert SENT[:1000] in up.io(STDIN) and SENT[:1000] in down.io(STDOUT)


# libssh


def libssh(server, log_in) -> tuple[bytes, bytes, int]:
    """Runs SCRIPT with SENT. The connection ends with the session object."""
    session = ssh.session.Session()
    session.options_set(ssh.options.HOST, "127.0.0.1")
    session.options_set(ssh.options.USER, "alice")
    session.options_set_port(server.port)
    session.connect()
    assert session.get_server_publickey().export_pubkey_base64().decode() == server.host_key.public.split()[1]
    log_in(session)
    channel = session.channel_new()
    channel.open_session()
    channel.request_exec(SCRIPT)
    rest = SENT
    while rest:
        rest = rest[channel.write(rest[:30_000])[1] :]
    channel.send_eof()
    shown, errors = (b"".join(iter(lambda: channel.read(is_stderr=stderr)[1], b"")) for stderr in (False, True))
    return shown, errors, channel.get_exit_status()


@pytest.mark.parametrize("kind", [("ed25519",), ("rsa", "-b", "3072"), ("ecdsa", "-b", "384")])
def test_libssh_keys(make_server, tmp_path, kind):
    key = keys.generate(tmp_path, "key", *kind)
    server = make_server(users={"alice": {"authorizedKeys": [key.public]}}).start()
    private = ssh.key.import_privkey_file(str(key.file))
    assert libssh(server, lambda session: session.userauth_publickey(private)) == (SENT, b"error\n", 5)
    log = server.log()
    agrees(log, "libssh_")
    assert log.only(HANDSHAKE_OK)["keyFingerprint"] == key.fingerprint


def test_libssh_logins(server):
    def log_in(session):
        with pytest.raises(ssh.exceptions.AuthenticationDenied):
            session.userauth_none()
        with pytest.raises(ssh.exceptions.AuthenticationDenied):
            session.userauth_password("alice", "wrong")
        session.userauth_kbdint("alice", "")
        assert session.userauth_kbdint_getnprompts() == 1
        session.userauth_kbdint_setanswer(0, PASSWORD.encode())
        session.userauth_kbdint("alice", "")

    assert libssh(server, log_in) == (SENT, b"error\n", 5)
    log = server.log()
    agrees(log, "libssh_")
    assert len(log.of(PASSWORD_FAILED)) == len(log.of(CHALLENGE)) == len(log.of(ANSWER)) == 1


# ssh2, of Node.js


@pytest.fixture
def ssh2(server, tmp_path):
    """Has that client do something, and returns what it got."""
    input = tmp_path / "input"
    input.write_bytes(SENT)

    def run(action: str, *, logins=(), **told) -> dict | list:
        logins = logins or [{"type": "publickey", "key": str(server.key.file)}]
        host_key = server.host_key.public.split()[1]
        told |= {"port": server.port, "hostKey": host_key, "logins": logins, "action": action, "input": str(input)}
        command = ["node", ROOT / "target" / "ssh2" / "client.mjs", json.dumps(told)]
        done = subprocess.run(command, capture_output=True, timeout=60)
        assert done.returncode == 0, done
        return json.loads(done.stdout)

    return run


def test_ssh2_commands(server, ssh2, tmp_path):
    """Several at once, after every way to log in."""
    other = keys.generate(tmp_path, "other")
    logins = [
        {"type": "none"},
        {"type": "publickey", "key": str(other.file)},
        {"type": "password", "password": "wrong"},
        {"type": "keyboard-interactive", "answer": PASSWORD},
    ]
    commands = [f"cat; echo {n} >&2; exit {n}" for n in range(8)]
    done = ssh2("command", logins=logins, commands=commands)
    assert [one["status"] for one in done] == list(range(8))
    assert {one["stdout"] for one in done} == {base64.b64encode(SENT).decode()}
    log = server.log()
    assert log.user == "alice" and "ssh2js" in log.only(HANDSHAKE_OK)["clientVersion"]
    assert log.only(PUBKEY_FAILED)["key"] == other.public
    assert len(log.of(PASSWORD_FAILED)) == len(log.of(CHALLENGE)) == len(log.of(ANSWER)) == 1
    assert sorted(m["program"] for m in log.of(EXEC)) == commands
    for m in log.of(EXEC):
        number = commands.index(m["program"])
        streams = [log.io(stream, m.channel) for stream in (STDIN, STDOUT, STDERR)]
        assert streams == [SENT, SENT, f"{number}\n".encode()]
        assert [exit["exitStatus"] for exit in log.of(EXIT, m.channel)] == [number]


def test_ssh2_terminal(server, ssh2):
    typed = "stty size; echo $LC_WORD; exit 6\r"
    done = ssh2("terminal", typed=typed)
    assert done["status"] == 6
    log = server.log()
    shown = log.io(STDOUT)
    assert shown == base64.b64decode(done["stdout"]) and b"34 91\r\nsome words\r\n" in shown
    assert log.io(STDIN) == typed.encode()
    assert (log.only(PTY)["term"], log.only(PTY)["rows"], log.only(WINDOW)["columns"]) == ("vt220", 33, 91)
    assert (log.only(SETENV)["name"], log.only(SETENV)["value"]) == ("LC_WORD", "some words")


def test_ssh2_signal(server, ssh2):
    done = ssh2("signal", command="trap 'echo caught; exit 4' TERM; echo set; while :; do sleep 0.1; done")
    assert (base64.b64decode(done["stdout"]), done["status"]) == (b"set\ncaught\n", 4)
    assert server.log().only(SIGNAL)["signal"] == "TERM"


def test_ssh2_files(server, ssh2, tmp_path):
    there, back = tmp_path / "there", tmp_path / "back"
    ssh2("files", there=str(there), back=str(back))
    assert back.read_bytes() == (tmp_path / "there.old").read_bytes() == SENT
    log = server.log()
    assert log.only(SUBSYSTEM)["subsystem"] == "sftp" and log.only(EXIT)["exitStatus"] == 0


# Algorithms, as far as OpenSSH's client knows them

KEX = "curve25519-sha256 diffie-hellman-group14-sha256 diffie-hellman-group16-sha512 diffie-hellman-group18-sha512"
CIPHERS = "aes128-gcm@openssh.com aes256-gcm@openssh.com chacha20-poly1305@openssh.com aes128-ctr aes192-ctr aes256-ctr"
MACS = "hmac-sha2-256-etm@openssh.com hmac-sha2-512-etm@openssh.com hmac-sha2-256 hmac-sha2-512"


@pytest.mark.parametrize("kind, names", [("KexAlgorithms", KEX), ("Ciphers", CIPHERS), ("MACs", MACS)])
def test_each_algorithm_carries_a_session(server, kind, names):
    # A MAC has a say only beside a cipher without one of its own.
    beside = ["-o", "Ciphers=aes256-ctr"] if kind == "MACs" else []
    for name in names.split():
        done = server.run(SCRIPT, "-o", f"{kind}={name}", *beside, input=SENT)
        assert (done.stdout, done.returncode) == (SENT, 5), (name, done.stderr)
        log = server.log()
        agrees(log, "OpenSSH")
        assert name in str(log.only(HANDSHAKE_OK).payload)


@pytest.mark.parametrize(
    "weak",
    [
        "KexAlgorithms=diffie-hellman-group14-sha1",
        "KexAlgorithms=diffie-hellman-group1-sha1",
        "Ciphers=aes256-cbc",
        "Ciphers=3des-cbc",
        "MACs=hmac-sha1",
        "MACs=hmac-md5",
        "HostKeyAlgorithms=ssh-rsa",
    ],
)
def test_what_is_broken_is_not_offered(server, weak):
    beside = ["-o", "Ciphers=aes256-ctr"] if weak.startswith("MACs") else []
    assert server.run("true", "-o", weak, *beside).returncode == 255
    assert server.log().only(HANDSHAKE_FAILED)["clientVersion"].startswith("SSH-2.0-OpenSSH")
