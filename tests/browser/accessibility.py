"""axe-core in a page: what keeps people with a screen reader, a keyboard or weak eyes from using it."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from tests.browser.screenshots import SCHEMES
from tests.browser.watched_browser import NARROW, WIDE

_AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
_GRAVE = {"serious", "critical"}
_QUESTION = "() => axe.run(document, {resultTypes: ['violations']})"


@cache
def _source() -> str:
    assert _AXE.exists(), f"{_AXE} is missing: scripts/set-up dev installs it"
    return _AXE.read_text()


def grave_violations(page: Page) -> list[str]:
    """One line for each element that breaks a rule of serious or critical impact.

    Playwright evaluates as a debugger does, so the page's content security policy stays in force for the page and does
    not stand in the way of axe.
    """
    page.evaluate(_source())
    found: dict[str, Any] = page.evaluate(_QUESTION)
    return [
        f"{page.url}: {rule['id']} ({rule['impact']}): {_why(rule, node)}: {json.dumps(node['target'])} {node['html']}"
        for rule in found["violations"]
        if rule["impact"] in _GRAVE
        for node in rule["nodes"]
    ]


def _why(rule: dict[str, Any], node: dict[str, Any]) -> str:
    """In axe's words, with its measurements where it has some: the colours of a contrast."""
    return "; ".join(check["message"] for check in node["any"]) or str(rule["help"])


def axe(page: Page) -> None:
    """Fail if axe finds anything serious or critical in the page as it is now shown."""
    violations = grave_violations(page)
    assert violations == [], "\n".join(["axe found:", *violations])


def check_looks(page: Page) -> None:
    """In every width and color: axe finds nothing grave, and the page is no wider than the screen."""
    for width in (NARROW, WIDE):
        page.set_viewport_size({"width": width, "height": 800})
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            axe(page)
        beyond: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert beyond <= 0, f"{page.url} is {beyond} pixels wider than a screen of {width}"
