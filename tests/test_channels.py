"""Several channels on one connection, one of them stalled; clients that vanish."""

import os
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import paramiko
import pytest

from harness import raw
from harness.log import CHANNEL_FAILED, CHANNEL_OK, CLOSE, DISCONNECT, EXEC, EXIT, EXIT_SIGNAL, STDIN, STDOUT
from harness.master import shared
from harness.raw import Raw
from harness.wait import until

MIB = 1024 * 1024
STALLED = 4 * MIB


def channel_of(log, program: str) -> int:
    """The channel on which a command ran."""
    return next(m.channel for m in log.of(EXEC) if m["program"] == program)


def alive(marker: str) -> int:
    """How many processes with this argument run."""
    found = 0
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if marker.encode() in command.read_bytes().split(b"\0"):
                found += 1
        except OSError:
            pass
    return found


def stalled(seconds: str) -> str:
    """A command that never reads its input, told from others by its argument."""
    return f"exec sleep {seconds}"


def test_channels_are_kept_apart(server):
    inputs = [os.urandom(500_000) for _ in range(4)]
    with shared(server) as master:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        running = [master.start(f": {n}; cat; exit {n}", **pipes) for n in range(4)]
        for process, data in zip(running, inputs):
            process.stdin.write(data[:60_000])  # all four are open before any ends
            process.stdin.flush()
        for process, data in zip(running, inputs):
            assert process.communicate(data[60_000:], timeout=60)[0] == data
        master.end()

    log = server.log()
    assert len(set(log.channels())) == 4
    for number, data in enumerate(inputs):
        channel = channel_of(log, f": {number}; cat; exit {number}")
        assert log.io(STDIN, channel) == data
        assert log.io(STDOUT, channel) == data
        assert [m["exitStatus"] for m in log.of(EXIT, channel)] == [number]
        assert log.shape(channel=channel)[-3:] == [496, EXIT, CLOSE]


