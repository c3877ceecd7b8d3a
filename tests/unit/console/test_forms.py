"""Forms as browsers send them."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request

from tiktok_forwarder.console.forms import MAX_FORM_BYTES, MAX_PUBLIC_FORM_BYTES, Form, read_form


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


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "multipart/form-data; boundary=x"])
async def test_only_forms_are_read(content_type: str) -> None:
    """What another site can have a browser send without asking must not pass for a form."""
    with pytest.raises(HTTPException) as refused:
        await read_form(post(b"a=b", content_type))
    assert refused.value.status_code == 415


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"a=" + b"x" * MAX_FORM_BYTES, 413), (b"a=b&" * 5001, 400), (b"a=\xff", 400)],
)
async def test_what_is_no_form_is_refused(body: bytes, status: int) -> None:
    """Too large, too many fields, or no text."""
    with pytest.raises(HTTPException) as refused:
        await read_form(post(body))
    assert refused.value.status_code == status


async def test_a_form_that_does_not_end_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor may whoever is not logged in send a large one."""
    monkeypatch.setattr("tiktok_forwarder.console.forms._FORM_SECONDS", 0.05)

    async def receive() -> MutableMapping[str, Any]:
        await asyncio.sleep(60)
        return {"type": "http.request", "body": b"", "more_body": False}

    headers = [(b"content-type", b"application/x-www-form-urlencoded")]
    with pytest.raises(HTTPException) as refused:
        await read_form(Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive))
    assert refused.value.status_code == 408
    with pytest.raises(HTTPException) as refused:
        await read_form(post(b"a=" + b"x" * MAX_PUBLIC_FORM_BYTES), MAX_PUBLIC_FORM_BYTES)
    assert refused.value.status_code == 413


def test_an_empty_form_has_nothing() -> None:
    """A page that was asked for by GET has one."""
    assert Form().text("anything") == "" and Form().fields == []
