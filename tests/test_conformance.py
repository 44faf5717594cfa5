"""One script for every backend: what a client does, what it gets, and what the log has of it.

A backend that is new is one more `PLACES`; where one can't do what others can, its place says so.
"""

import asyncio
import hashlib
import json
import os
import re
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import asyncssh
import pytest

from harness import docker, program
from harness.kubernetes import Cluster
from harness.log import (
    CHANNEL_OK,
    CLOSE,
    CLOSE_WRITE,
    DISCONNECT,
    EXEC,
    EXIT,
    EXIT_SIGNAL,
    IO,
    PTY,
    REQUEST_FAILED,
    SETENV,
    SHELL,
    SIGNAL,
    STDERR,
    STDIN,
    STDOUT,
    SUBSYSTEM,
    WINDOW,
)
from harness.master import shared
from harness.server import Server
from harness.tapped import Tapped, contents
from harness.terminal import Terminal
from harness.upstream import Dropbear, OpenSsh
from harness.wait import until

MIB = 1024 * 1024
# What the whole gateway may grow by, however much passes through it.
GROWTH = 96 * MIB
PLACES = {"local": None, "openssh": OpenSsh, "dropbear": Dropbear, "kubernetes": Cluster}
# Dropbear (2022.83) closes channels on which nothing runs yet when a program of the same connection ends: where
# programs start and end side by side, each has a connection of its own (docs/limits.md).
APART = "dropbear-apart"
# Engines, by the fixture that starts them, and what has a container of its own there.
CONTAINERS = {
    "docker": ("dockerd", "connection"),
    "docker-session": ("dockerd", "session"),
    "podman": ("podman", "connection"),
}


@dataclass
class Place:
    """A gateway and what stands behind it."""

    server: Server
    # Where programs may write.
    folder: Path
    # Whether a client may set LC_* variables.
    variables: bool = True
    # Whether it may set no others.
    strict: bool = True
    # Whether it is told that a signal ended a program, rather than a status of 128 and more.
    exit_signals: bool = True
    # Whether a program that has closed its outputs may go on reading.
    reads_on: bool = True


def container_place(request, make_docker, folder: Path) -> Place:
    """Programs see the folder and have process ids of this machine, so that tests find them."""
    engine, mode = CONTAINERS[request.param]
    execution = {
        "container": {"image": docker.LARGE},
        "host": {"binds": [f"{folder}:{folder}"], "pidmode": "host"},
        "mode": mode,
    }
    server = make_docker(request.getfixturevalue(engine), execution)
    return Place(server.start(), folder, strict=False, exit_signals=False, reads_on=False)


# What is not in the fast suite has its essentials there, in test_docker.py.
NIGHTLY = [pytest.param(name, marks=pytest.mark.nightly) for name in ("docker-session", "podman")]


# The same backend as against the double, in a real cluster.
CLUSTER = pytest.param("cluster", marks=[pytest.mark.cluster, pytest.mark.timeout(300)])


@pytest.fixture(params=[*PLACES, "docker", *NIGHTLY, CLUSTER])
def place(request, make_server, make_upstream, make_proxy, make_docker, make_cluster, make_pods, tmp_path):
    if request.param in CONTAINERS:
        folder = tmp_path / "place"
        folder.mkdir()
        return container_place(request, make_docker, folder)
    if request.param == "cluster":
        folder = tmp_path / "place"
        folder.mkdir()
        server = make_pods(request.getfixturevalue("node"), {"folder": folder})
        return Place(server.start(), folder, strict=False, exit_signals=False, reads_on=False)
    kind = Dropbear if request.param == APART else PLACES[request.param]
    if kind is Cluster:
        cluster = make_cluster()
        return Place(make_pods(cluster).start(), cluster.home, strict=False, exit_signals=False)
    if kind is None:
        folder = tmp_path / "place"
        folder.mkdir()
        return Place(make_server().start(), folder)
    upstream = make_upstream(kind)
    settings = {"connections": 10} if request.param == APART else {}
    return Place(make_proxy(upstream, settings).start(), upstream.home, variables=kind is OpenSsh)


@pytest.fixture
def server(place) -> Server:
    return place.server


