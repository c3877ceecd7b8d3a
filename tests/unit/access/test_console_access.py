"""Coming into the console: sessions, links that let in once, and what guessing costs."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
from tests.unit.access.access_rig import GOOD, HERE, OTHER, Console
from tests.unit.parts import ManualClock

from tiktok_forwarder.access.console_access import LoggedIn, Refused
from tiktok_forwarder.access.draft_keys import DraftKeys
from tiktok_forwarder.access.sessions import Sessions
from tiktok_forwarder.domain.errors import ConfigurationError, UnknownName
from tiktok_forwarder.store.memory.store import MemoryStore

# --- sessions ---


async def test_a_session_is_of_whom_logged_in(console: Console) -> None:
    """With a reference of its own each time, and forms of its own."""
    first, second = await console.entered(), await console.entered()
    assert first.reference != second.reference and first.session.csrf_token != second.session.csrf_token
    user, session = await console.access.who(first.reference) or (None, None)
    assert (user, session) == (first.user, first.session)
    assert await console.access.who("guessed") is None
    await console.access.log_out(first.reference)
    assert await console.access.who(first.reference) is None
    assert await console.access.who(second.reference) is not None


async def test_a_session_ends_unused_or_at_last(console: Console) -> None:
    """After half an hour without use, and after half a day whatever the use."""
    entry = await console.entered()
    console.wait(1800)
    assert await console.access.who(entry.reference) is not None
    console.wait(1801)
    assert await console.access.who(entry.reference) is None
    entry = await console.entered()
    for _ in range(24):
        console.wait(1800)
        assert await console.access.who(entry.reference) is not None
    console.wait(1)
    assert await console.access.who(entry.reference) is None


async def test_a_page_that_asks_by_itself_is_no_use(console: Console) -> None:
    """A screen that was left on logs out like one that was switched off."""
    entry = await console.entered()
    for _ in range(1800):
        console.wait(1)
        assert await console.access.who(entry.reference, extends_session=False) is not None
    console.wait(1)
    assert await console.access.who(entry.reference, extends_session=False) is None


async def test_wrong_current_passwords_slow_the_next_attempt(console: Console) -> None:
    """A thousand guesses in a session within a minute are a handful, and slow logins from there too."""
    mine = await console.entered()
    waits: list[int] = []
    for _ in range(1000):
        found = await console.access.change_password(mine.user.id, "a guess", OTHER, mine.reference, HERE)
        assert isinstance(found, Refused)
        waits.append(found.wait_seconds)
        console.wait(0.06)
    assert console.hasher.verified <= 12 and max(waits) > 30
    assert isinstance(await console.log_in(), Refused)
    assert isinstance(await console.log_in(source="198.51.100.9"), LoggedIn)


async def _ended_sessions(users: Sequence[str]) -> list[int]:
    """Open one session a second, the first of which is used all the time; return which have ended then."""
    clock = ManualClock()
    sessions = Sessions(MemoryStore(), clock)
    references: list[str] = []
    for user in users:
        clock.time_ms += 1000
        references.append((await sessions.open(user))[0])
        await sessions.find(references[0])
    found = [await sessions.find(reference, extends_session=False) for reference in references]
    return [number for number, session in enumerate(found) if session is None]


async def test_sessions_are_bounded() -> None:
    """The one that was unused for longest makes room."""
    assert await _ended_sessions([f"us_{number}" for number in range(1001)]) == [1]


async def test_sessions_of_a_user_are_bounded() -> None:
    """The fifty-first login ends the user's own session that was unused for longest, and nobody else's."""
    assert await _ended_sessions(["us_2", *["us_1"] * 50]) == []
    assert await _ended_sessions(["us_2", "us_2", *["us_1"] * 52]) == [2, 3]


async def test_session_outlasts_a_restart(console: Console) -> None:
    """What the browser has opens it, and the store contains neither that nor the forms' token."""
    entry = await console.entered()
    again = await console.restarted()
    assert await again.access.who(entry.reference) == (entry.user, entry.session)
    stored = [each.id + each.body.decode() for each in await console.store.list_expiring("session", 0)]
    assert len(stored) == 1
    assert entry.reference not in stored[0] and entry.session.csrf_token not in stored[0]


@pytest.mark.parametrize(
    ("seconds", "reason"), [(30 * 60 + 1, "idle"), (13 * 3600, "idle"), (24.4 * 3600, "idle"), (24.6 * 3600, None)]
)
async def test_end_of_a_session_is_known_for_a_day(console: Console, seconds: float, reason: str | None) -> None:
    """Also to another process. A session in use has none, and neither has what a browser invented."""
    entry = await console.entered()
    assert await console.access.why_ended(entry.reference) is None
    assert await console.access.why_ended("invented") is None
    console.wait(seconds)
    assert await (await console.restarted()).access.why_ended(entry.reference) == reason


