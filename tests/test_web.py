"""The viewer: recordings over HTTP, who may see them, and what is written down of that."""

import hashlib
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.parse
from pathlib import Path

import paramiko
import pytest

from harness import oauth2, program
from harness.certificates import Authority
from harness.log import STDIN, STDOUT
from harness.server import PASSWORD, environment, free_port
from harness.terminal import Terminal
from harness.wait import until
from harness.web import Browser, listed
from test_disk import Filler

WHO = {"carol": "admin", "alan": "auditor"}


@pytest.fixture
def make_viewed(make_server, password_hash):
    """Makes servers that show their recordings; `browser` is an admin's, logged in."""

    def make(web=None, **changes):
        port = free_port()
        users = {name: {"password": password_hash, "role": role} for name, role in WHO.items()}
        block = {"enable": True, "listen": f"127.0.0.1:{port}", "users": users, **(web or {})}
        server = make_server(web=block, **changes)
        server.web = port
        return server

    return make


@pytest.fixture
def viewed(make_viewed):
    return make_viewed().start()


def browser(server, user: str | None = "carol") -> Browser:
    browser = Browser(server.web)
    if user:
        assert browser.login(user, PASSWORD).status == 200
    return browser


def accesses(server) -> list[dict]:
    """All accesses, the oldest first, as our own decoder prints them."""
    found = []
    for file in sorted((server.audit / "access").glob("[0-9a-f]*")):
        lines = program.run("decode", file, check=False).stdout.splitlines()
        found += [m for m in map(json.loads, lines) if m["type"] == 400]
    return [m["payload"] for m in sorted(found, key=lambda m: m["timestamp"])]


def test_by_default_nothing_is_shown(server):
    assert "showing recordings" not in server.said()


def test_a_session_is_listed_with_its_facts(viewed):
    done = viewed.run("echo hello; exit 3")
    assert done.returncode == 3
    log = viewed.log()
    [session] = listed(browser(viewed), 1)
    assert session["id"] == log.file.name
    assert (session["user"], session["address"], session["state"]) == ("alice", "127.0.0.1", "complete")
    [ran] = session["programs"]
    assert (ran["what"], ran["command"], ran["exit"]) == ("exec", "echo hello; exit 3", {"status": 3})
    assert session["bytes"] == {"stdin": 0, "stdout": 6, "stderr": 0}
    assert session["size"] == log.file.stat().st_size
    facts = browser(viewed).get(f"/sessions/{session['id']}")
    shown = json.loads(program.run("show", "--json", log.file).stdout)
    assert (facts["state"], facts["live"], facts["id"]) == ("complete", False, session["id"])
    for key in shown.keys() - {"state", "problem"}:
        assert facts[key] == shown[key], key


def test_the_list_is_filtered_sorted_and_paged(viewed):
    for number in range(5):
        viewed.run(f": run {number}; echo {'x' * number * 100}; exit {number}")
    viewed.logs(5)
    admin = browser(viewed)
    listed(admin, 5)
    newest = admin.get("/sessions")["items"]
    assert [s["programs"][0]["exit"]["status"] for s in newest] == [4, 3, 2, 1, 0]
    pages = [admin.get("/sessions", limit=2, page=page) for page in (1, 2, 3, 4)]
    assert [s for page in pages for s in page["items"]] == newest
    assert {page["total"] for page in pages} == {5}
    largest = admin.get("/sessions", sort="size", order="desc")["items"]
    assert [s["size"] for s in largest] == sorted((s["size"] for s in newest), reverse=True)
    oldest = admin.get("/sessions", order="asc")["items"]
    assert oldest == newest[::-1]
    for query, count in [
        ({"user": "alice"}, 5),
        ({"user": "bob"}, 0),
        ({"address": "127.0.0.0/8"}, 5),
        ({"address": "192.0.2.0/24"}, 0),
        ({"command": "run 3"}, 1),
        ({"text": "xxxx"}, 4),
        ({"live": "true"}, 0),
        ({"live": "false"}, 5),
        ({"files": "true"}, 0),
        ({"from": newest[1]["start"]}, 2),
        ({"from": "2100-01-01T00:00:00Z"}, 0),
    ]:
        assert admin.get("/sessions", **query)["total"] == count, query
    for query in ({"sort": "x"}, {"address": "x"}, {"from": "yesterday"}, {"unknown": "1"}, {"limit": "x"}):
        assert admin.ask("/api/v1/sessions", **query).status == 400, query


