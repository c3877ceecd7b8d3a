"""The values that all events of one batch share for one connection: computed once, read per event."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Final, final

from msgspec import Struct

from tiktok_forwarder.domain.outcome import DropReason
from tiktok_forwarder.domain.sources import FieldSources
from tiktok_forwarder.mapping.connection import Connection
from tiktok_forwarder.mapping.crawlers import is_crawler
from tiktok_forwarder.mapping.identity import IDENTITY_KINDS, Identities, IdentityReader, mpid_of
from tiktok_forwarder.mapping.sources import CommonField, Occurrence
from tiktok_forwarder.mapping.texts import MAX_CHARACTERS, TEXT_CUT
from tiktok_forwarder.mapping.visitor import (
    MAX_REMEMBERED_LENGTH,
    MatchingFields,
    bounded_text_of,
    ip_of,
    is_public_address,
    matching_fields,
)
from tiktok_forwarder.mparticle.batch import Batch
from tiktok_forwarder.mparticle.values import flag_text, is_dummy, text_of
from tiktok_forwarder.tiktok.wire_form import Visitor

_WEB: Final = "web"
_WEB_PLATFORMS: Final = frozenset({_WEB, "mobileweb"})
_VISITOR_FIELDS: Final[tuple[CommonField, ...]] = ("ttp", "ip", "user_agent")
_MAX_PEOPLE: Final = 10_000
_MAX_REMEMBERED_LENGTH: Final = 512


@final
class Refusal(Struct, frozen=True, gc=False):
    """A failed check: for a whole batch, or for one event."""

    reason: DropReason
    detail: str


class Visit(Struct, gc=False):
    """The visitor of an event with what was found wrong, and what came of the checks that concern only them.

    Shared by a batch's events, unless the connection takes something of it from the event.
    """

    visitor: Visitor
    warnings: Sequence[str]
    sources: FieldSources
    is_bot: bool
    refusal: Refusal | None


class Shared(Struct, gc=False):
    """The shared values. `refusal` applies to every event.

    `visit` is None until an event needs it, and always if each event has its own. `samples_events`: no user is known,
    so each event is sampled by its own ID. `allows_purchases`: the batch's input may send purchases.
    """

    batch: Batch
    received_at_ms: int
    identities: Identities
    sources: FieldSources
    mpid: str | None
    limits_data_use: bool
    refusal: Refusal | None
    samples_events: bool
    identifiers: tuple[str, ...]
    allows_purchases: bool
    visit: Visit | None = None
    matching: MatchingFields | None = None

    @property
    def identity_kinds(self) -> frozenset[str]:
        """Return the kinds of identity that will be sent."""
        return frozenset(kind for kind in IDENTITY_KINDS if getattr(self.identities, kind) is not None)


class BatchReader:
    """Reads what the events of a batch share, by a connection's settings."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._identities = IdentityReader(connection)
        self._sources = {field: connection.sources_of(field) for field in _VISITOR_FIELDS}
        self._shares_visit = all(source.is_of_batch for given in self._sources.values() for source in given)
        self._takes_ttp_of_partner = all(source.kind == "partner_identity" for source in self._sources["ttp"])
        self._omitted = frozenset(connection.omit)
        self._is_plain = not (connection.sources or connection.omit or connection.advanced_matching)
        self._needs_visitor = connection.require_ip_and_user_agent or connection.anonymous_events == "drop"
        # User agents that are no crawlers', seen lately.
        self._people: set[str] = set()

    def shared(self, batch: Batch, received_at_ms: int, *, allows_purchases: bool) -> Shared:
        connection = self._connection
        sources: FieldSources = {}
        identities = self._identities.identities(batch, sources)
        mpid = mpid_of(batch) if batch.mpid is not None else None
        if mpid is None and isinstance(batch.mpid, str) and len(batch.mpid) > MAX_CHARACTERS:
            identities.warnings.append(TEXT_CUT)
        ccpa = batch.consent_state.ccpa if batch.consent_state is not None else None
        opted_out = _has_opted_out(ccpa) if ccpa else False
        refusal = _refusal_before_sampling(batch, connection)
        samples_events = False
        if refusal is None and connection.sample_percent < 100:
            sample_key = mpid or _unless_dummy(identities.external_value)
            samples_events = sample_key is None
            if sample_key is not None:
                refusal = sampling_refusal(sample_key, connection.sample_percent)
        if refusal is None and (connection.consent_purpose or opted_out):
            refusal = _consent_refusal(batch, connection, opted_out=opted_out)
        identifiers = identities.identifiers
        if mpid is not None:
            identifiers = [*identifiers, mpid]
        return Shared(
            batch,
            received_at_ms,
            identities,
            sources,
            mpid,
            opted_out and connection.ccpa_opt_out == "limited_data_use",
            refusal,
            samples_events,
            tuple(identifiers),
            allows_purchases,
        )

    def visit(self, shared: Shared, occurrence: Occurrence) -> Visit:
        """Return the visitor of an event, and set that of the batch if its events share one."""
        visit = self._quick_visit(shared, occurrence) if self._is_plain else None
        if visit is None:
            visit = self._read_visit(shared, occurrence)
        if self._shares_visit:
            shared.visit = visit
        return visit

    def _quick_visit(self, shared: Shared, occurrence: Occurrence) -> Visit | None:
        """Return the visitor of an ordinary batch, None for any other: the quick way for nearly every one."""
        batch, identities = shared.batch, shared.identities
        ip, device = batch.ip, batch.device_info
        if type(ip) is not str or len(ip) > MAX_REMEMBERED_LENGTH or not is_public_address(ip):
            return None
        user_agent = device.http_header_user_agent if device is not None else None
        if type(user_agent) is not str or user_agent not in self._people:
            return None
        warnings = identities.warnings
        sources: FieldSources = {}
        ttp = None
        if batch.partner_identities:
            warnings = warnings.copy()
            ttp = bounded_text_of("ttp", self._sources["ttp"], occurrence, warnings, sources)
        limited = True if shared.limits_data_use else None
        visitor = Visitor(identities.email, identities.phone, identities.external_id, ttp, ip, user_agent, limited)
        refusal = _late_refusal(self._connection, visitor) if self._needs_visitor else None
        return Visit(visitor, warnings, sources, False, refusal)

    def _read_visit(self, shared: Shared, occurrence: Occurrence) -> Visit:
        connection, identities, omitted = self._connection, shared.identities, self._omitted
        warnings = identities.warnings.copy()
        sources: FieldSources = {}
        # What is not sent must not warn; the user agent is still needed to recognize crawlers.
        ip = None
        if "ip" not in omitted:
            ip = ip_of(self._sources["ip"], occurrence, warnings, sources)
        noted = warnings if "user_agent" not in omitted else []
        user_agent = bounded_text_of("user_agent", self._sources["user_agent"], occurrence, noted, sources)
        ttp = None
        if "ttp" not in omitted and (shared.batch.partner_identities or not self._takes_ttp_of_partner):
            ttp = bounded_text_of("ttp", self._sources["ttp"], occurrence, warnings, sources)
        is_bot = connection.bots != "ignore" and user_agent is not None and is_crawler(user_agent)
        if is_bot:
            warnings.append("bot_user_agent")
        elif user_agent is not None and len(user_agent) <= _MAX_REMEMBERED_LENGTH:
            if len(self._people) >= _MAX_PEOPLE:
                self._people.clear()
            self._people.add(user_agent)
        if "user_agent" in omitted:
            user_agent = None
        limited = True if shared.limits_data_use else None
        matching: Mapping[str, str] = {}
        if connection.advanced_matching:
            if shared.matching is None:
                shared.matching = matching_fields(shared.batch.user_attributes, omitted)
            matching, noted, places = shared.matching
            warnings += noted
            sources.update(places)
        visitor = Visitor(
            identities.email, identities.phone, identities.external_id, ttp, ip, user_agent, limited, matching
        )
        refusal = _late_refusal(connection, visitor) if self._needs_visitor else None
        return Visit(visitor, warnings, sources, is_bot, refusal)


