"""The time that pauses take, which no event's window is charged for."""

import pytest

from tiktok_forwarder.delivery.pauses import DeliveryState, Pause, read_state
from tiktok_forwarder.domain.errors import StoreUnavailable
from tiktok_forwarder.store.documents import Document


def pause(since_ms: int) -> Pause:
    return Pause("misconfigured", "because", since_ms, "service", 1)


@pytest.mark.parametrize(
    ("state", "from_ms", "paused_ms"),
    [
        (DeliveryState(), 0, 0),
        (DeliveryState(past=((100, 200), (300, 450))), 0, 250),
        (DeliveryState(past=((100, 200), (300, 450))), 150, 200),
        (DeliveryState(past=((100, 200),)), 200, 0),
        (DeliveryState(pause(900)), 0, 100),
        (DeliveryState(pause(900), ((100, 200),)), 950, 50),
        (DeliveryState(pause(900), ((100, 200),)), 100, 200),
        (DeliveryState(pause(2000)), 0, 0),
        (DeliveryState(past=((100, 2000),)), 0, 900),
        (DeliveryState(past=((1500, 2000),)), 0, 0),
    ],
)
def test_paused_time_is_counted_from_a_moment_on(state: DeliveryState, from_ms: int, paused_ms: int) -> None:
    """Pauses that ended, and the one that lasts, count as far as they lie after that moment."""
    assert state.paused_ms(from_ms, now_ms=1000) == paused_ms


def test_an_ended_pause_becomes_a_past_one() -> None:
    """The latest fifty are kept."""
    state = DeliveryState()
    for number in range(60):
        state = DeliveryState(pause(number * 10), state.past).resumed(number * 10 + 5)
    assert state.pause is None
    assert (len(state.past), state.past[-1]) == (50, (590, 595))
    assert state.resumed(999) is state


def test_a_state_that_cannot_be_read_is_told() -> None:
    """A damaged document names its connection; a missing one is no pause."""
    assert read_state(None) == DeliveryState()
    with pytest.raises(StoreUnavailable, match=r"^cannot read the delivery state of connection cn_1: .*truncated$"):
        read_state(Document("delivery_state", "cn_1", 1, b"{", 0, "service"))
