"""Logins that a webhook decides: what it is asked, what its answers do, and that no failure lets in."""

import base64
import json
import shlex
import signal
import subprocess
import threading

import pytest

from harness import keys, program
from harness.certificates import Authority
from harness.log import (
    CONNECT,
    HANDSHAKE_FAILED,
    HANDSHAKE_OK,
    INTERACTIVE_FAILED,
    PASSWORD,
    PASSWORD_FAILED,
    PASSWORD_OK,
    PUBKEY,
    PUBKEY_FAILED,
    PUBKEY_OK,
)
from harness.server import PASSWORD as RIGHT
from harness.wait import until
from harness.webhook import NO, YES, Reply, says
from test_logins import REFUSED, ask, extra, login_part
from test_privacy import assert_nowhere, canary

PASSWORD_UNANSWERED, PUBKEY_UNANSWERED = 103, 107

# Longer than any test takes, where the end of the time is not what is tested.
LONG = {"timeout": "50s", "authTimeout": "100s"}
# Where it is.
SHORT = {"timeout": "50s", "authTimeout": "1500ms"}


def method(webhook, path: str = "", **settings) -> dict:
    return {"method": "webhook", "webhook": {"url": webhook.url + path, **LONG, **settings}}


def asking(webhook, *methods: str, **settings) -> dict:
    """The block `auth` that has the webhook asked by these methods."""
    return {name: method(webhook, **settings) for name in methods or ("password", "publicKey", "authz")}


@pytest.fixture
def server(make_server, webhook):
    """A server that asks the double about passwords and keys."""
    return make_server(auth=asking(webhook, "password", "publicKey")).start()


def knows(password: str, reply: Reply = YES):
    """An answer for who has the password."""
    return lambda request: reply if request.password == password.encode() else NO


def with_key(server, command: str = "true", *, user: str = "carol", key=None):
    key = key or server.key
    return server.run(command, "-o", "BatchMode=yes", "-i", str(key.file), user=user, key=False)


def value(text: str, sensitive: bool = False) -> dict:
    return {"value": text, "sensitive": sensitive}


# Passwords.


def test_a_password_that_the_webhook_knows(server, webhook):
    webhook.answer = knows("pass wörd")
    assert ask(server, "password", "pass wörd", user="carol").returncode == 0
    log = server.log()
    assert login_part(log) == [CONNECT, PASSWORD, PASSWORD_OK, HANDSHAKE_OK]
    assert log.user == "carol"
    (request,) = webhook.requests
    assert request.path == "/password"
    assert request["username"] == "carol"
    assert request["connectionId"] == log.file.name
    assert request["clientVersion"].startswith("SSH-2.0-OpenSSH_")
    assert request["remoteAddress"].startswith("127.0.0.1:")


def test_a_password_that_it_does_not_know(server, webhook):
    webhook.answer = knows("right")
    assert ask(server, "password", "wrong", user="carol").returncode == 255
    log = server.log()
    assert log.shape() == [CONNECT, PASSWORD, PASSWORD_FAILED, *REFUSED]
    assert len(webhook.requests) == 1


def test_the_prompt_of_keyboard_interactive_asks_for_the_password(server, webhook):
    webhook.answer = knows("right")
    assert ask(server, "keyboard-interactive", "right", user="carol").returncode == 0
    assert server.log().user == "carol"
    assert ask(server, "keyboard-interactive", "wrong", user="carol").returncode == 255
    assert server.log().of(INTERACTIVE_FAILED)
    assert [request.password for request in webhook.requests] == [b"right", b"wrong"]


def test_an_empty_password_is_refused_unasked(server, webhook):
    webhook.replies(YES)
    assert ask(server, "password", "", user="carol").returncode == 255
    assert server.log().of(PASSWORD_FAILED)
    assert webhook.requests == []


def test_who_stands_in_users_is_decided_there(server, webhook):
    webhook.replies(YES)
    assert ask(server, "password", "wrong").returncode == 255
    assert ask(server, "password", RIGHT).returncode == 0
    assert server.run("true").returncode == 0
    assert [log.user for log in server.logs(3)] == [None, "alice", "alice"]
    assert webhook.requests == []


