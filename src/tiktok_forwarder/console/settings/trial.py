"""Tries settings that are not saved yet with a batch: which events would be sent, and which rules held and why."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

import msgspec
from msgspec import Struct

from tiktok_forwarder.api.previews import LIST_DEVELOPMENT_EVENTS, PREVIEW, DevelopmentQuery, PreviewBody
from tiktok_forwarder.console.api import Api, ApiError
from tiktok_forwarder.console.rendering import wire_label
from tiktok_forwarder.console.sample_data import sample_purchase
from tiktok_forwarder.console.settings.rule_words import TriedRule, tried_rule
from tiktok_forwarder.mapping.connection import TOKEN
from tiktok_forwarder.mapping.fields import Choice
from tiktok_forwarder.operations.previews import KeptOutcome, PreviewedOutcome

# Invalid settings; an unreadable batch has another status.
_INVALID: Final = 422
_PASTED_OR_MADE: Final = Choice("", "The pasted batch, or else a generated purchase")
_INVALID_SETTINGS: Final = "Fix the settings to try them:"


class Tried(Struct, frozen=True):
    """One outgoing or dropped event; `rules` is empty if an earlier check dropped it."""

    title: str
    is_sent: bool
    detail: str
    rules: list[TriedRule]


class Trial(Struct, frozen=True):
    """`options` are batches to choose from. `hint` says why there are no outcomes, `problems` what is wrong."""

    options: list[Choice]
    chosen: str
    pasted: str
    outcomes: Sequence[Tried] = ()
    hint: str = ""
    problems: Sequence[str] = ()


async def run_trial(
    api: Api, settings: Mapping[str, Any], connection_id: str | None, chosen: str, pasted: str
) -> Trial:
    """Map the chosen batch under these settings. Nothing is stored or sent."""
    kept = await _kept(api, connection_id)
    options = [_PASTED_OR_MADE, *(Choice(value, _kept_label(each)) for value, each in kept.items())]
    chosen = chosen if chosen in kept else ""
    batch: object = kept[chosen].batch if chosen else pasted if pasted.strip() else _made(settings)
    # Null restores a default of a connection that is there; a new one may lack its name yet.
    plain = {
        name: value
        for name, value in settings.items()
        if name != TOKEN and (value is not None or connection_id is not None)
    }
    asked = PreviewBody(batch, connection_id, plain, kept[chosen].at_ms if chosen else None)
    try:
        outcomes = (await api.call(PREVIEW, body=asked)).outcomes
    except ApiError as error:
        if error.status == _INVALID:
            return Trial(options, chosen, pasted, hint=_INVALID_SETTINGS, problems=error.problems)
        return Trial(options, chosen, pasted, hint=f"This batch cannot be read: {error}.")
    hint = "" if outcomes else "This batch has no events."
    return Trial(options, chosen, pasted, [_tried(each) for each in outcomes], hint)


async def _kept(api: Api, connection_id: str | None) -> dict[str, KeptOutcome]:
    """Return the connection's development events by a value that identifies each, whatever else is received."""
    if connection_id is None:
        return {}
    answer = await api.call(LIST_DEVELOPMENT_EVENTS, query=DevelopmentQuery(connection_id))
    return {sha256(msgspec.json.encode(each.batch)).hexdigest()[:16]: each for each in answer.events}


def _kept_label(kept: KeptOutcome) -> str:
    return f"Development event: {kept.event_type.replace('_', ' ')} {kept.event_name or 'without a name'}"


def _made(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return a purchase of a user who gave every consent that the settings ask for."""
    purposes = settings.get("consent_purpose") or []
    names = [purposes] if isinstance(purposes, str) else purposes
    environment = "production" if settings.get("environment") == "production" else "development"
    consent = {"gdpr": {name: {"consented": True} for name in names}}
    return {**sample_purchase(None, "sample"), "environment": environment, "consent_state": consent}


def _tried(outcome: PreviewedOutcome) -> Tried:
    rules = [tried_rule(rule) for rule in outcome.rules]
    if outcome.outcome == "mapped":
        return Tried(outcome.event, is_sent=True, detail="", rules=rules)
    return Tried(wire_label(outcome.reason), is_sent=False, detail=outcome.detail, rules=rules)
