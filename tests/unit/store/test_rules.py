"""How a group is shared between retries, the newest and the oldest events."""

from hypothesis import given
from hypothesis import strategies as st

from tiktok_forwarder.store.rules import Shares, group_shares


@given(places=st.integers(1, 1000), unleased=st.integers(0, 100_000), turn=st.integers(0, 1000))
def test_shares_leave_room_for_each_other(places: int, unleased: int, turn: int) -> None:
    """Together they never exceed the group; the newest have a share only of a long queue."""
    shares = group_shares(places, unleased, turn)
    assert 0 <= shares.returned <= places
    assert 0 <= shares.newest <= places - shares.returned
    if unleased <= 2 * places:
        assert shares.newest == 0


def test_backlog_is_large_beyond_two_groups() -> None:
    """The newest events overtake older ones only where these could not leave with the next two requests anyway."""
    assert [group_shares(8, unleased, 0) for unleased in (16, 17)] == [Shares(4, 0), Shares(4, 2)]


@given(places=st.integers(1, 1000), turn=st.integers(0, 1000))
def test_none_starves(places: int, turn: int) -> None:
    """Over four groups each sort has at least a fair part of the places that go to it first."""
    shares = [group_shares(places, 1_000_000, turn + n) for n in range(4)]
    oldest = [places - each.returned - each.newest for each in shares]
    assert sum(each.returned for each in shares) == 2 * places
    assert abs(sum(each.newest for each in shares) - places) <= 2
    assert sum(oldest) >= places - 2
    assert sum(oldest) > 0
    assert sum(each.newest for each in shares) > 0
