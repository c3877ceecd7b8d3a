"""Which events are ordinary; `test_quick_ways.py` compares what is sent of them with the rules."""

import re
from typing import Any

import pytest

from tests.golden.cases import connection_of
from tiktok_forwarder.mapping.ordinary import OrdinaryReader
from tiktok_forwarder.mapping.redaction.identities import identity_values, may_reveal
from tiktok_forwarder.mapping.sources import Occurrence
from tiktok_forwarder.mparticle.batch import Batch, Event, EventData
from tiktok_forwarder.mparticle.values import visible
from tiktok_forwarder.tiktok.payload import Page

URL = "https://shop.example.com/a%20b?q=one+two&p=caf%C3%A9"
FLAGS = {"TikTok.URL": URL, "TikTok.Referrer": "http://example.com", "TikTok.Callback": "E.C.P.x"}
VALUES = identity_values(["cust-829311", "jane@example.com", "+14155550142"], ["+14155550142"], None)


def occurrence(flags: dict[str, object] | None = None, batch: Batch | None = None, **data: Any) -> Occurrence:
    """An ordinary event with these members instead of its own."""
    given = FLAGS if flags is None else FLAGS | flags
    members: dict[str, Any] = {"source_message_id": "order-17", "custom_flags": given} | data
    return Occurrence(batch or Batch(), Event(), EventData(**members), "commerce_event")


def escaped(character: str) -> str:
    return "".join(f"%{octet:02X}" for octet in character.encode())


def is_ordinary(event: Occurrence, **settings: Any) -> bool:
    return OrdinaryReader(connection_of(settings)).texts(event, VALUES) is not None


def test_texts_of_an_ordinary_event_are_sent_as_they_are() -> None:
    """Also URLs with escapes of other characters than those of identities."""
    event = occurrence()
    assert OrdinaryReader(connection_of({})).texts(event, VALUES) == (
        "order-17",
        "E.C.P.x",
        Page(URL, "http://example.com"),
    )
    assert (event.page_url, event.page_url_path) == (URL, "data.custom_flags.TikTok.URL")


def test_event_without_referrer_and_click_id_is_ordinary() -> None:
    """Both are often absent."""
    event = occurrence(custom_flags={"TikTok.URL": URL})
    assert OrdinaryReader(connection_of({})).texts(event, VALUES) == ("order-17", None, Page(URL))


@pytest.mark.parametrize(
    "event_id",
    [
        "undefined",
        "0",
        "00000000-0000",
        "0a1",
        "-1",
        "anonymous",
        "a 1",
        " a1",
        "a1\u200b",
        "a1@example.com",
        "",
        None,
        5,
    ],
)
def test_event_with_odd_event_id_is_not_ordinary(event_id: object) -> None:
    """The rules of event IDs decide."""
    assert not is_ordinary(occurrence(source_message_id=event_id))


@pytest.mark.parametrize("event_id", ["1", "a1", "ac47946f-0001-568f-9643-000000000001", "order_1.2:3"])
def test_event_with_plain_event_id_is_ordinary(event_id: str) -> None:
    """A digit tells it from every placeholder."""
    assert is_ordinary(occurrence(source_message_id=event_id))


@pytest.mark.parametrize(
    ("flag", "text"),
    [
        ("TikTok.URL", "shop.example.com"),
        ("TikTok.URL", "https://"),
        ("TikTok.URL", "https://shop.example.com/ "),
        ("TikTok.URL", "https://shop.example.com/é"),
        ("TikTok.URL", "https://shop.example.com/?a=jane@example.com"),
        ("TikTok.URL", "https://shop.example.com/?a=jane%40example.com"),
        ("TikTok.URL", "https://shop.example.com/?a=jane&#64;example.com"),
        ("TikTok.URL", "https://shop.example.com/?a=jane&commat;example.com"),
        ("TikTok.URL", "https://shop.example.com/?a=jane%2540example.com"),
        ("TikTok.URL", "https://shop.example.com/?a=CUST-829311"),
        ("TikTok.URL", "https://shop.example.com/?a=cust%2D829311"),
        ("TikTok.URL", "https://shop.example.com/?a=%63ust-829311"),
        ("TikTok.URL", "https://shop.example.com/?a=cust%E2%80%8B-829311"),
        ("TikTok.URL", "https://shop.example.com/?a=cust%C2%AD-829311"),
        ("TikTok.URL", "https://shop.example.com/?a=415-555-0142"),
        ("TikTok.URL", "https://shop.example.com/?a=415%20555+0142"),
        ("TikTok.URL", "https://shop.example.com/?a=50%"),
        ("TikTok.URL", "https://shop.example.com/?ttclid=E.C.P.y"),
        ("TikTok.URL", f"https://shop.example.com/{'a' * 4096}"),
        ("TikTok.URL", None),
        ("TikTok.Referrer", "null"),
        ("TikTok.Referrer", "https://shop.example.com/?a=cust-829311"),
        ("TikTok.Referrer", 5),
        ("TikTok.Callback", "null"),
        ("TikTok.Callback", "E.C.P"),
        ("TikTok.Callback", "E.C.P.x y"),
        ("TikTok.Callback", f"E.C.P{'x' * 996}"),
    ],
)
def test_event_with_odd_flag_is_not_ordinary(flag: str, text: object) -> None:
    """The rules of URLs and click IDs decide."""
    assert not is_ordinary(occurrence({flag: text}))


