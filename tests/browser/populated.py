"""A service that has something to show on every page: good days and bad ones of two connections."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.browser.admin_api import ask
from tests.browser.sessions import Reader, first_session, invitation, invited_session
from tests.integration.service_process import SandboxThread, ServiceProcess, serving
from tests.integration.service_rig import TOKEN, fresh_batch
from tests.patience import Patience
from tests.unit.mapping.batches import URL, batch_of, purchase

_SECONDS = 20
_BOUGHT = "PlaceAnOrder"
_MAPPING = {
    "event": _BOUGHT,
    "event_type": "custom_event",
    "event_name": "Order by telephone",
    "conditions": [{"attribute": "country", "is": ["GB", "IE"]}, {"page_host": True, "contains": ["example"]}],
    "properties": {
        "value": {"first": [{"attribute": "total"}, {"flag": "Shop.Total"}]},
        "description": {"static": "by telephone"},
        "shop_id": {"user_attribute": "home_shop"},
    },
}
_PAUSED = {"name": "Outlet / Überseering <EU>", "pixel_id": "PIXELOUTLET", "access_token": "revoked-token-0123456789"}


@dataclass(frozen=True)
class Populated:
    """`cookies` log readers in. `values` are what the parameters of pages' paths stand for here, by their names."""

    url: str
    service: ServiceProcess
    cookies: Mapping[Reader, str]
    values: Mapping[str, str]


@contextmanager
def populated_service(data_dir: Path) -> Iterator[Populated]:
    with (
        SandboxThread(grants={TOKEN: None}) as sandbox,
        serving(data_dir, sandbox.url, TIKTOK_FORWARDER_DEVELOPMENT_EVENTS_KEPT="20") as service,
    ):
        url = f"http://127.0.0.1:{service.port}"
        cookies: dict[Reader, str] = {"administrator": first_session(url, data_dir)}
        cookies["viewer"] = invited_session(url, data_dir, "Vera")
        shop = _connected(data_dir)
        _send(service, sandbox)
        yield Populated(url, service, cookies, _values(data_dir, shop))


def _connected(data_dir: Path) -> str:
    """The id of the shop's connection, which has a custom mapping; beside it stands one whose token is refused."""
    [shop] = ask(data_dir, "GET", "/api/connections")
    settings = {"custom_mappings": [_MAPPING], "test_event_code": "TEST12345"}
    ask(data_dir, "PATCH", f"/api/connections/{shop['id']}", {"settings": settings})
    ask(data_dir, "POST", "/api/connections", _PAUSED)
    ask(data_dir, "POST", "/api/keys", {"name": "Dashboard", "scope": "read"})
    return str(shop["id"])


def _send(service: ServiceProcess, sandbox: SandboxThread) -> None:
    for event_id in ("refused-1", "refused-2"):
        sandbox.ask(lambda each, event_id=event_id: each.script.poison(event_id))  # type: ignore[misc]
    now_ms = time.time_ns() // 1_000_000
    nowhere = purchase(source_message_id="nowhere", timestamp_unixtime_ms=now_ms, custom_flags=None)
    doubtful = purchase(source_message_id="doubtful", timestamp_unixtime_ms=now_ms, currency_code="ZZZZ")
    known = {"user_identities": {"customer_id": "cust-1", "email": "ada@example.com", "mobile_number": "+14155550100"}}
    for batch in (
        fresh_batch("delivered", "delivered-2", "delivered-3", **known),
        fresh_batch("refused-1", "refused-2"),
        batch_of(nowhere, doubtful, user_identities={"customer_id": "cust-2", "email": "no address"}),
        batch_of(_telephone_order(now_ms), environment="development", **known),
        batch_of(_unmapped("Newsletter Signup"), _unmapped("Video Played, with a name of many words <b>"), **known),
    ):
        assert service.post(batch) == 202


def _telephone_order(now_ms: int) -> dict[str, Any]:
    members = {
        "event_name": "Order by telephone",
        "custom_event_type": "transaction",
        "custom_attributes": {"country": "GB", "total": 12.5},
        "custom_flags": {"TikTok.URL": URL},
        "source_message_id": "telephone",
        "timestamp_unixtime_ms": now_ms,
    }
    return {"event_type": "custom_event", "data": members}


def _unmapped(name: str) -> dict[str, Any]:
    """An event that no mapping is for, with an ID by which the activity finds it."""
    return {"event_type": "custom_event", "data": {"event_name": name, "source_message_id": f"unmapped {name}"}}


def _values(data_dir: Path, shop: str) -> Mapping[str, str]:
    """A page's new parameter gets its value here."""
    user, link = invitation(data_dir, "Nina")
    _wait_for_dead_letters(data_dir, shop)
    replayed = ask(data_dir, "POST", "/api/dead-letters/replay", {"connection": shop})
    letters = _wait_for_dead_letters(data_dir, shop)
    return {
        "id": shop,
        "connection": shop,
        "connection_id": shop,
        "event": _BOUGHT,
        "event_id": "delivered",
        "event_no": str(letters[0]["event_no"]),
        "input_name": "shop",
        "recipient": _recipient(data_dir),
        "record_no": str(_dropped_record(data_dir, shop)["record_no"]),
        "replay_no": str(replayed.get("replay_no")),
        "token": link.rpartition("/")[2],
        "user": user,
    }


def _recipient(data_dir: Path) -> str:
    """A recipient's ID. Its notices are never sent: its host is not public, and no connection is made."""
    added = ask(
        data_dir,
        "POST",
        "/api/notices/recipients",
        {"name": "Operators", "kind": "webhook", "url": "https://127.0.0.1:9/hook"},
    )
    return str(added["recipient"]["id"])


def _wait_for_dead_letters(data_dir: Path, shop: str) -> list[Any]:
    """The refused ones; by then the others are delivered, and the other connection is paused."""
    patience = Patience(_SECONDS)
    while not _is_settled(data_dir, shop):
        assert patience.lasts(), ask(data_dir, "GET", "/api/status")
        time.sleep(0.05)
    letters: list[Any] = ask(data_dir, "GET", "/api/dead-letters")
    return letters


def _is_settled(data_dir: Path, shop: str) -> bool:
    status = {each["id"] == shop: each for each in ask(data_dir, "GET", "/api/status")["connections"]}
    queue = status[True]["queue"]
    is_paused = status[False]["delivery"]["is_paused"]
    return is_paused and (queue["waiting"], queue["dead_letters"]) == (0, 2)


def _dropped_record(data_dir: Path, shop: str) -> Any:
    activity = ask(data_dir, "GET", f"/api/activity?connection={shop}&outcome=dropped")
    return activity["records"][0]
