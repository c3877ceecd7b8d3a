"""Access to the console on a store in memory, with a clock that a test moves and a hash that costs nothing."""

from hashlib import sha256
from typing import Any

from tests.unit.parts import ManualClock, StrictObserver

from tiktok_forwarder.access.audit import Audit
from tiktok_forwarder.access.console_access import ConsoleAccess, LoggedIn, Refused
from tiktok_forwarder.access.draft_keys import DraftKeys
from tiktok_forwarder.access.login_throttle import LoginThrottle
from tiktok_forwarder.access.users import Users
from tiktok_forwarder.store.memory.store import MemoryStore
from tiktok_forwarder.store.shared_documents import SharedDocuments

GOOD = "correct horse battery"
OTHER = "another good one"
HERE = "203.0.113.7"


class QuickHasher:
    """A digest where the service uses Argon2id; counts how many passwords were compared."""

    def __init__(self) -> None:
        self.verified = 0
        self.current = True

    def hash(self, password: bytes) -> str:
        return f"$quick${sha256(password).hexdigest()}"

    def verify(self, password: bytes, known: str) -> bool:
        self.verified += 1
        return known == self.hash(password)

    def is_current(self, known: str) -> bool:
        return self.current


class Console:
    """Access without users yet. `oidc_policy` is the digest of the settings of OIDC login."""

    def __init__(
        self, hasher: QuickHasher | None = None, store: MemoryStore | None = None, oidc_policy: str = ""
    ) -> None:
        self.clock = ManualClock()
        self.store = store if store is not None else MemoryStore()
        self.hasher = hasher if hasher is not None else QuickHasher()
        self.audit = Audit(self.store, self.clock)
        self.shared = SharedDocuments(self.store, self.clock, StrictObserver())
        self.users = Users(self.shared, self.clock, self.hasher)
        self.throttle = LoginThrottle(self.store, self.clock, b"k" * 32)
        self.access = ConsoleAccess(
            self.users, self.audit, self.store, self.clock, self.throttle, DraftKeys(b"k" * 32), oidc_policy
        )

    async def restarted(self, oidc_policy: str = "") -> "Console":
        """The same store, as another process finds it."""
        again = Console(self.hasher, self.store, oidc_policy)
        again.clock.time_ms = self.clock.time_ms
        await again.shared.load()
        return again

    def wait(self, seconds: float) -> None:
        self.clock.time_ms += round(seconds * 1000)

    async def log_in(self, name: str = "Ada", password: str = GOOD, source: str = HERE) -> LoggedIn | Refused:
        return await self.access.log_in(name, password, source)

    async def entered(self, name: str = "Ada", password: str = GOOD) -> LoggedIn:
        found = await self.log_in(name, password)
        assert isinstance(found, LoggedIn)
        return found

    async def actions(self) -> list[tuple[str, str]]:
        """The audit, oldest first."""
        return [(action, by) for action, by, _ in await self.audited()]

    async def audited(self) -> list[tuple[str, str, dict[str, Any]]]:
        """The audit with what each entry says beside action and actor, oldest first."""
        return [(each.action, each.by, dict(each.what)) for each in (await self.audit.latest(10_000))[::-1]]
