"""Fixtures that every end-to-end test may use."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness import program  # noqa: E402
from harness.server import PASSWORD, Server  # noqa: E402


@pytest.fixture(scope="session")
def password_hash() -> str:
    """The hash of the password, as `auditssh hash-password` prints it."""
    return program.run("hash-password", input=f"{PASSWORD}\n".encode()).stdout.decode().strip()


@pytest.fixture
def make_server(tmp_path, password_hash):
    """Makes servers (not yet started) with settings changed; all end with the test."""
    servers = []

    def make(**changes) -> Server:
        directory = tmp_path / f"server{len(servers)}"
        directory.mkdir(mode=0o700)
        servers.append(Server(directory, password_hash, **changes))
        return servers[-1]

    yield make
    for server in servers:
        server.kill()


@pytest.fixture
def server(make_server) -> Server:
    """A running server with the usual settings."""
    return make_server().start()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Shows what the servers of a failed test printed."""
    report = (yield).get_result()
    if report.failed:
        folder = getattr(item, "funcargs", {}).get("tmp_path")
        for output in sorted(folder.glob("server*/output")) if folder else []:
            text = output.read_text(errors="replace")
            report.sections.append((f"output of {output.parent.name}", text[-20000:]))
