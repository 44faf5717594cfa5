"""Commands about several logs at once, of a directory or a bucket, and about logs that are still written."""

import hashlib
import json
import shutil
import subprocess

import paramiko
import pexpect
import pytest

from harness import program
from harness.server import environment
from harness.terminal import Terminal
from harness.wait import until
from test_s3 import session


@pytest.fixture
def recorded(server, tmp_path):
    """A server that recorded a command, another one, and an upload; their logs in the order of time."""
    logs = []
    for number in range(2):
        assert server.run(f"echo number {number}").returncode == 0
        logs.append(server.log())
    transport = paramiko.Transport(("127.0.0.1", server.port))
    transport.connect(username="alice", pkey=paramiko.Ed25519Key.from_private_key_file(str(server.key.file)))
    sftp = paramiko.SFTPClient.from_transport(transport)
    with sftp.open(str(tmp_path / "uploaded"), "w") as file:
        file.write("content")
    transport.close()
    logs.append(server.log())
    return logs


def lines(*arguments, code: int = 0) -> list[dict]:
    done = program.run(*arguments, check=False)
    assert done.returncode == code, done
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_every_connection_of_a_directory_is_shown(recorded, server):
    pages = lines("show", "--json", server.audit)
    assert pages == [one for log in recorded for one in lines("show", "--json", log.file)]
    text = program.run("show", server.audit).stdout.decode()
    ids = [log.file.name for log in recorded]
    assert [text.count(id) for id in ids] == [program.run("show", one.file).stdout.decode().count(one.file.name) for one in recorded]
    assert sorted(ids, key=text.index) == ids


def test_files_of_all_connections_are_listed_and_extracted(recorded, server, tmp_path):
    out = tmp_path / "out"
    [entry] = lines("files", "--json", server.audit, "--extract", out)
    log = recorded[2]
    [alone] = lines("files", "--json", log.file)
    assert entry.pop("connectionId") == log.file.name
    assert entry.pop("extracted").startswith(f"{log.file.name}/upload/")
    assert entry == alone
    [file] = [file for file in out.rglob("*") if file.is_file()]
    assert file.read_text() == "content" and hashlib.sha256(b"content").hexdigest() == entry["sha256"]
    text = program.run("files", server.audit).stdout.decode()
    assert text.index(log.file.name) < text.index("uploaded")
    assert recorded[0].file.name not in text


def test_all_logs_of_a_directory_are_converted(recorded, server, tmp_path):
    casts, json_lines = tmp_path / "casts", tmp_path / "json"
    program.run("convert", server.audit, "--to", "asciicast-v2", "--output", casts)
    names = [f"{log.file.name}.0.cast" for log in recorded[:2]]
    assert sorted(file.name for file in casts.iterdir()) == sorted(names)
    for log, name in zip(recorded, names):
        assert (casts / name).read_bytes() == program.run("convert", log.file, "--to", "asciicast-v2").stdout
    program.run("convert", server.audit, "--to", "json", "--output", json_lines)
    for log in recorded:
        assert (json_lines / f"{log.file.name}.jsonl").read_bytes() == program.run("decode", log.file).stdout
    again = program.run("convert", server.audit, "--to", "json", "--output", json_lines, check=False)
    assert again.returncode == 1 and again.stderr.count(b"--force replaces it") == 3
    missing = program.run("convert", server.audit, "--to", "json", check=False)
    assert missing.returncode == 1 and b"name a directory with --output" in missing.stderr


def test_one_log_that_is_damaged_keeps_no_other_back(recorded, server, tmp_path):
    folder = tmp_path / "folder"
    shutil.copytree(server.audit, folder, ignore=shutil.ignore_patterns(".*"))
    damaged = folder / recorded[0].file.name
    damaged.write_bytes(damaged.read_bytes()[:-200])
    for command in (("show", "--json"), ("files", "--json"), ("convert", "--to", "json", "-o", tmp_path / "out")):
        done = program.run(command[0], folder, *command[1:], check=False)
        assert done.returncode == 2, done
    assert len(lines("show", "--json", folder, code=2)) == 3
    assert len(list((tmp_path / "out").iterdir())) == 3
    empty = tmp_path / "empty"
    empty.mkdir()
    done = program.run("show", empty, check=False)
    assert done.returncode == 1 and b"no log is there" in done.stderr


