"""What TikTok's answers mean, table by table."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiktok_forwarder.domain.outcome import Accepted, BadEvent, Misconfigured, Throttled, TooLarge, TryLater
from tiktok_forwarder.tiktok.answers import classify, http_date_seconds
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


CULPRITS = {
    "token": [40101, 40102, 40103, 40104, 40105, 40106, 40110, 40115, 40116, 40130, 40131, 40199],
    "pixel": [40001, 40003, 40007, 40119, 40132, 40300, 40301],
    "app": [40016, 40100, 40113, 40117, 40124, 40125],
    "account": [40118, 40133],
    "address": [40006, 40008, 40009, 40010, 40013, 40014, 40051, 40400, 41001],
    "network": [41000],
    "forwarder": [40063, 41002],
    "service": [61000],
}
EVERY_CULPRIT = [(code, culprit) for culprit, codes in CULPRITS.items() for code in codes]


@pytest.mark.parametrize(("code", "culprit"), EVERY_CULPRIT)
def test_verdict_names_the_culprit_of_its_code(code: int, culprit: str) -> None:
    """A pause and a lower rate each fall on what TikTok's code blames."""
    verdict = verdict_of(answer_body(code))
    assert isinstance(verdict, Misconfigured | Throttled)
    assert verdict.culprit == culprit


def test_every_code_that_stops_or_slows_has_its_culprit_above() -> None:
    """A code cannot be added to the table without saying here what it blames."""
    assert {code for code, _ in EVERY_CULPRIT} == {*CLASSES[Misconfigured], *CLASSES[Throttled]}


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
    pytest.param(b'{"code":0}{"code":0}', id="two objects"),
    pytest.param(b'\xef\xbb\xbf{"code":0}', id="byte order mark"),
    pytest.param('{"code":0}'.encode("utf-16"), id="UTF-16"),
    pytest.param(b'{"code":0,"data":NaN}', id="NaN"),
    pytest.param(b'{"code":0,"data":1e400}', id="endless number"),
    pytest.param(b'{"code":0,"message":"\\ud800"}', id="half a surrogate pair"),
    pytest.param(b"\x00\x00\x00", id="NULs"),
    pytest.param(b'{"code":0,"message":"\xff"}', id="bad UTF-8"),
    pytest.param(b"<html><body>code: 0</body></html>", id="HTML"),
    pytest.param(b"[" * 100_000, id="deep nesting"),
    pytest.param(b'{"code":' + b"9" * 5000 + b"}", id="endless integer"),
    pytest.param(b'[{"code":0}]', id="array"),
    pytest.param(b"0", id="bare zero"),
    pytest.param(b"\x1f\x8b\x08\x00", id="gzip bytes"),
]


def nested(levels: int, opener: str, closer: str) -> str:
    return opener * levels + "1" + closer * levels


@pytest.mark.parametrize("brackets", [("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")], ids=["lists", "objects", "both"])
@pytest.mark.parametrize("member", ["data", "message", "request_id", "other"])
def test_answer_that_nests_100000_deep_is_read_by_its_code_or_its_status(
    member: str, brackets: tuple[str, str]
) -> None:
    """How deep a decoder reads depends on Python; its end must neither stop the delivery nor give another verdict."""
    for code in (0, 20001, 40002):
        body = f'{{"code":{code},"{member}":{nested(100_000, *brackets)}}}'.encode()
        for status, kind in ((200, TryLater), (400, Misconfigured), (429, Throttled), (500, TryLater)):
            by_status, by_code = verdict_of(b" " * len(body), status), verdict_of(f'{{"code":{code}}}'.encode(), status)
            assert type(by_status) is kind
            assert verdict_of(body, status) in (by_status, by_code)


@pytest.mark.parametrize("member", ["data", "message", "request_id", "other"])
def test_answer_is_read_by_its_code_when_it_nests_100_deep(member: str) -> None:
    """Brackets that can be read are no reason to send the events again."""
    verdict = verdict_of(f'{{"code":0,"{member}":{nested(100, "[", "]")}}}'.encode())
    assert isinstance(verdict, Accepted)


@pytest.mark.parametrize("body", NO_VERDICT)
def test_an_unreadable_success_is_no_success(body: bytes) -> None:
    """HTTP 200 without a readable code is retried, and never taken for a delivery."""
    assert isinstance(verdict_of(body), TryLater)


@pytest.mark.parametrize(
    ("status", "kind", "may_have_arrived"),
    [
        *((status, TryLater, True) for status in (200, 202, 204, 500, 502, 504, 599)),
        *((status, TryLater, False) for status in (408, 503)),
        *((status, TryLater, True) for status in (100, 201, 299, 501, 999)),
        *((status, Misconfigured, None) for status in (300, 301, 302, 307, 308, 399)),
        *(
            (status, Misconfigured, None)
            for status in (400, 401, 403, 404, 405, 407, 409, 412, 414, 418, 428, 430, 499)
        ),
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


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308, 399])
def test_explanation_says_redirect_for_3xx(status: int) -> None:
    """A server that redirects is not TikTok's, and nothing is sent to where it points."""
    verdict = verdict_of(b"", status)
    assert isinstance(verdict, Misconfigured)
    assert verdict.explanation == (
        f"The server answers with a redirect (HTTP {status}), which is never followed. "
        "Check the setting tiktok_base_url."
    )


