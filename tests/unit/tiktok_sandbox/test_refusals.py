"""Every rule of grade A or B that looks at an event, broken once: the code, and TikTok's words for it."""

from typing import Any

import pytest

from tests.unit.tiktok_sandbox.requests import (
    ABSENT,
    EVENT_TRACK,
    PIXEL_BATCH,
    PIXEL_TRACK,
    event_1_0,
    event_2_0,
    event_track,
    judged,
    pixel_batch,
    pixel_track,
)
from tiktok_sandbox.options import SandboxOptions
from tiktok_sandbox.refusals import PAGE_URL_RULE, REFUSALS

# Rule, event source, what is changed, the end of "Invalid value for data.1.".
BROKEN_2_0: list[tuple[int, str, dict[str, Any], str]] = [
    (0, "web", {"user": "somebody"}, "user: not a valid object or list."),
    (0, "web", {"properties": []}, "properties: not a valid object or list."),
    (0, "web", {"properties__contents": {}}, "properties.contents: not a valid object or list."),
    (0, "web", {"properties__contents": [1]}, "properties.contents.0: not a valid object or list."),
    (0, "web", {"user__ttclid": 7}, "user.ttclid: not a valid string."),
    (0, "web", {"page__url": ["https://shop.example.com/"]}, "page.url: not a valid string."),
    (14, "web", {"event": ABSENT}, "event: not a valid string."),
    (14, "web", {"event": ""}, "event: not a valid string."),
    (14, "web", {"event": 1}, "event: not a valid string."),
    (15, "offline", {"event": "MyOwnEvent"}, "event: offline events take standard events only."),
    (16, "web", {"event_time": ABSENT}, "event_time: not a valid integer."),
    (16, "web", {"event_time": "1750000000"}, "event_time: not a valid integer."),
    (16, "web", {"event_time": 1750000000.5}, "event_time: not a valid integer."),
    (16, "web", {"event_time": True}, "event_time: not a valid integer."),
    (18, "web", {"event_id": 12345}, "event_id: not a valid string."),
    (19, "web", {"properties__contents__0__content_id": 5}, "properties.contents.0.content_id: not a valid string."),
    (19, "web", {"properties__content_ids": ["1", 2]}, "properties.content_ids.1: not a valid string."),
    (19, "web", {"properties__content_ids": "1"}, "properties.content_ids: not a valid list."),
    (20, "web", {"properties__value": "46.00"}, "properties.value: not a valid number."),
    (20, "web", {"properties__value": True}, "properties.value: not a valid number."),
    (20, "web", {"properties__contents__0__price": "$8"}, "properties.contents.0.price: not a valid number."),
    (21, "web", {"properties__num_items": 1.5}, "properties.num_items: not a valid integer."),
    (21, "web", {"properties__contents__0__quantity": "2"}, "properties.contents.0.quantity: not a valid integer."),
    (30, "app", {"page": ABSENT}, "app.app_id: not a valid string."),
    (32, "crm", {"lead": {"lead_id": ""}}, "lead.lead_id: not a valid string."),
    (33, "app", {"app__app_id": "id1", "user__att_status": "MAYBE"}, "user.att_status: not a status."),
    (34, "web", {"limited_data_use": "true"}, "limited_data_use: not a valid boolean."),
    (36, "web", {"properties__customer_type": "old"}, "properties.customer_type: must be new or returning."),
    (36, "web", {"ad__attribution_share": 1.1}, "ad.attribution_share: must be from 0.0 to 1.0."),
    (37, "web", {"user__ttclid": "E.C.P." + "x" * 995}, "user.ttclid: longer than 1000 characters."),
]
BROKEN_1_0: list[tuple[int, dict[str, Any], str]] = [
    (0, {"context": []}, "context: not a valid object or list"),
    (0, {"context__ip": 3}, "context.ip: not a valid string"),
    (14, {"event": None}, "event: not a valid string"),
    (18, {"event_id": 12345}, "event_id: not a valid string"),
    (19, {"properties__contents__0__content_id": 5}, "properties.contents.0.content_id: not a valid string"),
    (19, {"properties__content_id": 5}, "properties.content_id: not a valid string"),
    (20, {"properties__value": "4,6"}, "properties.value: not a valid number"),
    (21, {"properties__contents__0__quantity": 0.5}, "properties.contents.0.quantity: not a valid integer"),
]


@pytest.mark.parametrize(("rule", "source", "changes", "words"), BROKEN_2_0)
def test_a_broken_2_0_event_refuses_the_request_and_is_named(
    rule: int, source: str, changes: dict[str, Any], words: str
) -> None:
    """The second event's fault is named with its index, counted from 0."""
    sound: dict[str, dict[str, Any]] = {"app": {"app__app_id": "id1"}, "crm": {"lead__lead_id": "1"}}
    body = event_track(event_2_0(**sound.get(source, {})), event_2_0(**changes), source=source)
    verdict = judged(EVENT_TRACK, body)
    assert (verdict.code, verdict.rule, verdict.bad_index) == (40002, rule, 1)
    assert verdict.message == f"Invalid value for data.1.{words}"


