"""Where users prove themselves: a real provider of OpenID Connect, a double of GitHub, and the browser that
a person would use."""

import http.cookiejar
import json
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .program import ROOT

CLIENT = "auditssh-gateway"


class Forms(HTMLParser):
    """The forms of a page: where each goes, and what it holds already."""

    def __init__(self, page: str):
        super().__init__()
        self.forms: list[tuple[str, dict]] = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "form":
            self.forms.append((attributes.get("action", ""), {}))
        elif tag == "input" and self.forms and attributes.get("name"):
            self.forms[-1][1][attributes["name"]] = attributes.get("value") or ""


class Browser:
    """Follows redirects, keeps cookies, and sends forms."""

    def __init__(self):
        self.opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        )
        self.address = self.page = ""

    def open(self, address: str, fields: dict | None = None) -> str:
        data = urllib.parse.urlencode(fields).encode() if fields is not None else None
        with self.opener.open(address, data, timeout=30) as answer:
            self.address, self.page = answer.url, answer.read().decode()
        return self.page

    def send(self, **fields) -> str:
        """Sends the first form of the page."""
        action, filled = Forms(self.page).forms[0]
        return self.open(urllib.parse.urljoin(self.address, action), filled | fields)


class Provider:
    """oidc-provider, in Node.js, with one client."""

    def __init__(self, secret: str, **settings):
        self.secret = secret
        told = json.dumps({"clientId": CLIENT, "clientSecret": secret, **settings})
        script = ROOT / "target" / "oidc" / "provider.mjs"
        self.process = subprocess.Popen(
            ["node", str(script), told], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.issuer = self.process.stdout.readline().decode().strip()
        assert self.issuer, self.process.stderr.read().decode()

    def settings(self, **changes) -> dict:
        """The block `auth.keyboardInteractive`."""
        oidc = {"url": self.issuer, **changes}
        block = {"provider": "oidc", "clientId": CLIENT, "clientSecret": self.secret, "oidc": oidc}
        return {"method": "oauth2", "oauth2": block}

    @staticmethod
    def approve(page: str, code: str, name: str) -> None:
        """What a person does: types the code, logs in as the name, agrees."""
        browser = Browser()
        browser.open(page)
        browser.send(user_code=code)
        browser.send()
        browser.send(login=name, password="any")
        assert "Sign-in Success" in browser.send(), browser.page

    @staticmethod
    def abort(page: str, code: str) -> None:
        browser = Browser()
        browser.open(page)
        browser.send(user_code=code)
        try:
            browser.send(abort="yes")
        except urllib.error.HTTPError as error:
            error.close()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


class GitHub:
    """The addresses of GitHub that logins need. `answers` are those to questions for the token, in turn,
    the last of them for ever."""

    TOKEN = "gho_canary0123456789abcdef"
    PENDING = {"error": "authorization_pending"}

    def __init__(self):
        self.user = {"login": "carol", "id": 1, "two_factor_authentication": True}
        self.organizations: dict[str, str] = {}
        self.answers = [self.PENDING, self.token()]
        self.device = {"interval": 1, "expires_in": 900}
        self.requests: list[tuple[str, dict]] = []
        self.faults: list[str] = []
        double = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                raw = self.rfile.read(int(self.headers["Content-Length"])).decode()
                fields = dict(urllib.parse.parse_qsl(raw, strict_parsing=True))
                double.requests.append((self.path, fields))
                self.say(*double.posted(self.path, fields))

            def do_GET(self):
                double.requests.append((self.path, {}))
                known = self.headers["Authorization"] == f"Bearer {double.TOKEN}" and self.headers["User-Agent"]
                if self.path.startswith("/api/") and not known:
                    double.faults.append(f"{self.path}: {self.headers}")
                self.say(*double.got(self.path))

            def say(self, status: int, answer) -> None:
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @classmethod
    def token(cls, scope: str = "") -> dict:
        return {"access_token": cls.TOKEN, "token_type": "bearer", "scope": scope}

    def posted(self, path: str, fields: dict) -> tuple[int, dict]:
        if fields.get("client_id") != CLIENT or fields.get("client_secret") != "canaryclientsecret":
            self.faults.append(f"{path}: {fields}")
        if path == "/login/device/code":
            page = {"verification_uri": f"{self.url}/login/device", "user_code": "WDJB-MJHT"}
            return 200, {"device_code": "canarydevicecode", **page, **self.device}
        if path == "/login/oauth/access_token":
            if fields.get("device_code") != "canarydevicecode" or "device_code" not in fields["grant_type"]:
                self.faults.append(f"{path}: {fields}")
            return 200, self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return 404, {}

    def got(self, path: str) -> tuple[int, dict]:
        organization = path.removeprefix("/api/user/memberships/orgs/")
        if path == "/api/user":
            return 200, self.user
        if organization in self.organizations:
            return 200, {"state": self.organizations[organization]}
        return 404, {"message": "Not Found"}

    def asked(self, path: str) -> list[dict]:
        return [fields for asked, fields in self.requests if asked == path]

    def settings(self, **changes) -> dict:
        """The block `auth.keyboardInteractive`."""
        github = {"url": self.url, "apiurl": f"{self.url}/api", **changes}
        block = {"provider": "github", "clientId": CLIENT, "clientSecret": "canaryclientsecret", "github": github}
        return {"method": "oauth2", "oauth2": block}

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        assert not self.faults, self.faults
