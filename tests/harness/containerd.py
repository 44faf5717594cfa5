"""A containerd that runs pods for a kubelet, with the images of the other engines. Its network is a
bridge of its own, which leads to this machine and no further."""

import hashlib
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

from . import docker, program
from .wait import until

NAMESPACE = "k8s.io"
# The container that holds a pod together; its image usually comes from a registry.
PAUSE = "auditssh-pause:latest"
# The gateway itself, by the name that the manifests give it.
GATEWAY = "registry.example.com/auditssh:VERSION"
DOCKERFILE = program.ROOT / "packaging" / "Dockerfile"

CONFIG = """
version = 2
root = "{at}/root-store"
state = "{at}/run"

[grpc]
address = "{at}/engine.sock"

[plugins."io.containerd.internal.v1.opt"]
path = "{at}/opt"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "docker.io/library/{pause}"
# Pods end with this folder, and nothing of their networks is left elsewhere.
netns_mounts_under_state_dir = true
# Containers in which tests run may not lower a score, as the kubelet asks for.
restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "{at}/networks"
"""


class Containerd(docker.Engine):
    name = "containerd"
    # Names of network interfaces are short.
    bridge = f"pods{os.getpid()}"
    # Networks of several runs are told from each other.
    number = os.getpid() % 256
    subnet, services = f"10.231.{number}.0/24", f"10.99.{number}.0/24"
    # This machine among the pods, and where they look for the API server.
    gateway, api_server = f"10.231.{number}.1", f"10.99.{number}.1"

    def start(self) -> None:
        link = ["ip", "link", "add", self.bridge, "type", "bridge"]
        subprocess.run(link, check=True)
        for address in (f"{self.gateway}/24", f"{self.api_server}/32"):
            subprocess.run(["ip", "address", "add", address, "dev", self.bridge], check=True)
        subprocess.run(["ip", "link", "set", self.bridge, "up"], check=True)
        super().start()

    def command(self) -> list[str]:
        at = self.directory
        config = at / "config.toml"
        config.write_text(CONFIG.format(at=at, pause=PAUSE))
        networks = at / "networks"
        networks.mkdir(exist_ok=True)
        (networks / "pods.conflist").write_text(json.dumps(self.network()))
        return ["containerd", "--config", str(config), "--log-level", "warn"]

    def network(self) -> dict:
        addresses = {
            "type": "host-local",
            "ranges": [[{"subnet": self.subnet}]],
            "routes": [{"dst": self.services}],
            "dataDir": f"{self.directory}/addresses",
        }
        bridge = {"type": "bridge", "bridge": self.bridge, "ipam": addresses}
        return {"cniVersion": "0.4.0", "name": "pods", "plugins": [bridge]}

    def ctr(self, *command: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            ["ctr", "--address", str(self.socket), "--namespace", NAMESPACE, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=120,
        )

    def answers(self) -> bool:
        assert self.process.poll() is None, self.said()
        return self.socket.exists() and self.ctr("version").returncode == 0

    def make_images(self) -> None:
        super().make_images()
        self.make_image(self.directory / "small", PAUSE)

    def make_gateway_image(self) -> None:
        """An image as the one that is shipped, with the libraries that the program under test needs."""
        root, built = self.directory / "gateway", program.path()
        docker.copy_program(root, built)
        (root / "usr" / "bin").mkdir(parents=True, exist_ok=True)
        shutil.move(root / built.lstrip("/"), root / "usr" / "bin" / "auditssh")
        self.make_image(root, GATEWAY)
        shutil.rmtree(root)

    def load(self, archive: Path, name: str) -> None:
        """It takes what `docker save` would have written."""
        with open(archive, "rb") as layer:
            digest = hashlib.file_digest(layer, "sha256").hexdigest()
        config = {
            "architecture": {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine],
            "os": "linux",
            "config": self.started(name) | {"Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        }
        manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
        folder = self.directory / "saved"
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "manifest.json").write_text(json.dumps(manifest))
        with tarfile.open(folder / "image.tar", "w") as saved:
            saved.add(folder / "manifest.json", "manifest.json")
            saved.add(folder / "config.json", "config.json")
            saved.add(archive, "layer.tar")
        done = self.ctr("images", "import", str(folder / "image.tar"))
        assert done.returncode == 0, done.stdout.decode()
        shutil.rmtree(folder)

    def started(self, name: str) -> dict:
        """What an image says of how it is started: that of the gateway, what its Dockerfile says."""
        if name == PAUSE:
            return {"Cmd": ["/bin/sleep", "1000000"]}
        if name != GATEWAY:
            return {}
        lines = [line.split(maxsplit=1) for line in DOCKERFILE.read_text().splitlines()]
        said = {line[0]: line[1] for line in lines if len(line) == 2}
        return {
            "User": said["USER"],
            "Entrypoint": json.loads(said["ENTRYPOINT"]),
            "Cmd": json.loads(said["CMD"]),
            "Volumes": {said["VOLUME"]: {}},
        }

    def tag(self, name: str, other: str) -> None:
        """An image by another name as well."""
        done = self.ctr("images", "tag", "--force", f"docker.io/library/{name}", f"docker.io/library/{other}")
        assert done.returncode == 0, done.stdout.decode()

    def tasks(self) -> list[str]:
        return self.ctr("tasks", "list", "--quiet").stdout.decode().split()

    def remove(self) -> None:
        """Ends what still runs, by it and it itself: what it started would outlive it."""
        if self.process and self.process.poll() is None and self.socket.exists():
            for task in self.tasks():
                self.ctr("tasks", "delete", "--force", task)
            until(lambda: not self.tasks(), 60, "the end of all containers")
        self.stop()
        docker.unmount(self.directory)
        subprocess.run(["ip", "link", "delete", self.bridge], capture_output=True)
        shutil.rmtree(self.directory, ignore_errors=True)
