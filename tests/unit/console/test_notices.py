"""What a page has to tell once."""

from tests.unit.console.sessions import session
from tiktok_forwarder.console.notices import Notices


def test_a_notice_is_told_once_to_whom_it_concerns() -> None:
    """Another session never sees it."""
    notices = Notices()
    mine, other = session("a"), session("b")
    notices.add(mine, "Paused.")
    assert notices.take(other) == []
    assert notices.take(mine) == ["Paused."]
    assert notices.take(mine) == []


def test_what_nobody_looks_at_is_bounded() -> None:
    """By session, and by the number of sessions."""
    notices = Notices()
    for index in range(50):
        notices.add(session("a"), str(index))
    for index in range(2000):
        notices.add(session(f"s{index}"), "x")
    assert notices.take(session("a")) == []
    assert notices.take(session("s1999")) == ["x"]
    for index in range(50):
        notices.add(session("a"), str(index))
    assert notices.take(session("a")) == [str(index) for index in range(40, 50)]
