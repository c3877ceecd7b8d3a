"""Whatever JSON somebody gives as a connection: it is taken and survives a restart, or its problems are told."""

import asyncio
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.unit.parts import TOKEN, Parts

from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.mapping.custom import EVENT_TYPES, SOURCE_KINDS
from tiktok_forwarder.mapping.fields import FIELDS
from tiktok_forwarder.tiktok.events import EVENTS

# Integers have no bound in JSON, and 4300 digits in Python.
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats(allow_nan=False) | st.text(max_size=9)
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)
PROPERTIES = sorted({name for event in EVENTS.values() for name in event.properties})
SOURCES = st.dictionaries(st.sampled_from(SOURCE_KINDS), SCALARS, max_size=2) | JSON
MAPPINGS = st.lists(
    st.fixed_dictionaries(
        {
            "event": st.sampled_from(sorted(EVENTS)) | JSON,
            "event_type": st.sampled_from(EVENT_TYPES) | JSON,
            "event_name": JSON,
        },
        optional={
            "properties": st.dictionaries(st.sampled_from(PROPERTIES), SOURCES, max_size=3) | JSON,
            "conditions": st.lists(st.fixed_dictionaries({"attribute": SCALARS, "values": JSON}), max_size=2) | JSON,
            "custom_event_type": JSON,
        },
    )
    | JSON,
    max_size=2,
)
SETTINGS = st.fixed_dictionaries(
    {"name": st.just("Shop") | JSON, "pixel_id": st.just("P") | JSON, "access_token": st.just(TOKEN) | JSON},
    optional={
        "custom_mappings": MAPPINGS,
        **{field.name: JSON for field in FIELDS if field.name not in ("name", "pixel_id", "access_token")},
        "": JSON,
    },
)
CART = {"event": "AddToCart", "event_type": "custom_event", "event_name": "cart"}


@settings(max_examples=100, derandomize=True, database=None, deadline=None)
@given(drawn=SETTINGS)
def test_any_settings_are_taken_or_told(drawn: dict[str, Any]) -> None:
    """No other error comes of them than one that names the problems, one for each."""
    asyncio.run(_take(drawn))


@settings(max_examples=200, derandomize=True, database=None, deadline=None)
@given(drawn=MAPPINGS)
@example(drawn=[{**CART, "properties": {"value": {"static": float("inf")}}}])
@example(drawn=[{**CART, "properties": {"value": {"static": float("nan")}}}])
@example(drawn=[{**CART, "properties": {"value": {"static": 2**70}}}])
def test_any_custom_mappings_are_taken_or_told(drawn: list[Any]) -> None:
    """The same for mappings alone, which are taken more often when nothing else is wrong."""
    asyncio.run(_take({"name": "Shop", "pixel_id": "P", "access_token": TOKEN, "custom_mappings": drawn}))


async def _take(drawn: dict[str, Any]) -> None:
    parts = Parts()
    try:
        (difference,) = await parts.connections.import_all([drawn], dry_run=False, changed_by="test")
    except ConfigurationError as error:
        assert error.problems and all(": " in problem for problem in error.problems)
        return
    assert difference.change == "add"
    again = (await parts.reopened()).connections
    assert again.all() == parts.connections.all()
    assert len(await again.history(difference.name)) == 1
