"""ContainerSSH's own decoder reads our logs, and prints what ours prints.

Needs Go and the network, or its program in CONTAINERSSH_DECODER.
"""

import os
import subprocess
from pathlib import Path

import pytest

from harness import program
from harness.wait import until

SOURCE = "https://github.com/ContainerSSH/libcontainerssh"
VERSION = "v0.5.1"
# The only difference: it has no names for these two types.
NAMES = (
    '"typeId":"handshake_failed","typeName":"Handshake failed"',
    '"typeId":"handshake_successful","typeName":"Handshake successful"',
)
NAMELESS = '"typeId":"invalid","typeName":"invalid"'


@pytest.fixture(scope="module")
def decoder(tmp_path_factory) -> Path:
    if given := os.environ.get("CONTAINERSSH_DECODER"):
        return Path(given)
    home = tmp_path_factory.mktemp("containerssh")
    subprocess.run(["git", "clone", "-q", "--depth", "1", "-b", VERSION, SOURCE, home / "source"], check=True)
    build = ["go", "build", "-o", home / "decoder", "./cmd/containerssh-auditlog-decoder"]
    subprocess.run(build, cwd=home / "source", check=True)
    return home / "decoder"


def lines(reader: Path, log: Path) -> list[str]:
    done = subprocess.run([reader, "-file", log], capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.decode().splitlines()


@pytest.mark.nightly
@pytest.mark.timeout(900)
@pytest.mark.parametrize("format", ["audit", "binary"])
def test_it_prints_what_ours_prints(make_server, decoder, format):
    server = make_server(audit={"format": format}).start()
    server.run("echo out; echo err >&2; exit 3")
    server.run("head -c 3000000 /dev/urandom")
    server.run("seq 200000")
    server.run("cat > /dev/null", input=bytes(2_000_000))
    subprocess.run([*server.ssh(), "-o", "Ciphers=3des-cbc", "true"], capture_output=True)
    ours = Path(program.path()).with_name("containerssh-auditlog-decoder")

    until(lambda: not server.open_logs(), what="closed logs")
    logs = [path for path in server.audit.iterdir() if "." not in path.name]
    assert len(logs) == 5
    for log in logs:
        got, expected = lines(decoder, log), lines(ours, log)
        assert len(got) > 2
        for names in NAMES:
            expected = [line.replace(names, NAMELESS) for line in expected]
        assert got == expected
