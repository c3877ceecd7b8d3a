"""The user's identities do not come out of the mapping, wherever a page has written them into its URLs."""

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, unquote

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.mapping.batches import batch_of, outcomes_of
from tests.unit.mapping.test_properties import REASONS, WARNINGS
from tiktok_forwarder.domain.outcome import Mapped, Outcome
from tiktok_forwarder.mapping.redaction.emails import redacted

# What is written here beside the identities holds none of these letters, so that no value is found by chance.
_LETTERS = "qxzQXZ\u00e4\u017e\u65e5"
_INNER = st.text(alphabet=_LETTERS + "79 -_.':=+!@(),", min_size=1, max_size=12)
_EDGE = st.sampled_from(_LETTERS)
_WORDS = st.builds("".join, st.tuples(_EDGE, _EDGE, _INNER, _EDGE))
_DIGITS = st.integers(1_000_000, 10**12).map(str)
_EMAILS = st.builds(
    "{}@{}.{}".format,
    st.text(alphabet=_LETTERS + "79._+'-", min_size=1, max_size=20),
    st.text(alphabet=_LETTERS + "79-", min_size=1, max_size=8),
    st.sampled_from(["example", "example.com", "m\u00fcller.example", "\u4f8b\u3048.\u30c6\u30b9\u30c8"]),
)
_PHONES = st.builds(
    "{}{:03d}".format,
    st.sampled_from(
        ["+1 (415) 555-0", "+14155550", "+44 (0)161 496 0", "0044 161 4960", "+49.151.5550", "(415) 555-0", "4155550"]
    ),
    st.integers(100, 199),
)
_IDENTITIES = st.fixed_dictionaries(
    {},
    optional={
        "email": _EMAILS | _WORDS,
        "Customer ID": _WORDS | _DIGITS,
        "mobile_number": _PHONES,
        "other2": _WORDS | _EMAILS | _DIGITS,
        "google": _EMAILS,
    },
).filter(bool)
_TAGS = st.text(alphabet="kwKW", min_size=4, max_size=8)


# --- how pages write a value -----------------------------------------------------------------------------------------

_SEPARATORS = " -.()/\u2010\u2013\u2212\uff0d"
_MARKS = ["\u200b", "\u00ad", "\ufe0f"]
_PLAIN = (
    "!$'()*,:=@[]~\u00e4\u00c4\u017e\u017d\u65e5\u00fc\u4f8b\u3048\u30c6\u30b9\u30c8\u2010\u2013\u2212\uff0d+\uff20"
)

Encode = Callable[[str], str]


def _hardly(text: str) -> str:
    """Encoded only where the text would be divided, or the URL unusable."""
    return "".join([each if each in _PLAIN else quote(each, safe="") for each in text])


def _wholly(text: str) -> str:
    return "".join([f"%{octet:02x}" for octet in text.encode()])


def _as_form(text: str) -> str:
    """As a form that is sent by GET: a space is a plus."""
    return quote(text, safe="*-._").replace("%20", "+")


def _once(text: str) -> str:
    return quote(text, safe="")


def _twice(text: str) -> str:
    return _once(_once(text))


_ENCODERS: list[Encode] = [_hardly, _once, _wholly, _as_form, _twice, lambda text: _once(_as_form(text))]
_AT_SIGNS = ["@", "%40", "%2540", "&#64;", "&#x0040;", "&commat;", "\uff20", "%EF%BC%A0", "%26%2364%3B"]
_DOTS = [".", "%2E", "%252e"]
_CASES: list[Encode] = [str, str.upper, str.lower]


@st.composite
def _written(draw: st.DrawFn, kind: str, value: str, separators: str = _SEPARATORS) -> str:
    """The value as a page may write it, ready to stand in a URL. Phone numbers get separators between their digits."""
    encode = draw(st.sampled_from(_ENCODERS))
    if kind == "mobile_number":
        digits = re.sub("[^0-9]", "", value)
        between = draw(st.lists(st.sampled_from(["", *separators]), min_size=len(digits), max_size=len(digits)))
        plus = draw(st.sampled_from(["", "+"]))
        return encode(plus + "".join(map("".join, zip(digits, [*between[1:], ""], strict=True))))
    value = draw(st.sampled_from(_CASES))(value)
    # The semicolon of an entity divides; only addresses are found in spite of it.
    if draw(st.booleans()) and redacted(value) == "redacted":
        local, _, domain = value.rpartition("@")
        encoded = encode(domain).replace(".", draw(st.sampled_from(_DOTS)))
        return f"{encode(local)}{draw(st.sampled_from(_AT_SIGNS))}{encoded}"
    if draw(st.integers(0, 9)) == 0:
        place = draw(st.integers(1, len(value) - 1))
        value = value[:place] + draw(st.sampled_from(_MARKS)) + value[place:]
    return encode(value)


def _redirect(name: str, text: str) -> str:
    return f"{name}={_once(f'https://other.example/a/?n=1&{name}={text}&m')}"


