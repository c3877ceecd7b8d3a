"""The console's users: who they are, what they may, and that their passwords are theirs alone."""

import asyncio
from typing import Any

import pytest
from tests.unit.access.access_rig import GOOD, OTHER
from tests.unit.parts import ManualClock, shared_documents

from tiktok_forwarder.access.passwords import Argon2Hasher
from tiktok_forwarder.access.users import Users
from tiktok_forwarder.domain.errors import ConfigurationError, UnknownName
from tiktok_forwarder.store.memory.store import MemoryStore


class CountingHasher(Argon2Hasher):
    """The real one; keeps the hashes that passwords were compared with."""

    def __init__(self) -> None:
        self.compared_with: list[str] = []
        self.current = True

    def verify(self, password: bytes, known: str) -> bool:
        self.compared_with.append(known)
        return super().verify(password, known)

    def is_current(self, known: str) -> bool:
        return self.current and super().is_current(known)


class Held:
    def __init__(self) -> None:
        self.store = MemoryStore()
        self.hasher = CountingHasher()
        self.users = Users(shared_documents(self.store), ManualClock(), self.hasher)

    async def again(self) -> Users:
        """As after a restart."""
        shared = shared_documents(self.store)
        users = Users(shared, ManualClock(), self.hasher)
        await shared.load()
        return users


@pytest.fixture
def held() -> Held:
    return Held()


def problems(error: pytest.ExceptionInfo[ConfigurationError]) -> list[str]:
    return list(error.value.problems)


async def test_a_password_lets_in_its_user_only(held: Held) -> None:
    """Names are compared without regard to case, passwords to the letter; a restart changes nothing."""
    ada = await held.users.add_with_password("Ada", "admin", GOOD, "test")
    await held.users.add_with_password("Ben", "viewer", OTHER, "test")
    users = await held.again()
    assert await users.verified("ada", GOOD) == ada
    assert await users.verified("Ben", GOOD) is None
    assert await users.verified("Ada", GOOD.upper()) is None
    assert await users.verified("nobody", GOOD) is None
    assert users.find("ADA") == users.find(ada.id) == ada


async def test_an_unknown_user_costs_as_much_as_a_wrong_password(held: Held) -> None:
    """One hash of full cost each, also for a user without a password: the answer's time tells nothing."""
    await held.users.add_with_password("Ada", "admin", GOOD, "test")
    await held.users.add("Ben", "viewer", "test")
    for name in ("Ada", "Ben", "nobody"):
        held.hasher.compared_with.clear()
        assert await held.users.verified(name, "wrong password") is None
        (known,) = held.hasher.compared_with
        assert known.startswith("$argon2id$v=19$m=19456,t=2,p=1$"), name


async def test_no_password_is_no_way_in(held: Held) -> None:
    """Neither an empty one nor the hash itself."""
    await held.users.add("Ben", "viewer", "test")
    assert await held.users.verified("Ben", "") is None
    await held.users.add_with_password("Ada", "admin", GOOD, "test")
    stored = (await held.store.list_documents("user"))[-1].body.decode()
    assert await held.users.verified("Ada", stored[stored.index("$argon2id") : stored.rindex('"')]) is None


async def test_nothing_stored_is_a_password(held: Held) -> None:
    """The stored record holds Argon2id's hash with its parameters, and no two are alike."""
    for name in ("Ada", "Ben"):
        await held.users.add_with_password(name, "admin", GOOD, "test")
    bodies = [each.body for each in await held.store.list_documents("user")]
    assert all(b"$argon2id$v=19$m=19456,t=2,p=1$" in body and GOOD.encode() not in body for body in bodies)
    assert bodies[0].partition(b"p=1$")[2][:20] != bodies[1].partition(b"p=1$")[2][:20]


async def test_a_hash_of_lesser_parameters_is_renewed_at_login(held: Held) -> None:
    """By whoever knows the password, and the password stays the same."""
    ada = await held.users.add_with_password("Ada", "admin", GOOD, "test")
    held.hasher.current = False
    assert await held.users.verified("Ada", GOOD) is not None
    history = await held.store.document_history("user", ada.id)
    assert len(history) == 2 and history[0].body != history[1].body
    held.hasher.current = True
    assert await held.users.verified("Ada", GOOD) is not None
    assert len(await held.store.document_history("user", ada.id)) == 2


