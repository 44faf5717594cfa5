"""Fixtures that every end-to-end test may use."""

import os
import signal
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness import docker, program, s3  # noqa: E402
from harness.faults import Proxy  # noqa: E402
from harness.cluster import Node  # noqa: E402
from harness.kubernetes import Cluster  # noqa: E402
from harness.server import PASSWORD, Server  # noqa: E402
from harness.upstream import Dropbear, Fake, OpenSsh  # noqa: E402
from harness.webhook import Webhook  # noqa: E402


# Run in the background of a script, tests would hand on that interrupts are ignored, to what they start.
for ignored in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
    if signal.getsignal(ignored) == signal.SIG_IGN:
        signal.signal(ignored, signal.SIG_DFL)


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


@pytest.fixture
def tree(tmp_path) -> Path:
    """Some files: small, empty, large, and one with a difficult name."""
    folder = tmp_path / "tree"
    (folder / "sub").mkdir(parents=True)
    (folder / "large").write_bytes(os.urandom(2_000_000))
    (folder / "empty").touch()
    (folder / "sub" / "naïve name'").write_text("text\n" * 1000)
    return folder


@pytest.fixture
def make_upstream():
    """Starts real SSH servers behind the gateway, by their class; all end with the test."""
    upstreams = []

    def make(kind, prepare=None):
        upstreams.append(kind(prepare))
        return upstreams[-1]

    yield make
    for upstream in upstreams:
        upstream.remove()


@pytest.fixture
def openssh(make_upstream) -> OpenSsh:
    return make_upstream(OpenSsh)


@pytest.fixture
def dropbear(make_upstream) -> Dropbear:
    return make_upstream(Dropbear)


@pytest.fixture
def make_fake(tmp_path):
    """Starts servers that write down what they are sent; all end with the test."""
    fakes = []

    def make(**changes) -> Fake:
        fakes.append(Fake(tmp_path / f"fake{len(fakes)}", **changes))
        return fakes[-1]

    yield make
    for fake in fakes:
        fake.kill()


@pytest.fixture
def make_proxy(make_server):
    """Makes servers (not yet started) whose backend is an SSH server."""

    def make(upstream, settings=None, **changes) -> Server:
        block = upstream.settings(**(settings or {}))
        return make_server(backend="sshproxy", local=None, sshproxy=block, **changes)

    return make


@pytest.fixture
def make_webhook():
    """Makes doubles; all end with the test, which fails if they were asked what they should not be."""
    made = []

    def make(*args, **kwargs) -> Webhook:
        made.append(Webhook(*args, **kwargs))
        return made[-1]

    yield make
    for webhook in made:
        webhook.close()


@pytest.fixture
def webhook(make_webhook) -> Webhook:
    """A double that refuses whoever it is asked about, until it is told otherwise."""
    return make_webhook()


@pytest.fixture
def make_cluster():
    """Starts doubles of the Kubernetes API; all end with the test."""
    clusters = []

    def make(**changes) -> Cluster:
        clusters.append(Cluster(**changes))
        return clusters[-1]

    yield make
    for cluster in clusters:
        cluster.remove()


@pytest.fixture
def make_pods(make_server):
    """Makes servers (not yet started) whose backend is a cluster."""

    def make(cluster, settings=None, **changes):
        block = cluster.settings(**(settings or {}))
        return make_server(backend="kubernetes", local=None, kubernetes=block, **changes)

    return make


@pytest.fixture(scope="session")
def node():
    """A real Kubernetes for all tests."""
    made = Node()
    yield made
    made.remove()


@pytest.fixture(scope="session")
def dockerd():
    """A Docker engine for all tests."""
    engine = docker.Docker()
    yield engine
    engine.remove()


@pytest.fixture(scope="session")
def podman():
    """A Podman for all tests."""
    engine = docker.Podman()
    yield engine
    engine.remove()


@pytest.fixture
def make_docker(make_server):
    """Makes servers (not yet started) whose programs run in containers of an engine."""

    def make(engine, execution=None, **changes) -> Server:
        block = engine.settings(**(execution or {}))
        block |= changes.pop("docker", {})
        return make_server(backend="docker", local=None, docker=block, **changes)

    return make


@pytest.fixture(scope="session")
def seaweed():
    """A SeaweedFS for all tests; each has buckets of its own."""
    store = s3.SeaweedFS()
    try:
        yield store.start()
    finally:
        store.remove()


@pytest.fixture(scope="session")
def moto():
    """A moto for all tests."""
    store = s3.Moto()
    try:
        yield store
    finally:
        store.kill()


@pytest.fixture
def bucket(seaweed):
    """A bucket that is empty."""
    return seaweed.new_bucket()


@pytest.fixture
def proxy(seaweed):
    """Stands between the server and its store, and finds at the end that no more was asked for than
    the documentation says (`permitted`)."""
    proxy = Proxy(seaweed.address)
    proxy.permitted = set(s3.PERMITTED)
    yield proxy
    proxy.close()
    assert set(proxy.asked()) <= proxy.permitted, proxy.asked()


@pytest.fixture
def make_s3_server(make_server):
    """Makes servers (not yet started) that keep their logs in a bucket."""

    def make(bucket, endpoint, identity=None, settings=None, **changes) -> Server:
        server = make_server(**changes)
        made = s3.settings(bucket, endpoint, server.audit, identity, **(settings or {}))
        server.config["audit"] |= {"storage": "s3", "s3": made}
        del server.config["audit"]["file"]
        return server

    return make


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Shows what the servers of a failed test printed."""
    report = (yield).get_result()
    if report.failed:
        folder = getattr(item, "funcargs", {}).get("tmp_path")
        for output in sorted(folder.glob("server*/output")) if folder else []:
            text = output.read_text(errors="replace")
            report.sections.append((f"output of {output.parent.name}", text[-20000:]))
