"""Parse, map and payload bytes on one core, beside the floor: what the same work costs without any rules.

The floor decodes, takes three SHA-256, copies each field to the outgoing event and encodes it. Both run in turn in the
same rounds, so that their ratio holds when the machine's speed drifts. The floor has types of its own, so that versions
of the program are compared with the same one.
"""

import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from itertools import cycle, islice, repeat
from typing import Any, Final

import msgspec
from msgspec import Struct

from bench.checkouts import in_turn
from bench.table import Column, Table
from bench.traffic import batch_bytes
from tiktok_forwarder.mapping.connection import read_connection
from tiktok_forwarder.mapping.event import Mapper
from tiktok_forwarder.mparticle.parse import Bounds, parse_body

RECEIVED_AT_MS: Final = 1_735_689_660_123
ROUNDS: Final = 9
SECONDS_PER_ROUND: Final = 0.25
_WARM_UP: Final = 20
CONNECTION: Final = read_connection({"name": "Bench", "pixel_id": "EXAMPLEPIXEL"}, needs_token=False).connection

_TABLE: Final = Table(
    (("batch", 28),),
    (Column("forwarder ev/s", 15), Column("floor ev/s", 11), Column("ratio", 6, ".2f")),
    note=f"  (medians of {ROUNDS})",
)


class _Product(Struct, gc=False):
    id: Any
    name: Any
    category: Any
    brand: Any
    price: Any
    quantity: Any


class _Action(Struct, gc=False):
    total_amount: Any
    products: list[_Product]


class _Data(Struct, gc=False):
    timestamp_unixtime_ms: int
    source_message_id: Any
    currency_code: Any
    custom_flags: dict[str, Any]
    product_action: _Action
    custom_attributes: dict[str, Any] | None = None


class _Received(Struct, gc=False):
    event_type: Any
    data: _Data


class _Device(Struct, gc=False):
    http_header_user_agent: Any


class _Batch(Struct, gc=False):
    events: list[_Received]
    user_identities: dict[str, Any]
    device_info: _Device
    ip: Any
    user_attributes: dict[str, Any] | None = None


class _Content(Struct, gc=False):
    price: Any
    quantity: Any
    content_id: Any
    content_category: Any
    content_name: Any
    brand: Any


class _Properties(Struct, gc=False):
    contents: list[_Content]
    currency: Any
    value: Any
    content_type: str


class _User(Struct, gc=False):
    ttclid: Any
    email: str
    phone: str
    external_id: str
    ip: Any
    user_agent: Any


class _Page(Struct, gc=False):
    url: Any
    referrer: Any


class _Event(Struct, gc=False):
    event: str
    event_time: int
    event_id: Any
    user: _User
    page: _Page
    properties: _Properties


_encode: Final = msgspec.json.Encoder().encode
_DECODER: Final = msgspec.json.Decoder(_Batch)


def floor(body: bytes) -> list[bytes]:
    """The same bytes in and out, with no rule applied."""
    batch = _DECODER.decode(body)
    email, external_id, phone = (sha256(str(value).encode()).hexdigest() for value in batch.user_identities.values())
    user_agent = batch.device_info.http_header_user_agent
    return [_copied(event.data, email, external_id, phone, batch.ip, user_agent) for event in batch.events]


def _copied(data: _Data, email: str, external_id: str, phone: str, ip: Any, user_agent: Any) -> bytes:
    flags, action = data.custom_flags, data.product_action
    contents = [_Content(p.price, p.quantity, p.id, p.category, p.name, p.brand) for p in action.products]
    return _encode(
        _Event(
            "PlaceAnOrder",
            data.timestamp_unixtime_ms // 1000,
            data.source_message_id,
            _User(flags["TikTok.Callback"], email, phone, external_id, ip, user_agent),
            _Page(flags["TikTok.URL"], flags["TikTok.Referrer"]),
            _Properties(contents, data.currency_code, action.total_amount, "product"),
        )
    )


_MAPPER: Final = Mapper(CONNECTION)
_BOUNDS: Final = Bounds()


def forward(body: bytes) -> int:
    """The whole way: bounds, parsing, mapping, payload bytes. Returns how many events were mapped."""
    return sum(len(_MAPPER.map_batch(batch, RECEIVED_AT_MS)) for batch in parse_body(body, _BOUNDS))


def _rate(work: Callable[[bytes], object], bodies: Iterator[bytes], events: int) -> float:
    """Events per second over one round."""
    repeats = 0
    started = time.perf_counter()
    while (elapsed := time.perf_counter() - started) < SECONDS_PER_ROUND:
        for body in islice(bodies, max(1, 200 // events)):
            work(body)
            repeats += 1
    return repeats * events / elapsed


def _rows() -> list[tuple[str, int, Iterator[bytes]]]:
    """The kinds of body: words for people, events in each, and the bodies, without end."""
    one = batch_bytes(1, now_ms=RECEIVED_AT_MS)
    many = batch_bytes(100, now_ms=RECEIVED_AT_MS)
    encoded = one.replace(b"/checkout/", b"/caf%C3%A9/?q=rain%20coat&next=%2Fcheckout%2F&p=")
    # More than are remembered, so that each is looked up in the list of crawlers.
    agents = [one.replace(b"Chrome/126.0.0.0", b"Chrome/126.0.%d.0" % number) for number in range(12_000)]
    return [
        ("1 event", 1, repeat(one)),
        ("100 events", 100, repeat(many)),
        ("1 event, URLs with %", 1, repeat(encoded)),
        ("1 event, user agents all new", 1, cycle(agents)),
    ]


def rates() -> dict[str, tuple[float, float]]:
    """Return events per second of one round by kind of body: the forwarder's, and the floor's. Warms up before."""
    measured = {}
    for words, events, bodies in _rows():
        for body in islice(bodies, _WARM_UP):
            forward(body)
            floor(body)
        measured[words] = _rate(forward, bodies, events), _rate(floor, bodies, events)
    return measured


def run() -> None:
    """Print both rates and their ratio for each kind of body."""
    print("Parse + map + payload bytes: a purchase with 3 products, Events API 2.0, one core")
    _TABLE.print_head()
    measured = in_turn(ROUNDS, lambda checkout, _: checkout.call(rates))
    for words, _, _ in _rows():
        rounds = {
            checkout: [(ours, at_floor, ours / at_floor) for ours, at_floor in (each[words] for each in every_round)]
            for checkout, every_round in measured.items()
        }
        _TABLE.print_row((words,), rounds)
