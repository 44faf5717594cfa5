"""A real Kubernetes of one node: etcd, the API server, the controllers, the scheduler and the kubelet, which
`scripts/kubernetes` builds, on a real containerd."""

import json
import os
import ssl
import subprocess
import tempfile
import urllib.request
from pathlib import Path

import yaml
from cryptography.hazmat.primitives import serialization

from . import docker
from .certificates import Authority
from .containerd import Containerd
from .server import free_port
from .wait import until

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ROOT / "target" / "kubernetes" / "bin"
ACCESS = ROOT / "packaging" / "kubernetes" / "access.yaml"
ADMIN = "token-of-the-administrator"
NODE = "localhost"
PLURALS = {
    "Namespace": "namespaces",
    "ServiceAccount": "serviceaccounts",
    "Role": "roles",
    "RoleBinding": "rolebindings",
    "NetworkPolicy": "networkpolicies",
}

# What a kubelet sets to its liking.
KERNEL = [Path("/proc/sys") / name for name in ("vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic")]
KERNEL += [Path("/proc/sys/kernel") / name for name in ("panic_on_oops", "keys/root_maxkeys", "keys/root_maxbytes")]
# Where it names the output of pods, wherever that is.
NAMED_LOGS = Path("/var/log/containers")

WAY_IN = """\
defaults
    mode tcp
    timeout connect 5s
    timeout client 1h
    timeout server 1h
listen kubernetes
    bind {host}:443
    server one 127.0.0.1:{port}
"""


