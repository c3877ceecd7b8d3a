"""Every form of body, every looseness of its types, and the bounds."""

import gzip
import json
import math
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tiktok_forwarder.domain.errors import UnreadableBody
from tiktok_forwarder.mparticle import careful
from tiktok_forwarder.mparticle.batch import Batch, NotABatch
from tiktok_forwarder.mparticle.parse import Bounds, parse_body, parse_lines

SAMPLES = Path(__file__).parents[2] / "samples"


def _one(body: bytes | dict[str, Any], bounds: Bounds = Bounds()) -> Batch:  # noqa: B008  # frozen
    (batch,) = parse_body(body if isinstance(body, bytes) else json.dumps(body).encode(), bounds)
    return batch


@pytest.mark.parametrize(
    ("sample", "events"),
    [
        ("events_api_purchase.json", [2]),
        ("bulk.json", [1, 1, 3]),
        ("web_sdk_batch.json", [5]),
        ("webhook_output.json", [2]),
        ("s3_export.ndjson", [1, 2, 0, 1, 1]),
        ("firehose_request.json", [3]),
    ],
)
def test_each_form_gives_its_batches(sample: str, events: list[int]) -> None:
    """Forms A to F all become batches with all of their events."""
    batches = parse_body((SAMPLES / sample).read_bytes(), Bounds())
    assert [len(batch.events or ()) for batch in batches] == events
    assert all(event is not None and event.data is not None for batch in batches for event in batch.events or ())


def test_firehose_request_reads_as_any_other_batch() -> None:
    """Form F's members land where the other forms have theirs."""
    batch = _one((SAMPLES / "firehose_request.json").read_bytes())
    assert batch.ip == "203.0.113.42"
    assert batch.device_info is not None
    assert batch.device_info.platform == "mobileweb"
    event = (batch.events or [None])[0]
    assert event is not None
    assert event.event_type == "commerce_event"
    assert event.data is not None
    assert event.data.product_action is not None
    products = event.data.product_action.products or []
    assert (event.data.product_action.action, products[1].total_product_amount) == ("purchase", 98)


@pytest.mark.parametrize(
    "body",
    [
        b'\xef\xbb\xbf{"mpid": 1}',
        b' \r\n\t{"mpid": 1} ',
        '{"mpid": 1}'.encode("utf-16"),
        b'{"mpid": 1, "other": NaN, "more": [Infinity, 1e999]}',
        b'{"mpid": 1, "other": "\\ud83d"}',
        b'{"mpid": 1, "other": ' + b"9" * 5000 + b"}",
        b'{"mpid": 1, "other": "\xff"}',
        b'{"mpid": 1, "ip": "\xff"}',
        b'{"mpid": 1, "ip": "\xe2\x82"}',
        b'{"mpid": 1, "user_attributes": {"caf\xe9": {"\xff": ["\xff"]}}}',
        b'{"mpid": 1, "events": [{"event_type": "\xff", "data": {"event_name": "\xff"}}]}',
        b'{"mpid": 1, "other": "tab\tand newline\n"}',
        b'{"mpid": 0, "mpid": 1}',
        b'{"mpid": 1, "device_info": [], "user_identities": 5, "consent_state": "x", "events": {"a": 1}}',
    ],
)
def test_what_a_strict_decoder_refuses_is_saved(body: bytes) -> None:
    """One odd value never costs the batch."""
    assert _one(body).mpid == 1


def test_lone_surrogate_reads_as_replacement_character() -> None:
    """JavaScript cuts emoji in half; what is left of one becomes U+FFFD, a whole one stays."""
    assert _one(rb'{"mpid": "a\ud83d", "ip": "\ud83d\ude00"}').mpid == "a\ufffd"
    assert _one(rb'{"mpid": "a\ud83d", "ip": "\ud83d\ude00"}').ip == "😀"
    deep = _one(rb'{"user_attributes": {"a\ud83d": {"\ude00b": [["c\ud83d"], {"d": "\ud83d"}]}}}')
    assert deep.user_attributes == {"a\ufffd": {"\ufffdb": [["c\ufffd"], {"d": "\ufffd"}]}}