async def test_end_of_a_session_is_unknown_when_the_store_has_lost_it(console: Console) -> None:
    """As after a session that a bound of the store removed: nothing is claimed that may be wrong."""
    entry = await console.entered()
    (stored,) = await console.store.list_expiring("session", 0)
    await console.store.remove_expiring("session", [stored.id])
    assert await console.access.why_ended(entry.reference) == "unknown"


async def test_draft_key_is_the_users_own(console: Console) -> None:
    """The same in each process and session, another for each user and each service."""
    keys = [DraftKeys(key).key_of(user) for key in (b"k" * 32, b"l" * 32) for user in ("us_1", "us_2")]
    assert len(set(keys)) == 4 and all(len(key) == 43 for key in keys)
    assert (await console.restarted()).access.draft_keys.key_of("us_1") == keys[0]


async def test_use_of_a_session_is_stored_once_a_minute(console: Console) -> None:
    """Each time is a write."""
    entry = await console.entered()
    revisions = []
    for _ in range(130):
        console.wait(1)
        assert await console.access.who(entry.reference) is not None
        (stored,) = await console.store.list_expiring("session", console.clock.now_ms())
        revisions.append(stored.revision)
    assert (revisions[58], revisions[59], revisions[-1]) == (1, 2, 3)


async def test_what_an_administrator_changes_holds_at_once(console: Console) -> None:
    """A removed user is out, and a viewer is one from the next page on."""
    await console.users.add_with_password("Ben", "admin", OTHER, "test")
    entry = await console.entered("Ben", OTHER)
    await console.access.set_role("Ben", "viewer", "test")
    found = await console.access.who(entry.reference)
    assert found is not None and found[0].role == "viewer"
    await console.access.remove("Ben", "test")
    assert await console.access.who(entry.reference) is None


async def test_open_session_of_a_removed_user_is_nobodys(console: Console) -> None:
    """A session that outlives its user lets no one in, whichever way the user was removed; other sessions stay."""
    await console.users.add_with_password("Ben", "viewer", OTHER, "test")
    entry, ada = await console.entered("Ben", OTHER), await console.entered()
    await console.users.remove("Ben", "test")
    assert await console.access.who(entry.reference) is None
    assert await console.access.who(ada.reference) == (ada.user, ada.session)


async def test_a_new_password_ends_the_other_sessions(console: Console) -> None:
    """The one it was changed in goes on; the present password is asked for."""
    mine, other = await console.entered(), await console.entered()
    wrong = await console.access.change_password(mine.user.id, "wrong", OTHER, mine.reference, HERE)
    assert wrong == Refused(0, "The current password is wrong.")
    console.wait(1)
    with pytest.raises(ConfigurationError):
        await console.access.change_password(mine.user.id, GOOD, "short", mine.reference, HERE)
    assert await console.access.who(other.reference) is not None
    assert await console.access.change_password(mine.user.id, GOOD, OTHER, mine.reference, HERE) is None
    assert await console.access.who(mine.reference) is not None
    assert await console.access.who(other.reference) is None
    assert isinstance(await console.log_in(password=GOOD), Refused)


# --- links ---


async def test_the_first_link_makes_an_administrator_once() -> None:
    """A link that two people open at the same time lets in one of them; afterwards no link of its kind is made."""
    console = Console()
    needed = [console.access.needs_first_user]
    token = await console.access.first_link("test")
    entry, refused = await asyncio.gather(
        console.access.accept_link(token, "Ada", GOOD, HERE),
        console.access.accept_link(token, "Eve", OTHER, "198.51.100.9"),
        return_exceptions=True,
    )
    assert isinstance(entry, LoggedIn) and isinstance(refused, UnknownName)
    assert await console.access.who(entry.reference) == (entry.user, entry.session)
    assert [(each.name, each.role) for each in console.users.all()] == [("Ada", "admin")]
    assert [*needed, console.access.needs_first_user] == [True, False]
    with pytest.raises(ConfigurationError, match="an administrator already exists"):
        await console.access.first_link("test")


async def test_a_link_holds_until_what_is_given_can_be(console: Console) -> None:
    """A password that is refused does not use it up."""
    console = Console()
    token = await console.access.first_link("test")
    for name, password in (("Ada", "short"), ("", GOOD), ("", "short")):
        with pytest.raises(ConfigurationError):
            await console.access.accept_link(token, name, password, HERE)
    assert (await console.access.accept_link(token, "Ada", GOOD, HERE)).user.name == "Ada"


