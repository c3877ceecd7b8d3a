"""The API's endpoints of trials: the requests of which a transcript is evidence of how TikTok answers."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from tiktok_forwarder.api.connections import found_connection
from tiktok_forwarder.api.endpoint import Call, Endpoint, Nothing
from tiktok_forwarder.evidence.prover import TrialPlan, TrialResult

_Version = Annotated[str, Meta(max_length=10)]


class TrialQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """A version of TikTok's Events API; the connection's if empty."""

    events_api: _Version = ""


class TrialBody(Struct, frozen=True, forbid_unknown_fields=True):
    """`run_id` is part of the event IDs. The test event code is the connection's if empty."""

    run_id: Annotated[str, Meta(pattern="^[a-z0-9]{1,20}$")]
    events_api: _Version = ""
    test_event_code: Annotated[str, Meta(max_length=100)] = ""


async def _plan(call: Call[TrialQuery, None]) -> TrialPlan:
    return call.services.prover.plan(found_connection(call), call.query.events_api)


async def _run(call: Call[Nothing, TrialBody]) -> TrialResult:
    body, connection = call.body, found_connection(call)
    return await call.services.prover.run(
        connection, call.path["trial"], body.run_id, body.events_api, body.test_event_code
    )


LIST_TRIALS: Final = Endpoint(
    "GET",
    "/api/connections/{name}/trials",
    "list_trials",
    "List the trials of TikTok's Events API, and the host that they are sent to.",
    "read",
    _plan,
    can_miss=True,
    can_refuse=True,
)
RUN_TRIAL: Final = Endpoint(
    "POST",
    "/api/connections/{name}/trials/{trial}",
    "run_trial",
    "Send one trial to TikTok under a test event code; return request and answer without secrets.",
    "admin",
    _run,
    can_miss=True,
    can_refuse=True,
)

EVIDENCE_ENDPOINTS: Final = (LIST_TRIALS, RUN_TRIAL)
