"""Batches for tests, as senders write them, and a short way to map them."""

import json
from typing import Any

import msgspec

from tests.golden.cases import connection_of
from tiktok_forwarder.domain.outcome import Dropped, Mapped, Outcome
from tiktok_forwarder.mapping.event import Mapper
from tiktok_forwarder.mparticle.parse import Bounds, parse_body

RECEIVED_AT_MS = 1_735_689_660_123
URL = "https://shop.example.com/thanks"
Members = dict[str, Any]


def purchase(**data: Any) -> Members:
    """A purchase event; keyword arguments replace members of `data`, those of value None are left out."""
    members: Members = {
        "source_message_id": "m1",
        "timestamp_unixtime_ms": 1_735_689_600_123,
        "currency_code": "USD",
        "custom_flags": {"TikTok.URL": URL},
        "product_action": {"action": "purchase", "transaction_id": "o1", "total_amount": 12.5},
        **data,
    }
    return {"event_type": "commerce_event", "data": {key: item for key, item in members.items() if item is not None}}


def order(**action: Any) -> Members:
    """A purchase event with these members of its product action."""
    return purchase(product_action={"action": "purchase", **action})


def batch_of(*events: Any, **members: Any) -> Members:
    """A batch of a known user on the web; keyword arguments replace its members."""
    return {
        "events": list(events),
        "ip": "203.0.113.42",
        "device_info": {"http_header_user_agent": "Mozilla/5.0", "platform": "web"},
        "user_identities": {"customer_id": "cust-829311"},
        **members,
    }


def outcomes_of(batch: Members, **settings: Any) -> list[Outcome]:
    """The outcomes of a batch for a connection with these settings; numbers may be NaN and infinite."""
    (parsed,) = parse_body(json.dumps(batch).encode(), Bounds())
    return Mapper(connection_of(settings)).map_batch(parsed, RECEIVED_AT_MS)


def one_mapped(batch: Members, **settings: Any) -> tuple[Members, set[str]]:
    """Payload and warnings of the batch's only outcome, which must be mapped."""
    (outcome,) = outcomes_of(batch, **settings)
    assert isinstance(outcome, Mapped), outcome
    return msgspec.json.decode(outcome.payload), set(outcome.warnings)


def reason_of(batch: Members, **settings: Any) -> str | None:
    """The drop reason of the batch's only outcome; None if it is mapped."""
    (outcome,) = outcomes_of(batch, **settings)
    return outcome.reason if isinstance(outcome, Dropped) else None