async def test_an_invitation_sets_the_password_of_its_user_only(console: Console) -> None:
    """Whatever name comes with it; their older sessions and links end."""
    ben = await console.users.add("Ben", "viewer", "test")
    user, older = await console.access.link_for("ben", "test")
    _, token = await console.access.link_for("Ben", "test")
    assert user == ben and await console.access.link_of(older) is None
    first = await console.access.accept_link(token, "Ada", OTHER, HERE)
    assert (first.user.name, first.user.role) == ("Ben", "viewer")
    _, again = await console.access.link_for("Ben", "test")
    second = await console.access.accept_link(again, "", "yet another one", HERE)
    assert await console.access.who(first.reference) is None
    assert await console.access.who(second.reference) is not None
    assert isinstance(await console.log_in("Ada", GOOD), LoggedIn)


async def test_links_run_out(console: Console) -> None:
    """The first after half an hour, an invitation after a day; one of a removed user at once."""
    await console.users.add("Ben", "viewer", "test")
    _, token = await console.access.link_for("Ben", "test")
    console.wait(24 * 3600)
    assert await console.access.link_of(token) is not None
    console.wait(1)
    assert await console.access.link_of(token) is None
    _, token = await console.access.link_for("Ben", "test")
    await console.access.remove("Ben", "test")
    assert await console.access.link_of(token) is None
    empty = Console()
    first = await empty.access.first_link("test")
    empty.wait(30 * 60)
    assert await empty.access.link_of(first) is not None
    empty.wait(1)
    assert await empty.access.link_of(first) is None


async def test_a_link_for_nobody_is_refused(console: Console) -> None:
    """By name."""
    with pytest.raises(UnknownName, match='user "nobody" not found'):
        await console.access.link_for("nobody", "test")


# --- guessing ---


async def test_a_thousand_guesses_a_minute_are_a_handful(console: Console) -> None:
    """At most 12 reach the hash, and the guesser is told to wait; the real user still comes in from elsewhere."""
    waits: list[int] = []
    for _ in range(1000):
        found = await console.log_in(password="guessed-password")
        assert isinstance(found, Refused)
        waits.append(found.wait_seconds)
        console.wait(0.06)
    assert console.hasher.verified <= 12
    assert max(waits) > 30
    assert isinstance(await console.log_in(source="198.51.100.9"), LoggedIn)


async def test_many_guesses_at_once_are_one(console: Console) -> None:
    """What comes while the first is looked at is refused."""
    found = await asyncio.gather(*(console.log_in(password=f"guess {n}") for n in range(50)))
    assert sum(each.wait_seconds == 0 for each in found if isinstance(each, Refused)) == 1
    assert console.hasher.verified == 1


async def test_many_sources_on_one_account_are_slowed(console: Console) -> None:
    """But for the source from which its user came before; and it is over some day."""
    assert isinstance(await console.log_in(source="198.51.100.9"), LoggedIn)
    console.hasher.verified = 0
    for number in range(500):
        await console.log_in(password="guessed-password", source=f"203.0.113.{number}")
        console.wait(0.1)
    assert console.hasher.verified <= 30
    assert isinstance(await console.log_in(source="198.51.100.9"), LoggedIn)
    refused = await console.log_in(source="192.0.2.1")
    assert isinstance(refused, Refused) and 0 < refused.wait_seconds <= 900
    console.wait(901)
    assert isinstance(await console.log_in(source="192.0.2.1"), LoggedIn)


# --- the audit ---


async def test_each_way_in_has_one_entry(console: Console) -> None:
    """Logins, failures, the first refusal of a series, links and passwords; never what was typed."""
    await console.log_in(password="my-secret-in-the-wrong-place")
    await console.log_in()
    await console.log_in()
    console.wait(5)
    await console.log_in()
    await console.log_in("my-secret-as-a-name", "x" * 10, "192.0.2.1")
    await console.users.add("Ben", "viewer", "test")
    _, token = await console.access.link_for("Ben", "user Ada")
    await console.access.accept_link(token, "", OTHER, HERE)
    assert await console.actions() == [
        ("login_failed", "user Ada"),
        ("login_refused", "user Ada"),
        ("login", "user Ada"),
        ("login_failed", "unknown user"),
        ("console_link", "user Ada"),
        ("set_password", "user Ben"),
    ]
    told: list[Any] = [each.what for each in await console.audit.latest(100)]
    assert "my-secret" not in json.dumps(told)