@pytest.mark.parametrize("name", ["", "  ", "x" * 64, "a\nb"])
async def test_a_name_must_be_one(held: Held, name: str) -> None:
    """Printable and not too long."""
    with pytest.raises(ConfigurationError) as refused:
        await held.users.add(name, "viewer", "test")
    assert problems(refused) == ["name: must be 1 to 63 printable characters"]


@pytest.mark.parametrize("name", ["x", "x" * 63, "  Ada Lovelace  ", "Ada 'the / 1st' ü"])
async def test_name_of_up_to_63_characters_is_taken(held: Held, name: str) -> None:
    """Blanks at its ends do not count; anything printable may be in it."""
    assert (await held.users.add(name, "viewer", "test")).name == name.strip()


async def test_no_two_users_share_a_name(held: Held) -> None:
    """In any case, also when both are added at once."""
    both: list[Any] = await asyncio.gather(
        *(held.users.add(name, "viewer", "test") for name in ("Ada", "ADA")), return_exceptions=True
    )
    assert isinstance(both[1], ConfigurationError)
    assert both[1].problems == ('name: a user named "ADA" already exists',)


async def test_somebody_can_always_administer(held: Held) -> None:
    """The last administrator with a password stays one; an invited one does not count yet."""
    await held.users.add_with_password("Ada", "admin", GOOD, "test")
    await held.users.add("Invited", "admin", "test")
    for change in (held.users.remove("Ada", "test"), held.users.set_role("Ada", "viewer", "test")):
        with pytest.raises(ConfigurationError) as refused:
            await change
        assert problems(refused) == [
            "Ada is the last administrator with a password; make another user an administrator first"
        ]
    await held.users.add_with_password("Ben", "admin", OTHER, "test")
    assert (await held.users.set_role("Ada", "viewer", "test")).role == "viewer"
    assert (await held.users.remove("Ada", "test")).name == "Ada"
    assert [each.name for each in (await held.again()).all()] == ["Invited", "Ben"]


async def test_last_administrator_may_be_made_one_again(held: Held) -> None:
    """A form that sends the role a user has already is no attempt to take it away."""
    await held.users.add_with_password("Ada", "admin", GOOD, "test")
    assert (await held.users.set_role("Ada", "admin", "test")).role == "admin"


async def test_invited_administrator_may_be_removed_or_made_a_viewer(held: Held) -> None:
    """Only an administrator with a password is kept; with none at all nothing is lost by removing one."""
    await held.users.add("Invited", "admin", "test")
    assert (await held.users.set_role("Invited", "viewer", "test")).role == "viewer"
    assert (await held.users.remove("Invited", "test")).name == "Invited"


async def test_viewer_with_a_password_replaces_no_administrator(held: Held) -> None:
    """A viewer cannot make anyone an administrator, so the last one stays."""
    await held.users.add_with_password("Ada", "admin", GOOD, "test")
    await held.users.add_with_password("Vera", "viewer", OTHER, "test")
    for change in (held.users.remove("Ada", "test"), held.users.set_role("Ada", "viewer", "test")):
        with pytest.raises(ConfigurationError, match="is the last administrator with a password"):
            await change
    assert (await held.users.remove("Vera", "test")).name == "Vera"


async def test_a_stranger_is_named(held: Held) -> None:
    """What is asked of a user who is not there says so."""
    for change in (
        held.users.remove("nobody", "test"),
        held.users.set_role("nobody", "admin", "test"),
        held.users.set_password("nobody", GOOD, "test"),
    ):
        with pytest.raises(UnknownName, match='user "nobody" not found'):
            await change


async def test_one_password_on_all_keyboards(held: Held) -> None:
    """An accent that is written as a character of its own is the same letter."""
    await held.users.add_with_password("Ada", "admin", "sch\u00f6nes Wetter", "test")
    assert await held.users.verified("Ada", "scho\u0308nes Wetter") is not None