def test_longest_click_id_is_ordinary() -> None:
    """It may have 1,000 characters."""
    assert is_ordinary(occurrence({"TikTok.Callback": f"E.C.P{'x' * 995}"}))


def test_no_escape_of_an_ordinary_url_hides_a_plain_identity() -> None:
    """It decodes to nothing that an identity may contain or that is invisible, and to no part of an address."""
    characters = [chr(number) for number in range(0x10000) if not 0xD800 <= number < 0xE000]
    ordinary = [each for each in characters if not may_reveal(escaped(each), VALUES)]
    assert {" ", "/", "=", "+", ",", "é", "ж", "中"} <= set(ordinary)
    assert [each for each in ordinary if not visible(each) or re.fullmatch("[A-Za-z0-9._~@&#%\uff20-]", each)] == []
    assert may_reveal(escaped("\U0001f600"), VALUES)


@pytest.mark.parametrize(
    ("query", "is_quick"),
    [
        ("a=4&b=1&c=2&d=5550000", True),
        ("a=1%204%202&d=5550000", False),
        ("utm_id=1204155550142", False),
        ("utm_id=12041555501421", False),
        ("utm_id=1204155550124", True),
        ("a=142", True),
        ("a=(415)%20555%2C01%2f42", False),
        ("caf%C3%A9=1&b=4&c=2%20%20%20%20", True),
    ],
)
def test_url_with_the_last_digits_of_a_phone_number_is_not_ordinary(query: str, is_quick: bool) -> None:
    """Only what stands between digits may differ from the number, and digits of escapes are none of it."""
    assert is_ordinary(occurrence({"TikTok.URL": f"https://shop.example.com/?{query}"})) == is_quick


@pytest.mark.parametrize("text", ["cust 829311", "a+b", "müller", "a/b", "+14155550143"])
def test_escapes_are_ordinary_only_beside_plain_identities(text: str) -> None:
    """An escape may be a part of any other identity; a plus is a space in a form that is sent by GET."""
    values = identity_values([text], [], None)
    reader = OrdinaryReader(connection_of({}))
    assert reader.texts(occurrence(), values) is None
    assert reader.texts(occurrence({"TikTok.URL": "https://shop.example.com/"}), values) is not None


@pytest.mark.parametrize(
    "event",
    [
        occurrence(page_url="https://shop.example.com/?ttclid=E.C.P.y"),
        occurrence({"TikTok.Callback": ""}, custom_attributes={"ttclid": "E.C.P.y"}),
        occurrence({"TikTok.Callback": ""}, Batch(user_attributes={"ttclid": "E.C.P.y"})),
        occurrence(custom_flags=None),
    ],
)
def test_event_with_another_place_of_a_click_id_is_not_ordinary(event: Occurrence) -> None:
    """The click IDs are compared, or the other one is sent."""
    assert not is_ordinary(event)


@pytest.mark.parametrize(
    "settings",
    [
        {"sources": {"event_id": [{"field": "transaction_id"}]}},
        {"sources": {"page_url": [{"field": "page_url"}]}},
        {"sources": {"page_referrer": [{"attribute": "referrer"}]}},
        {"sources": {"ttclid": [{"attribute": "click"}]}},
        {"omit": ["page_referrer"]},
        {"omit": ["ttclid"]},
    ],
)
def test_no_event_is_ordinary_for_a_connection_with_sources_of_its_own(settings: dict[str, Any]) -> None:
    """Only the default sources are read."""
    assert not is_ordinary(occurrence(), **settings)
