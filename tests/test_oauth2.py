"""Logins on a web page (the device flow): a real provider of OpenID Connect, and a double of GitHub."""

import re
import signal
import subprocess

import pytest

from harness import program
from harness.log import ANSWER, CHALLENGE, CONNECT, HANDSHAKE_OK, INTERACTIVE_FAILED, STDOUT
from harness.oauth2 import GitHub, Provider
from harness.server import PASSWORD, environment
from harness.wait import until
from test_logins import ask, login_part
from test_privacy import assert_nowhere, canary

UNANSWERED = 111
SHOWN = re.compile(r"open this page within \d+ s:\s+(\S+)\s+and enter this code there:\s+(\S+)")


@pytest.fixture
def make_provider():
    """Starts real providers; all end with the test."""
    made = []

    def make(secret: str = "of the client", **settings) -> Provider:
        made.append(Provider(secret, **settings))
        return made[-1]

    yield make
    for provider in made:
        provider.close()


@pytest.fixture
def github():
    double = GitHub()
    yield double
    double.close()


def begin(server, user: str = "carol", command: str = "echo in") -> subprocess.Popen:
    """A client that tries keyboard-interactive once, and shows what it is told."""
    options = ("-o", "PreferredAuthentications=keyboard-interactive", "-o", "NumberOfPasswordPrompts=1")
    script = server.directory / "askpass"
    script.write_text("#!/bin/sh\nexit 1\n")
    script.chmod(0o700)
    return subprocess.Popen(
        [*server.ssh("-o", "LogLevel=INFO", *options, user=user, key=False), command],
        env=environment(SSH_ASKPASS=str(script), SSH_ASKPASS_REQUIRE="force"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=open(server.directory / "told", "wb"),
    )


def told(server) -> tuple[str, str]:
    """The page and the code, as the client shows them."""

    def found():
        return SHOWN.search((server.directory / "told").read_text().replace("\r", ""))

    return until(found, what="the page and the code").groups()


def finish(client) -> tuple[bytes, int]:
    out, _ = client.communicate(timeout=60)
    return out, client.returncode


@pytest.mark.parametrize("settings", [{}, {"authentication": "client_secret_post"}])
def test_a_login_at_a_provider(make_server, make_provider, settings):
    provider = make_provider(**settings)
    server = make_server(auth={"keyboardInteractive": provider.settings()}).start()
    client = begin(server)
    page, code = told(server)
    assert page.startswith(provider.issuer)
    provider.approve(page, code, "carol")
    assert finish(client) == (b"in\n", 0)
    log = server.log()
    assert login_part(log) == [CONNECT, CHALLENGE, ANSWER, HANDSHAKE_OK]
    challenge = log.only(CHALLENGE)
    assert page in challenge["instruction"] and code in challenge["instruction"] and challenge["questions"] is None
    assert log.only(ANSWER)["answers"] is None
    assert log.user == "carol" and log.io(STDOUT) == b"in\n"


def test_another_claim_is_the_name_and_comes_from_where_the_provider_tells_it(make_server, make_provider):
    provider = make_provider()
    settings = provider.settings(usernameField="preferred_username", extraScopes=["profile"], enforceUsername=False)
    server = make_server(auth={"keyboardInteractive": settings}).start()
    client = begin(server, "somebody")
    provider.approve(*told(server), "carol")
    assert finish(client) == (b"in\n", 0)
    assert "carol" in str(server.log().only(HANDSHAKE_OK).payload)


def test_who_is_another_one_there_is_refused(make_server, make_provider):
    provider = make_provider()
    server = make_server(auth={"keyboardInteractive": provider.settings()}).start()
    client = begin(server, "root")
    provider.approve(*told(server), "carol")
    assert finish(client) == (b"", 255)
    assert server.log().of(INTERACTIVE_FAILED)
    assert "another name at the provider (enforceUsername)" in server.said()


def test_who_refuses_is_refused(make_server, make_provider):
    provider = make_provider()
    server = make_server(auth={"keyboardInteractive": provider.settings()}).start()
    client = begin(server)
    provider.abort(*told(server))
    assert finish(client) == (b"", 255)
    assert "the user has refused the access" in server.said()


def test_who_is_not_done_in_time_is_refused(make_server, make_provider):
    provider = make_provider()
    settings = provider.settings()
    settings["oauth2"]["authTimeout"] = "2s"
    server = make_server(auth={"keyboardInteractive": settings}).start()
    assert finish(begin(server)) == (b"", 255)
    assert "not done in time" in server.log().only(UNANSWERED)["reason"]


def test_who_leaves_ends_the_login(make_server, make_provider):
    server = make_server(auth={"keyboardInteractive": make_provider().settings()}).start()
    client = begin(server)
    told(server)
    client.send_signal(signal.SIGINT)
    client.communicate(timeout=30)
    log = server.log()
    assert log.of(CHALLENGE) and not log.of(HANDSHAKE_OK)


def test_a_provider_that_is_not_there_or_is_another_one(make_server, make_provider, github):
    provider = make_provider()
    other = provider.settings(url=provider.issuer.replace("127.0.0.1", "localhost"))
    server = make_server(auth={"keyboardInteractive": other}).start()
    assert finish(begin(server)) == (b"", 255)
    assert "calls itself another issuer" in server.log().only(UNANSWERED)["reason"]
    nobody = make_server(auth={"keyboardInteractive": provider.settings(url=github.url)}).start()
    assert finish(begin(nobody)) == (b"", 255)
    assert "status 404" in nobody.log().only(UNANSWERED)["reason"]


def test_names_of_the_configuration_are_asked_for_the_password(make_server, make_provider):
    server = make_server(auth={"keyboardInteractive": make_provider().settings()}).start()
    assert ask(server, "keyboard-interactive", PASSWORD).returncode == 0
    assert ask(server, "keyboard-interactive", "wrong").returncode == 255


# GitHub.


def test_a_login_at_github(make_server, github):
    server = make_server(auth={"keyboardInteractive": github.settings()}, log={"level": "trace"}).start()
    client = begin(server)
    assert told(server) == (f"{github.url}/login/device", "WDJB-MJHT")
    assert finish(client) == (b"in\n", 0)
    assert server.log().user == "carol"
    assert server.stop() == 0
    assert_nowhere(server, GitHub.TOKEN.encode(), b"canarydevicecode")
    assert "canaryclientsecret" not in server.said()
    shown = program.run("config", "check", server.config_file)
    assert b"canaryclientsecret" not in shown.stdout + shown.stderr


def test_a_provider_that_wants_to_be_asked_less_often(make_server, github):
    github.answers = [{"error": "slow_down"}, github.token()]
    server = make_server(auth={"keyboardInteractive": github.settings()}).start()
    assert finish(begin(server)) == (b"in\n", 0)
    assert len(github.asked("/login/oauth/access_token")) == 2


@pytest.mark.parametrize(
    ("settings", "changes", "reason"),
    [
        ({}, {"user": {"login": "dave"}}, "enforceUsername"),
        ({"require2FA": True}, {"user": {"login": "carol"}}, "require2FA"),
        ({"requireOrgMembership": "acme"}, {}, "requireOrgMembership"),
        ({"requireOrgMembership": "acme"}, {"organizations": {"acme": "pending"}}, "requireOrgMembership"),
        ({"extraScopes": ["repo"], "enforceScopes": True}, {}, "enforceScopes"),
        ({}, {"answers": [{"error": "access_denied"}]}, "refused the access"),
        ({}, {"answers": [{"error": "expired_token"}]}, "too old"),
        ({}, {"answers": [{"error": "incorrect_client_credentials"}]}, "incorrect_client_credentials"),
        ({}, {"device": {"interval": 1, "expires_in": 1}}, "not done in time"),
    ],
)
def test_who_is_not_let_in(make_server, github, settings, changes, reason):
    for name, value in changes.items():
        setattr(github, name, value)
    server = make_server(auth={"keyboardInteractive": github.settings(**settings)}).start()
    assert finish(begin(server)) == (b"", 255)
    assert reason in server.said()
    assert not server.log().of(HANDSHAKE_OK)


def test_a_member_with_a_second_factor_comes_in(make_server, github):
    github.organizations = {"acme": "active"}
    settings = github.settings(require2FA=True, requireOrgMembership="acme", enforceScopes=True)
    github.answers = [github.token("read:org,read:user")]
    server = make_server(auth={"keyboardInteractive": settings}).start()
    assert finish(begin(server)) == (b"in\n", 0)
    assert set(github.asked("/login/device/code")[0]["scope"].split()) == {"read:org", "read:user"}


def test_an_answer_does_nothing_to_the_terminal(make_server, github):
    github.device |= {"user_code": "A\x1b[2J"}
    server = make_server(auth={"keyboardInteractive": github.settings()}).start()
    assert finish(begin(server)) == (b"", 255)
    assert "no terminal should show" in server.log().only(UNANSWERED)["reason"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"provider": "generic"}, "generic is not in this version"),
        ({"provider": ""}, "`oauth2.provider` is missing"),
        ({"clientId": ""}, "`oauth2.clientId` is missing"),
        ({"oidc": {"authorizationCodeFlow": True}}, "`authorizationCodeFlow` is not in this version"),
        ({"oidc": {"deviceFlow": False}}, "`deviceFlow` is the only flow"),
        ({"oidc": {"url": "http://id.example.com"}}, "anybody in between could log in as anybody"),
    ],
)
def test_what_cannot_be_served_is_told(make_server, tmp_path, change, expected):
    oidc = {"url": "https://id.example.com"} | change.pop("oidc", {})
    block = {"provider": "oidc", "clientId": "x", "clientSecret": canary().decode(), "oidc": oidc} | change
    server = make_server(auth={"keyboardInteractive": {"method": "oauth2", "oauth2": block}})
    server.start(wait=False)
    assert server.process.wait(30) == 1
    said = server.said().replace("auth.keyboardInteractive.oauth2.oidc.", "").replace("`auth.keyboardInteractive.", "`")
    assert expected.replace("`", "") in said.replace("`", ""), server.said()
    assert block["clientSecret"] not in server.said()
