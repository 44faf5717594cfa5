"""`auditssh search` and `auditssh index`: real sessions, found by what was typed, shown and done."""

import datetime
import json
import os
import re
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import pytest

from harness import program
from harness.server import PASSWORD
from harness.terminal import Terminal
from harness.wait import until
from test_views import cast, converted, Screen

GOLDEN = program.ROOT / "testdata"
# A line of an index: kind, channel, program, time, start, length; see the crate's own description.
KINDS = ("command", "typed", "shown", "file")


def search(*arguments, code: int = 0, **options) -> list[dict]:
    done = program.run("search", "--json", *arguments, check=False, **options)
    assert done.returncode == code, (done.returncode, done.stderr.decode())
    return [json.loads(line) for line in done.stdout.splitlines()]


def lines(*arguments, **options) -> list[str]:
    return [hit["line"] for hit in search(*arguments, **options)]


def number(data: bytes, at: int) -> tuple[int, int]:
    """A number of an index, seven bits a byte, and where it ends."""
    value, shift = 0, 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if not data[at - 1] & 0x80:
            return value, at


def read_index(file: Path) -> tuple[dict, list[tuple]]:
    """An index, read by nothing of ours: its head, and its lines."""
    data = file.read_bytes()
    assert data[:16] == b"AuditSSH-Index\0\x01"
    length = struct.unpack("<I", data[16:20])[0]
    head = json.loads(data[24 : 24 + length])
    found, rest = [], data[24 + length :]
    assert len(rest) == head["blocks"]
    while rest:
        length = struct.unpack("<I", rest[:4])[0]
        raw, rest = zlib.decompress(rest[8 : 8 + length], -15), rest[8 + length :]
        at = 0
        while at < len(raw):
            kind = KINDS[raw[at]]
            channel, at = number(raw, at + 1)
            which, at = number(raw, at)
            since, at = number(raw, at)
            start = struct.unpack("<q", raw[at : at + 8])[0]
            size, at = number(raw, at + 8)
            found.append((kind, channel, which, since, start + since, raw[at : at + size].decode()))
            at += size
    return head, found


@pytest.fixture
def bash(make_server):
    """A server whose users have bash."""
    return make_server(local={"shell": "/bin/bash"}).start()


def prompted(server, **size) -> Terminal:
    """A person at a terminal at which bash waits, with a prompt that is easily told."""
    person = Terminal(server, **size)
    person.sees("[#$] ")
    person.types("bind 'set enable-bracketed-paste off'; PS1='ready> '\r")
    person.sees("\r\n(\x1b\\[\\?2004l\r)?ready> ")
    return person


@pytest.fixture
def session(bash, tmp_path):
    """A session at a terminal in which much was typed and shown."""
    person = prompted(bash, rows=24, columns=60)
    person.types("export LC_ALL=C.UTF-8; echo e''xported\r")
    person.sees("\r\nexported\r\n")
    person.types("echi\x7fo corr''exted\x7f\x7f\x7f\x7fcted\r")
    person.sees("\r\ncorrected\r\n")
    person.types("printf '\\033[1;31mred\\033[0m\\033[42mgreen\\033[0m\\n'\r")
    person.sees("green")
    person.types("echo 漢字と größe 🦀\r")
    person.sees("\r\n漢字と größe 🦀\r\n")
    person.types("echo one{1..40}two\r")
    person.sees("one40two\r\n")
    person.types("rm -rf /never\x15clear\r")
    # What is echoed before that would be cleared with the rest.
    person.sees("\x1b\\[H\x1b\\[2J")
    person.sees("ready> ")
    text = tmp_path / "text"
    text.write_text("".join(f"line {number} of the file\n" for number in range(1, 100)))
    person.types(f"vim -u NONE -N {text}\r")
    person.sees("line 20 ")
    person.types("Gotyped in vim\x1b")
    person.sees("typed in vim")
    person.types(":q!\r")
    person.sees("ready> ")
    person.types("exit 3\r")
    assert person.end() == 3
    return bash.log()


