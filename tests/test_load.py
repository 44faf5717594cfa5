"""Many connections at once, logged in and not."""

import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.log import EXEC, EXIT, STDIN, STDOUT
from harness.wait import until

SESSIONS = 200
LIFTED = {"unauthenticated": 100_000, "unauthenticatedPerSource": 100_000, "connections": 100_000}


@pytest.mark.timeout(300)
def test_200_sessions_at_once(make_server):
    server = make_server(limits=LIFTED).start()

    def start(number: int) -> subprocess.Popen:
        command = f"echo start {number}; read line; echo got $line; exit {number}"
        return subprocess.Popen(
            [*server.ssh(), command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    running = [start(number) for number in range(SESSIONS)]
    for number, client in enumerate(running):  # all of them run before any may end
        assert client.stdout.readline() == b"start %d\n" % number, client.communicate()
    assert len(server.open_logs()) == SESSIONS
    for number, client in enumerate(running):
        rest, errors = client.communicate(b"line %d\n" % number, timeout=60)
        assert (client.returncode, rest, errors) == (number, b"got line %d\n" % number, b"")

    seen = set()
    for log in server.logs(SESSIONS, timeout=60):
        number = log.only(EXIT)["exitStatus"]
        assert f"echo start {number};" in log.only(EXEC)["program"]
        assert log.io(STDIN) == b"line %d\n" % number
        assert log.io(STDOUT) == b"start %d\ngot line %d\n" % (number, number)
        seen.add(number)
    assert seen == set(range(SESSIONS))


def test_running_out_of_descriptors(make_server):
    """200 silent connections against 64 descriptors: the server lives, and serves again."""
    server = make_server(limits=LIFTED).start(wrapper=("prlimit", "--nofile=64:64"))
    silent = []
    for _ in range(200):
        one = socket.socket()
        one.settimeout(0.5)
        try:
            one.connect(("127.0.0.1", server.port))
        except TimeoutError:
            pass  # the kernel's queue of the listener is full: that is the state wanted
        silent.append(one)
    until(lambda: "could not be accepted reason=Too many open files" in server.said(), what="descriptors are used up")
    time.sleep(1)  # time in which the server would die of it
    assert server.process.poll() is None, server.said()
    for one in silent:
        one.close()
    until(lambda: server.run("echo again").stdout == b"again\n", 60, "the server serves again")


def test_silent_connections_do_not_lock_users_out(make_server):
    """With the limits as they are by default, an address that floods is held back."""
    server = make_server(limits={"unauthenticatedPerSource": 8, "unauthenticatedWait": "500ms"}).start()
    silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(40)]
    kept = set(silent)
    for one in silent:
        one.setblocking(False)

    def refused() -> bool:
        for one in list(kept):
            try:
                if not one.recv(4096):
                    kept.discard(one)
            except BlockingIOError:
                pass
        return len(kept) <= 8

    until(refused, what="all but eight are refused")
    for one in silent:
        one.close()
    assert len(kept) == 8
    until(lambda: server.run("echo in").stdout == b"in\n", 30, "room again")


def test_logins_succeed_beside_a_flood(make_server):
    """An excess connection waits for room, so a burst of honest logins loses nobody."""
    server = make_server(limits={"unauthenticatedPerSource": 4, "unauthenticatedWait": "20s"}).start()
    with ThreadPoolExecutor(24) as pool:
        done = list(pool.map(lambda n: server.run(f"echo {n}"), range(24)))
    assert [d.stdout for d in done] == [b"%d\n" % n for n in range(24)]
    server.logs(24)
