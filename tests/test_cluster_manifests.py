"""The manifests of packaging/kubernetes on a real Kubernetes, applied as their README.md says: the gateway runs in
the cluster and keeps its logs in a bucket. That the network policy is enforced can't be seen: it takes a network
plugin that does so."""

import json
import os
import re
import shutil
import subprocess
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
from harness import docker, keys, s3
from harness.cluster import NODE, PROGRAMS
from harness.faults import Proxy
from harness.log import DISCONNECT, EXEC
from harness.program import ROOT
from harness.wait import until

MANIFESTS = ROOT / "packaging" / "kubernetes"
NAMESPACE = "auditssh"
# What the manifests make, but for access.yaml.
LEFT = "deployments,statefulsets,services,pods,persistentvolumeclaims,secrets"
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]


class Gateway:
    """What an administrator has: a copy of the manifests, kubectl, and a bucket."""

    def __init__(self, node, bucket, store: Proxy, folder: Path):
        self.node, self.bucket, self.store = node, bucket, store
        self.folder = folder / "kubernetes"
        shutil.copytree(MANIFESTS, self.folder)
        programs = folder / "programs"
        programs.mkdir()
        (programs / "kubectl").symlink_to(PROGRAMS / "kubectl")
        path = f"{programs}:{os.environ['PATH']}"
        self.environment = {**os.environ, "PATH": path, "KUBECONFIG": str(node.admin_file)}
        self.user = keys.generate(folder, "alice")
        self.known_hosts = folder / "known_hosts"

    def shell(self, script: str) -> str:
        """What a script prints, in the folder of the manifests."""
        command = ["bash", "-euc", script]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        return done.stdout

    def adapt(self) -> None:
        """The configuration, as a user would: the bucket and the first user."""
        file = self.folder / "config.yaml"
        bucket = f"bucket: {self.bucket.name}\n        endpoint: {self.store.endpoint}"
        text = file.read_text()
        text = replaced(text, "bucket: audit-logs", bucket)
        text = replaced(text, "region: eu-central-1", f"region: {s3.REGION}")
        text = replaced(text, "    users: {}\n    #  alice:\n    #  ", "    users:\n      alice:\n        ")
        text = replaced(text, "ssh-ed25519 AAAA... alice@laptop", self.user.public)
        file.write_text(text)

    def apply(self, manifest: str) -> None:
        """The commands of the README, but for those that make the image."""
        written = re.findall("^    (.*)$", (self.folder / "README.md").read_text(), re.M)
        commands = "\n".join(line for line in written if not line.startswith("docker "))
        identity = self.bucket.store.writer
        commands = replaced(commands, "ACCESS_KEY_ID=…", f"ACCESS_KEY_ID={identity.access}")
        commands = replaced(commands, "SECRET_ACCESS_KEY=…", f"SECRET_ACCESS_KEY={identity.secret}")
        self.shell(replaced(commands, "-f gateway.yaml", f"-f {manifest}"))
        host_key = (self.folder / "host_key.pub").read_text()
        self.known_hosts.write_text(f"gateway {host_key}")

    def get(self, what: str, *options: str) -> list[dict]:
        return json.loads(self.shell(f"kubectl -n {NAMESPACE} get {what} {' '.join(options)} -o json"))["items"]

    def pods(self, label: str) -> dict[str, dict]:
        """The pods of a label by their names, but for those that are going."""
        pods = self.get("pods", "-l", f"app={label}")
        return {pod["metadata"]["name"]: pod for pod in pods if "deletionTimestamp" not in pod["metadata"]}

    def ready(self, count: int = 2) -> dict[str, dict]:
        """The gateways, once so many are ready."""

        def found():
            pods = self.pods("auditssh")
            return len(pods) == count and all(is_ready(pod) for pod in pods.values()) and pods

        try:
            return until(found, 120, f"{count} gateways are ready")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.said()}") from None

    def said(self) -> str:
        """What the cluster and the gateways say of themselves."""
        kubectl = f"kubectl -n {NAMESPACE}"
        return self.shell(f"{kubectl} describe pods; {kubectl} logs -l app=auditssh --all-containers --tail=50 || true")

    def ssh(self, pod: dict, command: str) -> list[str]:
        options = {
            "BatchMode": "yes",
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "HostKeyAlias": "gateway",
            "UserKnownHostsFile": self.known_hosts,
        }
        line = ["ssh", "-F", "none", "-i", self.user.file, "-p", "2222"]
        for key, value in options.items():
            line += ["-o", f"{key}={value}"]
        return [*map(str, line), f"alice@{address(pod)}", command]

    @contextmanager
    def session(self, pod: dict):
        """A session that goes on, by the gateway of a pod."""
        with subprocess.Popen(
            self.ssh(pod, "echo $HOSTNAME; exec cat"), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            try:
                yield process, process.stdout.readline().decode().strip()
            finally:
                process.kill()

    def remove(self) -> None:
        """Everything but what `access.yaml` makes, which other tests go on using."""
        self.shell(f"kubectl -n {NAMESPACE} delete --all --wait {LEFT}")


def replaced(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, f"{old!r} is there {text.count(old)} times"
    return text.replace(old, new)


def is_ready(pod: dict) -> bool:
    conditions = pod["status"].get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def address(pod: dict) -> str:
    return pod["status"]["podIP"]


def page(pod: dict, port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://{address(pod)}:{port}{path}", timeout=30) as answer:
        return answer.read().decode()


@pytest.fixture
def gateway(node, seaweed, tmp_path):
    """The manifests, not yet applied; the store is reached by a proxy."""
    node.engine.make_gateway_image()
    node.engine.tag(docker.SMALL, "busybox:1")
    node.engine.tag(docker.LARGE, "debian:12")
    store = Proxy(seaweed.address, host=node.engine.gateway)
    made = Gateway(node, seaweed.new_bucket(), store, tmp_path)
    made.adapt()
    yield made
    # So that gateways need not wait for it.
    store.down = None
    made.remove()
    store.close()


@pytest.fixture
def volumes(node, tmp_path):
    """What a storage class makes elsewhere, for each gateway."""
    path = "/api/v1/persistentvolumes"
    for number in range(2):
        folder = tmp_path / f"volume{number}"
        folder.mkdir()
        node.call("POST", path, volume(f"local-{number}", folder))
    yield
    for number in range(2):
        node.call("DELETE", f"{path}/local-{number}")


def volume(name: str, folder: Path) -> dict:
    here = {"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": "10Gi"},
            "accessModes": ["ReadWriteOnce"],
            "local": {"path": str(folder)},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}},
        },
    }


