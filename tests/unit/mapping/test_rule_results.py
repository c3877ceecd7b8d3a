"""Which forwarding rules held, and why: the results agree with what the mapping does."""

import json
from typing import Any

import msgspec
import pytest

from tests.golden.cases import connection_of
from tests.unit.mapping.batches import RECEIVED_AT_MS, batch_of, order, outcomes_of, purchase
from tiktok_forwarder.domain.outcome import Dropped, Mapped
from tiktok_forwarder.mapping.explanation.rule_results import RuleResult, Traced, TracingMapper
from tiktok_forwarder.mparticle.parse import Bounds, parse_body

SHOP = {"name": "shop only", "action": "only_forward", "when": [{"page_host": True, "is": ["shop.example.com"]}]}
STAFF = {
    "name": "no staff",
    "action": "do_not_forward",
    "when": [{"user_attribute": "role", "is": ["staff"]}, {"identity": "any", "exists": True}],
}
LIMITED = {"name": "cheap", "action": "limit_data_use", "when": [{"product": "price", "at_most": 5}]}
RULES = [SHOP, STAFF, LIMITED]


def traced(batch: dict[str, Any], **settings: Any) -> list[Traced]:
    (parsed,) = parse_body(json.dumps(batch).encode(), Bounds())
    return TracingMapper(connection_of({"forwarding_rules": RULES, **settings})).trace_batch(parsed, RECEIVED_AT_MS)


def held(results: tuple[RuleResult, ...]) -> dict[str, bool]:
    return {result.name: result.held for result in results}


def test_each_condition_shows_what_it_found() -> None:
    """Values are those of the batch, one of each product; an identity is shown by its kind alone."""
    event = order(products=[{"id": "a", "price": 3}, {"id": "b", "price": "20"}])
    [(outcome, results)] = traced(batch_of(event, user_attributes={"role": "Staff"}))
    assert isinstance(outcome, Dropped) and outcome.reason == "filtered_by_rule"
    assert held(results) == {"shop only": True, "no staff": True, "cheap": True}
    assert [[(each.found, each.held) for each in result.conditions] for result in results] == [
        [(("shop.example.com",), True)],
        [(("Staff",), True), (("external_id",), True)],
        [(("3", "20"), True)],
    ]


def test_a_rule_fails_with_one_of_its_conditions() -> None:
    """An absent value is found as nothing, and the conditions beside it are shown all the same."""
    [(outcome, results)] = traced(batch_of(purchase()))
    assert isinstance(outcome, Mapped)
    assert held(results) == {"shop only": True, "no staff": False, "cheap": False}
    assert [(each.found, each.held) for each in results[1].conditions] == [((), False), (("external_id",), True)]


@pytest.mark.parametrize("settings", [{"enabled": False}, {"standard_events": []}, {"forwarding_rules": []}])
def test_an_earlier_check_leaves_no_results(settings: dict[str, Any]) -> None:
    """Rules that were not asked have no result."""
    assert [results for _, results in traced(batch_of(purchase()), **settings)] == [()]


def test_a_later_check_keeps_the_results() -> None:
    """The rules were asked before the event was found to be too old."""
    [(outcome, results)] = traced(batch_of(purchase(timestamp_unixtime_ms=RECEIVED_AT_MS - 40 * 86_400_000)))
    assert isinstance(outcome, Dropped) and outcome.reason == "event_too_old" and len(results) == len(RULES)


def test_every_outgoing_event_has_its_own_results() -> None:
    """Rules may ask for TikTok's event, which differs where two mappings match."""
    rule = {"name": "leads", "action": "only_forward", "when": [{"tiktok_event": True, "is": ["lead"]}]}
    mappings: list[dict[str, Any]] = [
        {"event": name, "event_type": "commerce_event", "event_name": "purchase", "properties": {}}
        for name in ("Lead", "Contact")
    ]
    found = traced(batch_of(purchase(), purchase()), forwarding_rules=[rule], custom_mappings=mappings)
    assert [results[0].held for _, results in found] == [True, False, True, False]
    assert [isinstance(outcome, Mapped) for outcome, _ in found] == [True, False, True, False]


def test_tracing_changes_no_outcome() -> None:
    """A preview shows what the service would do."""
    batch = batch_of(purchase(), order(products=[{"id": "a", "price": 1}]), 5, user_attributes={"role": "guest"})
    assert [outcome for outcome, _ in traced(batch)] == outcomes_of(batch, forwarding_rules=RULES)


def test_results_survive_json() -> None:
    """The console reads them from the API's answer as they were."""
    [(_, results)] = traced(batch_of(purchase()))
    assert msgspec.json.decode(msgspec.json.encode(results), type=tuple[RuleResult, ...]) == results
