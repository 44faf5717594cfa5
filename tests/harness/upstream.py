"""SSH servers that stand behind the gateway: real ones, and one that writes down what it is sent."""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
from pathlib import Path

import asyncssh

from . import keys
from .server import free_port
from .wait import until

# As root somebody else logs in: sshd passes signals on for other accounts than root only.
ACCOUNT = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
USER = ACCOUNT.pw_name


class Upstream:
    """An SSH server of one account, with a home of its own; starts with the object."""

    def __init__(self, prepare=None):
        # Not below pytest's folder, which is closed to other accounts.
        self.directory = directory = Path(tempfile.mkdtemp(prefix="upstream-"))
        self.home = directory / "home"
        (self.home / ".ssh").mkdir(mode=0o700, parents=True)
        self.home.chmod(0o700)
        self.port = free_port()
        self.key = keys.generate(directory, "gateway_key")
        self.authorized = self.home / ".ssh" / "authorized_keys"
        self.authorized.write_text(f"{self.key.public}\n")
        self.authorized.chmod(0o600)
        self.host_key = self.make_host_key()
        # Further lines of its configuration, and the files that they name.
        self.extra = prepare(self) if prepare else ""
        self.output = directory / "output"
        command = self.command()
        if os.getuid() == 0:
            directory.chmod(0o711)
            for path in [self.home, *self.home.rglob("*")]:
                os.chown(path, ACCOUNT.pw_uid, ACCOUNT.pw_gid)
            Path("/run/sshd").mkdir(exist_ok=True)
        with open(self.output, "ab") as output:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=directory,
                env=self.environment(),
            )
        until(self.listens, what=f"{self.name} listens")

    def environment(self) -> dict[str, str]:
        """The account has another home here, and a plain shell, whatever it has on this machine."""
        lines = []
        for entry in pwd.getpwall():
            mine = entry.pw_name == USER
            home, shell = (self.home, "/bin/sh") if mine else (entry.pw_dir, entry.pw_shell)
            lines.append(f"{entry.pw_name}:x:{entry.pw_uid}:{entry.pw_gid}::{home}:{shell}\n")
        passwd, group = self.directory / "passwd", self.directory / "group"
        passwd.write_text("".join(lines))
        group.write_text(Path("/etc/group").read_text())
        passwd.chmod(0o644)
        group.chmod(0o644)
        return {
            "PATH": os.environ["PATH"],
            "LD_PRELOAD": "libnss_wrapper.so",
            "NSS_WRAPPER_PASSWD": str(passwd),
            "NSS_WRAPPER_GROUP": str(group),
        }

    def listens(self) -> bool:
        assert self.process.poll() is None, self.said()
        return f"0100007F:{self.port:04X} 00000000:0000 0A" in Path("/proc/net/tcp").read_text()

    def said(self) -> str:
        return self.output.read_text(errors="replace")

    def kill(self) -> None:
        """Ends it with all its connections, as a crash of the host would."""
        for pid in [*self.connections(), self.process.pid]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait(30)

    def remove(self) -> None:
        """Ends it and leaves nothing behind."""
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def connections(self) -> list[int]:
        """The processes that serve its connections, and what runs in them."""
        found, seen = [], [self.process.pid]
        while seen:
            parent = seen.pop()
            try:
                children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
            except FileNotFoundError:
                continue
            seen += [int(child) for child in children]
            found += [int(child) for child in children]
        return found

    def settings(self, **changes) -> dict:
        """The settings of the backend `sshproxy` that lead here."""
        return {
            "server": "127.0.0.1",
            "port": self.port,
            "username": USER,
            "privateKey": str(self.key.file),
            "allowedHostKeyFingerprints": [self.host_key.fingerprint],
        } | changes

    def make_host_key(self) -> keys.Key:
        return keys.generate(self.directory, "host_key")


