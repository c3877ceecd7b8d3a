"""The explanation names true sources: what it names moves the field it explains, and nothing is left unexplained."""

import copy
import json
import re
from typing import Any

import pytest

from tests.golden.cases import FILES, connection_of, load
from tiktok_forwarder.domain.outcome import Mapped
from tiktok_forwarder.mapping.connection import connection_document
from tiktok_forwarder.mapping.event import Mapper
from tiktok_forwarder.mapping.explain import RECEIPT, Explanation, explain
from tiktok_forwarder.mparticle.parse import Bounds, parse_body

_STEP = re.compile(r"\[(\d+)\]|([^.\[\]]+)")
_DIGEST = re.compile(r"[0-9a-f]{64}")


def _mapped(case: dict[str, Any]) -> dict[tuple[int, int], tuple[dict[str, Any], list[Explanation]]]:
    """Payload and explanation of each mapped outcome, by event index and its place among the event's outcomes."""
    connection = connection_of(case["connection"])
    (batch,) = parse_body(json.dumps(case["batch"]).encode(), Bounds())
    found: dict[tuple[int, int], tuple[dict[str, Any], list[Explanation]]] = {}
    seen: dict[int, int] = {}
    for outcome in Mapper(connection).map_batch(batch, case["received_at_ms"]):
        place = seen.get(outcome.event_index, 0)
        seen[outcome.event_index] = place + 1
        if isinstance(outcome, Mapped):
            event = (batch.events or [])[outcome.event_index]
            assert event is not None
            explained = explain(batch, event, outcome, connection, case["received_at_ms"])
            found[outcome.event_index, place] = (json.loads(outcome.payload), explained)
    return found


