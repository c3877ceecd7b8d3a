"""Sends trials to TikTok, one at a time, and returns what may be shown of request and answer."""

from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from tiktok_forwarder.connections.connections import Connections
from tiktok_forwarder.delivery.interfaces import EventSender, OutboundRequest
from tiktok_forwarder.domain.clock import Clock
from tiktok_forwarder.domain.errors import ConfigurationError, UnknownName
from tiktok_forwarder.domain.outcome import WireFormName
from tiktok_forwarder.evidence.answers import TrialAnswer, redacted_answer
from tiktok_forwarder.evidence.trials import Run, TrialToken, build_request, trials_of
from tiktok_forwarder.mapping.connection import Connection
from tiktok_forwarder.tiktok.wire_form import WireForm
from tiktok_forwarder.tiktok.wire_forms import WIRE_FORMS

PIXEL_PLACEHOLDER: Final = "PIXEL_ID"
CODE_PLACEHOLDER: Final = "TEST_EVENT_CODE"
TOKEN_PLACEHOLDER: Final = "ACCESS_TOKEN"  # noqa: S105  # in place of the token
# What no token is: TikTok's are hexadecimal.
WRONG_TOKEN: Final = "wrong-token-of-a-trial"  # noqa: S105

_NO_CODE: Final = (
    "test_event_code: is required, so that no event counts as real; copy it from TikTok Events Manager, Test Events"
)


class TrialSummary(Struct, frozen=True):
    name: str
    about: str


class TrialPlan(Struct, frozen=True):
    """What a run would send, and the host that it would send to."""

    host: str
    events_api: str
    trials: list[TrialSummary]


class TrialRequest(Struct, frozen=True):
    """A request as it was sent, with placeholders for Pixel ID and test event code. The token is only described."""

    path: str
    token: TrialToken
    body: Any


class TrialResult(Struct, frozen=True):
    request: TrialRequest
    answer: TrialAnswer


class Prover:
    """Sends trials with a connection's pixel and access token, and always with a test event code."""

    def __init__(self, connections: Connections, sender: EventSender, clock: Clock, base_url: str) -> None:
        self._connections = connections
        self._sender = sender
        self._clock = clock
        self._host = urlsplit(base_url).hostname or ""

    def plan(self, connection: Connection, events_api: WireFormName | None) -> TrialPlan:
        """Return the trials of this version, or of the connection's. Raises `ConfigurationError`."""
        form = _form_of(connection, events_api)
        trials = [TrialSummary(trial.name, trial.about) for trial in trials_of(form).values()]
        return TrialPlan(self._host, form.name, trials)

    async def run(
        self, connection: Connection, name: str, run_id: str, events_api: WireFormName | None, test_event_code: str
    ) -> TrialResult:
        """Send one trial once. Raises `ConfigurationError` without test event code or token, before anything is sent.

        Raises `UnknownName` if there is no such trial, and `SecretUnreadable`.
        """
        code = test_event_code or connection.test_event_code
        if not code:
            raise ConfigurationError([_NO_CODE])
        form = _form_of(connection, events_api)
        trial = trials_of(form).get(name)
        if trial is None:
            raise UnknownName(f'trial "{name}" not found')
        token = self._connections.access_token(connection.id)
        if not token:
            raise ConfigurationError(["access_token: is required to send trials; the connection only records so far"])
        tokens: dict[TrialToken, str] = {"valid": token, "wrong": WRONG_TOKEN, "empty": ""}
        run = Run(run_id, connection.pixel_id, code, self._clock.now_ms())
        path, body = build_request(trial, form, run)
        _, shown = build_request(
            trial, form, run._replace(pixel_id=PIXEL_PLACEHOLDER, test_event_code=CODE_PLACEHOLDER)
        )
        answer = await self._sender.send(OutboundRequest(path, tokens[trial.token], body))
        # The longest first: one may contain another.
        secrets = {token: TOKEN_PLACEHOLDER, connection.pixel_id: PIXEL_PLACEHOLDER, code: CODE_PLACEHOLDER}
        placeholders = {each: secrets[each] for each in sorted(secrets, key=len, reverse=True) if each}
        return TrialResult(
            TrialRequest(path, trial.token, msgspec.json.decode(shown)), redacted_answer(answer, placeholders)
        )


def _form_of(connection: Connection, events_api: WireFormName | None) -> WireForm:
    if not events_api:
        return connection.wire_form
    if events_api not in WIRE_FORMS:
        raise ConfigurationError([f"events_api: must be one of {', '.join(WIRE_FORMS)}, not {events_api!r}"])
    return WIRE_FORMS[events_api]
