"""The quick ways of the mapping give what its rules give: they may only save time."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.golden.cases import CASE_NAMES, CASES, connection_of
from tests.unit.mapping.batches import RECEIVED_AT_MS, batch_of, purchase
from tiktok_forwarder.domain.outcome import Outcome
from tiktok_forwarder.mapping import event, event_id, ordinary, page, shared
from tiktok_forwarder.mapping.event import Mapper
from tiktok_forwarder.mapping.redaction import identities
from tiktok_forwarder.mparticle import values
from tiktok_forwarder.mparticle.parse import Bounds, parse_body

PIECES = st.sampled_from(
    [
        *("cust-829311", "jane@example.com", "2133734253", "213-373-4253", "253", "2", "+1", "%2B1", "order=17"),
        *(
            "cust%2D829311",
            "%63ust-829311",
            "cust%E2%80%8B-829311",
            "213%20373+4253",
            "caf%C3%A9",
            "one two",
            "one+two",
        ),
        *("one%20two", "ttclid=E.C.P.x", "%", "%2G", "jane%2540example.com"),
        *("?q=", "&", "/", "#", "=", "+", " ", "%20", "%40", "&#64;", "a", "é", "\u200b", "https://u:p@"),
        *("ttclid=null", "&commat;", "&amp;"),
    ]
)
URLS = st.lists(PIECES, max_size=6).map(lambda pieces: "https://shop.example.com/" + "".join(pieces))
ODD_TEXTS = ["undefined", " E.C.P.y ", "E.C.P.z\u200b", "0", "Mozilla/5.0 (X11) ", "", "5" * 5000]
TEXTS = st.one_of(URLS, st.lists(PIECES, max_size=3).map("".join), st.sampled_from(ODD_TEXTS), st.none())
IPS = st.sampled_from(["203.0.113.42", " 203.0.113.42", "10.0.0.1", "::1", "for=203.0.113.9", "x", "", None, 5])
IDS = st.one_of(st.text(max_size=20), st.sampled_from(["ac47946f-0001-568f-9643-000000000001", "0" * 20, "a" * 5000]))
AGENTS = ["Mozilla/5.0 (X11)", "Mozilla/5.0 (compatible; Googlebot/2.1)", " Mozilla/5.0 (X11)", "undefined", None]
PHONES = ["+12133734253", "(+1) 213 373-4253", "+44 0161 496 0123", "213-373-4253", None]
COOKIES = ["abc123", " abc123\u200b", "undefined", "5" * 5000, None, 5]
PLUS = {"customer_id": "cust-829311", "other": "one+two"}
SPACE = {"TikTok.URL": "https://shop.example.com/", "TikTok.Referrer": "https://shop.example.com/?q=one two"}
TIMES = [1_735_689_600_123, "1735689600123", 1_735_689_600, None, 5, 1e12]


@st.composite
def batches(draw: st.DrawFn) -> dict[str, Any]:
    flags = {"TikTok.URL": draw(TEXTS), "TikTok.Referrer": draw(TEXTS), "TikTok.Callback": draw(TEXTS)}
    made = purchase(
        source_message_id=draw(IDS),
        timestamp_unixtime_ms=draw(st.sampled_from(TIMES)),
        page_url=draw(TEXTS),
        custom_flags=flags,
        custom_attributes={"description": draw(TEXTS)},
    )
    identities = {
        "customer_id": "cust-829311",
        "email": "Jane@example.com",
        "mobile_number": draw(st.sampled_from(PHONES)),
        "other": draw(st.sampled_from(["one two", "one+two", "+12133734253", None])),
    }
    cookie = draw(st.sampled_from(COOKIES))
    partners = [None, {"tiktok_cookie_id": cookie}, [{"identity_type": "tiktok_cookie_id", "identity": cookie}]]
    return batch_of(
        made,
        ip=draw(IPS),
        partner_identities=draw(st.sampled_from(partners)),
        device_info={"http_header_user_agent": draw(st.sampled_from(AGENTS)), "platform": "web"},
        user_identities=identities,
        user_attributes=draw(st.sampled_from([{}, {"ttclid": "E.C.P.w"}])),
    )


def _outcomes(batch: dict[str, Any], **connection: Any) -> list[Outcome]:
    (parsed,) = parse_body(json.dumps(batch).encode(), Bounds())
    mapper = Mapper(connection_of(connection))
    # The second time, what is remembered is used.
    mapper.map_batch(parsed, RECEIVED_AT_MS)
    return mapper.map_batch(parsed, RECEIVED_AT_MS)


def _close(patch: pytest.MonkeyPatch) -> None:
    """Close every quick way."""
    patch.setattr(ordinary.OrdinaryReader, "texts", lambda *_: None)
    patch.setattr(page, "may_reveal", lambda _, __: True)
    patch.setattr(identities, "_may_hold_encoded", lambda _, __: True)
    patch.setattr(event_id, "is_milliseconds", lambda _: False)
    patch.setattr(values, "is_milliseconds", lambda _: False)
    patch.setattr(shared.BatchReader, "_quick_visit", lambda *_: None)
    patch.setattr(event, "may_be_encoded_in", lambda _: True)
    patch.setattr(event.Mapper, "_needs_change", lambda *_: True)
    # A currency or product action that no list has is read.
    patch.setattr(event, "CURRENCIES", ())


@settings(max_examples=400, deadline=None, derandomize=True)
@given(batch=batches(), redacts=st.booleans())
@example(batch=batch_of(purchase()), redacts=True)
@example(batch=batch_of(purchase(custom_flags=SPACE), user_identities=PLUS), redacts=True)
def test_the_quick_ways_change_nothing(batch: dict[str, Any], redacts: bool) -> None:
    """Outcomes, payload bytes, warnings and sources are the same with every quick way closed."""
    given_settings = {"redact_emails": redacts, "default_phone_region": "US"}
    quick = _outcomes(batch, **given_settings)
    with pytest.MonkeyPatch.context() as patch:
        _close(patch)
        assert _outcomes(batch, **given_settings) == quick


@settings(max_examples=400, deadline=None, derandomize=True)
@given(text=st.lists(PIECES, max_size=4).map("".join), phone=st.sampled_from(PHONES[:-1]))
def test_the_quick_way_of_names_changes_nothing(text: str, phone: str) -> None:
    """The name of an event that is not sent is shown or not as if no quick way existed."""
    values = identities.identity_values(["cust-829311", "one+two", "Jane@example.com", phone], [phone], "US")
    quick = identities.holds_identity(text, values)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(identities, "may_reveal", lambda _, __: True)
        assert identities.holds_identity(text, values) == quick


@pytest.mark.parametrize("name", CASE_NAMES)
def test_the_quick_ways_change_no_golden_case(name: str) -> None:
    """The same for the cases."""
    case = CASES[name]
    quick = _outcomes(case["batch"], **case["connection"])
    with pytest.MonkeyPatch.context() as patch:
        _close(patch)
        assert _outcomes(case["batch"], **case["connection"]) == quick
