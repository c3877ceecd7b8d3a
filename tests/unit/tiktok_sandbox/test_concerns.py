"""What TikTok accepts and the sandbox warns of: each rule once for each API, and the official samples."""

import json
from typing import Any

import pytest

from tests.unit.tiktok_sandbox.requests import (
    ABSENT,
    DIGEST,
    EVENT_TRACK,
    NOW_SECONDS,
    PIXEL_BATCH,
    PIXEL_TRACK,
    event_1_0,
    event_2_0,
    event_track,
    judged,
    pixel_batch,
    pixel_track,
)
from tiktok_sandbox.concerns import CONCERNS

DAY = 86_400
NO_KEYS_2_0 = {f"user__{name}": ABSENT for name in ("ttclid", "ttp", "email", "phone", "external_id", "ip")}
NO_KEYS_1_0 = {"context__ad": {}, "context__user": {}, "context__ip": ABSENT}
EMAIL_URL = "https://shop.example.com/?mail=jane%40example.com"

WARNED_2_0: list[tuple[int, str, dict[str, Any], str, str]] = [
    (16, "web", {"event_time": NOW_SECONDS * 1000}, "event_time", "milliseconds"),
    (22, "web", {"properties__content_type": "socks"}, "properties.content_type", "product_group"),
    (22, "web", {"properties__contents__0__content_type": []}, "properties.contents.0.content_type", "product_group"),
    (23, "web", {"properties__currency": "BGN"}, "properties.currency", "list of currencies"),
    (25, "web", {"user__external_id": "user_12345678"}, "user.external_id", "digest"),
    (25, "web", {"user__external_id": [DIGEST, "user_1"]}, "user.external_id", "digest"),
    (25, "web", {"user__first_name": "jane"}, "user.first_name", "digest"),
    (26, "web", {"page__url": EMAIL_URL}, "page.url", "email"),
    (26, "web", {"properties__description": "for jane@example.com"}, "properties.description", "email"),
    (26, "web", {"properties__contents__0__content_name": "a@example.com"}, "properties.contents.0.content_name", "ma"),
    (27, "web", {"user__ip": DIGEST}, "user.ip", "unhashed"),
    (27, "web", {"user__ttp": DIGEST}, "user.ttp", "unhashed"),
    (28, "web", {"user__ip": "123.456.789.1"}, "user.ip", "not an IP address"),
    (28, "web", {"user__ip": "192.168.1.7"}, "user.ip", "private"),
    (28, "web", {"user__ip": "fe80::1"}, "user.ip", "private"),
    (29, "web", {"page": ABSENT}, "page.url", "required"),
    (29, "web", {"page__url": "android-app://shop"}, "page.url", "not a valid URL"),
    (35, "web", {"limited_data_use": True, "user__ip": ABSENT}, "limited_data_use", "user.ip"),
    (38, "web", {"user__ttclid": "__CLICKID__"}, "user.ttclid", "macro"),
    (38, "web", {"user__ttclid": "abc"}, "user.ttclid", "E.C.P"),
    (39, "web", {"user__idfa": "EA7583CD"}, "user.idfa", "web"),
    (39, "offline", {}, "limited_data_use", "page"),
    (39, "crm", {"lead__lead_id": "1", "page": ABSENT, "limited_data_use": ABSENT}, "user.ip", "ttclid"),
    (39, "app", {"app__app_id": "id1", "page": ABSENT}, "event_id", "app"),
    (40, "web", {"ttclid": "E.C.P."}, "ttclid", "unknown"),
    (40, "web", {"user__ttclidX": "E.C.P."}, "user.ttclidX", "unknown"),
    (40, "web", {"properties__contents__0__sku": "1"}, "properties.contents.0.sku", "unknown"),
    (41, "web", NO_KEYS_2_0, "user", "match"),
    (42, "web", {"properties__value": ABSENT}, "properties.value", "order"),
    (42, "web", {"event": "PlaceAnOrder", "properties__currency": ABSENT}, "properties.currency", "order"),
    (44, "web", {"event_time": NOW_SECONDS - 8 * DAY}, "event_time", "older than 7 days"),
    (44, "web", {"event_time": NOW_SECONDS - 29 * DAY}, "event_time", "older than 28 days"),
    (44, "web", {"event_time": NOW_SECONDS + 3600}, "event_time", "future"),
]
WARNED_1_0: list[tuple[int, dict[str, Any], str, str]] = [
    (17, {"timestamp": 1750000000}, "timestamp", "ISO 8601"),
    (17, {"timestamp": "yesterday at Three"}, "timestamp", "ISO 8601"),
    (22, {"properties__contents__0__content_type": "socks"}, "properties.contents.0.content_type", "product_group"),
    (23, {"properties__currency": "usd"}, "properties.currency", "list of currencies"),
    (25, {"context__user__external_id": "user_1"}, "context.user.external_id", "digest"),
    (26, {"context__page__url": EMAIL_URL}, "context.page.url", "email"),
    (27, {"context__user_agent": DIGEST}, "context.user_agent", "unhashed"),
    (28, {"context__ip": "10.0.0.1"}, "context.ip", "private"),
    (29, {"context__page": ABSENT}, "context.page.url", "required"),
    (38, {"context__ad__callback": "abc"}, "context.ad.callback", "E.C.P"),
    (40, {"event_time": 1}, "event_time", "unknown"),
    (40, {"context__user__phone": DIGEST}, "context.user.phone", "unknown"),
    (40, {"context__ad__ttclid": "E.C.P"}, "context.ad.ttclid", "unknown"),
    (41, NO_KEYS_1_0, "context.user", "match"),
    (42, {"properties": {}}, "properties.value", "order"),
    (44, {"timestamp": "2024-01-01T00:00:00Z"}, "timestamp", "older than 28 days"),
    (44, {"timestamp": "2035-01-01T00:00:00"}, "timestamp", "future"),
]

