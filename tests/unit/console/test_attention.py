"""What needs attention: in which order, in which words, and what the menu counts."""

from typing import Any

from tiktok_forwarder.activity.figures import Traffic
from tiktok_forwarder.api.activity import InputFigures
from tiktok_forwarder.api.types import AttentionView, ConnectionStatus, StatusView
from tiktok_forwarder.console.attention import attention_of, menu_counts
from tiktok_forwarder.delivery.interfaces import DeliveryCondition, DeliveryStatus
from tiktok_forwarder.store.totals import QueueCounts


def connection(name: str, condition: DeliveryCondition = "live", reason: str = "", **members: Any) -> ConnectionStatus:
    given = {"queue": None, "warnings": [], **members}
    since_ms = 5 if reason else None
    delivery = DeliveryStatus(f"cn {name}", condition, reason, since_ms=since_ms, is_paused=condition == "paused")
    return ConnectionStatus(f"cn {name}", name, {}, {}, delivery=delivery, **given)


def texts(*connections: ConnectionStatus, inputs: tuple[InputFigures, ...] = ()) -> list[tuple[str, str, str]]:
    status = StatusView(True, [], list(connections))
    return [(each.name, each.page, each.text) for each in attention_of(status, inputs)]


def test_worst_comes_first() -> None:
    """Paused, refused, dead letters, slowed down, and then notes on settings."""
    letters = QueueCounts(3, 0, 1234, None, 0)
    found = texts(
        connection("Noted", warnings=["a test event code is set"]),
        connection("Slow", "throttled", "TikTok limits the rate."),
        connection("Dead", queue=letters),
        connection("Refused", "refused", "TikTok does not know this pixel"),
        connection("Paused", "paused", "TikTok rejected the access token"),
        inputs=(InputFigures("web", Traffic(9, {"origin": 2, "too_large": 1}), []),),
    )
    assert found == [
        ("Paused", "/connections/cn%20Paused", "Delivery is paused: TikTok rejected the access token."),
        ("Refused", "/connections/cn%20Refused", "TikTok refused the settings: TikTok does not know this pixel."),
        (
            "Input web",
            "/inputs/web",
            "3 requests were refused in the last hour: page of another origin (2), body too large (1).",
        ),
        ("Dead", "/dead-letters?connection=cn+Dead", "1,234 dead letters."),
        ("Slow", "/connections/cn%20Slow", "Delivery is slowed down: TikTok limits the rate."),
        ("Noted", "/connections/cn%20Noted", "A test event code is set."),
    ]


def test_one_is_written_as_one() -> None:
    """Singular words, and a pause without a reason."""
    found = texts(
        connection("Paused", "paused"),
        connection("Dead", queue=QueueCounts(0, 0, 1, None, 0)),
        inputs=(InputFigures("web", Traffic(0, {"timeout": 1}), []),),
    )
    assert [text for _, _, text in found] == [
        "Delivery is paused.",
        "1 request was refused in the last hour: body too slow (1).",
        "1 dead letter.",
    ]


def test_healthy_service_needs_no_attention() -> None:
    """Disabled connections are a person's choice, and traffic without refusals is no news."""
    inputs = (InputFigures("web", Traffic(5, {}), []),)
    queue = QueueCounts(7, 0, 0, None, 0)
    assert texts(connection("Off", "disabled"), connection("Fine", queue=queue), inputs=inputs) == []


def test_menu_counts_only_what_there_is() -> None:
    """Numbers without meaning would hide those that have one; a reader hears what is counted."""
    assert menu_counts(AttentionView(0, 0, 0)) == {}
    both = menu_counts(AttentionView(paused_connections=1, dead_letters=1, stopped_connections=2))
    assert {path: (each.count, each.words) for path, each in both.items()} == {
        "/connections": (2, "paused or refused"),
        "/dead-letters": (1, "dead letter"),
    }
    assert menu_counts(AttentionView(0, 5, 0))["/dead-letters"].words == "dead letters"
