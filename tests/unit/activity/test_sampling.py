"""Sampling: few events are all kept, of many a fair share, and an event's fate stays the same for hours."""

from msgspec import structs

from tiktok_forwarder.activity.records import LevelChange
from tiktok_forwarder.activity.sampling import MAX_CHANGES, Sampling, keeps

IDS = [f"event-{number}" for number in range(20_000)]


def test_up_to_the_rate_all_are_kept() -> None:
    """As many events as the rate allows need no sample."""
    sampling = Sampling(50)
    assert sampling.accepted("c", 7, 20) == 0
    assert sampling.accepted("c", 7, 30) == 0
    assert all(keeps(0, event_id) for event_id in IDS)


def test_beyond_the_rate_the_share_halves() -> None:
    """One event too many halves the share, and so on: never more than the rate is kept."""
    sampling = Sampling(50)
    assert [sampling.accepted("c", 7, count) for count in (50, 1, 49, 1, 100, 800)] == [0, 1, 1, 2, 3, 5]


def test_the_share_is_fair() -> None:
    """A level keeps its share of ids, and whom it keeps the levels below keep too."""
    for level in range(1, 6):
        kept = [event_id for event_id in IDS if keeps(level, event_id)]
        assert 0.8 < len(kept) / (len(IDS) / 2**level) < 1.2
        assert all(keeps(level - 1, event_id) for event_id in kept)


def test_a_level_is_the_seconds_own() -> None:
    """Quiet seconds around a loud one keep all they have, whenever they are asked about."""
    sampling = Sampling(50)
    for second, events in ((10, 5), (11, 400), (12, 5)):
        sampling.accepted("c", second, events)
    assert sampling.close_before(13) == [LevelChange("c", 11, 3), LevelChange("c", 12, 0)]
    assert [sampling.level("c", second) for second in (9, 10, 11, 12, 500)] == [0, 0, 3, 0, 0]


def test_what_comes_late_does_not_change_the_past() -> None:
    """A second that is over keeps its level: records of it may have been written."""
    sampling = Sampling(50)
    sampling.accepted("c", 10, 60)
    sampling.close_before(11)
    assert sampling.accepted("c", 10, 1000) == 1
    assert sampling.level("c", 10) == 1


def test_connections_are_sampled_apart() -> None:
    """A loud connection does not cost a quiet one its records."""
    sampling = Sampling(50)
    sampling.accepted("loud", 10, 5000)
    sampling.accepted("quiet", 10, 5)
    assert (sampling.level("loud", 10), sampling.level("quiet", 10), sampling.level("unknown", 10)) == (7, 0, 0)


def test_levels_outlive_a_restart() -> None:
    """What was accepted before a restart and is delivered after it has the same fate."""
    before = Sampling(50)
    before.accepted("c", 10, 400)
    before.accepted("c", 12, 90)
    after = Sampling(50)
    after.learn(before.close_before(20))
    assert [after.level("c", second) for second in (9, 10, 11, 12)] == [0, 3, 3, 1]


def test_memory_is_bounded() -> None:
    """Of changes beyond count the oldest known stands for all before."""
    changes = [LevelChange("c", second, 1 + second % 2) for second in range(1, 3 * MAX_CHANGES)]
    sampling = Sampling(50)
    sampling.learn(changes)
    assert sampling.level("c", 1) == changes[-MAX_CHANGES].level
    assert sampling.level("c", changes[-1].second) == changes[-1].level


def test_level_of_several_nodes_is_the_highest() -> None:
    """A node that settles an event decides as the one that accepted it, whatever it accepted itself."""
    busy, idle = Sampling(50), Sampling(50)
    busy.accepted("c", 10, 400)
    idle.accepted("c", 10, 5)
    idle.learn([structs.replace(each, node="busy") for each in busy.close_before(11)])
    assert idle.level("c", 10) == busy.level("c", 10) == 3
    assert (idle.level("c", 9), idle.level("other", 10)) == (0, 0)


def test_level_of_a_node_that_is_gone_ends() -> None:
    """A node repeats its level while it accepts events; the others forget a level that is not repeated."""
    busy, idle = Sampling(50), Sampling(50)
    for second in range(10, 200):
        busy.accepted("c", second, 400)
        idle.learn([structs.replace(each, node="busy") for each in busy.close_before(second + 1)])
    assert {idle.level("c", second) for second in range(10, 300)} == {3}
    assert idle.level("c", 400) == 0
