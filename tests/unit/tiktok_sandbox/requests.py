"""Sound requests of both APIs, ways to break them, and the sandbox's judgement of them without HTTP."""

import copy
import json
from datetime import UTC, datetime
from typing import Any, Final

from tiktok_sandbox.access import TokenGrants
from tiktok_sandbox.arrival import ENDPOINTS, read_arrival
from tiktok_sandbox.judge import Head, Judge
from tiktok_sandbox.options import SandboxOptions
from tiktok_sandbox.script import Script
from tiktok_sandbox.verdict import Verdict

PIXEL_TRACK: Final = "/open_api/v1.3/pixel/track/"
PIXEL_BATCH: Final = "/open_api/v1.3/pixel/batch/"
EVENT_TRACK: Final = "/open_api/v1.3/event/track/"
NOW_SECONDS: Final = 1_750_000_000
TOKEN: Final = "made-up"
DIGEST: Final = "848a771458438fc2ec420560d769fb9b9b86851ee338ec56517baabd79d3bb4f"
ABSENT: Final = object()
# Lets events of apps in, so that their own rules can be tested.
ALLOWING: Final = SandboxOptions(allow_app_events=True)

_CONTENT: Final = {"price": 8, "quantity": 2, "content_id": "1077218", "content_name": "socks", "brand": "Acme"}
_EVENT_2_0: Final[dict[str, Any]] = {
    "event": "Purchase",
    "event_time": NOW_SECONDS - 60,
    "event_id": "e-1",
    "limited_data_use": False,
    "user": {
        "ttclid": "E.C.P.v3fQ2RHacdksKfofPmlyuStII",
        "ttp": "94e2a4j9-h3ss-k2h5",
        "email": [DIGEST],
        "phone": DIGEST,
        "external_id": DIGEST,
        "ip": "203.0.113.9",
        "user_agent": "Mozilla/5.0",
    },
    "page": {"url": "https://shop.example.com/thanks", "referrer": "https://shop.example.com/"},
    "properties": {
        "content_type": "product",
        "content_ids": ["1077218"],
        "currency": "USD",
        "value": 46.0,
        "num_items": 2,
        "contents": [_CONTENT],
    },
}
_EVENT_1_0: Final[dict[str, Any]] = {
    "event": "CompletePayment",
    "event_id": "e-1",
    "timestamp": datetime.fromtimestamp(NOW_SECONDS - 60, UTC).isoformat(),
    "context": {
        "ad": {"callback": "E.C.P.v3fQ2RHacdksKfofPmlyuStII"},
        "page": {"url": "https://shop.example.com/thanks"},
        "user": {"external_id": DIGEST, "phone_number": DIGEST, "email": DIGEST, "ttp": "94e2a4j9"},
        "ip": "203.0.113.9",
        "user_agent": "Mozilla/5.0",
    },
    "properties": {"currency": "USD", "value": 46.0, "contents": [{**_CONTENT, "content_type": "product"}]},
}


def changed(document: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A copy with some members replaced, added or (`ABSENT`) left out, each named by its path."""
    copied = copy.deepcopy(document)
    for path, value in changes.items():
        *parents, name = path.split(".")
        holder: Any = copied
        for parent in parents:
            holder = holder[int(parent)] if isinstance(holder, list) else holder.setdefault(parent, {})
        if value is ABSENT:
            del holder[name]
        else:
            holder[int(name) if isinstance(holder, list) else name] = value
    return copied


def event_2_0(**changes: Any) -> dict[str, Any]:
    """Paths are written with `__` for the dots."""
    return changed(_EVENT_2_0, _paths(changes))


def event_1_0(**changes: Any) -> dict[str, Any]:
    return changed(_EVENT_1_0, _paths(changes))


def _paths(changes: dict[str, Any]) -> dict[str, Any]:
    return {name.replace("__", "."): value for name, value in changes.items()}


def event_track(*events: Any, source: str = "web", pixel: str = "PIXEL") -> dict[str, Any]:
    return {"event_source": source, "event_source_id": pixel, "data": list(events)}


def pixel_track(event: dict[str, Any], pixel: str = "PIXEL") -> dict[str, Any]:
    return {"pixel_code": pixel, **event}


def pixel_batch(*events: Any, pixel: str = "PIXEL") -> dict[str, Any]:
    items = [{"type": "track", **event} if isinstance(event, dict) else event for event in events]
    return {"pixel_code": pixel, "batch": items}


def judged(
    path: str,
    body: Any,
    options: SandboxOptions = ALLOWING,
    grants: TokenGrants | None = None,
    token: str | None = TOKEN,
    content_type: str = "application/json",
) -> Verdict:
    """A body that is no bytes is written as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = Head(token, content_type, float(NOW_SECONDS))
    return Judge(options, grants, Script()).judge(read_arrival(ENDPOINTS[path], content), head, None)
