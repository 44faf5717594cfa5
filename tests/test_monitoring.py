"""The server seen from outside: metrics, health, and the lines of its own log."""

import datetime
import ipaddress
import json
import os
import re
import signal
import socket
import ssl
import subprocess
from http.client import HTTPException

import paramiko
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from harness import program, raw
from harness.cast import casts
from harness.http import ask, metrics
from harness.log import IO
from harness.program import ROOT
from harness.server import PASSWORD, free_port
from harness.wait import until
from test_disk import SIZE, Filler, echoes, session, small  # noqa: F401
from test_geoip import database, located
from test_logins import ask as login


@pytest.fixture
def make_watched(make_server):
    """Makes servers (not yet started) that serve metrics and health."""

    def make(**changes):
        return watched(make_server(**changes))

    return make


def watched(server):
    server.metrics, server.health = free_port(), free_port()
    for block in ("metrics", "health"):
        listen = f"127.0.0.1:{getattr(server, block)}"
        server.config[block] = {"enable": True, "listen": listen} | server.config.get(block, {})
    return server


def test_by_default_nothing_is_served(server):
    assert "serving" not in server.said()
    shown = yaml.safe_load(program.run("config", "check", server.config_file).stdout)
    assert (shown["metrics"]["enable"], shown["metrics"]["listen"]) == (False, "127.0.0.1:9100")
    assert (shown["health"]["enable"], shown["health"]["listen"]) == (False, "127.0.0.1:7000")
    assert shown["metrics"]["path"] == "/metrics"


def test_the_numbers_are_those_of_what_happened(make_watched, tmp_path):
    database(tmp_path / "x.mmdb", DE=["127.0.0.0/8"])
    server = make_watched(geoip=located(tmp_path / "x.mmdb")).start()
    before = metrics(server.metrics)
    assert before("auditssh_connections_total") == 0
    assert before("auditssh_commit_seconds_count") == 0
    assert before("auditssh_build_info") == 1 and before("auditssh_ready") == 1
    assert "containerssh_ssh_connections_total" not in before.names()

    # Three logins, by two methods, and two failures.
    assert server.run("echo hello").stdout == b"hello\n"
    assert server.run("true").returncode == 0
    assert login(server, "password", PASSWORD).returncode == 0
    assert login(server, "password", "wrong").returncode == 255
    assert login(server, "keyboard-interactive", "wrong").returncode == 255
    logs = server.logs(5)
    after = until(
        lambda: (now := metrics(server.metrics))("containerssh_ssh_current_connections") == 0
        and now("auditssh_logs_closed_total") == 5
        and now,
        what="the end of all",
    )

    assert after("auditssh_connections_total") == 5
    assert after("containerssh_ssh_connections_total", country="DE") == 5
    assert after("containerssh_ssh_successful_handshakes_total", country="DE") == 3
    assert after("containerssh_ssh_failed_handshakes_total", country="DE") == 2
    assert after("containerssh_auth_success_total", authtype="pubkey", country="DE") == 2
    assert after("containerssh_auth_success_total", authtype="password", country="DE") == 1
    assert after("containerssh_auth_failures_total", authtype="password") == 1
    assert after("containerssh_auth_failures_total", authtype="keyboard-interactive") == 1
    attempts = {
        (method, result): after("auditssh_auth_attempts_total", method=method, result=result)
        for method in ("publickey", "password", "keyboard-interactive")
        for result in ("accepted", "refused", "failed")
    }
    assert {key: value for key, value in attempts.items() if value} == {
        ("publickey", "accepted"): 2,
        ("password", "accepted"): 1,
        ("password", "refused"): 1,
        ("keyboard-interactive", "refused"): 1,
    }
    assert after("auditssh_auth_probes_total") == 5
    assert after("auditssh_connections_refused_total") == 0

    # What the log does: as many messages as stand in the logs, as many bytes as they have.
    assert after("auditssh_log_messages_total") == sum(len(log.messages) for log in logs)
    sizes = sum(log.file.stat().st_size for log in logs)
    assert sizes - 5 * 200 <= after("auditssh_log_bytes_total") <= sizes
    assert after("auditssh_logs_begun_total") == after("auditssh_logs_closed_total") == 5
    assert after("auditssh_logs_open") == 0
    # Every effect waits for its commit; ends of connections wait for none.
    commits = after("auditssh_commit_seconds_count")
    assert sum(len(log.of(IO)) for log in logs) < commits <= after("auditssh_log_messages_total")
    assert commits == after("auditssh_commit_seconds_bucket", le="+Inf")
    assert after("auditssh_commit_seconds_sum") > 0
    status = os.statvfs(server.audit)
    capacity = after("auditssh_spool_capacity_bytes")
    assert capacity == status.f_blocks * status.f_frsize
    assert 0 < after("auditssh_spool_free_bytes") <= capacity
    assert not any(name.startswith("auditssh_upload") for name in after.names()), "nothing is uploaded"

    held = session(server, "exec cat")
    now = metrics(server.metrics)
    assert now("containerssh_ssh_current_connections", country="DE") == now("auditssh_logs_open") == 1
    held.communicate(timeout=30)