def test_every_form_equals_what_the_command_line_makes(viewed):
    with_terminal = Terminal(viewed)
    with_terminal.prompt()
    with_terminal.types("echo $((6*7))\r")
    with_terminal.sees("42")
    with_terminal.types("exit\r")
    with_terminal.end()
    log = viewed.log()
    admin = browser(viewed)
    listed(admin, 1)
    path = f"/api/v1/sessions/{log.file.name}"

    def got(what: str, **query):
        answer = admin.ask(path + what, **query)
        assert answer.status == 200, (what, answer)
        return answer

    def made(*command):
        return program.run(*command, log.file).stdout

    cast = got("/channels/0/cast")
    assert cast.headers["content-type"] == "application/x-asciicast"
    assert "content-disposition" not in cast.headers
    assert cast.body == made("convert", "--to", "asciicast-v2")
    assert got("/channels/0/cast", version=3).body == made("convert", "--to", "asciicast-v3")
    saved = got("/channels/0/cast", download=1)
    name = f"{log.file.name}.0.cast"
    assert saved.headers["content-disposition"].startswith(f'attachment; filename="{name}"')
    assert got("/download", **{"as": "log"}).body == log.file.read_bytes()
    assert got("/download", **{"as": "json"}).body == made("convert", "--to", "json")
    assert got("/download", **{"as": "text"}).body == made("decode", "--text")
    screen = got("/download", **{"as": "text", "channel": 0})
    assert screen.body == made("convert", "--to", "text")
    page = got("/download", **{"as": "html", "channel": 0})
    assert page.body == made("convert", "--to", "html")
    for saved in (screen, page):
        assert saved.headers["content-disposition"].startswith("attachment")
        assert saved.headers["x-content-type-options"] == "nosniff"
    for path_, query in [("/channels/7/cast", {}), ("/channels/0/cast", {"program": 1})]:
        assert admin.ask(path + path_, **query).status == 404
    verified = admin.get(f"/sessions/{log.file.name}/verify")
    assert verified["verdict"] == "intact" and verified["proven"]["messages"] == len(log.messages)
    typed = admin.get(f"/sessions/{log.file.name}/input")["items"]
    assert "echo $((6*7))" in [item["text"] for item in typed]
    [line] = admin.get(f"/sessions/{log.file.name}/timeline")["channels"]
    assert (line["channel"], line["program"]) == (0, 0)
    kinds = {marker["kind"]: marker for marker in line["markers"]}
    assert kinds["exit"]["label"] == "exit 0"
    labels = [marker["label"] for marker in line["markers"] if marker["kind"] == "command"]
    assert "echo $((6*7))" in labels
    assert all(0 <= marker["at"] <= line["duration"] for marker in line["markers"])


def test_events_come_in_pages_and_by_filters(viewed):
    viewed.run("printf '%s\\n' one; printf two >&2")
    log = viewed.log()
    admin = browser(viewed)
    listed(admin, 1)
    path = f"/sessions/{log.file.name}/events"
    everything = admin.get(path, limit=1000)
    assert everything["next"] is None
    items = everything["items"]
    assert [item["number"] for item in items] == list(range(len(log.messages)))
    assert [(item["type"], item["json"]["type"]) for item in items] == [
        (line["typeId"], line["type"])
        for line in map(json.loads, program.run("decode", log.file).stdout.splitlines())
    ]
    after, pages = None, []
    while True:
        page = admin.get(path, limit=3, **({} if after is None else {"after": after}))
        pages += page["items"]
        if (after := page["next"]) is None:
            break
    assert pages == items
    io = admin.get(path, type="io", channel=0)["items"]
    assert {item["text"] for item in io} == {"out | one\\x0a", "err | two"}
    assert admin.get(path, type="500")["items"] == io


