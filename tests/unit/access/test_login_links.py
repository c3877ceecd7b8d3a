"""Links that let in once: whom they let in, what ends them, and who may become the first administrator."""

import pytest
from tests.unit.access.access_rig import GOOD, HERE, OTHER, Console
from tests.unit.parts import ManualClock

from tiktok_forwarder.access.console_access import LoggedIn, Refused
from tiktok_forwarder.access.login_links import LoginLinks
from tiktok_forwarder.domain.errors import ConfigurationError, UnknownName
from tiktok_forwarder.store.memory.store import MemoryStore

THIRD = "yet another good one"


async def is_void(console: Console, token: str) -> bool:
    """Whether the link is neither shown nor accepted, and what is refused changes no user."""
    before = await console.store.list_documents("user")
    with pytest.raises(UnknownName, match="this link was used, has expired, or was replaced by a newer one"):
        await console.access.accept_link(token, "Eve", THIRD, HERE)
    return await console.access.link_of(token) is None and await console.store.list_documents("user") == before


# --- used once ---


async def test_invitation_is_void_once_it_was_used(console: Console) -> None:
    """Whoever finds a used invitation cannot set the password again, and the password that was set stays."""
    ben = await console.users.add("Ben", "viewer", "test")
    _, token = await console.access.link_for("Ben", "test")
    await console.access.accept_link(token, "", OTHER, HERE)
    assert await is_void(console, token)
    assert isinstance(await console.log_in("Ben", OTHER), LoggedIn)
    _, newer = await console.access.link_for("Ben", "test")
    assert (await console.access.accept_link(newer, "", THIRD, HERE)).user.id == ben.id


async def test_invitation_stays_void_for_the_last_administrator(console: Console) -> None:
    """The rule has no exception for the user nobody could replace."""
    _, token = await console.access.link_for("Ada", "test")
    await console.access.accept_link(token, "", OTHER, HERE)
    assert await is_void(console, token)


async def test_first_link_is_void_once_it_was_used() -> None:
    """The link in the terminal's history makes no second administrator."""
    console = Console()
    token = await console.access.first_link("test")
    await console.access.accept_link(token, "Ada", GOOD, HERE)
    assert await is_void(console, token)


async def test_newer_link_voids_the_older_of_the_same_user(console: Console) -> None:
    """A link that went astray is replaced by a new one; links of other users stay."""
    await console.users.add("Ben", "viewer", "test")
    await console.users.add("Cleo", "viewer", "test")
    _, cleo = await console.access.link_for("Cleo", "test")
    _, older = await console.access.link_for("Ben", "test")
    _, newer = await console.access.link_for("Ben", "test")
    assert await is_void(console, older)
    assert (await console.access.accept_link(newer, "", OTHER, HERE)).user.name == "Ben"
    assert (await console.access.accept_link(cleo, "", OTHER, HERE)).user.name == "Cleo"


async def test_newer_first_link_voids_the_older() -> None:
    """Only the link that was printed last makes the first administrator."""
    console = Console()
    older, newer = await console.access.first_link("test"), await console.access.first_link("test")
    assert await is_void(console, older)
    assert (await console.access.accept_link(newer, "Ada", GOOD, HERE)).user.role == "admin"


# --- the first administrator ---


async def test_unused_first_link_is_void_when_an_administrator_was_made_otherwise() -> None:
    """A link that was printed and never opened must not make a second administrator later."""
    console = Console()
    token = await console.access.first_link("test")
    assert await console.access.link_of(token) is not None
    await console.users.add_with_password("Ada", "admin", GOOD, "test")
    assert await is_void(console, token)


async def test_unused_first_link_is_void_when_an_invited_administrator_came_first() -> None:
    """An administrator who is invited is none before the password is set, and is one from then on."""
    console = Console()
    await console.users.add("Ada", "admin", "test")
    first = await console.access.first_link("test")
    _, invitation = await console.access.link_for("Ada", "test")
    assert await console.access.link_of(first) is not None
    await console.access.accept_link(invitation, "", GOOD, HERE)
    assert await is_void(console, first)


async def test_first_link_makes_an_administrator_when_there_is_a_viewer_only() -> None:
    """A viewer with a password cannot administer, so somebody still has to be able to become administrator."""
    console = Console()
    await console.users.add_with_password("Vera", "viewer", OTHER, "test")
    assert console.access.needs_first_user
    token = await console.access.first_link("test")
    entry = await console.access.accept_link(token, "Ada", GOOD, HERE)
    assert (entry.user.name, entry.user.role) == ("Ada", "admin")
    assert not console.access.needs_first_user


