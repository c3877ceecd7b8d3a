"""The sandbox's decision about a request."""

from collections.abc import Collection, Sequence
from typing import Final

from msgspec import Struct

from tiktok_sandbox.facts import DUPLICATE_REQUEST, OK, PARTLY, STATUS_BY_CODE
from tiktok_sandbox.finding import EventWarning
from tiktok_sandbox.steps import AnswerStep, Code, Http

_TAKING_CODES: Final = frozenset({OK, PARTLY, DUPLICATE_REQUEST})


class Verdict(Struct, frozen=True, kw_only=True):
    """The step to do, and its effect on the events.

    `message` is the answer of a `Code` step, filled in. `bad_index` is that of an event which the answer names;
    `failed` are those which a partial success omits.
    """

    step: AnswerStep
    message: str = ""
    rule: int | None = None
    is_scripted: bool = False
    delay_seconds: float = 0.0
    bad_index: int | None = None
    failed: Collection[int] = frozenset()
    warnings: Sequence[Sequence[EventWarning]] = ()
    envelope_warnings: tuple[EventWarning, ...] = ()

    @property
    def code(self) -> int | None:
        return self.step.code if isinstance(self.step, Code) else None

    @property
    def takes_events(self) -> bool:
        """Return whether TikTok keeps the events, even if the client is not notified."""
        if isinstance(self.step, Code):
            return self.step.code in _TAKING_CODES
        return self.step.taken

    @property
    def step_name(self) -> str:
        """Return the step's name in a script."""
        return str(self.step.__struct_config__.tag)

    def status(self, *, by_code: bool) -> int | None:
        """Return the HTTP status, or None if the step answers nothing or nothing that is known beforehand."""
        if isinstance(self.step, Http):
            return self.step.status
        if not isinstance(self.step, Code):
            return None
        return self.step.status or (STATUS_BY_CODE.get(self.step.code, 200) if by_code else 200)
