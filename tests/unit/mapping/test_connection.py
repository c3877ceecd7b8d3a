"""A connection's settings: defaults, every problem told at once, and the way back to plain keys."""

import math
import re
import tomllib
from collections.abc import Callable
from typing import Any

import pytest

from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.mapping.connection import advice_on, connection_document, read_connection
from tiktok_forwarder.mapping.fields import FIELDS

GIVEN = {"name": "Shop", "pixel_id": "EXAMPLEPIXEL"}


def _problems(**given: Any) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as refusal:
        read_connection({**GIVEN, **given}, needs_token=False)
    return refusal.value.problems


def test_defaults_are_those_declared() -> None:
    """What is not given has its declared default."""
    connection = read_connection(GIVEN, needs_token=False).connection
    for field in FIELDS:
        if field.default is not None:
            assert getattr(connection, field.name) == field.default
    assert (connection.custom_mappings, connection.inputs, connection.default_currency) == ((), (), None)


def test_token_is_kept_apart_from_the_connection() -> None:
    """Neither the connection nor any text of the draft shows it."""
    draft = read_connection({**GIVEN, "access_token": "secret-token"})
    assert draft.access_token == "secret-token"
    assert "secret-token" not in f"{draft!r} {draft.connection!r}"


def test_every_problem_is_told_at_once() -> None:
    """Each with key, value and what is allowed."""
    with pytest.raises(ConfigurationError) as refusal:
        read_connection({"name": " ", "content_type": "shoe", "max_event_age_days": 29, "pixle_id": "x"})
    assert len(refusal.value.problems) == 6
    text = "\n".join(refusal.value.problems)
    for telling in (
        'pixle_id: is not a known key; did you mean "pixel_id"? Known keys: name, pixel_id, ',
        "name: must not be empty",
        "pixel_id: is required",
        "access_token: is required",
    ):
        assert telling in text
    assert "content_type: must be one of product, product_group, not 'shoe'" in text
    assert "max_event_age_days: must be a whole number from 1 to 28, not 29" in text


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("email_identity_type", "mpid", "one of customer_id, email"),
        ("events_api", "3.0", "one of 2.0, 1.0"),
        ("enabled", "yes", "true or false"),
        ("sample_percent", 101, "from 0 to 100"),
        ("sample_percent", float("nan"), "from 0 to 100"),
        ("max_event_age_days", 1.5, "a whole number"),
        ("max_event_age_days", True, "a whole number"),
        ("default_currency", "dollars", "three letters"),
        ("default_phone_region", "XX", "two letters"),
        ("inputs", "web", "a list of names"),
        ("pixel_id", 5, "must be text"),
        ("pixel_id", "C9A\r\nX: y", "one line of at most 200 characters"),
        ("name", "x" * 201, "one line of at most 200 characters"),
        ("custom_mappings", "x", "a list of mappings"),
    ],
)
def test_value_that_is_not_allowed(key: str, value: Any, allowed: str) -> None:
    """The one problem names the key and what it takes."""
    (problem,) = _problems(**{key: value})
    assert problem.startswith(f"{key}: ")
    assert allowed in problem


def test_token_never_stands_in_a_problem() -> None:
    """Also when it is of the wrong kind."""
    with pytest.raises(ConfigurationError) as refusal:
        read_connection({**GIVEN, "access_token": ["secret-token"]})
    assert "secret-token" not in str(refusal.value)


def test_spellings_are_understood() -> None:
    """Identity types in any spelling, codes in any case, the version as TOML's number."""
    given = {
        "email_identity_type": "Other 2",
        "default_currency": "eur",
        "default_phone_region": "us",
        "events_api": 1.0,
    }
    connection = read_connection({**GIVEN, **given}, needs_token=False).connection
    assert (connection.email_identity_type, connection.events_api) == ("other_id_2", "1.0")
    assert (connection.default_currency, connection.default_phone_region) == ("EUR", "US")


def _mapping(**members: Any) -> dict[str, Any]:
    return {"event": "Search", "event_type": "custom_event", "event_name": "x", **members}


