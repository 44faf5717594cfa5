"""The harnesses of docs/reliability.md, in the length that every change can afford."""

import subprocess
import sys

import pytest

from harness import program

HARNESS = program.ROOT / "tests" / "reliability"


def run(script: str, *options: str) -> str:
    """Runs a harness; what it found."""
    environment = {"AUDITSSH": program.path(), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    done = subprocess.run(
        [sys.executable, HARNESS / script, *options],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.timeout(2400)
def test_100_kills_lose_nothing():
    assert "losses 0" in run("kill.py", "--kills", "100")


@pytest.mark.nightly
@pytest.mark.timeout(7200)
def test_1000_kills_lose_nothing():
    assert "losses 0" in run("kill.py", "--kills", "1000")
