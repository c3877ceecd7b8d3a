"""Fields explained without the input: never other sources than the ones that are really read."""

import json
from typing import Any

import pytest

from tests.golden.cases import FILES, connection_of, load
from tests.unit.mapping.batches import RECEIVED_AT_MS
from tiktok_forwarder.domain.outcome import Mapped
from tiktok_forwarder.mapping.custom import Occurrence
from tiktok_forwarder.mapping.event import Mapper
from tiktok_forwarder.mapping.explain import Explanation, explain
from tiktok_forwarder.mapping.explain_payload import explain_payload
from tiktok_forwarder.mparticle.parse import Bounds, parse_body


def pairs(case: dict[str, Any]) -> list[tuple[list[Explanation], list[Explanation]]]:
    """For each mapped outcome the explanation with the input, and the one without."""
    connection = connection_of(case["connection"])
    (batch,) = parse_body(json.dumps(case["batch"]).encode(), Bounds())
    found: list[tuple[list[Explanation], list[Explanation]]] = []
    for outcome in Mapper(connection).map_batch(batch, case.get("received_at_ms", RECEIVED_AT_MS)):
        event = (batch.events or [])[outcome.event_index]
        if not isinstance(outcome, Mapped) or event is None or event.data is None:
            continue
        event_type = str(event.event_type).lower()
        source = f"{event_type} {Occurrence(batch, event, event.data, event_type).name}"
        known = explain(batch, event, outcome, connection, case["received_at_ms"])
        found.append((known, explain_payload(json.loads(outcome.payload), connection, source)))
    return found


def plain(source: str) -> str:
    """A source without the event's and the product's number: those are not known without the input."""
    for number in range(20):
        source = source.replace(f"events[{number}].", "").replace(f"products[{number}]", "products[…]")
    return source


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_field_is_explained_by_the_source_it_has(file: Any) -> None:
    """What `explain` finds with the input at hand is among the places that are named without it."""
    for known, told in pairs(load(file)):
        assert [each.field for each in told] == [each.field for each in known]
        for exact, general in zip(known, told, strict=True):
            assert general.sources and general.done, general
            if exact.field in ("event", "event_id", "properties.value") or "ttclid" in exact.done:
                continue  # told in words
            for source in map(plain, exact.sources):
                if source.startswith(("connection.custom_mappings", "user_identities", "partner_identities[")):
                    continue  # told in words, or by the identity's type in place of its number or spelling
                assert source in general.sources, (exact, general)


def test_a_custom_mapping_is_named() -> None:
    """By its place, and what it is of; its properties by their attributes."""
    settings = {
        "custom_mappings": [
            {
                "event": "Search",
                "event_type": "custom_event",
                "event_name": "Site Search",
                "properties": {"query": {"attribute": "term"}, "description": {"static": "search"}},
            }
        ]
    }
    payload = {"event": "Search", "properties": {"search_string": "shoes", "description": "search"}}
    told = explain_payload(payload, connection_of(settings), "custom_event site search")
    assert [each.sources for each in told] == [
        ("custom mapping 1, custom_event Site Search",),
        ("data.custom_attributes.term",),
        ("the mapping's static value search",),
    ]


def test_a_field_of_another_version_is_left_open() -> None:
    """A payload may be older than this program."""
    (told,) = explain_payload({"some_former_field": 1}, connection_of({}), "")
    assert (told.sources, told.done) == ((), "")
