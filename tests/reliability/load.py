"""Sessions under load, and what their clients and backends have seen."""

import asyncio
import itertools
import os
import time
from pathlib import Path

import asyncssh

KINDS = ("down", "up", "shell", "both", "short")


class Witness:
    """What one session saw. Bytes are kept with the time at which they were known."""

    def __init__(self, kind, token, folder):
        self.kind, self.token = kind, token
        self.file = Path(folder) / token
        self.seen = {"stdout": bytearray(), "stderr": bytearray()}
        self.marks = {"stdout": [], "stderr": []}
        self.started = None  # when the answer to shell or exec was here
        self.exits = []  # (time, status) of programs whose end was seen

    def saw(self, stream, data):
        self.seen[stream] += data
        self.marks[stream].append((time.monotonic(), len(self.seen[stream])))

    def before(self, stream, moment):
        """The bytes that were here at a moment."""
        size = 0
        for when, length in self.marks[stream]:
            if when > moment:
                break
            size = length
        return bytes(self.seen[stream][:size])

    def backend(self):
        """The bytes that the program behind the session received and kept."""
        return self.file.read_bytes() if self.file.exists() else b""


class Ear(asyncssh.SSHClientSession):
    """Notes every byte as it arrives; throttled nowhere."""

    def __init__(self, witness):
        self.witness = witness
        self.over = asyncio.get_running_loop().create_future()

    def session_started(self):
        self.witness.started = self.witness.started or time.monotonic()

    def data_received(self, data, datatype):
        stream = "stderr" if datatype == asyncssh.EXTENDED_DATA_STDERR else "stdout"
        self.witness.saw(stream, data)

    def exit_status_received(self, status):
        self.witness.exits.append((time.monotonic(), status))

    def connection_lost(self, _):
        if not self.over.done():
            self.over.set_result(None)


class Load:
    """Sessions of every kind, two to a connection, that go on until the server is gone."""

    def __init__(self, server, folder, sessions, tag, pace=0.0):
        self.server, self.folder, self.tag, self.pace = server, Path(folder), tag, pace
        self.folder.mkdir(exist_ok=True)
        self.witnesses = [
            Witness(kind, f"{tag}-{number}-{kind}", folder)
            for number, kind in zip(range(sessions), itertools.cycle(KINDS))
        ]
        self.tasks = []

    async def start(self):
        """Starts every session; returns when all of them run."""
        pairs = [self.witnesses[i : i + 2] for i in range(0, len(self.witnesses), 2)]
        ready = [asyncio.get_running_loop().create_future() for _ in self.witnesses]
        ready_of = dict(zip((w.token for w in self.witnesses), ready))
        gate = asyncio.Semaphore(8)
        for pair in pairs:
            self.tasks.append(asyncio.create_task(self._connection(pair, ready_of, gate)))
        await asyncio.wait_for(asyncio.gather(*ready), 60)

    async def end(self):
        """Waits for the sessions to notice that the server is gone."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def _connection(self, pair, ready, gate):
        async with gate:
            connection = await asyncssh.connect(
                "127.0.0.1",
                self.server.port,
                username="load",
                client_keys=[self.server.client_key],
                known_hosts=None,
                encryption_algs="aes256-gcm@openssh.com",
            )
        try:
            await asyncio.gather(*(self._session(connection, w, ready[w.token]) for w in pair))
        except (asyncssh.Error, OSError):
            pass  # the server is gone
        finally:
            connection.abort()

    async def _session(self, connection, witness, ready):
        await getattr(self, f"_{witness.kind}")(connection, witness, ready)

    async def _open(self, connection, witness, command, **options):
        return await connection.create_session(
            lambda: Ear(witness), command, env={"LC_TOKEN": witness.token}, encoding=None, **options
        )

    async def _down(self, connection, witness, ready):
        slow = "" if not self.pace else f" | while read -r l; do echo $l; sleep {self.pace}; done"
        _, ear = await self._open(connection, witness, f"seq 1 1000000000{slow}")
        ready.set_result(None)
        await ear.over

    async def _up(self, connection, witness, ready):
        channel, ear = await self._open(connection, witness, f"cat > {witness.file}")
        ready.set_result(None)
        for number in itertools.count():
            if ear.over.done():
                return
            channel.write(b"".join(b"%d\n" % n for n in range(number * 1000, number * 1000 + 1000)))
            await asyncio.sleep(self.pace or 0.005)

    async def _shell(self, connection, witness, ready):
        channel, ear = await self._open(connection, witness, None, term_type="xterm", term_size=(80, 24))
        ready.set_result(None)
        for number in itertools.count():
            if ear.over.done():
                return
            channel.write(b"echo %d | tee -a %s\n" % (number, os.fsencode(witness.file)))
            await asyncio.sleep(self.pace or 0.02)

    async def _both(self, connection, witness, ready):
        script = f"while read -r l; do echo $l >> {witness.file}; echo out $l; echo err $l >&2; done"
        channel, ear = await self._open(connection, witness, script)
        ready.set_result(None)
        for number in itertools.count():
            if ear.over.done():
                return
            channel.write(b"%d\n" % number)
            await asyncio.sleep(self.pace or 0.01)

    async def _short(self, connection, witness, ready):
        for number in itertools.count():
            _, ear = await self._open(connection, witness, f"echo {witness.token} {number}; exit {number % 200}")
            if not ready.done():
                ready.set_result(None)
            await ear.over
            if connection.is_closed():
                return
