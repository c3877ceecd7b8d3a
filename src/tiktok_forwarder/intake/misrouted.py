"""Senders' requests on a node whose role is not to receive any: refused, so that they are sent again elsewhere."""

import time
from collections.abc import Sequence
from typing import Final

from tiktok_forwarder.intake.ingest import IngestObserver
from tiktok_forwarder.intake.refusals import JSON, later
from tiktok_forwarder.web.exchange import DirectRoutes, Exchange

# Not 404: senders drop what was refused with it.
_REFUSAL: Final = later("this node does not receive events; send them to a node with the role ingest or all", "role")
_ROUTE: Final = "unknown"


class MisroutedRequests:
    """Refuses all requests of these routes before authentication: the sender has to use another node."""

    def __init__(self, routes: Sequence[DirectRoutes], observer: IngestObserver) -> None:
        self._routes = routes
        self._observer = observer

    def handles(self, path: str) -> bool:
        return any(routes.handles(path) for routes in self._routes)

    def begin(self, exchange: Exchange) -> None:
        started = time.monotonic()
        exchange.answer(_REFUSAL.status, (JSON, *_REFUSAL.headers), _REFUSAL.encoded())
        self._observer.on_answered(_ROUTE, _REFUSAL.status, _REFUSAL.reason, time.monotonic() - started)
