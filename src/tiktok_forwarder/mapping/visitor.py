"""What is known of the visitor beside the identities: IP address, user agent, TikTok's cookie, name and place."""

import re
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv6Address
from typing import Final, NamedTuple

from tiktok_forwarder.domain.sources import FieldSources
from tiktok_forwarder.mapping.candidates import candidates
from tiktok_forwarder.mapping.connection import Connection
from tiktok_forwarder.mapping.identity import digest_of, is_digest
from tiktok_forwarder.mapping.places import ANY_TYPE, REQUESTS, path_of
from tiktok_forwarder.mapping.sources import Occurrence, Source
from tiktok_forwarder.mapping.texts import MAX_CHARACTERS, TEXT_CUT
from tiktok_forwarder.mparticle.values import is_dummy, text_of, visible

INVALID_IP: Final = "invalid_ip"
PRIVATE_IP: Final = "private_ip"


def ip_of(given: Sequence[Source], occurrence: Occurrence, warnings: list[str], sources: FieldSources) -> str | None:
    """Return the first usable IP address, as it was written."""
    for candidate in candidates(given, occurrence):
        found = address_in(candidate.text)
        if found is None and len(candidate.text) > MAX_CHARACTERS:
            warnings.append(TEXT_CUT)
            continue
        if found is None:
            warnings.append(INVALID_IP)
            continue
        if not found.address:
            continue
        if not found.is_public:
            warnings.append(PRIVATE_IP)
        candidate.note("ip", given, sources)
        return found.address
    return None


def note_request(connection: Connection, sources: FieldSources) -> None:
    """Note that the batch's IP address and user agent are the request's, if they are sent."""
    for field, words in REQUESTS.items():
        path = path_of("field", field, ANY_TYPE)
        first = connection.sources_of(field)[0]
        if sources.get(field, path_of(first.kind, str(first.value), ANY_TYPE)) == path:
            sources[field] = words


class Address(NamedTuple):
    """An IP address, as it was written; empty if there was none to read."""

    address: str
    is_public: bool


_ABSENT: Final = Address("", is_public=False)


def address_in(text: str) -> Address | None:
    """Return the first public address of a list, such as proxies write; without one, the first; None if unusable."""
    if len(text) <= MAX_REMEMBERED_LENGTH:
        return _remembered(text)
    return _lately_read(text) if len(text) <= MAX_CHARACTERS else None


def _address_in(text: str) -> Address | None:
    text = visible(text).strip()
    if not text:
        return _ABSENT
    found: Address | None = None
    for part in text.split(","):
        address = _written_address(part)
        is_public = _is_public(address)
        if is_public is None:
            continue
        if is_public:
            return Address(address, is_public)
        found = found or Address(address, is_public)
    return found


@lru_cache(maxsize=4096)
def is_public_address(text: str) -> bool:
    """Return whether the text is a public address and nothing else."""
    return _address_in(text) == Address(text, is_public=True)


_remembered: Final = lru_cache(maxsize=4096)(_address_in)
# Of long texts only those that the events of a batch share: a sender could fill the memory.
_lately_read: Final = lru_cache(maxsize=16)(_address_in)
MAX_REMEMBERED_LENGTH: Final = 64
_FORWARDED_FOR: Final = "for="
_PORT: Final = re.compile(r":[0-9]*", re.ASCII)
_OCTET: Final = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4: Final = re.compile(rf"{_OCTET}\.{_OCTET}\.{_OCTET}\.{_OCTET}", re.ASCII)


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


def _is_public(address: str) -> bool | None:
    """Return whether an address is public; None if the text is no address, or `::`."""
    if ":" in address:
        return _is_public_ipv6(address)
    match = _IPV4.fullmatch(address)
    if match is None:
        return None
    first, second = int(match[1]), int(match[2])
    return not (
        first in (10, 127)
        or (first == 172 and second & 0xF0 == 16)
        or (first == 192 and second == 168)
        or (first == 169 and second == 254)
        or (first == 100 and second & 0xC0 == 64)
        or first & 0xF0 == 224
        or address == "0.0.0.0"  # noqa: S104  # compared, not bound
    )


def _is_public_ipv6(text: str) -> bool | None:
    try:
        address = IPv6Address(text)
    except ValueError:
        return None
    if address.ipv4_mapped is not None:
        return _is_public(str(address.ipv4_mapped))
    number = int(address)
    if number == 0:
        return None
    first, second = number >> 120, number >> 112 & 0xFF
    return not (number == 1 or (first == 0xFE and second & 0xC0 == 0x80) or first & 0xFE == 0xFC or first == 0xFF)


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


class MatchingFields(NamedTuple):
    """The fields of advanced matching, with the warnings and the unusual sources of them."""

    fields: dict[str, str]
    warnings: list[str]
    sources: FieldSources


def matching_fields(user_attributes: Mapping[str, object] | None, omitted: Collection[str]) -> MatchingFields:
    """Return the fields of advanced matching: names and zip code as digests, the place as text."""
    found: dict[str, str] = {}
    warnings: list[str] = []
    sources: FieldSources = {}
    if not user_attributes:
        return MatchingFields(found, warnings, sources)
    spellings = {name.lower(): name for name in user_attributes if name.startswith("$")}
    for field, attribute in MATCHING_ATTRIBUTES.items():
        spelling = spellings.get(attribute)
        text = text_of(user_attributes[spelling]) if spelling is not None and field not in omitted else None
        if spelling is None or text is None or is_dummy(text):
            continue
        if len(text) > MAX_CHARACTERS:
            warnings.append(TEXT_CUT)
            continue
        normal = _hashed(text) if field in HASHED_ATTRIBUTES else _letters_and_digits(text)
        if normal is not None:
            found[field] = normal
            if spelling != attribute:
                path = path_of("user_attribute", spelling, "")
                sources[field] = path  # type: ignore[literal-required]  # a member of the same name
    return MatchingFields(found, warnings, sources)


def _hashed(text: str) -> str | None:
    if is_digest(text):
        return text.lower()
    text = "".join(text.split()).lower()
    return digest_of(text) if text else None


def _letters_and_digits(text: str) -> str | None:
    return "".join([character for character in text.lower() if character.isalnum()]) or None
