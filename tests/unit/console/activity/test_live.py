"""How many live views may be open: in all, and by one user, so that one user does not close out the others."""

import asyncio
from contextlib import ExitStack

import pytest

from tiktok_forwarder.console.activity.live import LiveStream, LiveViews
from tiktok_forwarder.web.asgi import Message


def test_one_user_has_five_streams_and_leaves_the_rest_to_others() -> None:
    """The sixth is refused with a reason of its own; a closed one makes room."""
    views = LiveViews()
    with ExitStack() as open_streams:
        for _ in range(5):
            assert open_streams.enter_context(views.watched("us_1")) == ""
        with views.watched("us_1") as refusal, views.watched("us_2") as other:
            assert "You have 5 live views open" in refusal and other == ""
            assert views.watching == 6
    with views.watched("us_1") as again:
        assert (again, views.watching) == ("", 1)


def test_all_users_together_have_twenty_streams() -> None:
    """The twenty-first is refused, whoever asks for it."""
    views = LiveViews()
    with ExitStack() as open_streams:
        for number in range(20):
            assert open_streams.enter_context(views.watched(f"us_{number}")) == ""
        with views.watched("us_20") as refusal:
            assert "Too many live views are open" in refusal
    assert views.watching == 0


@pytest.mark.parametrize("number", [5, 6, 50])
async def test_streams_opened_at_the_same_time_are_counted(number: int) -> None:
    """Each has its place, or is refused, before the next can ask, however slowly an answer begins."""
    views = LiveViews()
    most_open: list[int] = []
    bodies: list[bytes] = []
    all_have_begun = asyncio.Event()

    async def turn() -> str | None:
        await all_have_begun.wait()
        return None

    async def receive() -> Message:
        await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            bodies.append(message["body"])
            return
        await asyncio.sleep(0)
        most_open.append(views.watching)
        if len(most_open) == number:
            all_have_begun.set()

    await asyncio.gather(*(LiveStream(views, "us_1", turn)({}, receive, send) for _ in range(number)))
    assert (max(most_open), views.watching) == (5, 0)
    assert sum(b"as many as a user may" in body for body in bodies) == number - 5