def test_files_are_listed_and_given_back(viewed, tmp_path):
    content = os.urandom(3_000_000)
    with paramiko.SSHClient() as client:
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        client.connect("127.0.0.1", viewed.port, "alice", PASSWORD, allow_agent=False, look_for_keys=False)
        with client.open_sftp() as sftp:
            with sftp.open(str(tmp_path / 'a "file"\n'), "wb") as file:
                file.set_pipelined(True)
                file.write(content)
            sftp.rename(str(tmp_path / 'a "file"\n'), str(tmp_path / "other"))
    log = viewed.log()
    admin = browser(viewed)
    listed(admin, 1, files="true")
    files = admin.get(f"/sessions/{log.file.name}/files")["items"]
    ledger = [json.loads(line) for line in program.run("files", "--json", log.file).stdout.splitlines()]
    assert [{k: v for k, v in item.items() if k != "number"} for item in files] == ledger
    [upload] = [item for item in files if item["action"] == "upload"]
    assert upload["sha256"] == hashlib.sha256(content).hexdigest()
    answer = admin.ask(f"/api/v1/sessions/{log.file.name}/files/{upload['number']}")
    assert answer.body == content
    assert answer.headers["content-type"] == "application/octet-stream"
    disposition = answer.headers["content-disposition"]
    assert disposition == "attachment; filename=\"a__file__\"; filename*=UTF-8''a%20%22file%22%0A"
    assert [item["number"] for item in files if item["action"] == "rename"] == [None]
    assert admin.ask(f"/api/v1/sessions/{log.file.name}/files/99").status == 404


def test_search_finds_what_stood_on_the_screen(viewed):
    viewed.run("echo one needle here")
    viewed.run("echo hay")
    first, _ = viewed.logs(2)
    admin = browser(viewed)
    listed(admin, 2)
    found = admin.get("/search", q="needle here")
    assert found["complete"]
    lines = {(hit["id"], hit["kind"], hit["line"]) for hit in found["hits"]}
    assert lines == {
        (first.file.name, "command", "echo one needle here"),
        (first.file.name, "shown", "one needle here"),
    }
    assert admin.get("/search", q="nothing of it")["hits"] == []
    assert admin.ask("/api/v1/search", q="").status == 400


def test_a_session_is_watched_live_without_a_gap_or_a_double(viewed):
    terminal = Terminal(viewed)
    terminal.prompt()
    admin = browser(viewed)
    [session] = listed(admin, 1, live="true")
    assert (session["state"], session["end"], session["duration"]) == ("open", None, None)
    path = f"/api/v1/sessions/{session['id']}/live"
    changes = admin.events("/api/v1/live")
    first = admin.events(path)
    until(lambda: "ready>" in first.output(), what="what was there is shown")
    terminal.types("seq 1 30000\r")
    terminal.sees("\r\n30000\r\n")
    late = admin.events(path)
    resumed = admin.events(path, **{"Last-Event-ID": "9"})
    part = admin.events(f"{path}?from=5&channel=0")
    terminal.types("echo the last words\r")
    terminal.sees("words\r\n")
    until(lambda: "\r\nthe last words\r\n" in first.output(), what="what comes is shown")
    terminal.types("exit\r")
    terminal.end()
    log = viewed.log()
    recorded = log.io(STDOUT).decode()
    for stream in (first, late, resumed, part):
        stream.until_end()
        end = stream.events[-1]
        assert (end["event"], end["data"]) == ("end", {"state": "complete"})
    for stream in (first, late):
        assert [m["number"] for m in stream.messages()] == list(range(len(log.messages)))
        assert stream.output() == recorded
        assert [int(event["id"]) for event in stream.events[:-1]] == list(range(len(log.messages)))
    assert [m["number"] for m in resumed.messages()] == list(range(10, len(log.messages)))
    assert all(m["channel"] == 0 and m["number"] >= 5 for m in part.messages())
    cast = admin.ask(f"/api/v1/sessions/{log.file.name}/channels/0/cast")
    events = [json.loads(line) for line in cast.body.splitlines()[1:]]
    assert "".join(event[2] for event in events if event[1] == "o") == recorded
    until(lambda: {"id": log.file.name} in changes.messages(), what="the list hears of it")


def test_a_stream_ends_with_the_login(viewed):
    terminal = Terminal(viewed)
    terminal.prompt()
    admin = browser(viewed)
    [session] = listed(admin, 1, live="true")
    watched = admin.events(f"/api/v1/sessions/{session['id']}/live")
    changes = admin.events("/api/v1/live")
    until(lambda: watched.messages(), what="it is watched")
    assert admin.ask("/api/v1/logout", "POST", {}).status == 204
    watched.until_end()
    changes.until_end()
    assert all(event.get("event") != "end" for event in watched.events)
    assert admin.ask("/api/v1/sessions").status == 401
    terminal.types("exit\r")
    terminal.end()


def test_who_goes_away_is_not_read_for(viewed):
    terminal = Terminal(viewed)
    terminal.prompt()
    admin = browser(viewed)
    [session] = listed(admin, 1, live="true")
    # More than are watched at once, one after the other.
    for _ in range(80):
        stream = admin.events(f"/api/v1/sessions/{session['id']}/live")
        until(lambda: stream.messages(), what="it is watched")  # noqa: B023
        stream.connection.sock.shutdown(socket.SHUT_RDWR)
        stream.close()
    terminal.types("exit\r")
    terminal.end()


