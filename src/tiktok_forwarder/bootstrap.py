"""The composition root: turns settings into a wired application. It names the implementations in use, except the store.

Read from the top: on the store and its keys (`Foundation`) are inputs and connections (`Configured`); beside them, what
people can view afterwards (`Watched`); then delivery and intake, which notify the observers; and finally the services
of API and console. `Application` starts and stops them.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping, Sequence

from tiktok_forwarder.api.app import build_api, caller_with_key, local_caller
from tiktok_forwarder.browser.routes import BrowserRoutes
from tiktok_forwarder.configured import Configured, configured_in
from tiktok_forwarder.connections.earlier_deliveries import keep_earlier_deliveries
from tiktok_forwarder.console.activity.live import LiveViews
from tiktok_forwarder.console.api import console_caller
from tiktok_forwarder.console.app import build_console
from tiktok_forwarder.delivery.clock_comparison import DatedSender
from tiktok_forwarder.delivery.deliverer import Deliverer
from tiktok_forwarder.delivery.http_client import TikTokHttpSender
from tiktok_forwarder.delivery.interfaces import EventSender
from tiktok_forwarder.delivery.parts import DeliveryParts
from tiktok_forwarder.domain.errors import ConfigurationError, StoreUnavailable
from tiktok_forwarder.foundation import Foundation, open_foundation
from tiktok_forwarder.intake.accept import Acceptor
from tiktok_forwarder.intake.ingest import Ingest
from tiktok_forwarder.intake.misrouted import MisroutedRequests
from tiktok_forwarder.mapping.connection import warnings_on
from tiktok_forwarder.mparticle.parse import Bounds
from tiktok_forwarder.operations.clock_watch import ClockWatch
from tiktok_forwarder.operations.deletion_watch import DeletionWatch
from tiktok_forwarder.operations.export_watch import ExportedMetrics, ExportWatch
from tiktok_forwarder.operations.key_watch import KeyWatch
from tiktok_forwarder.operations.notice_watch import NoticeWatch, WatchedParts
from tiktok_forwarder.operations.quotas import QuotaWatch
from tiktok_forwarder.operations.retention_watch import RetentionWatch
from tiktok_forwarder.operations.risk_watch import RiskWatch
from tiktok_forwarder.operations.watches import LoopWatch, StoreWatch, Watch
from tiktok_forwarder.services import Services, build_services
from tiktok_forwarder.settings import Settings
from tiktok_forwarder.store.claim_keeper import ClaimKeeper
from tiktok_forwarder.store.claims import TOTALS
from tiktok_forwarder.telemetry.telemetry import EVENTS_METRIC, Telemetry
from tiktok_forwarder.watched import Watched, watched_in
from tiktok_forwarder.web.body import BodyLimits
from tiktok_forwarder.web.descriptors import connections_within_descriptors
from tiktok_forwarder.web.exchange import DirectRoutes
from tiktok_forwarder.web.front import Front
from tiktok_forwarder.web.guard import guarded
from tiktok_forwarder.web.http_connections import HttpConnections
from tiktok_forwarder.web.server import Servers
from tiktok_forwarder.web.trusted_proxies import TrustedProxies, parse_networks


@contextlib.asynccontextmanager
async def open_application(
    settings: Settings, environment: Mapping[str, str], *, may_create: bool = True
) -> AsyncIterator["Application"]:
    """Yield an application on its data directory, which no other process may use until the end, and stop it at the end.

    Raises `ConfigurationError` when the directory, key or database cannot be used, and changes nothing then.
    """
    async with open_foundation(settings, environment, may_create=may_create) as base:
        application = Application(base)
        try:
            await application.load()
            yield application
        finally:
            await application.stop()


# --- the service, part by part ---------------------------------------------------------------------------------------


def _deliverer(base: Foundation, configured: Configured, watched: Watched, sender: EventSender) -> Deliverer:
    """Return the deliverer, from the store to TikTok.

    The connections are its targets; `Application.start` notifies it of changes.
    """
    store = base.store
    return Deliverer(
        DeliveryParts(
            queue=watched.tracing.queue(store),
            dead_letters=store,
            documents=store,
            claims=store,
            sender=watched.tracing.sender(sender),
            clock=base.clock,
            connections=configured.connections,
            checks=configured.check_records,
            token_hash=lambda token: base.keyed_hash(f"access token {token}"),
            observer=watched.observers,
            policy=base.settings.delivery_policy(),
            nodes=base.nodes,
        )
    )


def _acceptor(base: Foundation, configured: Configured, watched: Watched) -> Acceptor:
    """Return the acceptor, from a sender's bytes into the store."""
    settings = base.settings
    return Acceptor(
        watched.tracing.queue(base.store),
        configured.connections,
        base.clock,
        base.subject_hash,
        Bounds(settings.max_body_bytes, settings.max_nesting, settings.max_events),
        observer=watched.observers,
    )


