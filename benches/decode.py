#!/usr/bin/env python3
"""How fast logs are decoded and verified, beside Python's and Go's gzip and CBOR, in one run.

    decode.py [--size MiB] [--rounds N] [--only interactive,text,random]

Three sessions are made up here (format version 2, so that every library reads them), of so many MiB
of content: an interactive one (small messages), one that prints text, one that sends random bytes.
Every reader runs on one core; what counts is the processor time of its process, the least of its
rounds, so that other work on the machine matters little. Python and Go only decode; `auditssh decode`
writes JSON as well; `auditssh verify` hashes the file and inflates nothing. Go takes part where `go`
is at hand. Prints Markdown.
"""

import argparse
import gzip
import hashlib
import io
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import cbor2

ROOT = Path(__file__).resolve().parents[1]
BINARY = Path(os.environ.get("AUDITSSH", ROOT / "target" / "release" / "auditssh"))
ID = "00112233445566778899aabbccddeeff"
HEADER = b"ContainerSSH-Auditlog".ljust(32, b"\0") + struct.pack("<Q", 2)
CHUNK = 256 << 10


class Writer:
    """A log as docs/format.md says."""

    def __init__(self, path):
        self.out = open(path, "wb")
        self.out.write(HEADER)
        self.previous = hashlib.sha256(b"auditssh log 1\0" + HEADER).digest()
        self.number = self.messages = self.count = self.content = 0
        self.chunk = bytearray()
        self.time = 1_700_000_000_000_000_000

    def add(self, kind, payload, channel=0):
        self.time += 1_000_000
        self.chunk += cbor2.dumps({"connectionId": ID, "timestamp": self.time, "type": kind, "payload": payload, "channelId": channel})
        self.count += 1
        if len(self.chunk) >= CHUNK:
            self.seal()

    def io(self, stream, data):
        self.add(500, {"stream": stream, "data": data})

    def seal(self):
        content = bytes(self.chunk)
        deflate = zlib.compressobj(1, zlib.DEFLATED, -15)
        data = deflate.compress(content) + deflate.flush()
        if len(data) > len(content) * 19 // 20:
            blocks = [content[at : at + 0xFFFF] for at in range(0, len(content), 0xFFFF)]
            heads = (struct.pack("<BHH", block is blocks[-1], len(block), len(block) ^ 0xFFFF) for block in blocks)
            data = b"".join(head + block for head, block in zip(heads, blocks))
        self.member(0, len(content), self.count, data + struct.pack("<II", zlib.crc32(content), len(content)))
        self.content += len(content)
        self.count, self.chunk = 0, bytearray()

    def member(self, flags, content, count, data):
        def prefix(this):
            return (b"\x1f\x8b\x08\x04\0\0\0\0\0\xff" + struct.pack("<H2sHBB", 128, b"AS", 124, 1, flags | (self.number == 0))
                    + struct.pack("<HIIIIQqqQQ", 1, self.number, 140 + len(data), content, count, self.messages, self.time, self.time, 0, 0)
                    + self.previous + this)  # fmt: skip

        this = hashlib.sha256(b"auditssh member 1\0" + prefix(bytes(32)) + data).digest()
        self.out.write(prefix(this) + data)
        self.previous = this
        self.number, self.messages = self.number + 1, self.messages + count

    def finish(self):
        self.add(1, None, None)
        self.seal()
        self.member(2, 0, 0, b"\0\0\0\xff\xff")
        self.out.close()