@st.composite
def _urls(draw: st.DrawFn, identities: dict[str, str]) -> str:
    """A URL with values of the user in its parts."""
    kinds = st.sampled_from(sorted(identities))
    values = kinds.flatmap(lambda kind: _written(kind, identities[kind]))
    # A slash divides the address that a redirect holds.
    inner = kinds.flatmap(lambda kind: _written(kind, identities[kind], _SEPARATORS.replace("/", "")))
    segments = draw(st.lists(values | st.sampled_from(["shop", "a"]), max_size=2))
    # A value is behind the first or the last equals sign.
    has_equals_sign = any("=" in value for value in identities.values())
    named = st.builds("{}={}".format, st.sampled_from(["u", "id"] if has_equals_sign else ["u", "u=b"]), values)
    parameters = draw(st.lists(values | named | st.builds(_redirect, st.just("to"), inner), max_size=3))
    fragment = draw(st.none() | values | st.builds("/c?u={}".format, values))
    separator = draw(st.sampled_from(["&", ";", "&amp;"]))
    url = "https://" + draw(st.sampled_from(["", "jane:secret@"])) + "shop.example.com/"
    url += "/".join(segments) + "?" + separator.join(parameters)
    return url + (f"#{fragment}" if fragment is not None else "")


@st.composite
def _batches(draw: st.DrawFn) -> tuple[dict[str, str], dict[str, str], dict[str, Any]]:
    """The user's identities, what is known of their name, and a batch that holds them in many places."""
    identities = draw(_IDENTITIES)
    names = draw(st.fixed_dictionaries({}, optional=dict.fromkeys(["$FirstName", "$lastname", "$Zip"], _TAGS)))
    raw = st.sampled_from(sorted(identities.values()))
    urls = _urls(identities)
    # The cut of a long referrer falls anywhere in what is written behind the padding.
    long_urls = st.builds("{}&{}&{}".format, urls, st.integers(3900, 4096).map("a".__mul__), urls)
    event = {
        "event_type": draw(st.sampled_from(["commerce_event", "commerce_event", "custom_event"])),
        "data": {
            "source_message_id": "m1",
            "timestamp_unixtime_ms": draw(raw | st.just(1_735_689_600_123)),
            "event_name": draw(raw),
            "page_url": draw(urls),
            "custom_flags": draw(
                st.fixed_dictionaries(
                    {"TikTok.Referrer": urls | long_urls}, optional={"TikTok.URL": urls | raw, "TikTok.Callback": raw}
                )
            ),
            "custom_attributes": {"term": draw(raw), "page": draw(urls)},
            "currency_code": draw(raw | st.just("USD")),
            "product_action": {
                "action": draw(st.sampled_from(["purchase", "view_detail", "purchase", "refund"])),
                "total_amount": draw(raw | st.just(1)),
                "products": [{"id": draw(raw), "quantity": draw(raw)}],
            },
        },
    }
    attributes = {**names, "tier": draw(raw)}
    return identities, names, batch_of(event, user_identities=identities, user_attributes=attributes)


_SETTINGS = st.fixed_dictionaries(
    {"advanced_matching": st.just(True)},
    optional={
        "anonymous_events": st.just("forward"),
        "default_phone_region": st.just("US"),
        "omit": st.just(["email", "phone", "ttclid"]),
        "sources": st.just({"page_url": [{"flag": "TikTok.URL"}, {"attribute": "page"}]}),
        "forwarding_rules": st.just(
            [{"name": "no", "action": "do_not_forward", "when": [{"page_path": True, "is": ["/"]}]}]
        ),
        "platforms": st.just("any"),
    },
)


# --- how a value would be read ---------------------------------------------------------------------------------------


def _readings(text: str) -> set[str]:
    """The text as it reads behind each layer of encoding, a plus as itself or as a space, in lower case."""
    readings = {text}
    for _ in range(5):
        readings |= {unquote(each) for each in readings} | {unquote(each.replace("+", " ")) for each in readings}
    signs = "&#0*64;|&#[xX]0*40;|&commat;|\uff20"
    return {re.sub("[\u200b\u00ad\ufe0f]", "", re.sub(signs, "@", each)).lower() for each in readings}


def _numbers(readings: set[str]) -> set[str]:
    return {re.sub(r"[\s\-./()+\u2010-\u2015\u2212\ufe63\uff0d]", "", each) for each in readings}


def _said(outcome: Outcome) -> str:
    """Everything of an outcome but the payload, which may hold texts as they came, and what is read from it again.

    Of value and currency, only sums by TikTok's currencies are kept.
    """
    of_payload = {"payload", "value", "currency"}
    members = msgspec.structs.asdict(outcome)
    return json.dumps({name: msgspec.to_builtins(each) for name, each in members.items() if name not in of_payload})


@pytest.mark.slow
@settings(max_examples=100, derandomize=True)
@given(drawn=_batches(), connection=_SETTINGS)
def test_no_identity_stands_in_a_page_or_in_what_is_said(
    drawn: tuple[dict[str, str], dict[str, str], dict[str, Any]], connection: dict[str, Any]
) -> None:
    """Page URL, referrer, detail and warnings hold no value of the user, nor do logs and metrics, made of the latter.

    Names and zip codes are sent as digests only.
    """
    identities, names, batch = drawn
    for outcome in outcomes_of(batch, **connection):
        texts = {_said(outcome)}
        if isinstance(outcome, Mapped):
            assert set(outcome.warnings) <= WARNINGS
            payload = outcome.payload.decode()
            assert [name for name in names.values() if name.lower() in payload.lower()] == []
            texts |= set(json.loads(payload)["page"].values())
        else:
            assert outcome.reason in REASONS
        readings = set().union(*map(_readings, texts))
        for kind, value in identities.items():
            if kind == "mobile_number":
                digits = re.sub("[^0-9]", "", value)
                assert [each for each in _numbers(readings) if digits in each] == []
            else:
                assert [each for each in readings if value.lower() in each] == []