def test_a_wrong_login_is_refused_and_soon_slowed_down(viewed):
    nobody = browser(viewed, None)
    answer = nobody.ask("/api/v1/me")
    assert (answer.status, answer.json()["login"]) == (401, {"password": True, "oidc": False})
    for user, password in [("carol", "wrong"), ("nobody", PASSWORD), ("carol", ""), ("", ""), ("alice", PASSWORD)]:
        answer = nobody.login(user, password)
        assert answer.status == 401 and "set-cookie" not in answer.headers, (user, password)
        assert answer.json() == {"error": "the name or the password is wrong"}
    for body in ([], {"user": "carol"}, {"user": "carol", "password": PASSWORD, "more": 1}, {"user": 1, "password": 2}):
        assert nobody.ask("/api/v1/login", "POST", body).status in (400, 422), body
    assert nobody.ask("/api/v1/login", "POST", {"user": "x", "password": "x" * 20000}).status == 413
    assert nobody.ask("/api/v1/login", "POST", {}, headers={"Content-Type": "text/plain"}).status == 415
    statuses = [nobody.login("carol", "wrong").status for _ in range(10)]
    assert statuses[-1] == 429 and set(statuses) == {401, 429}
    # The right password is not tried either: whoever guesses learns nothing.
    slowed = nobody.login("carol", PASSWORD)
    assert slowed.status == 429 and int(slowed.headers["retry-after"]) > 0
    written = accesses(viewed)
    assert {(a["action"], a["allowed"]) for a in written} == {("login", False)}
    assert PASSWORD not in json.dumps(written) + viewed.said()


def test_a_cookie_is_for_nobody_else(viewed):
    answer = Browser(viewed.web).login("carol", PASSWORD)
    assert answer.json() == {"user": "carol", "role": "admin"}
    name, *rest = answer.headers["set-cookie"].split("; ")
    assert name.startswith("auditssh=") and len(name) == len("auditssh=") + 64
    assert rest == ["Path=/", "HttpOnly", "SameSite=Strict"]
    # By the name of the proxy the browser speaks TLS.
    me = browser(viewed).get("/me")
    assert (me["user"], me["role"]) == ("carol", "admin")


def test_behind_a_proxy_the_cookie_is_secure_and_the_client_known(make_viewed):
    server = make_viewed(web={"urls": "https://viewer.example.com", "proxies": ["127.0.0.1"]}).start()
    proxied = Browser(server.web, host="viewer.example.com")
    proxied.origin = "https://viewer.example.com"
    answer = proxied.ask(
        "/api/v1/login", "POST", {"user": "carol", "password": PASSWORD}, {"X-Forwarded-For": "192.0.2.7"}
    )
    assert answer.status == 200
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-auditssh=") and "; Secure" in cookie and "Domain" not in cookie
    assert answer.headers["strict-transport-security"].startswith("max-age=")
    [login] = accesses(server)
    assert login["address"] == "192.0.2.7"
    other = Browser(server.web, host="other.example.com")
    assert other.ask("/api/v1/me").status == 421


@pytest.fixture
def make_provider():
    """Starts providers of OpenID Connect; all end with the test."""
    made = []

    def make(redirect: str, **settings) -> oauth2.Provider:
        made.append(oauth2.Provider("client secret", redirect=redirect, **settings))
        return made[-1]

    yield make
    for one in made:
        one.close()


def at_a_provider(make_viewed, make_provider, **who):
    server = make_viewed()
    origin = f"http://127.0.0.1:{server.web}"
    provider = make_provider(f"{origin}/oidc/callback", groups={"dora": ["security"]})
    server.config["web"] |= {
        "urls": origin,
        "oidc": {
            "url": provider.issuer,
            "clientId": oauth2.CLIENT,
            "clientSecret": provider.secret,
            "extraScopes": ["groups"],
            **who,
        },
    }
    return server.start(), origin


def proves(origin: str, name: str) -> oauth2.Browser:
    """What a person does: goes to the provider, logs in as the name, agrees."""
    person = oauth2.Browser()
    person.open(f"{origin}/oidc/login")
    person.send(login=name, password="any")
    person.send()
    return person


