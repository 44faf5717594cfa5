"""A person at a terminal: OpenSSH's client under a pty of ours."""

import io

import pexpect

from .server import environment


class Terminal:
    """OpenSSH's client under a pty; keeps what was typed and what appeared."""

    def __init__(self, server, *options: str, rows: int = 24, columns: int = 80):
        self.shown, self.typed = io.BytesIO(), io.BytesIO()
        command = server.ssh("-tt", "-o", "EscapeChar=none", *options)
        self.child = pexpect.spawn(
            command[0], command[1:], dimensions=(rows, columns), env=environment(), timeout=30
        )
        self.child.logfile_read, self.child.logfile_send = self.shown, self.typed
        self.child.delaybeforesend = None

    def sees(self, pattern: str) -> None:
        self.child.expect(pattern.encode())

    def types(self, text: str) -> None:
        self.child.send(text.encode())

    def prompt(self) -> None:
        """Waits for the shell and gives it a prompt that is easily told from what is echoed."""
        self.sees("[#$] ")
        self.types("PS1='ready> '\r")
        self.sees("\r\nready> ")

    def resizes(self, rows: int, columns: int) -> None:
        """Changes the window's size and waits until the far side knows it."""
        self.child.setwinsize(rows, columns)
        for _ in range(50):  # ssh may read the next key before it hears of the new size
            self.types("stty size\r")
            self.child.expect(rb"\r\n(\d+ \d+)\r\n")
            if self.child.match[1] == f"{rows} {columns}".encode():
                return
        raise AssertionError("the new size never arrived")

    def end(self) -> int:
        self.child.expect(pexpect.EOF)
        self.child.close()
        return self.child.exitstatus
