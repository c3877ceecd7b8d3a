"""Chromium as the tests drive it: pages that look the same on any machine, and watch what goes wrong in them."""

import shutil
from collections.abc import Sequence
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, Playwright, Request

ARGUMENTS = (
    "--no-sandbox",  # containers have no user namespaces, and every page is the service's own
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
WIDE = 1280
NARROW = 390
_HEIGHT = 800


def launched(playwright: Playwright) -> Browser:
    """The system's Chromium, without a window."""
    path = shutil.which("chromium")
    assert path, "chromium is missing: scripts/set-up dev installs it"
    return playwright.chromium.launch(executable_path=path, args=ARGUMENTS)


class StrictBrowser:
    """Opens pages, and keeps an account of what their visitors would not see but a developer would."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self._tolerated: list[str] = []
        self.faults: list[str] = []

    def page(self, base_url: str, width: int = WIDE) -> Page:
        """An empty page of a visitor of their own, without cookies. Its paths are those of `base_url`.

        Every request to another host and port than those of `base_url` is a fault, and so is every console error.
        """
        context = self._browser.new_context(
            base_url=base_url,
            viewport={"width": width, "height": _HEIGHT},
            color_scheme="light",
            reduced_motion="reduce",
            locale="en-GB",
            timezone_id="UTC",
        )
        self._contexts.append(context)
        context.on("console", self._note_console)
        context.on("weberror", lambda error: self._note_error(error.error))
        context.on("request", lambda request: self._note_request(request, urlsplit(base_url).netloc))
        return context.new_page()

    def tolerate(self, *fragments: str) -> None:
        """From now on a fault that holds one of these is part of the test, as `status of 422` for a form sent wrong."""
        self._tolerated.extend(fragments)

    def close(self) -> None:
        while self._contexts:
            self._contexts.pop().close()

    def _note_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._note(f"console error: {message.text} ({message.location['url']})")

    def _note_error(self, error: Error) -> None:
        self._note(f"uncaught error: {error.stack or error.message}")

    def _note_request(self, request: Request, own_host: str) -> None:
        address = urlsplit(request.url)
        if address.scheme in {"http", "https", "ws", "wss"} and address.netloc != own_host:
            self._note(f"request to another host: {request.method} {request.url}")

    def _note(self, fault: str) -> None:
        if not any(fragment in fault for fragment in self._tolerated):
            self.faults.append(fault)


def fault_report(faults: Sequence[str]) -> str:
    return "\n".join(["the page did what no page may:", *faults])
