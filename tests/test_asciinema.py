"""Casts that are written while sessions run."""

import datetime
import json
import subprocess
import time

import paramiko
import pyte
import pytest

from harness import program
from harness.cast import Cast, Emulated, accepted, casts
from harness.log import STDIN, STDOUT
from harness.master import shared
from harness.terminal import Terminal
from harness.wait import until
from test_s3 import as_reader

ALL = {"stdin": True, "stdout": True, "stderr": True}


@pytest.fixture
def make_cast_server(make_server):
    def make(version: int = 2, **audit):
        return make_server(audit={"format": "asciinema", "asciinema": {"version": version}, "intercept": ALL, **audit})

    return make


@pytest.mark.parametrize("version", [2, 3])
def test_a_terminal_is_recorded_as_it_was(make_cast_server, version, tmp_path):
    """Corrections, colours, wide characters, a resize in the middle, and an exit status."""
    server = make_cast_server(version).start()
    began = time.time()
    person = Terminal(server, rows=30, columns=100)
    person.prompt()
    person.types("export LC_ALL=C.UTF-8; echo e''xported\r")
    person.sees("\r\nexported\r\n")
    person.types("echp\x7fo 'grüße, €, 漢字, 🦀'\r")
    person.sees("\r\ngrüße, €, 漢字, 🦀\r\n")
    before = len(person.shown.getvalue())
    person.resizes(24, 80)
    person.types("clear; seq 1 40; printf 'a\\tb\\n\\033[2Aup\\033[2B\\r'\r")
    person.sees("up")
    person.types("exit 3\r")
    assert person.end() == 3
    (cast,) = casts(server.audit, 1)
    shown = person.shown.getvalue()
    assert cast.text("o") == shown.decode()
    assert cast.text("i") == person.typed.getvalue().decode()
    header = cast.header
    assert header["version"] == version
    assert header["env"]["TERM"] == "xterm"
    if version == 2:
        assert (header["width"], header["height"]) == (100, 30)
    else:
        assert header["term"]["cols"] == 100 and header["term"]["type"] == "xterm"
        assert cast.events[-1][1:] == ["x", "3"]
    assert began - 2 < header["timestamp"] < time.time() + 2
    assert header["auditssh"]["username"] == "alice"
    assert [data for _, code, data in cast.events if code == "r"][-1] == "80x24"
    real = Emulated(100, 30)
    stream = pyte.Stream(real)
    stream.feed(shown[:before].decode())
    real.resize(24, 80)
    stream.feed(shown[before:].decode())
    assert cast.screen() == [line.rstrip() for line in real.display]
    assert accepted(server.audit / cast.name) == shown