def test_the_page_is_openmetrics_at_its_path_only(make_watched):
    server = make_watched(metrics={"path": "/numbers"}).start()
    answer = ask(server.metrics, "/numbers")
    assert answer.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert answer.body.endswith("# EOF\n")
    head = ask(server.metrics, "/numbers", "HEAD")
    assert (head.status, head.body) == (200, "") and int(head.headers["content-length"]) > 1000
    for path in ("/", "/metrics", "/numbers/", "/numbers/..", "//numbers"):
        assert ask(server.metrics, path).status == 404, path
    assert ask(server.metrics, "/numbers?name[]=x").status == 200
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT"):
        assert ask(server.metrics, "/numbers", method).status == 405, method
    # Prometheus' own conventions.
    for family in metrics(server.metrics, "/numbers").families.values():
        assert family.documentation and not family.documentation.endswith("."), family.name
        assert re.fullmatch("(auditssh|containerssh|process)_[a-z_]+", family.name), family.name
        if family.unit:
            assert family.name.endswith(f"_{family.unit}")
    # Of a connection to it nothing is recorded.
    assert server.files() == []


def test_uploads_are_counted(bucket, seaweed, make_s3_server):
    server = watched(make_s3_server(bucket, seaweed.endpoint)).start()
    assert server.run("echo hello").returncode == 0
    now = until(
        lambda: (m := metrics(server.metrics))("auditssh_upload_logs_total") == 1 and m, what="the upload"
    )
    assert now("auditssh_upload_bytes_total") > 100
    assert now("auditssh_upload_up") == 1
    assert now("auditssh_upload_failures_total") == 0
    until(lambda: metrics(server.metrics)("auditssh_upload_pending_logs") == 0, what="nothing is left")
    assert "auditssh_upload_oldest_timestamp_seconds" not in metrics(server.metrics).names()


def test_several_outputs_are_counted_each_for_itself(make_watched, tmp_path):
    """The label `output` is the place in the configuration; a single output has none."""
    directories = [tmp_path / "logs", tmp_path / "casts"]
    outputs = [
        {"format": form, "storage": "file", "file": {"directory": str(directory)}}
        for form, directory in zip(("audit", "asciinema"), directories)
    ]
    outputs[0]["intercept"] = {"stdin": True, "stdout": True}
    outputs[1]["intercept"] = {"stdout": True}
    server = make_watched()
    server.config["audit"] = {"outputs": outputs}
    server.audit = directories[0]
    server.start()
    before = metrics(server.metrics)
    for output in ("1", "2"):
        assert before("auditssh_logs_begun_total", output=output) == 0
        assert before("auditssh_log_messages_total", output=output) == 0
    held = session(server, "exec cat")
    now = metrics(server.metrics)
    assert [now("auditssh_logs_open", output=output) for output in ("1", "2")] == [1, 1]
    held.communicate(b"typed\n" * 1000, timeout=60)
    after = until(
        lambda: (m := metrics(server.metrics))("auditssh_logs_closed_total") == 2 and m, what="both are closed"
    )
    log, (cast,) = server.log(), casts(directories[1], 1)
    assert after("auditssh_log_messages_total", output="1") == len(log.messages)
    assert 0 < after("auditssh_log_messages_total", output="2") < len(log.messages)
    length = log.file.stat().st_size
    assert length - 200 <= after("auditssh_log_bytes_total", output="1") <= length
    assert after("auditssh_log_bytes_total", output="2") == len(cast.content)
    for output in ("1", "2"):
        assert after("auditssh_logs_begun_total", output=output) == 1
        assert after("auditssh_logs_closed_total", output=output) == 1
        assert after("auditssh_commit_seconds_count", output=output) > 0
        assert after("auditssh_spool_capacity_bytes", output=output) > 0
    # All that is told of logs is told of each output, and of nothing else.
    labelled = {sample.name for sample in after.samples if "output" in sample.labels}
    assert labelled == {name for name in after.names() if re.match("auditssh_(logs?|commit|spool|space|storage)_", name)}
    assert {sample.labels["output"] for sample in after.samples if "output" in sample.labels} == {"1", "2"}


