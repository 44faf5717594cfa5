"""A real Kubernetes of one node: etcd, the API server and the kubelet, on a real Docker engine. The
programs are those that `scripts/kubernetes` builds; there is no scheduler, so pods name their node."""

import json
import os
import ssl
import subprocess
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

import yaml
from cryptography.hazmat.primitives import serialization

from . import docker
from .certificates import Authority
from .server import free_port
from .wait import until

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ROOT / "target" / "kubernetes" / "bin"
ACCESS = ROOT / "packaging" / "kubernetes" / "access.yaml"
ADMIN = "token-of-the-administrator"
NODE = "localhost"
PAUSE = "auditssh-pause:latest"
PLURALS = {
    "Namespace": "namespaces",
    "ServiceAccount": "serviceaccounts",
    "Role": "roles",
    "RoleBinding": "rolebindings",
    "NetworkPolicy": "networkpolicies",
}


# The kubelet asks for a score that only those may give who may raise limits; containers in which tests
# run may not. So that is left out.
RUNNER = """#!/usr/bin/env python3
import json, os, sys
if "--bundle" in sys.argv:
    file = os.path.join(sys.argv[sys.argv.index("--bundle") + 1], "config.json")
    with open(file) as config:
        spec = json.load(config)
    if spec["process"].get("oomScoreAdj", 0) < 0:
        del spec["process"]["oomScoreAdj"]
        with open(file, "w") as config:
            json.dump(spec, config)
os.execvp("runc", ["runc", *sys.argv[1:]])
"""


class Engine(docker.Docker):
    """A Docker that runs what the kubelet asks for."""

    def command(self) -> list[str]:
        runner = self.directory / "runner"
        runner.write_text(RUNNER)
        runner.chmod(0o755)
        return [*super().command(), "--add-runtime", f"bearing={runner}", "--default-runtime", "bearing"]


