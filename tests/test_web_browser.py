"""The viewer in a real browser, over recordings of real sessions."""

import hashlib
import json
import re
import shlex
import subprocess
from concurrent.futures import ThreadPoolExecutor

import paramiko
import pytest
from playwright.sync_api import expect

from harness import program, viewer
from harness.browser import Browser, accessible, log_in, pump, shot, shows, terminal
from harness.payloads import EVIL, PAYLOADS
from harness.terminal import Terminal
from harness.viewer import Viewer
from harness.wait import until
from test_views import Screen, cast

pytestmark = pytest.mark.timeout(600)
expect.set_options(timeout=30_000)


@pytest.fixture(scope="module")
def chromium():
    browser = Browser()
    yield browser
    browser.close()


@pytest.fixture
def watched(make_server, password_hash, tmp_path) -> Viewer:
    """A running server with a viewer."""
    server = make_server(web=viewer.settings(password_hash, tmp_path / "accesses"))
    return Viewer(server.start())


@pytest.fixture
def browser(chromium, watched):
    """Whatever pages of it did that they should not have done fails the test; that is looked at while the
    server still answers them."""
    yield chromium
    chromium.check()


@pytest.fixture
def page(browser, watched):
    """A page of the viewer on which somebody is logged in."""
    page = browser.page(watched)
    page.goto("/")
    log_in(page, watched)
    expect(page.get_by_role("heading", name="Sessions")).to_be_visible()
    return page


@pytest.fixture
def person(watched):
    """A person at a terminal of the server; what they see is kept."""
    return Terminal(watched.server, rows=30, columns=100)


def worked(person: Terminal, tmp_path) -> Screen:
    """Has a person work; the screen that they end with."""
    text = tmp_path / "text"
    text.write_text("".join(f"line {number} äöü 漢字\n" for number in range(1, 200)))
    person.prompt()
    person.types("export LC_ALL=C.UTF-8; echo e''xported\r")
    person.sees("\r\nexported\r\n")
    person.types("echp\x7fo 'grüße, €, 漢字, 🦀'\r")
    person.sees("\r\ngrüße, €, 漢字, 🦀\r\n")
    person.types("for i in 1 31 42 7; do printf '\\033[%sm%s\\033[0m ' $i $i; done; printf '\\033[38;5;208mx\\033[0m\\n'\r")
    person.sees("208mx")
    person.types(f"less -X {text}\r")
    person.sees("line 20 ")
    person.types("q")
    person.sees("ready> ")
    before = len(person.shown.getvalue())
    person.resizes(24, 80)
    person.types("clear; vim -u NONE -c 'set nocp' -N " + str(text) + "\r")
    person.sees("line 10 ")
    person.types(":5\rddGOtyped in vim\x1b")
    person.sees("typed in vim")
    person.types(":q!\r")
    person.sees("ready> ")
    person.types("seq 1 40; printf 'a\\tb\\n\\033[2Aup\\033[2B\\r'\r")
    person.sees("up")
    person.types("exit 3\r")
    assert person.end() == 3

    screen = Screen(100, 30)
    shown = person.shown.getvalue()
    screen.stream.feed(shown[:before].decode())
    screen.screen.resize(24, 80)
    screen.stream.feed(shown[before:].decode())
    return screen


def sftp(server, *commands: str) -> None:
    """Runs OpenSSH's sftp over these commands."""
    line = ["sftp", *server.ssh_options(), "-b", "-", "-P", str(server.port), "alice@127.0.0.1"]
    subprocess.run(line, input="\n".join(commands).encode(), check=True, capture_output=True, timeout=60)


def rows(page):
    return page.locator("tr.row")


def played_to_the_end(page) -> None:
    """Plays as fast as it goes, until it is over."""
    page.get_by_label("Speed").select_option("32")
    page.get_by_role("button", name="Play", exact=True).click()
    over = "() => { const { value, max } = document.querySelector('.seek input'); return Number(value) >= Number(max); }"
    until(lambda: pump(page) and page.evaluate(over), what="the end")
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()


