"""The backend `docker` beyond what all backends do: what becomes of containers, whatever ends, what a
program is given, and what helps in the container. See `test_conformance.py` for the rest."""

import asyncio
import base64
import os
import subprocess
import threading

import pytest

from harness.certificates import Authority
from harness.docker import LARGE, NO_SHELL, SMALL, Docker
from harness.http import metrics
from harness.log import (
    CHANNEL_FAILED,
    DISCONNECT,
    EXEC,
    EXIT,
    HANDSHAKE_FAILED,
    REQUEST_FAILED,
    SIGNAL,
    STDERR,
    STDOUT,
)
from harness.master import shared
from harness.server import free_port
from harness.terminal import Terminal
from harness.wait import until
from harness.webhook import Webhook, says
from test_conformance import connect
from test_monitoring import watched
from test_sshproxy import refused

MODES = ("connection", "session")


@pytest.fixture(params=["dockerd", "podman"])
def engine(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def make_terminal():
    terminals = []

    def make(server, **size) -> Terminal:
        terminals.append(Terminal(server, **size))
        return terminals[-1]

    yield make
    for one in terminals:
        one.child.close(force=True)


def start(server, command: str) -> subprocess.Popen:
    """A command that says something first, and how it is reached."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen([*server.ssh(), f"echo ready; {command}"], **pipes)
    assert process.stdout.readline() == b"ready\n"
    return process


def gone(engine, server) -> bool:
    return until(lambda: engine.of(server) == [], 30, "the containers are removed")


# What becomes of containers.


@pytest.mark.parametrize("mode", MODES)
def test_a_container_is_labelled_and_removed(engine, make_docker, mode):
    server = make_docker(engine, {"mode": mode, "container": {"labels": {"own": "kept"}}}).start()
    process = start(server, "cat")
    container = engine.of(server)[0]
    labels = container["Labels"]
    assert labels["containerssh_username"] == "alice" and labels["containerssh_ip"] == "127.0.0.1"
    assert labels["own"] == "kept"
    assert process.communicate(b"over", timeout=30)[0] == b"over"
    assert gone(engine, server)
    log = server.log()
    assert labels["containerssh_connection_id"] == log.messages[0].connection
    assert log.only(EXIT)["exitStatus"] == 0


def test_sessions_of_a_connection_share_its_container(dockerd, make_docker):
    server = make_docker(dockerd).start()
    with shared(server) as master:
        assert master.run("echo one > /tmp/file").returncode == 0
        assert master.run("cat /tmp/file").stdout == b"one\n"
        assert len(dockerd.of(server)) == 1
        master.end()
    assert gone(dockerd, server)


def test_sessions_may_each_have_a_container(dockerd, make_docker):
    server = make_docker(dockerd, {"mode": "session"}).start()
    with shared(server) as master:
        assert master.run("echo one > /tmp/file; exit 3").returncode == 3
        assert master.run("cat /tmp/file").returncode == 1
        assert gone(dockerd, server)
        master.end()


@pytest.mark.parametrize("mode", MODES)
def test_a_client_that_is_killed(dockerd, make_docker, mode):
    server = make_docker(dockerd, {"mode": mode}).start()
    process = start(server, "trap '' HUP; while :; do sleep 1; done")
    assert len(dockerd.of(server)) == 1
    process.kill()
    process.wait()
    assert gone(dockerd, server)
    assert server.log().messages[-1].type == DISCONNECT


def test_clients_that_leave_at_any_moment_leave_nothing_behind(dockerd, make_docker):
    server = make_docker(dockerd).start()
    for moment in range(12):
        known = len(server.files())
        process = subprocess.Popen(
            [*server.ssh(), "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        until(lambda: len(server.files()) > known or process.poll() is not None, 30)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(moment * 0.05)
        process.kill()
        process.wait()
    until(lambda: server.open_logs() == set(), 60, "all connections are over")
    # What is still being made is removed as soon as it is.
    assert server.stop() == 0
    assert dockerd.of(server) == []


def test_a_server_that_ends_removes_its_containers(dockerd, make_docker):
    server = make_docker(dockerd, limits={"shutdownGrace": "0s"}).start()
    process = start(server, "cat")
    assert len(dockerd.of(server)) == 1
    assert server.stop() == 0
    assert dockerd.of(server) == []
    process.wait(30)


def test_what_a_killed_gateway_left_behind_is_removed_at_its_next_start(engine, make_docker):
    first, other = make_docker(engine).start(), make_docker(engine).start()
    process, others = start(first, "cat"), start(other, "cat")
    left, kept = engine.of(first)[0]["Id"], engine.of(other)[0]["Id"]
    first.kill()
    process.wait(30)
    assert [one["Id"] for one in engine.of(first)] == [left]
    first.start()
    assert gone(engine, first)
    # The other gateway's is not touched, nor by a restart that makes new ones.
    assert [one["Id"] for one in engine.of(other)] == [kept]
    assert first.run("echo on").stdout == b"on\n"
    assert others.communicate(b"alive", timeout=30)[0] == b"alive"


def test_a_container_that_is_killed(engine, make_docker):
    server = make_docker(engine).start()
    with shared(server) as master:
        process = master.start("echo ready; exec sleep 1000", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout.readline() == b"ready\n"
        engine.kill_container(engine.of(server)[0]["Id"])
        said = process.communicate(timeout=60)[1]
        assert b"auditssh: the container of this connection has ended (exit code 137)" in said
        assert process.returncode == 255
        again = master.run("echo never")
        assert again.returncode == 255 and again.stdout == b""
        master.end()
    assert gone(engine, server)
    log = server.log()
    assert "has ended" in log.of(REQUEST_FAILED)[0]["reason"]
    assert "has ended" in log.only(CHANNEL_FAILED)["reason"]
    assert b"has ended" in log.io(STDERR)


def test_an_engine_that_dies_and_comes_back(make_docker):
    engine = Docker()
    try:
        server = make_docker(engine).start()
        process = start(server, "exec sleep 1000")
        engine.crash()
        said = process.communicate(timeout=60)[1]
        assert b"auditssh: the Docker engine can't be reached" in said and process.returncode == 255
        assert "can't be reached" in server.log().of(REQUEST_FAILED)[0]["reason"]
        refused(server, "can't be reached", "look whether the engine runs")
        engine.start()
        assert server.run("echo on").stdout == b"on\n"
        assert gone(engine, server)
    finally:
        engine.remove()


# What is refused, and in which words.


def test_an_image_that_is_not_there(dockerd, make_docker):
    server = make_docker(dockerd, {"container": {"image": "nowhere/nothing:1"}}).start()
    refused(server, "image nowhere/nothing:1: the engine does not have it", "imagePullPolicy")
    assert dockerd.of(server) == []


def test_a_registry_that_can_not_be_reached(dockerd, make_docker):
    """Whatever its name says: the pull is tried, and its failure told."""
    image = f"127.0.0.1:{free_port()}/nothing:1"
    server = make_docker(dockerd, {"container": {"image": image}, "imagePullPolicy": "IfNotPresent"}).start()
    refused(server, f"image {image}: the Docker engine")


def test_a_container_that_can_not_be_made_or_started(dockerd, make_docker):
    server = make_docker(dockerd, {"host": {"memory": 1}}).start()
    refused(server, "a container can't be made")
    server = make_docker(dockerd, {"idleCommand": ["/nowhere"]}).start()
    refused(server, "the container can't be started")
    assert gone(dockerd, server)


def test_an_engine_that_is_not_there(make_docker, dockerd, tmp_path):
    connection = {"connection": {"host": f"unix://{tmp_path}/nothing.sock"}}
    server = make_docker(dockerd, docker=connection).start()
    refused(server, "can't be reached", "docker.connection")


def test_an_image_without_a_shell_needs_no_helper(dockerd, make_docker):
    image = {"container": {"image": NO_SHELL}, "idleCommand": ["/bin/busybox", "sleep", "1000"]}
    server = make_docker(dockerd, image).start()
    assert server.run("/bin/busybox echo never").returncode == 255
    assert "the image must hold /bin/sh" in server.log().only(REQUEST_FAILED)["reason"]
    server = make_docker(dockerd, {**image, "disableAgent": True}).start()
    done = server.run("/bin/busybox echo on  and on")
    assert (done.returncode, done.stdout) == (0, b"on and on\n")


def test_a_name_is_for_one_container(dockerd, make_docker):
    server = make_docker(dockerd, {"containerName": "auditssh-only-one"}).start()
    process = start(server, "cat")
    assert server.run("echo never").returncode == 255
    process.communicate(timeout=30)
    reasons = [one["reason"] for log in server.logs(2) for one in log.of(HANDSHAKE_FAILED)]
    assert "leave it empty" in reasons[0]


# What a program is given.


@pytest.fixture
def webhook():
    double = Webhook()
    yield double
    double.close()


def asked(webhook) -> dict:
    return {"authz": {"method": "webhook", "webhook": {"url": webhook.url, "timeout": "50s"}}}


def value(text: str, sensitive: bool = False) -> dict:
    return {"value": text, "sensitive": sensitive}


@pytest.mark.parametrize("mode", MODES)
def test_what_a_webhook_says_reaches_the_container(engine, make_docker, webhook, mode):
    contents = os.urandom(5000)
    webhook.answer = lambda _: says(
        True,
        authenticatedUsername="al",
        environment={"GIVEN": value("by webhook"), "SECRET": value("s", sensitive=True)},
        metadata={"TEAM": value("blue")},
        files={"/home/anna/.config/data": value(base64.b64encode(contents).decode())},
    )
    execution = {
        "mode": mode,
        "container": {"image": LARGE, "env": ["GIVEN=by image", "OWN=kept"], "user": "anna"},
        "exposeAuthMetadataAsEnv": True,
        "shellCommand": ["/bin/bash"],
    }
    server = make_docker(engine, execution, auth=asked(webhook)).start()
    command = 'echo "$GIVEN/$SECRET/$TEAM/$OWN"; id -u; cat /home/anna/.config/data; exit 4'
    done = server.run(command, "-o", "SetEnv=GIVEN=client")
    assert done.returncode == 4, done.stderr
    assert done.stdout == b"by webhook/s/blue/kept\n1000\n" + contents


def test_a_file_with_a_path_that_leads_elsewhere(dockerd, make_docker, webhook):
    webhook.answer = lambda _: says(True, files={"/tmp/../etc/passwd": value("")})
    server = make_docker(dockerd, auth=asked(webhook)).start()
    refused(server, "a file of the user has a path that can't be used")
    assert gone(dockerd, server)


def test_a_forced_command(dockerd, make_docker):
    server = make_docker(dockerd)
    forced = 'command="echo forced: $SSH_ORIGINAL_COMMAND $A $LC_B",environment="SET=x" '
    server.config["users"]["alice"]["authorizedKeys"] = [forced + server.key.public]
    server.start()
    done = server.run("rm -rf /", "-o", "SetEnv=A=a LC_B=b")
    assert done.stdout == b"forced: rm -rf / b\n"
    log = server.log()
    assert log.only(EXEC)["program"] == "rm -rf /"
    assert len(log.of(REQUEST_FAILED)) == 1


def test_the_connection_is_told(dockerd, make_docker):
    server = make_docker(dockerd).start()
    said = server.run("echo $SSH_CONNECTION/$SSH_CLIENT").stdout.decode()
    assert said.startswith("127.0.0.1 ") and said.strip().endswith(f" {server.port}")


# What helps in the container.


def test_a_small_shell_on_a_terminal(engine, make_docker, make_terminal):
    server = make_docker(engine).start()
    person = make_terminal(server, rows=31, columns=91)
    person.sees("# ")
    person.types("stty size; tty; echo $((6*7))\r")
    person.sees("31 91\r\n/dev/pts/\\d+\r\n42\r\n")
    # Bytes that could be taken for a frame of the engine.
    person.types("printf '\\001\\000\\000\\000\\377\\377\\377\\377|\\002'; echo end\r")
    person.child.expect(b"\x01\x00\x00\x00\xff\xff\xff\xff\\|\x02end\r\n")
    person.types("exit 9\r")
    assert person.end() == 9
    assert gone(engine, server)


def test_a_signal_reaches_the_group_of_a_program(engine, make_docker):
    server = make_docker(engine).start()

    async def run():
        async with connect(server) as connection:
            script = "trap 'echo shell; wait; exit 7' USR1; (trap 'echo child' USR1; echo ready; sleep 1; sleep 1) & "
            process = await connection.create_process(script + "wait; wait; exit 8")
            assert await process.stdout.readline() == "ready\n"
            process.send_signal("USR1")
            done = await process.wait()
            return done.stdout, done.exit_status

    said, status = asyncio.run(run())
    assert (sorted(said.split()), status) == (["child", "shell"], 7)
    assert server.log().only(SIGNAL)["signal"] == "USR1"


@pytest.mark.parametrize("image", [SMALL, LARGE])
def test_a_signal_arrives_once(dockerd, make_docker, image):
    """Whatever shell sends it: busybox's and others do not take a group in the same form."""
    server = make_docker(dockerd, {"container": {"image": image}}).start()
    count = 20

    async def run():
        async with connect(server) as connection:
            # It never waits, so that two signals in a row are two for it.
            script = "trap 'echo got' USR1; trap 'exit 7' TERM; echo ready; while :; do :; done"
            process = await connection.create_process(script)
            assert await process.stdout.readline() == "ready\n"
            for _ in range(count):
                process.send_signal("USR1")
                assert await process.stdout.readline() == "got\n"
            process.send_signal("TERM")
            return await process.wait()

    done = asyncio.run(run())
    # What was read is not in it: nothing is left.
    assert (done.stdout, done.exit_status) == ("", 7)
    assert server.log().io(STDOUT) == b"ready\n" + b"got\n" * count


def test_a_signal_that_can_not_be_sent_is_refused(dockerd, make_docker):
    server = make_docker(dockerd, {"disableAgent": True}).start()

    async def run():
        async with connect(server) as connection:
            process = await connection.create_process("echo ready; read line; exit 5")
            assert await process.stdout.readline() == "ready\n"
            process.send_signal("TERM")
            process.stdin.write("\n")
            return await process.wait()

    assert asyncio.run(run()).exit_status == 5
    assert "can't be signalled" in server.log().only(REQUEST_FAILED)["reason"]


def test_the_main_process_of_a_container_is_signalled_by_the_engine(dockerd, make_docker):
    server = make_docker(dockerd, {"mode": "session", "disableAgent": True}).start()

    async def run():
        async with connect(server) as connection:
            process = await connection.create_process("trap 'exit 7' TERM; echo ready; while :; do sleep 0.1; done")
            assert await process.stdout.readline() == "ready\n"
            process.send_signal("TERM")
            return await process.wait()

    assert asyncio.run(run()).exit_status == 7


# The agent of ContainerSSH, as far as it is called: written anew, in shell.
AGENT = r"""#!/bin/sh
case "$1" in
    wait-signal) trap 'exit 0' INT TERM; while :; do sleep 1000 & wait $!; done ;;
    console)
        [ "$2 $3" = "--pid --" ] || exit 99
        shift 3
        echo console >> /tmp/called
        for byte in $(($$ & 255)) $(($$ >> 8 & 255)) $(($$ >> 16 & 255)) 0; do
            printf "\\$(printf %03o "$byte")"
        done
        exec "$@" ;;
    signal) echo signal >> /tmp/called; [ "$2 $4" = "--pid --signal" ] && kill -s "$5" "$3" ;;
    *) exit 98 ;;
esac
"""


def test_an_agent_is_used_where_one_is_configured(dockerd, make_docker, make_terminal, tmp_path):
    agent = tmp_path / "agent"
    agent.write_text(AGENT)
    agent.chmod(0o755)
    execution = {"agentPath": "/agent", "host": {"binds": [f"{agent}:/agent"]}}
    server = make_docker(dockerd, execution).start()

    async def run():
        async with connect(server) as connection:
            script = "trap 'cat /tmp/called; exit 7' TERM; printf '\\000ready\\n'; while :; do sleep 0.1; done"
            process = await connection.create_process(script)
            assert await process.stdout.readline() == "\0ready\n"
            process.send_signal("TERM")
            return await process.wait()

    done = asyncio.run(run())
    assert (done.stdout, done.exit_status) == ("console\nsignal\n", 7)
    assert server.log().io(STDOUT) == b"\0ready\nconsole\nsignal\n"
    person = make_terminal(server, rows=31, columns=91)
    person.sees("# ")
    assert person.shown.getvalue().startswith(b"\r\n\r\nBusyBox")
    person.types("stty size; exit 2\r")
    person.sees("31 91\r\n")
    assert person.end() == 2


# Numbers.


@pytest.mark.parametrize("mode", MODES)
def test_containers_are_counted(engine, make_docker, mode):
    server = watched(make_docker(engine, {"mode": mode})).start()
    assert server.run("exit 3").returncode == 3
    counted(server, created=1, failed=0, removed=1, left=0)
    numbers = metrics(server.metrics)
    assert numbers("containerssh_backend_requests_total", backend="docker") >= 5
    assert numbers("containerssh_backend_errors_total", backend="docker") == 0
    assert numbers("auditssh_container_start_seconds_count", backend="docker") == 1
    assert 0 < numbers("auditssh_container_start_seconds_sum", backend="docker") < 60
    assert numbers("containerssh_backend_requests_total", backend="kubernetes") == 0


def test_containers_that_do_not_start_are_counted(dockerd, make_docker):
    server = watched(make_docker(dockerd, {"idleCommand": ["/no/such/program"]})).start()
    assert server.run("true").returncode == 255
    counted(server, created=1, failed=1, removed=1, left=0)
    numbers = metrics(server.metrics)
    assert numbers("containerssh_backend_errors_total", backend="docker") == 1
    assert numbers("auditssh_container_start_seconds_count", backend="docker") == 0


def counted(server, **expected: int) -> None:
    def agree() -> bool:
        numbers = metrics(server.metrics)
        found = {name: numbers(f"auditssh_containers_{name}_total", backend="docker") for name in expected}
        return found == expected

    until(agree, 30, f"the counts are {expected}")


# Memory.


@pytest.mark.nightly
@pytest.mark.timeout(900)
@pytest.mark.parametrize("mode", MODES)
def test_a_gibibyte_each_way_in_bounded_memory(dockerd, make_docker, mode):
    server = make_docker(dockerd, {"mode": mode}).start()
    assert server.run("true").returncode == 0
    before, most = server.memory(), 0
    block = os.urandom(1024 * 1024)
    process = subprocess.Popen([*server.ssh(), "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    count = 0

    def read():
        nonlocal count
        while piece := process.stdout.read(1024 * 1024):
            count += len(piece)

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(1024):
        process.stdin.write(block)
        most = max(most, server.memory())
    process.stdin.close()
    reader.join()
    assert (process.wait(60), count) == (0, 1024**3)
    assert most - before < 96 * 1024 * 1024


# How the engine is reached.


def test_an_engine_behind_tls(dockerd, make_docker, tmp_path):
    """Both sides prove themselves."""
    server = make_docker(dockerd, docker=dockerd.by_tls()).start()
    sent = os.urandom(1_000_000)
    done = server.run("cat; exit 3", input=sent)
    assert (done.returncode, done.stdout) == (3, sent)
    assert gone(dockerd, server)
    other = Authority(tmp_path, "other")
    connection = dockerd.by_tls()
    connection["connection"]["cacert"] = str(other.file)
    refused(make_docker(dockerd, docker=connection).start(), "can't be reached", "certificate")
    certificate, key = other.issue("stranger")
    connection = dockerd.by_tls()
    connection["connection"] |= {"cert": str(certificate), "key": str(key)}
    refused(make_docker(dockerd, docker=connection).start(), "can't be reached")
