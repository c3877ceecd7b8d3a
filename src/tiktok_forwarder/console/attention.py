"""What needs a person's attention: on top of the overview, and as counts beside the menu's pages."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from tiktok_forwarder.api.activity import InputFigures
from tiktok_forwarder.api.types import AttentionView, ConnectionStatus, StatusView
from tiktok_forwarder.console.figures import refusal_label
from tiktok_forwarder.console.rendering import link, number, part, sentence, uncapitalized
from tiktok_forwarder.delivery.condition import is_stopped


class Attention(Struct, frozen=True):
    """One thing to look at: whose it is, its page, and what it is. `since_ms` may be unknown."""

    name: str
    page: str
    text: str
    since_ms: int | None = None


class MenuCount(Struct, frozen=True):
    """A number beside a page of the menu, and what it counts."""

    count: int
    words: str


def menu_counts(view: AttentionView) -> dict[str, MenuCount]:
    """Return the counts by the path of the menu's page; pages without any are omitted."""
    counts = {
        "/connections": MenuCount(view.stopped_connections, "paused or refused"),
        "/dead-letters": MenuCount(view.dead_letters, "dead letters" if view.dead_letters > 1 else "dead letter"),
    }
    return {path: each for path, each in counts.items() if each.count}


def attention_of(status: StatusView, inputs: Sequence[InputFigures]) -> list[Attention]:
    """Return what needs attention: what delivers nothing, then refused requests, dead letters, and the rest."""
    stopped = [(each, each.delivery) for each in status.connections if each.delivery and is_stopped(each.delivery)]
    throttled = [each for each in status.connections if each.delivery and each.delivery.condition == "throttled"]
    return [
        *(_delivery(each, "Delivery is paused") for each, delivery in stopped if delivery.is_paused),
        *(_delivery(each, "TikTok refused the settings") for each, delivery in stopped if not delivery.is_paused),
        *(_refused(each) for each in inputs if each.traffic.refused),
        *(_dead_letters(each) for each in status.connections if each.queue and each.queue.dead_letters),
        *(_delivery(each, "Delivery is slowed down") for each in throttled),
        *(
            Attention(each.name, f"/connections/{part(each.id)}", sentence(warning))
            for each in status.connections
            for warning in each.warnings
        ),
    ]


def _delivery(connection: ConnectionStatus, words: str) -> Attention:
    delivery = connection.delivery
    reason = delivery.reason if delivery else ""
    text = sentence(f"{words}: {reason}" if reason else words)
    return Attention(
        connection.name, f"/connections/{part(connection.id)}", text, delivery.since_ms if delivery else None
    )


def _dead_letters(connection: ConnectionStatus) -> Attention:
    count = connection.queue.dead_letters if connection.queue else 0
    words = f"{number(count)} dead letter{'s' if count > 1 else ''}."
    return Attention(connection.name, link("/dead-letters", connection=connection.id), words)


def _refused(found: InputFigures) -> Attention:
    refused: Mapping[str, int] = found.traffic.refused
    total = sum(refused.values())
    reasons = ", ".join(
        f"{uncapitalized(refusal_label(reason))} ({number(count)})" for reason, count in refused.items()
    )
    requests = "request was" if total == 1 else "requests were"
    text = f"{number(total)} {requests} refused in the last hour: {reasons}."
    return Attention(f"Input {found.input}", f"/inputs/{part(found.input)}", text)