class Node:
    """An API server and a node that really runs pods; starts with the object."""

    def __init__(self):
        assert (PROGRAMS / "kubelet").exists(), "run scripts/kubernetes, which builds what is needed"
        self.directory = Path(tempfile.mkdtemp(prefix="node-"))
        self.processes: dict[str, subprocess.Popen] = {}
        self.authority = Authority(self.directory, "authority")
        self.port, self.etcd_port, self.kubelet_port = free_port(), free_port(), free_port()
        self.kernel = {file: file.read_text() for file in KERNEL}
        self.engine = Containerd()
        try:
            self.start_etcd()
            self.start_api_server()
            self.start_way_in()
            self.start_controllers()
            self.start_kubelet()
            access = ACCESS.read_text()
            self.namespace, self.token_file = self.grant(access)
            # Pods that see this machine are not let in there.
            self.open = self.grant(access.replace(": auditssh\n", ": open\n").replace(": baseline", ": privileged"))
        except BaseException:
            self.remove()
            raise

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
            *(f"{PROGRAMS}/etcd", "--data-dir", f"{self.directory}/etcd", "--unsafe-no-fsync"),
            *("--listen-client-urls", client, "--advertise-client-urls", client),
            *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
            *("--initial-cluster", f"default={peer}"),
        )

    def start_api_server(self) -> None:
        at = self.directory
        certificate, key = self.authority.issue("apiserver", other=self.engine.api_server)
        client, client_key = self.kubelet_client = self.authority.issue("kube-apiserver-kubelet-client")
        signing = self.signing_key = at / "signing.key"
        signing.write_bytes(
            self.authority.key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.NoEncryption(),
            )
        )
        tokens = at / "tokens.csv"
        tokens.write_text(f'{ADMIN},admin,admin,"system:masters"\n')
        self.api_server = (
            *(f"{PROGRAMS}/kube-apiserver", f"--etcd-servers=http://127.0.0.1:{self.etcd_port}"),
            *("--bind-address=127.0.0.1", "--endpoint-reconciler-type=none"),
            *(f"--tls-cert-file={certificate}", f"--tls-private-key-file={key}"),
            *(f"--token-auth-file={tokens}", "--authorization-mode=RBAC", "--anonymous-auth=false"),
            *(f"--service-account-key-file={signing}", f"--service-account-signing-key-file={signing}"),
            "--service-account-issuer=https://kubernetes.example",
            *(f"--kubelet-client-certificate={client}", f"--kubelet-client-key={client_key}"),
            *(f"--kubelet-certificate-authority={self.authority.file}", "--allow-privileged=true"),
            "--kubelet-preferred-address-types=Hostname",
            f"--service-cluster-ip-range={self.engine.services}",
        )
        self.run("apiserver", *self.api_server, f"--secure-port={self.port}")
        until(lambda: self.is_ready("apiserver", self.port), 120, "the API server is ready")

    def start_way_in(self) -> None:
        """What is kube-proxy's elsewhere: pods reach the API server by the address of its service."""
        config = self.directory / "haproxy.cfg"
        config.write_text(WAY_IN.format(host=self.engine.api_server, port=self.port))
        self.run("haproxy", "/usr/sbin/haproxy", "-db", "-f", str(config))

    def older(self) -> str:
        """The address of an API server that speaks no protocol but v4 with programs, as all before 1.30."""
        if "older" not in self.processes:
            self.older_port = free_port()
            gate = "--feature-gates=TranslateStreamCloseWebsocketRequests=false"
            self.run("older", *self.api_server, f"--secure-port={self.older_port}", gate)
            until(lambda: self.is_ready("older", self.older_port), 120, "the older API server is ready")
        return f"https://127.0.0.1:{self.older_port}"

    def is_ready(self, name: str, port: int) -> bool:
        assert self.processes[name].poll() is None, self.said(name)
        try:
            return self.call("GET", "/readyz", raw=True, port=port) == b"ok"
        except OSError:
            return False

    def start_controllers(self) -> None:
        self.admin_file = self.directory / "admin.yaml"
        self.admin_file.write_text(yaml.safe_dump(self.kubeconfig(ADMIN)))
        common = (f"--kubeconfig={self.admin_file}", "--leader-elect=false", "--secure-port=0")
        self.run(
            "controllers",
            *(f"{PROGRAMS}/kube-controller-manager", *common, f"--root-ca-file={self.authority.file}"),
            f"--service-account-private-key-file={self.signing_key}",
        )
        self.run("scheduler", f"{PROGRAMS}/kube-scheduler", *common)

    def start_kubelet(self) -> None:
        at = self.directory
        certificate, key = self.authority.issue("kubelet", alias=NODE)
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
                    "containerRuntimeEndpoint": f"unix://{self.engine.socket}",
                    "podLogsDir": f"{at}/pod-logs",
                    "volumePluginDir": f"{at}/volume-plugins",
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
            *(f"{PROGRAMS}/kubelet", f"--config={config}", f"--kubeconfig={self.admin_file}"),
            *(f"--root-dir={at}/kubelet", f"--hostname-override={NODE}"),
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

    def call(self, method: str, path: str, body: dict | None = None, *, raw: bool = False, port: int = 0):
        """A request of the administrator."""
        address = f"https://127.0.0.1:{port or self.port}"
        request = urllib.request.Request(f"{address}{path}", method=method)
        request.add_header("Authorization", f"Bearer {ADMIN}")
        if body is not None:
            request.add_header("Content-Type", "application/json")
            request.data = json.dumps(body).encode()
        context = ssl.create_default_context(cafile=str(self.authority.file))
        with urllib.request.urlopen(request, timeout=30, context=context) as answer:
            said = answer.read()
        return said if raw else json.loads(said)

    def probes(self) -> list[str]:
        """What the kubelet counts of its probes, asked as the API server would."""
        context = ssl.create_default_context(cafile=str(self.authority.file))
        context.load_cert_chain(*self.kubelet_client)
        address = f"https://127.0.0.1:{self.kubelet_port}/metrics/probes"
        with urllib.request.urlopen(address, timeout=30, context=context) as answer:
            lines = answer.read().decode().splitlines()
        return [line for line in lines if line.startswith("prober_probe_total{")]

    def grant(self, access: str) -> tuple[str, Path]:
        """Applies the manifest that is shipped for the namespace of the pods, and has a token made for
        the account in it: what the gateway may do here is what users are told to allow."""
        namespace, account = "", {}
        for thing in yaml.safe_load_all(access):
            kind, where = thing["kind"], thing["metadata"].get("namespace")
            group = "/api/v1" if thing["apiVersion"] == "v1" else f"/apis/{thing['apiVersion']}"
            within = f"/namespaces/{where}" if where else ""
            self.call("POST", f"{group}{within}/{PLURALS[kind]}", thing)
            if kind == "RoleBinding":
                namespace = where
                account = thing["subjects"][0]
        until(lambda: self.has_account(namespace), 60, "the account of the pods is made")
        path = f"/api/v1/namespaces/{account['namespace']}/serviceaccounts/{account['name']}/token"
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": []}}
        token = self.call("POST", path, asked)["status"]["token"]
        file = self.directory / f"token-{namespace}"
        file.touch(0o600)
        file.write_text(token)
        return namespace, file

    def has_account(self, namespace: str) -> bool:
        """Whether the controllers have made what each pod of a namespace is run by."""
        accounts = self.call("GET", f"/api/v1/namespaces/{namespace}/serviceaccounts")["items"]
        return any(account["metadata"]["name"] == "default" for account in accounts)

    def pods(self) -> list[dict]:
        return self.call("GET", f"/api/v1/namespaces/{self.namespace}/pods")["items"]

    def settings(self, folder: Path | None = None, image: str = docker.LARGE, **pod) -> dict:
        """The block `kubernetes`. Pods see the folder, where one is given, and then the processes of this
        machine as well."""
        container = {"name": "shell", "image": image, "imagePullPolicy": "Never"}
        spec = {"terminationGracePeriodSeconds": 0, "containers": [container]}
        namespace, token_file = self.namespace, self.token_file
        if folder:
            namespace, token_file = self.open
            spec["hostPID"] = True
            spec["volumes"] = [{"name": "place", "hostPath": {"path": str(folder)}}]
            container["volumeMounts"] = [{"name": "place", "mountPath": str(folder)}]
        return {
            "connection": {
                "host": f"https://127.0.0.1:{self.port}",
                "cacertFile": str(self.authority.file),
                "bearerTokenFile": str(token_file),
                "qps": 100,
                "burst": 100,
            },
            "pod": {"metadata": {"namespace": namespace}, "spec": spec, "shellCommand": ["/bin/sh"]} | pod,
            "timeouts": {"podStart": "60s"},
        }

    def remove(self) -> None:
        """Ends everything and leaves nothing behind."""
        for name in ("kubelet", "scheduler", "controllers", "haproxy", "older", "apiserver", "etcd"):
            process = self.processes.get(name)
            if process and process.poll() is None:
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait(20)
        for file, value in self.kernel.items():
            if file.read_text() != value:
                file.write_text(value)
        for name in NAMED_LOGS.glob("*"):
            if name.is_symlink() and str(name.readlink()).startswith(f"{self.directory}/"):
                name.unlink()
        self.engine.remove()
        docker.unmount(self.directory)
        subprocess.run(["rm", "-rf", str(self.directory)], check=False)