def _refusal_before_sampling(batch: Batch, connection: Connection) -> Refusal | None:
    if not connection.enabled:
        return Refusal("connection_disabled", "The connection is disabled.")
    if connection.environment != "all":
        environment = (flag_text(batch.environment) or "production").lower()
        if environment != connection.environment:
            return Refusal(
                "environment_mismatch",
                f"The batch is from another environment; the connection accepts {connection.environment} only.",
            )
    if connection.platforms == _WEB and batch.device_info is not None:
        platform = batch.device_info.platform
        if platform != _WEB and (text_of(platform) or _WEB).lower() not in _WEB_PLATFORMS:
            return Refusal("unsupported_platform", "The batch is not from a website; the connection accepts web only.")
    return None


def _unless_dummy(text: str | None) -> str | None:
    return text if text is not None and not is_dummy(text) else None


def sampling_refusal(sample_key: str, sample_percent: float) -> Refusal | None:
    """Return the refusal if sampling excludes the key.

    The share is of users: the same key always has the same result.
    """
    share = int(sha256(sample_key.encode()).hexdigest()[:8], 16) / 2**32
    if share < sample_percent / 100:
        return None
    return Refusal("sampled_out", f"The user falls outside the {sample_percent:g} % sample.")


def _late_refusal(connection: Connection, visitor: Visitor) -> Refusal | None:
    if connection.require_ip_and_user_agent:
        if visitor.ip is None:
            return Refusal("missing_ip", "There is no usable IP address, which the connection requires.")
        if visitor.user_agent is None:
            return Refusal("missing_user_agent", "There is no usable user agent, which the connection requires.")
    if connection.anonymous_events == "drop" and (
        visitor.email is None and visitor.phone is None and visitor.external_id is None
    ):
        return Refusal("missing_identity", "None of the connection's identity types gave a usable value.")
    return None


def _consent_refusal(batch: Batch, connection: Connection, *, opted_out: bool) -> Refusal | None:
    for purpose in connection.consent_purpose:
        if not _has_consented(batch, purpose, absent=connection.absent_consent == "given"):
            return Refusal("consent_not_given", f"The user has not consented to {purpose}.")
    if opted_out and connection.ccpa_opt_out == "drop":
        return Refusal("data_sale_opt_out", "The user has opted out of the sale of their data.")
    return None


def _has_consented(batch: Batch, purpose: str, *, absent: bool) -> bool:
    """Return whether the user has consented; `absent` is what a purpose that the batch does not mention counts as."""
    consents = (batch.consent_state.gdpr if batch.consent_state is not None else None) or {}
    wanted = purpose.lower()
    answers = [consent for name, consent in consents.items() if name.strip().lower() == wanted]
    if not answers:
        return absent
    # All of several spellings must be given, since it is unknown which counts.
    return all(isinstance(answer, dict) and answer.get("consented") is True for answer in answers)


def _has_opted_out(consents: Mapping[str, object]) -> bool:
    answer = consents.get("data_sale_opt_out")
    if isinstance(answer, dict):
        answer = answer.get("consented")
    if answer is None or answer is False:
        return False
    return (text_of(answer) or "").lower() in _YES


_YES: Final = frozenset({"true", "1", "yes"})
