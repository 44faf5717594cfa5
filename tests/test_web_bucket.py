"""The viewer over a bucket: recordings of several gateways, wherever each stands now."""

import json

import pytest

from harness import program, s3
from harness.faults import Proxy
from harness.log import STDOUT
from harness.server import PASSWORD, free_port
from harness.terminal import Terminal
from harness.wait import until
from harness.web import Browser, listed
from test_s3 import session, staged
from test_web import Alone

# The bucket is listed every half minute.
LISTED = 90


@pytest.fixture
def make_alone(tmp_path, password_hash):
    """Makes viewers that are processes of their own; each may read the bucket, and write nothing there."""
    made = []

    def make(bucket, local=None, endpoint=None, rules=None, prefix="") -> Browser:
        directory = tmp_path / f"viewer{len(made)}"
        directory.mkdir()
        local = local or directory / "local"
        settings = s3.settings(bucket, endpoint or bucket.store.endpoint, local, bucket.store.reader, prefix=prefix)
        port = free_port()
        user = {"password": password_hash, "role": "auditor"}
        config = {
            "audit": {"format": "audit", "storage": "s3", "s3": settings},
            "web": {
                "listen": f"127.0.0.1:{port}",
                "accessLog": str(directory / "access"),
                "users": {"carol": user},
                "rules": rules or [],
            },
        }
        file = directory / "web.yaml"
        file.touch(0o600)
        file.write_text(json.dumps(config))
        alone = Alone(directory, "--config", str(file))
        made.append(alone)
        alone.says("showing recordings")
        browser = Browser(port)
        browser.alone, browser.file = alone, file
        assert browser.login("carol", PASSWORD).status == 200
        return browser

    yield make
    for alone in made:
        alone.process.kill()
        alone.process.wait(30)


def test_recordings_of_several_gateways_are_shown_from_the_bucket(make_s3_server, make_alone, bucket, tmp_path):
    gateways = [make_s3_server(bucket, bucket.store.endpoint, settings={"prefix": "a/%u/"}) for _ in range(2)]
    for number, gateway in enumerate(gateways):
        gateway.start()
        assert gateway.run(f"echo from gateway {number}").returncode == 0
    logs = bucket.logs(tmp_path / "logs", 2)
    viewer = make_alone(bucket, prefix="a/%u/")
    shown = listed(viewer, 2, LISTED)
    assert {one["id"] for one in shown} == {log.file.name for log in logs}
    for number, log in enumerate(logs):
        id = log.file.name
        (one,) = (one for one in shown if one["id"] == id)
        assert (one["user"], one["state"]) == ("alice", "complete")
        assert viewer.get(f"/sessions/{id}")["state"] == "complete"
        verdict = viewer.get(f"/sessions/{id}/verify")
        assert (verdict["verdict"], verdict["setAside"], verdict["tails"]) == ("intact", [], False)
        raw = viewer.ask(f"/api/v1/sessions/{id}/download", **{"as": "log"})
        assert raw.body == log.file.read_bytes()
        lines = viewer.ask(f"/api/v1/sessions/{id}/download", **{"as": "json"}).body
        assert lines == program.run("decode", log.file).stdout
        cast = viewer.ask(f"/api/v1/sessions/{id}/channels/0/cast").body.decode()
        assert f"from gateway {number}" in cast
        assert {hit["id"] for hit in viewer.get("/search", q=f"gateway {number}")["hits"]} == {id}
    assert viewer.ask("/health").status == 200
    assert viewer.ask(f"/api/v1/sessions/{'0' * 32}").status == 404
    # Indexes beside the logs, as a nightly job would make them, are read and not shown.
    place = f"s3://{bucket.name}/a/"
    admin = tmp_path / "admin.yaml"
    admin.touch(0o600)
    settings = s3.settings(bucket, bucket.store.endpoint, tmp_path / "none", bucket.store.admin)
    admin.write_text(json.dumps({"audit": {"format": "audit", "storage": "s3", "s3": settings}}))
    program.run("index", "--config", admin, place)
    assert len(bucket.keys()) == 4
    again = make_alone(bucket, prefix="a/%u/")
    assert {one["id"] for one in listed(again, 2, LISTED)} == {log.file.name for log in logs}
    assert {hit["id"] for hit in again.get("/search", q="gateway 1")["hits"]} == {logs[1].file.name}


