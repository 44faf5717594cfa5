"""Engines that run containers: a real dockerd and a real Podman, each for all tests, with images that
are made of this machine's own programs; no registry."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from .certificates import Authority
from .server import free_port
from .wait import until

# Programs of the larger image. Shells in it are real ones, and not busybox's.
PROGRAMS = """sh bash cat seq sha256sum dd head tr touch sleep stty env printf ls mkdir rm mv id ps kill
    scp true false""".split()
SFTP_SERVER = "/usr/lib/openssh/sftp-server"
LARGE, SMALL, NO_SHELL = "auditssh-large:latest", "auditssh-small:latest", "auditssh-bare:latest"
PASSWD = "root:x:0:0:root:/root:/bin/bash\nanna:x:1000:1001:anna:/home/anna:/bin/sh\n"


class Engine:
    """An engine that listens on a socket of its own."""

    def __init__(self):
        # Not below pytest's folder: the path of a socket is short.
        self.directory = Path(tempfile.mkdtemp(prefix="engine-"))
        self.socket = self.directory / "engine.sock"
        self.output = self.directory / "output"
        self.process: subprocess.Popen | None = None
        try:
            self.start()
            self.make_images()
        except BaseException:
            self.remove()
            raise

    def start(self) -> None:
        with open(self.output, "ab") as output:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=self.environment()
            )
        until(self.answers, 60, f"{self.name} answers: {self.said()}")

    def environment(self) -> dict[str, str]:
        return dict(os.environ)

    def said(self) -> str:
        return self.output.read_text(errors="replace")[-5000:]

    def answers(self) -> bool:
        assert self.process.poll() is None, self.said()
        return self.socket.exists() and self.call("/_ping") == b"OK"

    def call(self, path: str, method: str = "GET", body: Path | None = None) -> bytes:
        """A request of the API, which both engines have."""
        command = ["curl", "-s", "--max-time", "60", "--unix-socket", str(self.socket), "-X", method]
        if body:
            command += ["-T", str(body), "-H", "Content-Type: application/x-tar"]
        return subprocess.run([*command, f"http://engine{path}"], capture_output=True).stdout

    def make_images(self) -> None:
        root = self.directory / "root"
        for program in PROGRAMS:
            copy_program(root, shutil.which(program))
        copy_program(root, SFTP_SERVER)
        self.make_image(root, LARGE)
        root = self.directory / "small"
        (root / "bin").mkdir(parents=True)
        shutil.copy("/bin/busybox", root / "bin")
        applets = subprocess.run(["/bin/busybox", "--list"], capture_output=True, check=True)
        for applet in applets.stdout.decode().split():
            if applet != "busybox":
                (root / "bin" / applet).symlink_to("busybox")
        self.make_image(root, SMALL)
        root = self.directory / "bare"
        (root / "bin").mkdir(parents=True)
        shutil.copy("/bin/busybox", root / "bin")
        self.make_image(root, NO_SHELL)

    def make_image(self, root: Path, name: str) -> None:
        for folder in ("etc", "tmp", "root", "home/anna"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        (root / "tmp").chmod(0o1777)
        (root / "etc" / "passwd").write_text(PASSWD)
        (root / "etc" / "group").write_text("root:x:0:\nanna:x:1001:\n")
        archive = self.directory / "image.tar"
        subprocess.run(["tar", "-C", str(root), "-cf", str(archive), "."], check=True)
        self.load(archive, name)
        archive.unlink()

    def load(self, archive: Path, name: str) -> None:
        """Makes an image of the files in an archive."""
        image, tag = name.split(":")
        said = self.call(f"/images/create?fromSrc=-&repo={image}&tag={tag}", "POST", archive)
        assert b"sha256" in said or b"status" in said, said

    def settings(self, **execution) -> dict:
        """The block `docker`, for containers of the small image."""
        made = {
            "container": {"image": SMALL},
            "host": {"networkmode": "none"},
            "imagePullPolicy": "Never",
            "shellCommand": ["/bin/sh"],
        }
        for key, value in execution.items():
            made[key] = {**made[key], **value} if isinstance(made.get(key), dict) else value
        return {"connection": {"host": f"unix://{self.socket}"}, "execution": made}

    def containers(self, label: str = "") -> list[dict]:
        """All containers, or those with a label."""
        wanted = '{"label":["%s"]}' % label if label else "{}"
        listed = self.call(f"/containers/json?all=1&filters={quoted(wanted)}")
        return json.loads(listed)

    def of(self, server) -> list[dict]:
        """The containers of one gateway."""
        known = server.audit / ".containers"
        instance = known.read_text().split()[0]
        return self.containers(f"auditssh_instance={instance}")

    def inspect(self, container: str) -> dict:
        return json.loads(self.call(f"/containers/{container}/json"))

    def kill_container(self, container: str) -> None:
        self.call(f"/containers/{container}/kill", "POST")

    def remove_container(self, container: str) -> None:
        self.call(f"/containers/{container}?force=1", "DELETE")

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(30)

    def crash(self) -> None:
        """Ends the engine as a crash would, with the program that it runs containers by: one that is
        ended halfway, by its parent's end, is what the next start waits for."""
        self.process.kill()
        self.process.wait(30)
        pid = self.directory / "exec" / "containerd" / "containerd.pid"
        if pid.exists():
            running = Path(f"/proc/{pid.read_text()}")
            if running.exists():
                try:
                    os.kill(int(pid.read_text()), signal.SIGKILL)
                except ProcessLookupError:
                    pass
            until(lambda: not running.exists(), 30, "the end of containerd")
            pid.unlink()
        self.socket.unlink(missing_ok=True)

    def remove(self) -> None:
        """Ends it and leaves nothing behind."""
        if self.process and self.process.poll() is None and self.socket.exists():
            for container in self.containers():
                self.remove_container(container["Id"])
        self.stop()
        unmount(self.directory)
        shutil.rmtree(self.directory, ignore_errors=True)