def test_viewers_log_in_at_a_provider(make_viewed, make_provider):
    server, origin = at_a_provider(make_viewed, make_provider, admins=["erin"], auditorGroups=["security"])
    assert browser(server, None).ask("/api/v1/me").json()["login"] == {"password": True, "oidc": True}
    for name, role in [("erin", "admin"), ("dora", "auditor")]:
        person = proves(origin, name)
        assert person.address == f"{origin}/", person.page
        me = json.loads(person.open(f"{origin}/api/v1/me"))
        assert (me["user"], me["role"]) == (name, role)
    # Whoever is named nowhere proves themselves in vain.
    with pytest.raises(urllib.error.HTTPError) as refused:
        proves(origin, "frank")
    assert refused.value.code == 403
    written = [(a["user"], a["role"], a["allowed"]) for a in accesses(server) if a["action"] == "login"]
    assert written == [("erin", "admin", True), ("dora", "auditor", True), ("frank", "", False)]
    assert "client secret" not in server.said()


def test_a_login_elsewhere_belongs_to_the_browser_that_began_it(make_viewed, make_provider):
    server, origin = at_a_provider(make_viewed, make_provider, admins=["erin"])

    def follow(path: str, cookie: str | None = None):
        return browser(server, None).ask(path, headers={"Cookie": cookie, "Origin": None})

    begun = follow("/oidc/login")
    assert begun.status == 303
    where = urllib.parse.urlsplit(begun.headers["location"])
    asked = dict(urllib.parse.parse_qsl(where.query))
    assert asked["response_type"] == "code" and asked["code_challenge_method"] == "S256"
    assert asked["redirect_uri"] == f"{origin}/oidc/callback"
    name, *rest = begun.headers["set-cookie"].split("; ")
    assert name == f"auditssh-oidc={asked['state']}"
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(rest)
    state = asked["state"]
    for path, cookie in [
        ("/oidc/callback", None),
        (f"/oidc/callback?code=x&state={state}", None),
        (f"/oidc/callback?code=x&state={state}", name),  # the wrong browser has used it up
        ("/oidc/callback?code=x&state=", "auditssh-oidc="),
    ]:
        answer = follow(path, cookie)
        assert answer.status == 400 and "set-cookie" not in answer.headers, path
    begun = follow("/oidc/login")
    cookie = begun.headers["set-cookie"].split(";")[0]
    state = cookie.partition("=")[2]
    answer = follow(f"/oidc/callback?code=forged&state={state}", cookie)
    assert answer.status == 403 and "set-cookie" not in answer.headers
    assert "login elsewhere failed" in server.said() and "invalid_grant" in server.said()


def test_auditors_see_what_rules_allow_and_no_accesses(make_viewed, password_hash):
    rules = [{"users": ["alan"], "logins": ["deploy-*"]}]
    key = {"password": password_hash}
    server = make_viewed(web={"rules": rules}, users={"deploy-1": key}).start()

    def run(user):
        with paramiko.SSHClient() as client:
            client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
            client.connect("127.0.0.1", server.port, user, PASSWORD, allow_agent=False, look_for_keys=False)
            client.exec_command("echo needle")[1].read()

    run("deploy-1")
    theirs = server.log().file.name
    run("alice")
    other = server.log().file.name
    admin, auditor = browser(server), browser(server, "alan")
    listed(admin, 2)
    [session] = listed(auditor, 1)
    assert (session["id"], session["user"]) == (theirs, "deploy-1")
    assert auditor.get(f"/sessions/{theirs}")["user"] == "deploy-1"
    assert auditor.ask(f"/api/v1/sessions/{other}").status == 403
    assert {hit["id"] for hit in auditor.get("/search", q="needle")["hits"]} == {theirs}
    assert {hit["id"] for hit in admin.get("/search", q="needle")["hits"]} == {theirs, other}
    assert auditor.ask("/api/v1/access").status == 403
    seen = admin.get("/access")["items"]
    refused = [a for a in seen if not a["allowed"]]
    assert {(a["user"], a["action"], a["connection"]) for a in refused} == {
        ("alan", "view", other),
        ("alan", "accesses", None),
    }
    assert [a["time"] for a in seen] == sorted((a["time"] for a in seen), reverse=True)


def changed(file: Path, process, **changes) -> None:
    """Changes the block `web`, and has it read again."""
    config = json.loads(file.read_text())
    config["web"].update(changes)
    file.write_text(json.dumps(config))
    process.send_signal(signal.SIGHUP)


