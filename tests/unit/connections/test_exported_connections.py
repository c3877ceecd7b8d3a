"""A connection that is exported and imported elsewhere maps every event to the same bytes."""

import asyncio
import json
import tomllib
from typing import Any

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from msgspec import structs
from tests.golden.cases import CASE_NAMES, CASES, Case, allows_purchases
from tests.unit.parts import TOKEN, Parts

from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.domain.outcome import Outcome
from tiktok_forwarder.mapping.connection import connection_document, read_connection
from tiktok_forwarder.mapping.connection_toml import written_toml
from tiktok_forwarder.mapping.event import Mapper
from tiktok_forwarder.mapping.fields import FIELDS, Field
from tiktok_forwarder.mparticle.parse import Bounds, parse_body

# What a case is about, and what only some other settings go with.
SET_BY_CASE = {"name", "pixel_id", "access_token", "custom_mappings", "inputs", "events_api"}
NEEDED = ("ip", "user_agent")
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "purchase_event": st.sampled_from(["PlaceAnOrder", "CompletePayment"]),
    "boolean": st.booleans(),
    "integer": st.integers(1, 28),
    "number": st.floats(0, 100) | st.integers(0, 100),
    "currency": st.sampled_from(["USD", "eur", " jpy "]),
    "region": st.sampled_from(["US", "de"]),
    "text": st.text(max_size=20),
    "texts": st.lists(st.text(min_size=1, max_size=9).filter(str.strip), max_size=3),
    "identity_types": st.lists(st.sampled_from(["other", "other2", "alias"]), unique=True, max_size=3),
    "rules": st.just([{"name": "r", "action": "only_forward", "when": [{"page_host": True, "contains": ["e"]}]}]),
    "sources": st.just({"event_id": [{"field": "transaction_id"}], "ttp": [{"url_parameter": "t"}]}),
}


def _values(field: Field) -> st.SearchStrategy[Any]:
    if field.kind == "choices":
        return st.lists(st.sampled_from([choice.value for choice in field.choices if choice.value not in NEEDED]))
    if field.choices and field.kind not in VALUES and field.name not in VALUES:
        return st.sampled_from([choice.value for choice in field.choices])
    return VALUES[field.name if field.name in VALUES else field.kind]


SETTINGS = st.fixed_dictionaries(
    {"name": st.text(min_size=1, max_size=20).filter(str.strip)},
    optional={field.name: _values(field) for field in FIELDS if field.name not in SET_BY_CASE},
)


def outcomes(mapper: Mapper, case: dict[str, Any]) -> list[Outcome]:
    (batch,) = parse_body(json.dumps(case["batch"]).encode(), Bounds())
    return mapper.map_batch(batch, case["received_at_ms"], allows_purchases=allows_purchases(case))


async def only_mapper(parts: Parts) -> Mapper:
    """Of the one connection there is, as a new process reads it from the store."""
    (mapper,) = (await parts.reopened()).connections.mappers_of("web")
    return mapper


async def exported_and_imported(source: Parts) -> Parts:
    """Another service with the same connection, by way of the file that the command line writes."""
    (connection,) = source.connections.all()
    (table,) = tomllib.loads(written_toml([connection_document(connection)]))["connections"]
    target = Parts()
    await target.connections.import_all([{**table, "access_token": TOKEN}], dry_run=False, changed_by="test")
    return target


@pytest.mark.parametrize("name", CASE_NAMES)
def test_an_imported_connection_gives_the_same_bytes(name: str) -> None:
    """Outcomes, payload bytes and warnings of each golden case are those of the settings as they were first given."""
    _exchange(CASES[name], {"name": "Shop"})


@settings(max_examples=150, derandomize=True, database=None, deadline=None)
@given(name=st.sampled_from(list(CASES)), drawn=SETTINGS)
def test_an_imported_connection_has_all_settings(name: str, drawn: dict[str, Any]) -> None:
    """The same for any settings beside those of the case."""
    _exchange(CASES[name], drawn)


def _exchange(case: Case, drawn: dict[str, Any]) -> None:
    given_settings = {**drawn, **case["connection"], "pixel_id": "EXAMPLEPIXEL", "access_token": TOKEN}
    try:
        first = Mapper(read_connection(given_settings).connection)
    except ConfigurationError:
        # What is drawn need not go with what the case is about.
        reject()

    async def exchange() -> None:
        source = Parts()
        await source.connections.add(given_settings, "test")
        target = await exported_and_imported(source)
        for parts in (source, target):
            mapper = await only_mapper(parts)
            assert outcomes(mapper, case) == outcomes(first, case)
            assert structs.replace(mapper.connection, id="", revision=0) == first.connection

    asyncio.run(exchange())
