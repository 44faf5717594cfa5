"""What is made of a log: casts, text, pages, the files that went through, the page of a connection."""

import hashlib
import html
import json
import os
import re
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import paramiko
import pytest
import pyte

from harness import program
from harness.cast import accepted, read as cast
from harness.log import STDOUT
from harness.master import shared
from harness.tapped import Tapped
from harness.terminal import Terminal

GOLDEN = program.ROOT / "testdata"


@pytest.fixture
def tapped(server, tmp_path) -> Tapped:
    return Tapped(server, tmp_path / "tap")


class Emulated(pyte.Screen):
    def select_graphic_rendition(self, *attributes, private=False):
        """`CSI > 4 ; 2 m` and the like are about keys, not colours."""
        if not private:
            super().select_graphic_rendition(*attributes)


class Screen:
    """A terminal emulator that shares no code with ours."""

    def __init__(self, columns: int, rows: int):
        self.screen = Emulated(columns, rows)
        self.stream = pyte.Stream(self.screen)

    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.screen.display]


def converted(log, *options) -> str:
    return program.run("convert", log.file, *options).stdout.decode()


def played(text: str) -> Screen:
    """A cast, played to its end."""
    header, events = cast(text)
    term = header.get("term", {"cols": header.get("width"), "rows": header.get("height")})
    screen = Screen(term["cols"], term["rows"])
    for _, kind, data in events:
        if kind == "o":
            screen.stream.feed(data)
        elif kind == "r":
            columns, rows = map(int, data.split("x"))
            screen.screen.resize(rows, columns)
    return screen


def test_a_recording_ends_in_the_same_screen(server, tmp_path):
    """Corrections, colours, wide characters, full-screen programs, and a resize in the middle."""
    text = tmp_path / "text"
    text.write_text("".join(f"line {number} äöü 漢字\n" for number in range(1, 200)))
    person = Terminal(server, rows=30, columns=100)
    person.prompt()
    person.types("export LC_ALL=C.UTF-8; echo e''xported\r")
    person.sees("\r\nexported\r\n")
    person.types("echp\x7fo 'grüße, €, 漢字, 🦀'\r")
    person.sees("\r\ngrüße, €, 漢字, 🦀\r\n")
    person.types("for i in 1 31 42 7; do printf '\\033[%sm%s\\033[0m ' $i $i; done; printf '\\033[38;5;208mx\\n'\r")
    person.sees("208mx\r\n")
    person.types(f"less -X {text}\r")
    person.sees("line 20 ")
    person.types(" ")
    person.sees("line 50 ")
    person.types("q")
    person.sees("ready> ")
    before = len(person.shown.getvalue())
    person.resizes(24, 80)
    person.types("clear; vim -u NONE -c 'set nocp' -N " + str(text) + "\r")
    person.sees("line 10 ")
    person.types(":5\rddGO")
    person.types("typed in vim\x1b")
    person.sees("typed in vim")
    person.types(":q!\r")
    person.sees("ready> ")
    person.types("seq 1 40; printf 'a\\tb\\n\\033[2Aup\\033[2B\\r'\r")
    person.sees("up")
    person.sees("ready> ")
    person.types("exit 3\r")
    assert person.end() == 3
    log = server.log()

    real = Screen(100, 30)
    shown = person.shown.getvalue()
    real.stream.feed(shown[:before].decode())
    real.screen.resize(24, 80)
    real.stream.feed(shown[before:].decode())

    texts = {version: converted(log, "--to", f"asciicast-v{version}") for version in (2, 3)}
    for version, recorded in texts.items():
        assert played(recorded).lines() == real.lines(), version
        header, events = cast(recorded)
        assert header["version"] == version
        assert "".join(data for _, kind, data in events if kind == "o") == shown.decode()
        assert "".join(data for _, kind, data in events if kind == "i") == person.typed.getvalue().decode()
        assert [data for _, kind, data in events if kind == "r"][-1] == "80x24"
        assert header["env"]["TERM"] == "xterm"
        # Lines at the prompt, as they were when they were entered; nothing of less and vim.
        marks = [data for _, kind, data in events if kind == "m"]
        assert [data for data in marks if data not in ("PS1='ready> '", "stty size")] == [
            "export LC_ALL=C.UTF-8; echo e''xported",
            "echo 'grüße, €, 漢字, 🦀'",
            "for i in 1 31 42 7; do printf '\\033[%sm%s\\033[0m ' $i $i; done; printf '\\033[38;5;208mx\\n'",
            f"less -X {text}",
            f"clear; vim -u NONE -c 'set nocp' -N {text}",
            "seq 1 40; printf 'a\\tb\\n\\033[2Aup\\033[2B\\r'",
            "exit 3",
        ]
    assert cast(texts[3])[1][-1][1:] == ["x", "3"]
    assert abs(cast(texts[2])[1][-1][0] - cast(texts[3])[1][-1][0]) < 1

    file = tmp_path / "session.cast"
    program.run("convert", log.file, "--output", file)
    assert file.read_text() == texts[2]
    assert accepted(file) == shown
    third = tmp_path / "third.cast"
    third.write_text(texts[3])
    assert accepted(third) == shown

    plain = converted(log, "--to", "text").splitlines()
    assert "grüße, €, 漢字, 🦀" in plain
    assert "line 50 äöü 漢字" in plain
    assert "typed in vim" not in "\n".join(plain)
    last = [line for line in real.lines() if line]
    assert [line for line in plain if line][-len(last) :] == last

    page = converted(log, "--to", "html")
    assert "<script" not in page and "http" not in page.split("</head>")[1]
    pre = re.sub(r"<[^>]*>", "", page.split("<pre>")[1])
    assert html.unescape(pre).rstrip().splitlines() == plain


