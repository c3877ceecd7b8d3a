"""Every text of a batch, found from the types of `Batch`, and a connection that reads each of them in every way."""

from collections.abc import Iterator
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin

from msgspec import Struct, UnsetType, structs

from tests.golden.cases import connection_of
from tests.unit.mapping.batches import Members, batch_of, purchase
from tiktok_forwarder.mapping.connection import Connection
from tiktok_forwarder.mapping.sources import COMMERCE_FIELDS, PRODUCT_FIELDS
from tiktok_forwarder.mapping.visitor import MATCHING_ATTRIBUTES
from tiktok_forwarder.mparticle.batch import Batch

Path = tuple[str | int, ...]
_PURPOSE: Final = "ads"
_ATTRIBUTE: Final = "a"
# The members of objects that the connections read, which no type names; a wrong list would fail `put_text`.
_NAMES: Final = {
    "custom_flags": ("TikTok.URL", "TikTok.Referrer", "TikTok.Callback", _ATTRIBUTE),
    "custom_attributes": (_ATTRIBUTE, "description", "ttclid"),
    "user_attributes": (_ATTRIBUTE, "ttclid", *MATCHING_ATTRIBUTES.values()),
    "user_identities": ("email", "mobile_number", "customer_id", "other"),
    "partner_identities": ("tiktok_cookie_id",),
    "gdpr": (_PURPOSE,),
    "ccpa": ("data_sale_opt_out",),
}
_OF_A_LIST: Final = {
    "user_identities": ("email", "mobile_number", "customer_id"),
    "partner_identities": ("tiktok_cookie_id",),
}
A_KEY: Final = "a key"
"""Stands in a path for a member that has the text as its name."""


def text_paths() -> list[Path]:
    """The path of every text that a batch may hold: values of any kind, members of objects, and their names."""
    return list(dict.fromkeys(path for leaf in _leaves(Batch, ()) for path in _named(leaf)))


def batch_paths() -> list[Path]:
    """Those of texts that all events of a batch share."""
    return [path for path in text_paths() if path[0] != "events"]


def _leaves(shape: Any, path: Path) -> Iterator[Path]:
    origin = get_origin(shape)
    if origin in (Union, UnionType):
        for option in get_args(shape):
            if option not in (type(None), UnsetType):
                yield from _leaves(option, path)
    elif origin is list:
        yield from _leaves(get_args(shape)[0], (*path, 0))
    elif origin is dict:
        yield (*path, "*")
    elif isinstance(shape, type) and issubclass(shape, Struct):
        for field in structs.fields(shape):
            yield from _leaves(field.type, (*path, field.encode_name))
    else:
        assert shape is object, (path, shape)
        yield path


def _named(leaf: Path) -> Iterator[Path]:
    holder = str(leaf[-2]) if len(leaf) > 1 else ""
    if leaf[-1] == "*":
        yield from ((*leaf[:-1], name) for name in (*_NAMES[holder], A_KEY))
    elif leaf[-1] == 0:
        yield from ((*leaf, name) for name in (*_OF_A_LIST[holder], A_KEY))
    else:
        yield leaf


def batch_with(path: Path, text: str) -> Members:
    """A batch of an event that has everything, with this text at the path."""
    kind = {"event_name": "custom_event", "screen_name": "screen_view"}.get(str(path[-1]), "commerce_event")
    event = purchase(event_name="n", screen_name="n", custom_attributes={})
    event["event_type"] = kind
    batch = batch_of(event)
    _put(batch, path, text)
    return batch


