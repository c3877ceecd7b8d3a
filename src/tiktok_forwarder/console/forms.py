"""Forms as browsers send them, bounded."""

import asyncio
from typing import Final
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request

MAX_FORM_BYTES: Final = 1024 * 1024
# Enough for a name and a password: public forms have nothing else.
MAX_PUBLIC_FORM_BYTES: Final = 16 * 1024
_FORM_SECONDS: Final = 10.0
_MAX_FIELDS: Final = 5000
_FORM_TYPE: Final = "application/x-www-form-urlencoded"


class Form:
    """Fields in the order of the form; a name may appear several times."""

    def __init__(self, fields: list[tuple[str, str]] | None = None) -> None:
        self.fields = fields or []

    def text(self, name: str, default: str = "") -> str:
        """Return the last value of this name, stripped."""
        found = self.texts(name)
        return found[-1] if found else default

    def texts(self, name: str) -> list[str]:
        return [value.strip() for key, value in self.fields if key == name]

    def secret(self, name: str) -> str:
        """Return the last value of this name unstripped: spaces may be part of a password."""
        found = [value for key, value in self.fields if key == name]
        return found[-1] if found else ""

    def has(self, name: str) -> bool:
        return any(key == name for key, _ in self.fields)


async def read_form(request: Request, max_bytes: int = MAX_FORM_BYTES) -> Form:
    """Read a form. Raises `HTTPException` unless it is URL-encoded: files are read into fields by the pages."""
    if request.method == "GET":
        return Form()
    content_type = request.headers.get("content-type", _FORM_TYPE).partition(";")[0].strip().lower()
    if content_type != _FORM_TYPE:
        raise HTTPException(415, "the console takes forms only")
    try:
        async with asyncio.timeout(_FORM_SECONDS):
            body = await _body(request, max_bytes)
    except TimeoutError:
        raise HTTPException(408, f"the form did not arrive within {_FORM_SECONDS:g} seconds") from None
    try:
        fields = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="replace")
    except (ValueError, UnicodeDecodeError):
        raise HTTPException(400, "the form cannot be read") from None
    return Form(fields)


async def _body(request: Request, max_bytes: int) -> bytearray:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise HTTPException(413, f"the form is larger than the {max_bytes} bytes allowed")
    return body
