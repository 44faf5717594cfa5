"""A person at a terminal: OpenSSH's client under a pty of ours."""

import io
import signal

import pexpect
import pytest

from harness import program
from harness.log import CLOSE, CLOSE_WRITE, DISCONNECT, EXIT, IO, PTY, SHELL, STDERR, STDIN, STDOUT, WINDOW
from harness.server import environment
from harness.terminal import Terminal


@pytest.fixture
def terminal(server):
    terminals = []

    def make(*options, **size) -> Terminal:
        terminals.append(Terminal(server, *options, **size))
        return terminals[-1]

    yield make
    for one in terminals:
        one.child.close(force=True)


def test_an_interactive_shell(server, terminal):
    person = terminal(rows=30, columns=100)
    person.prompt()
    person.types("stty size; echo $TERM\r")
    person.sees("30 100\r\nxterm\r\n")
    person.types("echo 'grüße, €, 漢字, 🦀'\r")
    person.sees("\r\ngrüße, €, 漢字, 🦀\r\n")

    person.resizes(43, 132)

    person.types("cat\r")
    person.sees("cat\r\n")
    person.types("\x03")
    person.sees("ready> ")
    person.types("echo code $?\r")
    person.sees("code 130\r\n")

    person.types("exit 3\r")
    assert person.end() == 3

    log = server.log()
    pty = log.only(PTY)
    assert (pty["term"], pty["columns"], pty["rows"]) == ("xterm", 100, 30)
    assert pty["modelist"][-1:] == b"\0"
    window = log.of(WINDOW)[-1]
    assert (window["columns"], window["rows"]) == (132, 43)
    assert log.io(STDIN) == person.typed.getvalue()
    assert log.io(STDOUT) == person.shown.getvalue()
    assert log.io(STDERR) == b""
    assert log.only(EXIT)["exitStatus"] == 3
    assert log.shape(channel=0, without=(WINDOW, IO)) == [301, PTY, SHELL, CLOSE_WRITE, EXIT, CLOSE]
    assert log.messages[-1].type == DISCONNECT


def test_a_resize_stands_where_it_happened(server, terminal):
    person = terminal()
    person.prompt()
    person.types("echo be''fore\r")
    person.sees("before\r\n")
    person.resizes(50, 150)
    person.types("exit\r")
    person.end()

    log = server.log()
    outputs = {b"before\r\n": None, b"50 150\r\n": None}
    for index, message in enumerate(log.messages):
        for text in outputs:
            if message.type == IO and message["stream"] == STDOUT and text in message["data"]:
                outputs[text] = index
    resize = log.messages.index(log.only(WINDOW))
    assert outputs[b"before\r\n"] < resize < outputs[b"50 150\r\n"]


def test_a_terminal_for_one_command(server, terminal):
    person = terminal("-o", "RemoteCommand=stty -a; tty; exit 9")
    assert person.end() == 9
    shown = person.shown.getvalue()
    assert b"/dev/pts/" in shown and b" icanon" in shown
    assert server.log().io(STDOUT) == shown


def test_hanging_up_ends_what_runs(server, terminal):
    person = terminal()
    person.prompt()
    person.types("sleep 86399\r")
    person.sees("sleep 86399\r\n")
    person.child.kill(9)
    log = server.log()
    assert log.of(CLOSE) and log.messages[-1].type == DISCONNECT
    assert log.io(STDIN) == person.typed.getvalue()


class Hashing:
    """`auditssh hash-password` on a terminal."""

    def __init__(self):
        self.shown = io.BytesIO()
        self.child = pexpect.spawn(program.path(), ["hash-password"], env=environment(), timeout=30)
        self.child.logfile_read = self.shown
        self.child.delaybeforesend = None

    def asked(self, prompt: bytes, answer: str | None = None) -> None:
        self.child.expect_exact(prompt)
        assert self.child.waitnoecho(30), "what is typed is shown"
        if answer is not None:
            self.child.sendline(answer)

    def ended(self) -> int:
        """The exit status; the terminal shows again what is typed."""
        self.child.expect(pexpect.EOF)
        assert self.child.getecho(), "the terminal is left without echo"
        self.child.close()
        assert self.child.signalstatus is None
        return self.child.exitstatus


def test_a_password_is_asked_for_twice_without_echo():
    hashing = Hashing()
    hashing.asked(b"Password: ", "correct horse")
    hashing.asked(b"The same again: ", "correct horse")
    assert hashing.ended() == 0
    shown = hashing.shown.getvalue()
    assert b"$argon2id$v=19$" in shown and b"horse" not in shown


def test_two_passwords_that_differ_are_not_hashed():
    hashing = Hashing()
    hashing.asked(b"Password: ", "correct horse")
    hashing.asked(b"The same again: ", "correct house")
    assert hashing.ended() == 1
    shown = hashing.shown.getvalue()
    assert b"differ" in shown and b"$argon2id" not in shown and b"correct" not in shown


@pytest.mark.parametrize("prompt", [b"Password: ", b"The same again: "])
def test_an_interrupted_question_leaves_the_terminal_as_it_was(prompt):
    hashing = Hashing()
    if prompt != b"Password: ":
        hashing.asked(b"Password: ", "correct horse")
    hashing.asked(prompt)
    hashing.child.send("half a passw\x03")
    assert hashing.ended() == 130
    assert b"half" not in hashing.shown.getvalue()


def test_a_signal_leaves_the_terminal_as_it_was():
    hashing = Hashing()
    hashing.asked(b"Password: ")
    hashing.child.kill(signal.SIGTERM)
    assert hashing.ended() == 143