def _watches_of_delivery(
    base: Foundation, configured: Configured, watched: Watched, services: Services, http_sender: TikTokHttpSender
) -> Sequence[Watch]:
    """Return the watches of a service that delivers."""
    retention = RetentionWatch(
        base.store,
        services.dead_letters.ends,
        watched.activity,
        base.settings.activity_days,
        base.clock_comparison,
        base.clock,
        base.telemetry,
    )
    return (
        retention,
        ClockWatch(
            base.clock_comparison,
            http_sender.fetch_date,
            lambda: retention.waits_for_time or bool(configured.connections.all()),
        ),
        DeletionWatch(services.deletion),
        NoticeWatch(
            base.store,
            services.notices,
            WatchedParts(configured.connections, configured.inputs, services.deliverer, watched.activity),
            base.telemetry,
            base.clock,
        ),
    )


class Application:
    """A wired service: commands need only `api`; between `start` and `stop` it listens and delivers."""

    def __init__(self, base: Foundation) -> None:
        settings = base.settings
        self.base = base
        self._configured = configured = configured_in(base)
        self._watched = watched = watched_in(base, configured)
        http_sender = TikTokHttpSender(settings.tiktok_base_url, deadline_seconds=settings.send_timeout_seconds)
        self._sender = DatedSender(http_sender, base.clock_comparison)
        deliverer = _deliverer(base, configured, watched, self._sender)
        acceptor = _acceptor(base, configured, watched)
        self.services = build_services(
            base, configured, watched, acceptor, deliverer, self._sender, lambda: self.console_base
        )
        body_limits = BodyLimits(settings.max_body_bytes, settings.max_pending_bytes, settings.body_timeout_seconds)
        self._proxies = TrustedProxies(parse_networks(settings.trusted_proxies))
        self._ingest = Ingest(acceptor, configured.inputs, body_limits, self._proxies, observer=watched.observers)
        self._browsers = BrowserRoutes(
            acceptor,
            configured.inputs,
            base.mpids,
            self._proxies,
            settings.browser_limits(),
            body_limits,
            observer=watched.observers,
        )
        base.telemetry.kafka.statuses = self.services.kafka.own_statuses
        self.api = build_api(self.services, local_caller)
        self.live_views = LiveViews()
        self._watches: list[Watch] = [
            LoopWatch(base.clock, base.telemetry),
            StoreWatch(base.store, base.telemetry),
            RiskWatch(base.store, base.telemetry),
            KeyWatch(self.services.key_rotation, base.telemetry),
        ]
        if settings.has_role("ingest"):
            self._watches.append(QuotaWatch(base.store, base.telemetry))
        if settings.has_role("deliver"):
            self._watches += _watches_of_delivery(base, configured, watched, self.services, http_sender)
        if (target := settings.export_target()) is not None:
            metrics = ExportedMetrics(base.telemetry.registry, self._refresh_figures, {EVENTS_METRIC})
            self._watches.append(ExportWatch(target, metrics, watched.tracing.recorder, base.telemetry))
        # One node at a time shows the store's figures, so that the metrics of all nodes add up.
        self._totals_claim = ClaimKeeper(base.store, TOTALS, lambda: [TOTALS])
        self._servers: Servers | None = None

    @property
    def port(self) -> int:
        return self._servers.port if self._servers is not None else self.base.settings.port

    @property
    def console_base(self) -> str:
        """Return the console's address as a browser on this machine, or behind the declared proxy, sees it.

        Raises `ConfigurationError` if only other nodes have a console, and none is declared.
        """
        settings = self.base.settings
        if not settings.console_url and not settings.has_role("console"):
            raise ConfigurationError(
                [
                    f"role: this node has no console, since its role is {settings.role}; set console_url, or run the "
                    "command on the data directory of a node with the role console or all"
                ]
            )
        # Of a container, the browser's machine knows the published port under this name.
        host = "localhost" if settings.has_plain_console else "127.0.0.1"
        return settings.console_url or f"http://{host}:{self.port}"

    async def load(self) -> None:
        """Read what people have configured. Raises `ConfigurationError` and `SecretUnreadable`."""
        await self._configured.load()
        await self.services.deletion.sweep()

    async def start(self) -> None:
        """Listen and deliver, as far as the role includes it. Raises `ConfigurationError` if the port is taken."""
        settings, telemetry, deliverer = self.base.settings, self.base.telemetry, self.services.deliverer
        self._servers = Servers(
            guarded(self._front(), telemetry),
            guarded(self.api, telemetry),
            self._senders_routes(),
            host=settings.host,
            port=settings.port,
            admin_socket=settings.admin_socket,
            http_connections=_http_connections(settings, telemetry),
        )
        self._configured.shared.keep("delivery_state", None, deliverer.follow_state)
        self.services.connections.on_change(self.services.first_steps.forget_removed)
        if settings.has_role("deliver"):
            self.services.connections.on_change(deliverer.reload)
            store, records = self.base.store, self._configured.check_records
            await keep_earlier_deliveries(self.services.connections, records, store, store)
            await deliverer.start()
        self._configured.shared.start()
        self.base.nodes.start()
        await self._totals_claim.start()
        for watch in self._watches:
            watch.start()
        for warning in settings.warnings:
            telemetry.on_process_settings_warning(warning)
        for connection in self.services.connections.all():
            for warning in warnings_on(connection):
                telemetry.on_settings_warning(connection.id, warning)
        await self._servers.start()
        if settings.has_role("ingest"):
            self.services.kafka.start()

    def _senders_routes(self) -> Sequence[DirectRoutes]:
        tracing = self._watched.tracing
        routes = (
            tracing.routes(self._ingest, has_senders=True),
            tracing.routes(self._browsers, has_senders=False),
        )
        if self.base.settings.has_role("ingest"):
            return routes
        return (MisroutedRequests(routes, self._watched.observers),)

    def _front(self) -> Front:
        """Return the application on the service's port: health and metrics; API, script and console by role."""
        services, settings = self.services, self.base.settings
        keyed_api = console = None
        if settings.has_role("console"):
            keyed_api = build_api(services, caller_with_key(services.api_keys))
            console_api = build_api(services, console_caller)
            console = build_console(
                console_api,
                services.console_access,
                settings.console_url,
                self._proxies,
                self.live_views,
                self.base.oidc,
                allows_private_peers=settings.has_plain_console,
            )
        script = services.site_script if settings.has_role("ingest") else None
        return Front(
            self._not_ready,
            self._exposition,
            services.api_keys.is_valid,
            api=keyed_api,
            console=console,
            public_files=script,
        )

    async def stop(self) -> None:
        """Refuse new events, let running requests end, release leases. Takes about `stop_seconds` at most."""
        stop_seconds = self.base.settings.stop_seconds
        self._ingest.is_stopping = self._browsers.is_stopping = True
        self.live_views.stop()
        deadline = time.monotonic() + stop_seconds
        stopping_kafka = asyncio.create_task(self.services.kafka.stop(stop_seconds / 2))
        if self._servers is not None:
            await self._servers.stop(stop_seconds / 2)
        await self.services.background_checks.stop()
        await stopping_kafka
        await self._configured.shared.stop()
        if self.services.deliverer.is_running:
            await self.services.deliverer.stop(max(0.5, deadline - time.monotonic()))
        if self._servers is not None:
            with contextlib.suppress(StoreUnavailable):
                await self._totals_claim.stop()
        for watch in self._watches:
            await watch.stop()
        await self.base.nodes.close()
        await self._sender.close()
        await self._watched.activity.close()

    async def _not_ready(self) -> Sequence[str]:
        if self._ingest.is_stopping:
            return ["stopping"]
        return await self.base.store.problems()

    async def _exposition(self) -> bytes:
        await self._refresh_figures()
        return self.base.telemetry.exposition()

    async def _refresh_figures(self) -> None:
        """Read the store's figures for the metrics, all at one moment, if this node shows them."""
        figures, statuses = self.base.telemetry.figures, self.services.deliverer.statuses()
        figures.statuses = {each: status for each, status in statuses.items() if not status.is_elsewhere}
        figures.testing = [
            connection.id
            for connection in self.services.connections.all()
            if connection.test_event_code is not None and connection.id in figures.statuses
        ]
        if not self._totals_claim.holds(TOTALS):
            figures.totals, figures.counts = (), {}
        else:
            with contextlib.suppress(StoreUnavailable):
                snapshot = await self.base.store.snapshot()
                figures.totals, figures.counts = snapshot.totals, snapshot.counts
        figures.now_ms = self.base.clock.now_ms()


def _http_connections(settings: Settings, telemetry: Telemetry) -> HttpConnections:
    limits = settings.http_limits(connections_within_descriptors(settings.max_http_connections))
    telemetry.on_http_limit(limits.max_http_connections, settings.max_http_connections)
    proxies = TrustedProxies(parse_networks(settings.trusted_proxies))
    return HttpConnections(limits, proxies.is_trusted, telemetry)