def test_no_more_channels_than_the_limit(make_server):
    server = make_server(limits={"sessionChannels": 3}).start()
    with shared(server) as master:
        held = [master.start("echo in; read line", stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(3)]
        # Only once all three are in place is a fourth one too many: asked for earlier, it takes a place of theirs.
        assert [process.stdout.readline() for process in held] == [b"in\n"] * 3
        refused = until(lambda: (r := master.run("true")).returncode != 0 and r, what="a refusal")
        assert refused.returncode == 255
        for process in held:
            process.communicate(b"\n", timeout=30)
        until(lambda: master.run("true").returncode == 0, what="room again")
        master.end()
    log = server.log()
    assert log.of(CHANNEL_FAILED)[0]["channelType"] == "session"
    assert len(log.of(CHANNEL_OK)) == len(log.of(CLOSE))


def test_a_stalled_channel_leaves_the_others_alone(server):
    """4 MiB wait for a program that does not read; a second channel works as if nothing were."""
    with shared(server) as master:
        slow = master.start(stalled("86401"), stdin=subprocess.PIPE)
        slow.stdin.write(bytes(STALLED))
        slow.stdin.close()
        until(lambda: alive("86401"))
        for number in range(5):
            begun = time.monotonic()
            assert master.run(f"echo {number}", timeout=20).stdout == b"%d\n" % number
            assert time.monotonic() - begun < 10
        assert slow.poll() is None
        master.end()
        slow.wait(30)
    until(lambda: not alive("86401"), 15, "the stalled program is ended")
    log = server.log()
    recorded = log.io(STDIN, channel_of(log, stalled("86401")))
    assert len(recorded) == STALLED and not recorded.strip(b"\0")


def test_uploads_recover_when_a_stalled_program_reads_again(server):
    """Beside a full queue an upload slows to a trickle, in which this one would take days."""
    go = server.directory / "go"
    waits = f"while [ ! -e {go} ]; do sleep 0.1; done; wc -c"
    inputs = {waits: os.urandom(6 * MIB), "wc -c": os.urandom(20 * MIB)}
    with shared(server) as master, ThreadPoolExecutor(2) as pool:
        done = {}
        for command, held in [(waits, 6 * MIB), ("wc -c", 9 * MIB)]:
            process = master.start(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            done[command] = pool.submit(process.communicate, inputs[command], timeout=90)
            until(lambda: recorded_bytes(server) > held, what=f"{held} bytes are recorded")
        assert not done[waits].done() and not done["wc -c"].done()
        go.touch()
        for command, data in inputs.items():
            assert int(done[command].result()[0]) == len(data)
        master.end()
    log = server.log()
    for command, data in inputs.items():
        assert log.io(STDIN, channel_of(log, command)) == data


def test_a_client_that_vanishes_under_an_endless_stream(server):
    """The queue is full and the connection waits; still its end is noticed within 5 s."""
    with shared(server) as master:
        with open("/dev/zero", "rb") as zeros:
            endless = master.start(stalled("86402"), stdin=zeros)
        until(lambda: alive("86402"))
        settled(server)
        master.process.send_signal(signal.SIGKILL)
        gone = time.monotonic()
        until(lambda: not alive("86402"), 15, "the program is ended")
        assert time.monotonic() - gone < 5
        endless.wait(30)
    log = server.log()
    assert log.messages[-1].type == DISCONNECT
    assert server.memory() < 200 * 1024 * 1024
    assert server.run("echo alive").stdout == b"alive\n"


@contextmanager
def endless_streams(server, count: int):
    """Into programs that read nothing, each on a connection of its own; once they have come to a stop."""
    with open("/dev/zero", "rb") as zeros:
        streams = [subprocess.Popen([*server.ssh(), stalled("86407")], stdin=zeros) for _ in range(count)]
    try:
        until(lambda: alive("86407") == count, 60, "all streams")
        settled(server)
        yield
    finally:
        for stream in streams:
            stream.kill()
            stream.wait()
        until(lambda: not alive("86407"), 15, "the programs are ended")


def test_all_connections_together_hold_no_more_than_they_may(make_server):
    server = make_server(limits={"totalBuffer": "16MiB"}).start()
    idle = server.memory()
    with endless_streams(server, 16):
        assert server.memory() < idle + 64 * MIB
        # Who reads is still served.
        assert server.run("wc -c", input=bytes(MIB)).stdout == b"%d\n" % MIB


def test_a_program_that_answers_goes_on_although_too_much_waits(make_server):
    """What the client grants for output stands behind its input, and the program reads only once output goes out."""
    server = make_server(limits={"totalBuffer": "1MiB"}).start()
    data = os.urandom(24 * MIB)
    client = subprocess.Popen([*server.ssh(), "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(client.stdin.write, data)
        until(lambda: recorded_bytes(server) > 4 * MIB, what="much is recorded")
        time.sleep(1)  # windows and queues are full, nothing moves
        assert not writing.done()
        ended = threading.Timer(60, client.kill)
        ended.start()
        back = client.stdout.read(len(data))
        ended.cancel()
        client.stdin.close()
        assert client.wait(30) == 0 and back == data


def test_a_program_that_waits_for_another_channel_goes_on_although_too_much_waits(make_server):
    """The other channel's first message stands behind what the program does not read before it."""
    server = make_server(limits={"totalBuffer": "1MiB"}).start()
    go = server.directory / "go"
    data = os.urandom(3 * MIB // 2)
    with shared(server) as master, ThreadPoolExecutor(1) as pool:
        waits = master.start(f"while [ ! -e {go} ]; do sleep 0.1; done; wc -c", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        counted = pool.submit(waits.communicate, data, timeout=90)
        until(lambda: recorded_bytes(server) > MIB, what="much is recorded")
        time.sleep(1)  # what does not fit is on its way
        assert master.run(f"touch {go}", timeout=60).returncode == 0
        assert int(counted.result()[0]) == len(data)
        master.end()


def test_a_trickle_costs_what_it_is(make_server):
    """Not a multiple of that, which would fill the queue and hold the connection up."""
    server = make_server(limits={"channelBuffer": "256KiB"}).start()
    with shared(server) as master, open("/dev/zero", "rb") as zeros:
        stalled_one = master.start(stalled("86409"), stdin=zeros)
        until(lambda: alive("86409"))
        begun = time.monotonic()
        while time.monotonic() - begun < 40:
            assert master.run("echo on", timeout=20).stdout == b"on\n"
            time.sleep(1)
        stalled_one.kill()
        master.end()


def test_memory_goes_back_to_the_system(make_server):
    server = make_server().start()
    idle = server.memory()
    with endless_streams(server, 16):
        assert server.memory() > idle + 64 * MIB
    until(lambda: server.memory() < idle + 32 * MIB, 30, "memory is given back")


def recorded_bytes(server) -> int:
    """Room that all logs take on the disk."""
    return 512 * sum(f.stat().st_blocks for f in server.audit.iterdir())


def settled(server) -> None:
    """Waits until the stream has come to a stop: nothing more is recorded."""

    last, since = recorded_bytes(server), time.monotonic()
    end = since + 60
    while time.monotonic() - since < 1:
        time.sleep(0.1)
        if (now := recorded_bytes(server)) != last:
            last, since = now, time.monotonic()
        assert time.monotonic() < end, "an endless stream is never held back"


def test_a_killed_client(server):
    client = subprocess.Popen(
        [*server.ssh(), "echo here; exec sleep 86403"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    )
    assert client.stdout.readline() == b"here\n"
    client.kill()
    gone = time.monotonic()
    until(lambda: not alive("86403"), 15, "the program is ended")
    assert time.monotonic() - gone < 5
    client.wait()
    log = server.log()
    assert log.io(STDOUT) == b"here\n"
    assert log.of(CLOSE) and log.messages[-1].type == DISCONNECT


def closed_at_once(server, command: str, sent: bytes) -> Raw:
    """Runs a command, and closes its channel as soon as everything is sent."""
    client = Raw(server)
    client.log_in("alice", paramiko.Ed25519Key.from_private_key_file(str(server.key.file)))
    channel = client.open()
    client.request(channel, "exec", command)
    client.send(raw.DATA, channel, sent)
    client.send(raw.EOF, channel)
    client.send(raw.CLOSE, channel)
    return client


def test_a_client_that_closes_its_channel_and_leaves(server, tmp_path):
    """What it sent before has its effect, as under OpenSSH's server."""
    file, sent = tmp_path / "file", os.urandom(30_000)
    closed_at_once(server, f"cat > {file}; echo ended >> {file}", sent).close()
    log = server.log()
    assert file.read_bytes() == sent + b"ended\n"
    assert log.io(STDIN) == sent and log.only(EXIT)["exitStatus"] == 0


@pytest.mark.parametrize("leave", [False, True])
def test_a_program_does_not_outlive_its_channel_by_much(make_server, leave):
    server = make_server(limits={"disconnectGrace": "6s"}).start()
    begun = time.monotonic()
    with closed_at_once(server, "exec sleep 86404", b"") as client:
        if leave:
            client.close()
        until(lambda: alive("86404"), what="it runs")
        until(lambda: not alive("86404"), what="the program is ended")
        assert 3 <= time.monotonic() - begun < 10
    assert server.log().only(EXIT_SIGNAL)["signal"] == "HUP"


def test_a_slow_reader_holds_its_program_back(server):
    """Memory stays bounded while a client does not read what a program prints."""
    client = subprocess.Popen([*server.ssh(), "exec cat /dev/zero"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    client.stdout.read(1)
    settled(server)
    assert server.memory() < 200 * 1024 * 1024
    client.kill()
    client.wait()
    recorded = server.log().io(STDOUT)
    assert recorded and not recorded.strip(b"\0")


@pytest.mark.parametrize("whose", ["client", "server"])
def test_a_rekey_in_the_middle_of_uploads(make_server, whose):
    server = make_server(ssh={"rekeyLimit": "1MiB"} if whose == "server" else {}).start()
    inputs = [os.urandom(3_000_000) for _ in range(8)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    told = server.directory / "client"
    options = ("-o", "LogLevel=DEBUG1", "-E", str(told))
    if whose == "client":
        options += ("-o", "RekeyLimit=200K")
    with shared(server, *options) as master:
        running = [master.start(f": {n}; cat", **pipes) for n in range(8)]
        with ThreadPoolExecutor(8) as pool:
            done = list(pool.map(lambda one, data: one.communicate(data, timeout=60)[0], running, inputs))
        assert done == inputs
        master.end()
    assert told.read_text().count("SSH2_MSG_NEWKEYS received") > 5
    log = server.log()
    for number, data in enumerate(inputs):
        assert log.io(STDIN, channel_of(log, f": {number}; cat")) == data
