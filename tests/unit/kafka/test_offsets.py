"""Which offset may be committed: the one below which every message is done, and never a higher one."""

from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from tiktok_forwarder.kafka.offsets import PartitionOffsets


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    """Offsets as they arrive, with gaps, and the order in which their messages are done; some never are."""
    first, gaps = draw(st.integers(0, 1000)), draw(st.lists(st.integers(1, 5), max_size=30))
    offsets = list(accumulate(gaps, initial=first))
    done = draw(st.permutations(offsets))
    return offsets, done[: draw(st.integers(0, len(done)))]


@given(histories())
def test_offset_to_commit_is_that_of_the_first_unfinished_message(history: tuple[list[int], list[int]]) -> None:
    """Whatever the order in which messages are done, no unfinished one is below the offset, and it never falls."""
    offsets, done = history
    tracked, finished, last = PartitionOffsets(), set[int](), -1
    for offset in offsets:
        tracked.receive(offset)
    for offset in done:
        tracked.finish(offset)
        finished.add(offset)
        unfinished = [each for each in offsets if each not in finished]
        expected = min(unfinished) if unfinished else offsets[-1] + 1
        assert tracked.next_offset == expected >= last
        assert tracked.unfinished == len(unfinished)
        last = expected


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_messages_that_arrive_between_finished_ones_hold_the_offset_back(steps: list[bool]) -> None:
    """Arrivals and ends alternate as they like; the last message received is finished first."""
    tracked, received, finished = PartitionOffsets(0), list[int](), set[int]()
    for is_arrival in steps:
        open_ones = [each for each in received if each not in finished]
        if is_arrival or not open_ones:
            received.append(len(received) * 2)
            tracked.receive(received[-1])
        else:
            finished.add(open_ones[-1])
            tracked.finish(open_ones[-1])
        unfinished = [each for each in received if each not in finished]
        assert tracked.next_offset == (unfinished[0] if unfinished else received[-1] + 1)


def state(tracked: PartitionOffsets) -> tuple[int | None, int | None, int | None]:
    return tracked.next_offset, tracked.uncommitted, tracked.received_until


def test_offset_is_committed_once() -> None:
    """A partition without new messages needs no request."""
    tracked = PartitionOffsets(7)
    assert state(tracked) == (7, None, 7)
    tracked.receive(7)
    assert state(tracked) == (7, None, 8)
    tracked.finish(7)
    assert state(tracked) == (8, 8, 8)
    tracked.on_committed(8)
    assert state(tracked) == (8, None, 8)


def test_partition_that_was_never_committed_commits_after_its_first_message() -> None:
    """Its beginning is known from the broker only; nothing is committed for it."""
    tracked = PartitionOffsets()
    assert state(tracked) == (None, None, None)
    tracked.begin_at(3)
    tracked.begin_at(9)
    assert state(tracked) == (3, None, 3)
    tracked.receive(3)
    tracked.finish(3)
    assert state(tracked) == (4, 4, 4)
