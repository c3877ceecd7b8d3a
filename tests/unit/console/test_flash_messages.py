"""What a page shows once after a change."""

from tests.unit.console.sessions import session
from tiktok_forwarder.console.flash_messages import FlashMessages


def test_flash_message_is_shown_once_to_its_session() -> None:
    """Another session never sees it."""
    messages = FlashMessages()
    mine, other = session("a"), session("b")
    messages.add(mine, "Paused.")
    assert messages.take(other) == []
    assert messages.take(mine) == ["Paused."]
    assert messages.take(mine) == []


def test_flash_messages_that_no_one_views_are_bounded() -> None:
    """By session, and by the number of sessions."""
    messages = FlashMessages()
    for index in range(50):
        messages.add(session("a"), str(index))
    for index in range(2000):
        messages.add(session(f"s{index}"), "x")
    assert messages.take(session("a")) == []
    assert messages.take(session("s1999")) == ["x"]
    for index in range(50):
        messages.add(session("a"), str(index))
    assert messages.take(session("a")) == [str(index) for index in range(40, 50)]
