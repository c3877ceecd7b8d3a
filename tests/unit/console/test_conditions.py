"""Conditions in forms: nothing is lost on the way from the API and back, and each is one plain sentence."""

from typing import Any

import pytest

from tests.golden.cases import CASES, connection_of
from tiktok_forwarder.console.conditions import (
    ABSENT,
    SUBJECT_CHOICES,
    DraftCondition,
    allowed_tests,
    condition_document,
    condition_sentence,
    document_sentence,
    draft_condition,
    field_label,
    lines_of,
    names_of,
    problem_label,
    read_conditions,
    without_unsupported,
)
from tiktok_forwarder.console.forms import Form
from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.mapping.conditions import SUBJECTS, TESTS
from tiktok_forwarder.mapping.connection import connection_document

Document = dict[str, Any]
STAFF: Document = {"user_attribute": "role", "is": ["staff", "admin"]}


def stored(condition: Document) -> Document:
    """The condition of a rule as the API shows it once it is saved. Raises `ConfigurationError`."""
    rule = {"name": "r", "action": "only_forward", "when": [condition]}
    rules: Any = connection_document(connection_of({"forwarding_rules": [rule]}))["forwarding_rules"]
    found: Document = rules[0]["when"][0]
    return found


def every_choice() -> list[Document]:
    """A condition for each combination of subject, name and test that the form offers."""
    found: list[Document] = []
    for subject in SUBJECT_CHOICES:
        names = names_of(subject.value)
        for test in allowed_tests(subject.value):
            for name in ["some name"] if names is None else [each.value for each in names] or [""]:
                draft = DraftCondition(subject.value, name, test.value)
                values = "2.5" if draft.has_number else "a\nb" if draft.has_values else ""
                found.append(condition_document(DraftCondition(subject.value, name, test.value, values)))
    return found


def conditions_of_cases() -> list[Document]:
    documents = [connection_document(connection_of(case.get("connection", {}))) for case in CASES.values()]
    rules: list[Any] = [rule for document in documents for rule in _list(document.get("forwarding_rules"))]
    mappings: list[Any] = [each for document in documents for each in _list(document["custom_mappings"])]
    return [each for rule in rules for each in rule["when"]] + [
        each for mapping in mappings for each in mapping.get("conditions", ())
    ]


def _list(value: Any) -> list[Any]:
    return value or []


def test_whatever_can_be_chosen_is_accepted_and_comes_back_unchanged() -> None:
    """The API accepts each combination that the form offers, and its draft gives the same document again."""
    for document in every_choice():
        assert stored(document) == document
        assert condition_document(draft_condition(document)) == document


def test_conditions_of_the_golden_cases_come_back_unchanged() -> None:
    """A draft holds everything that a condition says."""
    found = conditions_of_cases()
    assert len(found) > 10
    assert [condition_document(draft_condition(each)) for each in found] == found


def test_values_is_another_word_for_is() -> None:
    """Settings written before conditions had tests are read as well."""
    assert condition_document(draft_condition({"attribute": "list", "values": ["a"]})) == {
        "attribute": "list",
        "is": ["a"],
    }


def test_a_bound_that_is_no_number_is_left_for_the_api_to_refuse() -> None:
    """The API's message then names what was typed."""
    document = condition_document(DraftCondition("attribute", "age", "at_least", " many "))
    with pytest.raises(ConfigurationError, match="at_least: must be a number, not 'many'"):
        stored(document)


@pytest.mark.parametrize("typed", ["1e999", "nan"])
def test_a_bound_that_is_not_finite_is_left_for_the_api_to_refuse(typed: str) -> None:
    """JSON has no such number."""
    assert condition_document(DraftCondition("product", "price", "at_most", typed))["at_most"] == typed


def test_lines_are_values() -> None:
    """Blank lines and spaces around a value do not count, whatever ends a line in the browser."""
    assert lines_of(" a b \r\n\r\nc\rd\n") == ["a b", "c", "d"]


# --- the form ---


def fields_of(place: str, draft: DraftCondition) -> list[tuple[str, str]]:
    return [(f"{place}.{part}", getattr(draft, part)) for part in ("subject", "name", "test", "values")]


