"""The browsers' routes: events, and what mParticle's Web SDK asks for before it sends any.

Anyone can read a browser input's key in a page, so a request proves nothing: it is limited by the visitor's address and
by its input before its body is read. Cookies are ignored.
"""

import math
import time
from collections.abc import Mapping
from typing import Final

from msgspec import structs

from tiktok_forwarder.browser.answers import config_answer
from tiktok_forwarder.browser.call import BrowserCall, BrowserObserver, EventsRequest, IdentityRequest
from tiktok_forwarder.browser.cors import PREFLIGHT, headers_for
from tiktok_forwarder.browser.mpids import Mpids
from tiktok_forwarder.browser.paths import Place, find_place, is_browser_path
from tiktok_forwarder.browser.rate_limit import ADDRESS_LIMIT, INPUT_LIMIT, BrowserLimits, RateLimit
from tiktok_forwarder.inputs.inputs import Input, Inputs
from tiktok_forwarder.intake.accept import Acceptor, Visitor
from tiktok_forwarder.intake.refusals import JSON, Refusal, stopping
from tiktok_forwarder.web.body import ArrivingBody, BodyLimits, joined_headers
from tiktok_forwarder.web.body_handler import BodyHandler
from tiktok_forwarder.web.exchange import Exchange
from tiktok_forwarder.web.origin import address_of, source_of_address
from tiktok_forwarder.web.trusted_proxies import TrustedProxies

_MAX_IDENTITY_BYTES: Final = 64 * 1024
_MAX_EVENTS_BYTES: Final = 256 * 1024
# The share of all bodies in memory that browsers may fill: the rest is left to the senders that have a secret.
_PENDING_SHARE: Final = 4
_CONFIG_HEADERS: Final = (JSON, (b"cache-control", b"max-age=300"))
_CODES: Final = {401: "UNAUTHORIZED", 403: "FORBIDDEN", 404: "NOT_FOUND"}


class BrowserRoutes:
    """The browsers' routes. `handles` returns whether a path is one of them."""

    def __init__(
        self,
        acceptor: Acceptor,
        inputs: Inputs,
        mpids: Mpids,
        proxies: TrustedProxies,
        limits: BrowserLimits,
        bodies: BodyLimits,
        *,
        observer: BrowserObserver,
    ) -> None:
        """`bodies` are the limits of all senders' bodies, which browsers may fill in part only."""
        self._by_address = limits.of_addresses()
        self._by_input = limits.of_inputs()
        self._inputs = inputs
        self._proxies = proxies
        self._event_limits = _smaller(bodies, _MAX_EVENTS_BYTES)
        self._identity_limits = _smaller(bodies, _MAX_IDENTITY_BYTES)
        self._acceptor = acceptor
        self._mpids = mpids
        self._observer = observer
        self.is_stopping = False

    def handles(self, path: str) -> bool:
        return is_browser_path(path)

    def begin(self, exchange: Exchange) -> BodyHandler | None:
        call = BrowserCall(exchange, self._observer)
        try:
            return self._begin(exchange, call)
        except Exception as error:
            call.refuse(error)
            return None

    def _begin(self, exchange: Exchange, call: BrowserCall) -> BodyHandler | None:
        """Answer what needs no body; return the handler of what does. Raises what the request is refused for."""
        place = find_place(exchange.path)
        if place is None:
            raise Refusal(404, "NOT_FOUND", "path not found", reason="route")
        call.place = place
        if named := self._inputs.find_browser_input(place.key):
            # What is refused by address counts for the input that the path names, so that its figures show a flood.
            call.input_name = named.name
        visitor = self._visitor(exchange)
        self._limit(self._by_address, source_of_address(visitor), ADDRESS_LIMIT)
        if exchange.method == "OPTIONS":
            call.answer(204, PREFLIGHT)
            return None
        if exchange.method != place.method:
            raise _wrong_method(place.method)
        headers = joined_headers(exchange.headers)
        sender = self._authorized_input(call, headers)
        if place.kind == "events":
            if self.is_stopping:
                raise stopping()
            body = ArrivingBody(headers, self._event_limits)
            exchange.proceed()
            seen = Visitor(_address(visitor), headers.get(b"user-agent", b"").decode("utf-8", "replace"))
            return EventsRequest(call, sender, body, self._event_limits, self._acceptor, seen)
        if place.kind in ("identity", "modify"):
            body = ArrivingBody(headers, self._identity_limits)
            exchange.proceed()
            return IdentityRequest(call, sender, body, self._identity_limits, self._mpids)
        _answer_without_body(call, sender)
        return None

    def _visitor(self, exchange: Exchange) -> str:
        peer = exchange.peer
        return self._proxies.visitor_of(peer[0] if peer else "", exchange.headers)

    def _authorized_input(self, call: BrowserCall, headers: Mapping[bytes, bytes]) -> Input:
        """Return the input that the request names, if its page may use it. Raises `Refusal`."""
        place = call.place
        sender = self._inputs.find_browser_input(place.key or headers.get(b"x-mp-key", b"").decode("latin-1"))
        if sender is None:
            raise _unknown_key(place)
        call.input_name = sender.name
        origin = headers.get(b"origin")
        if origin is not None and origin.decode("latin-1") in sender.origins:
            call.cors = headers_for(origin)
        elif origin is not None or place.method == "POST":
            # Only a page of the service's own origin omits the header, and only when it gets something.
            message = "the page's origin is not one of the input's; add it to the input's origins"
            raise Refusal(403, "FORBIDDEN", message, reason="origin")
        self._limit(self._by_input, sender.id, INPUT_LIMIT)
        return sender

    def _limit(self, limit: RateLimit, source: str, reason: str) -> None:
        wait_seconds = limit.admit(source, time.monotonic())
        if wait_seconds:
            retry_after = (b"retry-after", str(math.ceil(wait_seconds)).encode())
            raise Refusal(
                429, "TOO_MANY_REQUESTS", "too many requests; retry later", reason=reason, headers=(retry_after,)
            )


def _smaller(limits: BodyLimits, max_bytes: int) -> BodyLimits:
    return structs.replace(
        limits,
        max_bytes=min(limits.max_bytes, max_bytes),
        max_pending_bytes=limits.max_pending_bytes // _PENDING_SHARE,
    )


def _address(visitor: str) -> str:
    """Return the address as one text, empty if a proxy has written something else."""
    address = address_of(visitor)
    return str(address) if address is not None else ""


def _answer_without_body(call: BrowserCall, sender: Input) -> None:
    kind = call.place.kind
    if kind == "config":
        call.answer(200, _CONFIG_HEADERS, config_answer(sender))
    elif kind == "search":
        raise Refusal(404, "NOT_FOUND", "no visitor is kept, so none can be found", reason="")
    else:
        call.answer(202)


def _wrong_method(method: str) -> Refusal:
    headers = ((b"allow", f"{method}, OPTIONS".encode()),)
    return Refusal(405, "METHOD_NOT_ALLOWED", f"method not allowed; use {method}", reason="method", headers=headers)


# The SDK gets by without a configuration, and permanently drops what it cannot send.
_UNKNOWN_KEY_STATUS: Final = {"config": 404, "identity": 401, "modify": 401, "search": 401}


def _unknown_key(place: Place) -> Refusal:
    status = _UNKNOWN_KEY_STATUS.get(place.kind, 403)
    return Refusal(status, _CODES[status], "no browser input has this key", reason="unknown_key")
