"""Runs the demo: service, sandbox, two senders and a shop's page, live until Ctrl-C, then a summary of every event."""

import json
import signal
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from msgspec import Struct
from rich.console import Console
from rich.live import Live

from tiktok_forwarder.browser.site_script import DEFAULT_SCRIPT_PATH
from tiktok_forwarder.demo.console_link import Ask, ConsoleLink
from tiktok_forwarder.demo.processes import Process, free_port
from tiktok_forwarder.demo.senders import Sender, Sent, sdk_poster, webhook_poster
from tiktok_forwarder.demo.shop import Shop
from tiktok_forwarder.demo.shop_site import LANDING_PATH, PageSettings, ShopSite
from tiktok_forwarder.demo.table import Figures, render, waiting_events
from tiktok_forwarder.domain.errors import ForwarderError
from tiktok_forwarder.setting_reading import load_settings
from tiktok_forwarder.tiktok.wire_forms import WIRE_FORMS

SERVICE_PORT: Final = load_settings(None, {}).port
SANDBOX_PORT: Final = SERVICE_PORT + 1
SHOP_PORT: Final = SERVICE_PORT + 2
_REFRESH_SECONDS: Final = 0.5
_PLAIN_SECONDS: Final = 5.0
_DRAIN_SECONDS: Final = 20.0
_INPUT: Final = {
    "name": "demo",
    "key": "demo-key",
    "secret": "demo-secret-for-loopback-only",
    "authorization": "Token demo-webhook-for-loopback-only",
}
_SHOP_KEY: Final = "demo-shop-key"
_MAPPINGS: Final = [
    {
        "event": "Search",
        "event_type": "custom_event",
        "event_name": "Site Search",
        "properties": {"query": {"attribute": "term", "required": True}},
    }
]
_CONNECTIONS: Final = [
    {
        "name": f"Pixel, Events API {name}",
        "pixel_id": f"DEMOPIXEL{name.replace('.', '')}",
        "events_api": name,
        "custom_mappings": _MAPPINGS,
    }
    for name in WIRE_FORMS
]


class Plan(Struct, frozen=True):
    """The demo's settings. `seconds`: how long to send; None is until Ctrl-C.

    `folder` is empty; `ask` calls the API of the service in `service_dir`.
    """

    folder: Path
    service_dir: Path
    seconds: float | None
    ask: Ask


def run_demo(plan: Plan) -> bool:
    """Run the demo; return whether every acknowledged event is accounted for.

    Raises `ForwarderError` if a part does not start.
    """
    return _Demo(plan).run()


