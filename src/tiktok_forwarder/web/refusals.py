"""The answers to bytes that no application sees: what a connection receives beyond its limits, or that is not HTTP."""

from http import HTTPStatus
from typing import Final

import msgspec
from msgspec import Struct

from tiktok_forwarder.web.http_limits import CloseReason, HttpLimits


class Refusal(Struct, frozen=True):
    """Why the rest of a connection is not read, and the bytes of its last answer."""

    reason: CloseReason
    answer: bytes


def _refusal(reason: CloseReason, status: HTTPStatus, code: str, message: str) -> Refusal:
    body = msgspec.json.encode({"errors": [{"code": code, "message": message}]})
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return Refusal(reason, head.encode() + body)


MALFORMED: Final = _refusal("malformed", HTTPStatus.BAD_REQUEST, "BAD_REQUEST", "this is not an HTTP/1.1 request")

UPGRADE_WITH_BODY: Final = _refusal(
    "malformed",
    HTTPStatus.BAD_REQUEST,
    "BAD_REQUEST",
    "a request with a body must not ask for another protocol; leave out the header Upgrade",
)


class Refusals:
    """The refusals under these limits, each made once."""

    def __init__(self, limits: HttpLimits) -> None:
        self.request_line = _refusal(
            "max_request_line_bytes",
            HTTPStatus.REQUEST_URI_TOO_LONG,
            "TOO_LARGE",
            f"the URL is too long; the limit is {limits.max_request_line_bytes} bytes",
        )
        self.header_bytes = _refusal(
            "max_header_bytes",
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            "TOO_LARGE",
            f"the headers are too large; the limit is {limits.max_header_bytes} bytes",
        )
        self.headers = _refusal(
            "max_headers",
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            "TOO_LARGE",
            f"the request has too many headers; the limit is {limits.max_headers}",
        )
        self.header_time = _refusal(
            "header_timeout_seconds",
            HTTPStatus.REQUEST_TIMEOUT,
            "TIMEOUT",
            f"the headers did not arrive within {limits.header_timeout_seconds:g} seconds",
        )
