"""Email addresses are found in texts, however they are encoded, and nothing else is changed."""

import re
import sys
from itertools import product
from types import FrameType
from typing import Any

import pytest

from tiktok_forwarder.mapping.redaction.emails import holds_address, redacted, without_user_information

# What the rule is for plain ASCII texts, as a regular expression that may try every character.
_ADDRESS = re.compile(r"[A-Za-z0-9._%+'-]{1,64}@(?:[A-Za-z0-9-]+\.)+[A-Za-z][A-Za-z0-9-]+(?![A-Za-z0-9-])")
TraceFunction = Any
ENCODED = (
    *("%40", "%2540", "%252540", "&#64;", "&#0064;", "&#x40;", "&#X0040;", "&commat;"),
    *("\uff20", "%EF%BC%A0", "%26%2364;"),
)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("for jane@example.com and Bob.B+1@mail.example.org!", "for redacted and redacted!"),
        ("u=jane%40example.com", "u=redacted"),
        ("a@b", "a@b"),
        ("@ 50%40 @@", "@ 50%40 @@"),
        ("x" * 70 + "@example.com", "x" * 6 + "redacted"),
        ("a%40b.com@c.example", "redacted@c.example"),
        ("jane@example%2Ecom", "redacted"),
        ("jane%40example%252ecom&x=1", "redacted&x=1"),
        ("o'brien@example.com", "redacted"),
        ("jos\u00e9@b\u00fccher.example and \u3042@\u4f8b\u3048.\u30c6\u30b9\u30c8", "redacted and redacted"),
        ("jose\u0301@example.com", "redacted"),
        ("jane\u200b@exa\u00admple.com", "redacted"),
        ("jane@example.com1", "redacted"),
        ("jane@example.1com", "jane@example.1com"),
        ("jane@example.c", "jane@example.c"),
        ("jane@mail.example.c", "redacted.c"),
        ("logo@2x.png", "redacted"),
        ("jane@" + "a" * 250 + ".com", "jane@" + "a" * 250 + ".com"),
        ("jane@" + "a" * 249 + ".com", "redacted"),
        ("%FF%40%fe", "%FF%40%fe"),
        ("caf%C3%A9%40example.com", "redacted"),
        ("%C3%A9%FFx%40example.com", "redacted"),
        ("50%25 of jane%40example.com", "50%25 of redacted"),
        ("%25252540", "%25252540"),
    ],
)
def test_redaction(text: str, clean: str) -> None:
    """Addresses become the word redacted; what stands around them stays as it was written."""
    assert redacted(text) == clean
    assert holds_address(text) == (text != clean)


def test_redaction_agrees_with_the_plain_search() -> None:
    """Looking around separators only gives what the regular expression gives, for every mix of telling pieces."""
    pieces = ["a", "@", "1", ".com", "-", " ", "b.c", "x" * 40, "."]
    for text in map("".join, product(pieces, repeat=5)):
        assert redacted(text) == _ADDRESS.sub("redacted", text), text


@pytest.mark.parametrize("encoded", ENCODED)
def test_the_form_of_the_at_sign_makes_no_difference(encoded: str) -> None:
    """What is found with a plain @ is found with every form of it, and what is not stays encoded as it was."""
    pieces = ["a", "@", "b.com", " ", "@c.example", "'"]
    for text in map("".join, product(pieces, repeat=4)):
        assert redacted(text.replace("@", encoded)) == redacted(text).replace("@", encoded), text


def test_an_address_is_seen_behind_four_layers_of_encoding() -> None:
    """Redirects encode again and again; a fifth layer is not opened."""
    text = "jane@example.com"
    for _ in range(4):
        text = text.replace("%", "%25").replace("@", "%40")
        assert redacted(f"https://shop.example.com/?next={text}&n=1") == "https://shop.example.com/?next=redacted&n=1"
    assert redacted(text.replace("%", "%25")) == text.replace("%", "%25")


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("https://u:p@host.example/x", "https://host.example/x"),
        ("https://jane@example.com:p@host.example/?a=b@c", "https://host.example/?a=b@c"),
        ("android-app://me@app/", "android-app://app/"),
        ("https://host.example/u@x", "https://host.example/u@x"),
        ("https://host.example?u@x", "https://host.example?u@x"),
        ("see https://u@host.example/", "see https://u@host.example/"),
        ("https://host.example/", "https://host.example/"),
    ],
)
def test_user_information_goes(url: str, clean: str) -> None:
    """Name and password before the host of a URL are no part of the page's address."""
    assert without_user_information(url) == clean


@pytest.mark.parametrize("piece", ["a@", "a%40", "%2540", "@a.b", "&#64;", "%", "a.", "@" + "a" * 60, "\u0301@"])
def test_redaction_takes_time_linear_in_the_text(piece: str) -> None:
    """Four times as long a text takes four times as many steps: no sender can keep the service busy."""
    assert _lines_run(piece * 2000) < 4.5 * _lines_run(piece * 500) + 100


def _lines_run(text: str) -> int:
    """How many lines of the mapping run for a text: the same on every machine."""
    lines = 0

    def count(_frame: FrameType, event: str, _argument: object) -> TraceFunction:
        nonlocal lines
        lines += event == "line"
        return count

    former = sys.gettrace()
    sys.settrace(count)
    try:
        redacted(text)
    finally:
        sys.settrace(former)
    return lines
