"""Logging in with a real OpenID Connect provider, which is another site than the console."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.accessibility import axe
from tests.browser.admin_api import ask
from tests.browser.node_provider import NodeProvider, node_provider
from tests.browser.screenshots import screenshot
from tests.browser.watched_browser import StrictBrowser
from tests.integration.service_process import SandboxThread, serving
from tests.ports import free_port

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class OidcConsole:
    """A console whose users log in with the provider."""

    url: str
    data_dir: Path
    provider: NodeProvider


@pytest.fixture
def oidc_console(data_dir: Path, sandbox: SandboxThread) -> Iterator[OidcConsole]:
    url = f"http://127.0.0.1:{(port := free_port())}"
    with (
        node_provider(url) as provider,
        serving(data_dir, sandbox.url, port=str(port), **provider.settings),
    ):
        yield OidcConsole(url, data_dir, provider)


def visitor(console: OidcConsole, browser: StrictBrowser) -> Page:
    """Return a page of a browser that may also go to the provider."""
    browser.tolerate(f"request to another host: GET {console.provider.url}/")
    browser.tolerate(f"request to another host: POST {console.provider.url}/")
    return browser.page(console.url)


def log_in(page: Page, account: str, path: str = "/login") -> None:
    page.goto(path)
    page.get_by_role("button", name="Log in with localhost").click()
    page.get_by_label("Account").fill(account)
    page.get_by_role("button", name="Continue").click()


def test_administrator_logs_in_and_lands_where_the_way_began(oidc_console: OidcConsole, browser: StrictBrowser) -> None:
    """From a page of the console over the other site and back, with a session; a log-out ends it here."""
    page = visitor(oidc_console, browser)
    page.goto("/access")
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    axe(page)
    screenshot(page, "login-oidc")
    page.get_by_role("button", name="Log in with localhost").click()
    page.get_by_label("Account").fill("anna")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", name="Access", exact=True)).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="logged in")).to_contain_text("OIDC user anna (op_")
    page.reload()
    expect(page.get_by_role("heading", name="Access", exact=True)).to_be_visible()
    page.goto("/account")
    expect(page.get_by_text("You are anna, an administrator")).to_be_visible()
    axe(page)
    screenshot(page, "account-oidc")
    page.get_by_role("button", name="Log out").click()
    page.goto("/access")
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()


def test_viewer_logs_in_as_a_viewer(oidc_console: OidcConsole, browser: StrictBrowser) -> None:
    """The role is that of the provider."""
    page = visitor(oidc_console, browser)
    log_in(page, "vera")
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    browser.tolerate("status of 403")
    page.goto("/access")
    expect(page.get_by_role("alert")).to_contain_text("This page is for administrators.")


def test_user_without_a_role_is_shown_why(oidc_console: OidcConsole, browser: StrictBrowser) -> None:
    """The claim that is missing, and the way to log in with a password; the audit log has the user."""
    page = visitor(oidc_console, browser)
    browser.tolerate("status of 403")
    log_in(page, "eve")
    expect(page.get_by_role("alert")).to_contain_text('the claim "roles" is missing')
    axe(page)
    screenshot(page, "login-oidc-refused")
    page.goto("/")
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    (entry,) = [each for each in ask(oidc_console.data_dir, "GET", "/api/audit") if "eve" in each["by"]]
    assert (entry["action"], entry["what"]["reason"]) == ("login_failed", "no role")
    assert ask(oidc_console.data_dir, "GET", "/api/users") == []


def test_rotated_keys_interrupt_no_login(oidc_console: OidcConsole, browser: StrictBrowser) -> None:
    """The provider signs with a new key, and has dropped the old one, between two logins."""
    log_in(first := visitor(oidc_console, browser), "vera")
    expect(first.get_by_role("heading", name="Overview")).to_be_visible()
    oidc_console.provider.restart()
    log_in(second := visitor(oidc_console, browser), "anna")
    expect(second.get_by_role("link", name="Access")).to_be_visible()
    first.reload()
    expect(first.get_by_role("heading", name="Overview")).to_be_visible()


def test_callback_is_of_one_browser_and_of_one_login(oidc_console: OidcConsole, browser: StrictBrowser) -> None:
    """Opened again, or by another browser, the address that logged in once does nothing."""
    page = visitor(oidc_console, browser)
    with page.expect_request(lambda request: "/login/oidc/callback" in request.url) as sent:
        log_in(page, "anna")
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    browser.tolerate("status of 401")
    for reader in (visitor(oidc_console, browser), page):
        reader.context.clear_cookies(name=f"session-{oidc_console.url.rpartition(':')[2]}")
        reader.goto(sent.value.url)
        expect(reader.get_by_role("alert")).to_contain_text(
            "This browser has no login to finish; start the login again."
        )
        reader.goto("/")
        expect(reader.get_by_role("heading", name="Log in")).to_be_visible()


def test_provider_that_is_down_is_one_sentence(oidc_console: OidcConsole, browser: StrictBrowser) -> None:
    """The form for the password stays."""
    oidc_console.provider.stop()
    page = visitor(oidc_console, browser)
    browser.tolerate("status of 503")
    page.goto("/login")
    page.get_by_role("button", name="Log in with localhost").click()
    expect(page.get_by_role("alert")).to_contain_text(
        "cannot be used now: a connection was not possible; retry later, or log in with a password."
    )
    expect(page.get_by_label("Password")).to_be_visible()
    screenshot(page, "login-oidc-down")
