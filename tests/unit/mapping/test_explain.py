"""The explanation names true sources: what it names moves the field it explains, and nothing is left unexplained."""

import copy
import json
import re
from typing import Any

import msgspec
import pytest

from tests.golden.cases import CASES as GOLDEN
from tests.golden.cases import connection_of
from tests.unit.mapping.batches import batch_of, outcomes_of, purchase
from tiktok_forwarder.domain.outcome import Mapped
from tiktok_forwarder.domain.sources import FieldSources
from tiktok_forwarder.mapping.connection import connection_document
from tiktok_forwarder.mapping.event import Mapper
from tiktok_forwarder.mapping.explanation.explain import Explanation, explain
from tiktok_forwarder.mapping.places import GIVEN_CURRENCIES, MADE_ID, RECEIPT, SUM
from tiktok_forwarder.mapping.visitor import note_request
from tiktok_forwarder.mparticle.parse import Bounds, parse_body

_STEP = re.compile(r"\[(\d+)\]|([^.\[\]]+)")
_DIGEST = re.compile(r"[0-9a-f]{64}")


def _mapped(case: dict[str, Any]) -> dict[tuple[int, int], tuple[dict[str, Any], list[Explanation]]]:
    """Payload and explanation of each mapped outcome, by event index and its place among the event's outcomes."""
    connection = connection_of(case["connection"])
    return {
        key: (json.loads(outcome.payload), explain(outcome.payload, connection, outcome.sources, outcome.event_index))
        for key, outcome in _outcomes(case).items()
    }


def _outcomes(case: dict[str, Any]) -> dict[tuple[int, int], Mapped]:
    (batch,) = parse_body(json.dumps(case["batch"]).encode(), Bounds())
    found: dict[tuple[int, int], Mapped] = {}
    seen: dict[int, int] = {}
    for outcome in Mapper(connection_of(case["connection"])).map_batch(batch, case["received_at_ms"]):
        place = seen.get(outcome.event_index, 0)
        seen[outcome.event_index] = place + 1
        if isinstance(outcome, Mapped):
            found[outcome.event_index, place] = outcome
    return found


