"""`auditssh replay`: a recording in the terminal of whoever watches."""

import io
import signal
import termios

import pexpect
import pytest
import pyte

from harness import program
from harness.master import shared
from harness.server import environment
from harness.terminal import Terminal
from harness.wait import until


def is_usual(terminal: int) -> bool:
    """Whether a terminal echoes, gathers lines and makes signals of keys, as it does at first."""
    input, output, _, local, *_ = termios.tcgetattr(terminal)
    wanted = termios.ECHO | termios.ICANON | termios.ISIG
    return bool(input & termios.ICRNL and output & termios.OPOST) and local & wanted == wanted


class Watcher:
    """`auditssh replay` on a terminal that is a screen of its own."""

    def __init__(self, *arguments, rows: int = 24, columns: int = 80):
        self.shown = io.BytesIO()
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.child = pexpect.spawn(
            program.path(), ["replay", *map(str, arguments)], env=environment(), timeout=30, dimensions=(rows, columns)
        )
        self.child.logfile_read = self.shown
        self.child.delaybeforesend = None

    def look(self) -> list[str]:
        """What stands on the screen by now."""
        try:
            self.stream.feed(self.child.read_nonblocking(1 << 16, timeout=0.05))
        except (pexpect.TIMEOUT, pexpect.EOF):
            pass
        return [line.rstrip() for line in self.screen.display]

    def sees(self, text: str) -> None:
        until(lambda: any(text in line for line in self.look()), what=f"{text!r} on the screen")

    def status(self) -> str:
        return self.look()[-1]

    def types(self, keys: str) -> None:
        self.child.send(keys)

    def ended(self) -> int:
        self.child.expect(pexpect.EOF)
        assert is_usual(self.child.child_fd)
        assert self.shown.getvalue().rstrip().endswith(b"\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l")
        self.child.close()
        return self.child.exitstatus


@pytest.fixture
def watcher():
    watchers = []

    def make(*arguments, **size) -> Watcher:
        watchers.append(Watcher(*arguments, **size))
        return watchers[-1]

    yield make
    for one in watchers:
        one.child.close(force=True)


@pytest.fixture
def session(server):
    person = Terminal(server, rows=20, columns=70)
    person.prompt()
    person.types("echo 'first 漢字'; printf '\\033]0;title\\007\\033]52;c;YQ==\\007\\033[6n'\r")
    person.sees("first 漢字\r\n")
    person.types("\r\rclear\r")
    person.sees("ready> ")
    person.types("echo sec''ond\r")
    person.sees("second\r\n")
    person.types("exit\r")
    person.end()
    return server.log()


def test_a_recording_is_played(session, watcher):
    watching = watcher(session.file, "--speed", "1000", "--idle-limit", "0.1")
    watching.sees("second")
    until(lambda: "■" in watching.status(), what="the end")
    assert "#0 shell" in watching.status() and "70x20" in watching.status()
    watching.types("0")
    watching.types(" ")
    watching.types("n")
    until(lambda: "/" in watching.status() and "commands" in watching.status(), what="commands")
    watching.types("q")
    assert watching.ended() == 0
    shown = watching.shown.getvalue()
    for sequence in (b"\x1b]", b"\x1b[6n", b"\x1bP"):
        assert sequence not in shown


def test_a_recording_is_stepped_and_sought(session, watcher):
    watching = watcher(session.file, "--speed", "0.01")
    watching.types(" ")
    until(lambda: "‖" in watching.status(), what="a pause")
    assert not any("second" in line for line in watching.look())

    def stepped() -> bool:
        watching.types(".")
        return any("second" in line for line in watching.look())

    until(stepped, what="the second command, step by step")
    watching.types("0")
    until(lambda: not any("second" in line for line in watching.look()), what="the beginning")
    watching.types("\x03")
    assert watching.ended() == 0


def test_a_replay_begins_where_it_is_told(session, watcher):
    watching = watcher(session.file, "--at", "99:59")
    watching.sees("second")
    until(lambda: "■" in watching.status(), what="the end")
    watching.types("q")
    assert watching.ended() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_the_terminal_is_given_back(session, watcher, number):
    watching = watcher(session.file, "--speed", "0.01")
    until(lambda: "▶" in watching.status(), what="the replay")
    watching.child.kill(number)
    assert watching.ended() == 128 + number


def test_one_of_several_is_chosen(server, watcher):
    with shared(server) as master:
        for number in range(2):
            master.run(f"echo number {number}")
        master.end()
    log = server.log()
    watching = watcher(log.file)
    watching.sees("Which one? [1-2]")
    watching.types("2\r")
    watching.sees("number 1")
    watching.types("q")
    assert watching.ended() == 0
    watching = watcher(log.file, "--channel", "0")
    watching.sees("number 0")
    watching.types("q")
    assert watching.ended() == 0


def test_raw_output_is_as_it_was(session):
    child = pexpect.spawn(
        program.path(), ["replay", "--raw", "--speed", "1000", str(session.file)], env=environment(), timeout=30
    )
    child.expect_exact(b"\x1b]0;title\x07")
    child.expect(pexpect.EOF)
    assert is_usual(child.child_fd)
    child.close()
    assert child.exitstatus == 0


def test_a_replay_needs_a_terminal(session):
    done = program.run("replay", session.file, check=False)
    assert done.returncode == 1 and b"needs a terminal" in done.stderr


def test_a_session_is_watched_while_it_goes_on(server, watcher):
    person = Terminal(server, rows=20, columns=70)
    person.prompt()
    person.types("echo bef''ore\r")
    person.sees("before\r\n")
    (file,) = server.files()
    watching = watcher(file, "--follow")
    watching.sees("before")
    until(lambda: "●" in watching.status(), what="it is live")
    person.types("echo dur''ing\r")
    watching.sees("during")
    # Back to the beginning, and on from there.
    watching.types("0")
    until(lambda: "▶" in watching.status(), what="it is played")
    watching.types("++++++++++")
    until(lambda: "●" in watching.status(), what="it is live again")
    person.types("exit\r")
    person.end()
    server.log()
    until(lambda: "■" in watching.status(), what="the end")
    watching.types("q")
    assert watching.ended() == 0
