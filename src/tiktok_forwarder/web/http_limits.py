"""The limits of the connections to a port, and why a connection is closed because of one."""

from typing import Final, Literal

from msgspec import Struct

CloseReason = Literal[
    "max_http_connections",
    "max_http_connections_per_address",
    "max_request_line_bytes",
    "max_header_bytes",
    "max_headers",
    "header_timeout_seconds",
    "body_timeout_seconds",
    "keep_alive_seconds",
    "malformed",
    "unread_answer",
    "descriptors",
]
"""The setting whose limit a connection reached. The last three are not settings: the bytes are not HTTP, the peer
does not read its answer, or the process has no file descriptors left."""

# The end of every connection that is not used any more, and so no limit that needs attention.
ORDINARY_END: Final[CloseReason] = "keep_alive_seconds"


class HttpLimits(Struct, frozen=True):
    """The limits of connections and of what they receive before an application reads it.

    `max_header_bytes` includes names, values and four bytes of punctuation for each header; trailer fields of a chunked
    body count too. `body_timeout_seconds` bounds the rest of a body that was answered before its end.
    """

    max_http_connections: int = 2000
    max_http_connections_per_address: int = 500
    max_request_line_bytes: int = 8192
    max_header_bytes: int = 32768
    max_headers: int = 100
    header_timeout_seconds: float = 5
    keep_alive_seconds: float = 75
    body_timeout_seconds: float = 10
