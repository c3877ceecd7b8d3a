"""Forms as browsers send them."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request

from tiktok_forwarder.console.forms import Form, read_form


def post(body: bytes, content_type: str = "application/x-www-form-urlencoded") -> Request:
    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    headers = [(b"content-type", content_type.encode())]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive)


async def test_fields_keep_their_order_and_repeat() -> None:
    """Text is stripped; a secret is as it was typed."""
    form = await read_form(post(b"name=+Schuhe+%C3%BC+&input=a&input=b&password=+x+&empty="))
    assert form.text("name") == "Schuhe ü"
    assert form.texts("input") == ["a", "b"]
    assert form.text("input") == "b"
    assert form.secret("password") == " x "
    assert form.has("empty") and not form.has("absent")
    assert form.text("absent", "else") == "else"


@pytest.mark.parametrize(
    "content_type",
    [
        "application/x-www-form-urlencoded; charset=UTF-8",
        "Application/X-WWW-Form-URLencoded",
        " application/x-www-form-urlencoded ;charset=utf-8",
    ],
)
async def test_form_is_known_by_its_type_whatever_follows(content_type: str) -> None:
    """Browsers and programs write it in any case, and some add the character set."""
    assert (await read_form(post(b"a=b", content_type))).fields == [("a", "b")]


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "text/plain",
        "multipart/form-data; boundary=x",
        "text/plain; application/x-www-form-urlencoded",
        "",
    ],
)
async def test_only_forms_are_read(content_type: str) -> None:
    """What another site can have a browser send without asking must not pass for a form."""
    with pytest.raises(HTTPException) as refused:
        await read_form(post(b"a=b", content_type))
    assert refused.value.status_code == 415


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"a=" + b"x" * (1_048_577 - 2), 413),
        (b"a=b&" * 5000 + b"a=b", 400),
        (b"a=\xff", 400),
    ],
    ids=["too large", "too many fields", "no text"],
)
async def test_what_is_no_form_is_refused(body: bytes, status: int) -> None:
    """Too large, too many fields, or no text."""
    with pytest.raises(HTTPException) as refused:
        await read_form(post(body))
    assert refused.value.status_code == status


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"a=" + b"x" * (1_048_576 - 2), 1),
        (b"&".join([b"a=b"] * 5000), 5000),
        (b"a=%FF", 1),
        (b"", 0),
    ],
    ids=["largest", "most fields", "no text in a value", "empty"],
)
async def test_form_within_the_bounds_is_read(body: bytes, fields: int) -> None:
    """A megabyte and 5,000 fields are enough for every page, and each is taken to the last."""
    assert len((await read_form(post(body))).fields) == fields


async def test_bound_of_a_form_is_the_callers() -> None:
    """Whoever is not logged in may send less: the last byte that is allowed is read, the next one is refused."""
    assert len((await read_form(post(b"a=" + b"x" * 98), 100)).text("a")) == 98
    with pytest.raises(HTTPException) as refused:
        await read_form(post(b"a=" + b"x" * 99), 100)
    assert (refused.value.status_code, refused.value.detail) == (413, "the form is larger than the 100 bytes allowed")


async def test_form_is_refused_while_it_arrives() -> None:
    """What is too large is not gathered first: the rest of it is never asked for."""
    asked = 0

    async def receive() -> MutableMapping[str, Any]:
        nonlocal asked
        asked += 1
        return {"type": "http.request", "body": b"x" * 40, "more_body": True}

    headers = [(b"content-type", b"application/x-www-form-urlencoded")]
    with pytest.raises(HTTPException) as refused:
        await read_form(Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive), 100)
    assert (refused.value.status_code, asked) == (413, 3)


async def test_a_form_that_does_not_end_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has ten seconds to arrive, here in hundredths of a second."""
    given: list[float | None] = []
    timeout = asyncio.timeout

    def shorter(seconds: float | None) -> asyncio.Timeout:
        given.append(seconds)
        return timeout(0.01)

    async def receive() -> MutableMapping[str, Any]:
        await asyncio.sleep(60)
        return {"type": "http.request", "body": b"", "more_body": False}

    headers = [(b"content-type", b"application/x-www-form-urlencoded")]
    with monkeypatch.context() as patched:
        patched.setattr("tiktok_forwarder.console.forms.asyncio.timeout", shorter)
        with pytest.raises(HTTPException) as refused:
            await read_form(Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive))
    assert refused.value.status_code == 408
    assert refused.value.detail == "the form did not arrive within 10 seconds"
    assert given == [10.0]


def test_an_empty_form_has_nothing() -> None:
    """A page that was asked for by GET has one."""
    assert Form().text("anything") == "" and Form().fields == []