def _put(holder: Any, path: Path, text: str) -> None:
    step, *rest = path
    if holder == [] or (isinstance(holder, list) and isinstance(path[-2] if len(path) > 1 else None, int)):
        holder.append({})
    if step == A_KEY:
        holder[text] = "v"
    elif not rest:
        holder[step] = text
    elif rest[0] == 0 and len(rest) == 2:
        named = (
            {"identity_type": text, "identity": "v"}
            if rest[1] == A_KEY
            else {"identity_type": rest[1], "identity": text}
        )
        holder[step] = [named]
    else:
        inner = holder[step] if isinstance(step, int) else holder.setdefault(step, [] if rest[0] == 0 else {})
        if inner is None or (not isinstance(inner, list) and rest[0] == 0):
            inner = holder[step] = [] if rest[0] == 0 else {}
        if isinstance(inner, list) and not inner:
            inner.append({})
        _put(inner, tuple(rest), text)


def _conditions() -> list[dict[str, Any]]:
    subjects: list[dict[str, Any]] = [
        {"attribute": _ATTRIBUTE},
        {"user_attribute": _ATTRIBUTE},
        {"flag": _ATTRIBUTE},
        {"event_name": True},
        {"page_host": True},
        {"page_path": True},
        *({"product": name} for name in PRODUCT_FIELDS),
        *({"field": name} for name in COMMERCE_FIELDS),
    ]
    return [{**subject, **test} for subject in subjects for test in ({"contains": ["zz"]}, {"at_least": 1e300})][:50]


def _mapping(event_type: str, event_name: str) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "description": {"attribute": _ATTRIBUTE},
        "value": {"first": [{"attribute": _ATTRIBUTE}, {"user_attribute": _ATTRIBUTE}]},
        "currency": {"flag": _ATTRIBUTE},
        "query": {"user_attribute": _ATTRIBUTE},
        "content_ids": {"user_attribute": _ATTRIBUTE},
        "num_items": {"attribute": _ATTRIBUTE},
        "customer_type": {"attribute": _ATTRIBUTE},
        "predicted_ltv": {"flag": _ATTRIBUTE},
    }
    if event_type == "commerce_event":
        properties |= {
            "content_name": {"first": [{"product_attribute": _ATTRIBUTE}, {"product": "name"}]},
            "brand": {"product": "variant"},
            "shop_id": {"field": "affiliation"},
            "delivery_category": {"field": "coupon_code"},
        }
    return {"event": "Purchase", "event_type": event_type, "event_name": event_name, "properties": properties}


def curious_connection() -> Connection:
    """A connection that reads every text, in conditions, custom mappings and all common fields."""
    attribute, of_user, flag = {"attribute": _ATTRIBUTE}, {"user_attribute": _ATTRIBUTE}, {"flag": _ATTRIBUTE}
    return connection_of(
        {
            "custom_mappings": [
                _mapping("custom_event", "n"),
                _mapping("screen_view", "n"),
                _mapping("commerce_event", "purchase"),
            ],
            "forwarding_rules": [
                {"name": f"rule {number}", "action": "do_not_forward", "when": [condition]}
                for number, condition in enumerate(_conditions())
            ],
            "advanced_matching": True,
            "consent_purpose": _PURPOSE,
            "absent_consent": "given",
            "default_phone_region": "DE",
            "sample_percent": 99.99,
            "extra_email_identity_types": ["other_id_2"],
            "extra_phone_identity_types": ["phone_number_2"],
            "extra_external_identity_types": ["other", "mpid"],
            "anonymous_events": "forward",
            "require_ip_and_user_agent": False,
            "sources": {
                "event_id": [{"field": "transaction_id"}, flag, of_user, {"field": "source_message_id"}],
                "page_url": [{"flag": "TikTok.URL"}, {"field": "page_url"}, attribute, of_user],
                "page_referrer": [{"flag": "TikTok.Referrer"}, attribute, of_user],
                "ttclid": [{"url_parameter": "ttclid"}, {"flag": "TikTok.Callback"}, attribute, of_user],
                "ttp": [attribute, of_user, {"partner_identity": "tiktok_cookie_id"}],
                "ip": [attribute, of_user, {"field": "ip"}],
                "user_agent": [attribute, flag, of_user, {"field": "user_agent"}],
            },
        }
    )