def test_a_line_is_found_as_it_was_shown(session):
    where = session.file.parent
    for query, line in [
        ("echo corr''ected", "ready> echo corr''ected"),
        ("corrected", "corrected"),
        ("redgreen", "redgreen"),
        ("漢字と größe 🦀", "漢字と größe 🦀"),
        ("GRÖSSE", None),
        ("line 99 of", "line 99 of the file"),
        ("line 20 of", "line 20 of the file"),
        ("typed in vim", "typed in vim"),
    ]:
        found = lines(query, where, "--shown", code=1 if line is None else 0)
        assert line in found if line else not found, (query, found)
    # One line, although the screen had room for 60 letters.
    assert len(lines("one1two one2two", where, "--shown")) >= 1
    assert lines("one20two one21two one22two one23two one24two one25two", where, "--shown")


def test_what_was_typed_is_found_with_corrections_and_before_them(session):
    where = session.file.parent
    assert "echo corr''ected" in lines("corr''ected", where, "--typed")
    assert lines("echi", where, "--typed") == ["echi"]
    # It was never run, and stands in no history.
    assert lines("rm -rf /never", where, "--typed") == ["rm -rf /never"]
    assert "clear" in lines("clear", where, "--typed")
    assert search("echi", where, "--typed", "--limit", "1")[0]["kind"] == "typed"


def test_a_hit_is_on_the_screen_at_its_time(session):
    """Told by another emulator, which plays the cast up to there."""
    hits = [hit for hit in search("", session.file.parent, "-E", "--shown", code=0)]
    assert hits[0]["kind"] == "connection"
    hits = search(".", session.file.parent, "-E", "--shown")
    assert len(hits) > 50
    header, events = cast(converted(session, "--to", "asciicast-v2"))
    for hit in hits:
        screen = Screen(header["width"], header["height"])
        seen = set()
        for at, kind, data in events:
            if at > hit["at"]:
                break
            if kind == "o":
                # A line that scrolled through within one output was there as well.
                for part in re.split(r"(?<=\n)", data):
                    screen.stream.feed(part)
                    if at >= hit["at"] - 0.002:
                        seen.add("".join(line.ljust(header["width"]) for line in screen.lines()))
            elif kind == "r":
                columns, rows = map(int, data.split("x"))
                screen.screen.resize(rows, columns)
        # Wide characters have a cell more there.
        plain = hit["line"].replace(" ", "")
        everything = "".join(seen).replace(" ", "") + "".join(screen.lines()).replace(" ", "")
        assert plain in everything, (hit, screen.lines())


def test_an_index_changes_nothing_but_the_time(session, bash):
    where = session.file.parent
    queries = [("e", "--typed"), ("line", "--shown"), (r"\bo", "-E"), ("",), ("漢",), ("no such thing",)]

    def found() -> list:
        done = [program.run("search", "--json", query[0], where, *query[1:], check=False) for query in queries]
        return [(one.returncode, one.stdout) for one in done]

    before = found()
    assert [code for code, _ in before] == [0, 0, 0, 0, 0, 1]
    files = set(where.iterdir())
    said = program.run("index", where).stderr.decode()
    assert "1 made, 0 were there" in said
    (index,) = set(where.iterdir()) - files
    assert index.name == f".{session.file.name}.index"
    assert found() == before
    assert "0 made, 1 were there" in program.run("index", where).stderr.decode()
    # It is used: of a log whose middle is gone the index still knows the lines.
    head, stored = read_index(index)
    hits = search(".", where, "-E")
    assert sorted(hit["line"] for hit in hits) == sorted(line[-1] for line in stored if line[-1].strip())
    assert {hit["kind"] for hit in hits} <= set(KINDS)
    facts = head["facts"]
    assert (facts["user"], facts["authenticated"], facts["method"]) == ("alice", True, "publickey")
    assert facts["programs"][0]["exit"] == {"status": 3} and head["state"] == "complete"


