"""What TikTok's answers mean, table by table."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiktok_forwarder.domain.outcome import Accepted, BadEvent, Misconfigured, Throttled, TooLarge, TryLater
from tiktok_forwarder.tiktok.answers import classify
from tiktok_forwarder.tiktok.codes import CODES

NOW_MS = 1_760_000_000_000


def answer_body(code: object, message: str = "text", **members: object) -> bytes:
    return msgspec.json.encode({"code": code, "message": message, "request_id": "r-1", "data": {}, **members})


def verdict_of(body: bytes, status: int = 200, retry_after: str | None = None) -> object:
    return classify(status, body, retry_after, NOW_MS)


# TikTok's list, code by code, written down apart from the table that the program uses.
CLASSES = {
    Accepted: [0, 20001, 40050],
    Throttled: [40016, 40100, 40132, 40133, 61000],
    TryLater: [40202, 40700, 50000, 50002, 51010, 51012, 51999, 52001, 60001, 50999, 59999, 61001, 69999],
    BadEvent: [40000, 40002, 40011, 40062, 40064, 41999, 42000, 49999],
    TooLarge: [40061],
    Misconfigured: [
        *(40101, 40102, 40104, 40105, 40106, 40110, 40113, 40115, 40116),
        *(40001, 40003, 40117, 40118, 40119, 40124, 40125, 40130, 40131, 40300, 40301, 41000),
        *(40006, 40051, 40007, 40008, 40010, 40009, 40013, 40014, 40063, 40400, 41001, 41002),
        *(40103, 40199),
    ],
}
EVERY_CODE = [(code, kind) for kind, codes in CLASSES.items() for code in codes]


@pytest.mark.parametrize("status", [200, 400, 401, 500])
@pytest.mark.parametrize(("code", "kind"), EVERY_CODE)
def test_the_code_decides_whatever_the_status(code: int, kind: type, status: int) -> None:
    """Every code of TikTok's list has its verdict, on each HTTP status it may come with."""
    verdict = verdict_of(answer_body(code), status)
    assert type(verdict) is kind
    assert isinstance(verdict, Accepted | BadEvent | TooLarge | Throttled | TryLater | Misconfigured)
    assert (verdict.answer.code, verdict.answer.status, verdict.answer.request_id) == (code, status, "r-1")


def test_every_code_of_the_table_is_tested_above() -> None:
    """A code cannot be added to the table without saying here what it must mean."""
    assert set(CODES) <= {code for code, _ in EVERY_CODE}


@pytest.mark.parametrize("code", CLASSES[Misconfigured])
def test_a_misconfiguration_says_what_is_wrong_and_what_to_do(code: int) -> None:
    """The explanation is at least two sentences in plain words."""
    verdict = verdict_of(answer_body(code))
    assert isinstance(verdict, Misconfigured)
    what_is_wrong, what_to_do = verdict.explanation.split(". ", 1)
    assert len(what_is_wrong) > 20
    assert len(what_to_do) > 20


@pytest.mark.parametrize(
    "code", [None, "0", "OK", False, True, 0.0, 1.0, 40002.0, [], {}, -1, 1, 99, 200, 39999, 70000, 10**12, 10**30]
)
def test_only_an_integer_in_a_known_range_is_a_verdict(code: object) -> None:
    """A code of another type, or a number that means nothing, is retried: the events may have arrived."""
    body = f'{{"code":{msgspec.json.encode(code).decode() if code != 10**30 else code},"message":"OK"}}'.encode()
    verdict = verdict_of(body)
    assert isinstance(verdict, TryLater)
    assert verdict.may_have_arrived
    assert verdict.answer.code is None


NO_VERDICT = [
    pytest.param(b"", id="nothing"),
    pytest.param(b"{}", id="no code"),
    pytest.param(b'{"code":0,"mess', id="truncated"),
    pytest.param(b'{"code":0}\x00', id="NUL after it"),
    pytest.param(b"\x00\x00\x00", id="NULs"),
    pytest.param(b'{"code":0,"message":"\xff"}', id="bad UTF-8"),
    pytest.param(b"<html><body>code: 0</body></html>", id="HTML"),
    pytest.param(b"[" * 100_000, id="deep nesting"),
    pytest.param(b'{"code":' + b"9" * 5000 + b"}", id="endless integer"),
    pytest.param(b'[{"code":0}]', id="array"),
    pytest.param(b"0", id="bare zero"),
    pytest.param(b"\x1f\x8b\x08\x00", id="gzip bytes"),
]


@pytest.mark.parametrize("body", NO_VERDICT)
def test_an_unreadable_success_is_no_success(body: bytes) -> None:
    """HTTP 200 without a readable code is retried, and never taken for a delivery."""
    assert isinstance(verdict_of(body), TryLater)


@pytest.mark.parametrize(
    ("status", "kind", "may_have_arrived"),
    [
        *((status, TryLater, True) for status in (200, 202, 204, 500, 502, 504, 599)),
        *((status, TryLater, False) for status in (408, 503)),
        *((status, Misconfigured, None) for status in (301, 302, 307, 308, 400, 401, 403, 404, 405, 418)),
        (429, Throttled, None),
        (413, TooLarge, None),
    ],
)
def test_the_status_decides_without_a_code(status: int, kind: type, may_have_arrived: bool | None) -> None:
    """Without TikTok's JSON, the status says whether to retry, slow down, pause or halve."""
    verdict = verdict_of(b"<html>Bad gateway</html>", status)
    assert type(verdict) is kind
    if isinstance(verdict, TryLater):
        assert verdict.may_have_arrived is may_have_arrived


