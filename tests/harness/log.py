"""Reads finished logs without any code of the program under test: gzip, CBOR, nothing else."""

import base64
import gzip
import json
from dataclasses import dataclass
from pathlib import Path

import cbor2

from . import program

CONNECT, DISCONNECT = 0, 1
PASSWORD, PASSWORD_OK, PASSWORD_FAILED = 100, 101, 102
PUBKEY, PUBKEY_OK, PUBKEY_FAILED = 104, 105, 106
CHALLENGE, ANSWER, INTERACTIVE_FAILED = 108, 109, 110
HANDSHAKE_FAILED, HANDSHAKE_OK = 198, 199
GLOBAL_UNKNOWN = 200
CHANNEL_OK, CHANNEL_FAILED = 301, 302
REQUEST_UNKNOWN = 400
SETENV, EXEC, PTY, SHELL, SIGNAL, SUBSYSTEM, WINDOW = 402, 403, 404, 405, 406, 407, 408
CLOSE_WRITE, CLOSE, EXIT_SIGNAL, EXIT, IO, REQUEST_FAILED = 496, 497, 498, 499, 500, 501

STDIN, STDOUT, STDERR = 0, 1, 2


@dataclass
class Message:
    """One entry of a log."""

    type: int
    channel: int | None
    payload: dict | None
    time: int
    connection: str

    def __getitem__(self, key: str):
        return self.payload[key]


class Log:
    """The finished log of one connection."""

    def __init__(self, file: Path, messages: list[Message]):
        self.file = file
        self.messages = messages

    def __repr__(self) -> str:
        lines = (f"  {m.channel} {m.type} {str(m.payload)[:160]}" for m in self.messages)
        return f"{self.file.name}:\n" + "\n".join(lines)

    def of(self, kind: int, channel: int | None = None) -> list[Message]:
        """The messages of one type, on one channel if given."""
        return [m for m in self.messages if m.type == kind and channel in (None, m.channel)]

    def only(self, kind: int) -> Message:
        """The one message of a type."""
        found = self.of(kind)
        assert len(found) == 1, f"{len(found)} messages of type {kind} in\n{self!r}"
        return found[0]

    def io(self, stream: int, channel: int | None = None) -> bytes:
        """All bytes of one stream in their order."""
        return b"".join(m["data"] for m in self.of(IO, channel) if m["stream"] == stream)

    def channels(self) -> list[int]:
        """The channels that were opened, in order."""
        return [m.channel for m in self.of(CHANNEL_OK)]

    def shape(self, *, channel: int | None = None, without: tuple[int, ...] = ()) -> list[int]:
        """The order of the types: repeats of I/O drawn together, some types left out."""
        shape: list[int] = []
        for message in self.messages:
            if channel not in (None, message.channel) or message.type in without:
                continue
            if not (message.type == IO and shape[-1:] == [IO]):
                shape.append(message.type)
        return shape

    @property
    def user(self) -> str | None:
        """The login name, if the login succeeded."""
        found = self.of(HANDSHAKE_OK)
        return found[0]["username"] if found else None


def parse(file: Path) -> list[Message]:
    """Reads a finished version 1 log as a stranger would; strict about its end."""
    data = file.read_bytes()
    assert data[:32] == b"ContainerSSH-Auditlog".ljust(32, b"\0"), f"{file}: magic"
    assert int.from_bytes(data[32:40], "little") == 1, f"{file}: version"
    items = cbor2.loads(gzip.decompress(data[40:]))
    return [
        Message(m["type"], m["channelId"], m["payload"], m["timestamp"], m["connectionId"])
        for m in items
    ]


def decoded(file: Path, *options: str) -> list[dict]:
    """What `auditssh decode` prints of a log."""
    done = program.run("decode", *options, file)
    return [json.loads(line) for line in done.stdout.decode().splitlines()]


def finished(file: Path) -> Log:
    """A finished log, after checks that hold for every one of them.

    It begins with the connection and ends with its end, time never runs backwards, the program's
    own decoder says the same as gzip and CBOR do, and `verify` calls it intact.
    """
    messages = parse(file)
    log = Log(file, messages)
    assert messages[0].type == CONNECT and messages[-1].type == DISCONNECT, repr(log)
    assert len(log.of(DISCONNECT)) == 1, repr(log)
    times = [m.time for m in messages]
    assert times == sorted(times), repr(log)
    assert {m.connection for m in messages} == {file.name}, repr(log)

    check_decoder(file, messages)
    program.run("verify", file)
    return log


def whole(file: Path) -> Log:
    """A log that is finished, or that the server's death ended and a later one recovered."""
    verdict = program.run("verify", file, check=False)
    if verdict.returncode == 0:
        return finished(file)
    assert verdict.returncode == 1 and b"recovered" in verdict.stdout.lower(), verdict
    log = Log(file, parse(file))
    check_decoder(file, log.messages)
    return log


def check_decoder(file: Path, messages: list[Message]) -> None:
    """The program's own decoder says the same as gzip and CBOR do."""
    assert [same(m) for m in messages] == [
        (m["type"], m["channelId"], m["payload"], m["timestamp"]) for m in decoded(file)
    ]


def same(message: Message) -> tuple:
    """A message in the shape that the JSON lines have."""
    return (message.type, message.channel, json_value(message.payload), message.time)


def json_value(value):
    """CBOR as JSON: bytes become base64."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {key: json_value(item) for key, item in value.items()}
    if isinstance(value, list):
        return [json_value(item) for item in value]
    return value
