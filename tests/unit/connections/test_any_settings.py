"""Whatever JSON somebody gives as a connection: it is taken and survives a restart, or its problems are told."""

import asyncio
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.unit.parts import TOKEN, Parts

from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.mapping.conditions import ACTIONS, IDENTITY_KINDS, SUBJECTS, TESTS
from tiktok_forwarder.mapping.custom import EVENT_TYPES
from tiktok_forwarder.mapping.fields import FIELDS
from tiktok_forwarder.mapping.sources import COMMON_SOURCES, DEFAULT_SOURCES, EVENT_FIELDS, PROPERTY_SOURCES
from tiktok_forwarder.tiktok.events import ALL_PROPERTIES, EVENTS

# Integers have no bound in JSON, and 4300 digits in Python.
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats(allow_nan=False) | st.text(max_size=9)
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)
PROPERTIES = sorted(ALL_PROPERTIES)
ONE_SOURCE = st.dictionaries(st.sampled_from(PROPERTY_SOURCES), SCALARS, min_size=1, max_size=2)
SOURCES = ONE_SOURCE | st.fixed_dictionaries({"first": st.lists(ONE_SOURCE, max_size=6) | JSON}) | JSON
NAMES = st.just(True) | st.sampled_from([*EVENT_FIELDS, *IDENTITY_KINDS]) | SCALARS
EXPECTED = st.booleans() | st.integers() | st.lists(st.text(min_size=1, max_size=5) | SCALARS, max_size=3) | JSON
CONDITIONS = st.lists(
    st.builds(
        lambda subject, name, test, expected: {subject: name, test: expected},
        *(st.sampled_from(SUBJECTS), NAMES, st.sampled_from([*TESTS, "values"]), EXPECTED),
    )
    | JSON,
    max_size=3,
)
RULES = st.lists(
    st.fixed_dictionaries({"name": SCALARS, "action": st.sampled_from(ACTIONS) | SCALARS, "when": CONDITIONS | JSON})
    | JSON,
    max_size=3,
)
COMMON = st.dictionaries(
    st.sampled_from(sorted(DEFAULT_SOURCES)) | st.text(max_size=5),
    st.lists(st.dictionaries(st.sampled_from(COMMON_SOURCES), NAMES, max_size=2) | JSON, max_size=4) | JSON,
    max_size=3,
)
MAPPINGS = st.lists(
    st.fixed_dictionaries(
        {
            "event": st.sampled_from(sorted(EVENTS)) | JSON,
            "event_type": st.sampled_from(EVENT_TYPES) | JSON,
            "event_name": JSON,
        },
        optional={
            "properties": st.dictionaries(st.sampled_from(PROPERTIES), SOURCES, max_size=3) | JSON,
            "conditions": CONDITIONS | JSON,
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


@settings(max_examples=300, derandomize=True, database=None, deadline=None)
@given(rules=RULES, sources=COMMON)
@example(rules=[{"name": "n", "action": "only_forward", "when": [{"field": "name", "at_least": 10**400}]}], sources={})
def test_any_rules_and_sources_are_taken_or_told(rules: list[Any], sources: dict[str, Any]) -> None:
    """The same for forwarding rules and for sources."""
    given = {"name": "Shop", "pixel_id": "P", "access_token": TOKEN, "forwarding_rules": rules, "sources": sources}
    asyncio.run(_take(given))


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