def test_all_logs_of_a_bucket_are_read(make_s3_server, bucket, tmp_path):
    server = make_s3_server(bucket, bucket.store.endpoint, settings={"prefix": "a/%u/"}).start()
    for number in range(2):
        assert server.run(f"echo number {number}").returncode == 0
        bucket.wait(number + 1)
    admin = bucket.store.admin
    variables = {
        "AWS_ENDPOINT_URL": bucket.store.endpoint,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": admin.access,
        "AWS_SECRET_ACCESS_KEY": admin.secret,
    }

    def run(*arguments):
        command = [program.path(), *map(str, arguments)]
        return subprocess.run(command, env=environment(**variables), capture_output=True, check=True, timeout=60).stdout

    folder, out = tmp_path / "logs", tmp_path / "out"
    files = bucket.download(folder)
    place = f"s3://{bucket.name}/a/"
    shown = [json.loads(line) for line in run("show", "--json", place).splitlines()]
    assert {page["connectionId"] for page in shown} == {file.name for file in files}
    run("convert", place, "--to", "text", "--output", out)
    assert sorted(file.read_text() for file in out.iterdir()) == ["number 0\n", "number 1\n"]
    assert b"No files" in run("files", place)


def test_a_connection_is_chosen_for_a_replay(recorded, server):
    child = pexpect.spawn(
        program.path(),
        ["replay", "--raw", "--speed", "1000", str(server.audit)],
        env=environment(),
        timeout=30,
        dimensions=(24, 120),
    )
    child.expect_exact(b"Which one? [1-3]")
    listed = child.before.decode()
    assert [listed.index(log.file.name) for log in recorded] == sorted(
        (listed.index(log.file.name) for log in recorded), reverse=True
    ), "the latest comes first"
    assert "(sftp)" in listed and "echo number 1" in listed
    child.send("2\r")
    child.expect_exact(b"number 1\r\n")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_show_waits_for_the_end_if_it_is_told_to(server):
    client = session(server, "exec cat")
    (file,) = server.files()
    waiting = subprocess.Popen([program.path(), "show", "--json", "--follow", file], stdout=subprocess.PIPE)
    [now] = lines("show", "--json", file)
    assert now["state"] == "open" and waiting.poll() is None
    client.communicate(timeout=30)
    server.log()
    page = json.loads(waiting.communicate(timeout=30)[0])
    assert waiting.returncode == 0
    assert page == lines("show", "--json", file)[0] and page["state"] == "intact"


def test_a_search_goes_on_while_sessions_do(server):
    assert server.run("echo the first needle").returncode == 0
    server.log()
    command = [program.path(), "search", "needle", "--shown", "--follow", "--json"]
    watching = subprocess.Popen([*command, server.audit], stdout=subprocess.PIPE)

    def hit() -> str:
        return json.loads(watching.stdout.readline())["line"]

    assert hit() == "the first needle"
    terminal = Terminal(server)
    terminal.prompt()
    (file,) = (file for file in server.files() if file.name in server.open_logs())
    one = subprocess.Popen([*command, file], stdout=subprocess.PIPE)
    terminal.types("echo the second nee''dle\r")
    terminal.sees("the second needle\r\n")
    assert hit() == "the second needle"
    assert json.loads(one.stdout.readline())["line"] == "the second needle"
    terminal.types("exit\r")
    terminal.end()
    server.log()
    assert one.communicate(timeout=30)[0] == b"" and one.returncode == 0
    assert server.run("echo the third needle").returncode == 0
    assert hit() == "the third needle"
    watching.terminate()
    assert watching.communicate(timeout=30)[0] == b"", "nothing comes twice"
    limited = subprocess.run([*command, "--limit", "2", server.audit], capture_output=True, timeout=60)
    assert limited.returncode == 0 and len(limited.stdout.splitlines()) == 2
    refused = program.run("search", "x", "-", "--follow", check=False, input=b"")
    assert refused.returncode == 2 and b"--follow is of one" in refused.stderr
