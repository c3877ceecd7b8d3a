"""The queues in memory beside the default store's file: what they count, and which events may be leased next."""

from tiktok_forwarder.store.sqlite.transaction import Lane, LaneFigures, Lanes, Place


def lane(waiting: int = 3, waiting_bytes: int = 300) -> Lane:
    return Lane(1, "a", "2.0", LaneFigures(waiting, waiting_bytes, 2, 50))


def test_event_takes_up_400_bytes_beside_its_payload() -> None:
    """Waiting events and dead letters alike: a connection's quota is of what is in the file."""
    assert LaneFigures(3, 300, 2, 50).held_bytes == 300 + 50 + 5 * 400
    assert LaneFigures().held_bytes == 0


def test_dead_letters_are_counted_apart() -> None:
    """An event that dies moves, one that is discarded leaves, and one that is replayed comes back."""
    queue = lane()
    queue.move_to_dead_letters(1, 100)
    assert queue.figures == LaneFigures(2, 200, 3, 150)
    queue.remove_dead_letters(1, 100)
    assert queue.figures == LaneFigures(2, 200, 2, 50)
    queue.move_to_dead_letters(-1, -20)
    assert queue.figures == LaneFigures(3, 220, 1, 30)
    queue.add_waiting(-2, -200)
    assert queue.figures == LaneFigures(1, 20, 1, 30)


def test_events_that_are_given_back_may_be_leased_again() -> None:
    """The marks return to the first of them: fresh ones by number, returned ones by due time and number."""
    queue = lane()
    queue.leased = {5, 6, 7}
    assert queue.unleased == 0
    queue.fresh_from, queue.returned_from = 8, (2000, 9)
    queue.give_back([Place(None, 6, 1), Place(None, 5, 1), Place(1500, 7, 1)])
    assert (queue.fresh_from, queue.returned_from, queue.leased, queue.unleased) == (5, (1500, 7), set(), 3)
    queue.mark_leasable(None, 9)
    queue.mark_leasable(3000, 1)
    assert (queue.fresh_from, queue.returned_from) == (5, (1500, 7))
    queue.rewind()
    assert (queue.fresh_from, queue.newest_after, queue.returned_from) == (0, 0, (0, 0))


def test_queues_of_a_connection_take_turns() -> None:
    """Each form of the Events API has its own; a new one gets the next number."""
    lanes = Lanes([(1, "a", "1.0", 2, 20, 0, 0), (2, "b", "2.0", 0, 0, 1, 10)])
    one, two = lanes.get("a", "1.0"), lanes.get("a", "2.0")
    assert (one.lane_no, two.lane_no, lanes.get("c", "2.0").lane_no) == (1, 3, 4)
    assert lanes.by_number(3) is two and lanes.get("a", "2.0") is two
    assert lanes.of_connection("a") == (one, two)
    lanes.move_to_back(one)
    assert lanes.of_connection("a") == (two, one)
    assert (lanes.held_bytes("a"), lanes.held_bytes("b"), lanes.held_bytes("nobody")) == (820, 410, 0)
