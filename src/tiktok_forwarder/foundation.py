"""The foundation of an application: its data directory, the store and the keys. The only file that names the stores."""

import base64
import contextlib
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Final

from tiktok_forwarder.access.draft_keys import DraftKeys
from tiktok_forwarder.access.login_throttle import LoginThrottle
from tiktok_forwarder.activity.file import ActivityFile
from tiktok_forwarder.activity.postgres import PostgresActivity
from tiktok_forwarder.activity.records import ActivityStore
from tiktok_forwarder.browser.mpids import Mpids
from tiktok_forwarder.database.directory_lock import DirectoryLock, prepare_directory
from tiktok_forwarder.database.permissions import restrict_directory, restrict_key_file
from tiktok_forwarder.delivery.clock_comparison import ClockComparison
from tiktok_forwarder.domain.errors import ConfigurationError, RevisionConflict, SecretUnreadable
from tiktok_forwarder.domain.secret_box import SecretBox
from tiktok_forwarder.intake.accept import SubjectHash
from tiktok_forwarder.oidc.login import OidcLogin
from tiktok_forwarder.oidc.policy import OidcPolicy, policy_values
from tiktok_forwarder.oidc_settings import read_client_secret
from tiktok_forwarder.secrets.key_ring import KeyRing, key_files_of
from tiktok_forwarder.settings import KEY_VARIABLE, NEXT_KEY_VARIABLE, OIDC_SECRET_VARIABLE, Settings
from tiktok_forwarder.store.documents import DocumentStore
from tiktok_forwarder.store.memory.store import MemoryStore
from tiktok_forwarder.store.nodes import Nodes
from tiktok_forwarder.store.postgres.schema import EMPTY_DATABASE
from tiktok_forwarder.store.postgres.store import DEFAULT_MAX_BYTES, PostgresStore
from tiktok_forwarder.store.sqlite.store import SqliteStore
from tiktok_forwarder.system_clock import SystemClock
from tiktok_forwarder.telemetry.telemetry import Telemetry, open_log

_SUBJECT_KEY: Final = "subject_key"
_BY_SERVICE: Final = "service"

Store = SqliteStore | MemoryStore | PostgresStore


@dataclass(frozen=True)
class Foundation:
    """The store with its keys, the clock, and the targets of metrics and log lines."""

    settings: Settings
    store: Store
    nodes: Nodes
    activity_store: ActivityStore
    key_ring: KeyRing
    subject_hash: SubjectHash
    mpids: Mpids
    login_throttle: LoginThrottle
    draft_keys: DraftKeys
    oidc: OidcLogin | None
    telemetry: Telemetry
    clock: SystemClock
    clock_comparison: ClockComparison

    @property
    def oidc_policy_digest(self) -> str:
        """Return the digest of the settings of OIDC login; empty if it is off."""
        return self.oidc.policy_digest if self.oidc is not None else ""

    def keyed_hash(self, text: str) -> str:
        """Return a keyed hash of a text, the same on every node."""
        return f"{self.subject_hash.hash_of(text):016x}"


@contextlib.asynccontextmanager
async def open_foundation(
    settings: Settings, environment: Mapping[str, str], *, may_create: bool
) -> AsyncIterator[Foundation]:
    """Yield the foundation on its data directory, which no other process may use until the end; close the store then.

    `may_create`: the tables of the store are created in an empty PostgreSQL database, which is refused otherwise.
    Raises `ConfigurationError` when the directory, key or database cannot be used, and changes nothing then.
    """
    prepare_directory(settings.data_dir)
    with DirectoryLock(settings.data_dir):
        telemetry = Telemetry(open_log(settings.log_level, settings.log_format))
        _restrict_permissions(settings, environment, telemetry)
        store = await _open_store(settings, may_create=may_create)
        try:
            if not may_create:
                await _require_contents(store)
            base = await _foundation(settings, environment, store, telemetry)
            try:
                yield base
            finally:
                await base.activity_store.close()
        finally:
            await store.close()


def _restrict_permissions(settings: Settings, environment: Mapping[str, str], telemetry: Telemetry) -> None:
    """Take the rights of other users from the data directory and the key files. Raises `ConfigurationError`."""
    key_files = [] if KEY_VARIABLE in environment else key_files_of(settings.encryption_key_file)
    for loose in chain(restrict_directory(settings.data_dir), *map(restrict_key_file, key_files)):
        telemetry.on_loose_permissions(str(loose.path), loose.mode, is_fixed=loose.is_fixed)


