"""What is known of the visitor beside the identities: IP address, user agent, TikTok's cookie, name and place."""

import re
import socket
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Final, NamedTuple

from tiktok_forwarder.domain.sources import FieldSources
from tiktok_forwarder.mapping.candidates import candidates
from tiktok_forwarder.mapping.identity import is_digest
from tiktok_forwarder.mapping.places import path_of
from tiktok_forwarder.mapping.sources import Occurrence, Source
from tiktok_forwarder.mapping.texts import MAX_CHARACTERS, TEXT_CUT
from tiktok_forwarder.mparticle.values import is_dummy, text_of, visible

INVALID_IP: Final = "invalid_ip"
PRIVATE_IP: Final = "private_ip"


def ip_of(given: Sequence[Source], occurrence: Occurrence, warnings: list[str], sources: FieldSources) -> str | None:
    """Return the first usable IP address, as it was written."""
    for candidate in candidates(given, occurrence):
        text = visible(candidate.text).strip()
        if not text:
            continue
        # A long text is not remembered: a sender could fill the memory.
        found = (_address_in if len(text) <= _MAX_REMEMBERED_LENGTH else _address_in.__wrapped__)(text)
        if found is None:
            warnings.append(INVALID_IP)
            continue
        if not found.is_public:
            warnings.append(PRIVATE_IP)
        candidate.note("ip", given, sources)
        return found.address
    return None


class _Address(NamedTuple):
    address: str
    is_public: bool


@lru_cache(maxsize=4096)
def _address_in(text: str) -> _Address | None:
    """Return the first public address of a list, such as proxies write; without one, the first address."""
    found: _Address | None = None
    for part in text.split(","):
        address = _written_address(part)
        packed = _packed(address)
        if packed is None or packed == _UNSPECIFIED:
            continue
        candidate = _Address(address, _is_public(packed))
        if candidate.is_public:
            return candidate
        found = found or candidate
    return found


_IPV6_BYTES: Final = 16
_UNSPECIFIED: Final = bytes(_IPV6_BYTES)
_MAX_REMEMBERED_LENGTH: Final = 64
_MAPPED_IPV4: Final = bytes(10) + b"\xff\xff"
_FORWARDED_FOR: Final = "for="
_PORT: Final = re.compile(r":[0-9]*", re.ASCII)


def _written_address(part: str) -> str:
    """Return what one element of a list holds, without `for=`, quotes, brackets, port and zone."""
    pieces = [piece.strip() for piece in part.split(";")]
    text = next((piece for piece in pieces if piece[: len(_FORWARDED_FOR)].lower() == _FORWARDED_FOR), pieces[0])
    if text[: len(_FORWARDED_FOR)].lower() == _FORWARDED_FOR:
        text = text[len(_FORWARDED_FOR) :].strip()
    text = text.strip("\"'").strip()
    if text.startswith("["):
        inner, _, behind = text[1:].partition("]")
        text = inner if not behind or _PORT.fullmatch(behind) else ""
    elif text.count(":") == 1:
        text, _, port = text.partition(":")
        text = text if port.isdecimal() else ""
    return text.partition("%")[0].strip()


def _packed(address: str) -> bytes | None:
    try:
        return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
    except (OSError, ValueError):
        return None


def _is_public(packed: bytes) -> bool:
    if len(packed) == _IPV6_BYTES:
        if packed[:12] == _MAPPED_IPV4:
            return _is_public(packed[12:])
        first, second = packed[0], packed[1]
        return not (
            packed == bytes(15) + b"\x01"
            or (first == 0xFE and second & 0xC0 == 0x80)
            or first & 0xFE == 0xFC
            or first == 0xFF
        )
    first, second = packed[0], packed[1]
    return not (
        first in (10, 127)
        or (first == 172 and second & 0xF0 == 16)
        or (first == 192 and second == 168)
        or (first == 169 and second == 254)
        or (first == 100 and second & 0xC0 == 64)
        or first & 0xF0 == 224
        or not any(packed)
    )


def bounded_text_of(
    field: str, given: Sequence[Source], occurrence: Occurrence, warnings: list[str], sources: FieldSources
) -> str | None:
    """Return the first usable user agent or cookie: no placeholder, and not too long."""
    for candidate in candidates(given, occurrence):
        if len(candidate.text) > MAX_CHARACTERS:
            warnings.append(TEXT_CUT)
        elif not is_dummy(candidate.text):
            candidate.note(field, given, sources)
            return candidate.text
    return None


# --- advanced matching -----------------------------------------------------------------------------------------------

HASHED_ATTRIBUTES: Final[Mapping[str, str]] = {
    "first_name": "$firstname",
    "last_name": "$lastname",
    "zip_code": "$zip",
}
PLAIN_ATTRIBUTES: Final[Mapping[str, str]] = {"city": "$city", "state": "$state", "country": "$country"}
MATCHING_ATTRIBUTES: Final[Mapping[str, str]] = {**HASHED_ATTRIBUTES, **PLAIN_ATTRIBUTES}
"""mParticle's user attribute of each field of advanced matching."""


def matching_fields(
    user_attributes: Mapping[str, object] | None, omitted: Sequence[str], sources: FieldSources
) -> dict[str, str]:
    """Return the fields of advanced matching: names and zip code as digests, the place as text."""
    found: dict[str, str] = {}
    if not user_attributes:
        return found
    spellings = {name.lower(): name for name in user_attributes if name.startswith("$")}
    for field, attribute in MATCHING_ATTRIBUTES.items():
        spelling = spellings.get(attribute)
        text = text_of(user_attributes[spelling]) if spelling is not None and field not in omitted else None
        if spelling is None or text is None or is_dummy(text):
            continue
        normal = _hashed(text) if field in HASHED_ATTRIBUTES else _letters_and_digits(text)
        if normal is not None:
            found[field] = normal
            if spelling != attribute:
                path = path_of("user_attribute", spelling, "")
                sources[field] = path  # type: ignore[literal-required]  # a member of the same name
    return found


def _hashed(text: str) -> str | None:
    if is_digest(text):
        return text.lower()
    text = "".join(text.split()).lower()
    return sha256(text.encode()).hexdigest() if text else None


def _letters_and_digits(text: str) -> str | None:
    return "".join([character for character in text.lower() if character.isalnum()]) or None
