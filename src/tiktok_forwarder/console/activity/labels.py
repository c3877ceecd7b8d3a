"""Outcomes, verdicts and conditions in people's words: what each one is called, and one sentence of what it means."""

from typing import Final

from tiktok_forwarder.console.rendering import number
from tiktok_forwarder.domain.outcome import Answer
from tiktok_forwarder.tiktok.codes import code_meaning

OUTCOMES: Final = {
    "accepted": ("accepted", "Mapped and stored. It waits for its turn."),
    "duplicate": ("duplicate", "The same event came before within 48 hours, so TikTok gets it once."),
    "dropped": ("dropped", "It does not go to TikTok."),
    "attempted": ("attempted", "A request to TikTok did not simply succeed."),
    "delivered": ("delivered", "TikTok has it."),
    "retry": ("waits for a retry", "It was tried, and will be again."),
    "dead_letter": ("dead letter", "It was given up on, and is kept."),
    "condition": ("delivery", "How the connection's delivery is doing has changed."),
}
VERDICTS: Final = {
    "accepted": ("taken by TikTok", "TikTok took the request, and had something to say about it."),
    "bad_event": (
        "one event at fault",
        "TikTok refused the request because of one event in it. The others are sent again without it.",
    ),
    "too_large": ("request too large", "The request was too large for TikTok, and is sent in halves."),
    "throttled": ("too many requests", "TikTok asks for fewer requests. It is sent again more slowly."),
    "try_later": ("trouble on the way", "Nothing is wrong with the events. They are sent again."),
    "misconfigured": (
        "settings at fault",
        "TikTok does not accept the token, the pixel or its permission. The connection pauses and keeps its events.",
    ),
}
CONDITIONS: Final = {
    "healthy": ("healthy", "Events are delivered at the connection's own speed."),
    "throttled": ("throttled", "Events are delivered more slowly, as TikTok asked."),
    "paused": ("paused", "Nothing is delivered, and everything is kept."),
    "disabled": ("disabled", "The connection is switched off: new events are dropped, waiting ones stay."),
}
_SPELLING: Final = {"ip": "IP address", "url": "address", "ccpa": "CCPA", "ttclid": "click id"}


def spelled(name: str) -> str:
    """A reason or warning as words: `missing_page_url` is missing page address."""
    return " ".join(_SPELLING.get(each, each) for each in name.split("_"))


def phrase(name: str) -> str:
    """The same with a capital at its beginning."""
    text = spelled(name)
    return text[:1].upper() + text[1:]


def source_words(source: str) -> str:
    """What an event was at mParticle: `custom_event Site Search` is Site Search (custom event)."""
    kind, _, name = source.partition(" ")
    kind = kind.replace("_", " ")
    return f"{name} ({kind})" if name else kind


def outcome_word(outcome: str) -> str:
    return OUTCOMES[outcome][0]


def answer_meaning(answer: Answer) -> str:
    """What TikTok's answer means, in one or two plain sentences."""
    if answer.code is None:
        if answer.status is None:
            return "No answer was read."
        return f"An answer that is not TikTok's form, with the HTTP status {answer.status}."
    meaning = code_meaning(answer.code)
    if meaning is None:
        return "TikTok does not list this code."
    return meaning.explanation


def events(count: int) -> str:
    return "1 event" if count == 1 else f"{number(count)} events"


def sentence(text: str) -> str:
    """With a capital at its beginning and a full stop at its end."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "…")) or not text else ".")