class Node:
    """An API server and a node that really runs pods; starts with the object."""

    def __init__(self):
        assert (PROGRAMS / "kubelet").exists(), "run scripts/kubernetes, which builds what is needed"
        self.directory = Path(tempfile.mkdtemp(prefix="node-"))
        self.processes: dict[str, subprocess.Popen] = {}
        self.authority = Authority(self.directory, "authority")
        self.port, self.etcd_port, self.kubelet_port = free_port(), free_port(), free_port()
        self.engine = Engine()
        try:
            self.make_pause()
            self.start_etcd()
            self.start_api_server()
            self.start_kubelet()
            self.namespace, self.token_file = self.grant()
        except BaseException:
            self.remove()
            raise

    def make_pause(self) -> None:
        """The container that holds a pod together; its image usually comes from a registry."""
        root = self.directory / "pause"
        (root / "bin").mkdir(parents=True)
        for name in ("busybox", "sleep"):
            (root / "bin" / name).write_bytes(Path("/bin/busybox").read_bytes())
            (root / "bin" / name).chmod(0o755)
        archive = self.directory / "pause.tar"
        subprocess.run(["tar", "-C", str(root), "-cf", str(archive), "."], check=True)
        image, tag = PAUSE.split(":")
        change = docker.quoted('CMD ["/bin/sleep", "1000000"]')
        path = f"/images/create?fromSrc=-&repo={image}&tag={tag}&changes={change}"
        assert b"sha256" in self.engine.call(path, "POST", archive)

    def run(self, name: str, *command: str) -> None:
        with open(self.directory / f"{name}.log", "ab") as output:
            self.processes[name] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )

    def said(self, name: str) -> str:
        return (self.directory / f"{name}.log").read_text(errors="replace")[-5000:]

    def start_etcd(self) -> None:
        client, peer = f"http://127.0.0.1:{self.etcd_port}", f"http://127.0.0.1:{free_port()}"
        self.run(
            "etcd",
            *("etcd", "--data-dir", f"{self.directory}/etcd", "--unsafe-no-fsync"),
            *("--listen-client-urls", client, "--advertise-client-urls", client),
            *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
            *("--initial-cluster", f"default={peer}"),
        )

    def start_api_server(self) -> None:
        at = self.directory
        certificate, key = self.authority.issue("apiserver")
        client, client_key = self.authority.issue("kube-apiserver-kubelet-client")
        signing = at / "signing.key"
        signing.write_bytes(
            self.authority.key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.NoEncryption(),
            )
        )
        tokens = at / "tokens.csv"
        tokens.write_text(f'{ADMIN},admin,admin,"system:masters"\n')
        self.run(
            "apiserver",
            *(f"{PROGRAMS}/kube-apiserver", f"--etcd-servers=http://127.0.0.1:{self.etcd_port}"),
            *("--bind-address=127.0.0.1", f"--secure-port={self.port}", "--endpoint-reconciler-type=none"),
            *(f"--tls-cert-file={certificate}", f"--tls-private-key-file={key}"),
            *(f"--token-auth-file={tokens}", "--authorization-mode=RBAC", "--anonymous-auth=false"),
            *(f"--service-account-key-file={signing}", f"--service-account-signing-key-file={signing}"),
            "--service-account-issuer=https://kubernetes.example",
            # Nobody makes accounts for namespaces here.
            "--disable-admission-plugins=ServiceAccount",
            *(f"--kubelet-client-certificate={client}", f"--kubelet-client-key={client_key}"),
            *(f"--kubelet-certificate-authority={self.authority.file}", "--allow-privileged=true"),
            "--kubelet-preferred-address-types=Hostname",
            "--service-cluster-ip-range=10.99.0.0/24",
        )
        until(self.is_ready, 120, "the API server is ready")

    def is_ready(self) -> bool:
        assert self.processes["apiserver"].poll() is None, self.said("apiserver")
        try:
            return self.call("GET", "/readyz", raw=True) == b"ok"
        except OSError:
            return False

    def start_kubelet(self) -> None:
        at = self.directory
        certificate, key = self.authority.issue("kubelet", alias=NODE)
        kubeconfig = at / "kubelet.yaml"
        kubeconfig.write_text(yaml.safe_dump(self.kubeconfig(ADMIN)))
        config = at / "kubelet-config.yaml"
        config.write_text(
            yaml.safe_dump(
                {
                    "kind": "KubeletConfiguration",
                    "apiVersion": "kubelet.config.k8s.io/v1beta1",
                    "address": "127.0.0.1",
                    "port": self.kubelet_port,
                    "healthzPort": 0,
                    "tlsCertFile": str(certificate),
                    "tlsPrivateKeyFile": str(key),
                    "authentication": {
                        "anonymous": {"enabled": False},
                        "webhook": {"enabled": False},
                        "x509": {"clientCAFile": str(self.authority.file)},
                    },
                    "authorization": {"mode": "AlwaysAllow"},
                    "cgroupsPerQOS": False,
                    "enforceNodeAllocatable": [],
                    "failSwapOn": False,
                    "cgroupDriver": "cgroupfs",
                    # However full the disk of this machine is.
                    "evictionHard": {"memory.available": "0%", "nodefs.available": "0%"},
                    "imageGCHighThresholdPercent": 100,
                    "imageGCLowThresholdPercent": 99,
                    "makeIPTablesUtilChains": False,
                    "protectKernelDefaults": False,
                    "oomScoreAdj": 0,
                }
            )
        )
        self.run(
            "kubelet",
            *(f"{PROGRAMS}/kubelet", f"--config={config}", f"--kubeconfig={kubeconfig}"),
            *(f"--root-dir={at}/kubelet", f"--hostname-override={NODE}"),
            *("--container-runtime=docker", f"--docker-endpoint=unix://{self.engine.socket}"),
            *(f"--pod-infra-container-image={PAUSE}", "--cloud-provider="),
            *(f"--cert-dir={at}/kubelet-pki", "--runtime-cgroups=/", "--kubelet-cgroups=/"),
        )
        until(self.is_joined, 120, "the node is ready")

    def is_joined(self) -> bool:
        assert self.processes["kubelet"].poll() is None, self.said("kubelet")
        try:
            status = self.call("GET", f"/api/v1/nodes/{NODE}")["status"]
        except OSError:
            return False
        return any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", []))

    def kubeconfig(self, token: str) -> dict:
        cluster = {
            "server": f"https://127.0.0.1:{self.port}",
            "certificate-authority": str(self.authority.file),
        }
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "test", "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "current-context": "test",
        }

    def call(self, method: str, path: str, body: dict | None = None, raw: bool = False):
        """A request of the administrator."""
        request = urllib.request.Request(f"https://127.0.0.1:{self.port}{path}", method=method)
        request.add_header("Authorization", f"Bearer {ADMIN}")
        if body is not None:
            request.add_header("Content-Type", "application/json")
            request.data = json.dumps(body).encode()
        context = ssl.create_default_context(cafile=str(self.authority.file))
        with urllib.request.urlopen(request, timeout=30, context=context) as answer:
            said = answer.read()
        return said if raw else json.loads(said)

    def grant(self) -> tuple[str, Path]:
        """Applies the manifest that is shipped for the namespace of the pods, and has a token made for
        the account in it: what the gateway may do here is what users are told to allow."""
        namespace, account = "", {}
        for thing in yaml.safe_load_all(ACCESS.read_text()):
            kind, where = thing["kind"], thing["metadata"].get("namespace")
            group = "/api/v1" if thing["apiVersion"] == "v1" else f"/apis/{thing['apiVersion']}"
            within = f"/namespaces/{where}" if where else ""
            self.call("POST", f"{group}{within}/{PLURALS[kind]}", thing)
            if kind == "RoleBinding":
                namespace = where
                account = thing["subjects"][0]
        path = f"/api/v1/namespaces/{account['namespace']}/serviceaccounts/{account['name']}/token"
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": []}}
        token = self.call("POST", path, asked)["status"]["token"]
        file = self.directory / "token"
        file.touch(0o600)
        file.write_text(token)
        return namespace, file

    def pods(self) -> list[dict]:
        return self.call("GET", f"/api/v1/namespaces/{self.namespace}/pods")["items"]

    def settings(self, folder: Path | None = None, image: str = docker.LARGE, **pod) -> dict:
        """The block `kubernetes` for pods of this node. They see the folder, where one is given, and
        the processes of this machine."""
        container = {"name": "shell", "image": image, "imagePullPolicy": "Never"}
        spec = {
            "nodeName": NODE,
            "hostNetwork": True,
            "hostPID": True,
            "terminationGracePeriodSeconds": 0,
            "containers": [container],
        }
        if folder:
            spec["volumes"] = [{"name": "place", "hostPath": {"path": str(folder)}}]
            container["volumeMounts"] = [{"name": "place", "mountPath": str(folder)}]
        return {
            "connection": {
                "host": f"https://127.0.0.1:{self.port}",
                "cacertFile": str(self.authority.file),
                "bearerTokenFile": str(self.token_file),
                "qps": 100,
                "burst": 100,
            },
            "pod": {"metadata": {"namespace": self.namespace}, "spec": spec, "shellCommand": ["/bin/sh"]} | pod,
            "timeouts": {"podStart": "60s"},
        }

    def remove(self) -> None:
        """Ends everything and leaves nothing behind."""
        for pod in self.pods_if_there():
            path = f"/api/v1/namespaces/{self.namespace}/pods/{pod['metadata']['name']}"
            try:
                self.call("DELETE", f"{path}?gracePeriodSeconds=0")
            except OSError:
                pass
        for name in ("kubelet", "apiserver", "etcd"):
            process = self.processes.get(name)
            if process and process.poll() is None:
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait(20)
        self.engine.remove()
        docker.unmount(self.directory)
        subprocess.run(["rm", "-rf", str(self.directory)], check=False)

    def pods_if_there(self) -> list[dict]:
        try:
            return self.pods() if "apiserver" in self.processes else []
        except (OSError, AttributeError, urllib.error.URLError):
            return []
