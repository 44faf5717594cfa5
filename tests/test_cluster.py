"""The backend `kubernetes` against a real API server and a real kubelet, with the role that is shipped:
`scripts/kubernetes` builds and starts them. That server is an old one, which speaks the protocol v4: by it
the end of the input can't be told to a program. What v5 can is tried against the double."""

import json
import subprocess

import pytest
from harness import docker
from harness.log import EXEC, EXIT, HANDSHAKE_FAILED
from harness.master import shared
from harness.wait import until

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
