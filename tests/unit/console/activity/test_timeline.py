"""An event's way as steps: each says what happened, in the order in which it did."""

from tests.unit.console.activity.records import CATALOG, answer, record
from tiktok_forwarder.console.activity.timeline import is_pending, steps


def test_a_way_from_receipt_over_a_retry_to_delivery() -> None:
    """With the settings' revision, TikTok's answers, the size of the request and how long it took."""
    way = [
        record("accepted", source="commerce_event purchase", connection_revision=3),
        record("retry", reason="try_later", answer=answer(50000), attempts=1, due_ms=70_000),
        record("delivered", answer=answer(0), attempts=2, group_events=110, accepted_at_ms=1000, at_ms=121_000),
    ]
    received, tried, delivered = steps(way, CATALOG)
    told = "mParticle's purchase (commerce event) became TikTok's PlaceAnOrder"
    assert received.sentences[0] == f"{told}, by revision 3 of the connection's settings."
    assert tried.title == "Attempt failed; retry scheduled" and tried.due_ms == 70_000
    assert tried.answer_meaning == "System error at TikTok."
    assert list(delivered.sentences) == [
        "TikTok accepted it 2 minutes after it was received.",
        "Attempts so far: 2.",
        "The request contained 110 events.",
    ]
    assert not is_pending(way) and is_pending(way[:2]) and is_pending(way[:1])


def test_a_drop_says_why_and_what_to_change() -> None:
    """In the mapping's own words, with the advice for its reason."""
    [step] = steps([record("dropped", event="", reason="missing_page_url", detail="there is no page URL")], CATALOG)
    assert (step.title, list(step.sentences)) == ("Dropped: Missing page URL", ["There is no page URL."])
    assert step.advice is not None and step.advice.setting == "page_url_fallback"


def test_what_came_again_does_not_change_how_it_ended() -> None:
    """A duplicate of a delivered event is on no way; one of a waiting event leaves it waiting."""
    duplicate = record("duplicate")
    assert not is_pending([record("delivered"), duplicate])
    assert is_pending([record("accepted"), duplicate])
    assert not is_pending([duplicate])


def test_a_dead_letter_a_request_and_a_pause_have_steps_too() -> None:
    """Each with its advice, its size or its reason; nothing is said of what is not known."""
    dead, request, paused = steps(
        [
            record("dead_letter", reason="unconfirmed", attempts=3),
            record("attempted", event_id="", reason="throttled", group_events=1, answer=answer(40100)),
            record("condition", reason="paused", detail="by hand"),
        ],
        CATALOG,
    )
    assert (
        dead.title == "Moved to dead letters: Unconfirmed"
        and dead.advice is not None
        and "Attempts so far: 3." in dead.sentences
    )
    assert request.title == "Sent to TikTok" and "The request contained 1 event." in request.sentences
    assert (paused.state, paused.title, list(paused.sentences)) == ("paused", "Delivery state: paused", ["By hand."])
