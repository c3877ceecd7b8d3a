"""Identities as TikTok wants them: normalized, hashed with SHA-256, or omitted with a warning that gives the reason."""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any, Final, Literal

from msgspec import Struct

from tiktok_forwarder.domain.sources import FieldSources
from tiktok_forwarder.mapping.connection import Connection
from tiktok_forwarder.mapping.phones import normal_phone
from tiktok_forwarder.mapping.redaction.identities import IdentityValues, identity_values
from tiktok_forwarder.mapping.texts import MAX_CHARACTERS, TEXT_CUT
from tiktok_forwarder.mparticle.batch import Batch
from tiktok_forwarder.mparticle.identities import Identity, identities_by_type
from tiktok_forwarder.mparticle.values import is_dummy, visible_text

MPID: Final = "mpid"
_DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII | re.IGNORECASE)
_DIGEST_CHARACTERS: Final = 64
# Firehose may hash identities itself; TikTok accepts only SHA-256.
_USABLE_ENCODINGS: Final = frozenset({"raw", "sha256"})
_ORDINARY_EMAIL: Final = re.compile(r"[A-Za-z0-9._%+-]++@[A-Za-z0-9-]++(?:\.[A-Za-z0-9-]++)++", re.ASCII)
_EMAIL: Final = re.compile(r"""[^@\s"<>()\[\],;:\\]+@[^@\s"<>()\[\],;:\\'][^@\s"<>()\[\],;:\\']*""")
_MAILTO: Final = "mailto:"
_PAIRS: Final = frozenset({'""', "''", "<>"})
_BEHIND: Final = frozenset(",;.'")

IdentityKind = Literal["email", "phone", "external_id"]
"""The identities by which TikTok knows a person."""

IDENTITY_KINDS: Final[tuple[IdentityKind, ...]] = ("email", "phone", "external_id")

Digest = str | list[str] | None
"""What is sent of one kind: a digest, or several if the connection reads several identity types for it."""


class Identities(Struct, gc=False):
    """The identities of the batch's user: digests of those that are sent, and what must not be left in a text.

    `identifiers` are all the digests. `values` and `external_value`, for sampling, are raw: they must not leave the
    mapping.
    """

    email: Digest
    phone: Digest
    external_id: Digest
    identifiers: list[str]
    warnings: list[str]
    values: IdentityValues
    external_value: str | None


def identity_types(connection: Connection, kind: IdentityKind) -> tuple[str, ...]:
    """Return mParticle's identity types that the connection reads for one of TikTok's kinds, the main one first."""
    match kind:
        case "email":
            return (connection.email_identity_type, *connection.extra_email_identity_types)
        case "phone":
            return (connection.phone_identity_type, *connection.extra_phone_identity_types)
        case "external_id":
            return (connection.external_identity_type, *connection.extra_external_identity_types)


class IdentityReader:
    """Reads the identities of a connection's types."""

    def __init__(self, connection: Connection) -> None:
        types = {kind: identity_types(connection, kind) for kind in IDENTITY_KINDS}
        self._external_type = connection.external_identity_type
        self._phone_types = types["phone"]
        self._region = connection.default_phone_region
        self._counts_mpid = any(MPID in names for names in types.values())
        # Of what is never sent, nothing is read.
        sent = {kind: types[kind] if kind not in connection.omit else () for kind in IDENTITY_KINDS}
        # The only type of a kind, or its types if there are several.
        self._sent = [
            (kind, _NORMALISERS[kind], *((names[0], ()) if len(names) == 1 else ("", names)))
            for kind, names in sent.items()
        ]

    def identities(self, batch: Batch, sources: FieldSources) -> Identities:
        texts: list[str] = []
        found = identities_by_type(batch.user_identities, texts)
        phones: list[str] = []
        for name in self._phone_types:
            if name in found:
                phones.append(found[name][0])
        if self._counts_mpid and (mpid := mpid_of(batch)) is not None:
            found[MPID] = (mpid, "raw", MPID)
        warnings: list[str] = []
        digests: list[Digest] = []
        identifiers: list[str] = []
        for kind, normalise, only, types in self._sent:
            digest: Digest = None
            if only in found:
                digest = _digest(found[only], kind, normalise, self._region, warnings, sources)
                if digest is not None:
                    identifiers.append(digest)
            elif types:
                several = _several(kind, types, found, self._region, warnings, sources)
                identifiers += several
                digest = several if len(several) > 1 else next(iter(several), None)
            digests.append(digest)
        email, phone, external_id = digests
        values = identity_values(texts, phones, self._region)
        external = found[self._external_type][0] if self._external_type in found else None
        return Identities(email, phone, external_id, identifiers, warnings, values, external)


