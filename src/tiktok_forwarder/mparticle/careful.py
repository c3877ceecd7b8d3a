"""The slow reader: makes batches of bodies that the typed decoder refuses, losing only unreadable parts.

JavaScript senders produce lone surrogates, some serializers `NaN`, byte order marks or endless integers, and any sender
may put a list where an object belongs. mParticle's senders do not repeat a refused request, so every readable body must
be read.
"""

import json
import math
import re
from collections.abc import Callable
from functools import cache
from typing import Final, get_args, get_origin

import msgspec

from tiktok_forwarder.domain.errors import UnreadableBody
from tiktok_forwarder.mparticle.batch import Batch, NotABatch

# Decoding makes no surrogates, so lone ones can only come from their escapes.
_SURROGATE_ESCAPE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")
# Python refuses to read longer ones (a guard against quadratic time); as numbers they exceed a double anyway.
_MAX_INTEGER_LENGTH: Final = 400


def loads(body: bytes, check: Callable[[object], None] = lambda _: None) -> object:
    """Return the JSON value of `body`; its nesting must be bounded before. `check` sees it first, and may raise.

    Raises `UnreadableBody` naming where reading stopped.
    """
    try:
        text = body.decode(json.detect_encoding(body), "replace")
        value: object = json.loads(text.removeprefix("\ufeff"), strict=False, parse_int=_integer)
    except json.JSONDecodeError as error:
        raise UnreadableBody(
            f"the body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from None
    except RecursionError:
        raise UnreadableBody("the body is nested too deeply") from None
    check(value)
    return _clean(value) if _SURROGATE_ESCAPE.search(text) else value


def _integer(digits: str) -> int | float:
    if len(digits) <= _MAX_INTEGER_LENGTH:
        return int(digits)
    return -math.inf if digits.startswith("-") else math.inf


def _clean(value: object) -> object:
    """Replace lone surrogates in every text, in place and without recursion: a body may nest 900 levels deep."""
    root = [value]
    holders: list[list[object] | dict[str, object]] = [root]
    while holders:
        holder = holders.pop()
        if isinstance(holder, dict):
            members = {_LONE_SURROGATE.sub("\ufffd", key): _clean_text(item) for key, item in holder.items()}
            holder.clear()
            holder.update(members)
        else:
            holder[:] = [_clean_text(item) for item in holder]
        inner = holder.values() if isinstance(holder, dict) else holder
        holders += [item for item in inner if isinstance(item, list | dict)]
    return root[0]


def _clean_text(value: object) -> object:
    return _LONE_SURROGATE.sub("\ufffd", value) if isinstance(value, str) else value


# Members by which an object without events is known as a batch; others (`ip`, `environment`, a time) any record has.
_BATCH_MEMBERS: Final = frozenset(
    """
    user_identities user_attributes device_info mpid consent_state partner_identities source_request_id batch_id
    mp_deviceid application_info schema_version integration_attributes source_info
    """.split()  # noqa: SIM905  # names, as mParticle's page lists them
)
_KINDS: Final[dict[type, str]] = {
    bool: "true or false",
    str: "a text",
    int: "a number",
    float: "a number",
    dict: "an object",
    list: "a list",
    type(None): "null",
}
_MOBILE_UPLOAD: Final = frozenset({"dt", "msgs"})
# Members by which people recognize what was sent instead of a batch, and its name.
_LOOKALIKES: Final = (
    (_MOBILE_UPLOAD, "an upload of an mParticle mobile SDK; send the batches that mParticle makes of it"),
    (frozenset({"event_type"}), "an event without its batch; put it into the list events of a batch"),
    (frozenset({"batch"}), "an envelope around a batch; send what is in its member batch"),
    (frozenset({"Records"}), "an envelope of a queue; send what is in its records"),
    (frozenset({"Message"}), "an envelope of a queue; send what is in its member Message"),
    (frozenset({"data"}), "an envelope; send the batch that is in it"),
)


def kind_of(value: object) -> str:
    """Return what a JSON value is, for people."""
    return _KINDS[type(value)]


def batch_of(members: object) -> Batch:
    """Return a batch of any JSON value: members of the wrong shape count as absent, a non-object event as None."""
    if not isinstance(members, dict):
        return _not_a_batch({}, f"The batch is {kind_of(members)}, not an object.")
    events = members.get("events")
    if members.keys() >= _MOBILE_UPLOAD or ("events" not in members and _BATCH_MEMBERS.isdisjoint(members)):
        return _not_a_batch({}, f"This is not an mParticle batch: it is {_likeness(members)}.")
    if events is not None and not isinstance(events, list):
        return _not_a_batch(members, f"The events of the batch are {kind_of(events)}, not a list.")
    return _read(members, Batch)


def _likeness(members: dict[str, object]) -> str:
    if not members:
        return "an empty object"
    likeness = next((words for names, words in _LOOKALIKES if names <= members.keys()), None)
    return likeness or "an object that has neither events nor another member of a batch"


def _not_a_batch(members: dict[str, object], problem: str) -> NotABatch:
    batch = _read({**members, "events": [None]}, NotABatch)
    assert isinstance(batch, NotABatch)  # noqa: S101  # narrows the type
    batch.problem = problem
    return batch


def _read(members: dict[str, object], shape: type[Batch]) -> Batch:
    batch = _fitted(members, shape)
    assert isinstance(batch, Batch)  # noqa: S101  # narrows the type: an object always fits a Struct
    return batch


def _fitted(value: object, shape: object) -> object:
    """Return `value` as the annotation `shape` wants it, or None if it does not fit."""
    if shape is object:
        return value
    if get_origin(shape) in (list, dict):
        return _fitted_collection(value, shape)
    if isinstance(shape, type) and issubclass(shape, msgspec.Struct):
        if not isinstance(value, dict):
            return None
        fields = ((name, value.get(member), member_shape) for name, member, member_shape in _fields_of(shape))
        return shape(**{name: _fitted(item, inner) for name, item, inner in fields if item is not None})
    candidates = (_fitted(value, option) for option in get_args(shape) if option is not type(None))
    return next((fitted for fitted in candidates if fitted is not None), None)


@cache
def _fields_of(shape: type[msgspec.Struct]) -> tuple[tuple[str, str, object], ...]:
    """Return name, member and annotation of each field: finding them costs more than reading a small batch."""
    return tuple((field.name, field.encode_name, field.type) for field in msgspec.structs.fields(shape))


def _fitted_collection(value: object, shape: object) -> object:
    if get_origin(shape) is dict:
        return value if isinstance(value, dict) else None
    if not isinstance(value, list):
        return None
    (item_shape,) = get_args(shape)
    fitted = [_fitted(item, item_shape) for item in value]
    if type(None) in get_args(item_shape) or item_shape is object:
        return fitted
    return [item for item in fitted if item is not None]