def test_what_is_not_asked_is_refused(make_server, webhook):
    webhook.replies(YES)
    server = make_server(auth=asking(webhook, "publicKey")).start()
    assert ask(server, "password", "any", user="carol").returncode == 255
    assert server.log().of(PASSWORD_FAILED)
    assert webhook.requests == []


def test_the_name_that_the_webhook_knows_the_user_by_is_recorded(server, webhook):
    webhook.replies(says(True, authenticatedUsername="carol@example.com"))
    assert ask(server, "password", "any", user="carol").returncode == 0
    log = server.log()
    assert log.user == "carol"
    assert log.only(HANDSHAKE_OK)["authenticatedUsername"] == "carol@example.com"


# Failures.


def test_failures_that_pass_are_asked_again(server, webhook):
    webhook.replies(Reply(status=503), Reply(hang_up=True), Reply(status=429), YES)
    assert ask(server, "password", "any", user="carol").returncode == 0
    log = server.log()
    assert login_part(log) == [CONNECT, PASSWORD, PASSWORD_OK, HANDSHAKE_OK]
    assert len(webhook.requests) == 4


FAILURES = {
    "status": (Reply(status=500), "status 500"),
    "no answer": (Reply(after=threading.Event()), "no answer within"),
    "hang up": (Reply(hang_up=True), "connection"),
    "garbage": (Reply(body=b"<html>it works</html>"), "no JSON"),
    "nothing": (Reply(), "no JSON"),
    "unknown key": (says(True, administrator=True), "unknown key `administrator`"),
    "no success": (Reply(body=b"{}"), "missing key `success`"),
    "a text for true": (Reply(body=b'{"success": "true"}'), "another kind"),
    "large": (says(True, authenticatedUsername="x" * (2 << 20)), "more than 1048576 bytes"),
    "another status": (Reply(status=201, body=YES.body), "status 201"),
    "not found": (Reply(status=404, body=YES.body), "status 404"),
    "variable": (says(True, environment={"A=B": value("x")}), "environment variable"),
    "files": (says(True, files={"/x": value("no base64!")}), "another kind"),
}
# Those after which the webhook is asked again, until the time is over.
PASSING = ("status", "no answer", "hang up")


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_lets_nobody_in(make_server, webhook, name):
    reply, expected = FAILURES[name]
    webhook.replies(reply)
    settings = SHORT if name in PASSING else LONG
    server = make_server(auth=asking(webhook, "password", **settings)).start()
    assert ask(server, "password", "any", user="carol").returncode == 255
    log = server.log()
    assert log.shape() == [CONNECT, PASSWORD, PASSWORD_UNANSWERED, *REFUSED]
    assert expected in log.only(PASSWORD_UNANSWERED)["reason"]
    assert expected in server.said()


def test_a_redirect_is_not_followed(make_server, make_webhook):
    first, second = make_webhook(), make_webhook()
    second.replies(YES)
    server = make_server(auth=asking(first, "password")).start()
    for status in (301, 302, 307, 308):
        first.replies(Reply(status=status, headers={"Location": f"{second.url}/password"}))
        assert ask(server, "password", "any", user="carol").returncode == 255
        assert "redirect" in server.log().only(PASSWORD_UNANSWERED)["reason"]
    assert second.requests == []


def test_nobody_listens(make_server, make_webhook):
    gone = make_webhook()
    gone.server.server_close()
    server = make_server(auth=asking(gone, "password", **SHORT)).start()
    assert ask(server, "password", "any", user="carol").returncode == 255
    assert "no connection" in server.log().only(PASSWORD_UNANSWERED)["reason"]
    assert ask(server, "password", RIGHT).returncode == 0