@pytest.mark.parametrize("version", [2, 3])
def test_each_program_has_a_cast_of_its_own(make_cast_server, version, tmp_path):
    """Programs at once, standard error, secrets of the environment, and what is no terminal's."""
    server = make_cast_server(version).start()
    assert server.run("true", user="mallory").returncode == 255
    with shared(server) as master:
        first = master.start("for i in 1 2 3 4 5; do echo first $i; sleep 0.1; done", stdout=subprocess.PIPE)
        # Its channel is the first.
        assert first.stdout.readline() == b"first 1\n"
        second = master.run("printf out; printf err >&2; exit 4")
        assert (second.stdout, second.stderr, second.returncode) == (b"out", b"err", 4)
        first.communicate(timeout=30)
        assert master.run("cat > /dev/null", input=b"typed\n").returncode == 0
        sftp = ["sftp", "-b", "-", "-o", f"ControlPath={master.socket}", *server.ssh_options(), "-P", str(server.port)]
        file = tmp_path / "file"
        file.write_bytes(b"content")
        script = f"put {file} {tmp_path}/copy\n".encode()
        done = subprocess.run([*sftp, "alice@127.0.0.1"], input=script, capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr
        old = ["scp", "-O", *server.ssh_options(), "-o", f"ControlPath={master.socket}", "-P", str(server.port)]
        done = subprocess.run([*old, file, f"alice@127.0.0.1:{tmp_path}/again"], capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr
        # Whoever names a program so that it looks like one of those is recorded.
        done = master.run(f"scp -t {tmp_path}; echo seen", input=b"")
        assert b"seen" in done.stdout
        master.end()
    assert (tmp_path / "copy").read_bytes() == (tmp_path / "again").read_bytes() == b"content"
    first, second, third, fourth = casts(server.audit, 4)
    assert first.header["command"].startswith("for i in")
    assert first.text("o") == "".join(f"first {i}\r\n" for i in range(1, 6))
    assert sorted(data for _, code, data in second.events if code == "o") == ["err", "out"]
    assert third.text("i") == "typed\n" and third.text("o") == ""
    assert "seen" in fourth.text("o")
    assert {one.name[:32] for one in (first, second, third, fourth)} == {first.name[:32]}
    for one in (first, second, third, fourth):
        accepted(server.audit / one.name)


def test_characters_that_come_in_pieces_are_whole(make_cast_server):
    server = make_cast_server().start()
    command = "printf '\\342'; sleep 0.3; printf '\\202\\254 '; printf '\\377 '; sleep 0.3; printf '\\360\\237'"
    assert server.run(command).stdout == b"\xe2\x82\xac \xff \xf0\x9f"
    (cast,) = casts(server.audit, 1)
    assert cast.text("o") == "€ \ufffd \ufffd"


def test_the_environment_is_no_place_for_secrets(make_cast_server):
    server = make_cast_server().start()
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    client.connect("127.0.0.1", server.port, "alice", key_filename=str(server.key.file), look_for_keys=False)
    channel = client.get_transport().open_session()
    channel.update_environment({"LANG": "C.UTF-8", "TOKEN": "s3cr3t"})
    channel.get_pty("vt100", 90, 20)
    channel.exec_command("true")
    channel.recv_exit_status()
    client.close()
    (cast,) = casts(server.audit, 1)
    assert cast.header["env"] == {"TERM": "vt100", "LANG": "C.UTF-8"}
    assert (cast.header["width"], cast.header["height"]) == (90, 20)
    assert b"s3cr3t" not in cast.content


@pytest.mark.parametrize("intercept", [{"stdout": True}, {"stdin": True}])
def test_what_is_not_intercepted_is_in_no_cast(make_cast_server, intercept):
    server = make_cast_server(intercept={"stdin": False, "stdout": False, "stderr": False, **intercept}).start()
    done = server.run("cat; echo error >&2", input=b"typed\n")
    assert done.stdout == b"typed\n"
    (cast,) = casts(server.audit, 1)
    assert cast.text("o") == ("typed\r\n" if "stdout" in intercept else "")
    assert cast.text("i") == ("typed\n" if "stdin" in intercept else "")
    assert cast.header["command"].startswith("cat")


@pytest.mark.parametrize("version", [2, 3])
def test_a_kill_in_the_middle_of_output_loses_nothing_that_was_seen(make_cast_server, version):
    server = make_cast_server(version).start()
    seen = []
    with shared(server) as master:
        flood = master.start("i=0; while :; do i=$((i+1)); echo line $i of a flood; done", stdout=subprocess.PIPE)
        # Its channel is the first.
        seen.append(flood.stdout.readline())
        slow = master.start("echo begun; sleep 60", stdout=subprocess.PIPE)
        assert slow.stdout.readline() == b"begun\n"
        while len(seen) < 60_000:
            seen.append(flood.stdout.readline())
        server.kill()
        seen.append(flood.stdout.read())
        flood.wait(30)
        slow.wait(30)
    assert any(file.name.startswith(".") for file in server.audit.iterdir()), "tails are left"
    program.run("recover", server.audit)
    flooded, begun = casts(server.audit, 2)
    shown = b"".join(seen)
    whole = shown[: shown.rindex(b"\n") + 1].decode().replace("\n", "\r\n")
    assert flooded.text("o").startswith(whole)
    assert begun.text("o") == "begun\r\n"
    # What the next start finds it leaves as it is.
    before = flooded.content
    server.start()
    server.stop()
    assert casts(server.audit, 2)[0].content == before


def test_a_start_recovers_what_a_kill_left(make_cast_server):
    server = make_cast_server().start()
    client = subprocess.Popen([*server.ssh(), "echo seen; sleep 60"], stdout=subprocess.PIPE)
    assert client.stdout.readline() == b"seen\n"
    server.kill()
    client.wait(30)
    server.start()
    (cast,) = casts(server.audit, 1)
    assert cast.text("o") == "seen\r\n"
    assert b"casts" not in program.run("verify", server.audit, check=False).stderr


def test_several_outputs_each_with_its_own_intercept(make_server, tmp_path):
    log, cast = tmp_path / "logs", tmp_path / "casts"
    outputs = [
        {"format": "audit", "storage": "file", "file": {"directory": str(log)}, "intercept": ALL},
        {
            "format": "asciinema",
            "storage": "file",
            "file": {"directory": str(cast)},
            "intercept": {"stdout": True},
            "asciinema": {"version": 3},
        },
    ]
    server = make_server()
    server.config["audit"] = {"outputs": outputs}
    server.audit = log
    server.start()
    done = server.run("cat; exit 2", input=b"typed\n")
    assert (done.stdout, done.returncode) == (b"typed\n", 2)
    recorded = server.log()
    assert recorded.io(STDOUT) == recorded.io(STDIN) == b"typed\n"
    (shown,) = casts(cast, 1)
    assert shown.name.startswith(recorded.file.name)
    assert shown.text("o") == "typed\r\n" and shown.text("i") == ""
    assert shown.events[-1][1:] == ["x", "2"]
    server.stop()


def test_an_output_may_fail_alone(make_server, tmp_path):
    """One that may go without, on a file system that is full; the other has it all."""
    log, cast = tmp_path / "logs", tmp_path / "casts"
    log.mkdir(mode=0o700)
    outputs = [
        {"format": "audit", "storage": "file", "file": {"directory": str(log)}, "intercept": ALL},
        {
            "format": "asciinema",
            "storage": "file",
            "file": {"directory": str(cast)},
            "intercept": ALL,
            "onFailure": "continue",
        },
    ]
    server = make_server()
    server.config["audit"] = {"outputs": outputs}
    server.audit = log
    cast.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=0700", "tmpfs", cast], check=True)
    try:
        server.start()
        text = server.run("yes recorded | head -c 8000000").stdout
        assert len(text) == 8_000_000
        assert server.log().io(STDOUT) == text
        assert server.run("echo again").stdout == b"again\n"
        assert server.log().io(STDOUT) == b"again\n"
        outputs[1]["onFailure"] = "terminate"
        server.stop()
        server.start()
        until(lambda: "no log can be begun" in server.said(), what="it is said that the disk is full")
        assert server.run("echo no").returncode != 0
        server.stop()
    finally:
        subprocess.run(["umount", "-l", cast], check=True)


def test_casts_go_to_a_bucket(make_s3_server, bucket, proxy, seaweed):
    server = make_s3_server(bucket, proxy.endpoint, settings={"metadata": {"username": True, "ip": True}})
    server.config["audit"]["format"] = "asciinema"
    server.start()
    with shared(server) as master:
        assert master.run("echo first").stdout == b"first\n"
        assert master.run("head -c 9000000 /dev/urandom | od -An -tx1", timeout=120).returncode == 0
        master.end()
    keys = bucket.wait(2)
    until(lambda: not [f for f in server.audit.iterdir() if "lock" not in f.name], what="the disk is empty")
    found = [Cast(key, bucket.get(key)) for key in sorted(keys)]
    assert found[0].text("o") == "first\r\n"
    assert len(found[1].text("o")) > 20_000_000
    for one in found:
        head = bucket.head(one.name)
        assert head["ContentType"] == "application/x-asciicast"
        assert head["Metadata"]["username"] == "alice" and head["Metadata"]["ip"] == "127.0.0.1"
        assert head["Metadata"]["timestamp"] == str(one.header["auditssh"]["connected"])
    (row,) = listed(f"s3://{bucket.name}/", "--config", as_reader(server, seaweed))
    assert row["id"] == found[0].header["auditssh"]["connectionId"] and row["state"] == "cast"
    assert row["size"] == sum(len(one.content) for one in found)
    assert row["ran"] == [one.header["command"] for one in found] and row["user"] == "alice"
    assert bucket.uploads() == []
    assert server.run("true", user="mallory").returncode == 255
    server.stop()
    assert len(bucket.keys()) == 2, "who did not log in leaves no cast"


def test_both_forms_at_once_are_refused(make_server, tmp_path):
    server = make_server()
    server.config["audit"]["outputs"] = [{"format": "audit", "storage": "file"}]
    server.start(wait=False)
    assert server.process.wait(30) != 0
    assert "stands beside `outputs`" in server.said()


def listed(place, *options) -> list[dict]:
    return [json.loads(line) for line in program.run("list", "--json", *options, place).stdout.splitlines()]


@pytest.mark.parametrize("version", [2, 3])
def test_connections_that_have_casts_only_are_listed(make_cast_server, version):
    server = make_cast_server(version).start()
    with shared(server) as master:
        held = master.start("echo begun; cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert held.stdout.readline() == b"begun\n"
        assert master.run("exit 4").returncode == 4
        # What stands in tails alone is told, too.
        (row,) = listed(server.audit)
        assert row["state"] == "open" and row["format"] == "asciinema" and row["size"] == 0
        assert row["ran"] == ["echo begun; cat", "exit 4"] and row["user"] == "alice"
        held.communicate(b"typed\n", timeout=30)
        master.end()
    first, second = casts(server.audit, 2)
    (row,) = listed(server.audit)
    assert row["id"] == first.name[:32]
    assert row["state"] == "cast" and row["format"] == "asciinema"
    assert (row["user"], row["address"], row["client"]) == ("alice", "127.0.0.1", None)
    assert row["ran"] == ["echo begun; cat", "exit 4"] and row["programs"] == 2
    assert row["exit"] == (None if version == 2 else "4")
    assert row["size"] == len(first.content) + len(second.content)
    assert (row["messages"], row["bytesIn"], row["bytesOut"], row["forwarded"]) == (None,) * 4
    connected = first.header["auditssh"]["connected"]
    ends = [one.header["timestamp"] + max(event[0] for event in one.events) for one in (first, second) if one.events]
    assert abs(row["durationNanoseconds"] / 1e9 - (max(ends) - connected)) < 0.001
    began = datetime.datetime.fromtimestamp(connected, datetime.UTC)
    assert row["start"].startswith(began.strftime("%Y-%m-%dT%H:%M:%S."))
    head, line = program.run("list", server.audit).stdout.decode().splitlines()
    assert head.split()[-2:] == ["STATE", "ID"]
    assert line.split()[-2:] == ["cast", row["id"]] and "echo begun; cat (+1)" in line

    # What a kill leaves is cut until it is recovered.
    client = subprocess.Popen([*server.ssh(), "echo seen; sleep 60"], stdout=subprocess.PIPE)
    assert client.stdout.readline() == b"seen\n"
    server.kill()
    client.wait(30)
    # Both may have begun in the same second, so either may be the first.
    found = listed(server.audit)
    (cut,) = [one for one in found if one != row]
    assert len(found) == 2 and cut["state"] == "cut"
    program.run("recover", server.audit)
    found = listed(server.audit)
    (left,) = [one for one in found if one != row]
    assert len(found) == 2 and left["id"] == cut["id"]
    assert (left["state"], left["ran"]) == ("cast", ["echo seen; sleep 60"])


def test_a_connection_that_has_a_log_is_listed_as_that(make_server, tmp_path):
    server = make_server()
    assert server.start().run("echo hello").stdout == b"hello\n"
    log = server.log()
    (before,) = listed(server.audit)
    assert before["format"] == "audit"
    program.run("convert", log.file, "--output", server.audit / f"{log.file.name}.0.cast")
    assert listed(server.audit) == [before]


def test_who_looks_at_a_directory_of_casts_is_told(make_cast_server, tmp_path):
    server = make_cast_server().start()
    assert server.run("echo hello").stdout == b"hello\n"
    (cast,) = casts(server.audit, 1)
    assert cast.name[:32] in program.run("list", server.audit).stdout.decode()
    checked = program.run("verify", server.audit / cast.name, check=False)
    assert checked.returncode == 3 and b"holds no proof" in checked.stdout + checked.stderr
    assert program.run("recover", server.audit, check=False).returncode == 3
