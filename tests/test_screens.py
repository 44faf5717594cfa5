"""Casts of programs that draw, and of very much: live and from the log, each ends in the screen that was seen."""

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from harness import program
from harness.cast import accepted, casts
from harness.terminal import Terminal
from test_views import Screen, converted, played

MANY = 200_000_000
RESET = "\x1bc"


@pytest.fixture
def both(make_server, tmp_path):
    """A server that writes a log and casts; `casts` is the directory of these."""
    log, cast = tmp_path / "log", tmp_path / "cast"
    server = make_server()
    intercept = server.config["audit"].pop("intercept")
    for name in ("format", "storage", "file"):
        del server.config["audit"][name]
    outputs = {"audit": log, "asciinema": cast}
    server.config["audit"]["outputs"] = [
        {"format": form, "storage": "file", "file": {"directory": str(place)}, "intercept": intercept}
        for form, place in outputs.items()
    ]
    for place in outputs.values():
        place.mkdir(mode=0o700)
    server.audit, server.casts = log, cast
    return server.start()


def test_programs_that_draw_end_in_the_same_screen(both):
    person = Terminal(both, rows=30, columns=100)
    person.prompt()
    person.types("export LC_ALL=C.UTF-8 TERM=xterm-256color\r")
    person.sees("ready> ")
    person.types("top -n 3 -d 0.2\r")
    person.sees("PID USER")
    person.sees("ready> ")
    person.types(
        "clear; for i in $(seq 0 5 100); do printf '\\r\\033[38;5;%dm%3d%% %s' $((i + 20)) $i "
        "$(head -c $((i / 5 + 1)) /dev/zero | tr '\\0' '#'); sleep 0.01; done; echo ' do''ne'\r"
    )
    person.sees("done\r\n")
    person.types("exit\r")
    assert person.end() == 0
    log = both.log()
    shown = person.shown.getvalue().decode()
    real = Screen(100, 30)
    real.stream.feed(shown)
    assert "100% #####################" in "\n".join(real.lines())
    [live] = casts(both.casts, 1)
    assert accepted(both.casts / live.name) == shown.encode()
    for recorded in (live.content.decode(), *(converted(log, "--to", f"asciicast-v{one}") for one in (2, 3))):
        assert played(recorded).lines() == real.lines()


@pytest.mark.timeout(600)
def test_two_hundred_megabytes_end_in_the_same_screen(both, tmp_path):
    command = f"head -c {MANY} /dev/zero | tr '\\0' x | fold -w 79; printf '\\033c'; seq 20"
    line = [*both.ssh("-tt"), command]
    client = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    seen, last, length = hashlib.sha256(), b"", 0
    while chunk := client.stdout.read(1 << 20):
        seen.update(chunk)
        last, length = (last + chunk)[-4096:], length + len(chunk)
    assert client.wait(60) == 0 and length > MANY
    real = Screen(80, 24)
    real.stream.feed(RESET + last.decode().rpartition(RESET)[2])
    assert real.lines()[:20] == [str(number) for number in range(1, 21)]
    log = both.log()
    [name] = [file.name for file in both.casts.glob("*.cast")]
    made = tmp_path / "made.cast"
    program.run("convert", log.file, "--to", "asciicast-v2", "--output", made, timeout=300)
    for file in (both.casts / name, made):
        digest, end = output(file)
        assert digest == seen.hexdigest(), file
        screen = Screen(80, 24)
        screen.stream.feed(end)
        assert screen.lines() == real.lines()


def output(file: Path) -> tuple[str, str]:
    """The hash of everything that a cast shows, and what it shows from the last reset on."""
    digest, end = hashlib.sha256(), ""
    with open(file) as lines:
        next(lines)
        for line in lines:
            _, kind, data = json.loads(line)
            if kind == "o":
                digest.update(data.encode())
                end = (end + data)[-65536:]
    return digest.hexdigest(), RESET + end.rpartition(RESET)[2]
