"""A service with a week behind it, for the pictures of the docs: the same traffic at the same times in every run.

Service and sandbox are processes whose clock libfaketime sets; the traffic is that of the demo's shop with one seed.
"""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.browser.admin_api import ask
from tests.browser.sessions import first_session
from tests.integration.service_process import PROGRAM, command, environment, serving
from tests.integration.service_rig import BASIC, KEY, SECRET, TOKEN
from tests.patience import Patience
from tiktok_forwarder.demo.shop import Action, Shop, Visitor

_FAKETIME = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), Path("libfaketime"))
_SECONDS = 30
_SEED = 20
# When visitors came, and how many: on two Mondays, so that the second is compared with the first.
_VISITS = (
    *((datetime(2026, 11, 9, hour, 30, tzinfo=UTC), count) for hour, count in ((8, 8), (11, 14), (14, 10), (18, 16))),
    *((datetime(2026, 11, 16, hour, 30, tzinfo=UTC), count) for hour, count in ((8, 10), (11, 18), (13, 12))),
    (datetime(2026, 11, 16, 14, 40, tzinfo=UTC), 50),
)
_NOW = datetime(2026, 11, 16, 15, 0, tzinfo=UTC)
_MAPPING = {
    "event": "Subscribe",
    "event_type": "custom_event",
    "event_name": "Newsletter Signup",
    "conditions": [{"attribute": "list", "is": ["weekly", "daily"]}],
    "properties": {"description": {"attribute": "list"}},
}
_ALL_EVENTS = {"name": "All events", "pixel_id": "C9ALLEVENTS", "custom_mappings": [_MAPPING]}
_LARGE_ORDERS = {
    "name": "Large orders",
    "pixel_id": "C9LARGEORDERS",
    "forwarding_rules": [
        {"name": "no staff", "action": "do_not_forward", "when": [{"user_attribute": "role", "is": ["staff"]}]},
        {
            "name": "large orders",
            "action": "only_forward",
            "when": [{"event_name": True, "is": ["purchase"]}, {"field": "total_amount", "at_least": 50}],
        },
    ],
}


@dataclass(frozen=True)
class SampleWeek:
    """`cookie` logs an administrator in. `purchase_id` is the event ID of a purchase that was delivered last."""

    url: str
    cookie: str
    all_events: str
    large_orders: str
    purchase_id: str


class _Clock:
    """The time of all processes, in a file that libfaketime reads. `urls` are those whose time is waited for."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.urls: list[str] = []
        self.set(_VISITS[0][0])
        self.variables = {
            "LD_PRELOAD": str(_FAKETIME),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, moment: datetime) -> None:
        """Set the clocks, and wait until each process answers with that time."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{moment.timestamp() - time.time():+.0f}")
        new.replace(self._file)
        patience = Patience(_SECONDS)
        while any(abs(_time_at(url) - moment) > timedelta(seconds=_SECONDS) for url in self.urls):
            assert patience.lasts(), f"the clock is not {moment}"
            time.sleep(0.1)


def _time_at(url: str) -> datetime:
    """Return the time of the process that answers there."""
    connection = HTTPConnection(urlsplit(url).netloc, timeout=_SECONDS)
    try:
        connection.request("HEAD", "/")
        return parsedate_to_datetime(connection.getresponse().headers["Date"])
    finally:
        connection.close()


@contextmanager
def sample_week(folder: Path) -> Iterator[SampleWeek]:
    """Run the service in the folder with all traffic delivered."""
    data_dir = folder / "data"
    clock = _Clock(folder / "clock")
    shop = ("--name", "shop", "--key", KEY, "--secret", SECRET)
    assert command("inputs", "add", "--data-dir", str(data_dir), *shop, **clock.variables).returncode == 0
    with _sandbox(clock) as sandbox_url, serving(data_dir, sandbox_url, **clock.variables) as service:
        url = f"http://127.0.0.1:{service.port}"
        clock.urls += [url, sandbox_url]
        all_events, large_orders = (_connected(data_dir, settings) for settings in (_ALL_EVENTS, _LARGE_ORDERS))
        purchase_id = _send_all(url, data_dir, clock)
        clock.set(_NOW)
        yield SampleWeek(url, first_session(url, data_dir), all_events, large_orders, purchase_id)


@contextmanager
def _sandbox(clock: _Clock) -> Iterator[str]:
    process = subprocess.Popen(
        [*PROGRAM, "sandbox", "--port", "0", "--token", TOKEN],
        env=environment(None, PYTHONUNBUFFERED="1", **clock.variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    try:
        found = re.search(r"http://[\d.:]+", process.stdout.readline())
        assert found, "the sandbox does not print its URL"
        yield found[0]
    finally:
        process.kill()
        process.communicate()


def _connected(data_dir: Path, settings: dict[str, Any]) -> str:
    added = ask(data_dir, "POST", "/api/connections", {**settings, "access_token": TOKEN, "purchase_event": "Purchase"})
    return str(added["id"])


def _send_all(url: str, data_dir: Path, clock: _Clock) -> str:
    """Return the ID of the last purchase of a visitor with every identity."""
    shop, purchase_id = Shop(_SEED), ""
    for moment, count in _VISITS:
        clock.set(moment)
        batches = []
        for _ in range(count):
            visitor, actions = shop.visit()
            batches.append(_batch_of(visitor, actions, moment))
            if len(visitor.identities) == 3:
                bought = [action.data["source_message_id"] for action in actions if _is_purchase(action)]
                purchase_id = bought[-1] if bought else purchase_id
        _post(url, batches)
        _wait_until_delivered(data_dir)
    return purchase_id


def _batch_of(visitor: Visitor, actions: list[Action], moment: datetime) -> dict[str, Any]:
    for action in actions:
        action.data["timestamp_unixtime_ms"] = int(moment.timestamp() * 1000)
    return {
        "events": [{"event_type": action.event_type, "data": action.data} for action in actions],
        "user_identities": visitor.identities,
        "device_info": {"platform": "web", "http_header_user_agent": visitor.user_agent},
        "ip": visitor.ip,
    }


def _post(url: str, batches: list[dict[str, Any]]) -> None:
    connection = HTTPConnection(urlsplit(url).netloc, timeout=_SECONDS)
    try:
        connection.request("POST", "/v2/bulkevents", json.dumps(batches), BASIC)
        assert connection.getresponse().status == 202
    finally:
        connection.close()


def _is_purchase(action: Action) -> bool:
    return bool(action.data.get("product_action", {}).get("action") == "purchase")


def _wait_until_delivered(data_dir: Path) -> None:
    patience = Patience(_SECONDS)
    while any(each["queue"] and each["queue"]["waiting"] for each in _status(data_dir)):
        assert patience.lasts(), _status(data_dir)
        time.sleep(0.05)


def _status(data_dir: Path) -> list[dict[str, Any]]:
    return list(ask(data_dir, "GET", "/api/status")["connections"])
