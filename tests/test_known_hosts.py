"""`sshproxy.knownHosts`: the file's own tools make it, and real servers are checked against it."""

import json
import subprocess
from pathlib import Path

import pytest

from harness import keys, program
from harness.log import HANDSHAKE_FAILED
from harness.upstream import OpenSsh
from harness.wait import until


@pytest.fixture
def hosts(tmp_path) -> Path:
    return tmp_path / "hosts"


def name(upstream) -> str:
    return f"[127.0.0.1]:{upstream.port}"


def trusting(make_proxy, upstream, hosts: Path, **settings):
    """A gateway that trusts what stands in a file, and nothing else."""
    settings = {"allowedHostKeyFingerprints": [], "knownHosts": str(hosts)} | settings
    return make_proxy(upstream, settings).start()


def works(server) -> None:
    done = server.run("echo in")
    assert done.stdout == b"in\n", done.stderr + server.said().encode()
    server.log()


def fails(server, *reasons: str) -> None:
    assert server.run("echo in").stdout == b""
    said = server.log().of(HANDSHAKE_FAILED)[0]["reason"]
    for reason in reasons:
        assert reason in said, said


def test_a_name_with_its_port(make_proxy, openssh, hosts):
    hosts.write_text(f"# known\n\n{name(openssh)} {openssh.host_key.public} comment\n")
    works(trusting(make_proxy, openssh, hosts))


def test_a_hashed_name(make_proxy, openssh, hosts):
    hosts.write_text(f"other {openssh.host_key.public}\n{name(openssh)} {openssh.host_key.public}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(hosts)], check=True, capture_output=True)
    assert "127.0.0.1" not in hosts.read_text()
    works(trusting(make_proxy, openssh, hosts))


def test_what_ssh_keyscan_prints(make_proxy, openssh, hosts):
    scan = ["ssh-keyscan", "-H", "-p", str(openssh.port), "127.0.0.1"]
    hosts.write_bytes(subprocess.run(scan, check=True, capture_output=True).stdout)
    works(trusting(make_proxy, openssh, hosts))


def test_other_names_and_other_keys(make_proxy, make_fake, hosts, tmp_path):
    fake = make_fake()
    other = keys.generate(tmp_path, "other")
    hosts.write_text(
        f"127.0.0.1 {fake.host_key.public}\n[127.0.0.1]:1 {fake.host_key.public}\n"
        f"*,!{name(fake)} {fake.host_key.public}\n{name(fake)} {other.public}\n"
    )
    server = trusting(make_proxy, fake, hosts, password="canary")
    fails(server, "the host key is not one that is trusted", fake.host_key.fingerprint, str(hosts))
    until(lambda: fake.lost, what="the connection is given up")
    assert fake.attempts == []
    # The file is read for each connection.
    hosts.write_text(f"{name(fake)} {fake.host_key.public}\n")
    assert server.run("hello").returncode == 0


def test_the_kind_of_key_that_is_known_is_asked_for(make_proxy, make_upstream, hosts):
    def two_keys(upstream) -> str:
        upstream.rsa = keys.generate(upstream.directory, "rsa_key", "rsa")
        return f"HostKey {upstream.rsa.file}"

    upstream = make_upstream(OpenSsh, two_keys)
    hosts.write_text(f"{name(upstream)} {upstream.rsa.public}\n")
    works(trusting(make_proxy, upstream, hosts))


def test_revoked(make_proxy, openssh, hosts):
    key = openssh.host_key
    hosts.write_text(f"{name(openssh)} {key.public}\n@revoked * {key.public}\n")
    both = {"allowedHostKeyFingerprints": [key.fingerprint]}
    fails(trusting(make_proxy, openssh, hosts, **both), "@revoked")


class Certified:
    """A server with a host certificate."""

    def __init__(self, make_upstream, tmp_path, principals="127.0.0.1", options=()):
        self.authority = keys.generate(tmp_path, "host_ca")

        def certify(upstream) -> str:
            file = keys.certify(self.authority, upstream.host_key, "host", principals, "-h", *options)
            return f"HostCertificate {file}"

        self.upstream = make_upstream(OpenSsh, certify)


@pytest.mark.parametrize("principals", ["127.0.0.1", "other,127.0.0.*"])
def test_a_host_certificate(make_proxy, make_upstream, hosts, tmp_path, principals):
    host = Certified(make_upstream, tmp_path, principals)
    hosts.write_text(f"@cert-authority {name(host.upstream)} {host.authority.public}\n")
    works(trusting(make_proxy, host.upstream, hosts))


@pytest.mark.parametrize(
    "principals, options, reason",
    [
        ("other", (), "it is good for other hosts"),
        ("127.0.0.1", ("-V", "20200101:20200102"), "it has expired"),
        ("127.0.0.1", ("-V", "20900101:20900102"), "it is not valid yet"),
    ],
    ids=["name", "expired", "early"],
)
def test_a_host_certificate_that_is_not_good(
    make_proxy, make_upstream, hosts, tmp_path, principals, options, reason
):
    host = Certified(make_upstream, tmp_path, principals, options)
    hosts.write_text(f"@cert-authority * {host.authority.public}\n")
    fails(trusting(make_proxy, host.upstream, hosts), reason)


def test_a_host_certificate_of_another_authority(make_proxy, make_upstream, hosts, tmp_path):
    host = Certified(make_upstream, tmp_path)
    other = keys.generate(tmp_path, "other")
    hosts.write_text(f"@cert-authority * {other.public}\n")
    server = trusting(make_proxy, host.upstream, hosts)
    fails(server, "the host key is not one that is trusted")
    # Its key may be known by itself.
    hosts.write_text(f"@cert-authority * {other.public}\n{name(host.upstream)} {host.upstream.host_key.public}\n")
    works(server)


def test_a_revoked_authority(make_proxy, make_upstream, hosts, tmp_path):
    host = Certified(make_upstream, tmp_path)
    line = f"* {host.authority.public}\n"
    hosts.write_text(f"@cert-authority {line}@revoked {line}")
    fails(trusting(make_proxy, host.upstream, hosts), "@revoked")


@pytest.mark.parametrize(
    "text, expected",
    [
        ("@revoked host ssh-ed25519\n", "hosts:1: not a line of hosts, type and key"),
        ("\n@trusted host ssh-ed25519 AAAA\n", "hosts:2: an unknown marker"),
        (None, "No such file"),
    ],
)
def test_a_file_that_can_not_be_read_serves_nobody(make_proxy, make_fake, hosts, text, expected):
    fake = make_fake()
    if text is not None:
        hosts.write_text(text)
    settings = {"knownHosts": str(hosts)}
    server = make_proxy(fake, settings).start(wait=False)
    assert server.process.wait(30) == 1
    assert expected in server.said()
    server.config_file.write_text(json.dumps(server.config))
    checked = program.run("config", "check", "--quiet", server.config_file)
    assert expected in checked.stderr.decode()