def mpid_of(batch: Batch) -> str | None:
    if type(batch.mpid) is int:
        return str(batch.mpid) if batch.mpid else None
    mpid = batch.mpid
    # The quick way for nearly every batch; the rest is the rule.
    if type(mpid) is str and len(mpid) <= MAX_CHARACTERS and mpid.isdecimal() and mpid.isascii() and mpid[0] != "0":
        return mpid
    mpid = visible_text(mpid)
    return mpid if mpid is not None and len(mpid) <= MAX_CHARACTERS and not is_dummy(mpid) else None


def digests_of_identity(text: str, kind: IdentityKind, connection: Connection) -> list[str]:
    """Return all digests that the connection would make of it in a batch; none if it would be omitted.

    There are several if the connection uses one of mParticle's identity types for several of TikTok's kinds.
    """
    types = set(identity_types(connection, kind))
    kinds = [each for each in _NORMALISERS if types.intersection(identity_types(connection, each))]
    digests = [
        _digest((text, "raw", None), kind, _NORMALISERS[kind], connection.default_phone_region, [], {})
        for kind in kinds
    ]
    return [digest for digest in digests if digest is not None]


def digest_of_identity(text: str, kind: IdentityKind) -> str | None:
    """Return the digest by a connection without a default phone region, or None if the identity would be omitted."""
    return _digest((text, "raw", None), kind, _NORMALISERS[kind], None, [], {})


def _several(
    kind: IdentityKind,
    types: Sequence[str],
    found: dict[str, Identity],
    region: str | None,
    warnings: list[str],
    sources: FieldSources,
) -> list[str]:
    """Return the digests of several identity types, without repeats."""
    digests: dict[str, str] = {}
    for name in types:
        identity = found.get(name)
        digest = (
            _digest(identity, kind, _NORMALISERS[kind], region, warnings, sources) if identity is not None else None
        )
        if identity is not None and digest is not None:
            digests.setdefault(digest, identity[2] or f"user_identities.{name}")
    if digests:
        sources[kind] = list(digests.values())
    return list(digests)


# Takes text and region; returns the normal form, or None after noting the warning.
_Normalise = Callable[[str, str | None, list[str]], str | None]


def _digest(
    identity: Identity,
    kind: IdentityKind,
    normalise: _Normalise,
    region: str | None,
    warnings: list[str],
    sources: FieldSources,
) -> str | None:
    text, encoding, path = identity
    if path is not None:
        sources[kind] = path
    if encoding != "raw" or len(text) >= _DIGEST_CHARACTERS:
        if encoding not in _USABLE_ENCODINGS:
            warnings.append("unusable_hash")
            return None
        if len(text) > MAX_CHARACTERS:
            warnings.append(TEXT_CUT)
            return None
        if is_digest(text):
            sources.setdefault("hashed", []).append(kind)
            return text.lower()
        if encoding != "raw":
            warnings.append("unusable_hash")
            return None
    normal = normalise(text, region, warnings)
    return digest_of(normal) if normal is not None else None


def _quickest_sha256() -> Callable[[bytes], Any]:
    # OpenSSL's takes half a microsecond to begin. Python's own module was renamed in 3.12.
    for name in ("_sha2", "_sha256"):
        with suppress(ImportError):
            sha256: Callable[[bytes], Any] = import_module(name).sha256
            return sha256
    return hashlib.sha256


_sha256: Final = _quickest_sha256()


def digest_of(text: str) -> str:
    """Return the SHA-256 digest of the text in UTF-8, in lower-case hexadecimal."""
    return _sha256(text.encode()).hexdigest()  # type: ignore[no-any-return]  # a text


def is_digest(text: str) -> bool:
    """Return whether the text counts as a SHA-256 digest: 64 hexadecimal digits."""
    return len(text) == _DIGEST_CHARACTERS and _DIGEST.fullmatch(text) is not None


def _normal_email(text: str, _region: str | None, warnings: list[str]) -> str | None:
    if _ORDINARY_EMAIL.fullmatch(text):
        return text.lower()
    text = unicodedata.normalize("NFC", _unwrapped(text)).lower()
    if _EMAIL.fullmatch(text) and "." in text.partition("@")[2][1:-1]:
        return text
    warnings.append("invalid_email")
    return None


def _unwrapped(text: str) -> str:
    """Return the address without what lists, links and quotes leave around it. Linear: nothing is copied on the way."""
    start, end = 0, len(text)
    while True:
        while start < end and text[start].isspace():
            start += 1
        while start < end and text[end - 1].isspace():
            end -= 1
        if text[start : start + len(_MAILTO)].lower() == _MAILTO:
            start += len(_MAILTO)
        elif end - start > 1 and text[start] + text[end - 1] in _PAIRS:
            start, end = start + 1, end - 1
        elif end > start and text[end - 1] in _BEHIND:
            end -= 1
        else:
            return text[start:end]


def _normal_external_id(text: str, _region: str | None, warnings: list[str]) -> str | None:
    if not is_dummy(text):
        return text
    warnings.append("dummy_identity")
    return None


_NORMALISERS: Final[dict[IdentityKind, _Normalise]] = {
    "email": _normal_email,
    "phone": normal_phone,
    "external_id": _normal_external_id,
}