def test_without_a_bucket_failures_and_what_waits_are_told(bucket, make_s3_server):
    server = watched(make_s3_server(bucket, f"http://127.0.0.1:{free_port()}")).start()
    assert server.run("echo hello").returncode == 0
    now = until(
        lambda: (m := metrics(server.metrics))("auditssh_upload_failures_total", kind="unanswered") > 0
        and m("auditssh_upload_pending_closed_logs") == 1
        and m,
        what="a failure",
    )
    assert now("auditssh_upload_pending_logs") == 1 and now("auditssh_upload_pending_bytes") > 0
    assert now("auditssh_upload_oldest_timestamp_seconds") >= now("process_start_time_seconds")
    assert ask(server.health, "/").status == 200, "logs are safe on the disk"


def test_ready_is_not_who_cannot_record_and_comes_back_by_itself(small):  # noqa: F811
    server = watched(small()).start()
    until(lambda: ask(server.health, "/ready").status == 200, what="readiness")
    quiet = session(server, "exec cat")
    filler = Filler(server.audit)
    filler.leave(0)
    # Nobody connects meanwhile.
    refused = until(lambda: (a := ask(server.health, "/ready")).status == 503 and a, what="the full disk")
    assert refused.body.startswith("not ok: the storage of logs fails"), refused
    assert str(server.directory) not in refused.body
    assert ask(server.health, "/live").status == 200, "a restart would not help"
    assert metrics(server.metrics)("auditssh_ready") == 0
    assert server.run("true").returncode == 255
    assert metrics(server.metrics)("auditssh_connections_refused_total", reason="unrecorded") == 1

    files = {file.name for file in server.files()}
    filler.file.unlink()
    until(lambda: ask(server.health, "/ready").status == 200, what="readiness again")
    assert server.said().count("logs can be begun again") == 1
    assert metrics(server.metrics)("auditssh_ready") == 1
    assert {file.name for file in server.files()} == files, "the trial left nothing"
    assert echoes(quiet, b"still here")
    quiet.communicate(timeout=30)
    assert server.run("echo again").stdout == b"again\n"
    server.logs(2)


def test_ready_is_not_who_has_no_directory(make_watched):
    server = make_watched().start()
    until(lambda: ask(server.health, "/").status == 200, what="readiness")
    server.audit.rename(server.directory / "elsewhere")
    (server.directory / "elsewhere").rename(server.audit)
    assert ask(server.health, "/").status == 200, "it is held open"
    server.audit.rmdir()
    until(lambda: ask(server.health, "/").status == 503, what="the loss")


def test_ready_is_not_who_ends_but_lives(make_watched):
    server = make_watched(limits={"shutdownGrace": "1m"}).start()
    client = session(server, "exec cat")
    assert ask(server.health, "/").body == "ok"
    server.process.send_signal(signal.SIGTERM)
    draining = until(lambda: (a := ask(server.health, "/")).status == 503 and a, what="the drain")
    assert draining.body == "not ok: the server is shutting down"
    told = ask(server.health, "/x/y?z", Accept="application/json")
    assert (told.status, json.loads(told.body)) == (503, "not ok: the server is shutting down")
    assert told.headers["content-type"] == "application/json"
    assert ask(server.health, "/live").status == 200
    assert metrics(server.metrics)("auditssh_ready") == 0
    assert echoes(client, b"there is time yet")
    client.communicate(timeout=30)
    assert server.process.wait(30) == 0