@pytest.fixture
def terminal(server):
    terminals = []

    def make(*options, **size) -> Terminal:
        terminals.append(Terminal(server, *options, **size))
        return terminals[-1]

    yield make
    for one in terminals:
        one.child.close(force=True)


def connect(server):
    """A connection of asyncssh, for what OpenSSH's client can't be made to do."""
    return asyncssh.connect(
        "127.0.0.1",
        server.port,
        username="alice",
        client_keys=[str(server.key.file)],
        known_hosts=str(server.known_hosts),
        config=None,
        agent_path=None,
    )


def alive(pid: int) -> bool:
    """Whether a process runs; one that waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_a_shell_on_a_terminal_that_is_resized(server, terminal):
    person = terminal(rows=30, columns=100)
    person.prompt()
    person.types("stty size; echo $TERM\r")
    person.sees("30 100\r\nxterm\r\n")
    person.resizes(43, 132)
    person.sees("ready> ")
    person.types("cat\r")
    person.types("runs\r")
    person.sees("runs\r\nruns\r\n")
    person.types("\x03")
    person.sees("ready> ")
    person.types("echo code $?\r")
    person.sees("code 130\r\n")
    person.types("exit 3\r")
    assert person.end() == 3

    log = server.log()
    pty, window = log.only(PTY), log.of(WINDOW)[-1]
    assert (pty["term"], pty["columns"], pty["rows"]) == ("xterm", 100, 30)
    assert (window["columns"], window["rows"]) == (132, 43)
    assert log.io(STDIN) == person.typed.getvalue()
    assert log.io(STDOUT) == person.shown.getvalue()
    assert log.only(EXIT)["exitStatus"] == 3
    assert log.shape(channel=0, without=(WINDOW, IO)) == [CHANNEL_OK, PTY, SHELL, CLOSE_WRITE, EXIT, CLOSE]


def test_the_modes_of_a_terminal(server):
    async def run():
        async with connect(server) as connection:
            modes = {asyncssh.PTY_VINTR: 5, asyncssh.PTY_ECHO: 0}
            return await connection.run("stty -a", term_type="vt100", term_modes=modes, encoding=None)

    done = asyncio.run(run())
    assert re.search(rb"intr = \^E;", done.stdout) and b" -echo " in done.stdout
    modelist = server.log().only(PTY)["modelist"]
    modes = {modelist[at] : modelist[at + 1 : at + 5] for at in range(0, len(modelist) - 1, 5)}
    assert modes[asyncssh.PTY_VINTR] == b"\0\0\0\x05" and modes[asyncssh.PTY_ECHO] == b"\0\0\0\0"


@pytest.mark.parametrize("code", [0, 1, 42, 255])
def test_outputs_apart_and_exit_codes(server, code):
    done = server.run(f"printf out; printf err >&2; exit {code}")
    assert (done.returncode, done.stdout, done.stderr) == (code, b"out", b"err")
    log = server.log()
    assert (log.io(STDIN), log.io(STDOUT), log.io(STDERR)) == (b"", b"out", b"err")
    assert log.only(EXIT)["exitStatus"] == code
    assert log.shape(channel=0) == [CHANNEL_OK, EXEC, IO, CLOSE_WRITE, EXIT, CLOSE]
    assert log.messages[-1].type == DISCONNECT


def test_a_program_that_a_signal_ends(place):
    server = place.server

    async def run():
        async with connect(server) as connection:
            return await connection.run("kill -KILL $$")

    done = asyncio.run(run())
    if not place.exit_signals:
        assert (done.exit_status, done.exit_signal) == (137, None)
        assert server.log().only(EXIT)["exitStatus"] == 137
        return
    assert done.exit_signal[0] == "KILL"
    log = server.log()
    assert log.only(EXIT_SIGNAL)["signal"] == "KILL"
    assert log.of(EXIT) == []


def test_a_signal_from_the_client(server):
    async def run():
        async with connect(server) as connection:
            script = "trap 'echo got; exit 7' TERM; echo ready; while :; do sleep 0.1; done"
            process = await connection.create_process(script)
            assert await process.stdout.readline() == "ready\n"
            process.send_signal("TERM")
            return await process.wait()

    done = asyncio.run(run())
    assert (done.stdout, done.exit_status) == ("got\n", 7)
    assert server.log().only(SIGNAL)["signal"] == "TERM"


def test_variables(place):
    options = ["-o", "SetEnv=LC_MARK=kept FORBIDDEN=dropped"]
    done = place.server.run("echo $LC_MARK/$FORBIDDEN", *options)
    kept = "kept" if place.variables else ""
    other = "" if place.strict else "dropped"
    assert done.stdout.decode() == f"{kept}/{other}\n"
    log = place.server.log()
    asked = {m["name"]: m["requestId"] for m in log.of(SETENV)}
    refused = {m["requestId"] for m in log.of(REQUEST_FAILED)}
    assert list(asked) == ["LC_MARK", "FORBIDDEN"]
    assert (asked["FORBIDDEN"] in refused) == place.strict
    assert (asked["LC_MARK"] in refused) != place.variables


def test_a_subsystem_that_is_refused(server):
    assert server.run("nonsense", "-s").returncode != 0
    log = server.log()
    assert log.only(REQUEST_FAILED)["requestId"] == log.only(SUBSYSTEM)["requestId"]
    assert log.of(CLOSE) and log.of(EXIT) == []


def test_a_second_program_on_a_channel_is_refused(server):
    async def run():
        async with connect(server) as connection:
            process = await connection.create_process("echo one; read line; echo $line")
            assert await process.stdout.readline() == "one\n"
            again = await process.channel._make_request(b"exec", asyncssh.packet.String("echo two"))
            process.stdin.write("end\n")
            return again, await process.wait()

    again, done = asyncio.run(run())
    assert not again and done.stdout == "end\n"
    log = server.log()
    assert len(log.of(EXEC)) == 2 and len(log.of(REQUEST_FAILED)) == 1


@pytest.mark.parametrize("options", [[], ["-O"]], ids=["sftp", "scp"])
def test_scp(place, tree, tmp_path, options):
    tapped = Tapped(place.server, tmp_path / "tap")
    remote, back = place.folder / "remote", tmp_path / "back"
    tapped.run("scp", "-q", *options, "-S", tapped.ssh, "-r", tree, f"alice@127.0.0.1:{remote}")
    tapped.run("scp", "-q", *options, "-S", tapped.ssh, "-r", f"alice@127.0.0.1:{remote}", back)
    assert contents(remote) == contents(back) == contents(tree)
    for log in tapped.agrees(2):
        if options:
            assert log.only(EXEC)["program"].startswith("scp ")
        else:
            assert log.only(SUBSYSTEM)["subsystem"] == "sftp"


@pytest.mark.parametrize("options", [[], ["-O"]], ids=["sftp", "scp"])
def test_the_ledger(place, tree, tmp_path, options):
    """Which files went through is in the log, though nothing else of the streams is."""
    server, remote, back = place.server, place.folder / "remote", tmp_path / "back"
    server.stop()
    server.known |= {file.name for file in server.files()}
    server.config["audit"]["intercept"] = {"files": True}
    server.start()
    options = ["-q", *options, *server.ssh_options(), "-P", str(server.port), "-r"]
    subprocess.run(["scp", *options, tree, f"alice@127.0.0.1:{remote}"], check=True, timeout=60)
    subprocess.run(["scp", *options, f"alice@127.0.0.1:{remote}", back], check=True, timeout=60)
    found = {}
    for log in server.logs(2):
        assert log.of(IO) == []
        for line in program.run("files", log.file, "--json").stdout.splitlines():
            entry = json.loads(line)
            if "sha256" in entry:
                found[entry["action"], Path(entry["path"]).name] = (entry["sha256"], entry["result"])
    sums = {Path(name).name: hashlib.sha256(data).hexdigest() for name, data in contents(tree).items()}
    ways = ("upload", "download")
    assert found == {(way, name): (hash, "ok") for way in ways for name, hash in sums.items()}


def test_sftp(place, tree, tmp_path):
    tapped = Tapped(place.server, tmp_path / "tap")
    remote, back = place.folder / "remote", tmp_path / "back"
    batch = f"mkdir {remote}\nput {tree}/large {remote}/large\nrename {remote}/large {remote}/moved\n"
    batch += f"ls -l {remote}\nget {remote}/moved {back}\nrm {remote}/moved\n"
    tapped.run("sftp", "-q", "-S", tapped.ssh, "-b", "-", "alice@127.0.0.1", input=batch.encode())
    assert back.read_bytes() == (tree / "large").read_bytes()
    assert list(remote.iterdir()) == []
    assert tapped.agrees()[0].only(SUBSYSTEM)["subsystem"] == "sftp"


def test_the_end_of_the_input_cuts_no_output(server):
    script = "cat > /dev/null; sleep 1; seq 1 300000; seq 1 300000 >&2; exit 5"
    done = server.run(script, input=b"x" * 100_000)
    expected = b"".join(b"%d\n" % number for number in range(1, 300_001))
    assert done.returncode == 5
    assert done.stdout == expected and done.stderr == expected
    log = server.log()
    assert log.io(STDOUT) == expected and log.io(STDERR) == expected


def test_the_end_of_the_outputs_cuts_no_input(place):
    """A program may close its outputs and go on reading."""
    if not place.reads_on:
        # An engine, and containerd, closes the input with the outputs; how the program ends is told all the same.
        done = place.server.run("exec > /dev/null 2> /dev/null; sleep 1; exit 6", input=b"x")
        assert (done.returncode, done.stdout) == (6, b"")
        assert place.server.log().only(EXIT)["exitStatus"] == 6
        return
    sent, file = os.urandom(3_000_000), place.folder / "read"
    script = f"exec > /dev/null 2> /dev/null; sleep 1; cat > {file}; exit 6"
    done = place.server.run(script, input=sent)
    assert (done.returncode, done.stdout) == (6, b"")
    assert file.read_bytes() == sent
    log = place.server.log()
    assert log.io(STDIN) == sent and log.only(EXIT)["exitStatus"] == 6


def test_both_directions_to_the_last_byte(server):
    sent = os.urandom(3_000_000)
    done = server.run("cat", input=sent)
    assert done.returncode == 0 and done.stdout == sent
    log = server.log()
    assert log.io(STDIN) == sent and log.io(STDOUT) == sent


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_large_upload(server):
    block = os.urandom(MIB)
    line = server.ssh()
    process = subprocess.Popen([*line, "sha256sum"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    expected, before, most = hashlib.sha256(), server.memory(), 0
    for _ in range(64):
        process.stdin.write(block)
        expected.update(block)
        most = max(most, server.memory())
    output = process.communicate(timeout=120)[0]
    assert output.split()[0].decode() == expected.hexdigest()
    assert most - before < GROWTH
    assert digest(server.log(120).io(STDIN)) == expected.hexdigest()


def test_a_large_download(server):
    command = "head -c 67108864 /dev/zero | tr '\\0' x"
    process = subprocess.Popen([*server.ssh(), command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    got, before, most = hashlib.sha256(), server.memory(), 0
    while piece := process.stdout.read(MIB):
        got.update(piece)
        most = max(most, server.memory())
    assert process.wait(60) == 0
    assert got.hexdigest() == digest(b"x" * 64 * MIB)
    assert most - before < GROWTH
    assert digest(server.log(120).io(STDOUT)) == got.hexdigest()


def test_a_client_that_does_not_read_holds_the_program_back(place):
    server, mark = place.server, place.folder / "written"
    # Far more than all buffers between the two hold.
    command = f"dd if=/dev/zero bs=1M count=256 status=none; touch {mark}"
    before = server.memory()
    process = subprocess.Popen([*server.ssh(), command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    sizes = []

    def still() -> bool:
        sizes.append(sum(f.stat().st_blocks for f in server.audit.iterdir()))
        return len(sizes) > 100 and sizes[-1] == sizes[-100] > 0

    until(still, 120, "the program is held back")
    assert server.memory() - before < GROWTH
    assert not mark.exists()
    count = 0
    while piece := process.stdout.read(MIB):
        count += len(piece)
    assert (process.wait(60), count) == (0, 256 * MIB)
    assert mark.exists()


@pytest.mark.parametrize(
    "place", ["local", "openssh", APART, "kubernetes", "docker", *NIGHTLY, CLUSTER], indirect=True
)
def test_several_channels_at_once(server):
    with shared(server) as master:
        inputs = [os.urandom(300_000) for _ in range(4)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        running = [master.start("cat", **pipes) for _ in inputs]
        for process, data in zip(running, inputs, strict=True):
            assert process.communicate(data, timeout=60)[0] == data
        assert master.run("exit 4").returncode == 4
        master.end()
    log = server.log()
    assert sorted(map(digest, inputs)) == sorted(digest(log.io(STDOUT, c)) for c in log.channels()[:4])


def test_channels_that_are_open_before_any_ends(server):
    with shared(server) as master:
        inputs = [os.urandom(300_000) for _ in range(4)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        running = [master.start("cat", **pipes) for _ in inputs]
        for process, data in zip(running, inputs, strict=True):
            process.stdin.write(data[:1000])
            process.stdin.flush()
            assert process.stdout.read(1000) == data[:1000]
        for process, data in zip(running, inputs, strict=True):
            assert process.communicate(data[1000:], timeout=60)[0] == data[1000:]
        master.end()
    log = server.log()
    assert sorted(map(digest, inputs)) == sorted(digest(log.io(STDOUT, c)) for c in log.channels()[:4])


def test_a_client_that_is_killed(server):
    process = subprocess.Popen(
        [*server.ssh(), "echo $$; exec cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    pid = int(process.stdout.readline())
    assert alive(pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    until(lambda: not alive(pid), 30, "the program is ended")
    log = server.log()
    assert log.shape()[-2:] == [CLOSE, DISCONNECT]


def test_a_server_that_ends(server):
    process = subprocess.Popen(
        [*server.ssh(), "echo $$; exec cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    pid = int(process.stdout.readline())
    assert server.stop() == 0
    process.wait(30)
    until(lambda: not alive(pid), 30, "the program is ended")
    assert server.log().messages[-1].type == DISCONNECT


async def sends_and_closes(connection, command: str, sent: bytes) -> None:
    """Runs a command, and closes its channel once all is sent."""
    process = await connection.create_process(command, encoding=None)
    process.stdin.write(sent)
    process.stdin.write_eof()
    await process.stdin.drain()
    process.channel.close()
    await process.channel.wait_closed()


def test_what_came_before_a_channel_was_closed_has_its_effect(place):
    """A client may close its channel once it has said all."""
    sent, file = os.urandom(300_000), place.folder / "late"

    async def work():
        async with connect(place.server) as connection:
            await sends_and_closes(connection, f"cat > {file}; echo ended >> {file}", sent)
            until(lambda: file.exists() and file.read_bytes().endswith(b"ended\n"), what="all of it")

    asyncio.run(work())
    assert file.read_bytes() == sent + b"ended\n"
    log = place.server.log()
    assert log.io(STDIN) == sent and log.only(EXIT)["exitStatus"] == 0


def test_a_program_that_ends_after_its_client_has_left(place):
    """What a client sent before it closed its channel has its effect, and the end is recorded."""
    sent, file = os.urandom(300_000), place.folder / "later"

    async def work():
        async with connect(place.server) as connection:
            command = f"cat > {file}; sleep 1; echo ended >> {file}; exit 7"
            await sends_and_closes(connection, command, sent)

    asyncio.run(work())
    until(lambda: file.exists() and file.read_bytes() == sent + b"ended\n", what="all of it")
    log = place.server.log()
    assert log.io(STDIN) == sent and log.only(EXIT)["exitStatus"] == 7


@pytest.mark.parametrize("grace", ["0s", "1s"])
def test_a_program_that_ends_after_its_channel_is_closed_while_the_client_stays(make_server, tmp_path, grace):
    """What limits the end of a connection does not limit that."""
    server = make_server(limits={"disconnectGrace": grace}).start()
    sent, file = os.urandom(300_000), tmp_path / "later"

    async def work():
        async with connect(server) as connection:
            command = f"cat > {file}; sleep 1; echo ended >> {file}; exit 7"
            await sends_and_closes(connection, command, sent)
            until(lambda: file.exists() and file.read_bytes() == sent + b"ended\n", what="all of it")
            # The connection is used again: the program has ended when this one runs.
            assert (await connection.run("sleep 1")).exit_status == 0

    asyncio.run(work())
    assert [exit["exitStatus"] for exit in server.log().of(EXIT)] == [7, 0]