def test_the_question_is_taken_back_when_the_client_is_gone(server, webhook):
    webhook.replies(Reply(after=threading.Event()))
    script = server.directory / "askpass"
    script.write_text("#!/bin/sh\necho any\n")
    script.chmod(0o700)
    client = subprocess.Popen(
        [*server.ssh("-o", "PreferredAuthentications=password", user="carol", key=False), "true"],
        env={"SSH_ASKPASS": str(script), "SSH_ASKPASS_REQUIRE": "force", "PATH": "/usr/bin:/bin"},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until(lambda: webhook.requests, what="the webhook is asked")
    client.kill()
    client.wait()
    until(webhook.gone.is_set, what="the request is dropped")
    assert server.log().messages[-2].type == HANDSHAKE_FAILED


def test_the_time_to_log_in_holds_while_a_webhook_is_asked(make_server, webhook):
    webhook.replies(Reply(after=threading.Event()))
    server = make_server(auth=asking(webhook, "password"), limits={"loginGraceTime": "6s"}).start()
    assert ask(server, "password", "any", user="carol").returncode == 255
    assert "loginGraceTime" in server.log().only(HANDSHAKE_FAILED)["reason"]
    until(webhook.gone.is_set, what="the request is dropped")


# TLS.


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "authority")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("stranger"), "stranger")


def test_tls_with_certificates_of_both_sides(make_server, make_webhook, authority):
    webhook = make_webhook(authority.issue("server"), clients=authority.file)
    webhook.replies(YES)
    cert, key = map(str, authority.issue("client"))
    trust = {"cacert": str(authority.file), "cert": cert, "key": key}
    server = make_server(auth=asking(webhook, "password", **trust)).start()
    assert ask(server, "password", "any", user="carol").returncode == 0
    inline = {name: open(file).read() for name, file in trust.items()}
    server = make_server(auth=asking(webhook, "password", **inline)).start()
    assert ask(server, "password", "any", user="carol").returncode == 0
    assert len(webhook.requests) == 2
    assert "PRIVATE KEY" not in program.run("config", "check", server.config_file).stdout.decode()


def test_a_server_of_another_authority_is_not_trusted(make_server, make_webhook, authority, stranger):
    webhook = make_webhook(stranger.issue("server"))
    webhook.replies(YES)
    server = make_server(auth=asking(webhook, "password", cacert=str(authority.file))).start()
    assert ask(server, "password", "any", user="carol").returncode == 255
    assert "TLS" in server.log().only(PASSWORD_UNANSWERED)["reason"]
    assert webhook.requests == []


def test_a_server_of_another_name_is_not_trusted(make_server, make_webhook, authority):
    webhook = make_webhook(authority.issue("elsewhere", host="192.0.2.1"))
    webhook.replies(YES)
    server = make_server(auth=asking(webhook, "password", cacert=str(authority.file))).start()
    assert ask(server, "password", "any", user="carol").returncode == 255
    assert "TLS" in server.log().only(PASSWORD_UNANSWERED)["reason"]
    assert webhook.requests == []


@pytest.mark.parametrize("shown", ["none", "of a stranger"])
def test_a_client_certificate_that_is_wanted(make_server, make_webhook, authority, stranger, shown):
    webhook = make_webhook(authority.issue("server"), clients=authority.file)
    webhook.replies(YES)
    trust = {"cacert": str(authority.file)}
    if shown == "of a stranger":
        trust["cert"], trust["key"] = map(str, stranger.issue("client"))
    server = make_server(auth=asking(webhook, "password", **trust, **SHORT)).start()
    assert ask(server, "password", "any", user="carol").returncode == 255
    assert server.log().of(PASSWORD_UNANSWERED)
    assert webhook.requests == []


def test_an_older_version_of_tls_is_spoken_where_it_is_allowed(make_server, make_webhook, authority):
    webhook = make_webhook(authority.issue("server"), old=True)
    webhook.replies(YES)
    trust = {"cacert": str(authority.file)}
    server = make_server(auth=asking(webhook, "password", **trust)).start()
    assert ask(server, "password", "any", user="carol").returncode == 255
    assert "TLS" in server.log().only(PASSWORD_UNANSWERED)["reason"]
    server = make_server(auth=asking(webhook, "password", **trust, tlsVersion="1.2")).start()
    assert ask(server, "password", "any", user="carol").returncode == 0


# Keys.


def test_a_key_is_asked_about_once_and_then_proven(server, webhook):
    webhook.replies(YES)
    assert with_key(server).returncode == 0
    log = server.log()
    assert log.of(PUBKEY) and log.only(PUBKEY_OK)["key"] == server.key.public
    assert server.key.fingerprint in extra(log, HANDSHAKE_OK)
    (request,) = webhook.requests
    assert request.path == "/pubkey"
    assert request["publicKey"] == server.key.public
    assert request["username"] == "carol" and request["connectionId"] == log.file.name