def _leaves(value: Any, path: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        return {k: v for name, member in value.items() for k, v in _leaves(member, f"{path}.{name}".strip(".")).items()}
    if isinstance(value, list) and isinstance(value[0], dict):
        return {k: v for n, member in enumerate(value) for k, v in _leaves(member, f"{path}[{n}]").items()}
    return {path: value}


def _steps(path: str) -> list[str | int]:
    # A flag's name has dots of its own.
    holder, flags, flag = path.partition("custom_flags.")
    steps = [int(index) if index else name for index, name in _STEP.findall(f"{holder}{flags}")]
    return [*steps, flag] if flags else steps


_OTHER_SETTING: dict[str, dict[Any, Any]] = {
    "content_type": {"product": "product_group", "product_group": "product"},
    "purchase_event": {"PlaceAnOrder": "CompletePayment", "CompletePayment": "PlaceAnOrder"},
    "default_currency": {"EUR": "USD"},
    "ccpa_opt_out": {"limited_data_use": "ignore"},
    "value_from_products": {True: False},
    "zero_total_is_missing": {True: False},
    "advanced_matching": {True: False},
}


_OTHER_TEXT = {"purchase": "add_to_cart", "add_to_cart": "purchase", "view_detail": "checkout", "USD": "EUR"}


def _altered(value: Any, field: str) -> Any:
    """Another value of the same kind, still valid where it stands."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value - 5000 if value > 10**12 else value + 7
    text = str(value)
    return _OTHER_TEXT.get(text) or _altered_text(text, field)


def _altered_text(text: str, field: str) -> str:
    if _DIGEST.fullmatch(text.lower()):
        return "0" * 64
    if re.fullmatch(r"\d{13,}", text):
        return str(int(text) - 5000)
    if re.fullmatch(r"\d+(\.\d+)?", text) and "phone" not in field:
        return str(float(text) + 1)
    return _altered_words(text, field)


def _altered_words(text: str, field: str) -> str:
    if "phone" in field:
        return re.sub(r"(\d)(\D*)$", lambda match: f"{(int(match[1]) + 1) % 10}{match[2]}", text)
    if field.endswith(("user.ip", "context.ip")):
        return re.sub(r"203\.0\.113(\.7)?|2001:db8::7|fe80::1|10\.1\.2\.3", "198.51.100.5", text, flags=re.I)
    if "://" in text:
        return re.sub(r"\b(tt\w*)=", r"\1=E.C.P.x", re.sub(r"(://[^/?#]+/?)", r"\1y", text, count=1))
    return f"y{text}" if "email" in field else f"y {text}"


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
        if steps[0] == "forwarding_rules":
            del holder["forwarding_rules"][steps[1]]
            return changed
        if steps[-1] == "event":
            holder |= {"custom_mappings": [], "standard_events": []}
            return changed
    for step in steps[:-1]:
        holder = holder[step]
    holder[steps[-1]] = _altered(holder[steps[-1]], field)
    return changed


CUSTOM: dict[str, Any] = {
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

# Each field comes from another place than the first that the mapping tries.
SECOND_CHOICES: dict[str, Any] = {
    "connection": {
        "default_currency": "EUR",
        "custom_mappings": [
            {
                "event": "Search",
                "event_type": "custom_event",
                "event_name": "find",
                "conditions": [{"attribute": "results", "values": ["0"]}],
                "properties": {"query": {"static": "nothing"}},
            },
            {
                "event": "Search",
                "event_type": "custom_event",
                "event_name": "find",
                "properties": {"query": {"attribute": "term"}},
            },
            {
                "event": "AddToWishlist",
                "event_type": "commerce_event",
                "event_name": "view_detail",
                "properties": {"description": {"field": "currency_code"}, "content_name": {"product": "variant"}},
            },
        ],
    },
    "received_at_ms": 1_735_689_660_123,
    "batch": {
        "events": [
            {
                "event_type": "commerce_event",
                "data": {
                    "page_url": "https://shop.example.com/?ttclid=E.C.P.q",
                    "product_action": {
                        "action": "purchase",
                        "transaction_id": "o1",
                        "currency": "usd",
                        "products": [
                            {},
                            {"id": "a", "price": 5, "total_product_amount": 6},
                            {"id": "b", "price": "7"},
                            {"variant": "none of it maps"},
                            {"id": "c", "price": 2, "quantity": 3},
                            {"id": "d", "price": -1},
                        ],
                    },
                },
            },
            {
                "event_type": "commerce_event",
                "data": {
                    "timestamp_unixtime_ms": 1_735_989_660_123,
                    "event_id": 77,
                    "custom_flags": {
                        "TikTok.URL": "https://shop.example.com/?ttclid=E.C.P.q",
                        "TikTok.Callback": "test",
                    },
                    "product_action": {
                        "action": "view_detail",
                        "currency_code": "usd",
                        "total_amount": 5,
                        "products": [{"quantity": 2}, {"variant": "red", "quantity": 1}],
                    },
                },
            },
            {
                "event_type": "commerce_event",
                "data": {
                    "source_message_id": "m3",
                    "page_url": "https://shop.example.com/",
                    "product_action": {"action": "add_to_cart", "total_amount": "5"},
                },
            },
            {
                "event_type": "custom_event",
                "data": {
                    "event_name": "find",
                    "screen_name": "a screen",
                    "page_url": "https://shop.example.com/",
                    "custom_attributes": {"results": 3, "term": "shoes"},
                },
            },
        ],
        "mpid": "77",
        "timestamp_unixtime_ms": "1735689600999",
        "ip": "203.0.113.42",
        "device_info": {"http_header_user_agent": "Mozilla/5.0"},
        "user_identities": [
            "no object",
            {"identity_type": "email", "identity": " "},
            {"identity_type": "email", "identity": "A" * 64},
            {"identity_type": "Customer ID", "identity": 829311},
            {"identity_type": "mobile_number", "identity": "+14155550101"},
        ],
        "partner_identities": [
            {"identity_type": "tiktok_cookie_id", "identity": "b" * 64, "encoding": "sha256"},
            {"identity_type": "tiktok_cookie_id", "identity": ""},
            {"identity_type": "tiktok_cookie_id", "identity": "cookie"},
        ],
    },
}

CASES = [
    *(pytest.param(case, id=name) for name, case in GOLDEN.items()),
    pytest.param(CUSTOM, id="custom"),
    pytest.param(SECOND_CHOICES, id="second_choices"),
]
# Of the many cases that share a topic, only in the slow tests.
TRIED = [
    pytest.param(*case.values, id=case.id, marks=pytest.mark.slow if ": " in str(case.id) else ()) for case in CASES
]


@pytest.mark.parametrize("case", TRIED)
def test_every_field_is_explained_once(case: dict[str, Any]) -> None:
    """No field of a payload lacks an explanation, and none is explained that is not there."""
    for payload, explained in _mapped(case).values():
        assert sorted(each.field for each in explained) == sorted(_leaves(payload))
        assert all(each.sources and each.transformation for each in explained)


@pytest.mark.parametrize("case", TRIED)
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


@pytest.mark.parametrize("case", TRIED)
def test_places_without_chosen_sources_include_the_true_one(case: dict[str, Any]) -> None:
    """Of an event whose sources are not kept, every place is named that its fields may come from."""
    connection = connection_of(case["connection"])
    for outcome in _outcomes(case).values():
        exact = explain(outcome.payload, connection, outcome.sources)
        general = explain(outcome.payload, connection, None)
        assert [each.field for each in general] == [each.field for each in exact]
        for known, possible in zip(exact, general, strict=True):
            assert known.transformation in possible.transformation
            unnamed = {re.sub(r"products\[\d+\]", "products[…]", each) for each in known.sources} - set(
                possible.sources
            )
            assert not unnamed or _is_in_words(possible, unnamed), (known, possible)


def _is_in_words(possible: Explanation, unnamed: set[str]) -> bool:
    """Whether the paths are among those that a place stands for."""
    if unnamed and all(
        each.startswith(("user_identities", "partner_identities", "user_attributes.$")) for each in unnamed
    ):
        return True
    return not {MADE_ID, SUM}.isdisjoint(possible.sources)


def _sources(case: dict[str, Any], event_index: int) -> dict[str, tuple[str, ...]]:
    """The sources by field of an event's first outcome."""
    return {each.field: each.sources for each in _mapped(case)[event_index, 0][1]}


def test_chosen_sources_are_the_only_ones_named() -> None:
    """Of several places an event's explanation names the one that its field was taken from."""
    order, view, cart, search = (_sources(SECOND_CHOICES, index) for index in range(4))
    action = "events[0].data.product_action"
    assert order["user.ttp"] == ("partner_identities[2].identity",)
    assert order["user.email"] == ("user_identities[2].identity",)
    assert order["user.external_id"] == ("user_identities[3].identity",)
    assert order["user.ttclid"] == order["page.url"] == ("events[0].data.page_url",)
    assert order["event_time"] == ("timestamp_unixtime_ms",)
    assert order["event_id"] == (
        "mpid",
        "events[0].event_type",
        f"{action}.action",
        "timestamp_unixtime_ms",
        f"{action}.transaction_id",
    )
    assert order["properties.value"] == (
        f"{action}.products[1].total_product_amount",
        f"{action}.products[2].price",
        f"{action}.products[4].price",
        f"{action}.products[4].quantity",
        f"{action}.products[5].price",
        "connection.value_from_products",
    )
    assert order["properties.contents[2].content_id"] == (f"{action}.products[4].id",)
    assert order["properties.currency"] == (f"{action}.currency",)
    assert view["event_time"] == (RECEIPT,) and view["event_id"] == ("events[1].data.event_id",)
    assert view["properties.description"] == ("events[1].data.product_action.currency_code",)
    assert view["properties.value"] == ("events[1].data.product_action.total_amount",)
    assert cart["properties.currency"] == ("connection.default_currency",)
    assert search["event"] == ("events[3].data.event_name", "connection.custom_mappings[1].event")
    assert "events[3].data.event_name" in search["event_id"]


def test_hashed_identity_is_explained_as_given() -> None:
    """Only the value that was a digest already is said to be one."""
    done = {each.field: each.transformation for each in _mapped(SECOND_CHOICES)[0, 0][1]}
    assert done["user.email"] == "already hashed: lower case"
    assert done["user.external_id"] == "stripped, SHA-256"


def test_members_that_a_request_stands_in_for_are_explained_as_its_own() -> None:
    """A browser's address and user agent were in no batch; what another source gave stays that source's."""
    batch = batch_of(purchase(custom_attributes={"address": "203.0.113.9"}))
    cases: tuple[tuple[dict[str, Any], str], ...] = (
        ({}, "IP address of the request"),
        ({"sources": {"ip": [{"attribute": "address"}, {"field": "ip"}]}}, "data.custom_attributes.address"),
        ({"sources": {"ip": [{"attribute": "missing"}, {"field": "ip"}]}}, "IP address of the request"),
    )
    for settings, source in cases:
        connection = connection_of(settings)
        (outcome,) = outcomes_of(batch, **settings)
        assert isinstance(outcome, Mapped)
        note_request(connection, outcome.sources)
        told = {each.field: each.sources for each in explain(outcome.payload, connection, outcome.sources)}
        assert (told["user.ip"], told["user.user_agent"]) == ((source,), ("header User-Agent of the request",))


def test_unknown_sources_name_every_possible_mapping() -> None:
    """Without the mapping's choice, each custom mapping that may have made the event counts, and no other."""
    connection = connection_of(SECOND_CHOICES["connection"])
    told = {each.field: each for each in explain(_outcomes(SECOND_CHOICES)[3, 0].payload, connection, None)}
    assert told["event"].sources == (
        "data.event_name",
        "connection.custom_mappings[0].event",
        "connection.custom_mappings[1].event",
    )
    assert told["event"].transformation == "custom mapping 1; or custom mapping 2"
    assert told["properties.search_string"].sources == (
        "connection.custom_mappings[0].properties.query.static",
        "data.custom_attributes.term",
    )
    cart = {each.field: each for each in explain(_outcomes(SECOND_CHOICES)[2, 0].payload, connection, None)}
    assert cart["event"].sources == ("data.product_action.action",)
    assert cart["properties.currency"].sources == (*GIVEN_CURRENCIES, "connection.default_currency")


def test_sources_of_other_settings_count_as_unknown() -> None:
    """After a backup was restored, a revision's number may mean other settings, with fewer custom mappings."""
    payload = _outcomes(SECOND_CHOICES)[2, 0].payload
    assert explain(payload, connection_of({}), {"custom_mapping": 7}) == explain(payload, connection_of({}), None)


def test_field_of_another_version_is_left_open() -> None:
    """A payload may be older than this program."""
    told = explain(b'{"event":"Search","some_former_field":1}', connection_of({}), {})[1]
    assert (told.sources, told.transformation) == ((), "")


def test_identity_spelling_is_cut_in_sources() -> None:
    """A sender may write an identity type with any number of blanks, which no record should repeat."""
    spelling = f"customer{' ' * 100_000}id"
    batch = {**SECOND_CHOICES["batch"], "user_identities": {spelling: "829311"}}
    (outcome, *_) = _outcomes({**SECOND_CHOICES, "batch": batch}).values()
    assert len(outcome.sources["external_id"]) < 100


def test_sources_outlast_their_json() -> None:
    """What a record keeps of them explains as they do, and costs nothing where each field has its first source."""
    for outcome in _outcomes(SECOND_CHOICES).values():
        assert msgspec.json.decode(msgspec.json.encode(outcome.sources), type=FieldSources) == outcome.sources
    (plain,) = outcomes_of(batch_of(purchase()))
    assert isinstance(plain, Mapped) and plain.sources == {}
