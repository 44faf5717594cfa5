"""The viewer over a bucket: recordings of several gateways, wherever each stands now."""

import contextlib
import http.client
import json
import struct
from concurrent.futures import ThreadPoolExecutor
from threading import Thread

import pytest

from harness import program, s3
from harness.faults import Proxy
from harness.log import STDOUT
from harness.server import PASSWORD, free_port
from harness.terminal import Terminal
from harness.wait import until
from harness.web import Browser, listed
from test_s3 import session, staged
from test_web import Alone, changed

pytestmark = pytest.mark.timeout(600)
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


def test_no_login_name_hides_a_recording(make_s3_server, make_alone, bucket, password_hash):
    prefix = "%i/%u"
    server = make_s3_server(bucket, bucket.store.endpoint, settings={"prefix": prefix})
    names = ["x.index", "x.0.cast", "x.damaged0"]
    key = {"authorizedKeys": [server.key.public]}
    server.config["users"] |= dict.fromkeys(names, key)
    server.start()
    for name in names:
        assert server.run("true", user=name).returncode == 0
    bucket.wait(3)
    viewer = make_alone(bucket, prefix=prefix)
    assert {one["user"] for one in listed(viewer, 3, LISTED)} == set(names)


def test_no_other_object_takes_the_place_of_a_recording(make_s3_server, make_alone, bucket):
    server = make_s3_server(bucket, bucket.store.endpoint).start()
    assert server.run("echo victim").returncode == 0
    [id] = bucket.wait(1)
    former = make_s3_server(bucket, bucket.store.endpoint, settings={"prefix": "%u/"})
    former.config["users"][id] = {"authorizedKeys": [former.key.public]}
    former.start()
    assert former.run("echo impostor", user=id).returncode == 0
    bucket.wait(2)
    garbage = {f"{id}.note.txt": b"a note", f"{id}.index": b"no index", "e" * 32 + "/": b"", "d" * 32: b"\xff" * 9999}
    for key, content in garbage.items():
        bucket.client.put_object(Bucket=bucket.name, Key=key, Body=content)
    viewer = make_alone(bucket)
    until(lambda: viewer.get("/sessions", user="alice")["total"] == 1, LISTED, "the recording is listed")
    assert viewer.get(f"/sessions/{id}")["user"] == "alice"
    assert viewer.get(f"/sessions/{id}/verify")["verdict"] == "intact"
    [impostor] = viewer.get("/sessions", user=id)["items"]
    assert impostor["id"] != id


def test_what_could_not_be_read_for_a_moment_is_shown_later(make_s3_server, make_alone, bucket, seaweed):
    server = make_s3_server(bucket, bucket.store.endpoint).start()
    assert server.run("echo needle").returncode == 0
    bucket.wait(1)
    proxy = Proxy(seaweed.address)
    proxy.fault = lambda operation: "503" if operation.name == "GetObject" else None
    rules = [{"users": ["carol"], "logins": ["alice"]}]
    viewer = make_alone(bucket, endpoint=proxy.endpoint, rules=rules)
    viewer.alone.says("logs cannot be read; they are tried again")
    assert viewer.get("/sessions")["total"] == 0
    proxy.fault = lambda operation: None
    listed(viewer, 1, LISTED)
    viewer.alone.says("all logs can be read")
    assert viewer.get("/search", q="needle")["hits"]
    proxy.close()


def test_a_bucket_that_does_not_answer_keeps_nothing_back(make_s3_server, make_alone, bucket, seaweed):
    server = make_s3_server(bucket, bucket.store.endpoint).start()
    assert server.run("true").returncode == 0
    [kept] = bucket.wait(1)
    proxy = Proxy(seaweed.address)
    viewer = make_alone(bucket, server.audit, proxy.endpoint)
    listed(viewer, 1, LISTED)
    hang(proxy)
    client = session(server, "exec cat")
    [one] = listed(viewer, 1, live="true")
    # More than may be read at once.
    for _ in range(20):
        Thread(target=asked, args=(viewer, f"/api/v1/sessions/{kept}"), daemon=True).start()
    until(lambda: len(proxy.of("GetObject")) >= 16, what="the recording is asked for")
    assert viewer.get("/sessions")["total"] == 2
    assert viewer.get(f"/sessions/{one['id']}")["live"] is True
    client.communicate(timeout=30)
    proxy.close()


