"""Labels of outcomes, verdicts and conditions, each with a sentence on what it means."""

from typing import Final

from tiktok_forwarder.console.rendering import number
from tiktok_forwarder.domain.outcome import Answer, is_loss
from tiktok_forwarder.tiktok.codes import code_meaning

OUTCOMES: Final = {
    "accepted": ("accepted", "Mapped, stored and queued for delivery."),
    "duplicate": ("duplicate", "The same event was received within the last 48 hours, so TikTok gets it once."),
    "dropped": ("dropped", "Not sent to TikTok."),
    "attempted": ("attempt", "A request to TikTok failed, or was accepted with a note."),
    "delivered": ("delivered", "TikTok accepted it."),
    "retry": ("retry scheduled", "The attempt failed. Another one is scheduled."),
    "dead_letter": ("dead letter", "Moved to dead letters, where it is kept."),
    "refused": ("refused", "A Kafka message of an input can never be accepted. Those after it are."),
    "condition": ("delivery state", "The delivery state of the connection changed."),
}
VERDICTS: Final = {
    "accepted": ("accepted with a note", "TikTok accepted the request and returned a note."),
    "bad_event": (
        "one event rejected",
        "TikTok rejected the request because of one event in it. The others are sent again without it.",
    ),
    "too_large": ("request too large", "The request was too large for TikTok. It is split in half and sent again."),
    "throttled": ("rate limited", "TikTok asked for fewer requests. It is sent again more slowly."),
    "try_later": ("temporary failure", "Nothing is wrong with the events. They are sent again."),
    "misconfigured": (
        "configuration error",
        "TikTok rejected the access token, the pixel or a permission. The connection pauses and keeps its events.",
    ),
}
CONDITIONS: Final = {
    "not_checked": ("not checked", "TikTok has not accepted the pixel and the access token yet."),
    "test": ("test", "TikTok accepts the events and counts them as tests."),
    "live": ("live", "TikTok accepts the events and counts them."),
    "refused": ("refused", "TikTok refuses the connection's settings. Events are kept."),
    "throttled": ("throttled", "Events are delivered more slowly, as TikTok asked."),
    "paused": ("paused", "Nothing is delivered. Events are kept."),
    "recording": ("recording", "New events are mapped, counted and kept in the activity. None of them is sent."),
    "disabled": ("disabled", "The connection is disabled. New events are dropped; waiting events are kept."),
}


def state_of(outcome: str, reason: str) -> str:
    """Return the CSS classes of an outcome's badge. Red is for what costs conversions."""
    if outcome == "condition":
        return reason
    return "dropped loss" if outcome == "dropped" and is_loss(reason) else outcome


def source_words(source: str) -> str:
    """Name an mParticle event: `custom_event Site Search` is Site Search (custom event)."""
    kind, _, name = source.partition(" ")
    kind = kind.replace("_", " ")
    return f"{name} ({kind})" if name else kind


def condition_word(condition: str) -> str:
    """Name a condition; one from before an update may have no name here any more."""
    return CONDITIONS.get(condition, (condition, ""))[0]


def outcome_word(outcome: str) -> str:
    return OUTCOMES[outcome][0]


def answer_meaning(answer: Answer) -> str:
    """Explain TikTok's answer in one or two sentences."""
    if answer.code is None:
        if answer.status is None:
            return "No answer was read."
        return f"The answer is not in TikTok's format (HTTP status {answer.status})."
    meaning = code_meaning(answer.code)
    if meaning is None:
        return "TikTok does not list this code."
    return meaning.explanation


def events(count: int) -> str:
    return "1 event" if count == 1 else f"{number(count)} events"