class Docker(Engine):
    """Docker's own engine. It listens on a port as well, for clients with a certificate."""

    name = "docker"

    def start(self) -> None:
        if not (self.directory / "authority.pem").exists():
            self.port = free_port()
            self.authority = Authority(self.directory, "authority")
            self.authority.issue("server")
            self.authority.issue("client")
        super().start()

    def by_tls(self) -> dict:
        """How it is reached by its port."""
        at = self.directory
        files = {"cacert": "authority.pem", "cert": "client.pem", "key": "client.key"}
        connection = {key: str(at / file) for key, file in files.items()}
        return {"connection": {"host": f"tcp://127.0.0.1:{self.port}", **connection}}

    def command(self) -> list[str]:
        at = self.directory
        return [
            *("dockerd", "--data-root", f"{at}/data", "--exec-root", f"{at}/exec"),
            *("--pidfile", f"{at}/pid", "-H", f"unix://{self.socket}", "--log-level", "warn"),
            *("-H", f"tcp://127.0.0.1:{self.port}", "--tlsverify", f"--tlscacert={at}/authority.pem"),
            *(f"--tlscert={at}/server.pem", f"--tlskey={at}/server.key"),
            # Engines of several tests would fight over one bridge.
            *("--bridge", "none", "--iptables=false", "--ip-masq=false"),
        ]


class Podman(Engine):
    """Podman, which speaks the same API and shares no code with it."""

    name = "podman"

    def environment(self) -> dict[str, str]:
        config = self.directory / "containers.conf"
        config.write_text(
            '[containers]\ndefault_ulimits=["nofile=20000:20000","nproc=30000:30000"]\n'
            '[engine]\ncgroup_manager="cgroupfs"\nevents_logger="file"\nruntime="runc"\n'
        )
        return {**os.environ, "CONTAINERS_CONF": str(config)}

    def command(self) -> list[str]:
        at = self.directory
        return [
            *("podman", "--root", f"{at}/root-store", "--runroot", f"{at}/run", "--tmpdir", f"{at}/tmp"),
            *("system", "service", "--time=0", f"unix://{self.socket}"),
        ]


def quoted(text: str) -> str:
    return "".join(letter if letter.isalnum() else "%%%02X" % ord(letter) for letter in text)


def copy_program(root: Path, program: str) -> None:
    """A program with its libraries."""
    listed = subprocess.run(["ldd", program], capture_output=True).stdout.decode()
    files = [word for word in listed.split() if word.startswith("/")]
    for file in [program, *files]:
        target = root / file.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            shutil.copy(file, target)
        # Where the file is looked for on machines whose /bin is /usr/bin.
        other = root / file.lstrip("/").removeprefix("usr/")
        other.parent.mkdir(parents=True, exist_ok=True)
        if not other.exists():
            shutil.copy(file, other)


def unmount(directory: Path) -> None:
    """What an engine that was killed has left mounted, the innermost first."""
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for mount in sorted((m for m in mounts if m.startswith(f"{directory}/")), key=len, reverse=True):
        subprocess.run(["umount", "-l", mount], capture_output=True)
