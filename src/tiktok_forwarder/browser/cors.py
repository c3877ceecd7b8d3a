"""The headers by which a browser lets a page of another origin read an answer.

Every answer has them, refusals included: mParticle's Web SDK repeats an upload forever if it cannot read the status.
They permit no credentials, so that nothing depends on cookies, and what the answers contain is no secret.
"""

from typing import Final

from tiktok_forwarder.web.exchange import Header

_VARY: Final = (b"vary", b"Origin")
ANY_ORIGIN: Final[tuple[Header, ...]] = ((b"access-control-allow-origin", b"*"), _VARY)
PREFLIGHT: Final[tuple[Header, ...]] = (
    (b"access-control-allow-methods", b"GET, POST"),
    (b"access-control-allow-headers", b"content-type, x-mp-key"),
    (b"access-control-max-age", b"7200"),
)


def headers_for(origin: bytes) -> tuple[Header, ...]:
    """Return the headers for an origin that is allowed, as the browser has sent it."""
    return (b"access-control-allow-origin", origin), _VARY