@pytest.mark.parametrize(
    ("mapping", "problem"),
    [
        (_mapping(event="search"), r"\.event: must be one of AddPaymentInfo, .*, not 'search'"),
        (_mapping(event_type="click"), r"\.event_type: must be one of custom_event, .*, not 'click'"),
        (_mapping(event_name=" "), r"\.event_name: is required: .*"),
        (_mapping(colour="red"), r"\.colour: is not a known key; .*"),
        (_mapping(event_type="screen_view", custom_event_type="a"), r"\.custom_event_type: must be used with .*"),
        (_mapping(conditions=[{"attribute": "a"}]), r"\.conditions\[0\]: must have exactly one test of .*, not 0"),
        (_mapping(conditions=[5]), r"\.conditions\[0\]: must have .*, not 5"),
        (_mapping(properties={"colour": {"static": 1}}), r"\.properties\.colour: is not a property of Search, .*"),
        (_mapping(properties={"query": {}}), r"\.properties\.query: must have exactly one source .*, not 0"),
        (
            _mapping(properties={"query": {"static": "a", "attribute": "b"}}),
            r"\.properties\.query: must have exactly one source .*, not 2",
        ),
        (
            _mapping(properties={"query": {"static": "a", "required": 1}}),
            r"\.properties\.query\.required: must be .*, not 1",
        ),
        (_mapping(properties={"query": {"attribute": ""}}), r"\.properties\.query\.attribute: must be a name, not ''"),
        (
            _mapping(properties={"query": {"field": "affiliation"}}),
            r"\.properties\.query\.field: can be affiliation .*",
        ),
        (
            _mapping(properties={"query": {"product": "id"}}),
            r"\.properties\.query\.product: can only be used for price, .*",
        ),
        (
            _mapping(event="AddToCart", properties={"price": {"static": "cheap"}}),
            r"\.properties\.price\.static: must be a number, not 'cheap'",
        ),
        (
            _mapping(event="AddToCart", properties={"price": {"product": "price"}}),
            r"\.properties\.price\.product: can be price in commerce events only, .*",
        ),
        (
            _mapping(event="AddToCart", event_type="commerce_event", properties={"price": {"product": "prize"}}),
            r"\.properties\.price\.product: must be one of id, .*, not 'prize'",
        ),
        (
            _mapping(event="AddToCart", event_type="commerce_event", properties={"value": {"product": "price"}}),
            r"\.properties\.value\.product: can only be used for price, .*, not for value",
        ),
    ],
)
def test_custom_mapping_that_cannot_be(mapping: dict[str, Any], problem: str) -> None:
    """The one problem names where in which mapping."""
    (found,) = _problems(custom_mappings=[_mapping(), mapping])
    assert re.fullmatch(r"custom_mappings\[1\]" + problem, found), found


CONDITION = {"attribute": "a", "values": ["b"]}
CONDITION_KEYS = (
    "attribute, user_attribute, flag, field, product, event_type, event_name, tiktok_event, page_host, page_path, "
    "identity, is, is_not, contains, starts_with, exists, at_least, at_most, values"
)


@pytest.mark.parametrize(
    ("members_with", "place", "needed", "wrong_values"),
    [
        (lambda wrong: {"conditions": wrong}, "conditions", "a list of", ["a", 5, True, CONDITION]),
        (
            lambda wrong: {"conditions": [wrong]},
            "conditions[0]",
            "one of attribute, user_attribute,",
            ["a", 5, None, ["a"]],
        ),
        (
            lambda wrong: {"conditions": [CONDITION, {**CONDITION, "attribute": wrong}]},
            "conditions[1].attribute",
            "a name",
            [None, "", " ", 5, ["a"]],
        ),
        (
            lambda wrong: {"conditions": [CONDITION, {**CONDITION, "values": wrong}]},
            "conditions[1].values",
            "a list of texts, none of them empty",
            [None, "b", 5, [], [""], ["b", " "], [None], [["b"]], {"b": 1}],
        ),
        (lambda wrong: {"properties": wrong}, "properties", "a source per property", ["query", ["query"], 5, True]),
        (
            lambda wrong: {"properties": {"query": wrong}},
            "properties.query",
            "one source of attribute, user_attribute, field, product, product_attribute, flag, static, first",
            ["shoes", 5, True, None, ["shoes"]],
        ),
        (
            lambda wrong: {"properties": {"query": {"attribute": wrong}}},
            "properties.query.attribute",
            "a name",
            [None, "", " ", 5, True, ["shoes"]],
        ),
        (
            lambda wrong: {"properties": {"query": {"static": wrong}}},
            "properties.query.static",
            "text, a number, true or false",
            [None, "", " ", [], {}, math.nan],
        ),
        (
            lambda wrong: {"properties": {"query": {"static": "shoes", "required": wrong}}},
            "properties.query.required",
            "true or false",
            [None, 1, "true", []],
        ),
    ],
)
def test_part_of_a_mapping_is_refused_when_it_is_of_the_wrong_kind(
    members_with: Callable[[Any], dict[str, Any]], place: str, needed: str, wrong_values: list[Any]
) -> None:
    """A part that is passed over in silence would send events otherwise than its author meant."""
    for wrong in wrong_values:
        (found,) = _problems(custom_mappings=[_mapping(), _mapping(**members_with(wrong))])
        assert found.startswith(f"custom_mappings[1].{place}: must") and found.endswith(f", not {wrong!r}"), found
        assert needed in found


@pytest.mark.parametrize(
    ("members", "place", "close", "known"),
    [
        (
            {"propertys": {}},
            "propertys",
            "properties",
            "event, event_type, event_name, custom_event_type, conditions, properties",
        ),
        ({"conditions": [{**CONDITION, "vlaues": ["c"]}]}, "conditions[0].vlaues", "values", CONDITION_KEYS),
        (
            {"conditions": [CONDITION, {**CONDITION, "Attribute": "c"}]},
            "conditions[1].Attribute",
            "attribute",
            CONDITION_KEYS,
        ),
        (
            {"properties": {"query": {"attribute": "a", "requierd": True}}},
            "properties.query.requierd",
            "required",
            "attribute, user_attribute, field, product, product_attribute, flag, static, first, required",
        ),
    ],
)
def test_misspelled_key_of_a_mapping_is_refused(members: dict[str, Any], place: str, close: str, known: str) -> None:
    """A condition or a requirement that its author wrote must not be lost to a typing error."""
    problems = _problems(custom_mappings=[_mapping(), _mapping(**members)])
    assert problems == (f'custom_mappings[1].{place}: is not a known key; did you mean "{close}"? Known keys: {known}',)


