"""Identities as TikTok wants them: normalized, hashed with SHA-256, or omitted with a warning that gives the reason."""

import re
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from typing import Final, Literal

from msgspec import Struct

from tiktok_forwarder.domain.sources import FieldSources
from tiktok_forwarder.mapping.connection import Connection
from tiktok_forwarder.mparticle.batch import Batch
from tiktok_forwarder.mparticle.identities import Identity, identities_by_type

_DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII | re.IGNORECASE)
_DIGEST_CHARACTERS: Final = 64
# Firehose may hash identities itself; TikTok accepts only SHA-256.
_USABLE_ENCODINGS: Final = frozenset({"raw", "sha256"})
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+")
# Values that mean "no one": they would join all anonymous users into one.
_DUMMIES: Final = frozenset({"0", "false", "true", "null", "undefined", "none", "nan", "n/a"})

_SEPARATORS: Final = re.compile(r"[\s\-./()]+")
_PHONE: Final = re.compile(r"\+?[0-9]+", re.ASCII)
_INNER_SEPARATORS: Final = re.compile(r"[\s\-./]+")
_COUNTRY_CODE_THEN_TRUNK: Final = re.compile(r"\(?(\+|00)([0-9]{1,3})\)?\(0\)", re.ASCII)
_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)


class Digests(Struct, frozen=True, gc=False):
    """Digests that identify the batch's user. `external_value` is raw, for sampling; it must not leave the mapping."""

    email: str | None
    phone: str | None
    external_id: str | None
    external_value: str | None
    warnings: tuple[str, ...]

    @property
    def is_anonymous(self) -> bool:
        return self.email is None and self.phone is None and self.external_id is None


def digests_of(batch: Batch, connection: Connection, sources: FieldSources) -> Digests:
    kinds = (connection.email_identity_type, connection.phone_identity_type, connection.external_identity_type)
    found = identities_by_type(batch.user_identities, kinds)
    warnings: list[str] = []
    email, phone, external = found.get(kinds[0]), found.get(kinds[1]), found.get(kinds[2])
    region = connection.default_phone_region
    return Digests(
        email=_digest(email, "email", region, warnings, sources) if email is not None else None,
        phone=_digest(phone, "phone", region, warnings, sources) if phone is not None else None,
        external_id=_digest(external, "external_id", region, warnings, sources) if external is not None else None,
        external_value=external[0] if external is not None else None,
        warnings=tuple(dict.fromkeys(warnings)) if warnings else (),
    )


IdentityKind = Literal["email", "phone", "external_id"]
"""The identities by which TikTok knows a person."""


def digests_of_identity(text: str, kind: IdentityKind, connection: Connection) -> list[str]:
    """Return all digests that the connection would make of it in a batch; none if it would be omitted.

    There are several if the connection uses one of mParticle's identity types for several of TikTok's kinds.
    """
    types = {
        "email": connection.email_identity_type,
        "phone": connection.phone_identity_type,
        "external_id": connection.external_identity_type,
    }
    kinds = [each for each in _NORMALISERS if types[each] == types[kind]]
    digests = [_digest((text, "raw", None), each, connection.default_phone_region, [], {}) for each in kinds]
    return [digest for digest in digests if digest is not None]


def digest_of_identity(text: str, kind: IdentityKind) -> str | None:
    """Return the digest by a connection without a default phone region, or None if the identity would be omitted."""
    return _digest((text, "raw", None), kind, None, [], {})


# Takes text and region; returns the normal form, or None after noting the warning.
_Normalise = Callable[[str, str | None, list[str]], str | None]


def _digest(
    identity: Identity, kind: IdentityKind, region: str | None, warnings: list[str], sources: FieldSources
) -> str | None:
    text, encoding, path = identity
    if path is not None:
        sources[kind] = path
    if encoding not in _USABLE_ENCODINGS:
        warnings.append("unusable_hash")
        return None
    if is_digest(text):
        sources.setdefault("hashed", []).append(kind)
        return text.lower()
    if encoding == "sha256":
        warnings.append("unusable_hash")
        return None
    normal = _NORMALISERS[kind](text, region, warnings)
    return sha256(normal.encode()).hexdigest() if normal is not None else None


def is_digest(text: str) -> bool:
    """Return whether the text counts as a SHA-256 digest: 64 hexadecimal digits."""
    return len(text) == _DIGEST_CHARACTERS and _DIGEST.fullmatch(text) is not None


def _normal_email(text: str, _region: str | None, warnings: list[str]) -> str | None:
    if _EMAIL.fullmatch(text):
        return text.lower()
    warnings.append("invalid_email")
    return None


def _normal_external_id(text: str, _region: str | None, warnings: list[str]) -> str | None:
    if text.lower() not in _DUMMIES:
        return text
    warnings.append("dummy_identity")
    return None


def _normal_phone(text: str, region: str | None, warnings: list[str]) -> str | None:
    if _E164.fullmatch(text):
        return text
    phone = _SEPARATORS.sub("", _without_trunk(text))
    if phone.startswith("00"):
        phone = f"+{phone[2:]}"
    if _PHONE.fullmatch(phone):
        if not phone.startswith("+"):
            if region is None:
                warnings.append("phone_without_country_code")
                return None
            phone = _national_to_e164(phone, region) or ""
        if _E164.fullmatch(phone):
            return phone
    warnings.append("invalid_phone")
    return None


_NORMALISERS: Final[dict[IdentityKind, _Normalise]] = {
    "email": _normal_email,
    "phone": _normal_phone,
    "external_id": _normal_external_id,
}


def _without_trunk(phone: str) -> str:
    """Return `+44 (0)20 …` without its `(0)`: a trunk prefix is dialed inside the country only."""
    if "(0)" not in phone:
        return phone
    compact = _INNER_SEPARATORS.sub("", phone)
    match = _COUNTRY_CODE_THEN_TRUNK.match(compact)
    if match is None or int(match[2]) not in _country_codes():
        return phone
    return match[1] + match[2] + compact[match.end() :]


@cache
def _country_codes() -> frozenset[int]:
    # Imported when first needed: the tables take 70 ms to load, and most phone numbers are E.164 already.
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE  # noqa: PLC0415

    return frozenset(COUNTRY_CODE_TO_REGION_CODE)


def _national_to_e164(phone: str, region: str) -> str | None:
    import phonenumbers  # noqa: PLC0415  # as above

    try:
        number = phonenumbers.parse(phone, region)
    except phonenumbers.NumberParseException:
        return None
    if phonenumbers.is_possible_number_with_reason(number) != phonenumbers.ValidationResult.IS_POSSIBLE:
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
