"""Headers that restrict the browser to what the console's pages need: on every answer, errors and files included."""

from typing import Final

from tiktok_forwarder.web.asgi import AsgiApplication, Message, Receive, Scope, Send

POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",  # Pico draws its icons from data: addresses
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "object-src 'none'",
    )
)
_HEADERS: Final = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
)
_YEAR: Final = (b"strict-transport-security", b"max-age=31536000")
_NO_STORE: Final = (b"cache-control", b"no-store")


def with_headers(application: AsgiApplication, *, is_behind_tls: bool) -> AsgiApplication:
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_more(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = list(message["headers"])
                caches = any(name == b"cache-control" for name, _ in given)
                more = [*_HEADERS, *([_YEAR] if is_behind_tls else []), *([] if caches else [_NO_STORE])]
                message = {**message, "headers": [*given, *more]}
            await send(message)

        await application(scope, receive, send_more)

    return answer
