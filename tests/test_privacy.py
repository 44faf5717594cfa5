"""What is not to be intercepted is nowhere: not in a log, not in a tail, not in what is printed."""

import base64
import gzip
import os
import secrets
import signal
import subprocess
import zlib
from pathlib import Path

from harness.log import IO, STDERR, STDIN, STDOUT
from harness.server import PASSWORD
from harness.wait import until
from test_logins import ask
from test_terminal import Terminal

NOTHING = {"stdin": False, "stdout": False, "stderr": False, "passwords": False}


def canary() -> bytes:
    """A string that nothing else contains."""
    return b"canary" + secrets.token_hex(12).encode()


def forms(text: bytes) -> list[bytes]:
    """How a string may look where it was written down."""
    # In base64 what comes before shifts it, and colours its first and last letters.
    shifted = [base64.b64encode(b"x" * n + text)[n and n + 1 : -4] for n in range(3)]
    return [text, text.hex().encode(), text.hex().upper().encode(), *shifted]


def plain(file: Path) -> bytes:
    """All that a file holds: its bytes, and what any gzip member in it unpacks to."""
    data = file.read_bytes()
    found, start = [data], 0
    while (start := data.find(b"\x1f\x8b\x08", start)) >= 0:
        inflate = zlib.decompressobj(wbits=31)
        try:
            found.append(inflate.decompress(data[start:]))
        except zlib.error:
            pass
        start += 1
    return b"\n".join(found)


def assert_nowhere(server, *secrets_: bytes) -> None:
    for file in (f for f in server.directory.rglob("*") if f.is_file() and f.name != "askpass"):
        content = plain(file)
        for secret in secrets_:
            for form in forms(secret):
                assert form not in content, f"{secret!r} as {form!r} in {file}"


def test_the_search_itself_finds(server):
    """The helper above sees what is there: otherwise the tests below would prove nothing."""
    mark = canary()
    server.run("cat > /dev/null", input=mark)
    log = server.log()
    assert mark in plain(log.file)
    assert mark in gzip.decompress(log.file.read_bytes()[40:])
    for before in range(3):
        encoded = base64.b64encode(b"." * before + mark + b"....")
        assert any(form in encoded for form in forms(mark)[3:])


def test_what_is_not_intercepted_is_nowhere(make_server):
    server = make_server(audit={"intercept": NOTHING}, log={"level": "trace"}).start()
    typed, printed, complained = canary(), canary(), canary()
    script = "IFS= read -r a; echo $a; read b; echo $b >&2; read c; read end"
    client = subprocess.Popen(
        [*server.ssh(), script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    client.stdin.write(b"\n".join([printed, complained, typed]) + b"\n")
    client.stdin.flush()
    assert client.stdout.readline() == printed + b"\n"
    assert client.stderr.readline() == complained + b"\n"
    assert_nowhere(server, typed, printed, complained)  # while the session runs: its tails
    client.communicate(b"\n", timeout=30)
    assert server.log().of(IO) == []
    assert_nowhere(server, typed, printed, complained)


def test_passwords_are_nowhere(make_server):
    server = make_server(log={"level": "trace"}).start()
    wrong, answer = canary(), canary()
    ask(server, "password", wrong.decode())
    ask(server, "keyboard-interactive", answer.decode())
    ask(server, "password", PASSWORD)
    ask(server, "keyboard-interactive", PASSWORD)
    server.logs(4)
    assert server.stop() == 0
    assert_nowhere(server, wrong, answer, PASSWORD.encode())


def test_a_crash_leaves_no_core_file(make_server):
    """Wherever core files go on this machine, the kernel tells whether it made one."""
    server = make_server().start(wrapper=("prlimit", "--core=unlimited"))
    server.process.send_signal(signal.SIGABRT)
    _, status = os.waitpid(server.process.pid, 0)
    server.process.returncode = os.waitstatus_to_exitcode(status)
    assert server.process.returncode == -signal.SIGABRT and not os.WCOREDUMP(status)


def test_each_stream_obeys_its_own_setting(make_server):
    for wanted, stream in (("stdin", STDIN), ("stdout", STDOUT), ("stderr", STDERR)):
        server = make_server(audit={"intercept": {**NOTHING, wanted: True}}).start()
        server.run("cat; echo complaint >&2", input=b"words")
        streams = {m["stream"] for m in server.log().of(IO)}
        assert streams == {stream}, wanted


def test_only_what_the_terminal_shows(make_server):
    """`stdin: echoed` keeps a password that is typed at a prompt out, and says how long it was."""
    server = make_server(audit={"intercept": {"stdin": "echoed"}}).start()
    secret = canary()
    person = Terminal(server)
    person.prompt()
    person.types("stty -echo; echo as''king; read secret; stty echo; echo do''ne\r")
    person.sees("asking\r\n")
    person.types(secret.decode() + "\r")
    person.sees("done\r\n")
    person.types("echo visible\r")
    person.sees("\r\nvisible\r\n")
    person.types("exit\r")
    person.end()
    log = server.log()
    assert b"echo visible\r" in log.io(STDIN)
    masked = [m for m in log.messages if m.type == 400 and "masked" in m["requestType"]]
    assert masked, repr(log)
    assert_nowhere(server, secret)


def test_hashes_are_not_shown(server, password_hash):
    until(lambda: server.run("true").returncode == 0)
    assert password_hash not in server.said()
