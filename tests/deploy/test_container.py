"""The image, built from the container file and run by Podman: the guide's commands, and the console in a browser."""

import json
import re
import socket
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.browser.watched_browser import StrictBrowser, fault_report, launched
from tests.deploy.composed_nodes import wait_until_answered
from tests.deploy.podman import Podman, copy_build_files, podman
from tests.integration.guide_shell import Reading, follow

NAME = "tiktok-forwarder"

# In one process: base, image and containers are made once.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.xdist_group("container"),
    pytest.mark.sqlite_files("the container has its database in a volume"),
]


class Followed(NamedTuple):
    """The guide, followed to its end; its containers still run."""

    podman: Podman
    reading: Reading

    @property
    def port(self) -> int:
        return self.reading.ports["8090"]

    def command(self, *arguments: str) -> str:
        """As the guide does: a command in the service's container."""
        return self.podman.run_in(NAME, NAME, *arguments)


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Followed]:
    folder = tmp_path_factory.mktemp("container")
    room = folder / "room"
    room.mkdir()
    copy_build_files(room)
    with podman(folder) as running:
        running.make_base(folder)
        running.build_image(room)
        done = Followed(running, follow("run-in-a-container.md", room, "", programs=[running.wrapper]))
        yield done
    # A port that Podman still forwards would take the connections of the test that gets it next.
    with socket.create_server(("127.0.0.1", done.port)), socket.create_connection(("127.0.0.1", done.port), 10):
        pass


def test_guide_delivers_a_first_event(followed: Followed) -> None:
    """Its commands run as they are written: image, containers, connection, input, event, status, health check."""
    assert followed.reading.status == 0, followed.reading.output
    assert "\n202\n" in followed.reading.output
    (status,) = (json.loads(line) for line in followed.reading.output.splitlines() if line.startswith('{"running"'))
    assert status["connections"][0]["totals"]["delivered"] == 1


def test_link_of_the_console_opens_in_a_browser_of_the_machine(followed: Followed) -> None:
    """Through the published port: the first administrator logs in, and sees the event and the missing TLS."""
    link = followed.command("console-link")
    assert link.startswith(f"http://localhost:{followed.port}/welcome/")
    with sync_playwright() as playwright:
        chromium = launched(playwright)
        watched = StrictBrowser(chromium)
        page = watched.page(f"http://localhost:{followed.port}")
        page.goto(link)
        page.get_by_label("Name").fill("Ada")
        for label in ("Password", "Password again"):
            page.get_by_label(label, exact=True).fill("a passphrase for the test")
        page.get_by_role("button", name=re.compile("Set password")).click()
        expect(page.get_by_role("alert")).to_contain_text("without TLS")
        expect(page.get_by_role("link", name="Shop").first).to_be_visible()
        page.goto("/activity")
        expect(page.get_by_text("PlaceAnOrder").first).to_be_visible()
        watched.close()
        chromium.close()
    assert watched.faults == [], fault_report(watched.faults)


def test_container_has_the_rights_that_it_needs_and_no_others(followed: Followed) -> None:
    """Not root, the data for its user alone, and a line in the log that warns of the missing TLS."""
    assert followed.podman.run_in(NAME, "id", "-u") == "10001"
    assert followed.podman.run_in(NAME, "stat", "--format=%u %a", "/data") == "10001 700"
    assert "without TLS" in followed.podman.log_of(NAME)


def test_state_outlives_the_container(followed: Followed) -> None:
    """It stops in time with its own exit status, and a new container on the volume has the connection."""
    followed.podman.run("stop", "--time=20", NAME)
    assert followed.podman.run("inspect", "--format={{.State.ExitCode}}", NAME) == "0"
    followed.podman.run("start", NAME)
    wait_until_answered(f"http://127.0.0.1:{followed.port}/readyz", 200)
    status = json.loads(followed.command("status"))
    assert [each["name"] for each in status["connections"]] == ["Shop"]