def test_a_stretch_as_a_picture(server, tmp_path):
    person = Terminal(server, rows=10, columns=40)
    person.prompt()
    person.types("echo '<one> & '\"two\"; sleep 0.3; printf '\\033[31mred\\033[0m\\n'\r")
    person.sees("red\x1b")
    person.types("exit\r")
    person.end()
    log = server.log()
    picture = tmp_path / "session.svg"
    program.run("convert", log.file, "--output", picture)
    names = {element.tag.rpartition("}")[2] for element in ElementTree.parse(picture).iter()}
    assert names == {"svg", "style", "rect", "defs", "g", "text", "use"}
    moving = picture.read_text()
    assert "@keyframes" in moving and "red</text>" in moving and "script" not in moving
    still = converted(log, "--to", "svg", "--at", "99:59")
    texts = "".join(ElementTree.fromstring(still).itertext())
    assert "@keyframes" not in still and '<one> & two' in texts and "red" in texts
    assert "red\n" in converted(log, "--to", "text", "--at", "99:59")
    for wrong in (["--to", "json", "--at", "1"], ["--to", "text", "--until", "1"], ["--to", "svg", "--from", "2", "--until", "1"]):
        assert program.run("convert", log.file, *wrong, check=False).returncode == 1


def test_a_program_without_a_terminal(server):
    done = server.run("printf 'out 1\\nout 2\\n'; echo problem >&2; printf '\\303'; kill -9 $$")
    assert done.returncode != 0
    log = server.log()
    header, events = cast(converted(log, "--to", "asciicast-v3"))
    assert header["term"] == {"cols": 80, "rows": 24}
    assert header["command"].startswith("printf 'out")
    shown = "".join(data for _, kind, data in events if kind == "o")
    assert "out 1\r\nout 2\r\n" in shown and "problem\r\n" in shown and "\ufffd" in shown
    assert events[-1][1:] == ["x", "137"]
    assert "out 1\nout 2\n" in converted(log, "--to", "text")


def test_every_channel_has_a_file_of_its_own(server, tmp_path):
    with shared(server) as master:
        for number in range(3):
            assert master.run(f"echo number {number}").stdout == b"number %d\n" % number
        master.end()
    log = server.log()
    done = program.run("convert", log.file, "--to", "text", check=False)
    assert done.returncode == 1 and b"name one with --channel" in done.stderr
    assert converted(log, "--to", "text", "--channel", "#1") == "number 1\n"

    folder = tmp_path / "casts"
    folder.mkdir()
    program.run("convert", log.file, "--to", "asciicast-v2", "--output", folder)
    id = log.file.name
    assert sorted(f.name for f in folder.iterdir()) == [f"{id}.{number}.cast" for number in range(3)]
    for number in range(3):
        text = (folder / f"{id}.{number}.cast").read_text()
        assert played(text).lines()[0] == f"number {number}"
    done = program.run("convert", log.file, "--to", "asciicast-v2", "--output", folder, check=False)
    assert done.returncode == 1 and b"is there already" in done.stderr
    program.run("convert", log.file, "--to", "asciicast-v2", "--output", folder, "--force")


