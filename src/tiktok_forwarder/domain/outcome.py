"""Outcomes of an event: closed sets, so that every stage can name each of its outcomes."""

from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct

from tiktok_forwarder.domain.sources import FieldSources

DropReason = Literal[
    "malformed_event",
    "connection_disabled",
    "environment_mismatch",
    "unsupported_platform",
    "sampled_out",
    "consent_not_given",
    "data_sale_opt_out",
    "unsupported_event",
    "event_not_selected",
    "purchase_not_allowed",
    "missing_required_attribute",
    "bot",
    "filtered_by_rule",
    "event_too_old",
    "missing_page_url",
    "invalid_page_url",
    "missing_ip",
    "missing_user_agent",
    "missing_identity",
]

MappingWarning = Literal[
    "future_timestamp_replaced",
    "ttclid_dummy_omitted",
    "ttclid_too_long",
    "ttclid_unexpected_format",
    "invalid_currency",
    "currency_not_listed",
    "missing_currency",
    "invalid_value",
    "quantity_rounded",
    "mistyped_attribute",
    "invalid_email",
    "invalid_phone",
    "phone_without_country_code",
    "unusable_hash",
    "dummy_identity",
    "email_redacted",
    "identity_redacted",
    "dummy_event_id",
    "personal_data_in_event_id",
    "invalid_ip",
    "private_ip",
    "bot_user_agent",
    "page_url_replaced",
    "ttclid_differs",
    "timestamp_unit_guessed",
    "invalid_timestamp",
    "zero_total_with_priced_products",
    "zero_total_replaced",
    "text_cut",
]
"""What the mapping notes about an event that it sends all the same."""

# Assigned at acceptance, after the mapping: the connection's storage quota is used up.
CONNECTION_FULL: Final = "connection_full"
# Assigned at acceptance too: the connection only records its events.
RECORDED: Final = "recorded"

INTENDED_DROPS: Final[frozenset[str]] = frozenset(
    {
        "connection_disabled",
        "environment_mismatch",
        "unsupported_platform",
        "sampled_out",
        "consent_not_given",
        "data_sale_opt_out",
        "unsupported_event",
        "event_not_selected",
        "purchase_not_allowed",
        "bot",
        "filtered_by_rule",
        "missing_identity",
        RECORDED,
    }
)
"""Drops that are no fault: a setting or the visitor wants them. Events with any other reason are lost conversions."""


def is_loss(reason: str) -> bool:
    """Return whether a drop with this reason costs conversions. A reason of another version counts as one."""
    return reason not in INTENDED_DROPS


WireFormName = str
"""The version of the Events API that a payload is written for: a key of `WIRE_FORMS` in `tiktok/wire_forms.py`."""


class Mapped(Struct, frozen=True, gc=False):
    """An mParticle event as TikTok will get it. `payload` is the event object's JSON, final from here on.

    `warnings` are of `MappingWarning`. `identifiers` are the SHA-256 digests of the identities sent and the mpid's
    text: the values an erasure request can name. `value` and `currency` are those of its properties.
    """

    event_index: int
    event: str
    event_id: str
    payload: bytes
    warnings: tuple[str, ...]
    identifiers: tuple[str, ...]
    sources: FieldSources
    value: int | float | None = None
    currency: str | None = None


class Dropped(Struct, frozen=True, gc=False):
    """An mParticle event that does not go to TikTok. `detail` is one sentence for a person, free of identity values.

    `identifiers` are those of `Mapped`. `event_id` is the one it would have been sent with, if the connection takes
    event IDs from sources of its own.
    """

    event_index: int
    reason: DropReason
    detail: str
    identifiers: tuple[str, ...] = ()
    event_id: str = ""


Outcome = Mapped | Dropped


# --- what TikTok's answer to a request means -------------------------------------------------------------------------

Culprit = Literal[
    "token",
    "pixel",
    "app",
    "account",
    "test_event_code",
    "address",
    "network",
    "forwarder",
    "event",
    "service",
    "nothing",
]
"""What an answer blames: a setting of the connection; the developer app or TikTok account behind its access token; the
address of TikTok that requests go to; the network they come from; this version of the program; an event; TikTok itself.
"""


class Answer(Struct, frozen=True, gc=False):
    """An answer's stored part: TikTok's `code` (absent without JSON), at most 500 characters of its `message`."""

    status: int | None = None
    code: int | None = None
    message: str = ""
    request_id: str = ""


class Accepted(Struct, frozen=True):
    """TikTok accepted the events. `note` contains the text of a partial success or a repeated request."""

    answer: Answer
    note: str = ""


class BadEvent(Struct, frozen=True):
    """TikTok rejects one event: at `index` of the group, or somewhere in it (None)."""

    answer: Answer
    index: int | None


class TooLarge(Struct, frozen=True):
    """The group is too big for TikTok: halve it."""

    answer: Answer


class Throttled(Struct, frozen=True):
    """Too many requests for the quota of the `culprit`. `retry_after_seconds` is 1 to 300, if TikTok named one."""

    answer: Answer
    retry_after_seconds: float | None = None
    culprit: Culprit = "app"


class TryLater(Struct, frozen=True):
    """A temporary failure that the events did not cause.

    `may_have_arrived`: no answer was read, so TikTok may hold the group already. `few_attempts`: TikTok fails on this
    very request; after a few attempts its events are dead-lettered.
    """

    answer: Answer
    may_have_arrived: bool = False
    few_attempts: bool = False


class Misconfigured(Struct, frozen=True):
    """Token, pixel, permission or path is wrong: pause the connection, keep its events, show the `explanation`."""

    answer: Answer
    culprit: Culprit
    explanation: str


Verdict = Accepted | BadEvent | TooLarge | Throttled | TryLater | Misconfigured


# --- what the verdict means for each event of the group --------------------------------------------------------------


class Delivered(Struct, frozen=True):
    """TikTok accepted the event: it leaves the queue."""


class Retry(Struct, frozen=True):
    """The event waits until `due_ms` (0: immediately).

    `counts`: it was an attempt of its own (throttling, pauses and released leases are not). `may_have_arrived`: that
    attempt ended without an answer.
    """

    due_ms: int
    answer: Answer | None = None
    counts: bool = True
    may_have_arrived: bool = False


DeadLetterReason = Literal["refused", "retries_exhausted", "unconfirmed", "connection_deleted", "unreadable"]

REPLAYABLE: Final[frozenset[DeadLetterReason]] = frozenset({"retries_exhausted", "unconfirmed"})
"""Dead letters that a replay can deliver. With the other reasons it would end the same way: it sends the same bytes."""


class DeadLettered(Struct, frozen=True):
    """The event is not tried again, and is kept for people to view, replay or discard."""

    reason: DeadLetterReason
    answer: Answer | None = None


Settlement = Delivered | Retry | DeadLettered
Settlements = Mapping[int, Settlement]