def test_conditions_are_read_from_their_fields() -> None:
    """All that begin with the place, in the order of their numbers; a field that the form left out is empty."""
    first, second = DraftCondition("page_host", "", "is", "shop.example.com"), DraftCondition("flag", "Hide", ABSENT)
    fields = [*fields_of("m1.if0", first), *fields_of("m2.if0", first), *fields_of("m1.if3", second)[:3]]
    assert read_conditions(Form(fields), "m1.if") == (first, second)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (DraftCondition("identity", "role", "is", "a"), DraftCondition("identity", "", "exists", "a")),
        (DraftCondition("identity", "phone", ABSENT), DraftCondition("identity", "phone", ABSENT)),
        (DraftCondition("page_path", "role", "is", "/"), DraftCondition("page_path", "", "is", "/")),
        (DraftCondition("product", "price", "at_least", "5"), DraftCondition("product", "price", "at_least", "5")),
        (DraftCondition("product", "size", "odd", "5"), DraftCondition("product", "", "is", "5")),
        (DraftCondition("odd", "size", "is", "5"), DraftCondition("attribute", "size", "is", "5")),
    ],
)
def test_a_change_of_the_subject_leaves_only_what_fits(given: DraftCondition, expected: DraftCondition) -> None:
    """Names and tests that the new subject lacks are replaced; what was typed as values is kept."""
    assert without_unsupported(given) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("user_attribute", "The condition's user attribute"),
        ("tiktok_event", "The condition's TikTok event"),
        ("at_least", "The condition's number"),
        ("is_not", "The condition's values"),
        ("values", "The condition's values"),
        ("exists", "The condition"),
        ("", "The condition"),
    ],
)
def test_a_problem_begins_with_the_part_that_it_names(path: str, expected: str) -> None:
    """The API names a part by its key, the form by its label."""
    assert problem_label(path) == expected


def test_every_subject_and_test_can_be_chosen() -> None:
    """The form offers what the mapping knows."""
    assert sorted(each.value for each in SUBJECT_CHOICES) == sorted(SUBJECTS)
    assert {each.value for each in allowed_tests("flag")} == {*TESTS, ABSENT}
    assert [each.value for each in allowed_tests("identity")] == ["exists", ABSENT]


def test_names_are_chosen_typed_or_not_needed() -> None:
    """A subject has a list of names, any name, or none."""
    assert names_of("page_host") == () and names_of("flag") is None
    assert [each.label for each in names_of("field") or ()][:2] == ["Event name", field_label("transaction_id")]
    assert [each.label for each in names_of("product") or ()][:2] == ["ID", "Name"]


# --- in words ---


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (STAFF, "the user attribute role is staff or admin"),
        ({"attribute": "list", "is_not": ["a", "b", "c"]}, "the event attribute list is not a, b or c"),
        ({"flag": "Hide", "exists": False}, "the custom flag Hide does not exist"),
        ({"field": "transaction_id", "starts_with": ["A-"]}, "the transaction ID (order number) starts with A-"),
        ({"field": "total_amount", "at_least": 50.5}, "the total amount is at least 50.5"),
        ({"product": "id", "is": ["A-1"]}, "a product's ID is A-1"),
        ({"product": "name", "is": ["Hat"]}, "a product's name is Hat"),
        ({"product": "price", "at_least": 0}, "a product's price is at least 0"),
        ({"product": "category", "is_not": ["gift", "card"]}, "no product's category is gift or card"),
        ({"product": "coupon_code", "exists": True}, "a product's coupon code exists"),
        ({"product": "coupon_code", "exists": False}, "no product's coupon code exists"),
        ({"tiktok_event": True, "contains": ["Payment"]}, "the TikTok event contains Payment"),
        ({"page_host": True, "is": ["shop.example.com"]}, "the page host is shop.example.com"),
        ({"page_path": True, "starts_with": ["/shop"]}, "the page path starts with /shop"),
        ({"identity": "email", "exists": True}, "there is an email address"),
        ({"identity": "phone", "exists": False}, "there is no phone number"),
        ({"identity": "any", "exists": False}, "there is no email address, phone number or external ID"),
        ({"attribute": "n", "is": list("abcde")}, "the event attribute n is a, b, c, d or e"),
        ({"attribute": "n", "is": list("abcdef")}, "the event attribute n is a, b, c, d or one of 2 others"),
    ],
)
def test_a_condition_is_one_clause(document: Document, expected: str) -> None:
    """People read what is tested, how, and against what; of many values only the first."""
    assert document_sentence(document) == expected
    assert condition_sentence(draft_condition(document)) == expected


@pytest.mark.parametrize(
    ("draft", "expected"),
    [
        (DraftCondition(), "the event attribute … is …"),
        (DraftCondition("user_attribute", " ", "is_not", "\n"), "the user attribute … is not …"),
        (DraftCondition("field", "", ABSENT), "the … does not exist"),
        (DraftCondition("product", "", "is_not"), "no product's … is …"),
        (DraftCondition("product", "price", "at_most", " "), "a product's price is at most …"),
        (DraftCondition("identity", "", ABSENT), "there is no identity …"),
    ],
)
def test_an_unfinished_condition_has_a_clause_too(draft: DraftCondition, expected: str) -> None:
    """A form shows it while it is typed; what is missing is an ellipsis."""
    assert condition_sentence(draft) == expected


def test_a_value_with_a_line_break_is_one_value() -> None:
    """Only a form separates values by lines."""
    assert document_sentence({"attribute": "n", "is": ["a\nb"]}) == "the event attribute n is a\nb"