def test_versions_and_json_lead_to_the_same_messages(server, tmp_path):
    assert server.run("echo hello").stdout == b"hello\n"
    log = server.log()
    messages = program.run("decode", log.file).stdout
    made = tmp_path / "log"
    previous = log.file
    for format in ("binary", "json", "audit", "binary", "audit"):
        made = tmp_path / f"{previous.name}.{format}"
        program.run("convert", previous, "--output", made)
        assert made.stat().st_mode & 0o777 == 0o600
        if format != "json":
            assert b"foreign" in program.run("verify", made, check=False).stdout
        shown = made.read_bytes() if format == "json" else program.run("decode", made).stdout
        assert shown == messages, format
        previous = made
    done = program.run("convert", log.file, "--output", made, check=False)
    assert done.returncode == 1 and b"--force replaces it" in done.stderr
    itself = program.run("convert", made, "--output", made, "--force", check=False)
    assert itself.returncode == 1 and b"that is the log itself" in itself.stderr
    piped = program.run("convert", "-", "--to", "text", input=log.file.read_bytes())
    assert piped.stdout == b"hello\n"
    by_id = program.run("convert", log.file.name, "--directory", log.file.parent, "--to", "text")
    assert by_id.stdout == b"hello\n"


def test_what_cannot_be_converted(server, tmp_path):
    output = tmp_path / "x.cast"
    cut = tmp_path / "cut"
    assert server.run("seq 100000").returncode == 0
    cut.write_bytes(server.log().file.read_bytes()[:-3000])
    done = program.run("convert", cut, "--to", "text", check=False)
    assert done.returncode == 2 and b"cut" in done.stderr and done.stdout.startswith(b"1\n2\n")
    nothing = program.run("convert", GOLDEN / "containerssh" / "v1-0.4.0.audit", "--output", output, check=False)
    assert nothing.returncode in (0, 1)
    missing = program.run("convert", tmp_path / "none", "--output", output, "--force", check=False)
    assert missing.returncode == 1 and b"none" in missing.stderr
    assert [f.name for f in tmp_path.iterdir() if f.name.endswith(".part")] == []


def ledger(log, *options) -> list[dict]:
    lines = program.run("files", log.file, "--json", *options).stdout.splitlines()
    return [json.loads(line) for line in lines]


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def transfers(entries: list[dict]) -> dict:
    return {
        (entry["action"], entry["path"]): (entry["bytes"], entry["sha256"], entry["result"])
        for entry in entries
        if entry["action"] in ("upload", "download")
    }


def expected(action: str, files: dict[str, Path]) -> dict:
    return {(action, path): (file.stat().st_size, sha256(file), "ok") for path, file in files.items()}


def test_the_files_of_sftp(tapped, tree, tmp_path):
    remote, back = tmp_path / "remote", tmp_path / "back"
    batch = f"mkdir {remote}\nput {tree}/large {remote}/large\nput {tree}/empty {remote}/empty\n"
    batch += f"rename {remote}/large {remote}/moved\nchmod 600 {remote}/moved\nln -s moved {remote}/link\n"
    batch += f"get {remote}/moved {back}\nrm {remote}/moved\n-rm {remote}/none\nmkdir {remote}/d\nrmdir {remote}/d\n"
    tapped.run("sftp", "-q", "-S", tapped.ssh, "-b", "-", "alice@127.0.0.1", input=batch.encode())
    log = tapped.agrees()[0]
    entries = ledger(log)
    put = {f"{remote}/large": tree / "large", f"{remote}/empty": tree / "empty"}
    assert transfers(entries) == expected("upload", put) | expected("download", {f"{remote}/moved": back})
    others = [(e["action"], e["path"], e.get("target"), e["result"]) for e in entries if "bytes" not in e]
    assert ("mkdir", str(remote), None, "ok") in others
    assert ("rename", f"{remote}/large", f"{remote}/moved", "ok") in others
    assert ("symlink", f"{remote}/link", "moved", "ok") in others
    assert ("remove", f"{remote}/moved", None, "ok") in others
    assert ("rmdir", f"{remote}/d", None, "ok") in others
    assert {"0600"} <= {e.get("mode") for e in entries}

    place = tmp_path / "extracted"
    entries = ledger(log, "--extract", place)
    extracted = {e["path"]: place / e["extracted"] for e in entries if e.get("extracted")}
    assert extracted[f"{remote}/large"].read_bytes() == (tree / "large").read_bytes()
    assert extracted[f"{remote}/moved"].read_bytes() == (tree / "large").read_bytes()
    again = program.run("files", log.file, "--extract", place, check=False)
    assert again.returncode == 1 and b"not empty" in again.stderr
    text = program.run("files", log.file).stdout.decode()
    assert sha256(tree / "large") in text and f"-> {remote}/moved" in text


