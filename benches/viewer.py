#!/usr/bin/env python3
"""The viewer over very many recordings: how long its answers and pages take.

    viewer.py [--sessions N]

A hundred sessions are recorded by a server, of ten users and ten commands, and their logs linked under other ids until
there are so many (at first 100,000), all of them with an index. `auditssh web` shows them. Times are medians of nine;
those of pages are Chromium's, from the address or the last letter typed until the rows stand there. AUDITSSH names
another program than the release build. Prints the table of docs/performance.md.
"""

import argparse
import json
import os
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
os.environ.setdefault("AUDITSSH", str(ROOT / "target" / "release" / "auditssh"))
sys.path.insert(0, str(ROOT / "tests"))
from harness import browser as chromium, program  # noqa: E402
from harness.server import PASSWORD, Server, free_port  # noqa: E402
from harness.wait import until  # noqa: E402
from harness.web import Browser  # noqa: E402
from playwright.sync_api import expect  # noqa: E402

ROUNDS = 9


def recorded(home, password_hash):
    """A directory with a hundred logs, and their indexes."""
    users = [f"user{number}" for number in range(10)]
    server = Server(home, password_hash)
    key = {"authorizedKeys": [server.key.public]}
    server.config["users"] |= dict.fromkeys(users, key)
    server.start()
    jobs = [(user, f"echo job-{number}; seq 50") for user in users for number in range(10)]
    with ThreadPoolExecutor(4) as pool:
        for done in pool.map(lambda job: server.run(job[1], user=job[0]), jobs):
            assert done.returncode == 0, done
    assert server.stop() == 0
    program.run("index", server.audit)
    return server.audit


def multiplied(audit, count):
    logs = sorted(file for file in audit.iterdir() if len(file.name) == 32)
    made = len(logs)
    while made < count:
        log = logs[made % len(logs)]
        id = secrets.token_hex(16)
        os.link(log, audit / id)
        os.link(audit / f".{log.name}.index", audit / f".{id}.index")
        made += 1


class Alone:
    """`auditssh web` over a directory."""

    def __init__(self, home, audit, password_hash):
        self.port = free_port()
        config = home / "web.yaml"
        config.touch(0o600)
        web = {
            "listen": f"127.0.0.1:{self.port}",
            "accessLog": str(home / "access"),
            "users": {"carol": {"password": password_hash, "role": "admin"}},
        }
        file = {"directory": str(audit)}
        config.write_text(json.dumps({"audit": {"format": "audit", "storage": "file", "file": file}, "web": web}))
        command = [program.path(), "web", "--config", config]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.origin = f"http://127.0.0.1:{self.port}"
        self.user, self.password = "carol", PASSWORD

    def memory(self):
        """What it holds, in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1000


def logged_in(viewer):
    try:
        return viewer.login("carol", PASSWORD).status == 200
    except ConnectionRefusedError:
        return False


def timed(what):
    begun = time.perf_counter()
    what()
    return time.perf_counter() - begun


def median(what):
    return statistics.median(timed(what) for _ in range(ROUNDS)) * 1000


def answers(viewer, count):
    """The viewer's own part: the JSON of a page."""
    print("| answer: a page of 50 | of | ms |\n|---|---|---|")
    for name, query in [
        ("the newest", {}),
        ("the last page", {"page": str(count // 50)}),
        ("of one user", {"user": "user7"}),
        ("from a network", {"address": "127.0.0.0/8"}),
        ("that ran a command", {"command": "job-7"}),
        ("the longest", {"sort": "duration"}),
        ("by user", {"sort": "user", "order": "asc"}),
    ]:
        found = viewer.get("/sessions", **query)
        took = median(lambda query=query: viewer.get("/sessions", **query))
        print(f"| {name} | {found['total']} | {took:.0f} |", flush=True)


def pages(alone):
    print("\n| page in the browser | ms |\n|---|---|")
    with_pages = chromium.Browser()
    try:
        page = with_pages.page(alone)
        page.goto("/")
        chromium.log_in(page, alone)
        rows = page.locator("tr.row")
        expect(rows).to_have_count(50)

        def opened():
            page.goto("/")
            expect(rows).to_have_count(50)

        def turned():
            first = rows.first.get_by_role("link").get_attribute("href")
            page.keyboard.press("n")
            expect(rows.first.get_by_role("link")).not_to_have_attribute("href", first)

        def filtered():
            page.goto("/")
            expect(rows).to_have_count(50)
            page.get_by_label("User").fill("user7")
            begun = time.perf_counter()
            expect(rows.filter(has_text="user7")).to_have_count(50)
            return time.perf_counter() - begun

        opened()
        print(f"| the list, loaded anew | {median(opened):.0f} |")
        print(f"| the next page | {median(turned):.0f} |")
        took = statistics.median(filtered() for _ in range(ROUNDS)) * 1000
        print(f"| a filter, after the last letter (300 ms of it is a pause) | {took:.0f} |")
    finally:
        with_pages.close()


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--sessions", type=int, default=100_000)
    given = options.parse_args()
    home = Path(tempfile.mkdtemp(prefix="auditssh-bench-"))
    alone = None
    try:
        password_hash = program.run("hash-password", input=PASSWORD.encode()).stdout.decode().strip()
        audit = recorded(home, password_hash)
        multiplied(audit, given.sessions)
        alone = Alone(home, audit, password_hash)
        viewer = Browser(alone.port)
        begun = time.perf_counter()
        until(lambda: logged_in(viewer), what="the viewer listens")
        until(lambda: viewer.get("/sessions")["total"] >= 50, what="the newest")
        first = time.perf_counter() - begun
        until(lambda: viewer.get("/sessions")["total"] == given.sessions, 600, "all sessions are listed")
        print(
            f"{given.sessions} sessions: the newest are listed after {first:.1f} s, all after "
            f"{time.perf_counter() - begun:.1f} s; the viewer holds {alone.memory():.0f} MB\n"
        )
        answers(viewer, given.sessions)
        pages(alone)
    finally:
        if alone:
            alone.process.kill()
            alone.process.wait()
        shutil.rmtree(home)


if __name__ == "__main__":
    main()
