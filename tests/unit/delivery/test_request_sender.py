"""One request to TikTok: what it reports to people, to the gate and to the observer."""

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from tests.unit.parts import ManualClock
from tiktok_forwarder.delivery.check_records import CheckRecords
from tiktok_forwarder.delivery.interfaces import (
    Attempt,
    DeliveryTarget,
    HttpAnswer,
    NoAnswer,
    OutboundRequest,
)
from tiktok_forwarder.delivery.parts import DeliveryParts
from tiktok_forwarder.delivery.request_sender import RequestSender, no_answer_verdict
from tiktok_forwarder.domain.errors import SecretUnreadable
from tiktok_forwarder.domain.outcome import Accepted, Answer, Misconfigured, Throttled, TryLater, Verdict
from tiktok_forwarder.store.memory.store import MemoryStore
from tiktok_forwarder.store.queue import LeasedEvent

EVENT = LeasedEvent(7, 1, "Purchase", "e7", b'{"event":"Purchase"}', 0, 0, None, None, ())
DONE = HttpAnswer(200, b'{"code":0,"message":"OK","request_id":"r1"}')
NOTED = HttpAnswer(200, b'{"code":20001,"message":"Partial success","request_id":"r2"}')
REFUSED = HttpAnswer(429, b'{"code":40100,"message":"Too many requests","request_id":"r3"}', "60")
LOST = NoAnswer("reset", "connection reset", may_have_arrived=True)


@dataclass
class Rig:
    """A `RequestSender` between a TikTok that takes 250 ms for each answer, and a gate and an observer that keep what
    they are told.
    """

    answers: list[HttpAnswer | NoAnswer | Exception]
    token: str | None = "secret-token"
    clock: ManualClock = field(default_factory=ManualClock)
    requests: list[OutboundRequest] = field(default_factory=list)
    in_flight: list[int] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    told: list[tuple[object, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.checks = CheckRecords(MemoryStore(), self.clock, cast(Any, self), str)
        parts = cast(Any, DeliveryParts)(self, self, self, self, self, self.clock, self, self.checks, None, self, None)
        self.sender = RequestSender(parts, DeliveryTarget("c", 1, True, "pixel-1", "TEST1"), cast(Any, self))

    def access_token(self, _connection_id: str) -> str:
        if self.token is None:
            raise SecretUnreadable("it was sealed with another key")
        return self.token

    async def send(self, request: OutboundRequest) -> HttpAnswer | NoAnswer:
        self.requests.append(request)
        self.in_flight.append(self.sender.in_flight)
        self.clock.time_ms += 250
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def verdict(self) -> Verdict:
        return await self.sender.send("2.0", [EVENT])

    def give_back(self) -> None:
        self.told.append(("give_back",))

    def refused(self, verdict: Throttled, sent_at: float) -> None:
        self.told.append(("refused", verdict.retry_after_seconds, sent_at))

    def on_not_throttled(self) -> None:
        self.told.append(("on_not_throttled",))

    def on_attempted(self, attempt: Attempt) -> None:
        self.attempts.append(attempt)

    def on_noted(self, connection_id: str, note: str) -> None:
        self.told.append(("on_noted", connection_id, note))


async def test_attempt_is_reported_with_its_events_answer_and_time() -> None:
    """The activity and the metrics learn what was sent, what came back and how long it took."""
    rig = Rig([DONE])
    answer = Answer(200, 0, "OK", "r1")
    assert await rig.verdict() == Accepted(answer)
    assert rig.attempts == [Attempt("c", "accepted", answer, [EVENT], 0.25, "")]
    assert (rig.sender.last_answer, rig.sender.last_note) == (answer, "")
    assert rig.told == [("on_not_throttled",)]
    assert (rig.requests[0].access_token, rig.requests[0].path) == ("secret-token", "/open_api/v1.3/event/track/")


async def test_note_is_kept_until_the_next_one() -> None:
    """People can read the last one long after; neither a plain success nor a refusal has one."""
    rig = Rig([NOTED, DONE, REFUSED])
    verdict = await rig.verdict()
    assert isinstance(verdict, Accepted) and verdict.note
    await rig.verdict()
    await rig.verdict()
    assert [attempt.note for attempt in rig.attempts] == [verdict.note, "", ""]
    assert rig.sender.last_note == verdict.note
    assert [each for each in rig.told if each[0] == "on_noted"] == [("on_noted", "c", verdict.note)]


async def test_gate_learns_from_answers_only() -> None:
    """A refusal slows it from when its request was sent; an answer that was lost says nothing of TikTok's limits."""
    rig = Rig([LOST, REFUSED])
    await rig.verdict()
    assert rig.told == []
    sent_at = rig.clock.monotonic_seconds()
    await rig.verdict()
    assert rig.told == [("refused", 60.0, sent_at)]
    assert [attempt.verdict for attempt in rig.attempts] == ["try_later", "throttled"]


async def test_request_is_in_flight_until_it_ends() -> None:
    """However it ends: otherwise a connection at rest would look busy for good."""
    rig = Rig([DONE, RuntimeError(), DONE])
    await rig.verdict()
    with pytest.raises(RuntimeError):
        await rig.verdict()
    await rig.verdict()
    assert rig.in_flight == [1, 1, 1]
    assert rig.sender.in_flight == 0


async def test_unreadable_token_makes_no_request() -> None:
    """Its turn is given back, and the reason names the token and what is wrong with it."""
    rig = Rig([DONE], token=None)
    assert await rig.verdict() == Misconfigured(
        Answer(message="no request was made"),
        "token",
        "The access token is unreadable: it was sealed with another key",
    )
    assert (rig.requests, rig.attempts, rig.told) == ([], [], [("give_back",)])


@pytest.mark.parametrize("may_have_arrived", [True, False])
def test_lost_answer_is_tried_again_and_says_why(may_have_arrived: bool) -> None:
    """Whether TikTok may hold the events decides how long they may be repeated."""
    verdict = no_answer_verdict(NoAnswer("reset", "Broken pipe", may_have_arrived))
    assert verdict == TryLater(Answer(message="no answer (reset): Broken pipe"), may_have_arrived)


def test_server_without_a_valid_certificate_pauses_the_connection() -> None:
    """The advice names every place where the cause may be; nothing turns the verification off."""
    assert no_answer_verdict(NoAnswer("tls", "expired", may_have_arrived=False)) == Misconfigured(
        Answer(message="no answer (tls): expired"),
        "address",
        "The server's identity could not be verified, and verification cannot be disabled. Check the setting "
        "tiktok_base_url, this machine's clock, its CA certificates, and proxies and firewalls between this machine "
        "and TikTok.",
    )


def test_long_detail_of_a_lost_answer_is_cut() -> None:
    """As TikTok's own messages are, at 500 characters."""
    message = no_answer_verdict(NoAnswer("reset", "x" * 1000, may_have_arrived=True)).answer.message
    assert message == "no answer (reset): " + "x" * 481


async def test_text_of_tiktok_is_kept_without_addresses() -> None:
    """It may quote an event: dead letters and the activity show it to people."""
    body = b'{"code":40002,"message":"Invalid data.0.email jane@example.com or +1 415 555 0123","request_id":"r4"}'
    verdict = await Rig([HttpAnswer(200, body)]).verdict()
    assert verdict.answer.message == "Invalid data.0.email redacted or redacted"
