"""Access to the console: login and logout, single-use links, and the user of a session."""

from typing import Final

from msgspec import Struct

from tiktok_forwarder.access.audit import Audit
from tiktok_forwarder.access.draft_keys import DraftKeys
from tiktok_forwarder.access.login_links import LoginLink, LoginLinks
from tiktok_forwarder.access.login_throttle import LoginThrottle
from tiktok_forwarder.access.passwords import password_problems
from tiktok_forwarder.access.provider_users import ProviderUser
from tiktok_forwarder.access.sessions import EndReason, Session, Sessions
from tiktok_forwarder.access.users import Role, User, Users
from tiktok_forwarder.domain.clock import Clock
from tiktok_forwarder.domain.errors import ConfigurationError, UnknownName
from tiktok_forwarder.store.expiring import ExpiringStore

# This bounds both memory and the audit.
_MAX_REFUSED: Final = 1000
_WRONG: Final = "Wrong name or password."
_VOID: Final = "this link was used, has expired, or was replaced by a newer one"
_NOT_YET: Final = "an administrator already exists: name the user that the link is for"
_WRONG_CURRENT: Final = "The current password is wrong."
_BY_LINK: Final = "console link"


class LoggedIn(Struct, frozen=True):
    """A successful login. `reference` is the session's secret, only for the browser's cookie."""

    reference: str
    session: Session
    user: User

    def __repr__(self) -> str:
        return f"LoggedIn({self.user.name})"


class Refused(Struct, frozen=True):
    """A refused login. `wait_seconds` is 0 if the password was checked and is wrong."""

    wait_seconds: int
    message: str


class _Verified(Struct, frozen=True):
    """A user whose password was checked, and the hash that it was compared with."""

    user: User
    password_hash: str

    def __repr__(self) -> str:
        return f"_Verified({self.user.name})"


