"""Differences between two outcomes of one event, in lines for people."""

from collections.abc import Iterator, Sequence

import msgspec

from tiktok_forwarder.domain.outcome import Dropped, Mapped, Outcome
from tiktok_forwarder.mapping.explanation.explain import fields


def differences(before: Sequence[Outcome], after: Sequence[Outcome]) -> list[str]:
    """Return one line for each field, drop or event that differs; empty if TikTok gets the same."""
    was, becomes = dict(_lines(before)), dict(_lines(after))
    names = [*was, *(name for name in becomes if name not in was)]
    return [
        f"{name}: {was.get(name, 'nothing')} → {becomes.get(name, 'nothing')}"
        for name in names
        if was.get(name) != becomes.get(name)
    ]


def _lines(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, str]]:
    mapped = [each for each in outcomes if isinstance(each, Mapped)]
    yield "sent as", ", ".join(each.event for each in mapped) or "nothing"
    for outcome in outcomes:
        if isinstance(outcome, Dropped):
            yield "dropped because of", outcome.reason.replace("_", " ")
            continue
        prefix = f"{outcome.event}, " if len(mapped) > 1 else ""
        for path, value in fields(msgspec.json.decode(outcome.payload)):
            if path != "event":
                yield prefix + path, msgspec.json.encode(value).decode()