def test_explanation_says_that_the_path_is_missing_for_404() -> None:
    """A server without TikTok's path is the wrong one."""
    verdict = verdict_of(b"", 404)
    assert isinstance(verdict, Misconfigured)
    assert verdict.explanation == "The server has no such path (HTTP 404). Check the setting tiktok_base_url."


@pytest.mark.parametrize("status", [400, 401, 403, 405, 407, 410, 418, 451, 499])
def test_explanation_names_proxy_and_firewall_for_other_refusals(status: int) -> None:
    """Where TikTok has not spoken a proxy may have, and neither a redirect nor a missing path is to blame."""
    verdict = verdict_of(b"<html>Forbidden</html>", status)
    assert isinstance(verdict, Misconfigured)
    assert verdict.explanation == (
        f"The server refuses the request with HTTP {status} and sends no TikTok code. "
        "Check the setting tiktok_base_url, and proxies and firewalls between this machine and TikTok."
    )


def http_date(seconds_from_now: float) -> str:
    return format_datetime(
        datetime.fromtimestamp(NOW_MS / 1000, UTC) + timedelta(seconds=seconds_from_now), usegmt=True
    )


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "America/Los_Angeles"])
def test_date_without_zone_is_in_gmt_on_every_machine(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The zone of the machine decides nothing."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert http_date_seconds("Wed, 01 Jan 2025 00:01:00") == 1_735_689_660
        assert http_date_seconds("Wed, 01 Jan 2025 00:01:00 GMT") == 1_735_689_660
    finally:
        monkeypatch.undo()
        time.tzset()


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
        ("9" * 20, 300.0),
        ("9" * 400, 300.0),
        ("9" * 5000, 300.0),
        ("299.99" + "0" * 400, 299.99),
        ("0." + "0" * 400 + "1", 1.0),
        ("0.999", 1.0),
        ("300", 300.0),
        ("1e9", None),
        ("1e400", None),
        ("-5", None),
        ("-" + "9" * 20, None),
        *(
            (text, None)
            for text in ("NaN", "nan", "inf", "-inf", "Infinity", "+5", "5s", "0x10", "1_000", "1,5", ".", "1.")
        ),
        ("soon", None),
        ("", None),
        ("²", None),
        (http_date(30), 30.0),
        (http_date(-3600), 1.0),
        (http_date(86400), 300.0),
        (http_date(300.0), 300.0),
        # A date without a zone is in GMT, whatever zone this machine is in.
        (http_date(30).removesuffix(" GMT"), 30.0),
        (http_date(30).replace("GMT", "-0000"), 30.0),
        (http_date(30).replace("GMT", "+0100"), 1.0),
        ("Mon, 99 Foo 2026 00:00:00 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 300.0),
        ("Mon, 01 Jan 0001 00:00:00 GMT", 1.0),
        *(
            (date, None)
            for date in (
                "Fri, 31 Dec 99999999999999999999 23:59:59 GMT",
                "Fri, 31 Dec -99999999999999999999 23:59:59 GMT",
                f"Fri, 31 Dec {'9' * 5000} 23:59:59 GMT",
                "Fri, 31 Dec 10000 00:00:00 GMT",
                "Fri, 00 Dec 2026 23:59:59 GMT",
                "Fri, 99999999999999999999 Dec 2026 23:59:59 GMT",
                "Fri, 31 Dec 2026 25:00:00 GMT",
                "Fri, 31 Dec 2026 99999999999999999999:00:00 GMT",
                "Fri, 31 Dec 2026 23:59:59 +9999",
                "Fri, 31 Dec 2026 23:59:59 +99999999999999999999",
                "Fri, 31 Dec",
                ",",
                "GMT",
            )
        ),
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
        ("data.0000.event_id", 0),
        ("data.12345.event_id", None),
        ("data.-1.event_id", None),
        ("data.3", None),
        ("metadata.3.event", None),
        ("", None),
    ],
)
def test_the_bad_events_index_is_read_from_the_message(message: str, index: int | None) -> None:
    """TikTok's spellings of a place inside the group give the index, counted from 0."""
    verdict = verdict_of(answer_body(40002, message))
    assert isinstance(verdict, BadEvent)
    assert verdict.index == index


@pytest.mark.parametrize(
    ("field", "culprit", "advice"),
    [
        ("event_source_id", "pixel", "Check the connection's Pixel ID."),
        ("pixel_code", "pixel", "Check the connection's Pixel ID."),
        (
            "test_event_code",
            "test_event_code",
            "Copy the current code from Events Manager, or remove it from the connection.",
        ),
        ("event_source", "forwarder", "This version of the forwarder may be too old."),
        ("partner_name", "forwarder", "This version of the forwarder may be too old."),
    ],
)
def test_a_refused_field_of_the_envelope_is_a_misconfiguration(field: str, culprit: str, advice: str) -> None:
    """A 40002 that names what every request carries is not an event's fault, and the setting to look at is named."""
    verdict = verdict_of(answer_body(40002, f"Invalid value for {field}: not a valid string."))
    assert isinstance(verdict, Misconfigured)
    assert verdict.explanation == f"TikTok refuses the request's {field} (code 40002). {advice}"
    assert verdict.culprit == culprit