def test_an_index_that_is_not_of_its_log_is_not_believed(bash):
    for word in ("apple", "grape"):
        assert bash.run(f"echo {word}").stdout == f"{word}\n".encode()
    apple, grape = bash.logs(2)
    bash.stop()
    where = apple.file.parent
    program.run("index", where)
    index = {log: where / f".{log.file.name}.index" for log in (apple, grape)}
    whole = {log: file.read_bytes() for log, file in index.items()}

    def is_right() -> None:
        for log, word in ((apple, "apple"), (grape, "grape")):
            hits = search(word, where, "--shown")
            assert [(hit["line"], hit["connectionId"]) for hit in hits] == [(word, log.file.name)]

    is_right()
    # That of the other; one that is cut, changed, of another version, empty, no index at all.
    for changed in [
        whole[grape],
        whole[apple][:-1],
        whole[apple] + b"\0",
        whole[apple][:40] + bytes([whole[apple][40] ^ 1]) + whole[apple][41:],
        whole[apple][:-5] + bytes([whole[apple][-5] ^ 1]) + whole[apple][-4:],
        whole[apple][:15] + b"\x02" + whole[apple][16:],
        b"",
        b"apple grape" * 100,
    ]:
        index[apple].write_bytes(changed)
        is_right()
    # The server's user did not write it.
    index[apple].write_bytes(whole[grape])
    os.chmod(index[apple], 0o666)
    is_right()
    if os.geteuid() == 0:
        os.chmod(index[apple], 0o600)
        index[apple].write_bytes(whole[apple].replace(b"alice", b"mallo"))
        os.chown(index[apple], 12345, 12345)
        is_right()
    # The log is another now.
    os.remove(index[apple])
    index[apple].write_bytes(whole[apple])
    shutil.copy(grape.file, apple.file)
    hits = search("apple", where, "--shown", code=1)
    assert hits == []
    program.run("index", where, check=False)
    assert read_index(index[apple])[0]["size"] == grape.file.stat().st_size
    # Nor is there a log any more.
    os.remove(apple.file)
    program.run("index", where)
    assert not index[apple].exists() and index[grape].exists()


def test_filters_narrow_what_is_found(make_server):
    server = make_server(users={"bob": {"authorizedKeys": []}})
    server.config["users"]["bob"]["authorizedKeys"] = [server.key.public]
    server.start()
    assert server.run("echo needle; exit 3").returncode == 3
    first = server.log()
    assert server.run("echo needle; kill -9 $$", user="bob").returncode != 0
    second = server.log()
    assert server.run("true", user="mallory").returncode == 255
    server.log()
    where = server.audit
    of_alice, of_bob = first.file.name, second.file.name

    def found(*options, code=0) -> list[str]:
        return [hit["connectionId"] for hit in search("needle", where, "--shown", *options, code=code)]

    for _ in range(2):
        assert found() == [of_bob, of_alice]
        assert found("--limit", "1") == [of_bob]
        assert found("--user", "alice") == [of_alice]
        assert found("--user", "?o*") == [of_bob]
        assert found("--address", "127.0.0.0/8") == [of_bob, of_alice]
        assert found("--address", "192.0.2.0/24", code=1) == []
        assert found("--exit", "3") == [of_alice]
        assert found("--exit", "KILL") == [of_bob]
        assert found("--command", "EXIT 3", code=1) == []
        assert found("--command", "exit 3") == [of_alice]
        assert found("--file", "x", code=1) == []
        assert found("--channel", "0") == [of_bob, of_alice]
        assert found("--channel", "7", code=1) == []
        assert found("--since", "1h") == [of_bob, of_alice]
        assert found("--until", "1h", code=1) == []
        began = datetime.datetime.fromisoformat(search("needle", where, "--user", "bob")[0]["start"])
        assert found("--since", began.isoformat()) == [of_bob]
        assert found("--until", (began - datetime.timedelta(milliseconds=1)).isoformat()) == [of_alice]
        connections = search("", where, "--failed")
        assert [hit["user"] for hit in connections] == ["mallory"]
        assert [hit["user"] for hit in search("", where)] == ["mallory", "bob", "alice"]
        assert search("", where, "--user", "alice")[0]["programs"][0]["exit"] == {"status": 3}
        program.run("index", where)


