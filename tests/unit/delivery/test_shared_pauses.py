"""The pause of one connection in the hands of two processes: the one that a person made holds."""

import pytest

from tests.unit.parts import ManualClock
from tiktok_forwarder.delivery.pauses import BY_SERVICE, PauseControl
from tiktok_forwarder.domain.errors import StoreUnavailable
from tiktok_forwarder.store.documents import Document
from tiktok_forwarder.store.memory.store import MemoryStore


class Shared:
    """A store, and the pause of connection `c` as two processes have it."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.clock = ManualClock()
        self.one, self.two = (PauseControl(self.store, self.clock, "c", None) for _ in range(2))

    async def stored(self) -> Document | None:
        return await self.store.get_document("delivery_state", "c")

    async def stored_by(self) -> str:
        """Who is paused by, as a process that starts now finds it."""
        pause = PauseControl(self.store, self.clock, "c", await self.stored()).current
        return pause.by if pause is not None else ""


@pytest.fixture
def shared() -> Shared:
    return Shared()


async def pause_by_service(pauses: PauseControl) -> None:
    await pauses.pause_by_service("misconfigured", "wrong token", 40105, 1)


async def test_stored_pause_is_followed_once(shared: Shared) -> None:
    """The own one is known already, and an older one is none of interest."""
    await shared.one.pause_by_hand("stocktaking", "ann", 1)
    first = await shared.stored()
    assert not shared.one.follow(first)
    assert shared.two.follow(first) and not shared.two.follow(first)
    assert shared.two.current == shared.one.current and shared.two.is_manual
    await shared.two.resume("ben")
    assert not shared.two.follow(first) and shared.two.current is None
    assert shared.one.follow(await shared.stored()) and shared.one.current is None
    assert not shared.one.follow(None)


async def test_pause_by_the_service_leaves_one_by_hand_that_is_not_known_yet(shared: Shared) -> None:
    """It is found when the own one is to be stored."""
    await shared.one.pause_by_hand("stocktaking", "ann", 1)
    await pause_by_service(shared.two)
    assert await shared.stored_by() == "ann" and shared.two.is_manual


async def test_pause_by_hand_replaces_one_by_the_service_that_is_not_known_yet(shared: Shared) -> None:
    """It begins when the other began, so that no paused time is lost."""
    await pause_by_service(shared.one)
    began_ms = shared.clock.time_ms
    shared.clock.time_ms += 1000
    await shared.two.pause_by_hand("stocktaking", "ann", 1)
    assert await shared.stored_by() == "ann"
    assert shared.two.current is not None and shared.two.current.since_ms == began_ms


async def test_service_does_not_resume_what_a_person_has_paused_elsewhere(shared: Shared) -> None:
    """A probe that was answered while the person paused ends the service's pause only."""
    await pause_by_service(shared.one)
    shared.two.follow(await shared.stored())
    await shared.one.pause_by_hand("stocktaking", "ann", 1)
    await shared.two.resume(BY_SERVICE)
    assert await shared.stored_by() == "ann" and shared.two.is_manual
    await shared.two.resume("ben")
    assert await shared.stored_by() == ""


async def test_state_that_was_removed_or_lost_is_stored_again(shared: Shared) -> None:
    """A promoted standby may lack the last revisions, and a connection that is deleted loses its state."""
    await shared.one.pause_by_hand("stocktaking", "ann", 1)
    await shared.store.remove_document("delivery_state", "c", changed_by=BY_SERVICE, now_ms=1)
    await shared.one.pause_by_hand("still counting", "ben", 1)
    assert await shared.stored_by() == "ben"


async def test_pause_of_the_service_that_cannot_be_stored_ends_with_one_that_is(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another process has stored is newer than what this one only knows itself."""

    async def fail(*_: object, **__: object) -> None:
        raise StoreUnavailable("disk full")

    with monkeypatch.context() as troubled, pytest.raises(StoreUnavailable):
        troubled.setattr(shared.store, "put_document", fail)
        await pause_by_service(shared.two)
    assert shared.two.current is not None
    await shared.one.pause_by_hand("stocktaking", "ann", 1)
    assert shared.two.follow(await shared.stored())
    assert shared.two.current is not None and shared.two.current.by == "ann"