def test_a_partial_success_is_delivered_with_a_note() -> None:
    """The failures' texts of a 20001 are kept, with the place TikTok gives them."""
    failures = {"partial_failure": True, "failed_events": [{"order_in_batch": 2, "error": "bad currency"}, 7]}
    verdict = verdict_of(answer_body(20001, "Partially successful", data=failures))
    assert isinstance(verdict, Accepted)
    assert verdict.note == "TikTok accepted part of the group. Partially successful; event 2: bad currency"


@pytest.mark.parametrize("data", [None, 7, "x", [], [1], {}, {"failed_events": None}, {"failed_events": "x"}])
def test_partial_success_is_delivered_when_it_names_no_failures(data: object) -> None:
    """What TikTok adds to its code is for people, and its absence changes nothing."""
    verdict = verdict_of(answer_body(20001, "Partially successful", data=data))
    assert isinstance(verdict, Accepted)
    assert verdict.note == "TikTok accepted part of the group. Partially successful"


@pytest.mark.parametrize(
    "failure",
    [
        {},
        {"order_in_batch": None, "error": None},
        {"order_in_batch": 10**30, "error": [{"a": [1.5, True]}]},
        {"order_in_batch": {"x": []}, "error": "a\r\nb"},
        {"error": "x" * 1000},
    ],
)
def test_note_is_one_short_line_whatever_the_failures_are(failure: object) -> None:
    """Failures of any shape are reported within 500 characters of printable text."""
    verdict = verdict_of(answer_body(20001, data={"failed_events": [failure] * 100}))
    assert isinstance(verdict, Accepted)
    assert len(verdict.note) == 500
    assert verdict.note.isprintable()


def test_note_is_made_when_a_failure_nests_as_deep_as_can_be_read() -> None:
    """Writing a failure down recurses like reading it, and must not fail where reading has not."""
    for levels in range(850, 1000):
        body = f'{{"code":20001,"data":{{"failed_events":[{{"error":{nested(levels, "[", "]")}}}]}}}}'
        assert isinstance(verdict_of(body.encode()), Accepted | TryLater)


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


_DATE_PART = st.sampled_from(
    ["Fri,", "31", "Dec", "2026", "23:59:59", "GMT", "+9999", "-", ",", ":", "0", "9" * 20, "²"]
)
_RETRY_AFTER = st.none() | st.text(max_size=30) | st.lists(_DATE_PART, max_size=7).map(" ".join)
_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
_FAILURES = st.lists(_ANYTHING | st.fixed_dictionaries({}, optional={"order_in_batch": _ANYTHING, "error": _ANYTHING}))


@given(body=st.binary(max_size=200), status=st.integers(100, 599), retry_after=_RETRY_AFTER)
def test_any_answer_has_a_verdict(body: bytes, status: int, retry_after: str | None) -> None:
    """Whatever comes back, classification neither raises nor calls noise a success."""
    assert not isinstance(classify(status, body, retry_after, NOW_MS), Accepted)


@settings(max_examples=50, deadline=None)
@given(
    code=st.sampled_from([code for code, _ in EVERY_CODE]) | _ANYTHING,
    members=st.fixed_dictionaries(
        {},
        optional={
            "message": _ANYTHING,
            "request_id": _ANYTHING,
            "data": _ANYTHING | st.fixed_dictionaries({"failed_events": _FAILURES}),
        },
    ),
    status=st.integers(100, 599),
    retry_after=_RETRY_AFTER,
)
def test_success_needs_an_integer_code_of_the_list(
    code: object, members: dict[str, object], status: int, retry_after: str | None
) -> None:
    """Members of any type are survived, and only the integers of TikTok's list are a success."""
    verdict = classify(status, msgspec.json.encode({"code": code, **members}), retry_after, NOW_MS)
    assert isinstance(verdict, Accepted) == (type(code) is int and code in CLASSES[Accepted])


def test_texts_are_cleaned_before_they_are_cut() -> None:
    """Half of an address would not be recognized; which event TikTok names is read from its own words."""
    body = answer_body(40002, "data.3.email=" + "x" * 487 + "jane@example.com", request_id="jane@example.com")
    verdict = classify(200, body, None, NOW_MS, lambda text, limit: text.replace("jane@example.com", "-")[:limit])
    assert isinstance(verdict, BadEvent)
    assert verdict.index == 3
    assert verdict.answer.message == "data.3.email=" + "x" * 487
    assert verdict.answer.request_id == "-"
    failures = {"failed_events": [{"order_in_batch": 2, "error": "jane@example.com"}]}
    noted = classify(
        200, answer_body(20001, "m", data=failures), None, NOW_MS, lambda text, _: text.replace("jane", "")
    )
    assert isinstance(noted, Accepted)
    assert noted.note.endswith("event 2: @example.com")
