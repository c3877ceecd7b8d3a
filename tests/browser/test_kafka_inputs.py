"""Kafka inputs in the browser: added with a form, watched on their page, and changed without showing the password."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.accessibility import check_looks
from tests.browser.admin_api import ask
from tests.browser.console import Console
from tests.browser.reader import log_in_as_first_admin
from tests.browser.screenshots import screenshot
from tests.browser.watched_browser import StrictBrowser
from tests.integration.service_process import SandboxThread, serving
from tests.kafka_broker import TOPIC, Broker, batch_of_output
from tests.ports import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

TOKEN = "good-access-token-0123456789"
PASSWORD = "password-of-the-consumer"


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    """A service with one connection and no input."""
    with (
        SandboxThread(grants={TOKEN: None}) as sandbox,
        serving(tmp_path / "data", sandbox.url) as service,
    ):
        settings = {"name": "Shop", "pixel_id": "C9EXAMPLEPIXELID", "access_token": TOKEN}
        ask(tmp_path / "data", "POST", "/api/connections", settings)
        yield Console(f"http://127.0.0.1:{service.port}", tmp_path / "data", sandbox, service)


def test_kafka_input_is_added_and_its_consumers_are_watched(
    browser: StrictBrowser, console: Console, tmp_path: Path
) -> None:
    """The fields appear when the kind is chosen; the page shows partitions, lag and the last message."""
    browser.tolerate("status of 422")
    page = log_in_as_first_admin(browser, console)
    with Broker(tmp_path / "broker.log") as broker:
        broker.create_topic()
        page.goto("/inputs")
        page.get_by_label("Name", exact=True).fill("events")
        expect(page.get_by_label("Bootstrap servers")).to_be_hidden()
        page.get_by_role("radio", name="Kafka topics").check()
        page.get_by_label("Bootstrap servers").fill("kafka.example.com")
        page.get_by_label("Encryption").select_option("None, on a private network")
        check_looks(page)
        screenshot(page, "inputs-new-kafka")
        page.get_by_role("button", name="Add input").click()
        expect(page.get_by_role("alert")).to_contain_text("Servers: must be a host and a port")
        expect(page.get_by_role("alert")).to_contain_text("Topics: at least one is needed.")
        expect(page.get_by_label("Bootstrap servers")).to_have_value("kafka.example.com")
        expect(page.get_by_label("Encryption")).to_have_value("plaintext")
        page.get_by_label("Bootstrap servers").fill(broker.server)
        page.get_by_role("textbox", name="Topics").fill(TOPIC)
        page.get_by_role("button", name="Add input").click()
        expect(page.get_by_role("heading", name="events", exact=True)).to_be_visible()
        values = [json.dumps(batch_of_output(f"b{number}")).encode() for number in range(40)]
        broker.produce([*values, b"no batch", None])
        page.get_by_text("tiktok-forwarder-events").wait_for()

        def reload_until_read() -> None:
            for _ in range(60):
                page.goto("/inputs/events")
                is_connected = "Connected" in page.locator("dl.figures").first.inner_text()
                if is_connected and page.get_by_role("cell", name="11", exact=True).count():
                    return
                page.wait_for_timeout(500)

        reload_until_read()
        expect(page.locator("dl.figures").first).to_contain_text("Assigned partitions")
        expect(page.get_by_role("cell", name="11", exact=True).first).to_be_visible()
        check_looks(page)
        screenshot(page, "input-kafka")
        page.get_by_role("link", name="activity", exact=True).click()
        expect(page.get_by_text("offset 10; input events")).to_be_visible()
        check_looks(page)
        screenshot(page, "activity-kafka-refused")
        page.get_by_role("link", name="Kafka message").first.click()
        expect(page.get_by_role("heading", name="Message refused: Body unreadable")).to_be_visible()
        check_looks(page)
        page.goto("/inputs")
        expect(page.get_by_role("row", name="events")).to_contain_text("connected, lag 0")
        check_looks(page)
        screenshot(page, "inputs-with-kafka")
        page.goto("/inputs/events/remove")
        check_looks(page)


def test_kafka_input_that_cannot_connect_says_why(browser: StrictBrowser, console: Console) -> None:
    """The password is never in a page, and stays when the field is left empty."""
    page = log_in_as_first_admin(browser, console)
    server = f"127.0.0.1:{free_port()}"
    login = {"sasl_mechanism": "SCRAM-SHA-512", "user_name": "forwarder", "password": PASSWORD}
    kafka = {"servers": [server], "topics": [TOPIC], "security": "plaintext", **login}
    ask(console.data_dir, "POST", "/api/inputs", {"name": "events", "kind": "kafka", "kafka": kafka})
    for _ in range(60):
        page.goto("/inputs/events")
        if page.get_by_text("Connection refused").count():
            break
        page.wait_for_timeout(500)
    expect(page.get_by_text("Connection refused")).to_be_visible()
    check_looks(page)
    screenshot(page, "input-kafka-failed")
    assert PASSWORD not in page.content()
    page.get_by_role("textbox", name="Topics").fill("another")
    page.get_by_label("Drop purchases from this input").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The input's settings are saved.")).to_be_visible()
    (shown,) = ask(console.data_dir, "GET", "/api/inputs")
    assert shown["kafka"]["topics"] == ["another"] and shown["kafka"]["has_password"]
    assert shown["allows_purchases"] is False
    assert PASSWORD not in page.content()