def test_viewers_and_rules_are_read_again(make_viewed, password_hash):
    server = make_viewed().start()
    assert server.run("echo needle").returncode == 0
    admin, auditor, other = browser(server), browser(server, "alan"), browser(server, "alan")
    [session] = listed(auditor, 1)
    stream = auditor.events("/api/v1/live")
    users = server.config["web"]["users"]

    def logged_in(who) -> bool:
        return who.ask("/api/v1/me").status == 200

    # Nothing that concerns them: they stay.
    more = {**users, "new": {"password": password_hash, "role": "auditor"}}
    changed(server.config_file, server.process, users=more)
    until(lambda: browser(server, None).login("new", PASSWORD).status == 200, what="a new viewer may log in")
    assert all(map(logged_in, (admin, auditor, other)))
    # A rule takes from one what they see, and what they are shown ends.
    changed(server.config_file, server.process, rules=[{"users": ["alan"], "logins": ["deploy-*"]}])
    until(lambda: not logged_in(auditor), what="who sees something else now is logged out")
    stream.until_end()
    assert not logged_in(other) and logged_in(admin)
    again = browser(server, "alan")
    assert again.get("/sessions")["total"] == 0
    assert again.ask(f"/api/v1/sessions/{session['id']}").status == 403
    # Who is not there any more is logged out, and may not log in.
    changed(server.config_file, server.process, users={"alan": users["alan"]})
    until(lambda: not logged_in(admin), what="an admin who is none any more is logged out")
    assert browser(server, None).login("carol", PASSWORD).status == 401
    assert logged_in(again)
    # What is wrong changes nothing.
    changed(server.config_file, server.process, users={"alan": {"password": "none"}})
    until(lambda: "not reloaded" in server.said(), what="the error")
    assert logged_in(again)


def test_a_login_that_may_become_anyones_is_nobodys(make_viewed):
    """Else who offers another's name first would be watched by whoever may see that one's sessions."""
    rules = [{"users": ["alan"], "logins": ["deploy-*"]}]
    server = make_viewed(web={"rules": rules}).start()
    transport = paramiko.Transport(("127.0.0.1", server.port))
    transport.start_client()
    with pytest.raises(paramiko.SSHException):
        transport.auth_password("deploy-1", "wrong")
    auditor = browser(server, "alan")
    [session] = listed(browser(server), 1, live="true")
    assert session["user"] == "deploy-1"
    assert auditor.get("/sessions")["total"] == 0
    assert auditor.ask(f"/api/v1/sessions/{session['id']}/live").status == 403
    transport.close()
    server.log()
    # It failed as that one, and stays so.
    listed(auditor, 1)
    assert auditor.get(f"/sessions/{session['id']}")["state"] == "complete"