async def test_first_link_makes_an_administrator_when_the_only_one_has_no_password() -> None:
    """An administrator who never set a password cannot log in, so the first link still works."""
    console = Console()
    await console.users.add("Invited", "admin", "test")
    assert console.access.needs_first_user
    token = await console.access.first_link("test")
    assert (await console.access.accept_link(token, "Ada", GOOD, HERE)).user.role == "admin"
    assert not console.access.needs_first_user


async def test_first_link_is_refused_when_there_is_an_administrator_among_others(console: Console) -> None:
    """One administrator with a password is enough, whoever else there is."""
    await console.users.add("Invited", "admin", "test")
    await console.users.add_with_password("Vera", "viewer", OTHER, "test")
    assert not console.access.needs_first_user
    with pytest.raises(ConfigurationError, match="an administrator already exists"):
        await console.access.first_link("test")


# --- what an accepted link ends ---


async def test_accepted_link_ends_the_wait_of_its_source(console: Console) -> None:
    """Whoever mistyped a forgotten password and got a new link is not told to wait afterwards; a guesser still is."""
    for source in (HERE, "198.51.100.9"):
        await console.log_in(password="a wrong password", source=source)
    refused = await console.log_in()
    assert isinstance(refused, Refused) and refused.wait_seconds == 1
    _, token = await console.access.link_for("Ada", "test")
    await console.access.accept_link(token, "", OTHER, HERE)
    assert isinstance(await console.log_in(password=OTHER), LoggedIn)
    elsewhere = await console.log_in(password=OTHER, source="198.51.100.9")
    assert isinstance(elsewhere, Refused) and elsewhere.wait_seconds == 1


async def test_refused_link_leaves_the_wait(console: Console) -> None:
    """Neither a made-up link nor a password that cannot be one is a way round the throttle."""
    await console.log_in(password="a wrong password")
    _, token = await console.access.link_for("Ada", "test")
    with pytest.raises(UnknownName):
        await console.access.accept_link("made-up", "Ada", OTHER, HERE)
    with pytest.raises(ConfigurationError):
        await console.access.accept_link(token, "Ada", "short", HERE)
    assert isinstance(await console.log_in(), Refused)


async def test_accepted_link_makes_its_source_known(console: Console) -> None:
    """The user of an account that is under attack comes in again where the link was opened."""
    for number in range(21):
        await console.log_in(password="a wrong password", source=f"192.0.2.{number}")
    assert isinstance(await console.log_in(), Refused)
    _, token = await console.access.link_for("Ada", "test")
    await console.access.accept_link(token, "", OTHER, HERE)
    assert isinstance(await console.log_in(password=OTHER), LoggedIn)


async def test_accepted_link_ends_the_sessions_of_its_user_only(console: Console) -> None:
    """Whoever was logged in with the old password is out; other users stay."""
    await console.users.add_with_password("Ben", "viewer", OTHER, "test")
    ben, ada = await console.entered("Ben", OTHER), await console.entered()
    _, token = await console.access.link_for("Ben", "test")
    entry = await console.access.accept_link(token, "", THIRD, HERE)
    assert await console.access.who(ben.reference) is None
    assert await console.access.who(entry.reference) == (entry.user, entry.session)
    assert await console.access.who(ada.reference) is not None


# --- how many are kept ---


async def test_thousand_links_are_kept() -> None:
    """Beyond a thousand the oldest link is void; the others, and the newest, still work."""
    clock = ManualClock()
    links = LoginLinks(MemoryStore(), clock)
    tokens = []
    for number in range(1001):
        clock.time_ms += 1
        tokens.append(await links.make(f"us_{number}"))
    assert [number for number, token in enumerate(tokens) if await links.find(token) is None] == [0]


async def test_link_outlasts_a_restart(console: Console) -> None:
    """Only its digest is stored."""
    _, token = await console.access.link_for("Ada", "test")
    again = await console.restarted()
    (stored,) = await console.store.list_expiring("login_link", console.clock.now_ms())
    assert token not in stored.id and token.encode() not in stored.body
    assert (await again.access.accept_link(token, "", OTHER, HERE)).user.name == "Ada"
    assert await is_void(console, token)
