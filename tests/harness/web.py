"""A viewer in the browser's place: Python's own HTTP client, with a cookie and an origin."""

import http.client
import json
import ssl
import threading
from dataclasses import dataclass
from urllib.parse import urlencode

from .wait import until


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self):
        return json.loads(self.body)


class Browser:
    """Asks the viewer at a port of this machine."""

    def __init__(self, port: int, context: ssl.SSLContext | None = None, host: str | None = None):
        self.port = port
        self.context = context
        scheme = "https" if context else "http"
        self.host = host or f"127.0.0.1:{port}"
        self.origin = f"{scheme}://{self.host}"
        self.cookie: str | None = None

    def connection(self, timeout: float = 60) -> http.client.HTTPConnection:
        if self.context:
            return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout, context=self.context)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def headers(self, **headers: str) -> dict[str, str]:
        cookie = {"Cookie": self.cookie} if self.cookie else {}
        return {"Host": self.host, "Origin": self.origin, **cookie, **headers}

    def ask(self, path: str, method: str = "GET", body=None, headers: dict[str, str] | None = None, **query) -> Answer:
        """One request. Headers that are None are left out."""
        path = f"{path}?{urlencode(query)}" if query else path
        connection = self.connection()
        fields = {name: value for name, value in (self.headers() | (headers or {})).items() if value is not None}
        try:
            if body is not None:
                body = json.dumps(body)
                fields.setdefault("Content-Type", "application/json")
            connection.request(method, path, body, fields)
            response = connection.getresponse()
            answered = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, answered, response.read())
        finally:
            connection.close()

    def get(self, path: str, **query):
        """The JSON of an answer that must be one."""
        answer = self.ask(f"/api/v1{path}", **query)
        assert answer.status == 200, (path, answer)
        return answer.json()

    def login(self, user: str, password: str) -> Answer:
        answer = self.ask("/api/v1/login", "POST", {"user": user, "password": password})
        if answer.status == 200:
            self.cookie = answer.headers["set-cookie"].split(";")[0]
        return answer

    def events(self, path: str, **headers: str) -> "Events":
        return Events(self, path, headers)


class Events:
    """Server-Sent Events, read in the background as they come."""

    def __init__(self, browser: Browser, path: str, headers: dict[str, str]):
        self.connection = browser.connection()
        self.connection.request("GET", path, headers=browser.headers(**headers))
        self.response = self.connection.getresponse()
        assert self.response.status == 200, self.response.read()
        assert self.response.getheader("content-type") == "text/event-stream"
        self.events: list[dict] = []
        self.ended = False
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self) -> None:
        event: dict = {}
        try:
            for line in self.response:
                line = line.decode().rstrip("\n")
                if not line:
                    if "data" in event:
                        self.events.append(event)
                    event = {}
                elif not line.startswith(":"):
                    name, _, value = line.partition(": ")
                    event[name] = json.loads(value) if name == "data" else value
        except (OSError, http.client.HTTPException, ValueError):
            pass
        self.ended = True

    def messages(self) -> list[dict]:
        return [event["data"] for event in self.events if event.get("event", "message") == "message"]

    def output(self, channel: int = 0) -> str:
        """All that a terminal was shown."""
        pieces = (piece for message in self.messages() for piece in message["cast"] if piece["channel"] == channel)
        return "".join(event[2] for piece in pieces for event in piece["events"] if event[1] == "o")

    def until_end(self, timeout: float = 30) -> None:
        until(lambda: self.ended, timeout, "the stream of events ends")

    def close(self) -> None:
        self.connection.close()


def listed(browser: Browser, count: int, timeout: float = 30, **query) -> list[dict]:
    """The sessions of the list, as soon as there are so many."""

    def enough():
        found = browser.get("/sessions", **query)
        return found["items"] if found["total"] == count else None

    return until(enough, timeout, f"{count} sessions are listed")

