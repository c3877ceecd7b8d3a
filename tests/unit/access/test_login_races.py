"""Logins that are under way while their user is changed: what counts is what holds when the comparison ends."""

import asyncio
import threading

import pytest
from tests.unit.access.access_rig import GOOD, HERE, OTHER, Console, QuickHasher

from tiktok_forwarder.access.console_access import LoggedIn, Refused

ELSEWHERE = "198.51.100.9"


class HeldHasher(QuickHasher):
    """Stops before it hashes or compares the password `stops_at`, until it is told to go on."""

    def __init__(self) -> None:
        super().__init__()
        self.stops_at = ""
        self._stopped = threading.Event()
        self._goes_on = threading.Event()

    def hash(self, password: bytes) -> str:
        self._stop(password)
        return super().hash(password)

    def verify(self, password: bytes, known: str) -> bool:
        self._stop(password)
        self.verified += 1
        return known == super().hash(password)

    def _stop(self, password: bytes) -> None:
        if password == self.stops_at.encode() and not self._goes_on.is_set():
            self._stopped.set()
            assert self._goes_on.wait(10), "nobody let it go on"

    async def until_stopped(self) -> None:
        assert await asyncio.to_thread(self._stopped.wait, 10)

    def go_on(self) -> None:
        self._goes_on.set()


@pytest.fixture
def hasher() -> HeldHasher:
    return HeldHasher()


@pytest.fixture
async def console(hasher: HeldHasher) -> Console:
    """Access with an administrator, Ada, and a viewer, Ben."""
    made = Console(hasher)
    await made.users.add_with_password("Ada", "admin", GOOD, "test")
    await made.users.add_with_password("Ben", "viewer", GOOD, "test")
    return made


async def under_way() -> None:
    """Let whatever was begun come to where it waits."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_login_with_the_old_password_is_refused_when_a_new_one_is_being_set(
    console: Console, hasher: HeldHasher
) -> None:
    """Whoever logs in again and again with a stolen password keeps no session when it is changed."""
    mine = await console.entered("Ben")
    hasher.stops_at = OTHER
    change = asyncio.create_task(console.access.change_password(mine.user.id, GOOD, OTHER, mine.reference, HERE))
    await hasher.until_stopped()
    login = asyncio.create_task(console.log_in("Ben", GOOD, ELSEWHERE))
    await under_way()
    hasher.go_on()
    await change
    assert isinstance(await login, Refused)
    assert await console.access.who(mine.reference) is not None
    assert isinstance(await console.log_in("Ben", OTHER), LoggedIn)


async def test_login_with_the_old_password_is_refused_when_a_link_is_being_used(
    console: Console, hasher: HeldHasher
) -> None:
    """A password that was forgotten, or found out, ends with the new one."""
    _, token = await console.access.link_for("Ben", "test")
    hasher.stops_at = OTHER
    accept = asyncio.create_task(console.access.accept_link(token, "", OTHER, ELSEWHERE))
    await hasher.until_stopped()
    login = asyncio.create_task(console.log_in("Ben", GOOD))
    await under_way()
    hasher.go_on()
    assert await console.access.who((await accept).reference) is not None
    assert isinstance(await login, Refused)


async def test_login_with_the_old_password_is_refused_when_its_hash_was_to_be_renewed(
    console: Console, hasher: HeldHasher
) -> None:
    """A hash of lesser parameters is not written over the one of the new password."""
    _, token = await console.access.link_for("Ben", "test")
    hasher.current = False
    hasher.stops_at = GOOD
    login = asyncio.create_task(console.log_in("Ben", GOOD))
    await hasher.until_stopped()
    accept = asyncio.create_task(console.access.accept_link(token, "", OTHER, ELSEWHERE))
    await under_way()
    hasher.go_on()
    assert isinstance(await login, Refused)
    hasher.current = True
    assert await console.access.who((await accept).reference) is not None
    assert isinstance(await console.log_in("Ben", OTHER, ELSEWHERE), LoggedIn)


@pytest.mark.parametrize("is_current", [True, False])
async def test_login_of_a_user_who_is_removed_in_between_is_refused(
    console: Console, hasher: HeldHasher, is_current: bool
) -> None:
    """The right password of nobody opens no session, and nothing of the user is stored again."""
    hasher.current = is_current
    hasher.stops_at = GOOD
    login = asyncio.create_task(console.log_in("Ben", GOOD))
    await hasher.until_stopped()
    await console.access.remove("Ben", "test")
    hasher.go_on()
    assert isinstance(await login, Refused)
    assert [each.name for each in console.users.all()] == ["Ada"]
    assert len(await console.store.list_documents("user")) == 1


async def test_login_of_a_user_whose_role_is_changed_in_between_is_taken(console: Console, hasher: HeldHasher) -> None:
    """The password is still right, and the new role counts."""
    hasher.stops_at = GOOD
    login = asyncio.create_task(console.log_in("Ben", GOOD))
    await hasher.until_stopped()
    await console.access.set_role("Ben", "admin", "test")
    hasher.go_on()
    entry = await login
    assert isinstance(entry, LoggedIn) and entry.user.role == "admin"


async def test_two_logins_at_the_same_time_are_taken_when_they_renew_a_hash(
    console: Console, hasher: HeldHasher
) -> None:
    """The hash that the first of them stored is of the same password, so the second is compared with it."""
    hasher.current = False
    hasher.stops_at = GOOD
    logins = [asyncio.create_task(console.log_in("Ben", GOOD, source)) for source in ("192.0.2.1", ELSEWHERE)]
    await hasher.until_stopped()
    await under_way()
    hasher.go_on()
    assert all(isinstance(found, LoggedIn) for found in await asyncio.gather(*logins))


@pytest.mark.parametrize("step", ["succeeded", "record"])
async def test_login_is_refused_when_another_process_sets_a_password_before_the_session_is_opened(
    console: Console, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """What follows the comparison takes time, in which the old password may end: it opens no session afterwards."""
    elsewhere = await console.restarted()
    _, token = await elsewhere.access.link_for("Ben", "test")
    part = console.throttle if step == "succeeded" else console.audit
    original = getattr(part, step)

    async def after_the_change(*arguments: object) -> None:
        monkeypatch.undo()
        await elsewhere.access.accept_link(token, "", OTHER, ELSEWHERE)
        await console.users.catch_up()
        await original(*arguments)

    monkeypatch.setattr(part, step, after_the_change)
    assert isinstance(await console.log_in("Ben", GOOD), Refused)
    assert len(await console.store.list_expiring("session", console.clock.now_ms())) == 1
