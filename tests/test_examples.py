"""The examples do what they say: each is started, and what it prints is typed."""

import os
import re
import shlex
import signal
import subprocess
from pathlib import Path

import pytest

from harness import docker, program
from harness.server import free_port
from harness.wait import until

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def run(tmp_path):
    """Runs an example's script until the test ends; what it printed, once it serves."""
    started = []

    def start(name: str) -> list[str]:
        output = tmp_path / "output"
        ports = {"PORT": str(free_port()), "HOST_PORT": str(free_port())}
        with open(output, "wb") as out:
            script = subprocess.Popen(
                [EXAMPLES / name / "run"],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=tmp_path,
                env={**os.environ, **ports, "AUDITSSH": str(program.path())},
                start_new_session=True,
            )
        started.append(script)

        def serves() -> bool:
            assert script.poll() is None, output.read_text()
            return " listening " in output.read_text()

        until(serves, 60, f"{name} serves")
        return re.findall(r"^    (\S.*)$", output.read_text(), re.M)

    yield start
    for script in started:
        os.killpg(script.pid, signal.SIGINT)
        script.wait(60)


def typed(line: str, *more: str, input: bytes = b"") -> bytes:
    """What a line prints that a person types, without the questions that ssh would ask that person."""
    line = re.sub(r"^(ssh|scp) ", r"\1 -F none -o BatchMode=yes ", line)
    done = subprocess.run(
        ["bash", "-c", f"{line} {shlex.join(more)}"], input=input, capture_output=True, timeout=100
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def test_in_front_of_an_ssh_server(run):
    login, copy, listed, decoded = run("sshproxy")
    assert typed(login, "echo here") == b"here\n"
    assert b"echo here" in typed(decoded)
    Path("/tmp/copied").unlink(missing_ok=True)
    typed(copy)
    assert Path("/tmp/copied").read_bytes() == Path("/etc/os-release").read_bytes()
    assert b"(sftp)" in typed(listed)


def test_a_container_for_everyone(run, dockerd, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{dockerd.socket}")
    monkeypatch.setenv("IMAGE", docker.SMALL)
    login, containers, listed, decoded = run("docker")
    assert typed(login, "hostname; cat", input=b"here") == b"example\nhere"
    assert typed(containers).startswith(b"CONTAINER ID")
    assert b"hostname; cat" in typed(decoded)
    assert b"alice" in typed(listed)
