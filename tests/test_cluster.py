"""The backend `kubernetes` against a real Kubernetes, with the role that is shipped: `scripts/kubernetes` builds
and starts it. What all backends do is tried in test_conformance.py, what a cluster can do to a session
against the double, in test_kubernetes.py."""

import json
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from harness import docker, program
from harness.cluster import PROGRAMS
from harness.log import CLOSE_WRITE, EXEC, EXIT, HANDSHAKE_FAILED
from harness.master import shared
from harness.server import free_port
from harness.wait import until

EXAMPLE = Path(__file__).parents[1] / "examples" / "kubernetes"
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]


@pytest.fixture
def make(make_pods, node):
    def make(settings=None, **changes):
        return make_pods(node, settings, **changes)

    return make


def names(node) -> set[str]:
    return {pod["metadata"]["name"] for pod in node.pods()}


def gone(node, *but: str) -> None:
    until(lambda: names(node) == set(but), 60, "the pod is deleted")


def test_a_pod_lives_as_long_as_its_connection(make, node):
    server = make().start()
    with shared(server) as master:
        assert master.run("echo out; echo err >&2; exit 3").returncode == 3
        (pod,) = node.pods()
        assert pod["metadata"]["labels"]["containerssh_username"] == "alice"
        assert pod["spec"]["automountServiceAccountToken"] is False
        assert pod["status"]["phase"] == "Running"
        master.end()
    gone(node)
    log = server.log()
    assert pod["metadata"]["labels"]["containerssh_connection_id"] == server.files()[0].name
    assert log.only(EXEC) and log.only(EXIT)["exitStatus"] == 3


def test_a_pod_for_each_session(make, node):
    server = make({"mode": "session"}).start()
    with shared(server) as master:
        for _ in range(2):
            assert master.run("echo on").stdout == b"on\n"
        gone(node)
        master.end()


def test_a_pod_for_all(make, node):
    spec = json.loads(json.dumps(node.settings()["pod"]["spec"]))
    spec["containers"][0]["command"] = ["/bin/sh", "-c", "sleep 100000"]
    path = f"/api/v1/namespaces/{node.namespace}/pods"
    thing = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "shared"}, "spec": spec}
    node.call("POST", path, thing)
    server = make({"mode": "persistent", "metadata": {"namespace": node.namespace, "name": "shared"}}).start()
    try:
        for _ in range(2):
            assert server.run("echo on").stdout == b"on\n"
        assert names(node) == {"shared"}
    finally:
        node.call("DELETE", f"{path}/shared?gracePeriodSeconds=0")
        gone(node)


def test_pods_of_a_gateway_that_was_killed(make, node):
    server = make().start()
    process = subprocess.Popen([*server.ssh(), "echo on; cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"on\n"
    (lost,) = names(node)
    server.kill()
    process.wait(30)
    assert names(node) == {lost}
    server.start()
    gone(node)


def test_an_image_that_is_not_there(make, node):
    server = make({"image": "nowhere/none:latest"}).start()
    done = server.run("echo never")
    assert (done.returncode, done.stdout) == (255, b"")
    reason = server.log().of(HANDSHAKE_FAILED)[0]["reason"]
    assert "nowhere/none" in reason or "ErrImageNeverPull" in reason, reason
    gone(node)


def test_a_role_that_allows_nothing(make, node):
    """An API server that refuses is told to the administrator, and not to the user."""
    server = make({"metadata": {"namespace": "default"}}).start()
    done = server.run("echo never")
    assert done.returncode == 255 and b"forbidden" not in done.stderr
    assert "forbidden" in server.log().of(HANDSHAKE_FAILED)[0]["reason"]


def test_a_small_image_is_enough(make, node):
    server = make({"image": docker.SMALL}).start()
    assert server.run("head -c 100000", input=b"x" * 100_000).stdout == b"x" * 100_000
    gone(node)


@pytest.mark.parametrize("image", [docker.LARGE, docker.SMALL])
def test_the_end_of_the_input_is_told(make, node, image):
    """What only the protocol v5 can: the program goes on when the client has sent all."""
    server = make({"image": image}).start()
    done = server.run("cat; echo end; exit 3", input=b"x" * 100_000)
    assert (done.returncode, done.stdout) == (3, b"x" * 100_000 + b"end\n")
    assert server.log().of(CLOSE_WRITE)
    gone(node)


def test_an_api_server_that_speaks_protocol_4(make, node):
    """The end of the input is not told, and cuts no output."""
    server = make()
    server.config["kubernetes"]["connection"]["host"] = node.older()
    server.start()
    # Of `read`, 1 is the end of the input, and more than 128 that nothing came.
    script = "read line; read -t 1 line; echo $?; echo err >&2; seq 1 100000; exit 3"
    done = server.run(f"bash -c '{script}'", input=b"typed\n")
    numbers = b"".join(b"%d\n" % number for number in range(1, 100_001))
    assert (done.returncode, done.stdout, done.stderr) == (3, b"142\n" + numbers, b"err\n")
    gone(node)


@pytest.fixture
def example(node, tmp_path):
    """The example, on another port than that of its users, and what surrounds it on their machine."""
    folder, port = tmp_path / "kubernetes", free_port()
    shutil.copytree(EXAMPLE, folder)
    for name in ("try", "config.yaml"):
        file = folder / name
        file.write_text(file.read_text().replace("2222", str(port)))
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "auditssh").symlink_to(program.path())
    (programs / "kubectl").symlink_to(PROGRAMS / "kubectl")
    node.engine.tag(docker.LARGE, "debian:12")
    path = f"{programs}:{os.environ['PATH']}"
    return folder, {**os.environ, "PATH": path, "KUBECONFIG": str(node.admin_file)}


def test_the_example(node, example):
    """Its pods have a network of their own, and its image is there already."""
    folder, environment = example
    output = folder / "output"
    with open(output, "wb") as out:
        streams = {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": out}
        script = subprocess.Popen([folder / "try"], **streams, env=environment)

    def serves() -> bool:
        assert script.poll() is None, output.read_text()
        return " listening " in output.read_text()

    try:
        until(serves, 60, "the example serves")
        (typed,) = re.findall("In another terminal: ssh (.*)", output.read_text())
        # Nobody is there to be asked about the host's key.
        quiet = [*("-F", "none", "-o", "BatchMode=yes"), *("-o", "StrictHostKeyChecking=no")]
        quiet += ["-o", "UserKnownHostsFile=/dev/null"]
        line = ["ssh", *quiet, *typed.split(), "echo $HOSTNAME; cat"]
        done = subprocess.run(line, input=b"typed", capture_output=True, timeout=100)
        assert done.returncode == 0, (done.stderr, output.read_text())
        assert re.fullmatch(rb"containerssh-\S+\ntyped", done.stdout), done.stdout
    finally:
        script.send_signal(signal.SIGINT)
        script.wait(60)
    assert script.returncode in (0, 130), output.read_text()
    (log,) = (folder / "demo" / "logs").glob("[0-9a-f]*")
    assert b"echo $HOSTNAME" in program.run("decode", log).stdout
    subprocess.run([folder / "try", "--remove"], env=environment, check=True, timeout=100)
    assert not (folder / "demo").exists()
    names = [thing["metadata"]["name"] for thing in node.call("GET", "/api/v1/namespaces")["items"]]
    assert "auditssh-demo" not in names
