"""A record as a row: what it is of, what it means, and the page that tells more."""

import pytest

from tests.unit.console.activity.records import CATALOG, answer, record
from tiktok_forwarder.console.activity.rows import row_of
from tiktok_forwarder.mapping.explanation.advice import ADVICE_ON_DEAD_LETTERS, ADVICE_ON_DROPS


def test_a_drop_says_its_reason_and_what_that_means() -> None:
    """Under its name at mParticle, since it has none at TikTok."""
    row = row_of(record("dropped", event="", reason="missing_ip", source="custom_event Site Search"), CATALOG)
    assert (row.about, row.why) == ("Site Search (custom event)", "Missing IP address")
    assert row.meaning == ADVICE_ON_DROPS["missing_ip"].meaning
    assert row.page == "/activity/cn_1/-/m1"


@pytest.mark.parametrize(("reason", "state"), [("missing_page_url", "dropped loss"), ("missing_identity", "dropped")])
def test_drop_is_red_only_if_it_costs_conversions(reason: str, state: str) -> None:
    """A shop has anonymous visitors all day, which is no alarm."""
    assert row_of(record("dropped", reason=reason), CATALOG).state == state


def test_a_drop_by_a_forwarding_rule_names_the_rule() -> None:
    """The reason alone does not: a connection may have many rules."""
    detail = "The rule no staff says Do Not Forward."
    row = row_of(record("dropped", reason="filtered_by_rule", detail=detail), CATALOG)
    assert (row.why, row.meaning) == ("Filtered by rule", detail)
    row = row_of(record("dropped", reason="filtered_by_rule"), CATALOG)
    assert row.meaning == ADVICE_ON_DROPS["filtered_by_rule"].meaning


@pytest.mark.parametrize("event_id", ["", ".", ".."])
def test_what_no_address_can_name_is_found_by_its_number(event_id: str) -> None:
    """An event without an id, or with one that a browser takes for a step in the path."""
    assert (
        row_of(record("dropped", event="", event_id=event_id, reason="missing_ip"), CATALOG).page
        == "/activity/record/7"
    )


def test_any_other_event_id_stands_in_the_address() -> None:
    """Whatever it holds."""
    row = row_of(record("accepted", event_id="a/b?c#d%e"), CATALOG)
    assert row.page == "/activity/cn_1/PlaceAnOrder/a%2Fb%3Fc%23d%25e"


def test_an_event_nothing_is_known_of_has_a_name_all_the_same() -> None:
    """The link needs words."""
    row = row_of(record("dropped", event="", event_id="", reason="malformed_event"), CATALOG)
    assert row.about == "Unreadable event"


def test_requests_and_conditions_are_shown_as_what_they_are() -> None:
    """A request with its size and TikTok's code; a condition as the state it led to, with the reason."""
    request = row_of(
        record("attempted", event="", event_id="", reason="bad_event", group_events=1234, answer=answer(40002)), CATALOG
    )
    assert (request.about, request.why) == ("Request of 1,234 events", "One event rejected")
    assert request.meaning.endswith("TikTok's code: 40002.")
    paused = row_of(
        record("condition", event="", event_id="", reason="paused", detail="The token has expired."), CATALOG
    )
    assert (paused.about, paused.state, paused.outcome) == ("Delivery state", "paused", "paused")
    assert paused.meaning == "The token has expired."


def test_what_went_well_names_its_warnings() -> None:
    """And what is dead its reason."""
    assert row_of(record("accepted", warnings=["ttclid_too_long", "missing_currency"]), CATALOG).why == (
        "Click ID too long, Missing currency"
    )
    dead = row_of(record("dead_letter", reason="refused"), CATALOG)
    assert (dead.outcome, dead.meaning) == ("dead letter", ADVICE_ON_DEAD_LETTERS["refused"].meaning)
    retry = row_of(record("retry", reason="try_later", due_ms=99_000), CATALOG)
    assert retry.due_ms == 99_000 and retry.meaning == "Nothing is wrong with the events. They are sent again."
