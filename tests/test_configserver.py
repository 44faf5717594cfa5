"""A configuration server: what it is asked, what its answers make of one connection, and that no failure
lets anybody in."""

import base64
import json
import os
import signal
import subprocess
import threading

import pytest

from harness import keys
from harness.certificates import Authority
from harness.docker import LARGE
from harness.log import CHANNEL_FAILED, DISCONNECT, EXEC, HANDSHAKE_FAILED, HANDSHAKE_OK
from harness.master import shared
from harness.wait import until
from harness.webhook import Reply, says
from test_privacy import assert_nowhere, canary
from test_webhook import asking, value

FORCED = "echo forced"


def sets(config=None, **more) -> Reply:
    """An answer of the documentation."""
    return Reply(body=json.dumps({"config": config or {}, **more}).encode())


@pytest.fixture
def make_asking(make_server, webhook):
    """Makes servers (not yet started) that ask the double what a connection is served by."""

    def make(**changes):
        block = {"url": f"{webhook.url}/config", "timeout": "50s"} | changes.pop("configserver", {})
        return make_server(configserver=block, **changes)

    return make


def denied(server, *words: str) -> None:
    """Nobody gets in; the log and the server's own have the reason, and the client has not."""
    done = server.run("echo in")
    assert done.returncode == 255 and done.stdout == b""
    log = server.log()
    # The client may have asked for a session meanwhile.
    after = [kind for kind in log.shape() if kind != CHANNEL_FAILED]
    assert after[-3:] == [HANDSHAKE_OK, HANDSHAKE_FAILED, DISCONNECT]
    reason = log.only(HANDSHAKE_FAILED)["reason"]
    for word in words:
        assert word in reason, reason
        assert word in server.said() and word not in done.stderr.decode()
    assert not log.of(EXEC)


def test_it_is_asked_after_the_login_and_an_empty_answer_changes_nothing(make_asking, webhook):
    server = make_asking().start()
    webhook.replies(sets())
    assert server.run("echo in").stdout == b"in\n"
    log = server.log()
    (request,) = webhook.requests
    assert (request.path, request["username"]) == ("/config", "alice")
    assert request["connectionId"] == log.file.name
    assert request["clientVersion"].startswith("SSH-2.0-OpenSSH_")
    assert request["remoteAddress"].startswith("127.0.0.1:")
    # Whoever is not logged in is not asked about.
    assert server.run("true", "-o", "PubkeyAuthentication=no").returncode == 255
    assert len(webhook.requests) == 1


def test_filters_of_one_connection(make_asking, webhook):
    server = make_asking(security={"env": {"mode": "filter"}}).start()
    webhook.replies(sets({"security": {"forceCommand": FORCED}}), sets({"security": {"shell": {"mode": "disable"}}}))
    with shared(server) as first:
        assert first.run("echo in").stdout == b"forced\n"
        with_another = server.run("echo in")
        assert with_another.stdout == b"in\n", "it is the other connection's"
        assert first.run("echo in").stdout == b"forced\n"


def test_each_connection_goes_where_its_answer_leads(make_asking, make_fake, webhook):
    async def bye(process):
        process.stdout.write(b"the other one\n")
        process.exit(0)

    one, other = make_fake(), make_fake(process=bye)
    server = make_asking().start()

    def leads(request):
        fake = one if request["username"] == "alice" else other
        return sets({"backend": "sshproxy", "sshproxy": fake.settings()})

    webhook.answer = leads
    bob = keys.generate(server.directory, "bob")
    server.config["users"]["bob"] = {"authorizedKeys": [bob.public]}
    server.config_file.write_text(json.dumps(server.config))
    server.process.send_signal(signal.SIGHUP)
    until(lambda: "reloaded" in server.said(), what="the reload")
    login = ("-o", "BatchMode=yes", "-i", str(bob.file))
    for _ in range(2):
        assert server.run("hello").stdout == b"hello from the fake\n"
        assert server.run("hello", *login, user="bob", key=False).stdout == b"the other one\n"
    assert (len(one.connections), len(other.connections)) == (2, 2)


