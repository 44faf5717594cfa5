"""Keys and certificates, made by the real ssh-keygen."""

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Key:
    """A private key file and its public half beside it."""

    file: Path

    @property
    def public(self) -> str:
        """Its authorized_keys line without comment, as logs hold it."""
        return " ".join(Path(f"{self.file}.pub").read_text().split()[:2])

    @property
    def fingerprint(self) -> str:
        """`SHA256:...` as OpenSSH writes it."""
        done = subprocess.run(["ssh-keygen", "-lf", f"{self.file}.pub"], capture_output=True, check=True)
        return done.stdout.decode().split()[1]


def generate(directory: Path, name: str, kind: str = "ed25519", *options: str) -> Key:
    """A new key without passphrase."""
    file = directory / name
    command = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", name, "-f", str(file), *options]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return Key(file)


def certify(authority: Key, key: Key, identity: str, principals: str, *options: str) -> Path:
    """Signs a user certificate for the key; ssh finds it beside the key."""
    command = ["ssh-keygen", "-q", "-s", str(authority.file), "-I", identity, "-n", principals]
    subprocess.run([*command, *options, f"{key.file}.pub"], check=True)
    return Path(f"{key.file}-cert.pub")
