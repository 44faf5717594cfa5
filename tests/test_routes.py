"""`sshproxy.routes`: one gateway for several hosts, and no way to any other."""

import json

import pytest

from harness import program
from harness.log import CHANNEL_OK, HANDSHAKE_FAILED, HANDSHAKE_OK, PUBKEY
from harness.server import Server

NOWHERE = "is no place that"


@pytest.fixture
def hosts(make_fake, make_server, tmp_path):
    """A gateway before two hosts, whose keys it knows from a file."""

    def greets(text: bytes):
        async def process(process):
            process.stdout.write(text)
            process.exit(0)

        return process

    one, two = (make_fake(process=greets(text)) for text in (b"one\n", b"two\n"))
    known = tmp_path / "hosts"
    lines = [f"[127.0.0.1]:{one.port} {one.host_key.public}\n", f"[localhost]:{two.port} {two.host_key.public}\n"]
    known.write_text("".join(lines))

    def make(separator="%", **settings) -> Server:
        block = {
            "routeSeparator": separator,
            "knownHosts": str(known),
            "privateKey": str(one.key.file),
            "username": "gateway",
            "routes": {
                "one": {"server": "127.0.0.1", "port": one.port, "usernamePassThrough": True},
                "local*st": {"server": "localhost", "port": two.port, "users": ["alice"]},
                "127.0.0.*": {"port": one.port, "users": ["bob"]},
            },
        } | settings
        server = make_server(backend="sshproxy", local=None, sshproxy=block)
        server.config["users"]["bob"] = {"authorizedKeys": [server.key.public]}
        return server

    make.one, make.two = one, two
    return make


@pytest.mark.parametrize("separator", ["%", "+"])
def test_a_login_name_leads_to_its_host(hosts, separator):
    server = hosts(separator).start()
    assert server.run("x", user=f"alice{separator}one").stdout == b"one\n"
    log = server.log()
    assert {m["username"] for m in log.of(PUBKEY)} == {f"alice{separator}one"}
    done = log.only(HANDSHAKE_OK)
    assert done["username"] == f"alice{separator}one" and done["authenticatedUsername"] == "alice"
    assert hosts.one.tried("begin") == [("begin", "alice")]

    assert server.run("x", user=f"alice{separator}LOCALHOST").stdout == b"two\n"
    assert hosts.two.tried("begin") == [("begin", "gateway")]
    assert server.run("x", user=f"bob{separator}127.0.0.1").stdout == b"one\n"


@pytest.mark.parametrize(
    "login",
    ["alice%two", "bob%localhost", "alice%127.0.0.1", "bob%127.0.0.1.example.org", "alice%", "alice%one%x", "alice"],
)
def test_there_is_no_other_way(hosts, login):
    server = hosts().start()
    assert server.run("x", user=login).returncode == 255
    log = server.log()
    assert log.of(CHANNEL_OK) == []
    if login == "alice%one%x":
        # The last separator counts, so this is another user.
        assert log.of(HANDSHAKE_OK) == []
    else:
        said = log.of(HANDSHAKE_FAILED)[0]["reason"]
        assert NOWHERE in said or "say where to" in said
    assert hosts.one.connections == hosts.two.connections == []


def test_without_a_route_the_server_is_used(hosts):
    settings = {"server": "127.0.0.1", "port": hosts.one.port}
    server = hosts(**settings).start()
    assert server.run("x").stdout == b"one\n"
    assert server.run("x", user="alice%localhost").stdout == b"two\n"


def test_names_are_not_divided_unless_that_is_asked_for(hosts):
    server = hosts("", server="127.0.0.1", port=hosts.one.port, routes={})
    server.config["users"]["alice%one"] = server.config["users"].pop("alice")
    server.start()
    assert server.run("x", user="alice%one").stdout == b"one\n"
    assert server.log().only(HANDSHAKE_OK)["authenticatedUsername"] == "alice%one"


@pytest.mark.parametrize(
    "settings, expected",
    [
        ({"routes": {"*": {}}}, "`*` would lead to every host"),
        ({"routes": {"*m": {}}}, "others can have names that end like `*m`"),
        ({"routes": {"*example.com": {}}}, "others can have names that end like `*example.com`"),
        ({"routes": {"*.*": {}}}, "`*.*` would lead to every host"),
        ({"routes": {"a/b": {}}}, "`a/b` is not a name or a pattern"),
        ({"routes": {"db": {"server": "x:22"}}, "username": ""}, "`db` has no `username`"),
        ({"routes": {"db": {"server": "x y"}}}, "must be a name or an address alone"),
        ({"routes": {"db": {"port": 0}}}, "0 is out of bounds"),
        ({"routes": {"db": {"allowedHostKeyFingerprints": ["x"]}}}, "not a fingerprint"),
        ({"routes": {"db": {"users": []}}}, "nobody could use the route"),
        ({"routes": {"db": {"users": None}}}, "`sshproxy.routes.db.users`"),
        ({"routes": {"db": {"host": "x"}}}, "unknown key `sshproxy.routes.db.host`"),
        ({"separator": ""}, "but no `routeSeparator`"),
        ({"separator": "@"}, "`sshproxy.routeSeparator` must be `%` or `+`"),
        ({"routes": {}}, "`sshproxy.server` is missing"),
        ({"knownHosts": None}, "`sshproxy.allowedHostKeyFingerprints` is missing"),
    ],
)
def test_mistakes(hosts, settings, expected):
    server = hosts(**settings)
    block = server.config["sshproxy"]
    server.config["sshproxy"] = {key: value for key, value in block.items() if value is not None}
    server.config_file.write_text(json.dumps(server.config))
    done = program.run("config", "check", "--quiet", server.config_file, check=False)
    said = done.stderr.decode()
    assert done.returncode != 0 and expected in said, said