def test_slow_clients_keep_nobody_out(make_watched):
    """More connections than there are places, none of which ever says all of its request."""
    server = make_watched().start()
    slow = []
    for number in range(100):
        one = socket.create_connection(("127.0.0.1", server.health))
        one.sendall(b"GET / HTTP/1.1\r\nx-slow: " + b"y" * number)
        slow.append(one)
    assert ask(server.health, "/").body == "ok"
    assert ask(server.metrics, "/metrics").status == 200
    assert server.run("echo fine").stdout == b"fine\n"
    # Not one of them is served, or kept for ever.
    for one in slow:
        one.settimeout(60)
        try:
            assert b"200" not in one.recv(1000)
        except ConnectionResetError:
            pass
    assert ask(server.health, "/").body == "ok"


def test_heads_are_bounded(make_watched):
    server = make_watched().start()
    for head in (b"x: " + b"y" * 100_000, b"x: y\r\n" * 5_000, b"\0" * 50_000):
        with socket.create_connection(("127.0.0.1", server.metrics), timeout=30) as one:
            try:
                one.sendall(b"GET /metrics HTTP/1.1\r\n" + head + b"\r\n\r\n")
                assert b" 200 " not in one.recv(1000)
            except (ConnectionResetError, BrokenPipeError):
                pass
    assert ask(server.metrics, "/metrics").status == 200


@pytest.mark.parametrize("block", ["metrics", "health"])
def test_a_port_in_use_is_told_with_its_place(make_watched, block):
    server = make_watched()
    with socket.create_server(("127.0.0.1", getattr(server, block))):
        server.start(wait=False)
        assert server.process.wait(30) == 1
    said = server.said()
    assert re.search(rf"config\.yaml:\d+:\d+: `{block}\.listen`: 127\.0\.0\.1:\d+ can't be listened on", said), said
    assert "ss -ltnp" in said


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"metrics": {"path": "metrics"}}, "`metrics.path` must begin with /"),
        ({"metrics": {"cert": "/x.pem"}}, "`metrics.cert` has no `key`"),
        ({"metrics": {"key": "/x.pem"}}, "`metrics.key` has no `cert`"),
        ({"health": {"clientcacert": "/x.pem"}}, "`health.clientcacert` needs `cert` and `key`"),
        ({"health": {"cert": "/nonexistent", "key": "/x"}}, "the file that `cert` names cannot be read"),
        ({"health": {"tlsVersion": "1.1"}}, "`health.tlsVersion` must be 1.3 or 1.2"),
        ({"health": {"client": {"url": "http://127.0.0.1:7000/"}}}, "remove it, and ask with `curl"),
        ({"metrics": {"enable": True, "listen": "127.0.0.1:2222"}}, "something else listens on 127.0.0.1:2222"),
        ({"log": {"destination": "syslog"}}, "write `stderr`"),
        ({"log": {"destination": "file", "file": "/x"}}, "write `stderr`"),
    ],
)
def test_what_cannot_be_served_is_told(tmp_path, changes, expected):
    file = tmp_path / "config.yaml"
    file.write_text(json.dumps({"ssh": {"listen": "127.0.0.1:2222"}} | changes))
    done = program.run("config", "check", file, check=False)
    assert done.returncode == 1
    assert expected in done.stderr.decode(), done.stderr.decode()


