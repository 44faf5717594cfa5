"""The backend `kubernetes` beyond what all backends do: pods and their ends, what a cluster can do to
a session, and how it is spoken to. See `test_conformance.py` for the rest."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from harness import program
from harness.http import metrics
from harness.kubernetes import NAMESPACE, TOKEN, V4, V5, failure
from harness.log import CHANNEL_FAILED, EXEC, EXIT, HANDSHAKE_FAILED, HANDSHAKE_OK, REQUEST_FAILED
from harness.master import shared
from harness.terminal import Terminal
from harness.wait import until
from harness.webhook import Webhook, says
from test_monitoring import watched

NEUTRAL = b"no session can be had here; ask the server's administrator"


@pytest.fixture
def cluster(make_cluster):
    return make_cluster()


@pytest.fixture
def server(make_pods, cluster):
    return make_pods(cluster).start()


def refused(server, *reasons: str) -> str:
    """A login whose pod can't be had: what the user is told, and what the administrator is."""
    done = server.run("echo never", "-o", "LogLevel=INFO")
    assert done.returncode == 255 and done.stdout == b""
    log = server.log()
    assert log.of(HANDSHAKE_OK) and log.of(EXEC) == []
    said = (log.of(HANDSHAKE_FAILED) + log.of(CHANNEL_FAILED))[0]["reason"]
    for reason in reasons:
        assert reason in said, said
        assert reason.encode() not in done.stderr
        assert reason in server.said()
    return said


def gone(cluster) -> None:
    until(lambda: not cluster.pods, what="the pod is deleted")