def _leaves(value: Any, path: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        return {k: v for name, member in value.items() for k, v in _leaves(member, f"{path}.{name}".strip(".")).items()}
    if isinstance(value, list) and isinstance(value[0], dict):
        return {k: v for n, member in enumerate(value) for k, v in _leaves(member, f"{path}[{n}]").items()}
    return {path: value}


def _steps(path: str) -> list[str | int]:
    # A flag's name has a dot of its own.
    path = path.replace("TikTok.", "TikTok\0")
    return [int(index) if index else name.replace("\0", ".") for index, name in _STEP.findall(path)]


_OTHER_SETTING: dict[str, dict[Any, Any]] = {
    "content_type": {"product": "product_group", "product_group": "product"},
    "purchase_event": {"PlaceAnOrder": "CompletePayment", "CompletePayment": "PlaceAnOrder"},
    "default_currency": {"EUR": "USD"},
    "ccpa_opt_out": {"limited_data_use": "ignore"},
    "value_from_products": {True: False},
}


_OTHER_TEXT = {"purchase": "add_to_cart", "add_to_cart": "purchase", "view_detail": "checkout", "USD": "EUR"}


def _altered(value: Any, field: str) -> Any:
    """Another value of the same kind, still valid where it stands."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value - 5000 if value > 10**12 else value + 1
    text = str(value)
    return _OTHER_TEXT.get(text) or _altered_text(text, field)


def _altered_text(text: str, field: str) -> str:
    if _DIGEST.fullmatch(text.lower()):
        return "0" * 64
    if re.fullmatch(r"\d{13,}", text):
        return str(int(text) - 5000)
    if re.fullmatch(r"\d+(\.\d+)?", text) and "phone" not in field:
        return str(float(text) + 1)
    if "phone" in field:
        return f"{text[:-1]}{(int(text[-1]) + 1) % 10}"
    return text.replace("ttclid=", "ttclid=E.C.P.x") if "ttclid=" in text else f"{text}#y"


def _alter(case: dict[str, Any], source: str, field: str) -> dict[str, Any]:
    changed = copy.deepcopy(case)
    holder: Any = changed["batch"]
    steps = _steps(source)
    if source.startswith("connection."):
        settings: dict[str, Any] = connection_document(connection_of(case["connection"]))
        holder = changed["connection"] = settings
        steps = steps[1:]
        if str(steps[0]) in _OTHER_SETTING:
            name = str(steps[0])
            holder[name] = _OTHER_SETTING[name][holder[name]]
            return changed
        if steps[-1] == "event":
            holder["custom_mappings"] = []
            return changed
    for step in steps[:-1]:
        holder = holder[step]
    holder[steps[-1]] = _altered(holder[steps[-1]], field)
    return changed


CUSTOM = {
    "connection": {
        "default_currency": "EUR",
        "custom_mappings": [
            {
                "event": "CompletePayment",
                "event_type": "commerce_event",
                "event_name": "purchase",
                "properties": {
                    "content_name": {"product_attribute": "label"},
                    "price": {"product": "total_product_amount"},
                    "content_category": {"static": "all"},
                    "value": {"field": "shipping_amount"},
                    "currency": {"attribute": "money"},
                    "description": {"user_attribute": "tier"},
                },
            },
            {
                "event": "ViewContent",
                "event_type": "screen_view",
                "event_name": "Shoe",
                "properties": {
                    "content_id": {"attribute": "sku"},
                    "value": {"attribute": "worth"},
                    "description": {"field": "name"},
                },
            },
        ],
    },
    "received_at_ms": 1_735_689_660_123,
    "batch": {
        "events": [
            {
                "event_type": "commerce_event",
                "data": {
                    "timestamp_unixtime_ms": 1_735_689_600_123,
                    "source_message_id": "m1",
                    "custom_attributes": {"money": "usd"},
                    "custom_flags": {"TikTok.URL": "https://shop.example.com/", "TikTok.Referrer": "https://a.example"},
                    "product_action": {
                        "action": "purchase",
                        "transaction_id": "o1",
                        "shipping_amount": "4.5",
                        "products": [
                            {"id": "", "quantity": None},
                            {
                                "id": "a",
                                "brand": "b",
                                "quantity": 2,
                                "total_product_amount": 6,
                                "custom_attributes": {"label": "A"},
                            },
                        ],
                    },
                },
            },
            {
                "event_type": "screen_view",
                "data": {
                    "screen_name": "shoe",
                    "page_url": "https://shop.example.com/?ttclid=E.C.P.q",
                    "custom_attributes": {"sku": 5, "worth": "12"},
                },
            },
        ],
        "mpid": "77",
        "timestamp_unixtime_ms": "1735689600999",
        "ip": "203.0.113.42",
        "device_info": {"http_header_user_agent": "Mozilla/5.0"},
        "user_attributes": {"tier": "gold"},
        "user_identities": [{"identity_type": "email", "identity": "a@example.com"}],
        "partner_identities": {"tiktok_cookie_id": "cookie"},
    },
}

CASES = [*(pytest.param(load(file), id=file.stem) for file in FILES), pytest.param(CUSTOM, id="custom")]


@pytest.mark.parametrize("case", CASES)
def test_every_field_is_explained_once(case: dict[str, Any]) -> None:
    """No field of a payload lacks an explanation, and none is explained that is not there."""
    for payload, explained in _mapped(case).values():
        assert sorted(each.field for each in explained) == sorted(_leaves(payload))
        assert all(each.sources and each.done for each in explained)


@pytest.mark.parametrize("case", CASES)
def test_altering_a_named_source_moves_its_field(case: dict[str, Any]) -> None:
    """A field changes or goes when any one of the sources that its explanation names is altered."""
    tried = 0
    for key, (payload, explained) in _mapped(case).items():
        before = _leaves(payload)
        for each in explained:
            for source in each.sources:
                if source == RECEIPT:
                    continue
                after = _mapped(_alter(case, source, each.field)).get(key)
                moved = after is None or _leaves(after[0]).get(each.field) != before[each.field]
                assert moved, f"{each.field} does not depend on {source}"
                tried += 1
    assert tried or not _mapped(case)