class ConsoleAccess:
    def __init__(
        self,
        users: Users,
        audit: Audit,
        store: ExpiringStore,
        clock: Clock,
        throttle: LoginThrottle,
        draft_keys: DraftKeys,
        oidc_policy: str = "",
    ) -> None:
        """`oidc_policy` is the digest of the settings of OIDC login; empty if there is none."""
        self.users = users
        self._oidc_policy = oidc_policy
        self.draft_keys = draft_keys
        self._audit = audit
        self._sessions = Sessions(store, clock)
        self._throttle = throttle
        self._links = LoginLinks(store, clock)
        # Throttled accounts and sources that have been notified: a series of refusals gets one entry.
        self._refused: set[tuple[str, str]] = set()

    @property
    def needs_first_user(self) -> bool:
        """Return whether there is no administrator yet."""
        return not any(each.role == "admin" and each.has_password for each in self.users.all())

    # --- sessions ---

    async def log_in(self, name: str, password: str, source: str) -> LoggedIn | Refused:
        found = await self._verified(name, password, source, _WRONG)
        if isinstance(found, Refused):
            return found
        await self._audit.record("login", _who(found.user), {})
        entry = await self._open_session(found)
        return entry if entry is not None else await self.log_in(name, password, source)

    async def log_in_from_provider(self, found: ProviderUser) -> LoggedIn:
        """Log in a user whom the OIDC provider has identified."""
        user = found.user
        await self._audit.record("login", user.actor, {"by": "OIDC", "subject": found.subject})
        return LoggedIn(*await self._sessions.open(user.id, found), user)

    async def refuse_from_provider(self, found: ProviderUser) -> None:
        """Record that a user whom the OIDC provider has identified has no role."""
        await self._audit.record(
            "login_failed", found.user.actor, {"by": "OIDC", "subject": found.subject, "reason": "no role"}
        )

    async def _verified(self, name: str, password: str, source: str, wrong: str) -> _Verified | Refused:
        """Check a password, throttled by account and source; `wrong` is the message if it is wrong."""
        known = self.users.find(name)
        wait_seconds = await self._throttle.try_login(name, source)
        if wait_seconds:
            await self._refusal(known, name, source)
            unit = "second" if wait_seconds == 1 else "seconds"
            return Refused(wait_seconds, f"Too many failed attempts. Retry in {wait_seconds} {unit}.")
        self._refused.discard((name.lower(), source))
        user = await self.users.verified(name, password)
        if user is None:
            await self._audit.record("login_failed", _who(known), {})
            return Refused(0, wrong)
        found = _Verified(user, self.users.password_hash_of(user.id))
        await self._throttle.succeeded(name, source)
        return found

    async def _refusal(self, known: User | None, name: str, source: str) -> None:
        key = (name.lower(), source)
        if key not in self._refused and len(self._refused) < _MAX_REFUSED:
            self._refused.add(key)
            await self._audit.record("login_refused", _who(known), {})

    async def _open_session(self, found: _Verified) -> LoggedIn | None:
        """Open a session; return None if the user's password is another by now.

        A new password ends the sessions that it finds. So one that is opened at the same time, perhaps by another
        process, must find the new password.
        """
        reference, session = await self._sessions.open(found.user.id)
        await self.users.catch_up()
        if self.users.password_hash_of(found.user.id) != found.password_hash:
            await self._sessions.close(reference, "password_changed")
            return None
        return LoggedIn(reference, session, found.user)

    async def log_out(self, reference: str) -> None:
        await self._sessions.close(reference)

    async def who(self, reference: str, *, extends_session: bool = True) -> tuple[User, Session] | None:
        """Return user and session for a session reference, or None if it has ended or the user is gone.

        Removals and role changes apply immediately. What an OIDC provider changes applies to the next login; the
        settings by which the role was given must be those of now.
        """
        session = await self._sessions.find(reference, extends_session=extends_session)
        if session is None:
            return None
        if (identified := session.provider_user) is not None:
            return (identified.user, session) if identified.policy == self._oidc_policy else None
        if self.users.find(session.user_id) is None:
            # Another process may have added the user and opened the session a moment ago.
            await self.users.catch_up()
        user = self.users.find(session.user_id)
        return (user, session) if user is not None else None

    async def why_ended(self, reference: str) -> EndReason | None:
        """Return why this reference opens nothing; None if there is no session of it to know of."""
        session = await self._sessions.find(reference, extends_session=False)
        if session is not None:
            if await self.who(reference, extends_session=False) is not None:
                return None
            # Its user is gone, or is of a provider that is no longer asked.
            return "user_removed" if session.provider_user is None else "oidc_changed"
        return await self._sessions.why_ended(reference)

    # --- links ---

    async def first_link(self, made_by: str) -> str:
        """Return the token that creates the first administrator. Raises `ConfigurationError` once there is one."""
        if not self.needs_first_user:
            raise ConfigurationError([_NOT_YET])
        await self._audit.record("console_link", made_by, {})
        return await self._links.make(None)

    async def link_for(self, name_or_id: str, made_by: str) -> tuple[User, str]:
        """Return the user and a token to set this user's password with. Raises `UnknownName`."""
        user = self.users.find(name_or_id)
        if user is None:
            raise UnknownName.among((each.name for each in self.users.all()), "user", name_or_id)
        await self._audit.record("console_link", made_by, {"user": user.name})
        return user, await self._links.make(user.id)

    async def link_of(self, token: str) -> LoginLink | None:
        link = await self._links.find(token)
        if link is not None and link.user_id is None and not self.needs_first_user:
            return None
        return link if link is None or link.user_id is None or self.users.find(link.user_id) else None

    async def accept_link(self, token: str, name: str, password: str, source: str) -> LoggedIn:
        """Set the password and log the user in. `name` is for the first administrator; other links identify their user.

        Raises `UnknownName` for an invalid link, `ConfigurationError` for an invalid name or password: the link then
        stays valid.
        """
        await self.users.catch_up()
        link = await self.link_of(token)
        if link is None:
            raise UnknownName(_VOID)
        if link.user_id is None:
            problems = self.users.problems(name, password)
        else:
            problems = password_problems(password, self._name_of(link.user_id))
        if problems:
            raise ConfigurationError(problems)
        # Of several simultaneous requests, in whichever process, only one continues.
        if not await self._links.use(token):
            raise UnknownName(_VOID)
        if link.user_id is None:
            user = await self.users.add_with_password(name, "admin", password, _BY_LINK)
        else:
            user = await self.users.set_password(link.user_id, password, _BY_LINK)
        found = _Verified(user, self.users.password_hash_of(user.id))
        await self._sessions.close_all_of(user.id, "password_changed")
        await self._throttle.succeeded(user.name, source)
        await self._audit.record("set_password", _who(user), {"by": _BY_LINK})
        entry = await self._open_session(found)
        if entry is None:
            raise UnknownName(_VOID)
        return entry

    def _name_of(self, user_id: str) -> str:
        user = self.users.find(user_id)
        return user.name if user is not None else ""

    async def change_password(
        self, user_id: str, current: str, new: str, keep_reference: str, source: str
    ) -> Refused | None:
        """Change the password and end the user's other sessions. Raises `ConfigurationError` for the new password.

        The current password is checked as at a login: someone with a stolen session must not be able to guess it.
        """
        user = self.users.find(user_id)
        found = await self._verified(user.name, current, source, _WRONG_CURRENT) if user else Refused(0, _WRONG_CURRENT)
        if isinstance(found, Refused):
            return found
        await self.users.set_password(user_id, new, _who(found.user))
        await self._sessions.close_all_of(user_id, "password_changed", but=keep_reference)
        await self._audit.record("set_password", _who(found.user), {})
        return None

    async def remove(self, name_or_id: str, changed_by: str) -> User:
        """Remove a user and end their sessions. Raises `UnknownName` and `ConfigurationError`."""
        user = await self.users.remove(name_or_id, changed_by)
        await self._sessions.close_all_of(user.id, "user_removed")
        await self._links.void(user.id)
        return user

    async def set_role(self, name_or_id: str, role: Role, changed_by: str) -> User:
        return await self.users.set_role(name_or_id, role, changed_by)


def _who(user: User | None) -> str:
    # Do not record the name that was typed: people type passwords into the wrong field.
    return user.actor if user is not None else "unknown user"