def holding(server, script: str = "echo $$; exec cat") -> tuple[subprocess.Popen, int]:
    """A client whose program waits, and the program's process id."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen([*server.ssh(), script], **pipes)
    return process, int(process.stdout.readline())


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


# Pods come and go.


def test_a_connection_has_a_pod(server, cluster):
    with shared(server) as master:
        assert master.run("echo $HOSTNAME").stdout == master.run("echo $HOSTNAME").stdout
        pod = cluster.only
        assert pod.name.startswith("containerssh-") and len(cluster.history) == 1
        metadata = pod.object["metadata"]
        assert pod.labels["containerssh_username"] == "alice"
        assert re.fullmatch("[0-9a-f]{32}", pod.labels["containerssh_connection_id"])
        assert metadata["annotations"]["containerssh_ip"] == "127.0.0.1"
        assert pod.object["spec"]["restartPolicy"] == "Never"
        assert pod.object["spec"]["automountServiceAccountToken"] is False
        master.end()
    gone(cluster)
    assert pod.labels["containerssh_connection_id"] == server.files()[0].name


def test_a_session_has_a_pod(make_pods, cluster):
    server = make_pods(cluster, {"pod": {"mode": "session"}}).start()
    with shared(server) as master:
        first, second = (master.run("echo $HOSTNAME").stdout for _ in range(2))
        assert first != second
        gone(cluster)
        master.end()
    assert len(cluster.history) == 2


def test_a_pod_that_is_there_for_all(make_pods, cluster):
    pod = {"mode": "persistent", "metadata": {"namespace": NAMESPACE, "name": "shared"}}
    server = make_pods(cluster, {"pod": pod}).start()
    refused(server, "there is no pod guests/shared", "createMissingPods")
    cluster.add_pod("shared")
    for _ in range(2):
        assert server.run("echo $HOSTNAME").stdout == b"shared\n"
    process, pid = holding(server)
    process.kill()
    until(lambda: not alive(pid), what="the program is ended")
    assert list(cluster.pods) == ["shared"]


def test_a_persistent_pod_that_is_missing_is_created(make_pods, cluster):
    pod = {"mode": "persistent", "metadata": {"namespace": NAMESPACE, "name": "made"}}
    server = make_pods(cluster, {"pod": pod | {"createMissingPods": True}}).start()
    assert server.run("echo $HOSTNAME").stdout == b"made\n"
    assert server.run("echo $HOSTNAME").stdout == b"made\n"
    assert "auditssh_instance" not in cluster.only.labels and len(cluster.history) == 1


def test_pods_are_counted(make_pods, cluster):
    server = watched(make_pods(cluster)).start()

    def number(name: str) -> float:
        return metrics(server.metrics)(name, backend="kubernetes")

    assert server.run("exit 3").returncode == 3
    until(lambda: number("auditssh_containers_removed_total") == 1, what="the pod is removed")
    assert number("auditssh_containers_created_total") == 1
    assert number("auditssh_containers_failed_total") == 0
    assert number("auditssh_container_start_seconds_count") == 1
    assert number("containerssh_backend_requests_total") >= 4
    assert number("containerssh_backend_errors_total") == 0


def test_a_program_ends_with_its_channel(server, cluster):
    """The pod goes on with the connection."""
    with shared(server) as master:
        process = master.start("echo $$; trap '' HUP; while :; do sleep 1; done", stdout=subprocess.PIPE)
        pid = int(process.stdout.readline())
        process.kill()
        until(lambda: not alive(pid), what="the program is ended")
        assert master.run("echo on").stdout == b"on\n"
        master.end()


def test_pods_of_a_gateway_that_was_killed(make_pods, cluster):
    other = {"auditssh_instance": "another", "auditssh_run": "x"}
    cluster.add_pod("of-another-gateway", other)
    cluster.add_pod("of-nobody")
    server = make_pods(cluster).start()
    process, _ = holding(server)
    (lost,) = set(cluster.pods) - {"of-another-gateway", "of-nobody"}
    server.kill()
    process.wait(30)
    assert lost in cluster.pods
    neighbour = make_pods(cluster).start()
    kept, _ = holding(neighbour)
    server.start()
    until(lambda: lost not in cluster.pods, what="the pod of the former run is deleted")
    assert {"of-another-gateway", "of-nobody"} < set(cluster.pods) and len(cluster.pods) == 3
    kept.communicate(timeout=30)
    assert kept.returncode == 0


def test_former_pods_are_deleted_when_the_api_is_back(make_pods, cluster):
    server = make_pods(cluster).start()
    process, _ = holding(server)
    server.kill()
    process.wait(30)
    cluster.away()
    server.start()
    until(lambda: "can't be looked for yet" in server.said(), what="it has tried")
    cluster.back()
    gone(cluster)


def test_a_server_that_ends_leaves_no_pod(make_pods, cluster):
    server = make_pods(cluster, limits={"shutdownGrace": "0s"}).start()
    process, pid = holding(server)
    assert server.stop() == 0
    process.wait(30)
    assert not cluster.pods and not alive(pid)


def test_a_client_that_does_not_wait_leaves_no_pod(make_pods, cluster):
    cluster.new_status = {"phase": "Pending"}
    server = make_pods(cluster).start()
    process = subprocess.Popen([*server.ssh(), "true"], stdin=subprocess.DEVNULL)
    until(lambda: cluster.pods, what="a pod is created")
    process.kill()
    gone(cluster)


def test_an_answer_that_is_lost_makes_no_second_pod(make_pods, cluster):
    server = make_pods(cluster).start()
    cluster.refuse("POST", failure(503, "ServiceUnavailable", "try again"))
    cluster.refuse("watch", failure(410, "Expired", "too old resource version"))
    cluster.refuse("GET", failure(500, "InternalError", "etcd"))
    assert server.run("echo on").stdout == b"on\n"
    assert len(cluster.history) == 1
    cluster.refuse("DELETE", failure(500, "InternalError", "etcd"), times=2)
    assert server.run("echo on").stdout == b"on\n"
    gone(cluster)


# What an administrator is told.


@pytest.mark.parametrize(
    "waiting, reason, told",
    [
        ("ImagePullBackOff", "pull access denied", "ImagePullBackOff: pull access denied"),
        ("InvalidImageName", "bad", "InvalidImageName"),
    ],
)
def test_an_image_that_can_not_be_had(make_pods, cluster, waiting, reason, told):
    container = {"name": "shell", "image": "img", "imageID": "", "ready": False, "restartCount": 0}
    container["state"] = {"waiting": {"reason": waiting, "message": reason}}
    cluster.new_status = {"phase": "Pending", "containerStatuses": [container]}
    refused(make_pods(cluster).start(), "pod guests/containerssh-", told)
    gone(cluster)


def test_a_pod_that_no_node_takes(make_pods, cluster):
    unscheduled = {"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}
    cluster.new_status = {"phase": "Pending", "conditions": [unscheduled]}
    server = make_pods(cluster, {"timeouts": {"podStart": "2s"}}).start()
    refused(server, "not ready within 2s", "podStart", "no node takes it: 0/3 nodes are available")
    gone(cluster)


def test_a_pod_that_ends_at_once(make_pods, cluster):
    container = {"name": "shell", "image": "img", "imageID": "", "ready": False, "restartCount": 0}
    container["state"] = {"terminated": {"exitCode": 3, "reason": "Error"}}
    cluster.new_status = {"phase": "Failed", "containerStatuses": [container]}
    refused(make_pods(cluster).start(), "it has ended (Failed)", "ended with 3")
    gone(cluster)


def test_a_role_that_is_missing(server, cluster):
    cluster.refuse("POST", failure(403, "Forbidden", 'cannot create resource "pods"'))
    refused(server, "no pod can be created", "cannot create resource", "needs a role")


def test_an_api_that_is_not_there(make_pods, make_cluster):
    cluster = make_cluster()
    server = make_pods(cluster, {"timeouts": {"podStart": "1s"}}).start()
    cluster.away()
    refused(server, "the Kubernetes API can't be reached")
    cluster.back()
    assert server.run("echo on").stdout == b"on\n"


def test_an_api_that_does_not_answer(make_pods, cluster):
    server = make_pods(cluster, {"timeouts": {"podStart": "1s", "http": "1s"}}).start()
    cluster.deaf = True
    refused(server, "gave no answer within 1s")
    cluster.deaf = False


def test_an_image_without_a_shell(server, cluster):
    cluster.always["exec"] = failure(500, "InternalError", 'exec: "/bin/sh": no such file')
    done = server.run("echo never")
    assert done.returncode != 0 and done.stdout == b""
    assert '"/bin/sh": no such file' in server.log().only(REQUEST_FAILED)["reason"]


# A session and its pod.


def test_a_pod_that_somebody_deletes(server, cluster):
    process, _ = holding(server, "echo $$; exec sleep 1000")
    name = cluster.only.name
    cluster.remove_pod(name)
    process.wait(30)
    log = server.log()
    assert process.returncode != 0
    ends = [m["exitStatus"] for m in log.of(EXIT)] or [m["reason"] for m in log.of(REQUEST_FAILED)]
    assert ends == [137] or f"pod guests/{name} was deleted" in ends[0]


def test_a_connection_that_is_cut(server, cluster):
    process, pid = holding(server, "echo $$; exec sleep 1000")
    cluster.drop()
    _, errors = process.communicate(timeout=30)
    assert process.returncode != 0
    assert b"The connection to the place where this session runs was lost." in errors
    reason = server.log().only(REQUEST_FAILED)["reason"]
    assert "is there, but the program's end was not told" in reason and reason in server.said()
    gone(cluster)
    until(lambda: not alive(pid), what="the program is ended with its pod")


def test_a_person_is_told_that_the_api_is_gone(server, cluster):
    person = Terminal(server)
    person.prompt()
    cluster.away()
    person.sees("The connection to the place where this session runs was lost.")
    person.end()
    assert "can't be reached" in server.log().only(REQUEST_FAILED)["reason"]
    cluster.back()
    gone(cluster)


def test_the_end_of_an_input_is_not_told_by_protocol_4(make_pods, make_cluster):
    cluster = make_cluster(protocols=(V4,))
    server = make_pods(cluster).start()
    expected = b"".join(b"%d\n" % number for number in range(1, 100_001))
    done = server.run("read line; seq 1 100000; seq 1 100000 >&2; exit 5", input=b"line\n")
    assert (done.returncode, done.stdout, done.stderr) == (5, expected, expected)
    person = Terminal(server, rows=30, columns=100)
    person.prompt()
    person.types("stty size\r")
    person.sees("30 100\r\n")
    person.types("exit 3\r")
    assert person.end() == 3
    assert set(cluster.protocols_used) == {V4}


def test_the_newest_protocol_is_used(server, cluster):
    assert server.run("cat", input=b"x").stdout == b"x"
    assert set(cluster.protocols_used) == {V5}


def test_the_size_is_there_before_the_program(server):
    for _ in range(5):
        person = Terminal(server, "-o", "RemoteCommand=stty size", rows=33, columns=77)
        person.sees("33 77\r\n")
        assert person.end() == 0


def test_a_program_that_is_not_there(server):
    done = server.run("/no/such/program")
    assert done.returncode == 127 and b"/no/such/program" in done.stderr


def test_a_command_that_is_too_long(server):
    done = server.run("echo " + "x" * 100_000)
    assert done.returncode != 0 and done.stdout == b""
    assert "too long for a request of the Kubernetes API" in server.log().only(REQUEST_FAILED)["reason"]


# What programs get.


def test_variables_of_services_are_in_the_pod_only(make_pods, cluster):
    """They may be secrets, and commands stand in the log of the API server."""
    answer = {
        "success": True,
        "authenticatedUsername": "alice@example.com",
        "environment": {"SECRET": {"value": "canary $(HOME) 'x'", "sensitive": True}},
        "metadata": {"team": {"value": "blue"}, "key": {"value": "canary-key"}},
        "files": {
            f"{cluster.home}/new/one": {"value": "Y2FuYXJ5"},
            f"{cluster.home}/empty": {"value": ""},
        },
    }
    hook = Webhook()
    hook.answer = lambda request: says(**answer)
    try:
        pod = {
            "exposeAuthMetadataAsEnv": {"key": "KEY"},
            "exposeAuthMetadataAsLabels": {"team": "team"},
            "exposeAuthMetadataAsAnnotations": {"team": "example.com/team"},
        }
        server = make_pods(
            cluster, {"pod": pod}, auth={"publicKey": {"method": "webhook", "webhook": {"url": hook.url}}}
        ).start()
        done = server.run("printf %s \"$SECRET/$KEY\"", user="bob")
    finally:
        hook.close()
    assert done.stdout == b"canary $(HOME) 'x'/canary-key"
    (pod,) = cluster.history
    assert pod.labels["containerssh_username"] == "alice-example.com"
    assert pod.labels["team"] == "blue"
    assert pod.object["metadata"]["annotations"]["example.com/team"] == "blue"
    one, empty = cluster.home / "new" / "one", cluster.home / "empty"
    assert one.read_bytes() == b"canary" and one.stat().st_mode & 0o777 == 0o600
    assert empty.read_bytes() == b""
    assert "canary" not in json.dumps(cluster.asked)
    assert "canary" not in server.said()


def test_a_forced_command(make_pods, cluster):
    server = make_pods(cluster)
    key = server.key.public
    options = 'command="echo forced; echo $SSH_ORIGINAL_COMMAND; echo $MARK",environment="MARK=it\'s"'
    server.config["users"]["alice"]["authorizedKeys"] = [f"{options} {key}"]
    server.start()
    done = server.run("ls 'a b'", "-o", "SetEnv=LC_A=b LD_PRELOAD=/x")
    assert done.stdout.decode() == "forced\nls 'a b'\nit's\n"
    assert server.log().of(REQUEST_FAILED)


AGENT = r"""#!/bin/sh
case $1 in
    console) shift 3
        for shift in 0 8 16 24; do printf "\\$(printf %o $(($$ >> shift & 255)))"; done
        exec "$@" ;;
    signal) kill -s "$5" "$3" ;;
    wait-signal) while :; do sleep 1; done ;;