def session(path, kind, size):
    """Writes a log; returns how many messages and bytes of content it has."""
    log, chance = Writer(path), random.Random(1)
    log.add(0, {"remoteAddr": "127.0.0.1", "country": "XX"}, None)
    words = [bytes(chance.choices(b"abcdefghijklmnopqrstuvwxyz", k=chance.randint(2, 11))) for _ in range(4000)]
    while log.content < size:
        if kind == "interactive":
            key = bytes([chance.randrange(97, 123)])
            log.io(0, key)
            log.io(1, key)
            if chance.random() < 0.1:
                log.io(1, b"\r\n" + b" ".join(chance.choices(words, k=chance.randint(3, 40))) + b"\r\n\x1b[32m$\x1b[0m ")
        elif kind == "text":
            log.io(1, b"".join(b" ".join(chance.choices(words, k=9)) + b"\r\n" for _ in range(64)))
        else:
            log.io(1, chance.randbytes(32 << 10))
    log.finish()
    return log.messages, log.content


def go_reader(home):
    """Builds the program below decode/; None without Go."""
    if not shutil.which("go"):
        return None
    program = home / "decode-go"
    subprocess.run(["go", "build", "-o", program, "."], cwd=ROOT / "benches" / "decode", check=True)
    return program


def python_reader(path):
    """What the process does that measures Python: gzip into memory, then message by message."""
    content, count = io.BytesIO(), 0
    with open(path, "rb") as file:
        file.seek(40)
        stream = gzip.GzipFile(fileobj=file)
        try:
            while part := stream.read1(1 << 16):
                content.write(part)
        except EOFError:
            pass  # version 2 leaves the stream open
    content.seek(0)
    decoder = cbor2.CBORDecoder(content)
    try:
        while True:
            decoder.decode()
            count += 1
    except cbor2.CBORDecodeEOF:
        print(count)


def seconds(command):
    """Processor time of a command on one core, and what it prints."""
    core = {min(os.sched_getaffinity(0))}
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(list(map(str, command)), stdout=out, preexec_fn=lambda: os.sched_setaffinity(0, core))
        _, status, usage = os.wait4(process.pid, 0)
        if os.waitstatus_to_exitcode(status):
            raise RuntimeError(f"{command}: {os.waitstatus_to_exitcode(status)}")
        out.seek(0)
        return usage.ru_utime + usage.ru_stime, out.read(100)


def measure(readers, path, rounds, messages):
    took = {name: [] for name in readers}
    for _ in range(rounds):
        for name, command in readers.items():
            time, said = seconds([*command, path])
            if name in ("Python", "Go") and int(said) != messages:
                raise RuntimeError(f"{name} reads {said!r} of {messages} messages")
            took[name].append(time)
    return {name: min(times) for name, times in took.items()}


def main():
    if sys.argv[1:2] == ["--python"]:
        return python_reader(sys.argv[2])
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--size", type=int, default=64, help="MiB of content of each session")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--only", default="interactive,text,random")
    given = options.parse_args()
    home = Path(tempfile.mkdtemp(prefix="auditssh-bench-", dir="/dev/shm"))
    try:
        readers = {"auditssh decode": [BINARY, "decode"], "auditssh decode --text": [BINARY, "decode", "--text"],
                   "auditssh verify": [BINARY, "verify"], "Python": [sys.executable, __file__, "--python"]}  # fmt: skip
        if go := go_reader(home):
            readers["Go"] = [go]
        print("| session | reader | file, MB/s | content, MB/s | messages/s | Python's time | Go's time |")
        print("|---|---|---|---|---|---|---|")
        for kind in given.only.split(","):
            path = home / ID
            messages, content = session(path, kind, given.size << 20)
            size = path.stat().st_size
            took = measure(readers, path, given.rounds, messages)
            head = f"{kind}: {messages} messages, {size / 1e6:.1f} MB of file, {content / 1e6:.1f} MB of content"
            for name, time in took.items():
                ratios = [f"× {took[other] / time:.1f}" if other in took else "-" for other in ("Python", "Go")]
                cells = [head, name, f"{size / time / 1e6:.0f}", f"{content / time / 1e6:.0f}", f"{messages / time:.0f}", *ratios]
                print("| " + " | ".join(cells) + " |", flush=True)
                head = ""
    finally:
        shutil.rmtree(home)


if __name__ == "__main__":
    main()