@pytest.mark.parametrize(("rule", "changes", "words"), BROKEN_1_0)
def test_a_broken_event_of_a_1_0_batch_refuses_it_and_is_named(rule: int, changes: dict[str, Any], words: str) -> None:
    """Batches are answered in the form "Batch.{i}.field: Not a valid string"."""
    verdict = judged(PIXEL_BATCH, pixel_batch(event_1_0(), event_1_0(**changes)))
    field, _, problem = words.partition(": ")
    assert (verdict.code, verdict.rule, verdict.bad_index) == (40002, rule, 1)
    assert verdict.message == f"Batch.1.{field}: {problem.capitalize()}"


@pytest.mark.parametrize(("rule", "changes", "words"), BROKEN_1_0)
def test_a_broken_single_1_0_event_is_named_without_index(rule: int, changes: dict[str, Any], words: str) -> None:
    """`/pixel/track/` has one event, so the field stands alone."""
    verdict = judged(PIXEL_TRACK, pixel_track(event_1_0(**changes)))
    assert (verdict.code, verdict.rule, verdict.message) == (40002, rule, f"Invalid value for {words}.")


@pytest.mark.parametrize("changes", [{"type": "page"}, {"type": None}])
def test_a_batch_item_is_of_type_track(changes: dict[str, Any]) -> None:
    """Rule 13: 1.0 knows no other type."""
    verdict = judged(PIXEL_BATCH, pixel_batch(event_1_0(**changes)))
    assert (verdict.code, verdict.rule, verdict.message) == (40002, 13, "Batch.0.type: Must be track")


@pytest.mark.parametrize(
    "changes",
    [
        {"user__email": "jane@example.com"},
        {"user__email": ["848a", "jane@example.com"]},
        {"user__phone": "+14155550123"},
        {"user__phone": 14155550123},
    ],
)
def test_an_identity_in_the_open_is_refused(changes: dict[str, Any]) -> None:
    """Rule 24: e-mail and phone are SHA-256 digests, or the request gets 40062, without the value."""
    verdict = judged(EVENT_TRACK, event_track(event_2_0(**changes)))
    assert (verdict.code, verdict.rule, verdict.bad_index) == (40062, 24, 0)
    assert verdict.message.startswith("PII not hashed: Invalid value for data.0.user.")
    assert "example.com" not in verdict.message


def test_a_list_of_identities_is_for_2_0_only() -> None:
    """Rule 24: 1.0 takes one digest."""
    digest = event_1_0()["context"]["user"]["email"]
    verdict = judged(PIXEL_BATCH, pixel_batch(event_1_0(context__user__email=[digest])))
    assert (verdict.code, verdict.message) == (40062, "PII not hashed: Batch.0.context.user.email: PII not hashed")


@pytest.mark.parametrize("empty", ["", [], [""]])
def test_empty_identities_pass(empty: object) -> None:
    """Partners send them where they have no value, and TikTok takes them."""
    assert judged(EVENT_TRACK, event_track(event_2_0(user__email=empty, user__phone=empty))).code == 0


@pytest.mark.parametrize("url", [ABSENT, "", "shop.example.com"])
def test_a_strict_sandbox_refuses_web_events_without_page_address(url: object) -> None:
    """Rule 29: documented as required, so a strict sandbox insists."""
    strict = SandboxOptions(strict=True)
    verdict_2_0 = judged(EVENT_TRACK, event_track(event_2_0(page__url=url)), strict)
    verdict_1_0 = judged(PIXEL_TRACK, pixel_track(event_1_0(context__page__url=url)), strict)
    assert (verdict_2_0.code, verdict_2_0.rule) == (verdict_1_0.code, verdict_1_0.rule) == (40002, 29)
    assert verdict_2_0.message.startswith("Invalid value for data.0.page.url: ")
    assert verdict_1_0.message.startswith("Invalid value for context.page.url: ")


def test_an_item_that_is_no_object_is_refused() -> None:
    """Rule 14: there is no event in it."""
    assert judged(EVENT_TRACK, event_track(event_2_0(), None)).message == (
        "Invalid value for data.1.event: not a valid string."
    )


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (EVENT_TRACK, event_track(event_2_0(), event_2_0(event_id="e-2"))),
        (EVENT_TRACK, event_track(event_2_0(properties__contents__0__quantity=2.0))),
        (PIXEL_BATCH, pixel_batch(event_1_0(), event_1_0(event_id="e-2"))),
        (PIXEL_TRACK, pixel_track(event_1_0())),
    ],
)
def test_sound_events_are_taken_without_a_word(path: str, body: dict[str, Any]) -> None:
    """What all other tests break is accepted, without a warning, when it is whole."""
    verdict = judged(path, body, SandboxOptions(strict=True))
    assert (verdict.code, verdict.message, verdict.envelope_warnings) == (0, "OK", ())
    assert not any(verdict.warnings)


def test_every_rule_is_broken_by_a_test() -> None:
    """The tables above leave no rule out."""
    tested = {row[0] for row in (*BROKEN_2_0, *BROKEN_1_0)} | {13, 24, 29}
    assert tested == {rule.number for rule in (*REFUSALS, PAGE_URL_RULE)}
