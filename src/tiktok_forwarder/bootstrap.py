"""The composition root: settings in, a wired application out. The only file that picks adapters."""

import base64
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from tiktok_forwarder.access.api_keys import ApiKeys
from tiktok_forwarder.access.audit import Audit
from tiktok_forwarder.access.console_access import ConsoleAccess
from tiktok_forwarder.access.passwords import Argon2Hasher
from tiktok_forwarder.access.users import Users
from tiktok_forwarder.activity.activity import Activity
from tiktok_forwarder.activity.development_events import DevelopmentEvents
from tiktok_forwarder.activity.file import ActivityFile
from tiktok_forwarder.activity.seen_names import SeenNames
from tiktok_forwarder.api.app import build_api, caller_with_key, local_caller
from tiktok_forwarder.connections.check import ConnectionCheck
from tiktok_forwarder.connections.connections import Connections
from tiktok_forwarder.connections.deletion import ConnectionDeletion
from tiktok_forwarder.console.activity.live import LiveViews
from tiktok_forwarder.console.api import console_caller
from tiktok_forwarder.console.app import build_console
from tiktok_forwarder.database.directory_lock import DirectoryLock
from tiktok_forwarder.delivery.deliverer import Deliverer
from tiktok_forwarder.delivery.http_client import TikTokHttpSender
from tiktok_forwarder.delivery.interfaces import DeliveryPolicy, DeliveryStatus
from tiktok_forwarder.delivery.pausing import Pausing
from tiktok_forwarder.domain.errors import ConfigurationError, SecretUnreadable, StoreUnavailable
from tiktok_forwarder.domain.retry import RetryPolicy
from tiktok_forwarder.domain.secret_box import SecretBox
from tiktok_forwarder.inputs.inputs import Inputs
from tiktok_forwarder.intake.accept import Acceptor, SubjectHash
from tiktok_forwarder.intake.ingest import Ingest
from tiktok_forwarder.mapping.connection import warnings_on
from tiktok_forwarder.mparticle.parse import Bounds
from tiktok_forwarder.operations.dead_letters import DeadLetters
from tiktok_forwarder.operations.erasure import PersonErasure
from tiktok_forwarder.operations.key_rotation import KeyRotation
from tiktok_forwarder.operations.observers import Observers
from tiktok_forwarder.operations.previews import Previews
from tiktok_forwarder.operations.watches import LoopWatch, StoreWatch
from tiktok_forwarder.secrets.key_ring import KeyRing
from tiktok_forwarder.settings import KEY_VARIABLE, Settings
from tiktok_forwarder.store.documents import DocumentStore
from tiktok_forwarder.store.memory.store import MemoryStore
from tiktok_forwarder.store.sqlite.backup import Backup, back_up, check_backup, remove_database, restore
from tiktok_forwarder.store.sqlite.store import SqliteStore
from tiktok_forwarder.system_clock import SystemClock
from tiktok_forwarder.telemetry.telemetry import Telemetry, open_log
from tiktok_forwarder.web.body import BodyLimits
from tiktok_forwarder.web.front import Front
from tiktok_forwarder.web.guard import guarded
from tiktok_forwarder.web.server import Servers

_SUBJECT_KEY: Final = "subject_key"
_BY_SERVICE: Final = "service"