def test_a_key_that_the_webhook_refuses(make_server, webhook):
    server = make_server(auth=asking(webhook, "publicKey"), ssh={"trustedUserCAKeys": None}).start()
    assert with_key(server).returncode == 255
    log = server.log()
    assert log.shape() == [CONNECT, PUBKEY, PUBKEY_FAILED, *REFUSED]
    assert len(webhook.requests) == 1


def test_a_key_that_nobody_can_be_asked_about(make_server, webhook):
    webhook.replies(Reply(status=500))
    auth = asking(webhook, "publicKey", **SHORT)
    server = make_server(auth=auth, ssh={"trustedUserCAKeys": None}).start()
    assert with_key(server).returncode == 255
    assert "status 500" in server.log().only(PUBKEY_UNANSWERED)["reason"]


def test_a_key_that_is_only_known_lets_nobody_in(server, webhook):
    """The webhook's yes does not stand for the signature."""
    webhook.replies(YES)
    decoy = server.directory / "decoy.pub"
    decoy.write_text(server.key.public + "\n")
    done = server.run("true", "-o", "BatchMode=yes", "-i", str(decoy), user="carol", key=False)
    assert done.returncode == 255
    log = server.log()
    assert log.of(PUBKEY) and not log.of(PUBKEY_OK) and log.user is None


def test_the_answer_for_one_key_is_not_that_for_another(make_server, webhook, tmp_path):
    stranger = keys.generate(tmp_path, "stranger")
    server = make_server(auth=asking(webhook, "publicKey"), ssh={"trustedUserCAKeys": None}).start()
    webhook.answer = lambda request: YES if request["publicKey"] == server.key.public else NO
    both = ("-o", "BatchMode=yes", "-i", str(stranger.file), "-i", str(server.key.file))
    assert server.run("true", *both, user="carol", key=False).returncode == 0
    log = server.log()
    assert log.only(PUBKEY_FAILED)["key"] == stranger.public
    assert log.only(PUBKEY_OK)["key"] == server.key.public


# Who is proven, and what is known of it.


def test_authorization_is_asked_of_who_is_proven(make_server, webhook):
    """Whoever has proven it: a webhook, or the configuration."""
    server = make_server(auth=asking(webhook)).start()
    webhook.answer = lambda request: (
        says(True, metadata={"team": value("red")}) if request.path == "/password" else YES
    )
    assert ask(server, "password", "any", user="carol").returncode == 0
    assert ask(server, "password", RIGHT).returncode == 0
    assert server.run("true").returncode == 0
    logs = server.logs(3)
    assert [log.user for log in logs] == ["carol", "alice", "alice"]
    first, second, third = webhook.of("/authz")
    assert first["username"] == "carol" and "authenticatedUsername" not in first.body
    assert first["metadata"] == {"team": value("red")}
    assert first["connectionId"] == logs[0].file.name
    assert second["authenticatedUsername"] == third["authenticatedUsername"] == "alice"


def test_authorization_refuses_and_fails(make_server, webhook):
    server = make_server(auth=asking(webhook, "password", "authz")).start()
    webhook.answer = lambda request: YES if request.path == "/password" else NO
    assert ask(server, "password", "any", user="carol").returncode == 255
    assert server.log().shape() == [CONNECT, PASSWORD, PASSWORD_FAILED, *REFUSED]
    assert ask(server, "password", RIGHT).returncode == 255
    assert server.log().shape() == [CONNECT, PASSWORD, PASSWORD_FAILED, *REFUSED]
    assert server.run("true").returncode == 255
    assert server.log().of(PUBKEY_FAILED)
    webhook.answer = lambda request: YES if request.path == "/password" else Reply(status=404)
    assert ask(server, "password", "any", user="carol").returncode == 255
    assert "/authz" in server.log().only(PASSWORD_UNANSWERED)["reason"]