esac
"""


def test_an_image_with_the_agent(make_pods, cluster):
    """It tells the process id in four bytes, of which a terminal makes five if one is a line feed."""
    agent = cluster.home / "agent"
    agent.write_text(AGENT)
    agent.chmod(0o755)
    server = make_pods(cluster, {"pod": {"agentPath": str(agent)}}).start()
    done = server.run("echo out; echo err >&2; exit 4")
    assert (done.returncode, done.stdout, done.stderr) == (4, b"out\n", b"err\n")
    with shared(server) as master:
        process = master.start("trap '' HUP; echo $$; while :; do sleep 1; done", stdout=subprocess.PIPE)
        pid = int(process.stdout.readline())
        process.kill()
        until(lambda: not alive(pid), what="the program is ended")
        master.end()
    person = Terminal(server, rows=20, columns=70)
    person.prompt()
    person.types("exit 3\r")
    assert person.end() == 3
    assert all(command[0] == str(agent) for pod in cluster.history for command in pod.ran)


def test_an_image_with_nothing_that_helps(make_pods, cluster):
    server = make_pods(cluster, {"pod": {"disableAgent": True}}).start()
    assert server.run("/bin/echo a b", "-o", "SetEnv=LC_A=x").stdout == b"a b\n"
    assert server.log().of(REQUEST_FAILED)
    assert cluster.history[0].ran == [["/bin/echo", "a", "b"]]


def test_the_container_that_is_named(make_pods, cluster):
    containers = [
        {"name": "side", "image": "s", "env": [{"name": "A", "value": "side"}]},
        {"name": "main", "image": "m", "env": [{"name": "A", "value": "main $$"}]},
    ]
    pod = {"spec": {"containers": containers, "nodeName": "n"}, "consoleContainerNumber": 1}
    server = make_pods(cluster, {"pod": pod}).start()
    assert server.run("echo \"$A\"").stdout == b"main $\n"
    spec = cluster.history[0].object["spec"]
    assert spec["nodeName"] == "n" and "command" not in spec["containers"][0]


# How the API server is spoken to.


def test_no_secret_is_printed(server, cluster):
    assert server.run("true").returncode == 0
    assert server.log().of(EXEC)
    cluster.token = "another"
    refused(server, "the token or the certificate")
    assert TOKEN not in server.said()


def test_a_certificate_in_place_of_a_token(make_pods, make_cluster):
    cluster = make_cluster(client_certificates=True)
    certificate, key = cluster.authority.issue("gateway")
    way = {"bearerTokenFile": None, "certFile": str(certificate), "keyFile": str(key)}
    server = make_pods(cluster, {"connection": way})
    server.config["kubernetes"]["connection"].pop("bearerTokenFile")
    assert server.start().run("echo on").stdout == b"on\n"


def test_a_kubeconfig(make_pods, cluster, tmp_path):
    file = tmp_path / "kubeconfig"
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "other",
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "x"}}],
        "clusters": [
            {
                "name": "c",
                "cluster": {
                    "server": f"https://127.0.0.1:{cluster.port}",
                    "certificate-authority": str(cluster.authority.file),
                },
            }
        ],
        "users": [{"name": "u", "user": {"token": TOKEN}}],
    }
    file.write_text(yaml.safe_dump(content))
    server = make_pods(cluster)
    server.config["kubernetes"]["connection"] = {"kubeconfig": str(file), "context": "here"}
    server.environment = {"HTTPS_PROXY": "http://127.0.0.1:1"}
    assert server.start().run("echo on").stdout == b"on\n"
    content["users"][0]["user"] = {"exec": {"command": "canary", "apiVersion": "x"}}
    file.write_text(yaml.safe_dump(content))
    done = program.run("config", "check", server.config_file, check=False)
    assert b"service account" in done.stderr and b"canary" not in done.stderr


def test_a_server_that_is_not_the_one(make_pods, make_cluster, cluster):
    other = make_cluster()
    way = {"cacertFile": str(other.authority.file)}
    server = make_pods(cluster, {"connection": way, "timeouts": {"podStart": "1s"}}).start()
    refused(server, "can't be reached", "certificate")
    assert cluster.asked == []


def test_requests_are_limited(make_pods, cluster):
    """Waiting for their turn they count as waiting, not as unanswered."""
    server = make_pods(cluster, {"connection": {"qps": 2, "burst": 1}, "timeouts": {"http": "1s"}}).start()
    assert server.run("echo on").stdout == b"on\n"


# The configuration.


@pytest.mark.parametrize(
    "block, told",
    [
        ({"connection": {"host": "http://example.com"}}, "must begin with https://"),
        ({"connection": {"path": "/apis"}}, "must be /api"),
        ({"connection": {"insecure": True}}, "cacertFile"),
        ({"connection": {"host": "example.com"}}, "bearerTokenFile"),
        ({"connection": {"certFile": "/x"}}, "belong together"),
        ({"connection": {"kubeconfig": "/x", "bearerToken": "canary"}}, "remove the other settings"),
        ({"pod": {"mode": "persistent"}}, "kubernetes.pod.metadata.name"),
        ({"pod": {"metadata": {"name": "x"}}}, "generateName"),
        ({"pod": {"spec": {"containers": [{"image": "x"}]}}}, "name"),
        ({"pod": {"spec": {"containers": "canary"}}}, "expected"),
        ({"pod": {"consoleContainerNumber": 1}}, "counted from 0"),
        ({"pod": {"spec": {"containers": [{"name": "a", "args": ["x"]}]}}}, "idleCommand"),
        ({"pod": {"createMissingPods": True}}, "persistent"),
        ({"pod": {"shellCommand": []}}, "shellCommand"),
    ],
)
def test_what_can_not_be_is_refused(make_server, block, told):
    server = make_server(backend="kubernetes", local=None, kubernetes=block)
    server.config_file.touch(0o600)
    server.config_file.write_text(json.dumps(server.config))
    done = program.run("config", "check", server.config_file, check=False)
    said = done.stderr.decode()
    assert done.returncode != 0 and told in said, said
    assert "canary" not in said


def test_the_backend_of_old_is_named(tmp_path):
    file = tmp_path / "config.yaml"
    file.touch(0o600)
    file.write_text("kuberun:\n  pod: {}\n")
    done = program.run("config", "check", file, check=False)
    assert b"`kubernetes`" in done.stderr
    file.write_text("backend: kuberun\n")
    done = program.run("config", "check", file, check=False)
    assert b"kubernetes" in done.stderr


def test_the_settings_of_containerssh_are_taken(make_server, cluster):
    """As its documentation has them."""
    settings = f"""
        connection:
          host: https://127.0.0.1:{cluster.port}
          path: /api
          cacertFile: {cluster.authority.file}
          bearerTokenFile: {cluster.token_file}
          qps: 100
          burst: 100
        pod:
          metadata:
            generateName: containerssh-
            namespace: {NAMESPACE}
          spec:
            securityContext: {{runAsNonRoot: true, runAsUser: 1000}}
            containers:
              - name: shell
                image: containerssh/containerssh-guest-image
                env:
                  - {{name: FOO, value: bar}}
                resources: {{limits: {{cpu: 1, memory: 512Mi}}}}
          consoleContainerNumber: 0
          mode: session
          shellCommand: [/bin/sh]
          disableAgent: true
        timeouts: {{podStart: 30s, podStop: 30s, commandStart: 60s, http: 15s}}
    """
    server = make_server(backend="kubernetes", local=None, kubernetes=yaml.safe_load(settings)).start()
    assert server.run("echo $FOO").stdout == b"bar\n"
    assert cluster.history[0].object["spec"]["containers"][0]["resources"]["limits"]["cpu"] == "1"
    shown = program.run("config", "check", server.config_file).stdout
    assert b"FOO" in shown and b"bar" not in shown