def certificate(directory, name, issuer=None):
    """A certificate and its key, in PEM; an authority's own, or of one."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if issuer:
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
    made = builder.sign(issuer[1] if issuer else key, hashes.SHA256())
    (directory / f"{name}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (directory / f"{name}.key").write_bytes(pem)
    return made, key


def test_over_tls_only_who_has_a_certificate_is_served(make_watched, tmp_path):
    authority = certificate(tmp_path, "authority")
    certificate(tmp_path, "server", authority)
    certificate(tmp_path, "client", authority)
    tls = {
        "cert": str(tmp_path / "server.pem"),
        "key": (tmp_path / "server.key").read_text(),
        "clientcacert": str(tmp_path / "authority.pem"),
        "tlsVersion": "1.2",
        "curves": ["x25519", "secp256r1"],
        "cipher": "TLS_AES_128_GCM_SHA256:TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    }
    server = make_watched(metrics=tls, health={"cert": tls["cert"], "key": tls["key"]}).start()
    shown = program.run("config", "check", server.config_file).stdout.decode()
    assert "PRIVATE KEY" not in shown and "PRIVATE KEY" not in server.said()

    def context(named=None, most=ssl.TLSVersion.TLSv1_3):
        made = ssl.create_default_context(cafile=str(tmp_path / "authority.pem"))
        made.maximum_version = most
        if named:
            made.load_cert_chain(tmp_path / f"{named}.pem", tmp_path / f"{named}.key")
        return made

    assert ask(server.metrics, "/metrics", context=context("client")).status == 200
    assert ask(server.metrics, "/metrics", context=context("client", ssl.TLSVersion.TLSv1_2)).status == 200
    with pytest.raises((ssl.SSLError, ConnectionError)):
        ask(server.metrics, "/metrics", context=context())
    with pytest.raises((OSError, HTTPException)):
        ask(server.metrics, "/metrics")
    assert ask(server.health, "/", context=context()).body == "ok"
    with pytest.raises(ssl.SSLError):
        ask(server.health, "/", context=context(most=ssl.TLSVersion.TLSv1_2))
    # A renewed certificate takes the place of the old one; half of one does not.
    renewed = tmp_path / "renewed"
    renewed.mkdir()
    certificate(renewed, "server", certificate(renewed, "authority"))
    (tmp_path / "server.pem").write_bytes((renewed / "server.pem").read_bytes())
    server.process.send_signal(signal.SIGHUP)
    until(lambda: "not reloaded" in server.said(), what="the refusal")
    assert ask(server.health, "/", context=context()).body == "ok"
    (tmp_path / "server.key").write_bytes((renewed / "server.key").read_bytes())
    server.config["health"]["key"] = str(tmp_path / "server.key")
    server.config["metrics"] |= {"key": str(tmp_path / "server.key")}
    server.config_file.write_text(json.dumps(server.config))
    server.process.send_signal(signal.SIGHUP)
    until(lambda: " reloaded: " in server.said(), what="the reload")
    with pytest.raises(ssl.SSLError):
        ask(server.health, "/", context=context())
    (tmp_path / "authority.pem").write_bytes((renewed / "authority.pem").read_bytes())
    assert ask(server.health, "/", context=context()).body == "ok"

    # No handshake goes on for ever, and none keeps others out.
    idle = [socket.create_connection(("127.0.0.1", server.health)) for _ in range(40)]
    assert ask(server.health, "/", context=context()).body == "ok"
    for one in idle:
        one.close()


@pytest.mark.parametrize("form", ["json", "ljson", "text"])
def test_every_line_about_a_connection_has_its_id(make_server, form):
    server = make_server(log={"format": form, "level": "debug"}, limits={"sessionChannels": 1}).start()
    assert server.run("echo hello").returncode == 0
    assert server.run("true", user="nobody").returncode == 255
    # A backend that has no such program, and a client that dies.
    server.run("true", "-s")
    # What only the SSH library sees.
    client = raw.Raw(server)
    client.log_in("alice", paramiko.Ed25519Key.from_private_key_file(str(server.key.file)))
    client.send(raw.OPEN, "session", 0, 1 << 20, 32768)
    channel = client.wait(raw.OPEN_CONFIRMATION)
    channel.get_int()
    client.send(raw.REQUEST, channel.get_int(), "nonsense@example.com", True)
    client.wait(raw.FAILURE)
    client.close()
    held = session(server, "exec cat")
    held.kill()
    held.wait(30)
    ids = [log.messages[0].connection for log in server.logs(5)]
    server.stop()
    lines = server.said().splitlines()
    about = [line for line in lines if re.search("auditssh_gateway::(session|connection)|russh", line)]
    assert len(about) >= 6 and any("unknown channel request" in line for line in about), lines
    seen = set()
    for line in about:
        if form == "text":
            found = re.search(r"\bconnection=\"?([0-9a-f]{32})\b", line)
            seen.add(found and found[1])
        else:
            seen.add(json.loads(line).get("connection"))
    assert seen <= set(ids) and len(seen) >= 4, (seen, about)
    if form != "text":
        for line in lines:
            told = json.loads(line)
            assert {"timestamp", "level", "target", "message"} <= set(told), line


def test_the_journal_gets_priorities_and_no_times(server, tmp_path):
    server.stop()
    before = len(server.said())
    status = server.output.stat()
    server.environment = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
    server.start()
    assert server.run("echo hello").returncode == 0
    server.stop()
    lines = server.said()[before:].splitlines()
    assert lines and all(re.match(r"<[346]>auditssh[a-z_:]*: ", line) for line in lines), lines

    # Of another stream than the journal it is told nothing.
    before = len(server.said())
    server.environment = {"JOURNAL_STREAM": "1:2"}
    server.start()
    server.stop()
    lines = server.said()[before:].splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z +[A-Z]+ auditssh", line) for line in lines), lines


def test_lines_may_go_to_standard_output(make_server):
    server = make_server(log={"destination": "stdout", "level": "notice"})
    server.start()
    server.stop()
    command = [program.path(), "serve", "--config", str(server.config_file)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=server.directory)
    assert b"listening" in process.stdout.readline() + process.stdout.readline()
    process.terminate()
    out, errors = process.communicate(timeout=30)
    assert b"ended" in out and errors == b""


def queried(text: str) -> set[str]:
    """The metrics that a PromQL expression names."""
    return set(re.findall(r"\b(?:auditssh|containerssh|process)_[a-z_]+\b", text))


@pytest.fixture(scope="module")
def everything(tmp_path_factory, password_hash):
    """The names of all series that a server has which uploads its logs."""
    from harness.server import Server

    server = Server(tmp_path_factory.mktemp("server"), password_hash)
    s3 = {"bucket": "audit-logs", "endpoint": f"http://127.0.0.1:{free_port()}", "local": str(server.audit)}
    s3 |= {"accessKey": "x", "secretKey": "x", "region": "us-east-1"}
    server.config["audit"] |= {"storage": "s3", "s3": s3}
    del server.config["audit"]["file"]
    watched(server).start()
    try:
        assert server.run("true").returncode == 0
        return until(
            lambda: "auditssh_upload_oldest_timestamp_seconds" in (names := metrics(server.metrics).names())
            and "auditssh_spool_free_bytes" in names
            and names,
            what="a log that waits",
        )
    finally:
        server.kill()


def test_every_alert_asks_for_what_there_is(everything):
    rules = yaml.safe_load((ROOT / "packaging" / "prometheus-rules.yaml").read_text())
    alerts = [rule for group in rules["groups"] for rule in group["rules"]]
    assert len(alerts) >= 8
    for alert in alerts:
        assert queried(alert["expr"]), alert
        assert queried(alert["expr"]) <= everything, queried(alert["expr"]) - everything
        assert alert["labels"]["severity"] in ("critical", "warning"), alert
        assert alert["annotations"]["summary"] and alert["annotations"]["description"], alert
        page = (ROOT / "docs" / "monitoring.md").read_text()
        assert f"`{alert['alert']}`" in page, "every alert is explained"


def test_every_panel_asks_for_what_there_is(everything):
    dashboard = json.loads((ROOT / "packaging" / "grafana-dashboard.json").read_text())
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    assert len(panels) >= 12
    places = set()
    for panel in panels:
        for target in panel["targets"]:
            assert queried(target["expr"]), panel["title"]
            assert queried(target["expr"]) <= everything, (panel["title"], queried(target["expr"]) - everything)
        assert panel["fieldConfig"]["defaults"]["unit"] and panel["description"], panel["title"]
        place = panel["gridPos"]
        places.add((place["x"], place["y"]))
        assert place["x"] + place["w"] <= 24
    assert len(places) == len(panels), "no two at one place"
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_every_metric_is_explained(everything):
    page = (ROOT / "docs" / "monitoring.md").read_text()
    told = queried(re.sub("`AUDITSSH_LOG=.*?`", "", page))
    for name in everything:
        family = re.sub("_(bucket|sum|count)$", "", name)
        assert name in told or family in told, f"{name} is not in docs/monitoring.md"
    # And nothing that there is not, but for names that say so.
    known = everything | {re.sub("_(bucket|sum|count)$", "", name) for name in everything}
    absent = page.split("## Not there")[-1]
    assert told - known <= queried(absent), told - known - queried(absent)