def test_the_environment_arrives(make_server, webhook):
    server = make_server(auth=asking(webhook, "password", "publicKey", "authz")).start()
    first = {"A": value("one, two"), "B": value("old")}
    webhook.answer = lambda request: (
        says(True, environment={"B": value("new"), "LANG": value("xx")})
        if request.path == "/authz"
        else says(True, environment=first)
    )
    done = with_key(server, 'echo "$A|$B|$LANG|$USER"')
    assert done.stdout.decode().startswith("one, two|new|xx|"), done
    assert webhook.of("/authz")[0]["environment"] == first
    server.log()


def test_what_is_sensitive_is_told_nobody_and_stands_nowhere(make_server, webhook):
    nothing = {"stdin": False, "stdout": False, "stderr": False, "passwords": False}
    server = make_server(
        auth=asking(webhook, "password", "publicKey", "authz"), audit={"intercept": nothing}, log={"level": "trace"}
    ).start()
    token, named, content = canary(), canary(), canary()
    secret = says(
        True,
        environment={"TOKEN": value(token.decode(), True), "OPEN": value("seen")},
        metadata={"key": value(named.decode(), True)},
        files={"/etc/secret": value(base64.b64encode(content).decode(), True)},
    )
    # The double itself fails a request that has a sensitive value.
    webhook.answer = lambda request: YES if request.path == "/authz" else secret
    done = with_key(server, 'echo "$TOKEN"; exit 3')
    assert (done.stdout, done.returncode) == (token + b"\n", 3)
    (request,) = webhook.of("/authz")
    assert set(request["environment"]) == {"OPEN"} and "metadata" not in request.body and "files" not in request.body
    server.log()
    assert server.stop() == 0
    assert_nowhere(server, token, named, content)


def test_passwords_are_nowhere(make_server, webhook):
    server = make_server(auth=asking(webhook, "password"), log={"level": "trace"}).start()
    passwords = [canary() for _ in range(5)]
    right, *others = (password.decode() for password in passwords)
    webhook.answer = knows(right)
    assert ask(server, "password", right, user="carol").returncode == 0
    ask(server, "password", others[0], user="carol")
    ask(server, "keyboard-interactive", others[1], user="carol")
    for last, password in ((Reply(status=404), others[2]), (Reply(body=others[3].encode()), others[3])):
        webhook.replies(Reply(status=503), last)
        ask(server, "password", password, user="carol")
    server.logs(5)
    assert server.stop() == 0
    assert_nowhere(server, *passwords)


# Configuration.


def test_the_older_form(make_server, webhook):
    webhook.replies(YES)
    auth = {"url": webhook.url, "password": True, "pubkey": False, **LONG}
    server = make_server(auth=auth, ssh={"trustedUserCAKeys": None}).start()
    assert ask(server, "password", "any", user="carol").returncode == 0
    assert with_key(server).returncode == 255
    assert [request.path for request in webhook.requests] == ["/password"]
    assert "is the older form" in server.said()


def test_a_path_stands_before_that_of_the_question(make_server, webhook):
    webhook.replies(YES)
    server = make_server(auth={"password": method(webhook, "/base/")}).start()
    assert ask(server, "password", "any", user="carol").returncode == 0
    assert webhook.requests[0].path == "/base/password"


def test_reloading_takes_other_webhooks(server, make_webhook, webhook):
    other = make_webhook()
    other.replies(YES)
    assert ask(server, "password", "any", user="carol").returncode == 255
    server.config["auth"] = asking(other, "password")
    server.config_file.write_text(json.dumps(server.config))
    server.process.send_signal(signal.SIGHUP)
    until(lambda: "reloaded" in server.said(), what="the server has reloaded")
    assert ask(server, "password", "any", user="carol").returncode == 0
    assert len(webhook.requests) == len(other.requests) == 1