class Application:
    """A wired service. `state` is what a command needs; `run` serves and delivers until told to stop."""

    def __init__(
        self,
        settings: Settings,
        store: SqliteStore | MemoryStore,
        key: KeyRing,
        subject_key: bytes,
        telemetry: Telemetry,
    ) -> None:
        self._settings = settings
        self.store = store
        self._clock = SystemClock()
        self._telemetry = telemetry
        self.inputs = Inputs(store, key, self._clock)
        self.connections = Connections(store, key, self._clock, self.inputs)
        subject_hash = SubjectHash(subject_key)
        self.activity = Activity(
            ActivityFile.open(settings.activity_file, max_bytes=settings.activity_max_bytes),
            self._clock,
            subject_hash,
            most_per_second=settings.activity_events_per_second,
        )
        self.seen_names = SeenNames()
        self.development_events = DevelopmentEvents(self.connections, settings.development_events_kept)
        self.previews = Previews(self.connections, self.development_events, self._clock)
        observers = Observers(telemetry, self.activity, [self.seen_names.brought, self.development_events.brought])
        self._sender = TikTokHttpSender(settings.tiktok_base_url, deadline_seconds=settings.send_timeout_seconds)
        self.deliverer = Deliverer(
            store,
            store,
            self._sender,
            self._clock,
            self.connections,
            observer=observers,
            policy=_policy(settings),
        )
        self.acceptor = Acceptor(
            store,
            self.connections,
            self._clock,
            subject_hash,
            Bounds(settings.max_body_bytes, settings.max_nesting, settings.max_events),
            observer=observers,
            delivery=self.deliverer,
        )
        limits = BodyLimits(settings.max_body_bytes, settings.max_pending_bytes, settings.body_timeout_seconds)
        self._ingest = Ingest(self.acceptor, self.inputs, limits, observer=telemetry)
        self.api_keys = ApiKeys(store, self._clock)
        self.pausing = Pausing(store, self._clock, self.connections)
        self.deletion = ConnectionDeletion(self.connections, store, self._clock)
        self.dead_letters = DeadLetters(store, self._clock, self.deliverer.notify, self.connections.connection_ids)
        self.audit = Audit(store, self._clock)
        self._users = Users(store, self._clock, Argon2Hasher())
        self.console_access = ConsoleAccess(self._users, self.audit, self._clock)
        self.key_rotation = KeyRotation(store, key, self.inputs, self.connections)
        self.person_erasure = PersonErasure(
            store,
            self._clock,
            self.connections,
            self.activity,
            self.development_events,
            subject_hash,
            self.audit,
        )
        self.connection_check = ConnectionCheck(self.connections, self._sender, self._clock)
        self._loop_watch = LoopWatch(self._clock, telemetry)
        self._store_watch = StoreWatch(store, telemetry)
        self.api = build_api(self, local_caller)
        self.live_views = LiveViews()
        self._servers: Servers | None = None
        self._is_delivering = False

    @property
    def port(self) -> int:
        return self._servers.port if self._servers is not None else self._settings.port

    @property
    def console_base(self) -> str:
        """The console's address as a browser on this machine, or behind the declared proxy, has it."""
        return self._settings.console_url or f"http://127.0.0.1:{self.port}"

    async def load(self) -> None:
        """Read inputs and connections. Raises `ConfigurationError` and `SecretUnreadable`."""
        await self.inputs.load()
        await self.connections.load()
        await self.api_keys.load()
        await self._users.load()
        await self.deletion.sweep()

    async def start(self) -> None:
        """Listen and deliver. Raises `ConfigurationError` if the port is taken."""
        keyed_api = build_api(self, caller_with_key(self.api_keys))
        console = build_console(
            build_api(self, console_caller), self.console_access, self._settings.console_url, self.live_views
        )
        front = Front(self._ingest, keyed_api, console, self._not_ready, self._exposition)
        self._servers = Servers(
            guarded(front, self._telemetry),
            guarded(self.api, self._telemetry),
            host=self._settings.host,
            port=self._settings.port,
            admin_socket=self._settings.admin_socket,
        )
        self.connections.on_change(self.deliverer.reload)
        await self.deliverer.start()
        self._is_delivering = True
        self.pausing.deliverer = self.deliverer
        self._loop_watch.start()
        self._store_watch.start()
        for connection in self.connections.all():
            for warning in warnings_on(connection):
                self._telemetry.stands(connection.id, warning)
        await self._servers.start()

    async def stop(self) -> None:
        """Refuse new events, let running requests end, give leases back, close. Bounded by `stop_seconds`, about."""
        self._ingest.is_stopping = True
        self.live_views.stop()
        deadline = time.monotonic() + self._settings.stop_seconds
        if self._servers is not None:
            await self._servers.stop(self._settings.stop_seconds / 2)
        if self._is_delivering:
            await self.deliverer.stop(max(0.5, deadline - time.monotonic()))
        await self._loop_watch.stop()
        await self._store_watch.stop()
        await self._sender.close()
        await self.activity.close()
        await self.store.close()

    @property
    def is_running(self) -> bool:
        """Whether events are being taken and delivered, or the API alone was opened."""
        return self._is_delivering

    def statuses(self) -> Mapping[str, DeliveryStatus]:
        """By connection id; empty while nothing is being delivered."""
        return self.deliverer.statuses() if self._is_delivering else {}

    async def _not_ready(self) -> Sequence[str]:
        if self._ingest.is_stopping:
            return ["stopping"]
        return await self.store.troubles()

    async def _exposition(self) -> bytes:
        figures = self._telemetry.figures
        with contextlib.suppress(StoreUnavailable):
            books = await self.store.books()
            figures.totals, figures.counts = books.totals, books.counts
        figures.statuses = self.statuses()
        figures.testing = [each.id for each in self.connections.all() if each.test_event_code is not None]
        figures.now_ms = self._clock.now_ms()
        return self._telemetry.exposition()