@pytest.mark.parametrize("options", [[], ["-O"]], ids=["sftp", "scp"])
def test_the_files_of_scp(tapped, tree, tmp_path, options):
    remote, back = tmp_path / "remote", tmp_path / "back"
    remote.mkdir()
    tapped.run("scp", "-q", *options, "-S", tapped.ssh, "-r", tree, f"alice@127.0.0.1:{remote}/")
    tapped.run("scp", "-q", *options, "-S", tapped.ssh, "-r", f"alice@127.0.0.1:{remote}/tree", back)
    up, down = tapped.agrees(2)
    files = {f"{remote}/tree/{name}": tree / name for name in ("large", "empty", "sub/naïve name'")}
    assert transfers(ledger(up)) == expected("upload", files)
    assert transfers(ledger(down)) == expected("download", files)


def test_the_files_of_paramiko(server, tree, tmp_path):
    with paramiko.SSHClient() as client:
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        client.connect(
            "127.0.0.1", server.port, "alice", key_filename=str(server.key.file), allow_agent=False, look_for_keys=False
        )
        with client.open_sftp() as sftp:
            sftp.put(str(tree / "large"), str(tmp_path / "put"))
            sftp.get(str(tmp_path / "put"), str(tmp_path / "got"))
            with sftp.open(str(tmp_path / "holes"), "w") as file:
                file.seek(1000)
                file.write(b"x")
            with pytest.raises(OSError):
                sftp.get(str(tmp_path / "none"), str(tmp_path / "no"))
    entries = ledger(server.log())
    found = transfers(entries)
    put, got = tmp_path / "put", tmp_path / "got"
    whole = expected("upload", {str(put): put}) | expected("download", {str(put): got})
    assert {key: value for key, value in found.items() if key in whole} == whole
    assert found["upload", str(tmp_path / "holes")] == (1, None, "ok")
    assert [e["incomplete"] for e in entries if e["path"].endswith("holes")] == ["it went through with holes"]


def test_rsync_says_that_it_ran(tapped, tree, tmp_path):
    tapped.run("rsync", "-a", "-e", tapped.ssh, f"{tree}/", f"alice@127.0.0.1:{tmp_path}/remote/")
    (entry,) = ledger(tapped.agrees()[0])
    assert (entry["action"], entry["direction"], entry["result"]) == ("sync", "upload", "ok")
    assert entry["path"] == f"{tmp_path}/remote/" and entry["streams"]["in"] > 2_000_000


def test_the_page_of_a_connection(server, tmp_path):
    person = Terminal(server, rows=30, columns=100)
    person.prompt()
    person.types("exit 4\r")
    person.end()
    log = server.log()
    page = json.loads(program.run("show", log.file, "--json").stdout)
    assert page["user"] == "alice" and page["authenticated"] and page["address"] == "127.0.0.1"
    assert page["handshake"]["authMethod"] == "publickey"
    assert page["clientVersion"].startswith("SSH-2.0-OpenSSH")
    (channel,) = page["channels"]
    (ran,) = channel["programs"]
    assert ran["exit"] == {"status": 4} and ran["terminal"] == {"term": "xterm", "columns": 100, "rows": 30}
    assert channel["bytesOut"] == len(log.io(STDOUT)) and page["state"] == "intact"

    text = program.run("show", log.file.name, "--directory", log.file.parent).stdout.decode()
    assert "with status 4" in text and "The log is intact" in text and log.file.name in text
    cut = tmp_path / "cut"
    cut.write_bytes(log.file.read_bytes()[:-10])
    done = program.run("show", cut, check=False)
    assert done.returncode == 2 and b"The log is cut" in done.stdout