OFFICIAL_2_0 = {
    "event_source": "web",
    "event_source_id": "A1T8T4UYGVIQA8ORZMX9",
    "data": [
        {
            "event": "Purchase",
            "event_time": 1687758765,
            "event_id": "12345",
            "user": {
                "external_id": "user_12345678",
                "phone": "0c7e6a405862e402eb76a70f8a26fc732d07c32931e9fae9ab1582911d2e8a3b",
                "email": "123456405862e402eb76a70f8a26fc732d07c32931e9fae9ab1582911d2e8a3b",
                "ip": "123.456.789.1",
                "locale": "en_US",
                "user_agent": "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15",
            },
            "properties": {
                "currency": "USD",
                "value": 200.0,
                "content_type": "product",
                "description": "some product decription",
                "contents": [
                    {
                        "price": 100.0,
                        "quantity": 2,
                        "content_id": "12345",
                        "content_name": "Fancy-AirMax2.0 Black",
                        "content_category": "Shoes - Running Shoes",
                        "brand": "Fancy Sneakers",
                    }
                ],
            },
        }
    ],
}
OFFICIAL_1_0 = {
    "pixel_code": "A1T8T4UYGVIQA8ORZMX9",
    "event": "CompletePayment",
    "event_id": "1616318632825_357",
    "timestamp": "2020-09-17T19:49:27Z",
    "context": {
        "ad": {"callback": "E.C.P.v3fQ2RHacdksKfofPmlyuStIIHJ4Af1tKYxF9zz2c2PLx1Oaw15oHpcfl5AH"},
        "page": {"url": "http://demo.mywebsite.com/purchase", "referrer": "http://demo.mywebsite.com"},
        "user": {
            "external_id": "80fba0ae1c48e3978e43e4efc365e14e12ea0c830ba8ba5b9a2dafc7e3f2ab8b",
            "phone_number": "9f7ec22d72092cd3c0b58726ed9c2d91b92e51a3f29837508fb2948bb22dd2fd",
            "email": DIGEST,
            "ttp": "94e2a4j9-h3ss-k2h5-98cc-c84a745mk098",
        },
        "ip": "13.57.97.131",
        "user_agent": "Mozilla/5.0 (platform; rv:geckoversion) Gecko/geckotrail Firefox/firefoxversion",
    },
    "properties": {
        "currency": "USD",
        "value": 46.00,
        "contents": [
            {"price": 8, "quantity": 2, "content_type": "product", "content_id": "1077218", "content_name": "socks"},
            {"price": 30, "quantity": 1, "content_type": "product", "content_id": "1197218", "content_name": "dress"},
        ],
    },
}