def _policy(settings: Settings) -> DeliveryPolicy:
    retry = RetryPolicy(
        first_delay_seconds=settings.retry_first_seconds,
        max_delay_seconds=max(settings.retry_first_seconds, settings.retry_max_seconds),
        window_seconds=settings.retry_window_hours * 3600,
    )
    return DeliveryPolicy(
        retry=retry,
        max_wait_seconds=settings.max_wait_seconds,
        max_requests_in_flight=settings.max_requests_in_flight,
        send_timeout_seconds=settings.send_timeout_seconds,
        requests_per_second=settings.requests_per_second,
        probe_seconds=settings.probe_seconds,
    )


@contextlib.asynccontextmanager
async def open_application(settings: Settings, environment: Mapping[str, str]) -> AsyncIterator[Application]:
    """An application on its data directory, which nobody else may use meanwhile; stopped at the end.

    Raises `ConfigurationError` when the directory, key or database cannot be used, and changes nothing then.
    """
    _prepare(settings)
    with DirectoryLock(settings.data_dir):
        store = _open_store(settings)
        try:
            key = await _open_key(settings, environment, store)
            subject_key = await _subject_key(store, key)
            telemetry = Telemetry(open_log(settings.log_level, settings.log_format))
            application = Application(settings, store, key, subject_key, telemetry)
        except BaseException:
            await store.close()
            raise
        try:
            await application.load()
            yield application
        finally:
            await application.stop()


def back_up_to(settings: Settings, file: Path, *, overwrite: bool) -> Backup:
    """A checked copy of the database, also while a service uses it; without the key. Raises `ConfigurationError`."""
    if settings.store != "sqlite":
        raise ConfigurationError([f"store: {settings.store} leaves nothing on disk to back up"])
    if file.exists() and not overwrite:
        raise ConfigurationError([f"{file}: is there already; choose another name, or --force"])
    return back_up(settings.database_file, file)


def restore_from(settings: Settings, file: Path, *, overwrite: bool) -> Backup:
    """The backup in the place of the database, which nobody may use meanwhile. Raises `ConfigurationError`."""
    check_backup(file)
    _prepare(settings)
    with DirectoryLock(settings.data_dir):
        if settings.database_file.exists() and not overwrite:
            raise ConfigurationError(
                [f"{settings.data_dir}: holds a database already; --force replaces it, and what waits in it is lost"]
            )
        if settings.activity_file is not None:
            # It is about other events, and hashed with the key of the database that goes: no erasure would find them.
            remove_database(settings.activity_file)
        return restore(file, settings.database_file)


def _prepare(settings: Settings) -> None:
    try:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = settings.data_dir / f".write-{secrets.token_hex(4)}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ConfigurationError([f"data_dir: {settings.data_dir} cannot be written: {error.strerror}"]) from None


def _open_store(settings: Settings) -> SqliteStore | MemoryStore:
    if settings.store == "memory":
        return MemoryStore()
    return SqliteStore.open(settings.database_file, max_bytes=settings.max_store_bytes or None)


async def _open_key(settings: Settings, environment: Mapping[str, str], documents: DocumentStore) -> KeyRing:
    sealed = await documents.get_document("secret", _SUBJECT_KEY)
    text = sealed.body.decode() if sealed is not None else None
    return KeyRing.load(environment, KEY_VARIABLE, settings.encryption_key_file, text)


async def _subject_key(documents: DocumentStore, box: SecretBox) -> bytes:
    """The key of the subject hashes, made at first start. That it opens proves the encryption key right."""
    sealed = await documents.get_document("secret", _SUBJECT_KEY)
    if sealed is None:
        key = secrets.token_bytes(32)
        text = box.seal(base64.b64encode(key).decode(), _SUBJECT_KEY)
        await documents.put_document(
            "secret",
            _SUBJECT_KEY,
            text.encode(),
            expected_revision=0,
            changed_by=_BY_SERVICE,
            now_ms=SystemClock().now_ms(),
        )
        return key
    try:
        return base64.b64decode(box.open(sealed.body.decode(), _SUBJECT_KEY))
    except SecretUnreadable as error:
        raise ConfigurationError([f"encryption key: {error}"]) from None