def test_endless_integer_reads_as_infinite() -> None:
    """Neither sign nor length of a number may cost the batch, and no double holds so large a one."""
    batch = _one(b'{"mpid": ' + b"9" * 5000 + b', "ip": -' + b"9" * 5000 + b"}")
    assert (batch.mpid, batch.ip) == (math.inf, -math.inf)


def test_only_the_unreadable_event_is_lost() -> None:
    """An event that is no object stands as None between its neighbours; one without data keeps its type."""
    batch = _one({"events": [{"event_type": "a", "data": {}}, 5, {"event_type": "b", "data": []}, None]})
    kinds = [event and (event.event_type, event.data is not None) for event in batch.events or ()]
    assert kinds == [("a", True), None, ("b", False), None]


def test_element_of_a_bulk_body_that_is_no_batch_is_one_malformed_event() -> None:
    """It is shown and counted, and costs no other batch."""
    first, second = parse_body(b'[7, {"mpid": 2}]', Bounds())
    assert (first.events, second.mpid) == ([None], 2)


def test_products_that_are_no_objects_are_skipped() -> None:
    """The other products stay."""
    action = {"action": "purchase", "products": [1, {"id": 2}, None, [], "x"]}
    batch = _one({"events": [{"event_type": "commerce_event", "data": {"product_action": action}}]})
    event = (batch.events or [None])[0]
    assert event is not None
    assert event.data is not None
    assert event.data.product_action is not None
    assert [product.id for product in event.data.product_action.products or ()] == [2]


@pytest.mark.parametrize("body", [b"[]", b'{"events": null}', b'{"events": []}', b'{"mpid": 5}'])
def test_bodies_without_events_are_valid(body: bytes) -> None:
    """mParticle sends empty batches by default."""
    assert sum(len(batch.events or ()) for batch in parse_body(body, Bounds())) == 0


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({}, "it is an empty object"),
        ({"event_type": "custom_event", "data": {}}, "it is an event without its batch"),
        ({"batch": {"events": []}}, "it is an envelope around a batch"),
        ({"dt": "h", "msgs": [], "events": [], "mpid": 5}, "it is an upload of an mParticle mobile SDK"),
        ({"Records": [{"body": "{}"}]}, "it is an envelope of a queue"),
        ({"Message": "{}", "Type": "Notification"}, "it is an envelope of a queue"),
        ({"data": {"events": []}}, "it is an envelope; send"),
        ({"ip": "203.0.113.42", "environment": "production"}, "neither events nor another member of a batch"),
        ({"events": {"event_type": "custom_event"}}, "The events of the batch are an object, not a list."),
        ({"events": "[]", "mpid": 5}, "The events of the batch are a text, not a list."),
        ([7], "The batch is a number, not an object."),
        ([None], "The batch is null, not an object."),
    ],
)
def test_what_is_no_batch_is_one_malformed_event(body: Any, problem: str) -> None:
    """It is counted, and the sentence says what it looks like, so that its sender can be mended."""
    (batch,) = parse_body(json.dumps(body).encode(), Bounds())
    assert isinstance(batch, NotABatch)
    assert batch.events == [None]
    assert problem in batch.problem


def test_problem_is_never_the_senders() -> None:
    """A member of that name in a body means nothing."""
    (batch,) = parse_body(b'{"problem": "jane@example.com", "events": 5}', Bounds())
    assert isinstance(batch, NotABatch)
    assert batch.problem == "The events of the batch are a number, not a list."


