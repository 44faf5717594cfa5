"""Casts as they are read by someone who shares no code with who writes them."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pyte

from .server import environment
from .wait import until


class Emulated(pyte.Screen):
    def select_graphic_rendition(self, *attributes, private=False):
        """`CSI > 4 ; 2 m` and the like are about keys, not colours."""
        if not private:
            super().select_graphic_rendition(*attributes)


class Cast:
    """One file, whole."""

    def __init__(self, name: str, content: bytes):
        assert content.endswith(b"\n"), content[-200:]
        self.name, self.content = name, content
        self.header, *self.events = map(json.loads, content.decode().splitlines())
        if self.header["version"] == 3:
            now = 0.0
            self.events = [[now := now + event[0], *event[1:]] for event in self.events]
        times = [event[0] for event in self.events]
        assert times == sorted(times)
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
    """What asciinema's own program makes of it."""
    asciinema = Path(sys.executable).parent / "asciinema"
    done = subprocess.run([asciinema, "cat", file], capture_output=True, timeout=60, env=environment())
    assert done.returncode == 0, done.stderr
    return done.stdout