def test_a_session_is_never_missing_while_it_goes_to_the_bucket(make_s3_server, make_alone, bucket, tmp_path):
    server = make_s3_server(bucket, bucket.store.endpoint).start()
    viewer = make_alone(bucket, server.audit)
    terminal = Terminal(server)
    terminal.prompt()
    [one] = listed(viewer, 1, live="true")
    stream = viewer.events(f"/api/v1/sessions/{one['id']}/live")
    terminal.types("echo seen | tr a-z A-Z; exit\r")
    terminal.end()
    counts = []

    def is_gone():
        counts.append(viewer.get("/sessions")["total"])
        assert viewer.ask(f"/api/v1/sessions/{one['id']}/events").status == 200
        return not staged(server)

    until(is_gone, what="the log has left the machine")
    stream.until_end()
    assert stream.events[-1]["data"]["state"] == "complete"
    for _ in range(20):
        is_gone()
    assert set(counts) == {1}
    (log,) = bucket.logs(tmp_path / "logs")
    assert stream.output() == log.io(STDOUT).decode() and "SEEN" in stream.output()
    assert viewer.get(f"/sessions/{one['id']}/verify")["verdict"] == "intact"


def test_without_the_bucket_what_runs_is_shown(make_s3_server, make_alone, seaweed, bucket):
    proxy = Proxy(seaweed.address)
    server = make_s3_server(bucket, bucket.store.endpoint).start()
    assert server.run("true").returncode == 0
    bucket.wait(1)
    viewer = make_alone(bucket, server.audit, proxy.endpoint)
    listed(viewer, 1, LISTED)
    proxy.close()
    client = session(server, "exec cat")
    [one] = listed(viewer, 1, live="true")
    assert viewer.get(f"/sessions/{one['id']}")["live"] is True
    [kept] = listed(viewer, 1, live="false")
    assert viewer.ask(f"/api/v1/sessions/{kept['id']}").status == 500
    until(lambda: viewer.ask("/health").status == 503, LISTED, "the viewer says that it is not well")
    assert viewer.alone.said().count("the bucket of the logs cannot be read") == 1
    assert viewer.get("/sessions")["total"] == 2
    client.communicate(timeout=30)


def test_a_name_that_looks_like_an_id_hides_nothing(make_s3_server, make_alone, bucket, password_hash, tmp_path):
    prefix = "%i-%u"
    server = make_s3_server(bucket, bucket.store.endpoint, settings={"prefix": prefix}).start()
    assert server.run("echo victim").returncode == 0
    [key] = bucket.wait(1)
    victim = key.partition("-")[0]
    server.run("echo impostor", user=victim)
    bucket.wait(2)
    viewer = make_alone(bucket, prefix=prefix)
    shown = listed(viewer, 2, LISTED)
    assert len({one["id"] for one in shown}) == 2
    assert viewer.get(f"/sessions/{victim}")["user"] == "alice"
    assert viewer.get(f"/sessions/{victim}/verify")["verdict"] == "intact"


def test_rules_hold_in_the_bucket(make_s3_server, make_alone, bucket):
    server = make_s3_server(bucket, bucket.store.endpoint).start()
    assert server.run("echo needle").returncode == 0
    [id] = bucket.wait(1)
    viewer = make_alone(bucket, rules=[{"users": ["carol"], "logins": ["deploy-*"]}])
    other = make_alone(bucket)
    listed(other, 1, LISTED)
    assert viewer.get("/sessions")["total"] == 0
    assert viewer.ask(f"/api/v1/sessions/{id}").status == 403
    assert viewer.get("/search", q="needle")["hits"] == []