@pytest.mark.nightly
def test_a_bucket_that_answers_again_is_shown(make_s3_server, make_alone, bucket, seaweed):
    server = make_s3_server(bucket, bucket.store.endpoint).start()
    assert server.run("true").returncode == 0
    bucket.wait(1)
    proxy = Proxy(seaweed.address)
    viewer = make_alone(bucket, server.audit, proxy.endpoint)
    listed(viewer, 1, LISTED)
    hang(proxy)
    until(lambda: viewer.ask("/health").status == 503, 200, "the viewer says that it is not well")
    proxy.down = None
    assert server.run("true").returncode == 0
    # The request that hangs is given up first.
    until(lambda: viewer.ask("/health").status == 200, 200, "the viewer is well again")
    listed(viewer, 2, LISTED, live="false")
    proxy.close()


def hang(proxy) -> None:
    """From now on nothing is answered, and a listing waits for it."""
    proxy.down = "hole"
    before = len(proxy.of("ListObjects"))
    until(lambda: len(proxy.of("ListObjects")) > before, LISTED, "a listing is under way")


def asked(viewer: Browser, path: str) -> None:
    with contextlib.suppress(OSError, http.client.HTTPException):
        viewer.ask(path)


def test_a_directory_that_the_viewer_may_not_read_hides_nothing_else(make_s3_server, make_alone, bucket, tmp_path):
    server = make_s3_server(bucket, bucket.store.endpoint).start()
    assert server.run("true").returncode == 0
    [id] = bucket.wait(1)
    blocked = tmp_path / "blocked"
    blocked.write_text("no directory")
    viewer = make_alone(bucket, blocked)
    listed(viewer, 1, LISTED)
    assert viewer.get(f"/sessions/{id}/verify")["verdict"] == "intact"
    assert viewer.ask("/health").status == 503
    viewer.alone.says("the directory of the logs cannot be read")


def test_an_index_that_lies_shows_nothing_to_whom_the_rules_forbid_it(make_s3_server, make_alone, bucket, tmp_path):
    server = make_s3_server(bucket, bucket.store.endpoint).start()
    assert server.run("echo needle").returncode == 0
    [id] = bucket.wait(1)
    log = tmp_path / id
    log.write_bytes(bucket.get(id))
    program.run("index", log)
    index = (tmp_path / f".{id}.index").read_bytes()
    (length,) = struct.unpack("<I", index[16:20])
    head = json.loads(index[24 : 24 + length])
    head["facts"]["user"] = "deploy"
    text = json.dumps(head).encode()
    lie = index[:16] + struct.pack("<II", len(text), crc32c(text)) + text + index[24 + length :]
    bucket.client.put_object(Bucket=bucket.name, Key=f"{id}.index", Body=lie)
    viewer = make_alone(bucket, rules=[{"users": ["carol"], "logins": ["deploy"]}])
    admin = make_alone(bucket)
    [shown] = listed(admin, 1, LISTED)
    assert shown["user"] == "deploy", "the index is believed where nothing depends on it"
    assert admin.get("/search", q="needle")["hits"]
    listed(viewer, 1, LISTED)
    assert viewer.get("/search", q="needle")["hits"] == []
    assert viewer.get("/sessions", text="needle")["total"] == 0
    assert viewer.ask(f"/api/v1/sessions/{id}").status == 403


def test_who_is_logged_out_gets_nothing_that_was_asked_for_before(make_s3_server, make_alone, bucket, seaweed):
    server = make_s3_server(bucket, bucket.store.endpoint).start()
    assert server.run("echo needle").returncode == 0
    bucket.wait(1)
    proxy = Proxy(seaweed.address)
    viewer = make_alone(bucket, endpoint=proxy.endpoint)
    listed(viewer, 1, LISTED)
    held = proxy.hold("GetObject", "before")
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(viewer.ask, "/api/v1/search?q=needle")
        held.wait()
        changed(viewer.file, viewer.alone.process, rules=[{"users": ["carol"], "logins": ["nobody"]}])
        viewer.alone.says("reloaded")
        held.release()
        assert asked.result().status == 401
    changed(viewer.file, viewer.alone.process, listen=f"127.0.0.1:{free_port()}")
    viewer.alone.says("`web.listen` has changed, which takes a restart")
    proxy.close()


def crc32c(data: bytes) -> int:
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF
