"""Custom mappings in a form: nothing is lost on the way in and out, and nothing impossible can be made."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given

from tests.golden.cases import CASES
from tests.golden.cases import connection_of as connection_of_case
from tests.unit.console.mappings.documents import Document, documents, stored, target_of
from tiktok_forwarder.console.forms import Form
from tiktok_forwarder.console.mappings.choices import is_number
from tiktok_forwarder.console.mappings.draft import (
    DraftMapping,
    DraftProperty,
    DraftSource,
    document_of,
    draft_of,
    without_unsupported_sources,
)
from tiktok_forwarder.console.mappings.form import read_drafts
from tiktok_forwarder.mapping.connection import connection_document
from tiktok_forwarder.mparticle.values import number_of, text_of

SIGNUP: Document = {
    "event": "Subscribe",
    "event_type": "custom_event",
    "event_name": "Newsletter Signup",
    "custom_event_type": "user_preference",
    "conditions": [{"attribute": "list", "is": ["weekly", "daily"]}, {"page_host": True, "contains": ["example"]}],
    "properties": {
        "value": {"first": [{"attribute": "price_paid"}, {"flag": "Price"}, {"static": 5}], "required": True},
        "description": {"static": "newsletter"},
        "shop_id": {"user_attribute": "home_shop", "required": True},
    },
}
SUBSCRIBE = target_of("Subscribe")
ADD_TO_CART = target_of("AddToCart")


def browser_fields(drafts: Sequence[DraftMapping]) -> list[tuple[str, str]]:
    """The fields of a form that shows these drafts, as a browser sends them."""
    return [field for draft in drafts for field in [("card", draft.key), *card_fields(draft)]]


def card_fields(draft: DraftMapping) -> list[tuple[str, str]]:
    if draft.kept:
        return [(f"{draft.key}.kept", draft.kept)]
    names = ("event_type", "event_name", "custom_event_type")
    fields = [(f"{draft.key}.{name}", getattr(draft, name)) for name in names]
    for number, condition in enumerate(draft.conditions):
        place = f"{draft.key}.if{number}"
        parts = ("subject", "name", "test", "values")
        fields += [(f"{place}.{part}", getattr(condition, part)) for part in parts]
    for name, mapped in draft.properties.items():
        place = f"{draft.key}.{name}"
        for number, source in enumerate(mapped.sources or (DraftSource(""),)):
            fields += [(f"{place}.{number}.kind", source.kind), (f"{place}.{number}.value", source.value)]
        fields += [(f"{place}.required", "yes")] if mapped.required else []
    return fields


def sent(fields: list[tuple[str, str]]) -> Form:
    """What a browser makes of a form's fields: line breaks of text areas become CR and LF."""
    normal = [(name, value.replace("\n", "\r\n")) for name, value in fields]
    return Form(parse_qsl(urlencode(normal), keep_blank_values=True))


def edited(document: Document, events_api: str = "2.0") -> Document:
    """The mapping after it was opened and saved without a change."""
    target = target_of(document["event"], events_api)
    fields = browser_fields([without_unsupported_sources(draft_of(document, "m1"), target)])
    [draft] = read_drafts(sent(fields), target)
    return document_of(draft, document["event"])


def meaning(document: Document) -> Any:
    """The mapping with each static value as its property reads it, so that 10 and "10" are the same."""
    properties = {name: _meaning_of_source(name, source) for name, source in document["properties"].items()}
    return {**document, "properties": properties}


def _meaning_of_source(name: str, source: Any) -> Any:
    if "first" in source:
        return {**source, "first": [_meaning_of_source(name, each) for each in source["first"]]}
    if "static" not in source:
        return source
    value = source["static"]
    return {**source, "static": number_of(value) if is_number(name) else text_of(value)}


def test_a_mapping_is_the_same_after_it_was_opened_and_saved() -> None:
    """Every member comes back, types of the API included."""
    assert edited(SIGNUP) == SIGNUP


@given(documents())
def test_any_mapping_means_the_same_after_it_was_opened_and_saved(document: Document) -> None:
    """Also names with blanks at their ends, odd numbers, line breaks, and text that looks like something else."""
    assert meaning(stored(edited(document))) == meaning(document)


def mappings_of_cases() -> list[tuple[Document, str]]:
    """The mappings of all golden cases as the API shows them, each with its version of the Events API."""
    found: list[tuple[Document, str]] = []
    for case in CASES.values():
        connection = connection_of_case(case.get("connection", {}))
        documents: Any = connection_document(connection)["custom_mappings"]
        found += [(document, connection.events_api) for document in documents]
    return found