@pytest.mark.parametrize("body", [b"{}", b" { } \n", b"\n{\n}\n"])
def test_file_that_checks_a_bucket_has_no_batch(body: bytes) -> None:
    """mParticle writes such a file when the output is set up."""
    assert list(parse_lines(body, Bounds())) == []
    assert [type(found) for found in parse_lines(b"{}\n{}", Bounds())] == [NotABatch, NotABatch]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the body is empty"),
        (b" \n ", "the body is empty"),
        (b"null", "the body is null, not a batch or a list of batches"),
        (b"5", "the body is a number, not a batch or a list of batches"),
        (b'"x"', "the body is a text, not a batch or a list of batches"),
        (b'{"events": [', "the body is not JSON: Expecting value at line 1, column 13"),
        (b"hello", "the body is not JSON: Expecting value at line 1, column 1"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_clear_sentence(body: bytes, message: str) -> None:
    """The sentence says what the body is, or where reading it stopped."""
    with pytest.raises(UnreadableBody) as refusal:
        parse_body(body, Bounds())
    assert str(refusal.value) == message
    assert not refusal.value.too_large


@pytest.mark.parametrize(
    ("opener", "closer", "levels_each", "levels_inside", "inside"),
    [
        (b"[", b"]", 1, 0, b"1"),
        (b'{"a":', b"}", 1, 0, b"1"),
        (b'[{"a":', b"}]", 2, 1, b"[1]"),
        (b"[1,[2],", b"]", 1, 1, b"[]"),
        (b"[", b"]", 1, 0, b'"' + b"]}" * 500 + rb"\"" + b"[{" * 500 + rb'\\"'),
    ],
    ids=["lists", "objects", "both", "wide", "brackets in text"],
)
def test_nesting_is_bounded_exactly(
    opener: bytes, closer: bytes, levels_each: int, levels_inside: int, inside: bytes
) -> None:
    """A body of 200 levels passes, one level more is refused, and brackets in texts do not count."""
    rounds = (199 - levels_inside) // levels_each
    fits = b'{"mpid":1,"x":' + opener * rounds + inside + closer * rounds + b"}"
    assert _one(fits).mpid == 1
    with pytest.raises(UnreadableBody, match="the limit is 200 levels"):
        parse_body(b"[" + fits + b"]", Bounds())


@pytest.mark.parametrize("odd", [b"NaN", rb'"\ud83d"', rb'{"\ud83d":[1]}', b"9" * 5000])
@pytest.mark.parametrize(("opener", "closer"), [(b"[", b"]"), (b'{"a":', b"}"), (rb'{"\ud83d":[', b"]}")])
def test_body_is_saved_when_it_nests_600_deep(opener: bytes, closer: bytes, odd: bytes) -> None:
    """Levels up to 900 can be allowed, and an odd value must not turn such a body into a fault of the service."""
    rounds = 590 // (opener.count(b"[") + opener.count(b"{"))
    body = b'{"mpid":1,"x":' + opener * rounds + odd + closer * rounds + b"}"
    assert _one(body, Bounds(max_nesting=600)).mpid == 1


@pytest.mark.parametrize("member", [b"other", b"user_attributes"])
def test_body_is_read_or_refused_when_it_nests_beyond_the_decoder(member: bytes) -> None:
    """The typed decoder gives up at about a thousand levels, and how far the careful reader gets is Python's affair."""
    body = b'{"mpid":1,"' + member + b'":' + b'{"a":' * 1500 + b"1" + b"}" * 1500 + b"}"
    with suppress(UnreadableBody):
        assert _one(body, Bounds(max_nesting=2000)).mpid == 1


def test_body_is_refused_when_it_nests_deeper_than_python_reads() -> None:
    """A sender that is answered 400 stops, and one that meets a fault sends the same body again."""
    with pytest.raises(UnreadableBody, match=r"^the body is nested too deeply$") as refusal:
        careful.loads(b"[" * 100_000 + b"NaN" + b"]" * 100_000)
    assert not refusal.value.too_large


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 100_000, b"[[]," * 50_000, b"]" * 100_000])
def test_hostile_nesting_ends_quickly_in_a_refusal(body: bytes) -> None:
    """No recursion, however deep the body pretends to be."""
    with pytest.raises(UnreadableBody):
        parse_body(body, Bounds())


def test_size_and_number_of_events_are_bounded() -> None:
    """Both refusals say the bound, and are told apart from bad JSON."""
    with pytest.raises(UnreadableBody, match="the body has 26 bytes; the limit is 25") as size:
        parse_body(b'{"events":[' + b" " * 13 + b"]}", Bounds(max_body_bytes=25))
    with pytest.raises(UnreadableBody, match="contains more than 3 events") as events:
        parse_body(b'[{"events":[{},{}]},{"events":[{},{}]}]', Bounds(max_events=3))
    assert size.value.too_large
    assert events.value.too_large


def test_bounds_themselves_are_allowed() -> None:
    """A body of exactly as many bytes and events as the bounds say is read."""
    assert _one(b'{"events":[' + b" " * 13 + b"]}", Bounds(max_body_bytes=26)).events == []
    batches = parse_body(b'[{"events":[{},{}]},{"events":[{}]}]', Bounds(max_events=3))
    assert [len(batch.events or ()) for batch in batches] == [2, 1]


