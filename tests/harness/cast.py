"""Casts as they are read by someone who shares no code with who writes them."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pyte

from .program import ROOT
from .server import environment
from .wait import until


class Emulated(pyte.Screen):
    def select_graphic_rendition(self, *attributes, private=False):
        """`CSI > 4 ; 2 m` and the like are about keys, not colours."""
        if not private:
            super().select_graphic_rendition(*attributes)


# The program whose version 3 the tests install: of Python's packages only version 2 is one.
ASCIINEMA = ROOT / "target" / "tools" / "bin" / "asciinema"
# What it puts where a terminal gets a size.
SIZED = re.compile(rb"\x1b\[8;\d+;\d+t")


def read(text: str) -> tuple[dict, list]:
    """The header of a cast and its events, with times from the beginning."""
    header, *events = map(json.loads, text.splitlines())
    if header["version"] == 3:
        now = 0.0
        events = [[now := now + event[0], *event[1:]] for event in events]
    times = [event[0] for event in events]
    assert times == sorted(times)
    return header, events


class Cast:
    """One file, whole."""

    def __init__(self, name: str, content: bytes):
        assert content.endswith(b"\n"), content[-200:]
        self.name, self.content = name, content
        self.header, self.events = read(content.decode())
        self.channel = int(re.fullmatch(r"[0-9a-f]{32}\.(\d+)\.cast", name)[1])

    def text(self, kind: str) -> str:
        return "".join(data for _, code, data in self.events if code == kind)

    def screen(self) -> list[str]:
        """What stands on the screen when it is played to its end."""
        term = self.header.get("term") or {"cols": self.header["width"], "rows": self.header["height"]}
        screen = Emulated(term["cols"], term["rows"])
        stream = pyte.Stream(screen)
        for _, kind, data in self.events:
            if kind == "o":
                stream.feed(data)
            elif kind == "r":
                columns, rows = map(int, data.split("x"))
                screen.resize(rows, columns)
        return [line.rstrip() for line in screen.display]


def casts(folder: Path, count: int, timeout: float = 30) -> list[Cast]:
    """The casts of a directory by channel, when so many are finished and nothing else is there."""

    def finished() -> list[Path] | None:
        names = sorted(file.name for file in folder.iterdir() if "lock" not in file.name)
        hidden = [name for name in names if name.startswith(".")]
        return (len(names) == count and not hidden) or None

    until(finished, timeout, f"{count} finished casts in {folder}: {list(folder.iterdir())}")
    found = [Cast(file.name, file.read_bytes()) for file in folder.iterdir() if file.suffix == ".cast"]
    assert len(found) == count
    return sorted(found, key=lambda one: one.channel)


def accepted(file: Path) -> bytes:
    """What asciinema's own program shows of it. Version 2 is asked as well if it knows the format."""
    header, events = read(file.read_text())
    raw = said(ASCIINEMA, "convert", "--output-format", "raw", file, "-")
    size = header.get("term") or {"cols": header["width"], "rows": header["height"]}
    assert raw.startswith(b"\x1b[8;%d;%dt" % (size["rows"], size["cols"]))
    shown = SIZED.sub(b"", raw)
    _, same = read(said(ASCIINEMA, "convert", "--output-format", "asciicast-v2", file, "-").decode())
    assert [event[1:] for event in same] == [event[1:] for event in events]
    assert all(abs(one[0] - other[0]) < 0.000_01 for one, other in zip(same, events)), (same, events)
    if header["version"] == 2:
        assert said(Path(sys.executable).parent / "asciinema", "cat", file) == shown
    return shown


def said(*command: str | Path) -> bytes:
    done = subprocess.run(command, capture_output=True, timeout=60, env=environment())
    assert done.returncode == 0, done.stderr
    return done.stdout
