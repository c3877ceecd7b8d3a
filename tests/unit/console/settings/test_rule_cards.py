"""Forwarding rules as cards: the API's problems stand at the fields that they name."""

from tiktok_forwarder.console.settings.places import ProblemPlaces
from tiktok_forwarder.console.settings.rule_cards import rule_cards, wrong_rules
from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.mapping.connection import read_connection

GOOD = {"name": "good", "action": "only_forward", "when": [{"event_name": True, "is": ["purchase"]}]}
WRONG = {
    "name": "",
    "action": "do_not_forward",
    "when": [
        {"user_attribute": "", "is": ["staff"]},
        {"product": "price", "at_least": "much"},
        {"page_host": True, "is": []},
        {"identity": "email", "exists": True},
    ],
}
EMPTY = {"name": "empty", "action": "limit_data_use", "when": []}


def problems_of(*rules: object) -> list[str]:
    try:
        read_connection({"name": "Shop", "pixel_id": "C9", "forwarding_rules": list(rules)}, needs_token=False)
    except ConfigurationError as error:
        return list(error.problems)
    raise AssertionError("the rules are accepted")


def test_every_problem_stands_at_its_field() -> None:
    """All problems are shown at the same time, each with a link to what is to be changed."""
    rules = (GOOD, WRONG, EMPTY)
    cards = rule_cards(rules, ProblemPlaces(problems_of(*rules)))
    assert [(each.anchor, each.label) for each in wrong_rules(cards)] == [
        ("rule1-name", "Forwarding rule 2, name"),
        ("rule1-if0-name", "Forwarding rule 2, condition 1"),
        ("rule1-if1-values", "Forwarding rule 2, condition 2"),
        ("rule1-if2-values", "Forwarding rule 2, condition 3"),
        ("rule2", "Forwarding rule 3"),
    ]
    assert cards[1].conditions[1].problems == ["must be a number, not 'much'"]
    assert len(wrong_rules(cards)) == len(problems_of(*rules))


def test_a_kept_rule_shows_all_of_its_problems_itself() -> None:
    """It has no fields that they could stand at."""
    rule = {**WRONG, "name": "two\nlines"}
    [card] = rule_cards([rule], ProblemPlaces(problems_of(rule)))
    assert card.conditions == [] and len(card.problems[""]) == len(problems_of(rule))


def test_a_card_says_what_its_rule_does() -> None:
    """The sentence is that of the rule as it stands."""
    [card] = rule_cards([GOOD], ProblemPlaces())
    assert (card.number, card.sentence) == (1, "Only forward if the event name is purchase")