def http_date(seconds_from_now: float) -> str:
    return format_datetime(
        datetime.fromtimestamp(NOW_MS / 1000, UTC) + timedelta(seconds=seconds_from_now), usegmt=True
    )


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        (None, None),
        ("2", 2.0),
        (" 120 ", 120.0),
        ("1.5", 1.5),
        ("0", 1.0),
        ("301", 300.0),
        ("1000000000", 300.0),
        ("9" * 400, 300.0),
        ("1e9", None),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("²", None),
        (http_date(30), 30.0),
        (http_date(-3600), 1.0),
        (http_date(86400), 300.0),
        ("Mon, 99 Foo 2026 00:00:00 GMT", None),
    ],
)
def test_retry_after_is_read_within_bounds(retry_after: str | None, seconds: float | None) -> None:
    """Seconds and HTTP dates are kept within 1 to 300 s; what cannot be read is ignored."""
    by_code = verdict_of(answer_body(40100), 401, retry_after)
    by_status = verdict_of(b"", 429, retry_after)
    assert isinstance(by_code, Throttled)
    assert isinstance(by_status, Throttled)
    assert by_code.retry_after_seconds == by_status.retry_after_seconds == seconds


@pytest.mark.parametrize(
    ("message", "index"),
    [
        ("Batch.0.properties.contents.0.content_id: Not a valid string", 0),
        ("Batch.17.properties.contents.0.content_id: Not a valid string", 17),
        ("Invalid value for data. 0 .event_id: not a valid string.", 0),
        ("Invalid value for data.999.event_id", 999),
        ("data. 17 .event_id", 17),
        ("Invalid value for data.3.event_id: 'pixel_code'", 3),
        ("Invalid value for event_id: not a valid string.", None),
        ("metadata.3.event", None),
        ("", None),
    ],
)
def test_the_bad_events_index_is_read_from_the_message(message: str, index: int | None) -> None:
    """TikTok's spellings of a place inside the group give the index, counted from 0."""
    verdict = verdict_of(answer_body(40002, message))
    assert isinstance(verdict, BadEvent)
    assert verdict.index == index


@pytest.mark.parametrize("field", ["event_source_id", "event_source", "pixel_code", "test_event_code", "partner_name"])
def test_a_refused_field_of_the_envelope_is_a_misconfiguration(field: str) -> None:
    """A 40002 that names what every request carries is not an event's fault."""
    verdict = verdict_of(answer_body(40002, f"Invalid value for {field}: not a valid string."))
    assert isinstance(verdict, Misconfigured)
    assert field in verdict.explanation


def test_a_partial_success_is_delivered_with_a_note() -> None:
    """The failures' texts of a 20001 are kept, with the place TikTok gives them."""
    failures = {"partial_failure": True, "failed_events": [{"order_in_batch": 2, "error": "bad currency"}, 7]}
    verdict = verdict_of(answer_body(20001, "Partially successful", data=failures))
    assert isinstance(verdict, Accepted)
    assert verdict.note == "TikTok took the group in part. Partially successful; event 2: bad currency"


def test_a_repeated_request_is_delivered_with_a_note() -> None:
    """40050 means that TikTok has the events already."""
    verdict = verdict_of(answer_body(40050, "Duplicated requests"))
    assert isinstance(verdict, Accepted)
    assert "Duplicated requests" in verdict.note


def test_40700_is_tried_a_few_times_only() -> None:
    """TikTok's internal validation error is marked for an early end."""
    verdict = verdict_of(answer_body(40700))
    assert isinstance(verdict, TryLater)
    assert verdict.few_attempts


def test_texts_are_kept_short_and_printable() -> None:
    """A long message with control characters becomes one line of at most 500 characters."""
    verdict = verdict_of(answer_body(50000, "a\r\nb\x1b[31m" + "x" * 1000, request_id="q" * 1000))
    assert isinstance(verdict, TryLater)
    assert verdict.answer.message.startswith("a  b [31m")
    assert len(verdict.answer.message) == 500
    assert len(verdict.answer.request_id) == 100


@pytest.mark.parametrize("message", [None, 5, ["x"], {"a": 1}])
def test_a_message_of_another_type_is_ignored(message: object) -> None:
    """Only the code must be right for a verdict."""
    verdict = verdict_of(msgspec.json.encode({"code": 0, "message": message, "request_id": 7, "data": "?"}))
    assert isinstance(verdict, Accepted)
    assert (verdict.answer.message, verdict.answer.request_id) == ("", "")


@given(body=st.binary(max_size=200), status=st.integers(100, 599), retry_after=st.none() | st.text(max_size=30))
def test_any_answer_has_a_verdict(body: bytes, status: int, retry_after: str | None) -> None:
    """Whatever comes back, classification neither raises nor calls noise a success."""
    assert not isinstance(classify(status, body, retry_after, NOW_MS), Accepted)