def test_the_log_of_accesses_is_a_log_like_the_others(viewed):
    viewed.run("true")
    log = viewed.log().file.name
    admin = browser(viewed)
    listed(admin, 1)
    admin.get(f"/sessions/{log}")
    admin.ask(f"/api/v1/sessions/{log}/download", **{"as": "log"})
    admin.ask("/api/v1/logout", "POST", {})
    assert viewed.stop() == 0
    actions = [(a["action"], a.get("connection"), a["detail"]) for a in accesses(viewed)]
    assert actions == [
        ("login", None, ""),
        ("view", log, ""),
        ("download", log, "download?as=log"),
        ("logout", None, ""),
    ]
    program.run("verify", viewed.audit / "access")
    [file] = (viewed.audit / "access").glob("[0-9a-f]*")
    text = program.run("decode", "--text", file).stdout.decode()
    assert f"carol (admin) from 127.0.0.1: download {log} download?as=log" in text
    # Nothing of it is taken for a recording.
    assert program.run("list", "--json", viewed.audit).stdout.count(b"\n") == 1


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 8 MiB. Needs root, to mount it."""
    place = tmp_path / "small"
    place.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8M,mode=0700", "auditssh-test", place], check=True)
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def test_what_cannot_be_written_down_is_not_shown(make_viewed, small_disk):
    server = make_viewed(web={"accessLog": str(small_disk / "access")}).start()
    server.run("true")
    log = server.log().file.name
    admin = browser(server)
    listed(admin, 1)
    path = f"/api/v1/sessions/{log}"
    assert admin.ask(path).status == 200
    filler = Filler(small_disk)
    filler.leave(0)
    # What was set aside for closing the log well is used up at last.
    refused = until(lambda: (a := admin.ask(path, x="x" * 8000)).status != 200 and a, 120, "nothing is shown")
    assert refused.status == 503 and "log of accesses" in refused.json()["error"]
    assert admin.ask(path).status == 503
    until(lambda: Browser(server.web).ask("/health").status == 503, what="it is unwell")
    assert "nothing is shown" in server.said()
    filler.file.unlink()
    until(lambda: admin.ask(path).status == 200, what="it is shown again")
    until(lambda: Browser(server.web).ask("/health").status == 200, what="it is well")
    server.stop()
    program.run("verify", small_disk / "access", check=False)


def test_it_speaks_tls_and_demands_it(make_viewed, make_server, tmp_path, password_hash):
    authority = Authority(tmp_path, "authority")
    certificate, key = authority.issue("viewer")
    server = make_viewed(web={"cert": str(certificate), "key": str(key)}).start()
    context = ssl.create_default_context(cafile=str(authority.file))
    secure = Browser(server.web, context)
    answer = secure.login("carol", PASSWORD)
    assert answer.status == 200 and answer.headers["set-cookie"].startswith("__Host-auditssh=")
    assert secure.get("/sessions")["total"] == 0
    with pytest.raises((http.client.HTTPException, OSError)):
        Browser(server.web).ask("/health")
    for web, expected in [
        ({"listen": "0.0.0.0:0"}, "allowPlaintext"),
        ({"listen": "[::]:0"}, "allowPlaintext"),
        ({"oidc": {"url": "https://x.example.com", "clientId": "x", "admins": ["a"]}}, "needs `web.urls`"),
        ({"urls": "https://v.example.com", "oidc": {"url": "http://x.example.com"}}, "not encrypted"),
        ({"urls": "viewer.example.com"}, "not an address such as https://"),
        ({"users": {"a": {"role": "admin"}}}, "has no `password`"),
        ({"users": {"a": {"password": "secret"}}}, "not an argon2id hash"),
        ({"rules": [{"logins": [""]}]}, "a pattern is a login name"),
        ({"sessions": {"idle": "1s"}}, "out of bounds"),
    ]:
        other = make_server(web={"enable": True, **web})
        other.config_file.write_text(json.dumps(other.config))
        done = program.run("config", "check", other.config_file, check=False)
        assert done.returncode == 1 and expected in done.stderr.decode(), (web, done.stderr)
        assert "secret" not in done.stderr.decode()
    allowed = make_server(web={"enable": True, "listen": "0.0.0.0:0", "allowPlaintext": True})
    allowed.config_file.write_text(json.dumps(allowed.config))
    assert program.run("config", "check", allowed.config_file).returncode == 0


def test_hostile_requests_end_and_others_are_served(viewed):
    def raw(data: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", viewed.web), timeout=60) as peer:
            peer.sendall(data)
            answer = b""
            while chunk := peer.recv(65536):
                answer += chunk
            return answer

    host = f"Host: 127.0.0.1:{viewed.web}\r\nConnection: close\r\n"
    many = "".join(f"X-{number}: x\r\n" for number in range(1000))
    for request, status in [
        (f"GET /{'x' * 100_000} HTTP/1.1\r\n{host}\r\n", (b"414", b"431", b"400")),
        (f"GET / HTTP/1.1\r\n{host}X: {'x' * 100_000}\r\n\r\n", (b"431", b"400")),
        (f"GET / HTTP/1.1\r\n{host}{many}\r\n", (b"431", b"400")),
        ("GET / HTTP/1.1\r\nConnection: close\r\n\r\n", (b"421",)),
        (f"GET / HTTP/1.1\r\n{host}Host: evil.example\r\n\r\n", (b"421", b"400")),
        (f"GET /api/v1/sessions/%00 HTTP/1.1\r\n{host}\r\n", (b"401",)),
        ("\x16\x03\x01", (b"400",)),
    ]:
        try:
            answer = raw(request.encode("latin-1"))
        except ConnectionResetError:
            continue
        assert any(answer.startswith(b"HTTP/1.1 " + one) for one in status), (request[:60], answer[:200])
    # Those who connect and say nothing keep nobody out.
    idle = [socket.create_connection(("127.0.0.1", viewed.web)) for _ in range(100)]
    assert browser(viewed).get("/sessions")["total"] == 0
    for one in idle:
        one.close()


def test_a_slow_reader_of_much_holds_no_memory(viewed):
    viewed.run("head -c 50000000 /dev/urandom")
    log = viewed.log()
    admin = browser(viewed)
    listed(admin, 1)
    before = viewed.memory()
    slow = []
    for _ in range(8):
        connection = admin.connection()
        connection.request("GET", f"/api/v1/sessions/{log.file.name}/download?as=json", headers=admin.headers())
        response = connection.getresponse()
        assert response.status == 200 and response.read(1000)
        slow.append((connection, response))
    time.sleep(1)
    assert viewed.memory() - before < 100_000_000
    for connection, _ in slow:
        connection.close()
    assert browser(viewed).get("/sessions")["total"] == 1


def test_a_server_that_ends_lets_viewers_go(viewed):
    terminal = Terminal(viewed)
    terminal.prompt()
    admin = browser(viewed)
    [session] = listed(admin, 1, live="true")
    watched = admin.events(f"/api/v1/sessions/{session['id']}/live")
    until(lambda: watched.messages(), what="it is watched")
    assert viewed.stop() == 0
    watched.until_end()
    program.run("verify", viewed.audit / "access")
    terminal.end()


class Alone:
    """`auditssh web`."""

    def __init__(self, directory: Path, *options: str):
        self.output = directory / "web-output"
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen(
                [program.path(), "web", *options], cwd=directory, stdout=output, stderr=subprocess.STDOUT
            )

    def said(self) -> str:
        return self.output.read_text()

    def says(self, what: str) -> str:
        def said():
            assert self.process.poll() is None or what in self.said(), self.said()
            return what in self.said()

        until(said, what=what)
        return self.said()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


def test_alone_it_shows_what_the_embedded_default_records(tmp_path):
    missing = program.run("web", "--data-dir", tmp_path / "none", check=False)
    assert missing.returncode == 1 and "`auditssh serve` makes it" in missing.stderr.decode()
    audit = tmp_path / "auditssh-data" / "audit"
    audit.mkdir(parents=True, mode=0o700)
    golden = program.ROOT / "testdata" / "containerssh" / "v1-0.4.0.audit"
    log = "0123456789abcdef0123456789abcdef"
    (audit / log).write_bytes(golden.read_bytes())
    alone = Alone(tmp_path, "--listen", "127.0.0.1:0")
    try:
        said = alone.says("with the password")
        words = said.split()
        address = next(word for word in words if word.startswith("http://"))
        password = until(lambda: alone.said().partition("with the password")[2].split(), what="the password")[0]
        admin = Browser(int(address.strip("/").rpartition(":")[2]))
        assert admin.login("demo", password).status == 200
        [session] = listed(admin, 1)
        assert session["id"] == log
        assert admin.get(f"/sessions/{log}/verify")["verdict"] == "foreign"
        assert admin.ask("/").headers["content-type"].startswith("text/html")
        assert (tmp_path / "auditssh-data" / "access").stat().st_mode & 0o777 == 0o700
        assert sorted(f.name for f in audit.iterdir()) == [log]
    finally:
        assert alone.stop() == 0
    second = program.run("web", "--listen", "0.0.0.0:0", "--data-dir", tmp_path / "auditssh-data", check=False)
    assert second.returncode == 1 and "only this machine" in second.stderr.decode()


def test_alone_it_reads_beside_the_server_that_writes(viewed, tmp_path, password_hash):
    port = free_port()
    config = {
        "audit": {"format": "audit", "storage": "file", "file": {"directory": str(viewed.audit)}},
        "web": {
            "listen": f"127.0.0.1:{port}",
            "accessLog": str(tmp_path / "access"),
            "users": {"carol": {"password": password_hash, "role": "auditor"}},
        },
    }
    file = tmp_path / "web.yaml"
    file.touch(0o600)
    file.write_text(json.dumps(config))
    terminal = Terminal(viewed)
    terminal.prompt()
    alone = Alone(tmp_path, "--config", str(file))
    try:
        alone.says("showing recordings")
        auditor = Browser(port)
        assert auditor.login("carol", PASSWORD).status == 200
        [session] = listed(auditor, 1, live="true")
        stream = auditor.events(f"/api/v1/sessions/{session['id']}/live")
        terminal.types("echo seen | tr a-z A-Z; exit\r")
        terminal.end()
        stream.until_end()
        log = viewed.log()
        assert stream.output() == log.io(STDOUT).decode() and "SEEN" in stream.output()
        assert log.io(STDIN)
        second = program.run("web", "--config", file, "--listen", "127.0.0.1:0", check=False)
        assert second.returncode == 3, second
        changed(file, alone.process, users={"alan": config["web"]["users"]["carol"]})
        alone.says("reloaded: viewers")
        assert auditor.ask("/api/v1/me").status == 401
        assert Browser(port).login("alan", PASSWORD).status == 200
    finally:
        assert alone.stop() == 0
