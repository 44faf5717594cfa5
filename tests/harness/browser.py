"""Chromium, and a guard that finds whatever a page does that it should not."""

import json
import re
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Page, sync_playwright

from .program import ROOT
from .wait import until

CHROMIUM = "/usr/bin/chromium"
# The tests run as whoever they are run as, in a machine without a network.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--disable-component-update",
    "--disable-background-networking",
    "--no-first-run",
]
SHOTS = ROOT / "target" / "screenshots"
AXE = ROOT / "target" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]

# What the viewer may ask for.
OWN = re.compile(r"/(assets/[\w.-]+|api/v1/[\w/.-]+|favicon\.svg|login|search|access|sessions/[0-9a-f]{32})?")

# Elements that would load something, and attributes that would run something.
FOREIGN = """() => [...document.querySelectorAll('*')].filter((element) =>
    element.matches('img, iframe, frame, object, embed, video, audio, base, applet, portal, foreignObject, math') ||
    (element.matches('script') && !new URL(element.src, location).pathname.startsWith('/assets/')) ||
    (element.matches('style') && element.textContent !== '') ||
    [...element.attributes].some(({ name, value }) =>
        name.startsWith('on') || name === 'srcdoc' ||
        (['href', 'xlink:href', 'src', 'action', 'formaction'].includes(name) &&
            !/^(#|\\/(?!\\/))/.test(value) && new URL(value, location).origin !== location.origin)),
).map((element) => element.outerHTML.slice(0, 300))"""

# The policy's own reports, and the function that payloads call.
SPY = """
    document.addEventListener('securitypolicyviolation', (event) =>
        console.error(`violation of ${event.violatedDirective} by ${event.blockedURI}`));
    window.pwned = () => console.error('a payload ran');
"""


class Guard:
    """Watches a page from its beginning."""

    def __init__(self, page: Page, origin: str):
        self.page, self.origin = page, origin
        self.wrong: list[str] = []
        page.add_init_script(SPY)
        page.on("request", self._asked)
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        page.on("dialog", self._dialog)
        page.on("popup", lambda other: self.wrong.append(f"another page: {other.url}"))

    def _asked(self, request) -> None:
        parts = urlsplit(request.url)
        if f"{parts.scheme}://{parts.netloc}" != self.origin or not OWN.fullmatch(parts.path):
            self.wrong.append(f"asked for {request.url}")

    def _said(self, message) -> None:
        # The browser says so whenever a page asks who is logged in, and nobody is.
        expected = "status of 401" in message.text and message.location.get("url", "").endswith("/api/v1/me")
        if message.type in ("error", "warning") and not expected:
            self.wrong.append(f"{message.type}: {message.text}")

    def _dialog(self, dialog) -> None:
        self.wrong.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def check(self) -> None:
        """Fails if anything was wrong until now, or something foreign is in the page."""
        self.wrong += [f"in the page: {element}" for element in self.page.evaluate(FOREIGN)]
        assert not self.wrong, "\n".join(self.wrong)


class Browser:
    """One Chromium; each page has cookies and settings of its own."""

    def __init__(self):
        self.playwright = sync_playwright().start()
        self.chromium = self.playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        self.guards: list[Guard] = []

    def page(self, viewer, *, width: int = 1440, height: int = 900, scheme: str = "light") -> Page:
        """A page that nobody is logged in on."""
        context = self.chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            device_scale_factor=2 if width < 500 else 1,
            base_url=viewer.origin,
            timezone_id="UTC",
            accept_downloads=True,
            reduced_motion="reduce",
        )
        context.set_default_timeout(30_000)
        page = context.new_page()
        self.guards.append(Guard(page, viewer.origin))
        return page

    def check(self) -> None:
        """Fails if a page did what it should not; closes them all."""
        guards, self.guards = self.guards, []
        try:
            for guard in guards:
                guard.check()
        finally:
            for guard in guards:
                guard.page.context.close()

    def close(self) -> None:
        self.chromium.close()
        self.playwright.stop()


def log_in(page: Page, viewer, user: str | None = None, password: str | None = None) -> None:
    """Logs in as a person would, on the page that asks for it."""
    page.get_by_label("User").fill(user or viewer.user)
    page.get_by_label("Password").fill(password or viewer.password)
    page.get_by_role("button", name="Log in").click()


def shot(page: Page, name: str, whole: bool = False) -> Path:
    """Keeps what the page looks like."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    place = SHOTS / f"{name}.png"
    page.screenshot(path=place, full_page=whole)
    return place


def accessible(page: Page) -> None:
    """Fails if axe finds anything against WCAG 2.2, level AA."""
    page.evaluate(AXE.read_text())
    # The colours of a terminal are those of its recording.
    run = "(levels) => axe.run({ exclude: ['.ap-term'] }, { runOnly: levels })"
    found = page.evaluate(run, LEVELS)
    wrong = [
        f"{rule['id']}: {node['html'][:200]} {node.get('failureSummary', '')}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]
    assert not wrong, f"{page.url}\n" + "\n".join(wrong)
    assert len(found["passes"]) > 10, json.dumps(found["passes"])[:500]


def terminal(page: Page) -> list[str]:
    """What stands on the player's screen."""
    lines = page.evaluate("() => [...document.querySelectorAll('.ap-line')].map((line) => line.textContent)")
    return [line.rstrip() for line in lines]


def shows(page: Page, text: str, timeout: float = 30) -> list[str]:
    """Waits until a text stands on the player's screen; all that does."""

    def found():
        lines = terminal(page)
        return lines if any(text in line for line in lines) else None

    return until(lambda: pump(page) and found(), timeout, f"{text!r} in the player")


def pump(page: Page) -> bool:
    """Lets the page's events arrive, which nothing else does while Python waits."""
    page.wait_for_timeout(20)
    return True