def test_body_may_have_1_mib_and_10_000_events_when_nothing_else_is_set() -> None:
    """Both limits are documented for senders, and one byte or event more is refused."""
    assert _one(b'{"mpid":1}'.ljust(1_048_576)).mpid == 1
    with pytest.raises(UnreadableBody, match="1048577 bytes; the limit is 1048576"):
        parse_body(b'{"mpid":1}'.ljust(1_048_577), Bounds())
    assert len(_one(b'{"events":[' + b",".join([b"{}"] * 10_000) + b"]}").events or ()) == 10_000
    with pytest.raises(UnreadableBody, match="contains more than 10000 events"):
        parse_body(b'{"events":[' + b",".join([b"{}"] * 10_001) + b"]}", Bounds())


@pytest.mark.parametrize("item", [b"{}", b"[]", b"null", b"1", b'{"events":[]}', b'{"mpid":1}', b'{"type":1}'])
@pytest.mark.parametrize("separator", [b",", b"\n"])
def test_batch_without_events_counts_as_one(item: bytes, separator: bytes) -> None:
    """A megabyte of empty batches would cost as much as 300,000 events, whether listed or one per line."""

    def body_of(count: int) -> bytes:
        items = separator.join([item] * count)
        return b"[" + items + b"]" if separator == b"," else items

    bounds = Bounds(max_events=5)
    if separator == b"," or item not in (b"null", b"1", b"[]"):
        assert len(parse_body(body_of(5), bounds)) == 5
    with pytest.raises(UnreadableBody, match="contains more than 5 events") as refused:
        parse_body(body_of(6), bounds)
    assert refused.value.too_large


def test_too_many_events_are_refused_before_batches_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """The slow reader makes no batch of a body that is refused for its number of events."""
    made: list[object] = []
    monkeypatch.setattr("tiktok_forwarder.mparticle.careful.batch_of", made.append)
    for body in (
        b"[" + b",".join([b"{}"] * 6) + b"]",
        b'{"type":"event_processing_request","events":[{},{},{},{},{},{}]}',
        b"\n".join([b"{}"] * 6),
        b'{"events":[1,2,3,4,5,NaN]}',
    ):
        with pytest.raises(UnreadableBody, match="contains more than 5 events"):
            parse_body(body, Bounds(max_events=5))
    assert made == []


def test_file_may_be_larger_than_a_request() -> None:
    """The bounds of requests keep a running service safe; a file is read by a command of its own."""
    line = b'{"events":[{},{}]}'
    found = list(parse_lines(b"\n".join([line] * 3), Bounds(max_body_bytes=10, max_events=1)))
    assert [len(batch.events or ()) for batch in found if isinstance(batch, Batch)] == [2, 2, 2]


def test_file_lines_that_cannot_be_read_are_named_and_the_rest_goes_on() -> None:
    """A broken line costs that line only."""
    found = list(parse_lines(b'{"mpid":1}\n\n{"mpid":\n{"mpid":3}\nno\n', Bounds()))
    assert [batch.mpid for batch in found if isinstance(batch, Batch)] == [1, 3]
    errors = [str(error) for error in found if isinstance(error, UnreadableBody)]
    assert errors == [
        "line 3: the body is not JSON: Expecting value at line 1, column 9",
        "line 5: the body is not JSON: Expecting value at line 1, column 1",
    ]


def test_file_printed_over_several_lines_is_one_document() -> None:
    """Indented JSON is no line format."""
    body = json.dumps([{"mpid": 1}, {"mpid": 2}], indent=2).encode()
    assert [batch.mpid for batch in parse_lines(body, Bounds()) if isinstance(batch, Batch)] == [1, 2]


def test_broken_first_line_of_a_line_file_is_named_too() -> None:
    """That the first line is broken does not make the file one document."""
    found = list(parse_lines(b'{"mpid":\n{"mpid":2}\n', Bounds()))
    assert [type(each) for each in found] == [UnreadableBody, Batch]


def test_compressed_bytes_are_no_json() -> None:
    """Parsing never decompresses: bounds are those of decompressed bytes."""
    with pytest.raises(UnreadableBody):
        parse_body(gzip.compress(b"{}"), Bounds())