def test_files_that_went_through_are_found(server, tmp_path):
    file = tmp_path / "wanted.txt"
    file.write_bytes(b"content\n" * 100)
    there = tmp_path / "there.txt"
    done = subprocess.run(
        ["sftp", "-b", "-", *server.ssh_options(), "-P", str(server.port), "alice@127.0.0.1"],
        input=f"put {file} {there}\n".encode(),
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    server.log()
    for _ in range(2):
        (hit,) = search("there.txt", server.audit)
        assert hit["kind"] == "file" and "800 bytes" in hit["line"]
        assert len(search("", server.audit, "--file", "there.txt")) == 1
        assert search("", server.audit, "--file", "elsewhere", code=1) == []
        # Its content is no line.
        assert search("content", server.audit, code=1) == []
        program.run("index", server.audit)


def test_what_was_not_to_be_recorded_is_in_no_index(make_server):
    server = make_server(
        local={"shell": "/bin/bash"}, audit={"intercept": {"stdin": "echoed", "passwords": False}, "index": True}
    ).start()
    person = prompted(server)
    person.types("read -s -p 'Secret: ' x; echo; echo got ${#x}\r")
    person.sees("\r\nSecret: ")
    person.types("hunter2hunter2\r")
    person.sees("got 14")
    person.types("exit\r")
    person.end()
    server.log()
    assert server.run("true", key=False, user="mallory").returncode == 255
    server.log()
    indexes = until(lambda: len(found := sorted(server.audit.glob(".*.index"))) == 2 and found, what="two indexes")
    for index in indexes:
        text = str(read_index(index))
        assert "hunter2" not in text and PASSWORD not in text
    assert any("got 14" in line for line in lines("got 14", server.audit))
    assert search("hunter2", server.audit, code=1) == []
    said = program.run("search", "hunter2", server.audit, "--no-index", check=False)
    assert said.returncode == 1


def test_the_server_makes_indexes_if_it_is_told(make_server, tmp_path):
    server = make_server(audit={"index": True}).start()
    held = subprocess.Popen([*server.ssh(), "echo held; cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert held.stdout.readline() == b"held\n"
    for number in range(5):
        server.run(f"echo number {number}")
    logs = server.logs(5)

    def indexes() -> set[str]:
        return {file.name[1:33] for file in server.audit.glob(".*.index")}

    until(lambda: indexes() == {log.file.name for log in logs}, what="an index of each log that is complete")
    # What still goes on is found all the same.
    assert lines("held", server.audit, "--shown") == ["held"]
    held.communicate(timeout=30)
    server.log()
    until(lambda: len(indexes()) == 6, what="that of the last")
    # Nothing else is confused by them.
    assert program.run("verify", server.audit).returncode == 0
    rows = program.run("list", "--json", server.audit).stdout.splitlines()
    assert len(rows) == 6
    assert server.stop() == 0
    assert b"recovered" not in program.run("recover", server.audit, check=False).stdout
    server.start()
    assert server.run("echo again").stdout == b"again\n"
    server.log()
    for log in logs:
        assert len(search("number", log.file.name, "--directory", server.audit, "--shown")) == 1


def test_without_being_told_the_server_makes_none(server):
    server.run("echo x")
    server.log()
    server.stop()
    assert not list(server.audit.glob(".*.index*"))


def test_an_index_may_be_read_by_whoever_may_read_the_log(make_server):
    group = os.getgid() if os.geteuid() else 4242
    server = make_server()
    server.config["audit"]["file"]["group"] = str(group)
    server.audit.mkdir(mode=0o750)
    os.chown(server.audit, -1, group)
    server.config["audit"]["index"] = True
    server.start()
    server.run("echo x")
    log = server.log()
    index = server.audit / f".{log.file.name}.index"
    until(index.exists, what="the index")
    for made in ("the server", "the command"):
        status, of_log = index.stat(), log.file.stat()
        assert (status.st_mode, status.st_uid, status.st_gid) == (of_log.st_mode, of_log.st_uid, of_log.st_gid), made
        index.unlink()
        program.run("index", server.audit)


def test_logs_are_searched_wherever_they_come_from(server, tmp_path):
    server.run("echo needle")
    log = server.log()
    by_file = search("needle", log.file, "--shown")
    assert [hit["line"] for hit in by_file] == ["needle"]
    by_pipe = search("needle", "-", "--shown", input=log.file.read_bytes())
    by_id = search("needle", log.file.name, "--directory", server.audit, "--shown")
    messages = tmp_path / "log.jsonl"
    messages.write_bytes(program.run("decode", log.file).stdout)
    by_json = search("needle", messages, "--shown")
    for hits in (by_pipe, by_id, by_json):
        assert [{**hit, "log": None} for hit in hits] == [{**hit, "log": None} for hit in by_file]
    both = search("needle", log.file, messages, "--shown")
    assert len(both) == 2
    cut = tmp_path / "cut"
    cut.write_bytes(log.file.read_bytes()[:-300])
    done = program.run("search", "needle", cut, check=False)
    assert done.returncode == 2 and b"damaged" in done.stderr
    for arguments in [("x", "/no/such/file"), ("(", ".", "-E"), ("x", ".", "--address", "x"), ("x", ".", "--bogus")]:
        done = program.run("search", *arguments, check=False)
        assert done.returncode == 2 and done.stderr, arguments
    empty = tmp_path / "empty"
    empty.mkdir()
    assert program.run("search", "x", empty, check=False).returncode == 1


def test_logs_of_containerssh_are_searched(tmp_path):
    for file in (GOLDEN / "containerssh").glob("*.audit"):
        shutil.copy(file, tmp_path)
    before = program.run("search", "--json", ".", "-E", tmp_path, check=False)
    assert before.returncode in (0, 2) and before.stdout
    program.run("index", tmp_path, check=False)
    assert len(list(tmp_path.glob(".*.index"))) == len(list(tmp_path.glob("*.audit")))
    after = program.run("search", "--json", ".", "-E", tmp_path, check=False)
    assert (after.returncode, after.stdout) == (before.returncode, before.stdout)


def test_a_bucket_is_searched(make_s3_server, bucket, proxy, seaweed, tmp_path):
    server = make_s3_server(bucket, proxy.endpoint, settings={"prefix": "logs/"}).start()
    for number in range(3):
        server.run(f"echo needle {number}; head -c 200000 /dev/urandom | base64")
    keys = bucket.wait(3)
    server.stop()

    def config(identity, endpoint: str) -> Path:
        changed = json.loads(json.dumps(server.config))
        changed["audit"]["s3"] |= {
            "accessKey": identity.access,
            "secretKey": identity.secret,
            "endpoint": endpoint,
        }
        file = tmp_path / f"{identity.name}.yaml"
        file.write_text(json.dumps(changed))
        file.chmod(0o600)
        return file

    proxy.permitted |= {"GetObject", "ListObjectsV2", "ListObjects"}
    reader = ("--config", config(seaweed.reader, proxy.endpoint))
    admin = ("--config", config(seaweed.admin, seaweed.endpoint))
    place = f"s3://{bucket.name}/logs/"
    before = search("needle", place, "--shown", *reader)
    assert sorted(hit["line"] for hit in before) == ["needle 0", "needle 1", "needle 2"]
    assert all(hit["log"].removeprefix(f"s3://{bucket.name}/") in keys for hit in before)
    (one,) = search("needle", f"s3://{bucket.name}/{keys[0]}", "--shown", *reader)
    assert one["log"].endswith(keys[0])
    # Whoever may only read makes none.
    assert program.run("index", place, *reader, check=False).returncode == 1
    assert "3 made" in program.run("index", place, *admin).stderr.decode()
    assert sorted(bucket.keys()) == sorted([*keys, *(f"{key}.index" for key in keys)])
    assert search("needle", place, "--shown", *reader) == before
    # An index is no log.
    rows = program.run("list", "--json", *reader, place).stdout.splitlines()
    assert len(rows) == 3
    assert program.run("verify", *reader, place).returncode == 0
    # One of another log is not believed there either.
    bucket.client.put_object(Bucket=bucket.name, Key=f"{keys[0]}.index", Body=bucket.get(f"{keys[1]}.index"))
    assert search("needle", place, "--shown", *reader) == before


def test_what_is_shown_can_do_nothing_to_the_terminal(server):
    evil = r"printf 'needle \033]0;title\007\033]52;c;YQ==\007\342\200\256txt\n'"
    server.run(evil)
    server.log()
    for options in ((), ("--json",)):
        out = program.run("search", "needle", server.audit, *options).stdout
        assert b"\x1b" not in out and b"\x07" not in out and "\u202e".encode() not in out


def test_the_exit_status_and_the_text(server):
    server.run("echo needle")
    log = server.log()
    done = program.run("search", "needle", server.audit)
    (command, shown) = done.stdout.decode().splitlines()
    assert re.fullmatch(
        rf"20\S+Z  alice  {log.file.name}  #0 0:00\.\d\d\d shown  needle", shown
    ), shown
    assert command.endswith("#0 0:00.000 command  echo needle")
    assert done.stderr == b""
    assert program.run("search", "absent", server.audit, check=False).returncode == 1
