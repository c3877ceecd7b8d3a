"""How deep a body nests is bounded exactly, however it is found out: compared with a plain count of its brackets."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tiktok_forwarder.domain.errors import UnreadableBody
from tiktok_forwarder.mparticle.nesting import is_deeper_than
from tiktok_forwarder.mparticle.parse import Bounds, parse_body

LEVELS = 24
# Beside it, brackets are few for the size of a body, however many it has.
PADDING = b" " * 20_000


def depth(body: bytes) -> int:
    """The levels of a JSON text, one step for each byte."""
    level = deepest = 0
    in_text = is_escaped = False
    for byte in body:
        if in_text:
            in_text = is_escaped or byte != ord('"')
            is_escaped = not is_escaped and byte == ord("\\")
        elif byte == ord('"'):
            in_text = True
        elif byte in b"{[":
            level += 1
            deepest = max(deepest, level)
        elif byte in b"}]":
            level -= 1
    return deepest


def is_refused_for_nesting(body: bytes, levels: int) -> bool:
    try:
        parse_body(body, Bounds(max_nesting=levels, max_body_bytes=1_000_000))
    except UnreadableBody as error:
        return str(error) == f"the body is nested too deeply; the limit is {levels} levels"
    return False


def nested(levels: int, kind: str, inside: Any) -> Any:
    value = inside
    for number in range(levels):
        value = [value] if kind == "lists" or (kind == "both" and number % 2) else {"a": value}
    return value


VALUES = st.builds(
    nested,
    st.integers(0, LEVELS + 2),
    st.sampled_from(["lists", "objects", "both"]),
    st.sampled_from([1, "", "}" * 40 + '"', "[{" * 40, '\\"]', [], {}, None, [[], {"a": []}]]),
)
FLAT: st.SearchStrategy[Any] = st.sampled_from([{}, {"a": 1}, [], None, "]]]}}}", 5])
OBJECTS = ["custom_attributes", "custom_flags", "location"]


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """One batch or several, mostly flat, with a value that may be deep in any place, named or not."""

    def with_value(members: dict[str, Any], name: str, value: Any) -> dict[str, Any]:
        return {**members, name: value} if draw(st.booleans()) else {name: value, **members}

    products = [{"id": "a", "price": 1.5}] * draw(st.integers(0, 4))
    action = {"action": "purchase", "products": products}
    data = {name: draw(FLAT) for name in OBJECTS} | {"product_action": action}
    events = [{"event_type": "commerce_event", "data": data}] * draw(st.integers(0, 12))
    value = draw(VALUES)
    place = draw(
        st.sampled_from(["batch", "user_attributes", "event", "data", *OBJECTS, "product", "products", "alone"])
    )
    match place:
        case "event":
            events = [*events, {"event_type": "a", "other": value, "data": {}}]
        case "data":
            events = [*events, {"event_type": "a", "data": {"other": value}}]
        case "product" | "products":
            odd = [{"custom_attributes": value}] if place == "product" else value
            events = [*events, {"data": {"product_action": {"products": odd}}}]
        case "custom_attributes" | "custom_flags" | "location":
            events = [*events, {"data": {place: {"a": value}}}]
    batch: dict[str, Any] = {"mpid": 1, "events": events}
    if place in ("batch", "user_attributes"):
        batch = with_value(batch, "other" if place == "batch" else place, value)
    given = value if place == "alone" else [batch] * draw(st.integers(1, 3)) if draw(st.booleans()) else batch
    text = json.dumps(given, separators=(",", ":")).encode()
    if draw(st.booleans()):
        # The decoder keeps the last of two members.
        text = text.replace(b'"events":', b'"events":[{"data":{}},{"data":{}}],"events":', 1)
    return text + PADDING if draw(st.booleans()) else text


# One path through all that is decoded by name.
PATH = b'{"events":[{"data":{"product_action":{"products":[{"custom_attributes":'
DEEP = PATH + b'{"a":' * 10 + b"1" + b"}" * 10 + b"}]}}}]}"


@settings(max_examples=600, deadline=None, derandomize=True)
@given(body=bodies(), levels=st.integers(8, LEVELS))
@example(body=DEEP + PADDING, levels=16)
def test_body_is_refused_exactly_if_it_nests_deeper(body: bytes, levels: int) -> None:
    """Neither what the decoder skips nor brackets in texts make a difference."""
    deepest = depth(body)
    assert is_refused_for_nesting(body, levels) == (deepest > levels)
    if deepest > 1:
        assert is_refused_for_nesting(body, deepest - 1)
    assert not is_refused_for_nesting(body, deepest)


MARKS = [
    b"[",
    b"]",
    b"{",
    b"}",
    b'"',
    b"\\",
    b",",
    b'{"a":',
    b'"events":[',
    b'{"data":{',
    b"[" * 9,
    b"]" * 9,
    b"1",
    b" ",
]


@settings(max_examples=600, deadline=None, derandomize=True)
@given(marks=st.lists(st.sampled_from(MARKS), max_size=60), begins=st.sampled_from([b"", b'{"a":[', b'{"events":[']))
@example(marks=[b"]"] * 50 + [b"["] * 9, begins=b"")
def test_hostile_body_is_refused_as_if_it_were_measured_first(marks: list[bytes], begins: bytes) -> None:
    """What is not JSON at all is refused with the same words before and after it is decoded."""
    for body in (begins + b"".join(marks), begins + b"".join(marks) + PADDING):
        has_enough_brackets = body.count(b"{") + body.count(b"[") > 8
        assert is_refused_for_nesting(body, 8) == (has_enough_brackets and is_deeper_than(body, 8))


@pytest.mark.parametrize("events", [1, 100])
def test_ordinary_body_is_not_measured(monkeypatch: pytest.MonkeyPatch, events: int) -> None:
    """Its brackets are those of what was decoded by name, of which nothing is deep."""
    monkeypatch.setattr("tiktok_forwarder.mparticle.parse.is_deeper_than", lambda *_: pytest.fail("measured"))
    product = {"id": "SKU-0000001", "name": "Trail Running Shoe", "brand": "Northbank", "category": "footwear"}
    data = {
        "custom_attributes": {"store": "web"},
        "custom_flags": {"TikTok.URL": "https://shop.example.com/checkout/thanks"},
        "product_action": {"action": "purchase", "transaction_id": "order-1", "products": [product] * 3},
    }
    body = json.dumps({"events": [{"event_type": "commerce_event", "data": data}] * events, "device_info": {}})
    (batch,) = parse_body(body.encode(), Bounds())
    assert len(batch.events or ()) == events