def same_screen(page, wanted: list[str]) -> None:
    """Waits until these lines stand in the player."""
    for _ in range(500):
        if terminal(page) == wanted:
            return
        pump(page)
    assert terminal(page) == wanted


def slider(page):
    return page.get_by_role("slider", name="Position", exact=True)


def position(page) -> float:
    return float(slider(page).input_value())


def test_nobody_sees_anything_before_the_login(browser, watched):
    watched.server.run("true")
    watched.server.log()
    page = browser.page(watched)
    page.goto("/?user=alice")
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    shot(page, "login")
    accessible(page)
    log_in(page, watched, password="wrong")
    expect(page.get_by_role("alert")).to_contain_text("do not fit")
    # The browser itself reports the refused login; that is no fault of the page.
    guard = browser.guards[-1]
    guard.wrong = [line for line in guard.wrong if "401" not in line]
    log_in(page, watched)
    expect(rows(page)).to_have_count(1)
    assert page.url.endswith("/?user=alice")
    page.get_by_role("button", name=watched.user).click()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    page.goto("/search?q=x")
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()


def test_nothing_typed_into_the_filters_is_lost(watched, page):
    watched.server.run("true")
    page.goto("/")
    expect(rows(page)).to_have_count(1)
    focused = page.evaluate(
        """() => {
            window.dispatchEvent(new KeyboardEvent("keydown", { key: "/" }));
            return document.activeElement.name;
        }"""
    )
    assert focused == "user", "what is typed next must go into the field"

    page.get_by_label("User").fill("ali*")
    page.get_by_label("Command").fill("tru")
    expect(page).to_have_url(re.compile("command=tru"))
    assert "user=ali" in page.url, "the second field made the first one's change undone"

    page.get_by_label("User").fill("alic")
    page.get_by_label("Running").check()
    expect(page).to_have_url(re.compile("live=true"))
    assert "user=alic&" in page.url + "&"