@pytest.mark.parametrize("mapping", ["Search", 5, True, None, ["Search"]])
def test_mapping_that_is_no_object_is_refused(mapping: Any) -> None:
    """The problem names which mapping it is, and those beside it are read."""
    (found,) = _problems(custom_mappings=[_mapping(), mapping])
    assert found.startswith("custom_mappings[1]: must be a mapping with event, event_type, ")
    assert found.endswith(f", not {mapping!r}")


def test_problem_shows_60_characters_of_a_value() -> None:
    """A long value would hide what is wrong with it."""
    (found,) = _problems(content_type="x" * 100)
    assert found == f"content_type: must be one of product, product_group, not '{'x' * 59}…"


def test_2_0_events_are_refused_by_1_0() -> None:
    """In mappings and as the name of a purchase."""
    problems = _problems(events_api="1.0", purchase_event="Purchase", custom_mappings=[_mapping(event="Lead")])
    assert problems[0].startswith("custom_mappings[0].event: must be one of AddPaymentInfo, ")
    assert problems[0].endswith(", not Lead, which Events API 1.0 does not have")
    assert problems[1].startswith("purchase_event: must be one of PlaceAnOrder, ")
    assert problems[1].endswith(", not Purchase, which Events API 1.0 does not have")


def test_document_reads_back_as_the_same_connection() -> None:
    """So that an exported connection is an imported one."""
    given = tomllib.loads(
        """
        name = "Shop"
        pixel_id = "EXAMPLEPIXEL"
        inputs = ["web"]
        default_currency = "EUR"
        [[custom_mappings]]
        event = "Search"
        event_type = "custom_event"
        event_name = "Site Search"
        custom_event_type = "search"
        conditions = [ { attribute = "results", values = ["1", "2"] } ]
        [custom_mappings.properties]
        query = { attribute = "term", required = true }
        description = { static = "site search" }
        """
    )
    connection = read_connection(given, needs_token=False).connection
    document = connection_document(connection)
    assert read_connection(document, needs_token=False).connection == connection
    (mapping,) = given["custom_mappings"]
    assert document["custom_mappings"] == [{**mapping, "conditions": [{"attribute": "results", "is": ["1", "2"]}]}]
    assert "access_token" not in document


def _custom_purchase(event: str) -> dict[str, Any]:
    return {"event": event, "event_type": "screen_view", "event_name": "Thanks"}


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        ({}, ["purchases are sent as PlaceAnOrder: ", "TikTok supports PlaceAnOrder until 2027: "]),
        ({"purchase_event": "Purchase"}, ["purchases are sent as Purchase: "]),
        ({"standard_events": ["checkout"]}, ["purchases are not sent: standard_events does not include purchase"]),
        (
            {"standard_events": [], "custom_mappings": [_custom_purchase("CompletePayment")]},
            ["purchases are sent as CompletePayment: "],
        ),
        (
            {"purchase_event": "Purchase", "custom_mappings": [_custom_purchase("PlaceAnOrder")]},
            ["purchases are sent as Purchase and PlaceAnOrder: ", "TikTok supports PlaceAnOrder until 2027: "],
        ),
        (
            {"purchase_event": "Purchase", "test_event_code": "TEST1"},
            ["a test event code is set: ", "purchases are sent as Purchase: "],
        ),
    ],
)
def test_advice_names_the_purchase_event(given: dict[str, Any], advice: list[str]) -> None:
    """The notes on a saved connection say which event purchases become, and that TikTok ends PlaceAnOrder."""
    notes = advice_on(read_connection({**GIVEN, **given}, needs_token=False).connection)
    assert len(notes) == len(advice)
    assert all(note.startswith(beginning) for note, beginning in zip(notes, advice, strict=True)), notes


@pytest.mark.parametrize(
    ("event", "closest"),
    [("Laed", "Lead"), ("Purchased", "Purchase"), ("PurchaseRefund", None), ("NewsletterSignup", None)],
)
def test_advice_names_the_standard_event_that_a_name_resembles(event: str, closest: str | None) -> None:
    """TikTok optimizes for its own events only, so a misspelled one would go unnoticed."""
    given = {**GIVEN, "events_api": "2.0", "purchase_event": "Purchase", "custom_mappings": [_custom_purchase(event)]}
    _, *advice = advice_on(read_connection(given, needs_token=False).connection)
    expected = f'a custom mapping sends {event}, an event name of your own; did you mean "{closest}"?'
    assert advice == ([expected] if closest else [])
