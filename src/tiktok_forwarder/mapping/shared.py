"""The values that all events of one batch share for one connection: computed once, read per event."""

from hashlib import sha256
from typing import Final

from msgspec import Struct

from tiktok_forwarder.domain.outcome import DropReason
from tiktok_forwarder.domain.sources import FieldSources
from tiktok_forwarder.mapping.connection import Connection
from tiktok_forwarder.mapping.identity import Digests, digests_of
from tiktok_forwarder.mparticle.batch import Batch
from tiktok_forwarder.mparticle.values import flag_text, text_of
from tiktok_forwarder.tiktok.wire_form import Visitor

_WEB_PLATFORMS: Final = frozenset({"web", "mobileweb"})
_TTP_KEY: Final = "tiktok_cookie_id"


class Refusal(Struct, frozen=True, gc=False):
    """A failed check: for a whole batch, or for one event."""

    reason: DropReason
    detail: str


class Shared(Struct, gc=False):
    """The shared values.

    `refusal` applies to every event, `late_refusal` to each that passes the checks before ip and identity.

    `sources` are those of the fields that all events share. `samples_events`: no user is known, so each event is
    sampled by its own ID.
    """

    batch: Batch
    received_at_ms: int
    digests: Digests
    sources: FieldSources
    mpid: str | None
    visitor: Visitor
    refusal: Refusal | None
    samples_events: bool
    late_refusal: Refusal | None
    subjects: tuple[str, ...]


def shared_of(batch: Batch, connection: Connection, received_at_ms: int) -> Shared:
    sources: FieldSources = {}
    digests = digests_of(batch, connection, sources)
    ip = text_of(batch.ip)
    device = batch.device_info
    user_agent = text_of(device.http_header_user_agent) if device is not None else None
    mpid = text_of(batch.mpid)
    opted_out = _has_opted_out(batch)
    refusal = _refusal_before_sampling(batch, connection)
    samples_events = False
    if refusal is None and connection.sample_percent < 100:
        sample_key = mpid or digests.external_value
        samples_events = sample_key is None
        if sample_key is not None:
            refusal = sampling_refusal(sample_key, connection.sample_percent)
    if refusal is None:
        refusal = _consent_refusal(batch, connection, opted_out=opted_out)
    identifiers = (digests.email, digests.phone, digests.external_id, mpid)
    return Shared(
        batch=batch,
        received_at_ms=received_at_ms,
        digests=digests,
        sources=sources,
        mpid=mpid,
        visitor=Visitor(
            digests.email,
            digests.phone,
            digests.external_id,
            _ttp(batch.partner_identities, sources),
            ip,
            user_agent,
            True if opted_out and connection.ccpa_opt_out == "limited_data_use" else None,
        ),
        refusal=refusal,
        samples_events=samples_events,
        late_refusal=_late_refusal(connection, ip, user_agent, digests),
        subjects=tuple([identifier for identifier in identifiers if identifier is not None]),
    )


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
    if connection.platforms == "web" and batch.device_info is not None:
        platform = text_of(batch.device_info.platform)
        if platform is not None and platform.lower() not in _WEB_PLATFORMS:
            return Refusal("unsupported_platform", "The batch is not from a website; the connection accepts web only.")
    return None


def sampling_refusal(sample_key: str, sample_percent: float) -> Refusal | None:
    """Return the refusal if sampling excludes the key.

    The share is of users: the same key always has the same result.
    """
    share = int(sha256(sample_key.encode()).hexdigest()[:8], 16) / 2**32
    if share < sample_percent / 100:
        return None
    return Refusal("sampled_out", f"The user falls outside the {sample_percent:g} % sample.")


def _consent_refusal(batch: Batch, connection: Connection, *, opted_out: bool) -> Refusal | None:
    purpose = connection.consent_purpose
    if purpose is not None and not _has_consented(batch, purpose):
        return Refusal("consent_not_given", f"The user has not consented to {purpose}.")
    if opted_out and connection.ccpa_opt_out == "drop":
        return Refusal("data_sale_opt_out", "The user has opted out of the sale of their data.")
    return None


def _late_refusal(connection: Connection, ip: str | None, user_agent: str | None, digests: Digests) -> Refusal | None:
    if connection.require_ip_and_user_agent:
        if ip is None:
            return Refusal("missing_ip", "The batch has no ip, which the connection requires.")
        if user_agent is None:
            detail = "The batch has no device_info.http_header_user_agent, which the connection requires."
            return Refusal("missing_user_agent", detail)
    if connection.anonymous_events == "drop" and digests.is_anonymous:
        return Refusal("missing_identity", "None of the connection's three identity types gave a usable value.")
    return None


def _has_consented(batch: Batch, purpose: str) -> bool:
    consents = (batch.consent_state.gdpr if batch.consent_state is not None else None) or {}
    wanted = purpose.strip().lower()
    answers = [consent for name, consent in consents.items() if name.strip().lower() == wanted]
    # All of several spellings must be given, since it is unknown which counts.
    return bool(answers) and all(isinstance(answer, dict) and answer.get("consented") is True for answer in answers)


def _has_opted_out(batch: Batch) -> bool:
    consents = (batch.consent_state.ccpa if batch.consent_state is not None else None) or {}
    answer = consents.get("data_sale_opt_out")
    if not isinstance(answer, dict):
        return False
    return text_of(answer.get("consented")) in ("true", "1")


def _ttp(partner_identities: dict[str, object] | list[object] | None, sources: FieldSources) -> str | None:
    if not partner_identities:
        return None
    if isinstance(partner_identities, dict):
        return text_of(partner_identities.get(_TTP_KEY))
    for number, entry in enumerate(partner_identities):
        if isinstance(entry, dict) and _is_raw_ttp(entry):
            text = text_of(entry.get("identity"))
            if text is not None:
                sources["ttp"] = f"partner_identities[{number}].identity"
                return text
    return None


def _is_raw_ttp(entry: dict[str, object]) -> bool:
    # TikTok wants the cookie's value itself; a hash of it matches no one.
    return entry.get("identity_type") == _TTP_KEY and text_of(entry.get("encoding")) in (None, "raw")