def test_the_list_is_filtered_sorted_and_turned(watched, page):
    server = watched.server
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: server.run(f"echo number-{number}"), range(54)))
    server.run("exit 7")
    refused = server.ssh("-o", "PreferredAuthentications=publickey", user="mallory")
    subprocess.run([*refused, "true"], capture_output=True, timeout=60)
    server.logs(56)

    page.goto("/")
    expect(page.get_by_text("56 sessions", exact=True).first).to_be_visible()
    expect(rows(page)).to_have_count(50)
    page.keyboard.press("n")
    expect(rows(page)).to_have_count(6)
    assert "page=2" in page.url
    page.keyboard.press("p")
    expect(rows(page)).to_have_count(50)

    page.keyboard.press("/")
    page.keyboard.type("mallory")
    expect(rows(page)).to_have_count(1)
    assert "user=mallory" in page.url
    expect(rows(page).first).to_contain_text("no login")
    page.get_by_role("button", name="Clear").click()
    expect(rows(page)).to_have_count(50)

    page.get_by_label("Command").fill("number-4")
    expect(rows(page)).to_have_count(11)
    page.get_by_label("Text").fill("number-42")
    expect(rows(page)).to_have_count(1)
    address = page.url
    page.goto("/")
    page.goto(address)
    expect(rows(page)).to_have_count(1)
    page.get_by_role("button", name="Clear").click()
    page.get_by_label("Address").fill("192.0.2.0/24")
    expect(page.get_by_text("No session is like that")).to_be_visible()
    page.get_by_label("Address").fill("127.0.0.0/8")
    expect(rows(page)).to_have_count(50)
    page.get_by_label("To", exact=True).fill("2020-01-01T00:00")
    expect(page.get_by_text("No session is like that")).to_be_visible()
    page.get_by_role("button", name="Clear").click()
    page.get_by_label("With files").check()
    expect(page.get_by_text("No session is like that")).to_be_visible()
    page.get_by_label("With files").uncheck()

    page.get_by_role("link", name="User").click()
    expect(rows(page).first).to_contain_text("mallory")
    page.get_by_role("link", name="User").click()
    expect(rows(page).first).to_contain_text("alice")
    assert "order=asc" in page.url
    expect(page.get_by_role("columnheader", name="User")).to_have_attribute("aria-sort", "ascending")

    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(rows(page).nth(1).get_by_role("link")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("alice")


def test_a_recording_is_played_to_the_screen_that_was(watched, page, person, tmp_path):
    screen = worked(person, tmp_path)
    log = watched.server.log()
    page.goto(f"/sessions/{log.file.name}")
    played_to_the_end(page)
    same_screen(page, screen.lines())
    shot(page, "session-end")

    # The same as by our own emulator, and in the download.
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
        page.get_by_role("link", name="Cast").click()
    header, events = cast(download.value.path().read_text())
    assert (header["width"], header["height"]) == (100, 30)
    shown = "".join(data for _, kind, data in events if kind == "o")
    assert shown.encode() == person.shown.getvalue().replace(b"Connection to 127.0.0.1 closed.\r\r\n", b"")


def test_a_recording_is_sought_by_hand_and_by_keys(watched, page, person):
    person.prompt()
    for word in ("first", "second", "third"):
        person.types(f"sleep 0.4; echo {word[0]}''{word[1:]}\r")
        person.sees(f"\r\n{word}\r\n")
    person.types("exit\r")
    person.end()
    log = watched.server.log()
    page.goto(f"/sessions/{log.file.name}")
    marks = page.get_by_role("group", name="Commands on the timeline").get_by_role("button")
    expect(marks.last).to_be_visible()
    slider(page).focus()

    page.keyboard.press("9")
    shows(page, "second")
    page.keyboard.press("0")
    until(lambda: pump(page) and not any("first" in line for line in terminal(page)), what="the beginning")
    assert position(page) == 0
    page.keyboard.press("]")
    page.keyboard.press("]")
    until(lambda: pump(page) and position(page) > 0, what="a mark")
    page.keyboard.press(".")
    stepped = position(page)
    page.keyboard.press(",")
    assert position(page) < stepped

    marks.and_(page.get_by_role("button", name=re.compile("t''hird"))).click()
    shows(page, "second")
    assert not any(line == "third" for line in terminal(page))
    slider(page).focus()
    page.keyboard.press("ArrowRight")
    shows(page, "third")

    page.get_by_role("button", name="Copy a link").click()
    assert "at=" in page.url
    there = position(page)
    page.reload()
    shows(page, "third")
    assert abs(position(page) - there) < 0.1

    # Everything can be reached by the tab key, and shows that it is.
    page.locator("body").click(position={"x": 5, "y": 5})
    names = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        names.add(page.evaluate("() => document.activeElement.textContent || document.activeElement.ariaLabel"))
        outline = page.evaluate(
            "() => { const e = document.activeElement; const s = (x) => getComputedStyle(x).outlineStyle;"
            " return e === document.body || s(e) !== 'none' || s(e.parentElement) !== 'none'; }"
        )
        assert outline, page.evaluate("() => document.activeElement.outerHTML")
    assert {"Play", "Events", "Position"} <= names
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()


def test_what_is_known_stands_beside_it(watched, page, person, tmp_path):
    content = bytes(range(256)) * 64
    source, target = tmp_path / "naïve name", tmp_path / "target"
    source.write_bytes(content)
    server = watched.server
    sftp(server, f"put '{source}' '{target}'", f"get '{target}' '{tmp_path / 'back'}'", f"rename '{target}' '{target}2'")
    files = server.log().file.name
    person.prompt()
    person.types("echo shown-$((40+2))\r")
    person.sees("shown-42")
    person.types("exit\r")
    person.end()
    shell = server.log().file.name

    page.goto(f"/sessions/{files}?tab=files")
    digest = hashlib.sha256(content).hexdigest()
    expect(page.locator(".hash").get_by_text(digest)).to_have_count(2)
    expect(page.get_by_text("rename").first).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").first.click()
    assert download.value.path().read_bytes() == content

    page.goto(f"/sessions/{shell}")
    events = page.locator(".events tbody tr")
    expect(events.first).to_contain_text("connected from 127.0.0.1")
    every = events.count()
    page.get_by_role("combobox", name=re.compile("^Channel")).select_option("0")
    until(lambda: pump(page) and 0 < events.count() < every, what="fewer events")
    page.get_by_text("logged in as").wait_for(state="hidden")
    expect(events.first.get_by_role("button").first).to_be_visible()
    events.first.get_by_role("button").last.click()
    expect(page.locator(".events pre")).to_contain_text(shell)

    page.get_by_role("tab", name="Input").click()
    expect(page.get_by_role("tabpanel")).to_contain_text("echo shown-$((40+2))")
    page.get_by_role("tab", name="Facts").click()
    expect(page.get_by_role("tabpanel")).to_contain_text("SHA256:")
    expect(page.get_by_role("tabpanel")).to_contain_text("xterm 100×30")
    page.get_by_role("tab", name="Verify").click()
    expect(page.get_by_role("tabpanel")).to_contain_text("Intact", ignore_case=True)
    assert "tab=verify" in page.url

    def downloaded(name: str) -> bytes:
        with page.expect_download() as download:
            page.get_by_role("button", name="Download").click()
            page.get_by_role("link", name=name).click()
        return download.value.path().read_bytes()

    log = server.audit / shell
    assert downloaded("Log") == log.read_bytes()
    lines = downloaded("JSON").splitlines()
    assert len(lines) == len(program.run("decode", log).stdout.splitlines())
    assert all(json.loads(line) for line in lines)
    assert b"shown-42" in downloaded("Text")
    page_ = downloaded("Page").decode()
    assert "shown-42" in page_ and "<script" not in page_


def test_a_session_is_watched_while_it_runs(watched, page, person):
    person.prompt()
    person.types("echo before-$((40+2))\r")
    person.sees("before-42")
    expect(page.get_by_text("Running now")).to_be_visible()
    shot(page, "list-live")
    rows(page).first.get_by_role("link").click()
    shows(page, "before-42")
    expect(page.get_by_role("button", name="Live")).to_have_attribute("aria-pressed", "true")
    person.types("echo after-$((40+2))\r")
    person.sees("after-42")
    shows(page, "after-42")
    person.types("seq 1000 1200\r")
    person.sees("1200\r\n")
    until(lambda: pump(page) and "1200" in terminal(page), what="the last number")
    lines = terminal(page)
    numbers = [int(line) for line in lines if line.isdigit()]
    assert numbers == list(range(1200 - len(numbers) + 1, 1201))
    shot(page, "session-live")

    # Back to what was, and on to what is, while it goes on.
    page.keyboard.press("0")
    until(lambda: pump(page) and not any("1200" in line for line in terminal(page)), what="the beginning")
    person.types("echo meanwhile-$((40+2))\r")
    person.sees("meanwhile-42")
    page.wait_for_timeout(200)
    assert not any("meanwhile" in line for line in terminal(page))
    page.keyboard.press("l")
    shows(page, "meanwhile-42")

    # What comes live is what is stored: not an event less, not one twice.
    person.types("exit\r")
    person.end()
    log = watched.server.log()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.get_by_role("button", name="Live").wait_for(state="hidden")
    watched_lines = terminal(page)
    page.reload()
    played_to_the_end(page)
    same_screen(page, watched_lines)
    page.goto("/")
    expect(page.get_by_text("Running now")).to_be_hidden()
    expect(rows(page)).to_have_count(1)
    assert log.file.name in rows(page).first.get_by_role("link").get_attribute("href")


def test_a_search_leads_to_the_second(watched, page, person):
    person.prompt()
    person.types("sleep 0.5; echo nee''dle\r")
    person.sees("\r\nneedle\r\n")
    person.types("sleep 0.5; clear\r")
    person.types("exit\r")
    person.end()
    watched.server.run("echo other; exit 0")
    watched.server.logs(2)
    page.keyboard.press("g")
    page.keyboard.press("f")
    expect(page.get_by_role("heading", name="Search")).to_be_visible()
    page.get_by_role("searchbox").first.fill("needle")
    page.keyboard.press("Enter")
    hits = page.locator(".hits li li a")
    expect(hits.filter(has_text="shown").first).to_be_visible()
    shot(page, "search")
    accessible(page)
    address = page.url
    hits.filter(has_text="shown").first.click()
    assert "at=" in page.url
    shows(page, "needle")
    page.go_back()
    assert page.url == address
    page.get_by_role("searchbox").first.fill("stands-nowhere")
    page.keyboard.press("Enter")
    expect(page.get_by_text("It stands nowhere")).to_be_visible()


@pytest.mark.parametrize(
    ("name", "width", "height", "scheme"),
    [("light", 1440, 900, "light"), ("dark", 1440, 900, "dark"), ("phone", 360, 740, "dark")],
)
def test_pages_fit_and_are_accessible(browser, watched, person, tmp_path, name, width, height, scheme):
    worked(person, tmp_path)
    log = watched.server.log().file.name
    sftp(watched.server, f"put '{tmp_path / 'text'}' '{tmp_path / 'copy'}'", "-get /nowhere/at/all /tmp/x")
    files = watched.server.log().file.name
    watched.server.run("exit 1")
    watched.server.log()
    page = browser.page(watched, width=width, height=height, scheme=scheme)
    page.goto("/")
    log_in(page, watched)
    expect(rows(page)).to_have_count(3)

    def good(what: str) -> None:
        shot(page, f"{name}-{what}", whole=width < 500)
        accessible(page)
        assert page.evaluate("() => document.documentElement.scrollWidth") <= width

    good("list")
    page.goto(f"/sessions/{log}")
    page.locator(".ap-term").wait_for()
    page.keyboard.press("7")
    good("session")
    for tab in ("Input", "Facts", "Verify"):
        page.get_by_role("tab", name=tab).click()
        expect(page.get_by_text("Reading…")).to_be_hidden()
        good(tab.lower())
    page.goto(f"/sessions/{files}?tab=files")
    expect(page.get_by_text("SHA-256").first).to_be_visible()
    good("files")
    page.goto("/search?q=line")
    expect(page.locator(".hits li").first).to_be_visible()
    good("search")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Help and keys").click()
    good("help")
    page.keyboard.press("Escape")
    # The switch wins over the system.
    ground = "() => getComputedStyle(document.documentElement).backgroundColor"
    seen = {page.evaluate(ground)}
    for _ in range(2):
        page.get_by_role("button", name=re.compile("Colours")).click()
        seen.add(page.evaluate(ground))
    assert len(seen) == 2


def test_an_admin_sees_who_looked(browser, watched):
    watched.server.run("true")
    log = watched.server.log().file.name
    page = browser.page(watched)
    page.goto(f"/sessions/{log}")
    log_in(page, watched)
    expect(page.get_by_role("tab", name="Events")).to_be_visible()
    expect(page.get_by_role("link", name="Access")).to_be_hidden()
    other = browser.page(watched)
    other.goto("/access")
    log_in(other, watched, user="boss")
    expect(other.get_by_role("row").filter(has_text=log).first).to_contain_text("auditor")
    shot(other, "access")
    accessible(other)


def attack(server, place, payload: str) -> None:
    """Logs in with a payload as everything that a client may choose."""
    raw = payload.encode()
    with paramiko.Transport(("127.0.0.1", server.port)) as transport:
        if payload.isascii() and payload.isprintable() and len(payload) < 200:
            transport.local_version = f"SSH-2.0-{payload}"
        key = paramiko.Ed25519Key.from_private_key_file(str(server.key.file))
        transport.connect(username="alice", pkey=key)
        files = paramiko.SFTPClient.from_transport(transport)
        name = raw.replace(b"/", b"_")[:200]
        with files.open(bytes(place) + b"/" + name, "wb") as file:
            file.write(b"content")
        try:
            files.rename(bytes(place) + b"/" + name, raw)
        except OSError:
            pass  # most are no path that can be written; the attempt is what counts
        files.close()
        session = transport.open_session()
        session.set_environment_variable("LC_PAYLOAD", raw)
        session.get_pty(term=raw[:64], width=80, height=24)
        quoted = shlex.quote(payload)
        session.exec_command(f"printf '%s\\n' {quoted}; read -r line; echo done".encode())
        session.sendall(raw + b"\n")
        session.settimeout(60)
        while session.recv(4096):
            pass
        session.close()


def refused(server, payload: str) -> None:
    """Tries to log in as a payload."""
    transport = paramiko.Transport(("127.0.0.1", server.port))
    try:
        transport.start_client(timeout=30)
        with pytest.raises(paramiko.SSHException):
            transport.auth_password(payload, payload)
    finally:
        transport.close()


@pytest.mark.timeout(1200)
def test_nothing_that_a_client_chooses_runs_or_loads(browser, watched, page, tmp_path):
    assert len(PAYLOADS) >= 60
    server = watched.server
    place = tmp_path / "uploads"
    place.mkdir()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda payload: attack(server, place, payload), PAYLOADS))
        list(pool.map(lambda payload: refused(server, payload), PAYLOADS))
    logs = server.logs(2 * len(PAYLOADS), timeout=120)
    guard = browser.guards[-1]

    # Names that were refused: in the list, and on pages.
    addresses = []
    for number in range(1, 2 * len(PAYLOADS) // 50 + 2):
        page.goto(f"/?page={number}" if number > 1 else "/")
        expect(rows(page).first).to_be_visible()
        guard.check()
        addresses += [link.get_attribute("href") for link in rows(page).get_by_role("link").all()]
    assert len(set(addresses)) == len(logs)

    seen = 0
    for address in sorted(set(addresses)):
        page.goto(address)
        page.get_by_role("tab", name="Events").wait_for()
        page.locator(".events tbody tr").last.wait_for()
        if page.locator(".player").count() == 0:
            guard.check()
            continue
        seen += 1
        page.locator(".ap-term").wait_for()
        slider(page).focus()
        page.keyboard.press("9")
        page.keyboard.press("ArrowRight")
        for tab in ("Files", "Input", "Facts"):
            page.get_by_role("tab", name=tab).click()
            expect(page.get_by_text("Reading…")).to_be_hidden()
        assert page.title().endswith("– AuditSSH")
        guard.check()
    assert seen == len(PAYLOADS)

    for payload in PAYLOADS:
        page.goto("/search")
        page.get_by_role("searchbox").first.fill(payload)
        page.keyboard.press("Enter")
        if payload.strip() and "\n" not in payload:
            page.locator(".summary").wait_for()
        guard.check()
    for payload in PAYLOADS[:10]:
        page.get_by_role("link", name="Sessions").click()
        page.get_by_label("User", exact=True).fill(payload)
        until(lambda: pump(page) and "user=" in page.url, what="the filter in the address")
        guard.check()
        page.get_by_role("button", name="Clear").click()


def test_the_guard_sees_what_it_must(browser, watched, page):
    """What the payloads try is found, if it happens: else the test above would prove nothing."""
    guard = browser.guards[-1]
    tries = {
        "a payload ran": "pwned()",
        f"{EVIL}/x": f"fetch('{EVIL}/x').catch(() => 0)",
        "violation of script-src": "document.head.append(Object.assign(document.createElement('script'), {text: 'pwned()'}))",
        "dialog: hello": "alert('hello')",
        "in the page: <img": "document.body.append(Object.assign(new Image(), {src: '/x'}))",
        "violation of style-src": "document.body.insertAdjacentHTML('beforeend', '<b style=color:red>x</b>')",
        "another page": "open('/search')",
        "asked for": "fetch('/elsewhere').catch(() => 0)",
    }
    for wanted, script in tries.items():
        page.evaluate(f"() => {{ {script} }}")
        until(lambda: pump(page) and found(guard, wanted), what=f"{wanted} among {guard.wrong}")
    for other in page.context.pages[1:]:
        other.close()
    guard.wrong = []
    page.goto("/")


def found(guard, wanted: str) -> bool:
    try:
        guard.check()
    except AssertionError as error:
        return wanted in str(error)
    return False
