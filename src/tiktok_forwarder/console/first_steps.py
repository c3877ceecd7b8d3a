"""The steps to a connection's first event: which are done, and which one is next."""

from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct

from tiktok_forwarder.api.types import ConnectionStatus, InputView
from tiktok_forwarder.domain.outcome import RECORDED
from tiktok_forwarder.mapping.connection import Connection

StepKey = Literal["settings", "check", "sender", "event", "live"]
StepState = Literal["done", "next", "failed", "ahead"]

TITLES: Final[dict[StepKey, str]] = {
    "settings": "Pixel and token",
    "check": "Check",
    "sender": "Sender",
    "event": "First event",
    "live": "Go live",
}


class Step(Struct, frozen=True):
    """`failed`: TikTok has refused it. `next` is the first step that is left to do."""

    key: StepKey
    title: str
    state: StepState


NEW_STEPS: Final = tuple(
    Step(key, title, "next" if number == 0 else "ahead") for number, (key, title) in enumerate(TITLES.items())
)
"""The steps of a connection that is not saved yet."""


def steps_of(connection: Connection, state: ConnectionStatus, inputs: Sequence[InputView]) -> list[Step]:
    """Return the steps of a connection that receives from these inputs. One that only records asks TikTok nothing."""
    delivery, is_recording = state.delivery, connection.is_recording
    done: dict[StepKey, bool] = {
        "settings": True,
        "check": is_recording or (delivery is not None and delivery.check == "good"),
        "sender": bool(inputs),
        "event": _has_delivered(state) or (is_recording and RECORDED in state.dropped),
        "live": is_complete(connection, state) and not is_recording,
    }
    is_refused = delivery is not None and delivery.condition == "refused"
    following = next((key for key in TITLES if not done[key]), None)
    steps = []
    for key, title in TITLES.items():
        step_state: StepState = "done" if done[key] else "next" if key == following else "ahead"
        steps.append(Step(key, title, "failed" if key == "check" and is_refused else step_state))
    return steps


def is_complete(connection: Connection, state: ConnectionStatus) -> bool:
    """Return whether nothing is left to do. What has delivered real events once needs no steps any more."""
    return connection.test_event_code is None and _has_delivered(state)


def _has_delivered(state: ConnectionStatus) -> bool:
    return state.totals.get("delivered", 0) > 0