class OpenSsh(Upstream):
    """OpenSSH's sshd."""

    name = "openssh"

    def command(self) -> list[str]:
        config = self.directory / "sshd_config"
        config.write_text(
            f"""
            ListenAddress 127.0.0.1:{self.port}
            HostKey {self.host_key.file}
            AuthorizedKeysFile {self.authorized}
            PidFile none
            StrictModes no
            UsePAM no
            PasswordAuthentication no
            KbdInteractiveAuthentication no
            AcceptEnv LC_* SSH_ORIGINAL_COMMAND
            MaxStartups 100
            Subsystem sftp /usr/lib/openssh/sftp-server
            LogLevel VERBOSE
            {self.extra}
            """
        )
        return ["/usr/sbin/sshd", "-D", "-e", "-f", str(config)]


class Dropbear(Upstream):
    """Dropbear, which shares no code with OpenSSH. It takes no variables but TERM."""

    name = "dropbear"

    def make_host_key(self) -> keys.Key:
        file = self.directory / "host_key"
        done = subprocess.run(
            ["dropbearkey", "-t", "ed25519", "-f", str(file)], capture_output=True, check=True
        )
        public = [line for line in done.stdout.decode().splitlines() if line.startswith("ssh-")]
        Path(f"{file}.pub").write_text(public[0] + "\n")
        return keys.Key(file)

    def command(self) -> list[str]:
        address = f"127.0.0.1:{self.port}"
        return ["dropbear", "-F", "-E", "-r", str(self.host_key.file), "-p", address, "-P", "pid"]


class Recording(asyncssh.SSHServer):
    """Writes down every attempt to log in."""

    def __init__(self, fake: "Fake"):
        self.fake = fake

    def connection_made(self, connection):
        self.fake.connections.append(connection)
        if self.fake.made:
            self.fake.made(connection)

    def connection_lost(self, error):
        self.fake.lost.append(error)

    def begin_auth(self, username):
        self.fake.attempts.append(("begin", username))
        return True

    def public_key_auth_supported(self):
        return "publickey" in self.fake.methods

    def password_auth_supported(self):
        return "password" in self.fake.methods

    def kbdint_auth_supported(self):
        return "keyboard-interactive" in self.fake.methods

    def validate_public_key(self, username, key):
        self.fake.attempts.append(("publickey", username))
        return self.fake.accepts

    def validate_ca_key(self, username, key):
        return False

    def validate_password(self, username, password):
        self.fake.attempts.append(("password", password))
        return password == self.fake.password

    def get_kbdint_challenge(self, username, lang, submethods):
        self.fake.attempts.append(("keyboard-interactive", username))
        return "", "", "", self.fake.questions

    def validate_kbdint_response(self, username, responses):
        self.fake.attempts.append(("answers", list(responses)))
        return list(responses) == [self.fake.password]


class Fake:
    """A server in this process, of which a test sees everything."""

    def __init__(self, directory: Path, methods=("publickey",), **changes):
        directory.mkdir(mode=0o700)
        self.host_key = changes.pop("host", None) or keys.generate(directory, "host_key")
        self.key = keys.generate(directory, "gateway_key")
        self.methods = methods
        self.accepts = True
        self.password = "the gateway's own"
        self.questions = [("Password: ", False)]
        self.attempts: list[tuple] = []
        self.connections: list = []
        self.lost: list = []
        self.made = None
        self.process = None
        self.options: dict = {}
        for name, value in changes.items():
            setattr(self, name, value)
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.port = self.call(self.listen())

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(60)

    async def listen(self) -> int:
        options = {
            "server_host_keys": [str(self.host_key.file)],
            "process_factory": self.process or self.hello,
            "encoding": None,
            "gss_host": None,
        } | self.options
        server = await asyncssh.create_server(lambda: Recording(self), "127.0.0.1", 0, **options)
        return server.get_port()

    @staticmethod
    async def hello(process):
        process.stdout.write(b"hello from the fake\n")
        process.exit(0)

    def settings(self, **changes) -> dict:
        return {
            "server": "127.0.0.1",
            "port": self.port,
            "username": "gateway",
            "privateKey": str(self.key.file),
            "allowedHostKeyFingerprints": [self.host_key.fingerprint],
        } | changes

    def tried(self, *kinds: str) -> list[tuple]:
        """The attempts of some kinds."""
        return [attempt for attempt in self.attempts if attempt[0] in kinds]

    def kill(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(30)