class _Demo:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._sent = Sent()
        self._stopping = threading.Event()
        sandbox_port = free_port(SANDBOX_PORT)
        service_port = free_port(SERVICE_PORT)
        self._sandbox_url = f"http://127.0.0.1:{sandbox_port}"
        self._service_url = f"http://127.0.0.1:{service_port}"
        self._shop_port = free_port(SHOP_PORT)
        self._shop_url = f"http://127.0.0.1:{self._shop_port}"
        self._shop_site: ShopSite | None = None
        log = plan.folder / "sandbox.jsonl"
        self._sandbox = Process(
            "sandbox", ["sandbox", "--port", str(sandbox_port), "--log", str(log)], plan.folder / "sandbox.log", {}
        )
        self._service = Process(
            "service",
            ["serve", "--port", str(service_port), "--data-dir", str(plan.service_dir), "--store", "sqlite"],
            plan.folder / "service.log",
            {
                "TIKTOK_FORWARDER_TIKTOK_BASE_URL": self._sandbox_url,
                "TIKTOK_FORWARDER_DEVELOPMENT_EVENTS_KEPT": "100",
                # More than the demo sends: no event of the shop's page is left out by sampling.
                "TIKTOK_FORWARDER_ACTIVITY_EVENTS_PER_SECOND": "1000",
            },
        )
        self._senders = [
            Sender("sdk", Shop(), sdk_poster(self._service_url, _INPUT["key"], _INPUT["secret"]), self._sent),
            Sender(
                "webhook",
                Shop(),
                webhook_poster("127.0.0.1", service_port, f"/webhook/{_INPUT['name']}", _INPUT["authorization"]),
                self._sent,
            ),
        ]
        self._console_link = ConsoleLink(plan.ask, self._service_url)
        self._started = time.monotonic()

    def run(self) -> bool:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self._stopping.set())
        try:
            self._start()
            self._watch()
            self._drain()
            return self._account()
        finally:
            for sender in self._senders:
                sender.stop()
            if self._shop_site is not None:
                self._shop_site.stop()
            self._service.stop()
            self._sandbox.stop()

    def _start(self) -> None:
        self._sandbox.start()
        self._service.start()
        self._sandbox.wait_until_answering(f"{self._sandbox_url}/sandbox/counts")
        self._service.wait_until_answering(f"{self._service_url}/healthz")
        self._plan.ask("POST", "/api/inputs", _INPUT)
        connections = [
            self._plan.ask("POST", "/api/connections", {**connection, "access_token": "demo-token"})
            for connection in _CONNECTIONS
        ]
        self._open_shop(connections[0]["id"])
        for sender in self._senders:
            sender.start()

    def _open_shop(self, connection_id: str) -> None:
        """Serve the shop's page, whose links lead to this connection's events."""
        origins = [self._shop_url]
        self._plan.ask(
            "POST", "/api/inputs", {"name": "demo-shop", "kind": "browser", "key": _SHOP_KEY, "origins": origins}
        )
        settings = PageSettings(self._service_url, DEFAULT_SCRIPT_PATH, _SHOP_KEY, connection_id)
        self._shop_site = ShopSite(self._shop_port, settings)
        self._shop_site.start()

    # --- watching ---

    def _watch(self) -> None:
        if sys.stdout.isatty():
            with Live(self._rendered(), auto_refresh=False, vertical_overflow="visible") as live:
                self._repeat(_REFRESH_SECONDS, lambda: live.update(self._rendered(), refresh=True))
        else:
            self._print_links()
            self._repeat(_PLAIN_SECONDS, self._tell_plainly)

    def _repeat(self, every_seconds: float, show: Callable[[], None]) -> None:
        next_show = 0.0
        while not self._is_over():
            self._service.revive()
            if time.monotonic() >= next_show:
                show()
                next_show = time.monotonic() + every_seconds
            self._stopping.wait(0.1)

    def _is_over(self) -> bool:
        seconds = self._plan.seconds
        return self._stopping.is_set() or (seconds is not None and time.monotonic() - self._started >= seconds)

    def _rendered(self) -> Any:
        return render(self._figures(), [*self._where(), "Press Ctrl-C to stop the demo."])

    def _where(self) -> list[str]:
        return [
            self._console_link.message(),
            f"Demo shop, for you to buy something: {self._shop_url}{LANDING_PATH}",
            f"Events sent to the simulated TikTok: {self._sandbox_url}/ · Metrics: {self._service_url}/metrics",
            f"Data and logs: {self._plan.folder}/ · To test recovery, kill the service: kill -9 {self._service.pid}",
        ]

    def _print_links(self) -> None:
        for line in self._where():
            print(line, flush=True)  # noqa: T201  # the demo's output

    def _tell_plainly(self) -> None:
        Console(width=110).print(render(self._figures(), []))

    def _figures(self) -> Figures:
        return Figures(
            self._sent, self._status(), self._received(), self._service.restarts, time.monotonic() - self._started
        )

    def _status(self) -> dict[str, Any] | None:
        try:
            status: dict[str, Any] = self._plan.ask("GET", "/api/status", None)
        except ForwarderError:
            return None
        return status

    def _received(self) -> dict[str, Any] | None:
        try:
            with urllib.request.urlopen(f"{self._sandbox_url}/sandbox/counts", timeout=5) as answer:  # noqa: S310  # loopback
                counts: dict[str, Any] = json.load(answer)
        except OSError:
            return None
        return counts

    # --- ending ---

    def _drain(self) -> None:
        """Let the senders end and waiting events be delivered; a second Ctrl-C skips the wait."""
        self._stopping.clear()
        for sender in self._senders:
            sender.stop()
        deadline = time.monotonic() + _DRAIN_SECONDS
        while time.monotonic() < deadline and not self._stopping.is_set():
            self._service.revive()
            status = self._status()
            senders_ended = not any(sender.is_alive() for sender in self._senders)
            if senders_ended and status is not None and waiting_events(status) == 0:
                return
            time.sleep(0.1)

    def _account(self) -> bool:
        """Print the last figures; return whether they add up: per connection, acknowledged events are accepted."""
        figures = self._figures()
        console = Console(width=None if sys.stdout.isatty() else 110)
        console.print(render(figures, []))
        if figures.status is None:
            console.print("The service is not running: its totals cannot be read.", style="red")
            return False
        verdicts = [self._adds_up(console, each) for each in figures.status["connections"]]
        return all(verdicts)

    def _adds_up(self, console: Console, connection: dict[str, Any]) -> bool:
        totals, queue = connection["totals"], connection["queue"] or {}
        ends = {
            "delivered": totals.get("delivered", 0),
            "dropped": totals["dropped"],
            "dead-lettered": totals.get("dead_lettered", 0),
            "erased": totals.get("erased", 0),
            "waiting": queue.get("waiting", 0),
        }
        accepted = totals.get("accepted", 0)
        outcomes = " + ".join(f"{count:,} {name}" for name, count in ends.items() if count)
        # Events of a request whose answer was lost are accepted without being acknowledged, so there may be more.
        holds: bool = accepted == sum(ends.values()) and accepted >= self._sent.acknowledged_events
        verdict = "every acknowledged event is accounted for" if holds else "EVENTS ARE MISSING"
        line = f"{connection['name']}: {accepted:,} accepted = {outcomes or '0'}: {verdict}"
        console.print(line, style="green" if holds else "bold red", soft_wrap=True)
        return holds