@pytest.mark.parametrize(("rule", "source", "changes", "field", "words"), WARNED_2_0)
def test_a_2_0_event_is_taken_with_a_warning(
    rule: int, source: str, changes: dict[str, Any], field: str, words: str
) -> None:
    """Code 0, and the rule, the field and the problem stand with the event."""
    verdict = judged(EVENT_TRACK, event_track(event_2_0(**changes), source=source))
    assert verdict.code == 0
    assert (rule, field) in {(each.rule, each.field) for each in verdict.warnings[0]}
    assert any(each.rule == rule and words in each.problem for each in verdict.warnings[0])


@pytest.mark.parametrize(("rule", "changes", "field", "words"), WARNED_1_0)
def test_a_1_0_event_is_taken_with_a_warning(rule: int, changes: dict[str, Any], field: str, words: str) -> None:
    """The same for single events and for those of a batch."""
    for path, body in (
        (PIXEL_TRACK, pixel_track(event_1_0(**changes))),
        (PIXEL_BATCH, pixel_batch(event_1_0(**changes))),
    ):
        verdict = judged(path, body)
        assert verdict.code == 0
        assert any(
            each.rule == rule and each.field == field and words in each.problem for each in verdict.warnings[0]
        ), verdict.warnings


def test_one_fault_gives_one_warning() -> None:
    """A warning is about what was changed, not about its neighbours."""
    verdict = judged(EVENT_TRACK, event_track(event_2_0(user__ip="10.1.2.3")))
    assert [each.rule for each in verdict.warnings[0]] == [28]


def test_warnings_stay_with_their_event() -> None:
    """The second of three is warned of, the others are not."""
    verdict = judged(EVENT_TRACK, event_track(event_2_0(), event_2_0(user__ttclid="abc"), event_2_0()))
    assert [[each.rule for each in warnings] for warnings in verdict.warnings] == [[], [38], []]


def test_a_warning_never_repeats_the_value() -> None:
    """What a warning is about may be personal."""
    verdict = judged(EVENT_TRACK, event_track(event_2_0(page__url=EMAIL_URL, user__external_id="secret-7")))
    text = json.dumps([[each.field, each.problem] for each in verdict.warnings[0]])
    assert "jane" not in text
    assert "secret-7" not in text


def test_the_official_2_0_sample_is_taken() -> None:
    """TikTok's own sample breaks four of its rules and is old: warnings, no refusal."""
    verdict = judged(EVENT_TRACK, OFFICIAL_2_0)
    assert verdict.code == 0
    assert {(each.rule, each.field) for each in verdict.warnings[0]} == {
        (25, "user.external_id"),
        (28, "user.ip"),
        (29, "page.url"),
        (44, "event_time"),
    }


def test_the_official_1_0_sample_is_taken() -> None:
    """Nothing is wrong with it but its age."""
    verdict = judged(PIXEL_TRACK, OFFICIAL_1_0)
    assert verdict.code == 0
    assert [each.rule for each in verdict.warnings[0]] == [44]


def test_a_crm_event_is_matched_by_its_lead() -> None:
    """The least that TikTok documents for crm needs no person's keys."""
    lead = {"event": "Lead", "event_time": NOW_SECONDS, "lead": {"lead_id": "1234567890"}}
    verdict = judged(EVENT_TRACK, event_track(lead, source="crm"))
    assert verdict.code == 0
    assert not any(verdict.warnings)


def test_deep_nesting_is_searched_without_recursion() -> None:
    """An e-mail address 900 levels down is found."""
    nested: Any = "jane@example.com"
    for _ in range(900):
        nested = {"n": nested}
    body = event_track(event_2_0(properties__description="x@", extra=nested))
    assert 26 in {each.rule for each in judged(EVENT_TRACK, body).warnings[0]}


def test_unknown_members_of_the_envelope_are_warned_of() -> None:
    """Rule 40: a misplaced member beside the list is lost at TikTok without an error."""
    for path, body in (
        (EVENT_TRACK, {**event_track(event_2_0()), "test_event_cod": "T"}),
        (PIXEL_BATCH, {**pixel_batch(event_1_0()), "test_event_cod": "T"}),
    ):
        verdict = judged(path, body)
        assert [(each.rule, each.field) for each in verdict.envelope_warnings] == [(40, "test_event_cod")]


def test_every_concern_is_tested() -> None:
    """The tables above leave no rule out, for either API."""
    tested = {("2.0", row[0]) for row in WARNED_2_0} | {("1.0", row[0]) for row in WARNED_1_0}
    assert tested == {(api, rule.number) for rule in CONCERNS for api in rule.apis}
