"""Fixtures of the browser tests. These are plain functions: Playwright brings an event loop of its own."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.console import Console
from tests.browser.populated import Populated, populated_service
from tests.browser.watched_browser import StrictBrowser, fault_report, launched
from tests.integration.service_process import SandboxThread, serving
from tests.store_choice import STORES


# Not for the whole session: as long as Playwright runs, its event loop counts as this thread's, and no other can start,
# so it ends before a test of another directory begins.
@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = launched(playwright)
        yield browser
        browser.close()


@pytest.fixture
def browser(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[StrictBrowser]:
    """Opens pages. The test fails if one of them reports an error or asks another host for anything."""
    if "console" in request.fixturenames:
        # Started before the browser, the service ends after it: no page asks it for anything any more.
        request.getfixturevalue("console")
    watched = StrictBrowser(chromium)
    yield watched
    watched.close()
    assert watched.faults == [], fault_report(watched.faults)


@pytest.fixture
def sandbox() -> Iterator[SandboxThread]:
    with SandboxThread() as thread:
        yield thread


@pytest.fixture
def console(data_dir: Path, sandbox: SandboxThread) -> Iterator[Console]:
    with serving(data_dir, sandbox.url) as service:
        yield Console(f"http://127.0.0.1:{service.port}", data_dir, sandbox, service)


@pytest.fixture(scope="package")
def populated(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Populated]:
    """For tests that only look: one for all of them."""
    data_dir = tmp_path_factory.mktemp("populated") / "data"
    STORES.share(data_dir)
    STORES.copy(prepared, data_dir)
    shutil.copytree(prepared, data_dir)
    with populated_service(data_dir) as made:
        yield made