def test_mappings_of_the_golden_cases_are_the_same_after_they_were_opened_and_saved() -> None:
    """A form shows every mapping of them, so that none is kept unshown, and loses nothing."""
    found = mappings_of_cases()
    assert len(found) > 20
    for document, events_api in found:
        assert not draft_of(document, "m1").kept
        assert meaning(edited(document, events_api)) == meaning(document)


def test_a_mapping_with_a_line_break_is_kept_as_it_is() -> None:
    """A browser would take it out, and the mapping would match no more."""
    document: Document = {**SIGNUP, "event_name": "Two\nlines"}
    assert draft_of(document, "m1").kept
    assert edited(document) == document


def test_what_was_forged_is_the_apis_to_refuse() -> None:
    """A kept mapping that is no JSON, or none of a mapping, becomes one that names nothing but its event."""
    [draft] = read_drafts(Form([("card", "m1"), ("m1.kept", "{")]), SUBSCRIBE)
    assert document_of(draft, "Subscribe") == {"event": "Subscribe"}
    [draft] = read_drafts(Form([("card", "m1"), ("m1.kept", '{"event_type": 5, "properties": []}')]), SUBSCRIBE)
    assert document_of(draft, "Subscribe") == {"event": "Subscribe"}
    [draft] = read_drafts(Form([("card", "m1"), ("m1.kept", '{"event": "Search"}')]), SUBSCRIBE)
    assert document_of(draft, "Subscribe") == {"event": "Subscribe"}


def test_unknown_kinds_and_keys_are_passed_over() -> None:
    """A form that no page of ours made names no card of ours and no source that does not exist."""
    fields = [("card", "m1"), ("card", "<b>"), ("m1.event_type", "odd"), ("m1.value.0.kind", "odd")]
    fields += [("m1.odd.0.kind", "attribute"), ("m1.odd.0.value", "x")]
    [draft] = read_drafts(Form(fields), SUBSCRIBE)
    assert (draft.key, draft.event_type, draft.properties["value"]) == ("m1", "custom_event", DraftProperty())
    assert list(draft.properties) == ["currency", "value", "description"]


@pytest.mark.parametrize(
    ("event_type", "kind", "value", "expected"),
    [
        ("screen_view", "product", "price", None),
        ("custom_event", "product_attribute", "size", None),
        ("custom_event", "field", "total_amount", ""),
        ("custom_event", "field", "name", "name"),
        ("commerce_event", "product", "price", "price"),
        ("commerce_event", "product", "size", ""),
        ("screen_view", "flag", "Price", "Price"),
    ],
)
def test_sources_that_the_kind_of_event_lacks_go(event_type: str, kind: str, value: str, expected: str | None) -> None:
    """Changing the kind of event leaves no combination that the API would refuse."""
    draft = DraftMapping("m1", event_type, "x", properties={"price": one_source(kind, value)})
    found = without_unsupported_sources(draft, ADD_TO_CART).properties["price"]
    assert found == (DraftProperty() if expected is None else one_source(kind, expected))


def one_source(kind: str, value: str) -> DraftProperty:
    return DraftProperty((DraftSource(kind, value),), required=True)


def test_products_give_content_properties_only() -> None:
    """The value of the whole comes from no product."""
    draft = DraftMapping("m1", "commerce_event", "x", properties={"value": one_source("product", "price")})
    assert without_unsupported_sources(draft, ADD_TO_CART).properties["value"] == DraftProperty()


def test_sources_of_one_property_are_all_of_the_event_or_all_of_the_product() -> None:
    """The first one decides, since the API takes no mixture."""
    mixed = (DraftSource("product", "price"), DraftSource("attribute", "price"), DraftSource("product_attribute", "p"))
    draft = DraftMapping("m1", "commerce_event", "x", properties={"price": DraftProperty(mixed)})
    assert without_unsupported_sources(draft, ADD_TO_CART).properties["price"].sources == (mixed[0], mixed[2])


def test_properties_of_the_event_are_shown_first_and_others_if_they_are_mapped() -> None:
    """The version 1.0 of the Events API has no others."""
    draft = DraftMapping("m1", properties={"shop_id": one_source("attribute", "shop"), "query": DraftProperty()})
    shown = list(without_unsupported_sources(draft, SUBSCRIBE).properties)
    assert shown == ["currency", "value", "description", "query", "shop_id"]
    shown = list(without_unsupported_sources(draft, target_of("Subscribe", "1.0")).properties)
    assert shown == ["currency", "value", "description"]