def test_nothing_in_a_log_reaches_the_terminal(server):
    """Names, commands and output that try to control whoever looks at them."""
    evil = "\x1b]52;c;YQ==\x07\x1b]0;title\x07\x1b[6n\x9b2J\u202e"
    server.run(f"printf '{evil}'", "-o", "SetEnv=LANG=\x1b]0;x\x07")
    log = server.log()
    for command in (["show"], ["files"], ["convert", "--to", "text"], ["convert", "--to", "html"]):
        shown = program.run(*command, log.file).stdout.decode()
        controls = [c for c in shown if c != "\n" and not c.isprintable()]
        assert not controls, (command, controls)


def test_views_read_golden_logs():
    for file in sorted((GOLDEN / "containerssh").glob("*.audit")):
        program.run("show", file)
        program.run("files", file)
        program.run("show", file, "--json")
    for file in sorted((GOLDEN / "views").glob("*.jsonl")):
        for suffix, command in {
            ".cast": ["convert", "--channel", "0", "--to", "asciicast-v2"],
            ".v3.cast": ["convert", "--channel", "0", "--to", "asciicast-v3"],
            ".txt": ["convert", "--channel", "0", "--to", "text"],
            ".html": ["convert", "--channel", "0", "--to", "html"],
            ".svg": ["convert", "--channel", "0", "--to", "svg"],
            ".show": ["show"],
            ".files": ["files"],
            ".search": ["search", "-E", "."],
        }.items():
            golden = file.with_suffix(suffix)
            made = program.run(*command, file).stdout
            if os.environ.get("UPDATE_GOLDEN"):
                golden.write_bytes(made)
            assert golden.read_bytes() == made, golden


def test_views_follow_a_session_as_it_goes(server, tmp_path):
    """Casts, JSON and the ledger, while the session runs."""
    session = subprocess.Popen([*server.ssh(), "echo ready; exec cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert session.stdout.readline() == b"ready\n"
    (file,) = server.files()

    def watch(*arguments) -> subprocess.Popen:
        command = [program.path(), *map(str, arguments), "--follow"]
        return subprocess.Popen(command, stdout=subprocess.PIPE)

    def sees(watching: subprocess.Popen, text: bytes) -> bytes:
        seen = b""
        while text not in seen:
            line = watching.stdout.readline()
            assert line, f"it ended without {text}: {seen}"
            seen += line
        return seen

    watching = {to: watch("convert", file, "--to", to) for to in ("asciicast-v2", "json")}
    saved = tmp_path / "saved.txt"
    text = watch("convert", file, "--to", "text", "--output", saved)
    seen = {"asciicast-v2": sees(watching["asciicast-v2"], b"ready"), "json": sees(watching["json"], b"cmVhZHkK")}
    session.stdin.write(b"live\n")
    session.stdin.flush()
    assert session.stdout.readline() == b"live\n"
    seen["asciicast-v2"] += sees(watching["asciicast-v2"], b'"o","live')
    seen["json"] += sees(watching["json"], b"bGl2ZQo=")
    assert not saved.exists()
    session.communicate(timeout=30)
    server.log()
    for to, one in watching.items():
        rest = one.stdout.read()
        assert one.wait(30) == 0
        whole = program.run("convert", file, "--to", to).stdout
        assert (seen[to] + rest).splitlines() == whole.splitlines(), to
    assert text.wait(30) == 0 and saved.read_text() == "ready\nlive\n"
    for command in (("convert", "--to", "json"), ("files",)):
        for place in ("-", "s3://bucket/key"):
            refused = program.run(*command, place, "--follow", check=False, input=b"")
            assert refused.returncode == 1 and b"--follow needs a file" in refused.stderr


def test_the_ledger_is_followed(server, tmp_path):
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    key = paramiko.Ed25519Key.from_private_key_file(str(server.key.file))
    client.connect("127.0.0.1", server.port, "alice", pkey=key, allow_agent=False, look_for_keys=False)
    sftp = client.open_sftp()
    sftp.mkdir(str(tmp_path / "first"))
    (file,) = server.files()
    watching = subprocess.Popen([program.path(), "files", "--json", "--follow", file], stdout=subprocess.PIPE)
    assert json.loads(watching.stdout.readline())["path"] == str(tmp_path / "first")
    sftp.mkdir(str(tmp_path / "second"))
    assert json.loads(watching.stdout.readline())["path"] == str(tmp_path / "second")
    client.close()
    server.log()
    assert watching.stdout.read() == b"" and watching.wait(30) == 0