def test_settings_of_containerssh_are_taken_or_refused_with_a_remedy(tmp_path):
    whole = """
auth:
  password:
    method: webhook
    webhook:
      {url: "http://localhost:8080", allowRedirects: false, timeout: 2s, cacert: "", cert: "", key: "",
       tlsVersion: "1.3", curves: [x25519, secp256r1, secp384r1, secp521r1], authTimeout: 1m0s,
       cipher: [TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384, TLS_CHACHA20_POLY1305_SHA256,
                TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]}
    kerberos: {keytab: /etc/krb5.keytab, enforceUsername: true}
  publicKey: {method: ""}
  keyboardInteractive: {method: "", oauth2: {redirect: {listen: "0.0.0.0:8080"}, github: {extraScopes: []}}}
  gssapi: {method: "", kerberos: {}}
  authz: {method: ""}
configserver: {url: "", timeout: 2s, transmitSensitiveMetadata: false}
"""
    file = tmp_path / "config.yaml"
    file.write_text(whole)
    program.run("config", "check", file)
    for change, expected in (
        (("method: webhook", "method: kerberos"), "`auth.password.method`: kerberos is not in this version; use webhook"),
        (('method: "", oauth2', "method: oauth2, oauth2"), "`auth.keyboardInteractive.method` is oauth2, but `oauth2."),
        (('gssapi: {method: ""', "gssapi: {method: kerberos"), "`auth.gssapi.method`: kerberos is not"),
        (("allowRedirects: false", "allowRedirects: true"), "`auth.password.webhook.allowRedirects`: redirects are not"),
        (("[x25519, ", "["), "`auth.password.webhook.curves`: what is chosen"),
        (('configserver: {url: ""', "configserver: {url: 'x'"), "`configserver.url`: "),
        (("method: webhook", 'method: ""'), "`auth.password.webhook.url` is given, but nobody is asked"),
        (("http://localhost:8080", ""), "`auth.password.webhook.url` is missing"),
        (("http://localhost:8080", "localhost:8080"), "`auth.password.webhook.url`: "),
        (("http://localhost:8080", "http://me:hunter2@localhost"), "name or password before `@`"),
    ):
        assert change[0] in whole, change
        file.write_text(whole.replace(*change, 1))
        done = program.run("config", "check", file, check=False)
        said = done.stderr.decode()
        assert done.returncode != 0 and expected in said, f"{shlex.join(change)}\n{said}"
        assert "hunter2" not in said


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"cacert": "/none"}, "`auth.authz.webhook.cacert`: /none: "),
        ({"cacert": "-----BEGIN hunter2"}, "`auth.authz.webhook.cacert`: certificate 1 can't be used: it is not PEM"),
        ({"cert": "CERT"}, "`auth.authz.webhook.cert` is given without its `key`"),
        ({"key": "KEY"}, "`auth.authz.webhook.key` is given without its `cert`"),
        ({"cert": "CERT", "key": "OTHER"}, "`auth.authz.webhook.key`: the key can't be used with the certificate"),
        ({"cert": "CERT", "key": "-----hunter2"}, "`auth.authz.webhook.key`: no private key is in it"),
        ({"cert": "CERT", "key": "hunter2"}, "`auth.authz.webhook.key`: the file that it names cannot be read"),
        ({"cert": "KEY", "key": "KEY"}, "`auth.authz.webhook.cert`: no certificate is in it"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_certificates_that_do_not_do_are_named(tmp_path, authority, settings, expected):
    certificate, key = authority.issue("first")
    _, other = authority.issue("second")
    files = {"CERT": certificate, "KEY": key, "OTHER": other}
    given = {name: str(files.get(text, text)) for name, text in settings.items()}
    webhook = {"url": "https://localhost", "cacert": str(authority.file), **given}
    file = tmp_path / "config.yaml"
    file.write_text(json.dumps({"auth": {"authz": {"method": "webhook", "webhook": webhook}}}))
    done = program.run("config", "check", file, check=False)
    assert done.returncode != 0 and expected in done.stderr.decode(), done
    assert b"hunter2" not in done.stdout + done.stderr and b"104, 117" not in done.stderr


def test_a_webhook_that_nobody_would_ask_is_refused(tmp_path):
    file = tmp_path / "config.yaml"
    for name in ("password", "publicKey", "authz"):
        file.write_text(json.dumps({"auth": {name: {"webhook": {"url": "https://localhost"}}}}))
        done = program.run("config", "check", file, check=False)
        expected = f"`auth.{name}.webhook.url` is given, but nobody is asked without a method"
        assert done.returncode == 1 and expected in done.stderr.decode(), done