def test_a_container_for_whom_the_answer_says_so(make_asking, dockerd, webhook):
    server = make_asking().start()
    blocks = ({"container": {"image": LARGE, "env": [f"WHO={who}"]}} for who in ("one", "two"))
    answers = [{"backend": "docker", "docker": dockerd.settings(**block)} for block in blocks]
    webhook.replies(sets(answers[0]), sets(answers[1]), sets(), sets(answers[0]))
    inside = f"echo $WHO; [ -e {server.directory} ] || echo in a container"
    with shared(server) as one:
        assert one.run(inside).stdout == b"one\nin a container\n"
        assert server.run(inside).stdout == b"two\nin a container\n"
        assert server.run(inside).stdout == b"\n"
        assert one.run(inside).stdout == b"one\nin a container\n", "nobody else removes it"
    until(lambda: not dockerd.of(server), what="its containers are removed")
    # What a killed run left is found where answers lead.
    left = subprocess.Popen([*server.ssh(), "echo in; cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert left.stdout.readline() == b"in\n" and len(dockerd.of(server)) == 1
    server.kill()
    left.communicate(timeout=30)
    webhook.replies(sets(answers[1]))
    server.start()
    assert server.run(inside).stdout == b"two\nin a container\n"
    until(lambda: not dockerd.of(server), what="what was left is removed")


def test_forwarding_of_one_connection(make_asking, webhook):
    server = make_asking().start()
    webhook.replies(sets(), sets({"security": {"forwarding": {"forwardingMode": "enable"}}}))
    through = [*server.ssh("-W", f"127.0.0.1:{server.port}")]

    def reached() -> bytes:
        return subprocess.run(through, input=b"", capture_output=True, timeout=60).stdout

    assert reached() == b""
    assert CHANNEL_FAILED in server.log().shape()
    assert reached().startswith(b"SSH-2.0-")


def test_what_is_left_out_is_that_of_the_file_and_zeros_are_left_out(make_asking, make_fake, webhook):
    fake = make_fake()
    server = make_asking(sshproxy=fake.settings(server="nowhere.invalid")).start()
    zeros = {
        "audit": {"enable": False, "format": "", "s3": {"uploadPartSize": 0}},
        "ssh": {"listen": "", "hostkeys": None},
        "log": {"level": "notice"},
        "security": {"forceCommand": "", "maxSessions": 0},
        "docker": {"execution": {"disableAgent": False}},
    }
    webhook.replies(sets(zeros | {"backend": "sshproxy", "sshproxy": {"server": "127.0.0.1", "port": fake.port}}))
    assert server.run("hello").stdout == b"hello from the fake\n"


@pytest.mark.parametrize(
    ("config", "word"),
    [
        ({"audit": {"enable": True, "storage": "none"}}, "it sets `audit`, which only the file may"),
        ({"users": {"eve": {"password": "x"}}}, "it sets `users`"),
        ({"security": {"forcecommand": "x"}}, "unknown key `security.forcecommand`"),
        ({"backend": "sshproxy"}, "`sshproxy.server` is missing"),
        ({"backend": "nonsense"}, "`nonsense`"),
        ({"sshproxy": {"routeSeparator": "%"}}, "sshproxy.routeSeparator"),
    ],
)
def test_what_may_not_be_set_denies(make_asking, webhook, config, word):
    server = make_asking().start()
    webhook.replies(sets(config))
    denied(server, word)


@pytest.mark.parametrize(
    ("reply", "word"),
    [
        (Reply(status=404), "status 404"),
        (Reply(status=302, headers={"Location": "http://127.0.0.1:9/"}), "redirect"),
        (Reply(body=b"{}"), "missing key `config`"),
        (Reply(body=b'{"config": {}, "nonsense": 1}'), "unknown key `nonsense`"),
        (Reply(body=b'{"config": {"x": "' + b"x" * 1024 * 1024 + b'"}}'), "more than 1048576 bytes"),
        (Reply(body=b'{"config": {}'), "cut off"),
        (sets(environment={"A=B": {"value": "x"}}), "environment variable"),
    ],
)
def test_an_answer_that_is_none_denies(make_asking, webhook, reply, word):
    server = make_asking().start()
    webhook.replies(reply)
    denied(server, word)


def test_what_fails_for_a_while_is_asked_again(make_asking, webhook):
    server = make_asking().start()
    webhook.replies(Reply(status=503), Reply(hang_up=True), sets({"security": {"forceCommand": FORCED}}))
    assert server.run("echo in").stdout == b"forced\n"
    assert len(webhook.requests) == 3


def test_nothing_runs_before_it_answers_and_who_leaves_takes_the_question_back(make_asking, webhook):
    server = make_asking().start()
    never = threading.Event()
    webhook.replies(Reply(after=never))
    client = subprocess.Popen([*server.ssh(), "echo in"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    until(lambda: webhook.requests, what="the question")
    client.kill()
    assert client.communicate()[0] == b""
    assert webhook.gone.wait(30)
    assert not server.log().of(EXEC)


def test_over_tls_with_certificates_of_both_sides(make_asking, make_webhook, tmp_path):
    authority = Authority(tmp_path, "authority")
    double = make_webhook(authority.issue("server"), authority.file)
    double.replies(sets({"security": {"forceCommand": FORCED}}))
    certificate, key = authority.issue("client")
    block = {"url": f"{double.url}/config", "cacert": str(authority.file)}
    server = make_asking(configserver=block | {"cert": str(certificate), "key": str(key)}).start()
    assert server.run("echo in").stdout == b"forced\n"
    server.log()
    nameless = make_asking(configserver=block).start()
    denied(nameless, "CertificateRequired")


def test_what_it_says_of_the_user_arrives_and_what_is_sensitive_reaches_it_only_if_it_may(
    make_asking, make_webhook, webhook
):
    authentication = make_webhook()
    token, key = canary(), canary()
    authentication.replies(
        says(True, environment={"TOKEN": value(token.decode(), True), "TEAM": value("red")}, authenticatedUsername="c@x")
    )
    webhook.replies(sets(environment={"MORE": {"value": key.decode()}, "EMPTY": {}}, metadata={"a": value("b")}))
    nothing = {"stdin": False, "stdout": False, "stderr": False, "passwords": False}
    settings = {"auth": asking(authentication, "publicKey"), "audit": {"intercept": nothing}, "log": {"level": "trace"}}
    for trusted in (False, True):
        webhook.trusted = trusted
        server = make_asking(configserver={"transmitSensitiveMetadata": trusted}, **settings).start()
        done = server.run('echo "$TOKEN $TEAM $MORE ${EMPTY-unset}"', user="carol")
        assert done.stdout == b"%s red %s \n" % (token, key)
        told = webhook.requests[-1]
        assert told["authenticatedUsername"] == "c@x"
        assert set(told["environment"]) == ({"TOKEN", "TEAM"} if trusted else {"TEAM"})
        server.log()
        assert server.stop() == 0
        assert_nowhere(server, token, key)


def test_secrets_of_an_answer_are_nowhere(make_asking, make_fake, webhook):
    fake = make_fake(methods=("password",))
    secret = canary()
    fake.password = secret.decode()
    server = make_asking(log={"level": "trace"}).start()
    block = fake.settings(privateKey="", password=secret.decode())
    wrong = fake.settings(privateKey="", password={secret.decode(): secret.decode()})
    webhook.replies(
        sets({"backend": "sshproxy", "sshproxy": block}), sets({"backend": "sshproxy", "sshproxy": wrong})
    )
    assert server.run("hello").stdout == b"hello from the fake\n"
    server.log()
    denied(server, "`sshproxy.password`")
    assert server.stop() == 0
    assert_nowhere(server, secret)


def test_a_number_of_sessions_of_its_own(make_asking, webhook):
    server = make_asking(security={"maxSessions": 1}).start()
    webhook.replies(sets({"security": {"maxSessions": 2}}))
    with shared(server) as connection:
        held = [connection.start("echo up; exec cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(2)]
        for one in held:
            assert one.stdout.readline() == b"up\n"
        assert connection.run("true").returncode == 255
        held[0].communicate(timeout=30)
        until(lambda: connection.run("echo again").stdout == b"again\n", what="room")
        held[1].communicate(timeout=30)
    reasons = {message["reason"] for message in server.log().of(CHANNEL_FAILED)}
    assert reasons == {"too many session channels are open (security.maxSessions)"}


def test_programs_of_such_backends_end_with_the_server(make_asking, webhook):
    """What only its answer made is reached by a second signal, too."""
    server = make_asking().start()
    webhook.replies(sets({"backend": "local", "local": {"shell": "/bin/bash"}}))
    command = [*server.ssh(), "trap '' TERM HUP; echo $$; while :; do sleep 1; done"]
    client = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    program = int(client.stdout.readline())
    server.process.send_signal(signal.SIGTERM)
    until(lambda: "sessions are told" in server.said(), what="the first signal")
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(30)
    client.communicate(timeout=30)

    def gone() -> bool:
        try:
            os.kill(program, 0)
        except ProcessLookupError:
            return True
        return False

    until(gone, what="the end of the program")


def test_files_are_for_backends_that_have_a_place_for_them(make_asking, webhook, tmp_path):
    server = make_asking().start()
    place = tmp_path / "file"
    content = base64.b64encode(b"x").decode()
    webhook.replies(sets(files={str(place): value(content)}))
    assert server.run("echo in").stdout == b"in\n"
    assert not place.exists()