def test_the_gateway_as_a_deployment(gateway, tmp_path):
    gateway.apply("gateway.yaml")
    pods = gateway.ready()
    for pod in pods.values():
        assert page(pod, 7000, "/") == "ok"
        assert "\nauditssh_ready 1\n" in page(pod, 9100, "/metrics")
    serves(gateway, "auditssh", pods, 2222)
    serves(gateway, "auditssh-metrics", pods, 9100)
    until(lambda: all(is_probed(gateway, name) for name in pods), 60, "liveness was asked for")
    assert gateway.get("networkpolicies")[0]["metadata"]["name"] == "no-way-in"

    name, pod = next(iter(pods.items()))
    done = subprocess.run(gateway.ssh(pod, "echo $HOSTNAME; id -u; exit 3"), capture_output=True, timeout=100)
    assert done.returncode == 3 and done.stderr.startswith(b"Sessions on this system"), (done, gateway.said())
    guest = done.stdout.decode().split()[0]
    until(lambda: guest not in gateway.pods("auditssh-guest"), 60, "the guest is gone")
    (log,) = gateway.bucket.logs(tmp_path / "first")
    assert log.user == "alice" and "echo $HOSTNAME" in log.only(EXEC)["program"]

    with gateway.session(pod) as (process, guest):
        owners = gateway.pods("auditssh-guest")[guest]["metadata"]["ownerReferences"]
        assert [owner["uid"] for owner in owners] == [pod["metadata"]["uid"]]
        gateway.shell(f"kubectl -n {NAMESPACE} delete pod {name}")
        assert process.wait(60) == 255
    until(lambda: not gateway.pods("auditssh-guest"), 60, "the guest went with its gateway")
    # A gateway that was killed after its time would have taken the log with it.
    _, log = gateway.bucket.logs(tmp_path / "second", 2)
    assert log.only(EXEC) and log.only(DISCONNECT)
    assert name not in gateway.ready()


def serves(gateway: Gateway, service: str, pods: dict[str, dict], port: int) -> None:
    """A service leads to the pods that are ready."""

    def leads() -> bool:
        slices = gateway.get("endpointslices", "-l", f"kubernetes.io/service-name={service}")
        ports = {one["port"] for found in slices for one in found["ports"]}
        ends = [end for found in slices for end in found["endpoints"] if end["conditions"]["ready"]]
        led = {one for end in ends for one in end["addresses"]}
        return ports == {port} and led == {address(pod) for pod in pods.values()}

    until(leads, 60, f"{service} leads to both gateways")


def is_probed(gateway: Gateway, pod: str) -> bool:
    """Whether the kubelet has found a gateway alive."""
    live = [line for line in gateway.node.probes() if f'pod="{pod}"' in line and 'probe_type="Liveness"' in line]
    assert not any('result="failed"' in line for line in live), live
    return any('result="successful"' in line for line in live)


def test_the_gateway_with_a_volume_that_stays(volumes, gateway, tmp_path):
    """What a gateway's pod could not upload is uploaded by the next one of its name."""
    gateway.apply("gateway-with-volume.yaml")
    pod = gateway.ready()["auditssh-0"]
    gateway.store.down = "reset"
    with gateway.session(pod) as (process, guest):
        assert guest in gateway.pods("auditssh-guest")
        gateway.shell(f"kubectl -n {NAMESPACE} delete pod auditssh-0")
        assert process.wait(60) == 255
    until(lambda: not gateway.pods("auditssh-guest"), 60, "the guest went with its gateway")
    again = gateway.ready()["auditssh-0"]
    assert again["metadata"]["uid"] != pod["metadata"]["uid"]
    assert gateway.bucket.keys() == []
    gateway.store.down = None
    (log,) = gateway.bucket.logs(tmp_path / "logs", timeout=120)
    assert log.user == "alice" and log.only(EXEC) and log.only(DISCONNECT)
