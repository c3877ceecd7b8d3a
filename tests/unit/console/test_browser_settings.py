"""What a page needs to send through a browser input."""

from html.parser import HTMLParser

import pytest

from tests.unit.console.test_sample_data import known_input
from tiktok_forwarder.api.types import SiteScriptView
from tiktok_forwarder.console.browser_settings import BrowserSettings, browser_settings

SHOP = "https://shop.example.com"
SCRIPT = SiteScriptView("/shop.js", "/shop.0123.js", "sha384-abc+/=")


def settings_at(base: str) -> BrowserSettings:
    found = known_input(kind="browser", key="k-1~x", webhook_path=None, origins=[SHOP])
    return browser_settings(base, found, SCRIPT)


def test_beacon_is_three_lines_that_send_the_batch_to_the_input() -> None:
    """They set a member of the configuration that the page already has."""
    settings = settings_at("https://events.example.com")
    assert settings.events_url == "https://events.example.com/v3/JS/k-1~x/events"
    assert settings.beacon.splitlines() == [
        "window.mParticle.config.onCreateBatch = (batch) => {",
        '  navigator.sendBeacon("https://events.example.com/v3/JS/k-1~x/events", JSON.stringify(batch));',
        "  return batch;",
        "};",
    ]


def test_web_sdk_is_pointed_at_the_service_which_configures_it() -> None:
    """The domain has no scheme, and the flags are in the service's answer."""
    settings = settings_at("https://events.example.com")
    assert 'mParticle.init("k-1~x", {\n  domain: "events.example.com",\n});' in settings.web_sdk
    assert not settings.is_local


def test_web_sdk_over_plain_http_has_its_flags_in_the_page() -> None:
    """The SDK asks for its configuration over HTTPS only."""
    settings = settings_at("http://127.0.0.1:8090")
    assert settings.is_local
    for member in ('domain: "127.0.0.1:8090"', "forceHttps: false", "requestConfig: false", '"offlineStorage": "0"'):
        assert member in settings.web_sdk


@pytest.mark.parametrize("base", ["https://events.example.com", "http://127.0.0.1:8090"])
def test_script_tag_pins_the_present_version(base: str) -> None:
    """A hash without `crossorigin` would make browsers refuse the script; without consent, it sends nothing."""
    found: list[tuple[str, dict[str, str | None]]] = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.append((tag, dict(attrs)))

    settings = settings_at(base)
    Parser().feed(settings.script_tag)
    [(tag, attributes)] = found
    assert tag == "script"
    assert attributes == {
        "defer": None,
        "src": f"{base}/shop.0123.js",
        "integrity": "sha384-abc+/=",
        "crossorigin": "anonymous",
        "data-key": "k-1~x",
        "data-store": "no",
    }
    assert settings.newest_script_url == f"{base}/shop.js"
