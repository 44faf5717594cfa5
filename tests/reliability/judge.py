"""Compares what clients and backends saw with what the logs hold, byte for byte."""

import base64
import json
from collections import defaultdict

from server import auditssh, messages

STREAMS = {0: "stdin", 1: "stdout", 2: "stderr"}


class Evidence:
    """All that the logs of a directory say about each session, found by its token."""

    def __init__(self, directory):
        self.streams = defaultdict(lambda: defaultdict(bytearray))
        self.exits = defaultdict(list)
        self.started = set()
        self.logs = sorted(p for p in directory.iterdir() if "." not in p.name)
        for log in self.logs:
            self._read(log)

    def _read(self, log):
        token_of = {}
        for message in messages(log):
            payload, channel = message.get("payload") or {}, message.get("channelId")
            match message.get("type"):
                case 402 if payload["name"] == "LC_TOKEN":
                    token_of[channel] = payload["value"]
                case 403 | 405:
                    self.started.add(token_of.get(channel))
                case 499:
                    self.exits[token_of.get(channel)].append(payload["exitStatus"])
                case 500:
                    stream = self.streams[token_of.get(channel)]
                    stream[STREAMS[payload["stream"]]] += base64.b64decode(payload["data"])


def losses(witness, evidence, moment=None):
    """What a session saw (up to a moment) and its log does not hold; an empty list is the promise."""
    found = []
    recorded = evidence.streams[witness.token]
    for name in ("stdout", "stderr"):
        seen = bytes(witness.seen[name]) if moment is None else witness.before(name, moment)
        held = bytes(recorded[name])
        if not held.startswith(seen):
            found.append(f"{witness.token}: {name}: {len(seen)} bytes seen, {len(held)} held, equal up to {common(seen, held)}")
    if witness.started is not None and (moment is None or witness.started <= moment) and witness.token not in evidence.started:
        found.append(f"{witness.token}: its start was answered and is not recorded")
    exits = [s for when, s in witness.exits if moment is None or when <= moment]
    held = evidence.exits[witness.token]
    if held[: len(exits)] != exits:
        found.append(f"{witness.token}: exits seen {exits[-3:]} ({len(exits)}), held {held[-3:]} ({len(held)})")
    return found


def backend_losses(witness, evidence, received=None):
    """What the program behind a session received (by now, if not given) and the log does not hold."""
    received = witness.backend() if received is None else received
    typed = bytes(evidence.streams[witness.token]["stdin"])
    if witness.kind == "shell":
        lines = [b"echo %s | tee" % n for n in received.split()]
        missing = [line for line in lines if line not in typed]
        return [f"{witness.token}: {len(missing)} commands ran unrecorded"] if missing else []
    if not typed.startswith(received):
        return [f"{witness.token}: stdin: {len(received)} bytes received, {len(typed)} held, equal up to {common(received, typed)}"]
    return []


def common(left, right):
    return next((i for i, (a, b) in enumerate(zip(left, right)) if a != b), min(len(left), len(right)))


def verdicts(directory):
    """What `verify` says of each log: a count for each state."""
    counts = defaultdict(int)
    out = auditssh("verify", "--json", directory, ok=(0, 1, 2))
    for line in out.splitlines():
        state = json.loads(line)
        counts[state.get("state") or state.get("verdict")] += 1
    return dict(counts)


def broken(directory):
    """What `verify` calls other than whole: nothing that a crash leaves is, once it is recovered."""
    whole = ("intact", "recovered")
    bad = {verdict: count for verdict, count in verdicts(directory).items() if verdict not in whole}
    return [f"verify: {bad}"] if bad else []