async def _foundation(
    settings: Settings, environment: Mapping[str, str], store: Store, telemetry: Telemetry
) -> Foundation:
    key_ring, key = await _open_keys(settings, environment, store)
    await store.announce_keys(key_ring.key_ids)
    clock = SystemClock()
    policy = _oidc_policy(settings, environment)
    comparison = ClockComparison(clock, telemetry)
    return Foundation(
        settings,
        store,
        store.nodes(key_ring),
        await _open_activity(settings, clock, telemetry),
        key_ring,
        SubjectHash(key),
        Mpids(key),
        LoginThrottle(store, clock, key),
        DraftKeys(key),
        OidcLogin(policy, key_ring, store, clock, telemetry) if policy is not None else None,
        telemetry,
        clock,
        comparison,
    )


def _oidc_policy(settings: Settings, environment: Mapping[str, str]) -> OidcPolicy | None:
    """Return the policy of OIDC login; None if it is off, or if another node serves the console."""
    if not settings.oidc_issuer or not settings.has_role("console"):
        return None
    return OidcPolicy(
        issuer=settings.oidc_issuer,
        client_id=settings.oidc_client_id,
        client_secret=read_client_secret(settings.oidc_client_secret_file, environment, OIDC_SECRET_VARIABLE),
        scopes=settings.oidc_scopes,
        role_claim=settings.oidc_role_claim,
        admin_values=policy_values(settings.oidc_admin_values),
        viewer_values=policy_values(settings.oidc_viewer_values),
    )


async def _open_activity(settings: Settings, clock: SystemClock, telemetry: Telemetry) -> ActivityStore:
    max_bytes = settings.activity_max_bytes
    if settings.database_address is not None:
        return await PostgresActivity.open(
            settings.database_address, settings.pool_limits(), clock, max_bytes=max_bytes
        )
    return ActivityFile.open(
        settings.activity_file, max_bytes=max_bytes, on_begun_anew=telemetry.on_activity_begun_anew
    )


async def _open_store(settings: Settings, *, may_create: bool) -> Store:
    if settings.database_address is not None:
        return await PostgresStore.open(
            settings.database_address,
            max_bytes=settings.max_store_bytes or DEFAULT_MAX_BYTES,
            limits=settings.pool_limits(),
            may_create=may_create,
        )
    if settings.store == "memory":
        return MemoryStore()
    return SqliteStore.open(settings.database_file, max_bytes=settings.max_store_bytes or None)


async def _require_contents(documents: DocumentStore) -> None:
    """Raise `ConfigurationError` if no service has ever used the store."""
    if await _sealed_subject_key(documents) is None:
        raise ConfigurationError([EMPTY_DATABASE])


async def _open_keys(
    settings: Settings, environment: Mapping[str, str], documents: DocumentStore
) -> tuple[KeyRing, bytes]:
    """Return the encryption key and the key of the subject hashes, both created at the first start of a store.

    Opening the one with the other proves that the encryption key is the store's. Of nodes that start at the same time
    on an empty store, the first that stores its sealed subject key determines the encryption key for all of them.
    """
    sealed = await _sealed_subject_key(documents)
    key_ring = KeyRing.load(environment, KEY_VARIABLE, NEXT_KEY_VARIABLE, settings.encryption_key_file, sealed)
    if sealed is None:
        sealed = await _store_subject_key(documents, key_ring)
    try:
        return key_ring, base64.b64decode(key_ring.open(sealed, _SUBJECT_KEY))
    except SecretUnreadable as error:
        problem = f"encryption key: {error}"
        if key_ring.withdraw():
            problem = (
                f"{settings.encryption_key_file}: another node created the key of this store at the same time; "
                f"copy its key file to here, or set {KEY_VARIABLE}, and start again"
            )
        raise ConfigurationError([problem]) from None


async def _sealed_subject_key(documents: DocumentStore) -> str | None:
    document = await documents.get_document("secret", _SUBJECT_KEY)
    return document.body.decode() if document is not None else None


async def _store_subject_key(documents: DocumentStore, box: SecretBox) -> str:
    """Return the sealed subject key: a new one, or that of a node that was quicker."""
    sealed = box.seal(base64.b64encode(secrets.token_bytes(32)).decode(), _SUBJECT_KEY)
    try:
        await documents.put_document(
            "secret",
            _SUBJECT_KEY,
            sealed.encode(),
            expected_revision=0,
            changed_by=_BY_SERVICE,
            now_ms=SystemClock().now_ms(),
        )
    except RevisionConflict:
        return await _sealed_subject_key(documents) or sealed
    return sealed
